//! Computes PReLU in one pass. tract's own reader makes three operators of it, which take most of a small network's time.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constant;

/// `x` where it is positive, else `x` times the slope of its channel (axis 1). Slopes may be negative or above 1.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) struct PRelu {
    pub(super) slopes: Arc<Tensor>,
}

pub(super) fn build(_: &ParsingContext<'_>, _: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(Unwired), vec![]))
}

/// The operator before its slopes are known.
#[derive(Clone, Debug)]
struct Unwired;

impl Expansion for Unwired {
    fn name(&self) -> StaticName {
        "PRelu".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        s.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        s.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, name: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let slopes = constant(model, inputs, 1)?;
        let channels = model.outlet_fact(inputs[0])?.shape.get(1).cloned();
        ensure!(channels == Some(slopes.len().to_dim()), "{name}: {} slopes for {channels:?} channels", slopes.len());
        let along_channels = matches!(*slopes.shape(), [_, 1, 1] | [1, _, 1, 1]);
        ensure!(along_channels, "{name}: slopes {:?} along another axis than the channels", slopes.shape());
        model.wire_node(name, PRelu { slopes }, &inputs[..1])
    }
}

impl Op for PRelu {
    fn name(&self) -> StaticName {
        "PRelu".into()
    }
    op_as_typed_op!();
}

impl EvalOp for PRelu {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut x = args_1!(inputs).into_tensor();
        let plane: usize = x.shape()[2..].iter().product();
        let slopes = self.slopes.try_as_plain_ram()?;
        let slopes = slopes.as_slice::<f32>()?;
        let mut view = x.try_as_plain_ram_mut()?;
        for (number, channel) in view.as_slice_mut::<f32>()?.chunks_exact_mut(plane).enumerate() {
            let slope = slopes[number % slopes.len()];
            for v in channel {
                let scaled = *v * slope;
                *v = if *v > 0.0 { *v } else { scaled };
            }
        }
        Ok(tvec!(x.into_tvalue()))
    }
}

impl TypedOp for PRelu {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }
    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_any_sign_apply_to_their_channel() -> TractResult<()> {
        let op = PRelu { slopes: tensor1(&[-0.5f32, 2.0]).into_arc_tensor() };
        let x = Tensor::from_shape(&[1, 2, 1, 2], &[-1.0f32, 3.0, -1.0, 3.0])?;
        let y = op.eval(&EvalContext::out_of_plan(), tvec!(x.into_tvalue()))?;
        assert_eq!(y[0].try_as_plain_ram()?.as_slice::<f32>()?, [0.5, 3.0, -2.0, 3.0]);
        Ok(())
    }
}

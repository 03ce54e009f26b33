//! Reads QuantizeLinear and DequantizeLinear as operators and keeps them until an arithmetic is chosen.
//!
//! tract's own readers turn them into chains of elementwise float operators, which no longer show where an int8 engine
//! stores a value.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constant;
use crate::engine::int8::{Stored, Unsupported};

/// `real = scale * (q - zero)`, one pair for the tensor or one for each index along `axis`.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) struct Affine {
    scale: Arc<Tensor>,
    zero: Arc<Tensor>,
    axis: usize,
}

/// f32 to u8: `clamp(round_half_to_even(x / scale) + zero)`.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) struct Quantize(pub(super) Affine);

/// u8 or i8 to f32.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) struct Dequantize(pub(super) Affine);

impl Dequantize {
    /// The scale of each row (axis 0), if there is one per row and zero points are 0: how weights are stored.
    pub(super) fn symmetric_rows(&self) -> Option<Arc<Tensor>> {
        let zero = self.0.zero.cast_to::<f32>().ok()?;
        let all_zero = zero.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.iter().all(|z| *z == 0.0);
        (self.0.axis == 0 && all_zero).then(|| Arc::clone(&self.0.scale))
    }
}

/// Removes each pair that stores an activation and reads it back, so that values stay f32 between blocks.
pub(super) fn fold_activations(model: &mut TypedModel) -> TractResult<()> {
    Rewriter::<()>::default().with_rule_for("fold-activation", fold).rewrite(&(), model)
}

fn fold(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    _: &str,
    read: &Dequantize,
) -> TractResult<Option<TypedModelPatch>> {
    let before = model.node(node.inputs[0].node);
    let Some(Quantize(stored)) = before.op_as::<Quantize>() else { return Ok(None) };
    ensure!(*stored == read.0, "{}: stored and read with different scales", node.name);
    let mut patch = TypedModelPatch::default();
    let source = patch.tap_model(model, before.inputs[0])?;
    patch.shunt_outside(model, node.id.into(), source)?;
    Ok(Some(patch))
}

/// Decodes int8 weights to f32 once, at load. tract folds constants by itself, but not those that grow by folding: a large
/// layer would be decoded and packed again in every inference.
pub(super) fn decode_weights(model: &mut TypedModel) -> TractResult<()> {
    Rewriter::<()>::default().with_rule_for("decode-weights", decode).rewrite(&(), model)
}

fn decode(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &Dequantize,
) -> TractResult<Option<TypedModelPatch>> {
    let Some(stored) = model.outlet_fact(node.inputs[0])?.konst.clone() else { return Ok(None) };
    let decoded = op.eval(&EvalContext::out_of_plan(), tvec!(stored.into_tvalue()))?.remove(0);
    let mut patch = TypedModelPatch::default();
    let constant = patch.add_const(name, decoded.into_arc_tensor())?;
    patch.shunt_outside(model, node.id.into(), constant)?;
    Ok(Some(patch))
}

pub(super) fn quantize(_: &ParsingContext<'_>, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(Linear { axis: axis(node)?, direction: Direction::Quantize }), vec![]))
}

pub(super) fn dequantize(_: &ParsingContext<'_>, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(Linear { axis: axis(node)?, direction: Direction::Dequantize }), vec![]))
}

fn axis(node: &NodeProto) -> TractResult<usize> {
    ensure!(node.input.len() == 3, "{}: scale and zero point must be given", node.name);
    usize::try_from(node.get_attr_opt::<i64>("axis")?.unwrap_or(1)).context("a negative axis is not supported")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Quantize,
    Dequantize,
}

/// Either operator before its constants are known.
#[derive(Clone, Debug)]
struct Linear {
    axis: usize,
    direction: Direction,
}

impl Expansion for Linear {
    fn name(&self) -> StaticName {
        format!("{:?}Linear", self.direction).into()
    }

    /// Keeps tract from folding the weights to floats before the int8 weights are found.
    fn runs_out_of_plan(&self) -> bool {
        false
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 3)?;
        check_output_arity(outputs, 1)?;
        let (real, stored) = match self.direction {
            Direction::Quantize => (&inputs[0], &outputs[0]),
            Direction::Dequantize => (&outputs[0], &inputs[0]),
        };
        s.equals(&real.datum_type, f32::datum_type())?;
        s.equals(&inputs[1].datum_type, f32::datum_type())?;
        s.equals(&stored.datum_type, &inputs[2].datum_type)?;
        s.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(&self, name: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let (scale, zero) = (constant(model, inputs, 1)?, constant(model, inputs, 2)?);
        ensure!(scale.len() == zero.len(), "{name}: scale and zero point differ in length");
        let shape = &model.outlet_fact(inputs[0])?.shape;
        let fits = scale.len() == 1 || shape.get(self.axis).is_some_and(|d| *d == scale.len().to_dim());
        ensure!(fits, "{name}: {} scales along axis {} of {shape:?}", scale.len(), self.axis);
        let affine = Affine { scale, zero, axis: self.axis };
        match self.direction {
            Direction::Quantize => model.wire_node(name, Quantize(affine), &inputs[..1]),
            Direction::Dequantize => model.wire_node(name, Dequantize(affine), &inputs[..1]),
        }
    }
}

impl Affine {
    /// The same for each of `channels` (axis 1).
    pub(super) fn stored(&self, channels: usize) -> Result<Stored, Unsupported> {
        let told = |_: TractError| Unsupported("scales that are no plain numbers".into());
        let scale = self.scale.try_as_plain_ram().and_then(|s| Ok(s.as_slice::<f32>()?.to_vec())).map_err(told)?;
        let zero = self.zero.try_as_plain_ram().and_then(|z| Ok(z.as_slice::<u8>()?.to_vec())).map_err(told)?;
        match (scale.len(), zero.len()) {
            _ if scale.iter().any(|s| !(s.is_finite() && *s > 0.0)) => {
                Err(Unsupported("scales that are not positive".into()))
            }
            (1, 1) => Ok(Stored { scale: vec![scale[0]; channels], zero: vec![zero[0]; channels] }),
            (s, z) if s == channels && z == channels && self.axis == 1 => Ok(Stored { scale, zero }),
            _ => Err(Unsupported("scales along another axis than the channels".into())),
        }
    }

    /// Whether a stored byte stands for itself minus `zero`.
    pub(super) fn is_identity(&self, zero: u8) -> bool {
        self.stored(1).is_ok_and(|s| s.scale == [1.0] && s.zero == [zero])
    }

    /// Calls `f(run, scale, zero)` for each run of elements that share a scale; `shape` is that of the tensor.
    fn for_each_run(&self, shape: &[usize], mut f: impl FnMut(std::ops::Range<usize>, f32, f32)) -> TractResult<()> {
        let scale = self.scale.try_as_plain_ram()?;
        let scale = scale.as_slice::<f32>()?;
        let zero = self.zero.cast_to::<f32>()?;
        let zero = zero.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        let len: usize = shape.iter().product();
        let run = if scale.len() == 1 { len } else { shape[self.axis + 1..].iter().product() };
        for (number, start) in (0..len).step_by(run.max(1)).enumerate() {
            f(start..start + run, scale[number % scale.len()], zero[number % zero.len()]);
        }
        Ok(())
    }
}

impl Op for Quantize {
    fn name(&self) -> StaticName {
        "Quantize".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Quantize {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let x = input.try_as_plain_ram()?;
        let x = x.as_slice::<f32>()?;
        let mut output = Tensor::zero::<u8>(input.shape())?;
        let mut view = output.try_as_plain_ram_mut()?;
        let q = view.as_slice_mut::<u8>()?;
        self.0.for_each_run(input.shape(), |run, scale, zero| {
            for (q, x) in q[run.clone()].iter_mut().zip(&x[run]) {
                *q = ((x / scale).round_ties_even() + zero).clamp(0.0, 255.0) as u8;
            }
        })?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Quantize {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(self.0.zero.datum_type() == u8::datum_type(), "activations are stored as u8");
        Ok(tvec!(u8::fact(inputs[0].shape.clone())))
    }
    as_op!();
}

impl Op for Dequantize {
    fn name(&self) -> StaticName {
        "Dequantize".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Dequantize {
    not_out_of_plan!(); // see `Linear`

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = args_1!(inputs).cast_to::<f32>()?.into_owned();
        let shape: TVec<usize> = output.shape().into();
        let mut view = output.try_as_plain_ram_mut()?;
        let x = view.as_slice_mut::<f32>()?;
        self.0.for_each_run(&shape, |run, scale, zero| {
            for x in &mut x[run] {
                *x = (*x - zero) * scale;
            }
        })?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Dequantize {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.clone())))
    }
    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_their_own_scale_and_ties_go_to_even() -> TractResult<()> {
        let affine = Affine {
            scale: tensor1(&[1.0f32, 0.5]).into_arc_tensor(),
            zero: tensor1(&[10u8, 0]).into_arc_tensor(),
            axis: 1,
        };
        let x = Tensor::from_shape(&[1, 2, 3], &[0.5f32, 1.5, -20.0, 0.25, 1.0, 1000.0])?;
        let q = Quantize(affine.clone()).eval(&EvalContext::out_of_plan(), tvec!(x.into_tvalue()))?;
        assert_eq!(q[0].try_as_plain_ram()?.as_slice::<u8>()?, [10, 12, 0, 0, 2, 255]);
        let back = Dequantize(affine).eval(&EvalContext::out_of_plan(), q)?;
        assert_eq!(back[0].try_as_plain_ram()?.as_slice::<f32>()?, [0.0, 2.0, -10.0, 0.0, 1.0, 127.5]);
        Ok(())
    }
}

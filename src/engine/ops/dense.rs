//! A fully connected layer whose weights stay int8 in memory; the arithmetic is f32.
//!
//! The exporter writes such a layer as a convolution that covers its whole input. tract would decode it to four times the
//! size and keep a packed copy. This operator reads each weight once an inference anyway, so that decoding on the way costs
//! little more than the memory traffic that it saves.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::PaddingSpec;
use tract_onnx::tract_core::ops::cnn::conv::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::math::Mul;
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_hir::internal::*;

use super::quant::Dequantize;

/// Below this many weights tract's own matrix product is as good.
const WORTH_IT: usize = 1 << 20;

/// `y[o] = scale[o] * sum(weights[o][i] * factor[i / plane] * x[i]) + bias[o]`
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Dense {
    /// i8, one row of `channels * plane` for each output.
    weights: Arc<Tensor>,
    /// f32, one for each output.
    scale: Arc<Tensor>,
    /// f32, one for each input channel, or a single one.
    factor: Arc<Tensor>,
    /// f32, one for each output.
    bias: Arc<Tensor>,
}

/// Puts our operator in the place of every large convolution that has one output position and int8 weights.
pub(super) fn replace_covering(model: &mut TypedModel) -> TractResult<()> {
    Rewriter::<()>::default().with_rule_for("dense", rule).rewrite(&(), model)
}

fn rule(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &Conv) -> TractResult<Option<TypedModelPatch>> {
    let (input, output) = (model.outlet_fact(node.inputs[0])?, &node.outputs[0].fact);
    let (Some(from), Some(to)) = (input.shape.as_concrete(), output.shape.as_concrete()) else { return Ok(None) };
    let covers = op.group == 1
        && op.kernel_fmt == KernelFormat::OIHW
        && op.pool_spec.data_format == DataFormat::NCHW
        && op.pool_spec.dilations().iter().all(|d| *d == 1)
        && unpadded(&op.pool_spec.padding)
        && from.len() == 4
        && from[0] == 1
        && op.pool_spec.kernel_shape.as_slice() == &from[2..]
        && to[2..] == [1, 1];
    // The kernel is int8 behind its decoding, which a factor for each input channel may follow.
    let kernel = model.node(node.inputs[1].node);
    let (decoding, factor) = match kernel.op_as::<TypedBinOp>() {
        Some(op) if op.0.is::<Mul>() => {
            let factor = model.outlet_fact(kernel.inputs[1])?.konst.clone();
            (model.node(kernel.inputs[0].node), factor.filter(|f| f.shape() == [1, from[1], 1, 1]))
        }
        Some(_) => return Ok(None),
        None => (kernel, Some(tensor1(&[1.0f32]).into_arc_tensor())),
    };
    let (Some(decoding_op), Some(factor)) = (decoding.op_as::<Dequantize>(), factor) else { return Ok(None) };
    let weights = model.outlet_fact(decoding.inputs[0])?.konst.clone();
    let bias = model.outlet_fact(node.inputs[2])?.konst.clone();
    let (Some(weights), Some(bias), Some(scale)) = (weights, bias, decoding_op.symmetric_rows()) else {
        return Ok(None);
    };
    if !covers || weights.len() < WORTH_IT || weights.datum_type() != i8::datum_type() || bias.len() != to[1] {
        return Ok(None);
    }
    let mut patch = TypedModelPatch::default();
    let x = patch.tap_model(model, node.inputs[0])?;
    let y = patch.wire_node(name, Dense { weights, scale, factor, bias }, &[x])?;
    patch.shunt_outside(model, node.id.into(), y[0])?;
    Ok(Some(patch))
}

fn unpadded(padding: &PaddingSpec) -> bool {
    match padding {
        PaddingSpec::Explicit(before, after) => before.iter().chain(after).all(|p| *p == 0),
        PaddingSpec::Valid => true,
        _ => false,
    }
}

impl Op for Dense {
    fn name(&self) -> StaticName {
        "Dense".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Dense {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let plane: usize = input.shape()[2..].iter().product();
        let floats = |t: &Arc<Tensor>| Ok::<_, TractError>(t.try_as_plain_ram()?.as_slice::<f32>()?.to_vec());
        let (scale, factor, bias) = (floats(&self.scale)?, floats(&self.factor)?, floats(&self.bias)?);
        let mut x = input.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        for (channel, values) in x.chunks_exact_mut(plane).enumerate() {
            let factor = factor[channel % factor.len()];
            values.iter_mut().for_each(|v| *v *= factor);
        }
        let weights = self.weights.try_as_plain_ram()?;
        let rows = weights.as_slice::<i8>()?.chunks_exact(x.len());
        let y: Vec<f32> = rows.enumerate().map(|(o, row)| scale[o % scale.len()] * dot(row, &x) + bias[o]).collect();
        Ok(tvec!(Tensor::from_shape(&[1, y.len(), 1, 1], &y)?.into_tvalue()))
    }
}

/// Inner product in sixteen partial sums, which the compiler keeps in vector registers.
fn dot(weights: &[i8], x: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (w, x) = (weights.chunks_exact(LANES), x.chunks_exact(LANES));
    let rest: f32 = w.remainder().iter().zip(x.remainder()).map(|(w, x)| f32::from(*w) * x).sum();
    for (w, x) in w.zip(x) {
        for ((sum, w), x) in sums.iter_mut().zip(w).zip(x) {
            *sum += f32::from(*w) * x;
        }
    }
    sums.iter().sum::<f32>() + rest
}

impl TypedOp for Dense {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact([1, self.bias.len(), 1, 1])))
    }
    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_factors_and_the_odd_rest_are_right() -> TractResult<()> {
        // 2 outputs, 3 channels of 1x7: 21 values fill the lanes once and leave 5.
        let x: Vec<f32> = (0..21).map(|i| (i % 5) as f32 - 2.0).collect();
        let w: Vec<i8> = (0..42).map(|i| (i * 7 % 11) as i8 - 5).collect();
        let (scale, factor, bias) = ([0.5f32, 2.0], [1.0f32, 2.0, 4.0], [10.0f32, -1.0]);
        let op = Dense {
            weights: Tensor::from_shape(&[2, 3, 1, 7], &w)?.into_arc_tensor(),
            scale: tensor1(&scale).into_arc_tensor(),
            factor: tensor1(&factor).into_arc_tensor(),
            bias: tensor1(&bias).into_arc_tensor(),
        };
        let y = op.eval(&EvalContext::out_of_plan(), tvec!(Tensor::from_shape(&[1, 3, 1, 7], &x)?.into_tvalue()))?;
        let want = |o: usize| {
            scale[o] * (0..21).map(|i| f32::from(w[o * 21 + i]) * factor[i / 7] * x[i]).sum::<f32>() + bias[o]
        };
        assert_eq!(y[0].try_as_plain_ram()?.as_slice::<f32>()?, [want(0), want(1)]);
        Ok(())
    }
}

//! Depthwise 3x3 convolution with stride 2 and padding 1.
//!
//! tract runs this case without vectors. Here each row is split into its even and its odd columns, after which all three
//! taps of a row read neighbors and the compiler vectorizes them.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::PaddingSpec;
use tract_onnx::tract_core::ops::cnn::conv::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx::tract_hir::internal::*;

/// Weights `(channels, 1, 3, 3)` and one bias a channel (or one for all).
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Depthwise3x3s2 {
    weights: Arc<Tensor>,
    bias: Arc<Tensor>,
}

/// Puts our operator in the place of every convolution that it covers.
pub(super) fn replace_strided(model: &mut TypedModel) -> TractResult<()> {
    Rewriter::<()>::default().with_rule_for("depthwise-3x3-s2", rule).rewrite(&(), model)
}

fn rule(_: &(), model: &TypedModel, node: &TypedNode, name: &str, op: &Conv) -> TractResult<Option<TypedModelPatch>> {
    let input = model.outlet_fact(node.inputs[0])?;
    let pool = &op.pool_spec;
    let padded_by_one = match &pool.padding {
        PaddingSpec::Explicit(before, after) => before.iter().chain(after).all(|p| *p == 1),
        _ => false,
    };
    let ours = op.q_params.is_none()
        && op.kernel_fmt == KernelFormat::OIHW
        && op.group == op.input_channels()
        && op.group == op.output_channels()
        && input.shape.as_concrete().is_some_and(|s| s.len() == 4)
        && pool.data_format == DataFormat::NCHW
        && pool.kernel_shape.as_slice() == [3, 3]
        && pool.strides().as_ref() == [2, 2]
        && pool.dilations().as_ref() == [1, 1]
        && padded_by_one;
    let constants = [1, 2].map(|i| model.outlet_fact(node.inputs[i]).map(|f| f.konst.clone()));
    let [Ok(Some(weights)), Ok(Some(bias))] = constants else { return Ok(None) };
    if !ours {
        return Ok(None);
    }
    let mut patch = TypedModelPatch::default();
    let x = patch.tap_model(model, node.inputs[0])?;
    let y = patch.wire_node(name, Depthwise3x3s2 { weights, bias }, &[x])?;
    patch.shunt_outside(model, node.id.into(), y[0])?;
    Ok(Some(patch))
}

impl Op for Depthwise3x3s2 {
    fn name(&self) -> StaticName {
        "Depthwise3x3s2".into()
    }
    op_as_typed_op!();
}

impl EvalOp for Depthwise3x3s2 {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let &[batch, channels, height, width] = input.shape() else { bail!("input is not NCHW") };
        let (rows, columns) = (height.div_ceil(2), width.div_ceil(2));
        let mut output = Tensor::zero::<f32>(&[batch, channels, rows, columns])?;
        let x = input.try_as_plain_ram()?;
        let w = self.weights.try_as_plain_ram()?;
        let b = self.bias.try_as_plain_ram()?;
        let (x, w, b) = (x.as_slice::<f32>()?, w.as_slice::<f32>()?, b.as_slice::<f32>()?);
        let mut view = output.try_as_plain_ram_mut()?;
        let mut split = Split::new(height, columns);
        let planes = x.chunks_exact(height * width).zip(view.as_slice_mut::<f32>()?.chunks_exact_mut(rows * columns));
        for (number, (x, y)) in planes.enumerate() {
            let channel = number % channels;
            split.fill(x, width);
            for (row, y) in y.chunks_exact_mut(columns).enumerate() {
                y.fill(b[channel % b.len()]);
                for tap in 0..3 {
                    if let Some(source) = (2 * row + tap).checked_sub(1).filter(|r| *r < height) {
                        split.accumulate(y, source, &w[channel * 9 + tap * 3..][..3]);
                    }
                }
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

/// A plane with even and odd columns apart; the odd ones begin with the zero that pads the left edge.
struct Split {
    even: Vec<f32>,
    odd: Vec<f32>,
    columns: usize,
}

impl Split {
    fn new(height: usize, columns: usize) -> Self {
        Self { even: vec![0.0; height * columns], odd: vec![0.0; height * (columns + 1)], columns }
    }

    fn fill(&mut self, plane: &[f32], width: usize) {
        let even = self.even.chunks_exact_mut(self.columns);
        let odd = self.odd.chunks_exact_mut(self.columns + 1);
        for ((row, even), odd) in plane.chunks_exact(width).zip(even).zip(odd) {
            for (pair, (even, odd)) in row.chunks(2).zip(even.iter_mut().zip(&mut odd[1..])) {
                *even = pair[0];
                *odd = pair.get(1).copied().unwrap_or(0.0);
            }
        }
    }

    /// Adds the three taps of one source row: columns `2i - 1`, `2i` and `2i + 1`.
    fn accumulate(&self, y: &mut [f32], row: usize, taps: &[f32]) {
        let even = &self.even[row * self.columns..][..self.columns];
        let odd = &self.odd[row * (self.columns + 1)..][..self.columns + 1];
        for (((y, left), middle), right) in y.iter_mut().zip(odd).zip(even).zip(&odd[1..]) {
            *y += taps[0] * left + taps[1] * middle + taps[2] * right;
        }
    }
}

impl TypedOp for Depthwise3x3s2 {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape: TVec<usize> = inputs[0].shape.as_concrete().context("shape must be known")?.into();
        for side in &mut shape[2..] {
            *side = side.div_ceil(2);
        }
        Ok(tvec!(f32::fact(&shape)))
    }
    as_op!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, tap by tap.
    fn reference(x: &[f32], c: usize, h: usize, w: usize, k: &[f32], b: &[f32]) -> Vec<f32> {
        let mut y = Vec::new();
        for (ch, r, q) in
            (0..c).flat_map(|c| (0..h.div_ceil(2)).flat_map(move |r| (0..w.div_ceil(2)).map(move |q| (c, r, q))))
        {
            let mut sum = b[ch];
            for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                let (sy, sx) = ((2 * r + i).wrapping_sub(1), (2 * q + j).wrapping_sub(1));
                if sy < h && sx < w {
                    sum += k[ch * 9 + i * 3 + j] * x[(ch * h + sy) * w + sx];
                }
            }
            y.push(sum);
        }
        y
    }

    proptest! {
        #[test]
        fn equals_the_definition(c in 1usize..4, h in 1usize..9, w in 1usize..9, seed: u32) {
            // Small integers: sums are exact in f32, so that the order of additions does not matter.
            let mut state = seed;
            let mut next = || { state = state.wrapping_mul(1664525).wrapping_add(1013904223); (state >> 28) as f32 - 8.0 };
            let mut take = |n: usize| (0..n).map(|_| next()).collect::<Vec<_>>();
            let (x, k, b) = (take(c * h * w), take(c * 9), take(c));
            let op = Depthwise3x3s2 {
                weights: Tensor::from_shape(&[c, 1, 3, 3], &k).unwrap().into_arc_tensor(),
                bias: tensor1(&b).into_arc_tensor(),
            };
            let input = Tensor::from_shape(&[1, c, h, w], &x).unwrap();
            let y = op.eval(&EvalContext::out_of_plan(), tvec!(input.into_tvalue())).unwrap();
            let want = reference(&x, c, h, w, &k, &b);
            prop_assert_eq!(y[0].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap(), want);
        }
    }
}

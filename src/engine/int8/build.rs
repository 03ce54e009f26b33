//! Collects the layers of a network and refuses those without kernels. `constants` computes their numbers, `place` assigns buffers.

use std::borrow::Cow;

use super::constants::Constants;
use super::depthwise::{self, Window};
use super::excite::{Gate, Layer as FloatLayer};
use super::gemm::Weights;
use super::kernels::Kernels;
use super::requantize::{Activation, RequantConstants};
use super::step::{BufferId, Op, Output, Step};
use super::{BLOCK, Isa, Shape, Stored, Unsupported, padded};

/// A tensor of the network that is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine) struct TensorId(pub(super) usize);

/// A convolution, what follows it, and how its result is stored.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Conv {
    /// `(outputs, inputs / groups, kernel, kernel)`, row by row.
    pub(in crate::engine) weights: Vec<i8>,
    /// Factor of the weights of each output.
    pub(in crate::engine) scale: Vec<f32>,
    /// Factor of the weights of each input, if they have one.
    pub(in crate::engine) input_scale: Option<Vec<f32>>,
    /// One for each output.
    pub(in crate::engine) bias: Vec<f32>,
    /// Factor of negative results for each output: 0 for ReLU, 1 for none.
    pub(in crate::engine) slopes: Vec<f32>,
    /// Whether each output channel sees only the input channel of the same number.
    pub(in crate::engine) is_depthwise: bool,
    /// Sides of the window.
    pub(in crate::engine) kernel: usize,
    /// Pixels from window to window.
    pub(in crate::engine) stride: usize,
    /// Pixels of zero padding around the picture.
    pub(in crate::engine) pad: usize,
    /// Whether a residual is added before the slopes.
    pub(in crate::engine) add_first: bool,
}

/// The two layers of a squeeze-excite block.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Excite {
    /// From the channels' means, ReLU.
    pub(in crate::engine) squeeze: FloatLayer,
    /// To the channels' gates, sigmoid.
    pub(in crate::engine) excite: FloatLayer,
}

/// Collects layers.
pub(in crate::engine) struct Builder {
    pub(super) isa: Isa,
    pub(super) kernels: &'static Kernels,
    pub(super) tensors: Vec<Tensor>,
    pub(super) steps: Vec<Step>,
    pub(super) inputs: Vec<Shape>,
    pub(super) outputs: Vec<TensorView>,
    /// Convolutions that leave part of a block of channels empty.
    pub(super) small: Vec<Small>,
}

pub(super) struct Tensor {
    pub(super) shape: Shape,
    /// How it is stored; `None` if it leaves the network as floats.
    pub(super) stored: Option<Stored>,
    pub(super) is_input: bool,
}

/// Some channels of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorView {
    pub(super) of: TensorId,
    pub(super) first: usize,
    pub(super) channels: usize,
}

/// How a tensor that does not fill a block is made.
pub(super) struct Small {
    pub(super) conv: Conv,
    pub(super) from: TensorId,
    pub(super) to: TensorId,
}

/// While a network is built, `BufferId` and `Output` hold the numbers of tensors, not of buffers.
impl Builder {
    pub(in crate::engine) fn new(isa: Isa) -> Self {
        Self {
            isa,
            kernels: isa.kernels(),
            tensors: vec![],
            steps: vec![],
            inputs: vec![],
            outputs: vec![],
            small: vec![],
        }
    }

    /// The network's next input.
    pub(in crate::engine) fn input(&mut self, shape: Shape, stored: Stored) -> TensorId {
        self.inputs.push(shape);
        self.tensor(shape, Some(stored), true)
    }

    /// Rows, columns and channels of a tensor.
    pub(in crate::engine) fn shape(&self, id: TensorId) -> Shape {
        self.tensors[id.0].shape
    }

    /// The network's next output.
    pub(in crate::engine) fn output(&mut self, id: TensorId) {
        self.outputs.push(TensorView { of: id, first: 0, channels: self.tensors[id.0].shape.channels });
    }

    /// A convolution of `from`, plus `residual`, stored as `stored` says, or left as floats.
    pub(in crate::engine) fn conv(
        &mut self,
        conv: &Conv,
        from: TensorId,
        residual: Option<TensorId>,
        stored: Option<Stored>,
    ) -> Result<TensorId, Unsupported> {
        let (shape, outputs) = (self.tensors[from.0].shape, conv.bias.len());
        let source = self.stored(from)?.clone();
        let window = conv.window();
        let result = Shape::new(window.outputs(shape.rows), window.outputs(shape.columns), outputs);
        let taps = conv.kernel * conv.kernel;
        let inputs = if conv.is_depthwise { 1 } else { shape.channels };
        let fits = conv.kernel > 0
            && conv.stride > 0
            && conv.pad < conv.kernel
            && result.pixels() > 0
            && conv.kernel <= shape.columns
            && conv.weights.len() == outputs * inputs * taps
            && [conv.scale.len(), conv.slopes.len()] == [outputs; 2]
            && (!conv.is_depthwise || outputs == shape.channels && shape.stride == padded(outputs))
            && residual.is_none_or(|r| self.tensors[r.0].shape == result);
        if !fits {
            return Err(Unsupported("a convolution of an unusual shape".into()));
        }
        // Some kernels sum two products in 16 bits, which -128 would overflow.
        if conv.weights.contains(&i8::MIN) {
            return Err(Unsupported("weights of -128".into()));
        }
        let factors = conv.factors(&source)?;
        let kernels = self.kernels;
        let is_signed = kernels.signed && !conv.is_depthwise;
        let residual_stored = residual.map(|r| self.stored(r).cloned()).transpose()?;
        let mut columns = vec![RequantConstants::PADDING; result.stride / BLOCK];
        let mut weights = Cow::Borrowed(&conv.weights);
        for (o, (mul, row)) in factors.iter().zip(conv.weights.chunks_exact(inputs * taps)).enumerate() {
            let offset = if is_signed { 128 } else { 0 };
            let zeros = if conv.is_depthwise { &source.zero[o..=o] } else { &source.zero };
            let share = |(zero, weight): (&u8, i32)| i64::from(weight * (offset - i32::from(*zero)));
            // Most layers have one weight for each input. There are millions, and this runs at startup.
            let init: i64 = match taps {
                1 => zeros.iter().zip(row).map(|(zero, w)| share((zero, i32::from(*w)))).sum(),
                _ => zeros
                    .iter()
                    .zip(row.chunks_exact(taps).map(|w| w.iter().map(|w| i32::from(*w)).sum()))
                    .map(share)
                    .sum(),
            };
            let reach = 255 * i64::from(row.iter().map(|w| u32::from(w.unsigned_abs())).sum::<u32>());
            let (add, slope) = (f64::from(conv.bias[o]), f64::from(conv.slopes[o]));
            let mut constants = Constants { init, reach, mul: *mul, add, slope, add_first: conv.add_first };
            if constants.are_all(stored.as_ref().map(|stored| stored.scale[o])) {
                weights.to_mut()[o * row.len()..][..row.len()].fill(0);
                (constants.init, constants.reach) = (0, 0);
            }
            constants.store(&mut columns, o, stored.as_ref(), residual_stored.as_ref())?;
        }
        let channel = |c: usize| source.zero.get(c).copied().unwrap_or(0);
        let op = if conv.is_depthwise {
            let at = |c: usize, tap: usize| if c < outputs { weights[c * taps + tap] } else { 0 };
            let border: Vec<u8> = (0..shape.stride).map(channel).collect();
            let weights = depthwise::pack(result.stride, taps, at);
            Op::Depthwise { window, weights, border: border.repeat(shape.columns) }
        } else {
            let k = padded(taps * shape.stride);
            let mut rows = vec![0; result.stride * k];
            for (row, weights) in rows.chunks_exact_mut(k).zip(weights.chunks_exact(inputs * taps)) {
                if taps == 1 {
                    row[..inputs].copy_from_slice(weights);
                    continue;
                }
                for (c, weights) in weights.chunks_exact(taps).enumerate() {
                    weights.iter().enumerate().for_each(|(tap, w)| row[tap * shape.stride + c] = *w);
                }
            }
            Op::Dense {
                window,
                weights: Weights::pack((kernels.layout)(k), k, &rows),
                k,
                border: (0..shape.stride).map(channel).collect(),
            }
        };
        let activation = match conv.add_first && residual.is_some() {
            true => Activation::Last,
            false => Activation::of(&columns, stored.is_some()),
        };
        let to = self.step(from, residual, (columns, activation), op, result, stored)?;
        if outputs < BLOCK && residual.is_none() {
            self.small.push(Small { conv: conv.clone(), from, to });
        }
        Ok(to)
    }

    /// The largest of each four neighbors. If the result has more `channels` than the tensor, those are zero.
    pub(in crate::engine) fn max_pool(&mut self, from: TensorId, channels: usize) -> Result<TensorId, Unsupported> {
        let (shape, mut stored) = (self.tensors[from.0].shape, self.stored(from)?.clone());
        if channels < shape.channels || channels > shape.channels && shape.channels != shape.stride {
            return Err(Unsupported("pooling with channels that do not follow a block".into()));
        }
        stored.scale.resize(channels, 1.0);
        stored.zero.resize(channels, 0);
        if !shape.rows.is_multiple_of(2) || !shape.columns.is_multiple_of(2) || !shape.stride.is_multiple_of(BLOCK) {
            return Err(Unsupported("pooling of an odd number of rows or columns".into()));
        }
        let halved = shape.halved();
        let result = Shape::new(halved.rows, halved.columns, channels);
        self.step(from, None, (vec![], Activation::None), Op::MaxPool, result, Some(stored))
    }

    /// The sum of two tensors of one shape, or of one and another of half its rows and columns, each pixel repeated.
    pub(in crate::engine) fn add(
        &mut self,
        from: TensorId,
        other: TensorId,
        stored: Option<Stored>,
    ) -> Result<TensorId, Unsupported> {
        let (shape, small) = (self.tensors[from.0].shape, self.tensors[other.0].shape);
        let doubled = small != shape;
        if doubled && (small != shape.halved() || shape.rows % 2 + shape.columns % 2 > 0)
            || !shape.stride.is_multiple_of(BLOCK)
        {
            return Err(Unsupported("a sum of tensors of different shapes".into()));
        }
        let columns = self.added(from, other, stored.as_ref())?;
        self.step(from, Some(other), (columns, Activation::None), Op::Add { doubled }, shape, stored)
    }

    /// Tensor `from` times its gates, plus `other`.
    pub(in crate::engine) fn excite(
        &mut self,
        excite: &Excite,
        from: TensorId,
        other: TensorId,
        stored: Option<Stored>,
    ) -> Result<TensorId, Unsupported> {
        let shape = self.tensors[from.0].shape;
        let (squeezed, channels) = (excite.squeeze.bias.len(), shape.channels);
        let fits = excite.squeeze.weights.len() == squeezed * channels
            && excite.excite.weights.len() == squeezed * channels
            && excite.excite.bias.len() == channels
            && [&excite.squeeze, &excite.excite].iter().all(|layer| layer.is_finite())
            && squeezed > 0
            && self.tensors[other.0].shape == shape
            && shape.stride.is_multiple_of(BLOCK);
        if !fits {
            return Err(Unsupported("a squeeze-excite block of an unusual shape".into()));
        }
        let columns = self.added(from, other, stored.as_ref())?;
        let source = self.stored(from)?;
        // The gate of a padding channel can be anything: its factor is 0.
        let extend = |layer: &FloatLayer, inputs: usize, to: (usize, usize)| FloatLayer {
            weights: (0..to.0 * to.1)
                .map(|i| (i / to.1, i % to.1))
                .map(|(o, i)| if o < layer.bias.len() && i < inputs { layer.weights[o * inputs + i] } else { 0.0 })
                .collect(),
            bias: (0..to.0).map(|o| layer.bias.get(o).copied().unwrap_or(0.0)).collect(),
        };
        let wide = shape.stride;
        let gate = Gate {
            squeeze: extend(&excite.squeeze, channels, (squeezed, wide)),
            excite: extend(&excite.excite, squeezed, (wide, squeezed)),
            scale: (0..wide).map(|c| source.scale.get(c).copied().unwrap_or(0.0)).collect(),
            zero: (0..wide).map(|c| source.zero.get(c).map_or(0.0, |z| f32::from(*z))).collect(),
        };
        self.step(from, Some(other), (columns, Activation::None), Op::Excite(Box::new(gate)), shape, stored)
    }

    /// Constants of an elementwise sum.
    fn added(
        &self,
        from: TensorId,
        other: TensorId,
        stored: Option<&Stored>,
    ) -> Result<Vec<RequantConstants>, Unsupported> {
        let (shape, source, other) = (self.tensors[from.0].shape, self.stored(from)?, self.stored(other)?);
        let mut columns = vec![RequantConstants::PADDING; shape.stride / BLOCK];
        for c in 0..shape.channels {
            let init = -i64::from(source.zero[c]);
            let mul = f64::from(source.scale[c]);
            let constants = Constants { init, reach: 255, mul, add: 0.0, slope: 1.0, add_first: false };
            constants.store(&mut columns, c, stored, Some(other))?;
        }
        Ok(columns)
    }

    fn stored(&self, id: TensorId) -> Result<&Stored, Unsupported> {
        self.tensors[id.0]
            .stored
            .as_ref()
            .ok_or_else(|| Unsupported("a tensor that is used but not stored in u8".into()))
    }

    fn tensor(&mut self, shape: Shape, stored: Option<Stored>, is_input: bool) -> TensorId {
        self.tensors.push(Tensor { shape, stored, is_input });
        TensorId(self.tensors.len() - 1)
    }

    fn step(
        &mut self,
        from: TensorId,
        residual: Option<TensorId>,
        (columns, activation): (Vec<RequantConstants>, Activation),
        op: Op,
        result: Shape,
        stored: Option<Stored>,
    ) -> Result<TensorId, Unsupported> {
        if let Some(stored) = &stored
            && (stored.scale.len() != result.channels || stored.zero.len() != result.channels)
        {
            return Err(Unsupported("a tensor with scales for other channels than it has".into()));
        }
        let (shape, is_stored) = (self.tensors[from.0].shape, stored.is_some());
        let id = self.tensor(result, stored, false);
        let to = if is_stored { Output::Buffer(id.0) } else { Output::Floats(id.0) };
        let (from, residual) = (BufferId::Buffer(from.0), residual.map(|r| BufferId::Buffer(r.0)));
        self.steps.push(Step { from, shape, residual, to, result, columns, activation, op });
        Ok(id)
    }
}

/// Largest relative difference between numbers that count as equal: what rounding to f32 may leave.
const SAME: f64 = 1e-5;

impl Conv {
    /// The window that moves over the picture.
    pub(super) fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, pad: self.pad }
    }

    /// What one unit of the integer sum is worth, for each output. Where inputs are summed, the scale of each input times its
    /// input_scale factor must be the same number: otherwise the sum would mix units.
    fn factors(&self, source: &Stored) -> Result<Vec<f64>, Unsupported> {
        let input_scale = |c: usize| self.input_scale.as_ref().map_or(1.0, |f| f64::from(f[c % f.len()]));
        let units: Vec<f64> = source.scale.iter().enumerate().map(|(c, s)| f64::from(*s) * input_scale(c)).collect();
        if self.is_depthwise {
            return Ok(units.iter().zip(&self.scale).map(|(unit, scale)| unit * f64::from(*scale)).collect());
        }
        let (least, most) = units.iter().fold((f64::MAX, 0.0f64), |(l, m), u| (l.min(*u), m.max(*u)));
        if least <= 0.0 || most > least * (1.0 + SAME) {
            return Err(Unsupported("weights that do not carry the scales of their inputs".into()));
        }
        let unit = units.iter().sum::<f64>() / units.len() as f64;
        Ok(self.scale.iter().map(|scale| unit * f64::from(*scale)).collect())
    }
}

//! Computes squeeze-excite gates (Hu et al. 2018): each channel is multiplied by a gate between 0 and 1 that two small layers
//! compute from the channels' means. Both layers are f32; sums run in one order, so that they are the same on every processor.

use super::Shape;

/// A fully connected layer in f32.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Layer {
    /// For each output, as many weights as there are inputs.
    pub(in crate::engine) weights: Vec<f32>,
    /// One for each output.
    pub(in crate::engine) bias: Vec<f32>,
}

impl Layer {
    /// Whether all its numbers are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.weights.iter().chain(&self.bias).all(|v| v.is_finite())
    }

    fn apply(&self, x: &[f32], y: &mut [f32], activation: impl Fn(f32) -> f32) {
        for ((row, bias), y) in self.weights.chunks_exact(x.len()).zip(&self.bias).zip(y) {
            *y = activation(row.iter().zip(x).fold(*bias, |sum, (w, x)| sum + w * x));
        }
    }
}

/// The gates of a tensor's channels.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// From the means to fewer values, with ReLU.
    pub(super) squeeze: Layer,
    /// From these to the gates, with sigmoid.
    pub(super) excite: Layer,
    /// `real = scale * (stored - zero)` for each channel.
    pub(super) scale: Vec<f32>,
    /// See `scale`.
    pub(super) zero: Vec<f32>,
}

impl Gate {
    /// Floats of scratch memory that [`Gate::open`] needs.
    pub(super) fn scratch(&self) -> usize {
        2 * self.scale.len() + self.squeeze.bias.len()
    }

    /// The gates for tensor `x`, in the first part of `scratch`.
    pub(super) fn open<'a>(&self, x: &[u8], shape: &Shape, scratch: &'a mut [f32]) -> &'a [f32] {
        let (gates, rest) = scratch.split_at_mut(self.scale.len());
        let (means, squeezed) = rest.split_at_mut(self.scale.len());
        for (channel, mean) in means.iter_mut().enumerate() {
            let sum: u32 = x[channel..].iter().step_by(shape.stride).map(|q| u32::from(*q)).sum();
            *mean = (sum as f32 / shape.pixels() as f32 - self.zero[channel]) * self.scale[channel];
        }
        let squeezed = &mut squeezed[..self.squeeze.bias.len()];
        self.squeeze.apply(means, squeezed, |v| v.max(0.0));
        // A sum that overflowed in both directions is NaN, which no kernel may get.
        let sigmoid = |v: f32| if v.is_nan() { 0.0 } else { 1.0 / (1.0 + libm::expf(-v)) };
        self.excite.apply(squeezed, gates, sigmoid);
        gates
    }
}

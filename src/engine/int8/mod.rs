//! Runs networks in integers: u8 activations with a scale and a zero point per channel, i8 weights, exact i32 sums.
//!
//! It knows shapes, numbers and processors. It does not know ONNX or tract; `engine/ops` translates from those.
//!
//! # The arithmetic
//! Tensors lie in memory as rows, columns, channels (NHWC without the N), channels padded to a multiple of [`BLOCK`]. A
//! convolution sums `weight * (stored - zero)` in i32, which cannot round. What follows is f32, in an order that [`requantize`]
//! fixes, without fused multiply-add, and ends in one rounding to u8. Both are the same on every processor, so every
//! kernel gives the same bytes as the portable one; tests verify this for each kernel.

mod add;
mod build;
mod constants;
mod cut;
mod depthwise;
mod excite;
mod gemm;
mod kernels;
mod merge;
mod network;
mod place;
mod requantize;
mod sizes;
mod step;

pub(super) use build::{Builder, Conv, Excite, TensorId};
pub(super) use excite::Layer;
pub use kernels::Isa;
pub(super) use network::State;
pub(super) use sizes::Sizes;
pub(super) use step::Network;

/// Channels that are computed together: all kernels read and write this many at once.
const BLOCK: usize = 16;

/// `n` rounded up to whole blocks.
const fn padded(n: usize) -> usize {
    n.next_multiple_of(BLOCK)
}

/// Rows, columns and channels of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Height.
    pub(super) rows: usize,
    /// Width.
    pub(super) columns: usize,
    /// Channels without padding.
    pub(super) channels: usize,
    /// Bytes from one pixel to the next: the channels and their padding.
    pub(super) stride: usize,
}

impl Shape {
    /// A tensor whose channels are padded to whole blocks.
    pub(super) const fn new(rows: usize, columns: usize, channels: usize) -> Self {
        Self { rows, columns, channels, stride: padded(channels) }
    }

    /// A tensor without padding, like a decoded picture: red, green, blue, red, ...
    pub(super) const fn packed(rows: usize, columns: usize, channels: usize) -> Self {
        Self { rows, columns, channels, stride: channels }
    }

    /// Number of pixels.
    pub(super) const fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// The values of a tensor of this shape, plane by plane and without padding.
    pub(super) fn planes<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let mut planes = vec![T::default(); self.pixels() * self.channels];
        for (c, plane) in planes.chunks_exact_mut(self.pixels()).enumerate() {
            plane.iter_mut().zip(values[c..].iter().step_by(self.stride)).for_each(|(to, from)| *to = *from);
        }
        planes
    }

    /// Elements, padding included.
    pub(super) const fn len(&self) -> usize {
        self.pixels() * self.stride
    }
}

/// Why something can't be computed in integers. The model may still run in floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) String);

/// How a tensor is stored: `real = scale * (stored - zero)`, with one scale and one zero point for every channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    /// Positive.
    pub(super) scale: Vec<f32>,
    /// 0 to 255.
    pub(super) zero: Vec<u8>,
}

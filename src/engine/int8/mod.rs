//! Networks in integers: u8 activations with a scale and a zero point per channel, i8 weights, exact i32 sums.
//!
//! It knows shapes, numbers and processors; it doesn't know ONNX or tract, which `engine/ops` translates from.
//!
//! # The arithmetic
//! Tensors lie in memory as rows, columns, channels (NHWC without the N), channels padded to a multiple of [`BLOCK`]. A
//! convolution sums `weight * (stored - zero)` in i32, which cannot round. What follows is f32, in an order that [`finish`]
//! fixes, without fused multiply-add, and ends in one rounding to u8. Both are the same on every processor, so that every
//! kernel gives the same bytes as the portable one; tests hold each to that.

mod blend;
mod build;
mod constants;
mod depthwise;
mod excite;
mod finish;
mod gemm;
mod kernels;
mod merge;
mod network;
mod place;
mod sizes;

pub(super) use build::{Builder, Conv, Excite, Stored, TensorId, Unfit};
pub(super) use excite::Layer;
pub use kernels::Isa;
pub(super) use network::{Network, State};
pub(super) use sizes::Sizes;

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
    /// Channels that mean something.
    pub(super) channels: usize,
    /// Bytes from one pixel to the next: the channels and what pads them.
    pub(super) stride: usize,
}

impl Shape {
    /// A tensor whose channels are padded to whole blocks.
    pub(super) const fn new(rows: usize, columns: usize, channels: usize) -> Self {
        Self { rows, columns, channels, stride: padded(channels) }
    }

    /// A tensor without padding, as pictures come: red, green, blue, red, ...
    pub(super) const fn packed(rows: usize, columns: usize, channels: usize) -> Self {
        Self { rows, columns, channels, stride: channels }
    }

    /// Pixels.
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

    /// Elements with padding.
    pub(super) const fn len(&self) -> usize {
        self.pixels() * self.stride
    }
}

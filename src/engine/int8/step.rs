//! Defines the parts of a network: steps over numbered buffers.

use super::depthwise::Window;
use super::excite::Gate;
use super::gemm::Weights;
use super::kernels::Kernels;
use super::requantize::{Activation, RequantConstants};
use super::{Isa, Shape};

/// Weights and steps; shared by all threads.
pub(in crate::engine) struct Network {
    pub(super) isa: Isa,
    pub(super) kernels: &'static Kernels,
    pub(super) steps: Vec<Step>,
    /// Sizes of the buffers in bytes.
    pub(super) buffers: Vec<usize>,
    pub(super) inputs: Vec<Shape>,
    pub(super) outputs: Vec<Port>,
}

/// An output: some channels of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub(super) from: Output,
    /// Shape of the tensor, at the most.
    pub(super) shape: Shape,
    pub(super) first: usize,
    pub(super) channels: usize,
}

/// Where a stored tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BufferId {
    /// An input, which the caller owns.
    Input(usize),
    /// A buffer.
    Buffer(usize),
}

/// Where a step writes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// A buffer, as bytes.
    Buffer(usize),
    /// An output of the network, as floats; the number counts only float outputs.
    Floats(usize),
}

/// One layer.
pub(super) struct Step {
    pub(super) from: BufferId,
    /// Shape of what it reads, at the most.
    pub(super) shape: Shape,
    pub(super) residual: Option<BufferId>,
    pub(super) to: Output,
    /// Shape of its result, at the most.
    pub(super) result: Shape,
    pub(super) columns: Vec<RequantConstants>,
    pub(super) activation: Activation,
    pub(super) op: Op,
}

/// The computation of a step.
pub(super) enum Op {
    /// A convolution in which every output depends on all inputs: each window is a row of `k` bytes.
    Dense { window: Window, weights: Weights, k: usize, border: Vec<u8> },
    /// A convolution that keeps channels apart.
    Depthwise { window: Window, weights: Vec<i16>, border: Vec<u8> },
    /// The largest of four neighbors; halves rows and columns.
    MaxPool,
    /// The sum of two tensors, the second enlarged if it is smaller.
    Add { doubled: bool },
    /// The first tensor times its gates, plus the second.
    Excite(Box<Gate>),
}

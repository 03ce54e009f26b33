//! Kernels for 64-bit ARM: two sets and what they share.

mod depthwise;
mod dot;
mod narrow;
mod neighbors;
mod neon;
mod requantize;
mod rows;

pub(super) use dot::KERNELS as DOT;
pub(super) use neon::KERNELS as NEON;

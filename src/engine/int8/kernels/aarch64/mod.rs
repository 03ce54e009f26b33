//! 64-bit ARM: what its two kernels share, and what they don't.

mod depthwise;
mod dot;
mod finish;
mod narrow;
mod neighbors;
mod neon;
mod rows;

pub(super) use dot::KERNELS as DOT;
pub(super) use neon::KERNELS as NEON;

//! Kernels for 64-bit ARM: two sets and what they share.

mod depthwise;
mod dot;
mod narrow;
mod neighbors;
mod neon;
mod requantize;
mod rows;

use super::Isa;

/// Those that this processor has, the best last.
pub(super) fn detect() -> [Option<Isa>; 2] {
    [Some(neon::ISA), dot::detect()]
}

//! Kernels for x86-64: three sets and what they share.

mod avx2;
mod avx512;
mod avx_vnni;
mod depthwise;
mod lanes256;
mod lanes512;
mod neighbors;
mod requantize;

use super::Isa;

/// Those that this processor has, the best last. Where there are both of the last two, on Sapphire Rapids, AVX-VNNI was the faster by a
/// sixth to a third; AVX-512 has become faster since by about as much, which was not measured there.
pub(super) fn detect() -> [Option<Isa>; 3] {
    [avx2::detect(), avx512::detect(), avx_vnni::detect()]
}

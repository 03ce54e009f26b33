//! x86-64: what its three kernels share, and what they don't.

mod avx2;
mod avx512;
mod avx_vnni;
mod depthwise;
mod finish;
mod lanes256;
mod lanes512;
mod neighbors;

pub(super) use avx_vnni::KERNELS as AVX_VNNI;
pub(super) use avx2::KERNELS as AVX2;
pub(super) use avx512::{KERNELS as AVX512_VNNI, is_there as has_avx512_vnni};

//! Kernels for x86-64: three sets and what they share.

mod avx2;
mod avx512;
mod avx_vnni;
mod depthwise;
mod lanes256;
mod lanes512;
mod neighbors;
mod requantize;

pub(super) use avx_vnni::KERNELS as AVX_VNNI;
pub(super) use avx2::KERNELS as AVX2;
pub(super) use avx512::{KERNELS as AVX512_VNNI, is_there as has_avx512_vnni};

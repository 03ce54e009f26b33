//! The inner loops for each kind of processor, and the choice among them.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(all(target_arch = "arm", target_os = "linux"))]
mod armv7;
mod neighbors;
mod portable;
mod target;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::add::ElementwiseAdd;
use super::depthwise::Depthwise;
use super::gemm::{Gemm, Layout};
use super::requantize::Out;

/// An instruction set that there are kernels for. All of them give the same bytes as results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// The definition in Rust, as compiled.
    Portable,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// x86-64 with AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// 32-bit ARM with NEON.
    #[cfg(all(target_arch = "arm", target_os = "linux"))]
    NeonV7,
    /// Any aarch64.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// aarch64 with the dot product extension.
    #[cfg(target_arch = "aarch64")]
    Dot,
}

/// The loops of one instruction set.
pub(super) struct Kernels {
    /// The layout of the weights of [`Gemm`] with this `k`.
    pub(super) layout: fn(usize) -> Layout,
    /// Whether the sums of [`Gemm`] are over `byte - 128` instead of `byte`.
    pub(super) signed: bool,
    /// Bytes of scratch memory that a product with this `k` needs.
    pub(super) scratch: fn(usize) -> usize,
    /// The product; the slice is the scratch memory.
    pub(super) gemm: fn(&Gemm<'_>, &mut [u8], Out<'_>),
    /// The depthwise convolution.
    pub(super) depthwise: fn(&Depthwise<'_>, Out<'_>),
    /// The sum of two tensors.
    pub(super) add: fn(&ElementwiseAdd<'_>, Out<'_>),
}

impl Isa {
    /// All instruction sets that this processor has, the best last.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            found.push(Self::Avx2);
            if x86::has_avx512_vnni() {
                found.push(Self::Avx512Vnni);
            }
            // Last: where there are both, on Sapphire Rapids, it was the faster by a sixth to a third. AVX-VNNI has become faster since
            // by about as much, which was not measured there.
            if std::arch::is_x86_feature_detected!("avxvnni") {
                found.push(Self::AvxVnni);
            }
        }
        #[cfg(all(target_arch = "arm", target_os = "linux"))]
        if armv7::is_there() {
            found.push(Self::NeonV7);
        }
        #[cfg(target_arch = "aarch64")]
        {
            found.push(Self::Neon);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                found.push(Self::Dot);
            }
        }
        found
    }

    /// The best instruction set that this processor has.
    pub fn best() -> Self {
        *Self::available().last().expect("the portable one is always there")
    }

    /// The name used in settings and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => "avx512-vnni",
            #[cfg(all(target_arch = "arm", target_os = "linux"))]
            Self::NeonV7 => "neon-v7",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::Dot => "neon-dot",
        }
    }

    /// Its kernels. Panics on a processor without it: running them would be undefined behavior.
    pub(super) fn kernels(self) -> &'static Kernels {
        assert!(Self::available().contains(&self), "this processor has no {}", self.name());
        match self {
            Self::Portable => &portable::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => &x86::AVX2,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => &x86::AVX_VNNI,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => &x86::AVX512_VNNI,
            #[cfg(all(target_arch = "arm", target_os = "linux"))]
            Self::NeonV7 => &armv7::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => &aarch64::NEON,
            #[cfg(target_arch = "aarch64")]
            Self::Dot => &aarch64::DOT,
        }
    }
}

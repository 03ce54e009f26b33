//! The inner loops for each kind of processor, and the choice among them.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(all(target_arch = "arm", target_os = "linux"))]
mod armv7;
mod neighbors;
mod portable;
mod products;
mod target;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::fmt;

use super::add::ElementwiseAdd;
use super::depthwise::Depthwise;
use super::gemm::{Gemm, Layout};
use super::requantize::Out;

/// An instruction set that this processor has, and its kernels: the only way to them. A value exists only where the processor has the
/// instructions, since each file of kernels makes it after asking the processor, and fields are private to these files. All kernels give
/// the same bytes as results.
#[derive(Clone, Copy)]
pub struct Isa {
    name: &'static str,
    kernels: &'static Kernels,
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
    /// The inner products of a vector with rows of its length.
    pub(super) products: fn(&[i8], &[i8], &mut [i32]),
}

impl Isa {
    /// The definition in Rust, as compiled: on every processor.
    pub const PORTABLE: Self = portable::ISA;

    /// All instruction sets that this processor has, the best last.
    pub fn available() -> Vec<Self> {
        let all = [Some(Self::PORTABLE)].into_iter();
        #[cfg(target_arch = "x86_64")]
        let all = all.chain(x86::detect());
        #[cfg(target_arch = "aarch64")]
        let all = all.chain(aarch64::detect());
        #[cfg(all(target_arch = "arm", target_os = "linux"))]
        let all = all.chain([armv7::detect()]);
        all.flatten().collect()
    }

    /// The best instruction set that this processor has.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// The name used in settings and messages.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The inner products of a vector of at most 65,535 values with each row of a matrix of as many columns.
    ///
    /// # Panics
    /// If there are not as many rows as results.
    pub fn inner_products(self, vector: &[i8], rows: &[i8], out: &mut [i32]) {
        assert!(vector.len() <= usize::from(u16::MAX) && rows.len() == vector.len() * out.len(), "shapes");
        (self.kernels.products)(vector, rows, out);
    }

    /// Its kernels.
    pub(super) fn kernels(self) -> &'static Kernels {
        self.kernels
    }
}

impl PartialEq for Isa {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Isa {}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

//! The matrix product that pointwise, dense and fully connected convolutions come down to.

use super::BLOCK;
use super::finish::{Activation, Columns, Out};

/// How a kernel wants its weights: output channels in groups of `outputs`, in each group inputs in groups of `inputs`, and
/// then for each output of the group its `inputs` weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl Layout {
    /// Packs `n` rows of `k` weights, `at(row, column)`; both must be multiples of [`BLOCK`].
    pub(super) fn pack(self, n: usize, k: usize, at: impl Fn(usize, usize) -> i8) -> Vec<i8> {
        assert!(n.is_multiple_of(BLOCK) && k.is_multiple_of(BLOCK), "{n} x {k} weights are not whole blocks");
        let mut packed = Vec::with_capacity(n * k);
        for (n0, k0) in (0..n).step_by(self.outputs).flat_map(|n0| (0..k).step_by(self.inputs).map(move |k0| (n0, k0))) {
            for row in n0..n0 + self.outputs {
                packed.extend((k0..k0 + self.inputs).map(|column| at(row, column)));
            }
        }
        packed
    }
}

/// `out[row][channel] = finish(sum over k of a[row][k] * weight[channel][k])`
pub(super) struct Gemm<'a> {
    /// Rows of `k` bytes.
    pub(super) a: &'a [u8],
    /// Inputs of each output, a multiple of [`BLOCK`].
    pub(super) k: usize,
    /// Packed in the kernel's layout.
    pub(super) weights: &'a [i8],
    /// One for each block of output channels.
    pub(super) columns: &'a [Columns],
    /// What they say of negative values.
    pub(super) activation: Activation,
    /// Added to the result: as many bytes as the output has elements.
    pub(super) residual: Option<&'a [u8]>,
}

impl Gemm<'_> {
    /// Output rows.
    pub(super) fn rows(&self) -> usize {
        self.a.len() / self.k
    }

    /// Output channels with padding.
    pub(super) fn width(&self) -> usize {
        self.columns.len() * BLOCK
    }

    /// Panics unless all lengths fit together: what kernels rely on when they read and write without checks.
    pub(super) fn check(&self, out: &Out<'_>) {
        assert!(self.k > 0 && self.k.is_multiple_of(BLOCK) && self.a.len().is_multiple_of(self.k), "rows of {}", self.k);
        assert_eq!(self.weights.len(), self.width() * self.k, "weights");
        assert_eq!(out.len(), self.rows() * self.width(), "output");
        assert!(self.residual.is_none_or(|r| r.len() == out.len()), "residual");
    }
}

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
    /// Packs rows of `k` weights; both numbers must be multiples of [`BLOCK`].
    fn pack(self, k: usize, rows: &[i8]) -> Vec<i8> {
        match self.inputs {
            2 => self.pack_by::<2>(k, rows),
            4 => self.pack_by::<4>(k, rows),
            16 => self.pack_by::<16>(k, rows),
            other => unreachable!("no kernel takes {other} inputs at once"),
        }
    }

    /// The same with a number that the compiler knows: there are millions of groups, and somebody waits for the start.
    fn pack_by<const INPUTS: usize>(self, k: usize, rows: &[i8]) -> Vec<i8> {
        let mut packed: Vec<[i8; INPUTS]> = Vec::with_capacity(rows.len() / INPUTS);
        for group in rows.chunks_exact(self.outputs * k) {
            for at in 0..k / INPUTS {
                packed.extend(group.chunks_exact(k).map(|row| row.as_chunks().0[at]));
            }
        }
        packed.into_flattened()
    }
}

/// The weights of a product.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// In the kernel's layout.
    pub(super) packed: Vec<i8>,
    /// For kernels that take sixteen inputs at once and sum products in as many bits, for each group of outputs and each
    /// [`CHAIN`] inputs (a rest is not told): whether four products, of inputs eight apart, fit always. Two do.
    pub(super) calm: Vec<bool>,
}

/// Inputs that [`Weights::calm`] tells of at once.
pub(super) const CHAIN: usize = 32;

/// Sum of the magnitudes of four weights whose products with -128..=127 fit sixteen bits.
const CALM: u16 = i16::MAX as u16 / 128;

impl Weights {
    /// Packs rows of `k` weights; both numbers must be multiples of [`BLOCK`].
    pub(super) fn pack(layout: Layout, k: usize, rows: &[i8]) -> Self {
        let fits = |chain: &[i8; CHAIN]| {
            let size = |at: usize| u16::from(chain[at].unsigned_abs());
            (0..8).all(|lane| size(lane) + size(lane + 8) + size(lane + 16) + size(lane + 24) <= CALM)
        };
        let mut calm = vec![];
        if layout.inputs == 16 {
            for group in rows.chunks_exact(layout.outputs * k) {
                let all = |chain| group.chunks_exact(k).all(|row| fits(&row.as_chunks().0[chain]));
                calm.extend((0..k / CHAIN).map(all));
            }
        }
        Self { calm, packed: layout.pack(k, rows) }
    }
}

/// `out[row][channel] = finish(sum over k of a[row][k] * weight[channel][k])`
pub(super) struct Gemm<'a> {
    /// Rows of `k` bytes.
    pub(super) a: &'a [u8],
    /// Inputs of each output, a multiple of [`BLOCK`].
    pub(super) k: usize,
    /// Packed for the kernel.
    pub(super) weights: &'a Weights,
    /// One for each block of output channels.
    pub(super) columns: &'a [Columns],
    /// What they say of negative values.
    #[cfg_attr(target_arch = "arm", expect(dead_code, reason = "those kernels know the general way only"))]
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
        assert!(
            self.k > 0 && self.k.is_multiple_of(BLOCK) && self.a.len().is_multiple_of(self.k),
            "rows of {}",
            self.k
        );
        assert_eq!(self.weights.packed.len(), self.width() * self.k, "weights");
        let chains = self.width() / 4 * (self.k / CHAIN);
        assert!(self.weights.calm.is_empty() || self.weights.calm.len() == chains, "notes about weights");
        assert_eq!(out.len(), self.rows() * self.width(), "output");
        assert!(self.residual.is_none_or(|r| r.len() == out.len()), "residual");
    }
}

/// Rows of `k` bytes as some kernels read them: sixteen inputs of each of `N` rows after another, as signed numbers
/// (`Columns::init` has the rest). If there are fewer rows, the last stands for those that are missing.
#[cfg(target_arch = "arm")]
pub(super) fn interleave<const N: usize>(rows: &[u8], k: usize, to: &mut [u8]) {
    let last = rows.len() / k - 1;
    let rows: [&[[u8; 16]]; N] = std::array::from_fn(|row| rows[row.min(last) * k..][..k].as_chunks().0);
    for (at, to) in to.as_chunks_mut::<16>().0.as_chunks_mut::<N>().0.iter_mut().take(k / 16).enumerate() {
        to.iter_mut().zip(rows).for_each(|(to, row)| *to = row[at].map(|byte| byte ^ 0x80));
    }
}

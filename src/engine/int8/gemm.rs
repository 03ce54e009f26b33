//! Defines the matrix product that pointwise, dense and fully connected convolutions reduce to.

use std::ops::Range;

use super::BLOCK;
use super::requantize::{Activation, Out, RequantConstants};

/// Weight layout of a kernel: output channels in groups of `outputs`, in each group inputs in groups of `inputs`, and
/// then the `inputs` weights of each output of the group.
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

    /// The same with a number known at compile time: there are millions of groups, and this runs at startup.
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
    /// For kernels that take 16 inputs at once and sum products in 16 bits: for each group of outputs and each [`CHAIN`]
    /// inputs (not for a remainder), whether four products, of inputs eight apart, always fit. Two always do.
    pub(super) fits_i16: Vec<bool>,
}

/// Inputs that one element of [`Weights::fits_i16`] covers.
pub(super) const CHAIN: usize = 32;

/// Largest sum of the magnitudes of four weights whose products with -128..=127 fit 16 bits.
const CALM: u16 = i16::MAX as u16 / 128;

impl Weights {
    /// Packs rows of `k` weights; both numbers must be multiples of [`BLOCK`].
    pub(super) fn pack(layout: Layout, k: usize, rows: &[i8]) -> Self {
        let fits = |chain: &[i8; CHAIN]| {
            let size = |at: usize| u16::from(chain[at].unsigned_abs());
            (0..8).all(|lane| size(lane) + size(lane + 8) + size(lane + 16) + size(lane + 24) <= CALM)
        };
        let mut fits_i16 = vec![];
        if layout.inputs == 16 {
            for group in rows.chunks_exact(layout.outputs * k) {
                let all = |chain| group.chunks_exact(k).all(|row| fits(&row.as_chunks().0[chain]));
                fits_i16.extend((0..k / CHAIN).map(all));
            }
        }
        Self { fits_i16, packed: layout.pack(k, rows) }
    }

    /// The weights of these blocks of outputs, of `all` that there are.
    pub(super) fn blocks(&self, blocks: Range<usize>, all: usize) -> WeightBlocks<'_> {
        let of = |length: usize| length / all * blocks.start..length / all * blocks.end;
        WeightBlocks { packed: &self.packed[of(self.packed.len())], fits_i16: &self.fits_i16[of(self.fits_i16.len())] }
    }
}

/// [`Weights`] of some blocks of outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightBlocks<'a> {
    pub(super) packed: &'a [i8],
    pub(super) fits_i16: &'a [bool],
}

/// `out[row][channel] = requantize(sum over k of a[row][k] * weight[channel][k])`
pub(super) struct Gemm<'a> {
    /// Rows of `k` bytes.
    pub(super) a: &'a [u8],
    /// Inputs of each output, a multiple of [`BLOCK`].
    pub(super) k: usize,
    /// Packed for the kernel.
    pub(super) weights: WeightBlocks<'a>,
    /// Constants, one set for each block of output channels.
    pub(super) columns: &'a [RequantConstants],
    /// How `columns` treat negative values.
    pub(super) activation: Activation,
    /// Added to the result: as many bytes as the output has elements.
    pub(super) residual: Option<&'a [u8]>,
}

impl Gemm<'_> {
    /// Output rows.
    pub(super) fn rows(&self) -> usize {
        self.a.len() / self.k
    }

    /// Output channels, padding included.
    pub(super) fn width(&self) -> usize {
        self.columns.len() * BLOCK
    }

    /// Panics unless all lengths fit together: kernels rely on this when they read and write without checks.
    pub(super) fn check(&self, out: &Out<'_>) {
        assert!(
            self.k > 0 && self.k.is_multiple_of(BLOCK) && self.a.len().is_multiple_of(self.k),
            "rows of {}",
            self.k
        );
        assert_eq!(self.weights.packed.len(), self.width() * self.k, "weights");
        let chains = self.width() / 4 * (self.k / CHAIN);
        assert!(self.weights.fits_i16.is_empty() || self.weights.fits_i16.len() == chains, "notes about weights");
        assert_eq!(out.len(), self.rows() * self.width(), "output");
        assert!(self.residual.is_none_or(|r| r.len() == out.len()), "residual");
    }
}

/// Rows of `k` bytes as some kernels read them: 16 inputs of each of `N` rows in turn, as signed numbers
/// (`RequantConstants::init` makes up for the offset). If there are fewer rows, the last is repeated.
#[cfg(target_arch = "arm")]
pub(super) fn interleave<const N: usize>(rows: &[u8], k: usize, to: &mut [u8]) {
    let last = rows.len() / k - 1;
    let rows: [&[[u8; 16]]; N] = std::array::from_fn(|row| rows[row.min(last) * k..][..k].as_chunks().0);
    for (at, to) in to.as_chunks_mut::<16>().0.as_chunks_mut::<N>().0.iter_mut().take(k / 16).enumerate() {
        to.iter_mut().zip(rows).for_each(|(to, row)| *to = row[at].map(|byte| byte ^ 0x80));
    }
}

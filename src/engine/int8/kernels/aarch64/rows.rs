//! Goes over the rows of a matrix product and passes tiles of them to the function that sums them.
#![allow(unsafe_code, reason = "results are written without checks")]

use std::arch::aarch64::*;

use super::super::target::{Store as _, Target, with_put};
use super::super::{Gemm, Out};
use super::requantize::{Bytes, Floats, Sums, signed};
use crate::engine::int8::BLOCK;
use crate::engine::int8::requantize::RequantConstants;

/// The inputs of one tile of a product.
pub(super) struct Tile<'a> {
    /// 16 inputs of each row in turn, as signed numbers.
    pub(super) rows: &'a [u8],
    /// `BLOCK` times `k` weights.
    pub(super) weights: &'a [i8],
    /// Inputs of each output, a multiple of 16.
    pub(super) k: usize,
    /// What sums start from.
    pub(super) columns: &'a RequantConstants,
    /// Number of the block of outputs.
    pub(super) block: usize,
}

/// Computes `ROWS` rows at a time with `tile`, the remaining ones singly with `one`.
#[inline(always)]
pub(super) fn for_all<const ROWS: usize>(
    g: &Gemm<'_>,
    scratch: &mut [u8],
    mut out: Out<'_>,
    tile: impl Fn(&Tile<'_>) -> [Sums; ROWS],
    one: impl Fn(&Tile<'_>) -> Sums,
) {
    g.check(&out);
    assert!(scratch.len() >= ROWS * g.k, "scratch");
    let target = Target::new(&mut out, g.residual);
    let tiles = g.a.chunks_exact(ROWS * g.k);
    let (rest, mut row) = (tiles.remainder(), 0);
    // SAFETY: the rows exist; `scratch` has room for them and `target` for their results.
    unsafe {
        for a in tiles {
            blocks(g, a, row, scratch, target, &tile);
            row += ROWS;
        }
        for a in rest.chunks_exact(g.k) {
            blocks(g, a, row, scratch, target, |part| [one(part)]);
            row += 1;
        }
    }
}

/// Computes `N` rows from index `row`, whose bytes are `a`, and all blocks of outputs.
///
/// # Safety
/// `g` and its output, which `target` is made of, must have been checked; `a` and `scratch` must hold `N` times `k` bytes.
#[inline(always)]
unsafe fn blocks<const N: usize>(
    g: &Gemm<'_>,
    a: &[u8],
    row: usize,
    scratch: &mut [u8],
    target: Target,
    tile: impl Fn(&Tile<'_>) -> [Sums; N],
) {
    let (k, width) = (g.k, g.width());
    // SAFETY: guaranteed by the caller.
    let rows = unsafe { interleave::<N>(a, k, scratch) };
    for (block, columns) in g.columns.iter().enumerate() {
        let weights = &g.weights.packed[block * BLOCK * k..][..BLOCK * k];
        let sums = tile(&Tile { rows, weights, k, columns, block });
        let at = row * width + block * BLOCK;
        // SAFETY: guaranteed by the caller: the target has `BLOCK` elements for this block in each row.
        unsafe { with_put!(target, columns, g.activation, |store| store.store_rows(at, width, sums)) };
    }
}

/// 16 inputs of each of `N` rows in turn, as signed numbers ([`RequantConstants::init`] makes up for the offset).
///
/// # Safety
/// `N` times `k` bytes in both; `k` is a multiple of 16.
#[inline(always)]
unsafe fn interleave<'a, const N: usize>(rows: &[u8], k: usize, scratch: &'a mut [u8]) -> &'a [u8] {
    let (from, mut to) = (rows.as_ptr(), scratch.as_mut_ptr().cast());
    for at in (0..k).step_by(16) {
        for row in 0..N {
            // SAFETY: guaranteed by the caller.
            unsafe {
                vst1q_s8(to, signed(from.add(row * k + at)));
                to = to.add(16);
            }
        }
    }
    &scratch[..N * k]
}

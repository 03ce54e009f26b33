//! The way of a matrix product over its rows, around whatever sums a tile of them.
#![allow(unsafe_code, reason = "results are written without checks")]

use super::super::target::Target;
use super::super::{Gemm, Out};
use super::finish::{Put, Sums, with_put};
use crate::engine::int8::BLOCK;
use crate::engine::int8::finish::Columns;
use crate::engine::int8::gemm::interleave;

/// What a tile multiplies.
pub(super) struct Tile<'a> {
    /// Rows of `k` bytes as [`interleave`] leaves them.
    pub(super) rows: &'a [u8],
    /// `BLOCK` times `k` weights.
    pub(super) weights: &'a [i8],
    /// Inputs of each output, a multiple of 16.
    pub(super) k: usize,
    /// What sums start from.
    pub(super) columns: &'a Columns,
    /// Number of the block of outputs.
    pub(super) block: usize,
}

/// `ROWS` rows at a time with `tile`, the last ones singly with `one`.
#[inline(always)]
pub(super) fn for_all<const ROWS: usize>(
    g: &Gemm<'_>,
    scratch: &mut [u8],
    mut out: Out<'_>,
    tile: impl Fn(&Tile<'_>) -> [Sums; ROWS],
    one: impl Fn(&Tile<'_>) -> Sums,
) {
    g.check(&out);
    let target = Target::new(&mut out, g.residual);
    let (rows, k, width) = (g.rows(), g.k, g.width());
    let whole = rows - rows % ROWS;
    for first in (0..whole).step_by(ROWS).chain(whole..rows) {
        let count = if first < whole { ROWS } else { 1 };
        let (rows, a) = (&mut scratch[..count * k], &g.a[first * k..(first + count) * k]);
        match count {
            1 => interleave::<1>(a, k, rows),
            _ => interleave::<ROWS>(a, k, rows),
        }
        for ((block, columns), weights) in g.columns.iter().enumerate().zip(g.weights.packed.chunks_exact(BLOCK * k)) {
            let (part, at) = (Tile { rows, weights, k, columns, block }, first * width + block * BLOCK);
            // SAFETY: the target has `BLOCK` elements for this block in each row.
            unsafe {
                match count {
                    1 => {
                        let sums = one(&part);
                        with_put!(target, columns, g.activation, |put| put.put(at, sums));
                    }
                    _ => {
                        let sums = tile(&part);
                        with_put!(target, columns, g.activation, |put| put_rows(put, at, width, sums));
                    }
                }
            }
        }
    }
}

/// # Safety
/// That of [`Put::put`] for every row.
#[inline(always)]
unsafe fn put_rows<const ROWS: usize>(put: &impl Put, at: usize, width: usize, sums: [Sums; ROWS]) {
    // SAFETY: the caller's.
    sums.into_iter().enumerate().for_each(|(row, sums)| unsafe { put.put(at + row * width, sums) });
}

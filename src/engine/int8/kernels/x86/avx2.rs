//! Kernels for AVX2: 16-bit products in pairs (vpmaddwd), the widest that are exact for u8 times i8.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::super::target::{Store as _, Target, with_put};
use super::super::{Gemm, Isa, Kernels, Layout, Out};
use super::lanes256::{Bytes, Eights, Floats, add, start};
use super::neighbors;
use crate::engine::int8::BLOCK;

/// x86-64 with AVX2.
pub(super) fn detect() -> Option<Isa> {
    is_x86_feature_detected!("avx2").then_some(Isa { name: "avx2", kernels: &KERNELS })
}

const KERNELS: Kernels = Kernels {
    layout: |_| Layout { outputs: BLOCK, inputs: 2 },
    signed: false,
    scratch: |k| k * 2 * panel(k),
    gemm: |g, scratch, out| {
        g.check(&out);
        assert!(scratch.len() >= (KERNELS.scratch)(g.k), "scratch");
        // SAFETY: these kernels are reached through an `Isa` alone, which exists only where there is AVX2; lengths are checked above.
        unsafe { gemm(g, scratch.as_mut_ptr(), out) }
    },
    depthwise: neighbors::by_pairs,
    add,
    // SAFETY: these kernels are reached through an `Isa` alone, which exists only where there is AVX2.
    products: |vector, rows, out| unsafe { products(vector, rows, out) },
};

#[target_feature(enable = "avx2")]
pub(super) fn products(vector: &[i8], rows: &[i8], out: &mut [i32]) {
    super::super::products::products(vector, rows, out);
}

/// Rows of the left matrix that are widened to 16 bits at a time: two tiles, but no more than fits the L1 cache.
fn panel(k: usize) -> usize {
    if k <= 1024 { 2 * ROWS } else { ROWS }
}

/// Rows of a tile: 6 x 16 sums are 12 of the 16 registers.
const ROWS: usize = 6;

/// # Safety
/// Requires AVX2; `g` and `out` must have been checked, `scratch` must be as long as [`KERNELS`] says.
#[target_feature(enable = "avx2")]
unsafe fn gemm(g: &Gemm<'_>, scratch: *mut u8, mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let (rows, k, width) = (g.rows(), g.k, g.width());
    let wide: *mut i16 = scratch.cast();
    let panel = panel(k);
    for first in (0..rows).step_by(panel) {
        let count = panel.min(rows - first);
        // SAFETY: `count` rows from `first` lie in `a`, twice their bytes in the scratch memory (which may be unaligned).
        unsafe {
            let from = g.a.as_ptr().add(first * k);
            for i in (0..count * k).step_by(16) {
                let bytes = _mm_loadu_si128(from.add(i).cast());
                _mm256_storeu_si256(wide.cast::<u8>().add(i * 2).cast(), _mm256_cvtepu8_epi16(bytes));
            }
        }
        for (block, columns) in g.columns.iter().enumerate() {
            let (start, mut done) = (start(columns), 0);
            while done < count {
                let tile = ROWS.min(count - done);
                // SAFETY: rows `done..done + tile` of the panel were just written; the block's weights are `k` times
                // `BLOCK`; the target has `rows * width` elements.
                unsafe {
                    let a = wide.cast::<u8>().add(done * k * 2).cast::<i16>();
                    let weights = g.weights.packed.as_ptr().add(block * BLOCK * k);
                    let at = (first + done) * width + block * BLOCK;
                    with_put!(target, columns, g.activation, |store| match tile {
                        6 => store.store_rows(at, width, tile_of::<6>(a, k, weights, start)),
                        5 => store.store_rows(at, width, tile_of::<5>(a, k, weights, start)),
                        4 => store.store_rows(at, width, tile_of::<4>(a, k, weights, start)),
                        3 => store.store_rows(at, width, tile_of::<3>(a, k, weights, start)),
                        2 => store.store_rows(at, width, tile_of::<2>(a, k, weights, start)),
                        _ => store.store_rows(at, width, tile_of::<1>(a, k, weights, start)),
                    });
                }
                done += tile;
            }
        }
    }
}

/// Sums of `M` rows and one block of channels, all added to `start`.
///
/// # Safety
/// Requires AVX2; `a` points to `M * k` values, `weights` to `BLOCK * k`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile_of<const M: usize>(a: *const i16, k: usize, weights: *const i8, start: Eights) -> [Eights; M] {
    let mut sums = [start; M];
    for pair in 0..k / 2 {
        // SAFETY: guaranteed by the caller; `pair * 2 + 1 < k`.
        unsafe {
            let w = weights.add(pair * 2 * BLOCK);
            let w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128(w.cast()));
            let w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128(w.add(16).cast()));
            for (m, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_set1_epi32(a.add(m * k + pair * 2).cast::<i32>().read_unaligned());
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(a, w0));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(a, w1));
            }
        }
    }
    sums
}

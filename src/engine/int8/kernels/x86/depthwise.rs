//! Computes the depthwise convolution of any window with AVX2. [`super::neighbors`] covers the usual window.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::super::target::{Store as _, Target, with_put};
use super::super::{Depthwise, Out};
use super::lanes256::{Bytes, Eights, Floats, start};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;

/// # Safety
/// Requires AVX2.
pub(super) unsafe fn any(d: &Depthwise<'_>, mut out: Out<'_>) {
    d.check(&out);
    let taps = d.window.kernel.pow(2);
    assert_eq!(d.weights.len(), d.shape.stride * taps, "weights");
    let target = Target::new(&mut out, d.residual);
    d.for_each_run(|run| {
        for (block, weights) in d.weights.chunks_exact(taps * BLOCK).enumerate() {
            // SAFETY: guaranteed by the caller; the run belongs to `d`, which was checked, and the block is one of its blocks.
            unsafe { run_of_block(d, run, block, weights.as_chunks().0, target) };
        }
    });
}

/// Computes one block of channels of a run of outputs, four at a time where that many are left.
///
/// # Safety
/// Requires AVX2; `d` must have been checked, and the run and the block must belong to it.
#[target_feature(enable = "avx2")]
unsafe fn run_of_block(d: &Depthwise<'_>, run: &Run, block: usize, weights: &[[i16; BLOCK]], target: Target) {
    let (width, offset) = (d.shape.stride, block * BLOCK);
    let (columns, first) = (&d.columns[block], run.first * width + offset);
    let start = crossed(start(columns));
    // SAFETY: guaranteed by the caller.
    unsafe {
        with_put!(target, columns, d.activation, |store| {
            let mut output = 0;
            while output + 4 <= run.outputs {
                let sums = sums::<4>(&run.taps, output * run.step + offset, run.step, weights, start);
                store.store_rows(first + output * width, width, sums);
                output += 4;
            }
            while output < run.outputs {
                let sums = sums::<1>(&run.taps, output * run.step + offset, run.step, weights, start);
                store.store_rows(first + output * width, width, sums);
                output += 1;
            }
        });
    }
}

/// Reorders channels as [`paired`] does, 0 to 3 and 8 to 11 in the first, 4 to 7 and 12 to 15 in the second; and back.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn crossed([a, b]: Eights) -> Eights {
    [_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)]
}

/// Two 16-bit numbers for each channel, side by side.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn paired(a: __m256i, b: __m256i) -> [__m256i; 2] {
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// Adds the products of pairs.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add(sums: Eights, pixels: [__m256i; 2], weights: [__m256i; 2]) -> Eights {
    let add = |half: usize| _mm256_add_epi32(sums[half], _mm256_madd_epi16(pixels[half], weights[half]));
    [add(0), add(1)]
}

/// 16 bytes as 16-bit numbers.
///
/// # Safety
/// Requires AVX2; there must be 16 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn widened(bytes: *const u8) -> __m256i {
    // SAFETY: guaranteed by the caller.
    unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(bytes.cast())) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_weights(weights: &[i16; BLOCK]) -> __m256i {
    // SAFETY: there are 16.
    unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) }
}

/// Sums of `M` neighbors and one block of channels, all added to `start`, which is [`crossed`].
///
/// # Safety
/// Requires AVX2; at each tap there must be 16 bytes at `offset` and at each of `M - 1` steps from there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums<const M: usize>(
    taps: &[*const u8],
    offset: usize,
    step: usize,
    weights: &[[i16; BLOCK]],
    start: Eights,
) -> [Eights; M] {
    let mut sums = [start; M];
    for (taps, weights) in taps.chunks(2).zip(weights.chunks(2)) {
        // An odd last tap is read twice; the second of its pair has weight 0.
        let (first, second) = (taps[0], taps[taps.len() - 1]);
        let none = _mm256_setzero_si256();
        let weights = paired(load_weights(&weights[0]), weights.get(1).map_or(none, |second| load_weights(second)));
        for (m, sums) in sums.iter_mut().enumerate() {
            // SAFETY: guaranteed by the caller.
            let read = |tap: *const u8| unsafe { widened(tap.add(offset + m * step)) };
            *sums = add(*sums, paired(read(first), read(second)), weights);
        }
    }
    sums.map(|sums| crossed(sums))
}

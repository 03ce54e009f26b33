//! Computes depthwise convolutions with 3 x 3 windows, column of pixels by column.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::neighbors::{Column, Taps, fit, for_each_row};
use super::super::target::{Store as _, with_put};
use super::super::{Depthwise, Out};
use super::depthwise::{add, any, crossed, load_weights, paired, widened};
use super::lanes256::{Eights, start};
use super::{lanes256, lanes512};
use crate::engine::int8::requantize::RequantConstants;

/// For the AVX2 kernels.
pub(super) fn by_pairs(d: &Depthwise<'_>, out: Out<'_>) {
    // SAFETY: kernels are reached through an `Isa` alone, which exists only where the processor has their instructions.
    unsafe { if fit(d) { pairs(d, out) } else { any(d, out) } }
}

/// For the AVX-VNNI kernels.
pub(super) fn by_fours(d: &Depthwise<'_>, out: Out<'_>) {
    // SAFETY: kernels are reached through an `Isa` alone, which exists only where the processor has their instructions.
    unsafe { if fit(d) { fours(d, out) } else { any(d, out) } }
}

/// For the AVX-512 VNNI kernels.
pub(super) fn by_wide_fours(d: &Depthwise<'_>, out: Out<'_>) {
    // SAFETY: kernels are reached through an `Isa` alone, which exists only where the processor has their instructions.
    unsafe { if fit(d) { wide_fours(d, out) } else { any(d, out) } }
}

/// Multiplies the first two rows of a column of pixels together, then the third with a weight of 0 beside it.
///
/// # Safety
/// Requires AVX2.
#[target_feature(enable = "avx2")]
unsafe fn pairs(d: &Depthwise<'_>, out: Out<'_>) {
    use lanes256::{Bytes, Floats};
    let prepare = |taps: &Taps, columns: &RequantConstants| {
        let column = |j: usize| {
            let [a, b, c] = [0, 3, 6].map(|i| load_weights(&taps[i + j]));
            [paired(a, b), paired(c, _mm256_setzero_si256())]
        };
        ([column(0), column(1), column(2)], crossed(start(columns)))
    };
    for_each_row(d, out, prepare, |row, columns, (weights, start), target| {
        // SAFETY: there are 16 bytes at each of these addresses; the row's outputs lie in `target`.
        unsafe {
            let pixels = |places: Column| {
                let [a, b, c] = places.map(|place| widened(place));
                [paired(a, b), paired(c, c)]
            };
            let add = |sums, pixels: [[__m256i; 2]; 2], column: usize| {
                let [first, second] = weights[column];
                add(add(sums, pixels[0], first), pixels[1], second)
            };
            with_put!(target, columns, d.activation, |store| {
                row.stream(*start, pixels, add, |at, sums| store.store(at, crossed(sums)));
            });
        }
    });
}

/// Multiplies four bytes for each channel, the fourth with a weight of 0; eight channels a register.
///
/// # Safety
/// Requires AVX-VNNI.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn fours(d: &Depthwise<'_>, out: Out<'_>) {
    use lanes256::{Bytes, Floats};
    let prepare = |taps: &Taps, columns: &RequantConstants| {
        let column = |j: usize| {
            let [a, b, c] = [0, 3, 6].map(|i| narrowed(load_weights(&taps[i + j])));
            zipped(_mm256_set_m128i(b, a), _mm256_zextsi128_si256(c))
        };
        ([column(0), column(1), column(2)], start(columns))
    };
    for_each_row(d, out, prepare, |row, columns, (weights, start), target| {
        // SAFETY: there are 16 bytes at each of these addresses; the row's outputs lie in `target`.
        unsafe {
            let pixels = |places: Column| {
                let [a, b, c] = places.map(|place| _mm_loadu_si128(place.cast()));
                zipped(_mm256_set_m128i(b, a), _mm256_broadcastsi128_si256(c))
            };
            let add = |sums: Eights, pixels: [__m256i; 2], column: usize| {
                let add = |half: usize| _mm256_dpbusd_avx_epi32(sums[half], pixels[half], weights[column][half]);
                [add(0), add(1)]
            };
            with_put!(target, columns, d.activation, |store| {
                row.stream(*start, pixels, add, |at, sums| store.store(at, sums));
            });
        }
    });
}

/// The same with 16 channels a register.
///
/// # Safety
/// Requires AVX-512 VNNI.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn wide_fours(d: &Depthwise<'_>, out: Out<'_>) {
    use lanes512::{Bytes, Floats};
    let order = order_wide();
    let prepare = |taps: &Taps, columns: &RequantConstants| {
        let column = |j: usize| {
            let [a, b, c] = [0, 3, 6].map(|i| narrowed(load_weights(&taps[i + j])));
            let rows = _mm512_castsi256_si512(_mm256_set_m128i(b, a));
            zipped_wide(_mm512_inserti64x4(rows, _mm256_zextsi128_si256(c), 1), order)
        };
        ([column(0), column(1), column(2)], lanes512::start(columns))
    };
    for_each_row(d, out, prepare, |row, columns, (weights, start), target| {
        // SAFETY: there are 16 bytes at each of these addresses; the row's outputs lie in `target`.
        unsafe {
            let pixels = |places: Column| {
                let [a, b, c] = places.map(|place| _mm_loadu_si128(place.cast()));
                let rows = _mm512_broadcast_i32x4(a);
                let rows = _mm512_mask_broadcast_i32x4(rows, 0x00f0, b);
                zipped_wide(_mm512_mask_broadcast_i32x4(rows, 0x0f00, c), order)
            };
            let add = |sums, pixels, column: usize| _mm512_dpbusd_epi32(sums, pixels, weights[column]);
            with_put!(target, columns, d.activation, |store| {
                row.stream(*start, pixels, add, |at, sums| store.store(at, sums));
            });
        }
    });
}

/// Weights as bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn narrowed(weights: __m256i) -> __m128i {
    _mm_packs_epi16(_mm256_castsi256_si128(weights), _mm256_extracti128_si256(weights, 1))
}

/// In each 128 bits, a 4 x 4 matrix of bytes transposed.
const EXCHANGED: [i8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

/// Turns four rows of 16 bytes, two a register, into four bytes for each channel.
#[inline]
#[target_feature(enable = "avx2")]
fn zipped(ab: __m256i, cd: __m256i) -> [__m256i; 2] {
    // SAFETY: there are 16 bytes.
    let exchanged = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(EXCHANGED.as_ptr().cast()) });
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    // First and third row in the lower half, second and fourth in the upper one: four channels of each, twice.
    [_mm256_unpacklo_epi32(ab, cd), _mm256_unpackhi_epi32(ab, cd)]
        .map(|fours| _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(fours, order), exchanged))
}

/// Turns four rows of 16 bytes into four bytes for each channel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn zipped_wide(rows: __m512i, order: __m512i) -> __m512i {
    // SAFETY: there are 16 bytes.
    let exchanged = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(EXCHANGED.as_ptr().cast()) });
    _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, rows), exchanged)
}

/// The order that [`zipped_wide`] needs.
#[inline]
#[target_feature(enable = "avx512f")]
fn order_wide() -> __m512i {
    let mut order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    // SAFETY: the assembly does nothing. It hides the order: knowing it, the compiler makes seven instructions of the two that use it.
    unsafe { asm!("/* {} */", inout(zmm_reg) order, options(pure, nomem, nostack, preserves_flags)) };
    order
}

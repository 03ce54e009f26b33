//! Computes depthwise convolutions with 3 x 3 windows, column of pixels by column.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::neighbors::{Column as ColumnOffsets, Taps, fit, for_each_row};
use super::super::target::{Store as _, with_put};
use super::super::{Depthwise, Out};
use super::depthwise::{any, load_weights};
use super::requantize::{Bytes, Floats, Sums, signed, start};
use crate::engine::int8::requantize::RequantConstants;

/// For every aarch64 processor.
pub(super) fn plain(d: &Depthwise<'_>, out: Out<'_>) {
    if fit(d) { short_products(d, out) } else { any(d, out) }
}

/// For the kernels of the dot product extension.
pub(super) fn by_dot_products(d: &Depthwise<'_>, out: Out<'_>) {
    // SAFETY: kernels are reached through an `Isa` alone, which exists only where the processor has their instructions.
    if fit(d) { unsafe { dot_products(d, out) } } else { any(d, out) }
}

/// Multiplies bytes to 16 bits and first adds as many products as fit there.
fn short_products(d: &Depthwise<'_>, out: Out<'_>) {
    // SAFETY: every aarch64 processor has the instructions.
    let prepare = |taps: &Taps, columns: &RequantConstants| unsafe { Weights::new(taps, start(columns)) };
    for_each_row(d, out, prepare, |row, columns, Weights { columns: w, start, fit_i16 }, target| {
        // SAFETY: there are 16 bytes at each of these addresses; the row's outputs lie in `target`.
        unsafe {
            let pairs = |sums, pixels, column: usize| pairs(sums, pixels, w[column]);
            let threes = |sums, pixels, column: usize| threes(sums, pixels, w[column]);
            with_put!(target, columns, d.activation, |store| {
                let store = |at, sums| store.store(at, sums);
                match fit_i16 {
                    true => row.stream(*start, |places| load(places), threes, store),
                    false => row.stream(*start, |places| load(places), pairs, store),
                }
            });
        }
    });
}

/// # Safety
/// There must be 16 bytes at each address.
#[inline(always)]
unsafe fn load(places: ColumnOffsets) -> Column {
    // SAFETY: guaranteed by the caller.
    places.map(|place| unsafe { signed(place) })
}

/// Adds a column of pixels times a column of weights, summing the products of the first two rows in 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn pairs(mut sums: Sums, [a, b, c]: Column, [u, v, w]: Column) -> Sums {
    let (low, high) = (vmull_s8(vget_low_s8(a), vget_low_s8(u)), vmull_high_s8(a, u));
    collect(&mut sums, vmlal_s8(low, vget_low_s8(b), vget_low_s8(v)), vmlal_high_s8(high, b, v));
    collect(&mut sums, vmull_s8(vget_low_s8(c), vget_low_s8(w)), vmull_high_s8(c, w));
    sums
}

/// The same, summing the products of all three rows in 16 bits, for weights whose sums fit ([`Weights::fit_i16`]).
#[inline]
#[target_feature(enable = "neon")]
fn threes(mut sums: Sums, [a, b, c]: Column, [u, v, w]: Column) -> Sums {
    let (low, high) = (vmull_s8(vget_low_s8(a), vget_low_s8(u)), vmull_high_s8(a, u));
    let (low, high) = (vmlal_s8(low, vget_low_s8(b), vget_low_s8(v)), vmlal_high_s8(high, b, v));
    collect(&mut sums, vmlal_s8(low, vget_low_s8(c), vget_low_s8(w)), vmlal_high_s8(high, c, w));
    sums
}

/// Multiplies a whole column at a time.
///
/// # Safety
/// Requires the dot product extension.
#[target_feature(enable = "dotprod")]
unsafe fn dot_products(d: &Depthwise<'_>, out: Out<'_>) {
    // The fourth byte of a channel has weight 0.
    let prepare = |taps: &Taps, columns: &RequantConstants| {
        let weights = Weights::new(taps, start(columns));
        (weights.columns.map(|column| zipped(column, vdupq_n_s8(0))), weights.start)
    };
    for_each_row(d, out, prepare, |row, columns, (weights, start), target| {
        // SAFETY: guaranteed by the caller; there are 16 bytes at each of these addresses, and the row's outputs lie in `target`.
        unsafe {
            let add = |mut sums: Sums, pixels: [int8x16_t; 4], column: usize| {
                (0..4).for_each(|i| sums[i] = dot(sums[i], pixels[i], weights[column][i]));
                sums
            };
            let prepare = |places| {
                let pixels = load(places);
                zipped(pixels, pixels[2])
            };
            with_put!(target, columns, d.activation, |store| {
                row.stream(*start, prepare, add, |at, sums| store.store(at, sums));
            });
        }
    });
}

/// Three rows of 16 channels, one above the other, as signed bytes.
type Column = [int8x16_t; 3];

/// A block's weights.
struct Weights {
    columns: [Column; 3],
    /// What sums start from if the bytes of pixels are read with 128 as 0.
    start: Sums,
    /// Whether three products, one above the other, always fit 16 bits, whatever the pixels. Two always do.
    fit_i16: bool,
}

impl Weights {
    /// Prepares the weights, given what sums start from if bytes are read as they are.
    #[target_feature(enable = "neon")]
    fn new(taps: &Taps, mut start: Sums) -> Self {
        let mut columns = [[vdupq_n_s8(0); 3]; 3];
        for (tap, w) in taps.iter().enumerate() {
            let [low, high] = load_weights(w);
            columns[tap % 3][tap / 3] = vmovn_high_s16(vmovn_s16(low), high); // weights are -127 to 127
            start[0] = vmlal_n_s16(start[0], vget_low_s16(low), 128);
            start[1] = vmlal_high_n_s16(start[1], low, 128);
            start[2] = vmlal_n_s16(start[2], vget_low_s16(high), 128);
            start[3] = vmlal_high_n_s16(start[3], high, 128);
        }
        let mut most = vdupq_n_u8(0);
        for column in columns {
            let [a, b, c] = column.map(|w| vreinterpretq_u8_s8(vabsq_s8(w)));
            most = vmaxq_u8(most, vqaddq_u8(vqaddq_u8(a, b), c));
        }
        Self { columns, start, fit_i16: vmaxvq_u8(most) < u8::MAX }
    }
}

/// Adds 16 products, or sums of them.
#[inline]
#[target_feature(enable = "neon")]
fn collect(sums: &mut Sums, low: int16x8_t, high: int16x8_t) {
    sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
    sums[1] = vaddw_high_s16(sums[1], low);
    sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
    sums[3] = vaddw_high_s16(sums[3], high);
}

/// Turns four rows of bytes into four bytes for each channel.
#[inline]
#[target_feature(enable = "neon")]
fn zipped([a, b, c]: Column, d: int8x16_t) -> [int8x16_t; 4] {
    let (ab, ba) = (vreinterpretq_s16_s8(vzip1q_s8(a, b)), vreinterpretq_s16_s8(vzip2q_s8(a, b)));
    let (cd, dc) = (vreinterpretq_s16_s8(vzip1q_s8(c, d)), vreinterpretq_s16_s8(vzip2q_s8(c, d)));
    let words = [vzip1q_s16(ab, cd), vzip2q_s16(ab, cd), vzip1q_s16(ba, dc), vzip2q_s16(ba, dc)];
    words.map(|words| vreinterpretq_s8_s16(words))
}

/// Adds the products of four bytes to each of four sums. In assembly, because there is no stable intrinsic.
///
/// # Safety
/// Requires the dot product extension.
#[inline]
#[target_feature(enable = "dotprod")]
unsafe fn dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: only its own registers are read or written.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

//! The depthwise convolution with NEON and, for windows of 3 x 3 that move by one pixel, by dot products.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::target::Target;
use super::super::{Depthwise, Out};
use super::finish::{Sums, put, start};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;
use crate::engine::int8::finish::Columns;

/// Neighboring outputs that are computed together: the columns of pixels that they share are read once.
const TOGETHER: usize = 4;

/// For every aarch64 processor.
pub(super) fn plain(d: &Depthwise<'_>, out: Out<'_>) {
    let shared = shares_columns(d);
    all(d, out, |run, target| {
        // SAFETY: `all` has checked `d`; the run is one of its own.
        unsafe {
            blocks(d, run, target, |weights, columns| {
                let start = start(columns);
                move |offset| match shared {
                    true => neighbors(&run.taps, offset, run.step, weights, start),
                    false => any(&run.taps, offset, run.step, weights, start),
                }
            });
        }
    });
}

/// For those with the dot product extension: others must not call it.
pub(super) fn by_dot_products(d: &Depthwise<'_>, out: Out<'_>) {
    if !shares_columns(d) {
        return plain(d, out);
    }
    all(d, out, |run, target| {
        // SAFETY: as above, and the caller's.
        unsafe {
            blocks(d, run, target, |weights, columns| {
                let weights = Zipped::new(weights, start(columns));
                move |offset| neighbors_by_dot(&run.taps, offset, run.step, &weights)
            });
        }
    });
}

/// Whether neighboring outputs read the same columns of pixels, three each.
fn shares_columns(d: &Depthwise<'_>) -> bool {
    d.window.kernel == 3 && d.window.stride == 1
}

fn all(d: &Depthwise<'_>, mut out: Out<'_>, each: impl Fn(&Run, Target)) {
    d.check(&out);
    assert_eq!(d.weights.len(), d.shape.stride * d.window.kernel.pow(2), "weights");
    let target = Target::new(&mut out, d.residual);
    d.for_each_run(|run| each(run, target));
}

/// One run: `prepare` makes from a block's weights and constants what sums it, given the bytes from a tap to the block of the output
/// that is meant.
///
/// # Safety
/// `d` and its weights must have been checked, the run must be one of its own.
#[inline]
unsafe fn blocks<'a, F: Fn(usize) -> [Sums; TOGETHER]>(
    d: &'a Depthwise<'_>,
    run: &'a Run,
    target: Target,
    prepare: impl Fn(&'a [i16], &'a Columns) -> F,
) {
    let (width, taps) = (d.shape.stride, run.taps.len());
    for (block, columns) in d.columns.iter().enumerate() {
        let weights = &d.weights[block * taps * BLOCK..][..taps * BLOCK];
        let offset = |output: usize| output * run.step + block * BLOCK;
        let place = |output: usize| {
            let at = (run.first + output) * width + block * BLOCK;
            (at, at, width)
        };
        if run.outputs < TOGETHER {
            for output in 0..run.outputs {
                // SAFETY: the caller's; the outputs of the run lie in the target.
                unsafe {
                    let sums = any::<1>(&run.taps, offset(output), run.step, weights, start(columns));
                    put(target, place(output), columns, d.activation, sums);
                }
            }
            continue;
        }
        let sum = prepare(weights, columns);
        for output in (0..run.outputs).step_by(TOGETHER) {
            // The last ones may overlap those before: what is written twice is the same.
            let output = output.min(run.outputs - TOGETHER);
            // SAFETY: as above.
            unsafe { put(target, place(output), columns, d.activation, sum(offset(output))) };
        }
    }
}

/// Sums of `M` neighbors and one block of channels, all of them from `start`, for any window.
///
/// # Safety
/// At each tap there must be sixteen bytes at `offset` and at each of `M - 1` steps from there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn any<const M: usize>(
    taps: &[*const u8],
    offset: usize,
    step: usize,
    weights: &[i16],
    start: Sums,
) -> [Sums; M] {
    let mut sums = [start; M];
    for (tap, w) in taps.iter().zip(weights.as_chunks::<BLOCK>().0) {
        // SAFETY: the caller's.
        unsafe {
            let w = load_weights(w);
            sums.iter_mut().enumerate().for_each(|(m, sums)| add(sums, widened(tap.add(offset + m * step)), w));
        }
    }
    sums
}

/// Sums of [`TOGETHER`] neighbors for a window of 3 x 3 that moves by one pixel: each column of pixels goes into three of them.
///
/// # Safety
/// Nine taps, those of a row `step` bytes apart; that of [`any`] for [`TOGETHER`] outputs.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn neighbors(taps: &[*const u8], offset: usize, step: usize, weights: &[i16], start: Sums) -> [Sums; TOGETHER] {
    let mut sums = [start; TOGETHER];
    for (taps, weights) in taps.as_chunks::<3>().0.iter().zip(weights.as_chunks::<{ 3 * BLOCK }>().0) {
        // SAFETY: the caller's.
        unsafe {
            let weights = [0, 1, 2].map(|tap| load_weights(&weights.as_chunks().0[tap]));
            let add = |sums: &mut Sums, pixel: Words, w: Words| add(sums, pixel, w);
            let pixel = |column: usize| widened(taps[0].add(offset + column * step));
            share::<0, _, _>(&mut sums, &weights, pixel(0), add);
            share::<1, _, _>(&mut sums, &weights, pixel(1), add);
            share::<2, _, _>(&mut sums, &weights, pixel(2), add);
            share::<3, _, _>(&mut sums, &weights, pixel(3), add);
            share::<4, _, _>(&mut sums, &weights, pixel(4), add);
            share::<5, _, _>(&mut sums, &weights, pixel(5), add);
        }
    }
    sums
}

/// Adds column `COLUMN` of pixels to all sums that it is part of: it is that of tap `COLUMN - m` of output `m`. A constant, so that
/// compilers see which.
#[inline]
#[target_feature(enable = "neon")]
fn share<const COLUMN: usize, P: Copy, W: Copy>(
    sums: &mut [Sums; TOGETHER],
    weights: &[W; 3],
    pixels: P,
    add: impl Fn(&mut Sums, P, W),
) {
    for m in COLUMN.saturating_sub(2)..=COLUMN.min(TOGETHER - 1) {
        add(&mut sums[m], pixels, weights[COLUMN - m]);
    }
}

/// Sixteen numbers of sixteen bits.
type Words = [int16x8_t; 2];

/// # Safety
/// Sixteen bytes at `bytes`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn widened(bytes: *const u8) -> Words {
    // SAFETY: the caller's.
    let bytes = unsafe { vld1q_u8(bytes) };
    [vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)].map(|words| vreinterpretq_s16_u16(words))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_weights(w: &[i16; BLOCK]) -> Words {
    // SAFETY: there are sixteen.
    unsafe { [vld1q_s16(w.as_ptr()), vld1q_s16(w.as_ptr().add(8))] }
}

#[inline]
#[target_feature(enable = "neon")]
fn add(sums: &mut Sums, pixel: Words, w: Words) {
    for (half, sums) in sums.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        sums[0] = vmlal_s16(sums[0], vget_low_s16(pixel[half]), vget_low_s16(w[half]));
        sums[1] = vmlal_high_s16(sums[1], pixel[half], w[half]);
    }
}

/// Three rows of sixteen channels, one above the other, such that four bytes belong to one channel, the last of them to none.
type Column = [int8x16_t; 4];

/// A block's weights as dot products want them, column by column, and what they sum for the pixels that stand for 0.
struct Zipped {
    columns: [Column; 3],
    start: Sums,
}

impl Zipped {
    /// From three rows of three weights for each of sixteen channels, and what the sums start from otherwise.
    ///
    /// # Safety
    /// The dot product extension.
    #[target_feature(enable = "dotprod")]
    unsafe fn new(weights: &[i16], mut start: Sums) -> Self {
        let weights = &weights.as_chunks::<BLOCK>().0[..9];
        let bytes = |tap: usize| {
            let [low, high] = load_weights(&weights[tap]);
            vmovn_high_s16(vmovn_s16(low), high) // they are -127 to 127
        };
        let columns: [Column; 3] =
            [0, 1, 2].map(|tap| zipped(bytes(tap), bytes(tap + 3), bytes(tap + 6), vdupq_n_s8(0)));
        // The bytes of pixels are read as if 128 was 0.
        for column in columns {
            for (sum, w) in start.iter_mut().zip(column) {
                // SAFETY: the caller's. Twice 64 makes 128.
                *sum = unsafe { dot(dot(*sum, vdupq_n_s8(64), w), vdupq_n_s8(64), w) };
            }
        }
        Self { columns, start }
    }
}

/// Turns four rows of bytes into four bytes for each channel.
#[inline]
#[target_feature(enable = "neon")]
fn zipped(a: int8x16_t, b: int8x16_t, c: int8x16_t, d: int8x16_t) -> Column {
    let words = |bytes| vreinterpretq_s16_s8(bytes);
    let (ab, cd) = ([vzip1q_s8(a, b), vzip2q_s8(a, b)].map(words), [vzip1q_s8(c, d), vzip2q_s8(c, d)].map(words));
    [vzip1q_s16(ab[0], cd[0]), vzip2q_s16(ab[0], cd[0]), vzip1q_s16(ab[1], cd[1]), vzip2q_s16(ab[1], cd[1])]
        .map(|words| vreinterpretq_s8_s16(words))
}

/// What [`neighbors`] sums, a whole column of three pixels at a time.
///
/// # Safety
/// The dot product extension; that of [`neighbors`].
#[inline]
#[target_feature(enable = "dotprod")]
unsafe fn neighbors_by_dot(taps: &[*const u8], offset: usize, step: usize, weights: &Zipped) -> [Sums; TOGETHER] {
    let rows = [taps[0], taps[3], taps[6]];
    let mut sums = [weights.start; TOGETHER];
    // SAFETY: the caller's. The fourth byte of a channel has weight 0.
    unsafe {
        let column = |column: usize| {
            let signed = |row: *const u8| {
                vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row.add(offset + column * step)), vdupq_n_u8(128)))
            };
            let [a, b, c] = rows.map(signed);
            zipped(a, b, c, c)
        };
        let add = |sums: &mut Sums, pixels: Column, weights: Column| {
            sums.iter_mut().zip(pixels).zip(weights).for_each(|((sum, pixels), w)| *sum = dot(*sum, pixels, w));
        };
        share::<0, _, _>(&mut sums, &weights.columns, column(0), add);
        share::<1, _, _>(&mut sums, &weights.columns, column(1), add);
        share::<2, _, _>(&mut sums, &weights.columns, column(2), add);
        share::<3, _, _>(&mut sums, &weights.columns, column(3), add);
        share::<4, _, _>(&mut sums, &weights.columns, column(4), add);
        share::<5, _, _>(&mut sums, &weights.columns, column(5), add);
    }
    sums
}

/// Adds to each of four sums the products of four bytes. By assembly, because there is no stable intrinsic.
///
/// # Safety
/// The dot product extension.
#[inline]
#[target_feature(enable = "dotprod")]
unsafe fn dot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: nothing but its registers is read or written.
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

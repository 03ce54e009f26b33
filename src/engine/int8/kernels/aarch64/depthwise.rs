//! The depthwise convolution with NEON and, for windows of 3 x 3 that move by one pixel, by dot products.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::target::Target;
use super::super::{Depthwise, Out};
use super::finish::{Put, Sums, start, with_put};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;
use crate::engine::int8::finish::Columns;

/// For every aarch64 processor.
pub(super) fn plain(d: &Depthwise<'_>, out: Out<'_>) {
    all(d, out, |block| {
        let start = start(block.columns);
        // SAFETY: `all` has checked that there is all that a block refers to.
        unsafe {
            if !block.shares_columns() {
                return with_put!(block.target, block.columns, d.activation, |put| block.each(start, put));
            }
            let weights = block.weights.as_chunks::<BLOCK>().0;
            let weights: [Words; 9] = std::array::from_fn(|tap| load_weights(&weights[tap]));
            let load = |column: usize| {
                let row = |row: usize| widened(block.pixel(3 * row, column));
                [row(0), row(1), row(2)]
            };
            let add = |mut sums: Sums, pixels: [Words; 3], column: usize| {
                (0..3).for_each(|row| add(&mut sums, pixels[row], weights[3 * row + column]));
                sums
            };
            with_put!(block.target, block.columns, d.activation, |put| block.stream(start, load, add, put));
        }
    });
}

/// For those with the dot product extension: others must not call it.
pub(super) fn by_dot_products(d: &Depthwise<'_>, out: Out<'_>) {
    if d.window.kernel != 3 || d.window.stride != 1 {
        return plain(d, out);
    }
    // SAFETY: as above, and the caller's.
    all(d, out, |block| unsafe { stream_by_dot_products(d, block) });
}

/// # Safety
/// The dot product extension; a block of `d`, which must have been checked.
#[target_feature(enable = "dotprod")]
unsafe fn stream_by_dot_products(d: &Depthwise<'_>, block: &Block<'_>) {
    // SAFETY: the caller's. The fourth byte of a channel has weight 0.
    unsafe {
        if !block.shares_columns() {
            let start = start(block.columns);
            return with_put!(block.target, block.columns, d.activation, |put| block.each(start, put));
        }
        let Zipped { columns, start } = Zipped::new(block.weights, start(block.columns));
        let load = |column: usize| {
            let signed = |row: usize| veorq_u8(vld1q_u8(block.pixel(3 * row, column)), vdupq_n_u8(128));
            let [a, b, c] = [signed(0), signed(1), signed(2)].map(|bytes| vreinterpretq_s8_u8(bytes));
            zipped(a, b, c, c)
        };
        let add = |mut sums: Sums, pixels: Column, column: usize| {
            (0..4).for_each(|i| sums[i] = dot(sums[i], pixels[i], columns[column][i]));
            sums
        };
        with_put!(block.target, block.columns, d.activation, |put| block.stream(start, load, add, put));
    }
}

fn all(d: &Depthwise<'_>, mut out: Out<'_>, each: impl Fn(&Block<'_>)) {
    d.check(&out);
    let taps = d.window.kernel.pow(2);
    assert_eq!(d.weights.len(), d.shape.stride * taps, "weights");
    let (target, width) = (Target::new(&mut out, d.residual), d.shape.stride);
    d.for_each_run(|run| {
        for (number, (columns, weights)) in d.columns.iter().zip(d.weights.chunks_exact(taps * BLOCK)).enumerate() {
            let offset = number * BLOCK;
            each(&Block { run, columns, weights, target, offset, first: run.first * width + offset, width });
        }
    });
}

/// One block of channels of a run of outputs.
struct Block<'a> {
    run: &'a Run,
    columns: &'a Columns,
    weights: &'a [i16],
    target: Target,
    /// Bytes from a pixel to its part of this block.
    offset: usize,
    /// The element at which the first result is put.
    first: usize,
    /// From there to the next.
    width: usize,
}

impl Block<'_> {
    /// Whether neighboring outputs read the same columns of pixels, three each: there is no border in between then.
    fn shares_columns(&self) -> bool {
        let Run { taps, outputs, step, .. } = self.run;
        *outputs > 1 && taps.len() == 9 && *step == self.width
    }

    /// Where tap `tap` of output `output` reads.
    #[inline(always)]
    unsafe fn pixel(&self, tap: usize, output: usize) -> *const u8 {
        // SAFETY: the caller's: there is such a tap and such a pixel.
        unsafe { self.run.taps.get_unchecked(tap).add(self.offset + output * self.run.step) }
    }

    /// Goes along a row of columns of pixels: each is loaded once, is the last of one output's window, in the middle of the next one's
    /// and the first of that after it. `add` adds such a column as the first (0), middle (1) or last (2) to sums.
    ///
    /// # Safety
    /// [`Block::shares_columns`], and what `load` of a column up to the number of outputs plus one asks for.
    #[inline(always)]
    unsafe fn stream<P: Copy>(
        &self,
        start: Sums,
        load: impl Fn(usize) -> P,
        add: impl Fn(Sums, P, usize) -> Sums,
        put: &impl Put,
    ) {
        let outputs = self.run.outputs;
        // SAFETY: the block's outputs lie in the target.
        let put = |output: usize, sums: Sums| unsafe { put.put(self.first + output * self.width, sums) };
        let (p, q) = (load(0), load(1));
        let (mut a, mut b) = (add(add(start, p, 0), q, 1), add(start, q, 0));
        let mut at = 0;
        while at + 3 <= outputs {
            let p = load(at + 2);
            put(at, add(a, p, 2));
            let (next, c) = (add(b, p, 1), add(start, p, 0));
            let p = load(at + 3);
            put(at + 1, add(next, p, 2));
            let (next, first) = (add(c, p, 1), add(start, p, 0));
            let p = load(at + 4);
            put(at + 2, add(next, p, 2));
            (a, b) = (add(first, p, 1), add(start, p, 0));
            at += 3;
        }
        if at < outputs {
            let p = load(at + 2);
            put(at, add(a, p, 2));
            if at + 1 < outputs {
                put(at + 1, add(add(b, p, 1), load(at + 3), 2));
            }
        }
    }

    /// Goes over the outputs of any window, four at a time where there are as many.
    ///
    /// # Safety
    /// All that the block refers to must be there.
    #[inline(always)]
    unsafe fn each(&self, start: Sums, put: &impl Put) {
        let outputs = self.run.outputs;
        let mut at = 0;
        // SAFETY: the caller's.
        unsafe {
            while at + 4 <= outputs {
                let sums = self.sums::<4>(at, start);
                sums.into_iter().enumerate().for_each(|(m, sums)| put.put(self.first + (at + m) * self.width, sums));
                at += 4;
            }
            while at < outputs {
                put.put(self.first + at * self.width, self.sums::<1>(at, start)[0]);
                at += 1;
            }
        }
    }

    /// Sums of `M` outputs from `output`, whatever their window.
    ///
    /// # Safety
    /// There must be as many.
    #[inline(always)]
    unsafe fn sums<const M: usize>(&self, output: usize, start: Sums) -> [Sums; M] {
        let mut sums = [start; M];
        for (tap, w) in self.weights.as_chunks::<BLOCK>().0.iter().enumerate() {
            // SAFETY: the caller's; there are as many taps as weights.
            unsafe {
                let w = load_weights(w);
                sums.iter_mut().enumerate().for_each(|(m, sums)| add(sums, widened(self.pixel(tap, output + m)), w));
            }
        }
        sums
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

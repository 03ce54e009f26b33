//! Depthwise windows of 3 x 3 that move by one pixel or two, in a picture with one pixel of border: whole rows of outputs, such that each
//! column of pixels is read once for all outputs that it is part of.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::target::Target;
use super::super::{Depthwise, Out};
use super::depthwise::load_weights;
use super::finish::{Put, Sums, signed, start, with_put};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Window;
use crate::engine::int8::finish::Columns;

/// Whether this is for them.
pub(super) fn fit(d: &Depthwise<'_>) -> bool {
    [1, 2].map(|stride| Window { kernel: 3, stride, pad: 1 }).contains(&d.window)
}

/// For every aarch64 processor: bytes are multiplied to sixteen bits, and as many products as fit there added up first.
pub(super) fn plain(d: &Depthwise<'_>, out: Out<'_>) {
    let prepare = |weights| weights;
    for_each_row(d, out, prepare, |row, columns, Weights { columns: w, start, are_calm }, target| {
        // SAFETY: `target` is what the row's outputs lie in; every aarch64 processor has the instructions.
        unsafe {
            let pixels = |pixels| pixels;
            let pairs = |sums, pixels, column: usize| pairs(sums, pixels, w[column]);
            let threes = |sums, pixels, column: usize| threes(sums, pixels, w[column]);
            match are_calm {
                true => with_put!(target, columns, d.activation, |put| row.stream(*start, pixels, threes, put)),
                false => with_put!(target, columns, d.activation, |put| row.stream(*start, pixels, pairs, put)),
            }
        }
    });
}

/// Adds a column of pixels times one of weights, the products of the first two rows together.
#[inline]
#[target_feature(enable = "neon")]
fn pairs(mut sums: Sums, [a, b, c]: Column, [u, v, w]: Column) -> Sums {
    let (low, high) = (vmull_s8(vget_low_s8(a), vget_low_s8(u)), vmull_high_s8(a, u));
    collect(&mut sums, vmlal_s8(low, vget_low_s8(b), vget_low_s8(v)), vmlal_high_s8(high, b, v));
    collect(&mut sums, vmull_s8(vget_low_s8(c), vget_low_s8(w)), vmull_high_s8(c, w));
    sums
}

/// The same with the products of all three together, for weights that are calm.
#[inline]
#[target_feature(enable = "neon")]
fn threes(mut sums: Sums, [a, b, c]: Column, [u, v, w]: Column) -> Sums {
    let (low, high) = (vmull_s8(vget_low_s8(a), vget_low_s8(u)), vmull_high_s8(a, u));
    let (low, high) = (vmlal_s8(low, vget_low_s8(b), vget_low_s8(v)), vmlal_high_s8(high, b, v));
    collect(&mut sums, vmlal_s8(low, vget_low_s8(c), vget_low_s8(w)), vmlal_high_s8(high, c, w));
    sums
}

/// A whole column at a time.
///
/// # Safety
/// The dot product extension.
#[target_feature(enable = "dotprod")]
pub(super) unsafe fn by_dot_products(d: &Depthwise<'_>, out: Out<'_>) {
    // The fourth byte of a channel has weight 0.
    let prepare = |w: Weights| (w.columns.map(|column| zipped(column, vdupq_n_s8(0))), w.start);
    for_each_row(d, out, prepare, |row, columns, (weights, start), target| {
        // SAFETY: the caller's; `target` is what the row's outputs lie in.
        unsafe {
            let add = |mut sums: Sums, pixels: [int8x16_t; 4], column: usize| {
                (0..4).for_each(|i| sums[i] = dot(sums[i], pixels[i], weights[column][i]));
                sums
            };
            let prepare = |pixels: Column| zipped(pixels, pixels[2]);
            with_put!(target, columns, d.activation, |put| row.stream(*start, prepare, add, put));
        }
    });
}

/// Three rows of sixteen channels, one above the other, as signed bytes.
type Column = [int8x16_t; 3];

/// One block of channels of a row of outputs.
struct Row {
    /// The block in the first pixel of the three rows of the picture.
    lines: [*const u8; 3],
    /// The block in the border.
    border: *const u8,
    /// Bytes from a pixel to the next, and elements from an output to the next.
    width: usize,
    /// Pixels from an output to the next.
    stride: usize,
    /// Pixels in a row.
    pixels: usize,
    outputs: usize,
    /// The element at which the first result is put.
    first: usize,
}

/// Calls `each` for every row and block, with what `prepare` makes of the block's weights.
#[inline(always)]
fn for_each_row<W>(
    d: &Depthwise<'_>,
    mut out: Out<'_>,
    prepare: impl Fn(Weights) -> W,
    each: impl Fn(&Row, &Columns, &W, Target),
) {
    d.check(&out);
    assert!(fit(d) && d.weights.len() == d.shape.stride * 9, "weights");
    let (target, shape, pitch) = (Target::new(&mut out, d.residual), &d.shape, d.border.len());
    for (block, (columns, weights)) in d.columns.iter().zip(d.weights.chunks_exact(9 * BLOCK)).enumerate() {
        let offset = block * BLOCK;
        // SAFETY: there are nine times `BLOCK` weights.
        let weights = prepare(unsafe { Weights::new(weights, start(columns)) });
        let outputs = d.window.outputs(shape.columns);
        for row in 0..d.window.outputs(shape.rows) {
            let line = |i: usize| match d.window.source(row, i, shape.rows) {
                Some(y) => d.x[y * pitch + offset..].as_ptr(),
                None => d.border[offset..].as_ptr(),
            };
            let row = Row {
                lines: [line(0), line(1), line(2)],
                border: d.border[offset..].as_ptr(),
                width: shape.stride,
                stride: d.window.stride,
                pixels: shape.columns,
                outputs,
                first: row * outputs * shape.stride + offset,
            };
            each(&row, columns, &weights, target);
        }
    }
}

impl Row {
    /// Column `column` of pixels, counted from 1; the first and the last are border.
    ///
    /// # Safety
    /// There must be such a column.
    #[inline(always)]
    unsafe fn column(&self, column: usize) -> Column {
        // SAFETY: the caller's.
        unsafe {
            let line = |i: usize| signed(self.lines[i].add((column - 1) * self.width));
            [line(0), line(1), line(2)]
        }
    }

    /// Goes along the columns of pixels: each is the last of one output's window, in the middle of the next one's and the first of that
    /// after it, or with a stride of 2 the last and the first, or in the middle. `add` adds what `prepare` makes of such a column as the
    /// first (0), middle (1) or last (2) to sums.
    ///
    /// # Safety
    /// The outputs must lie in what `put` was made from.
    #[inline(always)]
    unsafe fn stream<P: Copy>(
        &self,
        start: Sums,
        prepare: impl Fn(Column) -> P,
        add: impl Fn(Sums, P, usize) -> Sums,
        put: &impl Put,
    ) {
        let (outputs, first, width) = (self.outputs, self.first, self.width);
        // SAFETY: the caller's.
        let put = |output: usize, sums: Sums| unsafe { put.put(first + output * width, sums) };
        // SAFETY: columns 1 to `pixels` are asked for.
        let load = |column: usize| prepare(unsafe { self.column(column) });
        // SAFETY: the border has a pixel.
        let border = prepare(unsafe { [signed(self.border); 3] });
        if self.stride == 2 {
            let mut p = border;
            for at in 0..outputs {
                let (q, column) = (load(2 * at + 1), 2 * at + 2);
                let next = if column <= self.pixels { load(column) } else { border };
                put(at, add(add(add(start, p, 0), q, 1), next, 2));
                p = next;
            }
            return;
        }
        let p = load(1);
        let (mut a, mut b) = (add(add(start, border, 0), p, 1), add(start, p, 0));
        let mut at = 0;
        while at + 3 < outputs {
            let p = load(at + 2);
            put(at, add(a, p, 2));
            let (next, c) = (add(b, p, 1), add(start, p, 0));
            let p = load(at + 3);
            put(at + 1, add(next, p, 2));
            let (next, d) = (add(c, p, 1), add(start, p, 0));
            let p = load(at + 4);
            put(at + 2, add(next, p, 2));
            (a, b) = (add(d, p, 1), add(start, p, 0));
            at += 3;
        }
        while at + 1 < outputs {
            let p = load(at + 2);
            put(at, add(a, p, 2));
            (a, b) = (add(b, p, 1), add(start, p, 0));
            at += 1;
        }
        put(at, add(a, border, 2));
    }
}

/// A block's weights.
struct Weights {
    columns: [Column; 3],
    /// What sums start from if the bytes of pixels are read as if 128 was 0.
    start: Sums,
    /// Whether three products, one above the other, fit sixteen bits, whatever the pixels. Two always do.
    are_calm: bool,
}

impl Weights {
    /// From three rows of three weights for each of sixteen channels, and what the sums start from otherwise.
    #[target_feature(enable = "neon")]
    fn new(weights: &[i16], mut start: Sums) -> Self {
        let mut columns = [[vdupq_n_s8(0); 3]; 3];
        for (tap, w) in weights.as_chunks::<BLOCK>().0.iter().enumerate().take(9) {
            let [low, high] = load_weights(w);
            columns[tap % 3][tap / 3] = vmovn_high_s16(vmovn_s16(low), high); // they are -127 to 127
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
        Self { columns, start, are_calm: vmaxvq_u8(most) < u8::MAX }
    }
}

/// Adds sixteen products, or sums of them.
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

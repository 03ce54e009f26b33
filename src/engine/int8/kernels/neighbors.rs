//! Walks depthwise windows of 3 x 3 that move by one pixel or two, in a picture with one pixel of border: whole rows of outputs, such that
//! each column of pixels is read once for all outputs that it is part of. How a column is loaded and added to sums is left to the
//! kernels of each processor.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![allow(unsafe_code, reason = "unchecked access in the innermost loops")]

use super::target::Target;
use super::{Depthwise, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Window;
use crate::engine::int8::requantize::RequantConstants;

/// Whether these kernels apply to `d`.
pub(super) fn fit(d: &Depthwise<'_>) -> bool {
    [1, 2].map(|stride| Window { kernel: 3, stride, pad: 1 }).contains(&d.window)
}

/// Addresses of 16 channels of three pixels, one above the other.
pub(super) type Column = [*const u8; 3];

/// The weights of one block: for each of nine taps, row by row, one for each channel.
pub(super) type Taps = [[i16; BLOCK]; 9];

/// One block of channels of a row of outputs.
pub(super) struct Row {
    /// The block in the first pixel of the three rows, in the picture or in the border.
    lines: Column,
    /// The block in the border.
    border: *const u8,
    /// Bytes from one pixel to the next, and elements from one output to the next.
    width: usize,
    /// Pixels from one output to the next.
    stride: usize,
    /// Pixels in a row.
    pixels: usize,
    outputs: usize,
    /// The element at which the first result is stored.
    first: usize,
}

/// Calls `each` for every row and block, with what `prepare` returns for the block's weights. Results of a row lie in the target.
#[inline(always)]
pub(super) fn for_each_row<W>(
    d: &Depthwise<'_>,
    mut out: Out<'_>,
    prepare: impl Fn(&Taps, &RequantConstants) -> W,
    each: impl Fn(&Row, &RequantConstants, &W, Target),
) {
    d.check(&out);
    let (weights, rest) = d.weights.as_chunks::<BLOCK>().0.as_chunks::<9>();
    assert!(fit(d) && weights.len() == d.columns.len() && rest.is_empty(), "weights");
    let (target, shape, pitch) = (Target::new(&mut out, d.residual), &d.shape, d.border.len());
    for (block, (columns, weights)) in d.columns.iter().zip(weights).enumerate() {
        let (offset, weights) = (block * BLOCK, prepare(weights, columns));
        let outputs = d.window.outputs(shape.columns);
        for (number, row) in d.rows.clone().enumerate() {
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
                first: number * outputs * shape.stride + offset,
            };
            each(&row, columns, &weights, target);
        }
    }
}

impl Row {
    /// Goes along the columns of pixels: each is the last of one output's window, the middle of the next one's and the first of the one
    /// after it; with a stride of 2, the last and the first, or the middle. `prepare` reads 16 bytes at each address that it is given,
    /// `add` adds its result as the first (0), middle (1) or last (2) column to sums, and `store` gets the element at which the result
    /// is stored.
    #[inline(always)]
    pub(super) fn stream<P: Copy, S: Copy>(
        &self,
        start: S,
        prepare: impl Fn(Column) -> P,
        add: impl Fn(S, P, usize) -> S,
        store: impl Fn(usize, S),
    ) {
        let (outputs, pixels, first, width) = (self.outputs, self.pixels, self.first, self.width);
        let store = |output: usize, sums: S| store(first + output * width, sums);
        // Columns of pixels are counted from 1; the first and the last are border.
        let load = |column: usize| {
            debug_assert!((1..=pixels).contains(&column));
            // SAFETY: a row has `pixels` pixels from each of these addresses, as `for_each_row` takes them from checked rows. With a
            // stride of 1 there are as many outputs (at least three, as a window's three columns fit), none of which needs more than
            // the next column, and the last none; with a stride of 2 there are half as many, rounded up, so that `2 * at + 1` is a
            // pixel, and the column after it is checked.
            prepare(self.lines.map(|line| unsafe { line.add((column - 1) * width) }))
        };
        let border = prepare([self.border; 3]);
        if self.stride == 2 {
            let mut p = border;
            for at in 0..outputs {
                let (q, column) = (load(2 * at + 1), 2 * at + 2);
                let next = if column <= pixels { load(column) } else { border };
                store(at, add(add(add(start, p, 0), q, 1), next, 2));
                p = next;
            }
            return;
        }
        let p = load(1);
        let (mut a, mut b) = (add(add(start, border, 0), p, 1), add(start, p, 0));
        let mut at = 0;
        while at + 3 < outputs {
            let p = load(at + 2);
            store(at, add(a, p, 2));
            let (next, c) = (add(b, p, 1), add(start, p, 0));
            let p = load(at + 3);
            store(at + 1, add(next, p, 2));
            let (next, d) = (add(c, p, 1), add(start, p, 0));
            let p = load(at + 4);
            store(at + 2, add(next, p, 2));
            (a, b) = (add(d, p, 1), add(start, p, 0));
            at += 3;
        }
        while at + 1 < outputs {
            let p = load(at + 2);
            store(at, add(a, p, 2));
            (a, b) = (add(b, p, 1), add(start, p, 0));
            at += 1;
        }
        store(at, add(a, border, 2));
    }
}

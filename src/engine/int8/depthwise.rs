//! Describes depthwise convolutions, which keep channels apart: where each output finds its inputs.

use std::ops::Range;

use super::requantize::{Activation, Out, RequantConstants};
use super::{BLOCK, Shape};

/// A square window that moves over a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Rows and columns of the window.
    pub(super) kernel: usize,
    /// Pixels from one output to the next.
    pub(super) stride: usize,
    /// Pixels of zero padding around the picture.
    pub(super) pad: usize,
}

impl Window {
    /// Outputs along a side of `side` pixels; 0 if the window does not fit.
    pub(super) fn outputs(&self, side: usize) -> usize {
        (side + 2 * self.pad).checked_sub(self.kernel).map_or(0, |rest| rest / self.stride + 1)
    }

    /// The pixel that tap `tap` of output `output` reads, if it lies in the picture.
    pub(super) fn source(&self, output: usize, tap: usize, side: usize) -> Option<usize> {
        (output * self.stride + tap).checked_sub(self.pad).filter(|at| *at < side)
    }

    /// The outputs of a row whose windows lie within the picture from left to right.
    pub(super) fn inner(&self, side: usize) -> Range<usize> {
        let first = self.pad.div_ceil(self.stride);
        let end = (side + self.pad).checked_sub(self.kernel).map_or(0, |last| last / self.stride + 1);
        first.min(end)..end.min(self.outputs(side)).max(first.min(end))
    }
}

/// Packs the weights `at(channel, tap)` of `channels` (whole blocks): for each block and each tap, those of its channels.
pub(super) fn pack(channels: usize, taps: usize, at: impl Fn(usize, usize) -> i8) -> Vec<i16> {
    let mut packed = Vec::with_capacity(channels * taps);
    for block in (0..channels).step_by(BLOCK) {
        let of_tap = |tap| (block..block + BLOCK).map(move |channel| (channel, tap));
        packed.extend((0..taps).flat_map(of_tap).map(|(channel, tap)| i16::from(at(channel, tap))));
    }
    packed
}

/// `out[pixel][channel] = requantize(sum over taps of x[pixel of tap][channel] * weight[channel][tap])`
pub(super) struct Depthwise<'a> {
    /// The picture, whole blocks of channels.
    pub(super) x: &'a [u8],
    /// Its shape.
    pub(super) shape: Shape,
    /// The window that moves over it.
    pub(super) window: Window,
    /// The rows of outputs that are computed.
    pub(super) rows: Range<usize>,
    /// Bytes that stand for zero, as many as a row of the picture has.
    pub(super) border: &'a [u8],
    /// Weights as packed by [`pack`].
    pub(super) weights: &'a [i16],
    /// Constants, one set for each block of channels.
    pub(super) columns: &'a [RequantConstants],
    /// How `columns` treat negative values.
    pub(super) activation: Activation,
    /// Added to the result.
    pub(super) residual: Option<&'a [u8]>,
}

/// Neighboring outputs whose taps all lie the same distance from one output to the next.
pub(super) struct Run {
    /// Where the taps of the first output are, row by row.
    pub(super) taps: Vec<*const u8>,
    /// Bytes from a tap of one output to the same tap of the next.
    pub(super) step: usize,
    /// Number of outputs.
    pub(super) outputs: usize,
    /// Index of the first output in the result.
    pub(super) first: usize,
}

impl Depthwise<'_> {
    /// Panics unless all lengths fit together: kernels rely on this when they read and write without checks.
    pub(super) fn check(&self, out: &Out<'_>) {
        let (shape, window) = (&self.shape, &self.window);
        assert!(shape.stride == self.columns.len() * BLOCK && self.x.len() == shape.len(), "picture");
        assert_eq!(self.border.len(), shape.columns * shape.stride, "border");
        assert!(window.pad < window.kernel && window.kernel <= shape.columns, "window");
        assert!(self.rows.end <= window.outputs(shape.rows), "rows");
        assert_eq!(out.len(), self.rows.len() * window.outputs(shape.columns) * shape.stride, "output");
        assert!(self.residual.is_none_or(|r| r.len() == out.len()), "residual");
    }

    /// Calls `f` for runs that cover all outputs of the rows. Every tap of every output of a run points to `shape.stride` bytes of the
    /// picture or of the border.
    pub(super) fn for_each_run(&self, mut f: impl FnMut(&Run)) {
        let (shape, window) = (&self.shape, &self.window);
        let columns = window.outputs(shape.columns);
        let inner = window.inner(shape.columns);
        let mut run = Run { taps: Vec::with_capacity(window.kernel * window.kernel), step: 0, outputs: 0, first: 0 };
        let mut column = 0;
        for row in self.rows.clone() {
            while column < columns {
                run.outputs = if column == inner.start { inner.len().max(1) } else { 1 };
                run.step = window.stride * shape.stride;
                run.first = (row - self.rows.start) * columns + column;
                run.taps.clear();
                for (i, j) in (0..window.kernel).flat_map(|i| (0..window.kernel).map(move |j| (i, j))) {
                    let source = window.source(column, j, shape.columns);
                    let line = match window.source(row, i, shape.rows) {
                        Some(line) if source.is_some() => &self.x[line * self.border.len()..][..self.border.len()],
                        _ => self.border,
                    };
                    run.taps.push(line[source.unwrap_or(0) * shape.stride..].as_ptr());
                }
                f(&run);
                column += run.outputs;
            }
            column = 0;
        }
    }
}

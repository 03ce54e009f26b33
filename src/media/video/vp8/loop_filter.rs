//! Smooths the edges between blocks (RFC 6386, section 15).
//!
//! Edges are filtered eight samples at a time: lines that run along the edge are taken from the plane, as columns or as
//! rows, filtered, and put back.

use super::frame::{Frame, Samples};
use super::header::{FilterDeltas, Header};
use super::modes::{Macroblock, Prediction};
use super::motion::{Reference, Shape};

/// How one macroblock is filtered.
#[derive(Clone, Copy, Default)]
pub(super) struct Strength {
    /// 0, for not at all, to 63.
    level: u8,
    /// Whether edges inside of the macroblock are filtered too.
    inside: bool,
}

impl Strength {
    /// For a macroblock that has coefficients or not, in a frame whose segments have the filter `levels`.
    pub(super) fn of(levels: &[i8; 4], deltas: &FilterDeltas, macroblock: &Macroblock, coefficients: bool) -> Self {
        let (reference, mode) = match macroblock.prediction {
            Prediction::Intra { .. } => (0, None),
            Prediction::Subblocks { .. } => (0, Some(0)),
            Prediction::Inter(motion) => {
                let reference = match motion.reference {
                    Reference::Last => 1,
                    Reference::Golden => 2,
                    Reference::Alternate => 3,
                };
                let mode = match motion.shape {
                    Shape::Still => 1,
                    Shape::Whole => 2,
                    Shape::TopBottom | Shape::LeftRight | Shape::Quarters | Shape::Sixteenths => 3,
                };
                (reference, Some(mode))
            }
        };
        let mut level = i16::from(levels[usize::from(macroblock.segment)]);
        if deltas.enabled {
            level += i16::from(deltas.references[reference]) + mode.map_or(0, |mode| i16::from(deltas.modes[mode]));
        }
        Self { level: level.clamp(0, 63) as u8, inside: coefficients || !macroblock.prediction.has_second() }
    }
}

/// Differences between neighbors above which an edge belongs to the picture and is kept.
struct Limits {
    /// Across edges between macroblocks.
    outer: u8,
    /// Across edges inside of them.
    inner: u8,
    /// Between samples on the same side.
    side: u8,
    /// Between the two nearest on the same side: above it only those at the edge change.
    variance: u8,
}

impl Limits {
    fn of(level: u8, sharpness: u8, key: bool) -> Self {
        let mut side = level;
        if sharpness > 0 {
            side = (side >> if sharpness > 4 { 2 } else { 1 }).min(9 - sharpness);
        }
        let side = side.max(1);
        let variance = match level {
            40.. => {
                if key {
                    2
                } else {
                    3
                }
            }
            20.. => {
                if key {
                    1
                } else {
                    2
                }
            }
            15.. => 1,
            _ => 0,
        };
        Self { outer: 2 * level + 4 + side, inner: 2 * level + side, side, variance }
    }
}

/// Filters a frame that has a strength for each of its macroblocks, `columns` to a row.
pub(super) fn apply(frame: &mut Frame, header: &Header, key: bool, strengths: &[Strength], columns: usize) {
    let limits: [Limits; 64] = std::array::from_fn(|level| Limits::of(level as u8, header.sharpness, key));
    let [luma, chroma @ ..] = &mut frame.planes;
    for (y, row) in strengths.chunks_exact(columns).enumerate() {
        for (x, strength) in row.iter().enumerate().filter(|(_, strength)| strength.level > 0) {
            let limits = &limits[usize::from(strength.level)];
            if header.simple_filter {
                filter_block::<24>(luma, x, y, |lines, outer| simple(lines, limits, outer, strength.inside));
            } else {
                filter_block::<24>(luma, x, y, |lines, outer| normal(lines, limits, outer, strength.inside));
                for plane in chroma.iter_mut() {
                    filter_block::<16>(plane, x, y, |lines, outer| normal(lines, limits, outer, strength.inside));
                }
            }
        }
    }
}

/// Eight samples that are filtered alike.
type Line = [u8; 8];

/// Lines before a macroblock that its outer edge reads, rounded up to the width of [`transpose`].
const BEFORE: usize = 8;

/// Filters the edges in columns, then those in rows, of a macroblock. `LINES` are its width and [`BEFORE`].
fn filter_block<const LINES: usize>(
    plane: &mut Samples,
    x: usize,
    y: usize,
    filter: impl Fn(&mut [Line; LINES], bool),
) {
    let side = LINES - BEFORE;
    let (start, stride) = (plane.at(side * x, side * y), plane.stride);
    let mut lines = [[0; 8]; LINES];
    for strip in 0..side / 8 {
        let corner = start + 8 * strip * stride - BEFORE;
        for (part, lines) in lines.as_chunks_mut().0.iter_mut().enumerate() {
            *lines = transpose(take(&plane.all[corner + 8 * part..], stride));
        }
        filter(&mut lines, x > 0);
        // The samples before the first column, or above the first row, are not of the frame.
        for (part, lines) in lines.as_chunks().0.iter().enumerate().skip(usize::from(x == 0)) {
            put(&mut plane.all[corner + 8 * part..], stride, &transpose(*lines));
        }
    }
    for strip in 0..side / 8 {
        let corner = start + 8 * strip - BEFORE * stride;
        for (part, lines) in lines.as_chunks_mut().0.iter_mut().enumerate() {
            *lines = take(&plane.all[corner + 8 * part * stride..], stride);
        }
        filter(&mut lines, y > 0);
        for (part, lines) in lines.as_chunks().0.iter().enumerate().skip(usize::from(y == 0)) {
            put(&mut plane.all[corner + 8 * part * stride..], stride, lines);
        }
    }
}

/// Eight rows of eight samples.
fn take(samples: &[u8], stride: usize) -> [Line; 8] {
    let mut rows = [[0; 8]; 8];
    for (y, row) in rows.iter_mut().enumerate() {
        row.copy_from_slice(&samples[y * stride..][..8]);
    }
    rows
}

/// The reverse of [`take`].
fn put(samples: &mut [u8], stride: usize, rows: &[Line; 8]) {
    for (y, row) in rows.iter().enumerate() {
        samples[y * stride..][..8].copy_from_slice(row);
    }
}

/// Swaps rows and columns: halves of all rows, then their quarters, then single samples.
#[inline(always)]
fn transpose(rows: [Line; 8]) -> [Line; 8] {
    let [a, b, c, d, e, f, g, h] = rows.map(u64::from_le_bytes);
    let halves = |x: u64, y: u64| {
        let low = x & 0x0000_0000_FFFF_FFFF | y << 32;
        (low, x >> 32 | y & 0xFFFF_FFFF_0000_0000)
    };
    let quarters = |x: u64, y: u64| {
        let even = 0x0000_FFFF_0000_FFFF;
        (x & even | (y & even) << 16, x >> 16 & even | y & !even)
    };
    let single = |x: u64, y: u64| {
        let even = 0x00FF_00FF_00FF_00FF;
        (x & even | (y & even) << 8, x >> 8 & even | y & !even)
    };
    let ((a, e), (b, f), (c, g), (d, h)) = (halves(a, e), halves(b, f), halves(c, g), halves(d, h));
    let ((a, c), (b, d), (e, g), (f, h)) = (quarters(a, c), quarters(b, d), quarters(e, g), quarters(f, h));
    let ((a, b), (c, d), (e, f), (g, h)) = (single(a, b), single(c, d), single(e, f), single(g, h));
    [a, b, c, d, e, f, g, h].map(u64::to_le_bytes)
}

/// The normal filter (section 15.3) at the edge before line eight, if asked for, and at every fourth line after it.
fn normal(lines: &mut [Line], limits: &Limits, outer: bool, inner: bool) {
    if outer {
        normal_edge::<true>(around(lines, BEFORE), limits);
    }
    if inner {
        for at in (BEFORE + 4..lines.len()).step_by(4) {
            normal_edge::<false>(around(lines, at), limits);
        }
    }
}

/// The simple filter (section 15.2) at the same edges.
fn simple(lines: &mut [Line], limits: &Limits, outer: bool, inner: bool) {
    if outer {
        simple_edge(around(lines, BEFORE), limits.outer);
    }
    if inner {
        for at in (BEFORE + 4..lines.len()).step_by(4) {
            simple_edge(around(lines, at), limits.inner);
        }
    }
}

/// Four lines on each side of the edge before the line `at`.
fn around(lines: &mut [Line], at: usize) -> &mut [Line; 8] {
    lines[at - 4..].first_chunk_mut().expect("an edge has four lines on each side")
}

/// What a filter may add: a number that would fit a signed byte.
fn clamp(value: i16) -> i16 {
    value.clamp(-128, 127)
}

/// A sample and what is added to it.
fn add(sample: u8, value: i16) -> u8 {
    (i16::from(sample) + value).clamp(0, 255) as u8
}

fn difference(a: u8, b: u8) -> i16 {
    i16::from(a) - i16::from(b)
}

/// Whether the difference across an edge is small enough to be smoothed.
fn is_smooth(p1: u8, p0: u8, q0: u8, q1: u8, limit: u8) -> bool {
    let step = p0.abs_diff(q0);
    step.saturating_add(step).saturating_add(p1.abs_diff(q1) / 2) <= limit
}

/// The value or zero, without a branch, so that the compiler handles eight at a time. From zero all changes are zero.
fn only_if(condition: bool, value: i16) -> i16 {
    value & -i16::from(condition)
}

/// What the samples next to an edge change by, before and after it.
fn steps(value: i16) -> (i16, i16) {
    ((value + 3).min(127) >> 3, (value + 4).min(127) >> 3)
}

fn simple_edge(lines: &mut [Line; 8], limit: u8) {
    let [_, _, p1, p0, q0, q1, _, _] = lines;
    for i in 0..8 {
        let smooth = is_smooth(p1[i], p0[i], q0[i], q1[i], limit);
        let value = clamp(clamp(difference(p1[i], q1[i])) + 3 * difference(q0[i], p0[i]));
        let (before, after) = steps(only_if(smooth, value));
        p0[i] = add(p0[i], before);
        q0[i] = add(q0[i], -after);
    }
}

fn normal_edge<const OUTER: bool>(lines: &mut [Line; 8], limits: &Limits) {
    let limit = if OUTER { limits.outer } else { limits.inner };
    let [p3, p2, p1, p0, q0, q1, q2, q3] = lines;
    for i in 0..8 {
        let near = |a: u8, b: u8| a.abs_diff(b) <= limits.side;
        let before = near(p3[i], p2[i]) & near(p2[i], p1[i]) & near(p1[i], p0[i]);
        let after = near(q1[i], q0[i]) & near(q2[i], q1[i]) & near(q3[i], q2[i]);
        let smooth = before & after & is_smooth(p1[i], p0[i], q0[i], q1[i], limit);
        let varied = p1[i].abs_diff(p0[i]).max(q1[i].abs_diff(q0[i])) > limits.variance;
        let outside = clamp(difference(p1[i], q1[i]));
        let across = 3 * difference(q0[i], p0[i]);
        if OUTER {
            let value = only_if(smooth, clamp(outside + across));
            let (before, after) = steps(only_if(varied, value));
            let value = only_if(!varied, value);
            let [near, middle, far] = [27, 18, 9].map(|weight| (weight * value + 63) >> 7);
            p2[i] = add(p2[i], far);
            p1[i] = add(p1[i], middle);
            p0[i] = add(p0[i], near + before);
            q0[i] = add(q0[i], -near - after);
            q1[i] = add(q1[i], -middle);
            q2[i] = add(q2[i], -far);
        } else {
            let (before, after) = steps(only_if(smooth, clamp(across + only_if(varied, outside))));
            let further = only_if(!varied, (after + 1) >> 1);
            p1[i] = add(p1[i], further);
            p0[i] = add(p0[i], before);
            q0[i] = add(q0[i], -after);
            q1[i] = add(q1[i], -further);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpose_swaps_rows_and_columns() {
        let rows: [[u8; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|x| (8 * y + x) as u8));
        let columns = transpose(rows);
        assert!((0..64).all(|at| columns[at % 8][at / 8] == rows[at / 8][at % 8]));
    }

    #[test]
    fn limits_follow_level_and_sharpness() {
        let limits = |level, sharpness, key| {
            let limits = Limits::of(level, sharpness, key);
            (limits.outer, limits.inner, limits.side, limits.variance)
        };
        assert_eq!(limits(63, 0, false), (193, 189, 63, 3));
        assert_eq!(limits(40, 4, true), (89, 85, 5, 2));
        assert_eq!(limits(20, 7, false), (46, 42, 2, 2));
        assert_eq!(limits(1, 5, true), (7, 3, 1, 0));
    }

    #[test]
    fn flat_lines_and_steep_edges_stay() {
        let limits = Limits::of(63, 0, true);
        for (before, after) in [(80, 80), (0, 255)] {
            let lines: [Line; 24] = std::array::from_fn(|at| [if at < 8 { before } else { after }; 8]);
            let (mut by_normal, mut by_simple) = (lines, lines);
            normal(&mut by_normal, &limits, true, true);
            simple(&mut by_simple, &limits, true, true);
            assert_eq!((by_normal, by_simple), (lines, lines));
        }
    }

    #[test]
    fn a_step_is_smoothed() {
        let limits = Limits::of(30, 0, true);
        let step: [Line; 24] = std::array::from_fn(|at| [if at < 8 { 100 } else { 120 }; 8]);
        let mut lines = step;
        normal(&mut lines, &limits, true, false);
        assert_eq!([5, 6, 7, 8, 9, 10].map(|at| lines[at][3]), [103, 106, 108, 112, 114, 117]);
        let mut lines = step;
        simple(&mut lines, &limits, true, false);
        assert_eq!([6, 7, 8, 9].map(|at| lines[at][3]), [100, 105, 115, 120]);
    }
}

//! Prediction from the picture before (6.1, F.3): half samples, four vectors, overlapped blocks.
//!
//! Vectors may point anywhere: outside of a picture its edge is repeated (Annex D). Without Annex D they should not, but
//! encoders that let them mean the same.

use super::frame::{Frame, Samples};
use super::vectors::Vector;

/// Vectors of a luma block's neighbors, or its own where there is no neighbor to look at.
pub(super) struct Neighbors {
    pub(super) above: Vector,
    pub(super) left: Vector,
    pub(super) right: Vector,
    pub(super) below: Vector,
}

/// Predicts the macroblock in `column` and `row` with a vector for each luma block. `rounding` is RTYPE.
pub(super) fn predict(
    frame: &mut Frame,
    before: &Frame,
    (column, row): (usize, usize),
    vectors: &[Vector; 4],
    rounding: u8,
) {
    let [luma, ..] = &mut frame.planes;
    let start = (row * luma.width + column) * 16;
    let stride = luma.width;
    if vectors[1..].iter().all(|vector| *vector == vectors[0]) {
        let from = position((column * 16, row * 16), vectors[0]);
        block::<16>(&before.planes[0], from, rounding, &mut luma.all[start..], stride);
    } else {
        for (index, vector) in vectors.iter().enumerate() {
            let (x, y) = (index % 2 * 8, index / 2 * 8);
            let from = position((column * 16 + x, row * 16 + y), *vector);
            block::<8>(&before.planes[0], from, rounding, &mut luma.all[start + y * stride + x..], stride);
        }
    }
    predict_chroma(frame, before, (column, row), vectors, rounding);
}

/// The same where the luma blocks overlap.
pub(super) fn predict_overlapped(
    frame: &mut Frame,
    before: &Frame,
    (column, row): (usize, usize),
    vectors: &[Vector; 4],
    neighbors: &[Neighbors; 4],
    rounding: u8,
) {
    let [luma, ..] = &mut frame.planes;
    let stride = luma.width;
    for (index, (own, neighbors)) in vectors.iter().zip(neighbors).enumerate() {
        let (x, y) = (column * 16 + index % 2 * 8, row * 16 + index / 2 * 8);
        let fetch = |vector: Vector| {
            let mut samples = [0; 64];
            block::<8>(&before.planes[0], position((x, y), vector), rounding, &mut samples, 8);
            samples
        };
        let center = fetch(*own);
        let [above, left, right, below] = [neighbors.above, neighbors.left, neighbors.right, neighbors.below]
            .map(|vector| if vector == *own { center } else { fetch(vector) });
        for (row, weights) in OWN.iter().enumerate() {
            let out = &mut luma.all[(y + row) * stride + x..][..8];
            let vertical = if row < 4 { &above } else { &below };
            for (column, out) in out.iter_mut().enumerate() {
                let at = row * 8 + column;
                let horizontal = if column < 4 { &left } else { &right };
                let sum = u16::from(center[at]) * weights[column]
                    + u16::from(vertical[at]) * VERTICAL[row.min(7 - row)][column]
                    + u16::from(horizontal[at]) * HORIZONTAL[column.min(7 - column)][row];
                *out = ((sum + 4) / 8) as u8;
            }
        }
    }
    predict_chroma(frame, before, (column, row), vectors, rounding);
}

/// The weight of the own vector in eighths (figure F.2).
const OWN: [[u16; 8]; 8] = [
    [4, 5, 5, 5, 5, 5, 5, 4],
    [5, 5, 5, 5, 5, 5, 5, 5],
    [5, 5, 6, 6, 6, 6, 5, 5],
    [5, 5, 6, 6, 6, 6, 5, 5],
    [5, 5, 6, 6, 6, 6, 5, 5],
    [5, 5, 6, 6, 6, 6, 5, 5],
    [5, 5, 5, 5, 5, 5, 5, 5],
    [4, 5, 5, 5, 5, 5, 5, 4],
];

/// The weight of the vector above by the distance from the upper edge, and mirrored that of the one below (figure F.3).
const VERTICAL: [[u16; 8]; 4] =
    [[2, 2, 2, 2, 2, 2, 2, 2], [1, 1, 2, 2, 2, 2, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]];

/// The weight of the vector to the left by the distance from the left edge, and mirrored that of the one to the right
/// (figure F.4). These are columns.
const HORIZONTAL: [[u16; 8]; 4] =
    [[2, 2, 2, 2, 2, 2, 2, 2], [1, 2, 2, 2, 2, 2, 2, 1], [1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]];

/// Predicts the chroma blocks with the mean of the vectors, in half samples, where quarters count as halves (table F.1).
fn predict_chroma(
    frame: &mut Frame,
    before: &Frame,
    (column, row): (usize, usize),
    vectors: &[Vector; 4],
    rounding: u8,
) {
    /// Half samples for the sixteenths of a sample that a sum of four vectors has over whole ones.
    const ROUNDED: [i32; 16] = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2];
    let vector = [0, 1].map(|i| {
        let sum: i32 = vectors.iter().map(|vector| i32::from(vector[i])).sum();
        (sum >> 4) * 2 + ROUNDED[(sum & 15) as usize]
    });
    for (plane, before) in frame.planes.iter_mut().zip(&before.planes).skip(1) {
        let start = (row * plane.width + column) * 8;
        let from = [(column * 8) as i32 * 2 + vector[0], (row * 8) as i32 * 2 + vector[1]];
        block::<8>(before, from, rounding, &mut plane.all[start..], plane.width);
    }
}

/// Where a block at (`x`, `y`) comes from, in half samples.
fn position((x, y): (usize, usize), vector: Vector) -> [i32; 2] {
    [x as i32 * 2 + i32::from(vector[0]), y as i32 * 2 + i32::from(vector[1])]
}

/// Copies `N` x `N` samples from `from`, in half samples, to the start of `out`.
fn block<const N: usize>(plane: &Samples, from: [i32; 2], rounding: u8, out: &mut [u8], stride: usize) {
    /// Samples around the largest block.
    const MOST: usize = 17;
    let [half_x, half_y] = from.map(|halves| (halves & 1) as usize);
    let [x, y] = from.map(|halves| halves >> 1);
    let inside = |from: i32, needed: usize, all: usize| usize::try_from(from).ok().filter(|from| from + needed <= all);
    let mut around = [0; MOST * MOST];
    let (samples, pitch) = match (inside(x, N + half_x, plane.width), inside(y, N + half_y, plane.height)) {
        (Some(x), Some(y)) => (&plane.all[y * plane.width + x..], plane.width),
        _ => {
            for (row, around) in around.chunks_exact_mut(MOST).take(N + half_y).enumerate() {
                let y = (y + row as i32).clamp(0, plane.height as i32 - 1) as usize;
                let samples = &plane.all[y * plane.width..][..plane.width];
                for (column, out) in around[..N + half_x].iter_mut().enumerate() {
                    *out = samples[(x + column as i32).clamp(0, plane.width as i32 - 1) as usize];
                }
            }
            (&around[..], MOST)
        }
    };
    let row = |y: usize, x: usize| samples[y * pitch + x..].first_chunk::<N>().expect("the block lies inside");
    let sum = u16::from(1 - rounding);
    for (y, out) in out.chunks_mut(stride).take(N).enumerate() {
        let out = out.first_chunk_mut::<N>().expect("a row of the block");
        match (half_x, half_y) {
            (0, 0) => *out = *row(y, 0),
            (1, 1) => {
                let ([a, b], [c, d]) = ([row(y, 0), row(y, 1)], [row(y + 1, 0), row(y + 1, 1)]);
                for (i, out) in out.iter_mut().enumerate() {
                    *out =
                        ((u16::from(a[i]) + u16::from(b[i]) + u16::from(c[i]) + u16::from(d[i]) + 1 + sum) / 4) as u8;
                }
            }
            _ => {
                let (a, b) = (row(y, 0), row(y + half_y, half_x));
                for (i, out) in out.iter_mut().enumerate() {
                    *out = ((u16::from(a[i]) + u16::from(b[i]) + sum) / 2) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame whose samples tell where they are.
    fn slope() -> Frame {
        let mut frame = Frame::new(2, 2);
        for plane in &mut frame.planes {
            let width = plane.width;
            plane.all.iter_mut().enumerate().for_each(|(at, sample)| *sample = (at % width * 3 + at / width * 4) as u8);
        }
        frame
    }

    /// What a slope is at (`x`, `y`), in half samples, in halves of a level, with the edge repeated.
    fn at(size: i32, [x, y]: [i32; 2]) -> i32 {
        x.clamp(0, size * 2 - 2) * 3 + y.clamp(0, size * 2 - 2) * 4
    }

    #[test]
    fn blocks_come_from_where_the_vector_points() {
        let before = slope();
        for rounding in [0, 1] {
            for vector in [[0, 0], [1, 0], [0, 1], [3, -5], [-7, 9], [-64, 64], [63, -63], [8191, -8192]] {
                let mut frame = Frame::new(2, 2);
                predict(&mut frame, &before, (1, 0), &[vector; 4], rounding);
                for y in 0..16 {
                    for x in 0..16 {
                        let from = [(16 + x) * 2 + i32::from(vector[0]), y * 2 + i32::from(vector[1])];
                        let want = (at(32, from) + 1 - i32::from(rounding)) / 2;
                        let got = frame.planes[0].all[(y * 32 + 16 + x) as usize];
                        assert_eq!(i32::from(got), want, "{vector:?} ({x},{y})");
                    }
                }
            }
        }
    }

    #[test]
    fn chroma_takes_the_mean_vector() {
        let before = slope();
        for (vectors, chroma) in [
            ([[1, 2]; 4], [1, 1]),
            ([[3, 4]; 4], [1, 2]),
            ([[-1, -2]; 4], [-1, -1]),
            ([[-3, -5]; 4], [-1, -3]),
            ([[0, 0], [0, 0], [2, -2], [0, 0]], [0, 0]),
            ([[0, 0], [0, 0], [3, -3], [0, 0]], [1, -1]),
            ([[4, -4], [4, -4], [4, -4], [1, -1]], [1, -1]),
            ([[4, -4], [4, -4], [4, -4], [2, -2]], [2, -2]),
        ] {
            let mut frame = Frame::new(2, 2);
            predict(&mut frame, &before, (0, 1), &vectors, 0);
            for plane in &frame.planes[1..] {
                let want = (at(16, [6 + chroma[0], 22 + chroma[1]]) + 1) / 2;
                assert_eq!(i32::from(plane.all[11 * 16 + 3]), want, "{vectors:?}");
            }
        }
    }

    #[test]
    fn overlapped_weights_are_whole() {
        for (row, own) in OWN.iter().enumerate() {
            for (column, own) in own.iter().enumerate() {
                let sum = own + VERTICAL[row.min(7 - row)][column] + HORIZONTAL[column.min(7 - column)][row];
                assert_eq!(sum, 8, "({column},{row})");
            }
        }
    }

    #[test]
    fn overlapped_blocks_with_one_vector_are_plain_ones() {
        let before = slope();
        let vector = [5, -3];
        let [mut plain, mut overlapped] = [Frame::new(2, 2), Frame::new(2, 2)];
        predict(&mut plain, &before, (1, 1), &[vector; 4], 1);
        let neighbors = [(); 4].map(|()| Neighbors { above: vector, left: vector, right: vector, below: vector });
        predict_overlapped(&mut overlapped, &before, (1, 1), &[vector; 4], &neighbors, 1);
        for (a, b) in plain.planes.iter().zip(&overlapped.planes) {
            assert!(a.all == b.all);
        }
    }
}

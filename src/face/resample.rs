//! Resizing in integer arithmetic: area averages when shrinking, bilinear when enlarging.
//!
//! Weights are 14-bit and sum to exactly one for every output pixel, so that a flat picture stays flat to the bit.

use crate::media::Frame;

/// Fraction bits of a weight.
const BITS: u32 = 14;
/// A weight of one.
const ONE: u64 = 1 << BITS;
/// Fraction bits of a value between the two passes: 8 + 6 bits fit a `u16`.
const BETWEEN: u32 = 6;

/// The picture resized to `width` x `height` pixels, both at least 1.
pub(super) fn resize(frame: &Frame, width: usize, height: usize) -> Frame {
    let (across, down) = (weights(frame.width(), width), weights(frame.height(), height));
    let mut pixels = Vec::with_capacity(width * height * 3);
    let mut rows = Rows { frame, across: &across, cache: [(usize::MAX, vec![]), (usize::MAX, vec![])] };
    let mut sums = vec![0u32; width * 3];
    for taps in &down {
        sums.fill(1 << (BITS + BETWEEN - 1)); // half, to round
        for (row, &weight) in (taps.first..).zip(&taps.weights) {
            for (sum, value) in sums.iter_mut().zip(rows.get(row)) {
                *sum += u32::from(*value) * u32::from(weight);
            }
        }
        pixels.extend(sums.iter().map(|s| (s >> (BITS + BETWEEN)) as u8));
    }
    Frame::new(width, height, pixels)
}

/// The source positions that one output position averages.
struct Taps {
    first: usize,
    weights: Vec<u16>,
}

/// Taps for every position of `to` pixels made from `from`.
fn weights(from: usize, to: usize) -> Vec<Taps> {
    (0..to).map(|i| if to < from { area(i as u64, from as u64, to as u64) } else { linear(i, from, to) }).collect()
}

/// Output `i` covers the source from `i * from / to` to `(i + 1) * from / to`; here in units of `1 / to` source pixel.
fn area(i: u64, from: u64, to: u64) -> Taps {
    let (start, end) = (i * from, (i + 1) * from);
    let first = start / to;
    // Rounding the running sum instead of each share makes the shares add up to one.
    let upto = |edge: u64| ((edge.min(end) - start) * ONE + from / 2) / from;
    let weights = (first..end.div_ceil(to)).map(|p| (upto((p + 1) * to) - upto((p * to).max(start))) as u16).collect();
    Taps { first: first as usize, weights }
}

/// Output `i` lies at `(i + 1/2) * from / to - 1/2`; edges are repeated.
fn linear(i: usize, from: usize, to: usize) -> Taps {
    let twice = ((2 * i + 1) * from) as i64 - to as i64; // position in units of 1 / (2 * to)
    let position = twice.clamp(0, 2 * (from as i64 - 1) * to as i64) as u64;
    let (first, rest) = (position / (2 * to as u64), position % (2 * to as u64));
    let second = ((rest * ONE + to as u64) / (2 * to as u64)) as u16;
    if second == 0 {
        return Taps { first: first as usize, weights: vec![ONE as u16] };
    }
    Taps { first: first as usize, weights: vec![ONE as u16 - second, second] }
}

/// Source rows resized across, the last two of them kept: neighboring output rows share them.
struct Rows<'a> {
    frame: &'a Frame,
    across: &'a [Taps],
    cache: [(usize, Vec<u16>); 2],
}

impl Rows<'_> {
    fn get(&mut self, y: usize) -> &[u16] {
        let (cached, values) = &mut self.cache[y % 2];
        if *cached != y {
            *cached = y;
            values.clear();
            let row = self.frame.row(y);
            for taps in self.across {
                let mut sum = [1u32 << (BITS - BETWEEN - 1); 3];
                for (pixel, &weight) in row[taps.first * 3..].chunks_exact(3).zip(&taps.weights) {
                    for (sum, &value) in sum.iter_mut().zip(pixel) {
                        *sum += u32::from(value) * u32::from(weight);
                    }
                }
                values.extend(sum.map(|s| (s >> (BITS - BETWEEN)) as u16));
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gray(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Frame {
        let at = |i: usize| [value(i % width, i / width); 3];
        Frame::new(width, height, (0..width * height).flat_map(at).collect())
    }

    proptest! {
        #[test]
        fn weights_sum_to_one_and_stay_inside(from in 1usize..3000, to in 1usize..700) {
            for taps in weights(from, to) {
                prop_assert_eq!(taps.weights.iter().map(|w| u64::from(*w)).sum::<u64>(), ONE);
                prop_assert!(taps.first + taps.weights.len() <= from);
            }
        }

        #[test]
        fn flat_stays_flat(w in 1usize..40, h in 1usize..40, ow in 1usize..40, oh in 1usize..40, v: u8) {
            prop_assert_eq!(resize(&gray(w, h, |_, _| v), ow, oh), gray(ow, oh, |_, _| v));
        }
    }

    #[test]
    fn same_size_is_the_same_picture() {
        let frame = gray(17, 9, |x, y| (x * 13 + y * 29) as u8);
        assert_eq!(resize(&frame, 17, 9), frame);
    }

    #[test]
    fn halving_averages_four_pixels() {
        let frame = gray(4, 2, |x, y| [[0, 10, 100, 200], [20, 30, 101, 203]][y][x]);
        assert_eq!(resize(&frame, 2, 1), gray(2, 1, |x, _| [15, 151][x]));
    }
}

//! Resizes pictures in integer arithmetic: area averages when shrinking, bilinear when enlarging.
//!
//! Weights sum to exactly one for every output pixel, so that a uniform picture stays exactly uniform.

use super::Frame;
use super::frame::StoredPart;
use super::means::Threads;

/// Fraction bits of a weight of rows: with eight, sums of bytes fit 16 bits, the width at which vector units have the most lanes.
const DOWN: u32 = 8;
/// Fraction bits of a weight of columns.
const ACROSS: u32 = 14;

/// The picture resized to `width` x `height` pixels, both at least 1, and stored upright.
pub(crate) fn resize(frame: &Frame, width: usize, height: usize) -> Frame {
    resize_part(frame, (0, 0), (frame.width(), frame.height()), (width, height), &())
}

/// The same for the part of the picture of `size` whose top left corner is at `place`: column and row. `threads` share the rows.
pub(crate) fn resize_part(
    frame: &Frame,
    place: (usize, usize),
    size: (usize, usize),
    (width, height): (usize, usize),
    threads: &dyn Threads,
) -> Frame {
    let (width, height) = if frame.is_on_its_side() { (height, width) } else { (width, height) };
    frame.map_part(place, size, |part| {
        let (down, across) = (weights(part.height, height, DOWN), weights(part.width, width, ACROSS));
        let mut pixels = vec![0; width * height * 3];
        threads.fill(&mut pixels, width * 3, &|first, rows| resize_rows(&part, &down[first..], &across, rows));
        Frame::new(width, height, pixels)
    })
}

/// Rows of the resized part: first down, where whole rows are summed, then across.
fn resize_rows(part: &StoredPart<'_>, down: &[Taps], across: &[Taps], rows: &mut [u8]) {
    let mut values = vec![0u16; part.width * 3];
    for (taps, out) in down.iter().zip(rows.chunks_exact_mut(across.len() * 3)) {
        sum_rows(part, taps, &mut values);
        let out = out.as_chunks_mut().0;
        // A picture is usually a whole number of times as wide: then all pixels have the same weights.
        match (part.width % across.len(), &*across[0].weights) {
            (0, &[a, b]) => means(values.as_chunks::<6>().0, [a, b], out),
            (0, &[a, b, c]) => means(values.as_chunks::<9>().0, [a, b, c], out),
            (0, &[a, b, c, d]) => means(values.as_chunks::<12>().0, [a, b, c, d], out),
            _ => {
                let values = values.as_chunks().0;
                let row = |taps: &Taps| mean(&values[taps.first..], taps.weights.iter().copied());
                across.iter().zip(out).for_each(|(taps, out)| *out = row(taps));
            }
        }
    }
}

/// The weighted sum of whole rows, a stretch of columns at a time, which stays in registers.
fn sum_rows(part: &StoredPart<'_>, taps: &Taps, sums: &mut [u16]) {
    const STRETCH: usize = 64;
    let rows = || (taps.first..).zip(&taps.weights).map(|(row, weight)| (part.row(row), *weight));
    let (stretches, rest) = sums.as_chunks_mut::<STRETCH>();
    let at = stretches.len() * STRETCH;
    for (number, sums) in stretches.iter_mut().enumerate() {
        *sums = [0; STRETCH];
        for (row, weight) in rows() {
            let bytes: &[u8; STRETCH] = &row.as_chunks().0[number];
            sums.iter_mut().zip(bytes).for_each(|(sum, &byte)| *sum += u16::from(byte) * weight);
        }
    }
    rest.fill(0);
    for (row, weight) in rows() {
        rest.iter_mut().zip(&row[at..]).for_each(|(sum, &byte)| *sum += u16::from(byte) * weight);
    }
}

/// Each output is the mean of as many pixels as there are weights.
fn means<const VALUES: usize, const N: usize>(pixels: &[[u16; VALUES]], weights: [u16; N], out: &mut [[u8; 3]]) {
    pixels.iter().zip(out).for_each(|(pixels, out)| *out = mean(pixels.as_chunks().0, weights));
}

/// The first pixels of a row, weighted.
#[inline(always)]
fn mean(row: &[[u16; 3]], weights: impl IntoIterator<Item = u16>) -> [u8; 3] {
    let mut sum = [1u32 << (DOWN + ACROSS - 1); 3]; // half, to round
    for (pixel, weight) in row.iter().zip(weights) {
        sum.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u32::from(value) * u32::from(weight));
    }
    sum.map(|sum| (sum >> (DOWN + ACROSS)) as u8)
}

/// The source positions that one output position averages.
struct Taps {
    first: usize,
    weights: Vec<u16>,
}

/// Taps for each of `to` positions computed from `from` positions; weights have `bits` fraction bits.
fn weights(from: usize, to: usize, bits: u32) -> Vec<Taps> {
    let one = 1 << bits;
    (0..to)
        .map(|i| if to < from { area(i as u64, from as u64, to as u64, one) } else { linear(i, from, to, one) })
        .collect()
}

/// Output `i` covers the source from `i * from / to` to `(i + 1) * from / to`; here in units of `1 / to` source pixel.
fn area(i: u64, from: u64, to: u64, one: u64) -> Taps {
    let (start, end) = (i * from, (i + 1) * from);
    let first = start / to;
    // Rounding the running sum instead of each share makes the shares add up to one.
    let upto = |edge: u64| ((edge.min(end) - start) * one + from / 2) / from;
    let weights = (first..end.div_ceil(to)).map(|p| (upto((p + 1) * to) - upto((p * to).max(start))) as u16).collect();
    Taps { first: first as usize, weights }
}

/// Output `i` lies at `(i + 1/2) * from / to - 1/2`; edges are repeated.
fn linear(i: usize, from: usize, to: usize, one: u64) -> Taps {
    let twice = ((2 * i + 1) * from) as i64 - to as i64; // position in units of 1 / (2 * to)
    let position = twice.clamp(0, 2 * (from as i64 - 1) * to as i64) as u64;
    let (first, rest) = (position / (2 * to as u64), position % (2 * to as u64));
    let second = ((rest * one + to as u64) / (2 * to as u64)) as u16;
    if second == 0 {
        return Taps { first: first as usize, weights: vec![one as u16] };
    }
    Taps { first: first as usize, weights: vec![one as u16 - second, second] }
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
            for bits in [DOWN, ACROSS] {
                for taps in weights(from, to, bits) {
                    prop_assert_eq!(taps.weights.iter().map(|w| u64::from(*w)).sum::<u64>(), 1 << bits);
                    prop_assert!(taps.first + taps.weights.len() <= from);
                }
            }
        }

        #[test]
        fn flat_pictures_stay_flat(w in 1usize..40, h in 1usize..40, ow in 1usize..40, oh in 1usize..40, v: u8) {
            prop_assert_eq!(resize(&gray(w, h, |_, _| v), ow, oh), gray(ow, oh, |_, _| v));
        }
    }

    #[test]
    fn resizing_to_the_same_size_changes_nothing() {
        let frame = gray(17, 9, |x, y| (x * 13 + y * 29) as u8);
        assert_eq!(resize(&frame, 17, 9), frame);
    }

    proptest! {
        #[test]
        fn whole_ratios_match_the_general_weights(w in 1usize..9, h in 1usize..9, nx in 1usize..7, ny in 1usize..7, seed: u64) {
            let noise = |x: usize, y: usize| (seed.wrapping_mul((x * 31 + y * 17 + 1) as u64) >> 40) as u8;
            let frame = gray(w * nx, h * ny, noise);
            let row = |weights: &[Taps], at: usize| (weights[at].first..).zip(weights[at].weights.clone()).collect::<Vec<_>>();
            let (across, down) = (weights(w * nx, w, ACROSS), weights(h * ny, h, DOWN));
            let value = |x: usize, y: usize| {
                let sum: u32 = row(&across, x)
                    .into_iter()
                    .map(|(x, a)| {
                        let down = row(&down, y).into_iter().map(|(y, d)| u32::from(noise(x, y)) * u32::from(d)).sum::<u32>();
                        down * u32::from(a)
                    })
                    .sum();
                ((sum + (1 << (DOWN + ACROSS - 1))) >> (DOWN + ACROSS)) as u8
            };
            prop_assert_eq!(resize(&frame, w, h), gray(w, h, value));
        }
    }

    #[test]
    fn halving_averages_four_pixels() {
        let frame = gray(4, 2, |x, y| [[0, 10, 100, 200], [20, 30, 101, 203]][y][x]);
        assert_eq!(resize(&frame, 2, 1), gray(2, 1, |x, _| [15, 151][x]));
    }
}

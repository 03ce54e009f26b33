//! Aligns the face: turns and scales it so that eyes, nose and mouth are where the recognizer expects them.
//!
//! The similarity transform (turn, scale, shift) that brings the five points closest to ArcFace's (Deng et al. 2019) in the
//! least-squares sense, then sampling in integers: bilinear, or, when the face is shrunk, the mean of a grid of bilinear
//! samples as fine as the picture's pixels.

use super::geometry::{Point, Rect, SUB};
use super::resample;
use crate::engine::Team;
use crate::media::{Frame, PixelReader};
use crate::ops::SecretBytes;

/// Width and height of the crop in pixels.
pub(super) const SIDE: usize = 112;

/// Where the five points belong in the crop, in pixels.
pub(super) const TARGET: Target =
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)];

/// Most samples across one pixel of the crop: beyond, with a face 900 pixels wide, blur does not matter.
const MOST_SAMPLES: i64 = 8;

/// From crop to picture: `picture = (a + ib) * crop + (x + iy)`, all in 1/65536 pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Similarity {
    a: i64,
    b: i64,
    x: i64,
    y: i64,
}

/// Where the five points belong in a crop, in pixels.
pub(super) type Target = [(f64, f64); 5];

const FIXED: f64 = 65536.0;
/// Bound on the parts of a transform: 16,384 pixels of the picture for one of the crop. Their products stay in an `i64`.
const FAR: f64 = (1u64 << 30) as f64;

/// The 112x112 crop, rows of RGB pixels. Black where it reaches out of the picture.
pub(super) fn align(frame: &Frame, points: &[Point; 5], team: &Team) -> SecretBytes {
    sample(frame, Similarity::fit(points, &TARGET), SIDE, team).into()
}

impl Similarity {
    /// Fits the transform. Points that coincide give a crop of one color, which no quality check passes.
    pub(super) fn fit(points: &[Point; 5], target: &Target) -> Self {
        let source = points.map(|p| (f64::from(p.x) / f64::from(SUB), f64::from(p.y) / f64::from(SUB)));
        let mean = |p: &[(f64, f64); 5]| {
            let sum = p.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
            (sum.0 / 5.0, sum.1 / 5.0)
        };
        let (ms, mt) = (mean(&source), mean(target));
        // Least squares over complex numbers: m = sum(t * conj(s)) / sum(|s|^2) maps picture to crop; the result is its inverse.
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        for (s, t) in source.iter().zip(target) {
            let (s, t) = ((s.0 - ms.0, s.1 - ms.1), (t.0 - mt.0, t.1 - mt.1));
            re += t.0 * s.0 + t.1 * s.1;
            im += t.1 * s.0 - t.0 * s.1;
            energy += s.0 * s.0 + s.1 * s.1;
        }
        let norm = re * re + im * im;
        let (a, b) = if norm > 0.0 { (re * energy / norm, -im * energy / norm) } else { (0.0, 0.0) };
        Self::new((a, b), 1.0, mt, ms)
    }

    /// The transform that turns by `direction`, a unit vector, scales by `scale` and brings `from` of the crop to `to` of the picture.
    pub(super) fn new(direction: (f64, f64), scale: f64, from: (f64, f64), to: (f64, f64)) -> Self {
        let fixed = |v: f64| (v * FIXED).round().clamp(-FAR, FAR) as i64;
        let shift = |v: f64| (v * FIXED).round().clamp(-FAR * FIXED, FAR * FIXED) as i64;
        let (a, b) = (direction.0 * scale, direction.1 * scale);
        Self {
            a: fixed(a),
            b: fixed(b),
            x: shift(to.0 - (a * from.0 - b * from.1)),
            y: shift(to.1 - (b * from.0 + a * from.1)),
        }
    }

    /// Picture pixels for one of the crop, in 1/65536, rounded down.
    pub(super) fn scale_fixed(self) -> i64 {
        (self.a * self.a + self.b * self.b).isqrt()
    }

    /// The same in whole pixels.
    pub(super) fn scale(self) -> i64 {
        self.scale_fixed() >> 16
    }

    /// The same transform into the part of the picture from column `left` and row `top` on, reduced `times` times.
    pub(super) fn in_part(self, left: usize, top: usize, times: usize) -> Self {
        let times = times as i64;
        // The first pixel of the reduced part is the mean of the first `times` ones, centered between them.
        let shift = |v: i64, start: usize| (v - ((start as i64) << 16) - ((times - 1) << 15)).div_euclid(times);
        Self { a: self.a / times, b: self.b / times, x: shift(self.x, left), y: shift(self.y, top) }
    }

    /// Where a point of the crop lies in the picture.
    pub(super) fn place(self, p: Point) -> Point {
        // Points are within 2^30 units and the parts within 2^30: their products stay in an `i64`.
        let (x, y) = (i64::from(p.x), i64::from(p.y));
        let back = |product: i64, shift: i64| {
            let units = (product / i64::from(SUB) + shift + 128) >> 8;
            units.clamp(-MOST_UNITS, MOST_UNITS) as i32
        };
        Point { x: back(self.a * x - self.b * y, self.x), y: back(self.b * x + self.a * y, self.y) }
    }
}

/// Bound on where a point of the crop may lie in the picture, in 1/256 pixel.
const MOST_UNITS: i64 = 1 << 30;

/// The crop of `side` x `side` pixels, whose rows `team` shares.
pub(super) fn sample(frame: &Frame, m: Similarity, side: usize, team: &Team) -> Vec<u8> {
    let mut crop = vec![0; 3 * side * side];
    let frame = frame.reader();
    team.fill(&mut crop, 3 * side, &|first, rows| sample_rows(&frame, m, side, first, rows));
    crop
}

/// Rows of the crop from `first` on.
fn sample_rows(frame: &PixelReader<'_>, m: Similarity, side: usize, first: usize, crop: &mut [u8]) {
    // Picture pixels per crop pixel, rounded down: that many samples in each direction see every one of them.
    let n = m.scale().clamp(1, MOST_SAMPLES);
    let mean = Mean::new((n * n) as u32);
    for (y, row) in (first..).zip(crop.chunks_exact_mut(3 * side)) {
        let mut sums = vec![[0u32; 3]; side];
        for j in 0..n {
            // The grid, in halves of 1/n crop pixel: along a row, `v` stays and `u` grows by 2.
            let (u, v) = (1 - n, 2 * n * y as i64 + 2 * j + 1 - n);
            let mut px = Quotients::new(m.a * u - m.b * v, 2 * m.a, 2 * n);
            let mut py = Quotients::new(m.b * u + m.a * v, 2 * m.b, 2 * n);
            for sum in &mut sums {
                for _ in 0..n {
                    let value = bilinear(frame, px.next() + m.x, py.next() + m.y);
                    sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += value);
                }
            }
        }
        for (value, sum) in row.iter_mut().zip(sums.as_flattened()) {
            *value = mean.of(*sum);
        }
    }
}

/// The same, but of a face that is shrunk more than twofold from a copy of the picture that is reduced by a whole factor first: that is
/// cheaper, and less sharp at the edge between two factors.
pub(super) fn sample_reduced(frame: &Frame, m: Similarity, side: usize, team: &Team) -> Vec<u8> {
    let times = m.scale() as usize;
    match (times > 1).then(|| covered(frame, m, side, times)).flatten() {
        Some((left, top, width, height)) => {
            let size = (width / times, height / times);
            let part = resample::resize_part(frame, (left, top), (width, height), size, team);
            sample(&part, m.in_part(left, top, times), side, team)
        }
        None => sample(frame, m, side, team),
    }
}

/// Left, top, width and height of the part of the picture that the crop covers, sides multiples of `times`; `None` if that is empty.
fn covered(frame: &Frame, m: Similarity, side: usize, times: usize) -> Option<(usize, usize, usize, usize)> {
    let end = side as i32 * SUB;
    let bounds = Rect::around(&[(0, 0), (end, 0), (end, end), (0, end)].map(|(x, y)| m.place(Point { x, y })));
    // One pixel more on each side, for interpolation.
    let span = |min: i32, max: i32, side: usize| {
        let first = (min / SUB - 1).clamp(0, side as i32) as usize;
        let end = (max / SUB + 2).clamp(0, side as i32) as usize;
        let length = end.saturating_sub(first) / times * times;
        (length > 0).then_some((first, length))
    };
    let (left, width) = span(bounds.min.x, bounds.max.x, frame.width())?;
    let (top, height) = span(bounds.min.y, bounds.max.y, frame.height())?;
    Some((left, top, width, height))
}

/// Converts sums of that many samples in 1/256 gray level to gray levels, rounded to nearest.
struct Mean {
    half: u32,
    /// 2^32 / count, rounded up: sums are under 2^22 and counts 64 at the most, so that the product is off by less than 1 / count.
    inverse: u64,
}

impl Mean {
    fn new(count: u32) -> Self {
        Self { half: count << 7, inverse: (1u64 << 32).div_ceil(u64::from(count)) }
    }

    fn of(&self, sum: u32) -> u8 {
        ((u64::from((sum + self.half) >> 8) * self.inverse) >> 32) as u8
    }
}

/// The quotients, rounded down, of numbers in arithmetic progression, with one division for all of them.
struct Quotients {
    next: i64,
    rest: i64,
    step: i64,
    step_rest: i64,
    divisor: i64,
}

impl Quotients {
    fn new(first: i64, step: i64, divisor: i64) -> Self {
        Self {
            next: first.div_euclid(divisor),
            rest: first.rem_euclid(divisor),
            step: step.div_euclid(divisor),
            step_rest: step.rem_euclid(divisor),
            divisor,
        }
    }

    fn next(&mut self) -> i64 {
        let quotient = self.next;
        self.next += self.step;
        self.rest += self.step_rest;
        if self.rest >= self.divisor {
            self.rest -= self.divisor;
            self.next += 1;
        }
        quotient
    }
}

/// RGB at a place in 1/65536 pixel, in 1/256 of a gray level.
fn bilinear(frame: &PixelReader<'_>, x: i64, y: i64) -> [u32; 3] {
    let (column, row) = (x >> 16, y >> 16);
    let (fx, fy) = ((x >> 8 & 0xFF) as u32, (y >> 8 & 0xFF) as u32);
    // In the inner part of the picture, the most common case.
    if let Some([above, below]) = frame.square(column, row) {
        let across =
            |[left, right]: [&[u8; 3]; 2], i: usize| u32::from(left[i]) * (256 - fx) + u32::from(right[i]) * fx;
        let value = |i: usize| (across(above, i) * (256 - fy) + across(below, i) * fy + 128) >> 8;
        return [value(0), value(1), value(2)];
    }
    let mut value = [0; 3];
    for (dy, wy) in [(0, 256 - fy), (1, fy)] {
        for (dx, wx) in [(0, 256 - fx), (1, fx)] {
            if let Some(pixel) = frame.pixel(column + dx, row + dy) {
                for (value, &p) in value.iter_mut().zip(pixel) {
                    *value += u32::from(p) * wx * wy;
                }
            }
        }
    }
    value.map(|v| (v + 128) >> 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::Rotation;

    fn ramp(width: usize, height: usize) -> Frame {
        let at = |i: usize| [(i % width) as u8, (i / width) as u8, 200];
        Frame::new(width, height, (0..width * height).flat_map(at).collect())
    }

    fn points(f: impl Fn(f64, f64) -> (f64, f64)) -> [Point; 5] {
        TARGET.map(|(x, y)| {
            let (x, y) = f(x, y);
            Point { x: (x * 256.0).round() as i32, y: (y * 256.0).round() as i32 }
        })
    }

    proptest! {
        #[test]
        fn quotients_are_rounded_down(first in -(1i64 << 42)..1 << 42, step in -(1i64 << 31)..1 << 31, n in 1..=MOST_SAMPLES) {
            let mut quotients = Quotients::new(first, step, 2 * n);
            for i in 0..1000 {
                prop_assert_eq!(quotients.next(), (first + i * step).div_euclid(2 * n));
            }
        }

        #[test]
        fn means_are_rounded_to_nearest(count in 1..=(MOST_SAMPLES * MOST_SAMPLES) as u32, part in 0.0..=1.0) {
            let sum = (f64::from(count * 255 * 256) * part) as u32;
            prop_assert_eq!(u32::from(Mean::new(count).of(sum)), (sum + (count << 7)) / (count << 8));
        }

        #[test]
        fn bilinear_samples_weigh_the_four_nearest_pixels(width in 1usize..6, height in 1usize..6, x in -2.0..7.0, y in -2.0..7.0, seed: u64) {
            let noise = |i: usize| (seed.wrapping_mul(i as u64 + 1) >> 40) as u8;
            let frame = Frame::new(width, height, (0..width * height * 3).map(noise).collect());
            let (px, py) = ((x * FIXED) as i64, (y * FIXED) as i64);
            // 256 at a pixel, 0 at its neighbors.
            let weight = |at: i64, pixel: usize| match (at >> 8) - ((pixel as i64) << 8) {
                d @ -255..=255 => 256 - d.abs(),
                _ => 0,
            };
            let mut value = [0u64; 3];
            for (row, column) in (0..height).flat_map(|r| (0..width).map(move |c| (r, c))) {
                let w = (weight(px, column) * weight(py, row)) as u64;
                (0..3).for_each(|i| value[i] += w * u64::from(frame.row(row)[column * 3 + i]));
            }
            prop_assert_eq!(bilinear(&frame.reader(), px, py).map(u64::from), value.map(|v| (v + 128) >> 8));
        }
    }

    #[test]
    fn a_frame_that_is_stored_on_its_side_gives_the_same_crop() {
        let noise = |i: usize| (i.wrapping_mul(0x9E37_79B9) >> 13) as u8;
        let team = &Team::default();
        let stored = Frame::new(400, 300, (0..400 * 300 * 3).map(noise).collect());
        for (mirrored, turn) in [false, true].into_iter().flat_map(|m| Rotation::ALL.map(|turn| (m, turn))) {
            let seen = stored.clone().seen(mirrored, turn);
            // Turned, larger and smaller than the crop, and partly outside.
            for (a, b, x, y) in
                [(1.0, 0.0, 90.0, 60.0), (0.4, 0.3, 150.0, 10.0), (2.3, -1.2, 40.0, 200.0), (3.5, 0.5, -60.0, -90.0)]
            {
                let m = Similarity::new((a, b), 1.0, (0.0, 0.0), (x, y));
                let (seen, upright) = (sample(&seen, m, SIDE, team), sample(&seen.upright(), m, SIDE, team));
                assert_eq!(seen, upright, "{mirrored} {turn:?} {a}");
            }
        }
    }

    #[test]
    fn an_aligned_face_is_copied_unchanged() {
        let crop = align(&ramp(112, 112), &points(|x, y| (x, y)), &Team::default());
        for (i, pixel) in crop.chunks_exact(3).enumerate() {
            let (r, g) = (pixel[0], pixel[1]);
            assert!(r.abs_diff((i % SIDE) as u8) <= 1 && g.abs_diff((i / SIDE) as u8) <= 1, "{i}");
        }
    }

    #[test]
    fn a_quarter_turn_is_undone() {
        // The picture is the crop turned clockwise: (x, y) lies at (111 - y, x).
        let crop = align(&ramp(112, 112), &points(|x, y| (111.0 - y, x)), &Team::default());
        let pixel = &crop[(5 * SIDE + 20) * 3..];
        assert!(pixel[0].abs_diff(111 - 5) <= 1 && pixel[1].abs_diff(20) <= 1);
    }

    #[test]
    fn a_large_face_is_averaged_not_subsampled() {
        // Stripes two pixels apart vanish in the mean when the face is four times too large.
        let stripes =
            Frame::new(448, 448, (0..448 * 448).flat_map(|i| [if i % 2 == 0 { 0 } else { 200 }; 3]).collect());
        let crop = align(&stripes, &points(|x, y| (x * 4.0 + 1.5, y * 4.0 + 1.5)), &Team::default());
        let inner = &crop[(40 * SIDE + 20) * 3..(40 * SIDE + 90) * 3];
        assert!(inner.iter().all(|v| v.abs_diff(100) <= 2), "{inner:?}");
    }

    #[test]
    fn coinciding_points_give_a_crop_without_panic() {
        assert_eq!(align(&ramp(8, 8), &[Point { x: 512, y: 512 }; 5], &Team::default()).len(), 3 * SIDE * SIDE);
    }
}

//! Follows points from one picture to another (Lucas and Kanade 1981, in a pyramid as by Bouguet 2000). It chooses no
//! points.
//!
//! Luma only. All of it is additions, multiplications and divisions of `f32` in a fixed order, so that every processor
//! gets the same.

use crate::face::quality::luma_of;
use crate::media::Frame;

/// Half the side of the window that is compared, in pixels of a level.
const REACH: usize = 7;
/// Pixels across the window.
const SIDE: usize = 2 * REACH + 1;
/// Pixels across the window with the border that its gradients need.
const WIDE: usize = SIDE + 2;

/// Levels, each half the size of the one below. Points that move by up to 8 times [`REACH`] are followed, a tenth of
/// the picture.
const LEVELS: usize = 4;
/// A level has at least this many pixels in each direction, or there is none.
const LEAST_SIDE: usize = 2 * SIDE;

/// Steps on a level, and the length of a step in pixels after which there are no more.
const STEPS: usize = 8;
const SETTLED: f32 = 0.03;

/// Least smaller eigenvalue of a window's gradients, in squared luma a pixel: below, sensor noise moves the window.
const LEAST_STRUCTURE: f32 = 2.0;

/// Most by which a point may miss its place when it is followed back, in pixels.
const MOST_MISS: f32 = 0.75;

/// A point in a picture, in pixels: the center of the first is 0.
pub(super) type Place = (f32, f32);

struct Level {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

/// A picture and its reductions.
pub(super) struct Pyramid(Vec<Level>);

impl Pyramid {
    /// Luma of a frame.
    pub(super) fn of(frame: &Frame) -> Self {
        let luma = frame.pixels().as_chunks().0.iter().map(|pixel| (luma_of(pixel) >> 8) as u8).collect();
        let mut levels = vec![Level { width: frame.width(), height: frame.height(), luma }];
        while levels.len() < LEVELS {
            let last = &levels[levels.len() - 1];
            if last.width.min(last.height) < 2 * LEAST_SIDE {
                break;
            }
            levels.push(last.half());
        }
        Self(levels)
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.0[0].width, self.0[0].height)
    }

    /// The picture itself, row by row.
    pub(super) fn luma(&self) -> &[u8] {
        &self.0[0].luma
    }

    /// Where a point of this picture is in `other`, which has the same size; `None` if it is lost, or if it can't be
    /// followed back.
    pub(super) fn follow(&self, other: &Self, place: Place) -> Option<Place> {
        let there = self.one_way(other, place)?;
        let back = other.one_way(self, there)?;
        let (dx, dy) = (back.0 - place.0, back.1 - place.1);
        (dx * dx + dy * dy <= MOST_MISS * MOST_MISS).then_some(there)
    }

    fn one_way(&self, other: &Self, place: Place) -> Option<Place> {
        let (mut dx, mut dy) = (0.0, 0.0);
        for number in (0..self.0.len()).rev() {
            let (from, to) = (&self.0[number], other.0.get(number)?);
            let scale = (1u32 << number) as f32;
            let here = ((place.0 + 0.5) / scale - 0.5, (place.1 + 0.5) / scale - 0.5);
            match from.step(to, here, (dx, dy)) {
                Some(moved) => (dx, dy) = moved,
                // Nothing to follow among few pixels: the next level has more.
                None if number > 0 => {}
                None => return None,
            }
            if number > 0 {
                (dx, dy) = (2.0 * dx, 2.0 * dy);
            }
        }
        let there = (place.0 + dx, place.1 + dy);
        self.0[0].holds(there).then_some(there)
    }
}

impl Level {
    /// Half the size: each pixel is the mean of four by four, weighted 1 3 3 1, so that fine texture does not alias. An odd row
    /// or column at the end is left out.
    fn half(&self) -> Self {
        const WEIGHTS: [u32; 4] = [1, 3, 3, 1];
        let (width, height) = (self.width / 2, self.height / 2);
        let near = |at: usize, tap: usize, size: usize| (at + tap).saturating_sub(1).min(size - 1);
        let mut rows = vec![0u32; self.height * width];
        for (row, out) in self.luma.chunks_exact(self.width).zip(rows.chunks_exact_mut(width)) {
            for (x, out) in out.iter_mut().enumerate() {
                let tap = |(tap, weight): (usize, u32)| weight * u32::from(row[near(2 * x, tap, self.width)]);
                *out = WEIGHTS.into_iter().enumerate().map(tap).sum();
            }
        }
        let mut luma = Vec::with_capacity(width * height);
        for i in 0..width * height {
            let tap = |(tap, weight): (usize, u32)| {
                weight * rows[near(2 * (i / width), tap, self.height) * width + i % width]
            };
            luma.push(((WEIGHTS.into_iter().enumerate().map(tap).sum::<u32>() + 32) / 64) as u8);
        }
        Self { width, height, luma }
    }

    fn holds(&self, (x, y): Place) -> bool {
        x >= 0.0 && y >= 0.0 && x <= self.width as f32 - 1.0 && y <= self.height as f32 - 1.0
    }

    /// The displacement of the window around `here` in `to`, starting from a guess.
    fn step(&self, to: &Self, here: Place, guess: (f32, f32)) -> Option<(f32, f32)> {
        let mut wide = [0.0; WIDE * WIDE];
        self.window(here, &mut wide);
        let (mut across, mut down, mut template) = ([0.0; SIDE * SIDE], [0.0; SIDE * SIDE], [0.0; SIDE * SIDE]);
        let (mut xx, mut xy, mut yy) = (0.0f32, 0.0f32, 0.0f32);
        for i in 0..SIDE * SIDE {
            let at = (i / SIDE + 1) * WIDE + i % SIDE + 1;
            template[i] = wide[at];
            across[i] = (wide[at + 1] - wide[at - 1]) / 2.0;
            down[i] = (wide[at + WIDE] - wide[at - WIDE]) / 2.0;
            xx += across[i] * across[i];
            xy += across[i] * down[i];
            yy += down[i] * down[i];
        }
        let half = (xx - yy) / 2.0;
        let smaller = (xx + yy) / 2.0 - (half * half + xy * xy).sqrt();
        if smaller < LEAST_STRUCTURE * (SIDE * SIDE) as f32 {
            return None;
        }
        let determinant = xx * yy - xy * xy;
        let (mut dx, mut dy) = guess;
        let mut window = [0.0; SIDE * SIDE];
        for _ in 0..STEPS {
            to.window((here.0 + dx, here.1 + dy), &mut window);
            let (mut x, mut y) = (0.0, 0.0);
            for i in 0..SIDE * SIDE {
                let difference = template[i] - window[i];
                x += difference * across[i];
                y += difference * down[i];
            }
            let (sx, sy) = ((yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant);
            (dx, dy) = (dx + sx, dy + sy);
            if !to.holds((here.0 + dx, here.1 + dy)) {
                return None;
            }
            if sx * sx + sy * sy < SETTLED * SETTLED {
                break;
            }
        }
        Some((dx, dy))
    }

    /// Luma around a point, bilinear; beyond the picture, its edge goes on. `out` has as many rows as columns, an odd
    /// number.
    fn window<const N: usize>(&self, (x, y): Place, out: &mut [f32; N]) {
        let side = N.isqrt();
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        // Far outside, where no point is followed to, the edge is all there is.
        let far = |v: f32, size: usize| v.clamp(-64.0, size as f32 + 64.0) as i64;
        let reach = (side / 2) as i64;
        let (left, top) = (far(left, self.width) - reach, far(top, self.height) - reach);
        let inside = left >= 0
            && top >= 0
            && left + (side as i64) < self.width as i64
            && top + (side as i64) < self.height as i64;
        let mix = |[a, b, c, d]: [u8; 4]| {
            f32::from(a) * weights[0]
                + f32::from(b) * weights[1]
                + f32::from(c) * weights[2]
                + f32::from(d) * weights[3]
        };
        if inside {
            for (row, out) in out.chunks_exact_mut(side).enumerate() {
                let start = (top as usize + row) * self.width + left as usize;
                let (up, low) = (&self.luma[start..][..side + 1], &self.luma[start + self.width..][..side + 1]);
                for (column, out) in out.iter_mut().enumerate() {
                    *out = mix([up[column], up[column + 1], low[column], low[column + 1]]);
                }
            }
            return;
        }
        let at = |x: i64, y: i64| {
            let (x, y) = (x.clamp(0, self.width as i64 - 1), y.clamp(0, self.height as i64 - 1));
            self.luma[y as usize * self.width + x as usize]
        };
        for (i, out) in out.iter_mut().enumerate() {
            let (x, y) = (left + (i % side) as i64, top + (i / side) as i64);
            *out = mix([at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::texture;
    use super::*;

    fn shifted(dx: f64, dy: f64) -> Pyramid {
        let value = |i: usize| [texture((i % 200) as f64 - dx, (i / 200) as f64 - dy); 3];
        Pyramid::of(&Frame::new(200, 160, (0..200 * 160).flat_map(value).collect()))
    }

    #[test]
    fn points_are_followed_over_small_and_large_distances() {
        let before = shifted(0.0, 0.0);
        for (dx, dy) in [(0.0, 0.0), (0.4, -0.3), (3.7, 2.2), (-11.5, 6.25), (14.0, -9.0)] {
            let after = shifted(dx, dy);
            let (mut found, mut tried) = (0, 0);
            for place in (40..160).step_by(15).flat_map(|x| (40..120).step_by(16).map(move |y| (x as f32, y as f32))) {
                tried += 1;
                let Some(there) = before.follow(&after, place) else { continue };
                let error = (f64::from(there.0 - place.0) - dx).abs().max((f64::from(there.1 - place.1) - dy).abs());
                found += usize::from(error < 0.2);
            }
            // Windows of the smallest level reach over the picture's edge.
            let least = if dx > 10.0 { 6 } else { 8 };
            assert!(found * 10 >= tried * least, "{found} of {tried} by {dx} {dy}");
        }
    }

    #[test]
    fn flat_pictures_and_points_that_leave_are_lost() {
        let flat = Pyramid::of(&Frame::new(200, 160, vec![90; 200 * 160 * 3]));
        assert_eq!(flat.follow(&flat, (100.0, 80.0)), None);
        let (before, after) = (shifted(0.0, 0.0), shifted(-30.0, 0.0));
        let lost = |x: f32| before.follow(&after, (x, 80.0)).is_none_or(|there| (there.0 - x + 30.0).abs() > 5.0);
        assert!((2..20).all(|x| lost(x as f32)), "a point outside is said to be seen");
    }
}

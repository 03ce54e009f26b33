//! Chooses corners that can be followed: where luma changes in two directions (Shi and Tomasi 1994). Integers but for
//! one square root.

use super::flow::Place;

/// Most corners in one region: they bound the work.
const MOST: usize = 80;

/// Least distance of two corners in either direction, in pixels.
const APART: usize = 5;

/// Least smaller eigenvalue, in percent of the largest one in the region.
const LEAST_PERCENT: i64 = 1;
/// The same without comparison, as a sum over a window in squared luma, gradients taken over two pixels: five times
/// what the noise of a webcam gives.
const LEAST: i64 = 1_000;

/// Half the side of the window over which gradients are summed.
const REACH: usize = 2;

/// Columns and rows of a picture, the ends excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

/// The strongest corners in a region of a picture of `width` x `height`, at least [`APART`] from each other.
pub(super) fn corners(luma: &[u8], (width, height): (usize, usize), region: Region) -> Vec<Place> {
    // A window and its gradients must lie in the picture.
    let border = REACH + 1;
    let (left, top) = (region.left.max(border), region.top.max(border));
    let right = region.right.min(width.saturating_sub(border));
    let bottom = region.bottom.min(height.saturating_sub(border));
    if left >= right || top >= bottom {
        return vec![];
    }
    let (columns, rows) = (right - left, bottom - top);
    let strength = strengths(luma, width, (left, top), (columns, rows));
    let most = strength.iter().copied().max().unwrap_or(0);
    let least = (most * LEAST_PERCENT / 100).max(LEAST);
    let is_peak = |x: usize, y: usize| {
        let own = strength[y * columns + x];
        let beside = |x: usize, y: usize| strength[y * columns + x];
        own >= least
            && (y.saturating_sub(1)..(y + 2).min(rows))
                .all(|v| (x.saturating_sub(1)..(x + 2).min(columns)).all(|u| beside(u, v) <= own))
    };
    let mut peaks: Vec<(i64, usize)> =
        (0..columns * rows).filter(|i| is_peak(i % columns, i / columns)).map(|i| (strength[i], i)).collect();
    peaks.sort_by_key(|(strength, i)| (std::cmp::Reverse(*strength), *i));
    let mut chosen: Vec<(usize, usize)> = vec![];
    for (_, i) in peaks {
        let (x, y) = (i % columns, i / columns);
        if chosen.len() == MOST {
            break;
        }
        if chosen.iter().all(|(u, v)| u.abs_diff(x).max(v.abs_diff(y)) >= APART) {
            chosen.push((x, y));
        }
    }
    chosen.into_iter().map(|(x, y)| ((left + x) as f32, (top + y) as f32)).collect()
}

/// The smaller eigenvalue of the summed gradients around each pixel.
fn strengths(luma: &[u8], width: usize, (left, top): (usize, usize), (columns, rows): (usize, usize)) -> Vec<i64> {
    // Sums along each row first, for the rows above and below as well.
    let products = |x: usize, y: usize| {
        let at = |x: usize, y: usize| i32::from(luma[y * width + x]);
        let (across, down) = (at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1));
        [across * across, across * down, down * down]
    };
    let add = |a: [i32; 3], b: [i32; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
    let mut sums = Vec::with_capacity(columns * (rows + 2 * REACH));
    let mut row = Vec::with_capacity(columns + 2 * REACH);
    for y in top - REACH..top + rows + REACH {
        row.clear();
        row.extend((left - REACH..left + columns + REACH).map(|x| products(x, y)));
        sums.extend(row.windows(2 * REACH + 1).map(|window| window.iter().copied().fold([0; 3], add)));
    }
    let smaller = |[xx, xy, yy]: [i64; 3]| {
        // Sums of 25 products of at most 255 squared: their squares stay in an `i64`.
        let root = ((xx - yy) * (xx - yy) + 4 * xy * xy).isqrt();
        (xx + yy - root) / 2
    };
    let column = |i: usize| (0..=2 * REACH).map(|k| sums[i + k * columns]).fold([0; 3], add);
    (0..columns * rows).map(|i| smaller(column(i).map(i64::from))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Region = Region { left: 0, top: 0, right: 100, bottom: 80 };

    #[test]
    fn corners_of_squares_are_found_and_edges_are_not() {
        let inside = |x: usize, y: usize| (30..60).contains(&x) && (20..50).contains(&y);
        let luma: Vec<u8> = (0..100 * 80).map(|i| if inside(i % 100, i / 100) { 200 } else { 50 }).collect();
        let mut found = corners(&luma, (100, 80), ALL);
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(found.len(), 4, "{found:?}");
        for ((x, y), (want_x, want_y)) in found.into_iter().zip([(30, 20), (30, 50), (60, 20), (60, 50)]) {
            assert!((x - want_x as f32).abs() <= 2.0 && (y - want_y as f32).abs() <= 2.0, "{x} {y}");
        }
        let right = Region { left: 45, ..ALL };
        assert_eq!(corners(&luma, (100, 80), right).len(), 2);
        let stripes: Vec<u8> = (0..100 * 80).map(|i| (i % 100 / 10 % 2 * 150) as u8).collect();
        assert_eq!(corners(&stripes, (100, 80), ALL), []);
    }

    #[test]
    fn faint_noise_has_no_corners_and_many_corners_are_bounded() {
        let noise = |most: usize| (0..100 * 80).map(|i| (100 + i * i % 7919 % most) as u8).collect::<Vec<_>>();
        assert_eq!(corners(&noise(4), (100, 80), ALL), []);
        let found = corners(&noise(120), (100, 80), ALL);
        assert_eq!(found.len(), MOST);
        for (i, a) in found.iter().enumerate() {
            let apart = |b: &Place| (a.0 - b.0).abs().max((a.1 - b.1).abs()) >= APART as f32;
            assert!(found[..i].iter().all(apart));
        }
    }

    #[test]
    fn regions_beyond_the_picture_are_cut() {
        let luma = vec![0; 12];
        for region in [ALL, Region { left: 3, right: 1, ..ALL }, Region { top: 70, ..ALL }] {
            assert_eq!(corners(&luma, (4, 3), region), []);
        }
    }
}

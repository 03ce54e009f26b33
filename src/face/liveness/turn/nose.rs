//! Parallax of the nose by the detector's five points: the witness beside the mesh that no landmark model has a part in.
//!
//! Of a sheet that is turned, four points determine where every other one comes to lie (a homography). The eyes and the corners of the
//! mouth are nearly in a plane; the nose is not, and how far it is from where they predict it tells of a turn. Sideways only: when a head
//! nods, the detector leaves the nose between eyes and mouth almost where it was.

use super::fit::{LeastSquares, Linear};
use crate::face::geometry::{Point, SUB};

/// Least distance of the eyes in pixels.
const LEAST_EYE_DISTANCE: f64 = 4.0;

/// The five points of the reference frame.
#[derive(Clone, Debug)]
pub(super) struct NoseReference {
    points: [[f64; 2]; 5],
    /// From the corners, in eye distances from their middle, to anything linear.
    corners: LeastSquares<3>,
    /// Distance of the eyes in pixels.
    eyes: f64,
}

/// The nose tip among the five points.
const NOSE: usize = 2;

impl NoseReference {
    /// `None` where the points don't span a plane.
    pub(super) fn new(points: &[Point; 5]) -> Option<Self> {
        let points = points.map(pixels);
        let (dx, dy) = (points[1][0] - points[0][0], points[1][1] - points[0][1]);
        let eyes = (dx * dx + dy * dy).sqrt();
        if eyes < LEAST_EYE_DISTANCE {
            return None;
        }
        let rows = corners(&points).map(|[x, y]| [1.0, (x - points[0][0]) / eyes, (y - points[0][1]) / eyes]);
        Some(Self { points, corners: LeastSquares::new(rows.to_vec())?, eyes })
    }

    /// How far to the right of its predicted place the nose is, in eye distances of the reference, along the eyes of the reference. `None`
    /// where the points are not those of a face seen from the front.
    pub(super) fn aside(&self, now: &[Point; 5]) -> Option<f64> {
        let now = now.map(pixels);
        let [x, y] = predicted(&self.points, &now)?;
        let linear = |axis: usize| {
            let values = corners(&now).map(|p| p[axis] / self.eyes);
            let [_, right, down] = self.corners.solve(&values);
            (right, down)
        };
        let ((xr, xd), (yr, yd)) = (linear(0), linear(1));
        let stretch = Linear { right: [xr, yr], down: [xd, yd] }.taken_apart()?;
        let [aside, _] = stretch.turned_back([now[NOSE][0] - x, now[NOSE][1] - y]);
        let aside = aside / (stretch.most * self.eyes);
        aside.is_finite().then_some(aside)
    }
}

fn pixels(p: Point) -> [f64; 2] {
    [f64::from(p.x) / f64::from(SUB), f64::from(p.y) / f64::from(SUB)]
}

/// Eyes and corners of the mouth.
fn corners(points: &[[f64; 2]; 5]) -> [[f64; 2]; 4] {
    [points[0], points[1], points[3], points[4]]
}

/// Where the homography of the corners takes the nose. `None` where they don't form a convex figure in the same order in both.
fn predicted(from: &[[f64; 2]; 5], to: &[[f64; 2]; 5]) -> Option<[f64; 2]> {
    // In homogeneous coordinates a point is a sum of three corners. A homography only gives each of them another weight, which the fourth
    // corner tells.
    let (nose, fourth, target) = (weights(from, from[NOSE]), weights(from, from[4]), weights(to, to[4]));
    let mut sum = [0.0; 3];
    for (i, corner) in [to[0], to[1], to[3]].into_iter().enumerate() {
        let ratio = target[i] / fourth[i];
        // NaN, too, is not positive.
        if !(ratio > 0.0 && ratio.is_finite()) {
            return None;
        }
        let weight = nose[i] * ratio;
        sum = [sum[0] + weight * corner[0], sum[1] + weight * corner[1], sum[2] + weight];
    }
    let place = [sum[0] / sum[2], sum[1] / sum[2]];
    (place[0].is_finite() && place[1].is_finite()).then_some(place)
}

/// Of eyes and image-left corner of the mouth, the weights that add up to a point, times twice the area that they span.
fn weights(points: &[[f64; 2]; 5], p: [f64; 2]) -> [f64; 3] {
    let area = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let (a, b, c) = (points[0], points[1], points[3]);
    [area(p, b, c), area(a, p, c), area(a, b, p)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONTAL: [[f64; 2]; 5] = [[100.0, 100.0], [160.0, 102.0], [131.0, 140.0], [106.0, 168.0], [155.0, 170.0]];

    fn points(of: [[f64; 2]; 5]) -> [Point; 5] {
        of.map(|[x, y]| Point { x: (x * 256.0).round() as i32, y: (y * 256.0).round() as i32 })
    }

    #[test]
    fn a_plane_turned_before_a_camera_has_no_parallax() {
        let reference = NoseReference::new(&points(FRONTAL)).expect("a face");
        for (gx, gy) in [(0.0, 0.0), (0.002, 0.0), (-0.001, 0.0015), (0.0, -0.002)] {
            let seen = FRONTAL.map(|[x, y]| {
                let w = 1.0 + gx * x + gy * y;
                [(0.7 * x - 0.2 * y + 40.0) / w, (0.3 * x + 0.9 * y + 10.0) / w]
            });
            let aside = reference.aside(&points(seen)).expect("a face");
            assert!(aside.abs() < 1e-3, "{aside}");
        }
    }

    #[test]
    fn a_nose_that_moved_is_measured_in_eye_distances_of_the_reference() {
        let reference = NoseReference::new(&points(FRONTAL)).expect("a face");
        // Twice as large, turned by a quarter: the nose moves along the eyes.
        let mut seen = FRONTAL;
        seen[NOSE][0] += 15.0;
        let seen = seen.map(|[x, y]| [500.0 - 2.0 * y, 2.0 * x]);
        let aside = reference.aside(&points(seen)).expect("a face");
        assert!((aside - 0.25).abs() < 0.01, "{aside}");
    }

    #[test]
    fn points_that_are_no_face_have_no_parallax() {
        assert!(NoseReference::new(&points([[5.0, 5.0]; 5])).is_none());
        let line: [[f64; 2]; 5] = std::array::from_fn(|i| [10.0 * i as f64, 20.0 * i as f64]);
        assert!(NoseReference::new(&points(line)).is_none());
        let reference = NoseReference::new(&points(FRONTAL)).expect("a face");
        assert!(reference.aside(&points([[5.0, 5.0]; 5])).is_none());
        let mut crossed = FRONTAL;
        crossed.swap(3, 4);
        assert!(reference.aside(&points(crossed)).is_none());
        let far = i32::MAX;
        let wild = [(far, 0), (0, far), (-far, -far), (far, far), (-far, far)].map(|(x, y)| Point { x, y });
        assert!(reference.aside(&wild).is_none_or(f64::is_finite));
    }
}

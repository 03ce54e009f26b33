//! Measures of a face by which gestures are told: lengths on a [`Mesh`], along and across the line through the eyes.
//!
//! Only the places of landmarks in the picture are used, never the depths that the model guesses.

use crate::face::mesh::{EYE_CORNERS, Mesh};

/// Least distance of the outer corners of the eyes, in pixels: below, a landmark's error is a tenth of what eyes and mouth move.
const LEAST_EYE_DISTANCE: f64 = 20.0;
/// Bridge of the nose and its base: their distance stays as it is when the head turns sideways, which narrows that of the eyes.
const NOSE: [usize; 2] = [168, 2];
/// Corners of the mouth, image-left first.
const MOUTH_CORNERS: [usize; 2] = [61, 291];
/// Middle of the upper and of the lower lip, where they meet.
const LIPS: [usize; 2] = [13, 14];
/// For each eye its corners, then two pairs of places on upper and lower lid.
const LIDS: [[usize; 6]; 2] = [[33, 133, 160, 144, 158, 153], [362, 263, 385, 380, 387, 373]];

/// Measures of one face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Features {
    /// Distance of the outer corners of the eyes, in pixels.
    pub(super) eyes: f64,
    /// Length of the nose in the picture, in pixels.
    pub(super) nose: f64,
    /// Width of the mouth, in distances of the outer corners of the eyes.
    pub(super) mouth: f64,
    /// How far its corners are above the middle of the lips, in the same unit; negative below.
    pub(super) lift: f64,
    /// How far the eyes are open: height by width, of the eye that is open further.
    pub(super) openness: f64,
}

impl Features {
    /// `None` where the face is too small, or the points are not those of a face.
    pub(super) fn of(mesh: &Mesh) -> Option<Self> {
        let at = |i: usize| [f64::from(mesh.points[i][0]), f64::from(mesh.points[i][1])];
        let distance = |[i, j]: [usize; 2]| {
            let ([ax, ay], [bx, by]) = (at(i), at(j));
            ((bx - ax) * (bx - ax) + (by - ay) * (by - ay)).sqrt()
        };
        let eyes = distance(EYE_CORNERS);
        // NaN, too, is not enough.
        if !(eyes.is_finite() && eyes >= LEAST_EYE_DISTANCE) {
            return None;
        }
        let ([lx, ly], [rx, ry]) = (at(EYE_CORNERS[0]), at(EYE_CORNERS[1]));
        let (cos, sin) = ((rx - lx) / eyes, (ry - ly) / eyes);
        let down = |i: usize| cos * at(i)[1] - sin * at(i)[0];
        let middle = |pair: [usize; 2]| (down(pair[0]) + down(pair[1])) / 2.0;
        let open = |[outer, inner, a, b, c, d]: [usize; 6]| {
            (distance([a, b]) + distance([c, d])) / (2.0 * distance([outer, inner]))
        };
        let features = Self {
            eyes,
            nose: distance(NOSE),
            mouth: distance(MOUTH_CORNERS) / eyes,
            lift: (middle(LIPS) - middle(MOUTH_CORNERS)) / eyes,
            openness: open(LIDS[0]).max(open(LIDS[1])),
        };
        let all = [features.nose, features.mouth, features.lift, features.openness];
        all.iter().all(|v| v.is_finite()).then_some(features)
    }
}

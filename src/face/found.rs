//! Describes a detected face.

use super::geometry::{Point, Rect};
use crate::media::Rotation;

/// One face in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Around the face from forehead to chin; may extend beyond the picture.
    pub bounds: Rect,
    /// Image-left eye, image-right eye, nose tip, image-left mouth corner, image-right mouth corner, as an upright face has
    /// them.
    pub points: [Point; 5],
    /// The detector's confidence, 0..1.
    pub score: f32,
}

/// Least overlap of two boxes for the faces in them to count as the same, in percent of their union.
const SAME_PLACE_PERCENT: i64 = 20;

/// Whether the faces in these boxes, of consecutive frames, may be one.
pub(super) fn is_same_place(a: Rect, b: Rect) -> bool {
    a.overlaps(b, SAME_PLACE_PERCENT)
}

impl Face {
    /// The turn of its picture that brings it closest to upright.
    pub(super) fn turn_to_upright(&self) -> Rotation {
        let [left, right, _, low_left, low_right] = self.points.map(|p| (i64::from(p.x), i64::from(p.y)));
        // From between the eyes to between the corners of the mouth.
        let (x, y) = (low_left.0 + low_right.0 - left.0 - right.0, low_left.1 + low_right.1 - left.1 - right.1);
        match (y.abs() >= x.abs(), y >= 0, x >= 0) {
            (true, true, _) => Rotation::None,
            (true, false, _) => Rotation::Half,
            (false, _, true) => Rotation::Right,
            (false, _, false) => Rotation::Left,
        }
    }
}

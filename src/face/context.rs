//! Crops the input of the liveness model: the face with its surroundings, since the edge of a sheet or of a screen tells more than
//! skin does.
//!
//! The box is enlarged around its center and then moved into the picture as the model was trained (Silent-Face-Anti-Spoofing,
//! `CropImage`): first reduced to the picture's size at most, then shifted inside. Integers throughout, in 1/256 pixel.

use super::geometry::{Rect, SUB};
use super::resample;
use crate::engine::Team;
use crate::media::Frame;

/// One way to crop the surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CropSpec {
    /// Sides of the crop in percent of those of the face's box.
    pub(super) scale: i64,
    /// Whether it is mirrored left to right.
    pub(super) mirrored: bool,
}

/// Least size of the picture in percent of the face's box, in the direction in which there is less. Below, the model gets skin and
/// nothing around it, and its result is a guess: pictures that are cropped to the face end at 110, frames of cameras begin at 120.
const LEAST_SURROUNDINGS: i64 = 120;

/// Whether there is enough around a face to judge it.
pub(super) fn has_surroundings(frame: &Frame, face: Rect) -> bool {
    let enough = |pixels: usize, length: i64| (pixels as i64 - 1) * i64::from(SUB) * 100 >= length * LEAST_SURROUNDINGS;
    enough(frame.width(), face.width()) && enough(frame.height(), face.height())
}

/// The context of a face, `side` x `side` pixels. `None` where the box has no area or lies outside of the picture.
pub(super) fn context(frame: &Frame, face: Rect, view: CropSpec, side: usize, team: &Team) -> Option<Frame> {
    let (width, height) = (face.width(), face.height());
    if width == 0 || height == 0 {
        return None;
    }
    let middle = face.center();
    let (fw, fh) = (frame.width() as i64 * i64::from(SUB), frame.height() as i64 * i64::from(SUB));
    if !(0..fw).contains(&i64::from(middle.x)) || !(0..fh).contains(&i64::from(middle.y)) {
        return None;
    }
    // The model's code takes the last pixel as the picture's edge.
    let (most_right, most_down) = (fw - i64::from(SUB), fh - i64::from(SUB));
    let (mut w, mut h) = (width * view.scale / 100, height * view.scale / 100);
    if w > most_right {
        (w, h) = (most_right, height * most_right / width);
    }
    if h > most_down {
        (w, h) = (width * most_down / height, most_down);
    }
    let (left, columns) = inside(i64::from(middle.x) - w / 2, w, most_right);
    let (top, rows) = inside(i64::from(middle.y) - h / 2, h, most_down);
    let cut = resample::resize_part(frame, (left, top), (columns, rows), (side, side), team);
    Some(if view.mirrored { cut.mirrored() } else { cut })
}

/// First pixel and number of pixels of a stretch that is shifted to lie between 0 and `most`, both ends included.
fn inside(start: i64, length: i64, most: i64) -> (usize, usize) {
    let start = start.clamp(0, most - length);
    let (first, last) = (start / i64::from(SUB), (start + length) / i64::from(SUB));
    (first as usize, (last - first + 1) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::geometry::Point;
    use super::*;

    const PLAIN: CropSpec = CropSpec { scale: 270, mirrored: false };

    fn face(x: i32, y: i32, width: i32, height: i32) -> Rect {
        let at = |x: i32, y: i32| Point { x: x * SUB, y: y * SUB };
        Rect { min: at(x, y), max: at(x + width, y + height) }
    }

    fn ramp(width: usize, height: usize) -> Frame {
        let at = |i: usize| [(i % width) as u8, (i / width) as u8, 0];
        Frame::new(width, height, (0..width * height).flat_map(at).collect())
    }

    #[test]
    fn the_crop_is_centered_on_the_face_where_there_is_room() {
        // 2.7 times 40 pixels around (100, 80): columns 46 to 154, rows 26 to 134.
        let cut = context(&ramp(200, 160), face(80, 60, 40, 40), PLAIN, 109, &Team::default()).unwrap();
        assert_eq!(cut, ramp(200, 160).part(46, 26, 109, 109));
    }

    #[test]
    fn the_crop_is_shifted_and_shrunk_to_lie_inside_the_picture() {
        let cut = context(&ramp(200, 160), face(0, 0, 40, 40), PLAIN, 109, &Team::default()).unwrap();
        assert_eq!(cut, ramp(200, 160).part(0, 0, 109, 109));
        // A face of 80 by 100 would need 216 by 270 pixels; 159 high is all there is, 127 wide goes with it.
        let cut = context(&ramp(200, 160), face(60, 30, 80, 100), PLAIN, 64, &Team::default()).unwrap();
        assert_eq!(cut, resample::resize(&ramp(200, 160).part(36, 0, 128, 160), 64, 64));
    }

    #[test]
    fn a_face_that_fills_the_picture_has_no_surroundings() {
        assert!(has_surroundings(&ramp(121, 200), face(10, 10, 100, 100)));
        assert!(!has_surroundings(&ramp(120, 200), face(10, 10, 100, 100)));
        assert!(!has_surroundings(&ramp(200, 120), face(10, 10, 100, 100)));
        let mirrored =
            context(&ramp(200, 160), face(80, 60, 40, 40), CropSpec { mirrored: true, ..PLAIN }, 32, &Team::default())
                .unwrap();
        assert_eq!(
            mirrored.mirrored(),
            context(&ramp(200, 160), face(80, 60, 40, 40), PLAIN, 32, &Team::default()).unwrap()
        );
    }

    #[test]
    fn empty_boxes_and_boxes_outside_give_no_crop() {
        assert!(context(&ramp(20, 20), face(5, 5, 0, 10), PLAIN, 8, &Team::default()).is_none());
        assert!(context(&ramp(20, 20), face(30, 5, 10, 10), PLAIN, 8, &Team::default()).is_none());
    }

    proptest! {
        #[test]
        fn any_box_in_any_picture_is_cropped_without_panic(
            (fw, fh) in (1usize..60, 1usize..60),
            (x, y) in (-300i32..300, -300i32..300),
            (w, h) in (0i32..2000, 0i32..2000),
            (scale, mirrored) in (1i64..500, any::<bool>()),
        ) {
            if let Some(cut) = context(&ramp(fw, fh), face(x, y, w, h), CropSpec { scale, mirrored }, 8, &Team::default()) {
                prop_assert_eq!((cut.width(), cut.height()), (8, 8));
            }
            has_surroundings(&ramp(fw, fh), face(x, y, w, h));
        }
    }
}

//! Detects dark glasses over the eyes.
//!
//! A dark lens is darker than the skin below it over nearly all of its area, and on both sides. A bare eye is dark only in its middle:
//! around the iris are its white, the lids and the skin. Light from above shades deep-set eyes as a whole, but not as much as glass
//! does; the bound allows for that, since most rooms are lit from above. Measured on the aligned 112x112 crop, in integers.

use super::align::SIDE;

/// Columns in the middle of the eyes and cheeks, left and right.
const COLUMNS: [usize; 2] = [38, 74];
/// Rows that a lens covers: from the eye, which is in row 52, down to the edge of its socket. Brows are above.
const LENS_ROWS: std::ops::Range<usize> = 50..62;
/// Rows of the cheek, below lenses of usual size and above the corners of the mouth.
const CHEEK_ROWS: std::ops::Range<usize> = 69..81;
/// Half the width of each region in pixels: the eyes are 35 apart.
const HALF_WIDTH: usize = 8;

/// Share of a lens, in percent, that has to be dark: the rest may reflect a lamp.
const LENS_PERCENT: usize = 80;
/// Least luma of a cheek. On a darker one the sensor's noise decides, and glasses are not detected.
const LEAST_CHEEK: i32 = 40;

/// Luma that four fifths of the region of an eye don't exceed, in percent of the cheek's below it, on the side where that is more; 100
/// where it is too dark to tell. `luma` is that of the crop's pixels, in rows.
pub(super) fn eyes_to_cheeks(luma: &[i32]) -> i32 {
    let side = |column: usize| {
        let region = |rows: std::ops::Range<usize>, percent: usize| {
            let columns = column - HALF_WIDTH..column + HALF_WIDTH;
            let mut pixels: Vec<i32> = rows.flat_map(|y| luma[y * SIDE..][columns.clone()].iter().copied()).collect();
            let at = pixels.len() * percent / 100;
            *pixels.select_nth_unstable(at).1
        };
        let (lens, cheek) = (region(LENS_ROWS, LENS_PERCENT), region(CHEEK_ROWS, 50));
        if cheek < LEAST_CHEEK { 100 } else { lens * 100 / cheek }
    };
    COLUMNS.into_iter().map(side).max().unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::super::align::align;
    use super::super::quality::{Quality, QualityDefect};
    use std::time::Duration;

    use super::super::{CaptureSession, Error, Face, SUB, extractor_for_tests};
    use super::*;
    use crate::media::Frame;

    /// The faces of two pictures, with their crops.
    fn people() -> Vec<(Face, Vec<u8>)> {
        let mut extractor = extractor_for_tests();
        let pictures: [&[u8]; 2] =
            [include_bytes!("../../tests/pictures/collins.jpg"), include_bytes!("../../tests/pictures/hopper.jpg")];
        let mut person = |bytes: &[u8]| {
            let frame = extractor.decode(bytes, &|| false).unwrap();
            let face = extractor.central(&frame).unwrap();
            let face = extractor.confirmed(&frame, &face).unwrap();
            (face, align(&frame, &face.points, &extractor.team).to_vec())
        };
        pictures.map(&mut person).into()
    }

    /// The crop with each pixel changed by what it is and where, from the middle of the nearer eye.
    fn drawn(crop: &[u8], change: impl Fn(u8, i32, i32, usize) -> u8) -> Vec<u8> {
        let mut drawn = crop.to_vec();
        for (i, pixel) in drawn.chunks_exact_mut(3).enumerate() {
            let (x, y) = (i % SIDE, i / SIDE);
            let side = usize::from(x > 56);
            let (dx, dy) = (x as i32 - COLUMNS[side] as i32, y as i32 - 52);
            pixel.iter_mut().for_each(|value| *value = change(*value, dx, dy, side));
        }
        drawn
    }

    fn is_lens(dx: i32, dy: i32) -> bool {
        dx.abs() <= 13 && (-7..=10).contains(&dy)
    }

    #[test]
    fn only_dark_glasses_are_detected() {
        for (face, crop) in people() {
            let told = |crop: &[u8]| Quality::measure(&face, crop).capture_defect() == Some(QualityDefect::Sunglasses);
            assert!(!told(&crop));
            let glasses = drawn(&crop, |value, dx, dy, _| if is_lens(dx, dy) { 25 } else { value });
            assert!(told(&glasses));
            assert_eq!(Quality::measure(&face, &glasses).defect(), None, "no sample is refused for them");
            // They reflect a lamp.
            assert!(told(&drawn(&glasses, |value, dx, dy, _| if dx.abs() <= 2 && dy.abs() <= 4 {
                255
            } else {
                value
            })));
            let one = drawn(&crop, |value, dx, dy, side| if side == 0 && is_lens(dx, dy) { 25 } else { value });
            assert!(!told(&one), "an eye is to be seen");
            let frames = |value: u8, dx: i32, dy: i32, _| {
                if is_lens(dx, dy) && !is_lens(dx * 8 / 6, dy * 8 / 6) { 20 } else { value }
            };
            assert!(!told(&drawn(&crop, frames)), "plain glasses in a thick frame");
            let shade = |value: u8, _, dy: i32, _| {
                if (-12..=9).contains(&dy) { (u32::from(value) * 7 / 10) as u8 } else { value }
            };
            assert!(!told(&drawn(&crop, shade)), "light from above");
            for percent in [30, 60, 160] {
                let other_light = |value: u8, _, _, _| (u32::from(value) * percent / 100).min(255) as u8;
                assert!(!told(&drawn(&crop, other_light)), "{percent} percent of the light");
            }
            assert!(!told(&drawn(&glasses, |value, _, _, _| value / 8)), "too dark to tell");
        }
    }

    /// The frame with a dark lens over each eye.
    fn with_sunglasses(frame: &Frame, face: &Face) -> Frame {
        let mut pixels = frame.pixels().to_vec();
        let [left, right, ..] = face.points.map(|p| (f64::from(p.x) / f64::from(SUB), f64::from(p.y) / f64::from(SUB)));
        let apart = (right.0 - left.0).hypot(right.1 - left.1);
        for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (x, y) = ((i % frame.width()) as f64, (i / frame.width()) as f64);
            let is_within = |(ex, ey): (f64, f64)| {
                ((x - ex) / (0.4 * apart)).powi(2) + ((y - ey - 0.1 * apart) / (0.3 * apart)).powi(2) < 1.0
            };
            if is_within(left) || is_within(right) {
                pixel.fill(25);
            }
        }
        Frame::new(frame.width(), frame.height(), pixels)
    }

    #[test]
    fn a_session_reports_sunglasses_and_captures_the_face_without_them() {
        let mut extractor = extractor_for_tests();
        let bytes = include_bytes!("../../tests/pictures/collins.jpg");
        let frame = extractor.decode(bytes, &|| false).unwrap();
        let face = extractor.central(&frame).unwrap();
        let bare = || Frame::new(frame.width(), frame.height(), frame.pixels().to_vec());
        let mut session = CaptureSession::new(None, false, || Duration::ZERO);
        for _ in 0..6 {
            let seen = session.push_frame(&mut extractor, with_sunglasses(&frame, &face), Duration::ZERO).unwrap();
            assert!(seen.is_none() && session.seen().is_some());
        }
        let told = session.finish(&mut extractor).unwrap_err();
        assert!(matches!(told, Error::Unusable(QualityDefect::Sunglasses)), "{told}");
        assert!((0..2).all(|_| session.push_frame(&mut extractor, bare(), Duration::ZERO).unwrap().is_none()));
        assert!(session.push_frame(&mut extractor, bare(), Duration::ZERO).unwrap().is_some());
    }
}

//! The best shot: which frame is it.

use crate::face::align::SIDE;
use crate::face::quality::Quality;

/// Where the aligned crop has an eye: half width and half height of the patch around its center, in pixels.
const EYE: (usize, usize) = (11, 6);
/// Centers of the eyes in the aligned crop, in pixels: column and row.
const EYES: [(usize, usize); 2] = [(38, 52), (74, 52)];

/// How good a frame is as a best shot: only the order counts. `crop` is the aligned face, rows of RGB pixels.
///
/// The quality of the sample (size, sharpness, light, pose) first; then how much darker the darkest part of each eye is than
/// the skin around it, which is all that five landmarks and a crop tell of open eyes.
pub(super) fn rank(quality: &Quality, crop: &[u8]) -> i32 {
    let frontal = 100 - 2 * (quality.nose - 50).abs().min(50);
    let sharp = quality.sharpness.min(400) / 4;
    let eyes = EYES.iter().map(|&eye| openness(crop, eye)).min().unwrap_or(0).min(100);
    4 * i32::from(quality.score()) + frontal + sharp + eyes
}

/// Difference of luma between the brightest and the darkest 3x3 pixels of an eye's patch: an open eye holds a dark pupil
/// beside white, a closed one only skin and a line of lashes.
fn openness(crop: &[u8], (column, row): (usize, usize)) -> i32 {
    let luma = |x: usize, y: usize| {
        let at = |channel: usize| i32::from(crop[(y * SIDE + x) * 3 + channel]);
        77 * at(0) + 150 * at(1) + 29 * at(2)
    };
    let (mut darkest, mut brightest) = (i32::MAX, 0);
    for y in row - EYE.1..=row + EYE.1 {
        for x in column - EYE.0..=column + EYE.0 {
            let sum: i32 = (0..9).map(|i| luma(x - 1 + i % 3, y - 1 + i / 3)).sum();
            (darkest, brightest) = (darkest.min(sum), brightest.max(sum));
        }
    }
    (brightest - darkest) / (9 * 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skin with two eyes: pupils as dark as told.
    fn crop(pupil: u8) -> Vec<u8> {
        let dark = |x: usize, y: usize| EYES.iter().any(|&(ex, ey)| x.abs_diff(ex) <= 3 && y.abs_diff(ey) <= 3);
        (0..SIDE * SIDE).flat_map(|i| [if dark(i % SIDE, i / SIDE) { pupil } else { 170 }; 3]).collect()
    }

    const GOOD: Quality = Quality { eye_distance: 80, brightness: 120, contrast: 100, sharpness: 250, nose: 50 };

    #[test]
    fn open_eyes_a_frontal_pose_and_sharpness_win() {
        let best = rank(&GOOD, &crop(30));
        assert!(best > rank(&GOOD, &crop(150)));
        assert!(best > rank(&Quality { nose: 75, ..GOOD }, &crop(30)));
        assert!(best > rank(&Quality { sharpness: 90, ..GOOD }, &crop(30)));
        assert!(best > rank(&Quality { brightness: 20, ..GOOD }, &crop(30)));
    }
}

//! Chooses the best shot and limits its size.

use std::borrow::Cow;

use crate::face::align::SIDE;
use crate::face::quality::{Quality, luma_of};
use crate::face::resample;
use crate::media::{self, Frame, Shape};
use crate::ops::SecretBytes;

/// People whose best frame is kept: which of them is the subject is known only at the end.
pub(super) const MOST: usize = 3;

/// Most pixels of a best shot: a frame of 1920x1080 stays as it is. More pixels would be kept, sent and decoded again for detail
/// that no template uses: as JPEG of noise this has 3 MB, and 50 megapixels would have 60.
const PIXELS: usize = 1920 * 1080;

/// Most bytes of memory that the best shots of a medium take.
pub(super) const BYTES: u64 = (MOST * PIXELS * 3) as u64;

/// A best shot: a frame that a better one may replace, or what is already written of the only frame there is.
pub(super) enum Shot {
    /// Upright, as it is returned to the client.
    Frame(Frame),
    /// As JPEG, or why it could not be written.
    Written(Result<SecretBytes, String>),
}

impl Shot {
    /// A frame that is not written yet.
    pub(super) fn of(frame: Frame) -> Self {
        let copy = match fitting(&frame) {
            Cow::Owned(copy) => Some(copy),
            Cow::Borrowed(_) => None,
        };
        Self::Frame(copy.unwrap_or(frame))
    }

    /// As JPEG, or why it cannot be written.
    pub(super) fn written(&self) -> Result<SecretBytes, String> {
        match self {
            Self::Frame(frame) => media::to_jpeg(frame),
            Self::Written(jpeg) => jpeg.clone(),
        }
    }
}

/// The frame, scaled down if it is too large.
pub(super) fn fitting(frame: &Frame) -> Cow<'_, Frame> {
    let (width, height) = Shape::SQUARE.size(frame.width(), frame.height(), PIXELS as u64);
    match (width, height) == (frame.width(), frame.height()) {
        true => frame.upright(),
        false => Cow::Owned(resample::resize(frame, width, height)),
    }
}

/// Where the aligned crop has an eye: half width and half height of the patch around its center, in pixels.
const EYE: (usize, usize) = (11, 6);
/// Centers of the eyes in the aligned crop, in pixels: column and row.
const EYES: [(usize, usize); 2] = [(38, 52), (74, 52)];

/// How good a frame is as a best shot: only the order counts. `crop` is the aligned face, rows of RGB pixels.
///
/// The quality of the sample (size, sharpness, light, pose) first; then how much darker the darkest part of each eye is than
/// the skin around it, which is all that five landmarks and a crop tell of open eyes.
pub(super) fn rank(quality: &Quality, crop: &[u8]) -> i32 {
    let frontal = 100 - 2 * (quality.yaw_percent - 50).abs().min(50);
    let sharp = quality.sharpness.min(200) / 2;
    let eyes = EYES.iter().map(|&eye| openness(crop, eye)).min().unwrap_or(0).min(100);
    4 * i32::from(quality.measured()) + frontal + sharp + eyes
}

/// Difference of luma between the brightest and the darkest 3x3 pixels of an eye's patch: an open eye holds a dark pupil
/// beside white, a closed one only skin and a line of lashes.
fn openness(crop: &[u8], (column, row): (usize, usize)) -> i32 {
    let pixels = crop.as_chunks().0;
    let luma = |x: usize, y: usize| luma_of(&pixels[y * SIDE + x]);
    let (mut darkest, mut brightest) = (u32::MAX, 0);
    for y in row - EYE.1..=row + EYE.1 {
        for x in column - EYE.0..=column + EYE.0 {
            let sum: u32 = (0..9).map(|i| luma(x - 1 + i % 3, y - 1 + i / 3)).sum();
            (darkest, brightest) = (darkest.min(sum), brightest.max(sum));
        }
    }
    ((brightest - darkest) / (9 * 256)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skin with two eyes whose pupils have this brightness.
    fn crop(pupil: u8) -> Vec<u8> {
        let dark = |x: usize, y: usize| EYES.iter().any(|&(ex, ey)| x.abs_diff(ex) <= 3 && y.abs_diff(ey) <= 3);
        (0..SIDE * SIDE).flat_map(|i| [if dark(i % SIDE, i / SIDE) { pupil } else { 170 }; 3]).collect()
    }

    #[test]
    fn large_frames_are_scaled_and_others_stay() {
        let fitted = |width: usize, height: usize| {
            let frame = Frame::new(width, height, vec![7; width * height * 3]);
            let fitted = fitting(&frame);
            assert!(fitted.pixels().iter().all(|&p| p == 7));
            (fitted.width(), fitted.height())
        };
        assert_eq!(fitted(1920, 1080), (1920, 1080));
        assert_eq!(fitted(1080, 1920), (1080, 1920));
        assert_eq!(fitted(3840, 2160), (1920, 1080));
        assert_eq!(fitted(1441, 1440), (1440, 1439));
        assert_eq!(fitted(65_535, 32), (65_166, 31));
        let (width, height) = fitted(2_100_000, 1);
        assert!(width <= PIXELS && height == 1);
    }

    #[test]
    fn open_eyes_a_frontal_pose_and_sharpness_win() {
        let best = rank(&Quality::GOOD, &crop(30));
        assert!(best > rank(&Quality::GOOD, &crop(150)));
        assert!(best > rank(&Quality { yaw_percent: 75, ..Quality::GOOD }, &crop(30)));
        assert!(best > rank(&Quality { sharpness: 90, ..Quality::GOOD }, &crop(30)));
        assert!(best > rank(&Quality { brightness: 20, ..Quality::GOOD }, &crop(30)));
    }
}

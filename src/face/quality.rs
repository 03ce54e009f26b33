//! How good a sample is, and why one is refused.
//!
//! The measures follow ISO/IEC 29794-5:2025 in spirit (inter-eye distance, sharpness, luminance, pose), computed in integers
//! on the aligned crop. The refusals are for samples that no matcher can use; a poor but usable one only gets a low score.

use std::fmt;

use super::align::SIDE;
use super::detect::Face;
use super::geometry::SUB;

/// Measures of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// Between the eyes, in pixels of the picture.
    pub eye_distance: i32,
    /// Mean luma of the inner face, 0..255.
    pub brightness: i32,
    /// Luma between its 5th and its 95th percentile, 0..255.
    pub contrast: i32,
    /// Mean absolute Laplacian over three pixels of the smoothed crop, in thousandths of the contrast.
    pub sharpness: i32,
    /// Place of the nose tip between the eyes, in percent: 50 is frontal, under 0 or over 100 is a profile.
    pub nose: i32,
}

/// Why no template is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Too few pixels between the eyes.
    Small {
        /// There are.
        pixels: i32,
        /// Are needed.
        least: i32,
    },
    /// Out of focus or moved.
    Blurred,
    /// Hardly any light on the face.
    Dark,
    /// Burnt out or washed out.
    Bright,
    /// Nothing but one tone.
    Flat,
    /// A profile.
    Turned,
    /// Not in the same place from one frame to the next.
    Moving,
    /// Nothing around the face by which to tell whether it is live.
    Filling,
}

// Each bound lies where a sample made worse on purpose (blurred, shrunk, darkened, brightened pictures of the calibration
// set) still agrees with the original by a cosine of about 0.5: docs/ref/quality.md has the table.

/// Least distance between the eyes in pixels.
const LEAST_EYE_DISTANCE: i32 = 10;
/// Least mean luma: below, the sensor's noise is as strong as the face.
const LEAST_BRIGHTNESS: i32 = 5;
/// Most mean luma: above, skin is clipped to white.
const MOST_BRIGHTNESS: i32 = 248;
/// Least luma range.
const LEAST_CONTRAST: i32 = 5;
/// Least sharpness. Good pictures have 150 to 350.
const LEAST_SHARPNESS: i32 = 45;
/// Most that the nose may stand outside of the eyes, in percent of their distance: a full profile stands further out.
const NOSE_OUTSIDE: i32 = 100;

/// Distance between the eyes that a live camera waits for: the crop that the embedder sees has 36 pixels there, so that a
/// smaller face would be enlarged by more than a fifth.
const GOOD_EYE_DISTANCE: i32 = 30;
/// Sharpness that a live camera waits for: twice what is refused.
const GOOD_SHARPNESS: i32 = 2 * LEAST_SHARPNESS;
/// Where the nose is on a face that looks at the camera, within about 30 degrees.
const GOOD_NOSE: std::ops::RangeInclusive<i32> = 0..=100;

/// Rows and columns of the crop that hold the inner face, from brows to chin.
const INNER: (std::ops::Range<usize>, std::ops::Range<usize>) = (36..104, 24..88);
/// Distance over which the Laplacian is taken, in pixels: a smaller one sees the noise of compression.
const REACH: usize = 3;

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small { pixels, least } => {
                write!(f, "the face is too small, {pixels} pixels between the eyes; {least} are needed: come closer")
            }
            Self::Moving => f.write_str("the face does not hold still"),
            Self::Blurred => f.write_str("the face is too blurred; hold still and in focus"),
            Self::Dark => f.write_str("the face is too dark; add light"),
            Self::Bright => f.write_str("the face is overexposed; take light away"),
            Self::Flat => f.write_str("the face has no contrast"),
            Self::Turned => f.write_str("the face is turned away; look at the camera"),
            Self::Filling => {
                f.write_str("the face fills the picture; move back, so that what is around it can be seen")
            }
        }
    }
}

impl Quality {
    /// Measures a face and its crop (rows of RGB pixels, 112x112).
    pub(super) fn measure(face: &Face, crop: &[u8]) -> Self {
        let luma = luma(crop);
        let smooth = smooth(&luma);
        let (rows, columns) = INNER;
        let mut histogram = [0; 256];
        let mut edges = 0;
        for i in rows.flat_map(|y| columns.clone().map(move |x| y * SIDE + x)) {
            histogram[luma[i] as usize] += 1;
            let around = [i - REACH, i + REACH, i - REACH * SIDE, i + REACH * SIDE];
            edges += (4 * smooth[i] - around.map(|n| smooth[n]).iter().sum::<i32>()).abs();
        }
        let count: i32 = histogram.iter().sum();
        let percentile = |percent: i32| {
            let mut below = 0;
            let found = histogram.iter().position(|n| {
                below += n;
                below * 100 > count * percent
            });
            found.unwrap_or(255) as i32
        };
        let sum: i32 = histogram.iter().zip(0..).map(|(n, v)| n * v).sum();
        let contrast = percentile(95) - percentile(5);
        let [left, right, nose, ..] = face.points.map(|p| (i64::from(p.x), i64::from(p.y)));
        let axis = (right.0 - left.0, right.1 - left.1);
        let along = (nose.0 - left.0) * axis.0 + (nose.1 - left.1) * axis.1;
        Self {
            eye_distance: face.points[0].distance(face.points[1]) / SUB,
            brightness: sum / count,
            contrast,
            sharpness: (i64::from(edges) * 1000 / (9 * i64::from(count * contrast.max(1)))) as i32,
            nose: (along * 100 / (axis.0 * axis.0 + axis.1 * axis.1).max(1)).clamp(-1000, 1000) as i32,
        }
    }

    /// The reason why no template should be made of it, the first that applies.
    pub fn flaw(&self) -> Option<Flaw> {
        if self.eye_distance < LEAST_EYE_DISTANCE {
            Some(Flaw::Small { pixels: self.eye_distance, least: LEAST_EYE_DISTANCE })
        } else if self.brightness < LEAST_BRIGHTNESS {
            Some(Flaw::Dark)
        } else if self.brightness > MOST_BRIGHTNESS {
            Some(Flaw::Bright)
        } else if self.contrast < LEAST_CONTRAST {
            Some(Flaw::Flat)
        } else if self.sharpness < LEAST_SHARPNESS {
            Some(Flaw::Blurred)
        } else if !(-NOSE_OUTSIDE..=100 + NOSE_OUTSIDE).contains(&self.nose) {
            Some(Flaw::Turned)
        } else {
            None
        }
    }

    /// The reason why a live camera should wait for a better frame, the first that applies: bounds that leave the matcher
    /// what it was made for, where there is another frame to be had.
    pub fn shortcoming(&self) -> Option<Flaw> {
        if self.eye_distance < GOOD_EYE_DISTANCE {
            Some(Flaw::Small { pixels: self.eye_distance, least: GOOD_EYE_DISTANCE })
        } else if let Some(flaw) = self.flaw() {
            Some(flaw)
        } else if self.sharpness < GOOD_SHARPNESS {
            Some(Flaw::Blurred)
        } else if !GOOD_NOSE.contains(&self.nose) {
            Some(Flaw::Turned)
        } else {
            None
        }
    }

    /// One number from 0 to 100: that of the worst measure.
    pub fn score(&self) -> u8 {
        let rise = |value: i32, from: i32, to: i32| ((value - from) * 100 / (to - from)).clamp(0, 100);
        let worst = [
            rise(self.eye_distance, 0, 60),
            rise(self.brightness, 0, 60).min(rise(-self.brightness, -255, -200)),
            rise(self.contrast, 0, 60),
            rise(self.sharpness, 0, 200),
            rise(-(self.nose - 50).abs(), -150, -20),
        ];
        worst.into_iter().min().unwrap_or(0) as u8
    }
}

/// Brightness of every pixel, ITU-R BT.601 weights in 1/256.
fn luma(crop: &[u8]) -> Vec<i32> {
    let weighted = |p: &[u8; 3]| 77 * i32::from(p[0]) + 150 * i32::from(p[1]) + 29 * i32::from(p[2]);
    crop.as_chunks().0.iter().map(|pixel| weighted(pixel) >> 8).collect()
}

/// Sums over 3x3 pixels; the border, which nothing reads, stays 0.
fn smooth(luma: &[i32]) -> Vec<i32> {
    let mut sums = vec![0; luma.len()];
    for y in 1..SIDE - 1 {
        for x in 1..SIDE - 1 {
            let row = |y: usize| luma[y * SIDE + x - 1..][..3].iter().sum::<i32>();
            sums[y * SIDE + x] = row(y - 1) + row(y) + row(y + 1);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::geometry::{Point, Rect};
    use super::*;

    fn face(eye_distance: i32) -> Face {
        let at = |x: i32, y: i32| Point { x: x * SUB, y: y * SUB };
        let e = eye_distance;
        let points = [at(0, 0), at(e, 0), at(e / 2, e / 2), at(0, e), at(e, e)];
        Face { bounds: Rect { min: at(-e, -e), max: at(2 * e, 2 * e) }, points, score: 0.9 }
    }

    fn crop(f: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        (0..SIDE * SIDE).flat_map(|i| [f(i % SIDE, i / SIDE); 3]).collect()
    }

    #[test]
    fn each_flaw_is_named() {
        let texture = |x: usize, y: usize| 60 + ((x / 5 + y / 5) % 2 * 80) as u8;
        let measure = |distance, crop: Vec<u8>| Quality::measure(&face(distance), &crop).flaw();
        assert_eq!(measure(60, crop(texture)), None);
        assert_eq!(measure(9, crop(texture)), Some(Flaw::Small { pixels: 9, least: 10 }));
        assert_eq!(measure(60, crop(|_, _| 3)), Some(Flaw::Dark));
        assert_eq!(measure(60, crop(|_, _| 254)), Some(Flaw::Bright));
        assert_eq!(measure(60, crop(|_, _| 128)), Some(Flaw::Flat));
        assert_eq!(measure(60, crop(|x, y| (x + y) as u8 / 2 + 40)), Some(Flaw::Blurred));
        let mut profile = face(60);
        profile.points[2].x = 130 * SUB;
        assert_eq!(Quality::measure(&profile, &crop(texture)).flaw(), Some(Flaw::Turned));
    }
}

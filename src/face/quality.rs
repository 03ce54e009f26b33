//! Measures the quality of a sample, and decides whether it is refused.
//!
//! The measures follow ISO/IEC 29794-5:2025 in spirit (inter-eye distance, sharpness, luminance, pose), computed in integers
//! on the aligned crop. Only samples that no matcher can use are refused; a poor but usable one gets a low score.

use std::fmt;

use super::align::{SIDE, align};
use super::found::Face;
use super::geometry::SUB;
use super::glasses::eyes_to_cheeks;
use crate::engine::Team;
use crate::media::{Frame, Rotation};
use crate::ops::counted;

/// Measures of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// The detector's confidence, in thousandths.
    pub confidence: i32,
    /// Between the eyes, in pixels of the picture.
    pub eye_distance: i32,
    /// Mean luma of the inner face, 0..255.
    pub brightness: i32,
    /// Share of the inner face that is clipped to white, in percent: no correction recovers it. It is for the camera, which can expose
    /// less, and no reason for refusal.
    pub clipped: i32,
    /// Luma between its 5th and its 95th percentile, 0..255.
    pub contrast: i32,
    /// Mean absolute second difference over three pixels of the smoothed crop, in thousandths of the contrast, in the direction of four in
    /// which it is least: a face that moved is blurred in one direction alone.
    pub sharpness: i32,
    /// Luma that four fifths of the region of an eye don't exceed, in percent of the cheek's below it, on the side where that is more: low
    /// with dark glasses. Only the camera uses it.
    pub eyes_to_cheeks: i32,
    /// Position of the nose tip between the eyes, in percent: 50 is frontal, under 0 or over 100 is a profile.
    pub yaw_percent: i32,
}

/// Why no template is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityDefect {
    /// Too few pixels between the eyes.
    Small {
        /// Actual pixels.
        pixels: i32,
        /// Needed pixels.
        least: i32,
    },
    /// Out of focus or moved.
    Blurred,
    /// Hardly any light on the face.
    Dark,
    /// Overexposed or washed out.
    Bright,
    /// Without contrast.
    Flat,
    /// A profile.
    Turned,
    /// Dark glasses over the eyes.
    Sunglasses,
    /// Not in the same place from one frame to the next.
    Moving,
    /// Without the surroundings that the liveness model needs.
    Filling,
    /// Not confirmed by the second detection: no face, or hardly one.
    Unclear,
    /// Not upright in a camera's picture, which has to be turned by this.
    Lying(Rotation),
}

// The bounds were chosen on deliberately degraded pictures of the calibration set, so that they leave no sample that no matcher can
// use, and refuse one good picture in a hundred at most: docs/ref/quality.md has the tables.

/// Least distance between the eyes in pixels.
const LEAST_EYE_DISTANCE: i32 = 10;
/// Least mean luma: below, the sensor's noise is as strong as the face.
const LEAST_BRIGHTNESS: i32 = 5;
/// Most mean luma: above, skin is clipped to white.
const MOST_BRIGHTNESS: i32 = 248;
/// Luma from which a pixel counts as clipped to white: JPEG moves it by a few levels.
const WHITE: usize = 250;
/// Least luma range.
const LEAST_CONTRAST: i32 = 5;
/// Least sharpness. Good pictures have 75 to 200; one that moved by a third of the distance of its eyes has 45, which is left to the
/// correction of the similarity of poor samples.
const LEAST_SHARPNESS: i32 = 40;
/// Most that the nose may be outside of the eyes, in percent of their distance: for a full profile it is further out.
const NOSE_OUTSIDE: i32 = 100;

/// Least length of the embedding before it is scaled. Press pictures have 12.5, and one in three thousand under 8; people before a bright
/// window 7; background and animals that the second detection does not refuse 3.
const LEAST_NORM: f64 = 6.0;
/// The same where the confidence of the second detection is low: a dog's face reaches 9.5.
const LEAST_NORM_IN_DOUBT: f64 = 10.0;
/// Confidence from which it is high, in thousandths. All but one in two hundred pictures reach it.
const SURE: i32 = 900;
/// Lengths that count as 0 and as 100.
const NORMS: (f64, f64) = (8.0, 12.0);

/// Distance between the eyes that a live camera waits for: the crop that the embedder sees has 36 pixels there, so that a
/// smaller face would be enlarged by more than a fifth.
const GOOD_EYE_DISTANCE: i32 = 30;
/// Sharpness that a live camera waits for: all but one in two hundred good pictures have it.
const GOOD_SHARPNESS: i32 = 75;
/// Least luma of the eyes, in percent of the cheeks', that a live camera waits for. Bare eyes have 48 at least, in light from above; two
/// of three dark glasses have less: docs/ref/quality.md has the figures. A higher bound would make people without glasses wait.
const GOOD_EYES: i32 = 47;
/// Position of the nose on a face that looks at the camera, within about 30 degrees.
const GOOD_NOSE: std::ops::RangeInclusive<i32> = 0..=100;

/// Rows and columns of the crop that hold the inner face, from brows to chin.
pub(super) const INNER: (std::ops::Range<usize>, std::ops::Range<usize>) = (36..104, 24..88);
/// Distance over which second differences are taken, in pixels: a smaller one would measure compression noise.
const REACH: usize = 3;
/// From a pixel to its neighbor across, below, and on both diagonals.
const DIRECTIONS: [usize; 4] = [1, SIDE, SIDE + 1, SIDE - 1];

impl QualityDefect {
    /// Its word in replies, which stays the same.
    pub fn word(self) -> &'static str {
        match self {
            Self::Small { .. } => "too_small",
            Self::Blurred => "too_blurred",
            Self::Dark => "too_dark",
            Self::Bright => "overexposed",
            Self::Flat => "no_contrast",
            Self::Turned => "turned_away",
            Self::Sunglasses => "sunglasses",
            Self::Moving => "moving",
            Self::Filling => "fills_picture",
            Self::Unclear => "unclear",
            Self::Lying(_) => "not_upright",
        }
    }

    /// The defect of a face that the second detection does not confirm, as far as can be told.
    pub(super) fn of_unconfirmed(frame: &Frame, face: &Face) -> Self {
        Quality::measure(face, &align(frame, &face.points, &Team::default())).defect_of_unconfirmed()
    }
}

impl fmt::Display for QualityDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small { pixels, least } => {
                let between = counted(pixels, "pixel", "pixels");
                write!(f, "the face is too small, {between} between the eyes; {least} are needed: come closer")
            }
            Self::Moving => f.write_str("the face does not hold still"),
            Self::Blurred => f.write_str("the face is too blurred; hold still and in focus"),
            Self::Dark => f.write_str("the face is too dark; add light"),
            Self::Bright => f.write_str("the face is overexposed; take light away"),
            Self::Flat => f.write_str("the face has no contrast"),
            Self::Turned => f.write_str("the face is turned away; look at the camera"),
            Self::Sunglasses => f.write_str("dark glasses cover the eyes; take off the sunglasses"),
            Self::Filling => {
                f.write_str("the face fills the picture; move back, so that what is around it can be seen")
            }
            Self::Unclear => {
                f.write_str("no face can be made out for sure; show all of it, sharp, evenly lit and uncovered")
            }
            Self::Lying(turn) => {
                write!(
                    f,
                    "the camera's picture is not upright; turn it by {} degrees more with camera.rotate",
                    turn.degrees()
                )
            }
        }
    }
}

#[cfg(test)]
impl Quality {
    /// Nothing is wrong with it.
    pub(super) const GOOD: Self = Self {
        confidence: 940,
        eye_distance: 80,
        brightness: 120,
        clipped: 0,
        contrast: 100,
        sharpness: 250,
        eyes_to_cheeks: 90,
        yaw_percent: 50,
    };
}

impl Quality {
    /// Measures a face and its crop (rows of RGB pixels, 112x112).
    pub(super) fn measure(face: &Face, crop: &[u8]) -> Self {
        let luma = luma(crop);
        let smooth = smooth(&luma);
        let (rows, columns) = INNER;
        let mut histogram = [0; 256];
        let mut edges = [0; DIRECTIONS.len()];
        for i in rows.flat_map(|y| columns.clone().map(move |x| y * SIDE + x)) {
            histogram[luma[i] as usize] += 1;
            for (edges, step) in edges.iter_mut().zip(DIRECTIONS) {
                *edges += (2 * smooth[i] - smooth[i - REACH * step] - smooth[i + REACH * step]).abs();
            }
        }
        let edges = edges.into_iter().min().unwrap_or(0);
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
            confidence: (face.score * 1000.0).round() as i32,
            eye_distance: face.points[0].distance(face.points[1]) / SUB,
            brightness: sum / count,
            clipped: histogram[WHITE..].iter().sum::<i32>() * 100 / count,
            contrast,
            sharpness: (i64::from(edges) * 1000 / (9 * i64::from(count * contrast.max(1)))) as i32,
            eyes_to_cheeks: eyes_to_cheeks(&luma),
            yaw_percent: (along * 100 / (axis.0 * axis.0 + axis.1 * axis.1).max(1)).clamp(-1000, 1000) as i32,
        }
    }

    /// The reason why no template should be made of it, the first that applies.
    pub fn defect(&self) -> Option<QualityDefect> {
        if self.eye_distance < LEAST_EYE_DISTANCE {
            Some(QualityDefect::Small { pixels: self.eye_distance, least: LEAST_EYE_DISTANCE })
        } else if self.brightness < LEAST_BRIGHTNESS {
            Some(QualityDefect::Dark)
        } else if self.brightness > MOST_BRIGHTNESS {
            Some(QualityDefect::Bright)
        } else if self.contrast < LEAST_CONTRAST {
            Some(QualityDefect::Flat)
        } else if self.sharpness < LEAST_SHARPNESS {
            Some(QualityDefect::Blurred)
        } else if !(-NOSE_OUTSIDE..=100 + NOSE_OUTSIDE).contains(&self.yaw_percent) {
            Some(QualityDefect::Turned)
        } else {
            None
        }
    }

    /// Whether the face looks at the camera, within about 30 degrees to the left and right.
    pub(super) fn is_frontal(&self) -> bool {
        GOOD_NOSE.contains(&self.yaw_percent)
    }

    /// The defect of a face that the second detection does not confirm.
    pub(super) fn defect_of_unconfirmed(&self) -> QualityDefect {
        self.defect().unwrap_or(QualityDefect::Unclear)
    }

    /// The reason why a live camera should wait for a better frame, the first that applies: stricter bounds, within the range that the
    /// matcher was trained for, since another frame will come.
    pub fn capture_defect(&self) -> Option<QualityDefect> {
        if self.eye_distance < GOOD_EYE_DISTANCE {
            Some(QualityDefect::Small { pixels: self.eye_distance, least: GOOD_EYE_DISTANCE })
        } else if let Some(defect) = self.defect() {
            Some(defect)
        } else if self.eyes_to_cheeks < GOOD_EYES {
            // Checked before sharpness: lenses are smooth, and may be what makes the face look blurred.
            Some(QualityDefect::Sunglasses)
        } else if self.sharpness < GOOD_SHARPNESS {
            Some(QualityDefect::Blurred)
        } else if !self.is_frontal() {
            Some(QualityDefect::Turned)
        } else {
            None
        }
    }

    /// The reason why no template should be made of an embedding of this length.
    pub(super) fn defect_of_embedding(&self, norm: f64) -> Option<QualityDefect> {
        let least = if self.confidence < SURE { LEAST_NORM_IN_DOUBT } else { LEAST_NORM };
        (norm < least).then_some(QualityDefect::Unclear)
    }

    /// The quality from 0 to 100: the lowest of the measures' scores, the embedding's length included.
    pub(super) fn score(&self, norm: f64) -> u8 {
        let (from, to) = NORMS;
        let clear = ((norm - from) * 100.0 / (to - from)).round().clamp(0.0, 100.0) as u8;
        self.measured().min(clear)
    }

    /// The same without the embedding.
    pub fn measured(&self) -> u8 {
        let rise = |value: i32, from: i32, to: i32| ((value - from) * 100 / (to - from)).clamp(0, 100);
        let worst = [
            rise(self.eye_distance, 5, 25),
            rise(self.brightness, 0, 25).min(rise(-self.brightness, -255, -230)),
            rise(self.contrast, 0, 40),
            rise(self.sharpness, 55, 120),
            rise(-(self.yaw_percent - 50).abs(), -150, -50),
        ];
        worst.into_iter().min().unwrap_or(0) as u8
    }
}

/// Weights of red, green and blue in luma, in 1/256 (ITU-R BT.601).
pub(super) const LUMA: [u8; 3] = [77, 150, 29];

/// Luma of a pixel, in 1/256.
pub(super) fn luma_of(pixel: &[u8; 3]) -> u32 {
    pixel.iter().zip(LUMA).map(|(&value, weight)| u32::from(value) * u32::from(weight)).sum()
}

/// Luma of every pixel.
fn luma(crop: &[u8]) -> Vec<i32> {
    crop.as_chunks().0.iter().map(|pixel| (luma_of(pixel) >> 8) as i32).collect()
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
    fn each_quality_defect_is_detected() {
        let texture = |x: usize, y: usize| 60 + ((x / 5 + y / 5) % 2 * 80) as u8;
        let measure = |distance, crop: Vec<u8>| Quality::measure(&face(distance), &crop).defect();
        assert_eq!(measure(60, crop(texture)), None);
        assert_eq!(measure(9, crop(texture)), Some(QualityDefect::Small { pixels: 9, least: 10 }));
        assert_eq!(measure(60, crop(|_, _| 3)), Some(QualityDefect::Dark));
        assert_eq!(measure(60, crop(|_, _| 254)), Some(QualityDefect::Bright));
        assert_eq!(measure(60, crop(|_, _| 128)), Some(QualityDefect::Flat));
        assert_eq!(measure(60, crop(|x, y| (x + y) as u8 / 2 + 40)), Some(QualityDefect::Blurred));
        let mut profile = face(60);
        profile.points[2].x = 130 * SUB;
        assert_eq!(Quality::measure(&profile, &crop(texture)).defect(), Some(QualityDefect::Turned));
    }

    #[test]
    fn clipping_is_measured_as_a_share_of_the_inner_face() {
        let clipped = |crop: Vec<u8>| Quality::measure(&face(60), &crop).clipped;
        let (rows, columns) = INNER;
        let middle = (columns.start + columns.end) / 2;
        assert_eq!(clipped(crop(|x, _| if x < middle { 250 } else { 249 })), 50);
        assert_eq!(clipped(crop(|x, y| if rows.contains(&y) && columns.contains(&x) { 249 } else { 255 })), 0);
        assert_eq!(clipped(crop(|_, _| 255)), 100);
    }
}

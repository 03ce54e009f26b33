//! What one frame tells about the light on a face and about where the head is.

use super::fit::Sample;
use super::patches::{Patches, patches};
use crate::face::geometry::{Point, SUB};
use crate::media::Frame;

/// How far a head may turn during a schedule.
pub(super) struct Turning {
    /// Most that the nose may move against the eyes, in eye distances.
    turn: f64,
    /// The same up and down, in distances from eyes to mouth.
    nod: f64,
}

/// With which there is a verdict: about ten degrees. A head that turns shows other skin to the lamps, whose colors differ: with turning heads
/// every tenth person is missed.
pub(super) const ALLOWED: Turning = Turning { turn: 0.17, nod: 0.12 };

/// With which a face that does not follow the colors tells of an attack. Between this and what is allowed one person in nine is missed at 3 %
/// of light, in clips of two people, and none in 24 tries with less.
pub(super) const STILL: Turning = Turning { turn: 0.08, nod: 0.06 };

/// Most that the head may move in the picture during a schedule, in eye distances.
const IN_PLACE: f64 = 1.0;

/// Most that the eye distance may change during a schedule, as a ratio.
const NEARER: f64 = 1.25;

/// Frames that may lie outside of these bounds at either end, in percent: five points of a small face tremble.
const OUTLIERS_PERCENT: usize = 5;

/// The face in one frame while a schedule is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// When the frame was taken, in seconds since the schedule began; may be negative.
    pub at: f64,
    /// Light of the patches.
    pub patches: Patches,
    /// Nose along the eyes, from the middle between them, in eye distances.
    yaw: f64,
    /// Nose between eyes (0) and mouth (1).
    pitch: f64,
    /// Middle between the eyes in pixels.
    middle: [f64; 2],
    /// Between the eyes, in pixels.
    eye_distance: f64,
}

impl Observation {
    /// Observes a face with these five points, as [`Face`](crate::face::Face) has them, in a frame that was taken at
    /// `at`. `None` where the light can't be told, see [`patches()`], or where the points are no face.
    pub fn of(frame: &Frame, points: &[Point; 5], at: f64) -> Option<Self> {
        let patches = patches(frame, points)?;
        let pixels = points.map(|p| [p.x, p.y].map(|v| f64::from(v) / f64::from(SUB)));
        let [left, right, nose, low_left, low_right] = pixels;
        let between = |a: [f64; 2], b: [f64; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let from = |a: [f64; 2], b: [f64; 2]| [b[0] - a[0], b[1] - a[1]];
        // How far along `axis` the nose is, as a share of its length.
        let (middle, axis) = (between(left, right), from(left, right));
        let along = |axis: [f64; 2]| {
            let nose = from(middle, nose);
            let square = axis[0] * axis[0] + axis[1] * axis[1];
            (square > 0.0).then(|| (nose[0] * axis[0] + nose[1] * axis[1]) / square)
        };
        Some(Self {
            at,
            patches,
            yaw: along(axis)?,
            pitch: along(from(middle, between(low_left, low_right)))?,
            middle,
            eye_distance: (axis[0] * axis[0] + axis[1] * axis[1]).sqrt(),
        })
    }

    /// log(R/G) and log(B/G), averaged over the patches.
    pub(super) fn sample(&self) -> Sample {
        let mean = |channel: usize| {
            let ratio = |patch: &[f32; 3]| libm::log(f64::from(patch[channel]) / f64::from(patch[1]));
            self.patches.iter().map(ratio).sum::<f64>() / self.patches.len() as f64
        };
        Sample { at: self.at, chroma: [mean(0), mean(2)] }
    }

    /// Mean linear green of the patches, 0..1.
    pub(in crate::face::liveness) fn light(&self) -> f64 {
        self.patches.iter().map(|patch| f64::from(patch[1])).sum::<f64>() / self.patches.len() as f64
    }
}

/// Median distance between the eyes, in pixels; 0 of none.
pub(in crate::face::liveness) fn eye_distance(observations: &[Observation]) -> f64 {
    let sorted = sorted(observations, |o| o.eye_distance);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Whether the head moved, or turned by more than `most`, so that the light on it can't be compared.
pub(super) fn moved(observations: &[Observation], most: &Turning) -> bool {
    let range = |of: fn(&Observation) -> f64| {
        let sorted = sorted(observations, of);
        let outliers = sorted.len() * OUTLIERS_PERCENT / 100;
        match (sorted.get(outliers), sorted.iter().rev().nth(outliers)) {
            (Some(least), Some(most)) => (*least, *most),
            _ => (0.0, 0.0),
        }
    };
    let width = |(least, most): (f64, f64)| most - least;
    let (nearest, farthest) = (range(|o| o.eye_distance).1, range(|o| o.eye_distance).0);
    let place = IN_PLACE * eye_distance(observations);
    width(range(|o| o.yaw)) > most.turn
        || width(range(|o| o.pitch)) > most.nod
        || width(range(|o| o.middle[0])) > place
        || width(range(|o| o.middle[1])) > place
        || nearest > NEARER * farthest
}

fn sorted(observations: &[Observation], of: fn(&Observation) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = observations.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const FACE: [(f64, f64); 5] = [(60.0, 70.0), (100.0, 70.0), (80.0, 90.0), (65.0, 112.0), (95.0, 112.0)];

    fn points(move_nose: (f64, f64), shift: f64) -> [Point; 5] {
        let mut points = FACE.map(|(x, y)| (x + shift, y));
        points[2] = (points[2].0 + move_nose.0, points[2].1 + move_nose.1);
        points.map(|(x, y)| Point { x: (x * 256.0) as i32, y: (y * 256.0) as i32 })
    }

    /// A face of one color, its nose moved by these pixels and all of it by `shift`.
    pub(in super::super) fn observed(at: f64, color: [u8; 3], nose: (f64, f64), shift: f64) -> Observation {
        let frame = Frame::new(200, 200, color.repeat(200 * 200));
        Observation::of(&frame, &points(nose, shift), at).unwrap()
    }

    #[test]
    fn pose_and_color_are_read_off_points_and_patches() {
        let seen = observed(0.5, [188, 128, 64], (4.0, 0.0), 0.0);
        assert_eq!((seen.at, seen.eye_distance, seen.middle), (0.5, 40.0, [80.0, 70.0]));
        assert!((seen.yaw - 0.1).abs() < 1e-9 && (seen.pitch - 20.0 / 42.0).abs() < 1e-9, "{seen:?}");
        let [red, blue] = seen.sample().chroma;
        // Linear light 0.503, 0.216 and 0.0513.
        assert!((red - 0.845).abs() < 0.01 && (blue + 1.437).abs() < 0.01, "{red} {blue}");
        assert!((seen.light() - 0.216).abs() < 0.001);
    }

    #[test]
    fn turning_nodding_and_walking_heads_have_moved() {
        let over_time = |nose: fn(i32) -> (f64, f64), shift: fn(i32) -> f64| {
            let at = |i: i32| observed(f64::from(i) / 20.0, [128; 3], nose(i), shift(i));
            moved(&(0..40).map(at).collect::<Vec<_>>(), &ALLOWED)
        };
        assert!(!over_time(|i| (f64::from(i % 3), f64::from(i % 2)), |i| f64::from(i) / 4.0));
        assert!(over_time(|i| (f64::from(i) / 4.0, 0.0), |_| 0.0), "it turns");
        assert!(over_time(|i| (0.0, f64::from(i) / 4.0), |_| 0.0), "it nods");
        assert!(over_time(|_| (0.0, 0.0), |i| 1.5 * f64::from(i)), "it walks");
        assert!(!over_time(|i| (if i == 7 { 15.0 } else { 0.0 }, 0.0), |_| 0.0), "one frame is wrong");
        assert!(!moved(&[], &STILL));
    }
}

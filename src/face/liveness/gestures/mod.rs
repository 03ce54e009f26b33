//! Looks for gestures in the frames of a submitted medium whose tags say that it holds them.
//!
//! A [`GestureWatch`] takes the landmarks of the subject frame by frame, and tells at the end which gestures were made, and how far. It
//! knows no time: a gesture is held if enough of the frames that are looked at show it. It is no defense: what is in a recording may have
//! been recorded for this, long ago, or played to the camera. Nor does it tell one person from another.

mod features;
mod gesture;
mod sustained;

pub use gesture::Gesture;

use self::features::Features;
use self::sustained::{Shown, sustained};
use super::turn::{Direction, Held, Pose, Reference, Turn};
use crate::face::geometry::Point;
use crate::face::mesh::Mesh;

/// Whether a gesture was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenGesture {
    /// Which one.
    pub gesture: Gesture,
    /// `None` where that can't be told: of a scan never, of a blink that was not seen.
    pub seen: Option<bool>,
    /// Share of what is needed, 0 or more: 1 or more exactly if it was seen. `None` for one that can't be told.
    pub amplitude: Option<f64>,
}

/// Collects the faces of the subject, in the order of the frames.
#[derive(Debug, Default)]
pub(super) struct GestureWatch {
    faces: Vec<(Mesh, [Point; 5])>,
}

/// Frames that have to show a smile or another size, as for a turn: single ones err.
const FRAMES: usize = Held::FRAMES as usize;
/// Frames with closed eyes: of a blink of a quarter of a second, one of the frames that are looked at in a clip of eight seconds.
const BLINK_FRAMES: usize = 1;
/// How many times as large the face becomes, or as small.
const ZOOM: f64 = 1.3;
/// Largest parallax with which eyes and mouth are measured, in eye distances: about 15 degrees. From the side or from below all are of other
/// shape.
const STRAIGHT: f64 = 0.25;
/// How much wider the mouth becomes by a smile: a broad one reached 0.28, a mouth that moves with the head or in speech 0.11.
const WIDER: f64 = 0.15;
/// How far its corners rise by one, in eye distances: by the broad one 0.08.
const RISE: f64 = 0.025;
/// By how much the eyes close, as a share of how far they usually are open. Eyes that stay open seem to close by up to 0.26; the one
/// blink in the development clips moved the landmarks by 0.13.
const CLOSED: f64 = 0.35;

impl GestureWatch {
    /// Takes the subject of the next frame: its landmarks and the detector's points.
    pub(super) fn push(&mut self, mesh: Mesh, points: [Point; 5]) {
        self.faces.push((mesh, points));
    }

    /// Whether these gestures were made, in their order. Where no face was large and frontal enough to compare with, none was.
    pub(super) fn seen(&self, wanted: &[Gesture]) -> Vec<SeenGesture> {
        let measured = Measured::of(&self.faces);
        let told = |(at, gesture): (usize, &Gesture)| {
            let other_side = wanted[..at].iter().any(|g| g.is_sideways());
            let amplitude = measured.amplitude(*gesture, other_side);
            // The landmarks hardly follow lids, and a blink may fall between two frames: that none was seen does not mean that none was.
            let is_told = |seen: &bool| *seen || *gesture != Gesture::Eyes;
            SeenGesture { gesture: *gesture, seen: amplitude.map(|a| a >= 1.0).filter(is_told), amplitude }
        };
        wanted.iter().enumerate().map(told).collect()
    }
}

/// The frames of a medium, compared with each other.
struct Measured {
    /// Where there is a reference.
    turns: Vec<Turn>,
    /// Of all faces that are large enough.
    all: Vec<Features>,
    /// Of those that look straight ahead.
    straight: Vec<Features>,
}

impl Measured {
    fn of(faces: &[(Mesh, [Point; 5])]) -> Self {
        let mut measured = Self { turns: vec![], all: vec![], straight: vec![] };
        let reference = Reference::least_turned(faces.iter().map(|(mesh, points)| (mesh, points)));
        for (mesh, points) in faces {
            let features = Features::of(mesh);
            measured.all.extend(features);
            let Some(turn) = reference.as_ref().and_then(|reference| reference.compare(mesh, points)) else { continue };
            measured.turns.push(turn);
            if turn.x.abs() <= STRAIGHT && turn.y.abs() <= STRAIGHT {
                measured.straight.extend(features);
            }
        }
        measured
    }

    /// Share of what a gesture needs. `other_side` asks for the side to which the head turned less.
    fn amplitude(&self, gesture: Gesture, other_side: bool) -> Option<f64> {
        Some(match gesture {
            // Selfies are stored mirrored or not, and nothing tells which.
            Gesture::Left | Gesture::Right => {
                let (left, right) = (self.turned(Direction::Left), self.turned(Direction::Right));
                if other_side { left.min(right) } else { left.max(right) }
            }
            Gesture::High => self.turned(Direction::Up),
            Gesture::Down => self.turned(Direction::Down),
            Gesture::Smile => self.smiled(),
            Gesture::Eyes => self.blinked(),
            Gesture::ZoomIn => self.zoomed(|eyes, nose| eyes.min(nose) - 1.0),
            Gesture::ZoomOut => self.zoomed(|eyes, nose| 1.0 / eyes.max(nose) - 1.0),
            Gesture::Scan => return None,
        })
    }

    fn turned(&self, direction: Direction) -> f64 {
        let shown = |turn: &Turn| match Pose::of(turn) {
            Pose::Centered => Shown::Neutral,
            Pose::Toward(to) if to != direction => Shown::Neutral,
            Pose::Toward(_) => Shown::Share((direction.along((turn.x, turn.y)) / direction.needed()).max(1.0)),
            Pose::Partial { direction: to, amplitude } if to == direction => Shown::Share(amplitude),
            Pose::Partial { .. } => Shown::Share(0.0),
        };
        sustained(self.turns.iter().map(shown), FRAMES)
    }

    /// By the mouth that is wider than in a quarter of the frames, with corners that rise above those of a quarter.
    fn smiled(&self) -> f64 {
        let quarter = |measure: fn(&Features) -> f64| quantile(&self.straight, 4, measure);
        let (Some(width), Some(lift)) = (quarter(|f| f.mouth), quarter(|f| f.lift)) else {
            return 0.0;
        };
        let share = |f: &Features| ((f.mouth / width - 1.0) / WIDER).min((f.lift - lift) / RISE);
        sustained(self.straight.iter().map(|f| Shown::of(share(f))), FRAMES)
    }

    fn blinked(&self) -> f64 {
        let Some(open) = quantile(&self.straight, 2, |f| f.openness) else { return 0.0 };
        let share = |f: &Features| (1.0 - f.openness / open) / CLOSED;
        sustained(self.straight.iter().map(|f| Shown::of(share(f))), BLINK_FRAMES)
    }

    /// By how much the face grows, of the size with which it begins; `grown` takes how many times as far apart the eyes are, and as long
    /// the nose. A turn of the head changes one of them only.
    fn zoomed(&self, grown: impl Fn(f64, f64) -> f64) -> f64 {
        let begin = &self.all[..FRAMES.min(self.all.len())];
        let (Some(eyes), Some(nose)) = (quantile(begin, 2, |f| f.eyes), quantile(begin, 2, |f| f.nose)) else {
            return 0.0;
        };
        let share = |f: &Features| grown(f.eyes / eyes, f.nose / nose) / (ZOOM - 1.0);
        sustained(self.all.iter().map(|f| Shown::of(share(f))), FRAMES)
    }
}

/// What a measure is in one of so many `parts` of faces at the most: the median for two. `None` if there is no face.
fn quantile(of: &[Features], parts: usize, measure: impl Fn(&Features) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = of.iter().map(measure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / parts).copied()
}

#[cfg(test)]
mod tests;

//! Measures by parallax how far a head has turned since a frontal frame: what a sheet of paper or a screen cannot show.
//!
//! The landmarks of a flat picture, however it is moved before a camera, obey `b = A a + t` with a the landmarks of the reference frame,
//! and with quadratic terms if it is bent or near. Of a head that turns, a landmark is shifted besides by e times its height above the
//! face, and e is the sine of the turn. A, t, the quadratic terms and e are the least-squares solution over the landmarks that move with
//! the skull; heights are the mean ones of other faces ([`relief`](self::relief)), never the ones that the landmark model guesses of this
//! frame. The detector's five points are a second witness for turns sideways ([`nose`](self::nose)). What must come together for a turn is
//! in [`pose`](self::pose), how many frames must show it in [`held`](self::held).
//!
//! The landmark model was trained on heads, and may see one in a sheet: docs/design/liveness.md tells by which sheets how much parallax is
//! shown. Nothing here tracks, knows the time, or tells one person from another: a turn counts only if the caller knows that both frames
//! show the same person.

mod fit;
mod held;
mod nose;
mod pose;
mod relief;

pub(in crate::face) use held::Held;
pub use pose::Direction;
pub(in crate::face) use pose::Pose;

use self::fit::{LeastSquares, Linear};
use self::nose::NoseReference;
use self::relief::RELIEF;
use super::super::geometry::Point;
use super::super::mesh::{EYE_CORNERS, Mesh};

/// Least distance of the outer corners of the eyes in a reference, in pixels: with 24, 20 of 21 sides to which six people turn are found,
/// with 16 half.
const LEAST_EYE_DISTANCE: f64 = 20.0;
/// The same in the frame that is compared, for the scale of the face without foreshortening: a head that is thrown back is smaller.
const LEAST_SCALE: f64 = 12.0;
/// Bound on coordinates in pixels, so that all sums of products stay finite.
const FAR: f32 = 1e6;
/// How far the reference may be turned sideways: tangent of 12 degrees.
const MOST_YAW: f64 = 0.2;
/// How far the chin of the reference may be nearer to the camera than that of the mean face, as where the camera stands low; and how far
/// farther. Tangents of 27 and 17 degrees. From a lowered head no further lowering could be seen.
const MOST_RAISED: f64 = 0.5;
const MOST_LOWERED: f64 = 0.3;

/// A frontal frame with which others are compared. The distance of its outer eye corners is the unit of all measures.
#[derive(Clone, Debug)]
pub(in crate::face) struct Reference {
    /// By 1, x, y, xx, xy, yy and height.
    fit: LeastSquares<7>,
    nose: NoseReference,
    /// Between the corners of the eyes, in pixels.
    eyes: f64,
}

/// How a frame differs from the reference. Lengths are in distances of the outer eye corners of the reference, after undoing scale and turn
/// within the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::face) struct Turn {
    /// Parallax of the mesh to the right in the picture: the sine of the turn for a head of the mean relief.
    pub(in crate::face) x: f64,
    /// The same down.
    pub(in crate::face) y: f64,
    /// Parallax of the nose to the right by the detector's five points, in distances of the reference's eyes.
    pub(in crate::face) nose: f64,
    /// By how much the face is foreshortened, as the ratio of the two scales of A, 0..1: 1 is not at all; the cosine of the turn for a head
    /// or sheet that was frontal.
    pub(in crate::face) squeeze: f64,
    /// Root mean square of what the solution leaves.
    pub(in crate::face) residual: f64,
}

impl Reference {
    /// A reference; `None` where the face is not frontal or too small, or the points are not those of a face.
    pub(in crate::face) fn new(mesh: &Mesh, points: &[Point; 5]) -> Option<Self> {
        let eyes = eye_distance(mesh)?;
        let (x, y) = rigid(mesh, eyes)?;
        let mean = RELIEF.iter().map(|(_, place)| height(place)).sum::<f64>() / RELIEF.len() as f64;
        let rows = RELIEF
            .iter()
            .zip(x.iter().zip(&y))
            .map(|((_, place), (&x, &y))| [1.0, x, y, x * x, x * y, y * y, height(place) - mean]);
        let fit = LeastSquares::new(rows.collect())?;
        is_frontal(mesh, eyes).then_some(())?;
        Some(Self { fit, nose: NoseReference::new(points)?, eyes })
    }

    /// The one from which the others are turned least, among the frames that give one.
    pub(in crate::face) fn least_turned<'a>(
        faces: impl Iterator<Item = (&'a Mesh, &'a [Point; 5])> + Clone,
    ) -> Option<Self> {
        let aside = |reference: &Self| -> f64 {
            let turns = faces.clone().filter_map(|(mesh, points)| reference.compare(mesh, points));
            turns.map(|turn| turn.x.abs() + turn.y.abs()).sum()
        };
        let references = faces.clone().filter_map(|(mesh, points)| Self::new(mesh, points));
        let least = references.map(|reference| (aside(&reference), reference)).min_by(|(a, _), (b, _)| a.total_cmp(b));
        least.map(|(_, reference)| reference)
    }

    /// How the face of another frame is turned against the reference; `None` where the points are not those of a face.
    pub(in crate::face) fn compare(&self, mesh: &Mesh, points: &[Point; 5]) -> Option<Turn> {
        let (x, y) = rigid(mesh, self.eyes)?;
        let (across, along) = (self.fit.solve(&x), self.fit.solve(&y));
        let map = Linear { right: [across[1], along[1]], down: [across[2], along[2]] };
        let stretch = map.taken_apart()?;
        if stretch.most * self.eyes < LEAST_SCALE {
            return None;
        }
        let [dx, dy] = stretch.turned_back([across[6], along[6]]);
        let left = self.fit.squares_left(&x, &across) + self.fit.squares_left(&y, &along);
        let turn = Turn {
            x: dx / stretch.most,
            y: dy / stretch.most,
            nose: self.nose.aside(points)?,
            squeeze: stretch.least / stretch.most,
            residual: (left / RELIEF.len() as f64).sqrt() / stretch.most,
        };
        let finite = [turn.x, turn.y, turn.nose, turn.squeeze, turn.residual].iter().all(|v| v.is_finite());
        finite.then_some(turn)
    }
}

/// Between the outer corners of the eyes, in pixels; `None` if that is too little.
fn eye_distance(mesh: &Mesh) -> Option<f64> {
    let [left, right] = EYE_CORNERS.map(|i| mesh.points[i].map(f64::from));
    let (dx, dy) = (right[0] - left[0], right[1] - left[1]);
    let distance = (dx * dx + dy * dy).sqrt();
    (distance >= LEAST_EYE_DISTANCE).then_some(distance)
}

/// x and y of the landmarks of [`RELIEF`] from their mean, in `unit` pixels; `None` if one is not a place in a picture.
fn rigid(mesh: &Mesh, unit: f64) -> Option<(Vec<f64>, Vec<f64>)> {
    let used = || RELIEF.iter().map(|(i, _)| mesh.points[usize::from(*i)]);
    // NaN, too, is not within.
    if !used().flatten().all(|v| v.abs() <= FAR) {
        return None;
    }
    let axis = |axis: usize| {
        let mean = used().map(|p| f64::from(p[axis])).sum::<f64>() / RELIEF.len() as f64;
        used().map(|p| (f64::from(p[axis]) - mean) / unit).collect()
    };
    Some((axis(0), axis(1)))
}

/// Whether the face looks into the camera, by the depths that the landmark model guesses: that a reference is frontal is for measuring
/// well, not for telling a head from a sheet.
fn is_frontal(mesh: &Mesh, eyes: f64) -> bool {
    let [left, right] = EYE_CORNERS.map(|i| mesh.points[i].map(f64::from));
    let (cos, sin) = ((right[0] - left[0]) / eyes, (right[1] - left[1]) / eyes);
    let (mut rows, mut nearer) = (vec![], vec![]);
    for (i, place) in &RELIEF {
        let [x, y, z] = mesh.points[usize::from(*i)].map(f64::from);
        let (x, y) = (x - left[0], y - left[1]);
        rows.push([1.0, (cos * x + sin * y) / eyes, (cos * y - sin * x) / eyes]);
        nearer.push(-z / eyes - height(place));
    }
    let Some(fit) = LeastSquares::new(rows) else { return false };
    let [_, right, down] = fit.solve(&nearer);
    right.abs() <= MOST_YAW && (-MOST_LOWERED..=MOST_RAISED).contains(&down)
}

/// Height of a place above the face, toward the viewer, in eye distances.
fn height(place: &[i16; 3]) -> f64 {
    f64::from(place[2]) / 1000.0
}

#[cfg(test)]
pub(super) mod tests;

//! Whose face it is: the person that a picture is of, or why that can't be said.
//!
//! The largest face is the subject. Another face is a second person if it is *comparable*: at least `COMPARABLE_PERCENT`
//! of the subject's area, at least `SURE`, and not cut by the edge of the picture. Smaller faces are people in the
//! background; a face at the edge is a neighbor who was cut off. If the largest face is itself cut or doubtful, nobody can
//! say that it is the subject: then a whole and sure face of a quarter of its area is enough to refuse.

use super::detect::Face;
use super::geometry::{Point, Rect, SUB};
use crate::media::Frame;

/// Area of a second face, in percent of the subject's, from which it is a second person. 64 % of the area is 0.8 of the
/// width: someone standing at less than 1.25 times the subject's distance from the camera.
const COMPARABLE_PERCENT: i64 = 64;

/// The same where the largest face is cut off or doubtful.
const RIVAL_PERCENT: i64 = 25;

/// Certainty from which a second face counts: a doubtful one must not refuse a good picture.
const SURE: f32 = 0.7;

/// A face is cut off if its box comes this close to an edge, in percent of the picture's side. The detector ends its boxes
/// at the edge instead of guessing what lies beyond.
const EDGE_PERCENT: i32 = 2;

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// Nobody.
    None,
    /// One person.
    One(Face),
    /// Several comparable people.
    Several(usize),
}

/// Chooses the person among `faces`, the largest first.
pub fn choose(faces: &[Face], frame: &Frame) -> Choice {
    let Some(subject) = faces.iter().max_by_key(|f| f.bounds.area()) else { return Choice::None };
    let clear = |face: &Face| face.score >= SURE && whole(face.bounds, frame);
    let percent = if clear(subject) { COMPARABLE_PERCENT } else { RIVAL_PERCENT };
    let comparable = |other: &Face| clear(other) && other.bounds.area() * 100 >= subject.bounds.area() * percent;
    match faces.iter().filter(|f| *f != subject && comparable(f)).count() {
        0 => Choice::One(*subject),
        others => Choice::Several(others + 1),
    }
}

/// The face nearest to the middle of the picture: for evaluation on sets whose pictures center on the person they are
/// labelled with.
pub fn most_central(faces: &[Face], frame: &Frame) -> Option<Face> {
    let middle = Point { x: frame.width() as i32 * SUB / 2, y: frame.height() as i32 * SUB / 2 };
    faces.iter().copied().min_by_key(|f| f.bounds.center().distance(middle))
}

/// Whether the box keeps off all four edges.
fn whole(bounds: Rect, frame: &Frame) -> bool {
    let clear = |min: i32, max: i32, side: usize| {
        let (side, edge) = (side as i32 * SUB, side as i32 * SUB / 100 * EDGE_PERCENT);
        min >= edge && max <= side - edge
    };
    clear(bounds.min.x, bounds.max.x, frame.width()) && clear(bounds.min.y, bounds.max.y, frame.height())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: i32, y: i32, size: i32) -> Face {
        let at = |x: i32, y: i32| Point { x: x * SUB, y: y * SUB };
        Face { bounds: Rect { min: at(x, y), max: at(x + size, y + size) }, points: [Point::default(); 5], score: 0.9 }
    }

    #[test]
    fn only_comparable_faces_are_second_people() {
        let frame = Frame::new(400, 300, vec![0; 400 * 300 * 3]);
        let subject = face(100, 100, 100);
        let unsure = Face { score: 0.69, ..face(250, 100, 90) };
        for (other, want) in [
            (face(250, 100, 79), Choice::One(subject)), // 62.4 % of the area
            (face(250, 100, 80), Choice::Several(2)),
            (face(303, 100, 90), Choice::One(subject)), // ends 7 pixels from the edge, 2 % is 8
            (face(302, 100, 90), Choice::Several(2)),
            (face(250, 205, 90), Choice::One(subject)),
            (unsure, Choice::One(subject)),
        ] {
            let mut faces = vec![subject, other];
            faces.sort_by_key(|f| std::cmp::Reverse(f.bounds.area()));
            assert_eq!(choose(&faces, &frame), want, "{other:?}");
        }
        assert_eq!(choose(&[], &frame), Choice::None);
        let cut = face(0, 0, 130);
        assert_eq!(choose(&[cut, face(200, 100, 70)], &frame), Choice::Several(2));
        assert_eq!(choose(&[cut, face(200, 100, 60)], &frame), Choice::One(cut));
    }

    #[test]
    fn central_prefers_the_middle() {
        let frame = Frame::new(400, 300, vec![0; 400 * 300 * 3]);
        let (middle, edge) = (face(160, 110, 80), face(0, 0, 120));
        assert_eq!(most_central(&[edge, middle], &frame), Some(middle));
    }
}

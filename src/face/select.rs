//! Selects the subject among the faces of a picture, or says why it can't.
//!
//! The largest face is the subject. Another face is a second person if it is large enough beside it (a setting for each use), at
//! least `SURE`, not cut by the edge of the picture, and not within the subject's. Smaller faces are people in the background; a
//! face at the edge is a neighbor who was cut off. If the largest face is itself cut or doubtful, it may not be the subject: then a
//! whole and confident face of a quarter of its area is enough to refuse, whatever the setting.

use super::found::Face;
use super::geometry::{Point, Rect, SUB};
use crate::media::Frame;

/// Area from which another face is a second person, in percent of the subject's, for each use. Half of the distance from the
/// camera is four times the area: 25 % is a person at twice the subject's distance, 6 % at four times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondPerson {
    /// For pictures and media that were submitted.
    pub submitted: u32,
    /// For frames of the camera.
    pub camera: u32,
}

/// Most percent required where the largest face is cut off or doubtful.
const RIVAL_PERCENT: u32 = 25;

/// Confidence from which a second face counts: a doubtful one must not refuse a good picture. Of those between 0.7 and 0.8 on the
/// development folds of LFW, 54 of 56 are people; docs/ref/quality.md has the figures.
const SURE: f32 = 0.7;

/// Share of its own box that may be within the subject's, in percent. With more it is the same face, detected twice: a bald forehead,
/// an open mouth. People who kiss reach 42.
const INSIDE_PERCENT: i64 = 50;

/// A face is cut off if its box comes this close to an edge, in percent of the picture's side. The detector ends its boxes
/// at the edge instead of guessing what lies beyond.
const EDGE_PERCENT: i32 = 2;

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// No face.
    None,
    /// One person.
    One(Face),
    /// This many people.
    Several(usize),
}

/// Selects the subject among the `faces` of a frame. Another face is a second person from `percent` percent of the subject's area.
pub fn choose(faces: &[Face], frame: &Frame, percent: u32) -> Choice {
    let Some(subject) = faces.iter().max_by_key(|f| f.bounds.area()) else { return Choice::None };
    let clear = |face: &Face| face.score >= SURE && whole(face.bounds, frame);
    let percent = i64::from(if clear(subject) { percent } else { percent.min(RIVAL_PERCENT) });
    let inside = |other: &Face| {
        let shared = other.bounds.intersection(subject.bounds).area();
        clear(subject) && shared * 100 > other.bounds.area() * INSIDE_PERCENT
    };
    let counts =
        |other: &Face| clear(other) && !inside(other) && other.bounds.area() * 100 >= subject.bounds.area() * percent;
    match faces.iter().filter(|f| *f != subject && counts(f)).count() {
        0 => Choice::One(*subject),
        others => Choice::Several(others + 1),
    }
}

/// The face nearest to the center of the picture: for evaluation on sets whose pictures are centered on the person they are labeled
/// with.
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
    fn large_confident_whole_faces_count_as_second_people() {
        let frame = Frame::new(400, 300, vec![0; 400 * 300 * 3]);
        let subject = face(100, 100, 100);
        let unsure = Face { score: 0.69, ..face(250, 100, 90) };
        let (one, two) = (Choice::One(subject), Choice::Several(2));
        for (other, percent, want) in [
            (face(250, 100, 24), 6, one), // 5.8 % of the area
            (face(250, 100, 25), 6, two),
            (face(250, 100, 49), 25, one),
            (face(250, 100, 50), 25, two),
            (face(250, 100, 99), 100, one),
            (face(250, 100, 100), 100, two),
            (face(303, 100, 90), 6, one), // ends 7 pixels from the edge, 2 % is 8
            (face(302, 100, 90), 6, two),
            (face(250, 205, 90), 6, one),
            (unsure, 6, one),
            (face(181, 120, 40), 6, two), // 19 of 40 columns inside
            (face(179, 120, 40), 6, one), // 21
        ] {
            assert_eq!(choose(&[subject, other], &frame, percent), want, "{other:?} {percent}");
        }
        assert_eq!(choose(&[], &frame, 6), Choice::None);
        assert_eq!(choose(&[face(200, 100, 30), subject, face(250, 50, 40)], &frame, 6), Choice::Several(3));
    }

    /// Where the largest face is cut or doubtful, a quarter is enough, and less if less always is.
    #[test]
    fn an_uncertain_subject_does_not_relax_the_second_person_rule() {
        let frame = Frame::new(400, 300, vec![0; 400 * 300 * 3]);
        for subject in [face(0, 0, 100), Face { score: 0.69, ..face(100, 100, 100) }] {
            for (side, percent, several) in
                [(50, 64, true), (49, 64, false), (49, 6, true), (25, 6, true), (24, 6, false)]
            {
                let choice = choose(&[subject, face(250, 100, side)], &frame, percent);
                assert_eq!(choice == Choice::Several(2), several, "{side} {percent}");
            }
        }
    }

    #[test]
    fn a_central_face_is_preferred_over_a_larger_one() {
        let frame = Frame::new(400, 300, vec![0; 400 * 300 * 3]);
        let (middle, edge) = (face(160, 110, 80), face(0, 0, 120));
        assert_eq!(most_central(&[edge, middle], &frame), Some(middle));
    }
}

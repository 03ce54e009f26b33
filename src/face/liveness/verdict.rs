//! The verdict on a medium: the PAD score that its frames give together, unless they show more than one person, or what is beside the head
//! moves along with it.
//!
//! How their evidence is pooled, and onto which scale, is in [`super::pooling`].

use super::beside::Beside;
use super::evidence::FrameEvidence;
use super::pooling::{self, Kind};
use crate::face::score::{Curve, Score};

/// Score from which two faces are linked as the same person: one pair of different people in a thousand reaches it.
const SAME_PERSON: f64 = 0.75;

/// The face counts as exchanged if one frame in this many, a sixth of them, shows another person. When a person throws the head
/// back, a tenth of the frames are taken for another person.
const EXCHANGED_SHARE: usize = 6;

/// Least confidence of an attack when it shows by more than looks: the face changes to another person's, or what is beside it moves along.
const CERTAIN: f64 = 0.99;

/// The confidence that `frames`, at least one, of a medium of this `kind` show a presentation attack. `beside` is what moved beside the
/// head, if that was looked at.
pub(super) fn verdict(frames: &[FrameEvidence], beside: Option<&Beside>, kind: Kind, curve: &Curve) -> Score {
    let spoofing = pooling::spoofing(frames, kind);
    let is_certain = exchanged(frames, curve) || beside.is_some_and(Beside::denies);
    if is_certain { spoofing.max(Score::new(CERTAIN)) } else { spoofing }
}

/// Whether the frames show a second person in more of them than a matching error explains.
fn exchanged(frames: &[FrameEvidence], curve: &Curve) -> bool {
    people(frames, curve).get(1).is_some_and(|second| second.len() * EXCHANGED_SHARE >= frames.len())
}

/// The frames that show the subject, by number: of several people, the one with most frames. A template or best shot that goes with
/// the verdict has to come from these frames: the verdict holds for them only, and a few frames of another person, however good,
/// must not be used with it.
pub(super) fn subject(frames: &[FrameEvidence], curve: &Curve) -> Vec<usize> {
    people(frames, curve).swap_remove(0)
}

/// Frames grouped by person, the one with most frames first; at least one group, of at least one frame. Between two groups no two
/// faces are linked. A person who turns stays one group, linked by the frames between the poses; between two people there are none.
fn people(frames: &[FrameEvidence], curve: &Curve) -> Vec<Vec<usize>> {
    let mut rest: Vec<usize> = (0..frames.len()).collect();
    let mut people = vec![];
    while !rest.is_empty() {
        let mut group = vec![rest.remove(0)];
        let mut next = 0;
        while let Some(&face) = group.get(next) {
            let linked = |other: &mut usize| same_person(&frames[face].vector, &frames[*other].vector, curve);
            group.extend(rest.extract_if(.., linked));
            next += 1;
        }
        people.push(group);
    }
    people.sort_by_key(|group| std::cmp::Reverse(group.len())); // stable: of equal groups the first
    people
}

/// Whether two faces are linked.
pub(super) fn same_person(a: &[f64], b: &[f64], curve: &Curve) -> bool {
    curve.score(dot(a, b)) >= Score::new(SAME_PERSON)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Knot;

    fn curve() -> Curve {
        Curve::new(&[Knot { fmr: 1e-2, cosine: 0.3 }, Knot { fmr: 1e-4, cosine: 0.4 }])
    }

    fn frame(odds: f64, vector: &[f64]) -> FrameEvidence {
        FrameEvidence { live: vec![odds], frontal: true, vector: vector.to_vec(), previous: None, rank: 0, quality: 50 }
    }

    fn judged(frames: &[FrameEvidence]) -> f64 {
        verdict(frames, None, Kind::Sequence, &curve()).value()
    }

    #[test]
    fn a_face_that_changes_into_another_is_an_attack() {
        let (a, b) = ([1.0, 0.0], [0.1, 0.995]);
        let clip = |others: usize| -> Vec<FrameEvidence> {
            (0..16).map(|i| frame(3.0, if i < others { &b } else { &a })).collect()
        };
        assert!(judged(&clip(2)) < 0.1);
        assert_eq!(judged(&clip(3)), CERTAIN);
        assert_eq!(judged(&[frame(3.0, &a), frame(3.0, &b)]), CERTAIN);
        assert_eq!(judged(&clip(8)), CERTAIN);
        // Of two people with equally many frames the subject is the first, else the one with more.
        assert_eq!(subject(&clip(2), &curve()), (2..16).collect::<Vec<_>>());
        assert_eq!(subject(&clip(8), &curve()), (0..8).collect::<Vec<_>>());
        // Poses that are linked by a pose between them are one person.
        let between = [0.8, 0.6];
        let turning: Vec<FrameEvidence> = [&a, &a, &b, &b, &between].map(|v| frame(3.0, v)).into();
        assert!(judged(&turning) < 0.1);
    }

    #[test]
    fn faces_are_linked_from_a_score_of_three_quarters_on() {
        let curve = Curve::new(&[Knot { fmr: 1e-2, cosine: 0.4 }, Knot { fmr: 1e-3, cosine: 0.5 }]);
        let linked = |cosine: f64| same_person(&[1.0, 0.0], &[cosine, (1.0 - cosine * cosine).sqrt()], &curve);
        assert!(linked(0.5) && linked(0.500_001) && !linked(0.499_999));
        assert!(!linked(f64::NAN), "what is no number is nobody");
    }

    #[test]
    fn another_face_in_a_sixth_of_the_frames_is_an_attack() {
        let exchanged = |others: usize, frames: usize| {
            let of = |i: usize| frame(3.0, if i < others { &[0.0, 1.0] } else { &[1.0, 0.0] });
            judged(&(0..frames).map(of).collect::<Vec<_>>()) == CERTAIN
        };
        assert!(exchanged(1, 6) && exchanged(2, 12) && exchanged(2, 11));
        assert!(!exchanged(1, 7) && !exchanged(2, 13) && !exchanged(0, 6));
    }

    #[test]
    fn frames_of_two_strangers_do_not_add_up_to_an_exchange() {
        let strangers = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        // A single frame of each of two others, among seven.
        let of = |i: usize| frame(3.0, &strangers[[1, 0, 0, 2, 0, 0, 0][i]]);
        assert!(judged(&(0..7).map(of).collect::<Vec<_>>()) < 0.1);
    }

    #[test]
    fn an_exchange_makes_no_attack_look_less_like_one() {
        let frames = |other: &[f64]| [frame(-6.0, &[1.0, 0.0]), frame(-6.0, other)];
        assert!(judged(&frames(&[1.0, 0.0])) > CERTAIN);
        assert_eq!(judged(&frames(&[0.0, 1.0])), judged(&frames(&[1.0, 0.0])));
    }
}

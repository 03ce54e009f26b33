//! Combines the evidence of all frames into one PAD score that no single frame decides, in either direction.
//!
//! The score is the mean log-odds (a logarithmic opinion pool of independent frames). It is robust because the log-odds of each
//! frame are bounded. It is cautious because the frames that look most live are left out: an attack shows only in some frames,
//! when the edge of the sheet or screen comes into the picture, while a live face looks live in every frame.
//! `docs/design/liveness.md` has what was tried and measured.

use super::evidence::FrameEvidence;
use crate::face::score::{Curve, Score};

/// Bound on the log-odds of one frame: a probability of 0.25 % or 99.75 %. Among sixteen undecided frames, one frame at the bound
/// moves the verdict from 0.5 to 0.62 at most.
const MAX_LOG_ODDS: f64 = 6.0;

/// One frame in this many is left out, those that look most live.
const TRIM: usize = 4;

/// Score from which two faces are linked as the same person: one pair of different people in a thousand reaches it.
const SAME_PERSON: f64 = 0.75;

/// The face counts as exchanged if one frame in this many, a sixth of them, shows another person. When a person throws the head
/// back, a tenth of the frames are taken for another person.
const EXCHANGED_SHARE: usize = 6;

/// Confidence of an attack when the face changes to another person's within the medium.
const EXCHANGED: f64 = 0.99;

/// How a face is presented: what is known beside its looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presentation {
    /// In a picture or a clip, or before the camera.
    Clip,
    /// Before the camera, and the head turned as it was asked to.
    Challenge,
}

/// The confidence that `frames`, at least one, show a presentation attack.
pub(super) fn verdict(frames: &[FrameEvidence], _presentation: Presentation, curve: &Curve) -> Score {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut odds: Vec<f64> = frames.iter().map(|f| mean(&f.live).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)).collect();
    odds.sort_by(f64::total_cmp);
    odds.truncate(odds.len() - odds.len() / TRIM);
    let spoofing = Score::new(1.0 / (1.0 + libm::exp(mean(&odds))));
    if exchanged(frames, curve) { spoofing.max(Score::new(EXCHANGED)) } else { spoofing }
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
        FrameEvidence { live: vec![odds], vector: vector.to_vec(), rank: 0, quality: 50 }
    }

    fn spoofing(odds: &[f64]) -> f64 {
        verdict(&odds.iter().map(|&l| frame(l, &[1.0, 0.0])).collect::<Vec<_>>(), Presentation::Clip, &curve()).value()
    }

    #[test]
    fn no_single_frame_decides() {
        assert_eq!(spoofing(&[0.0]), 0.5);
        assert!((spoofing(&[9f64.ln()]) - 0.1).abs() < 1e-6);
        assert!((spoofing(&[2.0, -2.0]) - 0.5).abs() < 1e-6);
        let among = |odd: f64| spoofing(&[&[0.6; 15][..], &[odd]].concat());
        assert_eq!(among(-6.0), among(-1e9));
        assert!(among(-1e9) < 0.5, "{}", among(-1e9));
        assert_eq!(among(1e9), among(0.6));
        assert!(spoofing(&[-0.1; 16]) > 0.5);
    }

    #[test]
    fn the_most_live_quarter_is_left_out() {
        assert_eq!(spoofing(&[-1.0, -1.0, -1.0, 6.0]), spoofing(&[-1.0]));
        assert_eq!(spoofing(&[1.0, 1.0, 1.0, -1.0]), spoofing(&[1.0, 1.0, -1.0]));
    }

    #[test]
    fn views_of_a_frame_are_averaged() {
        let views = FrameEvidence { live: vec![3.0, -3.0], ..frame(0.0, &[1.0]) };
        assert_eq!(verdict(&[views], Presentation::Clip, &curve()).value(), 0.5);
    }

    #[test]
    fn a_face_that_changes_into_another_is_an_attack() {
        let (a, b) = ([1.0, 0.0], [0.1, 0.995]);
        let clip = |others: usize| -> Vec<FrameEvidence> {
            (0..16).map(|i| frame(3.0, if i < others { &b } else { &a })).collect()
        };
        assert!(verdict(&clip(2), Presentation::Clip, &curve()).value() < 0.1);
        assert_eq!(verdict(&clip(3), Presentation::Clip, &curve()).value(), EXCHANGED);
        assert_eq!(verdict(&[frame(3.0, &a), frame(3.0, &b)], Presentation::Clip, &curve()).value(), EXCHANGED);
        assert_eq!(verdict(&clip(8), Presentation::Clip, &curve()).value(), EXCHANGED);
        // Of two people with equally many frames the subject is the first, else the one with more.
        assert_eq!(subject(&clip(2), &curve()), (2..16).collect::<Vec<_>>());
        assert_eq!(subject(&clip(8), &curve()), (0..8).collect::<Vec<_>>());
        // Poses that are linked by a pose between them are one person.
        let between = [0.8, 0.6];
        let turning: Vec<FrameEvidence> = [&a, &a, &b, &b, &between].map(|v| frame(3.0, v)).into();
        assert!(verdict(&turning, Presentation::Clip, &curve()).value() < 0.1);
    }

    #[test]
    fn of_four_frames_one_is_left_out_and_of_three_none() {
        // One frame looks live without a doubt, the others like an attack: it counts as long as it is not left out.
        let counts = |frames: usize| spoofing(&[&vec![-1.0; frames - 1][..], &[6.0]].concat()) < spoofing(&[-1.0]);
        assert_eq!([3, 4].map(counts), [true, false]);
        let two_count =
            |frames: usize| spoofing(&[&vec![-1.0; frames - 2][..], &[6.0; 2]].concat()) < spoofing(&[-1.0]);
        assert_eq!([7, 8].map(two_count), [true, false]);
    }

    #[test]
    fn a_frame_counts_up_to_log_odds_of_six_in_either_direction() {
        assert_eq!(spoofing(&[-6.0]), spoofing(&[-6.01]));
        assert!(spoofing(&[-5.99]) < spoofing(&[-6.0]));
        assert_eq!(spoofing(&[6.0]), spoofing(&[6.01]));
        assert!(spoofing(&[5.99]) > spoofing(&[6.0]));
        assert_eq!(spoofing(&[f64::NEG_INFINITY]), spoofing(&[-6.0]));
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
            verdict(&(0..frames).map(of).collect::<Vec<_>>(), Presentation::Clip, &curve()).value() == EXCHANGED
        };
        assert!(exchanged(1, 6) && exchanged(2, 12) && exchanged(2, 11));
        assert!(!exchanged(1, 7) && !exchanged(2, 13) && !exchanged(0, 6));
    }

    #[test]
    fn frames_of_two_strangers_do_not_add_up_to_an_exchange() {
        let strangers = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        // A single frame of each of two others, among seven.
        let of = |i: usize| frame(3.0, &strangers[[1, 0, 0, 2, 0, 0, 0][i]]);
        assert!(verdict(&(0..7).map(of).collect::<Vec<_>>(), Presentation::Clip, &curve()).value() < 0.1);
    }

    #[test]
    fn an_exchange_makes_no_attack_look_less_like_one() {
        let frames = [frame(-6.0, &[1.0, 0.0]), frame(-6.0, &[0.0, 1.0])];
        assert_eq!(verdict(&frames, Presentation::Clip, &curve()).value(), spoofing(&[-6.0]));
        assert!(spoofing(&[-6.0]) > EXCHANGED);
    }
}

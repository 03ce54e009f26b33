//! Pools the log-odds of the frames of a medium and maps them onto its PAD score, with a bound of its own for each kind of medium. It
//! doesn't ask whether the frames show one person: that is the verdict's question.
//!
//! The pool is the mean log-odds, as independent evidence combines. It is robust because the log-odds of each frame are bounded.
//! It is cautious because the frames that look most live are left out: an attack shows only in some frames, when the edge of the
//! sheet or screen comes into the picture, while a live face looks live in every frame. What is left leans towards an attack,
//! whoever is seen, so the bound of a sequence is lower than that of a single picture. `docs/design/liveness.md` has what was
//! tried and measured.

use super::evidence::FrameEvidence;
use crate::face::score::Score;

/// What frames come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A single picture.
    Still,
    /// A video, an archive of pictures, or the frames of a camera.
    Sequence,
    /// The frames of a camera before which a challenge was met.
    Challenge,
}

/// Bound on the log-odds of one frame: a probability of 0.25 % or 99.75 %. Among sixteen frames, one frame at the bound moves the
/// pool by 0.75 at most.
const MAX_LOG_ODDS: f64 = 6.0;

/// One frame of a sequence in this many is left out, those that look most live.
const TRIM: usize = 2;

/// A turned face looks less live to the model, which was trained on faces that look at the camera. Turned frames are left out if one
/// frame in this many, and three at least, are not turned: of fewer, an attack could choose which ones they are.
const FRONTAL_SHARE: usize = 4;
/// Fewest frames that are not turned for the others to be left out.
const LEAST_FRONTAL: usize = 3;

/// Pooled log-odds of a single picture from which on it is a person: 0.5 is there. Half of the looks are in a warm light, in which all
/// media look more live.
const STILL: f64 = 1.2;
/// The same of a sequence, whose less live half is all that is pooled.
const SEQUENCE: f64 = -1.0;

/// The same where a challenge was met: the turn of the head is the proof, and looks may only deny it. Of the replays among the development
/// clips, the one that looks most live pools at -3.1.
const CHALLENGE: f64 = -2.5;

/// Frames from which on a sequence has its own bound in full. Of fewer, leaving out the most live ones takes less away; and a picture
/// sent as an archive must not meet another bound than the picture itself.
const FULL_SEQUENCE: usize = 8;

/// Fewest judged frames of a camera for a verdict: a sequence in full, of which the half that is left out, the most live frames, leaves four.
pub(super) const LEAST_FRAMES: usize = FULL_SEQUENCE;

/// The confidence that `frames`, at least one, show a presentation attack. It is 0.5 at the bound of this kind of medium.
pub(super) fn spoofing(frames: &[FrameEvidence], kind: Kind) -> Score {
    let odds = counting(frames, kind);
    let bound = bound(kind, odds.len());
    Score::new(1.0 / (1.0 + libm::exp(pool(odds, kind) - bound)))
}

/// The log-odds of the frames that count, bounded.
fn counting(frames: &[FrameEvidence], kind: Kind) -> Vec<f64> {
    let bounded = |frame: &FrameEvidence| mean(&frame.live).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS);
    let frontal: Vec<f64> = frames.iter().filter(|frame| frame.frontal).map(bounded).collect();
    let enough = frontal.len() >= LEAST_FRONTAL && frontal.len() * FRONTAL_SHARE >= frames.len();
    if kind != Kind::Still && enough { frontal } else { frames.iter().map(bounded).collect() }
}

/// The mean of log-odds; of a sequence's, without the most live ones.
fn pool(mut odds: Vec<f64>, kind: Kind) -> f64 {
    if kind != Kind::Still {
        odds.sort_by(f64::total_cmp);
        odds.truncate(odds.len() - odds.len() / TRIM);
    }
    mean(&odds)
}

/// Pooled log-odds of a medium with so many `frames` that count, at least one, from which on it is a person.
fn bound(kind: Kind, frames: usize) -> f64 {
    match kind {
        Kind::Still => STILL,
        Kind::Challenge => CHALLENGE,
        Kind::Sequence => {
            let share = (frames - 1).min(FULL_SEQUENCE - 1) as f64 / (FULL_SEQUENCE - 1) as f64;
            STILL * (1.0 - share) + SEQUENCE * share
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(odds: f64, frontal: bool) -> FrameEvidence {
        FrameEvidence { live: vec![odds], frontal, vector: vec![1.0], previous: None, rank: 0, quality: 50 }
    }

    fn of(kind: Kind, odds: &[f64]) -> f64 {
        spoofing(&odds.iter().map(|&odds| frame(odds, true)).collect::<Vec<_>>(), kind).value()
    }

    fn sequence(odds: &[f64]) -> f64 {
        of(Kind::Sequence, odds)
    }

    #[test]
    fn each_kind_of_medium_is_even_at_its_own_bound() {
        assert_eq!(of(Kind::Still, &[STILL]), 0.5);
        assert!((of(Kind::Still, &[STILL + 9f64.ln()]) - 0.1).abs() < 1e-6);
        assert_eq!(sequence(&[SEQUENCE; 8]), 0.5);
        assert_eq!(sequence(&[SEQUENCE; 32]), 0.5);
        assert!((sequence(&[SEQUENCE - 9f64.ln(); 32]) - 0.9).abs() < 1e-6);
    }

    #[test]
    fn the_bound_of_a_sequence_departs_from_that_of_a_picture_frame_by_frame() {
        assert_eq!(sequence(&[0.3]), of(Kind::Still, &[0.3]));
        let bounds: Vec<f64> = (1..12).map(|frames| bound(Kind::Sequence, frames)).collect();
        assert!(bounds.is_sorted_by(|a, b| a >= b));
        assert_eq!((bounds[0], bounds[6] > SEQUENCE, bounds[7], bounds[10]), (STILL, true, SEQUENCE, SEQUENCE));
    }

    #[test]
    fn no_single_frame_decides() {
        let among = |odd: f64| sequence(&[&[0.0; 15][..], &[odd]].concat());
        assert_eq!(among(-6.0), among(-1e9));
        assert!(among(-1e9) < 0.5, "{}", among(-1e9));
        assert_eq!(among(1e9), among(0.0));
        assert!(sequence(&[SEQUENCE - 0.1; 16]) > 0.5);
    }

    #[test]
    fn the_most_live_half_is_left_out() {
        let like = |odds: &[f64], same: f64| sequence(odds) == sequence(&vec![same; odds.len()]);
        assert!(like(&[-1.0, -1.0, -1.0, -1.0, 6.0, 6.0, 6.0, 6.0], -1.0));
        assert!(
            like(&[-1.0, -1.0, 6.0], -1.0) && like(&[-1.0, 6.0], -1.0) && !like(&[-1.0, -1.0, -1.0, 6.0, 6.0], 6.0)
        );
        assert!(!like(&[-1.0, -1.0, -1.0, 6.0, 6.0, 6.0, 6.0, 6.0], -1.0));
    }

    #[test]
    fn turned_frames_count_only_where_there_are_hardly_any_others() {
        let mixed = |frontal: usize, turned: usize| {
            let frames = [vec![frame(2.0, true); frontal], vec![frame(-6.0, false); turned]].concat();
            spoofing(&frames, Kind::Sequence).value() < 0.5
        };
        assert!(mixed(8, 24) && mixed(8, 1) && mixed(3, 9));
        assert!(!mixed(7, 25) && !mixed(2, 6) && !mixed(0, 8));
        assert!(spoofing(&[frame(2.0, false)], Kind::Still) < Score::new(0.5));
    }

    #[test]
    fn looks_at_a_frame_are_averaged() {
        let looks = FrameEvidence { live: vec![STILL + 9.0, STILL - 9.0], ..frame(0.0, true) };
        assert_eq!(spoofing(&[looks], Kind::Still), Score::new(0.5));
    }

    #[test]
    fn a_frame_counts_up_to_log_odds_of_six_in_either_direction() {
        assert_eq!(sequence(&[-6.0]), sequence(&[-6.01]));
        assert!(sequence(&[-5.99]) < sequence(&[-6.0]));
        assert_eq!(sequence(&[6.0]), sequence(&[6.01]));
        assert!(sequence(&[5.99]) > sequence(&[6.0]));
        assert_eq!(sequence(&[f64::NEG_INFINITY]), sequence(&[-6.0]));
    }

    proptest! {
        /// A frame that looks more live never makes the medium look more like an attack, whatever the kind.
        #[test]
        fn the_score_falls_with_the_odds(
            mut odds in prop::collection::vec(-9.0f64..9.0, 1..40),
            at in any::<prop::sample::Index>(),
            more in 0.0f64..9.0,
            still in any::<bool>(),
        ) {
            let kind = if still { Kind::Still } else { Kind::Sequence };
            let before = of(kind, &odds);
            prop_assert!((0.0..=1.0).contains(&before));
            let at = at.index(odds.len());
            odds[at] += more;
            prop_assert!(of(kind, &odds) <= before);
        }
    }
}

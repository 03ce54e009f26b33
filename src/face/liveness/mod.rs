//! Decides whether the face in a medium is a bona fide presentation (PAD, ISO/IEC 30107).
//!
//! A few frames of the medium are analyzed. In each, the subject is found and tracked ([`SubjectTracker`]), and the face with its
//! surroundings is given to the model ([`super::pad_model::PadModel`]). All frames together give one score ([`pooling`], [`verdict`]).
//! Where the frames don't allow a judgment, the result is a reason that the subject can correct.

pub mod beside;
mod capture_session;
mod challenge;
mod evidence;
pub mod flash;
mod gestures;
mod light_recording;
mod light_session;
mod pooling;
mod shot;
mod tracker;
mod turn;
mod verdict;

use std::ops::ControlFlow;
use std::time::Duration;

pub use capture_session::{Capture, CaptureSession, PadVerdict};
pub use challenge::{ChallengeView, Ending, Poses, Prompt, Recording, Response};
pub use gestures::{Gesture, SeenGesture};
pub use light_recording::{LightRecording, LitRecording};
pub use light_session::LightSession;
pub use tracker::Effort;
pub use turn::Direction;

use self::gestures::GestureWatch;
use self::pooling::Kind;
use self::tracker::{SubjectEvidence, SubjectTracker};
use self::verdict::{subject, verdict};
use super::error::{Error, on_time};
use super::extractor::Extractor;
use super::score::Score;
use crate::engine;
use crate::media::{Details, Frame, Means, Medium};
use crate::ops::{SecretBytes, Stop};

/// Result of judging a medium.
#[derive(Clone, Debug, PartialEq)]
pub struct PadResult {
    /// What the medium is.
    pub details: Details,
    /// Confidence that it is a presentation attack, 0..1: 1 - the confidence that it is a live person.
    pub spoofing: Score,
    /// Frames that were judged.
    pub frames: usize,
    /// The best shot, upright, as JPEG, if it was asked for.
    pub best_shot: Option<SecretBytes>,
    /// The gestures that were asked for, in their order.
    pub gestures: Vec<SeenGesture>,
}

/// What is wanted of a medium beside the verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Its best shot.
    pub best_shot: bool,
    /// Whether these gestures are made in it.
    pub gestures: Vec<Gesture>,
}

/// Most frames of a clip or archive that are analyzed. With sixteen, the verdict on one of the development clips depends on which
/// frames are chosen; with 24 none does.
const FRAMES: usize = 32;

impl Extractor {
    /// Judges one picture, video or archive. The result holds what is `wanted` besides. `late` is called between steps; once it returns
    /// true, the result is [`Error::Late`].
    pub fn judge(&mut self, bytes: &[u8], wanted: &Wanted, late: &Stop<'_>) -> Result<PadResult, Error> {
        Ok(self.judge_timed(bytes, wanted, late, || Duration::ZERO)?.0)
    }

    /// Judges with a clock that is read around each step.
    pub fn judge_timed(
        &mut self,
        bytes: &[u8],
        wanted: &Wanted,
        late: &Stop<'_>,
        clock: fn() -> Duration,
    ) -> Result<(PadResult, Effort), Error> {
        let (limits, memory) = (self.limits.clone(), self.memory.clone());
        let clips = self.clips.clone();
        let means = Means { limits: &limits, memory: &memory, stop: late, threads: &clips };
        let medium = Medium::open(bytes, &means)?;
        let details = medium.details();
        let kind = if matches!(medium, Medium::Picture(..)) { Kind::Still } else { Kind::Sequence };
        let best_shot = wanted.best_shot;
        let mut tracker = SubjectTracker::new(kind, best_shot, self.second_person.submitted, clock);
        // A picture holds no gesture, whatever it shows.
        if kind == Kind::Sequence && !wanted.gestures.is_empty() {
            tracker = tracker.with_gestures();
        }
        let mut fault = None;
        let each = |frame: Frame| match tracker.push_frame(self, frame, late) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                fault = Some(error);
                ControlFlow::Break(())
            }
        };
        medium.frames(FRAMES, if best_shot { shot::BYTES } else { 0 }, &means, each)?;
        if let Some(error) = fault {
            return Err(error);
        }
        let effort = tracker.effort;
        let none = GestureWatch::default();
        let gestures = tracker.gestures().unwrap_or(&none).seen(&wanted.gestures);
        let seen = tracker.finish()?;
        let spoofing = verdict(&seen.judged, seen.beside.as_ref(), kind, &self.curve);
        let frames = seen.judged.len();
        on_time(late)?;
        let best_shot = shot_of(&seen, &subject(&seen.judged, &self.curve))?;
        Ok((PadResult { details, spoofing, frames, best_shot, gestures }, effort))
    }
}

/// The best shot of the subject as JPEG, if one was asked for.
fn shot_of(seen: &SubjectEvidence, subject: &[usize]) -> Result<Option<SecretBytes>, engine::Error> {
    let of_subject = seen.shots.iter().filter(|shot| subject.contains(&shot.judged));
    let best = of_subject.max_by_key(|shot| seen.judged[shot.judged].rank);
    let told = |what| engine::Error::run(format!("the best shot could not be written: {what}"));
    best.map(|shot| shot.shot.written().map_err(told)).transpose()
}

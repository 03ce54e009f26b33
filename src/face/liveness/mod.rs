//! Whether the face in a medium is a person in front of the camera (ISO/IEC 30107: presentation attack detection).
//!
//! A medium is seen as a few frames. In each of them the subject is found and followed ([`Follower`]), what surrounds the face
//! is shown to the model ([`model::Model`]), and all frames together give one number ([`verdict`]): never one frame's word.
//! Where the frames don't allow a judgement there is none, but a reason that the person can mend.

mod context;
mod follow;
mod model;
mod shot;
mod sitting;
mod verdict;

use std::ops::ControlFlow;
use std::time::Duration;

pub use follow::Effort;
pub(super) use model::Model;
pub use sitting::{Live, Sat, Sitting};

use self::follow::{Follower, Seen};
use self::verdict::{subject, verdict};
use super::extractor::{Error, Extractor, on_time};
use super::score::Score;
use crate::engine;
use crate::media::{self, Details, Frame, Means, Medium};

/// What was found out about a medium.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What the medium is.
    pub details: Details,
    /// Confidence that it is a presentation attack, 0..1: 1 - the confidence that it is a live person.
    pub spoofing: Score,
    /// Frames that took part in it.
    pub frames: usize,
    /// The best shot, upright, as JPEG, if it was asked for.
    pub best_shot: Option<Vec<u8>>,
}

/// Frames of a clip or archive that are looked at. With sixteen, one of the development clips changes its verdict with the
/// frames that happen to be chosen, with 24 none does.
const FRAMES: usize = 32;

impl Extractor {
    /// Judges one picture, video or archive. With `best_shot` the finding holds one. `late` is asked now and then whether
    /// there is still time; once it says so, the answer is [`Error::Late`].
    pub fn judge(&mut self, bytes: &[u8], best_shot: bool, late: &dyn Fn() -> bool) -> Result<Finding, Error> {
        Ok(self.judge_timed(bytes, best_shot, late, || Duration::ZERO)?.0)
    }

    /// Judges with a clock, which is read around each step.
    pub fn judge_timed(
        &mut self,
        bytes: &[u8],
        best_shot: bool,
        late: &dyn Fn() -> bool,
        clock: fn() -> Duration,
    ) -> Result<(Finding, Effort), Error> {
        let (limits, memory) = (self.limits.clone(), self.memory.clone());
        let means = Means { limits: &limits, memory: &memory, stop: late };
        let medium = Medium::open(bytes, &means)?;
        let details = medium.details();
        let still = matches!(medium, Medium::Picture(..));
        let mut follower = Follower::new(still, best_shot, clock);
        let mut fault = None;
        let each = |frame: Frame| match follower.see(self, frame, late) {
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
        let effort = follower.effort;
        let seen = follower.finish()?;
        let spoofing = verdict(&seen.judged, &self.curve);
        let frames = seen.judged.len();
        on_time(late)?;
        let best_shot = shot_of(&seen, &subject(&seen.judged, &self.curve))?;
        Ok((Finding { details, spoofing, frames, best_shot }, effort))
    }
}

/// The best shot of the subject as it leaves the service, if one was asked for.
fn shot_of(seen: &Seen, subject: &[usize]) -> Result<Option<Vec<u8>>, engine::Error> {
    let of_subject = seen.shots.iter().filter(|shot| subject.contains(&shot.judged));
    let best = of_subject.max_by_key(|shot| seen.judged[shot.judged].rank);
    let told = |what| engine::Error::Run(format!("the best shot could not be written: {what}"));
    best.map(|shot| media::to_jpeg(&shot.frame).map_err(told)).transpose()
}

//! Captures a person from the frames of a live camera: first waits for a usable face, then judges liveness. It uses no camera and
//! no clock: the caller passes the frames.
//!
//! Waiting ends when one person's face is good enough (large, sharp, frontal) and holds still for a few frames. Without
//! liveness, the best of these frames becomes the sample. With liveness, the frames that follow are judged like those of a
//! clip, and the sample is the best of the judged frames. The face in all of them is compared, so that no other person can be
//! swapped in after the judgment, and a few frames of another person in between can't become the sample. With a challenge, the
//! frames come from the time in which it is met.

use std::time::Duration;

use super::beside::Beside;
use super::challenge::{ChallengeRun, ChallengeView, Ending, Response, State, draw};
use super::pooling::{Kind, LEAST_FRAMES};
use super::shot_of;
use super::tracker::{Effort, SubjectEvidence, SubjectTracker};
use super::turn::Direction;
use super::verdict::{same_person, subject, verdict};
use crate::face::error::Error;
use crate::face::extractor::Extractor;
use crate::face::found::Face;
use crate::face::geometry::Rect;
use crate::face::inspect::MeasuredFace;
use crate::face::quality::{Quality, QualityDefect};
use crate::face::score::Score;
use crate::face::select::choose;
use crate::face::template::Template;
use crate::media::Frame;
use crate::ops::SecretBytes;

/// The state of a capture session: what is asked for, and what was seen so far.
pub struct CaptureSession {
    /// Frames to judge for liveness; none if liveness is not asked for.
    frames: Option<usize>,
    best_shot: bool,
    /// Whether the camera stands still, so that what moves beside the head tells of a sheet.
    stands_still: bool,
    clock: fn() -> Duration,
    effort: Effort,
    steady: StabilityCheck,
    judging: Option<Judging>,
    /// Draws challenges, if one is to be met.
    challenges: Option<Challenges>,
    challenge: Option<ChallengeRun>,
    /// Frames since a face was last seen.
    blank: usize,
    /// Why the last frame with a face was not usable.
    reason: Option<Error>,
    /// The face in the last frame, usable or not.
    seen: Option<Quality>,
}

/// The result of a capture session.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The person's template.
    pub template: Template,
    /// The liveness verdict, if it was asked for.
    pub live: Option<PadVerdict>,
    /// The embedding in the template, as a unit vector.
    pub(in crate::face) vector: Vec<f64>,
    /// The directions in which the head turned, if it was asked to.
    pub responses: Vec<Response>,
    /// Time spent, summed over all frames.
    pub effort: Effort,
}

/// The liveness verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct PadVerdict {
    /// Confidence that it is a presentation attack, 0..1.
    pub spoofing: Score,
    /// Frames that were judged.
    pub frames: usize,
    /// Share of the corners beside the head that moved with it, 0..1, before a camera that stands still and if enough moved.
    pub beside: Option<f64>,
    /// The best shot as JPEG, if it was asked for.
    pub best_shot: Option<SecretBytes>,
}

/// Frames in a row in which the face must be good and hold still.
const STEADY: usize = 3;

/// Least overlap with its last box for a face to count as holding still, in percent of their union. A head of 20 cm that moves
/// by 4 cm from one frame to the next still has two thirds.
const STILL_PERCENT: i64 = 60;

/// Frames in a row without a usable face after which the person counts as gone and another is waited for.
const GONE: usize = 8;

/// While no face is found, only every so many frames get more than a coarse search.
const SELDOM: usize = 4;

/// A run of good frames.
#[derive(Default)]
struct StabilityCheck {
    place: Option<Rect>,
    frames: usize,
    /// Crop and quality of the best of them.
    best: Option<(SecretBytes, Quality)>,
}

/// What challenges are drawn from.
struct Challenges {
    /// Directions of each.
    count: usize,
    /// Those of the last one.
    last: Vec<Direction>,
    random: fn() -> u16,
    /// How many may still be tried.
    left: usize,
}

/// Challenges in one session: one more than the first, since people confuse left and right.
const TRIES: usize = 2;

struct Judging {
    tracker: SubjectTracker,
    /// Frames in a row that could not be judged.
    lost: usize,
}

impl CaptureSession {
    /// Waits for a person; with `frames` it judges this many for liveness, with `best_shot` it keeps the best. `clock` is read around
    /// each step.
    pub fn new(frames: Option<usize>, best_shot: bool, clock: fn() -> Duration) -> Self {
        Self {
            frames,
            best_shot,
            stands_still: false,
            clock,
            effort: Effort::default(),
            steady: StabilityCheck::default(),
            judging: None,
            challenges: None,
            challenge: None,
            blank: 0,
            reason: None,
            seen: None,
        }
    }

    /// The same before a camera that stands still: a face with which what is beside it moves is an attack.
    pub fn before_fixed_camera(self, stands_still: bool) -> Self {
        Self { stands_still, ..self }
    }

    /// The same, and the person has to meet a challenge of `count` directions, which are others than `last`.
    pub fn with_challenge(self, count: usize, last: Vec<Direction>, random: fn() -> u16) -> Self {
        Self { challenges: Some(Challenges { count, last, random, left: TRIES }), ..self }
    }

    /// The challenge that is under way, as the person is to know it at `now`.
    pub fn challenge(&self, now: Duration) -> Option<ChallengeView> {
        self.challenge.as_ref().map(|run| run.view(now))
    }

    /// The directions that were asked for last.
    pub fn directions(&self) -> &[Direction] {
        self.challenges.as_ref().map_or(&[], |challenges| &challenges.last)
    }

    /// Quality of the face in the last frame, usable or not; none if the frame does not hold exactly one face.
    pub fn seen(&self) -> Option<&Quality> {
        self.seen.as_ref()
    }

    /// Processes the next frame, taken at `at` after any fixed time; returns the result once there is one.
    pub fn push_frame(
        &mut self,
        extractor: &mut Extractor,
        frame: Frame,
        at: Duration,
    ) -> Result<Option<Capture>, Error> {
        self.seen = None;
        if self.challenge.is_some() {
            return self.challenged(extractor, frame, at);
        }
        let Some(wanted) = self.frames else {
            return if self.wait(extractor, &frame)?.is_some() { self.sample(extractor) } else { Ok(None) };
        };
        let Some(judging) = &mut self.judging else {
            if let Some(face) = self.wait(extractor, &frame)? {
                let tracker = SubjectTracker::of_upright(self.best_shot, extractor.second_person.camera, self.clock)
                    .beside(self.stands_still);
                match &mut self.challenges {
                    Some(challenges) => {
                        let tasks = draw(challenges.count, &challenges.last, challenges.random);
                        let (what, task) = ((&frame, &face), (tasks, wanted));
                        self.challenge = ChallengeRun::begin(extractor, what, task, tracker, at)?;
                        match &self.challenge {
                            Some(run) => challenges.last = run.directions(),
                            None => self.reason = Some(Error::Unusable(QualityDefect::Turned)),
                        }
                    }
                    None => self.judging = Some(Judging { tracker, lost: 0 }),
                }
            }
            return Ok(None);
        };
        let before = judging.tracker.judged();
        judging.tracker.push_frame(extractor, frame, &|| false)?;
        self.seen = judging.tracker.seen;
        let judged = judging.tracker.judged();
        judging.lost = if judged > before { 0 } else { judging.lost + 1 };
        if judged >= wanted {
            return self.verdict(extractor).map(Some);
        }
        if judging.lost >= GONE {
            self.reset();
        }
        Ok(None)
    }

    /// The result when the time is over: from the frames judged so far if they are enough, else why there is none.
    pub fn finish(&mut self, extractor: &mut Extractor) -> Result<Capture, Error> {
        // The person must still be there.
        if self.judging.as_ref().is_some_and(|j| j.lost == 0 && j.tracker.judged() >= LEAST_FRAMES) {
            return self.verdict(extractor);
        }
        Err(self.told())
    }

    /// Passes a frame to the challenge that is under way.
    fn challenged(&mut self, extractor: &mut Extractor, frame: Frame, at: Duration) -> Result<Option<Capture>, Error> {
        let Some(run) = &mut self.challenge else { return Ok(None) };
        match run.push_frame(extractor, frame, at)? {
            State::Open => Ok(None),
            State::Met => self.verdict_of_challenge(extractor).map(Some),
            State::Ended(ending) => self.ended(ending).map_or(Ok(None), Err),
        }
    }

    /// Ends the challenge that is under way; the error if no other may follow.
    fn ended(&mut self, ending: Ending) -> Option<Error> {
        self.challenge = None;
        self.steady = StabilityCheck::default();
        let challenges = self.challenges.as_mut()?;
        challenges.left -= 1;
        let error = Error::Challenge(ending);
        if challenges.left == 0 || !ending.may_be_retried() {
            return Some(error);
        }
        self.reason = Some(error);
        None
    }

    /// Why there is no result yet.
    fn told(&mut self) -> Error {
        if self.challenge.is_some() {
            return Error::Challenge(Ending::TooSlow);
        }
        if let Some(judging) = &self.judging {
            let (usable, of) = (judging.tracker.judged(), self.frames.unwrap_or_default());
            return Error::TooFewFrames { usable, of };
        }
        self.reason.take().unwrap_or(Error::NoFace)
    }

    /// Starts over, when the next frames are unrelated to the earlier ones.
    pub fn reset(&mut self) {
        if self.challenge.is_some() {
            // The next frame's time tells it of the gap.
            return;
        }
        if self.judging.is_some() {
            self.reason = Some(self.told());
        }
        if let Some(judging) = self.judging.take() {
            self.effort.add(judging.tracker.effort);
        }
        self.steady = StabilityCheck::default();
        self.blank = 0;
    }

    /// Looks for a good face that holds still; returns it if it did for long enough.
    fn wait(&mut self, extractor: &mut Extractor, frame: &Frame) -> Result<Option<Face>, Error> {
        let start = (self.clock)();
        let detector = &mut extractor.detector;
        let coarse_only = self.blank > SELDOM && !self.blank.is_multiple_of(SELDOM);
        let faces = match self.blank {
            // Once: a camera that is mounted on its side shows faces that only rotated searches find.
            SELDOM => detector.find(frame)?,
            _ if coarse_only => detector.detect_coarse(frame)?,
            _ => detector.find_upright(frame)?,
        };
        self.effort.detect += (self.clock)() - start;
        self.blank = if faces.is_empty() { self.blank + 1 } else { 0 };
        match self.good(extractor, &faces, frame) {
            Ok((face, crop, quality)) => Ok(self.steady.add(face, crop, quality).then_some(face)),
            Err(reason) => {
                self.steady = StabilityCheck::default();
                if matches!(reason, Error::Engine(_)) {
                    return Err(reason);
                }
                // A reason about an earlier face tells more than that there is no face now.
                if !matches!(reason, Error::NoFace) {
                    self.reason = Some(reason);
                }
                Ok(None)
            }
        }
    }

    /// The one good face of a frame, or why there is none.
    fn good(
        &mut self,
        extractor: &mut Extractor,
        faces: &[Face],
        frame: &Frame,
    ) -> Result<(Face, SecretBytes, Quality), Error> {
        let face = choose(faces, frame, extractor.second_person.camera).one()?;
        let start = (self.clock)();
        let confirmed = extractor.detector.confirm(frame, &face);
        self.effort.detect += (self.clock)() - start;
        let start = (self.clock)();
        let measured = MeasuredFace::new(frame, &face, confirmed?, &extractor.team);
        self.effort.align += (self.clock)() - start;
        let defect = measured.capture_defect();
        let MeasuredFace { face, crop, quality, .. } = measured;
        self.seen = Some(quality);
        match defect {
            Some(defect) => Err(Error::Unusable(defect)),
            None if self.steady.is_elsewhere(&face) => {
                // This frame may begin the next run.
                self.steady = StabilityCheck { place: Some(face.bounds), frames: 0, best: None };
                self.reason = Some(Error::Unusable(QualityDefect::Moving));
                Ok((face, crop, quality))
            }
            None => Ok((face, crop, quality)),
        }
    }

    /// The template of the best frame of the run; none if that shows too little of a face, so that another run is needed.
    fn sample(&mut self, extractor: &mut Extractor) -> Result<Option<Capture>, Error> {
        let (crop, quality) = self.steady.best.take().ok_or(Error::NoFace)?;
        let start = (self.clock)();
        let template = extractor.embed(&crop, &quality);
        self.effort.embed += (self.clock)() - start;
        match template {
            Ok(template) => {
                Ok(Some(Capture { template, live: None, vector: vec![], responses: vec![], effort: self.effort }))
            }
            Err(reason @ Error::Unusable(_)) => {
                self.reset();
                self.reason = Some(reason);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// The verdict on the judged frames, and the template of the best of them.
    fn verdict(&mut self, extractor: &mut Extractor) -> Result<Capture, Error> {
        let tracker = self.judging.take().ok_or(Error::NoFace)?.tracker;
        self.effort.add(tracker.effort);
        let seen = tracker.finish()?;
        self.capture(extractor, &seen, Kind::Sequence)
    }

    /// The same, with the challenge that was met.
    fn verdict_of_challenge(&mut self, extractor: &mut Extractor) -> Result<Capture, Error> {
        let (tracker, turned, responses) = self.challenge.take().ok_or(Error::NoFace)?.finish();
        self.effort.add(tracker.effort);
        let seen = tracker.evidence().ok_or(Error::NoFace)?;
        let subject = subject(&seen.judged, &extractor.curve);
        let is_subject =
            |face: &Vec<f64>| subject.iter().any(|&at| same_person(&seen.judged[at].vector, face, &extractor.curve));
        if !turned.iter().all(is_subject) {
            return Err(Error::Challenge(Ending::Exchanged));
        }
        let capture = self.capture(extractor, &seen, Kind::Challenge)?;
        Ok(Capture { responses, ..capture })
    }

    fn capture(&self, extractor: &Extractor, seen: &SubjectEvidence, kind: Kind) -> Result<Capture, Error> {
        let subject = subject(&seen.judged, &extractor.curve);
        let best = subject.iter().map(|&at| &seen.judged[at]).max_by_key(|judged| judged.rank).ok_or(Error::NoFace)?;
        let template = extractor.template_of(&best.vector, best.previous.as_deref(), best.quality)?;
        let best_shot = shot_of(seen, &subject)?;
        let spoofing = verdict(&seen.judged, seen.beside.as_ref(), kind, &extractor.curve);
        let beside = seen.beside.as_ref().and_then(Beside::share);
        let live = PadVerdict { spoofing, frames: seen.judged.len(), beside, best_shot };
        let vector = best.vector.clone();
        Ok(Capture { template, live: Some(live), vector, responses: vec![], effort: self.effort })
    }
}

impl StabilityCheck {
    fn is_elsewhere(&self, face: &Face) -> bool {
        self.place.is_some_and(|place| !face.bounds.overlaps(place, STILL_PERCENT))
    }

    /// Adds a good frame; returns whether there are enough.
    fn add(&mut self, face: Face, crop: SecretBytes, quality: Quality) -> bool {
        self.place = Some(face.bounds);
        self.frames += 1;
        // Of equally good frames, the one with the larger face.
        let rank = |quality: &Quality| (quality.measured(), quality.eye_distance);
        if self.best.as_ref().is_none_or(|(_, best)| rank(&quality) > rank(best)) {
            self.best = Some((crop, quality));
        }
        self.frames >= STEADY
    }
}

#[cfg(test)]
mod tests;

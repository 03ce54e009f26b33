//! Runs one challenge on the frames of a camera: finds the subject, its pose and the evidence for the verdict in each.
//!
//! Frontal frames are judged as those of a clip. Turned ones are not: the models for that know frontal faces. But the face in the frame
//! that meets a direction is compared with the others, so that nobody else can turn the head in place of the subject.

use std::time::Duration;

use super::draw::Task;
use super::rules::{Ending, Observation, Prompt, Response, Rules, State};
use crate::face::error::Error;
use crate::face::extractor::Extractor;
use crate::face::found::Face;
use crate::face::liveness::pooling::LEAST_FRAMES;
use crate::face::liveness::tracker::{Sighting, SubjectTracker};
use crate::face::liveness::turn::{Direction, Pose, Reference};
use crate::media::Frame;

/// Once there are enough judged frames, only every so many more are judged, which leaves time for more frames.
const SELDOM: usize = 3;

/// Longest time for the frames that are still missing when all directions were met.
const SETTLING: Duration = Duration::from_secs(3);

/// One challenge that is under way.
pub(in crate::face::liveness) struct ChallengeRun {
    rules: Rules,
    reference: Reference,
    tracker: SubjectTracker,
    /// Judged frames that are wanted.
    wanted: usize,
    frames: usize,
    /// Embeddings of the faces that met a direction.
    turned: Vec<Vec<f64>>,
    /// Share of the turn that is asked for, 0..1.
    progress: f64,
    /// When all directions were met.
    met: Option<Duration>,
}

/// What a person before the camera is to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChallengeView {
    /// What is asked for.
    pub prompt: Prompt,
    /// Number of the direction from 1.
    pub step: usize,
    /// Number of directions.
    pub steps: usize,
    /// Share of the turn that is asked for, 0..1.
    pub progress: f64,
    /// Time that is left for it.
    pub remaining: Duration,
}

impl ChallengeRun {
    /// One that begins at `now` with `face`, if that is frontal.
    pub(in crate::face::liveness) fn begin(
        extractor: &mut Extractor,
        (frame, face): (&Frame, &Face),
        (tasks, wanted): (Vec<Task>, usize),
        tracker: SubjectTracker,
        now: Duration,
    ) -> Result<Option<Self>, Error> {
        let Some(mesh) = extractor.mesh(frame, face)? else { return Ok(None) };
        let Some(reference) = Reference::new(&mesh, &face.points) else { return Ok(None) };
        Ok(Some(Self {
            rules: Rules::new(tasks, now),
            reference,
            tracker,
            wanted,
            frames: 0,
            turned: vec![],
            progress: 0.0,
            met: None,
        }))
    }

    /// Takes the next frame, taken at `at`.
    pub(in crate::face::liveness) fn push_frame(
        &mut self,
        extractor: &mut Extractor,
        frame: Frame,
        at: Duration,
    ) -> Result<State, Error> {
        self.frames += 1;
        let (seen, face) = self.observe(extractor, &frame)?;
        if self.met.is_none() {
            let met = self.rules.responses().len();
            match self.rules.push(at, seen) {
                State::Ended(ending) => return Ok(State::Ended(ending)),
                State::Met => self.met = Some(at),
                State::Open => {}
            }
            if let (Some(face), true) = (face, self.rules.responses().len() > met) {
                self.turned.push(extractor.embedding_of(&frame, &face)?.vector);
            }
        }
        let is_turned = matches!(seen, Observation::Person { pose: Pose::Toward(_), .. });
        let is_due = self.tracker.judged() < self.wanted || self.frames.is_multiple_of(SELDOM);
        if let Some(face) = face.filter(|_| !is_turned && is_due) {
            self.tracker.judge_located(extractor, frame, &face)?;
        }
        Ok(match self.met {
            Some(_) if self.tracker.judged() >= LEAST_FRAMES.min(self.wanted) => State::Met,
            Some(met) if at.saturating_sub(met) > SETTLING => State::Ended(Ending::TooSlow),
            _ => State::Open,
        })
    }

    /// What the frame shows, and the subject's face.
    fn observe(&mut self, extractor: &mut Extractor, frame: &Frame) -> Result<(Observation, Option<Face>), Error> {
        self.progress = 0.0;
        let face = match self.tracker.locate(extractor, frame)? {
            Sighting::Nobody => return Ok((Observation::Nobody, None)),
            Sighting::Several => return Ok((Observation::Several, None)),
            Sighting::Subject(face) => face,
        };
        let mesh = extractor.mesh(frame, &face)?;
        let Some(turn) = mesh.and_then(|mesh| self.reference.compare(&mesh, &face.points)) else {
            return Ok((Observation::Nobody, None));
        };
        let (parallax, pose) = ((turn.x, turn.y), Pose::of(&turn));
        self.progress = match (self.rules.prompt(), pose) {
            (Prompt::Turn(wanted), Pose::Toward(direction)) if direction == wanted => 1.0,
            (Prompt::Turn(wanted), Pose::Partial { direction, amplitude }) if direction == wanted => amplitude,
            _ => 0.0,
        };
        Ok((Observation::Person { place: face.bounds, parallax, pose }, Some(face)))
    }

    /// What to tell the person at `now`.
    pub(in crate::face::liveness) fn view(&self, now: Duration) -> ChallengeView {
        let (met, steps) = (self.rules.responses().len(), self.rules.tasks().len());
        ChallengeView {
            prompt: self.rules.prompt(),
            step: (met + 1).min(steps),
            steps,
            progress: self.progress,
            remaining: self.rules.remaining(now),
        }
    }

    /// The directions that it asks for.
    pub(in crate::face::liveness) fn directions(&self) -> Vec<Direction> {
        self.rules.tasks().iter().map(|task| task.direction).collect()
    }

    /// The evidence, once all directions were met.
    pub(in crate::face::liveness) fn finish(self) -> (SubjectTracker, Vec<Vec<f64>>, Vec<Response>) {
        let responses = self.rules.responses().to_vec();
        (self.tracker, self.turned, responses)
    }
}

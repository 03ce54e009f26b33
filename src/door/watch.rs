//! The thread of a door that looks at frames, captures whoever comes, and finds out who it is.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};
use jiff::Timestamp;

use super::shell::{Door, Parts};
use super::step::{Candidate, Finding, Input, Outcome};
use crate::camera::Lease;
use crate::capture::{self, Attempt, DEFAULT_THRESHOLD, TakenFrame};
use crate::face::{self, Decision, Extractor, Template};
use crate::ops::Stop;
use crate::ops::shutdown::IDLE;
use crate::people::{Identified, NewTemplate, PeopleError, PersonId, Source};
use crate::work::{Deadline, Owner, WaitLimit, block_on};

/// How long somebody who was seen is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a look may wait for a frame or a worker.
const LOOK: Duration = Duration::from_secs(2);
/// After how long a camera that does not work is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Owner of the door's jobs: no client's.
const OWN: u64 = u64::MAX;

impl Door {
    /// The thread that looks at frames and captures whoever comes.
    pub(super) fn watch(&self) {
        let owner = Owner::new(OWN);
        let mut lease: Option<(Lease, u64)> = None;
        while !self.is_over() {
            // Orders are given under this lock, so that none is missed.
            let controller = self.controller();
            let order = self.order.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(claim) = order {
                drop(controller);
                let (outcome, found) = self.attempt(claim.as_ref());
                self.drive(Input::Attempted(outcome));
                *self.picture() = None;
                if let Some((found, new)) = found
                    && let Err(why) = self.parts.people.renew(&found, new, Timestamp::now())
                {
                    log::warn!("no template of the present models was added: {why}");
                }
                continue;
            }
            if !controller.wants_frames() {
                lease = None; // the camera goes off
                let _timed_out = self.changed.wait_timeout(controller, IDLE).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(controller);
            let begun = Instant::now();
            let (held, number) = lease.get_or_insert_with(|| {
                let lease = self.parts.capturer.camera().lease();
                let before = lease.before();
                (lease, before)
            });
            match self.look(held, number, &owner) {
                Ok(Some(is_there)) => {
                    self.drive(Input::Fault { part: "camera", what: None });
                    self.drive(Input::Face(is_there));
                }
                Ok(None) => {} // no worker was free
                Err(what) => {
                    self.drive(Input::Fault { part: "camera", what: Some(what) });
                    self.parts.shutdown.sleep(RETRY);
                }
            }
            let interval = Duration::from_secs(1) / self.settings.fps;
            block_on(Deadline(begun + interval));
        }
    }

    /// Whether the next frame after `number` shows somebody; none if it could not be looked at.
    fn look(&self, lease: &Lease, number: &mut u64, owner: &Owner) -> Result<Option<bool>, String> {
        let capturer = &self.parts.capturer;
        let end = WaitLimit::new(Instant::now() + LOOK, &self.cancel);
        match block_on(select(lease.newer(*number), end.clone())) {
            Either::First(Ok(())) => {}
            Either::First(Err(fault)) => return Err(fault.to_string()),
            Either::Second(()) => {
                return Err(lease.fault().map_or_else(|| "it sends no frames".into(), |fault| fault.to_string()));
            }
        }
        let newest = capturer.frame_after(*number);
        let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| {
            let TakenFrame { number, frame, room: _room, .. } = newest(extractor, unwanted)?;
            Some((number, frame.ok().map(|frame| extractor.sees_somebody(&frame))))
        };
        match capturer.wait_for(owner, job, &end) {
            Ok(Some((seen, Some(Ok(is_there))))) => {
                *number = seen;
                Ok(Some(is_there))
            }
            Ok(Some((_, Some(Err(error))))) => Err(error.to_string()),
            _ => Ok(None),
        }
    }

    /// Captures whoever is there, and finds out who it is; with what may become a template of the present models.
    fn attempt(&self, claim: Option<&PersonId>) -> (Outcome, Option<(Identified, NewTemplate)>) {
        let Parts { capturer, threshold, .. } = &self.parts;
        let mode = self.settings.liveness.max(capturer.settings().liveness_required);
        let owner = Owner::new(OWN);
        let attempt = Attempt {
            mode,
            threshold: threshold.min(DEFAULT_THRESHOLD),
            best_shot: self.parts.journal.wants_pictures(),
            wait: PATIENCE,
            owner: &owner,
            cancel: &self.cancel,
        };
        let mut captured = capturer.capture(&attempt);
        if let Ok(captured) = &mut captured {
            *self.picture() = captured.capture.live.as_mut().and_then(|live| live.best_shot.take());
        }
        let lock = || capturer.attacks().1.unwrap_or_default();
        let outcome = match captured {
            Ok(captured) if captured.capture.live.is_none() => {
                Outcome::Fault("camera", "liveness was not judged".into())
            }
            Ok(captured) if captured.is_attack(attempt.threshold) => {
                // Below the usual threshold it is counted by nobody else.
                if !captured.is_attack(DEFAULT_THRESHOLD) {
                    capturer.note_attack("the face was judged a presentation attack");
                }
                Outcome::Attack("looks".into(), lock())
            }
            Ok(captured) => return self.identified(captured.capture.template, claim),
            Err(error) if error.is_attack() => Outcome::Attack(error.reason().unwrap_or("attack").into(), lock()),
            Err(capture::Error::LockedOut(left)) => Outcome::LockedOut(left),
            Err(error) => not_captured(&error),
        };
        (outcome, None)
    }

    /// Who a live person is.
    fn identified(&self, template: Template, claim: Option<&PersonId>) -> (Outcome, Option<(Identified, NewTemplate)>) {
        let (people, now) = (&self.parts.people, Timestamp::now());
        let found = match claim {
            Some(id) => {
                people.verify(id, &template, *self.approved.lock().unwrap_or_else(PoisonError::into_inner), now)
            }
            None => people.identify(&template, now),
        };
        let found = match found {
            Ok(found) => found,
            // Deleted since it was claimed.
            Err(PeopleError::Unknown) => {
                let (person, reason, liveness) = (None, Some("unknown"), self.settings.liveness.word());
                return (Outcome::Person(Finding { person, reason, score: 0.0, liveness }), None);
            }
            Err(error) => return (Outcome::Fault("people", error.to_string()), None),
        };
        let liveness = self.settings.liveness.word();
        let new = NewTemplate { template, source: Source::Visit, liveness: Some(liveness.to_owned()) };
        let Identified { decision, person, score, reason, .. } = found.clone();
        // Who it might be is not told where it is nobody for certain, but for a person who is known and not valid now.
        let is_certain = decision == Decision::Approved || reason == Some("not_valid");
        let person = person.filter(|_| is_certain).map(|profile| Candidate {
            id: profile.id.clone(),
            groups: profile.groups.clone(),
            has_dates: profile.valid_from.is_some() || profile.valid_until.is_some(),
        });
        let reason = if decision == Decision::Approved { None } else { Some(reason.unwrap_or("unknown")) };
        let hundredths = |score: f64| (score * 100.0).round() / 100.0;
        let finding = Finding { person, reason, score: hundredths(score.value()), liveness };
        (Outcome::Person(finding), Some((found, new)))
    }
}

/// The outcome of an attempt that captured nobody.
fn not_captured(error: &capture::Error) -> Outcome {
    use capture::Error as Why;
    let reason = match error {
        Why::Nobody | Why::Face(face::Error::NoFace) | Why::Cancelled => "nobody",
        Why::Face(face::Error::SeveralFaces(_)) => "several_people",
        Why::Face(face::Error::Challenge(_)) | Why::Unlit(_) => error.reason().unwrap_or("challenge"),
        Why::Face(face::Error::Late | face::Error::NoMemory) | Why::Overloaded(_) | Why::Occupied => "overloaded",
        Why::Face(face::Error::Engine(_)) | Why::Internal(_) => {
            log::error!("door: {error}");
            "fault"
        }
        Why::Face(_) => "unusable",
        Why::NoFrames(what) | Why::Busy(what) => return Outcome::Fault("camera", what.clone()),
        Why::Uncalibrated => return Outcome::Fault("camera", error.to_string()),
        Why::NotLit | Why::LockedOut(_) => "attack",
    };
    Outcome::Nobody(reason.into())
}

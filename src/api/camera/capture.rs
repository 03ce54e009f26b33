//! Waits for a person before the camera and passes the frames to a worker, one after another, until there is a result.
//!
//! A worker takes the newest frame when its job starts, not when it was queued: however long the job waited, no frame older than
//! [`MAX_AGE`](crate::camera::MAX_AGE) is judged. The camera's thread takes the next frames meanwhile.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};

use super::super::camera_query::DEFAULT_THRESHOLD;
use super::super::context::{Call, Service};
use super::super::error::{CameraKind, Error, Family, Kind};
use super::challenge::board::{Running, Shown};
use super::challenge::words::{Instruction, Way};
use super::frames::{TakenFrame, no_frame, refused};
use super::light::{LitFace, calibration};
use super::lock_out::LockOut;
use crate::camera::{Identity, Light};
use crate::face::{self, Capture, CaptureSession, ChallengeView, Extractor, Prompt};
use crate::media::video::Info;
use crate::ops::settings::LivenessMode;
use crate::ops::{Stop, counted, elapsed, random_word};
use crate::work::{Failed, WaitLimit, block_on};

/// A captured person, with the camera and the time it took.
pub(super) struct CapturedPerson {
    pub(super) capture: Capture,
    /// What the light of the screen told, if it was asked.
    pub(super) light: Option<LitFace>,
    identity: Option<Identity>,
    timing: Timing,
}

/// The time spent. The first four are sums over all frames that were analyzed.
#[derive(Clone, Copy, Debug, Default)]
struct Timing {
    /// From the request to the first frame.
    camera: Duration,
    /// Buffer to pixels.
    decode: Duration,
    /// From the last frame's arrival to the result.
    last: Duration,
    /// Age of the last frame when a worker started on it.
    age: Duration,
    frames: u32,
    total: Duration,
}

/// The result for one frame.
struct FrameResult {
    session: Box<CaptureSession>,
    /// None if there was no fresh one.
    frame: Option<FrameFacts>,
    result: Result<Option<Capture>, face::Error>,
}

/// A frame that was analyzed.
struct FrameFacts {
    number: u64,
    taken: Instant,
    /// Its age when a worker started on it.
    age: Duration,
    /// Time that decoding took.
    decode: Duration,
    /// Whether it was a whole picture.
    whole: bool,
}

/// Longest time from the end of one analysis to the frame of the next. After a longer gap, since the camera stalled or no worker was
/// free, the session starts over.
const LONGEST_GAP: Duration = Duration::from_secs(1);

impl Service {
    /// Captures a person, with as much of liveness as `mode` asks for. Whoever looks like an attack by more than `threshold` is counted as
    /// one, and left to the caller.
    pub(super) fn capture_person(
        &self,
        call: &Call,
        (mode, threshold): (LivenessMode, f64),
        best_shot: bool,
    ) -> Result<CapturedPerson, Error> {
        let family = call.route.family();
        self.is_unlocked(family)?;
        let frames = (mode > LivenessMode::Off).then_some(self.camera_settings.liveness_frames);
        let session = CaptureSession::new(frames, best_shot, elapsed).before_fixed_camera(self.camera_settings.fixed);
        if mode < LivenessMode::Challenge {
            let captured = self.watch(call, session, None)?;
            self.judge_looks(&captured, threshold);
            return Ok(captured);
        }
        let calibration = calibration(&self.camera_settings).filter(|_| mode == LivenessMode::ChallengeAndLight);
        if mode == LivenessMode::ChallengeAndLight && calibration.is_none() {
            let detail = "the screen's light is not calibrated: see camera.light_amplitude";
            return Err(Error::new(family, Kind::Parameter, detail));
        }
        let board = self.begin_challenge(family)?;
        let (count, last) = (self.camera_settings.challenge_directions, self.board.last());
        let captured = self.watch(call, session.with_challenge(count, last, random_word), Some(&board));
        let captured = captured.and_then(|mut captured| {
            if let Some(calibration) = calibration.filter(|_| !captured.is_attack(threshold)) {
                let light = self.screen_light(call, &captured.capture, &calibration, &board)?;
                if light.is_attack() {
                    self.note_attack("the light on the face did not follow the screen");
                    let detail = "the light on the face did not follow the screen (no_light)";
                    return Err(Error::new(family, Kind::Camera(CameraKind::Attack), detail).reasoned("no_light"));
                }
                captured.light = Some(light);
            }
            Ok(captured)
        });
        let reason = match &captured {
            Ok(captured) => self.judge_looks(captured, threshold).then_some("attack"),
            Err(error) => Some(error.reason().unwrap_or("no_result")),
        };
        board.end(reason, Instant::now());
        captured
    }

    /// Whether a person looks like an attack, which is counted.
    fn judge_looks(&self, captured: &CapturedPerson, threshold: f64) -> bool {
        let is_attack = captured.is_attack(threshold.max(DEFAULT_THRESHOLD)); // nobody locks the methods by asking for less
        if is_attack {
            self.note_attack("the face was judged a presentation attack");
        }
        is_attack
    }

    /// The person before whose face a screen's light is calibrated.
    pub(super) fn calibrating_person(&self, call: &Call) -> Result<Capture, Error> {
        let session = CaptureSession::new(Some(self.camera_settings.liveness_frames), false, elapsed);
        self.watch(call, session, None).map(|person| person.capture)
    }

    /// Begins a challenge, unless one is under way.
    pub(super) fn begin_challenge(&self, family: Family) -> Result<Running<'_>, Error> {
        self.board.begin().ok_or_else(|| {
            let detail = "another request's challenge is under way; try again";
            Error::new(family, Kind::Camera(CameraKind::Busy), detail)
        })
    }

    /// An error while attack verdicts have locked the camera's methods.
    pub(super) fn is_unlocked(&self, family: Family) -> Result<(), Error> {
        match self.lock_out().left(Instant::now()) {
            None => Ok(()),
            Some(left) => {
                let seconds = left.as_secs() + 1;
                let detail =
                    format!("the camera's methods are locked for {}", counted(seconds as usize, "second", "seconds"));
                Err(Error::new(family, Kind::Camera(CameraKind::LockedOut), detail).for_seconds(seconds))
            }
        }
    }

    /// Counts an attack verdict.
    pub(super) fn note_attack(&self, what: &str) {
        let (lock, attacks) = {
            let mut lock_out = self.lock_out();
            (lock_out.attack(Instant::now()), lock_out.attacks())
        };
        log::warn!(
            attacks, locked_s = lock.as_secs();
            "camera: {what}; its methods are locked for {}", counted(lock.as_secs() as usize, "second", "seconds")
        );
    }

    /// Attack verdicts since the service started, and how much longer they lock the camera's methods, if they do.
    pub(in crate::api) fn attacks(&self) -> (u64, Option<Duration>) {
        let lock_out = self.lock_out();
        (lock_out.attacks(), lock_out.left(Instant::now()))
    }

    /// The count of attack verdicts.
    fn lock_out(&self) -> MutexGuard<'_, LockOut> {
        self.lock_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes frames to a session until it has a result.
    fn watch(
        &self,
        call: &Call,
        session: CaptureSession,
        board: Option<&Running<'_>>,
    ) -> Result<CapturedPerson, Error> {
        let family = call.route.family();
        let start = Instant::now();
        // The wait for a person ends here; what was started by then may take the rest of a request's time.
        let until = start + call.ask.wait;
        let end = call.wait_limit(until + self.limits.request_time());
        let last_start = until + self.limits.request_time();
        let lease = self.camera.lease();
        let mut session = Box::new(session);
        let mut timing = Timing::default();
        // Only frames taken from now on count.
        let mut number = lease.before();
        let mut looked = start;
        let capture = loop {
            call.is_awaited()?; // else the camera is free for the next request
            // A challenge that has begun ends by its own rules.
            let until = if session.challenge(elapsed()).is_some() { last_start } else { until };
            // A worker that is slower than the camera always finds a newer frame.
            if Instant::now() >= until {
                break self.finish(call, session, looked, &end);
            }
            match block_on(select(lease.newer(number), call.wait_limit(until))) {
                Either::First(Ok(())) => {}
                Either::First(Err(fault)) => return Err(refused(family, &fault)),
                Either::Second(()) => break self.finish(call, session, looked, &end),
            }
            if timing.frames == 0 {
                timing.camera = start.elapsed();
            }
            let look = self.look(call, session, (number, looked), &end)?;
            session = look.session;
            looked = Instant::now();
            if let Some(frame) = look.frame {
                number = frame.number;
                timing.frames += u32::from(frame.whole);
                timing.decode += frame.decode;
                (timing.age, timing.last) = (frame.age, frame.taken.elapsed());
                if let Some(board) = board {
                    board.remember(session.directions());
                    board.show(session.challenge(elapsed()).map_or_else(|| Shown::new(Instruction::Look), shown));
                }
                if let Some(face) = session.seen().filter(|_| frame.whole) {
                    lease.tell(Light { luma: face.brightness, clipped: face.clipped }, frame.taken);
                }
            }
            match look.result {
                Ok(None) => {}
                Ok(Some(capture)) => break Ok(capture),
                Err(error) => break Err(self.refused_face(&error, family)),
            }
        };
        // Without a single frame it is the camera's fault, not the person's.
        let capture =
            capture.map_err(|told| if timing.frames == 0 { no_frame(family, lease.fault()) } else { told })?;
        timing.total = start.elapsed();
        Ok(CapturedPerson { capture, light: None, identity: self.camera.report().identity, timing })
    }

    /// Has a worker analyze the newest frame after number `after`.
    fn look(
        &self,
        call: &Call,
        mut session: Box<CaptureSession>,
        (after, looked): (u64, Instant),
        end: &WaitLimit,
    ) -> Result<FrameResult, Error> {
        let newest = self.frame_after(after);
        let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| {
            let Some(TakenFrame { number, taken, age, decode, frame, room: _room }) = newest(extractor, unwanted)
            else {
                return FrameResult { session, frame: None, result: Ok(None) };
            };
            // The person seen before the gap may have left.
            if taken.saturating_duration_since(looked) > LONGEST_GAP {
                session.reset();
            }
            let whole = frame.is_ok();
            let result = match frame {
                Ok(frame) => {
                    // By when it was taken, not by when a worker came to it.
                    let at = elapsed().saturating_sub(taken.elapsed());
                    session.push_frame(extractor, frame, at)
                }
                Err(damaged) => {
                    log::debug!("camera frame {number}: {damaged}");
                    Ok(None) // the next one may be whole
                }
            };
            FrameResult { session, frame: Some(FrameFacts { number, taken, age, decode, whole }), result }
        };
        self.wait_for(call, job, end)
    }

    /// The error for a face that gave no result; an attack is counted.
    fn refused_face(&self, error: &face::Error, family: Family) -> Error {
        if let face::Error::Challenge(ending) = error
            && ending.is_attack()
        {
            self.note_attack(&format!("challenge: {ending}"));
        }
        Error::from_face(error, "").of(family)
    }

    /// The result when the time is over.
    fn finish(
        &self,
        call: &Call,
        mut session: Box<CaptureSession>,
        looked: Instant,
        end: &WaitLimit,
    ) -> Result<Capture, Error> {
        let family = call.route.family();
        if looked.elapsed() > LONGEST_GAP {
            session.reset();
        }
        let job = move |extractor: &mut Extractor, _: &Stop<'_>| session.finish(extractor);
        let finished = self.wait_for(call, job, end)?;
        finished.map_err(|error| match error {
            face::Error::NoFace => {
                let detail = "no face came before the camera in time";
                Error::new(family, Kind::Camera(CameraKind::Nobody), detail)
            }
            other => self.refused_face(&other, family),
        })
    }

    /// Runs a job on a worker.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        call: &Call,
        job: impl FnOnce(&mut Extractor, &Stop<'_>) -> T + Send + 'static,
        end: &WaitLimit,
    ) -> Result<T, Error> {
        let family = call.route.family();
        let overloaded = |what: &str| Error::new(family, Kind::Overloaded, format!("{what}; try again"));
        let ticket = self.pool.submit(&call.request.owner, job).map_err(|_| overloaded("too many requests at once"))?;
        match block_on(select(ticket, end.clone())) {
            Either::First(Ok(done)) => Ok(done),
            Either::First(Err(Failed(cause))) => Err(Error::internal(family, cause)),
            Either::Second(()) => Err(overloaded("the deadline passed")),
        }
    }
}

impl CapturedPerson {
    /// Whether the person looks like an attack by more than `threshold`; not if liveness was not judged.
    pub(super) fn is_attack(&self, threshold: f64) -> bool {
        self.capture.live.as_ref().is_some_and(|live| live.spoofing.value() > threshold)
    }

    /// The properties of the frames, reported as those of a clip.
    pub(super) fn info(&self, frames: usize) -> Info {
        let layout = self.identity.as_ref().map(|i| i.layout);
        let fps = self.identity.as_ref().map_or(0.0, |i| i.fps);
        let pixels = |side: Option<usize>| side.and_then(|s| u32::try_from(s).ok()).unwrap_or_default();
        Info {
            mime: "video/raw",
            codec: layout.map_or_else(String::new, |l| l.format.four_characters().to_owned()),
            width: pixels(layout.map(|l| l.width)),
            height: pixels(layout.map(|l| l.height)),
            frames_per_second: fps,
            duration_s: if fps > 0.0 { frames as f64 / fps } else { 0.0 },
        }
    }

    /// The time spent, in milliseconds: the value of the header `Server-Timing` (W3C Server Timing).
    pub(super) fn server_timing(&self) -> String {
        let effort = self.capture.effort;
        let t = self.timing;
        let stages = [
            ("camera", t.camera),
            ("age", t.age),
            ("decode", t.decode),
            ("detect", effort.detect),
            ("align", effort.align),
            ("live", effort.live),
            ("embed", effort.embed),
            ("last", t.last),
            ("total", t.total),
        ];
        let shown = stages.map(|(name, time)| format!("{name};dur={:.1}", time.as_secs_f64() * 1000.0)).join(", ");
        format!("{shown}, frames;desc=\"{}\"", t.frames)
    }
}

/// What to show of a challenge that is under way.
fn shown(view: ChallengeView) -> Shown {
    let instruction = match view.prompt {
        Prompt::Center => Instruction::Look,
        Prompt::Turn(direction) => Way::of(direction).instruction(),
    };
    Shown {
        step: Some((view.step, view.steps)),
        progress: view.progress,
        until: Some(Instant::now() + view.remaining),
        ..Shown::new(instruction)
    }
}

//! Waits for a person before the camera and passes the frames to a worker, one after another, until there is a result.
//!
//! A worker takes the newest frame when its job starts, not when it was queued: however long the job waited, no frame older than
//! [`MAX_AGE`](crate::camera::MAX_AGE) is judged. The camera's thread takes the next frames meanwhile.

use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};

use super::DEFAULT_THRESHOLD;
use super::attempt::Attempt;
use super::board::{Running, Shown};
use super::capturer::Capturer;
use super::error::Error;
use super::frames::TakenFrame;
use super::instruction::{Instruction, Way};
use super::light::{LitFace, calibration};
use crate::camera::{Identity, Light};
use crate::face::{self, Capture, CaptureSession, ChallengeView, Extractor, Prompt};
use crate::media::video::Info;
use crate::ops::settings::LivenessMode;
use crate::ops::{Stop, elapsed, random_word};
use crate::work::{WaitLimit, block_on};

/// A captured person, with the camera and the time it took.
pub struct Captured {
    /// The person.
    pub capture: Capture,
    /// What the light of the screen told, if it was asked.
    pub light: Option<LitFace>,
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

impl Capturer {
    /// Captures a person, with as much of liveness as the attempt asks for. Whoever looks like an attack by more than its threshold is
    /// counted as one, and left to the caller.
    pub fn capture(&self, attempt: &Attempt<'_>) -> Result<Captured, Error> {
        let Attempt { mode, threshold, best_shot, .. } = *attempt;
        self.is_unlocked()?;
        let frames = (mode > LivenessMode::Off).then_some(self.settings.liveness_frames);
        let session = CaptureSession::new(frames, best_shot, elapsed).before_fixed_camera(self.settings.fixed);
        if mode < LivenessMode::Challenge {
            let captured = self.watch(attempt, session, None)?;
            self.judge_looks(&captured, threshold);
            return Ok(captured);
        }
        let calibration = calibration(&self.settings).filter(|_| mode == LivenessMode::ChallengeAndLight);
        if mode == LivenessMode::ChallengeAndLight && calibration.is_none() {
            return Err(Error::Uncalibrated);
        }
        let board = self.begin_challenge()?;
        let (count, last) = (self.settings.challenge_directions, self.board.last());
        let captured = self.watch(attempt, session.with_challenge(count, last, random_word), Some(&board));
        let captured = captured.and_then(|mut captured| {
            if let Some(calibration) = calibration.filter(|_| !captured.is_attack(threshold)) {
                let light = self.screen_light(attempt, &captured.capture, &calibration, &board)?;
                if light.is_attack() {
                    self.note_attack("the light on the face did not follow the screen");
                    return Err(Error::NotLit);
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
    fn judge_looks(&self, captured: &Captured, threshold: f64) -> bool {
        let is_attack = captured.is_attack(threshold.max(DEFAULT_THRESHOLD)); // nobody locks the methods by asking for less
        if is_attack {
            self.note_attack("the face was judged a presentation attack");
        }
        is_attack
    }

    /// The person before whose face a screen's light is calibrated.
    pub(super) fn calibrating_person(&self, attempt: &Attempt<'_>) -> Result<Capture, Error> {
        let session = CaptureSession::new(Some(self.settings.liveness_frames), false, elapsed);
        self.watch(attempt, session, None).map(|person| person.capture)
    }

    /// Passes frames to a session until it has a result.
    fn watch(
        &self,
        attempt: &Attempt<'_>,
        session: CaptureSession,
        board: Option<&Running<'_>>,
    ) -> Result<Captured, Error> {
        let start = Instant::now();
        // The wait for a person ends here; what was started by then may take the rest of a request's time.
        let until = start + attempt.wait;
        let end = attempt.wait_limit(until + self.limits.request_time());
        let last_start = until + self.limits.request_time();
        let lease = self.camera.lease();
        let mut session = Box::new(session);
        let mut timing = Timing::default();
        // Only frames taken from now on count.
        let mut number = lease.before();
        let mut looked = start;
        let capture = loop {
            attempt.is_awaited()?; // else the camera is free for the next request
            // A challenge that has begun ends by its own rules.
            let until = if session.challenge(elapsed()).is_some() { last_start } else { until };
            // A worker that is slower than the camera always finds a newer frame.
            if Instant::now() >= until {
                break self.finish(attempt, session, looked, &end);
            }
            match block_on(select(lease.newer(number), attempt.wait_limit(until))) {
                Either::First(Ok(())) => {}
                Either::First(Err(fault)) => return Err(fault.into()),
                Either::Second(()) => break self.finish(attempt, session, looked, &end),
            }
            if timing.frames == 0 {
                timing.camera = start.elapsed();
            }
            let look = self.look(attempt, session, (number, looked), &end)?;
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
                Err(error) => break Err(self.refused_face(error)),
            }
        };
        // Without a single frame it is the camera's fault, not the person's.
        let capture = capture.map_err(|told| if timing.frames == 0 { Error::no_frame(lease.fault()) } else { told })?;
        timing.total = start.elapsed();
        Ok(Captured { capture, light: None, identity: self.camera.report().identity, timing })
    }

    /// Has a worker analyze the newest frame after number `after`.
    fn look(
        &self,
        attempt: &Attempt<'_>,
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
        self.wait_for(attempt.owner, job, end)
    }

    /// The error for a face that gave no result; an attack is counted.
    fn refused_face(&self, error: face::Error) -> Error {
        if let face::Error::Challenge(ending) = error
            && ending.is_attack()
        {
            self.note_attack(&format!("challenge: {ending}"));
        }
        error.into()
    }

    /// The result when the time is over.
    fn finish(
        &self,
        attempt: &Attempt<'_>,
        mut session: Box<CaptureSession>,
        looked: Instant,
        end: &WaitLimit,
    ) -> Result<Capture, Error> {
        if looked.elapsed() > LONGEST_GAP {
            session.reset();
        }
        let job = move |extractor: &mut Extractor, _: &Stop<'_>| session.finish(extractor);
        let finished = self.wait_for(attempt.owner, job, end)?;
        finished.map_err(|error| match error {
            face::Error::NoFace => Error::Nobody,
            other => self.refused_face(other),
        })
    }
}

impl Captured {
    /// Whether the person looks like an attack by more than `threshold`; not if liveness was not judged.
    pub fn is_attack(&self, threshold: f64) -> bool {
        self.capture.live.as_ref().is_some_and(|live| live.spoofing.value() > threshold)
    }

    /// The properties of the frames, reported as those of a clip.
    pub fn info(&self, frames: usize) -> Info {
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
    pub fn server_timing(&self) -> String {
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

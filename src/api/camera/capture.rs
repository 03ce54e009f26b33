//! Waits for a person before the camera and passes the frames to a worker, one after another, until there is a result.
//!
//! A worker takes the newest frame when its job starts, not when it was queued: however long the job waited, no frame older than
//! [`MAX_AGE`](crate::camera::MAX_AGE) is judged. The camera's thread takes the next frames meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};

use super::super::context::{Call, Service};
use super::super::error::{CameraKind, Error, Family, Kind};
use crate::camera::{Fault, Identity, Light, RawFrame};
use crate::face::{self, Capture, CaptureSession, Extractor};
use crate::media::video::Info;
use crate::ops::memory::Reserved;
use crate::work::{Failed, WaitLimit, block_on};

/// A captured person, with the camera and the time it took.
pub(super) struct CapturedPerson {
    pub(super) capture: Capture,
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
    /// Captures a person, with `frames` frames to judge for liveness.
    pub(super) fn sit(&self, call: &Call, frames: Option<usize>, best_shot: bool) -> Result<CapturedPerson, Error> {
        let family = call.route.family();
        let start = Instant::now();
        // The wait for a person ends here; what was started by then may take the rest of a request's time.
        let until = start + call.ask.wait;
        let end = call.wait_limit(until + self.limits.request_time());
        let lease = self.camera.lease();
        let mut session = Box::new(CaptureSession::new(frames, best_shot, elapsed));
        let mut timing = Timing::default();
        // Only frames taken from now on count.
        let mut number = lease.before();
        let mut looked = start;
        let capture = loop {
            // The camera is free for the next request.
            if call.request.cancel.is_cancelled() {
                return Err(Error::new(family, Kind::Overloaded, "the client has disconnected"));
            }
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
                if let Some(face) = session.seen().filter(|_| frame.whole) {
                    lease.tell(Light { luma: face.brightness, clipped: face.clipped }, frame.taken);
                }
            }
            if let Some(capture) = look.result.map_err(|e| Error::from_face(&e, "").of(family))? {
                break Ok(capture);
            }
        };
        // Without a single frame it is the camera's fault, not the person's.
        let capture =
            capture.map_err(|told| if timing.frames == 0 { no_frame(family, lease.fault()) } else { told })?;
        timing.total = start.elapsed();
        Ok(CapturedPerson { capture, identity: self.camera.report().identity, timing })
    }

    /// Has a worker analyze the newest frame after number `after`.
    fn look(
        &self,
        call: &Call,
        mut session: Box<CaptureSession>,
        (after, looked): (u64, Instant),
        end: &WaitLimit,
    ) -> Result<FrameResult, Error> {
        let (newest, mounting) = (self.camera.newest(), self.camera.mounting());
        let most_pixels = self.limits.video_pixels;
        let job = move |extractor: &mut Extractor, unwanted: &dyn Fn() -> bool| {
            let Some((_room, (number, captured))) = with_room(|| newest(after), extractor, unwanted) else {
                return FrameResult { session, frame: None, result: Ok(None) };
            };
            // The person seen before the gap may have left.
            if captured.taken.saturating_duration_since(looked) > LONGEST_GAP {
                session.reset();
            }
            let (begun, age) = (Instant::now(), captured.taken.elapsed());
            let frame = captured.layout.to_frame(&captured.bytes, mounting, most_pixels, unwanted);
            let decode = begun.elapsed();
            let whole = frame.is_ok();
            let result = match frame {
                Ok(frame) => session.push_frame(extractor, frame),
                Err(damaged) => {
                    log::debug!("camera frame {number}: {damaged}");
                    Ok(None) // the next one may be whole
                }
            };
            FrameResult {
                session,
                frame: Some(FrameFacts { number, taken: captured.taken, age, decode, whole }),
                result,
            }
        };
        self.wait_for(call, job, end)
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
        let job = move |extractor: &mut Extractor, _: &dyn Fn() -> bool| session.finish(extractor);
        let finished = self.wait_for(call, job, end)?;
        finished.map_err(|error| match error {
            face::Error::NoFace => {
                let detail = "no face came before the camera in time";
                Error::new(family, Kind::Camera(CameraKind::Nobody), detail)
            }
            other => Error::from_face(&other, "").of(family),
        })
    }

    /// Runs a job on a worker.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        call: &Call,
        job: impl FnOnce(&mut Extractor, &dyn Fn() -> bool) -> T + Send + 'static,
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

/// The error for a camera that gives no frames.
pub(super) fn refused(family: Family, fault: &Fault) -> Error {
    let kind = if *fault == Fault::Busy { CameraKind::Busy } else { CameraKind::Absent };
    Error::new(family, Kind::Camera(kind), fault.to_string())
}

/// The frame that `newest` returns once there is memory for one of its size, with that memory; none if there is no frame, or if it is
/// not wanted any more.
pub(super) fn with_room(
    newest: impl Fn() -> Option<(u64, Arc<RawFrame>)>,
    extractor: &Extractor,
    unwanted: &dyn Fn() -> bool,
) -> Option<(Reserved, (u64, Arc<RawFrame>))> {
    let room = extractor.reserve(newest()?.1.layout.bytes(), unwanted).ok()?;
    Some((room, newest()?))
}

/// The error for a camera that gave no frame in time.
pub(super) fn no_frame(family: Family, fault: Option<Fault>) -> Error {
    let silent = || Error::new(family, Kind::Camera(CameraKind::Absent), "the camera sent no frame in time");
    fault.map_or_else(silent, |fault| refused(family, &fault))
}

/// Time since a fixed instant.
fn elapsed() -> Duration {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

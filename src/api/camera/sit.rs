//! Waits for a person before the camera and shows the frames to a worker, one after another, until there is a result.
//!
//! A worker takes the newest frame when it begins, not when it was asked to: however long it waited for its turn, no frame
//! older than [`MAX_AGE`](crate::camera::MAX_AGE) is judged. The camera's thread takes the next frames meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};

use super::super::error::{CameraKind, Error, Family, Kind};
use super::super::service::{Call, Service};
use crate::camera::{Captured, Fault, Identity};
use crate::face::{self, Extractor, Sat, Sitting};
use crate::media::video::Info;
use crate::ops::memory::Reserved;
use crate::work::{Failed, Patience, block_on};

/// A person and how they came to be seen.
pub(super) struct Seen {
    pub(super) sat: Sat,
    identity: Option<Identity>,
    timing: Timing,
}

/// Where the time went. The first four are sums over all frames that were looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Timing {
    /// From the request to the first frame.
    camera: Duration,
    /// Buffer to pixels.
    decode: Duration,
    /// From the last frame's arrival to the result.
    last: Duration,
    /// Age of the last frame when a worker began to look at it.
    age: Duration,
    frames: u32,
    total: Duration,
}

/// What became of one frame.
struct Look {
    sitting: Box<Sitting>,
    /// None if there was no fresh one.
    frame: Option<Looked>,
    result: Result<Option<Sat>, face::Error>,
}

/// A frame that was looked at.
struct Looked {
    number: u64,
    taken: Instant,
    /// How old it was then.
    age: Duration,
    /// What decoding took.
    decode: Duration,
    /// Whether it was a whole picture.
    whole: bool,
}

/// Longest time from one look to the frame of the next. After a longer one, since the camera stalled or no worker was free,
/// the sitting begins anew.
const LONGEST_GAP: Duration = Duration::from_secs(1);

impl Service {
    /// Waits for a person, with `frames` of them to judge for liveness.
    pub(super) fn sit(&self, call: &Call, frames: Option<usize>, best_shot: bool) -> Result<Seen, Error> {
        let family = call.route.family();
        let start = Instant::now();
        // Until then a person is waited for; what was begun by then may take the rest of a request's time.
        let until = start + call.ask.wait;
        let end = call.patience(until + self.limits.request_time());
        let lease = self.camera.lease();
        let mut sitting = Box::new(Sitting::new(frames, best_shot, elapsed));
        let mut timing = Timing::default();
        // Only what is taken from now on counts.
        let mut number = lease.before();
        let mut looked = start;
        let sat = loop {
            // The camera is for the next one.
            if call.caller.gone.is_said() {
                return Err(Error::new(family, Kind::Overloaded, "nobody waits for it any more"));
            }
            // A worker that is slower than the camera always finds a newer frame.
            if Instant::now() >= until {
                break self.finish(call, sitting, looked, &end);
            }
            match block_on(select(lease.newer(number), call.patience(until))) {
                Either::First(Ok(())) => {}
                Either::First(Err(fault)) => return Err(refused(family, &fault)),
                Either::Second(()) => break self.finish(call, sitting, looked, &end),
            }
            if timing.frames == 0 {
                timing.camera = start.elapsed();
            }
            let look = self.look(call, sitting, (number, looked), &end)?;
            sitting = look.sitting;
            looked = Instant::now();
            if let Some(frame) = look.frame {
                number = frame.number;
                timing.frames += u32::from(frame.whole);
                timing.decode += frame.decode;
                (timing.age, timing.last) = (frame.age, frame.taken.elapsed());
            }
            if let Some(sat) = look.result.map_err(|e| Error::from_face(&e, "").of(family))? {
                break Ok(sat);
            }
        };
        // Without a single frame it is the camera's fault, not the person's.
        let sat = sat.map_err(|told| if timing.frames == 0 { no_frame(family, lease.fault()) } else { told })?;
        timing.total = start.elapsed();
        Ok(Seen { sat, identity: self.camera.report().identity, timing })
    }

    /// Has a worker look at the newest frame after number `after`.
    fn look(
        &self,
        call: &Call,
        mut sitting: Box<Sitting>,
        (after, looked): (u64, Instant),
        end: &Patience,
    ) -> Result<Look, Error> {
        let (newest, mounting) = (self.camera.newest(), self.camera.mounting());
        let most_pixels = self.limits.video_pixels;
        let job = move |extractor: &mut Extractor, unwanted: &dyn Fn() -> bool| {
            let Some((_room, (number, captured))) = with_room(|| newest(after), extractor, unwanted) else {
                return Look { sitting, frame: None, result: Ok(None) };
            };
            // Whoever stood there before the gap may have gone.
            if captured.taken.saturating_duration_since(looked) > LONGEST_GAP {
                sitting.forget();
            }
            let (begun, age) = (Instant::now(), captured.taken.elapsed());
            let frame = captured.layout.to_frame(&captured.bytes, mounting, most_pixels, unwanted);
            let decode = begun.elapsed();
            let whole = frame.is_ok();
            let result = match frame {
                Ok(frame) => sitting.see(extractor, frame),
                Err(damaged) => {
                    log::debug!("camera frame {number}: {damaged}");
                    Ok(None) // the next one may be whole
                }
            };
            Look { sitting, frame: Some(Looked { number, taken: captured.taken, age, decode, whole }), result }
        };
        self.wait_for(call, job, end)
    }

    /// The result at the end of the time.
    fn finish(&self, call: &Call, mut sitting: Box<Sitting>, looked: Instant, end: &Patience) -> Result<Sat, Error> {
        let family = call.route.family();
        if looked.elapsed() > LONGEST_GAP {
            sitting.forget();
        }
        let job = move |extractor: &mut Extractor, _: &dyn Fn() -> bool| sitting.finish(extractor);
        let finished = self.wait_for(call, job, end)?;
        finished.map_err(|error| match error {
            face::Error::NoFace => {
                let detail = "nobody came before the camera in time";
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
        end: &Patience,
    ) -> Result<T, Error> {
        let family = call.route.family();
        let overloaded = |what: &str| Error::new(family, Kind::Overloaded, format!("{what}; try again"));
        let ticket = self.pool.submit(&call.caller.owner, job).map_err(|_| overloaded("too many requests at once"))?;
        match block_on(select(ticket, end.clone())) {
            Either::First(Ok(done)) => Ok(done),
            Either::First(Err(Failed(cause))) => Err(Error::internal(family, cause)),
            Either::Second(()) => Err(overloaded("the deadline passed")),
        }
    }
}

impl Seen {
    /// What is told of the frames as of a clip.
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

    /// Where the time went, in milliseconds: the value of the header of that name (W3C Server Timing).
    pub(super) fn server_timing(&self) -> String {
        let effort = self.sat.effort;
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

/// The frame that `newest` gives once there is memory for one of its size, with that memory; none if there is no frame, or if it is not
/// wanted any more.
pub(super) fn with_room(
    newest: impl Fn() -> Option<(u64, Arc<Captured>)>,
    extractor: &Extractor,
    unwanted: &dyn Fn() -> bool,
) -> Option<(Reserved, (u64, Arc<Captured>))> {
    let room = extractor.reserve(newest()?.1.layout.bytes(), unwanted).ok()?;
    Some((room, newest()?))
}

/// The error for a camera that gave no frame in time.
pub(super) fn no_frame(family: Family, fault: Option<Fault>) -> Error {
    let silent = || Error::new(family, Kind::Camera(CameraKind::Absent), "the camera sent no frame in time");
    fault.map_or_else(silent, |fault| refused(family, &fault))
}

/// Time since some instant that never changes.
fn elapsed() -> Duration {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

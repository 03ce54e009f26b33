//! Shows the camera's picture, as one JPEG and as a stream of them (`multipart/x-mixed-replace`).

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};

use super::super::context::{Call, RunningStream, Service};
use super::super::error::{CameraKind, Error, Kind};
use super::super::reply::Reply;
use crate::camera::Lease;
use crate::capture::{self, TakenFrame};
use crate::face::Extractor;
use crate::gate::InFlightRequest;
use crate::media;
use crate::ops::shutdown::IDLE;
use crate::ops::{SecretBytes, Stop};
use crate::work::{Deadline, block_on};

/// Most streams at once: each holds a thread that serves requests, and costs a worker's time for each frame.
const STREAMS: usize = 2;

/// Interval between the frames of a stream: ten a second look smooth enough to step before the camera.
const INTERVAL: Duration = Duration::from_millis(100);

/// A stream ends after this time, so that a forgotten window does not keep the camera on for ever. Browsers open it again when the
/// page is reloaded.
const LONGEST: Duration = Duration::from_secs(600);

/// A stream ends when no frame arrived for this long.
const PATIENCE: Duration = Duration::from_secs(10);

const BOUNDARY: &str = "faceplate-frame";

/// A frame's number, and what was made of the frame or what is wrong with it.
type Looked<T> = (u64, Result<T, String>);

impl Service {
    pub(in crate::api) fn camera_frame(&self, call: &Call) -> Result<Reply, Error> {
        let (_, jpeg) = self.newest_frame(call, self.picture(0))?;
        Ok(Reply::ok("image/jpeg", jpeg))
    }

    /// What a worker's `job` makes of the newest frame, with its number; the job finds none if there is no fresh one, or tells what is
    /// wrong with it. The camera is switched on for it, if it may be shown.
    pub(in crate::api) fn newest_frame<T: Send + 'static>(
        &self,
        call: &Call,
        job: impl FnOnce(&mut Extractor, &Stop<'_>) -> Option<Looked<T>> + Send + 'static,
    ) -> Result<(u64, T), Error> {
        self.may_show(call)?;
        let family = call.route.family();
        let _lease = self.first_frame(call)?;
        let limit = call.wait_limit(Instant::now() + self.limits.request_time());
        let taken = self.capturer.wait_for(&call.request.owner, job, &limit);
        match taken.map_err(|error| Error::from_capture(error, family))? {
            Some((number, Ok(made))) => Ok((number, made)),
            Some((_, Err(why))) => Err(Error::new(family, Kind::Camera(CameraKind::Absent), why)),
            None => {
                Err(Error::new(family, Kind::Overloaded, "no worker was free while the frame was fresh; try again"))
            }
        }
    }

    pub(in crate::api) fn camera_stream(self: &Arc<Self>, call: &Call) -> Result<Reply, Error> {
        self.may_show(call)?;
        let Some(running) = self.streams.begin(STREAMS) else {
            let detail = format!("{STREAMS} streams are running already; try again");
            return Err(Error::new(call.route.family(), Kind::Overloaded, detail));
        };
        let stream = Stream::new(Arc::clone(self), running, self.first_frame(call)?, call.request.clone());
        Ok(Reply::live(format!("multipart/x-mixed-replace; boundary={BOUNDARY}"), Box::new(stream)))
    }

    /// Switches the camera on and waits for a frame.
    fn first_frame(&self, call: &Call) -> Result<Lease, Error> {
        let family = call.route.family();
        let lease = self.capturer.camera().lease();
        match block_on(select(lease.newer(0), call.wait_limit(Instant::now() + call.ask.wait))) {
            Either::First(Ok(())) => Ok(lease),
            Either::First(Err(fault)) => Err(Error::from_capture(fault.into(), family)),
            Either::Second(()) => Err(Error::from_capture(capture::Error::no_frame(lease.fault()), family)),
        }
    }

    fn may_show(&self, call: &Call) -> Result<(), Error> {
        match self.capturer.settings().preview {
            true => Ok(()),
            false => {
                Err(Error::new(call.route.family(), Kind::Camera(CameraKind::PreviewOff), "camera.preview is false"))
            }
        }
    }

    /// A worker's job: the newest frame after number `after` as JPEG, if there is a fresh one.
    fn picture(
        &self,
        after: u64,
    ) -> impl FnOnce(&mut Extractor, &Stop<'_>) -> Option<Looked<SecretBytes>> + Send + use<> {
        let newest = self.capturer.frame_after(after);
        move |extractor: &mut Extractor, unwanted: &Stop<'_>| {
            let TakenFrame { number, frame, room: _room, .. } = newest(extractor, unwanted)?;
            Some((number, frame.map_err(|e| e.to_string()).and_then(|frame| media::to_jpeg(&frame))))
        }
    }
}

/// The body of a stream: made frame by frame, as fast as the client reads it.
struct Stream {
    service: Arc<Service>,
    viewer: InFlightRequest,
    begun: Instant,
    number: u64,
    due: Instant,
    /// The unread rest of the frame that is being sent.
    part: io::Cursor<SecretBytes>,
    /// Keeps the camera on.
    lease: Lease,
    _running: RunningStream,
}

impl Stream {
    fn new(service: Arc<Service>, running: RunningStream, lease: Lease, viewer: InFlightRequest) -> Self {
        let now = Instant::now();
        let part = io::Cursor::default();
        Self { service, viewer, begun: now, number: 0, due: now, part, lease, _running: running }
    }

    fn is_over(&self) -> bool {
        self.service.shutdown.requested() || self.viewer.cancel.is_cancelled()
    }

    /// The next frame as a part of the body; none when the stream has to end.
    fn next(&mut self) -> Option<SecretBytes> {
        let service = &self.service;
        let wait_limit = Instant::now() + PATIENCE;
        while !self.is_over() && self.begun.elapsed() < LONGEST && Instant::now() < wait_limit {
            let now = Instant::now();
            let pause = Deadline(now + IDLE);
            if now < self.due {
                block_on(Deadline(self.due.min(pause.0)));
                continue;
            }
            match block_on(select(self.lease.newer(self.number), pause)) {
                Either::First(Ok(())) => {}
                Either::First(Err(_)) => return None,
                Either::Second(()) => continue,
            }
            self.due = now + INTERVAL;
            // A frame for which the queue has no room is skipped: verification requests have priority.
            let Ok(ticket) = service.pool.submit(&self.viewer.owner, service.picture(self.number)) else { continue };
            let Either::First(Ok(Some((number, jpeg)))) = block_on(select(ticket, Deadline(wait_limit))) else {
                continue;
            };
            self.number = number;
            let Ok(jpeg) = jpeg else { continue };
            let head = format!("--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
            return Some([head.as_bytes(), &jpeg, b"\r\n"].concat().into());
        }
        None
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Also in the middle of a frame: a client that reads slowly must not hold the stream.
        if self.is_over() || self.begun.elapsed() > LONGEST + PATIENCE {
            return Ok(0);
        }
        let read = self.part.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let Some(part) = self.next() else { return Ok(0) };
        self.part = io::Cursor::new(part);
        self.part.read(buffer)
    }
}

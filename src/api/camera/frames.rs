//! Gets a frame for a worker, and says why there is none.

use std::time::{Duration, Instant};

use super::super::context::Service;
use super::super::error::{CameraKind, Error, Family, Kind};
use crate::camera::Fault;
use crate::face::Extractor;
use crate::media::Frame;
use crate::media::raw::Damaged;
use crate::ops::Stop;
use crate::ops::memory::Reserved;

/// A frame of the camera that a worker has taken.
pub(super) struct TakenFrame {
    pub(super) number: u64,
    /// When the camera took it.
    pub(super) taken: Instant,
    /// Its age when the worker took it.
    pub(super) age: Duration,
    /// Time that decoding took.
    pub(super) decode: Duration,
    /// Its pixels, or what is wrong with its bytes.
    pub(super) frame: Result<Frame, Damaged>,
    /// The memory that it needs, while it is there.
    pub(super) room: Reserved,
}

impl Service {
    /// What takes the newest frame after number `after` in a worker; none if there is no fresh one, or if it is not wanted any more.
    pub(super) fn frame_after(
        &self,
        after: u64,
    ) -> impl Fn(&Extractor, &Stop<'_>) -> Option<TakenFrame> + Send + use<> {
        let (newest, mounting, most_pixels) = (self.camera.newest(), self.camera.mounting(), self.limits.video_pixels);
        move |extractor, unwanted| {
            // Until there is memory for one of its size, there may be a newer one.
            let room = extractor.reserve(newest(after)?.1.layout.bytes(), unwanted).ok()?;
            let (number, captured) = newest(after)?;
            let (begun, age) = (Instant::now(), captured.taken.elapsed());
            let frame = captured.layout.to_frame(&captured.bytes, mounting, most_pixels, unwanted);
            Some(TakenFrame { number, taken: captured.taken, age, decode: begun.elapsed(), frame, room })
        }
    }
}

/// The error for a camera that gives no frames.
pub(super) fn refused(family: Family, fault: &Fault) -> Error {
    let kind = if *fault == Fault::Busy { CameraKind::Busy } else { CameraKind::Absent };
    Error::new(family, Kind::Camera(kind), fault.to_string())
}

/// The error for a camera that gave no frame in time.
pub(super) fn no_frame(family: Family, fault: Option<Fault>) -> Error {
    let silent = || Error::new(family, Kind::Camera(CameraKind::Absent), "the camera sent no frame in time");
    fault.map_or_else(silent, |fault| refused(family, &fault))
}

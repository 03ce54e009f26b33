//! Gets a frame for a worker, and says why there is none.

use std::time::{Duration, Instant};

use super::capturer::Capturer;
use crate::face::Extractor;
use crate::media::Frame;
use crate::media::raw::Damaged;
use crate::ops::Stop;
use crate::ops::memory::Reserved;

/// A frame of the camera that a worker has taken.
pub struct TakenFrame {
    /// Its number since the service started.
    pub number: u64,
    /// When the camera took it.
    pub taken: Instant,
    /// Its age when the worker took it.
    pub age: Duration,
    /// Time that decoding took.
    pub decode: Duration,
    /// Its pixels, or what is wrong with its bytes.
    pub frame: Result<Frame, Damaged>,
    /// The memory that it needs, while it is there.
    pub room: Reserved,
}

impl Capturer {
    /// What takes the newest frame after number `after` in a worker; none if there is no fresh one, or if it is not wanted any more.
    pub fn frame_after(&self, after: u64) -> impl Fn(&Extractor, &Stop<'_>) -> Option<TakenFrame> + Send + use<> {
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

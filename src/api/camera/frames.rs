//! Gets a frame for a worker, and says why there is none.

use std::sync::Arc;

use super::super::error::{CameraKind, Error, Family, Kind};
use crate::camera::{Fault, RawFrame};
use crate::face::Extractor;
use crate::ops::memory::Reserved;

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

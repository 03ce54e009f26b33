//! Takes frames from a camera: one thread owns the device, and all callers share the newest frame. It does not interpret frames.
//!
//! [`Camera`] is the interface. A caller holds a [`Lease`] while it wants frames, which switches the device on, and waits for the
//! next frame as a future. `supervisor` decides when to open, to give up and to retry; it uses no device and no clock, so that a
//! test simulates a day in seconds. `exposure` decides in the same way when the camera has to expose less for the face. `lock` keeps
//! exposure and white balance constant while the color of the light is measured. A
//! [`FrameSource`] is a device (`device`, by the crate `v4l`) or files (`file`).
//!
//! Frames are kept as the camera sent them and decoded only on a worker that needs pixels. Only the newest is kept, in memory
//! alone, and it is dropped when the camera goes off.

mod controls;
mod device;
mod discover;
mod exposure;
mod fault;
mod file;
mod lock;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod simulation;
mod slot;
mod source;
mod supervisor;
mod thread;

pub use discover::{CameraInfo, Mode, find, listed};
pub use exposure::Light;
pub use fault::Fault;
pub use lock::{Locked, Owed};
pub use slot::{Counts, Status};
pub use source::{FrameSource, Identity, RawFrame};
pub use thread::{Camera, ControlLock, Lease, MAX_AGE, Report, try_open};

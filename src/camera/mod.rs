//! Cameras to frames: one thread owns the device, and the newest frame is there for whoever asks.
//!
//! [`Camera`] is what others use: they hold a [`Lease`] while they want frames, which switches the device on, and wait for the
//! next frame as a future. `keeper` decides when to open, to give up and to try again; it knows no device and no clock, so
//! that a day passes in a test in seconds. A [`FrameSource`] is a device (`device`, by the crate `v4l`), files (`file`), or,
//! where there is no Video4Linux, whatever `nokhwa` finds (`elsewhere`).
//!
//! Frames are kept as the camera sent them: whoever wants pixels decodes them, on a worker. Only the newest is kept, in memory
//! alone, and it is dropped when the camera goes off. What is in a frame is nobody's business here.

#[cfg(target_os = "linux")]
mod controls;
#[cfg(target_os = "linux")]
mod device;
mod discover;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod fault;
mod file;
mod keeper;
#[cfg(test)]
mod simulation;
mod slot;
mod source;
mod thread;

pub use discover::{Found, Mode, find, listed};
pub use fault::Fault;
pub use slot::{Counts, Status};
pub use source::{Captured, FrameSource, Identity};
pub use thread::{Camera, Lease, MAX_AGE, Report};

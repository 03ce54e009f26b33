//! Bytes to frames: what a client sent becomes upright RGB pixels, within limits, or an error that says why not.
//!
//! It knows pictures, not faces.

mod frame;
mod jpeg;
mod still;

pub use frame::{Frame, Turn};
pub use still::{Error, decode, fuzz};

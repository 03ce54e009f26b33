//! Captures a person from the camera: waits for one, runs challenges and the light of the screen, counts attacks, and locks itself after them.
//!
//! [`Capturer`] is all that others use: requests of clients and the door alike. It knows nothing of who is enrolled, and nothing of HTTP;
//! what it asks of the person is on a [`Board`] that others show.

mod attempt;
mod board;
mod capturer;
mod error;
mod frames;
mod instruction;
mod light;
mod lock_out;
mod person;

pub use attempt::Attempt;
pub use board::{Board, Shown};
pub use capturer::Capturer;
pub use error::Error;
pub use frames::TakenFrame;
pub use instruction::{Instruction, Way};
pub use light::{LightCalibration, LitFace};
pub use person::Captured;

/// Spoofing confidence above which a person counts as an attack where nothing else is said: the vendor's default threshold.
pub const DEFAULT_THRESHOLD: f64 = 0.5;

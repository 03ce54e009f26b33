//! Challenge: the subject turns the head where it is asked to, which a sheet of paper and a screen cannot do as a head does.
//!
//! [`draw`] chooses the directions and [`rules`] judges the course. How far a head is turned is told by
//! [`turn`](super::turn), from parallax. Frames come from [`CaptureSession`](super::CaptureSession).

mod draw;
#[cfg(test)]
pub(super) mod head;
mod recording;
mod rules;
mod run;
#[cfg(test)]
mod tests;

pub(super) use draw::draw;
pub use recording::{Poses, Recording};
pub(super) use rules::State;
pub use rules::{Ending, Prompt, Response};
pub(super) use run::ChallengeRun;
pub use run::ChallengeView;

//! The door: who is let in, when, and by what line of the hardware.
//!
//! [`Controller`] decides, and knows neither a clock nor a camera; [`Door`] is the thin shell that gives it both, and does what it says.

mod claims;
mod controller;
mod inputs;
mod lines;
mod relay;
mod schedule;
mod shell;
#[cfg(test)]
mod simulation;
mod step;
mod thread;
mod watch;

pub use claims::{Claims, GOOD_FOR};
pub use controller::{Config, Controller, State};
pub use lines::release;
pub use schedule::Schedules;
pub use shell::{ClaimError, Door, Figures, Parts, Status};
pub use step::{Action, Candidate, Finding, Input, Moment, Outcome};

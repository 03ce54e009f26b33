//! What an attempt to capture a person asks for, and for how long.

use std::time::{Duration, Instant};

use super::error::Error;
use crate::ops::settings::LivenessMode;
use crate::work::{CancelToken, Owner, WaitLimit};

/// What an attempt to capture a person asks for.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// How much of liveness.
    pub mode: LivenessMode,
    /// Spoofing confidence above which the person counts as an attack, 0..1.
    pub threshold: f64,
    /// Whether the best shot is kept.
    pub best_shot: bool,
    /// How long to wait for a person.
    pub wait: Duration,
    /// For whom workers run the jobs.
    pub owner: &'a Owner,
    /// Ends the attempt.
    pub cancel: &'a CancelToken,
}

impl Attempt<'_> {
    /// The limit of a wait: `until`, or earlier if nobody waits for the attempt any more.
    pub(super) fn wait_limit(&self, until: Instant) -> WaitLimit {
        WaitLimit::new(until, self.cancel)
    }

    /// An error if nobody waits for it any more.
    pub(super) fn is_awaited(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

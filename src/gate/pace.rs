//! Whether bytes move fast enough: in every window some must.

use std::time::{Duration, Instant};

/// The pace of one transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When it began.
    pub begun: Instant,
    window: Instant,
    moved: usize,
}

/// Long enough for a network to stumble, short enough that a peer that stands still is soon gone.
const WINDOW: Duration = Duration::from_secs(5);

impl Pace {
    /// A transfer that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, window: now, moved: 0 }
    }

    /// So many bytes went through.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// When it has to be judged.
    pub(super) fn due(&self) -> Instant {
        self.window + WINDOW
    }

    /// Judges the window that is over and begins a new one: whether bytes moved at `least` bytes a second.
    pub(super) fn renew(&mut self, now: Instant, least: usize) -> bool {
        let enough = self.moved >= least.saturating_mul(WINDOW.as_secs() as usize);
        (self.window, self.moved) = (now, 0);
        enough
    }
}

//! Measures whether bytes move fast enough: in every window some must.

use std::time::{Duration, Instant};

/// The pace of one transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// When it began.
    pub begun: Instant,
    window: Instant,
    moved: usize,
    /// Bytes of the last whole window, if there was one.
    last: Option<usize>,
}

/// How long a transfer has no rate yet.
const FIRST: Duration = Duration::from_secs(2);

/// Length of a window: long enough for a network to stumble, short enough that a stalled peer is soon gone.
const WINDOW: Duration = Duration::from_secs(5);

impl Pace {
    /// A transfer that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, window: now, moved: 0, last: None }
    }

    /// Counts bytes that went through.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// When it has to be judged next.
    pub(super) fn due(&self) -> Instant {
        self.window + WINDOW
    }

    /// Ends the window and begins a new one; returns whether bytes moved at `least` bytes a second or more.
    pub(super) fn renew(&mut self, now: Instant, least: usize) -> bool {
        let enough = self.moved >= least.saturating_mul(WINDOW.as_secs() as usize);
        (self.window, self.last, self.moved) = (now, Some(self.moved), 0);
        enough
    }

    /// Whether it has no rate yet.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) < FIRST
    }

    /// Whether bytes went through in this window, at `rate` bytes a second or more.
    pub(super) fn has_moved(&self, rate: usize, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.window).as_secs_f64();
        self.moved > 0 && self.moved as f64 >= rate as f64 * time
    }

    /// Recent bytes a second: over the last whole window and the open one. Earlier bytes do not help a transfer that has become slow. In
    /// its first moments a transfer is not judged.
    pub(super) fn rate(&self, now: Instant) -> usize {
        self.rate_after(FIRST, now)
    }

    /// The same, judged after `first`.
    pub(super) fn rate_after(&self, first: Duration, now: Instant) -> usize {
        if now.saturating_duration_since(self.begun) < first {
            return usize::MAX;
        }
        let time = now.saturating_duration_since(self.window) + self.last.map_or(Duration::ZERO, |_| WINDOW);
        let bytes = self.moved.saturating_add(self.last.unwrap_or_default());
        (bytes as f64 / time.as_secs_f64().max(1e-3)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_recent_transfers() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(start);
        pace.moved(50_000_000);
        assert_eq!(pace.rate(at(1)), usize::MAX);
        assert_eq!(pace.rate(at(4)), 12_500_000);
        assert!(pace.renew(at(5), 4_096));
        pace.moved(50_000);
        assert_eq!(pace.rate(at(10)), 5_005_000);
        assert!(pace.renew(at(10), 4_096));
        pace.moved(50_000);
        assert_eq!(pace.rate(at(15)), 10_000, "a burst long ago does not count");
        assert!(!pace.renew(at(15), 20_000));
    }
}

//! Fair queue: picks the next job by the worker time of each owner (start-time fair queuing; Goyal, Vin and Cheng, 1996).

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// State of the fair queue.
#[derive(Default)]
pub(super) struct FairQueue {
    /// Worker time that each owner has had, counted from where it began to want some.
    served: HashMap<u64, Duration>,
    /// Running jobs: their owners, and since when.
    running: Vec<(u64, Instant)>,
    /// Most worker time that any owner had when its job began: an owner without jobs saves nothing up.
    floor: Duration,
}

/// Owners whose time is remembered before those that had no more than others are forgotten.
const REMEMBERED: usize = 1_024;

impl FairQueue {
    fn served(&self, owner: u64, now: Instant) -> Duration {
        let running = self.running.iter().filter(|(whose, _)| *whose == owner);
        let before = self.served.get(&owner).copied().unwrap_or_default().max(self.floor);
        before + running.map(|(_, since)| now.saturating_duration_since(*since)).sum::<Duration>()
    }

    /// Index of the waiting job that comes next: the first of the owner that had the least time.
    pub(super) fn next(&self, waiting: impl Iterator<Item = u64>, now: Instant) -> Option<usize> {
        let served = waiting.enumerate().map(|(at, owner)| (self.served(owner, now), at));
        served.min().map(|(_, at)| at)
    }

    /// Records that a job of `owner` begins.
    pub(super) fn begin(&mut self, owner: u64, now: Instant) {
        self.floor = self.floor.max(self.served.get(&owner).copied().unwrap_or_default());
        self.running.push((owner, now));
    }

    /// Records that a job of `owner`, begun at `begun`, has ended.
    pub(super) fn end(&mut self, owner: u64, begun: Instant, now: Instant) {
        if let Some(at) = self.running.iter().position(|run| *run == (owner, begun)) {
            self.running.swap_remove(at);
        }
        if self.served.len() >= REMEMBERED {
            self.served.retain(|_, time| *time > self.floor);
        }
        let before = self.served.get(&owner).copied().unwrap_or_default().max(self.floor);
        self.served.insert(owner, before + now.saturating_duration_since(begun));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_with_the_least_time_is_next_and_idle_time_is_not_saved() {
        let (mut turns, start) = (FairQueue::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        turns.begin(1, at(0));
        assert_eq!(turns.next([1, 2].into_iter(), at(1)), Some(1), "what runs counts");
        turns.end(1, at(0), at(10));
        turns.begin(2, at(10));
        turns.end(2, at(10), at(11));
        assert_eq!(turns.next([1, 2, 2].into_iter(), at(11)), Some(1));
        // Owner 3 comes late: it does not get the ten seconds that others had before.
        turns.begin(1, at(20));
        turns.end(1, at(20), at(21));
        turns.begin(3, at(21));
        turns.end(3, at(21), at(23));
        assert_eq!(turns.next([3, 1].into_iter(), at(23)), Some(1));
        assert_eq!(turns.next(std::iter::empty(), at(23)), None);
    }
}

//! How long each client held places of late, so that under a crowd those who took little come before those who took much.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::access::Token;
use super::peers::Peer;

/// Whose work a request is: a peer's, and one of its tokens' if it has several. Doors that share a token are not one client, nor
/// are clients of a proxy that have tokens of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) peer: Peer,
    pub(super) token: Option<Token>,
}

/// Seconds in places, which fade.
#[derive(Debug, Default)]
pub(super) struct Usage(HashMap<Owner, (f64, Instant)>);

/// In this time half of what somebody took is forgotten: longer than a request takes, shorter than a crowd lasts.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Clients that are remembered; when there are more, those who took least are forgotten.
const REMEMBERED: usize = 4_096;

impl Usage {
    /// `owner` held a place for `time`.
    pub(super) fn add(&mut self, owner: Owner, time: Duration, now: Instant) {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (seconds, since)| faded(*seconds, *since, now) > 0.01);
        }
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&owner) {
            return;
        }
        let entry = self.0.entry(owner).or_insert((0.0, now));
        *entry = (faded(entry.0, entry.1, now) + time.as_secs_f64(), now);
    }

    /// Seconds that `owner` had of late.
    pub(super) fn of(&self, owner: Owner, now: Instant) -> f64 {
        self.0.get(&owner).map_or(0.0, |(seconds, since)| faded(*seconds, *since, now))
    }
}

fn faded(seconds: f64, since: Instant, now: Instant) -> f64 {
    seconds * (-now.saturating_duration_since(since).as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_fades() {
        let (mut usage, start) = (Usage::default(), Instant::now());
        let owner = Owner { peer: Peer::Local, token: None };
        usage.add(owner, Duration::from_secs(8), start);
        assert_eq!(usage.of(owner, start), 8.0);
        let later = start + HALF_LIFE;
        assert!((usage.of(owner, later) - 4.0).abs() < 1e-9);
        usage.add(owner, Duration::from_secs(1), later);
        assert!((usage.of(owner, later) - 5.0).abs() < 1e-9);
        assert_eq!(usage.of(Owner { token: Some([1; 32]), ..owner }, later), 0.0);
        for i in 0..2 * REMEMBERED as u32 {
            let peer = Peer::V4(i.to_be_bytes());
            usage.add(Owner { peer, token: None }, Duration::from_millis(1), later);
        }
        assert!(usage.0.len() <= REMEMBERED && usage.of(owner, later) > 4.9);
    }
}

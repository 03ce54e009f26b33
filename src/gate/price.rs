//! Tracks what each client's requests have cost recently, so that under load cheap requests come before dear ones.
//!
//! The dearest recent request counts, not the sum: a terminal that asks often and cheaply must not lose its slot to many clients that
//! each ask for much and wait long, nor can a client hide a dear request among many small ones.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::pass::Token;
use super::peers::Peer;

/// A client: a peer, and the token that it uses, if any. Terminals that share a token are separate clients, and so are clients behind a
/// proxy that have tokens of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    pub(super) peer: Peer,
    pub(super) token: Option<Token>,
}

/// Seconds that the dearest request of each client took, decaying with time.
#[derive(Debug, Default)]
pub(super) struct Prices(HashMap<Holder, (f64, Instant)>);

/// Time in which a price falls to half: a request of five seconds counts for a minute.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Seconds that a client without recent requests is expected to need: more than a picture takes, less than a clip.
pub(super) const UNKNOWN: f64 = 0.1;

/// Most clients that are remembered; when there are more, the cheapest are forgotten.
const REMEMBERED: usize = 4_096;

impl Prices {
    /// Records that a request of `holder` took `time`.
    pub(super) fn add(&mut self, holder: Holder, time: Duration, now: Instant) {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (seconds, since)| faded(*seconds, *since, now) > UNKNOWN);
        }
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&holder) {
            return;
        }
        let entry = self.0.entry(holder).or_insert((0.0, now));
        *entry = (faded(entry.0, entry.1, now).max(time.as_secs_f64()), now);
    }

    /// Seconds that a request of `holder` is expected to take.
    pub(super) fn of(&self, holder: Holder, now: Instant) -> f64 {
        self.0.get(&holder).map_or(UNKNOWN, |(seconds, since)| faded(*seconds, *since, now))
    }
}

fn faded(seconds: f64, since: Instant, now: Instant) -> f64 {
    seconds * (-now.saturating_duration_since(since).as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_expensive_request_sets_the_price_and_fades() {
        let (mut prices, start) = (Prices::default(), Instant::now());
        let holder = Holder { peer: Peer::Local, token: None };
        assert_eq!(prices.of(holder, start), UNKNOWN);
        prices.add(holder, Duration::from_secs(8), start);
        for _ in 0..1_000 {
            prices.add(holder, Duration::from_millis(1), start);
        }
        assert_eq!(prices.of(holder, start), 8.0, "many small ones hide nothing");
        let later = start + HALF_LIFE;
        assert!((prices.of(holder, later) - 4.0).abs() < 1e-9);
        prices.add(holder, Duration::from_secs(5), later);
        assert!((prices.of(holder, later) - 5.0).abs() < 1e-9);
        assert_eq!(prices.of(Holder { token: Some([1; 32]), ..holder }, later), UNKNOWN);
        for i in 0..2 * REMEMBERED as u32 {
            let peer = Peer::V4(i.to_be_bytes());
            prices.add(Holder { peer, token: None }, Duration::from_millis(1), later);
        }
        assert!(prices.0.len() <= REMEMBERED && prices.of(holder, later) > 4.9);
    }
}

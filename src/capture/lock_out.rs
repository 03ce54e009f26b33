//! Locks the camera's methods for a while after attack verdicts, the longer the more there were: who may try ten times finds the one
//! time that a judgment is wrong.
//!
//! It counts verdicts, not people: whoever comes next waits as well. One verdict is forgotten in every [`FORGOTTEN`], whatever comes
//! between: if a success reset the count, an attacker would only have to wait for a person. It reads no clock.

use std::time::{Duration, Instant};

/// Time in which one attack verdict is forgotten. At a door with a person a minute of whom one in twenty is taken for an attack, the
/// count stays at one or two.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// Longest lock: then one try in ten minutes is left, and help is never farther away.
const LONGEST: Duration = Duration::from_secs(600);

/// The verdicts that are remembered.
#[derive(Debug)]
pub(super) struct LockOut {
    /// Lock after the first verdict; zero for none at all. It doubles with each verdict that is remembered.
    first: Duration,
    remembered: u32,
    /// When the count was last lowered or raised from zero.
    since: Option<Instant>,
    until: Option<Instant>,
    /// All verdicts since the service started.
    attacks: u64,
}

impl LockOut {
    /// Without verdicts.
    pub(super) fn new(first: Duration) -> Self {
        Self { first, remembered: 0, since: None, until: None, attacks: 0 }
    }

    /// Counts an attack verdict; returns for how long the methods are locked.
    pub(super) fn attack(&mut self, now: Instant) -> Duration {
        self.forget(now);
        self.since.get_or_insert(now);
        self.attacks += 1;
        self.remembered += 1;
        let doubled = self.first.saturating_mul(1u32.checked_shl(self.remembered - 1).unwrap_or(u32::MAX));
        let lock = doubled.min(LONGEST);
        self.until = Some(now + lock);
        lock
    }

    /// Time that the methods are still locked.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Attack verdicts since the service started.
    pub(super) fn attacks(&self) -> u64 {
        self.attacks
    }

    /// Lowers the count by the time that has passed.
    fn forget(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let times =
            (now.saturating_duration_since(since).as_secs() / FORGOTTEN.as_secs()).min(u64::from(self.remembered));
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.remembered -= times;
        self.since = (self.remembered > 0).then(|| since + FORGOTTEN * times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(5);

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn each_attack_locks_for_twice_as_long_up_to_ten_minutes() {
        let (mut lock, mut now) = (LockOut::new(FIRST), Instant::now());
        for want in [5, 10, 20, 40, 80] {
            assert_eq!(lock.attack(now), seconds(want));
            assert_eq!(lock.left(now), Some(seconds(want)));
            now += seconds(want);
            assert_eq!(lock.left(now), None);
        }
        for _ in 0..200 {
            assert!(lock.attack(now) <= LONGEST);
        }
        assert_eq!((lock.attack(now), lock.attacks()), (LONGEST, 206));
    }

    #[test]
    fn one_attack_is_forgotten_every_five_minutes() {
        let (mut lock, start) = (LockOut::new(FIRST), Instant::now());
        for _ in 0..4 {
            lock.attack(start);
        }
        assert_eq!(lock.attack(start + seconds(300)), seconds(40), "three of four are left");
        assert_eq!(lock.attack(start + seconds(899)), seconds(40), "one more was forgotten");
        assert_eq!(lock.attack(start + seconds(100_000)), FIRST);
    }

    #[test]
    fn without_a_lock_attacks_are_only_counted() {
        let (mut lock, now) = (LockOut::new(Duration::ZERO), Instant::now());
        for _ in 0..40 {
            assert_eq!(lock.attack(now), Duration::ZERO);
            assert_eq!(lock.left(now), None);
        }
        assert_eq!(lock.attacks(), 40);
    }
}

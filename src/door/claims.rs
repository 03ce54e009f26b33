//! Who says who it is: the claim that waits for a face, and the lock after wrong credentials. It reads no clock.

use std::time::Duration;

use crate::people::PersonId;

/// How long a claim is good for.
pub const GOOD_FOR: Duration = Duration::from_secs(10);
/// Wrong credentials in a row after which claims are locked: a PIN of four digits is guessed once in 2,000 rows.
const MOST_WRONG: u32 = 5;
/// The first lock; each further one is twice as long.
const FIRST_LOCK: Duration = Duration::from_secs(60);
/// The longest one.
const LONGEST_LOCK: Duration = Duration::from_secs(3600);

/// The claims at a door.
#[derive(Debug, Default)]
pub struct Claims {
    /// Who is claimed, and until when.
    pending: Option<(PersonId, Duration)>,
    wrong: u32,
    locks: u32,
    locked_until: Option<Duration>,
}

impl Claims {
    /// Takes a claim in place of any other.
    pub fn claim(&mut self, person: PersonId, at: Duration) {
        self.pending = Some((person, at + GOOD_FOR));
    }

    /// Counts a wrong credential; returns for how long claims are locked, if they are now.
    pub fn wrong(&mut self, at: Duration) -> Option<Duration> {
        self.wrong += 1;
        if self.wrong < MOST_WRONG {
            return None;
        }
        let lock = FIRST_LOCK.saturating_mul(1 << self.locks.min(16)).min(LONGEST_LOCK);
        (self.wrong, self.locks, self.locked_until) = (0, self.locks + 1, Some(at + lock));
        Some(lock)
    }

    /// The person who was claimed has shown the face: what was wrong before was that person's.
    pub fn met(&mut self) {
        (self.pending, self.wrong, self.locks) = (None, 0, 0);
    }

    /// How long claims are still locked.
    pub fn locked(&self, at: Duration) -> Option<Duration> {
        self.locked_until.map(|until| until.saturating_sub(at)).filter(|left| !left.is_zero())
    }

    /// Who is claimed now.
    pub fn pending(&self, at: Duration) -> Option<&PersonId> {
        self.pending.as_ref().filter(|(_, until)| at < *until).map(|(person, _)| person)
    }

    /// When the claim that waits is void.
    pub fn ends(&self) -> Option<Duration> {
        self.pending.as_ref().map(|(_, until)| *until)
    }

    /// Forgets the claim.
    pub fn clear(&mut self) {
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_good_for_ten_seconds() {
        let (mut claims, ann) = (Claims::default(), PersonId::new("ann").unwrap());
        claims.claim(ann.clone(), Duration::from_secs(5));
        assert_eq!(claims.pending(Duration::from_millis(14_999)), Some(&ann));
        assert_eq!(claims.pending(Duration::from_secs(15)), None);
        claims.claim(PersonId::new("bob").unwrap(), Duration::from_secs(6));
        assert_ne!(claims.pending(Duration::from_secs(7)), Some(&ann));
    }

    #[test]
    fn five_wrong_credentials_lock_for_longer_each_time() {
        let (mut claims, mut at) = (Claims::default(), Duration::ZERO);
        for want in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            for _ in 1..MOST_WRONG {
                assert_eq!(claims.wrong(at), None);
            }
            let want = Duration::from_secs(want);
            assert_eq!((claims.wrong(at), claims.locked(at)), (Some(want), Some(want)));
            at += want;
            assert_eq!(claims.locked(at), None);
        }
        claims.met();
        assert_eq!((0..5).filter_map(|_| claims.wrong(at)).last(), Some(FIRST_LOCK));
    }
}

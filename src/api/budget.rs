//! Limits how many comparisons with sealed templates each account may request in a minute.
//!
//! A score reveals something of the templates that it compares: a client that requests enough of them can reconstruct a template that
//! was sealed so that it can't be read. SECURITY.md says how many comparisons that takes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The comparisons of all accounts in this minute.
#[derive(Debug)]
pub(super) struct Budget {
    /// Comparisons of one account in a minute; 0 means no limit.
    each: u64,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    minute: Instant,
    by: HashMap<u64, u64>,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Accounts that are counted separately in a minute; all others share the budget of one.
const ACCOUNTS: usize = 4_096;

/// The account of these others.
const OTHERS: u64 = u64::MAX;

impl Budget {
    pub(super) fn new(each: u64) -> Self {
        Self { each, spent: Mutex::new(Spent { minute: Instant::now(), by: HashMap::new() }) }
    }

    /// Takes `count` comparisons from the budget that `account` has left in this minute; if that is not enough, an error with the seconds
    /// until the next minute.
    pub(super) fn spend(&self, account: u64, count: u64, now: Instant) -> Result<(), u64> {
        if self.each == 0 || count == 0 {
            return Ok(());
        }
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(spent.minute) >= MINUTE {
            *spent = Spent { minute: now, by: HashMap::new() };
        }
        let is_known = spent.by.len() < ACCOUNTS || spent.by.contains_key(&account);
        let its = spent.by.entry(if is_known { account } else { OTHERS }).or_default();
        match its.checked_add(count).filter(|sum| *sum <= self.each) {
            Some(sum) => {
                *its = sum;
                Ok(())
            }
            None => Err((MINUTE - now.saturating_duration_since(spent.minute)).as_secs() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_budget_that_is_renewed_every_minute() {
        let (budget, start) = (Budget::new(10), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((budget.spend(1, 8, at(0)), budget.spend(1, 3, at(20)).is_err()), (Ok(()), true));
        assert_eq!((budget.spend(1, 2, at(20)), budget.spend(2, 10, at(20))), (Ok(()), Ok(())));
        assert!((30..=41).contains(&budget.spend(1, 1, at(20)).unwrap_err()));
        assert_eq!(budget.spend(1, 10, at(61)), Ok(()));
        assert!(budget.spend(3, 11, at(61)).is_err() && budget.spend(3, u64::MAX, at(61)).is_err());
        assert_eq!(Budget::new(0).spend(1, u64::MAX, start), Ok(()));
    }

    #[test]
    fn accounts_beyond_the_bound_share_one_budget() {
        let (budget, start) = (Budget::new(1), Instant::now());
        let good = (0..3 * ACCOUNTS as u64).filter(|account| budget.spend(*account, 1, start).is_ok()).count();
        assert_eq!(good, ACCOUNTS + 1);
    }
}

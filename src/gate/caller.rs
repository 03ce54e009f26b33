//! Those whose requests are being answered, so that whoever works for one knows whose work it is and when it has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::work::{Gone, Owner};

/// The header in which the service behind the gate is told a caller's number. Peers can't send it: the gate passes on few headers.
pub const CALL: &str = "X-Call";

/// The number of the gate itself, when it asks whether somebody is there.
pub(super) const NOBODY: u64 = 0;

/// One caller.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Said when it has gone.
    pub gone: Gone,
    /// Whose turn it is where several wait, and what its request took so far.
    pub owner: Owner,
    /// On whose account it asks: the same number for all requests with one token, or from one address where there are none.
    pub account: u64,
}

/// All callers, by number. Clones share them.
#[derive(Clone, Debug)]
pub struct Callers(Arc<Mutex<HashMap<u64, Caller>>>);

impl Callers {
    /// None yet but the gate itself.
    pub(super) fn new() -> Self {
        let callers = Self(Arc::default());
        callers.enter(NOBODY, Caller::default());
        callers
    }

    /// The caller of that number, if its request is still being answered.
    pub fn find(&self, number: u64) -> Option<Caller> {
        self.lock().get(&number).cloned()
    }

    pub(super) fn enter(&self, number: u64, caller: Caller) {
        self.lock().insert(number, caller);
    }

    /// Its request was answered, or it has gone.
    pub(super) fn leave(&self, number: u64, has_gone: bool) {
        let caller = self.lock().remove(&number);
        if let Some(caller) = caller.filter(|_| has_gone) {
            caller.gone.say();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

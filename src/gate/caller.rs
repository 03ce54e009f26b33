//! Those whose requests are being answered, so that whoever works for one knows when he has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::work::Gone;

/// The header in which the service behind the gate is told a caller's number. Peers can't send it: the gate passes on few headers.
pub const CALL: &str = "X-Call";

/// One whose request is being answered.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Said when nobody waits for the reply any more.
    pub gone: Gone,
    /// When the first byte of the request came.
    pub begun: Instant,
}

/// The number of the gate itself, when it asks whether somebody is there.
pub(super) const NOBODY: u64 = 0;

/// All callers, by number. Clones share them.
#[derive(Clone, Debug)]
pub struct Callers(Arc<Mutex<HashMap<u64, Caller>>>);

impl Callers {
    /// None yet but the gate itself.
    pub(super) fn new() -> Self {
        let callers = Self(Arc::default());
        callers.enter(NOBODY, Instant::now());
        callers
    }

    /// The caller of that number, if his request is still being answered.
    pub fn find(&self, number: u64) -> Option<Caller> {
        self.lock().get(&number).cloned()
    }

    pub(super) fn enter(&self, number: u64, begun: Instant) {
        self.lock().insert(number, Caller { gone: Gone::default(), begun });
    }

    /// His request was answered, or he has gone.
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

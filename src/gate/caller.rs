//! Those whose requests are being answered, so that whoever works for one knows when he has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::work::Gone;

/// The header in which the service behind the gate is told a caller's number. Peers can't send it: the gate passes on few headers.
pub const CALL: &str = "X-Call";

/// The number of the gate itself, when it asks whether somebody is there.
pub(super) const NOBODY: u64 = 0;

/// All callers, by number, each with the word that is said when he has gone. Clones share them.
#[derive(Clone, Debug)]
pub struct Callers(Arc<Mutex<HashMap<u64, Gone>>>);

impl Callers {
    /// None yet but the gate itself.
    pub(super) fn new() -> Self {
        let callers = Self(Arc::default());
        callers.enter(NOBODY);
        callers
    }

    /// The word for the caller of that number, if his request is still being answered.
    pub fn find(&self, number: u64) -> Option<Gone> {
        self.lock().get(&number).cloned()
    }

    pub(super) fn enter(&self, number: u64) {
        self.lock().insert(number, Gone::default());
    }

    /// His request was answered, or he has gone.
    pub(super) fn leave(&self, number: u64, has_gone: bool) {
        let gone = self.lock().remove(&number);
        if let Some(gone) = gone.filter(|_| has_gone) {
            gone.say();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Gone>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Threads of a door: one that panics ends the service, since nobody would notice its absence.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use crate::ops::shutdown::Shutdown;

/// Starts a thread.
pub(super) fn spawn(
    name: &str,
    shutdown: &Shutdown,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, String> {
    let (shutdown, named) = (shutdown.clone(), name.to_owned());
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            shutdown.fail(&format!("the thread \"{named}\" has panicked"));
        }
    };
    Builder::new().name(name.into()).spawn(guarded).map_err(|e| format!("no thread for the door: {e}"))
}

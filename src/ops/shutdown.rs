//! One flag that says "stop", set by SIGTERM or SIGINT or by a fault that the process can't live with.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag;

/// How often a thread that waits looks whether it should stop.
pub const IDLE: Duration = Duration::from_millis(250);

/// Ends the process when nobody reads what it prints any more, as of any tool of which `head` takes the first lines. Not for what has
/// peers that come and go: their sockets give the same signal.
pub fn end_with_reader() -> io::Result<()> {
    flag::register_conditional_default(SIGPIPE, Arc::new(AtomicBool::new(true))).map(|_| ())
}

/// Shared by everything that runs until told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    requested: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
}

impl Shutdown {
    /// A flag that SIGTERM and SIGINT set. A second signal ends the process at once, should stopping hang.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&shutdown.requested))?;
            flag::register(signal, Arc::clone(&shutdown.requested))?;
        }
        flag::register(SIGHUP, Arc::clone(&shutdown.hangup))?;
        Ok(shutdown)
    }

    /// Set by SIGHUP, which asks for the settings to be read again; whoever does that takes it back.
    pub fn hangup(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.hangup)
    }

    /// Asks everything to stop because of a fault; the process then ends with a failure, for a supervisor to see.
    pub fn fail(&self, why: &str) {
        log::error!("stopping: {why}");
        self.failed.store(true, Ordering::Relaxed);
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Sleeps for `time`, or less if stopping is asked for.
    pub fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.requested() {
            match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(IDLE)),
                _ => return,
            }
        }
    }

    /// Whether stopping was asked for because of a fault.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether stopping was asked for.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

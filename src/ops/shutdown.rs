//! Shutdown flag, set by SIGTERM or SIGINT or by a fault from which the process can't recover.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag;

/// How often a waiting thread checks whether it should stop.
pub const IDLE: Duration = Duration::from_millis(250);

/// Ends the process on SIGPIPE, when its output is no longer read, as with any command piped into `head`. Not for processes with peers,
/// which come and go: their sockets raise the same signal.
pub fn end_with_reader() -> io::Result<()> {
    flag::register_conditional_default(SIGPIPE, Arc::new(AtomicBool::new(true))).map(|_| ())
}

/// Flags shared by everything that runs until it is stopped.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    requested: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
}

impl Shutdown {
    /// Flags that SIGTERM and SIGINT set. A second signal ends the process at once, in case stopping hangs.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&shutdown.requested))?;
            flag::register(signal, Arc::clone(&shutdown.requested))?;
        }
        flag::register(SIGHUP, Arc::clone(&shutdown.hangup))?;
        Ok(shutdown)
    }

    /// The flag that SIGHUP sets to have the settings read again; the reader clears it.
    pub fn hangup(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.hangup)
    }

    /// Asks everything to stop because of a fault; the process then exits with failure, for the service manager to see.
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

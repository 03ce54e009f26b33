//! When the camera is opened, closed, given up and tried again.
//!
//! It does one step at a time and is told the time, so that it runs by a made-up clock in a test. It never waits, but for the
//! source's next frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::slot::{Slot, Status};
use super::source::FrameSource;

/// No frame for so long: the device is opened anew. The slowest rate of common cameras is five frames a second, and the first
/// frame after a start may take most of a second.
pub(super) const STALL: Duration = Duration::from_secs(3);

/// A frame that is older than this when it arrives, or when somebody would judge it, is not used: whoever stood there may have
/// gone.
pub const MAX_AGE: Duration = Duration::from_millis(500);

/// Wait before the first new try after a failure, doubled with each failure up to the longest. A request that comes meanwhile
/// has the next try at once, though not within the first wait.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// A camera that worked for so long starts with the first wait again when it fails.
const PROVEN: Duration = Duration::from_secs(10);

/// Damaged frames in a row after which the device is opened anew: one second of them at 30 frames a second.
const MOST_DAMAGED: u32 = 30;

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Another step.
    Again,
    /// Wait until then, or until somebody wants frames.
    Wait(Option<Instant>),
}

/// How long the camera is kept on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Always.
    pub(super) warm: bool,
    /// For so long after the last use.
    pub(super) linger: Duration,
}

/// Opens a source.
pub(super) type Open = Box<dyn FnMut() -> Result<Box<dyn FrameSource>, Fault> + Send>;

pub(super) struct Keeper {
    open: Open,
    policy: Policy,
    source: Option<Box<dyn FrameSource>>,
    opened: Instant,
    /// When the last frame came that was not too old, or the device was opened.
    fresh: Instant,
    /// The driver's number of the last frame.
    sequence: Option<u32>,
    damaged: u32,
    failures: u32,
    failed: Option<Instant>,
    /// Whether a request came since the last try.
    called: bool,
}

impl Keeper {
    pub(super) fn new(open: Open, policy: Policy, now: Instant) -> Self {
        Self {
            open,
            policy,
            source: None,
            opened: now,
            fresh: now,
            sequence: None,
            damaged: 0,
            failures: 0,
            failed: None,
            called: false,
        }
    }

    /// Does what is to be done at this time. `clock` is asked again after what takes time.
    pub(super) fn step(&mut self, slot: &Slot, clock: &dyn Fn() -> Instant) -> Step {
        let now = clock();
        if !self.is_wanted(slot, now) {
            self.close(slot, Status::Off);
            self.failures = 0;
            return Step::Wait(None);
        }
        if self.source.is_none() {
            return self.try_open(slot, now, clock);
        }
        let result = guarded(|| self.source.as_mut().expect("it is there").next(now + STALL));
        let now = clock();
        match result {
            Ok(frame) => {
                let missed = self.sequence.map_or(0, |last| frame.sequence.wrapping_sub(last).wrapping_sub(1));
                // A number that goes back is a driver that started to count anew.
                let missed = if missed > u32::MAX / 2 { 0 } else { missed };
                self.sequence = Some(frame.sequence);
                self.damaged = 0;
                let stale = now.saturating_duration_since(frame.taken) > MAX_AGE;
                slot.change(|inner| {
                    inner.counts.missed += u64::from(missed);
                    inner.counts.stale += u64::from(stale);
                    if !stale {
                        inner.counts.frames += 1;
                        inner.newest = Some((inner.counts.frames, std::sync::Arc::new(frame)));
                        inner.status = Status::On;
                        inner.fault = None;
                    }
                });
                if !stale {
                    self.fresh = now;
                } else if now.saturating_duration_since(self.fresh) > STALL {
                    return self.fail(slot, Fault::Driver("its frames are too old when they come".into()), now);
                }
                Step::Again
            }
            Err(fault @ Fault::Damaged(_)) => {
                self.damaged += 1;
                slot.change(|inner| inner.counts.damaged += 1);
                if self.damaged < MOST_DAMAGED { Step::Again } else { self.fail(slot, fault, now) }
            }
            Err(fault) => self.fail(slot, fault, now),
        }
    }

    fn is_wanted(&mut self, slot: &Slot, now: Instant) -> bool {
        let mut inner = slot.lock();
        self.called |= std::mem::take(&mut inner.called);
        let lingers = || inner.released.is_some_and(|at| now < at + self.policy.linger);
        // What fails is not tried again for nobody.
        self.policy.warm || inner.leases > 0 || (self.source.is_some() && lingers())
    }

    fn try_open(&mut self, slot: &Slot, now: Instant, clock: &dyn Fn() -> Instant) -> Step {
        let wait = if self.called { FIRST_WAIT } else { backoff(self.failures) };
        if let Some(until) = self.failed.map(|at| at + wait).filter(|until| now < *until && self.failures > 0) {
            return Step::Wait(Some(until));
        }
        self.called = false;
        if self.failures == 0 {
            slot.change(|inner| inner.status = Status::Starting);
        }
        let opened = guarded(&mut self.open);
        let now = clock();
        match opened {
            Ok(source) => {
                (self.opened, self.fresh) = (now, now);
                (self.sequence, self.damaged) = (None, 0);
                log::info!("camera {} is on: {:?}", source.identity().place, source.identity().layout);
                slot.change(|inner| {
                    inner.counts.opened += 1;
                    inner.status = Status::Starting;
                    inner.identity = Some(source.identity().clone());
                });
                self.source = Some(source);
                Step::Again
            }
            Err(fault) => self.fail(slot, fault, now),
        }
    }

    fn fail(&mut self, slot: &Slot, fault: Fault, now: Instant) -> Step {
        if self.source.is_some() && now.saturating_duration_since(self.opened) >= PROVEN {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(now);
        // Once until a frame comes or another fault, not for each try.
        if slot.lock().fault.as_ref() != Some(&fault) {
            log::warn!("camera: {fault}; it will be tried again");
        }
        self.close(slot, Status::Failing(fault));
        Step::Wait(Some(now + backoff(self.failures)))
    }

    /// Lets go of the device and of the last frame.
    fn close(&mut self, slot: &Slot, status: Status) {
        if let Some(source) = self.source.take() {
            let _told_already = guarded(|| {
                drop(source);
                Ok(())
            });
            if status == Status::Off {
                log::info!("the camera is off");
            }
        }
        slot.change(|inner| {
            inner.newest = None;
            if let Status::Failing(fault) = &status {
                inner.fault = Some(fault.clone());
                inner.counts.failed += 1;
            }
            inner.status = status;
        });
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST_WAIT)
}

/// The bindings to the driver panic on what they don't expect; that must not end the thread.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let panicked = |_| Err(Fault::Driver("the driver's answer made its bindings panic".into()));
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(panicked)
}

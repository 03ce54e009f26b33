//! Decides when the camera is opened, closed, given up and retried.
//!
//! It does one step at a time and gets the time from its caller, so that tests run it with a simulated clock. It waits for nothing
//! but the source's next frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::exposure::Exposure;
use super::fault::Fault;
use super::lock::Owed;
use super::slot::{Slot, Status};
use super::source::{FrameSource, STALL};

/// Highest age of a frame, on arrival or when it is about to be judged. Older frames are not used: the person in them may have
/// left.
pub const MAX_AGE: Duration = Duration::from_millis(500);

/// Wait before the first retry after a failure, doubled with each failure up to the longest. A request that arrives meanwhile causes
/// a retry at once, though not within the first wait.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// A camera that worked for this long starts with the first wait again when it fails.
const PROVEN: Duration = Duration::from_secs(10);

/// Controls are not locked for this long after the device was opened: automatic exposure and white balance need about a second to settle.
const SETTLES: Duration = Duration::from_secs(1);

/// Damaged frames in a row after which the device is reopened: one second of them at 30 frames a second.
const MOST_DAMAGED: u32 = 30;

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Another step.
    Again,
    /// Wait until then, or until a lease begins.
    Wait(Option<Instant>),
}

/// How long the camera is kept on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Always on.
    pub(super) warm: bool,
    /// On for this long after the last use.
    pub(super) linger: Duration,
}

/// Opens a source.
pub(super) type Open = Box<dyn FnMut() -> Result<Box<dyn FrameSource>, Fault> + Send>;

pub(super) struct Supervisor {
    open: Open,
    policy: Policy,
    source: Option<Box<dyn FrameSource>>,
    opened: Instant,
    /// When the last frame arrived that was not too old, or the device was opened.
    fresh: Instant,
    /// The driver's number of the last frame.
    sequence: Option<u32>,
    damaged: u32,
    exposure: Exposure,
    /// What has to be set to undo a lock of the controls; survives a device that was lost.
    owed: Owed,
    /// Whether restoring failed since the device was opened.
    unrestored: bool,
    failures: u32,
    failed: Option<Instant>,
    /// Whether a request came since the last try.
    called: bool,
}

impl Supervisor {
    pub(super) fn new(open: Open, policy: Policy, now: Instant) -> Self {
        Self {
            open,
            policy,
            source: None,
            opened: now,
            fresh: now,
            sequence: None,
            damaged: 0,
            exposure: Exposure::new(now),
            owed: Owed::default(),
            unrestored: false,
            failures: 0,
            failed: None,
            called: false,
        }
    }

    /// Does what is due at this time. `clock` is read again after slow operations.
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
        if !self.lock(slot, now) {
            self.expose(slot, clock);
        }
        let deadline = clock() + STALL;
        let result = guarded(|| self.source.as_mut().expect("it is there").next(deadline));
        let now = clock();
        match result {
            Ok(frame) => {
                let missed = self.sequence.map_or(0, |last| frame.sequence.wrapping_sub(last).wrapping_sub(1));
                // A number that goes back means that the driver restarted its count.
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
        // A failed camera is not retried without a lease.
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
                self.exposure = Exposure::new(now);
                log::info!("camera {} is on", source.identity());
                slot.change(|inner| {
                    inner.counts.opened += 1;
                    inner.status = Status::Starting;
                    inner.identity = Some(source.identity().clone());
                });
                self.source = Some(source);
                self.unrestored = false;
                self.restore(); // what it still owes from before it was lost
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
        // Once until a frame comes or another fault, not for each retry.
        if slot.lock().fault.as_ref() != Some(&fault) {
            log::warn!("camera: {fault}; it will be tried again");
        }
        self.close(slot, Status::Failing(fault));
        Step::Wait(Some(now + backoff(self.failures)))
    }

    /// Changes the exposure if the last face requires it, or resets it if there is no face any more.
    fn expose(&mut self, slot: &Slot, clock: &dyn Fn() -> Instant) {
        let face = slot.lock().face.take();
        let (Some(wanted), Some(source)) = (self.exposure.step(face, clock()), &mut self.source) else { return };
        match guarded(|| source.expose(wanted)) {
            Ok(steps) => {
                if steps != self.exposure.steps() {
                    slot.lock().counts.exposed += 1;
                    log::debug!("the camera's exposure is {steps} steps below automatic");
                }
                self.exposure.applied(wanted, steps, clock());
            }
            Err(fault) => {
                self.exposure.give_up();
                log::warn!("the camera's exposure stays as it is until the device is opened again: {fault}");
            }
        }
    }

    /// Locks or restores the controls if that is due; whether they are locked.
    fn lock(&mut self, slot: &Slot, now: Instant) -> bool {
        let (wanted, is_locked, failed) = {
            let inner = slot.lock();
            (inner.locks > 0, inner.locked.is_some(), inner.lock_fault.is_some())
        };
        if !wanted {
            if is_locked || failed {
                slot.change(|inner| (inner.locked, inner.lock_fault) = (None, None));
            }
            if !self.unrestored {
                self.restore();
            }
            return false;
        }
        let settled = now.saturating_duration_since(self.opened) >= SETTLES && slot.lock().newest.is_some();
        let Some(source) = self.source.as_mut().filter(|_| settled && !is_locked && !failed) else { return is_locked };
        let owed = &mut self.owed;
        match guarded(|| source.lock(owed)) {
            Ok(mut locked) => {
                if !locked.lacking.is_empty() {
                    log::debug!("the camera cannot lock its {}", locked.lacking.join(" and "));
                }
                slot.change(|inner| {
                    inner.counts.locked += 1;
                    locked.number = inner.counts.locked;
                    inner.locked = Some(locked);
                });
                true
            }
            Err(fault) => {
                log::warn!("the camera's controls can't be locked: {fault}");
                self.restore();
                slot.change(|inner| inner.lock_fault = Some(fault));
                false
            }
        }
    }

    /// Sets what is owed. What fails stays owed and is tried again when the device is closed, and when it is opened next.
    fn restore(&mut self) {
        let Some(source) = self.source.as_mut().filter(|_| !self.owed.0.is_empty()) else { return };
        let owed = &mut self.owed;
        if let Err(fault) = guarded(|| source.restore(owed)) {
            self.unrestored = true;
            log::warn!("the camera's controls stay locked: {fault}");
        }
    }

    /// Closes the device and drops the last frame.
    fn close(&mut self, slot: &Slot, status: Status) {
        if self.let_go() && status == Status::Off {
            log::info!("the camera is off");
        }
        slot.change(|inner| {
            inner.newest = None;
            (inner.locked, inner.lock_fault) = (None, None);
            if let Status::Failing(fault) = &status {
                inner.fault = Some(fault.clone());
                inner.counts.failed += 1;
            }
            inner.status = status;
        });
    }

    /// Closes the device, if it is open. A device keeps its controls while it is closed, so its exposure is reset first.
    fn let_go(&mut self) -> bool {
        self.restore();
        let Some(mut source) = self.source.take() else { return false };
        if self.exposure.steps() > 0 {
            let _gone_already = guarded(|| source.expose(0));
        }
        let _told_already = guarded(|| {
            drop(source);
            Ok(())
        });
        true
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST_WAIT)
}

/// Catches panics: the bindings to the driver panic on what they don't expect, and that must not end the thread.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let panicked = |_| Err(Fault::Driver("the driver's answer made its bindings panic".into()));
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(panicked)
}

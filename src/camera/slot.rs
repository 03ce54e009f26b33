//! Shares the newest frame, the leases and the camera's state: the camera's thread writes, all others read.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::exposure::Light;
use super::fault::Fault;
use super::lock::Locked;
use super::source::{Identity, RawFrame};

/// State of the camera.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// No lease is held.
    #[default]
    Off,
    /// It is being opened, or was opened and has sent nothing yet.
    Starting,
    /// It sends frames.
    On,
    /// It failed and will be retried.
    Failing(Fault),
}

/// What happened since the service started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were accepted.
    pub frames: u64,
    /// Frames that are missing by the driver's sequence numbers.
    pub missed: u64,
    /// Frames that arrived damaged.
    pub damaged: u64,
    /// Frames that were too old when they arrived.
    pub stale: u64,
    /// How often the device was opened.
    pub opened: u64,
    /// How often it failed, while being opened or later.
    pub failed: u64,
    /// How often its exposure was changed for a face.
    pub exposed: u64,
    /// How often its controls were locked.
    pub locked: u64,
}

/// A frame and its number since the service started, which only grows.
pub(super) type Numbered = (u64, Arc<RawFrame>);

#[derive(Default)]
pub(super) struct Slot {
    inner: Mutex<Inner>,
    /// For the camera's thread: a lease begins, or the thread has to end.
    called: Condvar,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) newest: Option<Numbered>,
    pub(super) status: Status,
    /// What went wrong since the last frame, kept when the last lease ends.
    pub(super) fault: Option<Fault>,
    pub(super) identity: Option<Identity>,
    pub(super) counts: Counts,
    /// The face in the last analyzed frame and when that was taken, until the camera's thread has read it.
    pub(super) face: Option<(Light, Instant)>,
    /// Guards that want the controls locked.
    pub(super) locks: usize,
    /// The controls that are locked, while they are.
    pub(super) locked: Option<Locked>,
    /// Why they could not be locked since the device was opened.
    pub(super) lock_fault: Option<Fault>,
    /// Leases that are held.
    pub(super) leases: usize,
    /// When the last one ended.
    pub(super) released: Option<Instant>,
    /// Whether a lease began since the camera was last tried.
    pub(super) called: bool,
    pub(super) ending: bool,
    waiting: Vec<Waker>,
}

impl Inner {
    /// The newest frame, if it came after frame `after` and was taken at `since` or later.
    pub(super) fn newer(&self, after: u64, since: Option<Instant>) -> Option<Numbered> {
        let fresh = |(number, frame): &&Numbered| *number > after && since.is_none_or(|since| frame.taken >= since);
        self.newest.as_ref().filter(fresh).cloned()
    }
}

impl Slot {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that waiting futures check, and wakes them.
    pub(super) fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Counts a new lease and wakes the camera's thread.
    pub(super) fn take(&self) {
        let mut inner = self.lock();
        inner.leases += 1;
        inner.called = true;
        drop(inner);
        self.called.notify_all();
    }

    pub(super) fn release(&self, now: Instant) {
        let mut inner = self.lock();
        inner.leases -= 1;
        inner.released = Some(now);
    }

    /// Counts a new guard that wants the controls locked. The camera's thread sees it before its next frame.
    pub(super) fn lock_controls(&self) {
        self.lock().locks += 1;
    }

    pub(super) fn unlock_controls(&self) {
        self.lock().locks -= 1;
    }

    /// Number of waiting futures.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Ends the camera's thread.
    pub(super) fn end(&self) {
        self.change(|inner| inner.ending = true);
        self.called.notify_all();
    }

    /// Sleeps until `until`, or until a lease begins or [`Self::end`] is called; false after the latter.
    pub(super) fn sleep(&self, until: Option<Instant>) -> bool {
        let mut inner = self.lock();
        loop {
            if inner.ending {
                return false;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if inner.called || left.is_some_and(|left| left.is_zero()) {
                return true;
            }
            inner = match left {
                None => self.called.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.called.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

/// Ready when `look` returns a value.
pub(super) struct Watch<'a, F> {
    pub(super) slot: &'a Slot,
    pub(super) look: F,
}

impl<T, F: FnMut(&Inner) -> Option<T> + Unpin> Future for Watch<'_, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.slot.lock();
        if let Some(found) = (self.look)(&inner) {
            return Poll::Ready(found);
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            inner.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

//! Cancel tokens, set once when an answer is no longer awaited, and limits to waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::Deadline;

/// Future that is ready once the token is cancelled. Clones share the state; only one of them at a time may be awaited.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Mutex<Cancelled>>);

#[derive(Debug, Default)]
struct Cancelled {
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl CancelToken {
    /// Cancels the token.
    pub fn cancel(&self) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.is_cancelled = true;
        if let Some(waker) = said.waker.take() {
            waker.wake();
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_cancelled
    }
}

impl Future for CancelToken {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_cancelled {
            return Poll::Ready(());
        }
        said.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Limit to a wait: an instant, or the cancellation of a token.
#[derive(Clone, Debug)]
pub struct WaitLimit {
    until: Deadline,
    token: CancelToken,
}

impl WaitLimit {
    /// Until `until`, or until `token` is cancelled.
    pub fn new(until: Instant, token: &CancelToken) -> Self {
        Self { until: Deadline(until), token: token.clone() }
    }
}

impl Future for WaitLimit {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let token = Pin::new(&mut self.token).poll(context);
        match token {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => Pin::new(&mut self.until).poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::block_on;
    use super::*;

    #[test]
    fn a_wait_limit_ends_at_its_deadline_or_on_cancellation() {
        let (token, start) = (CancelToken::default(), Instant::now());
        block_on(WaitLimit::new(start + Duration::from_millis(20), &token));
        assert!(start.elapsed() >= Duration::from_millis(20) && !token.is_cancelled());
        let sayer = token.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sayer.cancel();
        });
        block_on(WaitLimit::new(start + Duration::from_secs(600), &token));
        assert!(token.is_cancelled());
        thread.join().unwrap();
    }
}

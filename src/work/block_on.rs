//! Blocks an ordinary thread on a future, without a runtime and without spinning.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

thread_local! {
    /// The earliest deadline that the future being polled on this thread waits for.
    static NEXT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs `future` to its end on the calling thread, which sleeps between wake-ups and wakes at each [`Deadline`] in it.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        NEXT.set(None);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        // A wake between the poll and here leaves a token, so that parking returns at once.
        match NEXT.get() {
            None => thread::park(),
            Some(at) => thread::park_timeout(at.saturating_duration_since(Instant::now())),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A future that is ready at an instant. Only [`block_on`] drives it: it registers no timer of its own.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.0 {
            return Poll::Ready(());
        }
        NEXT.set(Some(NEXT.get().map_or(self.0, |at| at.min(self.0))));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use embassy_futures::join::join;
    use embassy_futures::select::{Either, select};

    use super::*;

    fn after(ms: u64) -> Deadline {
        Deadline(Instant::now() + Duration::from_millis(ms))
    }

    #[test]
    fn the_earlier_deadline_wins_in_either_order() {
        assert!(matches!(block_on(select(after(5), after(60_000))), Either::First(())));
        assert!(matches!(block_on(select(after(60_000), after(5))), Either::Second(())));
    }

    #[test]
    fn join_waits_for_the_later() {
        let start = Instant::now();
        block_on(join(after(5), after(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}

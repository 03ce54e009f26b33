//! A word that is said once: nobody waits for the answer any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::Deadline;

/// Ready once it is said. Clones share the word; one of them at a time is waited for.
#[derive(Clone, Debug, Default)]
pub struct Gone(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    is_said: bool,
    waker: Option<Waker>,
}

impl Gone {
    /// Says it.
    pub fn say(&self) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.is_said = true;
        if let Some(waker) = said.waker.take() {
            waker.wake();
        }
    }

    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_said
    }
}

impl Future for Gone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_said {
            return Poll::Ready(());
        }
        said.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// How long somebody waits: until an instant, or until he has gone.
#[derive(Clone, Debug)]
pub struct Patience {
    until: Deadline,
    gone: Gone,
}

impl Patience {
    /// That of one who may go before `until`.
    pub fn new(until: Instant, gone: &Gone) -> Self {
        Self { until: Deadline(until), gone: gone.clone() }
    }
}

impl Future for Patience {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let gone = Pin::new(&mut self.gone).poll(context);
        match gone {
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
    fn patience_ends_with_time_or_when_he_goes() {
        let (gone, start) = (Gone::default(), Instant::now());
        block_on(Patience::new(start + Duration::from_millis(20), &gone));
        assert!(start.elapsed() >= Duration::from_millis(20) && !gone.is_said());
        let sayer = gone.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sayer.say();
        });
        block_on(Patience::new(start + Duration::from_secs(600), &gone));
        assert!(gone.is_said());
        thread.join().unwrap();
    }
}

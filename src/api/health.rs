//! Reports the models' health: the result of the last self-test, returned at once, and starts the next one when it is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use embassy_futures::poll_once;
use serde::Serialize;

use super::reply::Reply;
use crate::engine;
use crate::work::{Failed, JobHandle};

/// The state of the self-test.
pub(super) struct Health {
    /// Whether the last self-test passed. Read by every request, so not behind the lock.
    ready: AtomicBool,
    last: Mutex<Last>,
}

struct Last {
    tested: Instant,
    verdict: Result<(), String>,
    /// The self-test that is being run.
    running: Option<JobHandle<Result<(), engine::Error>>>,
}

/// A self-test costs an inference; health calls within this time share one, so that polling can't starve the work.
const FRESH: Duration = Duration::from_secs(1);

impl Health {
    /// The state after a first self-test.
    pub(super) fn new(verdict: Result<(), String>) -> Self {
        let ready = AtomicBool::new(verdict.is_ok());
        Self { ready, last: Mutex::new(Last { tested: Instant::now(), verdict, running: None }) }
    }

    /// Whether the last self-test passed.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The result of the last self-test of which somebody asked.
    pub(super) fn verdict(&self) -> Result<(), String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).verdict.clone()
    }

    /// The result of the last self-test that ended, and its age in seconds (RFC 9111, 5.1). Lets `test` start another if it is not fresh,
    /// without waiting for it: health calls need no token, and workers may have long jobs. `test` starts none if they are too busy.
    pub(super) fn tell(&self, test: impl FnOnce() -> Option<JobHandle<Result<(), engine::Error>>>) -> Reply {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticket) = &mut last.running
            && let Poll::Ready(done) = poll_once(ticket)
        {
            last.verdict = match done {
                Ok(verdict) => verdict.map_err(|e| e.to_string()),
                Err(Failed(cause)) => Err(format!("the self-test panicked: {cause}")),
            };
            (last.tested, last.running) = (Instant::now(), None);
            self.ready.store(last.verdict.is_ok(), Ordering::Relaxed);
        }
        if last.running.is_none() && (last.tested.elapsed() >= FRESH || last.verdict.is_err()) {
            last.running = test();
        }
        reply(&last.verdict).with("Age", last.tested.elapsed().as_secs().to_string())
    }
}

fn reply(verdict: &Result<(), String>) -> Reply {
    #[derive(Serialize)]
    struct Body<'a> {
        status: u8,
        message: &'a str,
    }
    Reply::json(&match verdict {
        Ok(()) => Body { status: 0, message: "" },
        Err(message) => Body { status: 3, message },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::*;
    use crate::ops::Stop;
    use crate::work::{Owner, Pool, block_on};

    #[test]
    fn the_last_result_is_reported_without_waiting_for_the_next() {
        let pool = Pool::start(1, 4, Arc::new(()), || ());
        let (give, verdict) = mpsc::channel();
        let health = Health::new(Err("a wrong answer".into()));
        let told = |reply: &Reply| String::from_utf8(reply.body.to_vec()).unwrap();
        // The last test failed, so that another starts, which takes its time.
        let test = move |(): &mut (), _: &Stop<'_>| verdict.recv().unwrap();
        let reply = health.tell(|| pool.submit(&Owner::default(), test).ok());
        assert_eq!(told(&reply), r#"{"status":3,"message":"a wrong answer"}"#);
        assert!(reply.headers.contains(&("Age", "0".into())) && !health.is_ready());
        assert!(told(&health.tell(|| panic!("one is running"))).contains("wrong"));
        give.send(Ok(())).unwrap();
        block_on(pool.submit(&Owner::default(), |(), _| ()).unwrap()).unwrap();
        assert_eq!(told(&health.tell(|| panic!("that one is fresh"))), r#"{"status":0,"message":""}"#);
        assert!(health.is_ready());
    }

    #[test]
    fn simultaneous_requests_start_one_self_test_and_none_waits() {
        let pool = Pool::start(1, 16, Arc::new(()), || ());
        let (_hold, verdict) = mpsc::channel();
        let begun = AtomicUsize::new(0);
        let health = Health::new(Ok(()));
        health.last.lock().unwrap().tested -= Duration::from_secs(7);
        let verdict = Mutex::new(verdict);
        let (health, pool, begun, verdict) = (&health, &pool, &begun, &Arc::new(verdict));
        // The self-test ends only when this test does: a call that waited for it would wait for ever.
        let ask = || {
            let verdict = Arc::clone(verdict);
            let reply = health.tell(|| {
                begun.fetch_add(1, Ordering::Relaxed);
                let test = move |(): &mut (), _: &Stop<'_>| verdict.lock().unwrap().recv().unwrap_or(Ok(()));
                pool.submit(&Owner::default(), test).ok()
            });
            assert!(reply.headers.contains(&("Age", "7".into())) && *reply.body == *br#"{"status":0,"message":""}"#);
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(ask))));
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }
}

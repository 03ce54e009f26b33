//! How the models are: the verdict of the last self-test, told at once, and when the next one is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use embassy_futures::poll_once;
use serde::Serialize;

use super::reply::Reply;
use crate::engine;
use crate::work::{Failed, Ticket};

/// See above.
pub(super) struct Health {
    /// Whether the last self-test passed. Read by every request, so not behind the lock.
    ready: AtomicBool,
    last: Mutex<Last>,
}

struct Last {
    tested: Instant,
    verdict: Result<(), String>,
    /// The self-test that is being run.
    running: Option<Ticket<Result<(), engine::Error>>>,
}

/// A self-test costs an inference; health calls within this time share one, so that polling can't starve the work.
const FRESH: Duration = Duration::from_secs(1);

impl Health {
    /// As a first self-test found it.
    pub(super) fn new(verdict: Result<(), String>) -> Self {
        let ready = AtomicBool::new(verdict.is_ok());
        Self { ready, last: Mutex::new(Last { tested: Instant::now(), verdict, running: None }) }
    }

    /// Whether the models gave the known answer when they were last asked.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The verdict of the last self-test that ended, and its age in seconds (RFC 9111, 5.1). Lets `test` begin another one if it is not
    /// fresh, and waits for none: health calls need no token, and workers may be at long work. `test` begins none if they are too busy.
    pub(super) fn tell(&self, test: impl FnOnce() -> Option<Ticket<Result<(), engine::Error>>>) -> Reply {
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
    use std::sync::mpsc;

    use super::*;
    use crate::work::{Owner, Pool, block_on};

    #[test]
    fn the_last_verdict_is_told_and_the_next_is_not_waited_for() {
        let pool = Pool::start(1, 4, || ());
        let (give, verdict) = mpsc::channel();
        let health = Health::new(Err("a wrong answer".into()));
        let told = |reply: &Reply| String::from_utf8(reply.body.clone()).unwrap();
        // It is sick, so that another test begins, which takes its time.
        let test = move |(): &mut (), _: &dyn Fn() -> bool| verdict.recv().unwrap();
        let reply = health.tell(|| pool.submit(&Owner::default(), test).ok());
        assert_eq!(told(&reply), r#"{"status":3,"message":"a wrong answer"}"#);
        assert!(reply.headers.contains(&("Age", "0".into())) && !health.is_ready());
        assert!(told(&health.tell(|| panic!("one is running"))).contains("wrong"));
        give.send(Ok(())).unwrap();
        block_on(pool.submit(&Owner::default(), |(), _| ()).unwrap()).unwrap();
        assert_eq!(told(&health.tell(|| panic!("that one is fresh"))), r#"{"status":0,"message":""}"#);
        assert!(health.is_ready());
    }
}

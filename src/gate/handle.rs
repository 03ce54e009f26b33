//! Handle to the gate for the rest of the process: opens, reloads and closes it.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};

use super::access::Access;
use super::command::{Command, GateConfig, Gauges};
use super::event_loop::{EventLoop, WAKER};
use super::in_flight::InFlightRequests;
use super::listener::Listener;
use super::tls::Tls;
use super::upstream::UpstreamSocket;

/// An open gate.
pub struct Gate {
    command_tx: Mutex<Sender<Command>>,
    waker: Arc<Waker>,
    in_flight_requests: InFlightRequests,
    gauges: Arc<Gauges>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether there are tokens.
    guarded: AtomicBool,
}

impl Gate {
    /// Opens `listeners`. Requests go to the listener that is returned, which is for tiny_http.
    pub fn open(listeners: Vec<Listener>, config: GateConfig) -> io::Result<(Self, UnixListener)> {
        let (listener, upstream_socket) = UpstreamSocket::open()?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (command_tx, command_rx) = channel();
        let in_flight_requests = InFlightRequests::new();
        let gauges = Arc::clone(&config.gauges);
        let guarded = AtomicBool::new(!config.access.is_open());
        let mut event_loop =
            EventLoop::new(listeners, config, poll, (upstream_socket, in_flight_requests.clone()), command_rx)?;
        let work = move || event_loop.run();
        let thread = thread::Builder::new().name("gate".into()).spawn(work)?;
        Ok((
            Self {
                command_tx: Mutex::new(command_tx),
                waker,
                in_flight_requests,
                gauges,
                thread: Mutex::new(Some(thread)),
                guarded,
            },
            listener,
        ))
    }

    /// Waits until the gate accepts connections, which it does once every connection to tiny_http has answered a health check, or until
    /// `stop` returns true. Where the system does not grant the threads that this takes, the service does not start, instead of ending at
    /// some request.
    ///
    /// # Errors
    /// If tiny_http or the gate ends, or if it takes longer than `time`.
    pub fn wait_until_listening(&self, time: Duration, stop: impl Fn() -> bool) -> io::Result<()> {
        let until = Instant::now() + time;
        while !self.gauges.is_listening.load(Ordering::Relaxed) && !stop() {
            if self.has_stopped() {
                let what =
                    "the HTTP server has ended: the system may grant too few threads (TasksMax=, ulimit -u, ulimit -v)";
                return Err(io::Error::other(what));
            }
            if Instant::now() > until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the threads for HTTP do not answer"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The in-flight requests.
    pub fn in_flight_requests(&self) -> &InFlightRequests {
        &self.in_flight_requests
    }

    /// Whether requests need a token.
    pub fn has_tokens(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Replaces the access rules, and the certificate for connections made from now on. Requests that would not be admitted any more are
    /// ended, those in the middle of a reply as well.
    pub fn reload(&self, access: Access, tls: Option<Tls>) {
        self.guarded.store(!access.is_open(), Ordering::Relaxed);
        self.send(Command::Reload(Box::new(access), tls));
    }

    /// Replaces the access rules alone, as [`Self::reload`] does.
    pub fn set_access(&self, access: Access) {
        self.guarded.store(!access.is_open(), Ordering::Relaxed);
        self.send(Command::Access(Box::new(access)));
    }

    /// A connection from within the process, which passes every check of a peer's connection except the accepting.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        self.send(Command::AddConnection(theirs));
        Ok(ours)
    }

    /// Takes no more requests, and waits at most for `time` until in-flight ones are answered.
    pub fn close(&self, time: Duration) {
        self.send(Command::Stop(Instant::now() + time));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }

    /// Whether the event loop's thread has ended, which only [`Gate::close`] should make it do.
    pub fn has_stopped(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    fn send(&self, command: Command) {
        let _the_gate_may_have_ended = self.command_tx.lock().unwrap_or_else(PoisonError::into_inner).send(command);
        let _nor_does_it_sleep_then = self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::super::admission::tests::{Everything, SLOTS};
    use super::*;
    use crate::ops::Limits;

    /// A gate without listeners, and the socket at which tiny_http would listen.
    fn gate() -> (Gate, UnixListener) {
        let (handler, gauges, limits) = (Arc::new(Everything), Arc::default(), Limits::default());
        let (access, sessions) = Default::default();
        let config = GateConfig { handler, access, sessions, tls: None, limits, slots: SLOTS, gauges };
        Gate::open(vec![], config).unwrap()
    }

    #[test]
    fn a_gate_whose_http_server_ends_does_not_listen_and_says_why() {
        let (gate, listener) = gate();
        drop(listener);
        let error = gate.wait_until_listening(Duration::from_secs(60), || false).unwrap_err();
        assert!(error.to_string().contains("too few threads"), "{error}");
    }

    #[test]
    fn a_gate_whose_http_server_does_not_answer_is_not_waited_for_longer_than_asked() {
        let (gate, _silent) = gate();
        let error = gate.wait_until_listening(Duration::from_millis(20), || false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        gate.wait_until_listening(Duration::from_secs(60), || true).unwrap();
        gate.close(Duration::ZERO);
    }
}

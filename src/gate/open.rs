//! The gate as the rest of the process has it: opened, spoken to, closed.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};

use super::House;
use super::access::Access;
use super::backend::Private;
use super::caller::Callers;
use super::desk::Places;
use super::doors::Door;
use super::hall::{Hall, WAKER};
use super::tls::Tls;
use crate::ops::Limits;

/// What a gate needs to open.
pub struct Opening {
    /// Who knows what requests mean.
    pub house: Arc<dyn House>,
    /// Who may come in.
    pub access: Access,
    /// Encryption of connections over TCP, if there is to be any.
    pub tls: Option<Tls>,
    /// Caps on what peers do.
    pub limits: Limits,
    /// Requests that are answered at once.
    pub places: Places,
    /// Where it tells what goes on.
    pub figures: Arc<Figures>,
}

/// An open gate.
pub struct Gate {
    words: Mutex<Sender<Word>>,
    waker: Arc<Waker>,
    callers: Callers,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether there are tokens.
    guarded: AtomicBool,
}

/// What goes on at a gate, for metrics.
#[derive(Debug, Default)]
pub struct Figures {
    /// Connections that are open.
    pub connections: AtomicUsize,
    /// Bytes of bodies that are held.
    pub held_bytes: AtomicUsize,
    /// Requests that were passed on and are not answered yet.
    pub requests: AtomicUsize,
}

/// What the rest of the process says to the gate.
pub(super) enum Word {
    /// From now on these may come in, and this is how.
    Reload(Access, Option<Tls>),
    /// A connection from within the process.
    Visit(UnixStream),
    /// Take no more requests; what is being answered has until then.
    Stop(Instant),
}

impl Gate {
    /// Opens `doors`. What comes in goes to the listener that is returned, which is for tiny_http.
    pub fn open(doors: Vec<Door>, opening: Opening) -> io::Result<(Self, UnixListener)> {
        let (listener, private) = Private::open()?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (words, heard) = channel();
        let callers = Callers::new();
        let guarded = AtomicBool::new(!opening.access.is_open());
        let mut hall = Hall::new(doors, opening, poll, (private, callers.clone()), heard)?;
        let work = move || hall.run();
        let thread = thread::Builder::new().name("gate".into()).spawn(work)?;
        Ok((Self { words: Mutex::new(words), waker, callers, thread: Mutex::new(Some(thread)), guarded }, listener))
    }

    /// Those whose requests are being answered.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Whether a token is needed to come in.
    pub fn has_tokens(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Changes who may come in, and the certificate for connections that are made from now on. Requests that would not come in any more
    /// are ended, those in the middle of a reply as well.
    pub fn reload(&self, access: Access, tls: Option<Tls>) {
        self.guarded.store(!access.is_open(), Ordering::Relaxed);
        self.say(Word::Reload(access, tls));
    }

    /// A connection from within the process, which passes through all that a stranger's passes but the accepting.
    pub fn visit(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        self.say(Word::Visit(theirs));
        Ok(ours)
    }

    /// Takes no more requests, and waits at most for `time` until those that came are answered.
    pub fn close(&self, time: Duration) {
        self.say(Word::Stop(Instant::now() + time));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }

    /// Whether the gate's thread has ended, which only [`Gate::close`] should make it do.
    pub fn is_deaf(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    fn say(&self, word: Word) {
        let _the_gate_may_have_ended = self.words.lock().unwrap_or_else(PoisonError::into_inner).send(word);
        let _nor_does_it_sleep_then = self.waker.wake();
    }
}

//! The one thread that waits for all sockets: strangers' connections, those to tiny_http, and a word from the rest of the process.

mod backends;
mod clients;
mod crowd;
mod source;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use self::crowd::Waiting;
use self::source::{AGES, Source};
use super::Class;
use super::access::Access;
use super::backend::{Backend, Private, Task};
use super::caller::Callers;
use super::conversation::{Conversation, Request};
use super::desk::Desk;
use super::doors::Door;
use super::held::BLOCK_BYTES;
use super::open::{Figures, Opening, Word};
use super::peers::Peer;
use super::price::Holder;
use super::rotation::Rotation;
use super::tls::Tls;
use super::transport::{Socket, Transport};
use crate::ops::{Limits, Wiped};
use crate::work::Owner;

/// The token by which the thread is woken.
pub(super) const WAKER: Token = Source::Waker.token();

/// One peer's connection.
struct Client {
    transport: Transport,
    talk: Conversation,
    peer: Peer,
    /// Tells it from those that had its place in the list before.
    age: usize,
    turn: Option<Turn>,
    /// Whether it waits for its turn to be driven.
    is_ready: bool,
    /// Bytes of replies for it that are counted in [`Hall::replies`].
    counted: usize,
}

/// The turn of a client whose request is being answered.
#[derive(Clone, Debug)]
struct Turn {
    /// The place that it has, whose it is, and since when.
    class: Class,
    holder: Holder,
    begun: Instant,
    /// Knows what workers did for it.
    owner: Owner,
    call: u64,
    /// The connection to tiny_http that carries its request, once there is a free one.
    backend: Option<usize>,
}

impl Turn {
    /// What it cost so far: time of workers, or of the camera, which is taken by waiting for it.
    fn price(&self, now: Instant) -> Duration {
        match self.class {
            Class::Camera => now.saturating_duration_since(self.begun),
            Class::Gate | Class::Light | Class::Work => self.owner.spent(),
        }
    }
}

pub(super) struct Hall {
    poll: Poll,
    doors: Vec<Door>,
    desk: Desk,
    limits: Limits,
    tls: Option<Tls>,
    clients: Vec<Option<Client>>,
    /// Clients that are there.
    open: usize,
    backends: Vec<Option<Backend>>,
    /// Whole requests that have a place, but no connection to tiny_http yet: the service's own, and those of peers.
    own_queue: VecDeque<(usize, u64, Request)>,
    queue: Rotation<Peer, (usize, u64, Request)>,
    /// Whole requests for which there is no place now.
    waiting: Vec<Waiting>,
    private: Private,
    /// Connections that were made so far.
    entered: usize,
    callers: Callers,
    /// Requests that were passed on so far.
    calls: u64,
    heard: Receiver<Word>,
    /// Clients that have something to do, by their place in the list and their age.
    ready: Rotation<Peer, (usize, usize)>,
    /// Bytes of replies that wait for their peers.
    replies: usize,
    /// Clients whose reply waits at tiny_http until others have taken theirs.
    stalled: Vec<usize>,
    figures: Arc<Figures>,
    /// When connections are taken again, after there was no descriptor for one, or so many came that others were kept waiting.
    accept_at: Option<Instant>,
    stop_at: Option<Instant>,
    buffer: Wiped,
}

/// Connections that are taken before those that are there have their turn.
const ACCEPTED: usize = 16;

/// How long no connections are taken when there was no descriptor for one.
const BREATH: Duration = Duration::from_millis(100);

/// So long peers have their turns before new events are looked at: the service's own connection and the replies of tiny_http are never
/// later than this, whatever comes in.
const ROUND: Duration = Duration::from_millis(5);

impl Hall {
    /// A hall behind `doors`, with a way to tiny_http, and the words that it is to hear.
    pub(super) fn new(
        doors: Vec<Door>,
        opening: Opening,
        poll: Poll,
        (private, callers): (Private, Callers),
        heard: Receiver<Word>,
    ) -> io::Result<Self> {
        let mut hall = Self {
            poll,
            doors,
            desk: Desk::new(opening.house, opening.access, opening.places, &opening.limits),
            limits: opening.limits,
            tls: opening.tls,
            clients: vec![],
            open: 0,
            backends: (0..opening.places.all()).map(|_| None).collect(),
            own_queue: VecDeque::new(),
            queue: Rotation::new(),
            waiting: vec![],
            entered: 0,
            private,
            callers,
            calls: 0,
            heard,
            ready: Rotation::new(),
            replies: 0,
            stalled: vec![],
            figures: opening.figures,
            accept_at: None,
            stop_at: None,
            buffer: vec![0; BLOCK_BYTES].into(),
        };
        hall.register_doors()?;
        Ok(hall)
    }

    fn client(&mut self, i: usize) -> Option<&mut Client> {
        self.clients.get_mut(i).and_then(Option::as_mut)
    }

    fn register_doors(&mut self) -> io::Result<()> {
        for (i, door) in self.doors.iter_mut().enumerate() {
            self.poll.registry().register(door.source(), Source::Door(i).token(), Interest::READABLE)?;
        }
        Ok(())
    }

    pub(super) fn run(&mut self) {
        let mut events = Events::with_capacity(256);
        while !self.is_done() {
            self.prove_one();
            let wait = self.wait();
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::error!("the gate cannot wait: {error}");
                    thread::sleep(BREATH);
                }
                _ => {}
            }
            for event in &events {
                match Source::of(event.token()) {
                    Source::Waker => self.listen(),
                    Source::Door(i) => self.accept(i),
                    Source::Backend(i) => self.pump_guarded(i),
                    // Its place in the list has been given to another since.
                    Source::Client(i, age) if self.client(i).is_none_or(|client| client.age & AGES != age) => {}
                    // Gone in both directions: whatever he asked, he can't be told.
                    Source::Client(i, _) if event.is_error() || event.is_write_closed() => self.remove(i),
                    Source::Client(i, _) => self.has_more(i),
                }
            }
            let end = Instant::now() + ROUND;
            while let Some((i, age)) = self.ready.pop() {
                if let Some(client) = self.client(i).filter(|client| client.age == age) {
                    client.is_ready = false;
                    self.drive_guarded(i);
                }
                if Instant::now() >= end {
                    break;
                }
            }
            if self.accept_at.is_some_and(|at| Instant::now() >= at) {
                self.accept_at = None;
                (0..self.doors.len()).for_each(|i| self.accept(i));
            }
            self.expire();
            self.serve_waiting();
            self.figures.connections.store(self.open, Ordering::Relaxed);
            self.figures.held_bytes.store(self.desk.held(), Ordering::Relaxed);
            self.figures.requests.store(self.desk.taken(), Ordering::Relaxed);
        }
    }

    /// Whether all that has to be done before the end is done.
    fn is_done(&self) -> bool {
        let all_idle = || !self.clients.iter().flatten().any(|client| client.talk.is_busy());
        self.stop_at.is_some_and(|at| all_idle() || Instant::now() >= at)
    }

    /// How long nothing has to be done by itself.
    fn wait(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.clients.iter().flatten().filter_map(|c| c.talk.deadline());
        let is_short = self.backends.iter().any(|b| b.as_ref().is_none_or(|b| b.task == Task::Proof));
        let proof = is_short.then(|| Instant::now() + BREATH);
        let patience = self.waiting.iter().map(|waiting| waiting.until);
        let next = due.chain(patience).chain(self.accept_at).chain(self.stop_at).chain(proof).min()?;
        // A little late rather than a little early, which would be for nothing.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    /// Drives a client whose fault, such as that there is no memory for what it sends, ends its connection alone.
    pub(super) fn drive_guarded(&mut self, i: usize) {
        if catch_unwind(AssertUnwindSafe(|| self.drive(i))).is_err() {
            self.desk.house.dropped("fault");
            self.remove(i);
        }
    }

    /// The same for a connection to tiny_http, and the client whose reply it carries.
    fn pump_guarded(&mut self, number: usize) {
        if catch_unwind(AssertUnwindSafe(|| self.pump(number))).is_err() {
            self.desk.house.dropped("fault");
            let task = self.backends.get_mut(number).and_then(Option::take).map(|backend| backend.task);
            if let Some(Task::Request { client }) = task {
                self.remove(client);
            }
        }
    }

    /// Notes that a client has something to do: in its peer's turn, or at once if it is the service itself.
    fn has_more(&mut self, i: usize) {
        let Some(client) = self.client(i).filter(|client| !client.is_ready) else { return };
        let (peer, age) = (client.peer, client.age);
        if peer == Peer::Own {
            return self.drive_guarded(i);
        }
        client.is_ready = true;
        self.ready.push(peer, (i, age));
    }

    /// Takes over who may come in. Whoever would not any more is shown out, in the middle of a reply too.
    fn reload(&mut self, access: Access, tls: Option<Tls>) {
        let authorities = |tls: &Option<Tls>| tls.as_ref().and_then(Tls::authorities);
        let others = authorities(&tls) != authorities(&self.tls);
        (self.desk.access, self.tls) = (access, tls);
        self.desk.peers.forgive();
        for i in 0..self.clients.len() {
            let Some(client) = self.clients.get(i).and_then(Option::as_ref) else { continue };
            let is_out = client.peer != Peer::Own
                && (client.talk.pass().is_some_and(|pass| !self.desk.access.admits(&pass))
                    || others && client.transport.is_encrypted());
            if is_out {
                self.desk.house.dropped("reloaded");
                self.remove(i);
            }
        }
    }

    fn listen(&mut self) {
        while let Ok(word) = self.heard.try_recv() {
            match word {
                Word::Reload(access, tls) => self.reload(access, tls),
                Word::Visit(stream) => self.enter(Socket::Unix(mio::net::UnixStream::from_std(stream)), Peer::Own),
                Word::Stop(at) => {
                    self.doors.clear();
                    self.desk.is_ending = true;
                    self.stop_at = Some(at);
                    self.clients.iter_mut().flatten().for_each(|client| client.talk.wind_up());
                }
            }
        }
    }

    /// Takes connections that wait at a door; more of them when others have had their turn.
    fn accept(&mut self, door: usize) {
        for _ in 0..ACCEPTED {
            let Some(door) = self.doors.get(door).filter(|_| self.accept_at.is_none()) else { return };
            match door.accept() {
                Ok((socket, peer)) => self.enter(socket, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // EMFILE and kin: the connection stays in its queue.
                Err(error) if is_shortage(&error) => {
                    self.desk.house.dropped("descriptors");
                    if !self.dismiss(None, None) {
                        self.accept_at = Some(Instant::now() + BREATH);
                    }
                }
                // It had gone before it was taken.
                Err(error) if is_its_own(&error) => {}
                Err(error) => {
                    log::error!("no connections can be taken: {error}");
                    self.accept_at = Some(Instant::now() + BREATH);
                }
            }
        }
        self.accept_at = Some(Instant::now());
    }
}

/// Whether taking a connection failed because of that connection.
fn is_its_own(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
        || error.raw_os_error() == Some(rustix::io::Errno::PROTO.raw_os_error())
}

/// Whether it fails because the process or the machine has no more of something.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

//! The one thread that waits for all sockets: strangers' connections, those to tiny_http, and a word from the rest of the process.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use zeroize::Zeroizing;

use super::access::Access;
use super::backend::{Backend, PROOF_END, Private, Task};
use super::caller::Callers;
use super::conversation::{Conversation, Request};
use super::desk::{Desk, NO_PLACE, Places};
use super::doors::Door;
use super::peers::Peer;
use super::tls::Tls;
use super::transport::{Socket, Transport};
use super::{Class, House, Why};
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
    requests: usize,
    thread: Mutex<Option<JoinHandle<()>>>,
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
enum Word {
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
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token())?);
        let (words, heard) = channel();
        let callers = Callers::new();
        let requests = opening.places.sum() + 1; // one is the service's own
        let mut hall = Hall {
            poll,
            doors,
            desk: Desk::new(opening.house, opening.access, opening.places, &opening.limits),
            limits: opening.limits,
            tls: opening.tls,
            clients: vec![],
            open: 0,
            backends: (0..requests).map(|_| None).collect(),
            queue: VecDeque::new(),
            entered: 0,
            private,
            callers: callers.clone(),
            calls: 0,
            heard,
            again: vec![],
            figures: opening.figures,
            accept_at: None,
            stop_at: None,
            buffer: Zeroizing::new(vec![0; BUFFER_BYTES]),
        };
        hall.register_doors()?;
        let work = move || hall.run();
        let thread = thread::Builder::new().name("gate".into()).spawn(work)?;
        Ok((Self { words: Mutex::new(words), waker, callers, requests, thread: Mutex::new(Some(thread)) }, listener))
    }

    /// Those whose requests are being answered.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// How many requests it passes on at once.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Changes who may come in, for requests that come from now on, and the certificate, for connections that do.
    pub fn reload(&self, access: Access, tls: Option<Tls>) {
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

/// One peer's connection.
struct Client {
    transport: Transport,
    talk: Conversation,
    peer: Peer,
    /// Tells it from those that had its place in the list before.
    age: usize,
    turn: Option<Turn>,
}

/// The turn of a client whose request is being answered.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// The place that it has.
    class: Class,
    call: u64,
    /// The connection to tiny_http that carries its request, once there is a free one.
    backend: Option<usize>,
}

struct Hall {
    poll: Poll,
    doors: Vec<Door>,
    desk: Desk,
    limits: Limits,
    tls: Option<Tls>,
    clients: Vec<Option<Client>>,
    /// Clients that are there.
    open: usize,
    backends: Vec<Option<Backend>>,
    /// Whole requests that have a place, but no connection to tiny_http yet.
    queue: VecDeque<(usize, u64, Request)>,
    private: Private,
    /// Connections that were made so far.
    entered: usize,
    callers: Callers,
    /// Requests that were passed on so far.
    calls: u64,
    heard: Receiver<Word>,
    /// Clients that have more to do, though nothing new came: others were to have their turn.
    again: Vec<usize>,
    figures: Arc<Figures>,
    /// When connections are taken again, after there was no descriptor for one, or so many came that others were kept waiting.
    accept_at: Option<Instant>,
    stop_at: Option<Instant>,
    buffer: Zeroizing<Vec<u8>>,
}

/// Whose socket an event is about. Its number is the rank of its kind in the two lowest bits, its place in its list, and for
/// clients an age above these.
enum Source {
    Waker,
    Door(usize),
    Backend(usize),
    Client(usize, usize),
}

const PLACE_BITS: u32 = 17;

/// The ages that fit into a token, on 32-bit processors too.
const AGES: usize = (1 << (30 - PLACE_BITS)) - 1;

impl Source {
    fn of(Token(number): Token) -> Self {
        let (place, age) = (number >> 2 & ((1 << PLACE_BITS) - 1), number >> (2 + PLACE_BITS));
        match number & 3 {
            0 => Self::Waker,
            1 => Self::Door(place),
            2 => Self::Backend(place),
            _ => Self::Client(place, age),
        }
    }

    const fn token(&self) -> Token {
        Token(match self {
            Self::Waker => 0,
            Self::Door(place) => 1 | *place << 2,
            Self::Backend(place) => 2 | *place << 2,
            Self::Client(place, age) => 3 | *place << 2 | (*age & AGES) << (2 + PLACE_BITS),
        })
    }
}

/// Bytes that are read at once. A block of [`super::held::Held`] takes as many.
const BUFFER_BYTES: usize = 64 << 10;

/// Connections that are taken before those that are there have their turn.
const ACCEPTED: usize = 16;

/// Reads from one peer before others have their turn.
const TURN: usize = 8;

/// So long a connection is spared, while there are others, when one has to go.
const GRACE: Duration = Duration::from_secs(1);

/// Time for tiny_http to answer on a new connection: all its threads may be at work.
const PROOF: Duration = Duration::from_secs(60);

/// How long no connections are taken when there was no descriptor for one.
const BREATH: Duration = Duration::from_millis(100);

impl Hall {
    fn client(&mut self, i: usize) -> Option<&mut Client> {
        self.clients.get_mut(i).and_then(Option::as_mut)
    }

    fn register_doors(&mut self) -> io::Result<()> {
        for (i, door) in self.doors.iter_mut().enumerate() {
            self.poll.registry().register(door.source(), Source::Door(i).token(), Interest::READABLE)?;
        }
        Ok(())
    }

    fn run(&mut self) {
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
                    Source::Backend(i) => self.pump(i),
                    // Its place in the list has been given to another since.
                    Source::Client(i, age) if self.client(i).is_none_or(|client| client.age & AGES != age) => {}
                    // Gone in both directions: whatever he asked, he can't be told.
                    Source::Client(i, _) if event.is_error() || event.is_write_closed() => self.remove(i),
                    Source::Client(i, _) => self.drive(i),
                }
            }
            for i in std::mem::take(&mut self.again) {
                self.drive(i);
            }
            if self.accept_at.is_some_and(|at| Instant::now() >= at) {
                self.accept_at = None;
                (0..self.doors.len()).for_each(|i| self.accept(i));
            }
            self.expire();
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
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.clients.iter().flatten().filter_map(|c| c.talk.deadline());
        let is_short = self.backends.iter().any(|b| b.as_ref().is_none_or(|b| b.task == Task::Proof));
        let proof = is_short.then(|| Instant::now() + BREATH);
        let next = due.chain(self.accept_at).chain(self.stop_at).chain(proof).min()?;
        // A little late rather than a little early, which would be for nothing.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn listen(&mut self) {
        while let Ok(word) = self.heard.try_recv() {
            match word {
                Word::Reload(access, tls) => {
                    (self.desk.access, self.tls) = (access, tls);
                    self.desk.peers.forgive();
                }
                Word::Visit(stream) => {
                    self.enter(Socket::Unix(mio::net::UnixStream::from_std(stream)), Peer::Own, false)
                }
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
            let is_tcp = door.is_tcp();
            match door.accept() {
                Ok((socket, peer)) => self.enter(socket, peer, is_tcp),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // EMFILE and kin: the connection stays in its queue.
                Err(error) if is_shortage(&error) => {
                    self.desk.house.dropped("descriptors");
                    if !self.dismiss(None) {
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

    fn enter(&mut self, socket: Socket, peer: Peer, is_tcp: bool) {
        let count = self.desk.peers.came(peer);
        let is_crowded = peer != Peer::Own
            && (count > self.limits.connections_per_peer && !self.dismiss(Some(peer))
                || self.open >= self.limits.connections && !self.dismiss(None));
        let session = match &self.tls {
            Some(tls) if is_tcp && !is_crowded => tls.session().map(Some).map_err(|_| "tls"),
            _ => Ok(None),
        };
        let session = if is_crowded { Err("crowded") } else { session };
        self.entered = self.entered.wrapping_add(1);
        let slot = self.clients.iter().position(Option::is_none).unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let entered = session.and_then(|session| {
            let mut transport = Transport::new(socket, session);
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered =
                self.poll.registry().register(transport.source(), Source::Client(slot, self.entered).token(), both);
            registered.map(|()| transport).map_err(|_| "descriptors")
        });
        match entered {
            Err(why) => {
                self.desk.peers.went(peer);
                self.desk.house.dropped(why);
            }
            Ok(transport) => {
                let talk = Conversation::new(&self.limits, Instant::now());
                self.clients[slot] = Some(Client { transport, talk, peer, age: self.entered, turn: None });
                self.open += 1;
                self.drive(slot);
            }
        }
    }

    /// Ends the connection, of `peer` or of all, that would be missed least; whether there was one.
    fn dismiss(&mut self, peer: Option<Peer>) -> bool {
        // Whoever has most of them goes first.
        if peer.is_none()
            && let most @ Some(_) = self.desk.peers.most()
            && self.dismiss(most)
        {
            return true;
        }
        let expendable = |(i, client): (usize, &Option<Client>)| {
            let client = client.as_ref().filter(|c| peer.is_none_or(|peer| c.peer == peer))?;
            client.talk.expendable().map(|missed| (missed, i))
        };
        // Who has only just come, or been answered, may be about to say something.
        let now = Instant::now();
        let is_fresh = |since: Instant| now.saturating_duration_since(since) < GRACE;
        let all = self.clients.iter().enumerate().filter_map(expendable);
        let Some((_, i)) = all.min_by_key(|((rank, since), i)| (is_fresh(*since), *rank, *since, *i)) else {
            return false;
        };
        self.desk.house.dropped("dismissed");
        self.remove(i);
        true
    }

    /// Goes on with a client as far as its bytes and its socket's room reach.
    fn drive(&mut self, i: usize) {
        let now = Instant::now();
        let mut turns = 0;
        loop {
            let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
            let mut moved = false;
            let was_full = !client.talk.wants_input();
            if !was_full {
                match client.transport.read(&mut self.buffer) {
                    Ok(0) => {
                        client.talk.end_input();
                        moved = true;
                    }
                    Ok(count) => {
                        client.talk.receive(&self.buffer[..count], now);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => moved = true,
                    Err(_) => return self.remove(i),
                }
            }
            if let Some(request) = client.talk.advance(now, &mut self.desk.of(client.peer, now)) {
                self.hand_over(i, request);
                moved = true;
            }
            self.settle(i);
            let Some(client) = self.client(i) else { return };
            while !client.talk.output().is_empty() {
                match client.transport.write(client.talk.output()) {
                    Ok(count) => {
                        client.talk.sent(count, now);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return self.remove(i),
                }
            }
            match client.transport.flush() {
                Ok((wrote, left)) => {
                    client.talk.pends(left);
                    moved |= wrote;
                }
                Err(_) => return self.remove(i),
            }
            if client.talk.ends_output() {
                client.transport.end();
                moved = true;
            }
            self.settle(i);
            let Some(client) = self.client(i) else { return };
            if client.talk.is_closed() {
                return self.remove(i);
            }
            // There is room again for what the socket holds, of which it does not tell a second time.
            moved |= was_full && client.talk.wants_input();
            // There may be room again for what the backend has.
            if moved
                && let Some(Turn { backend: Some(backend), .. }) = client.turn
                && client.talk.wants_answer()
            {
                self.carry(backend);
                self.serve_queue();
            }
            if !moved {
                return;
            }
            turns += 1;
            if turns >= TURN {
                self.again.push(i);
                return;
            }
        }
    }

    /// Tells the house of a request that has ended.
    fn settle(&mut self, i: usize) {
        if let Some(client) = self.client(i)
            && let Some(account) = client.talk.account()
        {
            self.desk.house.account(&account);
        }
    }

    /// Passes a whole request on, or refuses it where there is no place for it.
    fn hand_over(&mut self, i: usize, request: Request) {
        let class = request.class;
        let peer = self.client(i).map_or(Peer::Local, |client| client.peer);
        if !self.desk.sit(class, peer) {
            return self.refuse(i, &request.head.target, NO_PLACE);
        }
        self.calls += 1;
        let call = self.calls;
        self.callers.enter(call, request.begun);
        if let Some(client) = self.client(i) {
            client.turn = Some(Turn { class, call, backend: None });
        }
        self.queue.push_back((i, call, request));
        self.serve_queue();
    }

    fn refuse(&mut self, i: usize, target: &str, why: Why) {
        let refusal = self.desk.house.refuse(target, why);
        if let Some(client) = self.client(i) {
            client.talk.refuse(refusal, why.name());
        }
    }

    /// Gives requests that wait to connections that are free.
    fn serve_queue(&mut self) {
        while !self.queue.is_empty() {
            let is_free = |b: &Option<Backend>| b.as_ref().is_some_and(|b| b.task == Task::None);
            let Some(number) = self.backends.iter().position(is_free) else { return };
            let Some((i, call, request)) = self.queue.pop_front() else { return };
            let Some(turn) = self.client(i).and_then(|client| client.turn.as_mut()) else { continue };
            turn.backend = Some(number);
            if let Some(backend) = &mut self.backends[number] {
                backend.take(request, i, call);
            }
            self.carry(number);
        }
    }

    /// Makes the next connection to tiny_http, and asks something by it. One at a time: of several that come at once, tiny_http's
    /// pool of threads can forget one for as long as the others last.
    fn prove_one(&mut self) {
        let proving = self.backends.iter().position(|b| b.as_ref().is_some_and(|b| b.task == Task::Proof));
        if let Some(number) = proving {
            if self.backends[number].as_ref().is_some_and(|b| b.begun.elapsed() > PROOF) {
                self.backends[number] = None; // whoever has the thread that should answer, another one gets the next
            }
            return;
        }
        let Some(number) = self.backends.iter().position(Option::is_none) else { return };
        let connected = self.private.connect().and_then(|mut stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Source::Backend(number).token(), both)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => {
                self.backends[number] = Some(Backend::unproven(stream));
                self.carry(number);
            }
            // tiny_http takes no more connections, for good.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                log::error!("there is no service behind the gate any more");
                self.stop_at = Some(Instant::now());
            }
            // Without a descriptor; it is tried again soon.
            Err(_) => self.desk.house.dropped("descriptors"),
        }
    }

    /// Moves bytes of a backend, and gives it the next request if it has become free.
    fn pump(&mut self, number: usize) {
        self.carry(number);
        self.serve_queue();
    }

    /// Moves bytes between a backend and its client, who goes on when all others have had their turn.
    fn carry(&mut self, number: usize) {
        let Some(backend) = self.backends.get_mut(number).and_then(Option::as_mut) else { return };
        let mut result = backend.write();
        let i = match backend.task {
            Task::Request { client, .. } => client,
            Task::Proof => match backend.read(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some(count)) if self.buffer[..count].ends_with(PROOF_END) => return backend.task = Task::None,
                Ok(Some(_)) => return,
                Err(_) => return self.backends[number] = None,
            },
            // One that nobody uses has nothing to say; if it does, or has ended, it is of no more use.
            Task::None => {
                if !matches!(backend.read(&mut self.buffer), Ok(None)) {
                    self.backends[number] = None;
                }
                return;
            }
        };
        let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
        let mut whole = false;
        self.again.push(i);
        while result.is_ok() && !whole && client.talk.wants_answer() {
            match backend.read(&mut self.buffer) {
                Ok(None) => break,
                Ok(Some(count)) => match client.talk.answer(&self.buffer[..count], Instant::now()) {
                    Ok(done) => whole = done,
                    Err(error) => result = Err(io::Error::other(error.to_string())),
                },
                Err(error) => result = Err(error),
            }
        }
        if let Err(error) = result {
            log::error!("the service behind the gate broke off: {error}");
            let was_answered = client.talk.is_answered();
            self.part(i, false);
            self.backends[number] = None;
            match was_answered {
                true => self.remove(i),
                false => self.refuse(i, "", Why::Broken),
            }
        } else if whole {
            // A reply that came before all of the request was taken leaves bytes behind that are no request.
            let is_spent = !backend.request.is_empty();
            self.part(i, false);
            if is_spent {
                self.backends[number] = None;
            }
        }
    }

    /// A client's request is answered, or never will be.
    fn part(&mut self, i: usize, has_gone: bool) {
        let Some(turn) = self.client(i).and_then(|client| client.turn.take()) else { return };
        self.desk.rise(turn.class);
        self.callers.leave(turn.call, has_gone);
        match turn.backend {
            None => self.queue.retain(|(_, call, _)| *call != turn.call),
            // Whatever is still to come is for nobody.
            Some(number) if has_gone => self.backends[number] = None,
            Some(number) => {
                if let Some(backend) = &mut self.backends[number] {
                    backend.task = Task::None;
                }
            }
        }
    }

    /// Ends a client's connection.
    fn remove(&mut self, i: usize) {
        self.part(i, true);
        let Some(mut client) = self.clients.get_mut(i).and_then(Option::take) else { return };
        client.talk.abort(&mut self.desk.of(client.peer, Instant::now()));
        if let Some(account) = client.talk.account() {
            self.desk.house.account(&account);
        }
        let _it_is_closed_anyway = self.poll.registry().deregister(client.transport.source());
        self.desk.peers.went(client.peer);
        self.open -= 1;
        while self.clients.last().is_some_and(Option::is_none) {
            self.clients.pop();
        }
    }

    /// Ends what took too long.
    fn expire(&mut self) {
        let now = Instant::now();
        for i in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { continue };
            if client.talk.deadline().is_none_or(|due| now < due) {
                continue;
            }
            // The kernel tells late that there is room again: before a peer is judged by what he took, he is offered more.
            self.drive(i);
            if let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) {
                let peer = client.peer;
                client.talk.expire(now, &mut self.desk.of(peer, now));
                self.drive(i);
            }
        }
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

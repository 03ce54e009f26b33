//! Event loop: the one thread that waits for all sockets, those of peers and those to tiny_http, and for commands of the process.

mod clients;
mod eviction;
mod source;
mod upstreams;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use self::eviction::Waiting;
use self::source::{GENERATIONS, Source};
use super::Class;
use super::access::Access;
use super::admission::Admission;
use super::byte_queue::BLOCK_BYTES;
use super::command::{Command, GateConfig, Gauges};
use super::connection::{Connection, Request};
use super::in_flight::InFlightRequests;
use super::listener::Listener;
use super::peers::Peer;
use super::price::Holder;
use super::round_robin::RoundRobin;
use super::tls::Tls;
use super::transport::{Socket, Transport};
use super::upstream::{Task, Upstream, UpstreamSocket};
use crate::ops::{Limits, SecretBytes};
use crate::work::Owner;

/// The token that wakes the thread.
pub(super) const WAKER: Token = Source::Waker.token();

/// A peer's connection.
struct Client {
    transport: Transport,
    connection: Connection,
    peer: Peer,
    /// Tells it from earlier clients at the same index of the list.
    generation: usize,
    in_flight: Option<InFlight>,
    /// Whether it waits for its turn to be driven.
    is_ready: bool,
    /// Bytes of replies for it that are counted in [`EventLoop::reply_bytes`].
    counted_bytes: usize,
}

/// The in-flight request of a client.
#[derive(Clone, Debug)]
struct InFlight {
    /// The slot that it holds, its holder, and since when.
    class: Class,
    holder: Holder,
    begun: Instant,
    /// Counts what workers did for it.
    owner: Owner,
    request_id: u64,
    /// The connection to tiny_http that carries it, once one is free.
    upstream: Option<usize>,
}

impl InFlight {
    /// Its cost so far: time of workers, or of the camera, which is occupied while it waits.
    fn price(&self, now: Instant) -> Duration {
        match self.class {
            Class::Camera => now.saturating_duration_since(self.begun),
            Class::Gate | Class::Probe | Class::Inference => self.owner.spent(),
        }
    }
}

pub(super) struct EventLoop {
    poll: Poll,
    listeners: Vec<Listener>,
    admission: Admission,
    limits: Limits,
    tls: Option<Tls>,
    clients: Vec<Option<Client>>,
    /// Open clients.
    open: usize,
    upstreams: Vec<Option<Upstream>>,
    /// Whole requests that have a slot, but no connection to tiny_http yet: the service's own, and those of peers.
    own_queue: VecDeque<(usize, u64, Request)>,
    queue: RoundRobin<Peer, (usize, u64, Request)>,
    /// Whole requests for which there is no slot now.
    waiting: Vec<Waiting>,
    upstream_socket: UpstreamSocket,
    /// Connections accepted so far.
    generations: usize,
    in_flight_requests: InFlightRequests,
    /// Requests passed on so far.
    request_ids: u64,
    command_rx: Receiver<Command>,
    /// Clients that have something to do, by index in the list and generation.
    ready: RoundRobin<Peer, (usize, usize)>,
    /// Bytes of replies that wait for their peers.
    reply_bytes: usize,
    /// Clients whose reply waits at tiny_http until others have taken theirs.
    stalled: Vec<usize>,
    gauges: Arc<Gauges>,
    /// When accepting resumes, after there was no descriptor for a connection, or so many came that others were kept waiting.
    accept_at: Option<Instant>,
    stop_at: Option<Instant>,
    buffer: SecretBytes,
}

/// Connections accepted in a row before the open ones have their turn.
const ACCEPTED: usize = 16;

/// How long accepting pauses when there was no descriptor for a connection.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// How long peers are served before new events are looked at: the service's own connection and the replies of tiny_http are never later
/// than this, whatever comes in.
const ROUND: Duration = Duration::from_millis(5);

impl EventLoop {
    /// An event loop behind `listeners`, with a way to tiny_http and a channel of commands.
    pub(super) fn new(
        listeners: Vec<Listener>,
        config: GateConfig,
        poll: Poll,
        (upstream_socket, in_flight_requests): (UpstreamSocket, InFlightRequests),
        command_rx: Receiver<Command>,
    ) -> io::Result<Self> {
        let event_loop = Self {
            poll,
            listeners,
            admission: Admission::new(
                config.handler,
                config.access.behind(config.tls.as_ref()),
                config.sessions,
                config.slots,
                &config.limits,
            ),
            limits: config.limits,
            tls: config.tls,
            clients: vec![],
            open: 0,
            upstreams: (0..config.slots.all()).map(|_| None).collect(),
            own_queue: VecDeque::new(),
            queue: RoundRobin::new(),
            waiting: vec![],
            generations: 0,
            upstream_socket,
            in_flight_requests,
            request_ids: 0,
            command_rx,
            ready: RoundRobin::new(),
            reply_bytes: 0,
            stalled: vec![],
            gauges: config.gauges,
            accept_at: None,
            stop_at: None,
            buffer: vec![0; BLOCK_BYTES].into(),
        };
        Ok(event_loop)
    }

    fn client(&mut self, i: usize) -> Option<&mut Client> {
        self.clients.get_mut(i).and_then(Option::as_mut)
    }

    /// Begins to accept connections once every connection to tiny_http has answered a health check, so that its threads exist.
    fn listen_once_connected(&mut self) {
        if self.gauges.is_listening.load(Ordering::Relaxed) || !self.has_all_upstreams() {
            return;
        }
        match self.register_listeners() {
            Ok(()) => self.gauges.is_listening.store(true, Ordering::Relaxed),
            Err(error) => {
                log::error!("cannot listen: {error}");
                self.stop_at = Some(Instant::now());
            }
        }
    }

    fn register_listeners(&mut self) -> io::Result<()> {
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            self.poll.registry().register(listener.source(), Source::Listener(i).token(), Interest::READABLE)?;
        }
        Ok(())
    }

    /// Whether every connection to tiny_http is open and has answered its health check.
    fn has_all_upstreams(&self) -> bool {
        let is_proven = |upstream: &Upstream| upstream.task != Task::HealthCheck;
        self.upstreams.iter().all(|upstream| upstream.as_ref().is_some_and(is_proven))
    }

    pub(super) fn run(&mut self) {
        let mut events = Events::with_capacity(256);
        while !self.is_done() {
            self.open_one_upstream();
            self.listen_once_connected();
            let wait = self.wait();
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::error!("cannot wait for sockets: {error}");
                    thread::sleep(RETRY_DELAY);
                }
                _ => {}
            }
            for event in &events {
                match Source::of(event.token()) {
                    Source::Waker => self.drain_commands(),
                    Source::Listener(i) => self.accept(i),
                    Source::Upstream(i) => self.service_upstream_guarded(i),
                    // Its index in the list has been given to another client since.
                    Source::Client(i, generation)
                        if self.client(i).is_none_or(|client| client.generation & GENERATIONS != generation) => {}
                    // Closed in both directions: the peer can't receive a reply.
                    Source::Client(i, _) if event.is_error() || event.is_write_closed() => self.remove(i),
                    Source::Client(i, _) => self.has_more(i),
                }
            }
            let end = Instant::now() + ROUND;
            while let Some((i, generation)) = self.ready.pop() {
                if let Some(client) = self.client(i).filter(|client| client.generation == generation) {
                    client.is_ready = false;
                    self.service_client_guarded(i);
                }
                if Instant::now() >= end {
                    break;
                }
            }
            if self.accept_at.is_some_and(|at| Instant::now() >= at) {
                self.accept_at = None;
                (0..self.listeners.len()).for_each(|i| self.accept(i));
            }
            self.expire();
            self.serve_waiting();
            self.gauges.connections.store(self.open, Ordering::Relaxed);
            self.gauges.held_bytes.store(self.admission.held(), Ordering::Relaxed);
            self.gauges.requests.store(self.admission.taken(), Ordering::Relaxed);
        }
    }

    /// Whether everything that has to finish before the stop has finished.
    fn is_done(&self) -> bool {
        let all_idle = || !self.clients.iter().flatten().any(|client| client.connection.is_busy());
        self.stop_at.is_some_and(|at| all_idle() || Instant::now() >= at)
    }

    /// How long to wait for events before something is due.
    fn wait(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.clients.iter().flatten().filter_map(|c| c.connection.deadline());
        let check = (!self.has_all_upstreams()).then(|| Instant::now() + RETRY_DELAY);
        let patience = self.waiting.iter().map(|waiting| waiting.until);
        let next = due.chain(patience).chain(self.accept_at).chain(self.stop_at).chain(check).min()?;
        // A little late rather than a little early, which would wake for nothing.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    /// Drives a client. A panic, such as for want of memory for what it sends, closes its connection only.
    pub(super) fn service_client_guarded(&mut self, i: usize) {
        if catch_unwind(AssertUnwindSafe(|| self.service_client(i))).is_err() {
            self.admission.handler.on_connection_dropped("fault");
            self.remove(i);
        }
    }

    /// The same for a connection to tiny_http and the client whose reply it carries.
    fn service_upstream_guarded(&mut self, number: usize) {
        if catch_unwind(AssertUnwindSafe(|| self.service_upstream(number))).is_err() {
            self.admission.handler.on_connection_dropped("fault");
            let task = self.upstreams.get_mut(number).and_then(Option::take).map(|upstream| upstream.task);
            if let Some(Task::Request { client }) = task {
                self.remove(client);
            }
        }
    }

    /// Marks a client as having something to do: in its peer's turn, or at once if it is the service itself.
    fn has_more(&mut self, i: usize) {
        let Some(client) = self.client(i).filter(|client| !client.is_ready) else { return };
        let (peer, generation) = (client.peer, client.generation);
        if peer == Peer::Own {
            return self.service_client_guarded(i);
        }
        client.is_ready = true;
        self.ready.push(peer, (i, generation));
    }

    /// Takes over new access rules. Connections that they no longer admit are closed, in the middle of a reply too.
    fn reload(&mut self, access: Access, tls: Option<Tls>) {
        let authorities = |tls: &Option<Tls>| tls.as_ref().and_then(Tls::authorities);
        let others = authorities(&tls) != authorities(&self.tls);
        (self.admission.access, self.tls) = (access.behind(tls.as_ref()), tls);
        self.admission.peers.forgive();
        for i in 0..self.clients.len() {
            let Some(client) = self.clients.get(i).and_then(Option::as_ref) else { continue };
            let is_out = client.peer != Peer::Own
                && (client.connection.pass().is_some_and(|pass| !self.admission.access.admits(&pass))
                    || others && client.transport.is_encrypted());
            if is_out {
                self.admission.handler.on_connection_dropped("reloaded");
                self.remove(i);
            }
        }
    }

    fn drain_commands(&mut self) {
        while let Ok(command) = self.command_rx.try_recv() {
            match command {
                Command::Reload(access, tls) => self.reload(*access, tls),
                Command::Access(access) => self.reload(*access, self.tls.clone()),
                Command::AddConnection(stream) => {
                    self.enter(Socket::Unix(mio::net::UnixStream::from_std(stream)), Peer::Own)
                }
                Command::Stop(at) => {
                    self.listeners.clear();
                    self.admission.is_ending = true;
                    self.stop_at = Some(at);
                    self.clients.iter_mut().flatten().for_each(|client| client.connection.close_after_response());
                }
            }
        }
    }

    /// Accepts connections that wait at a listener; more of them when others have had their turn.
    fn accept(&mut self, listener: usize) {
        for _ in 0..ACCEPTED {
            let Some(listener) = self.listeners.get(listener).filter(|_| self.accept_at.is_none()) else { return };
            match listener.accept() {
                Ok((socket, peer)) => self.enter(socket, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // EMFILE and kin: the connection stays in its queue.
                Err(error) if is_shortage(&error) => {
                    self.admission.handler.on_connection_dropped("descriptors");
                    if !self.evict_one(None, None) {
                        self.accept_at = Some(Instant::now() + RETRY_DELAY);
                    }
                }
                // It had gone before it was accepted.
                Err(error) if is_its_own(&error) => {}
                Err(error) => {
                    log::error!("cannot accept connections, and tries again: {error}");
                    self.accept_at = Some(Instant::now() + RETRY_DELAY);
                }
            }
        }
        self.accept_at = Some(Instant::now());
    }
}

/// Whether accepting a connection failed because of that connection.
fn is_its_own(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
        || error.raw_os_error() == Some(rustix::io::Errno::PROTO.raw_os_error())
}

/// Whether it fails because the process or the machine has run out of something.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

//! State machine of one HTTP connection, free of sockets and clocks: bytes of the peer go in, whole requests come out; bytes of the
//! upstream go in, bytes for the peer come out. Pipelined requests are answered one after the other.

mod reading;
mod refusing;
mod time;

pub(super) use time::SLOW_RATE;

use std::time::{Duration, Instant};

use super::body::{Body, Span};
use super::byte_queue::ByteQueue;
use super::forwarder::{BEGINNING, ResponseForwarder};
use super::head::{Head, Malformed, Scanner};
use super::input::Input;
use super::pace::Pace;
use super::pass::Pass;
use super::{Class, HandlerData, LocalReply, RejectReason};
use crate::ops::Limits;

/// What a connection asks of the state shared by all connections.
pub trait Rules {
    /// Judges a request by its head, before a byte of its body is kept.
    fn admit(&mut self, head: &Head) -> Result<(Admitted, Pass), Rejected>;
    /// The reply to a request of [`Class::Gate`].
    fn reply(&mut self, head: &Head) -> LocalReply;
    /// Header lines that let the asking page read the reply (CORS); empty if it may not.
    fn shares(&mut self, head: &Head) -> String;
    /// The refusal of a request to `target`.
    fn refuse(&mut self, target: &str, why: RejectReason) -> LocalReply;
    /// Reserves so many more bytes for a body of which `before` are held; false if there is no room.
    fn reserve_bytes(&mut self, bytes: usize, before: usize) -> bool;
    /// Releases bytes that were reserved.
    fn release_bytes(&mut self, bytes: usize);
}

/// A request that may go on.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The kind of slot it needs.
    pub class: Class,
    /// Bytes that its body may have.
    pub body_bytes: usize,
    /// What the handler made of the head.
    pub data: HandlerData,
}

/// Why a request may not go on.
#[derive(Debug)]
pub struct Rejected {
    /// The reply to its client.
    pub reply: LocalReply,
    /// The name of the reason in access records.
    pub why: &'static str,
    /// Bytes of its body that are still read and discarded, so that the client gets to read the reply.
    pub spared: u64,
}

/// A whole request.
#[derive(Debug)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: ByteQueue,
    /// The id under which the log and the client know it.
    pub id: String,
    /// The kind of slot it needs.
    pub class: Class,
    /// What the handler made of the head.
    pub data: HandlerData,
    /// The grant under which it was admitted.
    pub pass: Pass,
}

/// The access record of a finished request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRecord {
    /// The request's id.
    pub id: String,
    /// Verb.
    pub method: String,
    /// Target with everything that the client put into it: must not be logged unredacted.
    pub target: String,
    /// Status of the reply.
    pub status: u16,
    /// Bytes of the body that were received.
    pub received: usize,
    /// Time from its first byte to the last of the reply.
    pub took: Duration,
    /// Why the gate refused it, if it did.
    pub refused: Option<&'static str>,
}

/// A connection; see the module's documentation.
pub struct Connection {
    state: State,
    limits: Limits,
    input: Input,
    scanner: Scanner,
    output: ByteQueue,
    /// Whether TLS still holds bytes that were taken from `output`.
    tls_pending: bool,
    /// The time of the last call.
    now: Instant,
    /// When the head's first byte came, or since when the connection is silent.
    since: Instant,
    /// Whether a whole request has come; until then silence is allowed for less time.
    is_known: bool,
    /// If set, every request is refused with this reason.
    distrusted: Option<Malformed>,
    /// Whether a line end before the next request is ignored: one after each.
    spares_line_end: bool,
    reading: Pace,
    writing: Pace,
    peer_ended: bool,
    /// Bytes for which [`Rules::release_bytes`] is still to be called.
    held: usize,
    /// Whether the body waits for memory.
    wants_room: bool,
    current: Option<CurrentRequest>,
    closed: Option<AccessRecord>,
}

/// The request that is being read or answered.
struct CurrentRequest {
    id: String,
    method: String,
    target: String,
    begun: Instant,
    received: usize,
    status: u16,
    refused: Option<&'static str>,
    /// The grant under which it was admitted, if it was.
    pass: Option<Pass>,
    /// Header lines that let a page read the reply.
    shares: String,
}

enum State {
    /// Before or in a head.
    Head,
    Body {
        head: Box<Head>,
        admitted: Admitted,
        kept: ByteQueue,
        body: Body,
    },
    /// The upstream has the request.
    Answering {
        forwarder: ResponseForwarder,
        early_status: usize,
    },
    /// The refusal is on its way; the rest of the body is discarded.
    Discarding {
        body: Body,
        left: u64,
        keep_alive: bool,
    },
    /// Nothing more is read as a request: what is written goes out, then the connection ends.
    Closing {
        ended: bool,
        left: u64,
    },
    Closed,
}

/// Most bytes of a refused body that are read and discarded: a client that is still sending may otherwise never read the reply.
pub(super) const DISCARDED_BYTES: u64 = 128 << 20;

/// The same for a peer without access, and for what follows bytes that are no request: a picture at most.
pub(super) const UNTRUSTED_BYTES: u64 = 1 << 20;

/// Longest request id of a client that is adopted.
const LONGEST_ID: usize = 128;

impl Connection {
    /// A newly accepted connection.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            state: State::Head,
            limits: limits.clone(),
            input: Input::default(),
            scanner: Scanner::default(),
            output: ByteQueue::default(),
            tls_pending: false,
            now,
            since: now,
            is_known: false,
            distrusted: None,
            spares_line_end: false,
            reading: Pace::new(now),
            writing: Pace::new(now),
            peer_ended: false,
            held: 0,
            wants_room: false,
            current: None,
            closed: None,
        }
    }

    /// Whether more bytes of the peer are read now.
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::Closing { .. } => !self.peer_ended,
            // A peer that does not take its replies is asked for no more requests.
            State::Head if !self.output.is_empty() && !self.input.is_empty() => false,
            _ => !self.peer_ended && self.input.len() <= self.limits.head_bytes,
        }
    }

    /// Stores bytes of the peer; [`Connection::advance`] reads them.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.now = now;
        if let State::Head = self.state
            && self.input.is_empty()
        {
            self.since = now;
        }
        self.reading.moved(bytes.len());
        self.input.push(bytes);
    }

    /// Refuses every request of the peer with `why`, once the first bytes of one have come.
    pub fn distrust(&mut self, why: Malformed) {
        self.distrusted = Some(why);
    }

    /// Notes that the peer sends no more. It may still want to read.
    pub fn end_input(&mut self) {
        self.peer_ended = true;
        self.send_early_status();
    }

    /// Writes the first bytes of a reply early, which are the same for every reply: a peer that has gone altogether answers them with a
    /// reset; a peer that only sends no more awaits them.
    fn send_early_status(&mut self) {
        if let State::Answering { forwarder, early_status } = &mut self.state
            && forwarder.status() == 0
            && *early_status == 0
        {
            *early_status = BEGINNING.len();
            self.write(BEGINNING);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.output.is_empty() {
            self.writing = Pace::new(self.now);
        }
        self.output.push(bytes);
    }

    /// Advances as far as the bytes reach. A returned request is for the upstream; the caller must answer it by [`Connection::answer`] or
    /// [`Connection::refuse`].
    pub fn advance(&mut self, now: Instant, rules: &mut dyn Rules) -> Option<Request> {
        self.now = now;
        loop {
            let is_flushed = self.is_flushed();
            match &mut self.state {
                State::Head => {
                    // A reply goes out before the next request is looked at.
                    if !is_flushed {
                        return None;
                    }
                    self.finish(rules);
                    self.skip_line_end();
                    if self.input.is_empty() {
                        if self.peer_ended {
                            self.state = State::Closed;
                        }
                        return None;
                    }
                    let head = match self.head() {
                        Ok(Some(head)) => head,
                        Ok(None) if self.peer_ended => {
                            self.state = State::Closed;
                            return None;
                        }
                        Ok(None) => return None,
                        Err(why) => {
                            self.begin_request(None);
                            let refusal = rules.refuse("", why);
                            self.respond(refusal, Some(why.name()), false);
                            return None;
                        }
                    };
                    self.begin(head, rules);
                }
                State::Body { .. } => match self.body(rules) {
                    Some(request) => return Some(request),
                    None if matches!(self.state, State::Body { .. }) => return None,
                    None => {}
                },
                State::Discarding { body, left, keep_alive } => {
                    let keep_alive = *keep_alive;
                    // Chunks may have one byte each: all that came is walked through, and taken at once.
                    let mut read = 0;
                    let is_sound = loop {
                        if body.is_whole() || read == self.input.len() {
                            break true;
                        }
                        match body.next(&self.input[read..]) {
                            Ok(Span { skip, data }) => read += skip + data,
                            Err(_) => break false,
                        }
                    };
                    let is_whole = body.is_whole();
                    *left = left.saturating_sub(read as u64);
                    let is_over = !is_sound || *left == 0 || self.peer_ended;
                    self.input.take(read);
                    if is_whole && keep_alive {
                        self.state = State::Head;
                        self.since = now;
                    } else if is_whole {
                        self.close();
                    } else {
                        if is_over {
                            self.close();
                        }
                        return None;
                    }
                }
                State::Closing { left, ended } => {
                    *left = left.saturating_sub(self.input.len() as u64);
                    self.input.clear();
                    if is_flushed && (*left == 0 || (*ended && self.peer_ended)) {
                        self.state = State::Closed;
                    }
                    if is_flushed {
                        self.finish(rules);
                    }
                    return None;
                }
                State::Answering { .. } | State::Closed => return None,
            }
        }
    }

    /// Takes bytes of the upstream's reply; true when it is whole. An error means that the reply can't be completed.
    pub fn answer(&mut self, bytes: &[u8], now: Instant, rules: &mut dyn Rules) -> Result<bool, Malformed> {
        self.now = now;
        let State::Answering { forwarder, early_status } = &mut self.state else { return Ok(true) };
        if self.output.is_empty() {
            self.writing = Pace::new(now);
        }
        if *early_status > 0 && forwarder.status() == 0 {
            // These were sent already: they are left out of the output, not of what is parsed.
            let mut all = ByteQueue::default();
            forwarder.pass(bytes, &mut all)?;
            while !all.is_empty() {
                let skipped = (*early_status).min(all.front().len());
                self.output.push(&all.front()[skipped..]);
                *early_status -= skipped;
                all.take(all.front().len());
            }
        } else {
            forwarder.pass(bytes, &mut self.output)?;
        }
        if let Some(current) = &mut self.current {
            current.status = forwarder.status();
        }
        let whole = forwarder.is_whole();
        if whole {
            // The upstream is done with the body.
            rules.release_bytes(std::mem::take(&mut self.held));
            self.since = now;
            match forwarder.keep_alive() {
                true => self.state = State::Head,
                false => self.close(),
            }
        }
        Ok(whole)
    }

    /// Whether more bytes of the upstream's reply fit. They do not while the peer still has enough to take, except for a reply of known
    /// length, for which room may be made: see [`Connection::takes_whole`].
    pub fn wants_answer(&self) -> bool {
        self.output.len() < MOST_OUTPUT
    }

    /// Whether the reply may be buffered whole, so that the upstream is free: its length is known.
    pub fn takes_whole(&self) -> bool {
        matches!(&self.state, State::Answering { forwarder, .. } if forwarder.has_length())
    }

    /// Bytes of replies that wait for the peer.
    pub fn waiting(&self) -> usize {
        self.output.len()
    }

    /// The grant of the request that is being read or answered, or whose reply is being taken.
    pub fn pass(&self) -> Option<Pass> {
        self.current.as_ref().and_then(|current| current.pass)
    }

    /// Whether the connection is used up: what still comes is discarded.
    pub fn discards(&self) -> bool {
        matches!(self.state, State::Discarding { .. } | State::Closing { .. })
    }

    /// Whether any of the reply has come.
    pub fn is_answered(&self) -> bool {
        matches!(&self.state, State::Answering { forwarder, .. } if forwarder.status() != 0)
    }

    /// Closes the connection and drops what was still to be sent.
    pub fn abort(&mut self, rules: &mut dyn Rules) {
        self.output = ByteQueue::default();
        self.finish(rules);
        self.state = State::Closed;
    }

    /// Answers no further request: one that is being read or answered is the last.
    pub fn close_after_response(&mut self) {
        if let State::Answering { forwarder, .. } = &mut self.state
            && forwarder.status() == 0
        {
            forwarder.end();
        }
    }

    /// Sets whether TLS still holds bytes of this connection. They count like bytes that were not taken.
    pub fn set_tls_pending(&mut self, pending: bool) {
        if self.tls_pending && !pending {
            self.since = self.now;
        }
        self.tls_pending = pending;
    }

    /// Whether everything written has gone out.
    fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.tls_pending
    }

    /// Bytes for the peer.
    pub fn output(&self) -> &[u8] {
        self.output.front()
    }

    /// Notes that the peer took so many bytes of [`Connection::output`].
    pub fn sent(&mut self, count: usize, now: Instant) {
        self.now = now;
        self.output.take(count);
        self.writing.moved(count);
        if self.output.is_empty() {
            self.since = now;
        }
    }

    /// Whether everything is written and the sending side can be shut down; true once.
    pub fn should_shutdown_write(&mut self) -> bool {
        let is_flushed = self.is_flushed();
        match &mut self.state {
            State::Closing { ended, .. } if is_flushed && !*ended => {
                *ended = true;
                true
            }
            _ => false,
        }
    }

    /// Whether the connection can be removed.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The access record of a request that has ended since the last call.
    pub fn take_access_record(&mut self) -> Option<AccessRecord> {
        self.closed.take()
    }

    fn close(&mut self) {
        self.state = State::Closing { ended: false, left: UNTRUSTED_BYTES };
    }

    /// Begins a request, with its head if that could be read.
    fn begin_request(&mut self, head: Option<&Head>) {
        let plain = |id: &&str| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        let id = head.and_then(|h| h.header("X-Request-ID")).filter(plain);
        self.current = Some(CurrentRequest {
            id: id.map_or_else(|| format!("{:016x}", crate::ops::random() as u64), str::to_owned),
            method: head.map(|h| h.method.clone()).unwrap_or_default(),
            target: head.map(|h| h.target.clone()).unwrap_or_default(),
            begun: self.since,
            received: 0,
            status: 0,
            refused: None,
            pass: None,
            shares: String::new(),
        });
    }

    /// Finishes the last request: its reply is out, or never will be.
    fn finish(&mut self, rules: &mut dyn Rules) {
        let Some(current) = self.current.take() else { return };
        rules.release_bytes(std::mem::take(&mut self.held));
        self.since = self.now;
        self.closed = Some(AccessRecord {
            id: current.id,
            method: current.method,
            target: current.target,
            status: current.status,
            received: current.received,
            took: self.now.saturating_duration_since(current.begun),
            refused: current.refused,
        });
    }
}

/// Bytes of replies that wait for the peer.
const MOST_OUTPUT: usize = 256 << 10;

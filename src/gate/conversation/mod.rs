//! One connection's talk, free of sockets and clocks: bytes of the peer go in, whole requests come out; bytes of the service go
//! in, bytes for the peer come out. Requests that are pipelined are answered one after the other.

mod reading;
mod refusing;
mod time;

pub(super) use time::SLOW_RATE;

use std::time::{Duration, Instant};

use super::access::Pass;
use super::body::{Body, Piece};
use super::head::{Head, Malformed, Scanner};
use super::held::Held;
use super::input::Input;
use super::onward::{BEGINNING, Onward};
use super::pace::Pace;
use super::{Class, LocalReply, Why};
use crate::ops::Limits;

/// What a conversation asks of those who know more than one connection.
pub trait Rules {
    /// Judges a request by its head, before a byte of its body is kept.
    fn admit(&mut self, head: &Head) -> Result<(Admitted, Pass), Refused>;
    /// The reply to a request of [`Class::Gate`].
    fn reply(&mut self, head: &Head) -> LocalReply;
    /// The refusal of a request to `target`.
    fn refuse(&mut self, target: &str, why: Why) -> LocalReply;
    /// Whether so many more bytes may be held of a body of which there are `before`; then they count as held.
    fn hold(&mut self, bytes: usize, before: usize) -> bool;
    /// Gives bytes back that were held.
    fn release(&mut self, bytes: usize);
}

/// A request that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Whose place it takes.
    pub class: Class,
    /// Bytes that its body may have.
    pub body_bytes: usize,
}

/// Why a request may not go on.
#[derive(Debug)]
pub struct Refused {
    /// What its client is told.
    pub reply: LocalReply,
    /// A word for counting.
    pub why: &'static str,
    /// Bytes of its body that are still read, so that the client comes to read the reply.
    pub spared: u64,
}

/// A whole request.
#[derive(Debug)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Held,
    /// By which the log and the client know it.
    pub id: String,
    /// Whose place it takes.
    pub class: Class,
    /// By what right it came in.
    pub pass: Pass,
}

/// What became of a request, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The request's id.
    pub id: String,
    /// Verb.
    pub method: String,
    /// Target with everything that a client put into it: not for the log as it is.
    pub target: String,
    /// Status of the reply.
    pub status: u16,
    /// Bytes of the body that came.
    pub received: usize,
    /// From its first byte to the last of the reply.
    pub took: Duration,
    /// Why the gate refused it, if it did.
    pub refused: Option<&'static str>,
}

/// See above.
pub struct Conversation {
    state: State,
    limits: Limits,
    input: Input,
    scanner: Scanner,
    output: Held,
    /// Whether bytes that were taken for the peer have not left this machine's hands yet.
    pending: bool,
    /// The time that was told last.
    now: Instant,
    /// When the head's first byte came, or since when there is silence.
    since: Instant,
    /// Whether a whole request has come; until then silence is less welcome.
    is_known: bool,
    reading: Pace,
    writing: Pace,
    peer_ended: bool,
    /// Bytes for which [`Rules::release`] is still to be called.
    held: usize,
    /// Whether the body waits for memory.
    wants_room: bool,
    open: Option<Open>,
    closed: Option<Account>,
}

/// The request that is being read or answered.
struct Open {
    id: String,
    method: String,
    target: String,
    begun: Instant,
    received: usize,
    status: u16,
    refused: Option<&'static str>,
    /// By what right it came in, if it was let in.
    pass: Option<Pass>,
}

enum State {
    /// Before or in a head.
    Head,
    Body {
        head: Box<Head>,
        admitted: Admitted,
        kept: Held,
        body: Body,
    },
    /// The service has the request.
    Answering {
        onward: Onward,
        primed: usize,
    },
    /// The refusal is on its way; the rest of the body is let pass.
    Discarding {
        body: Body,
        left: u64,
    },
    /// Nothing more is read as a request: what is written goes out, then the connection ends.
    Closing {
        ended: bool,
        left: u64,
    },
    Closed,
}

/// A refused body is let pass up to so many bytes: a client that is still sending may never read why.
pub(super) const DISCARDED_BYTES: u64 = 128 << 20;

/// The same for one who has no right to be here, and for what comes behind what is no request: a picture at the most.
pub(super) const STRANGER_BYTES: u64 = 1 << 20;

/// Longest request id of a client that is taken over.
const LONGEST_ID: usize = 128;

impl Conversation {
    /// A connection that was just made.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            state: State::Head,
            limits: limits.clone(),
            input: Input::default(),
            scanner: Scanner::default(),
            output: Held::default(),
            pending: false,
            now,
            since: now,
            is_known: false,
            reading: Pace::new(now),
            writing: Pace::new(now),
            peer_ended: false,
            held: 0,
            wants_room: false,
            open: None,
            closed: None,
        }
    }

    /// Whether more bytes of the peer are welcome now.
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::Closing { .. } => !self.peer_ended,
            // Who does not take his replies is asked for no more requests.
            State::Head if !self.output.is_empty() && !self.input.is_empty() => false,
            _ => !self.peer_ended && self.input.len() <= self.limits.head_bytes,
        }
    }

    /// Takes bytes of the peer. [`Conversation::advance`] looks at them.
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

    /// The peer sends no more. It may still want to read.
    pub fn end_input(&mut self) {
        self.peer_ended = true;
        self.prime();
    }

    /// Who has gone altogether answers the first bytes of a reply with a reset; who only sends no more, awaits them. They are the
    /// same for every reply.
    fn prime(&mut self) {
        if let State::Answering { onward, primed } = &mut self.state
            && onward.status() == 0
            && *primed == 0
        {
            *primed = BEGINNING.len();
            self.write(BEGINNING);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.output.is_empty() {
            self.writing = Pace::new(self.now);
        }
        self.output.push(bytes);
    }

    /// Goes on as far as the bytes reach. A whole request is for the service; it must be answered by [`Conversation::answer`] or
    /// [`Conversation::refuse`].
    pub fn advance(&mut self, now: Instant, rules: &mut dyn Rules) -> Option<Request> {
        self.now = now;
        loop {
            let is_silent = self.is_silent();
            match &mut self.state {
                State::Head => {
                    // A reply goes out before the next request is looked at.
                    if !is_silent {
                        return None;
                    }
                    self.finish(rules);
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
                            self.open(None);
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
                State::Discarding { body, left } => {
                    // Chunks may have one byte each: all that came is walked through, and taken at once.
                    let mut read = 0;
                    let is_sound = loop {
                        if body.is_whole() || read == self.input.len() {
                            break true;
                        }
                        match body.next(&self.input[read..]) {
                            Ok(Piece { skip, data }) => read += skip + data,
                            Err(_) => break false,
                        }
                    };
                    let is_whole = body.is_whole();
                    *left = left.saturating_sub(read as u64);
                    let is_over = !is_sound || *left == 0 || self.peer_ended;
                    self.input.take(read);
                    if is_whole {
                        self.state = State::Head;
                        self.since = now;
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
                    if is_silent && (*left == 0 || (*ended && self.peer_ended)) {
                        self.state = State::Closed;
                    }
                    if is_silent {
                        self.finish(rules);
                    }
                    return None;
                }
                State::Answering { .. } | State::Closed => return None,
            }
        }
    }

    /// Takes bytes of the service's reply; true when it is whole. An error means that the reply can't be completed.
    pub fn answer(&mut self, bytes: &[u8], now: Instant, rules: &mut dyn Rules) -> Result<bool, Malformed> {
        self.now = now;
        let State::Answering { onward, primed } = &mut self.state else { return Ok(true) };
        if self.output.is_empty() {
            self.writing = Pace::new(now);
        }
        if *primed > 0 && onward.status() == 0 {
            // Those were sent already; they are left out of what goes out now, not of what is read.
            let mut all = Held::default();
            onward.pass(bytes, &mut all)?;
            while !all.is_empty() {
                let skipped = (*primed).min(all.front().len());
                self.output.push(&all.front()[skipped..]);
                *primed -= skipped;
                all.take(all.front().len());
            }
        } else {
            onward.pass(bytes, &mut self.output)?;
        }
        if let Some(open) = &mut self.open {
            open.status = onward.status();
        }
        let whole = onward.is_whole();
        if whole {
            // Whoever answered is done with the body.
            rules.release(std::mem::take(&mut self.held));
            self.since = now;
            match onward.keep_alive() {
                true => self.state = State::Head,
                false => self.close(),
            }
        }
        Ok(whole)
    }

    /// Whether bytes of the service are welcome without further ado. While the peer still has to take enough they are not, but for a
    /// reply whose length is known, for which room may be made: see [`Conversation::takes_whole`].
    pub fn wants_answer(&self) -> bool {
        self.output.len() < MOST_OUTPUT
    }

    /// Whether the reply may be taken whole, so that who made it is free: it has an end.
    pub fn takes_whole(&self) -> bool {
        matches!(&self.state, State::Answering { onward, .. } if onward.has_length())
    }

    /// Bytes of replies that wait for the peer.
    pub fn waiting(&self) -> usize {
        self.output.len()
    }

    /// By what right the request that is being read or answered, or whose reply is being taken, came in.
    pub fn pass(&self) -> Option<Pass> {
        self.open.as_ref().and_then(|open| open.pass)
    }

    /// Whether the connection is used up: what still comes is let pass.
    pub fn discards(&self) -> bool {
        matches!(self.state, State::Discarding { .. } | State::Closing { .. })
    }

    /// Whether anything of the reply has come.
    pub fn is_answered(&self) -> bool {
        matches!(&self.state, State::Answering { onward, .. } if onward.status() != 0)
    }

    /// Gives the connection up, with what was still to be sent.
    pub fn abort(&mut self, rules: &mut dyn Rules) {
        self.output = Held::default();
        self.finish(rules);
        self.state = State::Closed;
    }

    /// Answers no further request: one that is being read or answered is the last.
    pub fn wind_up(&mut self) {
        if let State::Answering { onward, .. } = &mut self.state
            && onward.status() == 0
        {
            onward.end();
        }
    }

    /// Whether bytes that were taken wait on their way to the peer, encrypted. They count like those that were not.
    pub fn pends(&mut self, pending: bool) {
        if self.pending && !pending {
            self.since = self.now;
        }
        self.pending = pending;
    }

    /// Whether all that was said has gone.
    fn is_silent(&self) -> bool {
        self.output.is_empty() && !self.pending
    }

    /// Bytes for the peer.
    pub fn output(&self) -> &[u8] {
        self.output.front()
    }

    /// The peer took so many of [`Conversation::output`].
    pub fn sent(&mut self, count: usize, now: Instant) {
        self.now = now;
        self.output.take(count);
        self.writing.moved(count);
        if self.output.is_empty() {
            self.since = now;
        }
    }

    /// Whether all is said and our end of the connection can be ended; true once.
    pub fn ends_output(&mut self) -> bool {
        let is_silent = self.is_silent();
        match &mut self.state {
            State::Closing { ended, .. } if is_silent && !*ended => {
                *ended = true;
                true
            }
            _ => false,
        }
    }

    /// Whether the connection can go.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// What became of a request that has ended since this was last asked.
    pub fn account(&mut self) -> Option<Account> {
        self.closed.take()
    }

    fn close(&mut self) {
        self.state = State::Closing { ended: false, left: STRANGER_BYTES };
    }

    /// A request begins, known by its head or not.
    fn open(&mut self, head: Option<&Head>) {
        let plain = |id: &&str| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        let id = head.and_then(|h| h.header("X-Request-ID")).filter(plain);
        self.open = Some(Open {
            id: id.map_or_else(|| format!("{:016x}", crate::ops::random() as u64), str::to_owned),
            method: head.map(|h| h.method.clone()).unwrap_or_default(),
            target: head.map(|h| h.target.clone()).unwrap_or_default(),
            begun: self.since,
            received: 0,
            status: 0,
            refused: None,
            pass: None,
        });
    }

    /// The last request's reply is out, or will never be.
    fn finish(&mut self, rules: &mut dyn Rules) {
        let Some(open) = self.open.take() else { return };
        rules.release(std::mem::take(&mut self.held));
        self.since = self.now;
        self.closed = Some(Account {
            id: open.id,
            method: open.method,
            target: open.target,
            status: open.status,
            received: open.received,
            took: self.now.saturating_duration_since(open.begun),
            refused: open.refused,
        });
    }
}

/// Bytes of replies that wait for the peer.
const MOST_OUTPUT: usize = 256 << 10;

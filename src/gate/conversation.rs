//! One connection's talk, free of sockets and clocks: bytes of the peer go in, whole requests come out; bytes of the service go
//! in, bytes for the peer come out. Requests that are pipelined are answered one after the other.

use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::body::{Body, Piece};
use super::head::{Framing, Head, Malformed, Scanner};
use super::held::Held;
use super::onward::{BEGINNING, Onward, connection};
use super::pace::Pace;
use super::{Class, Refusal, Why};
use crate::ops::Limits;

/// What a conversation asks of those who know more than one connection.
pub trait Rules {
    /// Judges a request by its head, before a byte of its body is kept. A refusal comes with a word for counting.
    fn admit(&mut self, head: &Head) -> Result<Admitted, (Refusal, &'static str)>;
    /// The refusal of a request to `target`.
    fn refuse(&mut self, target: &str, why: Why) -> Refusal;
    /// Whether so many more bytes of bodies may be held, by all connections together; then they count as held.
    fn hold(&mut self, bytes: usize) -> bool;
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
    /// When its first byte came.
    pub begun: Instant,
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
    input: Zeroizing<Vec<u8>>,
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
const DISCARDED_BYTES: u64 = 128 << 20;

/// Time for the peer to take the last reply of a connection and to end it.
const LINGER: Duration = Duration::from_secs(5);

/// Longest request id of a client that is taken over.
const LONGEST_ID: usize = 128;

impl Conversation {
    /// A connection that was just made.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            state: State::Head,
            limits: limits.clone(),
            input: Zeroizing::default(),
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
        self.input.extend_from_slice(bytes);
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
            match &mut self.state {
                State::Head => {
                    // A reply goes out before the next request is looked at.
                    if !self.is_silent() {
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
                            self.respond(refusal, why.name(), false);
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
                    let Ok(Piece { skip, data }) = body.next(&self.input) else {
                        self.close();
                        return None;
                    };
                    let read = skip + data;
                    self.input.drain(..read);
                    *left = left.saturating_sub(read as u64);
                    if body.is_whole() {
                        self.state = State::Head;
                        self.since = now;
                    } else if *left == 0 || self.peer_ended {
                        self.close();
                        return None;
                    } else if read == 0 {
                        return None;
                    }
                }
                State::Closing { left, ended } => {
                    *left = left.saturating_sub(self.input.len() as u64);
                    self.input.clear();
                    let is_silent = self.output.is_empty() && !self.pending;
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
    pub fn answer(&mut self, bytes: &[u8], now: Instant) -> Result<bool, Malformed> {
        self.now = now;
        let State::Answering { onward, primed } = &mut self.state else { return Ok(true) };
        if self.output.is_empty() {
            self.writing = Pace::new(now);
        }
        let mut bytes = bytes;
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
            bytes = &[];
        }
        onward.pass(bytes, &mut self.output)?;
        if let Some(open) = &mut self.open {
            open.status = onward.status();
        }
        let whole = onward.is_whole();
        if whole {
            self.since = now;
            match onward.keep_alive() {
                true => self.state = State::Head,
                false => self.close(),
            }
        }
        Ok(whole)
    }

    /// Bytes of the service that are welcome: none while the peer still has to take enough.
    pub fn wants_answer(&self) -> bool {
        self.output.len() < MOST_OUTPUT
    }

    /// Whether anything of the reply has come.
    pub fn is_answered(&self) -> bool {
        matches!(&self.state, State::Answering { onward, .. } if onward.status() != 0)
    }

    /// Refuses the request that the service was to answer, of whose reply nothing was sent yet.
    pub fn refuse(&mut self, refusal: Refusal, why: &'static str) {
        let State::Answering { onward, primed } = &self.state else { return };
        let keep_alive = onward.keep_alive();
        let primed = *primed;
        self.respond_after(refusal, why, keep_alive && !self.peer_ended, primed);
    }

    /// Gives the connection up, with what was still to be sent.
    pub fn abort(&mut self, rules: &mut dyn Rules) {
        self.output = Held::default();
        self.finish(rules);
        self.state = State::Closed;
    }

    /// Answers no further request: one that is being read or answered is the last.
    pub fn wind_up(&mut self) {
        match &mut self.state {
            State::Answering { onward, .. } if onward.status() == 0 => onward.end(),
            _ => {}
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
        match &mut self.state {
            State::Closing { ended, .. } if self.output.is_empty() && !self.pending && !*ended => {
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

    /// How little it would be missed, and since when: a silent connection least, then one that does not come to the end of a head,
    /// then one that takes its time for a body. None if its request is being answered.
    pub fn expendable(&self) -> Option<(u8, Instant)> {
        match self.state {
            _ if !self.is_silent() => None,
            State::Head if self.input.is_empty() => Some((0, self.since)),
            State::Head => Some((1, self.since)),
            State::Body { .. } | State::Discarding { .. } | State::Closing { .. } => Some((2, self.reading.begun)),
            State::Answering { .. } | State::Closed => None,
        }
    }

    /// Whether a request is being read or answered, or a reply taken.
    pub fn is_busy(&self) -> bool {
        let is_at_it = match self.state {
            State::Head => !self.input.is_empty(),
            State::Body { .. } | State::Answering { .. } => true,
            State::Discarding { .. } | State::Closing { .. } | State::Closed => false,
        };
        is_at_it || !self.is_silent()
    }

    /// When [`Conversation::expire`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.is_silent() {
            return Some(self.writing.due());
        }
        match self.state {
            State::Head if self.input.is_empty() && self.is_known => Some(self.since + self.limits.idle_time()),
            State::Head => Some(self.since + self.limits.head_time()),
            State::Body { .. } | State::Discarding { .. } => {
                Some(self.reading.due().min(self.reading.begun + self.limits.body_time()))
            }
            State::Closing { .. } => Some(self.since + LINGER),
            State::Answering { .. } | State::Closed => None,
        }
    }

    /// Ends what took too long.
    pub fn expire(&mut self, now: Instant, rules: &mut dyn Rules) {
        self.now = now;
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        if !self.is_silent() {
            if !self.writing.renew(now, self.limits.least_rate) {
                self.abort(rules);
            }
            return;
        }
        match &self.state {
            State::Head if self.input.is_empty() => self.abort(rules),
            State::Head => {
                self.open(None);
                let refusal = rules.refuse("", Why::Slow);
                self.respond(refusal, Why::Slow.name(), false);
            }
            State::Body { head, .. } => {
                let late = now >= self.reading.begun + self.limits.body_time();
                if late || !self.reading.renew(now, self.limits.least_rate) {
                    let refusal = rules.refuse(&head.target, Why::Slow);
                    self.respond(refusal, Why::Slow.name(), false);
                }
            }
            State::Discarding { .. } => {
                let late = now >= self.reading.begun + self.limits.body_time();
                if late || !self.reading.renew(now, self.limits.least_rate) {
                    self.abort(rules);
                }
            }
            State::Closing { .. } => self.abort(rules),
            State::Answering { .. } | State::Closed => {}
        }
    }

    /// What became of a request that has ended since this was last asked.
    pub fn account(&mut self) -> Option<Account> {
        self.closed.take()
    }

    fn head(&mut self) -> Result<Option<Head>, Why> {
        let end = self.scanner.scan(&self.input).map_err(Why::Malformed)?;
        match end {
            None if self.input.len() <= self.limits.head_bytes => return Ok(None),
            Some(end) if end <= self.limits.head_bytes => {}
            _ => return Err(Why::LargeHead(self.limits.head_bytes)),
        }
        let end = end.unwrap_or_default();
        let head = Head::parse(&self.input[..end]).map_err(Why::Malformed)?;
        self.input.drain(..end);
        self.scanner = Scanner::default();
        self.is_known = true;
        Ok(Some(head))
    }

    /// Decides on a head that has come.
    fn begin(&mut self, head: Head, rules: &mut dyn Rules) {
        self.open(Some(&head));
        self.reading = Pace::new(self.now);
        let body = Body::new(head.framing);
        let admitted = match rules.admit(&head) {
            Ok(admitted) => admitted,
            Err((refusal, why)) => return self.let_pass(refusal, why, &head, body),
        };
        if let Framing::Length(length) = head.framing
            && length > admitted.body_bytes as u64
        {
            let refusal = rules.refuse(&head.target, Why::LargeBody(admitted.body_bytes));
            return self.let_pass(refusal, Why::LargeBody(0).name(), &head, body);
        }
        if head.expects && head.has_body() && self.input.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.state = State::Body { head: Box::new(head), admitted, kept: Held::default(), body };
    }

    /// Takes what has come of the body; the request, when it is whole.
    fn body(&mut self, rules: &mut dyn Rules) -> Option<Request> {
        let State::Body { head, admitted, kept, body } = &mut self.state else { return None };
        let mut at = 0;
        let refused = loop {
            if body.is_whole() || at == self.input.len() {
                break None;
            }
            match body.next(&self.input[at..]) {
                Err(malformed) => break Some(Why::Malformed(malformed)),
                Ok(Piece { skip, data }) => {
                    let data = &self.input[at + skip..at + skip + data];
                    at += skip + data.len();
                    if kept.len() + data.len() > admitted.body_bytes {
                        break Some(Why::LargeBody(admitted.body_bytes));
                    }
                    if !rules.hold(data.len()) {
                        break Some(Why::Full("the memory for requests is used up"));
                    }
                    self.held += data.len();
                    kept.push(data);
                }
            }
        };
        self.input.drain(..at);
        if self.input.is_empty() {
            // What a body went through is not kept for the next one.
            self.input = Zeroizing::default();
        }
        let received = kept.len();
        if let Some(open) = &mut self.open {
            open.received = received;
        }
        let refused = match refused {
            None if body.is_whole() => {
                let onward = Onward::new(
                    head.is_11,
                    &head.method,
                    head.keep_alive && !(self.peer_ended && self.input.is_empty()),
                );
                let (head, body, class) = ((**head).clone(), std::mem::take(kept), admitted.class);
                self.state = State::Answering { onward, primed: 0 };
                if self.peer_ended {
                    self.prime();
                }
                let (id, begun) = self.open.as_ref().map(|open| (open.id.clone(), open.begun))?;
                return Some(Request { head, body, id, class, begun });
            }
            None if self.peer_ended => {
                Why::Malformed(Malformed { status: 400, why: "the body is shorter than announced" })
            }
            None => return None,
            Some(why) => why,
        };
        let refusal = rules.refuse(&head.target, refused);
        let (head, rest) = ((**head).clone(), body.clone());
        rules.release(std::mem::take(&mut self.held));
        match refused {
            Why::Malformed(_) => self.respond(refusal, refused.name(), false),
            _ => self.let_pass(refusal, refused.name(), &head, rest),
        }
        None
    }

    /// Refuses, and lets the rest of the body pass so that the connection can go on, if that is not too much.
    fn let_pass(&mut self, refusal: Refusal, why: &'static str, head: &Head, body: Body) {
        let too_much = matches!(head.framing, Framing::Length(length) if length > DISCARDED_BYTES);
        // Whether a peer that waits for leave still sends its body, nobody can know.
        let keep_alive = head.keep_alive && !self.peer_ended && !(too_much || (head.expects && !body.is_whole()));
        self.respond(refusal, why, keep_alive);
        if keep_alive && !body.is_whole() {
            self.state = State::Discarding { body, left: DISCARDED_BYTES };
        }
    }

    fn respond(&mut self, refusal: Refusal, why: &'static str, keep_alive: bool) {
        self.respond_after(refusal, why, keep_alive, 0);
    }

    /// Writes a refusal, of which the first `primed` bytes have been written.
    fn respond_after(&mut self, refusal: Refusal, why: &'static str, keep_alive: bool, primed: usize) {
        let Some(open) = &mut self.open else { return self.close() };
        (open.status, open.refused) = (refusal.status, Some(why));
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nDate: {date}\r\nContent-Type: application/json\r\nX-Request-ID: {}\r\nServer: faceplate\r\n\
             Cache-Control: no-store\r\nContent-Length: {}\r\n",
            refusal.status,
            reason(refusal.status),
            open.id,
            refusal.body.len()
        );
        for (name, value) in &refusal.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let (connection, bodiless) = (connection(keep_alive), open.method == "HEAD");
        self.write(&head.as_bytes()[primed..]);
        self.write(connection);
        self.write(b"\r\n");
        if !bodiless {
            self.write(&refusal.body);
        }
        match keep_alive {
            true => self.state = State::Head,
            false => self.close(),
        }
    }

    fn close(&mut self) {
        self.state = State::Closing { ended: false, left: DISCARDED_BYTES };
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

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

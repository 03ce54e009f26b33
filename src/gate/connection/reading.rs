//! Reads a whole request from bytes, or finds the reason to refuse it.

use super::super::body::{Body, Span};
use super::super::byte_queue::ByteQueue;
use super::super::forwarder::ResponseForwarder;
use super::super::head::{Framing, Head, Malformed, Scanner};
use super::super::pace::Pace;
use super::super::{Class, RejectReason};
use super::{Connection, DISCARDED_BYTES, Rejected, Request, Rules, State};

/// Bytes of a body that are reserved at a time.
const GRAIN: usize = 4 << 10;

impl Connection {
    pub(super) fn head(&mut self) -> Result<Option<Head>, RejectReason> {
        if let Some(why) = self.distrusted {
            return Err(RejectReason::Malformed(why));
        }
        // Half of a line end that may be skipped.
        if self.spares_line_end && self.input[..] == *b"\r" {
            return Ok(None);
        }
        let end = self.scanner.scan(&self.input).map_err(RejectReason::Malformed)?;
        match end {
            None if self.input.len() <= self.limits.head_bytes => return Ok(None),
            Some(end) if end <= self.limits.head_bytes => {}
            _ => return Err(RejectReason::LargeHead(self.limits.head_bytes)),
        }
        let end = end.unwrap_or_default();
        let head = Head::parse(&self.input[..end]).map_err(RejectReason::Malformed)?;
        self.input.take(end);
        self.scanner = Scanner::default();
        self.is_known = true;
        self.spares_line_end = true;
        Ok(Some(head))
    }

    /// Skips a line end after a request, which old and handmade clients send without counting it (RFC 9112, section 2.2).
    pub(super) fn skip_line_end(&mut self) {
        if self.spares_line_end && self.input.starts_with(b"\r\n") {
            self.input.take(2);
            self.spares_line_end = false;
        }
    }

    /// Decides on a head that has come.
    pub(super) fn begin(&mut self, head: Head, rules: &mut dyn Rules) {
        self.begin_request(Some(&head));
        if let Some(current) = &mut self.current {
            current.shares = rules.shares(&head);
        }
        self.reading = Pace::new(self.now);
        // The part of the body that came with the head.
        self.reading.moved(self.input.len());
        let body = Body::new(head.framing);
        let (admitted, pass) = match rules.admit(&head) {
            Ok(admitted) => admitted,
            Err(refused) => return self.let_pass(refused, &head, body),
        };
        if let Framing::Length(length) = head.framing
            && length > admitted.body_bytes as u64
        {
            let why = RejectReason::LargeBody(admitted.body_bytes);
            let reply = rules.refuse(&head.target, why);
            return self.let_pass(Rejected { reply, why: why.name(), spared: DISCARDED_BYTES }, &head, body);
        }
        if head.expects && head.has_body() && self.input.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if let Some(current) = &mut self.current {
            current.pass = Some(pass);
        }
        self.state = State::Body { head: Box::new(head), admitted, kept: ByteQueue::default(), body };
    }

    /// Takes what has come of the body; returns the request when it is whole.
    pub(super) fn body(&mut self, rules: &mut dyn Rules) -> Option<Request> {
        let State::Body { head, admitted, kept, body } = &mut self.state else { return None };
        let mut at = 0;
        self.wants_room = false;
        let refused = loop {
            if body.is_whole() || at == self.input.len() {
                break None;
            }
            let before = body.clone();
            match body.next(&self.input[at..]) {
                Err(malformed) => break Some(RejectReason::Malformed(malformed)),
                Ok(Span { skip, data }) => {
                    let data = &self.input[at + skip..at + skip + data];
                    if kept.len() + data.len() > admitted.body_bytes {
                        at += skip + data.len();
                        break Some(RejectReason::LargeBody(admitted.body_bytes));
                    }
                    // Reserved in steps of `GRAIN`: chunks may have one byte each.
                    let missing = (kept.len() + data.len()).saturating_sub(self.held);
                    if missing > 0 {
                        let grain = missing.max(GRAIN).min(admitted.body_bytes - self.held);
                        let Some(more) =
                            [grain, missing].into_iter().find(|bytes| rules.reserve_bytes(*bytes, self.held))
                        else {
                            // It is read again once there is room, or refused if none can be made.
                            *body = before;
                            self.wants_room = true;
                            break None;
                        };
                        self.held += more;
                    }
                    at += skip + data.len();
                    kept.push(data);
                }
            }
        };
        self.input.take(at);
        let received = kept.len();
        if let Some(current) = &mut self.current {
            current.received = received;
        }
        let refused = match refused {
            None if self.wants_room => return None,
            None if body.is_whole() && admitted.class == Class::Gate => {
                let keep_alive = head.keep_alive && !self.peer_ended;
                let reply = rules.reply(head);
                rules.release_bytes(std::mem::take(&mut self.held));
                self.respond(reply, None, keep_alive);
                return None;
            }
            None if body.is_whole() => {
                let forwarder = ResponseForwarder::new(
                    head.is_11,
                    &head.method,
                    head.keep_alive && !(self.peer_ended && self.input.is_empty()),
                );
                let forwarder =
                    forwarder.with(self.current.as_ref().map(|current| current.shares.clone()).unwrap_or_default());
                let (head, body) = ((**head).clone(), std::mem::take(kept));
                let (class, data) = (admitted.class, admitted.data.take());
                self.state = State::Answering { forwarder, early_status: 0 };
                if self.peer_ended {
                    self.send_early_status();
                }
                let (id, pass) = self.current.as_ref().and_then(|current| Some((current.id.clone(), current.pass?)))?;
                return Some(Request { head, body, id, class, data, pass });
            }
            None if self.peer_ended => {
                RejectReason::Malformed(Malformed { status: 400, why: "the body is shorter than announced" })
            }
            None => return None,
            Some(why) => why,
        };
        self.refuse_body(refused, rules);
        None
    }

    /// Whether the body that is being read waits for memory. Then memory has to be freed elsewhere, or
    /// [`Connection::refuse_body`] called.
    pub fn wants_room(&self) -> bool {
        self.wants_room && matches!(self.state, State::Body { .. })
    }

    /// Bytes reserved for the body that is being read.
    pub fn held(&self) -> usize {
        if matches!(self.state, State::Body { .. }) { self.held } else { 0 }
    }

    /// Refuses the request whose body is being read.
    pub fn refuse_body(&mut self, why: RejectReason, rules: &mut dyn Rules) {
        let State::Body { head, body, .. } = &self.state else { return };
        let reply = rules.refuse(&head.target, why);
        let (head, rest) = ((**head).clone(), body.clone());
        self.wants_room = false;
        rules.release_bytes(std::mem::take(&mut self.held));
        match why {
            RejectReason::Malformed(_) => self.respond(reply, Some(why.name()), false),
            _ => self.let_pass(Rejected { reply, why: why.name(), spared: DISCARDED_BYTES }, &head, rest),
        }
    }

    /// Refuses a request, and discards the rest of the body so that the connection can go on, if that is not too much.
    pub(super) fn let_pass(&mut self, refused: Rejected, head: &Head, body: Body) {
        let Rejected { reply, why, spared } = refused;
        let too_much = matches!(head.framing, Framing::Length(length) if length > spared);
        // It is unknown whether a peer that waits for `100 Continue` still sends its body.
        let is_let_pass = !(self.peer_ended || too_much || (head.expects && !body.is_whole()));
        let keep_alive = head.keep_alive && is_let_pass;
        self.respond(reply, Some(why), keep_alive);
        // Also where the connection ends: a peer that is cut off in the middle of its body may lose the reply (RFC 9112, section 9.6).
        if is_let_pass && !body.is_whole() {
            self.state = State::Discarding { body, left: spared, keep_alive };
        }
    }
}

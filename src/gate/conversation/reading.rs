//! From bytes to a whole request, or to the reason why there is none.

use super::super::body::{Body, Piece};
use super::super::head::{Framing, Head, Malformed, Scanner};
use super::super::held::Held;
use super::super::onward::Onward;
use super::super::pace::Pace;
use super::super::{Class, Why};
use super::{Conversation, DISCARDED_BYTES, Refused, Request, Rules, State};

/// Bytes of a body that are counted as held at a time.
const GRAIN: usize = 4 << 10;

impl Conversation {
    pub(super) fn head(&mut self) -> Result<Option<Head>, Why> {
        let end = self.scanner.scan(&self.input).map_err(Why::Malformed)?;
        match end {
            None if self.input.len() <= self.limits.head_bytes => return Ok(None),
            Some(end) if end <= self.limits.head_bytes => {}
            _ => return Err(Why::LargeHead(self.limits.head_bytes)),
        }
        let end = end.unwrap_or_default();
        let head = Head::parse(&self.input[..end]).map_err(Why::Malformed)?;
        self.input.take(end);
        self.scanner = Scanner::default();
        self.is_known = true;
        Ok(Some(head))
    }

    /// Decides on a head that has come.
    pub(super) fn begin(&mut self, head: Head, rules: &mut dyn Rules) {
        self.open(Some(&head));
        self.reading = Pace::new(self.now);
        // What of the body came with the head.
        self.reading.moved(self.input.len());
        let body = Body::new(head.framing);
        let (admitted, pass) = match rules.admit(&head) {
            Ok(admitted) => admitted,
            Err(refused) => return self.let_pass(refused, &head, body),
        };
        if let Framing::Length(length) = head.framing
            && length > admitted.body_bytes as u64
        {
            let why = Why::LargeBody(admitted.body_bytes);
            let reply = rules.refuse(&head.target, why);
            return self.let_pass(Refused { reply, why: why.name(), spared: DISCARDED_BYTES }, &head, body);
        }
        if head.expects && head.has_body() && self.input.is_empty() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if let Some(open) = &mut self.open {
            open.pass = Some(pass);
        }
        self.state = State::Body { head: Box::new(head), admitted, kept: Held::default(), body };
    }

    /// Takes what has come of the body; the request, when it is whole.
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
                Err(malformed) => break Some(Why::Malformed(malformed)),
                Ok(Piece { skip, data }) => {
                    let data = &self.input[at + skip..at + skip + data];
                    if kept.len() + data.len() > admitted.body_bytes {
                        at += skip + data.len();
                        break Some(Why::LargeBody(admitted.body_bytes));
                    }
                    // Counted in grains: chunks may have one byte each.
                    let missing = (kept.len() + data.len()).saturating_sub(self.held);
                    if missing > 0 {
                        let grain = missing.max(GRAIN).min(admitted.body_bytes - self.held);
                        let Some(more) = [grain, missing].into_iter().find(|bytes| rules.hold(*bytes, self.held))
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
        if let Some(open) = &mut self.open {
            open.received = received;
        }
        let refused = match refused {
            None if self.wants_room => return None,
            None if body.is_whole() && admitted.class == Class::Gate => {
                let keep_alive = head.keep_alive && !self.peer_ended;
                let reply = rules.reply(head);
                rules.release(std::mem::take(&mut self.held));
                self.respond(reply, None, keep_alive);
                return None;
            }
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
                let (id, pass) = self.open.as_ref().and_then(|open| Some((open.id.clone(), open.pass?)))?;
                return Some(Request { head, body, id, class, pass });
            }
            None if self.peer_ended => {
                Why::Malformed(Malformed { status: 400, why: "the body is shorter than announced" })
            }
            None => return None,
            Some(why) => why,
        };
        self.refuse_body(refused, rules);
        None
    }

    /// Whether the body that is being read waits for memory. Then somebody else has to give some up, or
    /// [`Conversation::refuse_body`] is called.
    pub fn wants_room(&self) -> bool {
        self.wants_room && matches!(self.state, State::Body { .. })
    }

    /// Bytes that are held of the body that is being read.
    pub fn held(&self) -> usize {
        if matches!(self.state, State::Body { .. }) { self.held } else { 0 }
    }

    /// Refuses the request whose body is being read.
    pub fn refuse_body(&mut self, why: Why, rules: &mut dyn Rules) {
        let State::Body { head, body, .. } = &self.state else { return };
        let reply = rules.refuse(&head.target, why);
        let (head, rest) = ((**head).clone(), body.clone());
        self.wants_room = false;
        rules.release(std::mem::take(&mut self.held));
        match why {
            Why::Malformed(_) => self.respond(reply, Some(why.name()), false),
            _ => self.let_pass(Refused { reply, why: why.name(), spared: DISCARDED_BYTES }, &head, rest),
        }
    }

    /// Refuses, and lets the rest of the body pass so that the connection can go on, if that is not too much.
    pub(super) fn let_pass(&mut self, refused: Refused, head: &Head, body: Body) {
        let Refused { reply, why, spared } = refused;
        let too_much = matches!(head.framing, Framing::Length(length) if length > spared);
        // Whether a peer that waits for leave still sends its body, nobody can know.
        let keep_alive = head.keep_alive && !self.peer_ended && !(too_much || (head.expects && !body.is_whole()));
        self.respond(reply, Some(why), keep_alive);
        if keep_alive && !body.is_whole() {
            self.state = State::Discarding { body, left: spared };
        }
    }
}

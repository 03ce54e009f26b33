//! From bytes to a whole request, or to the reason why there is none.

use super::super::body::{Body, Piece};
use super::super::head::{Framing, Head, Malformed, Scanner};
use super::super::held::Held;
use super::super::onward::Onward;
use super::super::pace::Pace;
use super::super::{Refusal, Why};
use super::{Conversation, DISCARDED_BYTES, Request, Rules, State};
use crate::ops::Wiped;

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
    pub(super) fn body(&mut self, rules: &mut dyn Rules) -> Option<Request> {
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
        self.input.take(at);
        if self.input.is_empty() {
            // What a body went through is not kept for the next one.
            self.input = Wiped::default();
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
                let id = self.open.as_ref().map(|open| open.id.clone())?;
                return Some(Request { head, body, id, class });
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
    pub(super) fn let_pass(&mut self, refusal: Refusal, why: &'static str, head: &Head, body: Body) {
        let too_much = matches!(head.framing, Framing::Length(length) if length > DISCARDED_BYTES);
        // Whether a peer that waits for leave still sends its body, nobody can know.
        let keep_alive = head.keep_alive && !self.peer_ended && !(too_much || (head.expects && !body.is_whole()));
        self.respond(refusal, why, keep_alive);
        if keep_alive && !body.is_whole() {
            self.state = State::Discarding { body, left: DISCARDED_BYTES };
        }
    }
}

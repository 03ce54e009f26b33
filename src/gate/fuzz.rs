//! Fuzz entry points of the gate's parsers, without sockets: which requests the bytes of one connection would pass on.

use std::time::Instant;

use super::connection::{Admitted, Connection, DISCARDED_BYTES, Rejected, Request, Rules};
use super::head::{Framing, Head};
use super::pass::Pass;
use super::{Class, LocalReply, RejectReason};
use crate::ops::Limits;

/// Most bytes of one body in these runs.
const MOST_BODY: usize = 1 << 20;

/// Rules that admit every request with a verb that the service knows.
#[derive(Default)]
pub(super) struct Everybody {
    pub(super) held: usize,
    /// The status of the refusal, if there was one.
    pub(super) refused: Option<u16>,
}

impl Rules for Everybody {
    fn admit(&mut self, head: &Head) -> Result<(Admitted, Pass), Rejected> {
        if !["GET", "HEAD", "POST"].contains(&&*head.method) {
            let reply = LocalReply { status: 400, headers: vec![], body: vec![] };
            return Err(Rejected { reply, why: "verb", spared: DISCARDED_BYTES });
        }
        Ok((Admitted { class: Class::Inference, body_bytes: MOST_BODY, data: None }, Pass::default()))
    }

    fn reply(&mut self, _: &Head) -> LocalReply {
        LocalReply { status: 200, headers: vec![], body: b"{}".to_vec() }
    }

    fn shares(&mut self, _: &Head) -> String {
        String::new()
    }

    fn refuse(&mut self, _: &str, why: RejectReason) -> LocalReply {
        let status = match why {
            RejectReason::Malformed(malformed) => malformed.status,
            RejectReason::LargeHead(_) => 431,
            RejectReason::LargeBody(_) => 413,
            RejectReason::Slow => 408,
            _ => 503,
        };
        self.refused = Some(status);
        LocalReply { status, headers: vec![], body: b"{}".to_vec() }
    }

    fn reserve_bytes(&mut self, bytes: usize, _: usize) -> bool {
        self.held += bytes;
        true
    }

    fn release_bytes(&mut self, bytes: usize) {
        self.held -= bytes;
    }
}

/// The requests that would be passed on when a peer sends `bytes` in pieces of `piece` and then ends, and the status with which what
/// follows them would be refused.
pub fn requests(bytes: &[u8], piece: usize) -> (Vec<(Head, Vec<u8>)>, Option<u16>) {
    let (now, mut rules, mut all) = (Instant::now(), Everybody::default(), vec![]);
    let mut connection = Connection::new(&Limits::default(), now);
    let mut pieces = bytes.chunks(piece.max(1));
    while !connection.is_closed() {
        if connection.wants_input() {
            match pieces.next() {
                Some(piece) => connection.receive(piece, now),
                None => connection.end_input(),
            }
        }
        while let Some(Request { head, mut body, .. }) = connection.advance(now, &mut rules) {
            let mut whole = vec![];
            while !body.is_empty() {
                whole.extend_from_slice(body.front());
                body.take(body.front().len());
            }
            let reply: &[u8] = match &*head.method {
                "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            };
            all.push((head, whole));
            assert_eq!(connection.answer(reply, now, &mut rules), Ok(true), "a reply is one whatever was asked");
            flush(&mut connection, now);
        }
        flush(&mut connection, now);
        connection.should_shutdown_write();
    }
    connection.take_access_record();
    connection.abort(&mut rules);
    assert_eq!(rules.held, 0, "what was held is given back");
    (all, rules.refused)
}

fn flush(connection: &mut Connection, now: Instant) {
    while !connection.output().is_empty() {
        connection.sent(connection.output().len(), now);
    }
}

/// Checks, for any bytes, that the connection ends, nothing stays held, the pieces don't matter, and what is passed on is what was read.
pub fn fuzz(bytes: &[u8]) {
    let whole = requests(bytes, bytes.len());
    assert_eq!(whole, requests(bytes, 1), "the pieces don't matter");
    for (head, body) in &whole.0 {
        assert!(body.len() <= MOST_BODY && head.target.is_ascii() && !head.target.contains([' ', '\r', '\n']));
        match head.framing {
            Framing::Length(length) => assert_eq!(length, body.len() as u64),
            Framing::Chunked => assert!(head.is_11),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
        GET /b HTTP/1.1\r\nHost: h\r\n\r\n\
        POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n\
        HEAD /d HTTP/1.0\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n";

    #[test]
    fn pipelined_requests_are_read_in_order_until_one_ends_the_connection() {
        let (all, refused) = requests(GOOD.as_bytes(), 7);
        let seen: Vec<_> = all.iter().map(|(head, body)| (&*head.target, &**body)).collect();
        assert_eq!(seen, [("/a", &b"hello"[..]), ("/b", b""), ("/c", b"abc"), ("/d", b"")]);
        assert_eq!(refused, None);
    }

    #[test]
    fn one_line_end_after_a_body_is_skipped_and_a_second_one_is_refused() {
        let post = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
        let get = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
        for piece in 1..9 {
            let read = |text: String| {
                let (all, refused) = requests(text.as_bytes(), piece);
                (all.into_iter().map(|(head, _)| head.target).collect::<Vec<_>>(), refused)
            };
            let both = vec!["/a".to_owned(), "/b".to_owned()];
            assert_eq!(read(format!("{post}\r\n{get}")), (both.clone(), None));
            assert_eq!(read(format!("{post}\r\n{get}\r\n")), (both, None));
            assert_eq!(read(format!("{post}\r\n")), (vec!["/a".to_owned()], None));
            assert_eq!(read(format!("{post}\r\n\r\n{get}")), (vec!["/a".to_owned()], Some(400)));
            assert_eq!(read(format!("{post}\n{get}")), (vec!["/a".to_owned()], Some(400)));
            assert_eq!(read(format!("\r\n{get}")), (vec![], Some(400)));
        }
    }

    #[test]
    fn nothing_in_a_refused_request_is_read_as_another() {
        for (text, status) in [
            (
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
                Some(400),
            ),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\n\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
                Some(400),
            ),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nshort", Some(400)),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9", None),
        ] {
            assert_eq!(requests(text.as_bytes(), 3), (vec![], status), "{text:?}");
        }
        let large = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}GET /next HTTP/1.1\r\nHost: h\r\n\r\n",
            MOST_BODY + 1,
            "x".repeat(MOST_BODY + 1)
        );
        let (all, refused) = requests(large.as_bytes(), 10_000);
        assert_eq!((all.len(), &*all[0].0.target, refused), (1, "/next", Some(413)));
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "a".repeat(20_000));
        assert_eq!(requests(head.as_bytes(), 1_000), (vec![], Some(431)));
    }

    proptest! {
        #[test]
        fn damaged_requests_are_parsed_within_bounds(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut: prop::sample::Index) {
            let mut bytes = GOOD.as_bytes().to_vec();
            for (at, value) in hits {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(1 + cut.index(bytes.len()));
            fuzz(&bytes);
        }

        #[test]
        fn any_bytes_are_parsed_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
        }
    }
}

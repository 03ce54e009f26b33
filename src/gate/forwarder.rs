//! Turns the upstream's reply into the one that the peer gets, with the peer's version, framing and `Connection`. Bytes in, bytes out;
//! the upstream is trusted not to be hostile, but not to be correct.

use super::body::{Body, Span};
use super::byte_queue::ByteQueue;
use super::head::{Framing, Malformed};

/// A reply on its way to the peer.
#[derive(Debug)]
pub(super) struct ResponseForwarder {
    /// Whether the peer speaks HTTP/1.1, and so understands chunks.
    is_11: bool,
    /// Whether the request was `HEAD`: no body whatever the head says.
    bodiless: bool,
    /// Header lines that the gate adds.
    lines: String,
    /// Whether the connection is used again. A reply without a length ends it for an HTTP/1.0 peer.
    keep_alive: bool,
    head: Vec<u8>,
    status: u16,
    body: Option<Body>,
    chunked: bool,
    has_length: bool,
}

/// Most bytes of a reply's head: those of the upstream have some 300.
const MOST_HEAD: usize = 16 << 10;

/// First bytes of every reply.
pub(super) const BEGINNING: &[u8] = b"HTTP/1.1 ";

impl ResponseForwarder {
    /// A reply to a request with this version and verb, on a connection that is used again or isn't.
    pub(super) fn new(is_11: bool, method: &str, keep_alive: bool) -> Self {
        let bodiless = method == "HEAD";
        let lines = String::new();
        Self {
            is_11,
            bodiless,
            lines,
            keep_alive,
            head: vec![],
            status: 0,
            body: None,
            chunked: false,
            has_length: false,
        }
    }

    /// The same with these header lines beside the upstream's own.
    pub(super) fn with(self, lines: String) -> Self {
        Self { lines, ..self }
    }

    /// The status, once the head has come.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection is used again after the reply.
    pub(super) fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the reply's end is known from its head, which has come.
    pub(super) fn has_length(&self) -> bool {
        self.has_length
    }

    /// Ends the connection with this reply, if its head has not come yet.
    pub(super) fn end(&mut self) {
        self.keep_alive = false;
    }

    /// Whether all of it has come.
    pub(super) fn is_whole(&self) -> bool {
        self.body.as_ref().is_some_and(|body| self.bodiless || body.is_whole())
    }

    /// Takes bytes of the upstream and appends what the peer gets to `out`.
    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut ByteQueue) -> Result<(), Malformed> {
        if self.body.is_none() {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|w| w == b"\r\n\r\n") else {
                return if self.head.len() > MOST_HEAD { Err(BROKEN) } else { Ok(()) };
            };
            bytes = &bytes[end + 4 - before..];
            self.head.truncate(end + 4);
            self.begin(out)?;
        }
        let Some(body) = &mut self.body else { return Err(BROKEN) };
        while !bytes.is_empty() && !self.bodiless {
            if body.is_whole() {
                return Err(BROKEN);
            }
            let Span { skip, data } = body.next(bytes)?;
            let piece = &bytes[skip..skip + data];
            bytes = &bytes[skip + data..];
            match self.chunked {
                true if !piece.is_empty() => {
                    out.push(format!("{:x}\r\n", piece.len()).as_bytes());
                    out.push(piece);
                    out.push(b"\r\n");
                }
                _ => out.push(piece),
            }
            if self.chunked && body.is_whole() {
                out.push(b"0\r\n\r\n");
            }
        }
        Ok(())
    }

    /// Turns the upstream's head, which has come, into the peer's.
    fn begin(&mut self, out: &mut ByteQueue) -> Result<(), Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut reply = httparse::Response::new(&mut headers);
        let is_whole = reply.parse(&self.head).is_ok_and(|status| status.is_complete());
        let (Some(status), true) = (reply.code, is_whole) else { return Err(BROKEN) };
        self.status = status;
        out.push(format!("HTTP/1.1 {status} {}\r\n", reply.reason.unwrap_or_default()).as_bytes());
        let mut framing = None;
        for header in &*reply.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let text = || std::str::from_utf8(header.value).unwrap_or_default().trim();
            if is("Content-Length") {
                framing = Some(Framing::Length(text().parse().map_err(|_| BROKEN)?));
            } else if is("Transfer-Encoding") {
                framing = Some(Framing::Chunked);
            } else if !is("Connection") {
                out.push(header.name.as_bytes());
                out.push(b": ");
                out.push(header.value);
                out.push(b"\r\n");
            }
        }
        let framing = framing.unwrap_or(Framing::Length(0));
        self.has_length = matches!(framing, Framing::Length(_));
        match framing {
            Framing::Length(length) => out.push(format!("Content-Length: {length}\r\n").as_bytes()),
            Framing::Chunked if self.is_11 => {
                self.chunked = !self.bodiless;
                out.push(b"Transfer-Encoding: chunked\r\n");
            }
            Framing::Chunked => self.keep_alive = false, // its end is the connection's
        }
        out.push(self.lines.as_bytes());
        out.push(connection_header(self.keep_alive));
        out.push(b"\r\n");
        self.body = Some(Body::new(framing));
        Ok(())
    }
}

/// The header that says whether the connection is used again, where that is not the default.
pub(super) fn connection_header(keep_alive: bool) -> &'static [u8] {
    if keep_alive { b"" } else { b"Connection: close\r\n" }
}

const BROKEN: Malformed = Malformed { status: 500, why: "the service gave no reply that is one" };

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(mut forwarder: ResponseForwarder, reply: &str, piece: usize) -> Option<(String, bool)> {
        let mut out = ByteQueue::default();
        for bytes in reply.as_bytes().chunks(piece) {
            forwarder.pass(bytes, &mut out).ok()?;
        }
        let mut text = vec![];
        while !out.is_empty() {
            text.extend_from_slice(out.front());
            out.take(out.front().len());
        }
        forwarder.is_whole().then(|| (String::from_utf8(text).unwrap(), forwarder.keep_alive()))
    }

    const PLAIN: &str = "HTTP/1.1 200 OK\r\nConnection: x\r\nA: b\r\nContent-Length: 3\r\n\r\nabc";
    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

    #[test]
    fn replies_are_framed_for_the_http_version_of_the_peer() {
        for piece in [1, 7, 1000] {
            let (text, keep) = pass(ResponseForwarder::new(true, "GET", true), PLAIN, piece).unwrap();
            assert_eq!((&*text, keep), ("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\nabc", true));
            let (text, keep) = pass(ResponseForwarder::new(false, "GET", true), STREAM, piece).unwrap();
            assert_eq!((&*text, keep), ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde", false));
        }
        let (text, _) = pass(ResponseForwarder::new(true, "GET", false), STREAM, 1000).unwrap();
        assert_eq!(text, STREAM.replace("\r\n\r\n3", "\r\nConnection: close\r\n\r\n3"));
        let (text, _) = pass(ResponseForwarder::new(true, "HEAD", true), PLAIN.trim_end_matches("abc"), 5).unwrap();
        assert!(text.ends_with("Content-Length: 3\r\n\r\n"), "{text}");
    }

    #[test]
    fn invalid_replies_are_not_forwarded() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(MOST_HEAD));
        for reply in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            &format!("{PLAIN}d"),
            &PLAIN[..40],
            &long,
        ] {
            assert!(pass(ResponseForwarder::new(true, "GET", true), reply, 1000).is_none(), "{reply}");
        }
    }
}

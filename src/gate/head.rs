//! The head of a request, read strictly (RFC 9112): what two parsers could read differently is refused, so that nothing behind
//! the gate can be made to see another request than the gate saw.
//!
//! httparse tokenizes; what it tolerates beyond the grammar is looked for here. No routes, no bodies.

use std::fmt;

/// A request's head, reduced to what is needed of it. Verb and target alone are passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Verb.
    pub method: String,
    /// Target in origin form: it begins with `/`, or is `*`.
    pub target: String,
    /// Whether the peer speaks HTTP/1.1; else 1.0.
    pub is_11: bool,
    /// Host of the authority, in lower case and without port; none if an old client sent none.
    pub host: Option<String>,
    /// The same with its port, as it was written but for case.
    pub authority: String,
    /// What a browser says of the page that asks: `Origin`, `Sec-Fetch-Site` and `Referer`.
    pub page: Page,
    /// How long the body is.
    pub framing: Framing,
    /// Whether the peer waits for `100 Continue` before it sends the body.
    pub expects: bool,
    /// Whether the connection is to be used again.
    pub keep_alive: bool,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The secret of the browser's session, in its cookies.
    pub session: Option<String>,
    /// The headers that are kept, as far as they are present, once each, as (name, value).
    pub headers: Vec<(&'static str, String)>,
}

/// What a browser says of the page that made it ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// `Origin` (RFC 6454).
    pub origin: Option<String>,
    /// Whether there is an `Access-Control-Request-Method`: a browser asks whether a page may send another request.
    pub asks_for_method: bool,
    /// `Sec-Fetch-Site` (W3C Fetch Metadata).
    pub site: Option<String>,
    /// `Referer`.
    pub referer: Option<String>,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// By its chunks.
    Chunked,
}

/// Why a head is refused, with the status of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// 400, 417, 431, 501 or 505.
    pub status: u16,
    /// The explanation for the client.
    pub why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

/// The headers that are kept: the handler judges by them, and the id is that of the log.
pub(super) const KEPT: [&str; 8] = [
    "Content-Type",
    "Content-Encoding",
    "Content-Transfer-Encoding",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-ID",
    "X-Subject",
];

/// Lists that are kept as well: what a client prefers to get. They may be there several times, which is as if they were joined (RFC 9110,
/// section 5.3), and nothing that matters for admission is in them.
const KEPT_LISTS: [&str; 3] = ["Accept", "Accept-Encoding", "Accept-Language"];

/// The cookie of a browser's session.
pub(super) const SESSION_COOKIE: &str = "faceplate_session";

/// The secret of a session in the value of a header `Cookie`, if there is one (RFC 6265, section 4.2.1).
pub(super) fn secret(cookies: &[u8]) -> Option<&str> {
    let pairs = cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(SESSION_COOKIE.as_bytes())?.strip_prefix(b"="));
    values.next().and_then(|value| std::str::from_utf8(value).ok())
}

/// Header lines of one request: clients send some ten, browsers some twenty.
const MOST_HEADERS: usize = 64;

/// The verbs of RFC 9110 and RFC 5789. A request with another one is its connection's last: some servers don't read on after a verb that
/// they don't know. (The handler refuses all but three.)
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

const fn bad(why: &'static str) -> Malformed {
    Malformed { status: 400, why }
}

/// Finds the end of a head in bytes that arrive in pieces, and refuses at the first byte that can't be part of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    seen: usize,
    line: usize,
}

impl Scanner {
    /// Scans `bytes`, which are those of the last call and more. Returns the length of the head with its empty line, once it is there.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.seen < bytes.len() {
            let at = self.seen;
            match bytes[at] {
                b'\n' if at == 0 || bytes[at - 1] != b'\r' => return Err(bad("a line ends without CR")),
                b'\n' => {
                    let is_empty = at - self.line == 1;
                    if is_empty && self.line == 0 {
                        return Err(bad("the request line is empty"));
                    }
                    if is_empty {
                        return Ok(Some(at + 1));
                    }
                    self.line = at + 1;
                }
                _ if at > 0 && bytes[at - 1] == b'\r' => return Err(bad("a CR that ends no line")),
                b' ' | b'\t' if at == self.line => return Err(bad("a line begins with white space")),
                // Node accepts no length followed by a tab, others do.
                b'\r' if at > 0 && bytes[at - 1] == b'\t' => return Err(bad("a line ends in a tab")),
                b'\r' | b'\t' => {}
                0..0x20 | 0x7f => return Err(bad("a control character in the head")),
                _ => {}
            }
            self.seen += 1;
        }
        Ok(None)
    }
}

impl Head {
    /// Parses a whole head, whose end a scanner has found.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(bad("the head is not whole")),
            Err(httparse::Error::TooManyHeaders) => return Err(Malformed { status: 431, why: "too many headers" }),
            Err(httparse::Error::Version) => return Err(Malformed { status: 505, why: "it must be HTTP/1.1 or 1.0" }),
            Err(_) => return Err(bad("the head is not HTTP")),
        }
        let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        let is_11 = request.version == Some(1);
        let headers = Headers(request.headers);
        let (authority, target) = split(method, target)?;
        let authority = match (headers.one("Host")?, authority) {
            (None, _) if is_11 => return Err(bad("HTTP/1.1 needs a Host header")),
            (host, authority) => authority.or(host),
        };
        let text = |name: &str| Ok::<_, Malformed>(headers.one(name)?.map(str::to_owned));
        let mut head = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            is_11,
            host: authority.map(host_name).transpose()?,
            authority: authority.unwrap_or_default().to_ascii_lowercase(),
            page: Page {
                origin: text("Origin")?,
                asks_for_method: headers.one("Access-Control-Request-Method")?.is_some(),
                site: text("Sec-Fetch-Site")?,
                referer: text("Referer")?,
            },
            framing: headers.framing(is_11)?,
            expects: headers.expects(is_11)?,
            // Not in HTTP/1.0, where it was never specified.
            keep_alive: is_11 && !headers.says("Connection", "close"),
            authorization: text("Authorization")?,
            session: headers.all("Cookie").find_map(secret).map(str::to_owned),
            headers: vec![],
        };
        // The connection stays HTTP. Some servers take what follows for the other protocol, so nothing may follow.
        head.keep_alive &= !headers.says("Connection", "upgrade") && METHODS.contains(&method) && method != "CONNECT";
        for name in KEPT {
            head.headers.extend(headers.one(name)?.map(|value| (name, value.to_owned())));
        }
        for name in KEPT_LISTS {
            let lines: Vec<&str> = headers.all(name).filter_map(|line| std::str::from_utf8(line).ok()).collect();
            head.headers.extend((!lines.is_empty()).then(|| (name, lines.join(", "))));
        }
        Ok(head)
    }

    /// The value of a header that is kept.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Whether a body follows.
    pub fn has_body(&self) -> bool {
        self.framing != Framing::Length(0)
    }
}

/// The authority of a target in absolute form, and the target in origin form.
fn split<'a>(method: &str, target: &'a str) -> Result<(Option<&'a str>, &'a str), Malformed> {
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("the target is not ASCII"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok((None, target));
    }
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|s| target.len() >= s.len() && target[..s.len()].eq_ignore_ascii_case(s));
    let Some(scheme) = scheme else { return Err(bad("the target is neither a path nor a URL")) };
    let rest = &target[scheme.len()..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[end..].starts_with('/') {
        true => Ok((Some(&rest[..end]), &rest[end..])),
        false if end == rest.len() => Ok((Some(rest), "/")),
        false => Err(bad("the target has no path")),
    }
}

/// The name in an authority, without its port.
fn host_name(authority: &str) -> Result<String, Malformed> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&b);
    if !authority.bytes().all(is_name) {
        return Err(bad("the host is not a name or address"));
    }
    let name = match authority.rfind(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    };
    Ok(name.to_ascii_lowercase())
}

struct Headers<'h, 'b>(&'h [httparse::Header<'b>]);

impl<'b> Headers<'_, 'b> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.0.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    }

    /// The value of a header that may be present once.
    fn one(&self, name: &str) -> Result<Option<&'b str>, Malformed> {
        let mut values = self.all(name);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(bad("a header is there twice that may be there once"));
        }
        let text = std::str::from_utf8(value).ok().filter(|v| v.is_ascii());
        text.map(|v| Some(v.trim())).ok_or(bad("a header that matters is not ASCII"))
    }

    fn framing(&self, is_11: bool) -> Result<Framing, Malformed> {
        let (length, coding) = (self.one("Content-Length")?, self.one("Transfer-Encoding")?);
        match (length, coding) {
            (None, None) => Ok(Framing::Length(0)),
            (Some(_), Some(_)) => Err(bad("both Content-Length and Transfer-Encoding")),
            (Some(digits), None) => {
                let plain = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                let length = plain.then(|| digits.parse().ok()).flatten();
                length.map(Framing::Length).ok_or(bad("Content-Length is not a number"))
            }
            (None, Some(_)) if !is_11 => Err(bad("Transfer-Encoding in HTTP/1.0")),
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => Err(Malformed { status: 501, why: "the only Transfer-Encoding is chunked" }),
        }
    }

    fn expects(&self, is_11: bool) -> Result<bool, Malformed> {
        match self.one("Expect")? {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("100-continue") => Ok(is_11),
            Some(_) => Err(Malformed { status: 417, why: "the only expectation is 100-continue" }),
        }
    }

    /// Whether the list in the headers of that name has `word`.
    fn says(&self, name: &str, word: &str) -> bool {
        let words = self.all(name).flat_map(|value| value.split(|b| *b == b','));
        words.map(<[u8]>::trim_ascii).any(|given| given.eq_ignore_ascii_case(word.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Head, u16> {
        let length = Scanner::default().scan(text.as_bytes()).map_err(|e| e.status)?.ok_or(0_u16)?;
        Head::parse(&text.as_bytes()[..length]).map_err(|e| e.status)
    }

    #[test]
    fn heads_are_parsed() {
        let head = read(
            "POST /a?b HTTP/1.1\r\nHost: Kiosk.local:80\r\ncontent-length: 12\r\nX-Request-Id: 7\r\nCookie: \u{e9}\r\n\r\nrest",
        )
        .unwrap();
        assert_eq!((&*head.method, &*head.target, head.host.as_deref()), ("POST", "/a?b", Some("kiosk.local")));
        assert_eq!((&*head.authority, head.page), ("kiosk.local:80", Page::default()));
        assert_eq!((head.framing, head.keep_alive, head.expects), (Framing::Length(12), true, false));
        assert_eq!(head.headers, [("X-Request-ID", "7".to_owned())]);
        assert!(!read("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
        assert!(!read("helloGET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().keep_alive);
        assert!(!read("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap().keep_alive);
        assert!(!read("GET / HTTP/1.1\r\nHost: [::1]:1\r\nConnection: x, close\r\n\r\n").unwrap().keep_alive);
        assert!(!read("POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").unwrap().keep_alive);
        let whole = read("GET http://[::1]:80/p HTTP/1.1\r\nHost: other\r\n\r\n").unwrap();
        assert_eq!((&*whole.target, whole.host.as_deref()), ("/p", Some("[::1]")));
        assert_eq!(read("GET / HTTP/1.0\r\n\r\n").unwrap().host, None);
        assert!(!read("CONNECT /a HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().keep_alive);
        assert_eq!(read("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().target, "/");
    }

    #[test]
    fn its_secret_is_found_among_cookies_of_others() {
        for (cookies, found) in [
            (&b"faceplate_session=ab"[..], Some("ab")),
            (b"a=b; faceplate_session=ab; c", Some("ab")),
            (b"\xff=\xfe;faceplate_session=cd", Some("cd")),
            (b"xfaceplate_session=ab; faceplate_sessions=1", None),
            (b"faceplate_session=\xff", None),
            (b"", None),
        ] {
            assert_eq!(secret(cookies), found);
        }
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        let with = |line: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
        for (line, status) in [
            ("Content-Length: 5x", 400),
            ("Content-Length: -1", 400),
            ("Content-Length: +1", 400),
            ("Content-Length:", 400),
            ("Content-Length: 1, 1", 400),
            ("Content-Length: 1\r\nContent-Length: 1", 400),
            ("Content-Length: 1\r\ncontent-length: 2", 400),
            ("Content-Length: 99999999999999999999", 400),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: identity", 501),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding:\x0bchunked", 400),
            ("Content-Length : 1", 400),
            ("Host: other", 400),
            ("Content-Length: 1\t", 400),
            ("A: b\r\n c", 400),
            ("A: b\nC: d", 400),
            ("A: b\rC: d", 400),
            ("A: \0", 400),
            (": b", 400),
            ("no colon", 400),
            ("Expect: magic", 417),
            ("Content-Type: a\r\nContent-Type: b", 400),
            ("Content-Type: \u{e9}", 400),
        ] {
            assert_eq!(read(&with(line)).unwrap_err(), status, "{line:?}");
        }
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
            ("GET /\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
            ("GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET http://h?x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
            ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET / HTTP/1.1\n\n", 400),
        ] {
            assert_eq!(read(text).unwrap_err(), status, "{text:?}");
        }
        let many = (0..65).map(|i| format!("H{i}: x\r\n")).collect::<String>();
        assert_eq!(read(&format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n")).unwrap_err(), 431);
    }

    proptest! {
        /// The end of a head, or the refusal, does not depend on the pieces in which it comes.
        #[test]
        fn scanning_in_chunks_finds_the_same_end(text in "[A-Z]{1,3} [/a-z]{1,5} HTTP/1\\.[01]\r\n([A-Za-z]{1,8}: ?[a-z0-9 \r\n\t]{0,9}\r\n){0,4}\r\n.{0,5}", pieces in prop::collection::vec(1_usize..9, 0..40)) {
            let bytes = text.as_bytes();
            let whole = Scanner::default().scan(bytes);
            let mut scanner = Scanner::default();
            let (mut end, mut split) = (0_usize, Ok(None));
            for piece in pieces.into_iter().chain([usize::MAX]) {
                end = bytes.len().min(end.saturating_add(piece));
                split = scanner.scan(&bytes[..end]);
                if split != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(whole, split);
        }
    }
}

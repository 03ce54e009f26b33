//! Asks the running service, for commands that have it do something: one request on a connection of its own. Over TLS the service is asked with
//! another client, which knows its certificate.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::healthcheck::reached;
use crate::ops::Settings;
use crate::ops::settings::ListenAddr;

/// Name of the environment variable with a token whose scope is enough, where the service wants one.
const TOKEN: &str = "FACEPLATE_TOKEN";

/// Most bytes of a reply: an export of a million people has fewer.
const MOST_BYTES: u64 = 1 << 30;

/// An answer of the service.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Status line and headers.
    head: String,
    pub(super) body: Vec<u8>,
}

/// Sends a request without a body, such as `POST /v1/camera/light`, and waits for as long as the service takes.
pub(super) fn ask(settings: &Settings, request: &str) -> Result<Answer, Box<dyn Error>> {
    send(settings, request, "", &[])
}

/// The same with a body of this Content-Type; there is none if that is empty.
pub(super) fn send(
    settings: &Settings,
    request: &str,
    content_type: &str,
    body: &[u8],
) -> Result<Answer, Box<dyn Error>> {
    if settings.tls.certificate.is_some() {
        let told = format!("the service is encrypted: send it {request} with a client that knows its certificate");
        return Err(told.into());
    }
    let address = settings.server.listen.0.first().ok_or("server.listen names no address")?;
    let at = |e: std::io::Error| format!("{address}: {e}; is the service running?");
    match address {
        ListenAddr::Unix(path) => exchange(UnixStream::connect(path).map_err(at)?, request, content_type, body),
        ListenAddr::Tcp(listening) => {
            exchange(TcpStream::connect(reached(*listening)).map_err(at)?, request, content_type, body)
        }
    }
}

fn exchange(
    mut stream: impl Read + Write,
    request: &str,
    content_type: &str,
    body: &[u8],
) -> Result<Answer, Box<dyn Error>> {
    let token = std::env::var(TOKEN).map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let kind = if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
    let length = body.len();
    // Version 1.0, so that nothing comes in chunks.
    let head = format!(
        "{request} HTTP/1.0\r\nHost: localhost\r\n{token}{kind}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // A service that refuses may answer before it has all of it.
    let _it_will_tell = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut reply = vec![];
    stream.take(MOST_BYTES).read_to_end(&mut reply)?;
    Ok(Answer::read(&reply).ok_or("the service gave no answer")?)
}

impl Answer {
    /// Reads a reply whose body ends with the connection.
    pub(super) fn read(reply: &[u8]) -> Option<Self> {
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&reply[..end]).into_owned();
        let status = head.strip_prefix("HTTP/1.")?.get(2..)?.get(..3)?.parse().ok()?;
        Some(Self { status, head, body: reply[end + 4..].to_vec() })
    }

    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body, which is JSON.
    pub(super) fn json(&self) -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&self.body).map_err(|_| "the service's answer is not one of this service")?)
    }

    /// Itself if all is well, else what the service says.
    pub(super) fn good(self) -> Result<Self, Box<dyn Error>> {
        if self.status < 300 { Ok(self) } else { Err(self.message().into()) }
    }

    /// What an error says.
    pub(super) fn message(&self) -> String {
        let told = self.json().ok().and_then(|told| told.get("message")?.as_str().map(str::to_owned));
        told.unwrap_or_else(|| format!("the service refused with HTTP status {}", self.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_a_status_headers_and_a_body() {
        let answer = Answer::read(b"HTTP/1.1 429 Many\r\nRetry-After:  7\r\n\r\n{\"message\":\"locked\"}").unwrap();
        assert_eq!((answer.status, answer.header("retry-after"), answer.header("date")), (429, Some("7"), None));
        assert_eq!(answer.message(), "locked");
        let other = Answer::read(b"HTTP/1.1 502 Bad\r\n\r\n<html>").unwrap();
        assert!(other.json().is_err() && other.message().contains("502"));
        for none in [&b""[..], b"HTTP/1.1 200 OK", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 ab\r\n\r\n"] {
            assert_eq!(Answer::read(none), None);
        }
    }
}

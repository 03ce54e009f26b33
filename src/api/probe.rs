//! Sends a health request to the service itself, through all that a client's request passes: gate, HTTP threads, queue, models.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// Why the service is not well: its own fault or that of its machine, never a client's.
#[derive(Debug)]
pub enum Unwell {
    /// A worker has been at one job for so long.
    Stuck(Duration),
    /// It can't be connected to.
    Shut(io::Error),
    /// Its own request had no answer in time.
    NoAnswer(io::Error),
    /// Its own request had an answer that begins with this line.
    Refused(String),
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck(longest) => write!(f, "a worker has been at one job for {longest:?}"),
            Self::Shut(error) => write!(f, "it cannot connect to itself: {error}"),
            Self::NoAnswer(error) => write!(f, "no answer to its own request: {error}"),
            Self::Refused(line) => write!(f, "its own request was answered with {line}"),
        }
    }
}

impl Error for Unwell {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Shut(error) | Self::NoAnswer(error) => Some(error),
            Self::Stuck(_) | Self::Refused(_) => None,
        }
    }
}

/// Requests the health of the service at the other end of `stream`; each read and write has this time.
pub fn probe(stream: impl Read + Write + AsFd, time: Duration) -> Result<(), Unwell> {
    let reply = ask(stream, time).map_err(Unwell::NoAnswer)?;
    match reply.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && body.contains(r#""status":0"#) => Ok(()),
        _ => Err(Unwell::Refused(reply.lines().next().unwrap_or("nothing").to_owned())),
    }
}

fn ask(mut stream: impl Read + Write + AsFd, time: Duration) -> io::Result<String> {
    set_socket_timeout(&stream, Timeout::Recv, Some(time))?;
    set_socket_timeout(&stream, Timeout::Send, Some(time))?;
    stream.write_all(b"GET /v1/face/pattern/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut reply)?;
    Ok(reply)
}

/// A health reply has some 300 bytes.
const MOST_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    /// The probe's result for a peer that answers with `reply`, or never for `None`.
    fn verdict(reply: Option<&'static str>) -> Result<(), Unwell> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let peer = thread::spawn(move || {
            let mut head = [0; 1024];
            assert!(theirs.read(&mut head).unwrap() > 0);
            match reply {
                Some(reply) => theirs.write_all(reply.as_bytes()).unwrap(),
                None => assert_eq!(theirs.read(&mut head).unwrap(), 0), // until the probe gives up
            }
        });
        let verdict = probe(ours, Duration::from_millis(if reply.is_some() { 5000 } else { 50 }));
        peer.join().unwrap();
        verdict
    }

    #[test]
    fn only_a_healthy_reply_passes() {
        assert!(verdict(Some("HTTP/1.1 200 OK\r\n\r\n{\"status\":0,\"message\":\"\"}")).is_ok());
        let sick = "HTTP/1.1 200 OK\r\n\r\n{\"status\":3,\"message\":\"wrong answer\"}";
        for reply in [sick, "HTTP/1.1 503 Busy\r\n\r\n\"status\":0", "nonsense", ""] {
            let line = reply.lines().next().unwrap_or("nothing");
            assert!(matches!(verdict(Some(reply)), Err(Unwell::Refused(told)) if told == line), "{reply}");
        }
        assert!(verdict(None).unwrap_err().to_string().starts_with("no answer to its own request: "));
    }
}

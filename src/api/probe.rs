//! Sends a health request to the service itself, through all that a client's request passes: gate, HTTP threads, queue, models.

use std::io::{self, Read, Write};

/// Requests the health of the service at the other end of `stream`, which has its timeouts; an error says why it isn't well.
pub fn probe(stream: impl Read + Write) -> Result<(), String> {
    let reply = ask(stream).map_err(|e| format!("no answer to its own request: {e}"))?;
    match reply.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && body.contains(r#""status":0"#) => Ok(()),
        _ => Err(format!("its own request was answered with {}", reply.lines().next().unwrap_or("nothing"))),
    }
}

fn ask(mut stream: impl Read + Write) -> io::Result<String> {
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
    use std::time::Duration;

    use super::*;

    /// The probe's result for a peer that answers with `reply`, or never for `None`.
    fn verdict(reply: Option<&'static str>) -> Result<(), String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(if reply.is_some() { 5000 } else { 50 }))).unwrap();
        let peer = thread::spawn(move || {
            let mut head = [0; 1024];
            assert!(theirs.read(&mut head).unwrap() > 0);
            match reply {
                Some(reply) => theirs.write_all(reply.as_bytes()).unwrap(),
                None => assert_eq!(theirs.read(&mut head).unwrap(), 0), // until the probe gives up
            }
        });
        let verdict = probe(ours);
        peer.join().unwrap();
        verdict
    }

    #[test]
    fn only_a_healthy_answer_counts() {
        assert_eq!(verdict(Some("HTTP/1.1 200 OK\r\n\r\n{\"status\":0,\"message\":\"\"}")), Ok(()));
        let sick = "HTTP/1.1 200 OK\r\n\r\n{\"status\":3,\"message\":\"wrong answer\"}";
        for reply in [sick, "HTTP/1.1 503 Busy\r\n\r\n\"status\":0", "nonsense", ""] {
            assert!(verdict(Some(reply)).is_err(), "{reply}");
        }
        assert!(verdict(None).unwrap_err().starts_with("no answer"));
    }
}

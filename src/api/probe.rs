//! A request of the service to itself, through all that a client's request passes: socket, HTTP threads, queue, models.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Asks the service on `address` for its health, within about `time`; why not, if it isn't well.
pub fn probe(address: SocketAddr, time: Duration) -> Result<(), String> {
    let reply = ask(reachable(address), time).map_err(|e| format!("no answer to its own request: {e}"))?;
    match reply.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && body.contains(r#""status":0"#) => Ok(()),
        _ => Err(format!("its own request was answered with {}", reply.lines().next().unwrap_or("nothing"))),
    }
}

fn ask(address: SocketAddr, time: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, time)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    stream.write_all(b"GET /v1/face/pattern/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut reply)?;
    Ok(reply)
}

/// A health reply has some 300 bytes.
const MOST_BYTES: u64 = 64 << 10;

/// Where a service that listens on all addresses is reached from the same machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What the probe says of a peer that answers with `reply`, or never for `None`.
    fn verdict(reply: Option<&'static str>) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            assert!(stream.read(&mut head).unwrap() > 0);
            match reply {
                Some(reply) => stream.write_all(reply.as_bytes()).unwrap(),
                None => assert_eq!(stream.read(&mut head).unwrap(), 0), // until the probe gives up
            }
        });
        let verdict = probe(address, Duration::from_millis(if reply.is_some() { 5000 } else { 50 }));
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

    #[test]
    fn every_address_is_reached_by_loopback() {
        for (listening, reached) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(reachable(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }
}

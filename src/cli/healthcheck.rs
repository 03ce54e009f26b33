//! `healthcheck`: asks the service that runs with these settings whether it is well, as a container engine's health check does.
//!
//! Over TLS it only tells that the service answers: it has no certificate to show, and the plain request that it sends is refused.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::api::probe;
use crate::ops::Settings;
use crate::ops::settings::ListenAddr;

/// Longest time to connect, and for each read and write: engines give a check 30 seconds.
const TIME: Duration = Duration::from_secs(10);

/// An error says why it is not well, or not reached.
pub(super) fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let address = settings.server.listen.0.first().ok_or("server.listen names no address")?;
    let at = |e: io::Error| format!("{address}: {e}");
    match address {
        ListenAddr::Unix(path) => Ok(probe(UnixStream::connect(path).map_err(at)?, TIME)?),
        ListenAddr::Tcp(listening) => {
            let mut stream = TcpStream::connect_timeout(&reached(*listening), TIME).map_err(at)?;
            if settings.tls.certificate.is_none() {
                return Ok(probe(stream, TIME)?);
            }
            stream.set_read_timeout(Some(TIME)).and_then(|()| stream.set_write_timeout(Some(TIME))).map_err(at)?;
            let mut beginning = [0; 12];
            let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
            asked.and_then(|()| stream.read_exact(&mut beginning)).map_err(at)?;
            if beginning == *b"HTTP/1.1 400" {
                Ok(())
            } else {
                Err(format!("{address}: it gives no answer of this service").into())
            }
        }
    }
}

/// Where a service is reached that listens on this address: on any address means on this machine as well.
pub(super) fn reached(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        one => one,
    };
    SocketAddr::new(ip, listening.port())
}

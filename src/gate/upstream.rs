//! Connections to tiny_http, over a socket that has no name, so that no other process finds it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Instant;

use mio::net::UnixStream;
use rustix::fs::{Mode, OFlags};

use super::byte_queue::ByteQueue;
use super::connection::Request;
use super::in_flight::{PROBE_ID, REQUEST_NUMBER};

/// The way to the socket on which tiny_http listens.
#[derive(Debug)]
pub(super) struct UpstreamSocket {
    /// Keeps the socket reachable after its name is gone (Linux: through `/proc/self/fd`).
    handle: OwnedFd,
}

impl UpstreamSocket {
    /// Opens a listener, and the way to it. Its name in the file system exists for an instant, in a folder that only this user can enter,
    /// so that a service that is killed leaves nothing behind.
    pub(super) fn open() -> io::Result<(UnixListener, Self)> {
        let mut last = io::Error::other("no folder for a socket");
        for parent in parents() {
            let folder = parent.join(format!("faceplate-{:032x}", crate::ops::random()));
            if let Err(error) = fs::DirBuilder::new().mode(0o700).create(&folder) {
                last = io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
                continue;
            }
            let path = folder.join("http");
            let made = UnixListener::bind(&path).and_then(|listener| {
                let handle = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
                Ok((listener, Self { handle }))
            });
            let _none_if_it_failed = fs::remove_file(&path);
            fs::remove_dir(&folder)?;
            match made {
                Ok(made) => return Ok(made),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(format!("/proc/self/fd/{}", self.handle.as_raw_fd()))
    }
}

/// Folders that may be writable. The service manager provides one; under it, /dev/shm is always there.
fn parents() -> impl Iterator<Item = PathBuf> {
    let given = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    given.chain([std::env::temp_dir(), "/dev/shm".into()])
}

/// One connection to tiny_http.
pub(super) struct Upstream {
    pub(super) stream: UnixStream,
    /// Bytes that are still to be sent.
    pub(super) request: ByteQueue,
    pub(super) task: Task,
    /// When it was opened.
    pub(super) begun: Instant,
    /// What has come of the reply to the health check.
    health_reply: Vec<u8>,
}

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// The health check that it has to answer before its first request.
    HealthCheck,
    /// Idle.
    None,
    /// The request of the client with this index in the list.
    Request { client: usize },
}

/// Beginning and end of the reply to a health check.
const HEALTHY: (&[u8], &[u8]) = (b"HTTP/1.1 200", b"{\"alive\":true}");

/// Most bytes of that reply: it has some 300.
const HEALTH_REPLY_BYTES: usize = 4 << 10;

impl Upstream {
    /// A new connection, with a health check queued.
    pub(super) fn health_checked(stream: UnixStream) -> Self {
        let mut request = ByteQueue::default();
        let text = format!(
            "GET /healthz HTTP/1.1\r\nHost: faceplate\r\n{REQUEST_NUMBER}: {PROBE_ID}\r\nContent-Length: 0\r\n\r\n"
        );
        request.push(text.as_bytes());
        Self { stream, request, task: Task::HealthCheck, begun: Instant::now(), health_reply: vec![] }
    }

    /// Takes bytes of the reply to the health check; true once it is whole, and an error if it is another one.
    pub(super) fn check_health(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let (beginning, end) = HEALTHY;
        self.health_reply.extend_from_slice(bytes);
        let compared = self.health_reply.len().min(beginning.len());
        if self.health_reply.len() > HEALTH_REPLY_BYTES || self.health_reply[..compared] != beginning[..compared] {
            return Err(io::Error::other("the health check was refused"));
        }
        Ok(self.health_reply.ends_with(end))
    }

    /// Queues a request, in the form that tiny_http reads correctly: plain, and with its length. Its headers were for admission, and stay
    /// here.
    pub(super) fn take(&mut self, request: Request, client: usize, number: u64) {
        let Request { head, body, id, .. } = request;
        let text = format!(
            "{} {} HTTP/1.1\r\nHost: faceplate\r\n{REQUEST_NUMBER}: {number}\r\nX-Request-ID: {id}\r\nContent-Length: {}\r\n\r\n",
            head.method,
            head.target,
            body.len()
        );
        self.request.push(text.as_bytes());
        self.request.append(body);
        self.task = Task::Request { client };
    }

    /// Sends as many bytes as the socket takes now.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while !self.request.is_empty() {
            match self.stream.write(self.request.front()) {
                Ok(count) => self.request.take(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes of the reply; none if none are there now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Upstream {
        let (ours, _) = std::os::unix::net::UnixStream::pair().unwrap();
        Upstream::health_checked(UnixStream::from_std(ours))
    }

    #[test]
    fn a_health_check_passes_however_its_reply_is_split() {
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"alive\":true}";
        for cut in 1..reply.len() {
            let mut upstream = upstream();
            assert!(!upstream.check_health(&reply[..cut]).unwrap(), "after {cut} bytes");
            assert!(upstream.check_health(&reply[cut..]).unwrap(), "after {cut} bytes and the rest");
        }
    }

    #[test]
    fn any_other_reply_fails_the_health_check() {
        assert!(upstream().check_health(b"HTTP/1.1 503 Service Unavailable\r\n").is_err());
        assert!(upstream().check_health(&[b"HTTP/1.1 200".to_vec(), vec![b'a'; HEALTH_REPLY_BYTES]].concat()).is_err());
    }
}

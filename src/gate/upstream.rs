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

/// End of the reply to a health check.
pub(super) const HEALTH_CHECK_END: &[u8] = b"{\"alive\":true}";

impl Upstream {
    /// A new connection, with a health check queued.
    pub(super) fn health_checked(stream: UnixStream) -> Self {
        let mut request = ByteQueue::default();
        let text = format!(
            "GET /healthz HTTP/1.1\r\nHost: faceplate\r\n{REQUEST_NUMBER}: {PROBE_ID}\r\nContent-Length: 0\r\n\r\n"
        );
        request.push(text.as_bytes());
        Self { stream, request, task: Task::HealthCheck, begun: Instant::now() }
    }

    /// Queues a request, in the form that tiny_http reads correctly: plain, and with its length.
    pub(super) fn take(&mut self, request: Request, client: usize, call: u64) {
        let Request { head, body, id, .. } = request;
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: faceplate\r\n{REQUEST_NUMBER}: {call}\r\nX-Request-ID: {id}\r\n",
            head.method, head.target
        );
        for (name, value) in head.headers.iter().filter(|(name, _)| *name != "X-Request-ID") {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
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

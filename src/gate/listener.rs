//! Opens the listening sockets.

use std::fmt;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use mio::event::Source;
use rustix::net::sockopt;

use super::peers::Peer;
use super::transport;
use crate::ops::service_manager::Socket;
use crate::ops::settings::ListenAddr;

/// A listening socket.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(mio::net::TcpListener),
    /// With the path that has to be removed in the end.
    Unix {
        listener: mio::net::UnixListener,
        path: Option<PathBuf>,
    },
}

/// Bytes that the kernel buffers for a peer that does not read, and from one that is not read; it doubles both for its own needs. A
/// thousand connections then take some 200 MB at most, and one over a network with a round trip of 10 ms still moves 3 MB/s and 6 MB/s.
const SEND_BYTES: usize = 32 << 10;
const RECEIVE_BYTES: usize = 64 << 10;

/// All members of the group may use a socket in the file system; the mode of its folder decides whether others reach it.
const MODE: u32 = 0o660;

/// Opens a listener at `place`.
pub fn open(place: &ListenAddr) -> io::Result<Listener> {
    match place {
        ListenAddr::Tcp(address) => TcpListener::bind(address)?.try_into(),
        ListenAddr::Unix(path) => {
            remove_stale_socket(path)?;
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
            Listener::of_unix(listener, Some(path.clone()))
        }
    }
}

/// Removes the socket of a service that was killed; one that still answers stays.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

impl TryFrom<TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Connections inherit these sizes. By default the kernel lets the buffers of each slow reader grow to megabytes.
        sockopt::set_socket_send_buffer_size(&listener, SEND_BYTES)?;
        sockopt::set_socket_recv_buffer_size(&listener, RECEIVE_BYTES)?;
        Ok(Self(Kind::Tcp(mio::net::TcpListener::from_std(listener))))
    }
}

impl TryFrom<Socket> for Listener {
    type Error = io::Error;

    fn try_from(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(listener) => listener.try_into(),
            Socket::Unix(listener) => Self::of_unix(listener, None),
        }
    }
}

impl Listener {
    fn of_unix(listener: UnixListener, path: Option<PathBuf>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(Kind::Unix { listener: mio::net::UnixListener::from_std(listener), path }))
    }

    /// Its address, with the port that was chosen.
    pub fn place(&self) -> io::Result<ListenAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(ListenAddr::Tcp),
            Kind::Unix { path: Some(path), .. } => Ok(ListenAddr::Unix(path.clone())),
            Kind::Unix { listener, .. } => {
                let address = listener.local_addr()?;
                Ok(ListenAddr::Unix(address.as_pathname().unwrap_or_else(|| Path::new("")).to_owned()))
            }
        }
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match &mut self.0 {
            Kind::Tcp(listener) => listener,
            Kind::Unix { listener, .. } => listener,
        }
    }

    /// The next connection.
    pub(super) fn accept(&self) -> io::Result<(transport::Socket, Peer)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (socket, address) = listener.accept()?;
                // A reply is written in few pieces; none of them should wait for the next. A peer that vanished without closing is
                // noticed.
                let _only_slower_without = socket.set_nodelay(true);
                let _only_later_without = sockopt::set_socket_keepalive(&socket, true);
                Ok((transport::Socket::Tcp(socket), address.ip().into()))
            }
            Kind::Unix { listener, .. } => Ok((transport::Socket::Unix(listener.accept()?.0), Peer::Local)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Kind::Unix { path: Some(path), .. } = &self.0 {
            let _gone_already = fs::remove_file(path);
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Ok(place) => place.fmt(f),
            Err(_) => f.write_str("an unknown address"),
        }
    }
}

//! The sockets on which connections are taken.

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
use crate::ops::settings::Place;
use crate::ops::supervisor::Socket;

/// A listening socket.
#[derive(Debug)]
pub struct Door(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(mio::net::TcpListener),
    /// With the path that is ours to take away in the end.
    Unix {
        listener: mio::net::UnixListener,
        path: Option<PathBuf>,
    },
}

/// Bytes that the kernel holds for a peer that does not read, and of one that is not read; it doubles both for its own needs. A thousand
/// connections then take some 200 MB at the very most, and one over a network with 10 ms there and back still moves 3 MB/s and 6 MB/s.
const SEND_BYTES: usize = 32 << 10;
const RECEIVE_BYTES: usize = 64 << 10;

/// Everybody of the group may use a socket in the file system; its folder says who else gets there.
const MODE: u32 = 0o660;

/// Opens a door at `place`.
pub fn open(place: &Place) -> io::Result<Door> {
    match place {
        Place::Tcp(address) => TcpListener::bind(address)?.try_into(),
        Place::Unix(path) => {
            sweep(path)?;
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
            Door::of_unix(listener, Some(path.clone()))
        }
    }
}

/// Takes away the socket of a service that was killed; one that still answers stays.
fn sweep(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

impl TryFrom<TcpListener> for Door {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Connections inherit them. Left alone, the kernel lets them grow to megabytes for each that reads slowly.
        sockopt::set_socket_send_buffer_size(&listener, SEND_BYTES)?;
        sockopt::set_socket_recv_buffer_size(&listener, RECEIVE_BYTES)?;
        Ok(Self(Kind::Tcp(mio::net::TcpListener::from_std(listener))))
    }
}

impl TryFrom<Socket> for Door {
    type Error = io::Error;

    fn try_from(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(listener) => listener.try_into(),
            Socket::Unix(listener) => Self::of_unix(listener, None),
        }
    }
}

impl Door {
    fn of_unix(listener: UnixListener, path: Option<PathBuf>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(Kind::Unix { listener: mio::net::UnixListener::from_std(listener), path }))
    }

    /// Where it is, with the port that was chosen.
    pub fn place(&self) -> io::Result<Place> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(Place::Tcp),
            Kind::Unix { path: Some(path), .. } => Ok(Place::Unix(path.clone())),
            Kind::Unix { listener, .. } => {
                let address = listener.local_addr()?;
                Ok(Place::Unix(address.as_pathname().unwrap_or_else(|| Path::new("")).to_owned()))
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
                // A reply is written in few pieces; none of them should wait for the next. A peer that vanished without a word
                // is noticed.
                let _only_slower_without = socket.set_nodelay(true);
                let _only_later_without = sockopt::set_socket_keepalive(&socket, true);
                Ok((transport::Socket::Tcp(socket), address.ip().into()))
            }
            Kind::Unix { listener, .. } => Ok((transport::Socket::Unix(listener.accept()?.0), Peer::Local)),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Kind::Unix { path: Some(path), .. } = &self.0 {
            let _gone_already = fs::remove_file(path);
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Ok(place) => place.fmt(f),
            Err(_) => f.write_str("an unknown place"),
        }
    }
}

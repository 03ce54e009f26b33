//! Nonblocking socket of a peer, with or without TLS.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use rustls::ServerConnection;

/// The byte stream of one peer.
pub(super) struct Transport {
    socket: Socket,
    tls: Option<Box<ServerConnection>>,
    /// Whether its first byte was looked at, if it is TLS.
    is_begun: bool,
    /// Whether the peer speaks HTTP where TLS is expected.
    is_plain: bool,
}

pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Transport {
    pub(super) fn new(socket: Socket, tls: Option<ServerConnection>) -> Self {
        Self { socket, tls: tls.map(Box::new), is_begun: false, is_plain: false }
    }

    /// Whether it is TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether it should be TLS, and its first byte was that of a plain HTTP request. Then replies are written in the clear as well.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match &mut self.socket {
            Socket::Tcp(socket) => socket,
            Socket::Unix(socket) => socket,
        }
    }

    /// Reads plain bytes of the peer; 0 when it sends no more.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.tls.is_some() && !self.is_begun {
            let first = self.socket.peek()?;
            self.is_begun = true;
            // First bytes of HTTP verbs, which no TLS record begins with (RFC 8446, section 5.1).
            if first.is_some_and(|byte| byte.is_ascii_uppercase()) {
                (self.tls, self.is_plain) = (None, true);
            }
        }
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The peer left without close_notify; the lengths of HTTP tell whether something is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            if let Err(error) = tls.process_new_packets() {
                let _it_is_told_why = tls.write_tls(&mut self.socket);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// Takes bytes for the peer, as many as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        match tls.writer().write(bytes)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    /// Writes what TLS holds to the socket; returns whether it took some, and whether some is left.
    pub(super) fn flush(&mut self) -> io::Result<(bool, bool)> {
        let mut wrote = false;
        let Some(tls) = &mut self.tls else { return Ok((false, false)) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => wrote = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((wrote, true)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok((wrote, false))
    }

    /// Shuts the sending side down.
    pub(super) fn end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _it_may_have_gone = tls.write_tls(&mut self.socket);
        }
        let _it_may_have_gone = match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        };
    }
}

impl Socket {
    /// The next byte, which stays in the socket; none if the peer sends no more.
    fn peek(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = match self {
            Self::Tcp(socket) => socket.peek(&mut byte)?,
            // There is no TLS over it.
            Self::Unix(_) => 0,
        };
        Ok((count > 0).then_some(byte[0]))
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

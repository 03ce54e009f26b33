//! Reports the state of the service to the service manager (sd_notify(3)): ready, alive, stopping. Also takes over the sockets that it
//! may have opened (sd_listen_fds(3)).
//!
//! Without a service manager all of this does nothing. Whether the service is alive is not judged here.

use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use super::shutdown::Shutdown;

/// A listening socket handed over by the service manager.
#[derive(Debug)]
pub enum Socket {
    /// IPv4 or IPv6.
    Tcp(TcpListener),
    /// A path in the file system.
    Unix(UnixListener),
}

/// The listening sockets handed over by the service manager.
pub fn sockets() -> io::Result<Vec<Socket>> {
    let mut given = ListenFd::from_env();
    let count = given.len();
    let take = |at| match given.take_tcp_listener(at) {
        Ok(socket) => Ok(socket.map(Socket::Tcp)),
        Err(_) => given.take_unix_listener(at).map(|socket| socket.map(Socket::Unix)),
    };
    (0..count).map(take).filter_map(Result::transpose).collect()
}

/// Reports that requests are answered from now on; `status` is for people.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that no more requests are accepted.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Shortest watchdog period that is honored.
const SHORTEST: Duration = Duration::from_millis(100);

/// Starts a thread that reports "alive" three times in each period of the service manager's watchdog, as long as `alive` returns `Ok`;
/// otherwise the watchdog fires. `alive` gets the time that it has and returns what is wrong. Without a watchdog no thread is started.
pub fn watch<E: Display>(
    shutdown: &Shutdown,
    alive: impl Fn(Duration) -> Result<(), E> + Send + 'static,
) -> io::Result<Option<thread::JoinHandle<()>>> {
    // A period of zero is none; one shorter than any service manager's would keep a core busy.
    let period = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()).map(|period| period.max(SHORTEST));
    let Some(period) = period else { return Ok(None) };
    let shutdown = shutdown.clone();
    let watch = move || {
        while !shutdown.requested() {
            match alive(period / 2) {
                Ok(()) => tell(&[NotifyState::Watchdog]),
                Err(why) => log::error!("no sign of life for the watchdog: {why}"),
            }
            shutdown.sleep(period / 3);
        }
    };
    thread::Builder::new().name("watchdog".into()).spawn(watch).map(Some)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("the service manager cannot be notified of {states:?}: {error}");
    }
}

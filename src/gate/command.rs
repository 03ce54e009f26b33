//! Configuration of the event loop, the commands that other threads send it, and the gauges that it keeps for metrics.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Instant;

use super::access::Access;
use super::admission::SlotLimits;
use super::tls::Tls;
use super::{Handler, Sessions};
use crate::ops::Limits;

/// What a gate needs to open.
pub struct GateConfig {
    /// The service behind the gate.
    pub handler: Arc<dyn Handler>,
    /// Access rules.
    pub access: Access,
    /// Sessions of browsers, which the handler begins and ends.
    pub sessions: Arc<Sessions>,
    /// TLS of connections over TCP, if they are encrypted.
    pub tls: Option<Tls>,
    /// Caps on what peers send.
    pub limits: Limits,
    /// Requests that are answered at once.
    pub slots: SlotLimits,
    /// Gauges that the event loop keeps up to date.
    pub gauges: Arc<Gauges>,
}

/// State of a gate, for metrics.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Open connections.
    pub connections: AtomicUsize,
    /// Bytes of bodies that are held.
    pub held_bytes: AtomicUsize,
    /// In-flight requests.
    pub requests: AtomicUsize,
    /// Whether connections are accepted; not for metrics.
    pub is_listening: AtomicBool,
}

/// A command of another thread to the event loop.
pub(super) enum Command {
    /// Replaces the access rules and the TLS configuration.
    Reload(Box<Access>, Option<Tls>),
    /// Replaces the access rules alone.
    Access(Box<Access>),
    /// Adds a connection from within the process.
    AddConnection(UnixStream),
    /// Takes no more requests; in-flight ones have until this instant.
    Stop(Instant),
}

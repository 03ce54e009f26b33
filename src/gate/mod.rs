//! HTTP front end: accepts connections from untrusted peers, passes whole, well-formed requests on to tiny_http and carries the replies
//! back. It knows no routes: [`Handler`] does.
//!
//! One thread waits for all sockets and keeps the state of each connection ([`Connection`], free of sockets and clocks). Connections come
//! over TCP, TLS or a Unix socket. The gate bounds what a peer may send, how slowly, and how many bytes are held for all peers together.
//! It checks access, and passes a request on only when all of it is there, over a Unix socket without a name: tiny_http never serves a
//! peer's connection. What finds no slot is refused at once.

mod access;
mod admission;
mod body;
mod byte_queue;
mod command;
mod connection;
mod event_loop;
mod forwarder;
mod fuzz;
mod handle;
mod head;
mod in_flight;
mod input;
mod listener;
mod origins;
mod pace;
mod pass;
mod peers;
mod price;
mod round_robin;
mod session;
mod tls;
mod transport;
mod upstream;

pub use access::{Access, new_token};
pub use admission::SlotLimits;
pub use command::{GateConfig, Gauges};
pub use connection::{AccessRecord, Admitted, Connection, Rejected, Request, Rules};
pub use fuzz::{fuzz, requests};
pub use handle::Gate;
pub use head::{Framing, Head, Malformed, Page};
pub use in_flight::{InFlightRequest, InFlightRequests, PROBE_ID, REQUEST_NUMBER};
pub use listener::{Listener, open};
pub use pass::Pass;
pub use session::Sessions;
pub use tls::Tls;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::ops::settings::Scope;

/// Headers of every reply, of the gate's own and of those of the upstream: no cache keeps a reply, no page of another site embeds one, no
/// browser takes one for another content type.
pub const PROTECTION: [(&str, &str); 3] = [
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
];

/// The value of `Date`. A clock before 1970 or after 9999, as on a board whose battery failed, yields the nearest time that HTTP can
/// express.
pub fn http_date(now: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)
}

/// The service behind the gate, which knows what requests mean.
pub trait Handler: Send + Sync {
    /// The scopes of which a token needs one for this request; none if it needs no token.
    fn scopes(&self, head: &Head) -> &'static [Scope];
    /// Whether a page of another site may lead to it by a link.
    fn may_be_linked(&self, head: &Head) -> bool;
    /// Judges a request by its head.
    fn admit(&self, head: &Head) -> Result<Admitted, LocalReply>;
    /// The reply to an admitted request of [`Class::Gate`].
    fn reply(&self, head: &Head) -> LocalReply;
    /// The refusal of a request to `target`, which is empty where it is not known.
    fn refuse(&self, target: &str, why: RejectReason) -> LocalReply;
    /// Called with the access record of every finished request, refused ones included.
    fn on_request_done(&self, record: &AccessRecord);
    /// Called when a connection is dropped without an answer, with the reason.
    fn on_connection_dropped(&self, why: &'static str);
}

/// What the handler made of a request's head. The gate keeps it unseen and gives it back with the in-flight request, so that a head is
/// judged once.
pub type HandlerData = Option<Arc<dyn Any + Send + Sync>>;

/// The kind of slot that a request holds while it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Answered by the gate itself: whether the process is alive.
    Gate,
    /// Light and never waits: health, metrics, versions. It always has a slot; its turn comes after one request of each peer.
    Probe,
    /// Needs the inference workers.
    Inference,
    /// Waits for the camera.
    Camera,
}

/// A short reply that bypasses the upstream: JSON, made by the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// Why the gate refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// It is not a request.
    Malformed(Malformed),
    /// The head has more than this many bytes.
    LargeHead(usize),
    /// The body has more than this many bytes.
    LargeBody(usize),
    /// It did not arrive in time.
    Slow,
    /// There is no slot or no memory for it.
    Full(&'static str),
    /// It needs a token.
    NoToken,
    /// Its token is not known.
    WrongToken,
    /// Its token lacks the scope.
    WrongScope,
    /// Its address tried too many wrong tokens; seconds until it may try again.
    LockedOut(u64),
    /// Its `Host` is not a name of this machine.
    WrongHost,
    /// A browser sent it on behalf of a page of another site.
    OtherSite,
    /// The upstream broke the connection off.
    Broken,
    /// The service is about to end.
    Ending,
}

impl RejectReason {
    /// The name of the reason in metrics and access records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::LargeHead(_) => "large_head",
            Self::LargeBody(_) => "large_body",
            Self::Slow => "slow",
            Self::Full(_) => "full",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::WrongScope => "wrong_scope",
            Self::LockedOut(_) => "locked_out",
            Self::WrongHost => "wrong_host",
            Self::OtherSite => "other_site",
            Self::Broken => "broken",
            Self::Ending => "ending",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_still_gives_a_date() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (now, date) in [
            (epoch - Duration::from_secs(1 << 40), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (epoch + Duration::from_secs(1 << 40), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (epoch + Duration::from_secs(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            assert_eq!(http_date(now), date);
        }
    }
}

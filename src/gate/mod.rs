//! The front door: connections of strangers come in, whole well-formed requests go on, replies come back.
//!
//! One thread waits for all sockets and holds what each peer is at ([`Conversation`], free of sockets and clocks). It takes a
//! connection over TCP, TLS or a Unix socket, bounds what a peer may send, how slowly, and how much of everybody's is held,
//! asks whether he may come in, and passes a request on only when all of it is there, over a private socket to tiny_http, which
//! thus never meets a stranger's byte. What has no place is refused at once. It knows no routes: [`House`] does.

mod access;
mod backend;
mod body;
mod caller;
mod conversation;
mod desk;
mod doors;
mod fuzz;
mod hall;
mod head;
mod held;
mod input;
mod onward;
mod open;
mod pace;
mod peers;
mod price;
mod rotation;
mod tls;
mod transport;

pub use access::{Access, Pass, new_token};
pub use caller::{CALL, Caller, Callers};
pub use conversation::{Account, Admitted, Conversation, Refused, Request, Rules};
pub use desk::Places;
pub use doors::{Door, open};
pub use fuzz::{fuzz, requests};
pub use head::{Framing, Head, Malformed, Page};
pub use open::{Figures, Gate, Opening};
pub use tls::Tls;

use std::time::{Duration, SystemTime};

use crate::ops::settings::Scope;

/// Headers of every reply, of the gate's own and of those of the service behind it: no cache keeps a reply, no page of another site
/// embeds one, no browser takes one for something else.
pub const PROTECTION: [(&str, &str); 3] = [
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
];

/// The value of `Date`. A clock before 1970 or after 9999, as of a board that lost its battery, shows the nearest time that HTTP can
/// tell.
pub fn http_date(now: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)
}

/// What stands behind the gate and knows what requests mean.
pub trait House: Send + Sync {
    /// What a token must be good for; none if everybody may ask.
    fn scope(&self, head: &Head) -> Option<Scope>;
    /// Judges a request by its head.
    fn admit(&self, head: &Head) -> Result<Admitted, LocalReply>;
    /// The reply to an admitted request of [`Class::Gate`].
    fn reply(&self, head: &Head) -> LocalReply;
    /// The refusal of a request to `target`, which is empty where it is not known.
    fn refuse(&self, target: &str, why: Why) -> LocalReply;
    /// What became of a request, one that was refused too.
    fn account(&self, account: &Account);
    /// A connection was dropped without an answer, for this reason.
    fn dropped(&self, why: &'static str);
}

/// Whose place a request takes while it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Answered by the gate itself: whether the process is alive.
    Gate,
    /// Costs nothing and waits for nothing: health, metrics, versions. It always has a place, and its turn after one of each peer.
    Light,
    /// Needs the inference workers.
    Work,
    /// Waits for the camera.
    Camera,
}

/// A short reply that passes by the service behind the gate: JSON, made by the house.
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
pub enum Why {
    /// It is no request.
    Malformed(Malformed),
    /// The head is over so many bytes.
    LargeHead(usize),
    /// The body is over so many bytes.
    LargeBody(usize),
    /// It did not arrive in time.
    Slow,
    /// There is no place for it.
    Full(&'static str),
    /// It needs a token.
    NoToken,
    /// Its token is not known.
    WrongToken,
    /// Its token is good for other things.
    WrongScope,
    /// Its address tried too many tokens; seconds that it has to wait.
    LockedOut(u64),
    /// It asks for a name that is not this machine's.
    WrongHost,
    /// A page of another site made a browser ask.
    OtherSite,
    /// The service behind the gate broke off.
    Broken,
    /// The service is about to end.
    Ending,
}

impl Why {
    /// One word for counting.
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

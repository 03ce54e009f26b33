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
mod onward;
mod open;
mod pace;
mod peers;
mod tls;
mod transport;

pub use access::{Access, new_token};
pub use caller::{CALL, Callers};
pub use conversation::{Account, Admitted, Conversation, Request, Rules};
pub use desk::Places;
pub use doors::{Door, open};
pub use fuzz::{fuzz, requests};
pub use head::{Framing, Head, Malformed};
pub use open::{Figures, Gate, Opening};
pub use tls::Tls;

use crate::ops::settings::Scope;

/// What stands behind the gate and knows what requests mean.
pub trait House: Send + Sync {
    /// What a token must be good for; none if everybody may ask.
    fn scope(&self, head: &Head) -> Option<Scope>;
    /// Judges a request by its head.
    fn admit(&self, head: &Head) -> Result<Admitted, Refusal>;
    /// The refusal of a request to `target`, which is empty where it is not known.
    fn refuse(&self, target: &str, why: Why) -> Refusal;
    /// What became of a request, one that was refused too.
    fn account(&self, account: &Account);
    /// A connection was dropped without an answer, for this reason.
    fn dropped(&self, why: &'static str);
}

/// Whose place a request takes while it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Answered at once whatever else goes on: health, metrics, versions.
    Light,
    /// Needs the inference workers.
    Work,
    /// Waits for the camera.
    Camera,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Light, Self::Work, Self::Camera];
}

/// A reply of the gate's own: JSON, made by the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
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
            Self::Broken => "broken",
            Self::Ending => "ending",
        }
    }
}

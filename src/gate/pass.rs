//! The grant under which a request was admitted.

use crate::ops::hex;
use crate::ops::settings::{self, Scope};

/// The SHA-256 of a token.
pub(super) type Token = [u8; 32];

/// The SHA-256 of a session's secret.
pub(super) type SessionId = [u8; 32];

/// The grant under which a request was admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pass {
    /// The scope that it needed, if any.
    pub(super) scope: Option<Scope>,
    /// The token that it came with, which has that scope, or that of its session.
    pub(super) token: Option<Token>,
    /// The session that it belongs to.
    pub(super) session: Option<SessionId>,
}

impl Pass {
    /// Whether the request belongs to a browser's session.
    pub fn is_of_session(&self) -> bool {
        self.session.is_some()
    }

    /// Whether its token is good for `scope` in `access`, or none is needed there and none was before: for what must not be done by a
    /// request that was admitted before the tokens changed.
    pub fn still_grants(&self, access: &settings::Access, scope: Scope) -> bool {
        match self.token {
            None => !access.has_tokens(),
            Some(token) => {
                access.all().any(|stored| hex::bytes(&stored.sha256) == Some(token) && stored.scopes.contains(&scope))
            }
        }
    }
}

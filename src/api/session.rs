//! Implements the methods of a browser's session: whose it is, begin, end.

use std::time::Instant;

use serde_json::{Value, json};

use super::context::{Call, Service};
use super::reply::Reply;

impl Service {
    /// Tells what the one who asks may do, and what there is to be done. It is answered to everybody: whoever may do nothing learns only
    /// that a token is needed.
    pub(super) fn session(&self, call: &Call) -> Reply {
        self.session_of(call, call.request.pass.is_of_session())
    }

    fn session_of(&self, call: &Call, is_session: bool) -> Reply {
        let scopes: Vec<&str> = call.request.scopes.iter().map(|scope| scope.name()).collect();
        let access = self.access();
        let device = if scopes.is_empty() { Value::Null } else { self.device.as_str().into() };
        let has = match scopes.is_empty() {
            true => Value::Null,
            false => json!({
                "people": self.people.is_some(),
                "door": self.door.is_some(),
                "light": self.capturer.settings().light_amplitude > 0.0,
                "tokens": access.store.is_some() && (access.has_tokens() || self.takes_first_token(&access)),
            }),
        };
        Reply::json(&json!({
            "guarded": access.has_tokens(),
            // One whose token was taken away is none any more.
            "session": is_session && !scopes.is_empty(),
            "scopes": scopes,
            "device": device,
            "has": has,
        }))
    }

    /// Exchanges the token of the request for a cookie.
    pub(super) fn begin_session(&self, call: &Call) -> Reply {
        let cookie = self.sessions.begin(&call.request.pass, call.page.is_encrypted, Instant::now());
        let reply = self.session_of(call, cookie.is_some() || call.request.pass.is_of_session());
        cookie.into_iter().fold(reply, |reply, cookie| reply.with("Set-Cookie", cookie))
    }

    pub(super) fn end_session(&self, call: &Call) -> Reply {
        let cookie = self.sessions.end(&call.request.pass);
        Reply::json(&json!({ "ended": call.request.pass.is_of_session() })).with("Set-Cookie", cookie)
    }
}

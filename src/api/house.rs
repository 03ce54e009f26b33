//! What the gate asks about a request before it lets it in: the contract's answer, by the head alone.

use super::error::{Error, Family, GateKind, Kind};
use super::reply::Reply;
use super::route::{Accepts, Route};
use super::service::{Head, Service};
use crate::gate::{self, Account, Admitted, Class, House, LocalReply, Why};
use crate::ops::Limits;
use crate::ops::settings::Scope;

impl From<&gate::Head> for Head {
    fn from(head: &gate::Head) -> Self {
        let headers = head.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { method: head.method.clone(), target: head.target.clone(), headers }
    }
}

impl From<Reply> for LocalReply {
    fn from(reply: Reply) -> Self {
        Self { status: reply.status, headers: reply.headers, body: reply.body }
    }
}

impl House for Service {
    fn scope(&self, head: &gate::Head) -> Option<Scope> {
        match Route::at(&head.target) {
            Some(route) => route.scope(),
            // Whoever has no token does not learn what there is.
            None => Some(Scope::Pattern),
        }
    }

    fn admit(&self, head: &gate::Head) -> Result<Admitted, LocalReply> {
        let call = Self::admit(self, &head.into()).map_err(Reply::from)?;
        Ok(Admitted { class: call.route.class(), body_bytes: call.route.most_body(&self.limits) })
    }

    fn reply(&self, _: &gate::Head) -> LocalReply {
        Self::alive().into()
    }

    fn refuse(&self, target: &str, why: Why) -> LocalReply {
        refusal(target, why).into()
    }

    fn account(&self, account: &Account) {
        let route = Route::at(&account.target);
        self.metrics.count(route, account);
        let (id, status, ms) = (&account.id, account.status, account.took.as_millis() as u64);
        // A path that is none of ours may be anything, also somebody's name.
        let path = route.map_or("-", Route::path);
        let method = if ["GET", "HEAD", "POST"].contains(&&*account.method) { &*account.method } else { "-" };
        log::debug!(
            target: "faceplate::access",
            id = id.as_str(), method, path, status, ms, received = account.received as u64,
            refused = account.refused.unwrap_or("-");
            "request {id}: {method} {path}, {status} in {ms} ms"
        );
    }

    fn dropped(&self, why: &'static str) {
        self.metrics.dropped(why);
    }
}

/// Bytes of a body that nobody reads, or beside what is read: some clients send a little always.
const UNREAD_BYTES: usize = 16 << 10;

/// The gate's refusal in the words of the contract.
fn refusal(target: &str, why: Why) -> Reply {
    let family = Family::of(target);
    let gate = |status, detail: &str| Reply::from(Error::new(family, Kind::Gate(GateKind::Status(status)), detail));
    let kind = |kind, detail: &str| Reply::from(Error::new(family, kind, detail));
    match why {
        Why::Malformed(malformed) => gate(malformed.status, malformed.why),
        Why::LargeHead(limit) => gate(431, &format!("the head is over the limit of {limit} bytes")),
        Why::LargeBody(limit) => {
            let template = Route::at(target).is_some_and(Route::holds_template);
            kind(Kind::BodyTooLarge { template }, &format!("the body is over the limit of {limit} bytes"))
        }
        Why::Slow => gate(408, "it did not arrive in time"),
        Why::Full(what) => kind(Kind::Overloaded, &format!("{what}; try again")),
        Why::Ending => kind(Kind::Overloaded, "the service is stopping; try again"),
        Why::NoToken | Why::WrongToken => {
            let detail = match why {
                Why::NoToken => "it needs a header Authorization: Bearer TOKEN",
                _ => "the token is not known",
            };
            kind(Kind::Gate(GateKind::Token), detail).with("WWW-Authenticate", "Bearer")
        }
        Why::WrongScope => kind(Kind::Gate(GateKind::Scope), "the token is good for other methods"),
        Why::LockedOut(seconds) => {
            let detail = "too many wrong tokens came from this address";
            kind(Kind::Gate(GateKind::LockedOut), detail).with("Retry-After", seconds.to_string())
        }
        Why::WrongHost => {
            let detail =
                "without tokens the service answers to localhost, addresses, its own name and those of access.hosts";
            gate(421, detail)
        }
        Why::OtherSite => gate(403, "a web page of another site asked; without tokens only its own pages may"),
        Why::Broken => kind(Kind::Internal, "the log has the cause"),
    }
}

impl Route {
    /// Whose place a request takes while it is answered.
    pub(super) fn class(self) -> Class {
        match self {
            Self::Alive => Class::Gate,
            Self::Version | Self::OpenApi | Self::Ready | Self::Metrics | Self::Camera => Class::Light,
            Self::PatternHealth | Self::LivenessHealth => Class::Light,
            Self::CameraFrame | Self::CameraStream | Self::CameraDetect => Class::Camera,
            Self::CameraExtract | Self::CameraVerify | Self::CameraVerifyN => Class::Camera,
            Self::Extract | Self::Compare | Self::Verify | Self::ExtractAndCompare => Class::Work,
            Self::CompareN | Self::VerifyN | Self::ExtractAndCompareN | Self::LivenessDetect => Class::Work,
        }
    }

    /// Bytes that a request's body may have.
    fn most_body(self, limits: &Limits) -> usize {
        match self.accepts() {
            Accepts::Nothing | Accepts::NoSample => UNREAD_BYTES.min(limits.body_bytes),
            Accepts::Payload => (limits.payload_bytes + UNREAD_BYTES).min(limits.body_bytes),
            Accepts::Picture | Accepts::Form(_) | Accepts::PictureOrForm => limits.body_bytes,
        }
    }

    /// What a token must be good for; none where everybody may ask.
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::Version | Self::OpenApi | Self::Alive | Self::Ready => None,
            Self::PatternHealth | Self::LivenessHealth => None,
            Self::Metrics => Some(Scope::Metrics),
            Self::LivenessDetect => Some(Scope::Liveness),
            Self::Compare | Self::CompareN => Some(Scope::Compare),
            _ if self.path().starts_with("/v1/camera") => Some(Scope::Camera),
            _ => Some(Scope::Pattern),
        }
    }
}

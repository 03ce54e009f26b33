//! Implements the gate's [`Handler`]: decides by a request's head alone whether it is admitted, and answers for the gate.

use std::sync::Arc;

use super::context::{Call, Service};
use super::error::{Error, Family, GateKind, Kind};
use super::reply::Reply;
use super::route::{Accepts, Route};
use crate::gate::{AccessRecord, Admitted, Class, Handler, Head, LocalReply, RejectReason};
use crate::ops::settings::Scope;
use crate::ops::{Limits, counted};

impl From<Reply> for LocalReply {
    fn from(reply: Reply) -> Self {
        Self { status: reply.status, headers: reply.headers, body: reply.body.into_vec() }
    }
}

impl Handler for Service {
    fn scopes(&self, head: &Head) -> &'static [Scope] {
        match Route::at(&head.method, &head.target) {
            Some(route) => route.scopes(),
            // A client without a token does not learn which paths exist.
            None => &[Scope::Pattern],
        }
    }

    fn may_be_linked(&self, head: &Head) -> bool {
        Route::at(&head.method, &head.target) == Some(Route::Console)
    }

    fn admit(&self, head: &Head) -> Result<Admitted, LocalReply> {
        let call = self.call(head).map_err(Reply::from)?;
        let (class, body_bytes) = (call.class(), call.route.most_body(&self.limits));
        Ok(Admitted { class, body_bytes, data: Some(Arc::new(call)) })
    }

    fn reply(&self, _: &Head) -> LocalReply {
        Self::alive().into()
    }

    fn refuse(&self, target: &str, why: RejectReason) -> LocalReply {
        refusal(target, why).into()
    }

    fn on_request_done(&self, record: &AccessRecord) {
        let route = Route::at(&record.method, &record.target);
        self.metrics.count(route, record);
        let (id, status, ms) = (&record.id, record.status, record.took.as_millis() as u64);
        // An unknown path may be anything, also a person's name.
        let path = route.map_or("-", Route::path);
        let method =
            if ["GET", "HEAD", "POST", "PUT", "DELETE"].contains(&&*record.method) { &*record.method } else { "-" };
        log::debug!(
            target: "faceplate::access",
            id = id.as_str(), method, path, status, ms, received = record.received as u64,
            refused = record.refused.unwrap_or("-");
            "request {id}: {method} {path}, {status} in {ms} ms"
        );
    }

    fn on_connection_dropped(&self, why: &'static str) {
        self.metrics.dropped(why);
    }
}

/// Most bytes of a body that is not read, or in addition to what is read: some clients always send a little.
const UNREAD_BYTES: usize = 16 << 10;

/// The gate's rejection as an error of the contract.
fn refusal(target: &str, why: RejectReason) -> Reply {
    let family = Family::of(target);
    let gate = |status, detail: &str| Reply::from(Error::new(family, Kind::Gate(GateKind::Status(status)), detail));
    let kind = |kind, detail: &str| Reply::from(Error::new(family, kind, detail));
    match why {
        RejectReason::Malformed(malformed) => gate(malformed.status, malformed.why),
        RejectReason::LargeHead(limit) => {
            gate(431, &format!("the head is over the limit of {}", counted(limit, "byte", "bytes")))
        }
        RejectReason::LargeBody(limit) => {
            let template = Route::at("POST", target).is_some_and(Route::holds_template);
            kind(
                Kind::BodyTooLarge { template },
                &format!("the body is over the limit of {}", counted(limit, "byte", "bytes")),
            )
        }
        RejectReason::Slow => gate(408, "the request did not arrive in time"),
        RejectReason::Full(what) => kind(Kind::Overloaded, &format!("{what}; try again")),
        RejectReason::Ending => kind(Kind::Overloaded, "the service is stopping; try again"),
        RejectReason::NoToken | RejectReason::WrongToken => {
            let detail = match why {
                RejectReason::NoToken => "it needs a header Authorization: Bearer TOKEN",
                _ => "the token is not known",
            };
            kind(Kind::Gate(GateKind::Token), detail).with("WWW-Authenticate", "Bearer")
        }
        RejectReason::WrongScope => kind(Kind::Gate(GateKind::Scope), "the token's scopes do not permit this method"),
        RejectReason::LockedOut(seconds) => {
            let detail = "too many wrong tokens came from this address";
            kind(Kind::Gate(GateKind::LockedOut), detail).with("Retry-After", seconds.to_string())
        }
        RejectReason::WrongHost => {
            let detail = "without tokens the service answers to localhost, addresses, its own name, those of its certificate \
                          and those of access.hosts";
            gate(421, detail)
        }
        RejectReason::OtherSite => gate(
            403,
            "the request comes from a web page of another site; without a token of its own only the service's pages may ask",
        ),
        RejectReason::Broken => kind(Kind::Internal, "the log has the cause"),
    }
}

impl Call {
    /// The kind of slot that it takes while it is answered.
    fn class(&self) -> Class {
        if self.people.from_camera { Class::Camera } else { self.route.class() }
    }
}

impl Route {
    /// The kind of slot that a request takes while it is answered.
    pub(super) fn class(self) -> Class {
        match self {
            Self::Alive => Class::Gate,
            Self::Version | Self::OpenApi | Self::Ready | Self::Metrics | Self::Camera | Self::Settings => Class::Probe,
            Self::PatternHealth | Self::LivenessHealth => Class::Probe,
            Self::CameraFrame | Self::CameraStream | Self::CameraDetect | Self::CameraChallenge => Class::Camera,
            Self::CameraExtract | Self::CameraVerify | Self::CameraVerifyN | Self::CameraLight => Class::Camera,
            Self::Extract | Self::Compare | Self::Verify | Self::ExtractAndCompare => Class::Inference,
            Self::CompareN | Self::VerifyN | Self::ExtractAndCompareN | Self::Join | Self::Faces => Class::Inference,
            Self::CameraIdentify | Self::CameraFaces => Class::Camera,
            Self::Door | Self::DoorOpen | Self::DoorMode | Self::DoorClaim => Class::Probe,
            // A stream holds its thread for long, as those of the camera do.
            Self::EventStream => Class::Camera,
            Self::Events | Self::EventPicture | Self::Credentials => Class::Inference,
            Self::Session | Self::SessionBegin | Self::SessionEnd | Self::Tokens | Self::Console => Class::Probe,
            // It looks at files.
            Self::Doctor => Class::Inference,
            Self::Identify | Self::TemplateAdd => Class::Inference,
            // They take little of the processor, but may wait for a disk.
            Self::TokenCreate | Self::TokenRevoke => Class::Inference,
            Self::People | Self::PersonCreate | Self::PeopleExport | Self::PeopleImport => Class::Inference,
            Self::Person | Self::PersonUpdate | Self::PersonDelete | Self::TemplateDelete | Self::Deletion => {
                Class::Inference
            }
            Self::LivenessDetect => Class::Inference,
        }
    }

    /// Most bytes of a request's body.
    fn most_body(self, limits: &Limits) -> usize {
        match self.accepts() {
            Accepts::Nothing | Accepts::NoSample => UNREAD_BYTES.min(limits.body_bytes),
            Accepts::Payload => (limits.payload_bytes + UNREAD_BYTES).min(limits.body_bytes),
            Accepts::Json => limits.payload_bytes.min(limits.body_bytes),
            Accepts::Picture | Accepts::Form(_) | Accepts::PictureOrForm => limits.body_bytes,
            Accepts::Lines | Accepts::Enrollment => limits.body_bytes,
        }
    }

    /// The scopes of which a token needs one; none where no token is needed.
    pub(super) fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Version | Self::OpenApi | Self::Alive | Self::Ready => &[],
            Self::PatternHealth | Self::LivenessHealth => &[],
            Self::Console | Self::Session | Self::SessionEnd => &[],
            // Whatever a token is good for, it can be exchanged.
            Self::SessionBegin => &Scope::ALL,
            Self::Tokens | Self::TokenCreate | Self::TokenRevoke | Self::Doctor | Self::Settings => &[Scope::Admin],
            Self::Metrics => &[Scope::Metrics],
            Self::LivenessDetect => &[Scope::Liveness],
            Self::Compare | Self::CompareN => &[Scope::Compare],
            Self::CameraIdentify => &[Scope::People],
            Self::Camera | Self::CameraChallenge | Self::CameraFrame | Self::CameraStream => {
                &[Scope::Camera, Scope::Kiosk]
            }
            Self::Door => &[Scope::Door, Scope::Kiosk],
            Self::DoorClaim => &[Scope::Claim],
            _ if self.path().starts_with("/v1/door") => &[Scope::Door],
            _ if self.is_of_events() => &[Scope::Events],
            _ if self.path().starts_with("/v1/camera") => &[Scope::Camera],
            _ if self.is_of_people() => &[Scope::People],
            _ => &[Scope::Pattern],
        }
    }
}

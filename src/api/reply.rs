//! Defines the reply to a request.

use std::io::Read;

use serde::Serialize;

use super::error::{Error, Kind};
use crate::ops::SecretBytes;
use crate::ops::memory::Reserved;

/// A whole reply, ready to be sent.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Content-Type.
    pub content_type: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body, unless it is live.
    pub body: SecretBytes,
    /// A body of unknown length, made while it is read.
    pub live: Option<LiveBody>,
    /// The cause for the log under the request's id; not sent.
    pub cause: Option<String>,
    /// The memory reserved for it, until it is sent.
    pub room: Option<Reserved>,
}

/// A value as replies give it: further digits mean nothing.
pub(super) fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The bytes of a live body.
pub struct LiveBody(pub Box<dyn Read + Send>);

impl std::fmt::Debug for LiveBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveBody")
    }
}

impl Reply {
    /// 200 with a body that is made while it is read.
    pub fn live(content_type: impl Into<String>, body: Box<dyn Read + Send>) -> Self {
        Self { live: Some(LiveBody(body)), ..Self::ok(content_type, SecretBytes::default()) }
    }

    /// 200 with a body.
    pub fn ok(content_type: impl Into<String>, body: impl Into<SecretBytes>) -> Self {
        Self {
            status: 200,
            content_type: content_type.into(),
            headers: vec![],
            body: body.into(),
            live: None,
            cause: None,
            room: None,
        }
    }

    /// 200 with JSON.
    pub fn json(value: &impl Serialize) -> Self {
        Self::ok("application/json", serde_json::to_vec(value).expect("replies are plain structures"))
    }

    /// The reply with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Seconds after which a retry to an overloaded service is useful.
const RETRY_AFTER_S: u64 = 1;

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        let mut reply = Self::ok("application/json", error.body());
        reply.status = error.status();
        reply.cause = error.cause().map(str::to_owned);
        if let Some(allow) = error.allow() {
            reply = reply.with("Allow", if allow == "GET" { "GET, HEAD" } else { allow });
        }
        if error.kind() == Kind::ContentEncoding {
            reply = reply.with("Accept-Encoding", "identity"); // what is accepted: RFC 9110, section 12.5.3
        }
        if reply.status == 503 || error.retry_s().is_some() {
            let seconds = error.retry_s().unwrap_or(RETRY_AFTER_S);
            reply = reply.with("Retry-After", seconds.to_string());
        }
        reply
    }
}

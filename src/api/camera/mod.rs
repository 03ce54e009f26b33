//! Implements the camera's methods: those of the pattern and liveness families with the sample taken from the camera, and those that
//! show the camera itself.
//!
//! A request that needs a person waits for one ([`crate::capture`]); its options are in its query (`camera_query`).

mod challenge;
mod light;
mod preview;
mod status;
mod witnesses;

use serde_json::Value;

pub(super) use self::challenge::words::Language;
use self::witnesses::witnesses;
use super::context::{Call, Service};
use super::error::{CameraKind, Error, Family, Kind};
use super::form::FormValues;
use super::liveness::{Submission, detect_reply, media_by_analysis};
use super::multipart;
use super::reply::Reply;
use crate::capture::{Attempt, Captured};
use crate::face::{PadResult, PadVerdict, Template};
use crate::media::{self, Details};
use crate::ops::settings::LivenessMode;
pub use challenge::fuzz_language;

/// The name of the camera's medium in a payload.
const MEDIUM: &str = "camera";

impl Service {
    pub(super) fn camera_extract(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        no_body(call, body)?;
        let person = self.person(call)?;
        Ok(person.told(self.extracted(call, &person.template, call.base64)))
    }

    pub(super) fn camera_verify(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let template = self.references(call, &found.one[0])?;
        self.spend(call, template.len() as u64)?;
        let person = self.person(call)?;
        Ok(person.told(self.verified(call, &person.template, &template, found.base64)))
    }

    pub(super) fn camera_verify_n(&self, call: &Call, found: &FormValues<'_>) -> Result<Reply, Error> {
        let others = self.templates(call, found)?;
        let person = self.person(call)?;
        Ok(person.told(self.entries(call, std::slice::from_ref(&person.template), found, &others)?))
    }

    pub(super) fn camera_detect(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let unread = |what: String| Error::new(Family::Liveness, Kind::Sample, what);
        let medium = || Submission::live(MEDIUM, media::Kind::Video);
        let submission = match &call.boundary {
            Some(boundary) => {
                let parts = multipart::read(body, boundary, &self.limits).map_err(|e| unread(e.to_string()))?;
                medium().with_payload_of(&parts, &self.limits)?
            }
            None => medium().with_payload(body, &self.limits).map_err(unread)?,
        };
        let submission = submission.capped(self.liveness.most_threshold);
        let media_by_analysis = media_by_analysis(&submission)?;
        let best_shot = submission.payload.analyses.iter().any(|a| a.best_shot);
        let mode = call.ask.liveness.max(LivenessMode::Required);
        let threshold = submission.payload.analyses.iter().map(|a| a.threshold).fold(1.0, f64::min);
        let mut seen = self.capture(&Attempt { mode, threshold, ..call.attempt(best_shot) }, call.route.family())?;
        let witnesses = witnesses(mode, &seen);
        let Some(PadVerdict { spoofing, frames, best_shot, .. }) = seen.capture.live.take() else {
            return Err(Error::internal(Family::Liveness, "liveness was not judged"));
        };
        let details = Details::Video(seen.info(frames));
        let finding = PadResult { details, spoofing, frames, best_shot, gestures: vec![] };
        let reply = detect_reply::reply(&submission, &media_by_analysis, &[Some(Ok(finding))], false);
        Ok(reply.with("Server-Timing", seen.server_timing()).with("X-Liveness", witnesses.to_string()))
    }

    fn capture(&self, attempt: &Attempt<'_>, family: Family) -> Result<Captured, Error> {
        self.capturer.capture(attempt).map_err(|error| Error::from_capture(error, family))
    }

    /// The person before the camera, who must be live if that is required.
    pub(in crate::api) fn person(&self, call: &Call) -> Result<Person, Error> {
        let mode = call.ask.liveness;
        let seen = self.capture(&call.attempt(false), call.route.family())?;
        if mode > LivenessMode::Off && seen.capture.live.is_none() {
            return Err(Error::internal(call.route.family(), "liveness was not judged"));
        }
        // An attack ends here: it is not compared with any template.
        if seen.is_attack(call.ask.threshold) {
            let detail = "the face before the camera was judged a presentation attack; it was not compared";
            return Err(Error::new(call.route.family(), Kind::Camera(CameraKind::Attack), detail));
        }
        Ok(Person { timing: seen.server_timing(), witnesses: witnesses(mode, &seen), template: seen.capture.template })
    }
}

/// An error if there is a body, where none has a use.
pub(super) fn no_body(call: &Call, body: &[u8]) -> Result<(), Error> {
    let what = "a body is not accepted: the sample comes from the camera; ask for liveness in the query";
    if body.is_empty() { Ok(()) } else { Err(Error::new(call.route.family(), Kind::Parameter, what)) }
}

/// A person who is let through.
pub(super) struct Person {
    pub(super) template: Template,
    /// The value of `Server-Timing`.
    pub(super) timing: String,
    /// What the witnesses of liveness said, null if nobody asked.
    pub(super) witnesses: Value,
}

impl Person {
    /// The reply with what is told of the capture.
    pub(super) fn told(&self, reply: Reply) -> Reply {
        let reply = reply.with("Server-Timing", &self.timing);
        if self.witnesses.is_null() { reply } else { reply.with("X-Liveness", self.witnesses.to_string()) }
    }
}

//! Tells who a face is: one search among all people (1:N), with a bar that follows their number.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::camera::{Person, no_body};
use super::super::context::{Call, Service};
use super::super::error::Error;
use super::super::reply::Reply;
use super::super::text::raw;
use super::enroll::asked;
use super::{now, refused};
use crate::people::{Candidate, Identified, NewTemplate, PersonId, Profile, Source};

#[derive(Serialize)]
struct Named<'a> {
    id: &'a PersonId,
    name: &'a str,
}

#[derive(Serialize)]
struct Scored<'a> {
    id: &'a PersonId,
    name: &'a str,
    score: Box<RawValue>,
}

#[derive(Serialize)]
struct Identification<'a> {
    decision: &'static str,
    /// Why it is not approved; null if it is.
    reason: Option<&'static str>,
    person: Option<Named<'a>>,
    score: Box<RawValue>,
    margin: Box<RawValue>,
    /// The score from which on it is approved; null where none is known for so many people.
    bar: Option<Box<RawValue>>,
    /// Templates that were compared.
    templates: usize,
    candidates: Vec<Scored<'a>>,
    /// Whether the model of before found the person.
    previous_model: bool,
    /// What the witnesses of liveness said; null for pictures, and where nobody asked.
    liveness: Value,
}

fn named(profile: &Profile) -> Named<'_> {
    Named { id: &profile.id, name: &profile.name }
}

impl Service {
    pub(in crate::api) fn identify(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        self.people()?.snapshot().map_err(refused)?;
        let template = self.sample(call, body)?;
        let found = self.people()?.identify(&template, now()).map_err(refused)?;
        Ok(self.identified(&found, Value::Null))
    }

    pub(in crate::api) fn camera_identify(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        no_body(call, body)?;
        self.people()?.snapshot().map_err(refused)?;
        let Person { template, timing, witnesses } = self.person(call)?;
        let people = self.people()?;
        let found = people.identify(&template, now()).map_err(refused)?;
        match people.renew(&found, NewTemplate { template, source: Source::Visit, liveness: asked(call) }, now()) {
            Ok(true) => log::info!("a person known by the models of before got a template of the present ones"),
            Ok(false) => {}
            // Whoever it is, is it nevertheless.
            Err(why) => log::warn!("no template of the present models was added: {why}"),
        }
        Ok(self.identified(&found, witnesses).with("Server-Timing", timing))
    }

    fn identified(&self, found: &Identified, liveness: Value) -> Reply {
        let Identified { decision, person, score, margin, candidates, bar, templates, reason, by_previous } = found;
        let told = |score| raw(self.told(score));
        let scored = |one| {
            let Candidate { profile, score, .. }: &Candidate = one;
            Scored { id: &profile.id, name: &profile.name, score: told(*score) }
        };
        Reply::json(&Identification {
            decision: decision.as_str(),
            reason: *reason,
            person: person.as_deref().map(named),
            score: told(*score),
            margin: told(*margin),
            bar: bar.map(raw),
            templates: *templates,
            candidates: candidates.iter().map(scored).collect(),
            previous_model: *by_previous,
            liveness,
        })
    }
}

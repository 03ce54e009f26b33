//! Adds templates to people, from pictures, templates or the camera, and deletes them.

use serde_json::json;

use super::super::camera::Person;
use super::super::context::{Call, Service};
use super::super::encoding::decode_base64;
use super::super::error::{Error, Family, Kind};
use super::super::form::Item;
use super::super::reply::Reply;
use super::{id, now, person, refused};
use crate::ops::Content;
use crate::ops::settings::LivenessMode;
use crate::people::{Enrolled, NewTemplate, PeopleError, Source};

impl Service {
    pub(in crate::api) fn add_template(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let (people, id) = (self.people()?, id(call)?);
        people.get(id).map_err(refused)?;
        if call.people.from_camera {
            if !body.is_empty() {
                let what = "a body is not accepted with source=camera: the sample comes from the camera";
                return Err(Error::new(Family::Pattern, Kind::Parameter, what));
            }
            let Person { template, timing, witnesses } = self.person(call)?;
            let mode = call.ask.liveness;
            let liveness = (mode > LivenessMode::Off).then(|| mode.word().to_owned());
            let reply = self.added(call, NewTemplate { template, source: Source::Camera, liveness })?;
            let reply = reply.with("Server-Timing", timing);
            return Ok(if witnesses.is_null() { reply } else { reply.with("X-Liveness", witnesses.to_string()) });
        }
        let kind = if call.is_template { Kind::Template } else { Kind::Sample };
        let encoded = |_| Error::new(Family::Pattern, kind, "the body is not base64");
        let content: Content<'_> = match call.base64 {
            false => Content::Sent(body),
            true => decode_base64(body).map_err(encoded)?.into(),
        };
        let (template, source) = match call.is_template {
            true => {
                let told = "X-Subject names somebody else than the path";
                if call.subject.as_ref().is_some_and(|subject| subject != id.as_str()) {
                    return Err(Error::new(Family::Pattern, Kind::Parameter, told));
                }
                // What is bound to a person is opened for the one to whom it is added.
                let subject = self.seals.is_bound(&content).then(|| id.to_string());
                let item = Item { label: "the body".into(), subject, bytes: content };
                (self.template(call, &item)?, Source::Template)
            }
            false => (self.samples(call, &[("", &content)])?.remove(0), Source::Picture),
        };
        self.added(call, NewTemplate { template, source, liveness: None })
    }

    fn added(&self, call: &Call, new: NewTemplate) -> Result<Reply, Error> {
        let (people, conditions) = (self.people()?, (call.people.force, call.people.tag));
        let Enrolled { profile, number } = people.add_template(id(call)?, new, conditions, now()).map_err(refused)?;
        let location = format!("/v1/people/{}/templates/{number}", profile.id);
        Ok(Reply { status: 201, ..person(people, &profile) }.with("Location", location))
    }

    pub(in crate::api) fn delete_template(&self, call: &Call) -> Result<Reply, Error> {
        let people = self.people()?;
        let number = call.people.number.ok_or_else(|| refused(PeopleError::NoTemplate))?;
        people.remove_template(id(call)?, number, call.people.tag, now()).map_err(refused)?;
        Ok(Reply::json(&json!({ "deleted": number })))
    }
}

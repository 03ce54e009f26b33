//! Adds templates to people, from pictures, templates or the camera, and deletes them.

use serde_json::json;

use super::super::context::{Call, Service};
use super::super::error::{Error, Family, Kind};
use super::super::form::Item;
use super::super::pattern::content;
use super::super::reply::Reply;
use super::{id, now, person, refused};
use crate::ops::settings::LivenessMode;
use crate::people::{Enrolled, NewTemplate, PeopleError, Source};

/// What a request asks of liveness; none if it does not.
pub(super) fn asked(call: &Call) -> Option<String> {
    let mode = call.ask.liveness;
    (mode > LivenessMode::Off).then(|| mode.word().to_owned())
}

impl Service {
    pub(in crate::api) fn add_template(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let (people, id) = (self.people()?, id(call)?);
        people.get(id).map_err(refused)?;
        if call.people.from_camera {
            if !body.is_empty() {
                let what = "a body is not accepted with source=camera: the sample comes from the camera";
                return Err(Error::new(Family::Pattern, Kind::Parameter, what));
            }
            let seen = self.person(call)?;
            let (template, source) = (seen.template.clone(), Source::Camera);
            let reply = self.added(call, NewTemplate { template, source, liveness: asked(call) })?;
            return Ok(seen.told(reply));
        }
        let (template, source) = match call.is_template {
            true => {
                let bytes = content(call, body, Kind::Template)?;
                let told = "X-Subject names somebody else than the path";
                if call.subject.as_ref().is_some_and(|subject| subject != id.as_str()) {
                    return Err(Error::new(Family::Pattern, Kind::Parameter, told));
                }
                // What is bound to a person is opened for the one to whom it is added.
                let subject = self.seals.is_bound(&bytes).then(|| id.to_string());
                let item = Item { label: "the body".into(), subject, bytes };
                (self.template(call, &item)?, Source::Template)
            }
            false => (self.sample(call, body)?, Source::Picture),
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

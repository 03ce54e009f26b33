//! Implements the methods of people: who is enrolled, and who a face is. Answers are JSON; the contract has none of these.

mod enroll;
mod identify;
mod query;
mod transfer;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

pub(super) use self::transfer::LINES;
use super::context::{Call, Service};
use super::error::{Error, Family, Kind, PeopleKind};
use super::json::object;
use super::reply::Reply;
use crate::face::Template;
use crate::people::{CREDENTIALS, Credential, Draft, People, PeopleError, PersonId, Profile, StoreError, TemplateInfo};
pub use query::fuzz as fuzz_people_query;
pub(super) use query::{PeopleCall, parse};
pub use transfer::fuzz as fuzz_people_lines;

/// A person as replies show it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a PersonId,
    name: &'a str,
    groups: &'a [String],
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    external_id: Option<&'a str>,
    version: u64,
    created: Timestamp,
    changed: Timestamp,
    /// Whether the person has no template of the model that runs.
    needs_enrollment: bool,
    templates: Vec<ShownTemplate<'a>>,
    /// How many credentials it has, of which only hashes are kept.
    credentials: usize,
}

#[derive(Serialize)]
struct ShownTemplate<'a> {
    #[serde(flatten)]
    info: &'a TemplateInfo,
    /// Whether it is of the model that runs: others can't be compared.
    current: bool,
}

#[derive(Serialize)]
struct List<'a> {
    people: Vec<Shown<'a>>,
    /// What `after` is set to for the next page; null where there is none.
    next: Option<&'a PersonId>,
}

/// The error for what was not done about people.
pub(super) fn refused(error: PeopleError) -> Error {
    let kind = match &error {
        PeopleError::Off => PeopleKind::Off,
        PeopleError::Busy => return Error::new(Family::Pattern, Kind::Overloaded, error.to_string()),
        PeopleError::Store(StoreError::Unwritable(_)) => PeopleKind::Unwritable,
        PeopleError::Store(_) | PeopleError::Record(_) | PeopleError::Stale => PeopleKind::Unreadable,
        PeopleError::Unknown => PeopleKind::Unknown,
        PeopleError::NoTemplate => PeopleKind::NoTemplate,
        PeopleError::Exists(_) => PeopleKind::Exists,
        PeopleError::Changed(_) => PeopleKind::Changed,
        PeopleError::Invalid(_) => PeopleKind::Invalid,
        PeopleError::Import(_) => PeopleKind::Import,
        PeopleError::Belongs(_) => PeopleKind::Belongs,
        PeopleError::Poor { .. } => PeopleKind::Poor,
        PeopleError::Full => PeopleKind::Full,
        PeopleError::Site(_) => PeopleKind::Site,
    };
    Error::new(Family::Pattern, Kind::People(kind), error.to_string())
}

/// Now, by the clock of the system, in whole milliseconds: further digits say nothing.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Service {
    /// The people, if they are stored here.
    fn people(&self) -> Result<&People, Error> {
        self.people.as_deref().ok_or_else(|| refused(PeopleError::Off))
    }

    pub(super) fn list_people(&self, call: &Call) -> Result<Reply, Error> {
        let people = self.people()?;
        let snapshot = people.snapshot().map_err(refused)?;
        let page = snapshot.list(&call.people.filter, call.people.limit);
        let next = page.people.last().filter(|_| page.has_more).map(|last| &last.id);
        let people = page.people.iter().map(|profile| shown(people, profile)).collect();
        Ok(Reply::json(&List { people, next }))
    }

    pub(super) fn show_person(&self, call: &Call) -> Result<Reply, Error> {
        let people = self.people()?;
        Ok(person(people, &people.get(id(call)?).map_err(refused)?))
    }

    pub(super) fn create_person(&self, _: &Call, body: &[u8]) -> Result<Reply, Error> {
        let people = self.people()?;
        let profile = people.create(draft(body)?, now()).map_err(refused)?;
        let location = format!("/v1/people/{}", profile.id);
        Ok(Reply { status: 201, ..person(people, &profile) }.with("Location", location))
    }

    pub(super) fn update_person(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let people = self.people()?;
        let profile = people.update(id(call)?, draft(body)?, call.people.tag, now()).map_err(refused)?;
        Ok(person(people, &profile))
    }

    pub(super) fn set_credentials(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            credentials: Vec<String>,
        }
        let people = self.people()?;
        let kept = object::<Given>(body)
            .filter(|given| given.credentials.len() <= CREDENTIALS)
            .and_then(|given| given.credentials.iter().map(|text| Credential::new(text)).collect::<Option<Vec<_>>>());
        let wrong = || {
            let what = format!(
                "the body must be {{\"credentials\": [...]}} with up to {CREDENTIALS} texts of 1 to 256 bytes without control characters"
            );
            refused(PeopleError::Invalid(what))
        };
        let profile =
            people.set_credentials(id(call)?, kept.ok_or_else(wrong)?, call.people.tag, now()).map_err(refused)?;
        Ok(person(people, &profile))
    }

    pub(super) fn delete_person(&self, call: &Call) -> Result<Reply, Error> {
        self.people()?.remove(id(call)?, call.people.tag).map_err(refused)?;
        Ok(Reply::json(&serde_json::json!({ "deleted": id(call)? })))
    }

    pub(super) fn deletion(&self, call: &Call) -> Result<Reply, Error> {
        let (people, id) = (self.people()?, id(call)?);
        if people.snapshot().map_err(refused)?.get(id).is_some() {
            return Ok(Reply::json(&serde_json::json!({ "id": id, "deleted": false, "doors": [] })));
        }
        let doors = people.deletion(id).map_err(refused)?.ok_or_else(|| refused(PeopleError::Unknown))?;
        Ok(Reply::json(&serde_json::json!({ "id": id, "deleted": true, "doors": doors })))
    }

    /// The templates of an enrolled person, which stand in place of a template.
    pub(super) fn templates_of_person(&self, text: &str) -> Result<Vec<Template>, Error> {
        let id = PersonId::new(text).ok_or_else(|| refused(PeopleError::Unknown))?;
        let templates = self.people()?.templates_of(&id).map_err(refused)?;
        if templates.is_empty() { Err(refused(PeopleError::NoTemplate)) } else { Ok(templates) }
    }
}

/// The id in the path.
fn id(call: &Call) -> Result<&PersonId, Error> {
    call.people.id.as_ref().ok_or_else(|| refused(PeopleError::Unknown))
}

fn draft(body: &[u8]) -> Result<Draft, Error> {
    // Serde's message would repeat what was sent.
    let told = |e: serde_json::Error| {
        let what = if e.is_data() { e.to_string() } else { "the body is not JSON".to_owned() };
        let what: String = what.chars().filter(|c| !c.is_control()).take(200).collect();
        refused(PeopleError::Invalid(what))
    };
    // Serde would take a list for a person as well.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(refused(PeopleError::Invalid("a person is an object".into())));
    }
    serde_json::from_slice(body).map_err(told)
}

fn shown<'a>(people: &People, profile: &'a Arc<Profile>) -> Shown<'a> {
    Shown {
        id: &profile.id,
        name: &profile.name,
        groups: &profile.groups,
        valid_from: profile.valid_from,
        valid_until: profile.valid_until,
        external_id: profile.external_id.as_deref(),
        version: profile.version,
        created: profile.created,
        changed: profile.changed,
        needs_enrollment: people.needs_enrollment(profile),
        templates: profile
            .templates
            .iter()
            .map(|info| ShownTemplate { info, current: people.is_current(info) })
            .collect(),
        credentials: profile.credentials.len(),
    }
}

/// The ETag of a person.
fn etag(profile: &Profile) -> String {
    let crate::people::Tag { version, created_ms } = profile.tag();
    format!("\"{version}-{created_ms}\"")
}

/// A person as reply, with its state as the tag by which it can be changed.
fn person(people: &People, profile: &Arc<Profile>) -> Reply {
    Reply::json(&shown(people, profile)).with("ETag", etag(profile))
}

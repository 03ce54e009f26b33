//! Defines a person who is enrolled: what is kept of it, and what may be said in each field.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::credential::{CREDENTIALS, Credential};
use crate::ops::SecretBytes;

/// Most bytes of a name: the longest of which a registry office knows have some 200.
const NAME_BYTES: usize = 256;
/// Most groups of a person, and bytes of each group's name.
const GROUPS: usize = 32;
const GROUP_BYTES: usize = 64;
/// Most bytes of the id that another system has for the person.
const EXTERNAL_BYTES: usize = 128;
/// Highest version and highest number of a template that records from elsewhere may have: no person is changed so often.
const MOST_VERSION: u64 = 1 << 53;
const MOST_NUMBER: u32 = i32::MAX.unsigned_abs();
/// Most templates of a person: with more, whom a stranger resembles becomes likelier, and accuracy no better.
pub const TEMPLATES: usize = 16;

/// Id of a person: 1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, but neither `.` nor `..`, which clients
/// remove from paths, nor what else stands in its place there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PersonId(String);

/// What a client says of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The id; one is made if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub id: Option<PersonId>,
    /// The name that is shown; any text in one line.
    pub name: String,
    /// Groups, by which doors have their schedules.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The person is unknown before this.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
    /// The person is unknown from this on.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    /// The id that another system has for the person.
    #[serde(default)]
    pub external_id: Option<String>,
}

/// A person, without the templates' bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The id, which never changes.
    pub id: PersonId,
    /// See [`Draft`].
    pub name: String,
    /// See [`Draft`].
    pub groups: Vec<String>,
    /// See [`Draft`].
    pub valid_from: Option<Timestamp>,
    /// See [`Draft`].
    pub valid_until: Option<Timestamp>,
    /// See [`Draft`].
    pub external_id: Option<String>,
    /// Counts changes from 1 on.
    pub version: u64,
    /// The highest number that a template ever had.
    #[serde(default)]
    pub last_number: u32,
    /// When it was enrolled.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// Its templates.
    pub templates: Vec<TemplateInfo>,
    /// What it has beside its face.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
}

/// A state of a person, as its ETag tells: the version, and the time of the enrollment in milliseconds, since an id may be given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// See [`Profile::version`].
    pub version: u64,
    /// See [`Profile::created`].
    pub created_ms: i64,
}

/// What is known of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateInfo {
    /// Its number, which is not used again for this person.
    pub number: u32,
    /// Id of the embedding model.
    pub model: u16,
    /// Samples that it was made from.
    pub samples: u8,
    /// Their quality, 0 to 100.
    pub quality: u8,
    /// When it was added.
    pub created: Timestamp,
    /// What it was made from.
    pub source: Source,
    /// What was asked of liveness; none for pictures and templates.
    pub liveness: Option<String>,
}

/// What a template was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A picture that a client sent.
    Picture,
    /// A template that a client sent.
    Template,
    /// The camera.
    Camera,
    /// The camera, when the person was identified by templates of another model.
    Visit,
}

/// A person with the templates' bytes, in the order of [`Profile::templates`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// All but the bytes.
    pub profile: Profile,
    /// The bytes of each template, as `extract` returns them where nothing is sealed.
    pub templates: Vec<SecretBytes>,
}

impl PersonId {
    /// The id in this text.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
        (fits && ![".", "..", "identify", "export", "import"].contains(&&*text)).then_some(Self(text))
    }

    /// A new one: a UUID of version 7 (RFC 9562, 5.7), so that ids sort by their age.
    pub fn generate(now: Timestamp) -> Self {
        let milliseconds = u128::from(now.as_millisecond().max(0).cast_unsigned()) & 0xFFFF_FFFF_FFFF;
        let random = crate::ops::random() & 0x0FFF_3FFF_FFFF_FFFF_FFFF;
        let hex = format!("{:032x}", milliseconds << 80 | 7 << 76 | 2 << 62 | random);
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PersonId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let told = "an id has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'";
        Self::new(String::deserialize(from)?).ok_or_else(|| serde::de::Error::custom(told))
    }
}

/// An id that is given is one: null is none.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PersonId>, D::Error> {
    PersonId::deserialize(from).map(Some)
}

impl Draft {
    /// What is wrong with it, in words.
    pub fn is_valid(&self) -> Result<(), String> {
        line("name", &self.name, NAME_BYTES)?;
        if self.groups.len() > GROUPS {
            return Err(format!("groups has more than {GROUPS}"));
        }
        for group in &self.groups {
            line("a group", group, GROUP_BYTES)?;
            if group.is_empty() {
                return Err("a group has no name".into());
            }
        }
        if let Some(id) = &self.external_id {
            line("external_id", id, EXTERNAL_BYTES)?;
        }
        match (self.valid_from, self.valid_until) {
            (Some(from), Some(until)) if from >= until => Err("valid_until is not after valid_from".into()),
            _ => Ok(()),
        }
    }

    /// The person of this draft, enrolled now, without templates.
    pub fn enrolled(self, now: Timestamp) -> Person {
        let id = self.id.clone().unwrap_or_else(|| PersonId::generate(now));
        let fresh = Profile {
            id,
            name: String::new(),
            groups: vec![],
            valid_from: None,
            valid_until: None,
            external_id: None,
            version: 0,
            last_number: 0,
            created: now,
            changed: now,
            templates: vec![],
            credentials: vec![],
        };
        Person { profile: fresh.changed_to(self, now), templates: vec![] }
    }
}

impl Profile {
    /// The same person as a draft says, one version later. Its id stays.
    pub fn changed_to(self, draft: Draft, now: Timestamp) -> Self {
        let Draft { id: _, name, mut groups, valid_from, valid_until, external_id } = draft;
        groups.sort_unstable();
        groups.dedup();
        Self { name, groups, valid_from, valid_until, external_id, ..self }.next(now)
    }

    /// The same, one version later.
    pub(super) fn next(mut self, now: Timestamp) -> Self {
        self.version = self.version.saturating_add(1);
        // Clocks of boards jump; a change is never before the enrollment.
        self.changed = now.max(self.created);
        self
    }

    /// The present state.
    pub fn tag(&self) -> Tag {
        Tag { version: self.version, created_ms: self.created.as_millisecond() }
    }

    /// The number for a new template.
    pub(super) fn number(&mut self) -> u32 {
        let highest = self.templates.iter().map(|t| t.number).max().unwrap_or_default();
        self.last_number = self.last_number.max(highest).saturating_add(1);
        self.last_number
    }

    /// Whether the person is to be let in at this time, as far as the dates go.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= now) && self.valid_until.is_none_or(|until| now < until)
    }

    /// Whether none of its templates can be compared by this model.
    pub fn needs_enrollment(&self, model: u16) -> bool {
        !self.templates.iter().any(|template| template.model == model)
    }

    /// What is wrong with it, in words: for records that come from outside.
    pub(super) fn check(&self) -> Result<(), String> {
        let draft = Draft {
            id: None,
            name: self.name.clone(),
            groups: self.groups.clone(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            external_id: self.external_id.clone(),
        };
        draft.is_valid()?;
        if !(1..=MOST_VERSION).contains(&self.version) || self.last_number > MOST_NUMBER {
            return Err("its version or a number is impossible".into());
        }
        if self.templates.iter().any(|t| !(1..=MOST_NUMBER).contains(&t.number)) {
            return Err("a template has an impossible number".into());
        }
        if self.credentials.len() > CREDENTIALS || !self.credentials.iter().all(Credential::is_whole) {
            return Err("a credential is impossible, or there are too many".into());
        }
        let mut numbers: Vec<u32> = self.templates.iter().map(|t| t.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        match (numbers.len() == self.templates.len(), self.templates.len() > TEMPLATES) {
            (false, _) => Err("two templates have one number".into()),
            (_, true) => Err(format!("it has more than {TEMPLATES} templates")),
            _ => Ok(()),
        }
    }
}

/// Whether a text is short enough and one line. Direction marks are let through: names are written in all scripts, and whoever shows them
/// isolates them.
fn line(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("{what} has {} bytes, more than {most}", text.len()));
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(format!("{what} has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["a", "Ann.Lee_2-x", "...", &"x".repeat(64)] {
            assert!(PersonId::new(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "export", "a/b", "ä", "a b", "%61", "a\n", &"x".repeat(65)] {
            assert!(PersonId::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn generated_ids_are_uuids_of_version_7_in_order_of_time() {
        let ids = [1, 2_000_000_000].map(|second| PersonId::generate(at(second)).to_string());
        assert!(ids[0] < ids[1] && ids[1].starts_with("01d1a94a-2000-7"), "{ids:?}");
        for id in ids {
            assert!(id.len() == 36 && id.as_bytes()[14] == b'7' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
        assert_ne!(PersonId::generate(at(5)), PersonId::generate(at(5)));
    }

    #[test]
    fn drafts_are_checked() {
        let good = Draft {
            name: "Zoë \u{202e}abc".into(),
            groups: vec!["b".into(), "a".into(), "b".into()],
            ..Draft::default()
        };
        assert_eq!(good.is_valid(), Ok(()));
        assert_eq!(good.clone().enrolled(at(9)).profile.groups, ["a", "b"]);
        let with = |change: fn(&mut Draft)| {
            let mut draft = good.clone();
            change(&mut draft);
            draft.is_valid().unwrap_err()
        };
        for (told, text) in [
            (with(|d| d.name = "x".repeat(257)), "name has 257 bytes"),
            (with(|d| d.name = "a\nb".into()), "control"),
            (with(|d| d.name = "a\u{2028}b".into()), "control"),
            (with(|d| d.groups = vec!["g".into(); 33]), "more than 32"),
            (with(|d| d.groups = vec![String::new()]), "no name"),
            (with(|d| d.external_id = Some("x".repeat(129))), "external_id"),
            (
                with(|d| (d.valid_from, d.valid_until) = (Some(Timestamp::UNIX_EPOCH), Some(Timestamp::UNIX_EPOCH))),
                "not after",
            ),
        ] {
            assert!(told.contains(text), "{told}");
        }
    }

    #[test]
    fn a_person_is_valid_from_one_time_until_before_another() {
        let draft = Draft { valid_from: Some(at(10)), valid_until: Some(at(20)), ..Draft::default() };
        let profile = draft.enrolled(at(0)).profile;
        assert_eq!([9, 10, 19, 20].map(|s| profile.is_valid(at(s))), [false, true, true, false]);
        assert!(Draft::default().enrolled(at(0)).profile.is_valid(at(-5)));
        assert_eq!(
            (profile.version, profile.clone().next(at(-9)).version, profile.next(at(-9)).changed),
            (1, 2, at(0))
        );
    }
}

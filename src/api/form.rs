//! The parts that a method takes, found among those that were sent.
//!
//! Order of checks: the Content-Type of every part, then that all are there, then base64.

use std::borrow::Cow;

use super::encoding::decode_base64;
use super::error::{Error, Family, Kind};
use super::multipart::Part;
use crate::ops::{Limits, Wiped};

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A picture.
    Sample,
    /// A template.
    Template,
}

/// The parts of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Each of these once.
    pub(super) one: &'static [(&'static str, Field)],
    /// This one any number of times.
    pub(super) many: Option<(&'static str, Field)>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// Whether templates go back as base64: the request, or a part of it, came so.
    pub(super) base64: bool,
    /// In the order of [`Form::one`].
    pub(super) one: Vec<Item<'a>>,
    /// In the order of the body.
    pub(super) many: Vec<Item<'a>>,
}

/// A part.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// Its name; of many of a kind the file name, or the index among them.
    pub(super) label: String,
    /// The person that its template is bound to, if the part names one.
    pub(super) subject: Option<String>,
    /// Its content.
    pub(super) bytes: Cow<'a, [u8]>,
}

impl Drop for Found<'_> {
    /// What was decoded from base64 is wiped; what lies in the body is wiped with it.
    fn drop(&mut self) {
        for item in self.one.iter_mut().chain(&mut self.many) {
            if let Cow::Owned(content) = &mut item.bytes {
                drop(Wiped::from(std::mem::take(content)));
            }
        }
    }
}

impl Field {
    /// The kind of error that a bad one is.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Sample => Kind::Sample,
            Self::Template => Kind::Template,
        }
    }

    fn fits(self, essence: &str, is_picture: bool) -> bool {
        match self {
            Self::Sample => is_picture,
            Self::Template => essence == "application/octet-stream",
        }
    }
}

impl Form {
    /// What the body mainly holds: decides the code of an error about the body as a whole.
    pub(super) fn first(&self) -> Field {
        self.one.first().or(self.many.as_ref()).map_or(Field::Sample, |(_, field)| *field)
    }

    /// Whether a part of that name is one of this form's.
    pub(super) fn has(&self, part: &str) -> bool {
        self.one.iter().chain(&self.many).any(|(name, _)| *name == part)
    }

    /// Finds this form's parts; others are ignored. `base64` is the request's own encoding header.
    pub(super) fn find<'a>(&self, parts: Vec<Part<'a>>, base64: bool, limits: &Limits) -> Result<Found<'a>, Error> {
        let fail = |kind, detail: String| Err(Error::new(Family::Pattern, kind, detail));
        for part in &parts {
            let field = self.one.iter().chain(&self.many).find(|(name, _)| *name == part.name);
            let (Some((name, field)), Some(given)) = (field, &part.content_type) else { continue };
            if !field.fits(&given.essence, given.is_picture()) {
                let want = if *field == Field::Sample { "image/jpeg or image/png" } else { "application/octet-stream" };
                return fail(Kind::PartType, format!("the part {name} must be {want}"));
            }
        }
        for (name, field) in self.one {
            match parts.iter().filter(|p| p.name == *name).count() {
                0 => return fail(field.kind(), format!("the part {name} is missing")),
                1 => {}
                n => return fail(field.kind(), format!("the part {name} was sent {n} times")),
            }
        }
        let named = |wanted: &'static str| parts.iter().filter(move |p| p.name == wanted);
        let mut found = Found::default();
        found.base64 = base64 || parts.iter().any(|part| part.is_base64);
        for (name, field) in self.one {
            for part in named(name) {
                let (label, subject) = ((*name).to_owned(), part.subject.clone());
                found.one.push(Item { label, subject, bytes: content(part, base64, *field, name)? });
            }
        }
        if let Some((name, field)) = self.many {
            let limit = if field == Field::Sample { limits.samples } else { limits.templates };
            if named(name).count() > limit {
                return fail(field.kind(), format!("more than {limit} parts {name}"));
            }
            for (index, mut part) in parts.into_iter().filter(|part| part.name == name).enumerate() {
                let label = part.filename.take().filter(|f| !f.is_empty()).unwrap_or_else(|| index.to_string());
                let bytes = content(&part, base64, field, &label)?;
                found.many.push(Item { label, subject: part.subject, bytes });
            }
        }
        Ok(found)
    }
}

/// The part's bytes, decoded if the request's header or its own says so.
fn content<'a>(part: &Part<'a>, base64: bool, field: Field, label: &str) -> Result<Cow<'a, [u8]>, Error> {
    if !base64 && !part.is_base64 {
        return Ok(Cow::Borrowed(part.content));
    }
    let refused = |_| Error::new(Family::Pattern, field.kind(), format!("{label}: it is not base64"));
    decode_base64(part.content).map(Cow::Owned).map_err(refused)
}

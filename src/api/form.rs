//! Finds the parts that a method takes among those that were sent.
//!
//! Order of checks: the Content-Type of every part, then that all are there, then base64.

use super::content_type::ContentType;
use super::encoding::decode_base64;
use super::error::{Error, Family, Kind};
use super::multipart::Part;
use super::text::quoted;
use crate::ops::{Content, Limits, counted};

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

/// The parts that were found.
#[derive(Debug, Default)]
pub(super) struct FormValues<'a> {
    /// Whether templates are returned as base64: the request, or a part of it, was base64.
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
    pub(super) bytes: Content<'a>,
}

impl Field {
    /// The kind of error that a bad one is.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Sample => Kind::Sample,
            Self::Template => Kind::Template,
        }
    }

    /// Whether a part may have this type. A base64 part may be labeled as text, which it is.
    fn fits(self, given: &ContentType, is_base64: bool) -> bool {
        match self {
            _ if is_base64 && given.is_plain_text() => true,
            Self::Sample => given.is_picture(),
            Self::Template => given.essence == "application/octet-stream",
        }
    }
}

impl Form {
    /// The main content of the body, which decides the code of an error about the body as a whole.
    pub(super) fn first(&self) -> Field {
        self.one.first().or(self.many.as_ref()).map_or(Field::Sample, |(_, field)| *field)
    }

    /// Whether a part of that name is one of this form's.
    pub(super) fn has(&self, part: &str) -> bool {
        self.one.iter().chain(&self.many).any(|(name, _)| *name == part)
    }

    /// Addition to "the part is missing" if there is a part of another name; else empty.
    fn instead(&self, parts: &[Part<'_>]) -> String {
        let known: Vec<&str> = self.one.iter().chain(&self.many).map(|(name, _)| *name).collect();
        match parts.iter().find(|part| !self.has(&part.name)) {
            Some(other) => format!("; {} was sent, and this method takes {}", quoted(&other.name), known.join(", ")),
            None => String::new(),
        }
    }

    /// Finds this form's parts; others are ignored, unless one is missing. `base64` is the request's own encoding header.
    pub(super) fn find<'a>(
        &self,
        parts: Vec<Part<'a>>,
        base64: bool,
        limits: &Limits,
    ) -> Result<FormValues<'a>, Error> {
        let fail = |kind, detail: String| Err(Error::new(Family::Pattern, kind, detail));
        for part in &parts {
            let field = self.one.iter().chain(&self.many).find(|(name, _)| *name == part.name);
            let (Some((name, field)), Some(given)) = (field, &part.content_type) else { continue };
            if !field.fits(given, base64 || part.is_base64) {
                let want = if *field == Field::Sample { "image/jpeg or image/png" } else { "application/octet-stream" };
                return fail(Kind::PartType, format!("the part {name} must be {want}"));
            }
        }
        for (name, field) in self.one {
            match parts.iter().filter(|p| p.name == *name).count() {
                0 => return fail(field.kind(), format!("the part {name} is missing{}", self.instead(&parts))),
                1 => {}
                n => return fail(field.kind(), format!("the part {name} was sent {n} times")),
            }
        }
        let named = |wanted: &'static str| parts.iter().filter(move |p| p.name == wanted);
        let any = base64 || parts.iter().any(|part| part.is_base64);
        let mut found = FormValues { base64: any, ..FormValues::default() };
        for (name, field) in self.one {
            for part in named(name) {
                let (label, subject) = ((*name).to_owned(), part.subject.clone());
                found.one.push(Item { label, subject, bytes: content(part, base64, *field, name)? });
            }
        }
        if let Some((name, field)) = self.many {
            let limit = if field == Field::Sample { limits.samples } else { limits.templates };
            match named(name).count() {
                // A list may be empty, but not because its name was misspelled: the reply would say that no template matches.
                0 if !self.instead(&parts).is_empty() => {
                    return fail(field.kind(), format!("the part {name} is missing{}", self.instead(&parts)));
                }
                n if n > limit => {
                    return fail(field.kind(), format!("more than {} {name}", counted(limit, "part", "parts")));
                }
                _ => {}
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
fn content<'a>(part: &Part<'a>, base64: bool, field: Field, label: &str) -> Result<Content<'a>, Error> {
    if !base64 && !part.is_base64 {
        return Ok(Content::Sent(part.content));
    }
    let refused = |_| Error::new(Family::Pattern, field.kind(), format!("{label}: it is not base64"));
    decode_base64(part.content).map(Content::from).map_err(refused)
}

//! The media of a detect request, found among its parts.
//!
//! Their names are the caller's choice, so that anything but `payload` may be one. A short text without a file name, as forms
//! send beside their files, is none and is ignored; everything else is judged, so that a damaged medium fails instead of
//! being overlooked.

use std::borrow::Cow;

use super::payload::{Payload, quoted};
use crate::api::body::{Body, Piece};
use crate::api::content_type::ContentType;
use crate::api::encoding::decode_base64;
use crate::api::error::{Error, Family, Kind};
use crate::api::multipart::Part;
use crate::media;
use crate::ops::Limits;

/// What was sent.
#[derive(Debug)]
pub(in crate::api) struct Submission<'a> {
    pub(in crate::api) payload: Payload,
    /// At least one, each with a name of its own.
    pub(super) media: Vec<Medium<'a>>,
}

/// One picture, video or archive.
#[derive(Debug)]
pub(in crate::api) struct Medium<'a> {
    /// The part's name, by which the payload speaks of it.
    pub(super) key: String,
    /// The file's name, or the part's if there is none.
    pub(super) original_name: String,
    pub(super) bytes: Cow<'a, [u8]>,
    /// What it is, if that can be told.
    pub(super) kind: Option<media::Kind>,
}

impl Medium<'_> {
    /// Its bytes, for one who looks at them elsewhere: a piece of `body`, or what was decoded from it, which is moved.
    pub(super) fn take(&mut self, body: &Body) -> Piece {
        match std::mem::take(&mut self.bytes) {
            Cow::Borrowed(bytes) => body.piece(bytes),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

/// The name of the part that is no medium.
const PAYLOAD: &str = "payload";

/// A longer text without a file name is taken for a medium.
const LONGEST_FIELD: usize = 4096;

impl<'a> Submission<'a> {
    /// A request whose body is the one picture.
    pub(super) fn picture(body: Cow<'a, [u8]>) -> Self {
        let kind = media::kind(&body);
        let medium = Medium { key: String::new(), original_name: String::new(), bytes: body, kind };
        Self { payload: Payload::none(), media: vec![medium] }
    }

    /// What was not sent but seen, under the name `key`.
    pub(in crate::api) fn live(key: &str, kind: media::Kind) -> Self {
        let bytes = Cow::Borrowed(&[][..]);
        let medium = Medium { key: key.into(), original_name: key.into(), bytes, kind: Some(kind) };
        Self { payload: Payload::none(), media: vec![medium] }
    }

    /// The same with a payload. The error names the key and what it must be.
    pub(in crate::api) fn with_payload(self, text: &[u8], limits: &Limits) -> Result<Self, String> {
        Ok(Self { payload: Payload::parse(text, limits)?, ..self })
    }

    /// The same with the payload of a form, if it has one. Other parts are refused: a picture that was sent would not be judged.
    pub(in crate::api) fn with_payload_of(mut self, parts: &[Part<'a>], limits: &Limits) -> Result<Self, Error> {
        let payload = find_payload(parts, limits)?;
        if let Some(part) = parts.iter().find(|part| part.name != PAYLOAD && !is_field(part)) {
            let name = quoted(&part.name);
            return Err(fail(Kind::Sample, format!("the part {name} is of no use: the sample comes from the camera")));
        }
        self.payload = payload.unwrap_or_else(Payload::none);
        Ok(self)
    }

    /// Sorts the parts of a form. `base64` is the request's own encoding header.
    pub(super) fn find(parts: &[Part<'a>], base64: bool, limits: &Limits) -> Result<Self, Error> {
        let parts: Vec<_> = parts.iter().filter(|p| p.name == PAYLOAD || base64 || !is_field(p)).collect();
        for part in &parts {
            let Some(given) = &part.content_type else { continue };
            let want = match part.name == PAYLOAD {
                true if !fits_payload(given) => "application/json",
                false if !fits_medium(given) => "image/jpeg, image/png, a video type or application/zip",
                _ => continue,
            };
            return Err(fail(Kind::PartType, format!("the part {} must be {want}", quoted(&part.name))));
        }
        let payload = find_payload(parts.iter().copied(), limits)?;
        let mut media: Vec<Medium<'a>> = vec![];
        for part in parts.into_iter().filter(|part| part.name != PAYLOAD) {
            if media.iter().any(|m| m.key == part.name) {
                let name = quoted(&part.name);
                return Err(fail(Kind::Sample, format!("two media have the name {name}; each needs its own")));
            }
            if media.len() == limits.media {
                return Err(fail(Kind::Sample, format!("more than {} media", limits.media)));
            }
            let original_name = part.filename.clone().filter(|f| !f.is_empty()).unwrap_or_else(|| part.name.clone());
            let bytes = content(part, base64)?;
            media.push(Medium { key: part.name.clone(), original_name, kind: media::kind(&bytes), bytes });
        }
        if media.is_empty() {
            return Err(fail(Kind::Sample, "no picture, video or archive was sent"));
        }
        Ok(Self { payload: payload.unwrap_or_else(Payload::none), media })
    }
}

/// The payload among the parts of a form.
fn find_payload<'p, 'a: 'p>(
    parts: impl IntoIterator<Item = &'p Part<'a>>,
    limits: &Limits,
) -> Result<Option<Payload>, Error> {
    let mut payload = None;
    for part in parts.into_iter().filter(|part| part.name == PAYLOAD) {
        let text = if part.is_base64 { content(part, true)? } else { Cow::Borrowed(part.content) };
        if payload.replace(Payload::parse(&text, limits).map_err(|e| fail(Kind::Sample, e))?).is_some() {
            return Err(fail(Kind::Sample, "the part payload was sent twice"));
        }
    }
    Ok(payload)
}

/// Whether a part is a form's own text beside the media.
fn is_field(part: &Part<'_>) -> bool {
    part.filename.is_none()
        && !part.is_base64
        && part.content_type.as_ref().is_none_or(|c| c.essence.starts_with("text/"))
        && part.content.len() <= LONGEST_FIELD
        && std::str::from_utf8(part.content).is_ok()
        && media::kind(part.content).is_none()
}

fn fits_payload(given: &ContentType) -> bool {
    matches!(&*given.essence, "application/json" | "application/octet-stream") || given.essence.starts_with("text/")
}

/// Clients label videos and archives by their operating system's table, often with the type for "anything". The label only
/// sorts out what cannot be meant; the bytes decide what it is.
fn fits_medium(given: &ContentType) -> bool {
    const OTHERS: [&str; 5] = [
        "application/octet-stream",
        "application/mp4",
        "application/zip",
        "application/x-zip",
        "application/x-zip-compressed",
    ];
    given.is_picture() || given.essence.starts_with("video/") || OTHERS.contains(&&*given.essence)
}

/// The part's bytes, decoded if the request's header or its own says so.
fn content<'a>(part: &Part<'a>, base64: bool) -> Result<Cow<'a, [u8]>, Error> {
    if !base64 && !part.is_base64 {
        return Ok(Cow::Borrowed(part.content));
    }
    let refused = |_| fail(Kind::Sample, format!("{}: it is not base64", quoted(&part.name)));
    decode_base64(part.content).map(Cow::Owned).map_err(refused)
}

fn fail(kind: Kind, detail: impl Into<String>) -> Error {
    Error::new(Family::Liveness, kind, detail)
}

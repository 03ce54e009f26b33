//! Finds the media of a detect request among its parts.
//!
//! The caller chooses their names, so that any part but `payload` may be a medium. A short text without a file name, as forms send
//! beside their files, is none and is ignored; everything else is judged, so that a damaged medium fails instead of being
//! overlooked.

use super::payload::Payload;
use crate::api::body::{Body, BodySlice};
use crate::api::content_type::ContentType;
use crate::api::encoding::decode_base64;
use crate::api::error::{Error, Family, Kind};
use crate::api::multipart::Part;
use crate::api::text::quoted;
use crate::media;
use crate::ops::{Content, Limits, counted};

/// The media of a request and its payload.
#[derive(Debug)]
pub(in crate::api) struct Submission<'a> {
    pub(in crate::api) payload: Payload,
    /// At least one, each with a name of its own.
    pub(super) media: Vec<Medium<'a>>,
}

/// One picture, video or archive.
#[derive(Debug)]
pub(in crate::api) struct Medium<'a> {
    /// The part's name, by which the payload refers to it.
    pub(super) key: String,
    /// The file's name, or the part's if there is none.
    pub(super) original_name: String,
    pub(super) bytes: Content<'a>,
    /// Its kind, if that can be told.
    pub(super) kind: Option<media::Kind>,
}

impl Medium<'_> {
    /// Takes its bytes, to be passed to a worker. They are not kept here: decoded bytes are freed once they were judged.
    pub(super) fn take(&mut self, body: &Body) -> BodySlice {
        body.share(&std::mem::take(&mut self.bytes))
    }
}

/// The name of the part that is no medium.
const PAYLOAD: &str = "payload";

/// A text without a file name that is longer than this is taken for a medium.
const LONGEST_FIELD: usize = 4096;

impl<'a> Submission<'a> {
    /// A request whose body is the one picture.
    pub(super) fn picture(body: Content<'a>) -> Self {
        let kind = media::kind(&body);
        let medium = Medium { key: String::new(), original_name: String::new(), bytes: body, kind };
        Self { payload: Payload::none(), media: vec![medium] }
    }

    /// A medium from the camera instead of the request, under the name `key`.
    pub(in crate::api) fn live(key: &str, kind: media::Kind) -> Self {
        let bytes = Content::default();
        let medium = Medium { key: key.into(), original_name: key.into(), bytes, kind: Some(kind) };
        Self { payload: Payload::none(), media: vec![medium] }
    }

    /// The same with a payload. The error names the key and what it must be.
    pub(in crate::api) fn with_payload(self, text: &[u8], limits: &Limits) -> Result<Self, String> {
        Ok(Self { payload: Payload::parse(text, limits)?, ..self })
    }

    /// The same with the payload of a form, if it has one. Other parts are refused: a picture in them would not be judged.
    pub(in crate::api) fn with_payload_of(mut self, parts: &[Part<'a>], limits: &Limits) -> Result<Self, Error> {
        let payload = find_payload(parts, limits)?;
        if let Some(part) = parts.iter().find(|part| part.name != PAYLOAD && !is_field(part)) {
            let name = quoted(&part.name);
            return Err(fail(
                Kind::Sample,
                format!("the part {name} is not accepted: the sample comes from the camera"),
            ));
        }
        self.payload = payload.unwrap_or_else(Payload::none);
        Ok(self)
    }

    /// The same with no threshold above `most`.
    pub(in crate::api) fn capped(self, most: f64) -> Self {
        Self { payload: self.payload.capped(most), ..self }
    }

    /// Sorts the parts of a form. `base64` is the request's own encoding header.
    pub(super) fn find(parts: &[Part<'a>], base64: bool, limits: &Limits) -> Result<Self, Error> {
        let parts: Vec<_> = parts.iter().filter(|p| p.name == PAYLOAD || base64 || !is_field(p)).collect();
        for part in &parts {
            let Some(given) = &part.content_type else { continue };
            let want = match part.name == PAYLOAD {
                true if !fits_payload(given) => "application/json",
                false if !fits_medium(given, base64 || part.is_base64) => {
                    "image/jpeg, image/png, a video type or application/zip"
                }
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
                return Err(fail(Kind::Sample, format!("more than {}", counted(limits.media, "medium", "media"))));
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
        let text = if part.is_base64 { content(part, true)? } else { Content::Sent(part.content) };
        if payload.replace(Payload::parse(&text, limits).map_err(|e| fail(Kind::Sample, e))?).is_some() {
            return Err(fail(Kind::Sample, "the part payload was sent twice"));
        }
    }
    Ok(payload)
}

/// Whether a part is a text field of the form instead of a medium.
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

/// Clients label videos and archives by their operating system's table, often with the type for "anything". The label only excludes
/// impossible types; the bytes decide what it is. A base64 part may be labeled as text, which it is.
fn fits_medium(given: &ContentType, is_base64: bool) -> bool {
    const OTHERS: [&str; 5] = [
        "application/octet-stream",
        "application/mp4",
        "application/zip",
        "application/x-zip",
        "application/x-zip-compressed",
    ];
    given.is_picture()
        || given.essence.starts_with("video/")
        || OTHERS.contains(&&*given.essence)
        || is_base64 && given.is_plain_text()
}

/// The part's bytes, decoded if the request's header or its own says so.
fn content<'a>(part: &Part<'a>, base64: bool) -> Result<Content<'a>, Error> {
    if !base64 && !part.is_base64 {
        return Ok(Content::Sent(part.content));
    }
    let refused = |_| fail(Kind::Sample, format!("{}: it is not base64", quoted(&part.name)));
    decode_base64(part.content).map(Content::from).map_err(refused)
}

fn fail(kind: Kind, detail: impl Into<String>) -> Error {
    Error::new(Family::Liveness, kind, detail)
}

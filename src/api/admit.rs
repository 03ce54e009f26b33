//! Checks the head of a request, and the parts of its form.

use super::camera::Language;
use super::camera_query::CameraQuery;
use super::content_type::ContentType;
use super::context::{Call, Service};
use super::error::{Error, Family, Kind};
use super::events::{EventsCall, parse as parse_events};
use super::form::FormValues;
use super::multipart;
use super::page_call::PageCall;
use super::people::{LINES, PeopleCall, parse};
use super::route::{Accepts, Route, query};
use super::text::quoted;
use crate::gate::Head;

/// Longest name of a person that a template is bound to, in bytes.
const LONGEST_SUBJECT: usize = 255;

impl Service {
    /// Checks the head of a request: path, verb, Content-Type.
    pub(super) fn call(&self, head: &Head) -> Result<Call, Error> {
        let route = Route::find(&head.method, &head.target)?;
        let base64 = head.header("Content-Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("base64"));
        let is_coded = |coding: &str| !coding.trim().eq_ignore_ascii_case("identity") && !coding.trim().is_empty();
        if let Some(codings) = head.header("Content-Encoding").filter(|codings| codings.split(',').any(is_coded))
            && ["POST", "PUT"].contains(&route.method())
        {
            let detail = format!("Content-Encoding is {}; send the body as it is, without it", quoted(codings));
            return Err(Error::new(route.family(), Kind::ContentEncoding, detail));
        }
        let given = head.header("Content-Type").map(ContentType::parse);
        let (people, camera_query) = match route.parameters().filter(|_| route.is_of_people()) {
            None => (PeopleCall::default(), query(&head.target).to_owned()),
            Some(known) => parse(&route.values(&head.target), query(&head.target), known, head.header("If-Match"))
                .map_err(|what| Error::new(route.family(), Kind::Parameter, what))?,
        };
        let ask = CameraQuery::new(self.capturer.settings(), &self.liveness, &self.limits);
        let events = match route.parameters().filter(|_| route.is_of_events()) {
            None => EventsCall::default(),
            Some(known) => parse_events(&route.values(&head.target), query(&head.target), known)
                .map_err(|what| Error::new(route.family(), Kind::Parameter, what))?,
        };
        let ask = match route.parameters() {
            None => ask,
            // Clients do not send a fragment, and it would not be read.
            Some(_) if head.target.contains('#') => {
                return Err(Error::new(route.family(), Kind::Parameter, "the target has a fragment"));
            }
            Some(_) if route.is_of_events() => ask,
            Some(known) => ask
                .read(&camera_query, known, &self.limits)
                .map_err(|what| Error::new(route.family(), Kind::Parameter, what))?,
        };
        let refused = |want: &str| Err(Error::new(route.family(), Kind::ContentType, format!("it must be {want}")));
        let form = given.as_ref().filter(|c| c.essence == "multipart/form-data");
        let boundary = form.and_then(multipart::boundary).map(str::to_owned);
        let is_template = given.as_ref().is_some_and(|c| c.essence == "application/octet-stream");
        let picture = given.as_ref().is_some_and(ContentType::is_picture);
        match route.accepts() {
            Accepts::Picture if !picture => return refused("image/jpeg or image/png"),
            Accepts::Json if given.as_ref().is_none_or(|c| c.essence != "application/json") => {
                return refused("application/json");
            }
            Accepts::Lines if given.as_ref().is_none_or(|c| c.essence != LINES) => return refused(LINES),
            Accepts::Enrollment if !people.from_camera && !picture && !is_template => {
                return refused("image/jpeg, image/png or application/octet-stream, or left out with source=camera");
            }
            Accepts::Form(_) if form.is_none() => return refused("multipart/form-data"),
            Accepts::PictureOrForm if form.is_none() && !picture => {
                return refused("image/jpeg, image/png or multipart/form-data");
            }
            Accepts::Payload if form.is_none() && given.as_ref().is_some_and(|c| c.essence != "application/json") => {
                return refused("application/json or multipart/form-data, or left out with the body");
            }
            Accepts::Form(_) | Accepts::PictureOrForm | Accepts::Payload if form.is_some() && boundary.is_none() => {
                return refused("multipart/form-data with a boundary of 1 to 70 characters");
            }
            _ => {}
        }
        let subject = head.header("X-Subject").map(str::to_owned);
        let fits = |subject: &String| {
            (1..=LONGEST_SUBJECT).contains(&subject.len()) && subject.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !subject.as_ref().is_none_or(fits) {
            let detail = format!("X-Subject must have 1 to {LONGEST_SUBJECT} visible characters");
            return Err(Error::new(route.family(), Kind::Parameter, detail));
        }
        let language = head.header("Accept-Language").map_or_else(Language::usual, Language::preferred);
        let accepted = head.header("Accept").unwrap_or_default();
        let accepts_events = accepted.split(',').any(|range| {
            let essence = range.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("text/event-stream")
        });
        let last_event = head.header("Last-Event-ID").map(|id| id.trim().to_owned());
        let (request, body) = Default::default();
        Ok(Call {
            route,
            base64,
            boundary,
            ask,
            people,
            is_template,
            request,
            body,
            subject,
            language,
            accepts_events,
            events,
            last_event,
            page: PageCall::of(head, route),
        })
    }

    /// The parts of an admitted request's form.
    pub(super) fn parts<'a>(&self, call: &Call, body: &'a [u8]) -> Result<FormValues<'a>, Error> {
        let (Accepts::Form(form), Some(boundary)) = (call.route.accepts(), &call.boundary) else {
            return Err(Error::internal(Family::Pattern, "a form was expected"));
        };
        call.is_awaited()?;
        let malformed = |e: multipart::Error| Error::new(Family::Pattern, form.first().kind(), e.to_string());
        let parts = multipart::read(body, boundary, &self.limits).map_err(malformed)?;
        // As in the query, nothing is ignored where an access decision may depend on it.
        let unknown = |part: &&multipart::Part<'_>| !form.has(&part.name);
        if let Some(part) = parts.iter().find(unknown).filter(|_| call.route.parameters().is_some()) {
            let detail = format!("the part {} is not accepted here; ask for liveness in the query", quoted(&part.name));
            return Err(Error::new(call.route.family(), Kind::Parameter, detail));
        }
        form.find(parts, call.base64, &self.limits)
    }
}

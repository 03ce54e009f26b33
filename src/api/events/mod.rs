//! Tells what happened: in pages as JSON or CSV (`GET /v1/events`), and as it happens, as server-sent events (WHATWG HTML, section 9.2).

mod query;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

pub(super) use self::query::{EventsCall, parse};
use super::context::{Call, Service, name_of};
use super::error::{DoorKind, Error, Family, Kind as ErrorKind};
use super::reply::Reply;
use super::sse::{STREAMS, stream};
use super::text::raw_json;
use crate::events::{CSV_HEAD, Details, Envelope, Event, Found, Journal, JournalError, Kind, Position};
use crate::face::Sealer;
use crate::ops::Settings;
use crate::ops::shutdown::IDLE;
use crate::people::{Changed, People};
pub use query::fuzz as fuzz_events_query;

/// Most events that are read at once for a stream.
const AT_ONCE: usize = 64;

/// Opens the journal, which from then on has what is changed of people.
pub(super) fn start(settings: &Settings, seals: &Arc<Sealer>, people: Option<&Arc<People>>) -> Arc<Journal> {
    let journal = Arc::new(Journal::open(&settings.events, &settings.device(), seals));
    if let Some(people) = people {
        let journal = Arc::clone(&journal);
        people.observe(Box::new(move |changes| {
            let kind = |changed: &Changed| match changed {
                Changed::Enrolled => Kind::PersonEnrolled,
                Changed::Updated => Kind::PersonChanged,
                Changed::Deleted => Kind::PersonDeleted,
            };
            let events = changes.iter().map(|(id, changed)| (kind(changed), Details::of(id)));
            journal.append_all(events.collect(), Timestamp::now());
        }));
    }
    journal.append(Kind::DeviceStarted, Details::default(), Timestamp::now());
    journal
}

fn unreadable(error: JournalError) -> Error {
    Error::new(Family::Pattern, ErrorKind::Door(DoorKind::Events), error.to_string())
}

impl Service {
    /// The name of an event's person, if somebody of this id is enrolled.
    pub(super) fn name_of(&self, event: &Event) -> Option<String> {
        name_of(self.people.as_deref(), event)
    }

    pub(super) fn list_events(&self, call: &Call) -> Result<Reply, Error> {
        let Found { events, first, last, older } = self.journal.search(&call.events.search).map_err(unreadable)?;
        if call.events.csv {
            let lines = events.iter().map(|event| Envelope::csv(event, self.name_of(event).as_deref()));
            let text: String = std::iter::once(CSV_HEAD.to_owned()).chain(lines).collect();
            return Ok(Reply::ok("text/csv; charset=utf-8", text.into_bytes()));
        }
        #[derive(serde::Serialize)]
        struct Page {
            events: Vec<Box<RawValue>>,
            /// Number of the oldest event that was looked at; what `before` is set to for the page before.
            first: Position,
            /// Number of the newest one; what `after` is set to for the next page.
            last: Position,
            /// Whether there may be older ones.
            older: bool,
            /// Number of the newest event of all.
            newest: Position,
        }
        let envelope = self.journal.envelope();
        let shown = events.iter().map(|event| raw_json(envelope.json(event, self.name_of(event).as_deref())));
        Ok(Reply::json(&Page { events: shown.collect(), first, last, older, newest: self.journal.last() }))
    }

    pub(super) fn event_picture(&self, call: &Call) -> Result<Reply, Error> {
        let found = call.events.number.map_or(Ok(None), |number| self.journal.picture(number)).map_err(unreadable)?;
        let none = || {
            let detail = "none was kept, or it is gone";
            Error::new(Family::Pattern, ErrorKind::Door(DoorKind::NoPicture), detail)
        };
        Ok(Reply::ok("image/jpeg", found.ok_or_else(none)?).with("Cache-Control", "no-store"))
    }

    pub(super) fn stream_events(self: &Arc<Self>, call: &Call) -> Result<Reply, Error> {
        let Some(running) = self.journal_streams.begin(STREAMS) else {
            let detail = format!("{STREAMS} streams of events are running already; try again");
            return Err(Error::new(call.route.family(), ErrorKind::Overloaded, detail));
        };
        // Until then neither numbers nor ids are final.
        self.journal.after(Position::MAX, 1).map_err(unreadable)?;
        let envelope = self.journal.envelope();
        let mut known = match &call.last_event {
            // Numbers of another journal, as of before a restart without a file, say nothing here.
            Some(id) => envelope.sequence(id).filter(|number| *number <= self.journal.last()).unwrap_or(0),
            None => self.journal.last(),
        };
        let news = move |service: &Self| {
            let Ok((events, reached)) = service.journal.after(known, AT_ONCE) else {
                service.shutdown.sleep(IDLE);
                return None;
            };
            known = reached;
            if events.is_empty() {
                service.journal.wait(known, IDLE);
                return None;
            }
            let one = |event: &Arc<Event>| {
                let data = envelope.json(event, service.name_of(event).as_deref());
                format!("id: {}\nevent: {}\ndata: {data}\n\n", envelope.id(event.sequence), event.kind.word())
            };
            Some(events.iter().map(one).collect())
        };
        Ok(stream(self, call, running, news))
    }
}

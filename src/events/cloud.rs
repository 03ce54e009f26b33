//! The envelope in which events leave the device: CloudEvents 1.0 in JSON (structured mode), with the extension `sequence`, and lines of CSV.

use serde::Serialize;

use super::event::{Details, Event};

/// The media type of an event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// What all envelopes of a journal have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The device that tells, as a reference: `/faceplate/front-door`.
    pub source: String,
    /// The journal's own id: sequence numbers of another are others.
    pub journal: String,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    sequence: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    details: &'a Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// The columns of [`Envelope::csv`].
pub const CSV_HEAD: &str =
    "sequence,time,type,person,name,method,reason,score,liveness,latency_ms,seconds,part,unsynchronized\r\n";

impl Envelope {
    /// The id of an event of this number: unique among all events of all devices.
    pub fn id(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.journal)
    }

    /// The number of the event with this id; none if it is of another journal.
    pub fn sequence(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&*self.journal)?.strip_prefix('-')?.parse().ok()
    }

    /// The event as JSON; `name` is that of its person.
    pub fn json(&self, event: &Event, name: Option<&str>) -> String {
        let person = event.details.person.as_ref().map(crate::people::PersonId::as_str);
        let whole = event.kind.word().trim_start_matches("faceplate.");
        let cloud = CloudEvent {
            specversion: "1.0",
            id: self.id(event.sequence),
            source: &self.source,
            kind: event.kind.word(),
            subject: person.unwrap_or_else(|| whole.split('.').next().unwrap_or_default()),
            time: time(event),
            datacontenttype: "application/json",
            // Padded, so that numbers sort as text does.
            sequence: format!("{:020}", event.sequence),
            data: Data { details: &event.details, name },
        };
        serde_json::to_string(&cloud).expect("strings and numbers are JSON")
    }

    /// The event as a line of CSV (RFC 4180) with the columns of [`CSV_HEAD`].
    pub fn csv(event: &Event, name: Option<&str>) -> String {
        let Details { person, method, reason, score, liveness, latency_ms, seconds, part, picture: _, unsynchronized } =
            &event.details;
        let number = |number: &Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let fields = [
            event.sequence.to_string(),
            time(event),
            event.kind.word().to_owned(),
            person.as_ref().map_or_else(String::new, ToString::to_string),
            name.unwrap_or_default().to_owned(),
            method
                .map_or_else(String::new, |m| serde_json::to_value(m).map_or_else(|_| String::new(), |v| text_of(&v))),
            text(reason),
            score.map_or_else(String::new, |score| score.to_string()),
            text(liveness),
            number(latency_ms),
            number(seconds),
            text(part),
            if *unsynchronized { "true".into() } else { String::new() },
        ];
        fields.map(|field| quoted(&field)).join(",") + "\r\n"
    }
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// To milliseconds, as all times that leave the device.
fn time(event: &Event) -> String {
    format!("{:.3}", event.time)
}

/// A field in quotes where it needs them. What a spreadsheet would take for a formula begins with an apostrophe.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::event::{Kind, Method};
    use super::*;
    use crate::people::PersonId;

    fn event() -> Event {
        let person = PersonId::new("ann").unwrap();
        let details = Details { method: Some(Method::Face), score: Some(0.97), ..Details::of(&person) };
        Event {
            sequence: 7,
            time: Timestamp::from_millisecond(1_795_949_831_042).unwrap(),
            kind: Kind::AccessGranted,
            details,
        }
    }

    #[test]
    fn an_event_is_a_cloud_event() {
        let envelope = Envelope { source: "/faceplate/door".into(), journal: "j".into() };
        assert_eq!(
            envelope.json(&event(), Some("Ann \u{202e}\"Lee\"")),
            "{\"specversion\":\"1.0\",\"id\":\"j-7\",\"source\":\"/faceplate/door\",\"type\":\"faceplate.access.granted\",\"subject\":\"ann\",\
             \"time\":\"2026-11-29T10:57:11.042Z\",\"datacontenttype\":\"application/json\",\"sequence\":\"00000000000000000007\",\
             \"data\":{\"person\":\"ann\",\"method\":\"face\",\"score\":0.97,\"name\":\"Ann \u{202e}\\\"Lee\\\"\"}}"
        );
        let closed = Event { kind: Kind::DoorClosed, details: Details::default(), ..event() };
        assert!(envelope.json(&closed, None).contains("\"subject\":\"door\""));
    }

    #[test]
    fn fields_of_csv_are_quoted_and_no_formulas() {
        assert_eq!(
            Envelope::csv(&event(), Some("=cmd(\"x\"), y")),
            "7,2026-11-29T10:57:11.042Z,faceplate.access.granted,ann,\"'=cmd(\"\"x\"\"), y\",face,,0.97,,,,,\r\n"
        );
        assert_eq!(CSV_HEAD.split(',').count(), Envelope::csv(&event(), None).split(',').count());
    }
}

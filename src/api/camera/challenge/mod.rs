//! Tells the pages before the camera what the running challenge asks for (`GET /v1/camera/challenge`): once as JSON, or as
//! server-sent events (WHATWG HTML, section 9.2) where the request accepts those.
//!
//! It runs no challenge: that is [`crate::capture`].

pub(in crate::api) mod words;

pub use words::fuzz as fuzz_language;

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::words::Language;
use crate::api::context::{Call, RunningStream, Service};
use crate::api::error::{Error, Kind};
use crate::api::reply::{Reply, hundredths};
use crate::capture::Shown;
use crate::face::flash::STEP;
use crate::gate::InFlightRequest;
use crate::ops::shutdown::IDLE;

/// Most streams of events at once: each holds a thread that serves requests.
const STREAMS: usize = 2;

/// A comment is sent this often, so that whatever is in between does not take the connection for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// A stream ends after this time, so that a forgotten window does not hold its slot for ever. Browsers open it again by themselves.
const LONGEST: Duration = Duration::from_secs(600);

impl Service {
    pub(in crate::api) fn challenge(self: &Arc<Self>, call: &Call) -> Result<Reply, Error> {
        if !call.accepts_events {
            let now = Instant::now();
            let (version, shown) = self.capturer.board().shown(now);
            self.capturer.board().note_delivery(version, now);
            return Ok(Reply::json(&described(shown.as_ref(), call.language, now)));
        }
        let Some(running) = self.event_streams.begin(STREAMS) else {
            let detail = format!("{STREAMS} streams of events are running already; try again");
            return Err(Error::new(call.route.family(), Kind::Overloaded, detail));
        };
        let stream = Events {
            service: Arc::clone(self),
            reader: call.request.clone(),
            language: call.language,
            begun: Instant::now(),
            written: Instant::now(),
            known: None,
            rest: io::Cursor::new(b"retry: 1000\n\n".to_vec()),
            _running: running,
        };
        Ok(Reply::live("text/event-stream", Box::new(stream)).with("Cache-Control", "no-store"))
    }
}

/// What is shown, for programs and in words.
fn described(shown: Option<&Shown>, language: &Language, now: Instant) -> Value {
    let Some(shown) = shown else {
        return json!({ "running": false, "prompt": null, "text": null, "language": language.tag });
    };
    let is_on_the_way = shown.progress >= ON_THE_WAY;
    let remaining = shown.until.map(|until| until.saturating_duration_since(now).as_millis() as u64);
    json!({
        "running": true,
        "prompt": shown.instruction.code(),
        "text": language.say(shown.instruction, is_on_the_way),
        "language": language.tag,
        "step": shown.step.map(|(step, _)| step),
        "steps": shown.step.map(|(_, steps)| steps),
        "progress": hundredths(shown.progress),
        "remaining_ms": remaining,
        "reason": shown.reason,
        "light": shown.light.map(|colors| json!({ "colors": colors, "step_ms": (STEP * 1000.0) as u64 })),
    })
}

/// Progress from which a head that turns has understood where to, and only needs to turn further.
const ON_THE_WAY: f64 = 0.4;

/// The body of a stream of events.
struct Events {
    service: Arc<Service>,
    reader: InFlightRequest,
    language: &'static Language,
    begun: Instant,
    /// When something was last written.
    written: Instant,
    /// The version that was last written, and whether anything was shown: the end of a challenge vanishes by itself.
    known: Option<(u64, bool)>,
    /// What was not read yet.
    rest: io::Cursor<Vec<u8>>,
    _running: RunningStream,
}

impl Events {
    /// The next event or sign of life; none when the stream has to end.
    fn next(&mut self) -> Option<Vec<u8>> {
        let service = &self.service;
        while !service.shutdown.requested() && !self.reader.cancel.is_cancelled() && self.begun.elapsed() < LONGEST {
            let now = Instant::now();
            let (version, shown) = service.capturer.board().shown(now);
            let news = Some((version, shown.is_some()));
            if self.known != news {
                self.known = news;
                service.capturer.board().note_delivery(version, now);
                let data = described(shown.as_ref(), self.language, now);
                return Some(format!("event: challenge\ndata: {data}\n\n").into_bytes());
            }
            if self.written.elapsed() >= SIGN_OF_LIFE {
                return Some(b":\n\n".to_vec());
            }
            service.capturer.board().wait(version, IDLE);
        }
        None
    }
}

impl Read for Events {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let Some(next) = self.next() else { return Ok(0) };
        (self.rest, self.written) = (io::Cursor::new(next), Instant::now());
        self.rest.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use crate::capture::{Instruction, Way};

    use super::*;

    #[test]
    fn what_is_shown_is_described_for_programs_and_in_words() {
        let now = Instant::now();
        let shown = Shown {
            step: Some((1, 2)),
            progress: 0.504,
            until: Some(now + Duration::from_millis(1500)),
            ..Shown::new(Instruction::Turn(Way::Left))
        };
        let told = described(Some(&shown), Language::preferred("de"), now);
        let want = json!({
            "running": true, "prompt": "turn_left", "text": "Drehen Sie den Kopf weiter nach links", "language": "de",
            "step": 1, "steps": 2, "progress": 0.5, "remaining_ms": 1500, "reason": null, "light": null,
        });
        assert_eq!(told, want);
        let idle = json!({"running": false, "prompt": null, "text": null, "language": "en"});
        assert_eq!(described(None, Language::usual(), now), idle);
    }
}

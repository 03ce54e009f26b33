//! Tells the pages before the camera what the running challenge asks for (`GET /v1/camera/challenge`): once as JSON, or as
//! server-sent events (WHATWG HTML, section 9.2) where the request accepts those.
//!
//! It runs no challenge: that is [`crate::capture`].

pub(in crate::api) mod words;

pub use words::fuzz as fuzz_language;

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use self::words::Language;
use crate::api::context::{Call, Service};
use crate::api::error::{Error, Kind};
use crate::api::reply::{Reply, hundredths};
use crate::api::sse::{STREAMS, stream};
use crate::capture::Shown;
use crate::face::flash::STEP;
use crate::ops::shutdown::IDLE;

impl Service {
    pub(in crate::api) fn challenge(self: &Arc<Self>, call: &Call) -> Result<Reply, Error> {
        if !call.accepts_events {
            let now = Instant::now();
            // Who asks from time to time shows no colors in time: only a stream counts as a page that has got them.
            let (_, shown) = self.capturer.board().shown(now);
            return Ok(Reply::json(&described(shown.as_ref(), call.language, now)));
        }
        let Some(running) = self.event_streams.begin(STREAMS) else {
            let detail = format!("{STREAMS} streams of events are running already; try again");
            return Err(Error::new(call.route.family(), Kind::Overloaded, detail));
        };
        let (language, mut known) = (call.language, None);
        // The end of a challenge vanishes by itself, without another version.
        let news = move |service: &Self| {
            let now = Instant::now();
            let (version, shown) = service.capturer.board().shown(now);
            if known == Some((version, shown.is_some())) {
                service.capturer.board().wait(version, IDLE);
                return None;
            }
            known = Some((version, shown.is_some()));
            service.capturer.board().note_delivery(version, now);
            let data = described(shown.as_ref(), language, now);
            Some(format!("event: challenge\ndata: {data}\n\n"))
        };
        Ok(stream(self, call, running, news))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

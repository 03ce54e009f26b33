//! Tells what each witness of liveness said: for a reply's `liveness` object and the header `X-Liveness`.

use serde_json::{Value, json};

use super::super::reply::hundredths;
use super::light::told;
use crate::capture::{Captured, Way};
use crate::ops::settings::LivenessMode;

/// What the witnesses of a capture said; null where liveness was not asked for.
pub(super) fn witnesses(mode: LivenessMode, person: &Captured) -> Value {
    let capture = &person.capture;
    let Some(live) = &capture.live else { return Value::Null };
    let turns: Vec<_> = capture
        .responses
        .iter()
        .map(|response| {
            json!({
                "prompt": Way::of(response.direction).instruction().code(),
                "seconds": hundredths(response.time.as_secs_f64()),
                "parallax": hundredths(response.parallax),
            })
        })
        .collect();
    json!({
        "mode": mode.word(),
        "looks": { "confidence_spoofing": hundredths(live.spoofing.value()), "frames": live.frames },
        "beside": live.beside.map(|share| json!({ "moves_with_head": hundredths(share) })),
        "light": person.light.as_ref().map(told),
        "turns": if mode < LivenessMode::Challenge { Value::Null } else { turns.into() },
    })
}

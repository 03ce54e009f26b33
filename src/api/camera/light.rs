//! Tells what the light of the screen showed, and calibrates it (`POST /v1/camera/light`).

use serde_json::{Value, json};

use super::super::context::{Call, Service};
use super::super::error::Error;
use super::super::reply::{Reply, hundredths};
use super::no_body;
use crate::capture::LitFace;
use crate::face::flash::Outcome;

/// What the light on a face told, for the reply.
pub(super) fn told(lit: &LitFace) -> Value {
    let (verdict, reason) = match lit.outcome {
        Outcome::Pass => ("follows", None),
        Outcome::Fail => ("does_not_follow", None),
        Outcome::NoVerdict(reason) => ("none", Some(reason.to_string())),
    };
    json!({
        "verdict": verdict,
        "reason": reason,
        "amplitude": lit.measured.map(|m| hundredths(m.fit.amplitude)),
        "correlation": lit.measured.map(|m| hundredths(m.fit.correlation)),
    })
}

impl Service {
    /// Measures the light of the screen on the face of a person who holds still: what `faceplate calibrate light` asks for.
    pub(in crate::api) fn calibrate_light(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        no_body(call, body)?;
        let measured = self.capturer.calibrate_light(&call.attempt(false));
        let (calibration, exposure) = measured.map_err(|error| Error::from_capture(error, call.route.family()))?;
        let thousandths = |value: f64| (value * 1000.0).round() / 1000.0;
        Ok(Reply::json(&json!({
            "light_amplitude": thousandths(calibration.amplitude),
            "light_eye_distance": thousandths(calibration.eye_distance),
            "light_level": thousandths(calibration.light),
            "light_exposure": exposure.time.unwrap_or_default(),
            "light_gain": exposure.gain.unwrap_or_default(),
        })))
    }
}

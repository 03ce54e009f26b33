//! Reads the query of a camera's method.

use std::time::Duration;

use super::query::{parameters, wrong};
use crate::capture::DEFAULT_THRESHOLD;
use crate::ops::settings::LivenessMode;
use crate::ops::{Limits, settings};

/// The options that a request gives beside its body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CameraQuery {
    /// What is asked of liveness.
    pub(super) liveness: LivenessMode,
    /// Spoofing confidence above which a person counts as an attack, 0..1.
    pub(super) threshold: f64,
    /// How long to wait for a person, or for a frame.
    pub(super) wait: Duration,
    /// Highest threshold that a request may set.
    most_threshold: f64,
}

/// Shortest wait that a request may set: cameras take 33 to 200 ms from one frame to the next.
const LEAST_WAIT_MS: u64 = 100;

impl CameraQuery {
    /// The options of a request without a query.
    pub(super) fn new(camera: &settings::Camera, liveness: &settings::Liveness, limits: &Limits) -> Self {
        let wait = Duration::from_millis(camera.deadline_ms).min(limits.request_time());
        let usual = DEFAULT_THRESHOLD.min(liveness.most_threshold);
        // Where the settings require liveness, a request must not waive it by raising the threshold.
        let is_required = camera.liveness_required > LivenessMode::Off;
        let most_threshold = if is_required { usual } else { liveness.most_threshold };
        Self { liveness: camera.liveness_required, threshold: usual, wait, most_threshold }
    }

    /// Reads a query; `known` are the parameters that the method takes. The error says what is wrong.
    pub(super) fn read(mut self, query: &str, known: &[&str], limits: &Limits) -> Result<Self, String> {
        let given = parameters(query, known)?;
        for &(name, value) in &given {
            let wrong = |must: &str| wrong(name, value, must);
            match name {
                // There is no way to ask for less than the settings do.
                "liveness" => {
                    let asked = LivenessMode::asked(value);
                    let asked = asked.ok_or_else(|| wrong("required, challenge or challenge+light"))?;
                    self.liveness = self.liveness.max(asked);
                }
                "threshold_spoofing" => {
                    let number = value.parse().ok().filter(|t: &f64| (0.0..=1.0).contains(t));
                    let number = number.ok_or_else(|| wrong("a number from 0 to 1"))?;
                    self.threshold = self.most_threshold.min(number);
                }
                _ => {
                    let most = limits.request_ms;
                    let number = value.parse().ok().filter(|ms| (LEAST_WAIT_MS..=most).contains(ms));
                    let range = || wrong(&format!("from {LEAST_WAIT_MS} to {most}"));
                    self.wait = Duration::from_millis(number.ok_or_else(range)?);
                }
            }
        }
        if given.iter().any(|(name, _)| *name == "threshold_spoofing") && self.liveness == LivenessMode::Off {
            return Err("threshold_spoofing has no effect without liveness".into());
        }
        Ok(self)
    }
}

/// Reads any text as a query: the target of the fuzzer and of the property tests.
pub fn fuzz(query: &str) {
    let (camera, liveness, limits) = Default::default();
    let known = ["liveness", "threshold_spoofing", "deadline_ms"];
    if let Ok(ask) = CameraQuery::new(&camera, &liveness, &limits).read(query, &known, &limits) {
        assert!((0.0..=liveness.most_threshold).contains(&ask.threshold) && ask.wait <= limits.request_time());
        let asked = ["liveness=required", "liveness=challenge"].iter().any(|asked| query.contains(asked));
        assert_eq!(ask.liveness > LivenessMode::Off, asked);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> Result<CameraQuery, String> {
        let (camera, liveness, limits) = Default::default();
        let known = ["liveness", "threshold_spoofing", "deadline_ms"];
        CameraQuery::new(&camera, &liveness, &limits).read(query, &known, &limits)
    }

    #[test]
    fn query_parameters_are_parsed() {
        let usual = read("").unwrap();
        let most_threshold = settings::Liveness::default().most_threshold;
        assert_eq!(
            usual,
            CameraQuery { liveness: LivenessMode::Off, threshold: 0.5, wait: Duration::from_secs(10), most_threshold }
        );
        for mode in [LivenessMode::Required, LivenessMode::Challenge, LivenessMode::ChallengeAndLight] {
            let query = format!("&liveness={}&", mode.word());
            assert_eq!(read(&query).unwrap(), CameraQuery { liveness: mode, ..usual.clone() });
        }
        let all = read("deadline_ms=250&threshold_spoofing=0.3&liveness=required").unwrap();
        assert_eq!(
            all,
            CameraQuery {
                liveness: LivenessMode::Required,
                threshold: 0.3,
                wait: Duration::from_millis(250),
                most_threshold
            }
        );
    }

    #[test]
    fn the_settings_can_require_liveness_and_no_query_can_waive_it() {
        let camera = settings::Camera { liveness_required: LivenessMode::Challenge, ..settings::Camera::default() };
        let (liveness, limits) = Default::default();
        let ask = CameraQuery::new(&camera, &liveness, &limits);
        assert_eq!(ask.liveness, LivenessMode::Challenge);
        let less = ask.clone().read("liveness=required", &["liveness"], &limits).unwrap();
        assert_eq!(less.liveness, LivenessMode::Challenge);
        assert!(ask.clone().read("liveness=off", &["liveness"], &limits).is_err());
        for (given, want) in [("0.1", 0.1), ("1", 0.5)] {
            let read = ask.clone().read(&format!("threshold_spoofing={given}"), &["threshold_spoofing"], &limits);
            assert_eq!(read.unwrap().threshold, want);
        }
    }

    #[test]
    fn no_query_exceeds_the_highest_threshold() {
        let (camera, limits) = Default::default();
        for (most, given, want) in [(0.7, "1", 0.7), (0.7, "0.6", 0.6), (0.4, "0.6", 0.4), (1.0, "1", 1.0)] {
            let liveness = settings::Liveness { most_threshold: most, ..settings::Liveness::default() };
            let ask = CameraQuery::new(&camera, &liveness, &limits);
            assert_eq!(ask.threshold, most.min(0.5));
            let query = format!("liveness=required&threshold_spoofing={given}");
            let read = ask.read(&query, &["liveness", "threshold_spoofing"], &limits);
            assert_eq!(read.unwrap().threshold, want, "{most} {given}");
        }
    }

    #[test]
    fn invalid_queries_are_refused_with_a_reason() {
        for (query, told) in [
            ("livness=required", "livness"),
            ("liveness", "must be required, challenge"),
            ("liveness=Required", "must be required, challenge"),
            ("liveness=off", "must be required, challenge"),
            ("liveness=challenge%2Blight", "must be required, challenge"),
            ("liveness=required&liveness=required", "twice"),
            ("liveness=required&threshold_spoofing=1.5", "from 0 to 1"),
            ("liveness=required&threshold_spoofing=NaN", "from 0 to 1"),
            ("threshold_spoofing=0.5", "no effect"),
            ("deadline_ms=99", "from 100 to 30000"),
            ("deadline_ms=30001", "from 100 to 30000"),
            ("%6civeness=required", "this method takes"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(told), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_parsed_without_panic(any: String, pairs in "((liveness|deadline_ms|threshold_spoofing)=(required|challenge|[0-9.]{0,4})&?){0,4}") {
            fuzz(&any);
            fuzz(&pairs);
        }
    }
}

//! Settings of second persons in a picture, and of what clients may ask of liveness.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// `[face]`: samples submitted to the pattern methods and to detect. Those of the camera have their own setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Face {
    /// Area from which another face is a second person, in percent of the subject's, 1 to 100.
    pub second_person_percent: u32,
}

/// `[liveness]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Liveness {
    /// Cap on `threshold_spoofing`, whatever a request asks for, 0 to 1.
    pub most_threshold: f64,
    /// What a submitted medium's tags that name a gesture are good for.
    pub gestures: GestureMode,
}

/// What is done about gestures that the tags of a submitted medium name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GestureMode {
    /// They are not looked for.
    Off,
    /// The reply tells whether they were seen.
    #[default]
    Report,
    /// A medium without its gesture is declined, too.
    Require,
}

impl Default for Face {
    /// The public service with this API refuses a second face of 9 % of the first one's area and passes one of 2.7 %: 6 lies between.
    fn default() -> Self {
        Self { second_person_percent: 6 }
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Self { most_threshold: 0.7, gestures: GestureMode::Report }
    }
}

impl Face {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        second_person_out_of_range("face", self.second_person_percent)
    }
}

impl Liveness {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        let most = self.most_threshold;
        (!(0.0..=1.0).contains(&most))
            .then(|| Error::out_of_range("liveness.most_threshold", format!("{most} is not in 0..=1")))
    }
}

/// What is wrong with the `second_person_percent` of a section.
pub(super) fn second_person_out_of_range(section: &str, percent: u32) -> Option<Error> {
    let key = format!("{section}.second_person_percent");
    (!(1..=100).contains(&percent)).then(|| Error::out_of_range(key, format!("{percent} is not in 1..=100")))
}

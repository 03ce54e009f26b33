//! Settings of the camera.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

use super::error::Error;
use super::judging::second_person_out_of_range;

/// `[camera]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Camera {
    /// `auto` (the first that captures), `off`, the number of a device, a device such as `/dev/video0` or one below `/dev/v4l/by-id`,
    /// whose name stays when others are plugged in, or `file:` with a picture, a clip or a folder of pictures that is shown in a loop.
    #[serde(deserialize_with = "device")]
    pub device: String,
    /// `auto`, or one of MJPG, YUYV, UYVY, NV12, RGB3, GREY.
    pub format: String,
    /// Pixels in a row; the camera's nearest size is used.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second; the camera's nearest rate is used.
    pub fps: u32,
    /// Degrees by which frames are turned clockwise to stand upright: 0, 90, 180 or 270.
    pub rotate: u32,
    /// Whether frames are mirrored left to right, before they are turned.
    pub mirror: bool,
    /// Whether its pictures may open a door. Those of files never do, whatever this says.
    pub trusted: bool,
    /// Whether the camera stays on. Otherwise it is on while it is in use and for `linger_ms` more.
    pub warm: bool,
    /// Milliseconds that the camera stays on after its last use: starting one takes most of a second.
    pub linger_ms: u64,
    /// Whether `/v1/camera/frame`, `/v1/camera/stream` and `/v1/camera/faces` show what the camera sees.
    pub preview: bool,
    /// The least that every request of the camera's pattern methods asks of liveness: `false`, `true` (the looks of the face), or
    /// `challenge` (turn the head as well) or `challenge+light` (and reflect the screen's light).
    pub liveness_required: LivenessMode,
    /// Directions in which a challenge asks to turn the head, 2 or 3.
    pub challenge_directions: usize,
    /// Whether the camera stands still: then a face with which what is beside it moves, as a sheet does, is an attack.
    pub fixed: bool,
    /// Light of the kiosk's screen on a face, relative to the rest of the light there, as it was calibrated; 0 is not calibrated.
    pub light_amplitude: f64,
    /// Distance between the eyes meanwhile, in pixels.
    pub light_eye_distance: f64,
    /// Mean linear green of the face meanwhile, 0 to 1.
    pub light_level: f64,
    /// Exposure of the camera meanwhile, in units of 100 microseconds; 0 is not known.
    pub light_exposure: i64,
    /// Gain of the camera meanwhile, in the driver's unit; 0 is not known.
    pub light_gain: i64,
    /// Seconds for which the camera's methods are locked after an attack verdict; twice as long with each further one. 0 never locks.
    pub lock_out_s: u64,
    /// Area from which another face is a second person, in percent of the subject's, 1 to 100. People queue before a door's camera: a
    /// quarter of the area is a person at twice the subject's distance.
    pub second_person_percent: u32,
    /// Frames of a subject that are judged for liveness (PAD).
    pub liveness_frames: usize,
    /// Milliseconds that a request waits for a face unless it says so itself; `limits.request_ms` at the most.
    pub deadline_ms: u64,
    /// Exposure time in units of 100 microseconds; `auto`: the camera's automatic, lowered while a face is burnt out; or `keep` for the
    /// driver's value.
    pub exposure: Control,
    /// Gain in the driver's unit, `auto` or `keep`.
    pub gain: Control,
    /// Distance of focus in the driver's unit, `auto` or `keep`.
    pub focus: Control,
    /// White balance in kelvin, `auto` or `keep`.
    pub white_balance: Control,
}

/// What is asked of liveness at the camera, from nothing to most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum LivenessMode {
    /// Nothing.
    #[default]
    Off,
    /// That the face looks live.
    Required,
    /// That the head turns where it is asked to, too.
    Challenge,
    /// That the face reflects the screen's light, too.
    ChallengeAndLight,
}

impl LivenessMode {
    /// Its word in a query; [`Self::Off`] has none.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Required => "required",
            Self::Challenge => "challenge",
            Self::ChallengeAndLight => "challenge+light",
        }
    }

    /// The mode that a word of a query asks for.
    pub fn asked(word: &str) -> Option<Self> {
        [Self::Required, Self::Challenge, Self::ChallengeAndLight].into_iter().find(|mode| mode.word() == word)
    }
}

/// Written by hand: it began as a truth value.
impl TryFrom<Value> for LivenessMode {
    type Error = String;

    fn try_from(given: Value) -> Result<Self, String> {
        let known = match &given {
            Value::Boolean(required) => Some(if *required { Self::Required } else { Self::Off }),
            Value::String(word) => Self::asked(word),
            _ => None,
        };
        known.ok_or_else(|| format!("{given} must be false, true, \"challenge\" or \"challenge+light\""))
    }
}

impl From<LivenessMode> for Value {
    fn from(mode: LivenessMode) -> Self {
        match mode {
            LivenessMode::Off => Self::Boolean(false),
            LivenessMode::Required => Self::Boolean(true),
            other => Self::String(other.word().into()),
        }
    }
}

/// Setting of a camera control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", untagged)]
pub enum Control {
    /// A value in the control's own unit.
    Value(i64),
    /// A word instead of a value.
    Named(ControlName),
}

/// Words that a control can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlName {
    /// The camera chooses.
    Auto,
    /// The driver's value stays.
    Keep,
}

/// Written by hand: serde's message would be that no variant of a type matches.
impl TryFrom<Value> for Control {
    type Error = String;

    fn try_from(given: Value) -> Result<Self, String> {
        match &given {
            Value::Integer(value) => Ok(Self::Value(*value)),
            Value::String(word) if word == "auto" => Ok(Self::Named(ControlName::Auto)),
            Value::String(word) if word == "keep" => Ok(Self::Named(ControlName::Keep)),
            _ => Err(format!("{given} must be a whole number, \"auto\" or \"keep\"")),
        }
    }
}

const NO_DEVICE: &str = "is not auto, off, a number, a path or file:PATH";

/// Written by hand: a number, with or without quotes, is that of a device.
fn device<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let number = |n: i64| format!("/dev/video{n}");
    match Value::deserialize(from)? {
        Value::Integer(n) if n >= 0 => Ok(number(n)),
        Value::String(text) => Ok(text.parse::<u16>().map_or(text, |n| number(n.into()))),
        other => Err(D::Error::custom(format!("{other} {NO_DEVICE}"))),
    }
}

impl Default for Camera {
    fn default() -> Self {
        let auto = Control::Named(ControlName::Auto);
        Self {
            device: "auto".into(),
            format: "auto".into(),
            width: 640,
            height: 480,
            fps: 15,
            rotate: 0,
            mirror: false,
            trusted: true,
            warm: false,
            linger_ms: 10_000,
            preview: true,
            liveness_required: LivenessMode::Off,
            challenge_directions: 2,
            fixed: false,
            light_amplitude: 0.0,
            light_eye_distance: 0.0,
            light_level: 0.0,
            light_exposure: 0,
            light_gain: 0,
            lock_out_s: 5,
            second_person_percent: 25,
            liveness_frames: 24,
            deadline_ms: 10_000,
            exposure: auto,
            gain: auto,
            focus: auto,
            white_balance: auto,
        }
    }
}

impl Camera {
    /// Whether its pictures may open a door: it is a device, and one that the operator trusts.
    pub fn is_trusted(&self) -> bool {
        self.trusted && !self.device.starts_with("file:")
    }

    /// The first setting that is not in its range, with the range.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        let ranges = [
            ("width", u64::from(self.width), 16, 8_192),
            ("height", u64::from(self.height), 16, 8_192),
            ("fps", u64::from(self.fps), 1, 120),
            ("linger_ms", self.linger_ms, 0, 3_600_000),
            // Fewer frames prove nothing: see docs/design/liveness.md.
            ("liveness_frames", self.liveness_frames as u64, 8, 64),
            ("deadline_ms", self.deadline_ms, 100, 600_000),
            ("challenge_directions", self.challenge_directions as u64, 2, 3),
            ("lock_out_s", self.lock_out_s, 0, 600),
        ];
        let wrong = ranges.iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
        if let Some((name, value, least, most)) = wrong {
            return Some(Error::out_of_range(format!("camera.{name}"), format!("{value} is not in {least}..={most}")));
        }
        let light = [
            ("light_amplitude", self.light_amplitude, 10.0),
            ("light_eye_distance", self.light_eye_distance, 10_000.0),
            ("light_level", self.light_level, 1.0),
        ];
        if let Some((name, value, most)) = light.iter().find(|(_, value, most)| !(0.0..=*most).contains(value)) {
            return Some(Error::out_of_range(format!("camera.{name}"), format!("{value} is not in 0..={most}")));
        }
        if self.liveness_required == LivenessMode::ChallengeAndLight && self.light_amplitude == 0.0 {
            let what = "challenge+light needs a calibration, which camera.light_amplitude lacks";
            return Some(Error::out_of_range("camera.liveness_required", what));
        }
        if let Some(error) = second_person_out_of_range("camera", self.second_person_percent) {
            return Some(error);
        }
        const FORMATS: [&str; 7] = ["auto", "MJPG", "YUYV", "UYVY", "NV12", "RGB3", "GREY"];
        if !FORMATS.contains(&&*self.format) {
            return Some(Error::out_of_range(
                "camera.format",
                format!("{} is none of {}", self.format, FORMATS.join(", ")),
            ));
        }
        if ![0, 90, 180, 270].contains(&self.rotate) {
            return Some(Error::out_of_range("camera.rotate", format!("{} is none of 0, 90, 180, 270", self.rotate)));
        }
        self.device_is_wrong().map(|what| Error::out_of_range("camera.device", what))
    }

    fn device_is_wrong(&self) -> Option<String> {
        let device = &*self.device;
        if let Some((scheme, _)) = device.split_once("://").filter(|(scheme, _)| *scheme != "file") {
            return Some(format!(
                "{scheme} is not supported: the camera must be one of this machine. Expected auto, off, a device such as /dev/video0, or \
                 file:PATH"
            ));
        }
        match device.strip_prefix("file:") {
            Some("") => Some("file: needs the path of a picture, a clip or a folder of pictures".into()),
            None if device.starts_with("video") && !device.contains('/') => {
                Some(format!("\"{device}\" is no path; did you mean /dev/{device}?"))
            }
            None if !["auto", "off"].contains(&device) && !device.contains('/') => {
                Some(format!("\"{device}\" {NO_DEVICE}"))
            }
            _ => None,
        }
    }
}

//! The camera and how it is used.

use serde::{Deserialize, Serialize};

/// `[camera]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Camera {
    /// `auto` (the first that captures), `off`, a device such as `/dev/video0` or one below `/dev/v4l/by-id`, which stays the
    /// same when others are plugged in, or `file:` with a picture, a clip or a folder of pictures that is shown in a loop.
    pub device: String,
    /// `auto`, or one of MJPG, YUYV, UYVY, NV12, RGB3, GREY.
    pub format: String,
    /// Pixels in a row; the camera's nearest size is taken.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second; the camera's nearest rate is taken.
    pub fps: u32,
    /// Degrees by which frames are turned clockwise to stand upright: 0, 90, 180 or 270.
    pub rotate: u32,
    /// Whether frames are mirrored left to right, before they are turned.
    pub mirror: bool,
    /// Whether the camera stays on. Else it is on while somebody uses it and for `linger_ms` more.
    pub warm: bool,
    /// Milliseconds that the camera stays on after its last use: starting one takes most of a second.
    pub linger_ms: u64,
    /// Whether `/v1/camera/frame` and `/v1/camera/stream` show what the camera sees.
    pub preview: bool,
    /// Whether every request of the camera's pattern methods is made with `liveness=required`.
    pub liveness_required: bool,
    /// Frames of a person that are judged for liveness.
    pub liveness_frames: usize,
    /// Milliseconds that a request waits for a face unless it says so itself; `limits.request_ms` at the most.
    pub deadline_ms: u64,
    /// Exposure time in units of 100 microseconds, `auto`, or `keep` for what the driver has.
    pub exposure: Control,
    /// Gain in the driver's unit, `auto` or `keep`.
    pub gain: Control,
    /// Distance of focus in the driver's unit, `auto` or `keep`.
    pub focus: Control,
    /// White balance in kelvin, `auto` or `keep`.
    pub white_balance: Control,
}

/// What a control of the camera is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Control {
    /// A value in the control's own unit.
    Value(i64),
    /// Not a value.
    Word(ControlWord),
}

/// What else a control can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlWord {
    /// The camera chooses.
    Auto,
    /// What the driver has.
    Keep,
}

impl Default for Camera {
    fn default() -> Self {
        let auto = Control::Word(ControlWord::Auto);
        Self {
            device: "auto".into(),
            format: "auto".into(),
            width: 640,
            height: 480,
            fps: 15,
            rotate: 0,
            mirror: false,
            warm: false,
            linger_ms: 10_000,
            preview: true,
            liveness_required: false,
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
    /// The first setting that is not in its range, with the range.
    pub(super) fn out_of_range(&self) -> Option<String> {
        let ranges = [
            ("width", u64::from(self.width), 16, 8_192),
            ("height", u64::from(self.height), 16, 8_192),
            ("fps", u64::from(self.fps), 1, 120),
            ("linger_ms", self.linger_ms, 0, 3_600_000),
            // Fewer prove nothing, see docs/design/liveness.md.
            ("liveness_frames", self.liveness_frames as u64, 8, 64),
            ("deadline_ms", self.deadline_ms, 100, 600_000),
        ];
        let wrong = ranges.iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
        if let Some((name, value, least, most)) = wrong {
            return Some(format!("camera.{name}: {value} is not in {least}..={most}"));
        }
        const FORMATS: [&str; 7] = ["auto", "MJPG", "YUYV", "UYVY", "NV12", "RGB3", "GREY"];
        if !FORMATS.contains(&&*self.format) {
            return Some(format!("camera.format: {} is none of {}", self.format, FORMATS.join(", ")));
        }
        if ![0, 90, 180, 270].contains(&self.rotate) {
            return Some(format!("camera.rotate: {} is none of 0, 90, 180, 270", self.rotate));
        }
        let known = ["auto", "off"].contains(&&*self.device)
            || self.device.strip_prefix("file:").unwrap_or(&self.device).contains('/');
        if !known {
            return Some(format!("camera.device: {:?} is not auto, off, a path or file:PATH", self.device));
        }
        None
    }
}

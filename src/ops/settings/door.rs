//! Settings of the door: who may pass, how it is opened, and what is wired to this device.

use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Settings;
use super::camera::LivenessMode;
use super::error::{Error, ErrorKind};

/// `[door]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// Who is let in.
    pub mode: DoorMode,
    /// What is asked of liveness: `required`, `challenge` or `challenge+light`.
    pub liveness: LivenessMode,
    /// Frames a second in which somebody is looked for, 1 to 30.
    pub fps: u32,
    /// How long the lock is open, in milliseconds, 100 to 30,000.
    pub pulse_ms: u64,
    /// How long the same person is not let in again, in milliseconds: it still stands there.
    pub reentry_ms: u64,
    /// After how long a door that stands open is told, in milliseconds; 0 is never.
    pub held_open_ms: u64,
    /// Whether people with a schedule or dates are let in while the clock is not synchronized.
    pub without_time: WithoutTime,
    /// The line of the lock: `gpiochip0/17`, `simulated`, or `none` for a lock that listens to events.
    pub relay: String,
    /// The level at which the lock is open.
    pub relay_active: Level,
    /// The line of the door's contact, or `none`.
    pub contact: String,
    /// The level while the door stands open.
    pub contact_active: Level,
    /// The line of the exit button, or `none`.
    pub exit: String,
    /// The level while it is pressed.
    pub exit_active: Level,
    /// The line of a lamp that is lit while the lock is open, or `none`.
    pub led: String,
    /// The line of a buzzer that sounds at a refusal, or `none`.
    pub buzzer: String,
    /// When groups may pass; without any everybody may at any time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoorMode {
    /// Nobody: the door is not watched.
    #[default]
    #[serde(rename = "off")]
    Off,
    /// Whoever is enrolled.
    #[serde(rename = "identify")]
    Identify,
    /// Whoever says who it is, by a card or a number, and is that person.
    #[serde(rename = "claim")]
    Claim,
    /// Either.
    #[serde(rename = "claim+identify")]
    ClaimOrIdentify,
}

/// What is done while the clock is not synchronized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutTime {
    /// Whoever has a schedule or dates is not let in.
    #[default]
    Deny,
    /// Schedules are applied by the clock as it is.
    Allow,
}

/// The level of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// About the supply.
    #[default]
    High,
    /// About zero.
    Low,
}

/// `[[door.schedules]]`: when these groups may pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The groups; everybody if there are none.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The days of the week on which it begins; all if there are none.
    #[serde(default)]
    pub days: Vec<Day>,
    /// From this time of day, `HH:MM`.
    #[serde(default = "midnight")]
    pub from: String,
    /// Until before this one, `24:00` at the latest; if that is not after `from`, of the next day.
    #[serde(default = "end_of_day")]
    pub to: String,
    /// The time zone, by its name in the IANA database: `Europe/Berlin`.
    #[serde(default = "universal")]
    pub zone: String,
    /// Dates on which it does not begin, `YYYY-MM-DD`.
    #[serde(default)]
    pub except: Vec<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Most schedules: each is checked for whoever comes.
const MOST_SCHEDULES: usize = 256;

fn midnight() -> String {
    "00:00".into()
}

fn end_of_day() -> String {
    "24:00".into()
}

fn universal() -> String {
    "UTC".into()
}

impl Default for Door {
    fn default() -> Self {
        let none = || "none".to_owned();
        Self {
            mode: DoorMode::Off,
            liveness: LivenessMode::Challenge,
            fps: 5,
            pulse_ms: 3000,
            reentry_ms: 5000,
            held_open_ms: 30_000,
            without_time: WithoutTime::Deny,
            relay: none(),
            relay_active: Level::High,
            contact: none(),
            contact_active: Level::High,
            exit: none(),
            exit_active: Level::Low,
            led: none(),
            buzzer: none(),
            schedules: vec![],
        }
    }
}

impl DoorMode {
    /// The word in the settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Identify => "identify",
            Self::Claim => "claim",
            Self::ClaimOrIdentify => "claim+identify",
        }
    }

    /// The mode of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Off, Self::Identify, Self::Claim, Self::ClaimOrIdentify].into_iter().find(|mode| mode.word() == word)
    }
}

/// A line by its chip and its number on it: `gpiochip0/17`.
pub fn line(text: &str) -> Option<(&str, u32)> {
    let (chip, number) = text.split_once('/')?;
    let is_plain = !chip.is_empty() && chip.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    Some((chip, number.parse().ok()?)).filter(|_| is_plain)
}

/// A time of day, `HH:MM`, as minutes since midnight; `24:00` is the end of the day.
pub fn minutes(text: &str) -> Option<u32> {
    if text == "24:00" {
        return Some(24 * 60);
    }
    let time = Time::from_str(text).ok().filter(|_| text.len() == 5)?;
    Some(u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs()))
}

impl Door {
    /// The lines that are in use, with the keys that name them.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("door.relay", &self.relay),
            ("door.contact", &self.contact),
            ("door.exit", &self.exit),
            ("door.led", &self.led),
            ("door.buzzer", &self.buzzer),
        ];
        all.into_iter()
            .filter(|(_, line)| !["none", "simulated"].contains(&line.as_str()))
            .map(|(k, l)| (k, l.as_str()))
    }

    /// Whether there is a door: recognition is on, or something is wired.
    pub fn is_there(&self) -> bool {
        self.mode != DoorMode::Off || [&self.relay, &self.contact, &self.exit].into_iter().any(|line| line != "none")
    }

    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        let wrong = |key: &str, what: String| Some(Error::out_of_range(key, what));
        if !(1..=30).contains(&self.fps) {
            return wrong("door.fps", format!("{} is not in 1..=30", self.fps));
        }
        if !(100..=30_000).contains(&self.pulse_ms) {
            return wrong("door.pulse_ms", format!("{} is not in 100..=30000", self.pulse_ms));
        }
        for (key, ms) in [("door.reentry_ms", self.reentry_ms), ("door.held_open_ms", self.held_open_ms)] {
            if ms > 3_600_000 {
                return wrong(key, format!("{ms} is not in 0..=3600000"));
            }
        }
        if self.liveness == LivenessMode::Off {
            return wrong("door.liveness", "a door needs required, challenge or challenge+light".into());
        }
        let mut known: Vec<&str> = vec![];
        for (key, text) in self.lines() {
            if line(text).is_none() {
                return wrong(key, format!("\"{}\" is no line such as gpiochip0/17", text.escape_debug()));
            }
            if known.contains(&text) {
                return Some(Error::new(
                    ErrorKind::Conflict,
                    key,
                    format!("{text} is used for something else as well"),
                ));
            }
            known.push(text);
        }
        for (key, text) in [("door.contact", &self.contact), ("door.exit", &self.exit)] {
            if text == "simulated" {
                return wrong(key, "only the relay can be simulated".into());
            }
        }
        if self.schedules.len() > MOST_SCHEDULES {
            return wrong("door.schedules", format!("there are more than {MOST_SCHEDULES}"));
        }
        self.schedules.iter().find_map(Schedule::wrong).map(|what| Error::out_of_range("door.schedules", what))
    }
}

impl Schedule {
    /// What is wrong with it, in words.
    fn wrong(&self) -> Option<String> {
        for time in [&self.from, &self.to] {
            if minutes(time).is_none() {
                return Some(format!("\"{}\" is no time of day such as 08:30", time.escape_debug()));
            }
        }
        if self.from == "24:00" {
            return Some("from is 24:00; write 00:00 of the next day".into());
        }
        if TimeZone::get(&self.zone).is_err() {
            return Some(format!("\"{}\" is no time zone such as Europe/Berlin", self.zone.escape_debug()));
        }
        let date = self.except.iter().find(|date| date.len() != 10 || Date::from_str(date).is_err());
        date.map(|date| format!("\"{}\" is no date such as 2026-12-25", date.escape_debug()))
    }
}

impl Settings {
    /// What of the door does not go together with other settings.
    pub(super) fn unfit_door(&self) -> Option<Error> {
        let needs = |what: &str| Some(Error::new(ErrorKind::Conflict, "door.mode", what));
        if self.door.is_there() && self.people.store.is_none() {
            return needs("a door needs people.store: whoever is let in is enrolled");
        }
        if self.door.mode == DoorMode::Off {
            return None;
        }
        if self.camera.lock_out_s == 0 {
            return needs("it needs camera.lock_out_s: who may try as often as they like gets in");
        }
        if self.decision.approved < 0.75 {
            return needs("it needs decision.approved of 0.75 at the least, one impostor in a thousand");
        }
        if self.camera.device == "off" {
            return needs("it needs a camera, and camera.device is off");
        }
        let opens = self.door.relay != "none" && self.door.relay != "simulated";
        if opens && !self.camera.is_trusted() {
            let what = "the camera is not trusted (camera.trusted, or files in place of a device), so that it may not open a lock; use \
                        door.relay = \"simulated\" to try it";
            return Some(Error::new(ErrorKind::Conflict, "door.relay", what));
        }
        if self.door.liveness == LivenessMode::ChallengeAndLight && self.camera.light_amplitude <= 0.0 {
            return Some(Error::new(ErrorKind::Conflict, "door.liveness", "run faceplate calibrate light first"));
        }
        None
    }
}

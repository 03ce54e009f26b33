//! Topics of a device at a broker, and what is published there.

use serde_json::{Value, json};

use crate::door::Status;
use crate::events::Event;
use crate::ops::settings::DoorMode;

/// The topics of a device.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    pub(super) device: String,
}

/// A command from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Open the lock for a pulse.
    Open,
    /// Switch recognition on or off.
    Recognition(bool),
}

impl Topics {
    /// A topic below that of the device.
    pub(super) fn at(&self, name: &str) -> String {
        format!("faceplate/{}/{name}", self.device)
    }

    pub(super) fn availability(&self) -> String {
        self.at("availability")
    }

    pub(super) fn event(&self) -> String {
        self.at("event")
    }

    pub(super) fn door_state(&self) -> String {
        self.at("door/state")
    }

    pub(super) fn face_state(&self) -> String {
        self.at("face/state")
    }

    pub(super) fn door_command(&self) -> String {
        self.at("door/command")
    }

    pub(super) fn recognition_command(&self) -> String {
        self.at("recognition/command")
    }

    /// The command of a message, if it is one: a topic and a payload of this device.
    pub(super) fn command(&self, topic: &str, payload: &[u8]) -> Option<Command> {
        match payload {
            b"OPEN" if topic == self.door_command() => Some(Command::Open),
            b"ON" if topic == self.recognition_command() => Some(Command::Recognition(true)),
            b"OFF" if topic == self.recognition_command() => Some(Command::Recognition(false)),
            _ => None,
        }
    }
}

/// What `door/state` tells.
pub(super) fn door_state(status: &Status) -> Value {
    json!({
        "mode": status.mode.word(),
        "recognition": if status.mode == DoorMode::Off { "OFF" } else { "ON" },
        "state": status.state,
        "lock": if status.is_unlocked { "UNLOCKED" } else { "LOCKED" },
        "contact": status.is_open.map(|is_open| if is_open { "ON" } else { "OFF" }),
        "problem": if status.faults.is_empty() { "OFF" } else { "ON" },
        "faults": status.faults,
    })
}

/// What `face/state` tells of an event, if it is one of somebody who wanted in. A name is only told if that is set.
pub(super) fn face_state(event: &Event, name: Option<&str>) -> Option<Value> {
    event.kind.is_access().then(|| {
        json!({
            "result": event.kind.word().trim_start_matches("faceplate.access."),
            "person": event.details.person,
            "name": name,
            "reason": event.details.reason,
            "time": format!("{:.3}", event.time),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_commands_of_this_device_are_commands() {
        let topics = Topics { device: "front".into() };
        for (topic, payload, want) in [
            ("faceplate/front/door/command", "OPEN", Some(Command::Open)),
            ("faceplate/front/recognition/command", "OFF", Some(Command::Recognition(false))),
            ("faceplate/front/recognition/command", "ON", Some(Command::Recognition(true))),
            ("faceplate/back/door/command", "OPEN", None),
            ("faceplate/front/door/command", "open", None),
            ("faceplate/front/door/command", "ON", None),
            ("faceplate/front/door/command", "", None),
        ] {
            assert_eq!(topics.command(topic, payload.as_bytes()), want, "{topic} {payload}");
        }
    }
}

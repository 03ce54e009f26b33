//! What can happen, and what is kept of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::people::PersonId;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in the journal, from 1 on and without gaps.
    #[serde(skip)]
    pub sequence: u64,
    /// When, by the clock of the system.
    pub time: Timestamp,
    /// What.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What is known of it.
    #[serde(flatten)]
    pub details: Details,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its type, as in the envelope.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

kinds! {
    /// Somebody was let in: the lock is opened, once this is written.
    AccessGranted = "faceplate.access.granted",
    /// Somebody is known, or may be, and was not let in.
    AccessDenied = "faceplate.access.denied",
    /// Nobody knows who it was.
    AccessUnknown = "faceplate.access.unknown",
    /// A presentation attack.
    AccessAttack = "faceplate.access.attack",
    /// Attacks or wrong credentials have locked the door's recognition.
    AccessLockedOut = "faceplate.access.locked_out",
    /// The door was opened after somebody was let in.
    DoorOpened = "faceplate.door.opened",
    /// The door was closed.
    DoorClosed = "faceplate.door.closed",
    /// The door has stood open for too long.
    DoorHeldOpen = "faceplate.door.held_open",
    /// The door was opened though nobody was let in.
    DoorForced = "faceplate.door.forced",
    /// Somebody leaves: the exit button opened the lock.
    DoorExit = "faceplate.door.exit",
    /// Recognition was switched.
    DoorMode = "faceplate.door.mode",
    /// Somebody was enrolled.
    PersonEnrolled = "faceplate.people.enrolled",
    /// Somebody was changed.
    PersonChanged = "faceplate.people.changed",
    /// Somebody was deleted.
    PersonDeleted = "faceplate.people.deleted",
    /// The service started.
    DeviceStarted = "faceplate.device.started",
    /// The service stopped in order.
    DeviceStopped = "faceplate.device.stopped",
    /// Something that the door needs does not work.
    DeviceFault = "faceplate.device.fault",
    /// It works again.
    DeviceRecovered = "faceplate.device.recovered",
}

impl Kind {
    /// Those of this name: a type without its leading `faceplate.`, or the first part of that.
    pub fn named(name: &str) -> Vec<Self> {
        let has = |kind: &Self| {
            let whole = kind.word().trim_start_matches("faceplate.");
            whole == name || whole.split('.').next() == Some(name)
        };
        Self::ALL.iter().copied().filter(has).collect()
    }

    /// Whether it is about somebody who wants in.
    pub fn is_access(self) -> bool {
        self.word().starts_with("faceplate.access.")
    }
}

/// By what the lock was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A face that was found among all people.
    Face,
    /// A face that is that of the person who was claimed.
    Claim,
    /// A command of somebody who may give it.
    Command,
}

/// What is known of an event. Nothing of the face itself, and no name: names are added where events are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// By what the lock was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Why, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The score, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What was asked of liveness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<String>,
    /// Milliseconds from the first frame with a face to the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// For how many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// What a fault is of: `camera`, `people`, `events` or `relay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Whether a picture was kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub picture: bool,
    /// Whether the clock was not synchronized, so that the time may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsynchronized: bool,
}

impl Details {
    /// Of this person.
    pub fn of(person: &PersonId) -> Self {
        Self { person: Some(person.clone()), ..Self::default() }
    }

    /// For this reason.
    pub fn because(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_type_or_its_first_part() {
        assert_eq!(Kind::named("access.denied"), [Kind::AccessDenied]);
        assert_eq!(Kind::named("device").len(), 4);
        assert!(Kind::ALL.iter().all(|kind| Kind::named(&kind.word()["faceplate.".len()..]) == [*kind]));
        for none in ["", "faceplate", "faceplate.access", "access.", "denied", "ACCESS"] {
            assert_eq!(Kind::named(none), [], "{none}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        let person = PersonId::new("ann").unwrap();
        let details = Details { score: Some(0.97), unsynchronized: true, ..Details::of(&person) };
        let event = Event { sequence: 0, time: Timestamp::UNIX_EPOCH, kind: Kind::AccessGranted, details };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"time":"1970-01-01T00:00:00Z","type":"faceplate.access.granted","person":"ann","score":0.97,"unsynchronized":true}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}

//! Implements the methods of the door: what it is doing, opening it, switching recognition, and claims.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::camera::no_body;
use super::context::{Call, Service};
use super::error::{DoorKind, Error, Family, Kind};
use super::json::object;
use super::reply::Reply;
use crate::door::{ClaimError, Door, GOOD_FOR, Parts};
use crate::ops::Settings;
use crate::ops::settings::DoorMode;
use crate::people::PersonId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    mode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    person: Option<String>,
    credential: Option<String>,
}

fn refused(kind: DoorKind, detail: impl Into<String>) -> Error {
    Error::new(Family::Pattern, Kind::Door(kind), detail)
}

/// Reads a small object. What is wrong is told without what was sent.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8], want: &str) -> Result<T, Error> {
    object(body).ok_or_else(|| Error::new(Family::Pattern, Kind::Parameter, format!("the body must be {want}")))
}

/// Starts the door of the settings, if there is one. Models that failed their self-test recognize nobody.
pub(super) fn start(
    settings: &Settings,
    parts: Option<Parts>,
    models_are_good: bool,
) -> Result<Option<Arc<Door>>, String> {
    let mut door = settings.door.clone();
    let Some(parts) = parts.filter(|_| door.is_there()) else { return Ok(None) };
    if !models_are_good {
        door.mode = DoorMode::Off;
    }
    Door::start(&door, parts).map(Some).map_err(|why| format!("the door can't be started: {why}"))
}

impl Service {
    /// The door, if there is one.
    fn door(&self) -> Result<&Door, Error> {
        let none = || refused(DoorKind::Absent, "door.mode is off, and no line of a lock is set");
        self.door.as_deref().ok_or_else(none)
    }

    /// The door, for what nobody may do without a token: where there are none, any program on this machine could.
    fn guarded_door(&self) -> Result<&Door, Error> {
        let door = self.door()?;
        match self.has_tokens() {
            true => Ok(door),
            false => Err(refused(DoorKind::Unguarded, "make a token with the scope for it: faceplate token new")),
        }
    }

    pub(super) fn door_state(&self) -> Result<Reply, Error> {
        let status = self.door()?.status();
        Ok(Reply::json(&json!({
            "mode": status.mode.word(),
            "configured": self.door_mode.word(),
            "state": status.state,
            "reason": status.reason,
            "unlocked": status.is_unlocked,
            "open": status.is_open,
            "faults": status.faults,
            "clock_synchronized": status.is_synchronized,
        })))
    }

    pub(super) fn open_door(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        no_body(call, body)?;
        let opened = self.guarded_door()?.open();
        opened.map_err(|reason| refused(DoorKind::Shut, format!("the lock stayed shut: {reason}")))?;
        Ok(Reply::json(&json!({ "opened": true })))
    }

    pub(super) fn switch_door(&self, body: &[u8]) -> Result<Reply, Error> {
        let want = "{\"mode\": ...} with off, identify, claim or claim+identify";
        let Switch { mode } = read(body, want)?;
        let mode = DoorMode::of_word(&mode)
            .ok_or_else(|| Error::new(Family::Pattern, Kind::Parameter, format!("the body must be {want}")))?;
        let door = self.guarded_door()?;
        if mode != DoorMode::Off && !(self.door_can_recognize() && self.ready()) {
            return Err(refused(
                DoorKind::Off,
                "recognition needs door.mode in the settings, where what it needs is checked, and models that pass their self-test",
            ));
        }
        door.switch(mode);
        self.door_state()
    }

    pub(super) fn claim(&self, body: &[u8]) -> Result<Reply, Error> {
        let want = "{\"person\": ...} with an id or {\"credential\": ...} with text";
        let Claim { person, credential } = read(body, want)?;
        let person = match (&person, &credential) {
            (Some(text), None) => PersonId::new(text.as_str()),
            (None, Some(_)) => None,
            _ => return Err(Error::new(Family::Pattern, Kind::Parameter, format!("the body must be {want}"))),
        };
        let claimed = self.guarded_door()?.claim(person, credential.as_deref());
        // Who it is was perhaps not known to the reader of a card, and is not told to it.
        match claimed {
            Ok(_) => Ok(Reply::json(&json!({ "claimed": true, "seconds": GOOD_FOR.as_secs() }))),
            Err(ClaimError::Off) => Err(refused(DoorKind::Off, "the door takes no claims in its present mode")),
            Err(ClaimError::Unknown) => Err(refused(DoorKind::Unknown, "nobody has this credential or id")),
            Err(ClaimError::LockedOut(left)) => {
                let seconds = left.as_secs() + 1;
                Err(refused(DoorKind::LockedOut, "too many were wrong").for_seconds(seconds))
            }
        }
    }
}

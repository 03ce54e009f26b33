//! What goes into a step of the controller, and what comes out of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::events::{Details, Kind, Method};
use crate::ops::settings::DoorMode;
use crate::people::PersonId;

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time since any fixed one; it never jumps.
    pub at: Duration,
    /// The time of day, as the system knows it.
    pub now: Timestamp,
    /// Whether that can be believed.
    pub is_synchronized: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A frame has a face, or has none.
    Face(bool),
    /// The attempt to capture somebody has ended so.
    Attempted(Outcome),
    /// Somebody says who it is.
    Claimed(PersonId),
    /// A credential that is nobody's.
    WrongCredential,
    /// Somebody who may do that opens the door.
    Open,
    /// Somebody who may do that switches recognition.
    Mode(DoorMode),
    /// The door stands open now, or does not.
    Contact(bool),
    /// The exit button was pressed.
    Exit,
    /// A part does not work, or works again.
    Fault {
        /// Which.
        part: &'static str,
        /// What is wrong; none if it works.
        what: Option<String>,
    },
    /// The lock was not opened for whom it should have been, for this reason.
    NotOpened(Option<Method>, &'static str),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A live person, and who it is.
    Person(Finding),
    /// A presentation attack; recognition is locked for this time.
    Attack(String, Duration),
    /// Nobody was captured, for this reason.
    Nobody(String),
    /// Earlier attacks have locked recognition for this time.
    LockedOut(Duration),
    /// A part does not work.
    Fault(&'static str, String),
}

/// Who a live person is.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The person who reaches the bar alone; none if there is no such.
    pub person: Option<Candidate>,
    /// Why it is nobody for certain, as a word.
    pub reason: Option<&'static str>,
    /// The score.
    pub score: f64,
    /// What was asked of liveness.
    pub liveness: &'static str,
}

/// A person who was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub id: PersonId,
    /// Its groups.
    pub groups: Vec<String>,
    /// Whether it is enrolled from or until some time.
    pub has_dates: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Capture somebody; who it says it is.
    Attempt(Option<PersonId>),
    /// Write the event, and open the lock for a pulse. If it can't be written, the lock stays shut, unless somebody leaves.
    Open(Kind, Details),
    /// Write the event.
    Record(Kind, Details),
    /// Tell whoever stands there that it was refused.
    Refuse,
}

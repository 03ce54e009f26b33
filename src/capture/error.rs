//! Why no person was captured, by who has to act on it.

use std::fmt;
use std::time::Duration;

use crate::camera::Fault;
use crate::face;
use crate::ops::counted;

/// Why no person was captured.
#[derive(Debug)]
pub enum Error {
    /// Service: the camera sends no frames.
    NoFrames(String),
    /// Service: another program uses the camera.
    Busy(String),
    /// Another challenge is under way.
    Occupied,
    /// Person: none came in time.
    Nobody,
    /// Person: its face gave no result; attacks on challenges are among these.
    Face(face::Error),
    /// Person: the light on the face did not follow the screen, which is an attack.
    NotLit,
    /// Person, or whoever shows the colors: it can't be told how the face was lit. It is no attack.
    Unlit(String),
    /// Policy: attack verdicts have locked the camera for this time.
    LockedOut(Duration),
    /// Operator: the light of the screen was never calibrated.
    Uncalibrated,
    /// Service: too much else is done at once.
    Overloaded(&'static str),
    /// Nobody waits for it any more.
    Cancelled,
    /// Service: a fault of its own.
    Internal(String),
}

impl Error {
    /// The error for a camera that gave no frame in time.
    pub fn no_frame(fault: Option<Fault>) -> Self {
        fault.map_or_else(|| Self::NoFrames("the camera sent no frame in time".into()), Self::from)
    }

    /// Whether the person was judged a presentation attack.
    pub fn is_attack(&self) -> bool {
        match self {
            Self::NotLit => true,
            Self::Face(face::Error::Challenge(ending)) => ending.is_attack(),
            _ => false,
        }
    }

    /// Why a challenge was not met, as a word.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::NotLit | Self::Unlit(_) => Some("no_light"),
            Self::Face(face::Error::Challenge(ending)) => Some(ending.word()),
            _ => None,
        }
    }

    /// Seconds until a retry is useful, if that is known.
    pub fn retry_s(&self) -> Option<u64> {
        match self {
            Self::LockedOut(left) => Some(left.as_secs() + 1),
            _ => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        if fault == Fault::Busy { Self::Busy(fault.to_string()) } else { Self::NoFrames(fault.to_string()) }
    }
}

impl From<face::Error> for Error {
    fn from(error: face::Error) -> Self {
        Self::Face(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrames(why) | Self::Busy(why) | Self::Internal(why) => f.write_str(why),
            Self::Occupied => f.write_str("another request's challenge is under way; try again"),
            Self::Nobody => f.write_str("no face came before the camera in time"),
            Self::Face(face::Error::Challenge(ending)) => write!(f, "{ending} ({})", ending.word()),
            Self::Face(error) => error.fmt(f),
            Self::NotLit => f.write_str("the light on the face did not follow the screen (no_light)"),
            Self::Unlit(why) => write!(f, "{why} (no_light)"),
            Self::LockedOut(left) => {
                let seconds = counted(left.as_secs() as usize + 1, "second", "seconds");
                write!(f, "the camera's methods are locked for {seconds}")
            }
            Self::Uncalibrated => f.write_str("the screen's light is not calibrated: see camera.light_amplitude"),
            Self::Overloaded(what) => write!(f, "{what}; try again"),
            Self::Cancelled => f.write_str("the client has disconnected"),
        }
    }
}

impl std::error::Error for Error {}

//! The reasons why a picture or clip gave no template or no judgment.

use super::liveness::Ending;
use super::quality::QualityDefect;
use crate::engine;
use crate::media::{self, MediumError};
use crate::ops::Stop;

/// Why there is no template or no judgment, by who has to act: the client, the person, the service, or its operator (policy).
#[derive(Debug)]
pub enum Error {
    /// Client: the bytes are no picture that can be read.
    Picture(media::Error),
    /// Client: the bytes are no medium that can be judged.
    Medium(MediumError),
    /// Client: there is no face in it.
    NoFace,
    /// Client: there are this many people in it.
    SeveralFaces(usize),
    /// Client: a face that no template can be made of; the person can correct it.
    Unusable(QualityDefect),
    /// Client: the face can be judged in too few frames of a clip; the person can correct it.
    TooFewFrames {
        /// Frames in which it can be judged.
        usable: usize,
        /// Frames that were analyzed.
        of: usize,
    },
    /// Client: the challenge was not met; the person can try again.
    Challenge(Ending),
    /// Policy: the time ran out.
    Late,
    /// Service: the system has no memory for it now.
    NoMemory,
    /// Service: the models failed.
    Engine(engine::Error),
}

impl Error {
    /// The word for what is wrong with whom the picture shows; none for errors of another kind.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::NoFace => Some("no_face"),
            Self::SeveralFaces(_) => Some("several_people"),
            Self::Unusable(defect) => Some(defect.word()),
            _ => None,
        }
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<MediumError> for Error {
    fn from(error: MediumError) -> Self {
        match error {
            MediumError::Late => Self::Late,
            MediumError::NoMemory => Self::NoMemory,
            other => Self::Medium(other),
        }
    }
}

/// An error if `stop` says that the time is over.
pub(super) fn on_time(stop: &Stop<'_>) -> Result<(), Error> {
    if stop() { Err(Error::Late) } else { Ok(()) }
}

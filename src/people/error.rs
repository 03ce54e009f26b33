//! Says why something about people was not done, by who has to act.

use std::fmt;

use super::person::{PersonId, TEMPLATES};
use super::store::StoreError;

/// Why something about people was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeopleError {
    /// Operator: the settings name no store.
    Off,
    /// Operator: the store.
    Store(StoreError),
    /// Operator: a record in the store.
    Record(String),
    /// Service: another change takes too long.
    Busy,
    /// Client: nobody has this id.
    Unknown,
    /// Client: the person has no template of this number.
    NoTemplate,
    /// Client: somebody has this id.
    Exists(PersonId),
    /// Client: the person was changed meanwhile; carries its version.
    Changed(u64),
    /// Client: what it said of a person.
    Invalid(String),
    /// Client: lines that are imported. Nothing was.
    Import(String),
    /// Person: the face is another person's.
    Belongs(PersonId),
    /// Person: the sample is too poor to be enrolled.
    Poor {
        /// Its quality, 0 to 100.
        quality: u8,
        /// What is needed.
        least: u8,
    },
    /// Client: the person has as many templates as one may have.
    Full,
    /// Operator: the people of the site can't be changed now; the reason.
    Site(String),
    /// Operator: the copy of the site's people is older than `people.max_age` allows.
    Stale,
}

impl fmt::Display for PeopleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("no people are stored at this device; people.store names a file for them"),
            Self::Store(error) => write!(f, "people.store: {error}"),
            Self::Record(what) => write!(f, "people.store: {what}"),
            Self::Busy => f.write_str("another change of people takes long; try again"),
            Self::Unknown => f.write_str("nobody has this id"),
            Self::NoTemplate => f.write_str("the person has no template of this number"),
            Self::Exists(id) => write!(f, "{id} is enrolled already"),
            Self::Changed(version) => write!(f, "the person was changed meanwhile and is at version {version}"),
            Self::Invalid(what) | Self::Import(what) => f.write_str(what),
            Self::Belongs(id) => {
                write!(f, "the face is that of {id}; force=true enrolls it nevertheless, as for twins")
            }
            Self::Poor { quality, least } => {
                write!(
                    f,
                    "its quality is {quality}, and {least} is needed (people.least_quality): look into the camera \
                           from nearer by, in even light, with nothing over the face"
                )
            }
            Self::Full => write!(f, "the person has {TEMPLATES} templates, as many as one may have; delete one"),
            Self::Site(why) => write!(f, "the people of the site can't be changed now: {why}"),
            Self::Stale => f.write_str("the site's people were not reached for longer than people.max_age allows"),
        }
    }
}

impl std::error::Error for PeopleError {}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

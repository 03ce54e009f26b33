//! Keeps what happened: one envelope, numbered without gaps, and whoever wants to know waits for the next one.
//!
//! [`Journal`] is all that others use. It does not know where events go.

mod cloud;
mod event;
mod file;
mod journal;

pub use cloud::{CSV_HEAD, Envelope, MEDIA_TYPE};
pub use event::{Details, Event, Kind, Method};
pub use file::JournalError;
pub use journal::{Filter, Found, Journal, Place, Position, Search};

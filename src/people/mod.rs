//! Keeps the people who are enrolled at this device, and tells who of them a face is.
//!
//! [`People`] is all that others use. It knows templates and scores, but neither HTTP nor a camera; who may do what is decided above it.

mod bar;
mod credential;
mod error;
mod gallery;
mod identify;
mod list;
mod person;
mod record;
mod register;
mod shared;
mod site;
mod store;
mod upkeep;

pub use bar::{Bar, Bars};
pub use credential::{CREDENTIALS, Credential};
pub use error::PeopleError;
pub use gallery::{Candidate, Gallery, Replacement, Searched, Snapshot};
pub use identify::Identified;
pub use list::{Filter, Page};
pub use person::{Draft, Person, PersonId, Profile, Source, TEMPLATES, Tag, TemplateInfo};
pub use record::{RecordError, fuzz};
pub use register::{Changed, Enrolled, NewTemplate, Observer, People, Previous};
pub use site::{DoorDeletion, fuzz_etcd};
pub use store::StoreError;

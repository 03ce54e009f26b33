//! Implements the contract, API Lite: the meaning of requests and their replies. Handlers only translate; they make no decisions.
//!
//! [`Service`] is free of sockets: it judges a [`crate::gate::Head`] once, takes what it made of that with the body, and returns a
//! [`Reply`]. [`Server`] connects it to the gate and to tiny_http.

mod admit;
mod assets;
mod body;
mod budget;
pub mod camera;
mod camera_query;
mod console;
mod content_type;
mod context;
#[cfg(test)]
mod described;
mod dispatch;
mod doctor;
mod door;
mod encoding;
mod error;
mod events;
mod faces;
mod form;
mod gauges;
mod handler;
mod health;
mod in_force;
mod json;
pub mod liveness;
mod metrics;
pub mod multipart;
mod page_call;
mod pattern;
mod people;
mod probe;
mod query;
mod reply;
mod route;
mod server;
mod session;
mod sse;
pub mod surroundings;
mod text;
mod tokens;

pub use camera::fuzz_language;
pub use camera_query::fuzz as fuzz_query;
pub use content_type::ContentType;
pub use context::Service;
pub use encoding::{decode_base64, encode_base64, fuzz as fuzz_base64};
pub use error::{CameraKind, DoorKind, Error, Family, GateKind, Kind, PeopleKind, TokenKind};
pub use events::fuzz_events_query;
pub use people::{fuzz_people_lines, fuzz_people_query};
pub use probe::{Unwell, probe};
pub use reply::Reply;
pub use route::Route;
pub use server::{Server, slots};

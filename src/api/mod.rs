//! The contract, API Lite: what a request means and what is answered. Handlers translate; they decide nothing of their own.
//!
//! [`Service`] is free of sockets: a [`Head`] and a body go in, a [`Reply`] comes out. [`Server`] is the thin shell
//! that connects it to the gate and to tiny_http.

mod body;
mod budget;
pub mod camera;
mod content_type;
mod encoding;
mod error;
mod form;
mod health;
mod house;
pub mod liveness;
mod metrics;
pub mod multipart;
mod pattern;
mod probe;
mod reply;
mod route;
mod seal;
mod server;
mod service;
mod state;

pub use content_type::ContentType;
pub use encoding::{decode_base64, encode_base64, fuzz as fuzz_base64};
pub use error::{CameraKind, Error, Family, GateKind, Kind};
pub use probe::probe;
pub use reply::Reply;
pub use route::Route;
pub use seal::{Error as SealError, Seals, fuzz as fuzz_seal, new_key};
pub use server::{Server, places};
pub use service::{Head, Service};

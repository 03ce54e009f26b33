//! Faceplate: face verification and liveness over HTTP on the machine where it runs.
//!
//! # The way of a request
//! [`cli`] starts everything. [`gate`] takes a connection and lets a request in once it is whole, well-formed and has a place;
//! [`api::Server`] takes it from tiny_http on one of a few threads; [`api::Route`] says what it asks for; [`api::multipart`] splits its body; [`media`] turns a picture into a frame and [`face`] a frame into a
//! template, both on an inference worker of [`work`], while the HTTP thread waits on a ticket with a deadline; the score of
//! two templates becomes the reply. For liveness, [`media`] turns a picture, video or archive into a few frames, and [`face`]
//! follows the subject through them to one verdict. There is one way in, one way out and no step back.
//!
//! # Rooms, from the ground up
//! A room uses only rooms that come before it in this list.
//!
//! | room | what it knows |
//! |---|---|
//! | [`ops`] | limits, settings, log lines, signals |
//! | [`work`] | threads that compute, tickets, deadlines: the only places that wait |
//! | [`media`] | pictures, videos and archives to frames; no faces |
//! | [`camera`] | devices to frames: one thread, the newest frame, reconnection; no faces |
//! | [`engine`] | models, tract, int8; no faces |
//! | [`face`] | detection, alignment, embedding, quality, templates, scores, liveness |
//! | [`gate`] | connections, TLS, HTTP framing, tokens, places; no routes, no faces |
//! | [`api`] | the contract: routes, codes, multipart, base64 |
//! | [`cli`] | one file a command |
//!
//! # Who may block on whom
//! The gate's thread waits for sockets alone. HTTP threads wait for inference workers and for the camera's thread, never the reverse. The camera's thread waits for its
//! device. Workers wait for nothing but work. The queue between them is bounded; when it is full, the request is refused.
//!
//! # Hostile bytes
//! Whatever comes from outside is parsed under [`ops::Limits`]. Each parser has a function `fuzz` that takes any bytes and
//! panics if an invariant breaks: [`media::fuzz`] (pictures), [`media::fuzz_archive`], [`media::video::fuzz`] and those of
//! its containers and of VP8, [`media::fuzz_raw`] (what a camera sends), [`face::fuzz`] (templates), [`api::camera::fuzz`]
//! (queries), [`api::multipart::fuzz`], [`api::liveness::fuzz`] (payloads), [`api::fuzz_base64`], [`api::fuzz_seal`],
//! [`gate::fuzz`] (connections), [`ops::settings::fuzz`]. `cargo run --release --example fuzz` feeds them.

pub mod api;
pub mod camera;
pub mod cli;
pub mod engine;
pub mod face;
pub mod gate;
pub mod media;
pub mod ops;
pub mod work;

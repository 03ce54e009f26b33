//! Faceplate: face verification and presentation attack detection over HTTP, on the machine where it runs.
//!
//! # How a request is processed
//! [`cli`] starts everything. [`gate`] accepts connections, has [`api::Service`] judge each head, by which [`api::Route`] says which
//! method it requests, and passes a request on once it is whole, well-formed and has a slot; [`api::Server`] takes its body from tiny_http
//! on one of a few threads; [`api::multipart`] splits it; [`media`] decodes a picture into a frame and [`face`] makes a template of the frame, both on an inference worker of
//! [`work`], while the HTTP thread waits on a [`work::JobHandle`] with a deadline; the score of two templates becomes the reply. For
//! liveness, [`media`] decodes a picture, video or archive into a few frames, and [`face`] tracks the subject through them to one
//! verdict. The steps always run in this order.
//!
//! # Modules, from the bottom up
//! A module uses only modules that come before it in this list.
//!
//! | module | what it does |
//! |---|---|
//! | [`ops`] | limits, settings, log lines, signals |
//! | [`work`] | threads that compute, job handles, deadlines: the only places that wait |
//! | [`media`] | pictures, videos and archives to frames; no faces |
//! | [`camera`] | devices to frames: one thread, the newest frame, reconnection; no faces |
//! | [`engine`] | models, tract, int8; no faces |
//! | [`face`] | detection, alignment, embedding, quality, templates, scores, liveness |
//! | [`people`] | who is enrolled: records, store, search; no HTTP, no camera |
//! | [`capture`] | a person from the camera: challenges, attacks, the lock after them |
//! | [`events`] | what happened: envelope, journal, whoever waits for the next |
//! | [`door`] | a state machine, schedules, claims, and the lines of the hardware |
//! | [`outputs`] | where events go: webhooks, MQTT |
//! | [`gate`] | connections, TLS, HTTP framing, tokens, slots; no routes, no faces |
//! | [`api`] | the contract: routes, codes, multipart, base64 |
//! | [`cli`] | one file a command |
//!
//! # Which thread may wait for which
//! The gate's thread waits only for sockets. HTTP threads wait for inference workers and for the camera's thread, never the reverse. The
//! camera's thread waits for its device. Workers wait only for work. Their queue is bounded; when it is full, the request is refused.
//!
//! # Untrusted bytes
//! All outside input is parsed under [`ops::Limits`]. Each parser has a function `fuzz` that takes any bytes and
//! panics if an invariant breaks: [`media::fuzz`] (pictures), [`media::fuzz_archive`], [`media::video::fuzz`] and those of
//! its containers, of VP8, [`media::fuzz_raw`] (what a camera sends), [`face::fuzz`] (templates), [`api::fuzz_query`]
//! (queries), [`api::fuzz_language`] (`Accept-Language`), [`api::fuzz_people_query`], [`api::fuzz_people_lines`] (imports), [`people::fuzz`] (records), [`people::fuzz_etcd`], [`api::fuzz_events_query`], [`outputs::fuzz_broker`], [`api::multipart::fuzz`], [`api::liveness::fuzz`] (payloads), [`api::fuzz_base64`], [`face::fuzz_seal`],
//! [`gate::fuzz`] (connections), [`ops::settings::fuzz`]. `cargo fuzz-stable` feeds them.

#[forbid(unsafe_code)]
pub mod api;
#[forbid(unsafe_code)]
pub mod camera;
#[forbid(unsafe_code)]
pub mod capture;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod door;
pub mod engine;
#[forbid(unsafe_code)]
pub mod events;
#[forbid(unsafe_code)]
pub mod face;
#[forbid(unsafe_code)]
pub mod gate;
#[forbid(unsafe_code)]
pub mod media;
pub mod ops;
#[forbid(unsafe_code)]
pub mod outputs;
#[forbid(unsafe_code)]
pub mod people;
#[forbid(unsafe_code)]
pub mod work;

#[cfg(test)]
mod tests;

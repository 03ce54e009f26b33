//! Integration tests: all drive the real binary, or the public library as an embedder would.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod camera;
mod clips;
mod commands;
mod contract;
mod crowd;
mod data;
mod gate;
mod hostile;
mod liveness;
mod load;
mod memory;
mod sealed;
mod supervisor;
mod support;
mod zip;

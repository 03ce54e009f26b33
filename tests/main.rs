//! Integration tests: all run the real binary, or use the public library as an embedder would.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod camera;
mod clips;
mod commands;
mod console;
mod contract;
mod crowd;
mod data;
mod door;
mod faces;
mod gate;
mod hostile;
mod join;
mod jpegs;
mod liveness;
mod load;
mod manual;
mod memory;
mod people;
mod samples;
mod sealed;
mod stored;
mod supervisor;
mod support;
mod zip;

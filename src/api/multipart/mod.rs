//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1): reading what clients send, writing what `verify` returns.

mod read;
mod write;

pub use read::{Error, Part, boundary, fuzz, read};
pub use write::Writer;

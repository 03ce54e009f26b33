//! Reads and writes `multipart/form-data` (RFC 7578, RFC 2046 section 5.1): what clients send, and what `verify` returns.

mod read;
mod write;

pub use read::{Error, Part, boundary, fuzz, read};
pub use write::Writer;

//! JPEG: what a file costs before it is decoded, and decoding that can be stopped.
//!
//! Decoders fill what is missing with gray and say nothing; a face made of half gray would be compared all the same. So the
//! segments are walked first (`layout`): an interrupted transfer has no end, and a scan that is shorter than any encoder makes
//! it is damaged (`cost`). The crate `zune-jpeg` decodes (`decode`), and is shown the bytes in a way that tells when it takes
//! more from a scan than there is (`feed`).

mod cost;
mod decode;
mod feed;
mod layout;
#[cfg(test)]
mod tests;

pub(super) use decode::{Color, Stopped, open};
pub(super) use layout::{Flaw, Layout};

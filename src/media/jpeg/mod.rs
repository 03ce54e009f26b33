//! Decodes JPEG: checks a file's cost before decoding it, and can stop while decoding.
//!
//! Decoders fill missing parts with gray without an error; a face that is half gray would still be compared. Therefore the
//! segments are parsed first (`layout`): an interrupted transfer has no end, and a scan that is shorter than any encoder makes
//! it is damaged (`cost`). libjpeg-turbo is the reference: its rules for color (`color`), its typical tables (`tables`).
//! Each kind of file goes to a decoder that decodes it correctly, or is refused by name (`kinds`): the crate `zune-jpeg` (`decode`),
//! whose reader detects when it reads past the data of a scan (`feed`), or our own (`plain`).

mod color;
mod cost;
mod decode;
mod feed;
mod kinds;
mod layout;
mod plain;
mod stopped;
mod tables;
#[cfg(test)]
mod tests;

pub(super) use color::Color;
pub(super) use decode::open;
pub(super) use layout::{JpegDefect, Layout};
pub(super) use stopped::Stopped;

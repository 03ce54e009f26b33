//! Defines why decoding ended without pixels.

use super::layout::JpegDefect;

/// Why decoding ended without pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Stopped {
    /// The file is flawed.
    Flawed(JpegDefect),
    /// `stop` returned true.
    Late,
}

impl From<JpegDefect> for Stopped {
    fn from(flaw: JpegDefect) -> Self {
        Self::Flawed(flaw)
    }
}

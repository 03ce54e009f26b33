//! What decoding may use: limits, memory, and time.

use crate::ops::memory::{Refused, Reserved, can_have};
use crate::ops::{Limits, Memory};

/// What decoding may use.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Caps on what is decoded.
    pub limits: &'a Limits,
    /// What all workers together may hold.
    pub memory: &'a Memory,
    /// Asked from time to time whether to give up.
    pub stop: &'a dyn Fn() -> bool,
}

/// Why there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// So many bytes are wanted of at most so many.
    Never(u64, u64),
    /// The system has none at the moment.
    Now,
    /// The caller said to stop.
    Late,
}

impl Means<'_> {
    /// Reserves bytes for decoding, and sees that the system has them.
    pub(super) fn room(&self, bytes: u64) -> Result<Reserved, NoRoom> {
        let reserved = self.memory.decode.reserve(bytes, self.stop);
        granted(bytes, reserved)
    }

    /// Reserves bytes for what is kept while something is decoded.
    pub(super) fn kept(&self, bytes: u64) -> Result<Reserved, NoRoom> {
        granted(bytes, self.memory.kept.reserve(bytes, self.stop))
    }
}

fn granted(bytes: u64, reserved: Result<Reserved, Refused>) -> Result<Reserved, NoRoom> {
    let reserved = reserved.map_err(|refused| match refused {
        Refused::Never(most) => NoRoom::Never(bytes, most),
        Refused::Late => NoRoom::Late,
    })?;
    if can_have(bytes) { Ok(reserved) } else { Err(NoRoom::Now) }
}

/// What a client is told of something that never fits.
pub(super) fn too_much(what: &str, bytes: u64, most: u64) -> String {
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    format!("{what} takes {} MB of memory to decode, and there are {}", megabytes(bytes), most / 1_000_000)
}

/// What a client is told where the system has no memory.
pub(super) const NO_MEMORY: &str = "there is not enough memory to decode it now; try again";

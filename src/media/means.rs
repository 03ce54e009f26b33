//! Bundles what decoding may use: limits, memory, time and threads.

use crate::ops::memory::{Refused, Reserved, can_have};
use crate::ops::{Limits, Memory, Stop};

/// What decoding may use: limits, memory, time and threads.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Limits on what is decoded.
    pub limits: &'a Limits,
    /// The memory budget that all workers share.
    pub memory: &'a Memory,
    /// Polled while decoding: returns true to stop.
    pub stop: &'a Stop<'a>,
    /// Who else decodes.
    pub threads: &'a dyn Threads,
}

/// This thread, and others that may help it.
pub trait Threads {
    /// Runs `mine` on this thread, and `other` beside it or after it. Each is called once.
    fn fork(&self, other: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut());

    /// Has `fill` called for consecutive pieces of `out`, with the number of a piece's first unit. Units of so many bytes stay together.
    fn fill(&self, out: &mut [u8], unit: usize, fill: &(dyn Fn(usize, &mut [u8]) + Sync));
}

/// This thread alone.
impl Threads for () {
    fn fork(&self, other: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        mine();
        other();
    }

    fn fill(&self, out: &mut [u8], _: usize, fill: &(dyn Fn(usize, &mut [u8]) + Sync)) {
        fill(0, out);
    }
}

/// Why memory was not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The bytes wanted exceed the whole budget: wanted, budget.
    Never(u64, u64),
    /// The system does not have enough at the moment.
    Now,
    /// The caller's `stop` returned true while waiting.
    Late,
}

impl Means<'_> {
    /// Reserves bytes for decoding, and checks that the system has them.
    pub(super) fn room(&self, bytes: u64) -> Result<Reserved, NoRoom> {
        let reserved = self.memory.decode.reserve(bytes, self.stop);
        granted(bytes, reserved)
    }

    /// Reserves bytes for data that is kept while something else is decoded.
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

/// The message to the client for something that exceeds the whole budget.
pub(super) fn too_much(what: &str, bytes: u64, most: u64) -> String {
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    format!("{what} takes {} MB of memory to decode, and there are {}", megabytes(bytes), most / 1_000_000)
}

/// The message to the client when the system has no memory.
pub(super) const NO_MEMORY: &str = "there is not enough memory to decode it now; try again";

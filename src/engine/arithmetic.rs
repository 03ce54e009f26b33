//! Selects the arithmetic that a network runs in.

use super::Isa;

/// Which arithmetic a plan uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Integers, with the kernels of an instruction set: the same answer on every processor.
    Integer(Isa),
    /// int8 weights, with activations left in f32 between blocks.
    Float,
    /// Activations rounded to u8 where the file says so, each block computed in f32. Slow; on a square it gives what integers give.
    Emulated,
}

impl Default for Arithmetic {
    fn default() -> Self {
        Self::Integer(Isa::best())
    }
}

impl Arithmetic {
    /// `float`, `emulated`, or the name of an instruction set that this processor has.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "float" => Some(Self::Float),
            "emulated" => Some(Self::Emulated),
            _ => Isa::available().into_iter().find(|isa| isa.name() == name).map(Self::Integer),
        }
    }
}

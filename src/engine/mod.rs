//! Neural networks: which ones, from which file, and how they run. It knows tensors, not faces.
//!
//! # The seam
//! A model file is standard ONNX with QuantizeLinear/DequantizeLinear wherever an int8 engine stores a value. `engine/ops` reads
//! these as operators of our own, so that the loaded graph still says exactly what is quantized and how. One transform then
//! decides on the arithmetic ([`Arithmetic`]); an integer path is one more transform there. Callers see pixels go in (u8)
//! and maps of numbers come out ([`Session::run`]), whatever happens in between.

mod int8;
mod manifest;
mod model;
mod ops;
mod self_test;
mod session;
#[cfg(test)]
mod tests;

pub use int8::Isa;
pub use manifest::{Channels, Decoding, Knot, Manifest, ModelInfo, Role};
pub use model::{Arithmetic, Model, ModelSet, Plan};
pub use self_test::picture as self_test_picture;
pub use session::{Map, Session};

/// Why models can't be used. All of these are ours or the integrator's to mend, never a client's.
#[derive(Debug)]
pub enum Error {
    /// The folder of models, its manifest or a file in it is not as it must be.
    Models(String),
    /// tract could not load or run a graph that passed all checks.
    Run(String),
    /// A model gave another answer than the one that its manifest records.
    SelfTest(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Models(what) | Self::SelfTest(what) => f.write_str(what),
            Self::Run(what) => write!(f, "inference failed: {what}"),
        }
    }
}

impl std::error::Error for Error {}

//! Loads and runs neural networks. It knows tensors, not faces.
//!
//! # Where arithmetic is chosen
//! A model file is standard ONNX with QuantizeLinear/DequantizeLinear wherever an int8 engine stores a value. `engine/ops` reads
//! these as our own operators, so that the loaded graph still says exactly what is quantized and how. One transform then
//! chooses the arithmetic ([`Arithmetic`]); an integer path is one more transform there. Callers pass pixels (u8) and get
//! maps of numbers ([`Session::run`]) with any arithmetic.

mod arithmetic;
mod int8;
mod manifest;
mod map;
mod model;
mod ops;
mod self_test;
mod session;
#[cfg(test)]
mod tests;

pub use arithmetic::Arithmetic;
pub use int8::Isa;
pub use manifest::{Channels, Decoding, Knot, Manifest, ModelInfo, Role};
pub use map::Map;
pub use model::{Model, ModelSet, Plan};
pub use self_test::picture as self_test_picture;
pub use session::Session;

/// Why models can't be used. The service or the integrator has to fix these, never a client.
#[derive(Debug)]
pub enum Error {
    /// The folder of models, its manifest or a file in it is invalid.
    Models(String),
    /// tract could not load or run a graph that passed all checks.
    Run(String),
    /// A model's answer differs from the one in its manifest.
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

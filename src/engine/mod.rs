//! Loads and runs neural networks. It knows tensors, not faces.
//!
//! # Where arithmetic is chosen
//! A model file is standard ONNX with QuantizeLinear/DequantizeLinear wherever an int8 engine stores a value. `engine/ops` reads
//! these as our own operators, so that the loaded graph still says exactly what is quantized and how. One transform then
//! chooses the arithmetic ([`Arithmetic`]); an integer path is one more transform there. Callers pass pixels (u8) and get
//! maps of numbers ([`Session::run`]) with any arithmetic.

mod arithmetic;
mod error;
mod int8;
mod manifest;
mod map;
mod model;
mod ops;
mod self_test;
mod session;
mod team;
#[cfg(test)]
mod tests;

pub use arithmetic::Arithmetic;
pub use error::{Error, ErrorKind};
pub use int8::Isa;
pub use manifest::{Channels, Decoding, Knot, Manifest, ModelInfo, Role};
pub use map::Map;
pub use model::{Model, ModelSet, Plan};
pub use self_test::picture as self_test_picture;
pub use session::Session;
pub use team::{Crew, Team};

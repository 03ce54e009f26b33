//! Decodes uploaded bytes to frames: upright RGB pixels, within limits, or an error that says why not.
//!
//! It knows pictures, videos and archives, not faces. [`Medium`] opens any of them; [`decode`] reads one picture.

mod archive;
mod exif;
mod formats;
mod frame;
mod jpeg;
mod means;
mod medium;
mod png;
pub mod raw;
pub(crate) mod resample;
mod rgb;
mod shape;
mod still;
pub mod video;
mod yuv;

pub use archive::fuzz as fuzz_archive;
pub use frame::{Frame, PixelReader, Rotation, mirrored};
pub use means::{Means, Threads};
pub use medium::{Details, Error as MediumError, Kind, Medium, kind};
pub use raw::fuzz as fuzz_raw;
pub use shape::Shape;
pub use still::{Error, HeldMedia, decode, fuzz, to_jpeg};
pub use yuv::{Chroma, Matrix, Picture, Plane};

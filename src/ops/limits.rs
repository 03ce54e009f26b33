//! Every cap on what comes from outside, in one value that goes from the settings to every decoder.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Caps on hostile input. Each is checked before memory is reserved for what it caps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request body. 64 MiB hold 10,000 templates in base64 or a handful of camera pictures.
    pub body_bytes: usize,
    /// Bytes of one picture file. 20 MiB is a 50-megapixel JPEG of good quality.
    pub picture_bytes: usize,
    /// Pixels of one picture, checked before decoding. 50 megapixels take 150 MB decoded.
    pub picture_pixels: u64,
    /// Templates in one 1:N request.
    pub templates: usize,
    /// Pictures in one 1:N request: each costs an inference.
    pub samples: usize,
    /// Parts of any kind in one multipart body: the templates and some room for fields that are ignored.
    pub parts: usize,
    /// Bytes of the header lines of one part.
    pub part_head_bytes: usize,
    /// Milliseconds that a request may wait for and spend in inference; then it is answered with 503.
    pub request_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            picture_bytes: 20 << 20,
            picture_pixels: 50_000_000,
            templates: 10_000,
            samples: 64,
            parts: 10_064,
            part_head_bytes: 8 << 10,
            request_ms: 30_000,
        }
    }
}

impl Limits {
    /// [`Limits::request_ms`] as a duration.
    pub fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }
}

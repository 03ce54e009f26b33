//! JPEG and PNG of any kind to an upright RGB frame.
//!
//! Told by their bytes: labels and names lie. EXIF orientation is applied; transparency is shown on white, as a browser
//! does; 16-bit, palette, gray and CMYK pictures become 8-bit RGB.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError};

use super::frame::{Frame, Turn};
use super::jpeg::{self, Extent};
use crate::ops::Limits;

/// Why bytes are no picture. The text is for the client: it holds nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nothing was sent.
    Empty,
    /// Neither JPEG nor PNG. `looks_like` names another format that was recognized.
    Format {
        /// The format by its first bytes, if known.
        looks_like: Option<&'static str>,
    },
    /// The file is damaged or ends early.
    Damaged(String),
    /// Policy: larger than the limits allow.
    TooLarge(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Format { looks_like: Some(name) } => write!(f, "it is {name}; send JPEG or PNG"),
            Self::Format { looks_like: None } => f.write_str("the bytes are neither a JPEG nor a PNG"),
            Self::Damaged(what) | Self::TooLarge(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

const JPEG: &[u8] = b"\xFF\xD8";
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Whether bytes begin as a picture that [`decode`] reads.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(JPEG) || bytes.starts_with(PNG)
}

/// The media type of a picture that [`decode`] reads.
pub(super) fn mime(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(PNG) { "image/png" } else { "image/jpeg" }
}

/// Decodes one picture. Never allocates for a size that the limits forbid.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.len() > limits.picture_bytes {
        return Err(Error::TooLarge(format!("it is over the limit of {} bytes", limits.picture_bytes)));
    }
    if bytes.starts_with(JPEG) {
        return decode_jpeg(bytes, limits);
    }
    if bytes.starts_with(PNG) {
        let decoder =
            PngDecoder::with_limits(Cursor::new(bytes), allocation(limits)).map_err(|e| damaged("PNG", &e))?;
        return finish(decoder, "PNG", limits);
    }
    Err(Error::Format { looks_like: other_format(bytes) })
}

fn decode_jpeg(bytes: &[u8], limits: &Limits) -> Result<Frame, Error> {
    match jpeg::extent(bytes) {
        Extent::Whole => {}
        Extent::EndsInHeader => return Err(Error::Damaged("the JPEG ends inside its header".into())),
        Extent::EndsInScan => return Err(Error::Damaged("the JPEG ends inside a scan".into())),
    }
    finish(JpegDecoder::new(Cursor::new(bytes)).map_err(|e| damaged("JPEG", &e))?, "JPEG", limits)
}

fn finish(mut decoder: impl ImageDecoder, format: &str, limits: &Limits) -> Result<Frame, Error> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width == 0 || height == 0 {
        return Err(Error::Damaged(format!("the {format} has no pixels")));
    }
    if pixels > limits.picture_pixels {
        let limit = limits.picture_pixels;
        return Err(Error::TooLarge(format!("{width}x{height} pixels are over the limit of {limit} pixels")));
    }
    if width.max(height) > MAX_SIDE {
        return Err(Error::TooLarge(format!("{width}x{height} pixels: a side is over the limit of {MAX_SIDE}")));
    }
    if decoder.total_bytes() > pixel_bytes(limits) {
        return Err(Error::TooLarge(format!(
            "{width}x{height} pixels at this depth take more memory than the limits allow"
        )));
    }
    decoder.set_limits(allocation(limits)).map_err(|e| damaged(format, &e))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| damaged(format, &e))?;
    if picture.color().has_alpha() {
        picture = on_white(picture);
    }
    picture = DynamicImage::ImageRgb8(picture.into_rgb8());
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    Ok(Frame::new(rgb.width() as usize, rgb.height() as usize, rgb.into_raw()))
}

/// Longest side in pixels: what a JPEG can have at most.
const MAX_SIDE: u32 = 65_535;

/// Bytes of a decoded picture: four for each pixel that is allowed, so that 16-bit pictures may have half as many.
fn pixel_bytes(limits: &Limits) -> u64 {
    limits.picture_pixels.saturating_mul(4)
}

/// What a decoder may hold at once.
fn allocation(limits: &Limits) -> image::Limits {
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(pixel_bytes(limits));
    allowed
}

/// Blends every pixel with white by its alpha, rounded to nearest.
fn on_white(picture: DynamicImage) -> DynamicImage {
    let mut rgba = picture.into_rgba8();
    for pixel in rgba.pixels_mut() {
        let [r, g, b, a] = pixel.0.map(u32::from);
        let blend = |c: u32| ((c * a + 255 * (255 - a) + 127) / 255) as u8;
        pixel.0 = [blend(r), blend(g), blend(b), 255];
    }
    DynamicImage::ImageRgba8(rgba)
}

fn damaged(format: &str, error: &ImageError) -> Error {
    match error {
        ImageError::Limits(_) => Error::TooLarge(format!("the {format} needs more memory than the limits allow")),
        other => {
            let mut reason: String = other.to_string().chars().filter(|c| !c.is_control()).take(120).collect();
            if let Some(tail) = reason.find(": ") {
                reason = reason.split_off(tail + 2);
            }
            Error::Damaged(format!("the {format} is damaged ({reason})"))
        }
    }
}

/// Names formats that people send by mistake.
pub(super) fn other_format(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], usize, &str); 18] = [
        (b"GIF8", 0, "a GIF"),
        (b"WEBP", 8, "a WebP"),
        (b"BM", 0, "a BMP"),
        (b"II*\0", 0, "a TIFF"),
        (b"MM\0*", 0, "a TIFF"),
        (b"ftypavif", 4, "an AVIF"),
        (b"ftypheic", 4, "a HEIC"),
        (b"ftyp", 4, "a video"),
        (b"\x1A\x45\xDF\xA3", 0, "a video"),
        (b"jP  ", 4, "a JPEG 2000"),
        (b"PK\x03\x04", 0, "a zip archive"),
        (b"%PDF", 0, "a PDF"),
        (b"\0\0\x01\xBA", 0, "an MPEG program stream"),
        (b"\0\0\x01\xB3", 0, "an MPEG video stream"),
        (b"FLV", 0, "a Flash video"),
        (b"OggS", 0, "an Ogg stream"),
        (b"\x30\x26\xB2\x75", 0, "a Windows Media file"),
        (b"Rar!", 0, "a RAR archive"),
    ];
    KNOWN.iter().find(|(magic, at, _)| bytes.get(*at..).is_some_and(|b| b.starts_with(magic))).map(|k| k.2)
}

/// JPEG quality of what leaves the service: visually lossless for a face, a third of the size that 100 has.
const JPEG_QUALITY: u8 = 90;

/// The frame as JPEG; an error tells what the encoder said.
pub fn to_jpeg(frame: &Frame) -> Result<Vec<u8>, String> {
    let side = |pixels: usize| u32::try_from(pixels).map_err(|e| e.to_string());
    let (width, height) = (side(frame.width())?, side(frame.height())?);
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode(frame.pixels(), width, height, image::ExtendedColorType::Rgb8)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// Reads any bytes as a picture with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { picture_pixels: 1 << 16, ..Limits::default() };
    if let Ok(frame) = decode(bytes, &limits) {
        assert!(frame.width() * frame.height() <= 1 << 16);
        assert_eq!(frame.turned(Turn::Half).turned(Turn::Half), frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_becomes_a_jpeg_of_its_size() {
        let frame = Frame::new(33, 17, vec![90; 33 * 17 * 3]);
        let back = decode(&to_jpeg(&frame).unwrap(), &Limits::default()).unwrap();
        assert_eq!((back.width(), back.height()), (33, 17));
        assert!(back.pixels().iter().all(|p| p.abs_diff(90) <= 2));
    }
}

//! Decodes JPEG and PNG pictures of any kind to an upright RGB frame.
//!
//! Recognizes them by their bytes, not by content types or names. Applies EXIF orientation; shows transparency on white, as a
//! browser does; converts 16-bit, palette, gray and CMYK pictures to 8-bit RGB.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};
use jpeg_encoder::{Encoder, SamplingFactor};

use super::frame::{Frame, Rotation};
use super::jpeg::{self, JpegDefect, Layout, Stopped};
use super::means::{Means, NO_MEMORY, NoRoom, too_much};
use super::{exif, formats, png, rgb};
use crate::ops::memory::Reserved;
use crate::ops::{Limits, Memory, SecretBytes, heap};

/// Why bytes are not a valid picture. The text is for the client: it contains nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The payload is empty.
    Empty,
    /// Neither JPEG nor PNG. `looks_like` names another format that was recognized.
    Format {
        /// The format by its first bytes, if known.
        looks_like: Option<&'static str>,
    },
    /// An unsupported kind of JPEG or PNG.
    Unsupported(String),
    /// The file is damaged or ends early.
    Damaged(String),
    /// Policy: larger than the limits allow.
    TooLarge(String),
    /// Service: the system has no memory for it now.
    NoMemory,
    /// The caller's `stop` returned true.
    Late,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Format { looks_like: Some(name) } => write!(f, "it is {name}; send JPEG or PNG"),
            Self::Format { looks_like: None } => f.write_str("the bytes are neither a JPEG nor a PNG"),
            Self::Unsupported(what) | Self::Damaged(what) | Self::TooLarge(what) => f.write_str(what),
            Self::NoMemory => f.write_str(NO_MEMORY),
            Self::Late => f.write_str("it took too long"),
        }
    }
}

impl std::error::Error for Error {}

impl From<NoRoom> for Error {
    fn from(refused: NoRoom) -> Self {
        match refused {
            NoRoom::Never(bytes, most) => Self::TooLarge(too_much("this kind and size of picture", bytes, most)),
            NoRoom::Now => Self::NoMemory,
            NoRoom::Late => Self::Late,
        }
    }
}

impl From<JpegDefect> for Error {
    fn from(flaw: JpegDefect) -> Self {
        match flaw {
            JpegDefect::TooLarge(_) => Self::TooLarge(flaw.to_string()),
            JpegDefect::Unsupported(_) => Self::Unsupported(flaw.to_string()),
            _ => Self::Damaged(flaw.to_string()),
        }
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Flawed(flaw) => flaw.into(),
            Stopped::Late => Self::Late,
        }
    }
}

/// A frame, and its reservation of the memory budget.
#[derive(Debug)]
pub struct HeldMedia {
    pub(super) frame: Frame,
    pub(super) room: Reserved,
}

impl std::ops::Deref for HeldMedia {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}

const JPEG: &[u8] = b"\xFF\xD8";

/// Whether bytes begin like a picture that [`decode`] reads.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(JPEG) || bytes.starts_with(png::SIGNATURE)
}

/// The media type of a picture that [`decode`] reads.
pub(super) fn mime(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(png::SIGNATURE) { "image/png" } else { "image/jpeg" }
}

/// Bytes of a pixel of a frame.
const BYTES: u64 = 3;

/// Decodes one picture. Never allocates for a size that exceeds the limits or was not reserved.
pub fn decode(bytes: &[u8], means: &Means<'_>) -> Result<HeldMedia, Error> {
    decode_for(bytes, means, 0)
}

/// The same, with room for a copy of so many pixels at the most, which is made of the frame.
pub(super) fn decode_for(bytes: &[u8], means: &Means<'_>, copied: u64) -> Result<HeldMedia, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.len() > means.limits.picture_bytes {
        return Err(Error::TooLarge(format!("it is over the limit of {} bytes", means.limits.picture_bytes)));
    }
    let mut held = if bytes.starts_with(JPEG) {
        decode_jpeg(bytes, means, copied)?
    } else if bytes.starts_with(png::SIGNATURE) {
        decode_png(bytes, means, copied)?
    } else {
        return Err(Error::Format { looks_like: formats::name(bytes) });
    };
    let pixels = (held.frame.width() * held.frame.height()) as u64;
    held.room.shrink(pixels * BYTES + copy_bytes(pixels, copied));
    Ok(held)
}

fn decode_jpeg(bytes: &[u8], means: &Means<'_>, copied: u64) -> Result<HeldMedia, Error> {
    let layout = Layout::read(bytes)?;
    let pixels = check_size(layout.width.into(), layout.height.into(), means.limits)?;
    layout.check(means.limits.picture_pixels)?;
    let exif = layout.exif.clone().and_then(|exif| exif::orientation(&bytes[exif]));
    let turn = exif.unwrap_or(Orientation::NoTransforms);
    let out = pixels * BYTES;
    let room = means.room(out + layout.working_bytes().max(copy_bytes(pixels, copied)))?;
    let opened = jpeg::open(bytes, &layout, means.stop)?;
    let color = if opened.color() == jpeg::Color::Gray { ColorType::L8 } else { ColorType::Rgb8 };
    let mut buffer = zeros(out)?;
    let count = buffer.len() / 3 * usize::from(color.bytes_per_pixel());
    opened.decode(false, &mut buffer[..count])?;
    finish(buffer, (layout.width.into(), layout.height.into()), color, turn, room)
}

fn decode_png(bytes: &[u8], means: &Means<'_>, copied: u64) -> Result<HeldMedia, Error> {
    let limits = means.limits;
    let told = |error: ImageError| if (means.stop)() { Error::Late } else { damaged(&error) };
    let chunks = png::walk(bytes);
    if let Some(what) = chunks.unsupported {
        return Err(Error::Unsupported(what.into()));
    }
    let turn = chunks.orientation.unwrap_or(Orientation::NoTransforms);
    let mut decoder = png::open(chunks, allocation(limits), means.stop).map_err(told)?;
    let (width, height) = decoder.dimensions();
    let pixels = check_size(width, height, limits)?;
    if decoder.total_bytes() > pixel_bytes(limits) {
        return Err(Error::TooLarge(format!(
            "{width}x{height} pixels at this depth take more memory than the limits allow"
        )));
    }
    decoder.set_limits(allocation(limits)).map_err(told)?;
    let color = decoder.color_type();
    let out = rgb::bytes(pixels, color);
    let room = means.room(out + png::working_bytes(&decoder).max(copy_bytes(pixels, copied)))?;
    let (mut buffer, count) = (zeros(out)?, decoder.total_bytes());
    let count = usize::try_from(count).map_err(|_| Error::NoMemory)?;
    decoder.read_image(&mut buffer[..count]).map_err(told)?;
    finish(buffer, (width, height), color, turn, room)
}

/// Bytes of a copy of so many pixels at the most, of a picture of `pixels`.
fn copy_bytes(pixels: u64, copied: u64) -> u64 {
    copied.min(pixels) * BYTES
}

/// The number of pixels, if the limits allow it.
fn check_size(width: u32, height: u32, limits: &Limits) -> Result<u64, Error> {
    let pixels = u64::from(width) * u64::from(height);
    if width == 0 || height == 0 {
        return Err(Error::Damaged("the picture has no pixels".into()));
    }
    if pixels > limits.picture_pixels {
        let limit = limits.picture_pixels;
        return Err(Error::TooLarge(format!("{width}x{height} pixels are over the limit of {limit} pixels")));
    }
    if width.max(height) > MAX_SIDE {
        return Err(Error::TooLarge(format!("{width}x{height} pixels: a side is over the limit of {MAX_SIDE}")));
    }
    Ok(pixels)
}

/// Allocates memory for pixels. This can fail: another thread may have taken it since the check.
fn zeros(bytes: u64) -> Result<Vec<u8>, Error> {
    usize::try_from(bytes).ok().and_then(heap::zeros).ok_or(Error::NoMemory)
}

fn finish(
    mut buffer: Vec<u8>,
    (width, height): (u32, u32),
    color: ColorType,
    turn: Orientation,
    room: Reserved,
) -> Result<HeldMedia, Error> {
    let unknown = || Error::Damaged("the picture has a kind of color that is not supported".into());
    rgb::convert(&mut buffer, width as usize * height as usize, color).ok_or_else(unknown)?;
    let (mirrored, turn) = seen(turn);
    Ok(HeldMedia { frame: Frame::new(width as usize, height as usize, buffer).seen(mirrored, turn), room })
}

/// How a picture of this orientation is seen: whether mirrored left to right, and then how turned.
fn seen(orientation: Orientation) -> (bool, Rotation) {
    match orientation {
        Orientation::NoTransforms => (false, Rotation::None),
        Orientation::Rotate90 => (false, Rotation::Right),
        Orientation::Rotate180 => (false, Rotation::Half),
        Orientation::Rotate270 => (false, Rotation::Left),
        Orientation::FlipHorizontal => (true, Rotation::None),
        Orientation::FlipVertical => (true, Rotation::Half),
        Orientation::Rotate90FlipH => (true, Rotation::Left),
        Orientation::Rotate270FlipH => (true, Rotation::Right),
    }
}

/// Longest side in pixels: the most that JPEG allows.
const MAX_SIDE: u32 = 65_535;

/// Byte limit of a decoded picture: four for each allowed pixel, so that 16-bit pictures may have half as many.
fn pixel_bytes(limits: &Limits) -> u64 {
    limits.picture_pixels.saturating_mul(4)
}

/// Allocation limit of a decoder.
fn allocation(limits: &Limits) -> image::Limits {
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(pixel_bytes(limits));
    allowed
}

/// The message to the client for an error of the PNG decoder, whose own text is for programmers.
fn damaged(error: &ImageError) -> Error {
    match error {
        ImageError::Limits(_) => Error::TooLarge("the PNG needs more memory than the limits allow".into()),
        ImageError::Unsupported(_) => {
            Error::Unsupported("the PNG is of a kind that is not supported; send an ordinary PNG or JPEG".into())
        }
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::Damaged("the PNG is damaged (it ends early)".into())
        }
        _ => Error::Damaged("the PNG is damaged".into()),
    }
}

/// Quality of JPEGs that the service sends: visually lossless for a face, a third of the size that 100 gives.
const JPEG_QUALITY: u8 = 90;

/// The frame as baseline JPEG with 4:2:0 color, as cameras write it, or the encoder's error message.
pub fn to_jpeg(frame: &Frame) -> Result<SecretBytes, String> {
    let side = |pixels: usize| u16::try_from(pixels).map_err(|e| e.to_string());
    let (width, height) = (side(frame.width())?, side(frame.height())?);
    let mut bytes = vec![];
    let mut encoder = Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(frame.pixels(), width, height, jpeg_encoder::ColorType::Rgb).map_err(|e| e.to_string())?;
    Ok(bytes.into())
}

/// Reads any bytes as a picture with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { picture_pixels: 1 << 16, ..Limits::default() };
    if bytes.starts_with(JPEG)
        && let Ok(layout) = Layout::read(bytes)
    {
        let longer = [bytes, b"\xFF\xD8\xFF\xDA\0"].concat();
        assert!(Layout::read(&longer) == Ok(layout), "what follows the end does not matter");
    }
    let memory = Memory::of(4 << 20);
    let means = Means { limits: &limits, memory: &memory, stop: &|| false, threads: &() };
    let result = decode(bytes, &means);
    if let Ok(held) = &result {
        let pixels = held.width() * held.height();
        assert!(pixels <= 1 << 16);
        assert_eq!(held.turned(Rotation::Half).turned(Rotation::Half), *held.upright());
        assert_eq!(held.room.bytes(), pixels as u64 * BYTES);
    }
    drop(result);
    let stopped = decode(bytes, &Means { stop: &|| true, ..means });
    assert!(stopped.is_err(), "one that is told to stop gives no picture");
    assert_eq!(memory.decode.free(), memory.decode.total(), "all memory comes back");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], memory: &Memory) -> Result<HeldMedia, Error> {
        decode(bytes, &Means { limits: &Limits::default(), memory, stop: &|| false, threads: &() })
    }

    #[test]
    fn a_frame_becomes_a_jpeg_of_its_size() {
        let frame = Frame::new(33, 17, vec![90; 33 * 17 * 3]);
        let back = read(&to_jpeg(&frame).unwrap(), &Memory::of(1 << 24)).unwrap();
        assert_eq!((back.width(), back.height()), (33, 17));
        assert!(back.pixels().iter().all(|p| p.abs_diff(90) <= 2));
    }

    #[test]
    fn pictures_over_the_memory_budget_are_refused_before_decoding() {
        let jpeg = to_jpeg(&Frame::new(1000, 1000, vec![90; 3_000_000])).unwrap();
        let memory = |bytes: u64| Memory::of(bytes);
        let held = read(&jpeg, &memory(8 << 20)).unwrap();
        assert_eq!(held.room.bytes(), 3_000_000);
        let refused = read(&jpeg, &memory(3 << 20)).unwrap_err();
        assert!(matches!(&refused, Error::TooLarge(what) if what.contains("of memory")), "{refused}");
        let busy = memory(8 << 20);
        let _other = busy.decode.reserve(busy.decode.total() - 1000, &|| false).unwrap();
        let late = decode(&jpeg, &Means { limits: &Limits::default(), memory: &busy, stop: &|| true, threads: &() })
            .unwrap_err();
        assert_eq!(late, Error::Late);
    }

    #[test]
    fn refusals_are_worded_for_users() {
        let told = |bytes: &[u8]| read(bytes, &Memory::of(1 << 24)).unwrap_err();
        let jpeg = to_jpeg(&Frame::new(70, 70, vec![90; 14_700])).unwrap();
        let frame = jpeg.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
        let with = |at: usize, byte: u8| {
            let mut bytes = jpeg.clone();
            bytes[frame + at] = byte;
            told(&bytes)
        };
        for (error, what) in [
            (with(1, 0xC9), "the JPEG is arithmetic-coded, which is not supported; send baseline or progressive JPEG"),
            (with(4, 12), "the JPEG has samples of 12 bits, which is not supported; send baseline or progressive JPEG"),
        ] {
            assert_eq!(error, Error::Unsupported(what.into()));
        }
        assert!(matches!(told(b"\0\0\0\x14ftypmif1\0\0\0\0heix"), Error::Format { looks_like: Some("a HEIC") }));
        // A decoder's own message about damage is for programmers and is not passed on.
        let png = include_bytes!("../../tests/pictures/nobody.png");
        for (at, value) in [(8 + 4, b'J'), (8 + 8 + 3, 0xFF), (200, 0), (40, b'?')] {
            let mut bytes = png.to_vec();
            bytes[at] = value;
            if let Err(error) = read(&bytes, &Memory::of(1 << 28)) {
                let text = error.to_string();
                assert!(!text.contains(['{', '"', ':']), "{text}");
            }
        }
        assert_eq!(told(&png[..300]), Error::Damaged("the PNG is damaged (it ends early)".into()));
    }

    #[test]
    fn a_stopped_decoding_is_reported_as_late() {
        let picture = include_bytes!("../../tests/pictures/progressive.jpg");
        let memory = Memory::of(1 << 28);
        let means = Means { limits: &Limits::default(), memory: &memory, stop: &|| true, threads: &() };
        assert_eq!(decode(picture, &means).unwrap_err(), Error::Late);
        assert_eq!(memory.decode.free(), memory.decode.total());
    }
}

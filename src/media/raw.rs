//! Converts a camera buffer to an upright RGB frame: packed or planar samples, or a JPEG.
//!
//! A buffer that is too short for its size, or an incomplete JPEG, gives no frame: half a face must not be compared.
//! The sample layout of each format is that of the Linux kernel documentation ("Image Formats" of the Video4Linux manual).

use super::frame::{Frame, Rotation};
use super::video;
use super::yuv::{Chroma, Matrix, Picture, Plane};
use crate::ops::Stop;

/// Pixel format of a camera's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// A JPEG for each frame, often without Huffman tables.
    Mjpg,
    /// Y0 Cb Y1 Cr: two pixels in four bytes.
    Yuyv,
    /// Cb Y0 Cr Y1.
    Uyvy,
    /// A plane of Y, then one of interleaved Cb and Cr with half as many rows.
    Nv12,
    /// Y alone.
    Grey,
    /// R G B.
    Rgb3,
}

/// Size and format of a camera's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pixel format.
    pub format: PixelFormat,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row to the next; 0 if rows have no padding. Not used for a JPEG.
    pub stride: usize,
    /// Whether samples use the range 0 to 255 instead of 16 to 235 for luma. Not used for RGB and JPEG.
    pub full_range: bool,
    /// Conversion matrix. Not used for gray, RGB and JPEG.
    pub matrix: Matrix,
}

/// How a camera is mounted: how to transform its frames so that people stand upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mounting {
    /// Mirror left to right, before the rotation.
    pub mirror: bool,
    /// Clockwise rotation.
    pub turn: Rotation,
}

/// Why a buffer gives no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged(String);

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damaged {}

impl PixelFormat {
    /// All formats, those that are cheapest to decode for their content first.
    pub const ALL: [Self; 6] = [Self::Yuyv, Self::Uyvy, Self::Nv12, Self::Mjpg, Self::Rgb3, Self::Grey];

    /// The kernel's four-character code for it.
    pub fn four_characters(self) -> &'static str {
        match self {
            Self::Mjpg => "MJPG",
            Self::Yuyv => "YUYV",
            Self::Uyvy => "UYVY",
            Self::Nv12 => "NV12",
            Self::Grey => "GREY",
            Self::Rgb3 => "RGB3",
        }
    }

    /// The format for a four-character code, if it is supported.
    pub fn from_four_characters(code: &[u8]) -> Option<Self> {
        match code {
            b"JPEG" => Some(Self::Mjpg),
            _ => Self::ALL.into_iter().find(|format| format.four_characters().as_bytes() == code),
        }
    }

    /// Bytes of a row of `width` pixels without padding; for NV12 a row of Y. 0 for a JPEG.
    pub fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::Mjpg => 0,
            Self::Yuyv | Self::Uyvy => width.div_ceil(2) * 4,
            Self::Nv12 => width.div_ceil(2) * 2,
            Self::Grey => width,
            Self::Rgb3 => width * 3,
        }
    }
}

impl Layout {
    /// A layout without padding, in the limited range of Rec. ITU-R BT.601, the default of cameras.
    pub fn new(format: PixelFormat, width: usize, height: usize) -> Self {
        Self { format, width, height, stride: 0, full_range: false, matrix: Matrix::Bt601 }
    }

    fn stride(&self) -> usize {
        if self.stride == 0 { self.format.row_bytes(self.width) } else { self.stride }
    }

    /// Least size of a complete buffer in bytes; `None` for a JPEG, or if it exceeds the address space.
    pub fn least_bytes(&self) -> Option<usize> {
        let rows = match self.format {
            PixelFormat::Mjpg => return None,
            PixelFormat::Nv12 => self.height.checked_add(self.height.div_ceil(2))?,
            _ => self.height,
        };
        // The last row may come without its padding.
        rows.checked_sub(1)?.checked_mul(self.stride())?.checked_add(self.format.row_bytes(self.width))
    }

    /// Most bytes that a frame takes while it is decoded, rotated and analyzed.
    pub fn bytes(&self) -> u64 {
        /// Bytes: coefficients of a Motion JPEG, its samples in one and in three planes, a frame, and copies mirrored and rotated.
        const PIXEL: u64 = 6 + 3 + 3 + 3 * 3;
        (self.width as u64).saturating_mul(self.height as u64).saturating_mul(PIXEL)
    }

    /// Decodes the frame in a buffer. Decodes at most `most_pixels`. `stop` is polled and returns true to stop.
    pub fn to_frame(
        &self,
        bytes: &[u8],
        mounting: Mounting,
        most_pixels: u64,
        stop: &Stop<'_>,
    ) -> Result<Frame, Damaged> {
        let pixels = (self.width as u64).saturating_mul(self.height as u64);
        if pixels == 0 || pixels > most_pixels {
            let (width, height) = (self.width, self.height);
            return Err(Damaged(format!("{width}x{height} pixels are not in 1..={most_pixels}")));
        }
        let short = || {
            let (width, height, format) = (self.width, self.height, self.format.four_characters());
            Damaged(format!("{} bytes are too few for {width}x{height} pixels of {format}", bytes.len()))
        };
        let Mounting { mirror, turn } = mounting;
        match self.format {
            PixelFormat::Mjpg => {
                let picture = video::mjpeg_picture(from_start(bytes), most_pixels, stop);
                Ok(picture.map_err(|e| Damaged(e.to_string()))?.to_frame(turn, mirror))
            }
            PixelFormat::Rgb3 => {
                let row = self.width * 3;
                let whole = Plane::from_rows(bytes, self.stride(), row, self.height).ok_or_else(short)?;
                let frame = Frame::new(self.width, self.height, whole.samples.into_vec());
                let frame = if mirror { frame.mirrored() } else { frame };
                Ok(if turn == Rotation::None { frame } else { frame.turned(turn) })
            }
            format => {
                let planes = match format {
                    PixelFormat::Yuyv => self.packed(bytes, [0, 2], [1, 3]),
                    PixelFormat::Uyvy => self.packed(bytes, [1, 3], [0, 2]),
                    PixelFormat::Nv12 => self.semi_planar(bytes),
                    _ => Plane::from_rows(bytes, self.stride(), self.width, self.height).map(|luma| vec![luma]),
                };
                let chroma = match format {
                    PixelFormat::Nv12 => Chroma::C420,
                    PixelFormat::Grey => Chroma::Gray,
                    _ => Chroma::C422,
                };
                // Gray sensors always use the full range.
                let full_range = self.full_range || format == PixelFormat::Grey;
                let planes = planes.ok_or_else(short)?;
                Ok(Picture { chroma, planes, full_range, matrix: self.matrix, shape: None }.to_frame(turn, mirror))
            }
        }
    }

    /// Planes of a format with two pixels in four bytes: `luma` has the offsets of the two Y, `chroma` those of Cb and Cr.
    fn packed(&self, bytes: &[u8], luma: [usize; 2], chroma: [usize; 2]) -> Option<Vec<Plane>> {
        let whole = Plane::from_rows(bytes, self.stride(), PixelFormat::Yuyv.row_bytes(self.width), self.height)?;
        let (pairs, _) = whole.samples.as_chunks::<4>();
        let half = self.width.div_ceil(2);
        let both: Vec<[u8; 2]> = pairs.iter().map(|pair| luma.map(|at| pair[at])).collect();
        let both = Plane { width: 2 * half, height: self.height, samples: both.into_flattened().into() };
        // An odd width leaves one extra sample in each row.
        let luma = match both.width == self.width {
            true => both,
            false => Plane::from_rows(&both.samples, both.width, self.width, self.height)?,
        };
        let plane = |at: usize| Plane {
            width: half,
            height: self.height,
            samples: pairs.iter().map(|pair| pair[at]).collect::<Vec<_>>().into(),
        };
        Some(vec![luma, plane(chroma[0]), plane(chroma[1])])
    }

    fn semi_planar(&self, bytes: &[u8]) -> Option<Vec<Plane>> {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let luma = Plane::from_rows(bytes, self.stride(), self.width, self.height)?;
        let rest = bytes.get(self.stride().checked_mul(self.height)?..)?;
        let both = Plane::from_rows(rest, self.stride(), width * 2, height)?;
        let (pairs, _) = both.samples.as_chunks::<2>();
        let plane =
            |at: usize| Plane { width, height, samples: pairs.iter().map(|pair| pair[at]).collect::<Vec<_>>().into() };
        Some(vec![luma, plane(0), plane(1)])
    }
}

/// The JPEG from its start: some cameras put their own bytes before it.
fn from_start(bytes: &[u8]) -> &[u8] {
    let at = memchr::memmem::find(bytes, b"\xFF\xD8\xFF").unwrap_or_default();
    &bytes[at..]
}

/// Reads any bytes as a camera buffer: the target of the fuzzer and of the property tests. The first eight say what kind
/// of buffer it is.
pub fn fuzz(bytes: &[u8]) {
    let Some((&[format, width, height, stride, range, turn, mirror, _], rest)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let format = PixelFormat::ALL[usize::from(format) % PixelFormat::ALL.len()];
    let layout = Layout {
        stride: usize::from(stride) * 2,
        full_range: range % 2 == 1,
        ..Layout::new(format, usize::from(width), usize::from(height))
    };
    let mounting = Mounting { mirror: mirror % 2 == 1, turn: Rotation::ALL[usize::from(turn) % 4] };
    let Ok(frame) = layout.to_frame(rest, mounting, 1 << 14, &|| false) else { return };
    assert!(frame.width() * frame.height() <= 1 << 14);
    if let Some(least) = layout.least_bytes() {
        assert!(rest.len() >= least, "{layout:?} of {} bytes", rest.len());
        let sides = (frame.width(), frame.height());
        assert!(sides == (layout.width, layout.height) || sides == (layout.height, layout.width));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = 1 << 20;

    /// The equations of Rec. ITU-R BT.601 in real numbers.
    fn reference(full_range: bool, [y, cb, cr]: [u8; 3]) -> [f64; 3] {
        let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
        let (y, c) = if full_range { (y, 1.0) } else { ((y - 16.0) * 255.0 / 219.0, 255.0 / 224.0) };
        let rgb = [y + 1.402 * c * cr, y - c * (0.344_136 * cb + 0.714_136 * cr), y + 1.772 * c * cb];
        rgb.map(|v| v.clamp(0.0, 255.0))
    }

    /// Y, Cb and Cr of a pixel, at the offsets in the kernel's manual.
    fn sample(layout: &Layout, bytes: &[u8], x: usize, y: usize) -> [u8; 3] {
        let stride = layout.stride();
        let row = &bytes[y * stride..];
        let pair = x / 2 * 4;
        match layout.format {
            PixelFormat::Yuyv => [row[x * 2], row[pair + 1], row[pair + 3]],
            PixelFormat::Uyvy => [row[x * 2 + 1], row[pair], row[pair + 2]],
            PixelFormat::Nv12 => {
                let chroma = &bytes[layout.height * stride + y / 2 * stride + x / 2 * 2..];
                [row[x], chroma[0], chroma[1]]
            }
            _ => [row[x], 128, 128],
        }
    }

    fn noise(length: usize, seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    proptest! {
        #[test]
        fn conversion_of_every_format_is_within_one_level_of_exact(
            kind in 0..5_usize, width in 1..20_usize, height in 1..12_usize, padding in 0..9_usize, full_range: bool, seed: u32
        ) {
            let format = [PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12, PixelFormat::Grey, PixelFormat::Rgb3][kind];
            let stride = format.row_bytes(width) + padding;
            let layout = Layout { stride, full_range, ..Layout::new(format, width, height) };
            let bytes = noise(layout.least_bytes().unwrap(), seed);
            let frame = layout.to_frame(&bytes, Mounting::default(), MOST, &|| false).unwrap();
            for y in 0..height {
                for x in 0..width {
                    let got = &frame.row(y)[x * 3..x * 3 + 3];
                    if format == PixelFormat::Rgb3 {
                        prop_assert_eq!(got, &bytes[y * stride + x * 3..][..3]);
                        continue;
                    }
                    let want = reference(full_range || format == PixelFormat::Grey, sample(&layout, &bytes, x, y));
                    for (got, want) in got.iter().zip(want) {
                        prop_assert!((f64::from(*got) - want).abs() <= 1.0, "({x},{y}): {got}, not {want}");
                    }
                }
            }
            prop_assert!(layout.to_frame(&bytes[..bytes.len() - 1], Mounting::default(), MOST, &|| false).is_err());
        }

        #[test]
        fn any_bytes_are_converted_without_panic(bytes: Vec<u8>, kind in 0..6_u8, size in 1..9_u8) {
            fuzz(&bytes);
            fuzz(&[&[kind, size, size, 0, 1, 2, 1, 0], &*bytes].concat());
        }
    }

    fn jpeg() -> Vec<u8> {
        let mut jpeg = vec![];
        let pixels: Vec<u8> = (0..16 * 16).flat_map(|i| [(i % 16 * 16) as u8, (i / 16 * 16) as u8, 128]).collect();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95)
            .encode(&pixels, 16, 16, image::ExtendedColorType::Rgb8)
            .unwrap();
        jpeg
    }

    /// The JPEG without its Huffman tables, which are the typical ones.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
        while jpeg[at + 1] != 0xDA {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != 0xC4 {
                out.extend_from_slice(&jpeg[at..end]);
            }
            at = end;
        }
        out.extend_from_slice(&jpeg[at..]);
        out
    }

    #[test]
    fn motion_jpeg_is_read_as_cameras_send_it() {
        let layout = Layout::new(PixelFormat::Mjpg, 16, 16);
        let frame = |bytes: &[u8]| layout.to_frame(bytes, Mounting::default(), MOST, &|| false);
        let whole = jpeg();
        let want = frame(&whole).unwrap();
        assert_eq!((want.width(), want.height()), (16, 16));
        let bare = without_tables(&whole);
        assert!(bare.len() < whole.len() - 300);
        assert_eq!(frame(&bare).unwrap(), want);
        assert_eq!(frame(&[b"\0\xFF\xD8\0junk", &*whole].concat()).unwrap(), want);
        assert_eq!(frame(&[&*whole, &[0; 700]].concat()).unwrap(), want);
        for cut in [0, 1, 2, 20, whole.len() / 2, whole.len() - 2] {
            assert!(frame(&whole[..cut]).is_err(), "{cut} of {} bytes", whole.len());
        }
        assert!(layout.to_frame(&whole, Mounting::default(), 255, &|| false).is_err());
    }

    #[test]
    fn damaged_motion_jpeg_is_read_without_panic() {
        let whole = jpeg();
        for seed in 0..2_000_usize {
            let mut bytes = without_tables(&whole);
            for flip in 0..=seed % 5 {
                let at = (seed * 7_919 + flip * 104_729) % bytes.len();
                bytes[at] ^= 1 << (seed % 8);
            }
            fuzz(&[&[3, 16, 16, 0, 0, 0, 0, 0], &*bytes].concat());
        }
    }

    #[test]
    fn frames_are_turned_and_mirrored_by_the_mounting() {
        let layout = Layout::new(PixelFormat::Rgb3, 2, 1);
        let frame =
            |mirror, turn| layout.to_frame(&[1, 1, 1, 2, 2, 2], Mounting { mirror, turn }, MOST, &|| false).unwrap();
        assert_eq!(frame(true, Rotation::None).pixels(), [2, 2, 2, 1, 1, 1]);
        let turned = frame(false, Rotation::Right);
        assert_eq!((turned.width(), turned.height(), turned.pixels()), (1, 2, &[1, 1, 1, 2, 2, 2][..]));
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (width, height, stride) in [(usize::MAX, 2, 0), (0, 4, 0), (4, 4, usize::MAX / 2)] {
            let layout = Layout { stride, ..Layout::new(PixelFormat::Nv12, width, height) };
            assert!(layout.to_frame(&[0; 64], Mounting::default(), u64::MAX, &|| false).is_err());
        }
    }
}

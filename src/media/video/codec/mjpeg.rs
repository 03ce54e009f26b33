//! Decodes Motion JPEG: each sample is a JPEG (ITU-T T.81), decoded as still pictures are.
//!
//! The JPEG decoder upsamples subsampled chroma to the size of luma.
//!
//! Capture devices for interlaced television store two JPEGs of half the height in a sample, one for each field. They
//! are woven into one frame.

use super::{Decode, Decoded, Input, Role, check_size};
use crate::media::Shape;
use crate::media::jpeg::{self, Color, JpegDefect, Layout, Stopped};
use crate::media::video::Error;
use crate::media::video::track::Track;
use crate::media::yuv::{Chroma, Matrix, Picture, Plane};
use crate::ops::{SecretBytes, Stop};

/// Decodes the samples of one track, each for itself.
pub(super) struct Decoder {
    most_pixels: u64,
    /// In pixels, from the container; 0 if unknown.
    width: u32,
    height: u32,
    /// Whether the first of two fields has the lower rows.
    bottom_first: bool,
}

impl Decoder {
    /// A decoder without state between samples.
    pub(super) fn new(track: &Track<'_>, most_pixels: u64) -> Self {
        let &Track { width, height, bottom_first, .. } = track;
        Self { most_pixels, width, height, bottom_first }
    }

    /// The picture of a sample: of one JPEG, or of two if each is a field, in alternate rows.
    fn picture(&self, data: &[u8], stop: &Stop<'_>) -> Result<Picture, Error> {
        let layout = layout(data)?;
        // ffmpeg distinguishes a field from a frame in the same way.
        let is_field = u64::from(layout.height) * 4 < u64::from(self.height) * 3;
        if !is_field {
            return decoded(data, &layout, self.most_pixels, stop);
        }
        let Some(second) = behind(data, &layout) else {
            if u32::from(layout.width) == self.width {
                return Err(Error::Unsupported(
                    "interlaced Motion JPEG with a field a sample is not supported; send whole frames".into(),
                ));
            }
            // The container states another size.
            return decoded(data, &layout, self.most_pixels, stop);
        };
        check_size(layout.width.into(), 2 * u64::from(layout.height), self.most_pixels)?;
        let bottom_first = match (rows(data), rows(second)) {
            (Some(Rows::Odd), Some(Rows::Even)) => false,
            (Some(Rows::Even), Some(Rows::Odd)) => true,
            _ => self.bottom_first,
        };
        let first = decoded(data, &layout, self.most_pixels, stop)?;
        let second = decoded(second, &self::layout(second)?, self.most_pixels, stop)?;
        let (top, bottom) = if bottom_first { (second, first) } else { (first, second) };
        woven(&top, &bottom).ok_or_else(|| Error::Damaged("two fields of the Motion JPEG differ in size".into()))
    }
}

impl Decode for Decoder {
    fn role(&self, _data: &[u8]) -> Role {
        Role::Sync
    }

    fn shape(&self, data: &[u8]) -> Option<Shape> {
        density(data)
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        if input.wanted {
            let picture = self.picture(input.data, input.stop)?;
            done.push(Decoded { sample: input.sample, picture });
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        /// Coefficients of three components without subsampling, and samples in one and in three planes. Two fields are half
        /// as large each, and a woven picture replaces them.
        const PIXEL: u64 = 3 * 2 + 2 * 3;
        self.most_pixels * PIXEL
    }

    fn pixels(&self, _data: &[u8]) -> u64 {
        0 // 0: the layout bounds the work of each picture, and no more than the wanted ones are decoded
    }
}

/// The picture of one sample, which begins with a start-of-image marker. `stop` is polled, and true ends decoding.
pub(in crate::media) fn picture(jpeg: &[u8], most_pixels: u64, stop: &Stop<'_>) -> Result<Picture, Error> {
    decoded(jpeg, &layout(jpeg)?, most_pixels, stop)
}

fn layout(jpeg: &[u8]) -> Result<Layout, Error> {
    if !jpeg.starts_with(b"\xFF\xD8") {
        return Err(Error::Damaged("a picture of the Motion JPEG is not whole".into()));
    }
    Layout::read(jpeg).map_err(flawed)
}

fn decoded(jpeg: &[u8], layout: &Layout, most_pixels: u64, stop: &Stop<'_>) -> Result<Picture, Error> {
    let (width, height) = (usize::from(layout.width), usize::from(layout.height));
    check_size(width as u64, height as u64, most_pixels)?;
    layout.check(most_pixels).map_err(flawed)?;
    let unsupported = || Error::Unsupported("Motion JPEG in RGB or CMYK is not supported; send YCbCr".into());
    if layout.components.len() > 3 {
        return Err(unsupported());
    }
    let opened = jpeg::open(jpeg, layout, stop).map_err(stopped)?;
    let (chroma, channels) = match opened.color() {
        Color::YCbCr => (Chroma::C444, 3),
        Color::Gray => (Chroma::Gray, 1),
        _ => return Err(unsupported()),
    };
    let mut samples = SecretBytes::from(vec![0; width * height * channels]);
    opened.decode(true, &mut samples).map_err(stopped)?;
    let planes = match chroma {
        Chroma::Gray => vec![Plane { width, height, samples }],
        _ => {
            let (pixels, _) = samples.as_chunks::<3>();
            let plane = |number: usize| pixels.iter().map(|pixel| pixel[number]).collect::<Vec<_>>().into();
            (0..3).map(|number| Plane { width, height, samples: plane(number) }).collect()
        }
    };
    let picture = Picture { chroma, planes, full_range: true, matrix: Matrix::Bt601, shape: density(jpeg) };
    if picture.is_whole() { Ok(picture) } else { Err(Error::Damaged("a JPEG is not whole".into())) }
}

/// The JPEG that follows the one with this layout, if there is one.
fn behind<'a>(data: &'a [u8], layout: &Layout) -> Option<&'a [u8]> {
    let rest = &data[layout.scans.last()?.data.end..];
    let rest = &rest[memchr::memmem::find(rest, b"\xFF\xD9")?..];
    Some(&rest[memchr::memmem::find(rest, b"\xFF\xD8\xFF")?..])
}

/// A frame whose rows alternate between two fields, the upper one first; `None` if these differ in size or color.
fn woven(top: &Picture, bottom: &Picture) -> Option<Picture> {
    let planes = top.planes.iter().zip(&bottom.planes).map(|(top, bottom)| {
        let &Plane { width, height, .. } = top;
        let mut samples = SecretBytes::with_capacity(2 * width * height);
        for y in 0..height {
            samples.push(top.row(y));
            samples.push(bottom.row(y));
        }
        Plane { width, height: 2 * height, samples }
    });
    let size = |picture: &Picture| (picture.chroma, picture.width(), picture.height());
    let alike = size(top) == size(bottom);
    alike.then(|| Picture { planes: planes.collect(), ..*top }).filter(Picture::is_whole)
}

/// The bodies of the first application segments of a kind, those of JFIF and AVI.
fn headers(jpeg: &[u8]) -> impl Iterator<Item = &[u8]> {
    /// Most segments that are searched.
    const MOST: usize = 16;
    let mut rest = jpeg.get(2..).unwrap_or_default();
    let next = move || {
        let (&[0xFF, code @ (0xE0..=0xEF | 0xFE), high, low], body) = rest.split_first_chunk()? else { return None };
        let (body, next) = body.split_at_checked(usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?)?;
        rest = next;
        Some((code, body))
    };
    std::iter::from_fn(next).take(MOST).filter(|(code, _)| *code == 0xE0).map(|(_, body)| body)
}

/// The sample aspect ratio of a JPEG: the ratio of its dot densities, with or without a unit (JFIF, as ffmpeg reads it).
fn density(jpeg: &[u8]) -> Option<Shape> {
    let body = headers(jpeg).find(|body| body.starts_with(b"JFIF\0"))?;
    let &[across_high, across_low, down_high, down_low] = body.get(8..)?.first_chunk()?;
    let number = |high, low| u64::from(u16::from_be_bytes([high, low]));
    Shape::new(number(across_high, across_low), number(down_high, down_low))
}

/// Which rows a field holds by its marker (OpenDML 1.02, the marker of JPEG in AVI).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// The first, the third and so on.
    Odd,
    Even,
}

fn rows(jpeg: &[u8]) -> Option<Rows> {
    match headers(jpeg).find(|body| body.starts_with(b"AVI1"))?.get(4)? {
        1 => Some(Rows::Odd),
        2 => Some(Rows::Even),
        _ => None,
    }
}

fn flawed(flaw: JpegDefect) -> Error {
    match flaw {
        JpegDefect::EndsInHeader | JpegDefect::EndsInScan => {
            Error::Damaged("a picture of the Motion JPEG is not whole".into())
        }
        JpegDefect::Unsupported(what) => Error::Unsupported(format!("Motion JPEG that {what} is not supported")),
        // One sample of many may be damaged; the clip goes on without it.
        flaw => Error::Damaged(format!("a picture of the Motion JPEG: {flaw}")),
    }
}

fn stopped(stopped: Stopped) -> Error {
    match stopped {
        Stopped::Late => Error::TooSlow,
        Stopped::Flawed(flaw) => flawed(flaw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG of 16x16 pixels and three components, of which the first is the coarsest, with the frame header `code`.
    fn jpeg(code: u8) -> Vec<u8> {
        let segment =
            |code: u8, body: &[u8]| [&[0xFF, code][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat();
        [
            b"\xFF\xD8".to_vec(),
            segment(0xDB, &[&[0][..], &[8; 64]].concat()),
            segment(code, &[8, 0, 16, 0, 16, 3, 1, 0x11, 0, 2, 0x22, 0, 3, 0x22, 0]),
            segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]),
            // The typical codes of a difference of 0 and of the end of a block: 00 1010 nine times.
            vec![0x28, 0xA2, 0x8A, 0x28, 0xA2, 0x8A, 0x2B],
            b"\xFF\xD9".to_vec(),
        ]
        .concat()
    }

    #[test]
    fn motion_jpeg_frames_follow_the_rules_of_jpeg_pictures() {
        let read = |code| picture(&jpeg(code), 1 << 16, &|| false);
        let picture = read(0xC0).unwrap();
        assert_eq!(picture.planes.len(), 3);
        assert!(picture.planes.iter().all(|plane| plane.samples.iter().all(|&sample| sample == 128)));
        let refused = |code, what: &str| {
            let told = Error::Unsupported(format!("Motion JPEG that {what} is not supported"));
            assert_eq!(read(code).unwrap_err(), told);
        };
        refused(0xC9, "is arithmetic-coded");
        refused(0xC3, "is lossless");
    }
}

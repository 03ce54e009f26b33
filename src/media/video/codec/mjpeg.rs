//! Motion JPEG: each sample is a JPEG (ITU-T T.81), decoded by the crate `zune-jpeg`, which also decodes still pictures.
//!
//! Cameras and AVI leave out the Huffman tables if they are those that the standard prints as typical; they are put in
//! again. Color that was stored at half size is brought to the size of luma by that crate.

use super::{Decode, Decoded, Input, Role, check_size};
use crate::media::jpeg::{self, Color, Flaw, Layout, Stopped};
use crate::media::video::Error;
use crate::media::yuv::{Chroma, Matrix, Picture, Plane};
use crate::ops::Wiped;

/// Decodes the samples of one track, each for itself.
pub(super) struct Decoder {
    most_pixels: u64,
}

impl Decoder {
    /// A decoder that keeps nothing from one sample to the next.
    pub(super) fn new(most_pixels: u64) -> Self {
        Self { most_pixels }
    }
}

impl Decode for Decoder {
    fn role(&self, _data: &[u8]) -> Role {
        Role::Start
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        if input.wanted {
            let picture = picture(input.data, self.most_pixels, input.stop)?;
            done.push(Decoded { sample: input.sample, picture });
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        /// Coefficients of three components without subsampling, and samples in one and in three planes.
        const PIXEL: u64 = 3 * 2 + 2 * 3;
        self.most_pixels * PIXEL
    }

    fn pixels(&self, _data: &[u8]) -> u64 {
        0 // its layout bounds the work of each picture, and no more than the wanted ones are decoded
    }
}

/// The picture of one sample, which begins with a start-of-image marker. `stop` is asked from time to time whether to give up.
pub(in crate::media) fn picture(jpeg: &[u8], most_pixels: u64, stop: &dyn Fn() -> bool) -> Result<Picture, Error> {
    if !jpeg.starts_with(b"\xFF\xD8") {
        return Err(Error::Damaged("a picture of the Motion JPEG is not whole".into()));
    }
    let layout = Layout::read(jpeg).map_err(flawed)?;
    let (width, height) = (usize::from(layout.width), usize::from(layout.height));
    check_size(width as u64, height as u64, most_pixels)?;
    layout.check(most_pixels).map_err(flawed)?;
    let unsupported = || Error::Unsupported("Motion JPEG in RGB or CMYK is not supported; send YCbCr".into());
    if layout.components.len() > 3 {
        return Err(unsupported());
    }
    let tables = if layout.has_tables { vec![] } else { typical_tables() };
    let opened = jpeg::open(jpeg, &layout, &tables, stop).map_err(stopped)?;
    let (chroma, channels) = match opened.color() {
        Color::YCbCr => (Chroma::C444, 3),
        Color::Gray => (Chroma::Gray, 1),
        Color::Other => return Err(unsupported()),
    };
    let mut samples = Wiped::from(vec![0; width * height * channels]);
    opened.decode(true, &mut samples).map_err(stopped)?;
    let planes = match chroma {
        Chroma::Gray => vec![Plane { width, height, samples }],
        _ => {
            let (pixels, _) = samples.as_chunks::<3>();
            let plane = |number: usize| pixels.iter().map(|pixel| pixel[number]).collect::<Vec<_>>().into();
            (0..3).map(|number| Plane { width, height, samples: plane(number) }).collect()
        }
    };
    let picture = Picture { chroma, planes, full_range: true, matrix: Matrix::Bt601 };
    if picture.is_whole() { Ok(picture) } else { Err(Error::Damaged("a JPEG is not whole".into())) }
}

fn flawed(flaw: Flaw) -> Error {
    match flaw {
        Flaw::EndsInHeader | Flaw::EndsInScan => Error::Damaged("a picture of the Motion JPEG is not whole".into()),
        // One among many may be; the clip goes on without it.
        flaw => Error::Damaged(format!("a picture of the Motion JPEG: {flaw}")),
    }
}

fn stopped(stopped: Stopped) -> Error {
    match stopped {
        Stopped::Late => Error::TooSlow,
        Stopped::Short => flawed(Flaw::EndsInScan),
        Stopped::Damaged(_) => Error::Damaged("a picture of the Motion JPEG is damaged".into()),
    }
}

/// The tables K.3 to K.6 as a segment: for each its class and number, how many codes have 1 to 16 bits, and their values.
fn typical_tables() -> Vec<u8> {
    let tables: [(u8, &[u8; 16], &[u8]); 4] = [
        (0x00, &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_VALUES),
        (0x10, &[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D], &LUMA_AC_VALUES),
        (0x01, &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_VALUES),
        (0x11, &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &CHROMA_AC_VALUES),
    ];
    let length = 2 + tables.iter().map(|(_, counts, values)| 1 + counts.len() + values.len()).sum::<usize>();
    let mut segment = vec![0xFF, 0xC4, (length >> 8) as u8, length as u8];
    for (number, counts, values) in tables {
        segment.push(number);
        segment.extend_from_slice(counts);
        segment.extend_from_slice(values);
    }
    segment
}

const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMA_AC_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[rustfmt::skip]
const CHROMA_AC_VALUES: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
    0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
    0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
    0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

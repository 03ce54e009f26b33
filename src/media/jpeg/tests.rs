//! Writes JPEGs that no encoder makes, and tests how they are handled.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::ops::Stop;

/// A JPEG without its end-of-image marker.
#[derive(Clone)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Self {
        Self(b"\xFF\xD8".to_vec())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [&self.0, &b"\xFF\xD9"[..]].concat()
    }

    pub(super) fn segment(mut self, code: u8, body: &[u8]) -> Self {
        self.0.extend([0xFF, code]);
        self.0.extend((body.len() as u16 + 2).to_be_bytes());
        self.0.extend(body);
        self
    }

    /// A frame of components 1, 2, ... with these sampling factors.
    pub(super) fn frame(self, code: u8, width: u16, height: u16, samplings: &[u8]) -> Self {
        let mut body = vec![8];
        body.extend(height.to_be_bytes());
        body.extend(width.to_be_bytes());
        body.push(samplings.len() as u8);
        (1..).zip(samplings).for_each(|(id, &sampling)| body.extend([id, sampling, 0]));
        self.segment(code, &body)
    }

    /// A scan of components by their identifiers, all with the first tables.
    pub(super) fn scan(self, ids: &[u8], band: (u8, u8), bits: (u8, u8), data: &[u8]) -> Self {
        let mut body = vec![ids.len() as u8];
        ids.iter().for_each(|&id| body.extend([id, 0]));
        body.extend([band.0, band.1, bits.0 << 4 | bits.1]);
        let mut written = self.segment(0xDA, &body);
        written.0.extend(data);
        written
    }

    /// A quantization table of ones.
    pub(super) fn quantized(self) -> Self {
        self.segment(0xDB, &[&[0][..], &[1; 64]].concat())
    }

    /// A Huffman table of one code, which is `bits` zeros.
    pub(super) fn code(self, is_ac: bool, bits: usize, value: u8) -> Self {
        let mut body = vec![u8::from(is_ac) << 4];
        body.extend((1..=16).map(|length| u8::from(length == bits)));
        body.push(value);
        self.segment(0xC4, &body)
    }
}

/// A gray picture of 16x16 pixels: every code is a zero bit, and no block differs from the one before.
pub(super) fn gray(progressive: bool) -> Writer {
    square(16, progressive)
}

fn square(side: u16, progressive: bool) -> Writer {
    let blocks = usize::from(side.div_ceil(8)).pow(2);
    match progressive {
        false => start(0xC0, side).scan(&[1], (0, 63), (0, 0), &vec![0; blocks.div_ceil(4)]),
        true => first(side).scan(&[1], (1, 63), (0, 0), &vec![0; blocks.div_ceil(8)]),
    }
}

/// The headers and tables of a gray picture.
fn start(code: u8, side: u16) -> Writer {
    Writer::new().quantized().frame(code, side, side, &[0x11]).code(false, 1, 0).code(true, 1, 0)
}

/// A progressive picture up to its first scan.
fn first(side: u16) -> Writer {
    let blocks = usize::from(side.div_ceil(8)).pow(2);
    start(0xC2, side).scan(&[1], (0, 0), (0, 0), &vec![0; blocks.div_ceil(8)])
}

fn decoded(bytes: &[u8], stop: &Stop<'_>) -> Result<Vec<u8>, Stopped> {
    let layout = Layout::read(bytes)?;
    layout.check(1 << 24)?;
    let opened = open(bytes, &layout, stop)?;
    let channels = if opened.color() == Color::Gray { 1 } else { 3 };
    let mut out = vec![0; usize::from(layout.width) * usize::from(layout.height) * channels];
    opened.decode(false, &mut out).map(|()| out)
}

/// The result of the crate `image`, which passes all bytes to the decoder.
fn reference(bytes: &[u8]) -> Vec<u8> {
    image::load_from_memory(bytes).unwrap().into_bytes()
}

#[test]
fn valid_pictures_decode_as_by_the_decoder_alone() {
    let files: [&[u8]; 3] = [
        include_bytes!("../../../tests/pictures/progressive.jpg"),
        include_bytes!("../../../tests/pictures/cmyk.jpg"),
        include_bytes!("../../../tests/pictures/collins.jpg"),
    ];
    for bytes in files.into_iter().map(<[u8]>::to_vec).chain([gray(false).bytes(), gray(true).bytes()]) {
        assert!(decoded(&bytes, &|| false).unwrap() == reference(&bytes));
    }
}

#[test]
fn a_scan_that_ends_before_its_blocks_is_damaged() {
    // 16,384 blocks; the second scan has a code of ten bits for each, or less.
    let second = |value: u8, bits: usize, bytes: usize| {
        decoded(&first(1024).code(true, bits, value).scan(&[1], (1, 63), (0, 0), &vec![0; bytes]).bytes(), &|| false)
    };
    let need = 16_384 * 10 / 8;
    assert!(second(0x00, 10, need).is_ok(), "an end in each block");
    assert_eq!(second(0x00, 10, need - 100), Err(Stopped::Flawed(JpegDefect::EndsInScan)));
    assert_eq!(second(0x01, 16, 40), Err(Stopped::Flawed(JpegDefect::EndsInScan)), "coefficients without end");
    // The same in one scan: the least bits, but coefficients where the end should be.
    let whole = |value: u8, bytes: usize| {
        let start = Writer::new().quantized().frame(0xC0, 1024, 1024, &[0x11]).code(false, 1, 0).code(true, 1, value);
        decoded(&start.scan(&[1], (0, 63), (0, 0), &vec![0; bytes]).bytes(), &|| false)
    };
    assert!(whole(0x00, 4096).is_ok());
    assert_eq!(whole(0x01, 4096), Err(Stopped::Flawed(JpegDefect::EndsInScan)));
}

#[test]
fn restarts_do_not_hide_missing_data() {
    // Sixteen restart intervals of 1,024 blocks, of one bit each.
    let build = |bytes: usize| {
        let start = Writer::new().segment(0xDD, &[4, 0]).quantized().frame(0xC2, 1024, 1024, &[0x11]);
        let stretch = |number: u8, bytes: usize| [&[0xFF, 0xD0 + number % 8][..], &vec![0; bytes]].concat();
        let data = |bytes: usize| (7..23).flat_map(|number| stretch(number, bytes)).skip(2).collect::<Vec<u8>>();
        let first = start.code(false, 1, 0).code(true, 1, 0).scan(&[1], (0, 0), (0, 0), &data(128));
        decoded(&first.scan(&[1], (1, 63), (0, 0), &data(bytes)).bytes(), &|| false)
    };
    assert!(build(128).is_ok());
    assert_eq!(build(100), Err(Stopped::Flawed(JpegDefect::EndsInScan)));
}

#[test]
fn decoding_stops_when_asked_to() {
    let bytes = square(4096, false).bytes();
    let asked = AtomicUsize::new(0);
    let stop = |after: usize| {
        asked.store(0, Ordering::Relaxed);
        decoded(&bytes, &|| asked.fetch_add(1, Ordering::Relaxed) >= after)
    };
    assert!(stop(usize::MAX).is_ok());
    let questions = asked.load(Ordering::Relaxed);
    assert!(questions > 4, "{questions} questions in 64 KiB");
    for after in 0..questions {
        assert_eq!(stop(after), Err(Stopped::Late));
        assert_eq!(asked.load(Ordering::Relaxed), after + 1, "nothing is asked after the answer");
    }
}

proptest! {
    #[test]
    fn damaged_pictures_give_the_same_result_with_trailing_bytes(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4), progressive: bool) {
        let mut bytes = gray(progressive).bytes();
        for (at, value) in flips {
            let at = 2 + usize::from(at) % (bytes.len() - 2);
            bytes[at] = value;
        }
        if Layout::read(&bytes).is_ok_and(|layout| u32::from(layout.width) * u32::from(layout.height) <= 1 << 16) {
            let once = decoded(&bytes, &|| false);
            bytes.extend(b"trailing");
            prop_assert!(once == decoded(&bytes, &|| false));
        }
    }
}

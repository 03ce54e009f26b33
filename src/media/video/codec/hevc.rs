//! Decodes HEVC (ITU-T H.265) through the crate `rusty_h265`: Main, Main 10 and Main Still Picture.
//!
//! That crate's feature `simd` is off: AddressSanitizer finds that its kernels read outside of a plane when a stream is damaged. The
//! scalar code is clean under AddressSanitizer, and takes a bit more than twice the time.
//!
//! The decoder outputs pictures in order of presentation, so they come later than their samples. Tone curves of high
//! dynamic range are not applied: such a clip looks flat, but it is decoded.

use std::collections::{BTreeMap, BTreeSet};

use rusty_h265::bits::BitReader;
use rusty_h265::nal::{NalHeader, unescape};
use rusty_h265::ps::{Pps, Sps, parse_pps, parse_sps};
use rusty_h265::slice::parse_slice_header;

use super::nal::{Framing, Setup};
use super::{Decode, Decoded, Input, Role, check_size, eight_bits, passes, sets};
use crate::media::Shape;
use crate::media::video::Error;
use crate::media::yuv::{Chroma, Matrix, Picture};
use crate::ops::{Limits, Stop};

/// Decodes the samples of one track.
pub(super) struct Decoder {
    inner: rusty_h265::Decoder,
    framing: Framing,
    most_pixels: u64,
    /// Largest number of luma samples of kept pictures that a set may ask for: the number that the sets before the first sample ask for.
    most_kept: u64,
    /// Pixels of the last sequence.
    pixels: u64,
    full_range: bool,
    matrix: Matrix,
    shape: Option<Shape>,
    /// Parameter sets by their numbers.
    sequences: BTreeMap<u8, Sps>,
    pictures: BTreeMap<u8, Pps>,
    /// Samples that gave an error, until their pictures are output.
    damaged: BTreeSet<usize>,
}

/// Luma samples of all pictures that a decoder keeps: six times MaxLumaPs of level 5.2 (tables A.8 and A.9). As two bytes a
/// sample, with color, that is 160 MB.
const MOST_KEPT_SAMPLES: u64 = 6 * 8_912_896;

/// Pictures that a decoder keeps, the current one among them (`max_dec_pic_buffering`, clause A.4.2).
const MOST_PICTURES: u64 = 16;

/// Bytes within which the header of a slice ends: it is some ten bytes long, and a thousand with an entry point for each row.
const MOST_HEADER_BYTES: usize = 4096;

/// Types of NAL units (table 7-1): leading pictures that are skipped where decoding begins with their IRAP picture (RASL);
/// the first and the last with which decoding may begin, which is also the last of a slice; the parameter sets of videos,
/// sequences and pictures.
const RASL: [u8; 2] = [8, 9];
const FIRST_IRAP: u8 = 16;
const LAST_IRAP: u8 = 21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;

impl Decoder {
    /// `setup` is the payload of `hvcC`, or empty if the samples have start codes.
    pub(super) fn new(setup: &[u8], limits: &Limits) -> Result<Self, Error> {
        let setup = Setup::hevc(setup)?;
        let mut decoder = Self {
            inner: rusty_h265::Decoder::new(),
            framing: setup.framing,
            most_pixels: limits.video_pixels,
            most_kept: MOST_KEPT_SAMPLES,
            pixels: 0,
            full_range: false,
            matrix: Matrix::Bt601,
            shape: None,
            sequences: BTreeMap::new(),
            pictures: BTreeMap::new(),
            damaged: BTreeSet::new(),
        };
        for set in setup.sets {
            decoder.unit(set, None)?;
        }
        decoder.most_kept = decoder.sequences.values().map(samples).max().unwrap_or(MOST_KEPT_SAMPLES);
        Ok(decoder)
    }

    fn unit(&mut self, unit: &[u8], tag: Option<i64>) -> Result<(), Error> {
        let Some((kind, layer)) = header(unit) else {
            return Err(Error::Damaged("the HEVC stream is damaged (a NAL unit has no header)".into()));
        };
        // Enhancement layers: a second view, a higher resolution.
        if layer > 0 {
            return Ok(());
        }
        let body = &unit[2..];
        match kind {
            SPS => {
                let plain = unescape(body).data;
                let sps = parse_sps(&plain).map_err(told)?;
                self.admit(&sps)?;
                self.shape = sets::shape_of_hevc(&plain);
                self.sequences.insert(sps.id, sps);
            }
            PPS => {
                let pps = parse_pps(&unescape(body).data).map_err(told)?;
                self.pictures.insert(pps.id, pps);
            }
            // The first slice of a picture.
            0..=LAST_IRAP if body.first().is_some_and(|byte| byte >> 7 == 1) => self.check_references(unit)?,
            _ => {}
        }
        self.inner.push_nal(unit, tag).map_err(told)
    }

    /// Refuses a picture that refers to more pictures than its sequence keeps (clauses 7.4.7.1 and 7.4.8): the decoder would
    /// synthesize all that are missing.
    fn check_references(&self, unit: &[u8]) -> Result<(), Error> {
        let damaged = |what: &str| Error::Damaged(format!("the HEVC stream is damaged ({what})"));
        let head = unescape(&unit[2..unit.len().min(MOST_HEADER_BYTES)]).data;
        let nal = NalHeader::parse(unit).ok_or_else(|| damaged("a NAL unit has no header"))?;
        let sets = |pps: u8| {
            let pps = self.pictures.get(&pps)?;
            Some((self.sequences.get(&pps.sps_id)?, pps))
        };
        let slice = parse_slice_header(&mut BitReader::new(&head), &nal, &sets, None).map_err(told)?;
        let (sps, _) = sets(slice.pps_id).ok_or_else(|| damaged("a slice has no parameters"))?;
        if (slice.st_rps.num_delta_pocs() + slice.long_term.len()) as u64 >= kept(sps) {
            return Err(damaged("a picture refers to more than are kept"));
        }
        Ok(())
    }

    /// Refuses a sequence that would take too much memory or is not supported.
    fn admit(&mut self, sps: &Sps) -> Result<(), Error> {
        let (width, height) = (u64::from(sps.width), u64::from(sps.height));
        check_size(width, height, self.most_pixels)?;
        if samples(sps) > MOST_KEPT_SAMPLES {
            return Err(Error::TooLarge("the video has more HEVC reference pictures than level 5.2 allows".into()));
        }
        if samples(sps) > self.most_kept {
            return Err(Error::TooLarge("the HEVC video takes more memory than its container tells".into()));
        }
        self.pixels = width * height;
        match (sps.chroma_format_idc, sps.bit_depth_luma.max(sps.bit_depth_chroma)) {
            (1, ..=10) => {}
            (1, bits) => return Err(unsupported(&format!("{bits} bits a sample"))),
            (color, _) => {
                let name = ["gray pictures", "4:2:0 color", "4:2:2 color"];
                return Err(unsupported(name.get(usize::from(color)).unwrap_or(&"4:4:4 color")));
            }
        }
        if let Some(vui) = &sps.vui {
            self.full_range = vui.video_full_range_flag;
            self.matrix = Matrix::from_h273(vui.matrix_coeffs);
        }
        Ok(())
    }

    /// Takes the finished pictures out of the decoder.
    fn collect(&mut self, done: &mut Vec<Decoded>) {
        while let Ok(frame) = self.inner.next_frame() {
            let Some((sample, wanted)) = frame.pts.and_then(from_tag) else { continue };
            let sound = !self.damaged.remove(&sample);
            if sound && wanted {
                done.extend(self.picture(&frame.picture).map(|picture| Decoded { sample, picture }));
            }
        }
    }

    /// The cropped picture; `None` if the crop leaves nothing.
    fn picture(&self, picture: &rusty_h265::Picture) -> Option<Picture> {
        let (left, top, width, height) = picture.crop;
        let plane = |number: usize, by: usize, depth: u8| {
            let plane = picture.planes.get(number)?;
            let (left, top, width, height) = (left / by, top / by, width.div_ceil(by), height.div_ceil(by));
            let rows = plane.data.chunks_exact(plane.stride.max(1)).skip(top).take(height);
            let samples = rows.flat_map(|row| row.iter().skip(left).take(width)).copied();
            Some(eight_bits(samples, depth.into(), width, height))
        };
        let planes = vec![
            plane(0, 1, picture.bit_depth_luma)?,
            plane(1, 2, picture.bit_depth_chroma)?,
            plane(2, 2, picture.bit_depth_chroma)?,
        ];
        let Self { full_range, matrix, shape, .. } = *self;
        Some(Picture { chroma: Chroma::C420, planes, full_range, matrix, shape }).filter(Picture::is_whole)
    }
}

impl Decode for Decoder {
    fn role(&self, data: &[u8]) -> Role {
        let starts = |unit: &[u8]| header(unit).is_some_and(|(kind, _)| (FIRST_IRAP..=LAST_IRAP).contains(&kind));
        if self.framing.units(data).flatten().any(starts) { Role::Sync } else { Role::Reference }
    }

    fn shows(&self, data: &[u8]) -> bool {
        // The truncated unit may have been a picture.
        self.framing.units(data).any(|unit| unit.map_or(true, is_slice))
    }

    fn leads(&self, data: &[u8]) -> bool {
        let skipped = |unit| header(unit).is_some_and(|(kind, _)| RASL.contains(&kind));
        self.framing.units(data).flatten().any(skipped)
    }

    fn learn(&mut self, data: &[u8], stop: &Stop<'_>) -> Result<(), Error> {
        for unit in self.framing.units(data).flatten() {
            if stop() {
                return Err(Error::TooSlow);
            }
            if header(unit).is_some_and(|(kind, _)| (VPS..=PPS).contains(&kind)) {
                self.unit(unit, None)?;
            }
        }
        Ok(())
    }

    fn shape(&self, data: &[u8]) -> Option<Shape> {
        let all = self.framing.units(data).flatten().filter(|unit| header(unit) == Some((SPS, 0)));
        match all.last() {
            Some(set) => sets::shape_of_hevc(&unescape(&set[2..]).data),
            None => self.shape,
        }
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        let missing = self.inner.stats.generated_refs;
        let mut result = Ok(());
        for unit in self.framing.units(input.data) {
            if (input.stop)() {
                return Err(Error::TooSlow);
            }
            let pushed = match unit {
                Ok(unit) => self.unit(unit, tag(&input)),
                Err(_cut) => Err(Error::Damaged("an HEVC sample ends inside a NAL unit".into())),
            };
            result = result.and(pushed);
        }
        if self.inner.stats.generated_refs > missing {
            result = result.and_then(|()| Err(Error::Damaged("an HEVC picture needs one that is missing".into())));
        }
        if result.is_err() {
            self.damaged.insert(input.sample);
        }
        self.collect(done);
        result
    }

    fn drain(&mut self, done: &mut Vec<Decoded>) {
        self.inner.flush();
        self.collect(done);
        self.damaged.clear();
    }

    fn bytes(&self) -> u64 {
        // Two bytes a sample, with chroma, and a sixteenth for motion; then modes and motion of the current picture.
        let kept = self.most_kept.min(self.most_pixels.saturating_mul(MOST_PICTURES));
        kept.saturating_mul(13) / 4 + self.most_pixels * 4
    }

    fn pixels(&self, data: &[u8]) -> u64 {
        let slices = self
            .framing
            .units(data)
            .flatten()
            .filter(|unit| header(unit).is_some_and(|(kind, layer)| kind <= LAST_IRAP && layer == 0));
        let (pictures, slices) = slices.fold((0, 0), |(pictures, slices), unit| {
            (pictures + u64::from(unit.get(2).is_some_and(|byte| byte >> 7 == 1)), slices + 1)
        });
        self.pixels * passes(pictures, slices)
    }

    fn is_late(&self) -> bool {
        true
    }
}

/// Pictures that a decoder keeps for a sequence, including the current one.
fn kept(sps: &Sps) -> u64 {
    sps.ordering.iter().map(|layer| u64::from(layer.max_dec_pic_buffering_minus1) + 1).max().unwrap_or(1)
}

/// Luma samples of all pictures that a decoder keeps for a sequence.
fn samples(sps: &Sps) -> u64 {
    u64::from(sps.width).saturating_mul(sps.height.into()).saturating_mul(kept(sps))
}

/// Whether a unit is a slice of the base layer; those of other layers are not.
fn is_slice(unit: &[u8]) -> bool {
    header(unit).is_some_and(|(kind, layer)| kind <= LAST_IRAP && layer == 0)
}

/// The type and the layer in the header of a unit (clause 7.3.1.2).
fn header(unit: &[u8]) -> Option<(u8, u8)> {
    let &[first, second, ..] = unit else { return None };
    Some((first >> 1 & 0x3F, (first & 1) << 5 | second >> 3))
}

/// What the decoder carries along with a sample: its number, and whether its picture is wanted.
fn tag(input: &Input<'_>) -> Option<i64> {
    i64::try_from(input.sample).ok()?.checked_mul(2)?.checked_add(input.wanted.into())
}

fn from_tag(tag: i64) -> Option<(usize, bool)> {
    Some((usize::try_from(tag / 2).ok()?, tag % 2 == 1))
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("HEVC with {what} is not supported; send 4:2:0 video with 8 or 10 bits a sample"))
}

fn told(error: rusty_h265::Error) -> Error {
    match error {
        rusty_h265::Error::Unsupported(what) => {
            Error::Unsupported(format!("this kind of HEVC is not supported: {what}"))
        }
        other => Error::Damaged(format!("the HEVC stream is damaged ({other})")),
    }
}

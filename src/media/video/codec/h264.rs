//! Decodes H.264 (ITU-T H.264) through the crate `rust_h264`.
//!
//! A sample holds a whole picture, both fields of an interlaced one, so the picture is done when its sample is. AVI stores only
//! the order of decoding; the picture order count in the stream is not evaluated, so B-frames in AVI come a little late.
//! A stream without key frames (intra refresh) is decoded from a recovery point on, with gray instead of the pictures before it.
//! Not supported, and named in the error: 4:4:4, depths other than 8 and 10 bits, lossless coding, data partitioning, slice
//! groups.

use rust_h264::decoder::{ChromaFormat, Frame};
use rust_h264::error::DecodeError;
use rust_h264::nal::{NalUnit, NalUnitType, parse_sps_info};
use rusty_h265::bits::BitReader;

use super::nal::{Framing, Setup, unescaped};
use super::sets;
use super::{Decode, Decoded, Input, Role, check_size, eight_bits, gray};
use crate::media::Shape;
use crate::media::video::Error;
use crate::media::yuv::{Chroma, Matrix, Picture, Plane};
use crate::ops::{Limits, SecretBytes, Stop};

/// Decodes the samples of one track.
pub(super) struct Decoder {
    inner: rust_h264::decoder::Decoder,
    framing: Framing,
    most_pixels: u64,
    /// The last sequence parameter set.
    sequence: Option<Sequence>,
    /// Largest number of macroblocks of reference pictures that a set may ask for: the number that the sets before the first
    /// sample ask for.
    most_blocks: u64,
    /// Whether a set may ask for more than 8 bits a sample.
    deep: bool,
    /// Whether there was a picture.
    begun: bool,
    /// The last sequence parameter set before the first picture.
    first_set: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Sequence {
    width: u32,
    height: u32,
    gray: bool,
    full_range: bool,
    matrix: Matrix,
    /// Macroblocks of its reference pictures.
    blocks: u64,
    deep: bool,
    shape: Option<Shape>,
}

/// Macroblocks of all reference pictures together: MaxDpbMbs of level 5.2 (table A-1). It limits memory to some 100 MB, for
/// 16 references up to a size of 1920x1440 and 5 up to 4096x2304.
const MOST_REFERENCE_BLOCKS: u64 = 184_320;

impl Decoder {
    /// `setup` is the payload of `avcC`, or empty if the samples have start codes.
    pub(super) fn new(setup: &[u8], limits: &Limits) -> Result<Self, Error> {
        let setup = Setup::avc(setup)?;
        let inner = rust_h264::decoder::Decoder::new();
        let (framing, most_pixels, most_blocks) = (setup.framing, limits.video_pixels, MOST_REFERENCE_BLOCKS);
        let (sequence, deep, begun, first_set) = (None, true, false, vec![]);
        let mut decoder = Self { inner, framing, most_pixels, sequence, most_blocks, deep, begun, first_set };
        let (mut most_blocks, mut deep) = (0, false);
        for set in setup.sets {
            decoder.unit(set)?;
            if let Some(sequence) = decoder.sequence {
                most_blocks = most_blocks.max(sequence.blocks);
                deep |= sequence.deep;
            }
        }
        if decoder.sequence.is_some() {
            (decoder.most_blocks, decoder.deep) = (most_blocks, deep);
        }
        Ok(decoder)
    }

    /// Decodes a NAL unit. The frame that may come back belongs to an earlier unit.
    fn unit(&mut self, unit: &[u8]) -> Result<Option<Frame>, Error> {
        let Some((&header, body)) = unit.split_first() else { return Ok(None) };
        let nal_unit_type = kind(header);
        match nal_unit_type {
            NalUnitType::Slice | NalUnitType::SliceIdr | NalUnitType::Sps | NalUnitType::Pps => {}
            NalUnitType::SliceDataA | NalUnitType::SliceDataB | NalUnitType::SliceDataC => {
                return Err(unsupported("data partitioning"));
            }
            // Nothing that affects the picture.
            _ => return Ok(None),
        }
        let nal = NalUnit { nal_ref_idc: reference(header), nal_unit_type, rbsp: unescaped(body) };
        match nal_unit_type {
            NalUnitType::Sps => {
                self.sequence = Some(self.admitted(&nal)?);
                if !self.begun {
                    self.first_set = nal.rbsp.to_vec();
                }
            }
            NalUnitType::Slice if !self.begun => self.begin_with_gray(),
            _ => {}
        }
        self.begun |= matches!(nal_unit_type, NalUnitType::Slice | NalUnitType::SliceIdr);
        self.inner.decode_nal(&nal).map_err(told)
    }

    /// Decodes a gray picture first if the stream does not begin with a key frame, so that its pictures have a
    /// reference until all of it has been refreshed.
    fn begin_with_gray(&mut self) {
        let Some(set) = sets::Sequence::read(&self.first_set) else { return };
        for unit in gray::units(&set) {
            // If the decoder refuses it, the references are missing later, and that is reported.
            let _nothing_before = self.inner.decode_nal(&unit);
        }
        let _gray = self.inner.flush();
    }

    /// Reads a sequence parameter set and refuses what would take too much memory or is not supported.
    fn admitted(&self, nal: &NalUnit<'_>) -> Result<Sequence, Error> {
        let info = parse_sps_info(nal).map_err(told)?;
        let (width, height) = (u64::from(info.coded_width), u64::from(info.coded_height));
        check_size(width, height, self.most_pixels)?;
        let blocks = (width / 16).saturating_mul(height / 16).saturating_mul(info.reference_frames.into());
        if info.reference_frames > 16 || blocks > MOST_REFERENCE_BLOCKS {
            return Err(Error::TooLarge("the video has more H.264 reference pictures than level 5.2 allows".into()));
        }
        let deep = info.bit_depth_luma > 8;
        if blocks > self.most_blocks || deep && !self.deep {
            return Err(Error::TooLarge("the H.264 video takes more memory than its container tells".into()));
        }
        match (info.chroma_format, info.bit_depth_luma) {
            (3, _) => return Err(unsupported("4:4:4 color")),
            (_, 8 | 10) => {}
            (_, bits) => return Err(unsupported(&format!("{bits} bits a sample"))),
        }
        Ok(Sequence {
            width: info.width,
            height: info.height,
            gray: info.chroma_format == 0,
            full_range: info.full_range,
            matrix: Matrix::from_h273(info.matrix),
            blocks,
            deep,
            shape: sets::Sequence::read(&nal.rbsp).and_then(|set| set.shape),
        })
    }

    fn picture(&self, frame: Frame) -> Result<Picture, Error> {
        let sequence = self.sequence.ok_or_else(|| Error::Damaged("H.264 without parameters".into()))?;
        if frame.width != sequence.width || frame.height != sequence.height {
            // A field whose other half is in another sample or missing.
            return Err(Error::Damaged("an H.264 picture is not whole".into()));
        }
        let chroma = match frame.chroma_format {
            _ if sequence.gray => Chroma::Gray,
            ChromaFormat::Yuv420 => Chroma::C420,
            ChromaFormat::Yuv422 => Chroma::C422,
        };
        let size = |(width, height): (u32, u32)| (width as usize, height as usize);
        let (luma, colors) = (size((frame.width, frame.height)), size((frame.chroma_width(), frame.chroma_height())));
        let depth = u32::from(frame.bit_depth);
        let plane = |samples: Vec<u8>, (width, height)| {
            let samples = SecretBytes::from(samples);
            if depth == 8 {
                return Plane { width, height, samples };
            }
            let (pairs, _) = samples.as_chunks();
            eight_bits(pairs.iter().map(|&pair| u16::from_le_bytes(pair)), depth, width, height)
        };
        let mut planes = vec![plane(frame.y, luma)];
        if chroma != Chroma::Gray {
            planes.extend([plane(frame.u, colors), plane(frame.v, colors)]);
        }
        let Sequence { full_range, matrix, shape, .. } = sequence;
        let picture = Picture { chroma, planes, full_range, matrix, shape };
        if picture.is_whole() { Ok(picture) } else { Err(Error::Damaged("an H.264 picture is not whole".into())) }
    }
}

impl Decode for Decoder {
    fn role(&self, data: &[u8]) -> Role {
        let mut role = Role::Reference;
        for unit in self.framing.units(data).flatten() {
            match kind(unit[0]) {
                NalUnitType::SliceIdr => return Role::Sync,
                NalUnitType::Slice if reference(unit[0]) == 0 => role = Role::Disposable,
                NalUnitType::Slice => return Role::Reference,
                _ => {}
            }
        }
        role
    }

    fn shows(&self, data: &[u8]) -> bool {
        // The truncated unit may have been a picture.
        self.framing.units(data).any(|unit| unit.is_ok_and(|unit| is_slice(unit[0])) || unit.is_err())
    }

    fn recovers(&self, data: &[u8]) -> Option<usize> {
        let mut units = self.framing.units(data).flatten();
        if let Some(count) = units.find_map(recovery_point) {
            return Some(count);
        }
        // Encoders that write no recovery points begin with an intra picture.
        let mut slices = self.framing.units(data).flatten().filter(|unit| is_slice(unit[0])).peekable();
        (slices.peek().is_some() && slices.all(is_intra)).then_some(0)
    }

    fn learn(&mut self, data: &[u8], stop: &Stop<'_>) -> Result<(), Error> {
        for unit in self.framing.units(data).flatten() {
            if stop() {
                return Err(Error::TooSlow);
            }
            if matches!(kind(unit[0]), NalUnitType::Sps | NalUnitType::Pps) {
                self.unit(unit)?;
            }
        }
        Ok(())
    }

    fn shape(&self, data: &[u8]) -> Option<Shape> {
        let sets = self.framing.units(data).flatten().filter(|unit| kind(unit[0]) == NalUnitType::Sps);
        match sets.last() {
            Some(set) => sets::Sequence::read(&unescaped(&set[1..])).and_then(|set| set.shape),
            None => self.sequence.and_then(|sequence| sequence.shape),
        }
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        let mut frame = None;
        let mut result = Ok(());
        for unit in self.framing.units(input.data) {
            if (input.stop)() {
                return Err(Error::TooSlow);
            }
            let decoded = match unit {
                Ok(unit) => self.unit(unit),
                Err(_cut) => Err(Error::Damaged("an H.264 sample ends inside a NAL unit".into())),
            };
            match decoded {
                Ok(earlier) => frame = earlier.or(frame),
                Err(error) => result = result.and(Err(error)),
            }
        }
        // The end of the sample is the end of its picture, which must not stay in the decoder even if it is damaged.
        frame = self.inner.flush().or(frame);
        result?;
        if !self.shows(input.data) {
            return Ok(());
        }
        let frame = frame.ok_or_else(|| Error::Damaged("an H.264 sample has no picture".into()))?;
        if input.wanted {
            done.push(Decoded { sample: input.sample, picture: self.picture(frame)? });
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        /// Reference pictures at the most (A.3.1).
        const MOST_REFERENCES: u64 = 16;
        /// Bytes of a macroblock: samples in 4:2:0, of one or two bytes, and 18 of motion for each block of 4x4.
        const BLOCK: [u64; 2] = [384 + 288, 768 + 288];
        // The current picture and one that is being output come on top.
        // Sets that are not known yet can't ask for more than a picture for each reference.
        let kept = self.most_blocks.min(MOST_REFERENCES * self.most_pixels.div_ceil(256));
        (kept + 2 * self.most_pixels / 256) * BLOCK[usize::from(self.deep)]
    }

    fn pixels(&self, data: &[u8]) -> u64 {
        let slices = self
            .framing
            .units(data)
            .flatten()
            .filter(|unit| matches!(kind(unit[0]), NalUnitType::Slice | NalUnitType::SliceIdr));
        // Slices of a picture follow each other down the picture; one that does not begins another pass over it.
        let mut last = None;
        let passes = slices.fold(0, |passes, unit| {
            let first = first_macroblock(&unit[1..]);
            passes + u64::from(last.replace(first).is_none_or(|before| first <= before))
        });
        let pixels = self.sequence.map_or(0, |sequence| u64::from(sequence.width) * u64::from(sequence.height));
        pixels * passes.max(1)
    }
}

/// The number of a slice's first macroblock, at the start of its header (7.3.3): an unsigned Exp-Golomb code (9.1). 0 if truncated.
fn first_macroblock(header: &[u8]) -> u64 {
    // A code of 31 zeros at the most, and bytes that keep it from looking like a start code.
    const MOST_BYTES: usize = 12;
    let (mut bits, mut count, mut zeros) = (0_u128, 0, 0);
    for &byte in header.iter().take(MOST_BYTES) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        (bits, count) = (bits << 8 | u128::from(byte), count + 8);
    }
    let aligned = if count == 0 { 0 } else { bits << (128 - count) };
    let leading = aligned.leading_zeros();
    if leading > 31 || 2 * leading + 1 > count {
        return 0;
    }
    (aligned >> (127 - 2 * leading)) as u64 - 1
}

/// Frames from a recovery point in this unit until the pictures are correct again (`recovery_frame_cnt`, D.1.8), if it has one.
fn recovery_point(unit: &[u8]) -> Option<usize> {
    const RECOVERY_POINT: usize = 6;
    let (&header, body) = unit.split_first()?;
    if kind(header) != NalUnitType::Sei {
        return None;
    }
    let plain = unescaped(body);
    let mut rest = &*plain;
    loop {
        let kind = sei_number(&mut rest)?;
        let size = sei_number(&mut rest)?;
        let (payload, next) = rest.split_at_checked(size)?;
        if kind == RECOVERY_POINT {
            return BitReader::new(payload).read_ue().ok().and_then(|count| usize::try_from(count).ok());
        }
        rest = next;
    }
}

/// A number in the head of an SEI message: bytes of 255 and one below, added (7.3.2.3.1).
fn sei_number(rest: &mut &[u8]) -> Option<usize> {
    let full = rest.iter().position(|&byte| byte != 255)?;
    let last = usize::from(rest[full]);
    *rest = &rest[full + 1..];
    Some(full * 255 + last)
}

/// Whether a slice needs no other pictures: `slice_type` is the second code of its header (7.3.3).
fn is_intra(slice: &[u8]) -> bool {
    const MOST_BYTES: usize = 16;
    let head = unescaped(&slice[1..slice.len().min(MOST_BYTES)]);
    let mut bits = BitReader::new(&head);
    matches!(bits.read_ue().and_then(|_| bits.read_ue()), Ok(2 | 4 | 7 | 9))
}

/// Whether a unit is a slice, by its header.
fn is_slice(header: u8) -> bool {
    use NalUnitType::{Slice, SliceDataA, SliceDataB, SliceDataC, SliceIdr};
    matches!(kind(header), Slice | SliceIdr | SliceDataA | SliceDataB | SliceDataC)
}

/// The type of a unit, by its header.
fn kind(header: u8) -> NalUnitType {
    NalUnitType::from(header & 0x1F)
}

/// `nal_ref_idc`: not 0 if other pictures may need the unit.
fn reference(header: u8) -> u8 {
    header >> 5 & 3
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("H.264 with {what} is not supported; send 8-bit 4:2:0 video"))
}

fn told(error: DecodeError) -> Error {
    match error {
        DecodeError::Unsupported(what) => unsupported(what.strip_prefix("unsupported ").unwrap_or(what)),
        DecodeError::InvalidSyntax(what) => Error::Damaged(format!("the H.264 stream is damaged ({what})")),
        DecodeError::UnexpectedEof => Error::Damaged("the H.264 stream is damaged (a NAL unit ends early)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_macroblock_of_a_slice_is_read() {
        // Exp-Golomb codes: 0 is 1, 1 is 010, 7 is 0001000, 119 is 0000001111000.
        for (header, number) in [
            (&[0b1000_0000][..], 0),
            (&[0b0100_0000], 1),
            (&[0b0001_0000, 0xFF], 7),
            (&[0b0000_0011, 0b1100_0000], 119),
            // 65535 is 16 zeros, a one and 16 zeros, with a byte that keeps them from being a start code.
            (&[0, 0, 3, 0b1000_0000, 0, 3, 0, 0xFF], 65_535),
            (&[], 0),
            (&[0; 20], 0),
            (&[0, 0b1], 0),
        ] {
            assert_eq!(first_macroblock(header), number, "{header:?}");
        }
    }
}

//! Reads from sequence parameter sets what the decoders' crates don't expose: the sample aspect ratio, at the front of the video
//! usability information (ITU-T H.264 and H.265, annex E), and for H.264 what the decoder needs to know of its pictures.

use rusty_h265::bits::BitReader;
use rusty_h265::ps::parse_st_ref_pic_set;

use crate::media::Shape;

/// A sequence parameter set of H.264 (7.3.2.1.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) id: u32,
    /// `chroma_format_idc`: 0 is gray.
    pub(super) color: u32,
    /// Bits of `frame_num`.
    pub(super) number_bits: u32,
    /// `pic_order_cnt_type`: 0 to 2.
    pub(super) order: u32,
    /// Bits of a picture order count of type 0.
    pub(super) order_bits: u32,
    /// `delta_pic_order_always_zero_flag`, for picture order counts of type 1.
    pub(super) order_is_known: bool,
    /// Macroblocks in a row.
    pub(super) across: u32,
    /// Rows of macroblocks in a frame.
    pub(super) down: u32,
    /// Whether there are only frames, no fields.
    pub(super) whole_frames: bool,
    /// Whether pairs of macroblocks may be fields.
    pub(super) pairs: bool,
    /// The sample aspect ratio, if present.
    pub(super) shape: Option<Shape>,
}

impl Sequence {
    /// Reads a set, unescaped and without its NAL unit's header; `None` if it is damaged before the usability information.
    pub(super) fn read(set: &[u8]) -> Option<Self> {
        /// Profiles whose sets have additional fields for color.
        const WITH_COLOR: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
        let mut bits = BitReader::new(set);
        let profile = bits.read_bits(8).ok()?;
        skip(&mut bits, 16)?;
        let mut found = Self { id: bits.read_ue().ok()?, color: 1, ..Self::default() };
        if WITH_COLOR.contains(&profile) {
            found.color = bits.read_ue().ok()?;
            if found.color == 3 {
                skip(&mut bits, 1)?;
            }
            numbers(&mut bits, 2)?;
            skip(&mut bits, 1)?;
            if flag(&mut bits)? {
                for list in 0..if found.color == 3 { 12 } else { 8 } {
                    if flag(&mut bits)? {
                        skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        found.number_bits = bits.read_ue_max(12).ok()? + 4;
        found.order = bits.read_ue().ok()?;
        match found.order {
            0 => found.order_bits = bits.read_ue_max(12).ok()? + 4,
            1 => {
                found.order_is_known = flag(&mut bits)?;
                numbers(&mut bits, 2)?;
                let cycle = bits.read_ue_max(255).ok()?;
                numbers(&mut bits, cycle)?;
            }
            _ => {}
        }
        bits.read_ue().ok()?;
        skip(&mut bits, 1)?;
        found.across = bits.read_ue().ok()?.saturating_add(1);
        found.down = bits.read_ue().ok()?.saturating_add(1);
        found.whole_frames = flag(&mut bits)?;
        if !found.whole_frames {
            found.down = found.down.saturating_mul(2);
            found.pairs = flag(&mut bits)?;
        }
        skip(&mut bits, 1)?;
        if flag(&mut bits)? {
            numbers(&mut bits, 4)?;
        }
        found.shape = shape(&mut bits);
        Some(found)
    }
}

/// The sample aspect ratio in a sequence parameter set of HEVC (7.3.2.2.1), unescaped and without its NAL unit's header.
pub(super) fn shape_of_hevc(set: &[u8]) -> Option<Shape> {
    let mut bits = BitReader::new(set);
    skip(&mut bits, 4)?;
    let layers = bits.read_bits(3).ok()?;
    skip(&mut bits, 1)?;
    skip_profile(&mut bits, layers)?;
    bits.read_ue().ok()?;
    if bits.read_ue().ok()? == 3 {
        skip(&mut bits, 1)?;
    }
    numbers(&mut bits, 2)?;
    if flag(&mut bits)? {
        numbers(&mut bits, 4)?;
    }
    numbers(&mut bits, 2)?;
    let order = bits.read_ue_max(12).ok()? + 4;
    let each = if flag(&mut bits)? { layers + 1 } else { 1 };
    numbers(&mut bits, 3 * each)?;
    numbers(&mut bits, 6)?;
    if flag(&mut bits)? && flag(&mut bits)? {
        skip_scaling_lists(&mut bits)?;
    }
    skip(&mut bits, 2)?;
    if flag(&mut bits)? {
        skip(&mut bits, 8)?;
        numbers(&mut bits, 2)?;
        skip(&mut bits, 1)?;
    }
    let mut sets = Vec::new();
    for number in 0..bits.read_ue_max(64).ok()? as usize {
        sets.push(parse_st_ref_pic_set(&mut bits, number, &sets, false).ok()?);
    }
    if flag(&mut bits)? {
        for _ in 0..bits.read_ue_max(32).ok()? {
            skip(&mut bits, order + 1)?;
        }
    }
    skip(&mut bits, 2)?;
    shape(&mut bits)
}

/// The sample aspect ratio at the start of the usability information, if present: `vui_parameters_present_flag` is the next bit.
fn shape(bits: &mut BitReader<'_>) -> Option<Shape> {
    /// Two numbers follow.
    const EXTENDED: u8 = 255;
    if !flag(bits)? || !flag(bits)? {
        return None;
    }
    match bits.read_bits(8).ok()? as u8 {
        EXTENDED => {
            let (across, down) = (bits.read_bits(16).ok()?, bits.read_bits(16).ok()?);
            Shape::new(across.into(), down.into())
        }
        index => Shape::from_index(index),
    }
}

fn flag(bits: &mut BitReader<'_>) -> Option<bool> {
    bits.read_flag().ok()
}

fn skip(bits: &mut BitReader<'_>, count: u32) -> Option<()> {
    bits.skip_bits(count).ok()
}

/// Skips `count` Exp-Golomb codes, signed or not.
fn numbers(bits: &mut BitReader<'_>, count: u32) -> Option<()> {
    (0..count).try_for_each(|_| bits.read_ue().ok().map(|_| ()))
}

/// Skips a list of H.264 (7.3.2.1.1.1), which ends early where the next scale is 0.
fn skip_scaling_list(bits: &mut BitReader<'_>, size: usize) -> Option<()> {
    let mut scale = 8_i32;
    for _ in 0..size {
        scale = (scale + bits.read_se().ok()?.clamp(-128, 127) + 256) % 256;
        if scale == 0 {
            break;
        }
    }
    Some(())
}

/// Skips the lists of HEVC (7.3.4).
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if flag(bits)? {
                let coefficients = 64.min(1 << (4 + 2 * size));
                numbers(bits, coefficients + u32::from(size > 1))?;
            } else {
                numbers(bits, 1)?;
            }
        }
    }
    Some(())
}

/// Skips `profile_tier_level` of HEVC (7.3.3) with `layers` below the highest.
fn skip_profile(bits: &mut BitReader<'_>, layers: u32) -> Option<()> {
    skip(bits, 88 + 8)?;
    let mut present = Vec::new();
    for _ in 0..layers {
        present.push((flag(bits)?, flag(bits)?));
    }
    if layers > 0 {
        skip(bits, 2 * (8 - layers))?;
    }
    for (profile, level) in present {
        skip(bits, 88 * u32::from(profile) + 8 * u32::from(level))?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusty_h265::nal::unescape;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    /// Bits written as text; blanks are left out.
    fn bits(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
        digits.chunks(8).map(|eight| (0..8).fold(0, |all, at| all << 1 | eight.get(at).unwrap_or(&0))).collect()
    }

    fn shape_of_h264(set: &[u8]) -> Option<Shape> {
        Sequence::read(set).and_then(|sequence| sequence.shape)
    }

    /// Baseline 32x32 with usability information that begins with `shape`.
    fn h264(shape: &str) -> Vec<u8> {
        bits(&format!("01000010 00000000 00001010 1 1 1 1 010 0 010 010 1 1 0 {shape}"))
    }

    #[test]
    fn pixel_shapes_are_read_from_h264_parameter_sets() {
        assert_eq!(shape_of_h264(&h264("0")), None, "no usability information");
        assert_eq!(shape_of_h264(&h264("1 0")), None, "without a shape");
        assert_eq!(shape_of_h264(&h264("1 1 00000000")), None, "not specified");
        assert_eq!(shape_of_h264(&h264("1 1 00001110")), Shape::new(4, 3));
        assert_eq!(shape_of_h264(&h264("1 1 11111111 0000000000000001 0000000000000010")), Shape::new(1, 2));
        assert_eq!(shape_of_h264(&h264("1 1 11111111 0000000000000001")), None, "cut");
        // As x264 writes them: High, 64x48.
        let index = "64000aacd9447b0e10000003001000000300320f1225960";
        let numbers = "64000aacd9447bff0007000910000003001000000300320f12259600";
        assert_eq!(shape_of_h264(&unescape(&hex(index)).data), Shape::new(4, 3));
        assert_eq!(shape_of_h264(&unescape(&hex(numbers)).data), Shape::new(7, 9));
    }

    #[test]
    fn pixel_shapes_are_read_from_hevc_parameter_sets() {
        // As x265 writes them: Main, 64x48.
        let head = "0101600000030090000003000003001ea02083165959ae4caf";
        let index = format!("{head}0e6808000003000800000300c840");
        let numbers = format!("{head}ff000700096808000003000800000300c840");
        assert_eq!(shape_of_hevc(&unescape(&hex(&index)).data), Shape::new(4, 3));
        assert_eq!(shape_of_hevc(&unescape(&hex(&numbers)).data), Shape::new(7, 9));
        assert_eq!(shape_of_hevc(&unescape(&hex(head)).data), None, "cut");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _any = (Sequence::read(&bytes), shape_of_hevc(&bytes));
        }
    }
}

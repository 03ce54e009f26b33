//! Reads the frame tag and the frame header (RFC 6386, sections 9 and 19.2), and keeps the state between frames (section 9.11).
//!
//! Scaling bits and the color space bit are skipped: they are for display, and players ignore them.

use super::Error;
use super::bool_decoder::BoolDecoder;
use super::tables::{
    AC_STEPS, Bands, Component, DC_STEPS, DEFAULT_CHROMA, DEFAULT_LUMA, DEFAULT_TOKENS, DEFAULT_VECTORS, TOKEN_UPDATES,
    VECTOR_UPDATES,
};

/// The first three bytes of a frame, or the first ten of a key frame.
pub(super) struct Tag {
    /// 0 to 7: which filters interpolate. Above 3 is reserved, and read as other decoders do.
    pub(super) version: u8,
    /// Whether the frame is to be shown, or is only a reference.
    pub(super) shown: bool,
    /// Bytes of the first partition: the header and the modes.
    first_partition: usize,
    /// Width and height in pixels, if this is a key frame.
    pub(super) key: Option<(u16, u16)>,
}

impl Tag {
    /// Reads the tag; also returns the rest of the frame.
    pub(super) fn read(data: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (tag, rest) = data.split_first_chunk::<3>().ok_or(Error::Damaged("the VP8 frame ends inside its tag"))?;
        let bits = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]);
        let first_partition = (bits >> 5) as usize;
        let mut tag = Self { version: (bits >> 1 & 7) as u8, shown: bits & 0x10 != 0, first_partition, key: None };
        if bits & 1 != 0 {
            return Ok((tag, rest));
        }
        let (start, rest) =
            rest.split_first_chunk::<7>().ok_or(Error::Damaged("the VP8 key frame ends inside its tag"))?;
        let [0x9D, 0x01, 0x2A, size @ ..] = *start else {
            return Err(Error::Damaged("the VP8 key frame has no start code"));
        };
        let [width, height] = [[size[0], size[1]], [size[2], size[3]]].map(|side| u16::from_le_bytes(side) & 0x3FFF);
        if width == 0 || height == 0 {
            return Err(Error::Damaged("the VP8 key frame has no pixels"));
        }
        tag.key = Some((width, height));
        Ok((tag, rest))
    }
}

/// The state that one frame passes to the next.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) probabilities: Probabilities,
    pub(super) segmentation: Segmentation,
    pub(super) deltas: FilterDeltas,
}

/// Probabilities that adapt to the stream.
#[derive(Clone)]
pub(super) struct Probabilities {
    /// Luma without DC, second-order luma, chroma, luma with DC.
    pub(super) tokens: [Bands; 4],
    /// Modes of intra macroblocks in frames other than key frames.
    pub(super) luma: [u8; 4],
    pub(super) chroma: [u8; 3],
    /// Motion vectors: rows, columns.
    pub(super) vectors: [Component; 2],
}

impl Default for Probabilities {
    fn default() -> Self {
        Self { tokens: DEFAULT_TOKENS, luma: DEFAULT_LUMA, chroma: DEFAULT_CHROMA, vectors: DEFAULT_VECTORS }
    }
}

/// Up to four kinds of macroblocks with their own quantizer and filter level (section 9.3).
#[derive(Clone, Default)]
pub(super) struct Segmentation {
    pub(super) enabled: bool,
    /// Whether the values replace those of the frame instead of being added to them.
    absolute: bool,
    quantizers: [i8; 4],
    levels: [i8; 4],
}

/// Adjustments of the filter level by reference frame and by prediction mode (section 9.6).
#[derive(Clone, Default)]
pub(super) struct FilterDeltas {
    pub(super) enabled: bool,
    /// Intra, last, golden, alternate.
    pub(super) references: [i8; 4],
    /// Subblock modes, zero vector, one vector, split.
    pub(super) modes: [i8; 4],
}

/// The steps between quantized values: DC, AC.
#[derive(Clone, Copy, Default)]
pub(super) struct Quantizer {
    pub(super) luma: [i16; 2],
    pub(super) second: [i16; 2],
    pub(super) chroma: [i16; 2],
}

/// Where a reference picture comes from after the frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// It is kept.
    Keep,
    /// It becomes the picture of this frame.
    Current,
    /// It becomes what was the last picture before this frame.
    Last,
    /// Golden becomes what was the alternate before this frame, or the reverse.
    Other,
}

/// The header of one frame.
pub(super) struct Header {
    /// Probabilities of the segment tree, if the frame has a new segment map.
    pub(super) segment_map: Option<[u8; 3]>,
    pub(super) simple_filter: bool,
    /// Filter level of each segment before the deltas, -63 to 126; none if the frame is not filtered.
    pub(super) levels: Option<[i8; 4]>,
    /// 0 to 7.
    pub(super) sharpness: u8,
    /// Quantizer steps of each segment.
    pub(super) quantizers: [Quantizer; 4],
    pub(super) golden: Update,
    pub(super) alternate: Update,
    /// Whether the frame becomes the last picture.
    pub(super) refresh_last: bool,
    /// Whether vectors into the golden and the alternate picture point the other way.
    pub(super) sign_bias: [bool; 2],
    /// The probabilities to restore after this frame, if it does not keep its own.
    pub(super) restore: Option<Probabilities>,
    /// The probability that a macroblock has coefficients, if macroblocks carry that flag.
    pub(super) skip: Option<u8>,
    /// Probability of intra macroblocks, and of those that refer to the last and to the golden picture.
    pub(super) intra: u8,
    pub(super) last: u8,
    pub(super) golden_not_alternate: u8,
}

impl Header {
    /// Whether later frames need neither the picture nor the segment map of this one, which has this `tag`, and find the references as before.
    pub(super) fn is_disposable(&self, tag: &Tag) -> bool {
        let is_kept = self.refresh_last || self.golden != Update::Keep || self.alternate != Update::Keep;
        tag.key.is_none() && !is_kept && self.segment_map.is_none()
    }
}

/// The first partition after the header, and the coefficient partitions.
pub(super) struct Partitions<'a> {
    pub(super) modes: BoolDecoder<'a>,
    /// Rows of macroblocks alternate between them: 1, 2, 4 or 8.
    pub(super) tokens: Vec<BoolDecoder<'a>>,
}

/// Reads the header of the frame with this `tag`, from `body`. After an error, `state` is undefined.
pub(super) fn read<'a>(tag: &Tag, body: &'a [u8], state: &mut State) -> Result<(Header, Partitions<'a>), Error> {
    let key = tag.key.is_some();
    let (first, rest) = body
        .split_at_checked(tag.first_partition)
        .ok_or(Error::Damaged("the VP8 frame ends inside its first partition"))?;
    if first.is_empty() {
        return Err(Error::Damaged("the VP8 frame has no header"));
    }
    let mut bits = BoolDecoder::new(first);
    if key {
        *state = State::default();
        let (_color_space, _no_clamping) = (bits.flag(), bits.flag());
    }
    let segment_map = state.segmentation.read(&mut bits);
    let simple_filter = bits.flag();
    let level = bits.number(6);
    let sharpness = bits.number(3);
    state.deltas.read(&mut bits);
    let tokens = split(rest, 1 << bits.number(2))?;
    let quantizers = quantizers(&mut bits, &state.segmentation);
    let (mut golden, mut alternate, mut sign_bias) = (Update::Current, Update::Current, [false; 2]);
    if !key {
        let refresh = [bits.flag(), bits.flag()];
        [golden, alternate] = refresh.map(|refresh| Update::read(refresh, &mut bits));
        sign_bias = [bits.flag(), bits.flag()];
    }
    let restore = (!bits.flag()).then(|| state.probabilities.clone());
    let refresh_last = key || bits.flag();
    state.probabilities.read_tokens(&mut bits);
    let skip = bits.flag().then(|| bits.number(8));
    let [mut intra, mut last, mut golden_not_alternate] = [0; 3];
    if !key {
        [intra, last, golden_not_alternate] = [bits.number(8), bits.number(8), bits.number(8)];
        state.probabilities.read_modes(&mut bits);
    }
    let levels = state.segmentation.levels(level);
    let header = Header {
        segment_map,
        simple_filter,
        levels,
        sharpness,
        quantizers,
        golden,
        alternate,
        refresh_last,
        sign_bias,
        restore,
        skip,
        intra,
        last,
        golden_not_alternate,
    };
    Ok((header, Partitions { modes: bits, tokens }))
}

/// The `count` coefficient partitions: the sizes of all but the last come first (section 9.5).
fn split(data: &[u8], count: usize) -> Result<Vec<BoolDecoder<'_>>, Error> {
    let (sizes, mut rest) =
        data.split_at_checked(3 * (count - 1)).ok_or(Error::Damaged("the VP8 frame ends before its partitions"))?;
    let mut partitions = Vec::with_capacity(count);
    for size in sizes.chunks_exact(3) {
        let size = u32::from_le_bytes([size[0], size[1], size[2], 0]) as usize;
        let (partition, after) =
            rest.split_at_checked(size).ok_or(Error::Damaged("the VP8 frame ends inside a partition"))?;
        partitions.push(BoolDecoder::new(partition));
        rest = after;
    }
    partitions.push(BoolDecoder::new(rest));
    Ok(partitions)
}

/// Quantizer steps of the four segments (sections 9.6 and 14.1).
fn quantizers(bits: &mut BoolDecoder<'_>, segmentation: &Segmentation) -> [Quantizer; 4] {
    let base = i32::from(bits.number(7));
    let [luma_dc, second_dc, second_ac, chroma_dc, chroma_ac] =
        [(); 5].map(|()| i32::from(bits.optional(4).unwrap_or(0)));
    std::array::from_fn(|segment| {
        let own = i32::from(segmentation.quantizers[segment]);
        let index = match (segmentation.enabled, segmentation.absolute) {
            (false, _) => base,
            (true, true) => own,
            (true, false) => base + own,
        };
        let step = |steps: &[i16; 128], delta: i32| steps[(index + delta).clamp(0, 127) as usize];
        Quantizer {
            luma: [step(&DC_STEPS, luma_dc), step(&AC_STEPS, 0)],
            second: [step(&DC_STEPS, second_dc) * 2, (i32::from(step(&AC_STEPS, second_ac)) * 155 / 100).max(8) as i16],
            chroma: [step(&DC_STEPS, chroma_dc).min(132), step(&AC_STEPS, chroma_ac)],
        }
    })
}

impl Update {
    fn read(refresh: bool, bits: &mut BoolDecoder<'_>) -> Self {
        if refresh {
            return Self::Current;
        }
        match bits.number(2) {
            1 => Self::Last,
            2 => Self::Other,
            _ => Self::Keep,
        }
    }
}

impl Segmentation {
    /// Reads the changes; returns the probabilities of the segment tree if a map follows.
    fn read(&mut self, bits: &mut BoolDecoder<'_>) -> Option<[u8; 3]> {
        self.enabled = bits.flag();
        if !self.enabled {
            return None;
        }
        let (new_map, new_values) = (bits.flag(), bits.flag());
        if new_values {
            self.absolute = bits.flag();
            self.quantizers = [(); 4].map(|()| bits.optional(7).unwrap_or(0));
            self.levels = [(); 4].map(|()| bits.optional(6).unwrap_or(0));
        }
        new_map.then(|| [(); 3].map(|()| if bits.flag() { bits.number(8) } else { 255 }))
    }

    /// Filter level of each segment; a frame whose own level is zero is not filtered, whatever its segments specify.
    fn levels(&self, level: u8) -> Option<[i8; 4]> {
        let levels = self.levels.map(|own| match (self.enabled, self.absolute) {
            (false, _) => level as i8,
            (true, true) => own,
            (true, false) => level as i8 + own,
        });
        (level != 0).then_some(levels)
    }
}

impl FilterDeltas {
    fn read(&mut self, bits: &mut BoolDecoder<'_>) {
        self.enabled = bits.flag();
        if self.enabled && bits.flag() {
            for delta in self.references.iter_mut().chain(&mut self.modes) {
                *delta = bits.optional(6).unwrap_or(*delta);
            }
        }
    }
}

impl Probabilities {
    fn read_tokens(&mut self, bits: &mut BoolDecoder<'_>) {
        let updates = TOKEN_UPDATES.as_flattened().as_flattened().as_flattened();
        let probabilities = self.tokens.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        for (probability, &update) in probabilities.iter_mut().zip(updates) {
            if bits.bit(update) {
                *probability = bits.number(8);
            }
        }
    }

    fn read_modes(&mut self, bits: &mut BoolDecoder<'_>) {
        if bits.flag() {
            self.luma = [(); 4].map(|()| bits.number(8));
        }
        if bits.flag() {
            self.chroma = [(); 3].map(|()| bits.number(8));
        }
        let updates = VECTOR_UPDATES.as_flattened();
        for (probability, &update) in self.vectors.as_flattened_mut().iter_mut().zip(updates) {
            if bits.bit(update) {
                *probability = (bits.number(7) << 1).max(1);
            }
        }
    }
}

//! Reads how each macroblock is predicted: its segment and modes (RFC 6386, sections 10, 11 and 16).

use super::bool_decoder::BoolDecoder;
use super::header::{Header, Probabilities};
use super::motion::{Motion, Neighbors, Reach};
use super::tables::{KEY_CHROMA, KEY_LUMA, KEY_SUBBLOCK, SUBBLOCK};

/// Prediction of 16x16 luma or 8x8 chroma samples from those around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intra {
    Dc,
    Vertical,
    Horizontal,
    TrueMotion,
}

/// Prediction of 4x4 luma samples from those around them, in the order of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subblock {
    Dc,
    TrueMotion,
    Vertical,
    Horizontal,
    LeftDown,
    RightDown,
    VerticalRight,
    VerticalLeft,
    HorizontalDown,
    HorizontalUp,
}

/// What a macroblock is predicted from.
#[derive(Clone, Copy)]
pub(super) enum Prediction {
    Intra { luma: Intra, chroma: Intra },
    Subblocks { luma: [Subblock; 16], chroma: Intra },
    Inter(Motion),
}

/// What is read of a macroblock before its coefficients.
#[derive(Clone, Copy)]
pub(super) struct Macroblock {
    /// 0 to 3.
    pub(super) segment: u8,
    /// Whether it has no coefficients.
    pub(super) skip: bool,
    pub(super) prediction: Prediction,
}

impl Prediction {
    /// The value for macroblocks outside of the frame.
    const OUTSIDE: Self = Self::Intra { luma: Intra::Dc, chroma: Intra::Dc };

    /// Whether the DC of the luma blocks comes in a block of its own.
    pub(super) fn has_second(&self) -> bool {
        match self {
            Self::Intra { .. } => true,
            Self::Subblocks { .. } => false,
            Self::Inter(motion) => !motion.shape.is_split(),
        }
    }

    fn motion(&self) -> Option<&Motion> {
        match self {
            Self::Inter(motion) => Some(motion),
            _ => None,
        }
    }

    /// Mode of the luma block `at`, as its neighbors in a key frame see it.
    fn subblock(&self, at: usize) -> Subblock {
        match self {
            Self::Subblocks { luma, .. } => luma[at],
            Self::Intra { luma: Intra::Vertical, .. } => Subblock::Vertical,
            Self::Intra { luma: Intra::Horizontal, .. } => Subblock::Horizontal,
            Self::Intra { luma: Intra::TrueMotion, .. } => Subblock::TrueMotion,
            Self::Intra { luma: Intra::Dc, .. } | Self::Inter(_) => Subblock::Dc,
        }
    }
}

/// Reads macroblocks row by row, and keeps what the next ones depend on.
pub(super) struct Modes {
    rows: usize,
    /// Those to the left in this row, and the rest of the row above. The first is the one left of the frame.
    line: Vec<Prediction>,
    above_left: Prediction,
    /// Segment of each macroblock of the frame; it stays until another map comes.
    segments: Vec<u8>,
}

impl Modes {
    /// For frames of `columns` x `rows` macroblocks.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let outside = Prediction::OUTSIDE;
        Self { rows, line: vec![outside; columns + 1], above_left: outside, segments: vec![0; columns * rows] }
    }

    fn columns(&self) -> usize {
        self.line.len() - 1
    }

    /// Prepares for a frame. A map of segments does not outlive a frame that has no segments.
    pub(super) fn begin_frame(&mut self, segmented: bool) {
        self.line.fill(Prediction::OUTSIDE);
        if !segmented {
            self.segments.fill(0);
        }
    }

    /// Reads the macroblock in column `x` of row `y`. They must be read in order.
    pub(super) fn read(
        &mut self,
        bits: &mut BoolDecoder<'_>,
        header: &Header,
        probabilities: &Probabilities,
        key: bool,
        x: usize,
        y: usize,
    ) -> Macroblock {
        if x == 0 {
            self.above_left = Prediction::OUTSIDE;
        }
        let at = y * self.columns() + x;
        let segment = &mut self.segments[at];
        if let Some(map) = header.segment_map {
            let high = bits.bit(map[0]);
            *segment = 2 * u8::from(high) + u8::from(bits.bit(map[1 + usize::from(high)]));
        }
        let segment = *segment;
        let skip = header.skip.is_some_and(|probability| bits.bit(probability));
        let prediction = if key {
            self.key_intra(bits, x)
        } else if bits.bit(header.intra) {
            self.inter(bits, header, probabilities, x, y)
        } else {
            intra(bits, probabilities)
        };
        self.above_left = std::mem::replace(&mut self.line[x + 1], prediction);
        Macroblock { segment, skip, prediction }
    }

    /// An intra macroblock of a key frame (section 11).
    fn key_intra(&self, bits: &mut BoolDecoder<'_>, x: usize) -> Prediction {
        if bits.bit(KEY_LUMA[0]) {
            let luma = match bits.bit(KEY_LUMA[1]) {
                false if bits.bit(KEY_LUMA[2]) => Intra::Vertical,
                false => Intra::Dc,
                true if bits.bit(KEY_LUMA[3]) => Intra::TrueMotion,
                true => Intra::Horizontal,
            };
            return Prediction::Intra { luma, chroma: chroma(bits, &KEY_CHROMA) };
        }
        let (left, above) = (&self.line[x], &self.line[x + 1]);
        let mut luma = [Subblock::Dc; 16];
        for at in 0..16 {
            let left = if at % 4 == 0 { left.subblock(at + 3) } else { luma[at - 1] };
            let above = if at < 4 { above.subblock(at + 12) } else { luma[at - 4] };
            luma[at] = subblock(bits, &KEY_SUBBLOCK[above as usize][left as usize]);
        }
        Prediction::Subblocks { luma, chroma: chroma(bits, &KEY_CHROMA) }
    }

    /// A macroblock that is predicted from another frame.
    fn inter(
        &self,
        bits: &mut BoolDecoder<'_>,
        header: &Header,
        probabilities: &Probabilities,
        x: usize,
        y: usize,
    ) -> Prediction {
        let neighbors = Neighbors {
            above: self.line[x + 1].motion(),
            left: self.line[x].motion(),
            above_left: self.above_left.motion(),
        };
        let reach = Reach::of((x, y), (self.columns(), self.rows));
        Prediction::Inter(Motion::read(bits, header, &probabilities.vectors, &neighbors, &reach))
    }
}

/// An intra macroblock of a frame that is not a key frame (section 16.1).
fn intra(bits: &mut BoolDecoder<'_>, probabilities: &Probabilities) -> Prediction {
    let branch = &probabilities.luma;
    let luma = if !bits.bit(branch[0]) {
        Intra::Dc
    } else if !bits.bit(branch[1]) {
        if bits.bit(branch[2]) { Intra::Horizontal } else { Intra::Vertical }
    } else if !bits.bit(branch[3]) {
        Intra::TrueMotion
    } else {
        let luma = [(); 16].map(|()| subblock(bits, &SUBBLOCK));
        return Prediction::Subblocks { luma, chroma: chroma(bits, &probabilities.chroma) };
    };
    Prediction::Intra { luma, chroma: chroma(bits, &probabilities.chroma) }
}

fn chroma(bits: &mut BoolDecoder<'_>, branch: &[u8; 3]) -> Intra {
    if !bits.bit(branch[0]) {
        Intra::Dc
    } else if !bits.bit(branch[1]) {
        Intra::Vertical
    } else if !bits.bit(branch[2]) {
        Intra::Horizontal
    } else {
        Intra::TrueMotion
    }
}

fn subblock(bits: &mut BoolDecoder<'_>, branch: &[u8; 9]) -> Subblock {
    if !bits.bit(branch[0]) {
        Subblock::Dc
    } else if !bits.bit(branch[1]) {
        Subblock::TrueMotion
    } else if !bits.bit(branch[2]) {
        Subblock::Vertical
    } else if !bits.bit(branch[3]) {
        if !bits.bit(branch[4]) {
            Subblock::Horizontal
        } else if bits.bit(branch[5]) {
            Subblock::VerticalRight
        } else {
            Subblock::RightDown
        }
    } else if !bits.bit(branch[6]) {
        Subblock::LeftDown
    } else if !bits.bit(branch[7]) {
        Subblock::VerticalLeft
    } else if bits.bit(branch[8]) {
        Subblock::HorizontalUp
    } else {
        Subblock::HorizontalDown
    }
}

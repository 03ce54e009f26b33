//! Reads the coefficients of a macroblock (RFC 6386, section 13), dequantized (section 14.1).

use super::bool_decoder::BoolDecoder;
use super::header::Quantizer;
use super::tables::{BANDS, Bands, EXTRA_BITS, ZIGZAG};

/// Index of the second-order luma block, which holds the DC of the others.
const SECOND: usize = 24;

/// The coefficients of one macroblock: sixteen blocks of luma, four of each chroma plane, and second-order luma.
pub(super) struct Residue {
    /// Row by row; all zeros between macroblocks.
    pub(super) blocks: [[i16; 16]; 25],
    /// The end of the coefficients of each block, in the order in which they are coded.
    pub(super) ends: [u8; 25],
}

/// Which blocks at the right or lower edge of a macroblock have coefficients; the neighbors' probabilities depend on it.
#[derive(Clone, Copy, Default)]
pub(super) struct Edge {
    luma: [u8; 4],
    chroma: [[u8; 2]; 2],
    second: u8,
}

impl Edge {
    /// After a macroblock without coefficients. One that has no second-order block leaves that as it was.
    pub(super) fn clear(&mut self, second: bool) {
        *self = Self { second: if second { 0 } else { self.second }, ..Self::default() };
    }
}

impl Residue {
    pub(super) fn new() -> Self {
        Self { blocks: [[0; 16]; 25], ends: [0; 25] }
    }

    /// Reads the blocks of a macroblock, with the second-order block if it has one. Returns whether there is any coefficient.
    pub(super) fn read(
        &mut self,
        bits: &mut BoolDecoder<'_>,
        probabilities: &[Bands; 4],
        quantizer: &Quantizer,
        second: bool,
        above: &mut Edge,
        left: &mut Edge,
    ) -> bool {
        // A copy, so that the compiler keeps it in registers.
        let mut own = bits.clone();
        let mut read = |block: usize, bands: &Bands, first, steps, above: &mut u8, left: &mut u8| {
            let end = coefficients(&mut own, bands, first, usize::from(*above + *left), steps, &mut self.blocks[block]);
            self.ends[block] = end;
            *above = u8::from(end > 0);
            *left = *above;
            end > 0
        };
        let mut any = false;
        let (first, luma) = if second { (1, &probabilities[0]) } else { (0, &probabilities[3]) };
        if second {
            any |= read(SECOND, &probabilities[1], 0, quantizer.second, &mut above.second, &mut left.second);
        }
        for block in 0..16 {
            let (above, left) = (&mut above.luma[block % 4], &mut left.luma[block / 4]);
            any |= read(block, luma, first, quantizer.luma, above, left);
        }
        for block in 0..8 {
            let (plane, x, y) = (block / 4, block % 2, block / 2 % 2);
            let (above, left) = (&mut above.chroma[plane][x], &mut left.chroma[plane][y]);
            any |= read(16 + block, &probabilities[2], 0, quantizer.chroma, above, left);
        }
        *bits = own;
        any
    }

    /// Takes the second-order block, leaving zeros; `None` if it has no coefficients.
    pub(super) fn take_second(&mut self) -> Option<[i16; 16]> {
        let end = std::mem::take(&mut self.ends[SECOND]);
        (end > 0).then(|| std::mem::take(&mut self.blocks[SECOND]))
    }
}

/// Reads one block from the coefficient `first` on, and returns the end: the position after the last token.
#[inline(always)]
fn coefficients(
    bits: &mut BoolDecoder<'_>,
    bands: &Bands,
    first: usize,
    neighbors: usize,
    steps: [i16; 2],
    block: &mut [i16; 16],
) -> u8 {
    let mut branch = &bands[usize::from(BANDS[first])][neighbors];
    if !bits.bit(branch[0]) {
        return 0;
    }
    let mut at = first;
    loop {
        let mut after = 0;
        if bits.bit(branch[1]) {
            let value = if bits.bit(branch[2]) {
                after = 2;
                large(bits, branch)
            } else {
                after = 1;
                1
            };
            let value = if bits.flag() { -value } else { value };
            block[usize::from(ZIGZAG[at])] = value.wrapping_mul(steps[usize::from(at > 0)]);
        }
        at += 1;
        if at == 16 {
            return 16;
        }
        branch = &bands[usize::from(BANDS[at])][after];
        // A block does not end after a zero, so no end-of-block bit is read there.
        if after > 0 && !bits.bit(branch[0]) {
            return at as u8;
        }
    }
}

/// A value of two or more.
fn large(bits: &mut BoolDecoder<'_>, branch: &[u8; 11]) -> i16 {
    if !bits.bit(branch[3]) {
        return match bits.bit(branch[4]) {
            false => 2,
            true => 3 + i16::from(bits.bit(branch[5])),
        };
    }
    if !bits.bit(branch[6]) {
        return match bits.bit(branch[7]) {
            false => 5 + i16::from(bits.bit(159)),
            true => 7 + 2 * i16::from(bits.bit(165)) + i16::from(bits.bit(145)),
        };
    }
    let high = usize::from(bits.bit(branch[8]));
    let category = 2 * high + usize::from(bits.bit(branch[9 + high]));
    let extra = EXTRA_BITS[category].iter().fold(0, |value, &probability| 2 * value + i16::from(bits.bit(probability)));
    3 + (8 << category) + extra
}

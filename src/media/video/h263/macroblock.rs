//! The macroblock layer (5.3): how each macroblock is predicted, and the coefficients of its blocks.

use super::Error;
use super::bits::Bits;
use super::block::{self, Block};
use super::header::{Header, Segment};
use super::intra::{self, Edges, Mode};
use super::tables::{
    ALTERNATE_HORIZONTAL, ALTERNATE_VERTICAL, CBPY, CHROMA_QUANT, DQUANT, MCBPC_INTER, MCBPC_INTRA, MODIFIED_DQUANT,
    TCOEF, TCOEF_INTRA, ZIGZAG,
};
use super::vectors::Vectors;

/// How a macroblock is predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not at all.
    #[default]
    Intra,
    /// As it was in the picture before; nothing is coded.
    Skipped,
    /// From the picture before, with one vector or four.
    Inter,
}

/// What is remembered of a macroblock until the picture is complete.
#[derive(Clone, Copy, Default)]
pub(super) struct Macroblock {
    pub(super) kind: Kind,
    /// 1 to 31, of luma.
    pub(super) quantizer: u8,
    /// One bit for each of the six blocks that has coefficients; the first is the least significant.
    pub(super) coded: u8,
}

/// The coefficients of a macroblock: four blocks of luma in rows, Cb, Cr.
pub(super) type Blocks = [Block; 6];

/// Reads the macroblocks of one picture in order.
pub(super) struct Reader<'a> {
    pub(super) bits: Bits<'a>,
    pub(super) header: &'a Header,
    /// Its quantizer follows that of the macroblocks.
    pub(super) segment: Segment,
    /// Macroblocks in a row.
    pub(super) columns: usize,
    pub(super) vectors: &'a mut Vectors,
    /// With Annex I, of each macroblock: its six blocks, none if it is not intra. Else empty.
    pub(super) edges: &'a mut [Option<[Edges; 6]>],
}

impl Reader<'_> {
    /// Reads macroblock `at`, and before it the header of the segment that it begins, if it does.
    ///
    /// The blocks that it tells to be coded are filled; the others are left as they are.
    pub(super) fn read(&mut self, at: usize, blocks: &mut Blocks) -> Result<Macroblock, Error> {
        if at > 0 && Segment::follows(&self.bits) {
            self.segment = Segment::read(&mut self.bits, &self.header.options)?;
            if self.segment.start != at {
                return Err(Error::Damaged("the H.263 picture lacks a group of blocks"));
            }
        }
        let macroblock = self.macroblock(at, blocks)?;
        if self.bits.ended() {
            return Err(Error::Damaged("the H.263 picture ends inside a macroblock"));
        }
        Ok(macroblock)
    }

    fn macroblock(&mut self, at: usize, blocks: &mut Blocks) -> Result<Macroblock, Error> {
        let Some(kind) = self.macroblock_type()? else {
            self.vectors.set(at, [0; 2]);
            self.forget_edges(at);
            return Ok(Macroblock { kind: Kind::Skipped, quantizer: self.segment.quantizer, coded: 0 });
        };
        let options = &self.header.options;
        if kind.intra {
            let mode = match options.advanced_intra.then(|| self.bits.flag()) {
                None => None,
                Some(false) => Some(Mode::Mean),
                Some(true) => Some(if self.bits.flag() { Mode::Left } else { Mode::Above }),
            };
            let luma = self.coded_luma()?;
            self.change_quantizer(kind.requantized);
            self.vectors.set(at, [0; 2]);
            let coded = luma | kind.chroma;
            match mode {
                Some(mode) => self.advanced_intra(at, mode, coded, blocks)?,
                None => self.plain_intra(coded, blocks)?,
            }
            return Ok(Macroblock { kind: Kind::Intra, quantizer: self.segment.quantizer, coded: 0x3F });
        }
        self.forget_edges(at);
        let mut luma = self.coded_luma()?;
        // Annex S: with both chroma blocks, the meaning is that of intra macroblocks.
        if !options.alternative_inter || kind.chroma != 0x30 {
            luma ^= 0xF;
        }
        self.change_quantizer(kind.requantized);
        let start = self.segment.start;
        if kind.four_vectors {
            for block in 0..4 {
                self.vectors.read(&mut self.bits, options, start, at, block)?;
            }
        } else {
            let vector = self.vectors.read(&mut self.bits, options, start, at, 0)?;
            self.vectors.set(at, vector);
        }
        let coded = luma | kind.chroma;
        self.inter(coded, blocks)?;
        Ok(Macroblock { kind: Kind::Inter, quantizer: self.segment.quantizer, coded })
    }

    /// COD and MCBPC (5.3.1, 5.3.2); `None` if nothing is coded.
    fn macroblock_type(&mut self) -> Result<Option<Type>, Error> {
        /// After the macroblock types that have four code words each, for INTER and INTRA pictures.
        const STUFFING: (u8, u8) = (20, 8);
        const DAMAGED: Error = Error::Damaged("the H.263 picture has a macroblock of no known type");
        // Each turn takes bits; zeros, which follow the data, are no code.
        loop {
            if self.header.intra {
                let symbol = self.bits.symbol(&MCBPC_INTRA).ok_or(DAMAGED)?;
                if symbol != STUFFING.1 {
                    let chroma = chroma(symbol);
                    return Ok(Some(Type { intra: true, requantized: symbol & 4 != 0, four_vectors: false, chroma }));
                }
            } else {
                if self.bits.flag() {
                    return Ok(None);
                }
                let symbol = self.bits.symbol(&MCBPC_INTER).ok_or(DAMAGED)?;
                if symbol != STUFFING.0 {
                    let (intra, requantized, four_vectors) = match symbol / 4 {
                        0 => (false, false, false),
                        1 => (true, false, false),
                        2 => (false, true, false),
                        3 => (true, true, false),
                        4 => (false, false, true),
                        _ => (false, true, true),
                    };
                    return Ok(Some(Type { intra, requantized, four_vectors, chroma: chroma(symbol) }));
                }
            }
        }
    }

    /// CBPY (5.3.5) as in intra macroblocks.
    fn coded_luma(&mut self) -> Result<u8, Error> {
        let symbol = self.bits.symbol(&CBPY).ok_or(Error::Damaged("the H.263 picture has a damaged macroblock"))?;
        Ok(symbol.reverse_bits() >> 4)
    }

    /// DQUANT (5.3.6, T.2), if it is there.
    fn change_quantizer(&mut self, there: bool) {
        if !there {
            return;
        }
        let before = self.segment.quantizer;
        let after = if !self.header.options.modified_quantization {
            before.saturating_add_signed(DQUANT[self.bits.number(2) as usize])
        } else if self.bits.flag() {
            MODIFIED_DQUANT[self.bits.number(1) as usize][usize::from(before)]
        } else {
            self.bits.number(5) as u8
        };
        self.segment.quantizer = after.clamp(1, 31);
    }

    /// The quantizer of a block.
    fn quantizer(&self, block: usize) -> u8 {
        let luma = self.segment.quantizer;
        if block >= 4 && self.header.options.modified_quantization { CHROMA_QUANT[usize::from(luma)] } else { luma }
    }

    fn plain_intra(&mut self, coded: u8, blocks: &mut Blocks) -> Result<(), Error> {
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = [0; 64];
            block[0] = block::mean(self.bits.number(8));
            if coded >> index & 1 != 0 {
                block::read_levels(&mut self.bits, &TCOEF, &ZIGZAG, 1, block)?;
                block::scale(block, 1, self.quantizer(index));
            }
        }
        Ok(())
    }

    fn advanced_intra(&mut self, at: usize, mode: Mode, coded: u8, blocks: &mut Blocks) -> Result<(), Error> {
        let scan = match mode {
            Mode::Mean => &ZIGZAG,
            Mode::Above => &ALTERNATE_HORIZONTAL,
            Mode::Left => &ALTERNATE_VERTICAL,
        };
        let left = (at != self.segment.start && !at.is_multiple_of(self.columns)).then(|| self.edges[at - 1]).flatten();
        let above = at.checked_sub(self.columns).filter(|above| *above >= self.segment.start);
        let above = above.and_then(|above| self.edges[above]);
        let mut own = [Edges::default(); 6];
        for (index, block) in blocks.iter_mut().enumerate() {
            *block = [0; 64];
            if coded >> index & 1 != 0 {
                block::read_levels(&mut self.bits, &TCOEF_INTRA, scan, 0, block)?;
            }
            // Within the macroblock, or on the near side of the next one.
            let (left, above) = match index {
                0 => (left.as_ref().map(|left| &left[1]), above.as_ref().map(|above| &above[2])),
                1 => (Some(&own[0]), above.as_ref().map(|above| &above[3])),
                2 => (left.as_ref().map(|left| &left[3]), Some(&own[0])),
                3 => (Some(&own[2]), Some(&own[1])),
                _ => (left.as_ref().map(|left| &left[index]), above.as_ref().map(|above| &above[index])),
            };
            own[index] = intra::predict(block, mode, self.quantizer(index), left, above);
        }
        self.edges[at] = Some(own);
        Ok(())
    }

    fn forget_edges(&mut self, at: usize) {
        if let Some(edges) = self.edges.get_mut(at) {
            *edges = None;
        }
    }

    fn inter(&mut self, coded: u8, blocks: &mut Blocks) -> Result<(), Error> {
        for (index, block) in blocks.iter_mut().enumerate() {
            if coded >> index & 1 == 0 {
                continue;
            }
            *block = [0; 64];
            let before = self.bits.clone();
            match block::read_levels(&mut self.bits, &TCOEF, &ZIGZAG, 0, block) {
                Err(block::OVERFLOW) if self.header.options.alternative_inter => {
                    // That they are too many tells that the other table is meant.
                    self.bits = before;
                    *block = [0; 64];
                    block::read_levels(&mut self.bits, &TCOEF_INTRA, &ZIGZAG, 0, block)?;
                }
                result => result?,
            }
            block::scale(block, 0, self.quantizer(index));
        }
        Ok(())
    }
}

/// What MCBPC tells.
struct Type {
    intra: bool,
    /// Whether DQUANT follows.
    requantized: bool,
    /// One for each luma block.
    four_vectors: bool,
    /// As [`Macroblock::coded`].
    chroma: u8,
}

/// The coded chroma blocks by a symbol of MCBPC: Cb is its higher bit.
fn chroma(symbol: u8) -> u8 {
    (symbol >> 1 & 1) << 4 | (symbol & 1) << 5
}

//! Decodes the data of a scan to coefficients (ITU-T T.81, F.2 and G.2).

use super::super::layout::{JpegDefect, Layout, Scan};
use super::super::stopped::Stopped;
use super::codes::{Bits, Codes};
use crate::ops::Stop;

/// Zigzag order: for each index in the order of the file, the index in the block, row by row.
#[rustfmt::skip]
pub(super) const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The coefficients of a component.
pub(super) struct Grid {
    /// Blocks across and down that its pixels need.
    pub needed: (usize, usize),
    /// Blocks across that are stored: whole units.
    pub across: usize,
    /// Blocks down that are stored.
    pub down: usize,
    /// Blocks in a unit, across and down.
    pub unit: (usize, usize),
    /// Coefficients block by block, row by row.
    pub coefficients: Vec<[i16; 64]>,
}

/// The Huffman tables in effect at a point of the file, for first coefficients and for others.
#[derive(Default)]
pub(super) struct Tables {
    pub first: [Option<Codes>; 4],
    pub others: [Option<Codes>; 4],
}

/// Which part of each block a scan contains.
#[derive(Clone, Copy)]
enum Pass {
    /// All of the block.
    Whole,
    /// The upper bits of the first coefficient.
    First,
    /// One more bit of the first coefficient.
    FirstBit,
    /// The upper bits of a band of the other coefficients.
    Band,
    /// One more bit of a band.
    BandBit,
}

/// Reads one scan of a layout. `data` is its entropy-coded data.
pub(super) fn read(
    layout: &Layout,
    scan: &Scan,
    data: &[u8],
    tables: &Tables,
    grids: &mut [Grid],
    stop: &Stop<'_>,
) -> Result<(), Stopped> {
    let pass = match (layout.progressive, scan.band.0, scan.bits.0) {
        (false, _, _) => Pass::Whole,
        (true, 0, 0) => Pass::First,
        (true, 0, _) => Pass::FirstBit,
        (true, _, 0) => Pass::Band,
        (true, _, _) => Pass::BandBit,
    };
    let missing = || Stopped::Flawed(JpegDefect::Damaged("a scan lacks its Huffman tables"));
    let mut parts = vec![];
    for (&place, &(first, others)) in scan.components.iter().zip(&scan.tables) {
        let (first, others) = (table(&tables.first, first), table(&tables.others, others));
        let lacks = match pass {
            Pass::Whole => first.is_none() || others.is_none(),
            Pass::First => first.is_none(),
            Pass::FirstBit => false,
            Pass::Band | Pass::BandBit => others.is_none(),
        };
        // As in libjpeg: a difference has at most 15 bits.
        if lacks || matches!(pass, Pass::Whole | Pass::First) && first.is_some_and(|codes| codes.most() > 15) {
            return Err(missing());
        }
        parts.push((place, first, others));
    }
    // A component in a scan of its own has units of one block, and none beyond its pixels.
    let alone = scan.components.len() == 1;
    let only = &grids[scan.components[0]];
    let units = if alone { only.needed } else { (only.across / only.unit.0, only.down / only.unit.1) };
    let mut stretches = stretches(data);
    let mut next = || stretches.next().ok_or(Stopped::Flawed(JpegDefect::EndsInScan));
    let (_, stretch) = next()?;
    let mut reader = Reader::new(stretch, pass, scan);
    let (mut left, mut restarts) = (scan.interval, 0);
    for row in 0..units.1 {
        if stop() {
            return Err(Stopped::Late);
        }
        for column in 0..units.0 {
            if scan.interval > 0 {
                if left == 0 {
                    let (number, stretch) = next()?;
                    if number != Some(restarts) {
                        return Err(Stopped::Flawed(JpegDefect::Damaged("restart markers out of order")));
                    }
                    reader = Reader::new(stretch, pass, scan);
                    (left, restarts) = (scan.interval, (restarts + 1) % 8);
                }
                left -= 1;
            }
            for (number, &(place, first, others)) in parts.iter().enumerate() {
                let grid = &mut grids[place];
                let (across, down) = if alone { (1, 1) } else { grid.unit };
                for y in 0..down {
                    for x in 0..across {
                        let block = (row * down + y) * grid.across + column * across + x;
                        reader.block(&mut grid.coefficients[block], number, first, others)?;
                    }
                }
            }
            if reader.bits.overran() {
                return Err(Stopped::Flawed(JpegDefect::EndsInScan));
            }
        }
    }
    Ok(())
}

fn table(tables: &[Option<Codes>; 4], number: u8) -> Option<&Codes> {
    tables.get(usize::from(number))?.as_ref()
}

/// The data between restart markers, each with the number of the marker before it.
fn stretches(data: &[u8]) -> impl Iterator<Item = (Option<u8>, &[u8])> {
    let mut rest = Some((None, data));
    std::iter::from_fn(move || {
        let (number, data) = rest.take()?;
        let marker = memchr::memchr_iter(0xFF, data).find(|&at| matches!(data.get(at + 1), Some(0xD0..=0xD7)));
        let end = marker.unwrap_or(data.len());
        rest = marker.map(|at| (Some(data[at + 1] & 7), &data[at + 2..]));
        Some((number, &data[..end]))
    })
}

/// Reads the blocks of a scan from one restart to the next.
struct Reader<'a> {
    bits: Bits<'a>,
    pass: Pass,
    /// The first and the last coefficient of the band.
    band: (usize, usize),
    /// The lowest bit that is known after the scan.
    low: u32,
    /// The first coefficient of the previous block, for each component of the scan.
    before: [i32; 4],
    /// Number of blocks, from this one on, whose band has nothing new.
    run: u32,
}

impl<'a> Reader<'a> {
    fn new(data: &'a [u8], pass: Pass, scan: &Scan) -> Self {
        let band = (scan.band.0.into(), scan.band.1.into());
        Self { bits: Bits::new(data), pass, band, low: scan.bits.1.into(), before: [0; 4], run: 0 }
    }

    fn block(
        &mut self,
        block: &mut [i16; 64],
        component: usize,
        first: Option<&Codes>,
        others: Option<&Codes>,
    ) -> Result<(), Stopped> {
        match (self.pass, first, others) {
            (Pass::Whole, Some(first), Some(others)) => {
                block[0] = self.first(component, first)? as i16;
                self.whole(block, others)
            }
            (Pass::First, Some(first), _) => {
                block[0] = (self.first(component, first)? << self.low) as i16;
                Ok(())
            }
            (Pass::FirstBit, _, _) => {
                block[0] |= (self.bits.take(1) << self.low) as i16;
                Ok(())
            }
            (Pass::Band, _, Some(others)) => self.upper_bits(block, others),
            (Pass::BandBit, _, Some(others)) => self.one_more_bit(block, others),
            _ => Err(Stopped::Flawed(JpegDefect::Damaged("a scan lacks its Huffman tables"))),
        }
    }

    /// Reads the first coefficient, coded as the difference from that of the previous block (F.2.2.1).
    fn first(&mut self, component: usize, codes: &Codes) -> Result<i32, Stopped> {
        let size = codes.next(&mut self.bits)?;
        let before = &mut self.before[component];
        *before = before.wrapping_add(self.bits.signed(size.into()));
        Ok(*before)
    }

    /// Reads the other coefficients of a sequential picture (F.2.2.2).
    fn whole(&mut self, block: &mut [i16; 64], codes: &Codes) -> Result<(), Stopped> {
        let mut at = 1;
        while at < 64 {
            let code = codes.next(&mut self.bits)?;
            let (zeros, size) = (usize::from(code >> 4), u32::from(code & 0xF));
            match (zeros, size) {
                (15, 0) => at += 16,
                (_, 0) => break,
                _ => {
                    at += zeros;
                    let value = self.bits.signed(size);
                    *coefficient(block, at)? = value as i16;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Reads the first scan of a band (G.1.2.2).
    fn upper_bits(&mut self, block: &mut [i16; 64], codes: &Codes) -> Result<(), Stopped> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(());
        }
        let mut at = self.band.0;
        while at <= self.band.1 {
            let code = codes.next(&mut self.bits)?;
            let (zeros, size) = (usize::from(code >> 4), u32::from(code & 0xF));
            match (zeros, size) {
                (15, 0) => at += 16,
                (_, 0) => {
                    self.run = (1 << zeros) + self.bits.take(zeros as u32) - 1;
                    break;
                }
                _ => {
                    at += zeros;
                    let value = self.bits.signed(size) << self.low;
                    *coefficient(block, at)? = value as i16;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Reads one more bit of a band (G.1.2.3): new coefficients come after a run of zeros, and known coefficients in between get
    /// their next bit as they are passed.
    fn one_more_bit(&mut self, block: &mut [i16; 64], codes: &Codes) -> Result<(), Stopped> {
        let one = 1_i16 << self.low;
        let mut at = self.band.0;
        if self.run == 0 {
            while at <= self.band.1 {
                let code = codes.next(&mut self.bits)?;
                let (mut zeros, size) = (code >> 4, code & 0xF);
                let mut new = 0;
                if size > 0 {
                    new = if self.bits.take(1) == 1 { one } else { -one };
                } else if zeros < 15 {
                    self.run = (1 << zeros) + self.bits.take(zeros.into());
                    break;
                }
                while at <= self.band.1 {
                    let known = &mut block[ZIGZAG[at]];
                    if *known != 0 {
                        refine(&mut self.bits, known, one);
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
                if new != 0 {
                    *coefficient(block, at)? = new;
                }
                at += 1;
            }
        }
        if self.run > 0 {
            // Most blocks of a long run have no known coefficients yet.
            let places = if block[1..] == [0; 63] { &[][..] } else { &ZIGZAG[..=self.band.1] };
            for &place in places.iter().skip(at) {
                if block[place] != 0 {
                    refine(&mut self.bits, &mut block[place], one);
                }
            }
            self.run -= 1;
        }
        Ok(())
    }
}

/// Adds the next bit to a known coefficient, away from zero.
fn refine(bits: &mut Bits<'_>, known: &mut i16, one: i16) {
    if bits.take(1) == 1 && *known & one == 0 {
        *known = known.wrapping_add(if *known > 0 { one } else { -one });
    }
}

/// The coefficient at an index in the order of the file.
fn coefficient(block: &mut [i16; 64], at: usize) -> Result<&mut i16, Stopped> {
    let place = ZIGZAG.get(at).ok_or(Stopped::Flawed(JpegDefect::Damaged("more coefficients than a block has")))?;
    Ok(&mut block[*place])
}

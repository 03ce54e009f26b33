//! The coefficients of a block (5.4) and how they are scaled (6.2.1, 6.2.2).
//!
//! As FFmpeg does, this takes codes that the Recommendation forbids and that do no harm: a level of zero, the extended level
//! without Annex T, and a mean of 0 or 128. Coefficients are not limited to 12 bits as 6.2.2 asks, again as FFmpeg.

use super::Error;
use super::bits::Bits;
use super::tables::{EVENT_BITS, Event};

/// Coefficients with the one for the mean first, then row by row.
pub(super) type Block = [i16; 64];

/// More coefficients than a block has. Annex S makes use of it.
pub(super) const OVERFLOW: Error = Error::Damaged("the H.263 picture has a block with too many coefficients");

/// Reads levels into `block` in the order of `scan`, beginning with its entry `first`.
pub(super) fn read_levels(
    bits: &mut Bits<'_>,
    table: &[Event; 1 << EVENT_BITS],
    scan: &[u8; 64],
    first: usize,
    block: &mut Block,
) -> Result<(), Error> {
    let mut at = first;
    loop {
        let event = table[bits.peek(EVENT_BITS) as usize];
        if event.length == 0 {
            return Err(Error::Damaged("the H.263 picture has a coefficient without meaning"));
        }
        bits.skip(u32::from(event.length));
        let (last, run, level) = if event.level == 0 {
            escaped(bits)
        } else {
            let level = i16::from(event.level);
            (event.last, event.run, if bits.flag() { -level } else { level })
        };
        at += usize::from(run);
        let Some(place) = scan.get(at) else { return Err(OVERFLOW) };
        block[usize::from(*place)] = level;
        if last {
            return Ok(());
        }
        at += 1;
    }
}

/// What follows the escape code: last, run, level (table 17, T.4).
fn escaped(bits: &mut Bits<'_>) -> (bool, u8, i16) {
    /// The level after which the extended one stands.
    const EXTENDED: i16 = -128;
    let last = bits.flag();
    let run = bits.number(6) as u8;
    let mut level = i16::from(bits.number(8) as u8 as i8);
    if level == EXTENDED {
        // Eleven bits, the lower five first.
        let low = bits.number(5) as i16;
        let high = bits.number(6) as i16;
        level = (high << 10 >> 5) | low;
    }
    (last, run, level)
}

/// The coefficient for the mean of an intra block, from eight bits (table 15).
pub(super) fn mean(code: u32) -> i16 {
    if code == 255 { 1024 } else { code as i16 * 8 }
}

/// Scales the levels from `first` on, in rows.
pub(super) fn scale(block: &mut Block, first: usize, quantizer: u8) {
    let double = i32::from(quantizer) * 2;
    let odd = i32::from((quantizer - 1) | 1);
    for level in &mut block[first..] {
        let value = i32::from(*level);
        *level = (value * double + value.signum() * odd).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::tests::Writer;
    use super::super::tables::{TCOEF, TCOEF_INTRA, ZIGZAG};
    use super::*;

    fn read(text: &str, first: usize) -> Option<Vec<(usize, i16)>> {
        let mut writer = Writer::default();
        writer.text(text);
        let mut block = [0; 64];
        read_levels(&mut Bits::new(&writer.bytes), &TCOEF, &ZIGZAG, first, &mut block).ok()?;
        Some(block.into_iter().enumerate().filter(|(_, level)| *level != 0).collect())
    }

    #[test]
    fn levels_lie_where_the_scan_says() {
        // Level 1; after a zero, level -2; last, after three zeros, level 1.
        assert_eq!(read("10 0  010100 1  001101 0", 0), Some(vec![(0, 1), (3, 1), (8, -2)]));
        assert_eq!(read("0111 1", 1), Some(vec![(1, -1)]));
    }

    #[test]
    fn escaped_levels() {
        assert_eq!(read("0000011 1 000010 11111111", 0), Some(vec![(8, -1)]));
        assert_eq!(read("0000011 1 000000 01111111", 63), Some(vec![(63, 127)]));
        assert_eq!(read("0000011 1 000000 10000000 00001 100000", 0), Some(vec![(0, -1023)]));
        assert_eq!(read("0000011 1 000000 10000000 11111 011111", 0), Some(vec![(0, 1023)]));
        // A level of zero moves on.
        assert_eq!(read("0000011 0 000000 00000000 0111 0", 0), Some(vec![(1, 1)]));
    }

    #[test]
    fn more_than_a_block_is_found_out() {
        assert_eq!(read("0000011 1 111111 00000001", 0), Some(vec![(63, 1)]));
        assert_eq!(read("0000011 1 111111 00000001", 1), None);
        assert_eq!(read(&"100".repeat(65), 0), None);
        assert_eq!(read("00000000 0000", 0), None);
    }

    #[test]
    fn scaling() {
        let levels = [3, -1, 0, 127, -127, 1023];
        for (quantizer, want) in [
            (1, [99, -3, 0, 255, -255, 2047]),
            (2, [99, -5, 0, 509, -509, 4093]),
            (31, [99, -93, 0, 7905, -7905, 32767]),
        ] {
            let mut block = [0; 64];
            block[..6].copy_from_slice(&levels);
            block[0] = 99;
            scale(&mut block, 1, quantizer);
            assert_eq!(block[..6], want);
        }
        assert_eq!([1, 127, 128, 254, 255].map(mean), [8, 1016, 1024, 2032, 1024]);
        assert_ne!(TCOEF, TCOEF_INTRA);
    }
}

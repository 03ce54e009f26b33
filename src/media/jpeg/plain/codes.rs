//! Decodes Huffman codes (ITU-T T.81, Annex C and F.2.2) and reads the bits of entropy-coded data.

use super::super::layout::JpegDefect;
use super::super::stopped::Stopped;

/// Bits that are looked up at once; most codes are not longer.
const AHEAD: usize = 9;

/// A Huffman table.
pub(super) struct Codes {
    /// For each value of the next nine bits, the value of the code and its length; 0 if it is longer.
    short: Vec<(u8, u8)>,
    /// For each length, the end of its codes, as 16 bits.
    ends: [usize; 17],
    /// For each length, what to subtract from a code to get the index of its value; may be negative.
    starts: [isize; 17],
    values: Vec<u8>,
}

impl Codes {
    /// Builds the table from the numbers of codes of 1 to 16 bits, and their values. `None` if invalid, as where a code is all ones.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut codes =
            Self { short: vec![(0, 0); 1 << AHEAD], ends: [0; 17], starts: [0; 17], values: values.to_vec() };
        let (mut code, mut place) = (0, 0);
        for (length, &count) in (1..).zip(counts) {
            let count = usize::from(count);
            codes.starts[length] = code as isize - place as isize;
            if count > 0 && code + count >= 1 << length {
                return None;
            }
            for &value in values.get(place..place + count)? {
                if length <= AHEAD {
                    codes.short[code << (AHEAD - length)..][..1 << (AHEAD - length)].fill((value, length as u8));
                }
                code += 1;
            }
            place += count;
            codes.ends[length] = code << (16 - length);
            code <<= 1;
        }
        Some(codes)
    }

    /// The largest value.
    pub(super) fn most(&self) -> u8 {
        self.values.iter().copied().max().unwrap_or(0)
    }

    /// Reads the value of the next code.
    pub(super) fn next(&self, bits: &mut Bits<'_>) -> Result<u8, Stopped> {
        let ahead = bits.ahead();
        let (value, length) = self.short[ahead >> (16 - AHEAD)];
        if length > 0 {
            bits.skip(length.into());
            return Ok(value);
        }
        let length = (AHEAD + 1..=16).find(|&length| ahead < self.ends[length]);
        let unknown = Stopped::Flawed(JpegDefect::Damaged("a code that its table does not have"));
        let length = length.ok_or(unknown)?;
        bits.skip(length as u32);
        let place = (ahead >> (16 - length)) as isize - self.starts[length];
        usize::try_from(place).ok().and_then(|place| self.values.get(place).copied()).ok_or(unknown)
    }
}

/// Bits of entropy-coded data between two markers. After its end it reads zeros, which [`Bits::overran`] reports.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    held: u64,
    count: u32,
    /// How many of the last bits are zeros from past the end of the data.
    lent: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, held: 0, count: 0, lent: 0 }
    }

    /// Whether bits past the end were used.
    pub(super) fn overran(&self) -> bool {
        self.lent > self.count
    }

    /// Takes `count` bits, up to 16.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.fill();
        self.skip(count);
        (self.held >> self.count) as u32 & ((1 << count) - 1)
    }

    /// Takes a signed number of `size` bits, of which the first encodes the sign (F.2.2.1).
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        let value = self.take(size) as i32;
        if size > 0 && value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
    }

    /// The next 16 bits, which are not consumed.
    fn ahead(&mut self) -> usize {
        self.fill();
        (self.held >> (self.count - 16)) as usize & 0xFFFF
    }

    fn skip(&mut self, count: u32) {
        self.count -= count;
    }

    /// Refills the buffer to at least 32 bits.
    fn fill(&mut self) {
        while self.count < 32 {
            let byte = match *self.data {
                [] => {
                    // Capped above what is ever held, so that it does not overflow.
                    self.lent = (self.lent + 8).min(1 << 16);
                    0
                }
                [0xFF, ref rest @ ..] => {
                    // A stuffed zero follows it, and any number of 0xFF fill bytes may precede it.
                    let fill = rest.iter().take_while(|&&byte| byte == 0xFF).count();
                    self.data = rest.get(fill + 1..).unwrap_or_default();
                    0xFF
                }
                [byte, ref rest @ ..] => {
                    self.data = rest;
                    byte
                }
            };
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huffman_codes_match_the_standard() {
        // Table K.3: 00, 010, 011, 100, 101, 110, 1110, ... up to nine bits; plus one code of 16 bits that it does not have.
        let mut counts = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1];
        let values: Vec<u8> = (0..13).collect();
        let codes = Codes::new(&counts, &values).unwrap();
        assert_eq!(codes.most(), 12);
        // 00 | 010 | 110 | 1110 | 111111110 | 1111111110000000 | 1111111111...
        let data =
            [0b0001_0110, 0b1110_1111, 0xFF, 0x00, 0b0_1111111, 0b1100_0000, 0b0000_1111, 0xFF, 0x00, 0xFF, 0x00];
        // The same bits: 00 010 110 | 1110 1111 | 11111111 | 0...
        let mut bits = Bits::new(&data);
        let first: Vec<u8> = (0..4).map(|_| codes.next(&mut bits).unwrap()).collect();
        assert_eq!(first, [0, 1, 5, 6]);
        assert_eq!(bits.take(4), 0b1111);
        assert_eq!(bits.take(8), 0xFF);
        assert_eq!(bits.take(1), 0);
        assert_eq!(codes.next(&mut bits), Ok(12), "1111111110000000: the code of sixteen bits");
        assert_eq!(bits.take(4), 0b0001);
        assert!(codes.next(&mut bits).is_err(), "all ones");
        for (length, count, is_good) in [(1, 1, true), (1, 2, false), (2, 3, true), (2, 4, false), (16, 255, true)] {
            counts = [0; 16];
            counts[length - 1] = count;
            assert_eq!(Codes::new(&counts, &[0; 256]).is_some(), is_good, "{count} of {length} bits: none is all ones");
        }
        assert!(Codes::new(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0; 2]).is_none(), "too few values");
        assert!(Codes::new(&[2; 16], &[0; 32]).is_none());
    }

    #[test]
    fn reading_past_the_end_gives_zeros_and_is_detected() {
        let mut bits = Bits::new(&[0xA5, 0xFF, 0xFF, 0x00]);
        assert_eq!((bits.take(4), bits.take(12)), (0xA, 0x5FF));
        assert!(!bits.overran());
        assert_eq!(bits.take(1), 0);
        assert!(bits.overran());
        (0..100_000).for_each(|_| assert_eq!(bits.take(16), 0));
        assert!(bits.overran());
    }

    #[test]
    fn the_first_bit_of_a_number_is_its_sign() {
        let mut bits = Bits::new(&[0b0110_0011, 0b1000_0000]);
        assert_eq!([1, 1, 2, 2, 3].map(|size| bits.signed(size)), [-1, 1, 2, -3, 7]);
        assert_eq!(bits.signed(0), 0);
    }
}

//! Bits of a picture, most significant first.
//!
//! Past the end of the data zeros are read: no loop depends on that, because no code consists of zeros alone, and
//! [`Bits::ended`] tells that it has happened.

use super::tables::Codes;

/// Reads the bits of one picture.
#[derive(Clone)]
pub(super) struct Bits<'a> {
    /// From the byte on that holds the next bit.
    rest: &'a [u8],
    /// Bits of the first byte that have been read: 0 to 7.
    offset: u32,
    /// Whether more was read than there was.
    ended: bool,
}

impl<'a> Bits<'a> {
    /// Starts at the first bit of `data`.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, offset: 0, ended: false }
    }

    /// The next `count` bits, which may be 1 to 25, without moving on.
    #[inline]
    pub(super) fn peek(&self, count: u32) -> u32 {
        let word = match self.rest.first_chunk::<4>() {
            Some(four) => u32::from_be_bytes(*four),
            None => {
                let mut four = [0; 4];
                four[..self.rest.len()].copy_from_slice(self.rest);
                u32::from_be_bytes(four)
            }
        };
        word << self.offset >> (32 - count)
    }

    /// Moves on by `count` bits.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        let total = self.offset + count;
        self.offset = total % 8;
        match self.rest.get((total / 8) as usize..) {
            Some(rest) => self.rest = rest,
            None => {
                self.rest = &[];
                self.ended = true;
            }
        }
    }

    /// A number of 1 to 25 bits.
    pub(super) fn number(&mut self, count: u32) -> u32 {
        let number = self.peek(count);
        self.skip(count);
        number
    }

    /// One bit.
    #[inline]
    pub(super) fn flag(&mut self) -> bool {
        self.number(1) != 0
    }

    /// A symbol of a code with variable lengths; `None` if no code word begins like this.
    #[inline]
    pub(super) fn symbol<const N: usize>(&mut self, codes: &Codes<N>) -> Option<u8> {
        let (symbol, length) = codes.find(self.peek(N.trailing_zeros()))?;
        self.skip(length);
        Some(symbol)
    }

    /// Whether more bits were read than there are.
    pub(super) fn ended(&self) -> bool {
        self.ended || (self.rest.is_empty() && self.offset != 0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Puts bits together, for tests.
    #[derive(Default)]
    pub(in super::super) struct Writer {
        pub(in super::super) bytes: Vec<u8>,
        /// Bits in all.
        count: usize,
    }

    impl Writer {
        pub(in super::super) fn number(&mut self, count: u32, value: u32) {
            for bit in (0..count).rev() {
                if self.count.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                if value >> bit & 1 != 0 {
                    self.bytes[self.count / 8] |= 0x80 >> (self.count % 8);
                }
                self.count += 1;
            }
        }

        /// Bits as text of `0` and `1`; blanks are for the reader.
        pub(in super::super) fn text(&mut self, bits: &str) {
            bits.bytes().filter(|bit| *bit != b' ').for_each(|bit| self.number(1, u32::from(bit - b'0')));
        }
    }

    #[test]
    fn numbers_lie_across_bytes() {
        let mut writer = Writer::default();
        writer.text("101 0000011 1");
        writer.number(25, 0x155_AA55);
        let mut bits = Bits::new(&writer.bytes);
        assert_eq!([bits.number(3), bits.number(7), bits.peek(1), bits.number(1)], [5, 3, 1, 1]);
        assert_eq!(bits.number(25), 0x155_AA55);
        assert!(!bits.ended());
        bits.skip(4);
        assert!(!bits.ended());
        assert!(!bits.flag());
        assert!(bits.ended());
    }

    #[test]
    fn past_the_end_are_zeros() {
        let mut bits = Bits::new(&[0xFF]);
        assert_eq!(bits.peek(25), 0x1FE_0000);
        bits.skip(8);
        assert!(!bits.ended());
        assert_eq!(bits.number(25), 0);
        assert!(bits.ended());
        bits.skip(7);
        assert!(bits.ended());
    }
}

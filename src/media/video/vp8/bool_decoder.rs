//! Decodes bits with the boolean entropy decoder (RFC 6386, section 7).
//!
//! Everything in a frame but its tag is a sequence of bits, each with the probability that it is zero. Past the end of the
//! data zeros are read, as the reference decoder does: a truncated frame gets made-up bits and is not detected here.

/// Reads the bits of one partition.
#[derive(Clone)]
pub(super) struct BoolDecoder<'a> {
    /// Bytes that are not in the window yet.
    rest: &'a [u8],
    /// The next bits, from the most significant down; zeros below them.
    window: u64,
    /// Bits in the window beyond the eight that a decision needs; below zero when it must be filled.
    spare: i32,
    /// Width of the interval that the decisions so far leave: 128 to 255.
    range: u32,
}

impl<'a> BoolDecoder<'a> {
    /// Starts at the first byte of `data`.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, window: 0, spare: -8, range: 255 }
    }

    /// One bit, which is zero with `probability` in 256.
    #[inline(always)]
    pub(super) fn bit(&mut self, probability: u8) -> bool {
        if self.spare < 0 {
            self.fill();
        }
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let edge = u64::from(split) << 56;
        let set = self.window >= edge;
        if set {
            self.range -= split;
            self.window -= edge;
        } else {
            self.range = split;
        }
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.window <<= shift;
        self.spare -= shift as i32;
        set
    }

    /// One bit with even probability.
    pub(super) fn flag(&mut self) -> bool {
        self.bit(128)
    }

    /// An unsigned number of up to eight bits, most significant first.
    pub(super) fn number(&mut self, bits: u32) -> u8 {
        (0..bits).fold(0, |number, _| number << 1 | u8::from(self.flag()))
    }

    /// A magnitude of up to seven bits, then the sign.
    pub(super) fn signed(&mut self, bits: u32) -> i8 {
        let magnitude = self.number(bits) as i8;
        if self.flag() { -magnitude } else { magnitude }
    }

    /// [`Self::signed`] after a flag: whether a number follows.
    pub(super) fn optional(&mut self, bits: u32) -> Option<i8> {
        self.flag().then(|| self.signed(bits))
    }

    /// Takes seven bytes into the window, padded with zeros at the end.
    fn fill(&mut self) {
        let filled = self.spare + 8;
        if let Some(next) = self.rest.first_chunk::<8>() {
            self.window |= (u64::from_be_bytes(*next) & !0xFF) >> filled;
            self.rest = &self.rest[7..];
        } else {
            let mut next = [0; 8];
            let taken = self.rest.len().min(7);
            next[..taken].copy_from_slice(&self.rest[..taken]);
            self.window |= u64::from_be_bytes(next) >> filled;
            self.rest = &self.rest[taken..];
        }
        self.spare += 56;
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::BoolEncoder;
    use super::*;

    /// Bits and probabilities that follow no pattern.
    fn sequence() -> impl Iterator<Item = (u8, bool)> {
        let mut state = 1_u32;
        (0..20_000).map(move |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let probability = (state >> 24) as u8;
            (probability, (state >> 8 & 0xFF) as u8 >= probability)
        })
    }

    #[test]
    fn bits_round_trip_through_encoder_and_decoder() {
        let mut encoder = BoolEncoder::new();
        sequence().for_each(|(probability, set)| encoder.bit(probability, set));
        let bytes = encoder.finish();
        let mut decoder = BoolDecoder::new(&bytes);
        for (at, (probability, set)) in sequence().enumerate() {
            assert_eq!(decoder.bit(probability), set, "bit {at}");
        }
    }

    #[test]
    fn numbers_and_signs_round_trip() {
        let mut encoder = BoolEncoder::new();
        encoder.number(7, 99);
        encoder.number(5, 0b0_1011);
        encoder.number(6, 0b10_1110);
        encoder.number(1, 0);
        let bytes = encoder.finish();
        let mut decoder = BoolDecoder::new(&bytes);
        assert_eq!(decoder.number(7), 99);
        assert_eq!(decoder.signed(4), -5);
        assert_eq!(decoder.optional(4), Some(7));
        assert_eq!(decoder.optional(4), None);
    }

    #[test]
    fn reading_past_the_end_gives_zeros() {
        let mut short = BoolDecoder::new(&[0x9D, 0x01]);
        let mut long = BoolDecoder::new(&[0x9D, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for probability in (1..=255).chain(1..=255) {
            assert_eq!(short.bit(probability), long.bit(probability));
        }
    }
}

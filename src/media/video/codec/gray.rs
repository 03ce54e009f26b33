//! Makes a gray picture in H.264, for decoders that do not begin without a key frame.
//!
//! It is a key frame with a picture parameter set of its own: every macroblock is predicted from its neighbors'
//! mean, of which there is none at first, and has no residual. That is one byte for each (ITU-T H.264, 7.3.5 and 9.2).

use std::borrow::Cow;

use rust_h264::nal::{NalUnit, NalUnitType};

use super::sets::Sequence;

/// The number of its picture parameter set: the highest, which encoders don't reach.
const SET: u32 = 255;

/// Its picture parameter set and its key frame, for a decoder that has the `sequence`. The frame has the size that `sequence` states.
pub(super) fn units(sequence: &Sequence) -> [NalUnit<'static>; 2] {
    let mut set = Bits::default();
    set.number(SET);
    set.number(sequence.id);
    // No arithmetic coding; no order of fields.
    set.fixed(0, 2);
    // One slice group, one reference in each list.
    (0..3).for_each(|_| set.number(0));
    // No weights.
    set.fixed(0, 3);
    // No quantizer offsets.
    (0..3).for_each(|_| set.number(0));
    // Slices control deblocking; not constrained; no redundant pictures.
    set.fixed(0b100, 3);

    let mut slice = Bits::default();
    // The first macroblock, of a picture of intra slices only.
    slice.number(0);
    slice.number(7);
    slice.number(SET);
    slice.fixed(0, sequence.number_bits);
    if !sequence.whole_frames {
        slice.fixed(0, 1);
    }
    slice.number(0);
    match sequence.order {
        0 => slice.fixed(0, sequence.order_bits),
        1 if !sequence.order_is_known => slice.number(0),
        _ => {}
    }
    // Marked as the only reference, short-term.
    slice.fixed(0, 2);
    // The quantizer, which is not used; no deblocking.
    slice.number(0);
    slice.number(1);

    for block in 0..sequence.across as usize * sequence.down as usize {
        // In a pair of macroblocks: not fields.
        if sequence.pairs && block % 2 == 0 {
            slice.fixed(0, 1);
        }
        // Intra16x16 with DC prediction and no coefficients.
        slice.number(3);
        if sequence.color > 0 {
            slice.number(0);
        }
        // The quantizer as before; no DC coefficients.
        slice.fixed(0b11, 2);
    }
    let unit = |nal_unit_type, bits: Bits| {
        let rbsp = Cow::Owned(bits.ended());
        NalUnit { nal_ref_idc: 3, nal_unit_type, rbsp }
    };
    [unit(NalUnitType::Pps, set), unit(NalUnitType::SliceIdr, slice)]
}

/// Writes bits into bytes.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits in the last byte, 0 if it is full.
    used: u32,
}

impl Bits {
    /// Appends the lowest `count` bits of a value.
    fn fixed(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> at & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// Appends an Exp-Golomb code (9.1).
    fn number(&mut self, value: u32) {
        let bits = 32 - (value + 1).leading_zeros();
        self.fixed(0, bits - 1);
        self.fixed(value + 1, bits);
    }

    /// The bytes, with the stop bit that ends each unit.
    fn ended(mut self) -> Vec<u8> {
        self.fixed(1, 1);
        self.bytes
    }
}

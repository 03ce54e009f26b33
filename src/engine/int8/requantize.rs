//! Requantizes an integer sum to what is stored: the only rounding of a network's numbers.
//!
//! ```text
//! v = (sum + init) as f32 * mul                  two roundings
//! v = v * slope, where v is negative             ReLU is slope 0, none is slope 1
//! v = v + (residual as f32 * residual_mul + residual_add)         before the slope where the layer says so
//! stored = v to the nearest integer, ties to even, plus zero, clamped to 0..=255
//! ```
//!
//! The bias is part of `init`, in units of the sum: its error is at most half a unit, less than what rounding one input does to the
//! sum. The result's zero point is also part of `init`, unless a step comes between; then it is part of `residual_add` or `zero`.
//!
//! A processor without an instruction for the rounding adds 1.5 * 2^23, which leaves the integer in the low bits of the sum.
//! `build` makes sure that |v| stays under [`LARGEST`], for which all methods agree.

use super::BLOCK;

/// 1.5 * 2^23: a sum of this size has an ulp of 1.
const MAGIC: f32 = 12_582_912.0;

/// Bound on |v| before it is stored: beyond 2^22 the low bits of the sum would no longer hold the integer.
pub(super) const LARGEST: f64 = (1 << 21) as f64;

/// The constants of one block of channels.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct RequantConstants {
    /// Added to the sum: the bias, the contribution of the zero points and, for kernels that read bytes as signed, that of the offset 128.
    pub(super) init: [i32; BLOCK],
    /// Factor of the sum.
    pub(super) mul: [f32; BLOCK],
    /// Factor of negative values.
    pub(super) slope: [f32; BLOCK],
    /// Factor of the residual's byte.
    pub(super) residual_mul: [f32; BLOCK],
    /// Minus the residual's zero point, in units of the result, plus the zero point of the result.
    pub(super) residual_add: [f32; BLOCK],
    /// The zero point of the result, where the other constants do not include it.
    pub(super) zero: [i16; BLOCK],
}

impl RequantConstants {
    /// Constants of padding channels: whatever the sum, the byte is 0.
    pub(super) const PADDING: Self = Self {
        init: [0; BLOCK],
        mul: [0.0; BLOCK],
        slope: [1.0; BLOCK],
        residual_mul: [0.0; BLOCK],
        residual_add: [0.0; BLOCK],
        zero: [0; BLOCK],
    };

    /// The value of channel `i` of the block before it is stored.
    pub(super) fn value(&self, i: usize, sum: i32, residual: Option<u8>, activation: Activation) -> f32 {
        let activated = |v: f32| if v < 0.0 { v * self.slope[i] } else { v };
        let v = sum.wrapping_add(self.init[i]) as f32 * self.mul[i];
        let Some(r) = residual else { return activated(v) };
        let r = f32::from(r) * self.residual_mul[i] + self.residual_add[i];
        if activation == Activation::Last { activated(v + r) } else { activated(v) + r }
    }

    /// The byte stored for the value.
    pub(super) fn byte(&self, i: usize, v: f32) -> u8 {
        let nearest = (v + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
        (nearest + i32::from(self.zero[i])).clamp(0, 255) as u8
    }
}

/// How negative values are treated. [`Self::Any`] is right wherever [`Self::Last`] is not; the others let kernels take a shorter path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// Nothing: all slopes are 1 and all zero points 0.
    None,
    /// No slope is above 1 and results are stored: the result is the larger of the value and the value times its slope, except for
    /// the sign of a zero.
    Larger,
    /// Slopes are anything.
    Any,
    /// Slopes are anything, and the residual is added before them.
    Last,
}

impl Activation {
    /// The cheapest treatment that is right for the constants of a result that is stored or left as floats.
    pub(super) fn of(columns: &[RequantConstants], is_stored: bool) -> Self {
        let all = |f: fn(&f32) -> bool| columns.iter().flat_map(|c| &c.slope).all(f);
        if all(|s| *s == 1.0) && columns.iter().all(|c| c.zero == [0; BLOCK]) {
            return Self::None;
        }
        if is_stored && all(|s| *s <= 1.0) { Self::Larger } else { Self::Any }
    }
}

/// Where results are written.
pub(super) enum Out<'a> {
    /// Stored as bytes, for another layer.
    Bytes(&'a mut [u8]),
    /// Left as floats, for the caller.
    Floats(&'a mut [f32]),
}

impl<'a> Out<'a> {
    /// The first `middle` elements, and the rest.
    pub(super) fn split_at(self, middle: usize) -> (Self, Self) {
        match self {
            Self::Bytes(bytes) => {
                let (first, rest): (&'a mut [u8], _) = bytes.split_at_mut(middle);
                (Self::Bytes(first), Self::Bytes(rest))
            }
            Self::Floats(floats) => {
                let (first, rest): (&'a mut [f32], _) = floats.split_at_mut(middle);
                (Self::Floats(first), Self::Floats(rest))
            }
        }
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    /// Requantizes the sums of one block of channels and stores them at element `at`.
    pub(super) fn store(
        &mut self,
        at: usize,
        columns: &RequantConstants,
        activation: Activation,
        sums: &[i32; BLOCK],
        residual: Option<&[u8]>,
    ) {
        let value = |i: usize| columns.value(i, sums[i], residual.map(|r| r[i]), activation);
        match self {
            Self::Bytes(bytes) => {
                let out = &mut bytes[at..at + BLOCK];
                out.iter_mut().enumerate().for_each(|(i, byte)| *byte = columns.byte(i, value(i)));
            }
            Self::Floats(floats) => {
                floats[at..at + BLOCK].iter_mut().enumerate().for_each(|(i, float)| *float = value(i));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_rounded_to_even_and_clamped() {
        let mut columns = RequantConstants::PADDING;
        columns.zero[0] = 11;
        for (v, byte) in [(0.5, 11), (1.5, 13), (-0.5, 11), (-1.5, 9), (2.49, 13), (-20.0, 0), (1e6, 255), (-2e6, 0)] {
            assert_eq!(columns.byte(0, v), byte, "{v}");
        }
    }

    #[test]
    fn activation_comes_before_the_residual_unless_it_is_the_last() {
        let mut columns = RequantConstants::PADDING;
        (columns.init[3], columns.mul[3], columns.slope[3]) = (0, 0.5, 0.25);
        (columns.residual_mul[3], columns.residual_add[3]) = (2.0, -6.0);
        assert_eq!(columns.value(3, 6, None, Activation::Any), 3.0);
        assert_eq!(columns.value(3, -10, None, Activation::Any), -1.25);
        assert_eq!(columns.value(3, -10, Some(7), Activation::Any), 6.75);
        assert_eq!(columns.value(3, -10, Some(7), Activation::Last), 3.0);
        assert_eq!(columns.value(3, -10, Some(1), Activation::Last), -2.25);
    }
}

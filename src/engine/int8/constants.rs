//! Converts scales, zero points and biases in real units to the constants that kernels requantize sums with.

use super::requantize::{LARGEST, RequantConstants};
use super::{BLOCK, Stored, Unsupported};

/// Numbers beyond this, or nearer to 0 than its inverse, are taken as a sign of a damaged file.
const SENSIBLE: f64 = 1e30;

/// Constants of one channel in real units.
pub(super) struct Constants {
    /// Contribution of the zero points of the inputs to the sum.
    pub(super) init: i64,
    /// Bound on the sum without `init`.
    pub(super) reach: i64,
    pub(super) mul: f64,
    pub(super) add: f64,
    pub(super) slope: f64,
    /// Whether a residual is added before the slope.
    pub(super) add_first: bool,
}

/// A bias of this many units of the sum leaves no room for the sum in 32 bits.
const VAST: f64 = (1 << 30) as f64;

impl Constants {
    /// Whether a channel that is stored in steps of `step` (none: left as floats) is constant. Either its inputs have no weight, or its
    /// bias is [`VAST`], or would be with a zero point in it, and any inputs move the stored value by less than half a step. Training
    /// leaves such channels behind.
    pub(super) fn are_all(&self, step: Option<f32>) -> bool {
        let mul = self.mul.abs();
        mul == 0.0
            || step.map(f64::from).is_some_and(|step| {
                let moves = self.reach as f64 * mul * self.slope.abs().max(1.0);
                self.add.abs() + 255.0 * step >= VAST * mul && moves < 0.5 * step
            })
    }

    pub(super) fn store(
        &self,
        columns: &mut [RequantConstants],
        channel: usize,
        stored: Option<&Stored>,
        residual: Option<&Stored>,
    ) -> Result<(), Unsupported> {
        let (columns, i) = (&mut columns[channel / BLOCK], channel % BLOCK);
        let unit = stored.map_or(1.0, |s| f64::from(s.scale[channel]));
        let zero = stored.map_or(0, |s| s.zero[channel]);
        let (mut mul, mut add, mut slope) = (self.mul / unit, self.add / unit, self.slope);
        let mut reach = 0.0;
        if let Some(residual) = residual {
            let mul = f64::from(residual.scale[channel]) / unit;
            columns.residual_mul[i] = mul as f32;
            // What is added before the slope must not hold the zero point of the result.
            let (inside, outside) = if self.add_first { (0, zero) } else { (zero, 0) };
            columns.residual_add[i] = (f64::from(inside) - mul * f64::from(residual.zero[channel])) as f32;
            columns.zero[i] = i16::from(outside);
            reach += 255.0 * mul.abs() * if self.add_first { slope.abs().max(1.0) } else { 1.0 };
        } else if slope == 1.0 {
            add += f64::from(zero);
        } else if slope == 0.0 && zero == 0 && stored.is_some() {
            slope = 1.0; // negative values are stored as 0 anyway
        } else {
            columns.zero[i] = i16::from(zero);
        }
        if !mul.is_finite() {
            return Err(Unsupported("scales that are no numbers".into()));
        }
        if self.reach == 0 {
            mul = (1.0 + add.abs()) / f64::from(1 << 20); // without weights, any unit will do
        }
        reach += (self.reach as f64 * mul.abs() + add.abs()) * slope.abs().max(1.0);
        columns.mul[i] = mul as f32;
        columns.slope[i] = slope as f32;
        let small = [columns.mul[i], columns.slope[i], columns.residual_mul[i], columns.residual_add[i]];
        let sensible = small.iter().all(|v| v.is_finite()) && reach < SENSIBLE;
        // Smaller ones would involve subnormal numbers, which not all vector units support.
        if !sensible || columns.mul[i].abs() < 1.0 / SENSIBLE as f32 {
            return Err(Unsupported("scales that are no sensible numbers".into()));
        }
        if stored.is_some() && reach >= LARGEST {
            return Err(Unsupported("results that are far out of the range that is stored".into()));
        }
        // The zero points contribute no more than `reach`: this also covers kernels that read bytes in other ways.
        let bias = (add / mul).round_ties_even() as i64;
        if bias.saturating_abs().saturating_add(2 * self.reach) > i64::from(i32::MAX) {
            return Err(Unsupported("sums that do not fit 32 bits".into()));
        }
        columns.init[i] = (self.init + bias) as i32;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Builder, Conv, Isa, Shape, Sizes};
    use super::*;
    use crate::engine::team::Team;

    /// What a pointwise convolution of one pixel of 16 channels stores, with steps of a half and a zero point of 7.
    fn stored(scale: &[f32], weights: i8, bias: &[f32]) -> Result<Vec<u8>, Unsupported> {
        let n = scale.len();
        let mut builder = Builder::new(Isa::PORTABLE);
        let input = builder.input(Shape::new(1, 1, 16), Stored { scale: vec![1.0; 16], zero: vec![0; 16] });
        let conv = Conv {
            weights: vec![weights; n * 16],
            scale: scale.to_vec(),
            input_scale: None,
            bias: bias.to_vec(),
            slopes: vec![1.0; n],
            is_depthwise: false,
            kernel: 1,
            stride: 1,
            pad: 0,
            add_first: false,
        };
        let output = builder.conv(&conv, input, None, Some(Stored { scale: vec![0.5; n], zero: vec![7; n] }))?;
        builder.output(output);
        let network = builder.finish()?;
        let (sizes, mut state) = (Sizes::whole(&network), network.state(&Team::default()));
        network.run(&mut state, &sizes, &[&[1; 16]], &Team::default());
        Ok(sizes.outputs()[0].planes(network.bytes(&state, &sizes, 0).expect("bytes")))
    }

    #[test]
    fn channels_without_weights_store_their_bias() {
        assert_eq!(stored(&[1.0, 1e-6], 0, &[20.3, -2.0]).unwrap(), [48, 3]);
    }

    #[test]
    fn channels_that_inputs_cannot_move_store_their_bias() {
        assert_eq!(stored(&[0.1, 1e-12, 0.0], 10, &[1.0, 20.3, -2.0]).unwrap(), [7 + 2 + 32, 48, 3]);
        assert_eq!(stored(&[-0.1, -0.1, -1e-12], 10, &[1.0, 21.0, 20.3]).unwrap(), [0, 7 + 42 - 32, 48]);
    }

    #[test]
    fn a_bias_that_leaves_no_place_for_sums_is_refused() {
        // The inputs could contribute half a step or more, in units of which the bias has over a billion.
        assert!(stored(&[1e-5], 127, &[1e5]).is_err());
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        for (scale, bias) in
            [(f32::NAN, 0.0), (f32::INFINITY, 0.0), (f32::NEG_INFINITY, 1.0), (0.1, f32::NAN), (0.1, f32::INFINITY)]
        {
            assert!(stored(&[scale], 1, &[bias]).is_err(), "{scale} {bias}");
        }
    }
}

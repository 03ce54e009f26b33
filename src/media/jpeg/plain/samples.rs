//! Computes the samples of a block from its coefficients: the inverse cosine transform in the integers of libjpeg's `jidctint.c`, so
//! that results are the same. (Loeffler, Ligtenberg and Moschytz, 1989: eleven multiplications for eight numbers.)

use std::num::Wrapping;

/// Arithmetic wraps: only damaged files overflow.
type Number = Wrapping<i32>;

/// Fraction bits of the constants.
const CONSTANT: usize = 13;

/// Fraction bits that are kept between columns and rows.
const BETWEEN: usize = 2;

const fn constant(value: f64) -> Number {
    Wrapping((value * (1 << CONSTANT) as f64 + 0.5) as i32)
}

/// The samples of a block, 8 rows of 8, from its coefficients and their quantizers.
pub(super) fn of_block(coefficients: &[i16; 64], quantizers: &[u16; 64]) -> [[u8; 8]; 8] {
    if coefficients[1..] == [0; 63] {
        // The result of the full transform for a uniform block; many blocks are uniform.
        let mean = (i32::from(coefficients[0]) * i32::from(quantizers[0])).saturating_add(4) >> 3;
        return [[(mean + 128).clamp(0, 255) as u8; 8]; 8];
    }
    let mut columns = [[Wrapping(0); 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        let value =
            |y: usize| Wrapping(i32::from(coefficients[y * 8 + x])) * Wrapping(i32::from(quantizers[y * 8 + x]));
        *column = transform(std::array::from_fn(value), CONSTANT - BETWEEN);
    }
    std::array::from_fn(|y| {
        let row = transform(std::array::from_fn(|x| columns[x][y]), CONSTANT + BETWEEN + 3);
        row.map(|sample| (sample.0.saturating_add(128)).clamp(0, 255) as u8)
    })
}

/// Transforms eight numbers; the result is rounded to drop `bits` bits.
fn transform(input: [Number; 8], bits: usize) -> [Number; 8] {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = input;
    let rotated = (i2 + i6) * const { constant(0.541_196_100) };
    let low = rotated - i6 * const { constant(1.847_759_065) };
    let high = rotated + i2 * const { constant(0.765_366_865) };
    let (sum, difference) = ((i0 + i4) << CONSTANT, (i0 - i4) << CONSTANT);
    let even = [sum + high, difference + low, difference - low, sum - high];

    let all = (i7 + i3 + i5 + i1) * const { constant(1.175_875_602) };
    let outer = (i7 + i1) * const { constant(0.899_976_223) };
    let inner = (i5 + i3) * const { constant(2.562_915_447) };
    let upper = all - (i7 + i3) * const { constant(1.961_570_560) };
    let lower = all - (i5 + i1) * const { constant(0.390_180_644) };
    let odd = [
        i1 * const { constant(1.501_321_110) } - outer + lower,
        i3 * const { constant(3.072_711_026) } - inner + upper,
        i5 * const { constant(2.053_119_869) } - inner + lower,
        i7 * const { constant(0.298_631_336) } - outer + upper,
    ];
    let rounded = |value: Number| (value + Wrapping(1 << (bits - 1))) >> bits;
    std::array::from_fn(|at| if at < 4 { rounded(even[at] + odd[at]) } else { rounded(even[7 - at] - odd[7 - at]) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the formula of the standard (A.3.3).
    fn exact(coefficients: &[i16; 64]) -> [[f64; 8]; 8] {
        let weight = |k: usize| if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let wave = |at: usize, k: usize| ((2 * at + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos();
        std::array::from_fn(|y| {
            std::array::from_fn(|x| {
                let terms = (0..64).map(|k| {
                    let (u, v) = (k % 8, k / 8);
                    weight(u) * weight(v) * f64::from(coefficients[k]) * wave(x, u) * wave(y, v)
                });
                (terms.sum::<f64>() / 4.0 + 128.0).clamp(0.0, 255.0)
            })
        })
    }

    proptest! {
        #[test]
        fn the_inverse_dct_matches_the_formula(first in -1000_i16..1000, others in proptest::collection::vec(-60_i16..60, 63)) {
            let coefficients: [i16; 64] = std::array::from_fn(|at| if at == 0 { first } else { others[at - 1] });
            let (samples, exact) = (of_block(&coefficients, &[1; 64]), exact(&coefficients));
            for (sample, exact) in samples.as_flattened().iter().zip(exact.as_flattened()) {
                // Half a level for the final rounding, and the rest for rounding to quarters between columns and rows.
                prop_assert!((f64::from(*sample) - exact).abs() < 0.75, "{sample} {exact}");
            }
            let flat = std::array::from_fn(|at| if at == 0 { first } else { 0 });
            let (samples, exact) = (of_block(&flat, &[3; 64]), f64::from(first) * 3.0 / 8.0 + 128.0);
            prop_assert!(samples.as_flattened().iter().all(|&s| (f64::from(s) - exact.clamp(0.0, 255.0)).abs() <= 0.5));
            let halves = coefficients.map(|value| value / 2);
            prop_assert_eq!(of_block(&halves, &[2; 64]), of_block(&halves.map(|value| value * 2), &[1; 64]));
        }

        #[test]
        fn any_coefficients_are_transformed_without_panic(coefficients: [i16; 32], quantizers: [u16; 32]) {
            let coefficients = std::array::from_fn(|at| coefficients[at / 2]);
            let quantizers = std::array::from_fn(|at| quantizers[at / 2]);
            prop_assert_eq!(of_block(&coefficients, &quantizers), of_block(&coefficients, &quantizers));
        }
    }
}

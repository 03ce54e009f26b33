//! Coefficients to differences: the inverse cosine transform of 8x8 samples (6.2.4).
//!
//! The Recommendation leaves the arithmetic open within the bounds of Annex A, and pictures that are predicted from each
//! other drift apart where decoders differ. This is the arithmetic of the integer transform that FFmpeg uses for H.263,
//! with the same rounding: rows first, in 14-bit weights, three bits more than the result kept in between.

/// `cos(i * pi / 16) * sqrt(2)` in 1/2^14, for i from 1 on; the fourth is one less than 2^14 to stay within 16 bits.
const W1: i32 = 22_725;
const W2: i32 = 21_407;
const W3: i32 = 19_266;
const W4: i32 = 16_383;
const W5: i32 = 12_873;
const W6: i32 = 8_867;
const W7: i32 = 4_520;

/// What a pass over the rows leaves out of the 14 bits of the weights, and one over the columns of all that is left.
const ROW_SHIFT: u32 = 11;
const COLUMN_SHIFT: u32 = 20;

/// The transform in place: coefficients with the one for the mean first, then the differences in rows.
///
/// Coefficients that no picture has give differences without meaning.
pub(super) fn inverse(block: &mut [i32; 64]) {
    for row in block.as_chunks_mut::<8>().0 {
        if row[1..].iter().all(|coefficient| *coefficient == 0) {
            // Not what the sums below would give: the weight for the mean is a little short of one.
            *row = [row[0].wrapping_mul(8); 8];
        } else {
            *row = sums(*row, 1 << (ROW_SHIFT - 1)).map(|sum| sum >> ROW_SHIFT);
        }
    }
    // Half of the last bit, in whole steps of the weight for the mean.
    let half = (1 << (COLUMN_SHIFT - 1)) / W4 * W4;
    for x in 0..8 {
        let column = std::array::from_fn(|y| block[y * 8 + x]);
        for (y, sum) in sums(column, half).into_iter().enumerate() {
            block[y * 8 + x] = sum >> COLUMN_SHIFT;
        }
    }
}

/// One dimension of the transform, each sum with `rounding` added.
#[inline(always)]
fn sums(c: [i32; 8], rounding: i32) -> [i32; 8] {
    let times = |weights: [i32; 4], values: [i32; 4]| {
        weights.into_iter().zip(values).fold(0_i32, |sum, (w, v)| sum.wrapping_add(w.wrapping_mul(v)))
    };
    let even = [c[0], c[2], c[4], c[6]];
    let odd = [c[1], c[3], c[5], c[7]];
    let even = [[W4, W2, W4, W6], [W4, W6, -W4, -W2], [W4, -W6, -W4, W2], [W4, -W2, W4, -W6]]
        .map(|weights| times(weights, even).wrapping_add(rounding));
    let odd = [[W1, W3, W5, W7], [W3, -W7, -W1, -W5], [W5, -W1, W7, W3], [W7, -W5, W3, -W1]]
        .map(|weights| times(weights, odd));
    std::array::from_fn(|i| if i < 4 { even[i].wrapping_add(odd[i]) } else { even[7 - i].wrapping_sub(odd[7 - i]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transform(coefficients: &[(usize, i32)]) -> [i32; 64] {
        let mut block = [0; 64];
        coefficients.iter().for_each(|&(at, value)| block[at] = value);
        inverse(&mut block);
        block
    }

    #[test]
    fn the_mean_is_an_eighth_of_its_coefficient() {
        assert_eq!(transform(&[]), [0; 64]);
        for (coefficient, mean) in
            [(8, 1), (1024, 128), (2040, 255), (-8, -1), (3, 0), (4, 0), (5, 1), (-4, 0), (-5, -1)]
        {
            assert_eq!(transform(&[(0, coefficient)]), [mean; 64], "{coefficient}");
        }
    }

    #[test]
    fn the_transform_is_near_the_one_in_real_numbers() {
        let mut state = 7_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        for _ in 0..300 {
            let some: Vec<_> =
                (0..1 + random() % 9).map(|_| ((random() % 64) as usize, (random() % 401) as i32 - 200)).collect();
            let mut input = [0; 64];
            some.iter().for_each(|&(at, value)| input[at] = value);
            let output = transform(&some);
            for (at, &got) in output.iter().enumerate() {
                let (x, y) = (at % 8, at / 8);
                let wave = |k: usize, n: usize| {
                    let scale = if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
                    scale * (std::f64::consts::PI * (2 * n + 1) as f64 * k as f64 / 16.0).cos() / 2.0
                };
                let want: f64 = (0..64).map(|k| f64::from(input[k]) * wave(k % 8, x) * wave(k / 8, y)).sum();
                assert!((f64::from(got) - want).abs() < 0.56, "{input:?} at {at}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn coefficients_without_meaning_do_no_harm() {
        for value in [i32::from(i16::MIN), i32::from(i16::MAX), i32::MAX, i32::MIN] {
            let mut block = [value; 64];
            inverse(&mut block);
        }
    }
}

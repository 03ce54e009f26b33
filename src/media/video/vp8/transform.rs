//! Inverse transforms (RFC 6386, section 14).
//!
//! Coefficients are 16-bit numbers that wrap, as in the reference decoder; only crafted streams make them wrap.

/// The inverse Walsh-Hadamard transform of the second-order luma block: the DC of each of the sixteen luma blocks.
pub(super) fn inverse_wht(input: &[i16; 16]) -> [i16; 16] {
    let mut columns = [0_i32; 16];
    for i in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|row| i32::from(input[row + i]));
        let (outer, inner) = (a + d, b + c);
        let (outer_turn, inner_turn) = (a - d, b - c);
        columns[i] = wrap(outer + inner);
        columns[4 + i] = wrap(outer_turn + inner_turn);
        columns[8 + i] = wrap(outer - inner);
        columns[12 + i] = wrap(outer_turn - inner_turn);
    }
    let mut output = [0; 16];
    for (row, out) in columns.chunks_exact(4).zip(output.chunks_exact_mut(4)) {
        let (outer, inner) = (row[0] + row[3] + 3, row[1] + row[2]);
        let (outer_turn, inner_turn) = (row[0] - row[3] + 3, row[1] - row[2]);
        out[0] = ((outer + inner) >> 3) as i16;
        out[1] = ((outer_turn + inner_turn) >> 3) as i16;
        out[2] = ((outer - inner) >> 3) as i16;
        out[3] = ((outer_turn - inner_turn) >> 3) as i16;
    }
    output
}

/// Adds the inverse cosine transform of `block` to 4x4 samples, whose rows lie `stride` apart from the start of `samples`.
pub(super) fn add_block(block: &[i16; 16], samples: &mut [u8], stride: usize) {
    let mut columns = [[0_i32; 4]; 4];
    for i in 0..4 {
        let [a, b, c, d] = butterfly([0, 4, 8, 12].map(|row| i32::from(block[row + i])));
        (columns[0][i], columns[1][i], columns[2][i], columns[3][i]) = (wrap(a), wrap(b), wrap(c), wrap(d));
    }
    for (y, row) in columns.into_iter().enumerate() {
        let line = &mut samples[y * stride..][..4];
        for (sample, value) in line.iter_mut().zip(butterfly(row)) {
            *sample = (i32::from(*sample) + ((value + 4) >> 3)).clamp(0, 255) as u8;
        }
    }
}

/// [`add_block`] of a block that has nothing but its DC.
pub(super) fn add_dc(dc: i16, samples: &mut [u8], stride: usize) {
    let value = (i32::from(dc) + 4) >> 3;
    for y in 0..4 {
        for sample in &mut samples[y * stride..][..4] {
            *sample = (i32::from(*sample) + value).clamp(0, 255) as u8;
        }
    }
}

/// One dimension of the inverse cosine transform.
fn butterfly([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    let even = a + c;
    let even_turn = a - c;
    let odd = by_cosine(b) + by_sine(d);
    let odd_turn = by_sine(b) - by_cosine(d);
    [even + odd, even_turn + odd_turn, even_turn - odd_turn, even - odd]
}

/// Times the square root of two and the cosine of an eighth of pi, in 16 bits of fraction.
fn by_cosine(value: i32) -> i32 {
    value + ((value * 20_091) >> 16)
}

/// Times the square root of two and the sine of an eighth of pi, in 16 bits of fraction.
fn by_sine(value: i32) -> i32 {
    (value * 35_468) >> 16
}

/// Truncates a number to 16 bits.
fn wrap(value: i32) -> i32 {
    i32::from(value as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_dc_alone_is_flat() {
        for dc in [-2000, -5, -4, 0, 3, 4, 100, 2000] {
            let mut block = [0; 16];
            block[0] = dc;
            let (mut whole, mut short) = ([77; 4 * 7], [77; 4 * 7]);
            add_block(&block, &mut whole, 7);
            add_dc(dc, &mut short, 7);
            assert_eq!(whole, short);
            let flat = (77 + ((i32::from(dc) + 4) >> 3)).clamp(0, 255) as u8;
            let want: Vec<u8> = (0..28).map(|at| if at % 7 < 4 { flat } else { 77 }).collect();
            assert_eq!(whole.to_vec(), want);
            assert_eq!(inverse_wht(&block), [(dc + 3) >> 3; 16]);
        }
    }

    #[test]
    fn the_inverse_dct_is_close_to_floating_point() {
        let block: [i16; 16] = [400, -300, 80, 15, 220, 90, -60, 8, -150, 40, 33, -21, 70, -9, 12, 5];
        let mut samples = [128; 16];
        add_block(&block, &mut samples, 4);
        for (at, sample) in samples.into_iter().enumerate() {
            let (x, y) = (at % 4, at / 4);
            let basis = |frequency: usize, at: usize| {
                let scale: f64 = if frequency == 0 { 1.0 } else { 2.0_f64.sqrt() };
                scale * ((2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / 8.0).cos()
            };
            let sum: f64 = (0..16).map(|i| f64::from(block[i]) * basis(i % 4, x) * basis(i / 4, y)).sum();
            let want = (128.0 + sum / 8.0).clamp(0.0, 255.0);
            assert!((f64::from(sample) - want).abs() < 2.0, "{at}: {sample}, not {want}");
        }
    }

    #[test]
    fn the_inverse_wht_of_one_row_is_exact() {
        let mut block = [0; 16];
        block[1] = 8;
        assert_eq!(inverse_wht(&block)[..4], [1, 1, -1, -1]);
    }
}

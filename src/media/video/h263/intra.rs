//! Advanced intra coding (Annex I): blocks that are predicted from the coefficients of their neighbors.
//!
//! A block takes over the mean alone or a whole edge of coefficients from the block to its left or above. What is predicted
//! are coefficients after scaling, so that neighbors may have other quantizers.

use super::block::Block;

/// How the blocks of a macroblock are predicted (table I.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The mean, from above and from the left.
    Mean,
    /// The first row, from above.
    Above,
    /// The first column, from the left.
    Left,
}

/// What the next blocks are predicted from.
#[derive(Clone, Copy, Default)]
pub(super) struct Edges {
    /// The first coefficient of each is the same.
    row: [i16; 8],
    column: [i16; 8],
}

/// The coefficients of a block from its levels. `left` and `above` are none if there is no intra block in the segment.
pub(super) fn predict(
    block: &mut Block,
    mode: Mode,
    quantizer: u8,
    left: Option<&Edges>,
    above: Option<&Edges>,
) -> Edges {
    /// Of a block that is gray.
    const GRAY: i32 = 1024;
    let scaled = i32::from(quantizer) * 2;
    for level in block.iter_mut() {
        *level = limited(i32::from(*level) * scaled);
    }
    let mean = |edges: &Edges| i32::from(edges.row[0]);
    let predicted = match (mode, left, above) {
        (Mode::Mean, Some(left), Some(above)) => (mean(left) + mean(above)) / 2,
        (Mode::Mean, Some(only), None) | (Mode::Mean, None, Some(only)) => mean(only),
        (Mode::Above, _, Some(above)) => {
            (1..8).for_each(|x| block[x] = limited(i32::from(block[x]) + i32::from(above.row[x])));
            mean(above)
        }
        (Mode::Left, Some(left), _) => {
            (1..8).for_each(|y| block[y * 8] = limited(i32::from(block[y * 8]) + i32::from(left.column[y])));
            mean(left)
        }
        _ => GRAY,
    };
    // Odd, so that decoders with other transforms round alike.
    let sum = i32::from(block[0]) + predicted;
    block[0] = if sum < 0 { 0 } else { limited(sum | 1) };
    Edges { row: std::array::from_fn(|x| block[x]), column: std::array::from_fn(|y| block[y * 8]) }
}

/// A coefficient within 16 bits, and not 12 as I.3 asks: encoders predict from what they have, and FFmpeg's does not limit it.
fn limited(coefficient: i32) -> i16 {
    coefficient.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_neighbors_blocks_are_gray() {
        for mode in [Mode::Mean, Mode::Above, Mode::Left] {
            let mut block = [0; 64];
            let edges = predict(&mut block, mode, 5, None, None);
            assert_eq!((block[0], edges.row[0], edges.column[0]), (1025, 1025, 1025));
        }
    }

    #[test]
    fn edges_come_from_where_the_mode_says() {
        let mut first = [0; 64];
        (first[0], first[1], first[8]) = (-20, 3, -4);
        let left = predict(&mut first, Mode::Mean, 10, None, None);
        assert_eq!((first[0], first[1], first[8]), (625, 60, -80));
        let mut second = [0; 64];
        (second[0], second[7]) = (1, 2);
        let above = predict(&mut second, Mode::Mean, 4, Some(&left), None);
        assert_eq!((second[0], second[7]), (633, 16));
        let third = |mode| {
            let mut block = [1; 64];
            predict(&mut block, mode, 1, Some(&left), Some(&above));
            [block[0], block[1], block[7], block[8], block[9]]
        };
        assert_eq!(third(Mode::Mean), [631, 2, 2, 2, 2]);
        assert_eq!(third(Mode::Left), [627, 2, 2, -78, 2]);
        assert_eq!(third(Mode::Above), [635, 2, 18, 2, 2]);
    }

    #[test]
    fn coefficients_stay_within_their_type() {
        let mut block = [1023; 64];
        let high = predict(&mut block, Mode::Mean, 31, None, None);
        assert_eq!(block, [32767; 64]);
        let mut block = [1; 64];
        predict(&mut block, Mode::Above, 1, None, Some(&high));
        assert_eq!(block[..9], [32767, 32767, 32767, 32767, 32767, 32767, 32767, 32767, 2]);
        let mut block = [-1023; 64];
        predict(&mut block, Mode::Left, 31, Some(&high), None);
        assert_eq!([block[0], block[1], block[8]], [0, -32768, -1]);
    }
}

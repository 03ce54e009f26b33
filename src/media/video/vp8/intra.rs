//! Predicts from samples of the same frame (RFC 6386, section 12).
//!
//! Samples outside of the frame are read from its border, where [`super::frame`] has put them.

use super::frame::Samples;
use super::modes::{Intra, Subblock};

/// Predicts `N` x `N` samples from column `x` of row `y` on: 16 in luma, 8 in chroma.
pub(super) fn predict<const N: usize>(plane: &mut Samples, x: usize, y: usize, mode: Intra) {
    let (start, stride) = (plane.at(x, y), plane.stride);
    let corner = i16::from(plane.all[start - stride - 1]);
    let above: [u8; N] = std::array::from_fn(|i| plane.all[start - stride + i]);
    let left: [u8; N] = std::array::from_fn(|i| plane.all[start + i * stride - 1]);
    let dc = match mode {
        Intra::Dc => average(&above, &left, y > 0, x > 0),
        _ => 0,
    };
    for (at, &left) in left.iter().enumerate() {
        let row = &mut plane.all[start + at * stride..][..N];
        match mode {
            Intra::Dc => row.fill(dc),
            Intra::Vertical => row.copy_from_slice(&above),
            Intra::Horizontal => row.fill(left),
            Intra::TrueMotion => {
                let slope = i16::from(left) - corner;
                for (sample, &above) in row.iter_mut().zip(&above) {
                    *sample = (i16::from(above) + slope).clamp(0, 255) as u8;
                }
            }
        }
    }
}

/// The mean of the samples above and to the left, of those that are inside of the frame.
fn average(above: &[u8], left: &[u8], has_above: bool, has_left: bool) -> u8 {
    let sum = |samples: &[u8]| samples.iter().map(|&sample| u32::from(sample)).sum::<u32>();
    let count = above.len() as u32;
    let mean = match (has_above, has_left) {
        (true, true) => (sum(above) + sum(left) + count) / (2 * count),
        (true, false) => (sum(above) + count / 2) / count,
        (false, true) => (sum(left) + count / 2) / count,
        (false, false) => 128,
    };
    mean as u8
}

/// The samples around a subblock: four to the left from the bottom up, the corner, and eight above.
pub(super) type Around = [u8; 13];

/// Collects the samples around the subblock that begins at `start`, except the last four of those above.
pub(super) fn around(plane: &Samples, start: usize, above_right: [u8; 4]) -> Around {
    let (stride, mut around) = (plane.stride, [0; 13]);
    for (i, sample) in around[..4].iter_mut().enumerate() {
        *sample = plane.all[start + (3 - i) * stride - 1];
    }
    around[4..9].copy_from_slice(&plane.all[start - stride - 1..][..5]);
    around[9..].copy_from_slice(&above_right);
    around
}

/// Predicts 4x4 samples, row by row (section 12.3).
pub(super) fn subblock(mode: Subblock, around: &Around) -> [[u8; 4]; 4] {
    let [l3, l2, l1, l0, corner, above @ ..] = *around;
    let two = |at: usize| ((u16::from(around[at]) + u16::from(around[at + 1]) + 1) >> 1) as u8;
    let mix = |a: u8, b: u8, c: u8| ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) >> 2) as u8;
    let three = |at: usize| mix(around[at - 1], around[at], around[at + 1]);
    match mode {
        Subblock::Dc => {
            let sum: u16 = [l0, l1, l2, l3].iter().chain(&above[..4]).map(|&sample| u16::from(sample)).sum();
            [[((sum + 4) >> 3) as u8; 4]; 4]
        }
        Subblock::TrueMotion => [l0, l1, l2, l3].map(|left| {
            let slope = i16::from(left) - i16::from(corner);
            [0, 1, 2, 3].map(|x| (i16::from(above[x]) + slope).clamp(0, 255) as u8)
        }),
        Subblock::Vertical => [[three(5), three(6), three(7), three(8)]; 4],
        Subblock::Horizontal => [[three(3); 4], [three(2); 4], [three(1); 4], [mix(l2, l3, l3); 4]],
        Subblock::LeftDown => {
            let line =
                [three(6), three(7), three(8), three(9), three(10), three(11), mix(above[6], above[7], above[7])];
            [0, 1, 2, 3].map(|y| [line[y], line[y + 1], line[y + 2], line[y + 3]])
        }
        Subblock::RightDown => [4, 3, 2, 1].map(|at| [three(at), three(at + 1), three(at + 2), three(at + 3)]),
        Subblock::VerticalRight => [
            [two(4), two(5), two(6), two(7)],
            [three(4), three(5), three(6), three(7)],
            [three(3), two(4), two(5), two(6)],
            [three(2), three(4), three(5), three(6)],
        ],
        Subblock::VerticalLeft => [
            [two(5), two(6), two(7), two(8)],
            [three(6), three(7), three(8), three(9)],
            [two(6), two(7), two(8), three(10)],
            [three(7), three(8), three(9), three(11)],
        ],
        Subblock::HorizontalDown => [
            [two(3), three(4), three(5), three(6)],
            [two(2), three(3), two(3), three(4)],
            [two(1), three(2), two(2), three(3)],
            [two(0), three(1), two(1), three(2)],
        ],
        Subblock::HorizontalUp => [
            [two(2), three(2), two(1), three(1)],
            [two(1), three(1), two(0), mix(l2, l3, l3)],
            [two(0), mix(l2, l3, l3), l3, l3],
            [l3; 4],
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::video::vp8::frame::Frame;

    const SUBBLOCKS: [Subblock; 10] = [
        Subblock::Dc,
        Subblock::TrueMotion,
        Subblock::Vertical,
        Subblock::Horizontal,
        Subblock::LeftDown,
        Subblock::RightDown,
        Subblock::VerticalRight,
        Subblock::VerticalLeft,
        Subblock::HorizontalDown,
        Subblock::HorizontalUp,
    ];

    #[test]
    fn flat_surroundings_give_a_flat_subblock() {
        for mode in SUBBLOCKS {
            assert_eq!(subblock(mode, &[93; 13]), [[93; 4]; 4], "{mode:?}");
        }
    }

    #[test]
    fn diagonals_follow_their_direction() {
        let around: Around = std::array::from_fn(|at| if at == 4 { 250 } else { 10 });
        let block = subblock(Subblock::RightDown, &around);
        assert!((0..4).all(|i| block[i][i] == 130), "{block:?}");
        let block = subblock(Subblock::VerticalRight, &around);
        assert_eq!((block[0][0], block[1][0], block[2][1], block[3][1]), (130, 130, 130, 130));
    }

    #[test]
    fn the_corner_of_a_frame_is_predicted_from_constants() {
        for (mode, want) in
            [(Intra::Dc, 128), (Intra::Vertical, 127), (Intra::Horizontal, 129), (Intra::TrueMotion, 129)]
        {
            let mut frame = Frame::new(1, 1);
            frame.begin();
            let plane = &mut frame.planes[0];
            predict::<16>(plane, 0, 0, mode);
            assert!((0..256).all(|at| plane.all[plane.at(at % 16, at / 16)] == want), "{mode:?}");
        }
    }

    #[test]
    fn dc_prediction_averages_only_neighbors_inside_the_frame() {
        assert_eq!(average(&[10; 8], &[21; 8], true, true), 16);
        assert_eq!(average(&[10; 8], &[21; 8], true, false), 10);
        assert_eq!(average(&[10; 8], &[21; 8], false, true), 21);
    }
}

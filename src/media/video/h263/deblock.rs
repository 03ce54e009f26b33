//! The filter that smooths the edges between blocks (Annex J).
//!
//! It works on the whole picture, which later ones are predicted from: first across edges that run from left to right, then
//! across those from top to bottom.

use super::frame::{Frame, Samples};
use super::macroblock::{Kind, Macroblock};
use super::tables::{CHROMA_QUANT, STRENGTH};

/// Samples between edges.
const BLOCK: usize = 8;

/// Smooths a picture of `columns` macroblocks in a row. `modified` tells whether chroma has quantizers of its own (Annex T).
pub(super) fn apply(frame: &mut Frame, macroblocks: &[Macroblock], columns: usize, modified: bool) {
    // What lies to the right of or below an edge decides; if nothing of it is coded, what is on the other side.
    let quantizer = |at: usize| match macroblocks[at] {
        Macroblock { kind: Kind::Skipped, .. } => None,
        Macroblock { quantizer, .. } => Some(quantizer),
    };
    for vertical in [true, false] {
        let step = if vertical { columns } else { 1 };
        for (at, _) in macroblocks.iter().enumerate() {
            let (x, y) = (at % columns, at / columns);
            let is_first = if vertical { y == 0 } else { x == 0 };
            let outer = if is_first { None } else { quantizer(at).or_else(|| quantizer(at - step)) };
            let inner = quantizer(at);
            let [luma, chroma @ ..] = &mut frame.planes;
            for (edge, quantizer) in [outer, inner].into_iter().enumerate() {
                let Some(quantizer) = quantizer else { continue };
                for half in 0..2 {
                    let (along, across) = (half * BLOCK, edge * BLOCK);
                    let (dx, dy) = if vertical { (along, across) } else { (across, along) };
                    smooth(luma, x * 16 + dx, y * 16 + dy, vertical, quantizer);
                }
            }
            if let Some(quantizer) = outer {
                let quantizer = if modified { CHROMA_QUANT[usize::from(quantizer)] } else { quantizer };
                chroma.iter_mut().for_each(|plane| smooth(plane, x * 8, y * 8, vertical, quantizer));
            }
        }
    }
}

/// Smooths the edge of eight samples that begins at (`x`, `y`), on the side of the right or lower block.
fn smooth(plane: &mut Samples, x: usize, y: usize, vertical: bool, quantizer: u8) {
    let strength = i32::from(STRENGTH[usize::from(quantizer)]);
    let (along, across) = if vertical { (1, plane.width) } else { (plane.width, 1) };
    let start = y * plane.width + x - 2 * across;
    for i in 0..BLOCK {
        let at = [0, 1, 2, 3].map(|k| start + i * along + k * across);
        let [a, b, c, d] = at.map(|at| i32::from(plane.all[at]));
        let difference = (a - 4 * b + 4 * c - d) / 8;
        let ramp = (difference.abs() - (2 * (difference.abs() - strength)).max(0)).max(0);
        let inner = ramp * difference.signum();
        let outer = ((a - d) / 4).clamp(-(ramp / 2), ramp / 2);
        for (at, sample) in at.into_iter().zip([a - outer, b + inner, c - inner, d + outer]) {
            plane.all[at] = sample.clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smoothed(samples: [u8; 4], quantizer: u8, vertical: bool) -> [u8; 4] {
        let mut plane = Samples::new(16, 16);
        for (at, sample) in plane.all.iter_mut().enumerate() {
            let across = if vertical { at / 16 } else { at % 16 };
            *sample = samples[across.clamp(6, 9) - 6];
        }
        smooth(&mut plane, if vertical { 0 } else { 8 }, if vertical { 8 } else { 0 }, vertical, quantizer);
        [6, 7, 8, 9].map(|across| plane.all[if vertical { across * 16 + 7 } else { 7 * 16 + across }])
    }

    #[test]
    fn small_steps_are_smoothed_and_large_ones_kept() {
        for vertical in [true, false] {
            // d = (100 - 400 + 440 - 110) / 8 = 3; strength 4 keeps it; (a - d) / 4 = -2 is limited to 1.
            assert_eq!(smoothed([100, 100, 110, 110], 8, vertical), [101, 103, 107, 109]);
            // Strength 1: d = 3 is over twice of that.
            assert_eq!(
                smoothed([100, 100, 110, 110], 1, vertical),
                [100; 2].into_iter().chain([110; 2]).collect::<Vec<_>>()[..]
            );
            // Strength 2: 2 * 2 - 3 = 1 is left.
            assert_eq!(smoothed([110, 110, 100, 100], 4, vertical), [110, 109, 101, 100]);
            assert_eq!(smoothed([0, 0, 255, 255], 31, vertical), [0, 0, 255, 255]);
        }
    }

    #[test]
    fn skipped_macroblocks_have_no_inner_edges() {
        let mut frame = Frame::new(2, 1);
        frame.planes[0].all.iter_mut().enumerate().for_each(|(at, sample)| *sample = (at % 32 / 8 * 10) as u8);
        let of = |kind| Macroblock { kind, quantizer: 8, coded: 0 };
        apply(&mut frame, &[of(Kind::Skipped), of(Kind::Skipped)], 2, false);
        assert_eq!(frame.planes[0].all[7..9], [0, 10]);
        assert_eq!(frame.planes[0].all[15..17], [10, 20]);
        apply(&mut frame, &[of(Kind::Inter), of(Kind::Skipped)], 2, false);
        assert_eq!(frame.planes[0].all[7..9], [3, 7]);
        assert_eq!(frame.planes[0].all[15..17], [13, 17]);
        assert_eq!(frame.planes[0].all[23..25], [20, 30]);
    }
}

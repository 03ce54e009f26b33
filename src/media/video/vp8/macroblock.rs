//! Rebuilds one macroblock: its prediction plus the residual (RFC 6386, section 14.5).

use super::frame::{Frame, Samples};
use super::inter::Interpolation;
use super::intra;
use super::modes::{Intra, Prediction, Subblock};
use super::motion::Reference;
use super::tokens::Residue;
use super::transform::{add_block, add_dc, inverse_wht};

/// The frames that a macroblock may be predicted from, and how.
pub(super) struct References<'a> {
    pub(super) last: &'a Frame,
    pub(super) golden: &'a Frame,
    pub(super) alternate: &'a Frame,
    pub(super) interpolation: Interpolation,
}

/// Writes the macroblock in column `x` of row `y`, and leaves `residue` all zeros. A key frame has no references.
pub(super) fn rebuild(
    frame: &mut Frame,
    references: Option<&References<'_>>,
    prediction: &Prediction,
    residue: &mut Residue,
    (x, y): (usize, usize),
) {
    if let Some(second) = residue.take_second() {
        for (block, (dc, end)) in residue.blocks.iter_mut().zip(inverse_wht(&second).into_iter().zip(&mut residue.ends))
        {
            block[0] = dc;
            *end = (*end).max(1);
        }
    }
    match prediction {
        Prediction::Subblocks { luma, chroma } => {
            predict_chroma(frame, *chroma, x, y);
            rebuild_subblocks(&mut frame.planes[0], luma, residue, x, y);
        }
        Prediction::Intra { luma, chroma } => {
            predict_chroma(frame, *chroma, x, y);
            intra::predict::<16>(&mut frame.planes[0], 16 * x, 16 * y, *luma);
            add_luma(&mut frame.planes[0], residue, x, y);
        }
        Prediction::Inter(motion) => {
            if let Some(references) = references {
                let from = match motion.reference {
                    Reference::Last => references.last,
                    Reference::Golden => references.golden,
                    Reference::Alternate => references.alternate,
                };
                references.interpolation.predict(frame, from, (x, y), motion.shape, &motion.vectors);
            }
            add_luma(&mut frame.planes[0], residue, x, y);
        }
    }
    for block in 0..8 {
        let plane = &mut frame.planes[1 + block / 4];
        let at = plane.at(8 * x + block % 2 * 4, 8 * y + block / 2 % 2 * 4);
        add(plane, at, residue, 16 + block);
    }
}

fn predict_chroma(frame: &mut Frame, mode: Intra, x: usize, y: usize) {
    for plane in &mut frame.planes[1..] {
        intra::predict::<8>(plane, 8 * x, 8 * y, mode);
    }
}

fn add_luma(plane: &mut Samples, residue: &mut Residue, x: usize, y: usize) {
    for block in 0..16 {
        let at = plane.at(16 * x + block % 4 * 4, 16 * y + block / 4 * 4);
        add(plane, at, residue, block);
    }
}

/// Predicts each subblock from those before it, which must be complete.
fn rebuild_subblocks(plane: &mut Samples, modes: &[Subblock; 16], residue: &mut Residue, x: usize, y: usize) {
    let start = plane.at(16 * x, 16 * y);
    let stride = plane.stride;
    // Right of the macroblock only the row above it is decoded yet; all subblocks at the right edge use that.
    let above = start - stride + 16;
    let mut above_right = [0; 4];
    above_right.copy_from_slice(&plane.all[above..above + 4]);
    if y > 0 && 16 * (x + 1) == plane.width {
        above_right = [plane.all[above - 1]; 4];
    }
    for (block, &mode) in modes.iter().enumerate() {
        let at = start + block / 4 * 4 * stride + block % 4 * 4;
        let right = if block % 4 == 3 {
            above_right
        } else {
            let right = at - stride + 4;
            std::array::from_fn(|i| plane.all[right + i])
        };
        let samples = intra::subblock(mode, &intra::around(plane, at, right));
        for (y, row) in samples.iter().enumerate() {
            plane.all[at + y * stride..][..4].copy_from_slice(row);
        }
        add(plane, at, residue, block);
    }
}

/// Adds a block of coefficients to the samples that begin at `at`, and resets it to zeros.
fn add(plane: &mut Samples, at: usize, residue: &mut Residue, block: usize) {
    let samples = &mut plane.all[at..];
    match std::mem::take(&mut residue.ends[block]) {
        0 => {}
        1 => add_dc(std::mem::take(&mut residue.blocks[block][0]), samples, plane.stride),
        _ => add_block(&std::mem::take(&mut residue.blocks[block]), samples, plane.stride),
    }
}

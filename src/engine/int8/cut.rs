//! Cuts a step into parts that can be computed at the same time: each is some rows of the result, some pixels, or some blocks of channels. What
//! a part writes lies together in memory, and is written by no other.

use std::ops::Range;

use super::step::{Op, Step};
use super::{BLOCK, Shape};

/// Pixels of a product that kernels compute at once, at the most: parts are whole tiles of them.
const TILE: usize = 8;

/// Least multiplications of a part: they take a few microseconds, several times what it costs to share them. An addition or a comparison with
/// what belongs to it counts as eight.
const LEAST: usize = 200_000;

/// How a step can be cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    /// Rows, pixels or blocks.
    units: usize,
    /// Units that stay together.
    grain: usize,
    /// Elements of the result in a unit.
    length: usize,
    /// Multiplications of the step, or what takes as long.
    cost: usize,
}

/// A part of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// Rows, pixels of a product or, if that has one pixel, blocks of channels.
    pub(super) units: Range<usize>,
    /// The elements of the result.
    pub(super) elements: Range<usize>,
}

impl Cut {
    /// The cut of a step whose result has this shape.
    pub(super) fn of(step: &Step, result: &Shape) -> Self {
        let rows = |grain, cost| Self { units: result.rows, grain, length: result.columns * result.stride, cost };
        match &step.op {
            Op::Dense { k, .. } if step.is_direct() => {
                let cost = result.len() * k;
                match result.pixels() {
                    1 => Self { units: result.stride / BLOCK, grain: 1, length: BLOCK, cost },
                    pixels => Self { units: pixels, grain: TILE, length: result.stride, cost },
                }
            }
            Op::Dense { k, .. } => rows(1, result.len() * k),
            // Windows cost more than products of the same number of multiplications.
            Op::Depthwise { window, .. } => rows(1, 4 * result.len() * window.kernel * window.kernel),
            Op::MaxPool | Op::Excite(_) | Op::Add { doubled: false } => rows(1, 8 * result.len()),
            Op::Add { doubled: true } => rows(2, 8 * result.len()),
        }
    }

    /// Into how many parts it is to be cut for so many threads, 1 at the least.
    pub(super) fn parts(&self, threads: usize) -> usize {
        threads.min(self.cost / LEAST).min(self.units / self.grain).max(1)
    }

    /// Part `number` of `parts`. All together they cover the result, and differ by a grain at the most.
    pub(super) fn part(&self, number: usize, parts: usize) -> Part {
        let grains = self.units.div_ceil(self.grain);
        let start = |number: usize| (grains * number / parts * self.grain).min(self.units);
        let units = start(number)..start(number + 1);
        Part { elements: units.start * self.length..units.end * self.length, units }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_cover_the_result_in_order(
            units in 1usize..200, grain in 1usize..9, length in 1usize..50, cost in 0usize..4_000_000, threads in 1usize..9,
        ) {
            let cut = Cut { units, grain, length, cost };
            let parts = cut.parts(threads);
            prop_assert!((1..=threads).contains(&parts));
            let mut end = 0;
            for part in (0..parts).map(|number| cut.part(number, parts)) {
                prop_assert_eq!(part.units.start, end);
                prop_assert!(!part.units.is_empty() && part.units.start.is_multiple_of(grain));
                prop_assert_eq!(&part.elements, &(part.units.start * length..part.units.end * length));
                end = part.units.end;
            }
            prop_assert_eq!(end, units);
        }
    }
}

//! Stores planes that other frames refer to: whole macroblocks with a border all around.
//!
//! While a frame is decoded, its border holds what intra prediction finds outside of a picture (RFC 6386, section 12.2);
//! afterwards it repeats the samples at the edge, as motion vectors expect there (section 20.11), so that most of
//! them need no special case.

use crate::media::yuv::{Chroma, Matrix, Picture, Plane};

/// Width of the border in samples, in luma and in chroma: a macroblock that lies just outside, with six taps around it.
const BORDER: usize = 32;

/// One component of a frame.
pub(super) struct Samples {
    /// Rows from top to bottom, each with its border.
    pub(super) all: Vec<u8>,
    /// From one row to the next.
    pub(super) stride: usize,
    /// Without the border: whole macroblocks.
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Luma and chroma planes of one frame.
pub(super) struct Frame {
    /// Y, Cb, Cr.
    pub(super) planes: [Samples; 3],
}

impl Samples {
    fn new(width: usize, height: usize) -> Self {
        let stride = width + 2 * BORDER;
        Self { all: vec![0; stride * (height + 2 * BORDER)], stride, width, height }
    }

    /// The index of the sample at column `x` of row `y`.
    pub(super) fn at(&self, x: usize, y: usize) -> usize {
        (y + BORDER) * self.stride + x + BORDER
    }

    /// The index of a block of `width` x `height` samples, if it lies within the plane and its border.
    pub(super) fn find(&self, x: i32, y: i32, width: usize, height: usize) -> Option<usize> {
        let x = usize::try_from(x + BORDER as i32).ok()?;
        let y = usize::try_from(y + BORDER as i32).ok()?;
        let inside = x + width <= self.stride && y + height <= self.height + 2 * BORDER;
        inside.then_some(y * self.stride + x)
    }

    /// Sets what intra prediction reads above and to the left of the plane.
    fn outside(&mut self) {
        let above = self.at(0, 0) - self.stride;
        self.all[above - 1..above + self.width + BORDER].fill(127);
        for y in 0..self.height {
            let left = self.at(0, y) - 1;
            self.all[left] = 129;
        }
    }

    /// Repeats the edge in the border.
    fn extend(&mut self) {
        for row in self.all.chunks_exact_mut(self.stride).skip(BORDER).take(self.height) {
            let (first, last) = (row[BORDER], row[BORDER + self.width - 1]);
            row[..BORDER].fill(first);
            row[BORDER + self.width..].fill(last);
        }
        let first = BORDER * self.stride;
        let last = first + (self.height - 1) * self.stride;
        for border in 0..BORDER {
            self.all.copy_within(first..first + self.stride, border * self.stride);
            self.all.copy_within(last..last + self.stride, last + (border + 1) * self.stride);
        }
    }

    /// The top left `width` x `height` samples.
    fn crop(&self, width: usize, height: usize) -> Plane {
        Plane::cut(&self.all[self.at(0, 0)..], self.stride, width, height)
    }
}

impl Frame {
    /// A frame of `columns` x `rows` macroblocks.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let chroma = || Samples::new(columns * 8, rows * 8);
        Self { planes: [Samples::new(columns * 16, rows * 16), chroma(), chroma()] }
    }

    /// Prepares the border for intra prediction.
    pub(super) fn begin(&mut self) {
        self.planes.iter_mut().for_each(Samples::outside);
    }

    /// Prepares the border for motion vectors.
    pub(super) fn finish(&mut self) {
        self.planes.iter_mut().for_each(Samples::extend);
    }

    /// The frame as it is shown, cropped.
    pub(super) fn picture(&self, width: usize, height: usize) -> Picture {
        let [y, u, v] = &self.planes;
        let chroma = [u, v].map(|plane| plane.crop(width.div_ceil(2), height.div_ceil(2)));
        let planes = [y.crop(width, height)].into_iter().chain(chroma).collect();
        Picture { chroma: Chroma::C420, planes, full_range: false, matrix: Matrix::Bt601, shape: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_repeats_the_edge() {
        let mut plane = Samples::new(16, 16);
        for y in 0..16 {
            let start = plane.at(0, y);
            for (x, sample) in plane.all[start..start + 16].iter_mut().enumerate() {
                *sample = (y * 16 + x) as u8;
            }
        }
        plane.extend();
        for y in -32_i32..48 {
            for x in -32_i32..48 {
                let at = plane.find(x, y, 1, 1).expect("within the border");
                assert_eq!(i32::from(plane.all[at]), y.clamp(0, 15) * 16 + x.clamp(0, 15), "{x} {y}");
            }
        }
        assert_eq!(plane.find(-33, 0, 1, 1), None);
        assert_eq!(plane.find(0, 40, 8, 9), None);
        assert!(plane.find(40, 40, 8, 8).is_some());
    }
}

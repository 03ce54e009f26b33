//! The planes of one picture, in whole macroblocks.

use crate::media::yuv::{Chroma, Matrix, Picture, Plane};

/// One component of a picture.
#[derive(Clone)]
pub(super) struct Samples {
    /// Samples in a row, a multiple of 8.
    pub(super) width: usize,
    /// Rows, a multiple of 8.
    pub(super) height: usize,
    /// Rows from top to bottom.
    pub(super) all: Vec<u8>,
}

/// Y, Cb and Cr of one picture.
pub(super) struct Frame {
    pub(super) planes: [Samples; 3],
}

impl Samples {
    /// Black in luma.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, all: vec![0; width * height] }
    }
}

impl Frame {
    /// A frame of `columns` x `rows` macroblocks.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let chroma = || Samples::new(columns * 8, rows * 8);
        Self { planes: [Samples::new(columns * 16, rows * 16), chroma(), chroma()] }
    }

    /// The top left `width` x `height` luma samples with their chroma.
    pub(super) fn picture(&self, width: usize, height: usize) -> Picture {
        let sizes = [(width, height), (width.div_ceil(2), height.div_ceil(2)), (width.div_ceil(2), height.div_ceil(2))];
        let planes = self.planes.iter().zip(sizes);
        let planes = planes.map(|(plane, (width, height))| Plane::cut(&plane.all, plane.width, width, height));
        Picture { chroma: Chroma::C420, planes: planes.collect(), full_range: false, matrix: Matrix::Bt601 }
    }
}

//! One picture: macroblocks are read row by row and made into samples.

use super::Error;
use super::bits::Bits;
use super::block::Block;
use super::deblock;
use super::frame::{Frame, Samples};
use super::header::{Header, Options, Segment};
use super::idct;
use super::intra::Edges;
use super::macroblock::{Blocks, Kind, Macroblock, Reader};
use super::motion::{self, Neighbors};
use super::vectors::Vectors;
use crate::media::yuv::Picture;

/// What depends on the size of the pictures.
pub(super) struct Scene {
    /// In samples.
    width: usize,
    height: usize,
    /// In macroblocks.
    columns: usize,
    /// The picture before, and where the next one is decoded to.
    frames: [Frame; 2],
    macroblocks: Vec<Macroblock>,
    vectors: Vectors,
    /// Of a row of macroblocks.
    blocks: Vec<Blocks>,
    /// Of each macroblock; empty without Annex I.
    edges: Vec<Option<[Edges; 6]>>,
}

impl Scene {
    /// Reserves memory for pictures of this size.
    pub(super) fn new(options: &Options) -> Self {
        let (columns, rows) = (options.columns(), options.rows());
        Self {
            width: options.width.into(),
            height: options.height.into(),
            columns,
            frames: [Frame::new(columns, rows), Frame::new(columns, rows)],
            macroblocks: vec![Macroblock::default(); columns * rows],
            vectors: Vectors::new(columns, rows),
            blocks: vec![[[0; 64]; 6]; columns],
            edges: Vec::new(),
        }
    }

    /// Pixels of a picture.
    pub(super) fn pixels(&self) -> u64 {
        (self.width * self.height) as u64
    }

    /// Whether pictures of this size are decoded here.
    pub(super) fn fits(&self, options: &Options) -> bool {
        (self.width, self.height) == (options.width.into(), options.height.into())
    }

    /// Decodes what follows the header; the first time, that of a picture that stands alone. If that fails, the picture before
    /// stays what the next one is predicted from.
    pub(super) fn decode(&mut self, header: &Header, bits: Bits<'_>) -> Result<Picture, Error> {
        let Self { columns, frames: [before, next], macroblocks, vectors, blocks, edges, .. } = self;
        let options = &header.options;
        edges.resize(if options.advanced_intra { macroblocks.len() } else { 0 }, None);
        let segment = Segment { start: 0, quantizer: header.quantizer };
        let mut reader = Reader { bits, header, segment, columns: *columns, vectors, edges };
        for row in 0..options.rows() {
            let first = row * *columns;
            for (at, blocks) in (first..).zip(blocks.iter_mut()) {
                macroblocks[at] = reader.read(at, blocks)?;
            }
            // The whole row is read before: blocks may overlap with those to their right.
            let field = Field { columns: *columns, macroblocks, vectors: reader.vectors };
            for (at, blocks) in (first..).zip(blocks.iter()) {
                field.predict(next, before, header, at);
                add_differences(next, &macroblocks[at], blocks, (at - first, row));
            }
        }
        if options.deblocking {
            deblock::apply(next, macroblocks, *columns, options.modified_quantization);
        }
        let picture = next.picture(self.width, self.height);
        self.frames.swap(0, 1);
        Ok(picture)
    }
}

/// What is known of the macroblocks down to a row.
struct Field<'a> {
    columns: usize,
    macroblocks: &'a [Macroblock],
    vectors: &'a Vectors,
}

impl Field<'_> {
    /// Predicts macroblock `at`, unless it is intra.
    fn predict(&self, next: &mut Frame, before: &Frame, header: &Header, at: usize) {
        let place = (at % self.columns, at / self.columns);
        let vectors = self.vectors.of(at);
        if self.macroblocks[at].kind == Kind::Intra {
            // Its blocks replace what there is.
        } else if header.options.overlapped {
            motion::predict_overlapped(next, before, place, vectors, &self.neighbors(at), header.rounding);
        } else {
            motion::predict(next, before, place, vectors, header.rounding);
        }
    }

    /// The vectors around each luma block of a macroblock (F.3): its own where another macroblock is intra or outside of the
    /// picture, and below.
    fn neighbors(&self, at: usize) -> [Neighbors; 4] {
        let own = self.vectors.of(at);
        let of = |there: bool, other: usize| {
            let inter = there && self.macroblocks[other].kind != Kind::Intra;
            inter.then(|| self.vectors.of(other))
        };
        let column = at % self.columns;
        let above = of(at >= self.columns, at.wrapping_sub(self.columns));
        let left = of(column > 0, at.wrapping_sub(1));
        let right = of(column + 1 < self.columns, at + 1);
        std::array::from_fn(|block| {
            let (x, y) = (block % 2, block / 2);
            Neighbors {
                above: if y == 1 { own[x] } else { above.map_or(own[x], |above| above[2 + x]) },
                left: if x == 1 { own[y * 2] } else { left.map_or(own[y * 2], |left| left[y * 2 + 1]) },
                right: if x == 0 { own[y * 2 + 1] } else { right.map_or(own[y * 2 + 1], |right| right[y * 2]) },
                below: own[2 + x],
            }
        })
    }
}

/// Adds the differences of the coded blocks to what is predicted, which is nothing for an intra macroblock.
fn add_differences(next: &mut Frame, macroblock: &Macroblock, blocks: &Blocks, (column, row): (usize, usize)) {
    for (index, block) in blocks.iter().enumerate() {
        if macroblock.coded >> index & 1 == 0 {
            continue;
        }
        let (plane, x, y) = match index {
            0..4 => (0, column * 16 + index % 2 * 8, row * 16 + index / 2 * 8),
            _ => (index - 3, column * 8, row * 8),
        };
        add_block(&mut next.planes[plane], (x, y), block, macroblock.kind == Kind::Intra);
    }
}

fn add_block(plane: &mut Samples, (x, y): (usize, usize), block: &Block, intra: bool) {
    let mut differences = block.map(i32::from);
    idct::inverse(&mut differences);
    let start = y * plane.width + x;
    for (row, differences) in plane.all[start..].chunks_mut(plane.width).zip(differences.as_chunks::<8>().0) {
        for (sample, difference) in row.iter_mut().zip(differences) {
            let predicted = if intra { 0 } else { i32::from(*sample) };
            *sample = (predicted + difference).clamp(0, 255) as u8;
        }
    }
}

//! Predicts from another frame, displaced by motion vectors (RFC 6386, section 18).

use super::frame::{Frame, Samples};
use super::motion::{Shape, Vector};

/// Filter taps around a position between two samples, in units of 1/128.
type Taps = [i16; 6];

/// Taps for each eighth of the way from the third sample to the fourth: version 0 of the format.
const SIX_TAPS: [Taps; 8] = [
    [0, 0, 128, 0, 0, 0],
    [0, -6, 123, 12, -1, 0],
    [2, -11, 108, 36, -8, 1],
    [0, -9, 93, 50, -6, 0],
    [3, -16, 77, 77, -16, 3],
    [0, -6, 50, 93, -9, 0],
    [1, -8, 36, 108, -11, 2],
    [0, -1, 12, 123, -6, 0],
];

/// The same for the other versions.
const BILINEAR: [Taps; 8] = [
    [0, 0, 128, 0, 0, 0],
    [0, 0, 112, 16, 0, 0],
    [0, 0, 96, 32, 0, 0],
    [0, 0, 80, 48, 0, 0],
    [0, 0, 64, 64, 0, 0],
    [0, 0, 48, 80, 0, 0],
    [0, 0, 32, 96, 0, 0],
    [0, 0, 16, 112, 0, 0],
];

/// Samples before the first that the taps need, and all that they need in addition to the block.
const BEFORE: usize = 2;
const BESIDE: usize = 5;

/// Samples that are filtered at once, however narrow the block: compilers vectorize that well.
const LANES: usize = 16;
type Lanes = [u8; LANES];

/// Longest side of what a block is made from.
const SIDE: usize = LANES + BESIDE;

/// How a version of the format interpolates.
pub(super) struct Interpolation {
    taps: &'static [Taps; 8],
    whole_chroma: bool,
}

/// A displacement in eighths of a sample.
#[derive(Clone, Copy)]
struct Offset {
    x: i32,
    y: i32,
}

impl Interpolation {
    /// Version 3 uses whole-sample vectors for chroma.
    pub(super) fn of(version: u8) -> Self {
        Self { taps: if version == 0 { &SIX_TAPS } else { &BILINEAR }, whole_chroma: version == 3 }
    }

    /// Predicts the macroblock in column `x` of row `y`. Each of its luma blocks has a vector.
    pub(super) fn predict(
        &self,
        frame: &mut Frame,
        reference: &Frame,
        (x, y): (usize, usize),
        shape: Shape,
        vectors: &[Vector; 16],
    ) {
        let (x, y) = (16 * x, 16 * y);
        match shape {
            Shape::Still | Shape::Whole => self.part::<16, 8>(frame, reference, (x, y), 16, vectors[0]),
            Shape::TopBottom => {
                self.part::<16, 8>(frame, reference, (x, y), 8, vectors[0]);
                self.part::<16, 8>(frame, reference, (x, y + 8), 8, vectors[8]);
            }
            Shape::LeftRight => {
                self.part::<8, 4>(frame, reference, (x, y), 16, vectors[0]);
                self.part::<8, 4>(frame, reference, (x + 8, y), 16, vectors[2]);
            }
            Shape::Quarters => {
                for (at, x, y) in [(0, x, y), (2, x + 8, y), (8, x, y + 8), (10, x + 8, y + 8)] {
                    self.part::<8, 4>(frame, reference, (x, y), 8, vectors[at]);
                }
            }
            Shape::Sixteenths => self.sixteenths(frame, reference, (x, y), vectors),
        }
    }

    /// Predicts `LUMA` x `height` luma samples from column `x` of row `y` on, and the chroma samples there.
    fn part<const LUMA: usize, const CHROMA: usize>(
        &self,
        frame: &mut Frame,
        reference: &Frame,
        (x, y): (usize, usize),
        height: usize,
        vector: Vector,
    ) {
        let [luma, chroma @ ..] = &mut frame.planes;
        let [from_luma, from_chroma @ ..] = &reference.planes;
        let (vector_x, vector_y) = (i32::from(vector.x), i32::from(vector.y));
        self.block::<LUMA>(luma, from_luma, (x, y), height, Offset { x: 2 * vector_x, y: 2 * vector_y });
        let offset = self.chroma(vector_x, vector_y);
        for (plane, from) in chroma.iter_mut().zip(from_chroma) {
            self.block::<CHROMA>(plane, from, (x / 2, y / 2), height / 2, offset);
        }
    }

    /// Predicts a macroblock of sixteen parts. Four of them share a block of chroma, with the mean of their vectors.
    fn sixteenths(&self, frame: &mut Frame, reference: &Frame, (x, y): (usize, usize), vectors: &[Vector; 16]) {
        let [luma, chroma @ ..] = &mut frame.planes;
        let [from_luma, from_chroma @ ..] = &reference.planes;
        for (at, vector) in vectors.iter().enumerate() {
            let offset = Offset { x: 2 * i32::from(vector.x), y: 2 * i32::from(vector.y) };
            self.block::<4>(luma, from_luma, (x + at % 4 * 4, y + at / 4 * 4), 4, offset);
        }
        for at in [0, 2, 8, 10] {
            let four = [at, at + 1, at + 4, at + 5].map(|at| vectors[at]);
            // Rounded to nearest, halves away from zero.
            let mean = |component: fn(&Vector) -> i16| {
                let sum: i32 = four.iter().map(|vector| i32::from(component(vector))).sum();
                (sum + 2 - i32::from(sum < 0)) >> 2
            };
            let offset = self.chroma(mean(|vector| vector.x), mean(|vector| vector.y));
            for (plane, from) in chroma.iter_mut().zip(from_chroma) {
                self.block::<4>(plane, from, (x / 2 + at % 4 * 2, y / 2 + at / 4 * 2), 4, offset);
            }
        }
    }

    /// A quarter of a luma sample is an eighth of a chroma sample.
    fn chroma(&self, x: i32, y: i32) -> Offset {
        if self.whole_chroma { Offset { x: x & !7, y: y & !7 } } else { Offset { x, y } }
    }

    /// Predicts `W` x `height` samples of one plane.
    fn block<const W: usize>(
        &self,
        plane: &mut Samples,
        reference: &Samples,
        (x, y): (usize, usize),
        height: usize,
        offset: Offset,
    ) {
        let [across, down] = [offset.x, offset.y].map(|eighths| self.taps[(eighths & 7) as usize]);
        let [from_x, from_y] = [(x, offset.x), (y, offset.y)].map(|(at, by)| at as i32 + (by >> 3) - BEFORE as i32);
        let patch;
        let (source, stride) = match reference.find(from_x, from_y, SIDE, height + BESIDE) {
            Some(start) => (&reference.all[start..], reference.stride),
            None => {
                patch = far(reference, from_x, from_y);
                (&patch[..], SIDE)
            }
        };
        let row = |y: usize| -> &[u8; SIDE] { source[y * stride..].first_chunk().expect("the rows were found") };
        let (start, to) = (plane.at(x, y), plane.stride);
        let mut put = |y: usize, row: &Lanes| plane.all[start + y * to..][..W].copy_from_slice(&row[..W]);
        let aside = offset.x & 7 != 0;
        if offset.y & 7 == 0 {
            for y in 0..height {
                let row = row(BEFORE + y);
                put(y, &if aside { filter(columns(row), across) } else { *columns(row)[BEFORE] });
            }
            return;
        }
        let mut rows = [[0; LANES]; SIDE];
        for (y, to) in rows[..height + BESIDE].iter_mut().enumerate() {
            let row = row(y);
            *to = if aside { filter(columns(row), across) } else { *columns(row)[BEFORE] };
        }
        for y in 0..height {
            let six: &[Lanes; 6] = rows[y..].first_chunk().expect("there are rows beside the block");
            put(y, &filter(six.each_ref(), down));
        }
    }
}

/// What each of six taps weighs, of a row that begins [`BEFORE`] the first sample to filter.
#[inline(always)]
fn columns(row: &[u8; SIDE]) -> [&Lanes; 6] {
    let at = |tap: usize| row[tap..].first_chunk().expect("a row is as long as that");
    [at(0), at(1), at(2), at(3), at(4), at(5)]
}

/// Weighs samples that lie next to each other, along a row or a column.
#[inline(always)]
fn filter([a, b, c, d, e, f]: [&Lanes; 6], taps: Taps) -> Lanes {
    let mut filtered = [0; LANES];
    for i in 0..LANES {
        // Neither half exceeds 16 bits. Their sum may; but then it saturates, and the sample is white in any case.
        let weigh = |sample: u8, tap: usize| i16::from(sample) * taps[tap];
        let first = weigh(a[i], 0) + weigh(b[i], 1) + weigh(c[i], 2);
        let second = weigh(d[i], 3) + weigh(e[i], 4) + weigh(f[i], 5);
        filtered[i] = (first.saturating_add(second).saturating_add(64) >> 7).clamp(0, 255) as u8;
    }
    filtered
}

/// Collects samples of which some lie outside of the border: those at the edge are repeated.
#[cold]
fn far(reference: &Samples, x: i32, y: i32) -> [u8; SIDE * SIDE] {
    let within = |at: i32, end: usize| at.clamp(0, end as i32 - 1) as usize;
    let mut patch = [0; SIDE * SIDE];
    for (row, y) in patch.chunks_exact_mut(SIDE).zip(y..) {
        let from = &reference.all[reference.at(0, within(y, reference.height))..];
        for (sample, x) in row.iter_mut().zip(x..) {
            *sample = from[within(x, reference.width)];
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_flat_areas_flat() {
        for taps in SIX_TAPS.iter().chain(&BILINEAR) {
            assert_eq!(taps.iter().sum::<i16>(), 128);
            for level in [0, 1, 127, 255] {
                assert_eq!(filter(columns(&[level; SIDE]), *taps), [level; LANES]);
            }
        }
    }

    #[test]
    fn filters_are_exact_at_the_extremes() {
        for taps in SIX_TAPS.iter().chain(&BILINEAR) {
            for pattern in 0..64_u32 {
                let samples: [u8; SIDE] = std::array::from_fn(|i| if pattern >> i & 1 == 0 { 0 } else { 255 });
                let sum: i32 = samples.iter().zip(taps).map(|(&s, &t)| i32::from(s) * i32::from(t)).sum();
                assert_eq!(filter(columns(&samples), *taps)[0], ((sum + 64) >> 7).clamp(0, 255) as u8);
            }
        }
    }

    /// A frame of one macroblock whose luma rises by 8 from column to column and by 1 from row to row.
    fn slope() -> Frame {
        let mut frame = Frame::new(1, 1);
        for y in 0..16 {
            for x in 0..16 {
                let at = frame.planes[0].at(x, y);
                frame.planes[0].all[at] = (8 * x + y) as u8;
            }
        }
        frame.finish();
        frame
    }

    #[test]
    fn motion_vectors_displace_the_prediction() {
        for version in 0..4 {
            let mut frame = Frame::new(1, 1);
            let vectors = [Vector { x: 4 * 2 + 2, y: -4 * 3 }; 16];
            Interpolation::of(version).predict(&mut frame, &slope(), (0, 0), Shape::Whole, &vectors);
            let plane = &frame.planes[0];
            assert_eq!(plane.all[plane.at(5, 9)], 8 * 7 + 4 + 6);
        }
    }

    #[test]
    fn every_shape_gives_the_same_for_the_same_vector() {
        for (x, y) in [(0, 0), (3, 0), (0, -5), (7, 9), (-90, 300), (i16::MAX, i16::MIN), (-200, 1)] {
            let predicted = |shape| {
                let mut frame = Frame::new(1, 1);
                Interpolation::of(0).predict(&mut frame, &slope(), (0, 0), shape, &[Vector { x, y }; 16]);
                frame.planes.map(|plane| plane.all)
            };
            let whole = predicted(Shape::Whole);
            for shape in [Shape::TopBottom, Shape::LeftRight, Shape::Quarters, Shape::Sixteenths] {
                assert_eq!(predicted(shape), whole, "{shape:?} {x} {y}");
            }
        }
    }

    #[test]
    fn vectors_far_outside_repeat_the_edge() {
        let mut frame = Frame::new(1, 1);
        let vectors = [Vector { x: i16::MIN, y: 0 }; 16];
        Interpolation::of(0).predict(&mut frame, &slope(), (0, 0), Shape::Whole, &vectors);
        let plane = &frame.planes[0];
        assert!((0..256).all(|at| usize::from(plane.all[plane.at(at % 16, at / 16)]) == at / 16));
    }
}

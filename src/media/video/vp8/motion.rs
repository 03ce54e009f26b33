//! Reads motion vectors: which frame a macroblock is predicted from, in which parts, and from where (RFC 6386, sections 16.3, 17).

use super::bool_decoder::BoolDecoder;
use super::header::Header;
use super::tables::{Component, MOTION, PART, SPLIT};

/// A picture that was decoded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// The previous frame, unless that was not stored.
    Last,
    /// Golden.
    Golden,
    /// The alternate picture, which often is not shown.
    Alternate,
}

/// Parts of a macroblock that have a vector of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All of it, with an explicit zero vector.
    Still,
    /// All of it.
    Whole,
    /// Two parts, one above the other.
    TopBottom,
    /// Two parts side by side.
    LeftRight,
    /// Four parts of 8x8 luma samples.
    Quarters,
    /// Sixteen parts of 4x4 luma samples.
    Sixteenths,
}

/// A motion vector, in quarters of a luma sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Vector {
    pub(super) x: i16,
    pub(super) y: i16,
}

/// How a macroblock is predicted from another frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    pub(super) reference: Reference,
    pub(super) shape: Shape,
    /// Of each luma block, row by row.
    pub(super) vectors: [Vector; 16],
}

/// The neighboring macroblocks that have motion.
pub(super) struct Neighbors<'a> {
    pub(super) above: Option<&'a Motion>,
    pub(super) left: Option<&'a Motion>,
    pub(super) above_left: Option<&'a Motion>,
}

impl Motion {
    /// Reads the motion of one macroblock.
    pub(super) fn read(
        bits: &mut BoolDecoder<'_>,
        header: &Header,
        probabilities: &[Component; 2],
        neighbors: &Neighbors<'_>,
        reach: &Reach,
    ) -> Self {
        let reference = match bits.bit(header.last) {
            false => Reference::Last,
            true if bits.bit(header.golden_not_alternate) => Reference::Alternate,
            true => Reference::Golden,
        };
        let near = Near::find(neighbors, reference, header.sign_bias);
        let whole = |shape, vector| Self { reference, shape, vectors: [vector; 16] };
        if !bits.bit(MOTION[near.weights[0]][0]) {
            return whole(Shape::Still, Vector::default());
        }
        if !bits.bit(MOTION[near.weights[1]][1]) {
            return whole(Shape::Whole, reach.clamp(near.vectors[1]));
        }
        if !bits.bit(MOTION[near.weights[2]][2]) {
            return whole(Shape::Whole, reach.clamp(near.vectors[2]));
        }
        let best = reach.clamp(near.vectors[usize::from(near.weights[1] >= near.weights[0])]);
        if !bits.bit(MOTION[neighbors.splits()][3]) {
            return whole(Shape::Whole, best.plus(bits, probabilities));
        }
        let shape = Shape::read(bits);
        Self { reference, shape, vectors: split(bits, probabilities, shape, best, neighbors) }
    }
}

impl Neighbors<'_> {
    /// How many are split; those that share a side count twice.
    fn splits(&self) -> usize {
        let split = |motion: Option<&Motion>| usize::from(motion.is_some_and(|motion| motion.shape.is_split()));
        2 * (split(self.above) + split(self.left)) + split(self.above_left)
    }
}

impl Shape {
    fn read(bits: &mut BoolDecoder<'_>) -> Self {
        if !bits.bit(SPLIT[0]) {
            Self::Sixteenths
        } else if !bits.bit(SPLIT[1]) {
            Self::Quarters
        } else if bits.bit(SPLIT[2]) {
            Self::LeftRight
        } else {
            Self::TopBottom
        }
    }

    /// Whether there is more than one part.
    pub(super) fn is_split(self) -> bool {
        !matches!(self, Self::Still | Self::Whole)
    }
}

/// The vectors of the neighboring macroblocks, the most frequent first.
struct Near {
    /// Zero, nearest, near and a third.
    vectors: [Vector; 4],
    /// How often each occurs, weighted; neighbors that share a side count twice.
    weights: [usize; 4],
}

impl Near {
    fn find(neighbors: &Neighbors<'_>, reference: Reference, sign_bias: [bool; 2]) -> Self {
        let bias = |reference| match reference {
            Reference::Last => false,
            Reference::Golden => sign_bias[0],
            Reference::Alternate => sign_bias[1],
        };
        let mut near = Self { vectors: [Vector::default(); 4], weights: [0; 4] };
        let mut found = 0;
        for (neighbor, weight) in [(neighbors.above, 2), (neighbors.left, 2), (neighbors.above_left, 1)] {
            let Some(&Motion { reference: other, vectors: [.., vector], .. }) = neighbor else { continue };
            if vector == Vector::default() {
                near.weights[0] += weight;
                continue;
            }
            let vector = if bias(other) == bias(reference) { vector } else { vector.reversed() };
            if found == 0 || vector != near.vectors[found] {
                found += 1;
                near.vectors[found] = vector;
            }
            near.weights[found] += weight;
        }
        if near.weights[3] > 0 && near.vectors[3] == near.vectors[1] {
            near.weights[1] += 1;
        }
        if near.weights[2] > near.weights[1] {
            near.weights.swap(1, 2);
            near.vectors.swap(1, 2);
        }
        near
    }
}

/// How far a vector that is taken from a neighbor may lead: until the macroblock lies just outside of the frame.
pub(super) struct Reach {
    /// Least and most, in quarters of a luma sample.
    x: (i16, i16),
    y: (i16, i16),
}

impl Reach {
    /// For the macroblock in column `x` of `columns` and row `y` of `rows`.
    pub(super) fn of((x, y): (usize, usize), (columns, rows): (usize, usize)) -> Self {
        /// Quarters of a sample from one macroblock to the next.
        const STEP: usize = 64;
        let most = |macroblocks: usize| i16::try_from(STEP * macroblocks).unwrap_or(i16::MAX);
        let least = |macroblocks: usize| i16::try_from(STEP * macroblocks).map_or(i16::MIN, |most| -most);
        Self { x: (least(x + 1), most(columns - x)), y: (least(y + 1), most(rows - y)) }
    }

    fn clamp(&self, vector: Vector) -> Vector {
        Vector { x: vector.x.clamp(self.x.0, self.x.1), y: vector.y.clamp(self.y.0, self.y.1) }
    }
}

impl Vector {
    fn reversed(self) -> Self {
        Self { x: self.x.wrapping_neg(), y: self.y.wrapping_neg() }
    }

    /// This vector plus a difference that is read.
    fn plus(self, bits: &mut BoolDecoder<'_>, [rows, columns]: &[Component; 2]) -> Self {
        let y = self.y.wrapping_add(component(bits, rows));
        Self { x: self.x.wrapping_add(component(bits, columns)), y }
    }
}

/// A component of a motion vector (section 17.2).
fn component(bits: &mut BoolDecoder<'_>, probabilities: &Component) -> i16 {
    let [long, sign, short @ ..] = probabilities;
    let magnitude = if bits.bit(*long) {
        let mut value = 0;
        for at in [0, 1, 2, 9, 8, 7, 6, 5, 4] {
            value |= i16::from(bits.bit(short[7 + at])) << at;
        }
        // Bit 3 comes last, and is implicitly set if no higher bit is.
        if value < 16 || bits.bit(short[7 + 3]) { value | 8 } else { value }
    } else {
        let four = usize::from(bits.bit(short[0]));
        let two = usize::from(bits.bit(short[1 + 3 * four]));
        let one = usize::from(bits.bit(short[2 + 3 * four + two]));
        (4 * four + 2 * two + one) as i16
    };
    if magnitude != 0 && bits.bit(*sign) { -magnitude } else { magnitude }
}

/// The vectors of the parts of a macroblock, for each of its luma blocks.
fn split(
    bits: &mut BoolDecoder<'_>,
    probabilities: &[Component; 2],
    shape: Shape,
    best: Vector,
    neighbors: &Neighbors<'_>,
) -> [Vector; 16] {
    // First blocks of the parts, and how many blocks a part is wide and high.
    let (firsts, width, height): (&[usize], _, _) = match shape {
        Shape::Still | Shape::Whole => (&[0], 4, 4),
        Shape::TopBottom => (&[0, 8], 4, 2),
        Shape::LeftRight => (&[0, 2], 2, 4),
        Shape::Quarters => (&[0, 2, 8, 10], 2, 2),
        Shape::Sixteenths => (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 1, 1),
    };
    let zero = Vector::default();
    let outside = |motion: Option<&Motion>, at: usize| motion.map_or(zero, |motion| motion.vectors[at]);
    let mut vectors = [zero; 16];
    for &first in firsts {
        let left = if first % 4 == 0 { outside(neighbors.left, first + 3) } else { vectors[first - 1] };
        let above = if first < 4 { outside(neighbors.above, first + 12) } else { vectors[first - 4] };
        let context = match (left == above, above == zero, left == zero) {
            (true, true, _) => 4,
            (true, false, _) => 3,
            (false, true, _) => 2,
            (false, false, true) => 1,
            (false, false, false) => 0,
        };
        let [not_left, not_above, new] = PART[context];
        let vector = if !bits.bit(not_left) {
            left
        } else if !bits.bit(not_above) {
            above
        } else if bits.bit(new) {
            best.plus(bits, probabilities)
        } else {
            zero
        };
        for row in vectors[first..].chunks_mut(4).take(height) {
            row[..width].fill(vector);
        }
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motion(reference: Reference, x: i16, y: i16) -> Motion {
        Motion { reference, shape: Shape::Whole, vectors: [Vector { x, y }; 16] }
    }

    #[test]
    fn a_vector_that_occurs_more_often_is_nearest() {
        let [above, left, above_left] = [(1, 1), (2, 2), (2, 2)].map(|(x, y)| motion(Reference::Last, x, y));
        let neighbors = Neighbors { above: Some(&above), left: Some(&left), above_left: Some(&above_left) };
        let near = Near::find(&neighbors, Reference::Last, [false; 2]);
        assert_eq!(near.weights, [0, 3, 2, 0]);
        assert_eq!(near.vectors[1..3], [Vector { x: 2, y: 2 }, Vector { x: 1, y: 1 }]);
    }

    #[test]
    fn vectors_of_a_reference_with_the_opposite_sign_bias_are_inverted() {
        let golden = motion(Reference::Golden, 5, -7);
        let still = motion(Reference::Last, 0, 0);
        let neighbors = Neighbors { above: Some(&golden), left: None, above_left: Some(&still) };
        let near = Near::find(&neighbors, Reference::Last, [true, false]);
        assert_eq!((near.weights, near.vectors[1]), ([1, 2, 0, 0], Vector { x: -5, y: 7 }));
        let near = Near::find(&neighbors, Reference::Golden, [true, false]);
        assert_eq!(near.vectors[1], Vector { x: 5, y: -7 });
    }

    #[test]
    fn vectors_are_clamped_just_outside_the_frame() {
        let reach = Reach::of((0, 3), (2, 4));
        let [least, most] = [i16::MIN, i16::MAX].map(|far| reach.clamp(Vector { x: far, y: far }));
        assert_eq!((least, most), (Vector { x: -64, y: -256 }, Vector { x: 128, y: 64 }));
        let wide = Reach::of((600, 0), (1024, 1));
        assert_eq!(wide.clamp(Vector { x: i16::MIN, y: 0 }), Vector { x: i16::MIN, y: 0 });
    }
}

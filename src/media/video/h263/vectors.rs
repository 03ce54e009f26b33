//! Motion vectors of a picture and how they are predicted from each other (6.1.1, F.2), read (5.3.7, D.2), limited (D.1).

use super::Error;
use super::bits::Bits;
use super::header::Options;
use super::tables::MVD;

/// Half samples to the right and downward.
pub(super) type Vector = [i16; 2];

/// The vectors of a picture: one for each luma block of 8x8 samples.
pub(super) struct Vectors {
    /// Macroblocks in a row.
    columns: usize,
    /// Of each macroblock: top left, top right, bottom left, bottom right.
    all: Vec<[Vector; 4]>,
}

/// Beyond this are no vectors: twice the range of Annex D for the largest picture.
const FARTHEST: i32 = 1 << 13;

impl Vectors {
    /// For `columns` x `rows` macroblocks.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns, all: vec![[[0; 2]; 4]; columns * rows] }
    }

    /// Those of a macroblock.
    pub(super) fn of(&self, macroblock: usize) -> &[Vector; 4] {
        &self.all[macroblock]
    }

    /// Gives a macroblock one vector; zero if it has none.
    pub(super) fn set(&mut self, macroblock: usize, vector: Vector) {
        self.all[macroblock] = [vector; 4];
    }

    /// Reads the vector of luma block `block` in a macroblock of a segment that begins with macroblock `start`. For a
    /// macroblock with one vector, `block` is 0, and [`Self::set`] copies it.
    pub(super) fn read(
        &mut self,
        bits: &mut Bits<'_>,
        options: &Options,
        start: usize,
        macroblock: usize,
        block: usize,
    ) -> Result<Vector, Error> {
        let predicted = self.predicted(start, macroblock, block);
        let vector = if options.unrestricted_vectors {
            let vector = [unrestricted(bits, predicted[0])?, unrestricted(bits, predicted[1])?];
            // A bit keeps this from looking like a start code.
            if (0..2).all(|i| vector[i] == predicted[i] + 1) {
                bits.skip(1);
            }
            vector
        } else {
            let long = options.long_vectors;
            [limited(bits, predicted[0], long)?, limited(bits, predicted[1], long)?]
        };
        self.all[macroblock][block] = vector;
        Ok(vector)
    }

    /// The median of the vectors to the left, above and to the above right. Outside of the picture they are zero; above the
    /// segment they are as the one to the left.
    fn predicted(&self, start: usize, at: usize, block: usize) -> Vector {
        let own = &self.all[at];
        let left = |block: usize| {
            if at == start || at.is_multiple_of(self.columns) { [0; 2] } else { self.all[at - 1][block] }
        };
        let above = at.checked_sub(self.columns).filter(|above| *above >= start);
        match (block, above) {
            (0, None) => left(1),
            (1, None) => own[0],
            (0 | 1, Some(above)) => {
                let is_last = (at + 1).is_multiple_of(self.columns);
                let right = if is_last { [0; 2] } else { self.all[above + 1][2] };
                let left = if block == 0 { left(1) } else { own[0] };
                median(left, self.all[above][2 + block], right)
            }
            (2, _) => median(left(3), own[0], own[1]),
            _ => median(own[2], own[1], own[0]),
        }
    }
}

fn median(a: Vector, b: Vector, c: Vector) -> Vector {
    std::array::from_fn(|i| a[i].min(b[i]).max(a[i].max(b[i]).min(c[i])))
}

const DAMAGED: Error = Error::Damaged("the H.263 picture has a damaged motion vector");

/// A component as the difference from what is predicted, which comes around at the ends of the range.
fn limited(bits: &mut Bits<'_>, predicted: i16, long: bool) -> Result<i16, Error> {
    let magnitude = i16::from(bits.symbol(&MVD).ok_or(DAMAGED)?);
    if magnitude == 0 {
        return Ok(predicted);
    }
    let sum = predicted + if bits.flag() { -magnitude } else { magnitude };
    Ok(match sum {
        // Annex D: the range reaches twice as far on the side where the prediction is.
        _ if long && predicted < -31 && sum < -63 => sum + 64,
        _ if long && predicted > 32 && sum > 63 => sum - 64,
        _ if long => sum,
        ..-32 => sum + 64,
        32.. => sum - 64,
        _ => sum,
    })
}

/// A component with the reversible code of Annex D (table D.3): pairs of a bit of the magnitude and one that tells whether
/// more follow, the last with the sign.
fn unrestricted(bits: &mut Bits<'_>, predicted: i16) -> Result<i16, Error> {
    if bits.flag() {
        return Ok(predicted);
    }
    let mut code = 2 | i32::from(bits.flag());
    while bits.flag() {
        code = code << 1 | i32::from(bits.flag());
        if code > 2 * FARTHEST {
            return Err(DAMAGED);
        }
    }
    let magnitude = code >> 1;
    let sum = i32::from(predicted) + if code & 1 != 0 { -magnitude } else { magnitude };
    if sum.abs() > FARTHEST { Err(DAMAGED) } else { Ok(sum as i16) }
}

#[cfg(test)]
mod tests {
    use super::super::bits::tests::Writer;
    use super::*;

    fn read(text: &str, predicted: i16, component: impl Fn(&mut Bits<'_>, i16) -> Result<i16, Error>) -> Option<i16> {
        let mut writer = Writer::default();
        writer.text(text);
        writer.number(32, u32::MAX);
        component(&mut Bits::new(&writer.bytes), predicted).ok()
    }

    #[test]
    fn components_come_around() {
        let short = |text, predicted| read(text, predicted, |bits, p| limited(bits, p, false));
        assert_eq!(short("1", 7), Some(7));
        assert_eq!(short("01 0", 7), Some(8));
        assert_eq!(short("01 0", 31), Some(-32));
        assert_eq!(short("01 1", -32), Some(31));
        assert_eq!(short("000000000010 0", 0), Some(-32));
        assert_eq!(short("000000000010 1", 5), Some(-27));
        assert_eq!(short("000000000000", 0), None);
        let long = |text, predicted| read(text, predicted, |bits, p| limited(bits, p, true));
        assert_eq!(long("01 0", 31), Some(32));
        assert_eq!(long("01 0", 63), Some(0));
        assert_eq!(long("01 1", -63), Some(0));
        assert_eq!(long("01 1", -32), Some(-33));
    }

    #[test]
    fn components_without_bounds() {
        let free = |text, predicted| read(text, predicted, unrestricted);
        assert_eq!(free("1", 5), Some(5));
        assert_eq!(free("000", 5), Some(6));
        assert_eq!(free("010", 5), Some(4));
        assert_eq!(free("00100", 0), Some(2));
        assert_eq!(free("01110", 0), Some(-3));
        assert_eq!(free("0010100", 0), Some(4));
        assert_eq!(free(&format!("0{}", "01".repeat(40)), 0), None);
    }

    #[test]
    fn neighbors_give_the_median() {
        let mut vectors = Vectors::new(3, 2);
        for (at, x) in [(0, 5), (1, 9), (2, -3), (3, 7)] {
            vectors.set(at, [x, -x]);
        }
        assert_eq!(vectors.predicted(0, 1, 0), [5, -5]);
        assert_eq!(vectors.predicted(1, 1, 0), [0, 0]);
        // Left 7, above 9, above right -3.
        assert_eq!(vectors.predicted(0, 4, 0), [7, -7]);
        assert_eq!(vectors.predicted(3, 4, 0), [7, -7]);
        assert_eq!(vectors.predicted(4, 4, 0), [0, 0]);
        // Left 0, above -3, outside 0.
        assert_eq!(vectors.predicted(0, 5, 0), [0, 0]);
        vectors.all[4] = [[1, 1], [2, 2], [3, 3], [4, 4]];
        assert_eq!(vectors.predicted(0, 4, 1), [1, 1]);
        assert_eq!(vectors.predicted(0, 4, 2), [2, 1]);
        assert_eq!(vectors.predicted(0, 4, 3), [2, 2]);
        assert_eq!(vectors.predicted(3, 4, 1), [1, 1]);
        // Left 2 of this macroblock, above -3, outside 0.
        assert_eq!(vectors.predicted(0, 5, 0), [0, 2]);
        assert_eq!(vectors.predicted(3, 5, 0), [2, 2]);
    }
}

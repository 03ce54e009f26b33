//! Small linear least-squares problems, and what a linear map does to a plane.
//!
//! Only additions, multiplications, divisions and square roots, in a fixed order: every processor gives the same bits.

/// Least share of a diagonal element of the normal equations that elimination has to leave: below, the columns are as good as dependent, as
/// where all points lie on a line.
const LEAST_PIVOT: f64 = 1e-9;

/// The problem of finding N factors with which the columns add up to given values, as nearly as possible in the least-squares sense.
#[derive(Clone, Debug)]
pub(super) struct LeastSquares<const N: usize> {
    rows: Vec<[f64; N]>,
    /// Lower triangle of the Cholesky decomposition of the normal equations.
    lower: [[f64; N]; N],
}

/// A linear map of the plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    /// Where (1, 0) comes to lie.
    pub(super) right: [f64; 2],
    /// Where (0, 1) comes to lie.
    pub(super) down: [f64; 2],
}

/// A linear map taken apart: a stretch along two directions at right angles, then a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Factor along the direction that is stretched most, positive.
    pub(super) most: f64,
    /// Factor across it, positive.
    pub(super) least: f64,
    /// Cosine and sine of the turn, x to y.
    turn: [f64; 2],
}

impl<const N: usize> LeastSquares<N> {
    /// A problem by its rows; `None` if they don't determine the factors.
    pub(super) fn new(rows: Vec<[f64; N]>) -> Option<Self> {
        let mut lower = [[0.0; N]; N];
        for row in &rows {
            for (i, line) in lower.iter_mut().enumerate() {
                for (sum, value) in line[..=i].iter_mut().zip(row) {
                    *sum += row[i] * value;
                }
            }
        }
        for i in 0..N {
            let whole = lower[i][i];
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let left = lower[i][j] - known;
                if j < i {
                    lower[i][j] = left / lower[j][j];
                } else if left > whole * LEAST_PIVOT && left.is_finite() {
                    lower[i][i] = left.sqrt();
                } else {
                    return None;
                }
            }
        }
        Some(Self { rows, lower })
    }

    /// The factors for one value a row.
    pub(super) fn solve(&self, values: &[f64]) -> [f64; N] {
        let mut solution = [0.0; N];
        for (row, value) in self.rows.iter().zip(values) {
            for (sum, element) in solution.iter_mut().zip(row) {
                *sum += element * value;
            }
        }
        for i in 0..N {
            let known: f64 = (0..i).map(|k| self.lower[i][k] * solution[k]).sum();
            solution[i] = (solution[i] - known) / self.lower[i][i];
        }
        for i in (0..N).rev() {
            let known: f64 = (i + 1..N).map(|k| self.lower[k][i] * solution[k]).sum();
            solution[i] = (solution[i] - known) / self.lower[i][i];
        }
        solution
    }

    /// Sum of the squares that those factors leave.
    pub(super) fn squares_left(&self, values: &[f64], factors: &[f64; N]) -> f64 {
        let left = |(row, value): (&[f64; N], &f64)| {
            let sum: f64 = row.iter().zip(factors).map(|(element, factor)| element * factor).sum();
            (value - sum) * (value - sum)
        };
        self.rows.iter().zip(values).map(left).sum()
    }
}

impl Linear {
    /// Takes the map apart; `None` where it mirrors or flattens the plane.
    pub(super) fn taken_apart(self) -> Option<Stretch> {
        // A map is the sum of a turn with a scale and a mirroring with a scale; the scales' sum and difference are the factors.
        let ([a, c], [b, d]) = (self.right, self.down);
        let (cos, sin) = ((a + d) / 2.0, (c - b) / 2.0);
        let (even, odd) = ((a - d) / 2.0, (c + b) / 2.0);
        let (turning, mirroring) = ((cos * cos + sin * sin).sqrt(), (even * even + odd * odd).sqrt());
        (turning > mirroring && turning.is_finite()).then(|| Stretch {
            most: turning + mirroring,
            least: turning - mirroring,
            turn: [cos / turning, sin / turning],
        })
    }
}

impl Stretch {
    /// A vector with the turn undone.
    pub(super) fn turned_back(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [cos, sin] = self.turn;
        [cos * x + sin * y, cos * y - sin * x]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_a_sum_are_found_again() {
        let rows: Vec<[f64; 3]> = (0..9).map(|i| [1.0, f64::from(i % 3), f64::from(i / 3)]).collect();
        let values: Vec<f64> = rows.iter().map(|[one, x, y]| 2.0 * one - 3.0 * x + 0.5 * y).collect();
        let fit = LeastSquares::new(rows).expect("nine points of a grid");
        let found = fit.solve(&values);
        for (found, wanted) in found.iter().zip([2.0, -3.0, 0.5]) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert!(fit.squares_left(&values, &found) < 1e-20);
    }

    #[test]
    fn points_on_a_line_determine_nothing() {
        let rows = (0..9).map(|i| [1.0, f64::from(i), 2.0 * f64::from(i) + 1.0]).collect();
        assert!(LeastSquares::<3>::new(rows).is_none());
        assert!(LeastSquares::<3>::new(vec![]).is_none());
        assert!(LeastSquares::<3>::new(vec![[f64::NAN; 3]; 5]).is_none());
    }

    #[test]
    fn a_map_is_taken_apart_into_stretch_and_turn() {
        // Three fifths of the width and twice the height, then a turn that takes right to (0.8, 0.6).
        let map = Linear { right: [0.6 * 0.8, 0.6 * 0.6], down: [-2.0 * 0.6, 2.0 * 0.8] };
        let stretch = map.taken_apart().expect("a map that neither mirrors nor flattens");
        assert!((stretch.most - 2.0).abs() < 1e-12 && (stretch.least - 0.6).abs() < 1e-12);
        let [x, y] = stretch.turned_back([0.8, 0.6]);
        assert!((x - 1.0).abs() < 1e-12 && y.abs() < 1e-12);
        assert!(Linear { right: [-1.0, 0.0], down: [0.0, 1.0] }.taken_apart().is_none());
        assert!(Linear { right: [1.0, 1.0], down: [1.0, 1.0] }.taken_apart().is_none());
    }
}

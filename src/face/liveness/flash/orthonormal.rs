//! Takes apart vectors by orthonormal columns: what is drift and what is left of it.

/// Coefficients of the polynomial that is taken for drift: a cubic.
pub(super) const DRIFT: usize = 4;

/// Orthonormal columns, by the modified Gram-Schmidt process, each column twice: with a dozen columns that leaves no
/// error that counts.
pub(super) struct Orthonormal {
    rows: usize,
    columns: Vec<Vec<f64>>,
}

/// A column of which less than this share of its length is new adds nothing.
const DEPENDENT: f64 = 1e-6;

impl Orthonormal {
    /// None yet, of so many rows.
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, columns: vec![] }
    }

    /// The columns so far.
    pub(super) fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Adds the part of a column that the others don't span, if there is any.
    pub(super) fn push(&mut self, column: Vec<f64>) {
        debug_assert_eq!(column.len(), self.rows);
        let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let before = length(&column);
        let mut column = self.rest(column);
        let after = length(&column);
        if after > DEPENDENT * before {
            column.iter_mut().for_each(|v| *v /= after);
            self.columns.push(column);
        }
    }

    /// What is left of a vector without what the columns span.
    pub(super) fn rest(&self, mut vector: Vec<f64>) -> Vec<f64> {
        for column in self.columns.iter().chain(&self.columns) {
            let along: f64 = column.iter().zip(&vector).map(|(c, v)| c * v).sum();
            vector.iter_mut().zip(column).for_each(|(v, c)| *v -= along * c);
        }
        vector
    }
}

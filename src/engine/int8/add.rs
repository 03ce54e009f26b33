//! Sums of two tensors, element by element.

use super::requantize::{Out, RequantConstants};
use super::{BLOCK, Shape};

/// `out = requantize(x, residual)`
pub(super) struct ElementwiseAdd<'a> {
    /// The first tensor, whole blocks of channels.
    pub(super) x: &'a [u8],
    /// Its shape.
    pub(super) shape: Shape,
    /// The second tensor.
    pub(super) residual: &'a [u8],
    /// Whether the second tensor has half the rows and columns, so that each of its pixels is used four times.
    pub(super) doubled: bool,
    /// Constants, one set for each block of channels.
    pub(super) columns: &'a [RequantConstants],
    /// Factors of the first tensor's channels, known only at run time.
    pub(super) gates: Option<&'a [f32]>,
}

impl ElementwiseAdd<'_> {
    /// Panics unless all lengths fit together: kernels rely on this when they read and write without checks.
    pub(super) fn check(&self, out: &Out<'_>) {
        let shape = &self.shape;
        assert!(shape.stride == self.columns.len() * BLOCK && self.x.len() == shape.len(), "picture");
        assert_eq!(out.len(), shape.len(), "output");
        let other = if self.doubled { shape.halved() } else { *shape };
        assert_eq!(self.residual.len(), other.len(), "residual");
        assert!(self.gates.is_none_or(|g| g.len() == shape.stride), "gates");
    }

    /// Calls `f(columns, at, other)` for every block of every pixel: its constants, its position in the first tensor, and that in the
    /// second.
    #[inline(always)]
    pub(super) fn for_each_block(&self, mut f: impl FnMut(&RequantConstants, usize, usize)) {
        let shape = &self.shape;
        for (block, columns) in self.columns.iter().enumerate() {
            let mut columns = columns.clone();
            if let Some(gates) = self.gates {
                columns.mul.iter_mut().zip(&gates[block * BLOCK..]).for_each(|(mul, gate)| *mul *= gate);
            }
            for row in 0..shape.rows {
                for column in 0..shape.columns {
                    let at = (row * shape.columns + column) * shape.stride + block * BLOCK;
                    let other = match self.doubled {
                        true => ((row / 2) * shape.columns.div_ceil(2) + column / 2) * shape.stride + block * BLOCK,
                        false => at,
                    };
                    f(&columns, at, other);
                }
            }
        }
    }
}

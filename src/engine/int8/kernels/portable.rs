//! Defines what kernels compute, in portable Rust.

use super::products;
use super::{Depthwise, ElementwiseAdd, Gemm, Isa, Kernels, Layout, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::requantize::Activation;

/// It needs nothing of the processor.
pub(super) const ISA: Isa = Isa { name: "portable", kernels: &KERNELS };

const KERNELS: Kernels = Kernels {
    layout: |_| Layout { outputs: BLOCK, inputs: 4 },
    signed: false,
    scratch: |_| 0,
    gemm,
    depthwise,
    add,
    products: products::portable,
};

fn gemm(g: &Gemm<'_>, _: &mut [u8], mut out: Out<'_>) {
    g.check(&out);
    let width = g.width();
    for (row, a) in g.a.chunks_exact(g.k).enumerate() {
        for (block, (weights, columns)) in g.weights.packed.chunks_exact(BLOCK * g.k).zip(g.columns).enumerate() {
            let mut sums = [0i32; BLOCK];
            for (a, weights) in a.as_chunks::<4>().0.iter().zip(weights.as_chunks::<{ BLOCK * 4 }>().0) {
                for (sum, w) in sums.iter_mut().zip(weights.as_chunks::<4>().0) {
                    *sum += a.iter().zip(w).map(|(a, w)| i32::from(*a) * i32::from(*w)).sum::<i32>();
                }
            }
            let at = row * width + block * BLOCK;
            out.store(at, columns, g.activation, &sums, g.residual.map(|r| &r[at..]));
        }
    }
}

fn depthwise(d: &Depthwise<'_>, mut out: Out<'_>) {
    d.check(&out);
    let (shape, window) = (&d.shape, &d.window);
    let taps = window.kernel * window.kernel;
    let columns = window.outputs(shape.columns);
    for (number, row, column) in d.rows.clone().enumerate().flat_map(|(n, r)| (0..columns).map(move |c| (n, r, c))) {
        for (block, (weights, constants)) in d.weights.chunks_exact(taps * BLOCK).zip(d.columns).enumerate() {
            let mut sums = [0i32; BLOCK];
            for (tap, weights) in weights.chunks_exact(BLOCK).enumerate() {
                let source = (
                    window.source(row, tap / window.kernel, shape.rows),
                    window.source(column, tap % window.kernel, shape.columns),
                );
                let bytes = match source {
                    (Some(y), Some(x)) => &d.x[(y * shape.columns + x) * shape.stride..],
                    _ => d.border,
                };
                for ((sum, byte), weight) in sums.iter_mut().zip(&bytes[block * BLOCK..]).zip(weights) {
                    *sum += i32::from(*byte) * i32::from(*weight);
                }
            }
            let at = (number * columns + column) * shape.stride + block * BLOCK;
            out.store(at, constants, d.activation, &sums, d.residual.map(|r| &r[at..]));
        }
    }
}

fn add(b: &ElementwiseAdd<'_>, mut out: Out<'_>) {
    b.check(&out);
    b.for_each_block(|columns, at, other| {
        let sums = std::array::from_fn(|i| i32::from(b.x[at + i]));
        out.store(at, columns, Activation::None, &sums, Some(&b.residual[other..]));
    });
}

//! Compares every kernel with the portable one on random shapes, weights and bytes, bit for bit.

use std::ops::Range;

use proptest::prelude::*;

use super::{Depthwise, ElementwiseAdd, Gemm, Isa, Kernels, Out};
use crate::engine::int8::depthwise::{self, Window};
use crate::engine::int8::gemm::Weights;
use crate::engine::int8::requantize::{Activation, RequantConstants};
use crate::engine::int8::{BLOCK, Shape};

/// A linear congruential generator.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    /// Bytes, a quarter of them 0 or 255, so that sums reach their bounds.
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut byte = || match self.next() % 8 {
            0 => 0,
            1 => 255,
            _ => (self.next() >> 4) as u8,
        };
        (0..n).map(|_| byte()).collect()
    }

    /// Weights: if `small`, most as small as in real networks (so that four products fit 16 bits), else some as
    /// large as they may be.
    fn weights(&mut self, n: usize, small: bool) -> Vec<i8> {
        let mut weight = || match self.next() % 8 {
            0 if !small => -127,
            1 if !small => 127,
            _ => ((self.next() % 121) as i32 - 60) as i8,
        };
        (0..n).map(|_| weight()).collect()
    }

    fn float(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() % 10_000) as f32 / 10_000.0
    }

    /// Constants that bring most results of `k` products into the range of a byte.
    fn columns(&mut self, blocks: usize, k: usize, activation: Activation) -> Vec<RequantConstants> {
        let scale = 1.0 / (60.0 * (k as f32).sqrt());
        let mut all = vec![RequantConstants::PADDING; blocks];
        for columns in &mut all {
            for i in 0..BLOCK {
                columns.init[i] = self.next() as i32 % 5_000 - 2_500;
                columns.mul[i] = self.float(0.2, 1.0) * scale;
                columns.slope[i] = match activation {
                    Activation::None => 1.0,
                    Activation::Larger => self.float(-1.5, 1.0),
                    Activation::Any | Activation::Last => self.float(-1.5, 1.5),
                };
                columns.residual_mul[i] = self.float(0.1, 1.0);
                columns.residual_add[i] = self.float(-100.0, 0.0);
                columns.zero[i] = match activation {
                    Activation::None => 0,
                    _ => (self.next() % 256) as i16,
                };
            }
        }
        all
    }
}

fn activation(number: u8, floats: bool) -> Activation {
    match number % 4 {
        0 => Activation::None,
        1 if !floats => Activation::Larger,
        2 => Activation::Last,
        _ => Activation::Any,
    }
}

/// What a kernel stores, as bits.
fn result(floats: bool, n: usize, kernel: impl FnOnce(Out<'_>)) -> Vec<u32> {
    if floats {
        let mut out = vec![0.0f32; n];
        kernel(Out::Floats(&mut out));
        return out.into_iter().map(f32::to_bits).collect();
    }
    let mut out = vec![0; n];
    kernel(Out::Bytes(&mut out));
    out.into_iter().map(u32::from).collect()
}

/// Every kernel's result must be that of the portable one, which comes first.
fn compare(run: impl Fn(&'static Kernels) -> Vec<u32>) -> Result<(), TestCaseError> {
    let isas = Isa::available();
    let want = run(isas[0].kernels());
    for isa in &isas[1..] {
        prop_assert_eq!(&run(isa.kernels()), &want, "{:?}", isa);
    }
    Ok(())
}

proptest! {
    #[test]
    fn products(
        rows in 1usize..30, k16 in 1usize..12, blocks in 1usize..7,
        floats: bool, residual: bool, small: bool, kind: u8, seed: u32,
    ) {
        let (k, mut noise) = (k16 * 16, Noise(seed));
        let a = noise.bytes(rows * k);
        let weights = noise.weights(blocks * BLOCK * k, small);
        let columns = noise.columns(blocks, k, activation(kind, floats));
        let other = residual.then(|| noise.bytes(rows * blocks * BLOCK));
        compare(|kernels| {
            let mut columns = columns.clone();
            if kernels.signed {
                for (row, weights) in weights.chunks_exact(k).enumerate() {
                    columns[row / BLOCK].init[row % BLOCK] += 128 * weights.iter().map(|w| i32::from(*w)).sum::<i32>();
                }
            }
            let weights = Weights::pack((kernels.layout)(k), k, &weights);
            let activation = activation(kind, floats);
            let weights = weights.blocks(0..blocks, blocks);
            let g = Gemm { a: &a, k, weights, columns: &columns, activation, residual: other.as_deref() };
            let mut scratch = vec![0; (kernels.scratch)(k)];
            result(floats, rows * blocks * BLOCK, |out| (kernels.gemm)(&g, &mut scratch, out))
        })?;
    }

    #[test]
    fn depthwise_convolutions(
        more_rows in 0usize..9, more_columns in 0usize..12, blocks in 1usize..4,
        kernel in prop_oneof![Just(3), 1usize..6], stride in prop_oneof![Just(1), 1usize..4], pad in 0usize..3,
        floats: bool, residual: bool, kind: u8, cut in 0usize..12, seed: u32,
    ) {
        let pad = pad.min(kernel - 1);
        let (rows, columns) = (kernel.saturating_sub(2 * pad).max(1) + more_rows, kernel + more_columns);
        let (shape, window) = (Shape::new(rows, columns, blocks * BLOCK), Window { kernel, stride, pad });
        let pixels = window.outputs(rows) * window.outputs(columns);
        let mut noise = Noise(seed);
        let x = noise.bytes(shape.len());
        let border = noise.bytes(shape.stride).repeat(columns);
        let (taps, weights) = (kernel * kernel, noise.weights(shape.stride * kernel * kernel, false));
        let weights = depthwise::pack(shape.stride, taps, |channel, tap| weights[channel * taps + tap]);
        let constants = noise.columns(blocks, kernel * kernel, activation(kind, floats));
        let other = residual.then(|| noise.bytes(pixels * shape.stride));
        compare(|kernels| {
            // In two parts, the first of which may be empty.
            let (all, line) = (window.outputs(rows), window.outputs(columns) * shape.stride);
            let cut = cut.min(all);
            let part = |rows: Range<usize>, out: Out<'_>| {
                let residual = other.as_deref().map(|other| &other[rows.start * line..rows.end * line]);
                let (activation, columns) = (activation(kind, floats), &constants[..]);
                let d = Depthwise { x: &x, shape, window, rows, border: &border, weights: &weights, columns, activation, residual };
                (kernels.depthwise)(&d, out);
            };
            result(floats, pixels * shape.stride, |out| {
                let (first, rest) = out.split_at(cut * line);
                part(0..cut, first);
                part(cut..all, rest);
            })
        })?;
    }

    #[test]
    fn sums(
        rows in 1usize..5, columns in 1usize..5, blocks in 1usize..4,
        floats: bool, doubled: bool, gated: bool, seed: u32,
    ) {
        let shape = Shape::new(2 * rows, 2 * columns, blocks * BLOCK);
        let mut noise = Noise(seed);
        let x = noise.bytes(shape.len());
        let residual = noise.bytes(if doubled { shape.halved().len() } else { shape.len() });
        let constants = noise.columns(blocks, 1, Activation::None);
        let gates: Option<Vec<f32>> = gated.then(|| (0..shape.stride).map(|_| noise.float(0.0, 1.0)).collect());
        compare(|kernels| {
            let b = ElementwiseAdd { x: &x, shape, residual: &residual, doubled, columns: &constants, gates: gates.as_deref() };
            result(floats, shape.len(), |out| (kernels.add)(&b, out))
        })?;
    }

    #[test]
    fn inner_products(length in prop_oneof![Just(128usize), 0usize..300], rows in 0usize..40, seed: u32) {
        let mut noise = Noise(seed);
        // Also the least value, which no template has.
        let vector: Vec<i8> = noise.bytes(length).into_iter().map(u8::cast_signed).collect();
        let matrix: Vec<i8> = noise.bytes(length * rows).into_iter().map(u8::cast_signed).collect();
        let exact = |row: &[i8]| row.iter().zip(&vector).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>();
        let want: Vec<i32> = match length {
            0 => vec![0; rows],
            _ => matrix.chunks_exact(length).map(exact).collect(),
        };
        for isa in Isa::available() {
            let mut out = vec![0; rows];
            isa.inner_products(&vector, &matrix, &mut out);
            prop_assert_eq!(&out, &want, "{:?}", isa);
        }
    }
}

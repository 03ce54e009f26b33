//! Kernels for AVX-VNNI: one instruction for four products and their sum in each lane (vpdpbusd), 32 bytes wide.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::super::target::{Store as _, Target, with_put};
use super::super::{Gemm, Isa, Kernels, Layout, Out};
use super::lanes256::{Bytes, Floats, add, start};
use super::neighbors;
use crate::engine::int8::BLOCK;

/// x86-64 with AVX-VNNI.
pub(super) fn detect() -> Option<Isa> {
    let is_there = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni");
    is_there.then_some(Isa { name: "avx-vnni", kernels: &KERNELS })
}

/// [`super::avx512`] takes what needs AVX2 alone.
pub(super) const KERNELS: Kernels = Kernels {
    layout: |_| Layout { outputs: BLOCK, inputs: 4 },
    signed: false,
    scratch: |_| 0,
    gemm: |g, _, out| {
        g.check(&out);
        // SAFETY: these kernels are reached through an `Isa` alone, which exists only where the processor has the instructions; lengths
        // are checked above.
        unsafe { gemm(g, out) }
    },
    depthwise: neighbors::by_fours,
    add,
    products: |vector, rows, out| {
        // The sign of -128 can't be changed; no template has it in practice.
        match <&[i8; 128]>::try_from(vector) {
            // SAFETY: as above.
            Ok(vector) if !vector.contains(&i8::MIN) => unsafe { products(vector, rows, out) },
            // SAFETY: AVX-VNNI is only used where there is AVX2.
            _ => unsafe { super::avx2::products(vector, rows, out) },
        }
    },
};

/// Inner products of 128 values, none of which is -128, eight rows at a time: the magnitudes of a row times the vector with the row's signs.
#[target_feature(enable = "avx2,avxvnni")]
fn products(vector: &[i8; 128], rows: &[i8], out: &mut [i32]) {
    let load = |values: &[i8; 128], part: usize| {
        // SAFETY: there are four parts of 32 values.
        unsafe { _mm256_loadu_si256(values.as_ptr().add(32 * part).cast()) }
    };
    let vector: [__m256i; 4] = std::array::from_fn(|part| load(vector, part));
    let sums = |row: &[i8; 128]| {
        let mut sums = _mm256_setzero_si256();
        for (part, vector) in vector.iter().enumerate() {
            let row = load(row, part);
            sums = _mm256_dpbusd_avx_epi32(sums, _mm256_abs_epi8(row), _mm256_sign_epi8(*vector, row));
        }
        sums
    };
    let (eights, rest) = rows.as_chunks::<128>().0.as_chunks::<8>();
    let (places, last) = out.as_chunks_mut::<8>();
    for (rows, out) in eights.iter().zip(places) {
        let sums: [__m256i; 8] = std::array::from_fn(|row| sums(&rows[row]));
        // Pairs of lanes are added three times, until each row's eight are one.
        let pairs: [__m256i; 4] = std::array::from_fn(|i| _mm256_hadd_epi32(sums[2 * i], sums[2 * i + 1]));
        let fours = [_mm256_hadd_epi32(pairs[0], pairs[1]), _mm256_hadd_epi32(pairs[2], pairs[3])];
        let low = _mm256_permute2x128_si256::<0x20>(fours[0], fours[1]);
        let high = _mm256_permute2x128_si256::<0x31>(fours[0], fours[1]);
        // SAFETY: there is room for eight.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_add_epi32(low, high)) };
    }
    for (row, out) in rest.iter().zip(last) {
        let mut lanes = [0i32; 8];
        // SAFETY: there is room for eight.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums(row)) };
        *out = lanes.iter().sum();
    }
}

/// # Safety
/// Requires AVX-VNNI; `g` and `out` must have been checked.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn gemm(g: &Gemm<'_>, mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let rows = g.rows();
    for block in 0..g.columns.len() {
        let mut row = 0;
        // SAFETY: guaranteed by the caller.
        unsafe {
            while row + 6 <= rows {
                tile::<6>(g, target, block, row);
                row += 6;
            }
            while row < rows {
                tile::<1>(g, target, block, row);
                row += 1;
            }
        }
    }
}

/// # Safety
/// Requires AVX-VNNI; the block `block` must exist, and `M` rows from `row`.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn tile<const M: usize>(g: &Gemm<'_>, target: Target, block: usize, row: usize) {
    let (k, width) = (g.k, g.width());
    let mut sums = [start(&g.columns[block]); M];
    // SAFETY: guaranteed by the caller; the block has `BLOCK * k` weights, each row `k` bytes.
    unsafe {
        let (a, weights) = (g.a.as_ptr().add(row * k), g.weights.packed.as_ptr().add(block * BLOCK * k));
        for at in (0..k).step_by(4) {
            let w = weights.add(at * BLOCK);
            let (w0, w1) = (_mm256_loadu_si256(w.cast()), _mm256_loadu_si256(w.add(32).cast()));
            for (m, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_set1_epi32(a.add(m * k + at).cast::<i32>().read_unaligned());
                sums[0] = _mm256_dpbusd_avx_epi32(sums[0], a, w0);
                sums[1] = _mm256_dpbusd_avx_epi32(sums[1], a, w1);
            }
        }
        let at = row * width + block * BLOCK;
        with_put!(target, &g.columns[block], g.activation, |store| store.store_rows(at, width, sums));
    }
}

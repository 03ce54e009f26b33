//! Kernels for AVX-512 VNNI: one instruction for four products and their sum in each lane (vpdpbusd), 64 bytes wide.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::super::target::{Store as _, Target, with_put};
use super::super::{Gemm, Isa, Kernels, Out};
use super::lanes512::{Bytes, Floats, start};
use super::{avx_vnni, neighbors};
use crate::engine::int8::BLOCK;

/// x86-64 with AVX-512 VNNI.
pub(super) fn detect() -> Option<Isa> {
    let is_there = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    is_there.then_some(Isa { name: "avx512-vnni", kernels: &KERNELS })
}

/// Weight layout, scratch memory and tensor sums are those of the narrow kernels; the last two need AVX2 alone.
const KERNELS: Kernels = Kernels {
    gemm: |g, _, out| {
        g.check(&out);
        // SAFETY: these kernels are reached through an `Isa` alone, which exists only where the processor has the instructions; lengths
        // are checked above.
        unsafe { gemm(g, out) }
    },
    depthwise: neighbors::by_wide_fours,
    ..avx_vnni::KERNELS
};

/// # Safety
/// Requires AVX-512 VNNI; `g` and `out` must have been checked.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn gemm(g: &Gemm<'_>, mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    // Up to 24 sums at a time, of 32 registers: as many blocks side by side as there are, then as many rows as fit.
    let mut block = 0;
    while block < g.columns.len() {
        // SAFETY: guaranteed by the caller.
        unsafe {
            block += match g.columns.len() - block {
                1 => rows::<1, 16>(g, target, block),
                2 => rows::<2, 12>(g, target, block),
                3 => rows::<3, 8>(g, target, block),
                _ => rows::<4, 6>(g, target, block),
            }
        }
    }
}

/// Computes all rows of `N` blocks, `M` at a time; returns `N`.
///
/// # Safety
/// Requires AVX-512 VNNI; there must be `N` blocks from `block`.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows<const N: usize, const M: usize>(g: &Gemm<'_>, target: Target, block: usize) -> usize {
    let (count, mut row) = (g.rows(), 0);
    // SAFETY: guaranteed by the caller.
    unsafe {
        while row + M <= count {
            tile::<N, M>(g, target, block, row);
            row += M;
        }
        while row + 4 <= count {
            tile::<N, 4>(g, target, block, row);
            row += 4;
        }
        while row < count {
            tile::<N, 1>(g, target, block, row);
            row += 1;
        }
    }
    N
}

/// # Safety
/// Requires AVX-512 VNNI; there must be `N` blocks from `block` and `M` rows from `row`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile<const N: usize, const M: usize>(g: &Gemm<'_>, target: Target, block: usize, row: usize) {
    let (k, width) = (g.k, g.width());
    // SAFETY: guaranteed by the caller; each block has `BLOCK * k` weights, each row `k` bytes.
    unsafe {
        let mut sums: [[__m512i; M]; N] = std::array::from_fn(|n| [start(&g.columns[block + n]); M]);
        let (a, weights) = (g.a.as_ptr().add(row * k), g.weights.packed.as_ptr().add(block * BLOCK * k));
        for at in (0..k).step_by(4) {
            let w: [__m512i; N] =
                std::array::from_fn(|n| _mm512_loadu_si512(weights.add(n * BLOCK * k + at * BLOCK).cast()));
            #[expect(
                clippy::needless_range_loop,
                reason = "sums lie by blocks, but each row is broadcast once for all of them"
            )]
            for m in 0..M {
                let a = _mm512_set1_epi32(a.add(m * k + at).cast::<i32>().read_unaligned());
                for n in 0..N {
                    sums[n][m] = _mm512_dpbusd_epi32(sums[n][m], a, w[n]);
                }
            }
        }
        for (n, sums) in sums.into_iter().enumerate() {
            let at = row * width + (block + n) * BLOCK;
            with_put!(target, &g.columns[block + n], g.activation, |store| store.store_rows(at, width, sums));
        }
    }
}

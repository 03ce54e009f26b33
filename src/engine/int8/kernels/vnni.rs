//! x86-64 with an instruction for four products and their sum in each lane (vpdpbusd): 64 bytes wide (AVX-512 VNNI) or 32
//! (AVX-VNNI).
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::avx2::{self, put, start};
use super::target::Target;
use super::{Gemm, Kernels, Layout, Out, Taps};
use crate::engine::int8::BLOCK;

/// Whether the wide kernels may run.
pub(super) fn is_wide() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// 512 bits.
pub(super) const WIDE: Kernels = Kernels {
    gemm: |g, _, out| {
        g.check(&out);
        // SAFETY: `Isa::kernels` hands these kernels out only where the instructions are; lengths are checked above.
        unsafe { gemm_wide(g, out) }
    },
    ..NARROW
};

/// 256 bits.
pub(super) const NARROW: Kernels = Kernels {
    layout: |_| Layout { outputs: BLOCK, inputs: 4 },
    taps: Taps::Pairs,
    signed: false,
    scratch: |_| 0,
    gemm: |g, _, out| {
        g.check(&out);
        // SAFETY: as above.
        unsafe { gemm_narrow(g, out) }
    },
    depthwise: avx2::depthwise,
    blend: avx2::blend,
};

/// # Safety
/// AVX-512 VNNI; `g` and `out` must have been checked.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn gemm_wide(g: &Gemm<'_>, mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    // 24 sums at a time, of 32 registers: as many blocks side by side as there are, as many rows as then fit.
    let mut block = 0;
    while block < g.columns.len() {
        // SAFETY: the caller's.
        unsafe {
            block += match g.columns.len() - block {
                1 => rows_wide::<1, 16>(g, target, block),
                2 => rows_wide::<2, 12>(g, target, block),
                3 => rows_wide::<3, 8>(g, target, block),
                _ => rows_wide::<4, 6>(g, target, block),
            }
        }
    }
}

/// All rows of `N` blocks, `M` at a time; tells `N`.
///
/// # Safety
/// AVX-512 VNNI; there must be `N` blocks from `block`.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows_wide<const N: usize, const M: usize>(g: &Gemm<'_>, target: Target, block: usize) -> usize {
    let rows = g.rows();
    let mut row = 0;
    // SAFETY: the caller's.
    unsafe {
        while row + M <= rows {
            tile_wide::<N, M>(g, target, block, row);
            row += M;
        }
        while row + 4 <= rows {
            tile_wide::<N, 4>(g, target, block, row);
            row += 4;
        }
        while row < rows {
            tile_wide::<N, 1>(g, target, block, row);
            row += 1;
        }
    }
    N
}

/// # Safety
/// AVX-512 VNNI; there must be `N` blocks from `block` and `M` rows from `row`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile_wide<const N: usize, const M: usize>(g: &Gemm<'_>, target: Target, block: usize, row: usize) {
    let (k, width) = (g.k, g.width());
    // SAFETY: the caller's; each block has `BLOCK * k` weights, each row `k` bytes.
    unsafe {
        let start = |n: usize| _mm512_loadu_si512(g.columns[block + n].init.as_ptr().cast());
        let mut sums: [[__m512i; N]; M] = [std::array::from_fn(start); M];
        let (a, weights) = (g.a.as_ptr().add(row * k), g.weights.packed.as_ptr().add(block * BLOCK * k));
        for at in (0..k).step_by(4) {
            let w: [__m512i; N] =
                std::array::from_fn(|n| _mm512_loadu_si512(weights.add(n * BLOCK * k + at * BLOCK).cast()));
            for (m, sums) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_epi32(a.add(m * k + at).cast::<i32>().read_unaligned());
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = _mm512_dpbusd_epi32(*sum, a, w);
                }
            }
        }
        for n in 0..N {
            let at = row * width + (block + n) * BLOCK;
            let halves = sums.map(|sums| [_mm512_castsi512_si256(sums[n]), _mm512_extracti64x4_epi64(sums[n], 1)]);
            put(target, (at, at, width), &g.columns[block + n], g.activation, halves);
        }
    }
}

/// # Safety
/// AVX-VNNI; `g` and `out` must have been checked.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn gemm_narrow(g: &Gemm<'_>, mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let rows = g.rows();
    for block in 0..g.columns.len() {
        let mut row = 0;
        // SAFETY: the caller's.
        unsafe {
            while row + 6 <= rows {
                tile_narrow::<6>(g, target, block, row);
                row += 6;
            }
            while row < rows {
                tile_narrow::<1>(g, target, block, row);
                row += 1;
            }
        }
    }
}

/// # Safety
/// AVX-VNNI; `block` must be one and there must be `M` rows from `row`.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn tile_narrow<const M: usize>(g: &Gemm<'_>, target: Target, block: usize, row: usize) {
    let (k, width) = (g.k, g.width());
    let mut sums = [start(&g.columns[block]); M];
    // SAFETY: the caller's; the block has `BLOCK * k` weights, each row `k` bytes.
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
        put(target, (at, at, width), &g.columns[block], g.activation, sums);
    }
}

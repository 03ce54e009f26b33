//! x86-64 with an instruction for four products and their sum in each lane (vpdpbusd): 64 bytes wide (AVX-512 VNNI) or 32
//! (AVX-VNNI).
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::avx2::{self, Target, put};
use super::{Depthwise, Gemm, Kernels, Layout, Out, Taps};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;

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
    depthwise: |d, out| {
        check(d, &out);
        // SAFETY: as above.
        unsafe { depthwise_evex(d, out) }
    },
    ..NARROW
};

/// 256 bits.
pub(super) const NARROW: Kernels = Kernels {
    layout: Layout { outputs: BLOCK, inputs: 4 },
    taps: Taps::Fours,
    signed: false,
    scratch: |_| 0,
    gemm: |g, _, out| {
        g.check(&out);
        // SAFETY: as above.
        unsafe { gemm_narrow(g, out) }
    },
    depthwise: |d, out| {
        check(d, &out);
        // SAFETY: as above.
        unsafe { depthwise_vex(d, out) }
    },
    blend: avx2::blend,
};

/// Panics unless all lengths fit together.
fn check(d: &Depthwise<'_>, out: &Out<'_>) {
    d.check(out);
    let fours = d.window.kernel.pow(2).div_ceil(4);
    assert_eq!(d.weights.len(), d.columns.len().div_ceil(2) * fours * 4 * BLOCK, "weights");
}

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
    let mut sums = [[_mm512_setzero_si512(); M]; N];
    // SAFETY: the caller's; each block has `BLOCK * k` weights, each row `k` bytes.
    unsafe {
        let (a, weights) = (g.a.as_ptr().add(row * k), g.weights.packed.as_ptr().add(block * BLOCK * k));
        for at in (0..k).step_by(4) {
            let w: [__m512i; N] =
                std::array::from_fn(|n| _mm512_loadu_si512(weights.add(n * BLOCK * k + at * BLOCK).cast()));
            for m in 0..M {
                let a = _mm512_set1_epi32(a.add(m * k + at).cast::<i32>().read_unaligned());
                for n in 0..N {
                    sums[n][m] = _mm512_dpbusd_epi32(sums[n][m], a, w[n]);
                }
            }
        }
        for (n, sums) in sums.into_iter().enumerate() {
            let at = row * width + (block + n) * BLOCK;
            let halves = sums.map(|sum| [_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1)]);
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
    let mut sums = [[_mm256_setzero_si256(); 2]; M];
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

/// The depthwise convolution with one of the two instructions that there are for the product of 32 bytes. Two blocks of channels
/// at a time: their bytes at four taps are woven into four for each channel.
macro_rules! depthwise_by {
    ($all:ident, $run:ident, $tile:ident, $features:literal, $product:ident) => {
        /// # Safety
        /// The instruction; `d` and `out` must have been checked.
        #[target_feature(enable = $features)]
        unsafe fn $all(d: &Depthwise<'_>, mut out: Out<'_>) {
            let target = Target::new(&mut out, d.residual);
            d.for_each_run(|run| {
                // SAFETY: the caller's; the run is one of `d`.
                unsafe { $run(d, run, target) }
            });
        }

        /// # Safety
        /// The instruction; `d` must have been checked, the run must be one of its own.
        #[target_feature(enable = $features)]
        unsafe fn $run(d: &Depthwise<'_>, run: &Run, target: Target) {
            let width = d.shape.stride;
            let fours = run.taps.len().div_ceil(4);
            for (pair, columns) in d.columns.chunks(2).enumerate() {
                let weights = &d.weights[pair * fours * 4 * BLOCK..][..fours * 4 * BLOCK];
                let mut output = 0;
                while output < run.outputs {
                    let at = (run.first + output) * width + pair * 2 * BLOCK;
                    let (place, offset) = ((at, at, width), output * run.step + pair * 2 * BLOCK);
                    let count = if run.outputs - output >= 2 { 2 } else { 1 };
                    // SAFETY: the caller's; the outputs of the run lie in the target.
                    unsafe {
                        match (count, columns) {
                            (2, [first, second]) => {
                                let sums = $tile::<2, true>(&run.taps, offset, run.step, weights);
                                put(target, place, first, d.activation, sums[0]);
                                let place = (at + BLOCK, at + BLOCK, width);
                                put(target, place, second, d.activation, sums[1]);
                            }
                            (_, [first, second]) => {
                                let sums = $tile::<1, true>(&run.taps, offset, run.step, weights);
                                put(target, place, first, d.activation, sums[0]);
                                let place = (at + BLOCK, at + BLOCK, width);
                                put(target, place, second, d.activation, sums[1]);
                            }
                            (2, [only, ..]) => {
                                let sums = $tile::<2, false>(&run.taps, offset, run.step, weights);
                                put(target, place, only, d.activation, sums[0]);
                            }
                            (_, only) => {
                                let sums = $tile::<1, false>(&run.taps, offset, run.step, weights);
                                put(target, place, &only[0], d.activation, sums[0]);
                            }
                        }
                    }
                    output += count;
                }
            }
        }

        /// Sums of `M` neighbors, of one block or of `BOTH`.
        ///
        /// # Safety
        /// The instruction; at each tap there must be sixteen bytes, or 32 for both blocks, at `offset` and at each of `M - 1`
        /// steps from there.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $tile<const M: usize, const BOTH: bool>(
            taps: &[*const u8],
            offset: usize,
            step: usize,
            weights: &[i16],
        ) -> [[[__m256i; 2]; M]; 2] {
            let mut sums = [[_mm256_setzero_si256(); 4]; M];
            for (four, w) in weights.as_chunks::<{ 4 * BLOCK }>().0.iter().enumerate() {
                for (m, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller's; taps beyond the last are read as the last, their weights are 0.
                    unsafe {
                        let read = |i: usize| {
                            let tap = taps[(four * 4 + i).min(taps.len() - 1)].add(offset + m * step);
                            if BOTH {
                                _mm256_loadu_si256(tap.cast())
                            } else {
                                _mm256_castsi128_si256(_mm_loadu_si128(tap.cast()))
                            }
                        };
                        let (a, b, c, d) = (read(0), read(1), read(2), read(3));
                        let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
                        let (low2, high2) = (_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d));
                        let woven = [
                            _mm256_unpacklo_epi16(low, low2),
                            _mm256_unpackhi_epi16(low, low2),
                            _mm256_unpacklo_epi16(high, high2),
                            _mm256_unpackhi_epi16(high, high2),
                        ];
                        for (quarter, bytes) in woven.into_iter().enumerate() {
                            let w = _mm256_loadu_si256(w.as_ptr().add(quarter * BLOCK).cast());
                            sums[quarter] = $product(sums[quarter], bytes, w);
                        }
                    }
                }
            }
            // Each has four channels of the first block and then four of the second.
            let block = |which: bool| {
                sums.map(|[a, b, c, d]| match which {
                    false => [_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(c, d, 0x20)],
                    true => [_mm256_permute2x128_si256(a, b, 0x31), _mm256_permute2x128_si256(c, d, 0x31)],
                })
            };
            [block(false), block(true)]
        }
    };
}

depthwise_by!(depthwise_vex, run_vex, depthwise_tile_vex, "avx2,avxvnni", _mm256_dpbusd_avx_epi32);
depthwise_by!(depthwise_evex, run_evex, depthwise_tile_evex, "avx2,avx512vl,avx512vnni", _mm256_dpbusd_epi32);

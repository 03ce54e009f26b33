//! AVX2: sixteen-bit products in pairs (vpmaddwd), the widest that are exact for u8 times i8.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::target::Target;
use super::{Blend, Depthwise, Gemm, Kernels, Layout, Out, Taps};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;
use crate::engine::int8::finish::{Activation, Columns};

pub(super) const KERNELS: Kernels = Kernels {
    layout: |_| Layout { outputs: BLOCK, inputs: 2 },
    taps: Taps::Pairs,
    signed: false,
    scratch: |k| k * 2 * panel(k),
    gemm: |g, scratch, out| {
        g.check(&out);
        assert!(scratch.len() >= (KERNELS.scratch)(g.k), "scratch");
        // SAFETY: `Isa::kernels` hands these kernels out only where there is AVX2; lengths are checked above.
        unsafe { gemm(g, scratch.as_mut_ptr(), out) }
    },
    depthwise,
    blend,
};

/// The elementwise sum; also for kernels of later instruction sets.
pub(super) fn blend(b: &Blend<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    // SAFETY: as above; lengths are checked.
    unsafe { blend_all(b, target) }
}

/// # Safety
/// AVX2; `b` must have been checked and the target be made from its output.
#[target_feature(enable = "avx2")]
unsafe fn blend_all(b: &Blend<'_>, target: Target) {
    b.for_each_block(|columns, at, other| {
        // SAFETY: the blocks at `at` lie in the first tensor and in the target, that at `other` in the second.
        unsafe {
            let [low, high] = start(columns);
            let read = |half: usize| _mm256_cvtepu8_epi32(_mm_loadl_epi64(b.x.as_ptr().add(at + half * 8).cast()));
            let sums = [_mm256_add_epi32(low, read(0)), _mm256_add_epi32(high, read(1))];
            put(target, (at, other, 0), columns, Activation::None, [sums]);
        }
    });
}

/// The depthwise convolution; also for kernels of later instruction sets.
pub(super) fn depthwise(d: &Depthwise<'_>, mut out: Out<'_>) {
    d.check(&out);
    assert_eq!(d.weights.len(), d.shape.stride * d.window.kernel.pow(2).next_multiple_of(2), "weights");
    let target = Target::new(&mut out, d.residual);
    d.for_each_run(|run| {
        // SAFETY: as above; the lengths that `check` and the line after it assert are those that a run relies on.
        unsafe {
            match run.taps.len() {
                9 => depthwise_run::<5>(d, run, target),
                _ => depthwise_run::<0>(d, run, target),
            }
        }
    });
}

/// Rows of the left matrix that are widened to sixteen bits at a time: two tiles, but no more than fits the nearest cache.
fn panel(k: usize) -> usize {
    if k <= 1024 { 2 * ROWS } else { ROWS }
}

/// Rows of a tile: 6 x 16 sums are 12 of the 16 registers.
const ROWS: usize = 6;

/// What the sums of one block start from.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn start(columns: &Columns) -> [__m256i; 2] {
    // SAFETY: there are sixteen.
    unsafe { [0, 8].map(|first| _mm256_loadu_si256(columns.init.as_ptr().add(first).cast())) }
}

/// Finishes the sums of one block, which started from [`start`], in `M` rows, `width` elements apart, and puts them at element `at` and behind, with the block
/// at `other` and behind of the residual if there is one.
///
/// # Safety
/// AVX2; the blocks of all rows must lie within what the target was made from.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn put<const M: usize>(
    target: Target,
    (at, other, width): (usize, usize, usize),
    columns: &Columns,
    activation: Activation,
    sums: [[__m256i; 2]; M],
) {
    // SAFETY: the caller's.
    unsafe {
        match activation {
            Activation::None => put_with::<M, NONE>(target, (at, other, width), columns, sums),
            Activation::Larger => put_with::<M, LARGER>(target, (at, other, width), columns, sums),
            Activation::Any => put_with::<M, ANY>(target, (at, other, width), columns, sums),
        }
    }
}

const NONE: u8 = Activation::None as u8;
const LARGER: u8 = Activation::Larger as u8;
const ANY: u8 = Activation::Any as u8;

/// # Safety
/// That of [`put`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn put_with<const M: usize, const ACTIVATION: u8>(
    target: Target,
    (at, other, width): (usize, usize, usize),
    columns: &Columns,
    mut sums: [[__m256i; 2]; M],
) {
    // SAFETY: the caller's, and the arrays of `columns` have sixteen elements.
    unsafe {
        for half in 0..2 {
            let load = |values: &[f32; BLOCK]| _mm256_loadu_ps(values.as_ptr().add(half * 8));
            let (mul, slope) = (load(&columns.mul), load(&columns.slope));
            for (m, sums) in sums.iter_mut().enumerate() {
                let v = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[half]), mul);
                let mut v = match ACTIVATION {
                    NONE => v,
                    LARGER => _mm256_max_ps(v, _mm256_mul_ps(v, slope)),
                    _ => {
                        let negative = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ);
                        _mm256_blendv_ps(v, _mm256_mul_ps(v, slope), negative)
                    }
                };
                if !target.residual.is_null() {
                    let bytes = _mm_loadl_epi64(target.residual.add(other + m * width + half * 8).cast());
                    let r = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
                    let r = _mm256_add_ps(_mm256_mul_ps(r, load(&columns.residual_mul)), load(&columns.residual_add));
                    v = _mm256_add_ps(v, r);
                }
                if target.floats {
                    _mm256_storeu_ps(target.out.cast::<f32>().add(at + m * width + half * 8), v);
                }
                sums[half] = _mm256_cvtps_epi32(v);
            }
        }
        if !target.floats {
            let zero = _mm256_loadu_si256(columns.zero.as_ptr().cast());
            for (m, sums) in sums.into_iter().enumerate() {
                let mut words = _mm256_permute4x64_epi64(_mm256_packs_epi32(sums[0], sums[1]), 0b11_01_10_00);
                if ACTIVATION != NONE {
                    words = _mm256_adds_epi16(words, zero);
                }
                let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
                _mm_storeu_si128(target.out.add(at + m * width).cast(), bytes);
            }
        }
    }
}

/// # Safety
/// AVX2; `g` and `out` must have been checked, `scratch` must be as long as [`KERNELS`] says.
#[target_feature(enable = "avx2")]
unsafe fn gemm(g: &Gemm<'_>, scratch: *mut u8, mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let (rows, k, width) = (g.rows(), g.k, g.width());
    let wide: *mut i16 = scratch.cast();
    let panel = panel(k);
    for first in (0..rows).step_by(panel) {
        let count = panel.min(rows - first);
        // SAFETY: `count` rows from `first` lie in `a`, twice their bytes in the scratch memory (which may be unaligned).
        unsafe {
            let from = g.a.as_ptr().add(first * k);
            for i in (0..count * k).step_by(16) {
                let bytes = _mm_loadu_si128(from.add(i).cast());
                _mm256_storeu_si256(wide.cast::<u8>().add(i * 2).cast(), _mm256_cvtepu8_epi16(bytes));
            }
        }
        for (block, columns) in g.columns.iter().enumerate() {
            let (start, mut done) = (start(columns), 0);
            while done < count {
                let tile = ROWS.min(count - done);
                // SAFETY: rows `done..done + tile` of the panel were just written; the block's weights are `k` times
                // `BLOCK`; the target has `rows * width` elements.
                unsafe {
                    let a = wide.cast::<u8>().add(done * k * 2).cast::<i16>();
                    let weights = g.weights.packed.as_ptr().add(block * BLOCK * k);
                    let at = (first + done) * width + block * BLOCK;
                    let place = (at, at, width);
                    match tile {
                        6 => put(target, place, columns, g.activation, tile_of::<6>(a, k, weights, start)),
                        5 => put(target, place, columns, g.activation, tile_of::<5>(a, k, weights, start)),
                        4 => put(target, place, columns, g.activation, tile_of::<4>(a, k, weights, start)),
                        3 => put(target, place, columns, g.activation, tile_of::<3>(a, k, weights, start)),
                        2 => put(target, place, columns, g.activation, tile_of::<2>(a, k, weights, start)),
                        _ => put(target, place, columns, g.activation, tile_of::<1>(a, k, weights, start)),
                    }
                }
                done += tile;
            }
        }
    }
}

/// Sums of `M` rows and one block of channels, all of them from `start`.
///
/// # Safety
/// AVX2; `a` points to `M * k` values, `weights` to `BLOCK * k`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile_of<const M: usize>(
    a: *const i16,
    k: usize,
    weights: *const i8,
    start: [__m256i; 2],
) -> [[__m256i; 2]; M] {
    let mut sums = [start; M];
    for pair in 0..k / 2 {
        // SAFETY: the caller's; `pair * 2 + 1 < k`.
        unsafe {
            let w = weights.add(pair * 2 * BLOCK);
            let w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128(w.cast()));
            let w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128(w.add(16).cast()));
            for (m, sums) in sums.iter_mut().enumerate() {
                let a = _mm256_set1_epi32(a.add(m * k + pair * 2).cast::<i32>().read_unaligned());
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(a, w0));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(a, w1));
            }
        }
    }
    sums
}

/// One run of a depthwise convolution of `PAIRS` pairs of taps, or of however many there are if 0.
///
/// # Safety
/// AVX2; `d` and its weights must have been checked, the run must be one of its own.
#[target_feature(enable = "avx2")]
unsafe fn depthwise_run<const PAIRS: usize>(d: &Depthwise<'_>, run: &Run, target: Target) {
    let pairs = if PAIRS > 0 { PAIRS } else { run.taps.len().div_ceil(2) };
    let width = d.shape.stride;
    for (block, columns) in d.columns.iter().enumerate() {
        let weights = &d.weights[block * pairs * 2 * BLOCK..][..pairs * 2 * BLOCK];
        let (start, mut output) = (crossed(start(columns)), 0);
        while output < run.outputs {
            let at = (run.first + output) * width + block * BLOCK;
            let (place, offset) = ((at, at, width), output * run.step + block * BLOCK);
            // SAFETY: the caller's; the outputs of the run lie in the target.
            unsafe {
                if run.outputs - output >= 4 {
                    let sums = depthwise_tile::<4>(&run.taps, offset, run.step, weights, start);
                    put(target, place, columns, d.activation, sums);
                    output += 4;
                } else {
                    let sums = depthwise_tile::<1>(&run.taps, offset, run.step, weights, start);
                    put(target, place, columns, d.activation, sums);
                    output += 1;
                }
            }
        }
    }
}

/// Channels 0 to 3 and 8 to 11 in the first, 4 to 7 and 12 to 15 in the second; and back.
#[inline]
#[target_feature(enable = "avx2")]
fn crossed([a, b]: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)]
}

/// Sums of `M` neighbors and one block of channels, all of them from `start`, which is [`crossed`].
///
/// # Safety
/// AVX2; at each tap there must be sixteen bytes at `offset` and at each of `M - 1` steps from there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn depthwise_tile<const M: usize>(
    taps: &[*const u8],
    offset: usize,
    step: usize,
    weights: &[i16],
    start: [__m256i; 2],
) -> [[__m256i; 2]; M] {
    let mut sums = [start; M];
    for (pair, w) in weights.as_chunks::<{ 2 * BLOCK }>().0.iter().enumerate() {
        // SAFETY: the caller's; an odd last tap is read twice, the second of its pair has weight 0.
        unsafe {
            let (first, second) = (taps[pair * 2], taps[(pair * 2 + 1).min(taps.len() - 1)]);
            let (w0, w1) = (_mm256_loadu_si256(w.as_ptr().cast()), _mm256_loadu_si256(w.as_ptr().add(BLOCK).cast()));
            for (m, sums) in sums.iter_mut().enumerate() {
                let read = |tap: *const u8| _mm256_cvtepu8_epi16(_mm_loadu_si128(tap.add(offset + m * step).cast()));
                let (a, b) = (read(first), read(second));
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w0));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w1));
            }
        }
    }
    sums.map(|sums| crossed(sums))
}

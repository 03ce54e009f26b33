//! NEON of every aarch64 processor: products of eight bytes at once (smull, smlal), two of which fit sixteen bits, summed in
//! pairs into 32 (sadalp).
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;

use super::{Blend, Depthwise, Gemm, Kernels, Layout, Out, Taps};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;
use crate::engine::int8::finish::{Activation, Columns};

pub(super) const KERNELS: Kernels = Kernels {
    layout: Layout { outputs: COLUMNS, inputs: 16 },
    taps: Taps::Single,
    signed: true,
    scratch: |k| k * ROWS,
    gemm: |g, scratch, out| {
        g.check(&out);
        assert!(scratch.len() >= (KERNELS.scratch)(g.k), "scratch");
        gemm(g, scratch, out);
    },
    depthwise,
    blend,
};

/// A tile is 4 x 4: its sums, four lanes each, are 16 of the 32 registers.
const ROWS: usize = 4;
const COLUMNS: usize = 4;

/// Where results go, and what is added to them.
#[derive(Clone, Copy)]
pub(super) struct Target {
    out: *mut u8,
    floats: bool,
    residual: *const u8,
}

impl Target {
    pub(super) fn new(out: &mut Out<'_>, residual: Option<&[u8]>) -> Self {
        let (out, floats) = match out {
            Out::Bytes(bytes) => (bytes.as_mut_ptr(), false),
            Out::Floats(floats) => (floats.as_mut_ptr().cast(), true),
        };
        Self { out, floats, residual: residual.map_or(std::ptr::null(), <[u8]>::as_ptr) }
    }
}

/// Finishes the sums of one block in `M` rows, `width` elements apart, and puts them at element `at` and behind, with the block
/// at `other` and behind of the residual if there is one.
///
/// # Safety
/// The blocks of all rows must lie within what the target was made from.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn put<const M: usize>(
    target: Target,
    (at, other, width): (usize, usize, usize),
    columns: &Columns,
    activation: Activation,
    sums: [[int32x4_t; 4]; M],
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
#[target_feature(enable = "neon")]
unsafe fn put_with<const M: usize, const ACTIVATION: u8>(
    target: Target,
    (at, other, width): (usize, usize, usize),
    columns: &Columns,
    mut sums: [[int32x4_t; 4]; M],
) {
    // SAFETY: the caller's, and the arrays of `columns` have sixteen elements.
    unsafe {
        for quarter in 0..4 {
            let load = |values: &[f32; BLOCK]| vld1q_f32(values.as_ptr().add(quarter * 4));
            let init = vld1q_s32(columns.init.as_ptr().add(quarter * 4));
            let (mul, add, slope) = (load(&columns.mul), load(&columns.add), load(&columns.slope));
            for (m, sums) in sums.iter_mut().enumerate() {
                let v = vmulq_f32(vcvtq_f32_s32(vaddq_s32(sums[quarter], init)), mul);
                let v = vaddq_f32(v, add);
                let mut v = match ACTIVATION {
                    NONE => v,
                    LARGER => vmaxq_f32(v, vmulq_f32(v, slope)),
                    _ => {
                        let negative = vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_f32(v), 31));
                        vbslq_f32(negative, vmulq_f32(v, slope), v)
                    }
                };
                if !target.residual.is_null() {
                    let word = target.residual.add(other + m * width + quarter * 4).cast::<u32>().read_unaligned();
                    let bytes = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(word)));
                    let r = vmulq_f32(vcvtq_f32_u32(vmovl_u16(vget_low_u16(bytes))), load(&columns.residual_mul));
                    v = vaddq_f32(v, vaddq_f32(r, load(&columns.residual_add)));
                }
                if target.floats {
                    vst1q_f32(target.out.cast::<f32>().add(at + m * width + quarter * 4), v);
                }
                sums[quarter] = vcvtnq_s32_f32(v);
            }
        }
        if !target.floats {
            let (zero0, zero1) = (vld1q_s16(columns.zero.as_ptr()), vld1q_s16(columns.zero.as_ptr().add(8)));
            for (m, sums) in sums.into_iter().enumerate() {
                let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(sums[0]), sums[1]), zero0);
                let high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(sums[2]), sums[3]), zero1);
                vst1q_u8(target.out.add(at + m * width), vqmovun_high_s16(vqmovun_s16(low), high));
            }
        }
    }
}

fn gemm(g: &Gemm<'_>, scratch: &mut [u8], mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let (rows, k, width) = (g.rows(), g.k, g.width());
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        for (to, from) in scratch.iter_mut().zip(&g.a[first * k..(first + count) * k]) {
            *to = from ^ 0x80; // as signed numbers, `Columns::init` has the rest
        }
        for (block, columns) in g.columns.iter().enumerate() {
            let weights = &g.weights[block * BLOCK * k..][..BLOCK * k];
            // SAFETY: every aarch64 processor has NEON; `count` rows are in the scratch memory, the block has `BLOCK` times `k` weights, the target has
            // `rows * width` elements, `BLOCK` for this block in each row.
            unsafe {
                let at = first * width + block * BLOCK;
                let (a, place) = (scratch.as_ptr().cast(), (at, at, width));
                match count {
                    4 => put(target, place, columns, g.activation, tiles::<4>(a, k, weights)),
                    3 => put(target, place, columns, g.activation, tiles::<3>(a, k, weights)),
                    2 => put(target, place, columns, g.activation, tiles::<2>(a, k, weights)),
                    _ => put(target, place, columns, g.activation, tiles::<1>(a, k, weights)),
                }
            }
        }
    }
}

/// Sums of `M` rows and one block of channels.
///
/// # Safety
/// `a` points to `M * k` values, `weights` has `BLOCK * k`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn tiles<const M: usize>(a: *const i8, k: usize, weights: &[i8]) -> [[int32x4_t; 4]; M] {
    let mut sums = [[vdupq_n_s32(0); 4]; M];
    for (quarter, weights) in weights.chunks_exact(COLUMNS * k).enumerate() {
        // SAFETY: the caller's.
        let tile = unsafe { tile::<M>(a, k, weights.as_ptr()) };
        for (sums, tile) in sums.iter_mut().zip(tile) {
            sums[quarter] = vpaddq_s32(vpaddq_s32(tile[0], tile[1]), vpaddq_s32(tile[2], tile[3]));
        }
    }
    sums
}

/// Sums of `M` rows and four columns, each spread over four lanes.
///
/// # Safety
/// `a` points to `M * k` values, `weights` to `COLUMNS * k`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn tile<const M: usize>(a: *const i8, k: usize, weights: *const i8) -> [[int32x4_t; COLUMNS]; M] {
    let mut sums = [[vdupq_n_s32(0); COLUMNS]; M];
    for at in (0..k).step_by(16) {
        // SAFETY: the caller's; `k` is a multiple of 16.
        unsafe {
            let a: [int8x16_t; M] = std::array::from_fn(|m| vld1q_s8(a.add(m * k + at)));
            for n in 0..COLUMNS {
                let w = vld1q_s8(weights.add(at * COLUMNS + n * 16));
                for m in 0..M {
                    // Weights are -127 or more, so that two products fit sixteen bits.
                    let products = vmull_s8(vget_low_s8(a[m]), vget_low_s8(w));
                    let products = vmlal_high_s8(products, a[m], w);
                    sums[m][n] = vpadalq_s16(sums[m][n], products);
                }
            }
        }
    }
    sums
}

/// The depthwise convolution; also for kernels of later instruction sets.
pub(super) fn depthwise(d: &Depthwise<'_>, mut out: Out<'_>) {
    d.check(&out);
    assert_eq!(d.weights.len(), d.shape.stride * d.window.kernel.pow(2), "weights");
    let target = Target::new(&mut out, d.residual);
    d.for_each_run(|run| {
        // SAFETY: every aarch64 processor has NEON; lengths are those that `check` and the line after it assert.
        unsafe {
            match run.taps.len() {
                9 => depthwise_run::<9>(d, run, target),
                _ => depthwise_run::<0>(d, run, target),
            }
        }
    });
}

/// One run of a depthwise convolution of `TAPS` taps, or of however many there are if 0.
///
/// # Safety
/// `d` and its weights must have been checked, the run must be one of its own.
#[target_feature(enable = "neon")]
unsafe fn depthwise_run<const TAPS: usize>(d: &Depthwise<'_>, run: &Run, target: Target) {
    let taps = if TAPS > 0 { &run.taps[..TAPS] } else { &run.taps };
    let width = d.shape.stride;
    for (block, columns) in d.columns.iter().enumerate() {
        let weights = &d.weights[block * taps.len() * BLOCK..][..taps.len() * BLOCK];
        let mut output = 0;
        while output < run.outputs {
            let at = (run.first + output) * width + block * BLOCK;
            let (place, offset) = ((at, at, width), output * run.step + block * BLOCK);
            // SAFETY: the caller's; the outputs of the run lie in the target.
            unsafe {
                if run.outputs - output >= 4 {
                    let sums = depthwise_tile::<4>(taps, offset, run.step, weights);
                    put(target, place, columns, d.activation, sums);
                    output += 4;
                } else {
                    let sums = depthwise_tile::<1>(taps, offset, run.step, weights);
                    put(target, place, columns, d.activation, sums);
                    output += 1;
                }
            }
        }
    }
}

/// Sums of `M` neighbors and one block of channels.
///
/// # Safety
/// At each tap there must be sixteen bytes at `offset` and at each of `M - 1` steps from there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn depthwise_tile<const M: usize>(
    taps: &[*const u8],
    offset: usize,
    step: usize,
    weights: &[i16],
) -> [[int32x4_t; 4]; M] {
    let mut sums = [[vdupq_n_s32(0); 4]; M];
    for (tap, w) in taps.iter().zip(weights.as_chunks::<BLOCK>().0) {
        // SAFETY: the caller's.
        unsafe {
            let (w0, w1) = (vld1q_s16(w.as_ptr()), vld1q_s16(w.as_ptr().add(8)));
            for (m, sums) in sums.iter_mut().enumerate() {
                let bytes = vld1q_u8(tap.add(offset + m * step));
                let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
                let (low, high) = (vreinterpretq_s16_u16(low), vreinterpretq_s16_u16(high));
                sums[0] = vmlal_s16(sums[0], vget_low_s16(low), vget_low_s16(w0));
                sums[1] = vmlal_high_s16(sums[1], low, w0);
                sums[2] = vmlal_s16(sums[2], vget_low_s16(high), vget_low_s16(w1));
                sums[3] = vmlal_high_s16(sums[3], high, w1);
            }
        }
    }
    sums
}

/// The elementwise sum; also for kernels of later instruction sets.
pub(super) fn blend(b: &Blend<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    // SAFETY: every aarch64 processor has NEON; lengths are checked.
    unsafe { blend_all(b, target) }
}

/// # Safety
/// `b` must have been checked and the target be made from its output.
#[target_feature(enable = "neon")]
unsafe fn blend_all(b: &Blend<'_>, target: Target) {
    b.for_each_block(|columns, at, other| {
        // SAFETY: the blocks at `at` lie in the first tensor and in the target, that at `other` in the second.
        unsafe {
            let bytes = vld1q_u8(b.x.as_ptr().add(at));
            let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
            let words = [vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high)];
            let sums = [words.map(|word| vreinterpretq_s32_u32(word))];
            put(target, (at, other, 0), columns, Activation::None, sums);
        }
    });
}

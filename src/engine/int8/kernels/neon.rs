//! NEON of every aarch64 processor: products of eight bytes at once (smull, smlal), two of which fit sixteen bits, summed in
//! pairs into 32 (sadalp).
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::target::Target;
use super::{Blend, Depthwise, Gemm, Kernels, Layout, Out, Taps};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;
use crate::engine::int8::finish::{Activation, Columns};
use crate::engine::int8::gemm::{CHAIN, interleave};

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
                    _ => vbslq_f32(vcltzq_f32(v), vmulq_f32(v, slope), v),
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
    let mut first = 0;
    while first < rows {
        let count = if rows - first >= ROWS { ROWS } else { 1 };
        interleave(&g.a[first * k..(first + count) * k], k, count, scratch);
        for (block, columns) in g.columns.iter().enumerate() {
            let weights = &g.weights.packed[block * BLOCK * k..][..BLOCK * k];
            let chains = k / CHAIN;
            let calm = &g.weights.calm[block * chains * BLOCK / COLUMNS..];
            let mut sums = [[0i32; BLOCK]; ROWS];
            let at = first * width + block * BLOCK;
            // SAFETY: every aarch64 processor has NEON; `count` rows are in the scratch memory; each quarter of the block has
            // `COLUMNS` times `k` weights and `chains` notes about them; the target has `BLOCK` elements for this block in
            // each row.
            unsafe {
                for quarter in 0..BLOCK / COLUMNS {
                    let (a, w) = (scratch.as_ptr().cast(), weights[quarter * COLUMNS * k..].as_ptr());
                    let (calm, sums) =
                        (calm[quarter * chains..].as_ptr(), &mut sums.as_flattened_mut()[quarter * COLUMNS..]);
                    match count {
                        ROWS => tile_of_4(a, w, k, calm, sums.as_mut_ptr()),
                        _ => tile_of_1(a, w, k, sums.as_mut_ptr()),
                    }
                }
                let place = (at, at, width);
                match count {
                    ROWS => put(target, place, columns, g.activation, loaded::<ROWS>(&sums)),
                    _ => put(target, place, columns, g.activation, loaded::<1>(&sums)),
                }
            }
        }
        first += count;
    }
}

/// Sums as vectors.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn loaded<const M: usize>(sums: &[[i32; BLOCK]]) -> [[int32x4_t; 4]; M] {
    // SAFETY: each row has four times four.
    std::array::from_fn(|m| std::array::from_fn(|quarter| unsafe { vld1q_s32(sums[m][quarter * 4..].as_ptr()) }))
}

/// Products of four rows in v0 to v3 and of column `$w`, two by two in sixteen bits, into four sums.
macro_rules! pairs {
    ($w:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "smull v10.8h, v0.8b, v",
            $w,
            ".8b\n",
            "smull v11.8h, v1.8b, v",
            $w,
            ".8b\n",
            "smull v12.8h, v2.8b, v",
            $w,
            ".8b\n",
            "smull v13.8h, v3.8b, v",
            $w,
            ".8b\n",
            "smlal2 v10.8h, v0.16b, v",
            $w,
            ".16b\n",
            "smlal2 v11.8h, v1.16b, v",
            $w,
            ".16b\n",
            "smlal2 v12.8h, v2.16b, v",
            $w,
            ".16b\n",
            "smlal2 v13.8h, v3.16b, v",
            $w,
            ".16b\n",
            "sadalp v",
            $a,
            ".4s, v10.8h\n",
            "sadalp v",
            $b,
            ".4s, v11.8h\n",
            "sadalp v",
            $c,
            ".4s, v12.8h\n",
            "sadalp v",
            $d,
            ".4s, v13.8h\n",
        )
    };
}

/// The same for rows in v0 to v3 and, sixteen inputs on, in v4 to v7, and a column in `$w` and `$x`: four by four.
macro_rules! fours {
    ($w:literal, $x:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "smull v10.8h, v0.8b, v",
            $w,
            ".8b\n",
            "smull v11.8h, v1.8b, v",
            $w,
            ".8b\n",
            "smull v12.8h, v2.8b, v",
            $w,
            ".8b\n",
            "smull v13.8h, v3.8b, v",
            $w,
            ".8b\n",
            "smlal2 v10.8h, v0.16b, v",
            $w,
            ".16b\n",
            "smlal2 v11.8h, v1.16b, v",
            $w,
            ".16b\n",
            "smlal2 v12.8h, v2.16b, v",
            $w,
            ".16b\n",
            "smlal2 v13.8h, v3.16b, v",
            $w,
            ".16b\n",
            "smlal v10.8h, v4.8b, v",
            $x,
            ".8b\n",
            "smlal v11.8h, v5.8b, v",
            $x,
            ".8b\n",
            "smlal v12.8h, v6.8b, v",
            $x,
            ".8b\n",
            "smlal v13.8h, v7.8b, v",
            $x,
            ".8b\n",
            "smlal2 v10.8h, v4.16b, v",
            $x,
            ".16b\n",
            "smlal2 v11.8h, v5.16b, v",
            $x,
            ".16b\n",
            "smlal2 v12.8h, v6.16b, v",
            $x,
            ".16b\n",
            "smlal2 v13.8h, v7.16b, v",
            $x,
            ".16b\n",
            "sadalp v",
            $a,
            ".4s, v10.8h\n",
            "sadalp v",
            $b,
            ".4s, v11.8h\n",
            "sadalp v",
            $c,
            ".4s, v12.8h\n",
            "sadalp v",
            $d,
            ".4s, v13.8h\n",
        )
    };
}

/// Sixteen inputs of four rows in v0 to v3 and four columns at `w`, which moves on.
macro_rules! sixteen {
    () => {
        concat!(
            "ldp q8, q9, [{w}], #32\n",
            pairs!("8", "16", "20", "24", "28"),
            pairs!("9", "17", "21", "25", "29"),
            "ldp q8, q9, [{w}], #32\n",
            pairs!("8", "18", "22", "26", "30"),
            pairs!("9", "19", "23", "27", "31"),
        )
    };
}

/// Sums of four rows and four columns: row `m` at `sums + BLOCK * m`. In assembly, because compilers
/// move the products apart and run out of registers.
///
/// # Safety
/// `4 * k` values at `a` as [`interleave`] leaves them, `4 * k` weights at `w`, `k / CHAIN` notes about them at `calm`; four
/// rows of `BLOCK` sums at `sums`, of which the first four are written; `k` a positive multiple of 16.
#[target_feature(enable = "neon")]
unsafe fn tile_of_4(a: *const i8, w: *const i8, k: usize, calm: *const bool, sums: *mut i32) {
    // SAFETY: the caller's; all registers that are written are named.
    unsafe {
        asm!(
            "movi v16.4s, #0", "movi v17.4s, #0", "movi v18.4s, #0", "movi v19.4s, #0",
            "movi v20.4s, #0", "movi v21.4s, #0", "movi v22.4s, #0", "movi v23.4s, #0",
            "movi v24.4s, #0", "movi v25.4s, #0", "movi v26.4s, #0", "movi v27.4s, #0",
            "movi v28.4s, #0", "movi v29.4s, #0", "movi v30.4s, #0", "movi v31.4s, #0",
            "cbz {chains}, 5f",
            "2:",
            "ldrb {flag:w}, [{calm}], #1",
            "ldp q0, q1, [{a}], #32",
            "ldp q2, q3, [{a}], #32",
            "ldp q4, q5, [{a}], #32",
            "ldp q6, q7, [{a}], #32",
            "cbz {flag:w}, 3f",
            "ldp q8, q9, [{w}]",
            "ldp q14, q15, [{w}, #64]",
            fours!("8", "14", "16", "20", "24", "28"), fours!("9", "15", "17", "21", "25", "29"),
            "ldp q8, q9, [{w}, #32]",
            "ldp q14, q15, [{w}, #96]",
            fours!("8", "14", "18", "22", "26", "30"), fours!("9", "15", "19", "23", "27", "31"),
            "add {w}, {w}, #128",
            "b 4f",
            "3:",
            sixteen!(),
            "mov v0.16b, v4.16b", "mov v1.16b, v5.16b", "mov v2.16b, v6.16b", "mov v3.16b, v7.16b",
            sixteen!(),
            "4:",
            "subs {chains}, {chains}, #1",
            "b.ne 2b",
            "5:",
            "tbz {k}, #4, 6f", // sixteen inputs are left
            "ldp q0, q1, [{a}], #32",
            "ldp q2, q3, [{a}], #32",
            sixteen!(),
            "6:",
            "addp v16.4s, v16.4s, v17.4s", "addp v18.4s, v18.4s, v19.4s",
            "addp v20.4s, v20.4s, v21.4s", "addp v22.4s, v22.4s, v23.4s",
            "addp v24.4s, v24.4s, v25.4s", "addp v26.4s, v26.4s, v27.4s",
            "addp v28.4s, v28.4s, v29.4s", "addp v30.4s, v30.4s, v31.4s",
            "addp v16.4s, v16.4s, v18.4s", "addp v20.4s, v20.4s, v22.4s",
            "addp v24.4s, v24.4s, v26.4s", "addp v28.4s, v28.4s, v30.4s",
            "str q16, [{sums}]", "str q20, [{sums}, #64]", "str q24, [{sums}, #128]", "str q28, [{sums}, #192]",
            a = inout(reg) a => _,
            w = inout(reg) w => _,
            k = in(reg) k,
            chains = inout(reg) k / CHAIN => _,
            calm = inout(reg) calm => _,
            flag = out(reg) _,
            sums = in(reg) sums,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        );
    }
}

/// The same for one row.
///
/// # Safety
/// `k` values at `a`, `4 * k` weights at `w`; space for four sums at `sums`; `k` a multiple of 16.
#[target_feature(enable = "neon")]
unsafe fn tile_of_1(a: *const i8, w: *const i8, k: usize, sums: *mut i32) {
    let mut lanes = [vdupq_n_s32(0); COLUMNS];
    for at in (0..k).step_by(16) {
        // SAFETY: the caller's.
        unsafe {
            let a = vld1q_s8(a.add(at));
            for (n, lanes) in lanes.iter_mut().enumerate() {
                let w = vld1q_s8(w.add(at * COLUMNS + n * 16));
                // Weights are -127 or more, so that two products fit sixteen bits.
                let products = vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(w)), a, w);
                *lanes = vpadalq_s16(*lanes, products);
            }
        }
    }
    let total = vpaddq_s32(vpaddq_s32(lanes[0], lanes[1]), vpaddq_s32(lanes[2], lanes[3]));
    // SAFETY: the caller's.
    unsafe { vst1q_s32(sums, total) };
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
            let words = [
                vmovl_u16(vget_low_u16(low)),
                vmovl_high_u16(low),
                vmovl_u16(vget_low_u16(high)),
                vmovl_high_u16(high),
            ];
            let sums = [words.map(|word| vreinterpretq_s32_u32(word))];
            put(target, (at, other, 0), columns, Activation::None, sums);
        }
    });
}

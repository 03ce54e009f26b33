//! NEON kernels for 32-bit ARM processors. All of it is assembly, because there are no stable intrinsics; each function follows the
//! procedure call standard (AAPCS, hard float).
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::global_asm;

use super::target::Target;
use super::{Depthwise, ElementwiseAdd, Gemm, Isa, Kernels, Layout, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;
use crate::engine::int8::gemm::{CHAIN, interleave};
use crate::engine::int8::requantize::{Activation, RequantConstants};

const KERNELS: Kernels = Kernels {
    layout: |_| Layout { outputs: COLUMNS, inputs: 16 },
    signed: true,
    scratch: |k| k * ROWS,
    gemm: |g, scratch, out| {
        g.check(&out);
        assert!(scratch.len() >= (KERNELS.scratch)(g.k), "scratch");
        gemm(g, scratch, out);
    },
    depthwise,
    add,
    products: super::products::portable,
};

/// A tile is 2 x 4: its sums, four lanes each, are half of the 16 registers.
const ROWS: usize = 2;
const COLUMNS: usize = 4;

/// 32-bit ARM with NEON: bit 12 of the capabilities that the kernel reports (`HWCAP_NEON`).
pub(super) fn detect() -> Option<Isa> {
    (rustix::param::linux_hwcap().0 & 1 << 12 != 0).then_some(Isa { name: "neon-v7", kernels: &KERNELS })
}

unsafe extern "C" {
    /// Sums of two rows and four columns: row `m` at `sums + BLOCK * m`, of which the first four are written.
    ///
    /// # Safety
    /// Requires NEON; `2 * k` values at `a` as [`interleave`] leaves them, `4 * k` weights at `w`, `k / CHAIN` flags for them at
    /// `fits_i16`; two rows of `BLOCK` sums at `sums`; `k` a positive multiple of 16.
    fn faceplate_gemm_2x4(a: *const u8, w: *const i8, k: usize, fits_i16: *const bool, sums: *mut i32);
    /// Sums of one block of channels over `count` taps.
    ///
    /// # Safety
    /// Requires NEON; 16 bytes at `offset` from each tap, `BLOCK` weights for each of them, room for `BLOCK` sums.
    fn faceplate_depthwise(taps: *const *const u8, count: usize, offset: usize, weights: *const i16, sums: *mut i32);
    /// Requantizes `BLOCK` sums, with the bytes at `residual` unless that is null; stores floats or bytes, and adds the residual before
    /// or after the activation, as `how` says: [`FLOATS`], [`LAST`].
    ///
    /// # Safety
    /// Requires NEON; `BLOCK` sums, as many bytes, and room for them at `out`.
    fn faceplate_put(sums: *const i32, columns: *const RequantConstants, residual: *const u8, out: *mut u8, how: usize);
}

/// Results are left as floats.
const FLOATS: usize = 1;
/// The residual is added before the activation.
const LAST: usize = 2;

impl Target {
    /// # Safety
    /// Requires NEON; the blocks at `at` and at `other` must lie within what the target was made from.
    unsafe fn store(
        self,
        at: usize,
        other: usize,
        columns: &RequantConstants,
        activation: Activation,
        sums: &[i32; BLOCK],
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let residual = if self.residual.is_null() { self.residual } else { self.residual.add(other) };
            let out = self.out.add(if self.floats { at * size_of::<f32>() } else { at });
            let last = activation == Activation::Last && !residual.is_null();
            let how = if self.floats { FLOATS } else { 0 } | if last { LAST } else { 0 };
            faceplate_put(sums.as_ptr(), columns, residual, out, how);
        }
    }
}

fn gemm(g: &Gemm<'_>, scratch: &mut [u8], mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let (rows, k, width) = (g.rows(), g.k, g.width());
    let chains = k / CHAIN;
    assert_eq!(g.weights.fits_i16.len(), width / COLUMNS * chains, "notes about weights");
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        interleave::<ROWS>(&g.a[first * k..(first + count) * k], k, scratch);
        for (block, columns) in g.columns.iter().enumerate() {
            let weights = &g.weights.packed[block * BLOCK * k..][..BLOCK * k];
            let fits_i16 = &g.weights.fits_i16[block * chains * BLOCK / COLUMNS..];
            let mut sums = [[0i32; BLOCK]; ROWS];
            for quarter in 0..BLOCK / COLUMNS {
                let (w, fits_i16) = (&weights[quarter * COLUMNS * k..], &fits_i16[quarter * chains..]);
                let sums = &mut sums.as_flattened_mut()[quarter * COLUMNS..];
                // SAFETY: these kernels are reached through an `Isa` alone, which exists only where there is NEON; two rows of `k` are
                // in the scratch memory (the second may be the first again), each quarter has four times `k` weights and, as was
                // asserted, `chains` flags.
                unsafe { faceplate_gemm_2x4(scratch.as_ptr(), w.as_ptr(), k, fits_i16.as_ptr(), sums.as_mut_ptr()) }
            }
            for (row, sums) in sums.iter().take(count).enumerate() {
                let at = (first + row) * width + block * BLOCK;
                // SAFETY: as above; the target has `BLOCK` elements for this block in each row.
                unsafe { target.store(at, at, columns, g.activation, sums) };
            }
        }
    }
}

fn depthwise(d: &Depthwise<'_>, mut out: Out<'_>) {
    d.check(&out);
    assert_eq!(d.weights.len(), d.shape.stride * d.window.kernel.pow(2), "weights");
    let target = Target::new(&mut out, d.residual);
    d.for_each_run(|Run { taps, step, outputs, first }| {
        for (block, columns) in d.columns.iter().enumerate() {
            let weights = &d.weights[block * taps.len() * BLOCK..][..taps.len() * BLOCK];
            for output in 0..*outputs {
                let (mut sums, offset) = ([0; BLOCK], output * step + block * BLOCK);
                let at = (first + output) * d.shape.stride + block * BLOCK;
                // SAFETY: as above; each tap has 16 bytes for each block at each output, which lies in the target.
                unsafe {
                    let (count, weights) = (taps.len(), weights.as_ptr());
                    faceplate_depthwise(taps.as_ptr(), count, offset, weights, sums.as_mut_ptr());
                    target.store(at, at, columns, d.activation, &sums);
                }
            }
        }
    });
}

fn add(b: &ElementwiseAdd<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    b.for_each_block(|columns, at, other| {
        let sums = std::array::from_fn(|i| i32::from(b.x[at + i]));
        // SAFETY: as above; the block at `at` lies in the target, the one at `other` in the second tensor.
        unsafe { target.store(at, other, columns, Activation::None, &sums) };
    });
}

/// 16 inputs of two rows in d0 to d3 times one column, two products at a time in 16 bits, into two sums.
macro_rules! pairs {
    ($a:literal, $b:literal) => {
        concat!(
            "vld1.8 {{d8, d9}}, [r1]!\n",
            "vmull.s8 q6, d0, d8\n",
            "vmull.s8 q7, d2, d8\n",
            "vmlal.s8 q6, d1, d9\n",
            "vmlal.s8 q7, d3, d9\n",
            "vpadal.s16 ",
            $a,
            ", q6\n",
            "vpadal.s16 ",
            $b,
            ", q7\n",
        )
    };
}

/// The same for 32 inputs, the others in d4 to d7, four products at a time.
macro_rules! fours {
    ($a:literal, $b:literal) => {
        concat!(
            "vld1.8 {{d8, d9}}, [r1]!\n",
            "vld1.8 {{d10, d11}}, [r12]!\n",
            "vmull.s8 q6, d0, d8\n",
            "vmull.s8 q7, d2, d8\n",
            "vmlal.s8 q6, d1, d9\n",
            "vmlal.s8 q7, d3, d9\n",
            "vmlal.s8 q6, d4, d10\n",
            "vmlal.s8 q7, d6, d10\n",
            "vmlal.s8 q6, d5, d11\n",
            "vmlal.s8 q7, d7, d11\n",
            "vpadal.s16 ",
            $a,
            ", q6\n",
            "vpadal.s16 ",
            $b,
            ", q7\n",
        )
    };
}

global_asm!(
    ".pushsection .text.faceplate_gemm_2x4, \"ax\", %progbits",
    ".fpu neon",
    ".arm",
    ".balign 4",
    ".hidden faceplate_gemm_2x4",
    ".global faceplate_gemm_2x4",
    ".type faceplate_gemm_2x4, %function",
    "faceplate_gemm_2x4:",
    "push {{r4, r5, r6, lr}}",
    "vpush {{d8-d15}}",
    "ldr r4, [sp, #80]", // past the pushed registers: the sums
    "vmov.i32 q8, #0",
    "vmov.i32 q9, #0",
    "vmov.i32 q10, #0",
    "vmov.i32 q11, #0",
    "vmov.i32 q12, #0",
    "vmov.i32 q13, #0",
    "vmov.i32 q14, #0",
    "vmov.i32 q15, #0",
    "lsrs r5, r2, #5",
    "beq 5f",
    "2:",
    "ldrb r6, [r3], #1",
    "vld1.8 {{d0-d3}}, [r0]!",
    "vld1.8 {{d4-d7}}, [r0]!",
    "cmp r6, #0",
    "beq 3f",
    "add r12, r1, #64",
    fours!("q8", "q12"),
    fours!("q9", "q13"),
    fours!("q10", "q14"),
    fours!("q11", "q15"),
    "mov r1, r12",
    "b 4f",
    "3:",
    pairs!("q8", "q12"),
    pairs!("q9", "q13"),
    pairs!("q10", "q14"),
    pairs!("q11", "q15"),
    "vmov q0, q2",
    "vmov q1, q3",
    pairs!("q8", "q12"),
    pairs!("q9", "q13"),
    pairs!("q10", "q14"),
    pairs!("q11", "q15"),
    "4:",
    "subs r5, r5, #1",
    "bne 2b",
    "5:",
    "tst r2, #16", // 16 inputs are left
    "beq 6f",
    "vld1.8 {{d0-d3}}, [r0]!",
    pairs!("q8", "q12"),
    pairs!("q9", "q13"),
    pairs!("q10", "q14"),
    pairs!("q11", "q15"),
    "6:",
    "vpadd.i32 d16, d16, d17",
    "vpadd.i32 d18, d18, d19",
    "vpadd.i32 d20, d20, d21",
    "vpadd.i32 d22, d22, d23",
    "vpadd.i32 d24, d24, d25",
    "vpadd.i32 d26, d26, d27",
    "vpadd.i32 d28, d28, d29",
    "vpadd.i32 d30, d30, d31",
    "vpadd.i32 d16, d16, d18",
    "vpadd.i32 d17, d20, d22",
    "vpadd.i32 d24, d24, d26",
    "vpadd.i32 d25, d28, d30",
    "vst1.32 {{d16, d17}}, [r4]",
    "add r4, r4, #64",
    "vst1.32 {{d24, d25}}, [r4]",
    "vpop {{d8-d15}}",
    "pop {{r4, r5, r6, pc}}",
    ".size faceplate_gemm_2x4, . - faceplate_gemm_2x4",
    ".popsection",
);

global_asm!(
    ".pushsection .text.faceplate_depthwise, \"ax\", %progbits",
    ".fpu neon",
    ".arm",
    ".balign 4",
    ".hidden faceplate_depthwise",
    ".global faceplate_depthwise",
    ".type faceplate_depthwise, %function",
    "faceplate_depthwise:",
    "push {{r4, lr}}",
    "ldr r4, [sp, #8]", // the sums
    "vmov.i32 q8, #0",
    "vmov.i32 q9, #0",
    "vmov.i32 q10, #0",
    "vmov.i32 q11, #0",
    "1:",
    "ldr r12, [r0], #4",
    "add r12, r12, r2",
    "vld1.8 {{d0, d1}}, [r12]",
    "vld1.16 {{d4-d7}}, [r3]!",
    "vmovl.u8 q12, d0",
    "vmovl.u8 q13, d1",
    "vmlal.s16 q8, d24, d4",
    "vmlal.s16 q9, d25, d5",
    "vmlal.s16 q10, d26, d6",
    "vmlal.s16 q11, d27, d7",
    "subs r1, r1, #1",
    "bne 1b",
    "vst1.32 {{d16-d19}}, [r4]!",
    "vst1.32 {{d20-d23}}, [r4]",
    "pop {{r4, pc}}",
    ".size faceplate_depthwise, . - faceplate_depthwise",
    ".popsection",
);

/// Requantizes four of the sums; the rounded numbers go to `$words`. The constants lie 64 bytes apart.
macro_rules! quarter {
    ($words:literal) => {
        concat!(
            "mov r12, r1\n",
            "add r1, r1, #16\n",
            "vld1.32 {{d0, d1}}, [r0]!\n",
            "vld1.32 {{d2, d3}}, [r12], r6\n",   // init
            "vld1.32 {{d4, d5}}, [r12], r6\n",   // mul
            "vld1.32 {{d16, d17}}, [r12], r6\n", // slope
            "vadd.i32 q0, q0, q1\n",
            "vcvt.f32.s32 q0, q0\n",
            "vmul.f32 q0, q0, q2\n",
            "vmov q9, q8\n",
            "tst r4, #2\n", // LAST
            "bne 3f\n",
            "vclt.f32 q1, q0, #0\n",
            "vmul.f32 q2, q0, q9\n",
            "vbit q0, q2, q1\n",
            "3:\n",
            "cmp r2, #0\n",
            "beq 1f\n",
            "vld1.32 {{d16[0]}}, [r2]!\n",
            "vld1.32 {{d4, d5}}, [r12], r6\n", // residual_mul
            "vld1.32 {{d6, d7}}, [r12]\n",     // residual_add
            "vmovl.u8 q8, d16\n",
            "vmovl.u16 q8, d16\n",
            "vcvt.f32.u32 q8, q8\n",
            "vmul.f32 q8, q8, q2\n",
            "vadd.f32 q8, q8, q3\n",
            "vadd.f32 q0, q0, q8\n",
            "tst r4, #2\n",
            "beq 1f\n",
            "vclt.f32 q1, q0, #0\n",
            "vmul.f32 q2, q0, q9\n",
            "vbit q0, q2, q1\n",
            "1:\n",
            "tst r4, #1\n", // FLOATS
            "beq 2f\n",
            "vst1.32 {{d0, d1}}, [r3]!\n",
            "2:\n",
            "vadd.f32 q0, q0, q15\n",
            "vsub.i32 q0, q0, q15\n",
            "vqmovn.s32 ",
            $words,
            ", q0\n",
        )
    };
}

global_asm!(
    ".pushsection .text.faceplate_put, \"ax\", %progbits",
    ".fpu neon",
    ".arm",
    ".balign 4",
    ".hidden faceplate_put",
    ".global faceplate_put",
    ".type faceplate_put, %function",
    "faceplate_put:",
    "push {{r4, r5, r6, lr}}",
    "ldr r4, [sp, #16]", // how
    "mov r6, #64",
    "add r5, r1, #320", // the zero points
    "movw r12, #0x0000",
    "movt r12, #0x4B40", // 1.5 * 2^23: a number added to it is rounded to an integer in the low bits
    "vdup.32 q15, r12",
    quarter!("d20"),
    quarter!("d21"),
    quarter!("d22"),
    quarter!("d23"),
    "tst r4, #1",
    "bne 3f",
    "vld1.16 {{d0-d3}}, [r5]",
    "vqadd.s16 q10, q10, q0",
    "vqadd.s16 q11, q11, q1",
    "vqmovun.s16 d20, q10",
    "vqmovun.s16 d21, q11",
    "vst1.8 {{d20, d21}}, [r3]",
    "3:",
    "pop {{r4, r5, r6, pc}}",
    ".size faceplate_put, . - faceplate_put",
    ".popsection",
);

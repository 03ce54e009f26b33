//! aarch64 with the dot product extension (Cortex-A55, A75 and later): four products and their sum in each lane at once.
//!
//! The loop over the inputs is assembly, because the instruction has no stable intrinsic.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::asm;

use super::super::target::Target;
use super::super::{Gemm, Kernels, Layout, Out, Taps};
use super::depthwise;
use super::finish::{blend, put};
use crate::engine::int8::BLOCK;
use crate::engine::int8::gemm::interleave;

pub(in crate::engine::int8::kernels) const KERNELS: Kernels = Kernels {
    layout: Layout { outputs: BLOCK, inputs: 4 },
    taps: Taps::Single,
    signed: true,
    scratch: |k| k * ROWS,
    gemm: |g, scratch, out| {
        g.check(&out);
        assert!(scratch.len() >= (KERNELS.scratch)(g.k), "scratch");
        gemm(g, scratch, out);
    },
    depthwise: depthwise::by_dot_products,
    blend,
};

/// A tile is 6 x 16: its sums are 24 of the 32 registers.
const ROWS: usize = 6;

fn gemm(g: &Gemm<'_>, scratch: &mut [u8], mut out: Out<'_>) {
    let target = Target::new(&mut out, g.residual);
    let (rows, k, width) = (g.rows(), g.k, g.width());
    let mut first = 0;
    while first < rows {
        let count = if rows - first >= ROWS { ROWS } else { 1 };
        let a = &g.a[first * k..(first + count) * k];
        match count {
            ROWS => interleave::<ROWS>(a, k, scratch),
            _ => interleave::<1>(a, k, scratch),
        }
        for (block, columns) in g.columns.iter().enumerate() {
            let weights = &g.weights.packed[block * BLOCK * k..][..BLOCK * k];
            let mut sums = [[0i32; BLOCK]; ROWS];
            // SAFETY: `Isa::kernels` hands these kernels out only where the instruction is; the scratch memory holds `count`
            // times `k` bytes, the block has `BLOCK` times `k` weights, and `k` is a multiple of 16.
            unsafe {
                let (a, w, sums) = (scratch.as_ptr(), weights.as_ptr(), sums.as_mut_ptr().cast());
                if count == ROWS { tile_of_6(a, w, k, sums) } else { tile_of_1(a, w, k, sums) }
            }
            let at = first * width + block * BLOCK;
            // SAFETY: the target has `BLOCK` elements for this block in each row.
            unsafe {
                match count {
                    ROWS => put(target, (at, at, width), columns, g.activation, &sums),
                    _ => put(target, (at, at, width), columns, g.activation, &[sums[0]]),
                }
            }
        }
        first += count;
    }
}

/// Four inputs of six rows times a block of columns: lane `$lane` of the rows in v0 to v5.
macro_rules! step_of_6 {
    ($lane:literal) => {
        concat!(
            "ldp q6, q7, [{w}], #32\n",
            "sdot v8.4s, v6.16b, v0.4b[",
            $lane,
            "]\n",
            "sdot v9.4s, v7.16b, v0.4b[",
            $lane,
            "]\n",
            "sdot v12.4s, v6.16b, v1.4b[",
            $lane,
            "]\n",
            "sdot v13.4s, v7.16b, v1.4b[",
            $lane,
            "]\n",
            "sdot v16.4s, v6.16b, v2.4b[",
            $lane,
            "]\n",
            "sdot v17.4s, v7.16b, v2.4b[",
            $lane,
            "]\n",
            "sdot v20.4s, v6.16b, v3.4b[",
            $lane,
            "]\n",
            "sdot v21.4s, v7.16b, v3.4b[",
            $lane,
            "]\n",
            "sdot v24.4s, v6.16b, v4.4b[",
            $lane,
            "]\n",
            "sdot v25.4s, v7.16b, v4.4b[",
            $lane,
            "]\n",
            "sdot v28.4s, v6.16b, v5.4b[",
            $lane,
            "]\n",
            "sdot v29.4s, v7.16b, v5.4b[",
            $lane,
            "]\n",
            "ldp q6, q7, [{w}], #32\n",
            "sdot v10.4s, v6.16b, v0.4b[",
            $lane,
            "]\n",
            "sdot v11.4s, v7.16b, v0.4b[",
            $lane,
            "]\n",
            "sdot v14.4s, v6.16b, v1.4b[",
            $lane,
            "]\n",
            "sdot v15.4s, v7.16b, v1.4b[",
            $lane,
            "]\n",
            "sdot v18.4s, v6.16b, v2.4b[",
            $lane,
            "]\n",
            "sdot v19.4s, v7.16b, v2.4b[",
            $lane,
            "]\n",
            "sdot v22.4s, v6.16b, v3.4b[",
            $lane,
            "]\n",
            "sdot v23.4s, v7.16b, v3.4b[",
            $lane,
            "]\n",
            "sdot v26.4s, v6.16b, v4.4b[",
            $lane,
            "]\n",
            "sdot v27.4s, v7.16b, v4.4b[",
            $lane,
            "]\n",
            "sdot v30.4s, v6.16b, v5.4b[",
            $lane,
            "]\n",
            "sdot v31.4s, v7.16b, v5.4b[",
            $lane,
            "]\n",
        )
    };
}

/// `sums[row][column]` of six rows, `k / 16` times six times sixteen bytes at `a`.
///
/// # Safety
/// The dot product extension; `6 * k` bytes at `a`, `16 * k` at `w`, space for 96 sums; `k` a positive multiple of 16.
#[target_feature(enable = "dotprod")]
unsafe fn tile_of_6(a: *const u8, w: *const i8, k: usize, sums: *mut i32) {
    // SAFETY: the caller's; all registers that are written are named.
    unsafe {
        asm!(
            "movi v8.4s, #0", "movi v9.4s, #0", "movi v10.4s, #0", "movi v11.4s, #0",
            "movi v12.4s, #0", "movi v13.4s, #0", "movi v14.4s, #0", "movi v15.4s, #0",
            "movi v16.4s, #0", "movi v17.4s, #0", "movi v18.4s, #0", "movi v19.4s, #0",
            "movi v20.4s, #0", "movi v21.4s, #0", "movi v22.4s, #0", "movi v23.4s, #0",
            "movi v24.4s, #0", "movi v25.4s, #0", "movi v26.4s, #0", "movi v27.4s, #0",
            "movi v28.4s, #0", "movi v29.4s, #0", "movi v30.4s, #0", "movi v31.4s, #0",
            "2:",
            "ldp q0, q1, [{a}], #32",
            "ldp q2, q3, [{a}], #32",
            "ldp q4, q5, [{a}], #32",
            step_of_6!("0"), step_of_6!("1"), step_of_6!("2"), step_of_6!("3"),
            "subs {k}, {k}, #16",
            "b.ne 2b",
            "stp q8, q9, [{sums}], #32", "stp q10, q11, [{sums}], #32",
            "stp q12, q13, [{sums}], #32", "stp q14, q15, [{sums}], #32",
            "stp q16, q17, [{sums}], #32", "stp q18, q19, [{sums}], #32",
            "stp q20, q21, [{sums}], #32", "stp q22, q23, [{sums}], #32",
            "stp q24, q25, [{sums}], #32", "stp q26, q27, [{sums}], #32",
            "stp q28, q29, [{sums}], #32", "stp q30, q31, [{sums}], #32",
            a = inout(reg) a => _,
            w = inout(reg) w => _,
            k = inout(reg) k => _,
            sums = inout(reg) sums => _,
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
/// The dot product extension; `k` bytes at `a`, `16 * k` at `w`, space for 16 sums; `k` a positive multiple of 16.
#[target_feature(enable = "dotprod")]
unsafe fn tile_of_1(a: *const u8, w: *const i8, k: usize, sums: *mut i32) {
    // SAFETY: the caller's; all registers that are written are named.
    unsafe {
        asm!(
            "movi v16.4s, #0", "movi v17.4s, #0", "movi v18.4s, #0", "movi v19.4s, #0",
            "movi v20.4s, #0", "movi v21.4s, #0", "movi v22.4s, #0", "movi v23.4s, #0",
            "2:",
            "ldr q0, [{a}], #16",
            "ldp q1, q2, [{w}], #32",
            "ldp q3, q4, [{w}], #32",
            "sdot v16.4s, v1.16b, v0.4b[0]", "sdot v17.4s, v2.16b, v0.4b[0]",
            "sdot v18.4s, v3.16b, v0.4b[0]", "sdot v19.4s, v4.16b, v0.4b[0]",
            "ldp q1, q2, [{w}], #32",
            "ldp q3, q4, [{w}], #32",
            "sdot v20.4s, v1.16b, v0.4b[1]", "sdot v21.4s, v2.16b, v0.4b[1]",
            "sdot v22.4s, v3.16b, v0.4b[1]", "sdot v23.4s, v4.16b, v0.4b[1]",
            "ldp q1, q2, [{w}], #32",
            "ldp q3, q4, [{w}], #32",
            "sdot v16.4s, v1.16b, v0.4b[2]", "sdot v17.4s, v2.16b, v0.4b[2]",
            "sdot v18.4s, v3.16b, v0.4b[2]", "sdot v19.4s, v4.16b, v0.4b[2]",
            "ldp q1, q2, [{w}], #32",
            "ldp q3, q4, [{w}], #32",
            "sdot v20.4s, v1.16b, v0.4b[3]", "sdot v21.4s, v2.16b, v0.4b[3]",
            "sdot v22.4s, v3.16b, v0.4b[3]", "sdot v23.4s, v4.16b, v0.4b[3]",
            "subs {k}, {k}, #16",
            "b.ne 2b",
            "add v16.4s, v16.4s, v20.4s", "add v17.4s, v17.4s, v21.4s",
            "add v18.4s, v18.4s, v22.4s", "add v19.4s, v19.4s, v23.4s",
            "stp q16, q17, [{sums}]", "stp q18, q19, [{sums}, #32]",
            a = inout(reg) a => _,
            w = inout(reg) w => _,
            k = inout(reg) k => _,
            sums = in(reg) sums,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            options(nostack),
        );
    }
}

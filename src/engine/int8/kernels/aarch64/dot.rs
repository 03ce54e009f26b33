//! Kernels for aarch64 with the dot product extension (Cortex-A55, A75 and later): four products and their sum in each lane at once.
//!
//! The loop over the inputs is assembly, because the instruction has no stable intrinsic.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::{Gemm, Isa, Kernels, Layout, Out};
use super::neighbors;
use super::requantize::{Sums, add, start};
use super::rows::{Tile, for_all};
use crate::engine::int8::BLOCK;

/// aarch64 with the dot product extension.
pub(super) fn detect() -> Option<Isa> {
    std::arch::is_aarch64_feature_detected!("dotprod").then_some(Isa { name: "neon-dot", kernels: &KERNELS })
}

const KERNELS: Kernels = Kernels {
    layout: |_| Layout { outputs: BLOCK, inputs: 4 },
    signed: true,
    scratch: |k| k * ROWS,
    // SAFETY: these kernels are reached through an `Isa` alone, which exists only where the processor has the instruction.
    gemm: |g, scratch, out| unsafe { gemm(g, scratch, out) },
    depthwise: neighbors::by_dot_products,
    add,
    // SAFETY: these kernels are reached through an `Isa` alone, which exists only where there is the dot product extension.
    products: |vector, rows, out| unsafe { products(vector, rows, out) },
};

#[target_feature(enable = "dotprod")]
fn products(vector: &[i8], rows: &[i8], out: &mut [i32]) {
    super::super::products::products(vector, rows, out);
}

/// A tile is 6 x 16: its sums are 24 of the 32 registers.
const ROWS: usize = 6;

/// # Safety
/// Requires the dot product extension.
#[target_feature(enable = "dotprod")]
unsafe fn gemm(g: &Gemm<'_>, scratch: &mut [u8], out: Out<'_>) {
    // SAFETY: guaranteed by the caller; `for_all` keeps to the lengths that it states.
    for_all(g, scratch, out, |tile| unsafe { tile_of_6(tile) }, |tile| unsafe { tile_of_1(tile) });
}

/// Four inputs of row `$row`, lane `$lane` of its register, times eight outputs in v6 and v7.
macro_rules! row {
    ($lane:literal, $row:literal, $low:literal, $high:literal) => {
        concat!(
            "sdot v",
            $low,
            ".4s, v6.16b, v",
            $row,
            ".4b[",
            $lane,
            "]\n",
            "sdot v",
            $high,
            ".4s, v7.16b, v",
            $row,
            ".4b[",
            $lane,
            "]\n",
        )
    };
}

/// Four inputs of six rows times a block of columns.
macro_rules! step_of_6 {
    ($lane:literal) => {
        concat!(
            "ldp q6, q7, [{w}], #32\n",
            row!($lane, "0", "8", "9"),
            row!($lane, "1", "12", "13"),
            row!($lane, "2", "16", "17"),
            row!($lane, "3", "20", "21"),
            row!($lane, "4", "24", "25"),
            row!($lane, "5", "28", "29"),
            "ldp q6, q7, [{w}], #32\n",
            row!($lane, "0", "10", "11"),
            row!($lane, "1", "14", "15"),
            row!($lane, "2", "18", "19"),
            row!($lane, "3", "22", "23"),
            row!($lane, "4", "26", "27"),
            row!($lane, "5", "30", "31"),
        )
    };
}

/// Sums of six rows.
///
/// # Safety
/// Requires the dot product extension; the tile must have the lengths that [`Tile`] states.
#[inline]
#[target_feature(enable = "dotprod")]
unsafe fn tile_of_6(tile: &Tile<'_>) -> [Sums; ROWS] {
    let (start, rows, weights) = (start(tile.columns), tile.rows.as_ptr(), tile.weights.as_ptr());
    let [[mut a0, mut a1, mut a2, mut a3], [mut b0, mut b1, mut b2, mut b3], [mut c0, mut c1, mut c2, mut c3]] =
        [start; 3];
    let [[mut d0, mut d1, mut d2, mut d3], [mut e0, mut e1, mut e2, mut e3], [mut f0, mut f1, mut f2, mut f3]] =
        [start; 3];
    // SAFETY: guaranteed by the caller; all written registers are declared.
    unsafe {
        asm!(
            "2:",
            "ldp q0, q1, [{a}], #32",
            "ldp q2, q3, [{a}], #32",
            "ldp q4, q5, [{a}], #32",
            step_of_6!("0"), step_of_6!("1"), step_of_6!("2"), step_of_6!("3"),
            "subs {k}, {k}, #16",
            "b.ne 2b",
            a = inout(reg) rows => _,
            w = inout(reg) weights => _,
            k = inout(reg) tile.k => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            inout("v8") a0, inout("v9") a1, inout("v10") a2, inout("v11") a3,
            inout("v12") b0, inout("v13") b1, inout("v14") b2, inout("v15") b3,
            inout("v16") c0, inout("v17") c1, inout("v18") c2, inout("v19") c3,
            inout("v20") d0, inout("v21") d1, inout("v22") d2, inout("v23") d3,
            inout("v24") e0, inout("v25") e1, inout("v26") e2, inout("v27") e3,
            inout("v28") f0, inout("v29") f1, inout("v30") f2, inout("v31") f3,
            options(nostack, readonly),
        );
    }
    [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3], [e0, e1, e2, e3], [f0, f1, f2, f3]]
}

/// The same for one row.
///
/// # Safety
/// As for `tile_of_6`.
#[inline]
#[target_feature(enable = "dotprod")]
unsafe fn tile_of_1(tile: &Tile<'_>) -> Sums {
    let [mut s0, mut s1, mut s2, mut s3] = start(tile.columns);
    let (rows, weights) = (tile.rows.as_ptr(), tile.weights.as_ptr());
    let [mut t0, mut t1, mut t2, mut t3] = [vdupq_n_s32(0); 4]; // a second chain of sums
    // SAFETY: guaranteed by the caller; all written registers are declared.
    unsafe {
        asm!(
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
            a = inout(reg) rows => _,
            w = inout(reg) weights => _,
            k = inout(reg) tile.k => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _,
            inout("v16") s0, inout("v17") s1, inout("v18") s2, inout("v19") s3,
            inout("v20") t0, inout("v21") t1, inout("v22") t2, inout("v23") t3,
            options(nostack, readonly),
        );
    }
    [vaddq_s32(s0, t0), vaddq_s32(s1, t1), vaddq_s32(s2, t2), vaddq_s32(s3, t3)]
}

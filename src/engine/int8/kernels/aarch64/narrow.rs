//! NEON matrix product for few inputs, on every aarch64 processor. Lanes are outputs: pairs of inputs, repeated over a register, times
//! pairs of weights, so that no lanes have to be added up at the end of a row. Longer rows are faster in `neon`, which needs no
//! repetition.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::{Gemm, Layout, Out};
use super::requantize::{Sums, start};
use super::rows::{Tile, for_all};
use crate::engine::int8::BLOCK;

/// For each pair of inputs, 16 pairs of weights.
pub(super) const LAYOUT: Layout = Layout { outputs: BLOCK, inputs: 2 };

/// A tile is 4 x 16: its sums are 16 of the 32 registers.
const ROWS: usize = 4;

pub(super) fn gemm(g: &Gemm<'_>, scratch: &mut [u8], out: Out<'_>) {
    // SAFETY: `for_all` keeps to the lengths that it states.
    for_all(g, scratch, out, |tile| unsafe { tile_of_4(tile) }, |tile| unsafe { tile_of_1(tile) });
}

/// Two pairs of inputs of row `$row`, lanes `$first` and `$second` of its register, times 16 outputs in v20 to v23. Two products, then
/// two more, are summed in 16 bits before they are added to the sums.
macro_rules! row {
    ($first:literal, $second:literal, $row:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "dup v24.8h, v",
            $row,
            ".h[",
            $first,
            "]\n",
            "dup v25.8h, v",
            $row,
            ".h[",
            $second,
            "]\n",
            "smull v26.8h, v20.8b, v24.8b\n",
            "smull2 v27.8h, v20.16b, v24.16b\n",
            "smull v28.8h, v21.8b, v24.8b\n",
            "smull2 v29.8h, v21.16b, v24.16b\n",
            "smlal v26.8h, v22.8b, v25.8b\n",
            "smlal2 v27.8h, v22.16b, v25.16b\n",
            "smlal v28.8h, v23.8b, v25.8b\n",
            "smlal2 v29.8h, v23.16b, v25.16b\n",
            "sadalp v",
            $a,
            ".4s, v26.8h\n",
            "sadalp v",
            $b,
            ".4s, v27.8h\n",
            "sadalp v",
            $c,
            ".4s, v28.8h\n",
            "sadalp v",
            $d,
            ".4s, v29.8h\n",
        )
    };
}

/// Four inputs of four rows times a block of columns.
macro_rules! step {
    ($first:literal, $second:literal) => {
        concat!(
            "ldp q20, q21, [{w}], #32\n",
            "ldp q22, q23, [{w}], #32\n",
            row!($first, $second, "0", "4", "5", "6", "7"),
            row!($first, $second, "1", "8", "9", "10", "11"),
            row!($first, $second, "2", "12", "13", "14", "15"),
            row!($first, $second, "3", "16", "17", "18", "19"),
        )
    };
}

/// Sums of four rows. In assembly for the same reasons as `neon`.
///
/// # Safety
/// The tile must have the lengths that [`Tile`] states.
#[inline(always)]
unsafe fn tile_of_4(tile: &Tile<'_>) -> [Sums; ROWS] {
    let [[mut a0, mut a1, mut a2, mut a3], [mut b0, mut b1, mut b2, mut b3]] = [start(tile.columns); 2];
    let [[mut c0, mut c1, mut c2, mut c3], [mut d0, mut d1, mut d2, mut d3]] = [start(tile.columns); 2];
    // SAFETY: guaranteed by the caller; all written registers are declared.
    unsafe {
        asm!(
            "2:",
            "ldp q0, q1, [{a}], #32",
            "ldp q2, q3, [{a}], #32",
            step!("0", "1"), step!("2", "3"), step!("4", "5"), step!("6", "7"),
            "subs {k}, {k}, #16",
            "b.ne 2b",
            a = inout(reg) tile.rows.as_ptr() => _,
            w = inout(reg) tile.weights.as_ptr() => _,
            k = inout(reg) tile.k => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            inout("v4") a0, inout("v5") a1, inout("v6") a2, inout("v7") a3,
            inout("v8") b0, inout("v9") b1, inout("v10") b2, inout("v11") b3,
            inout("v12") c0, inout("v13") c1, inout("v14") c2, inout("v15") c3,
            inout("v16") d0, inout("v17") d1, inout("v18") d2, inout("v19") d3,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _,
            out("v26") _, out("v27") _, out("v28") _, out("v29") _,
            options(nostack, readonly),
        );
    }
    [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]]
}

/// The same for one row.
///
/// # Safety
/// As for `tile_of_4`.
#[inline(always)]
unsafe fn tile_of_1(tile: &Tile<'_>) -> Sums {
    let mut sums = start(tile.columns);
    for (a, w) in tile.rows.as_chunks::<2>().0.iter().zip(tile.weights.as_chunks::<32>().0) {
        // SAFETY: there are that many weights. At most two products are summed in 16 bits.
        unsafe {
            let a = vreinterpretq_s8_u16(vdupq_n_u16(u16::from_le_bytes(*a)));
            let (low, high) = (vld1q_s8(w.as_ptr()), vld1q_s8(w.as_ptr().add(16)));
            sums[0] = vpadalq_s16(sums[0], vmull_s8(vget_low_s8(low), vget_low_s8(a)));
            sums[1] = vpadalq_s16(sums[1], vmull_high_s8(low, a));
            sums[2] = vpadalq_s16(sums[2], vmull_s8(vget_low_s8(high), vget_low_s8(a)));
            sums[3] = vpadalq_s16(sums[3], vmull_high_s8(high, a));
        }
    }
    sums
}

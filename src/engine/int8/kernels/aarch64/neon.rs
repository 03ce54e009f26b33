//! NEON kernels for every aarch64 processor: products of eight bytes at once (smull, smlal), two of which fit 16 bits, summed in
//! pairs to 32 bits (sadalp).
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::{Gemm, Isa, Kernels, Layout, Out};
use super::requantize::{add, whole};
use super::rows::{Tile, for_all};
use super::{narrow, neighbors};
use crate::engine::int8::BLOCK;
use crate::engine::int8::gemm::{CHAIN, WeightBlocks};

/// Any aarch64: NEON is a part of it.
pub(super) const ISA: Isa = Isa { name: "neon", kernels: &KERNELS };

const KERNELS: Kernels = Kernels {
    layout: |k| if is_narrow(k) { narrow::LAYOUT } else { Layout { outputs: COLUMNS, inputs: 16 } },
    signed: true,
    scratch: |k| k * ROWS,
    gemm: |g, scratch, out| if is_narrow(g.k) { narrow::gemm(g, scratch, out) } else { gemm(g, scratch, out) },
    depthwise: neighbors::plain,
    add,
    products: super::super::products::portable,
};

/// Whether there are so few inputs that it is faster not to add up lanes at the end ([`narrow`]).
fn is_narrow(k: usize) -> bool {
    k <= 64
}

/// A tile is 4 x 4: its sums, four lanes each, are 16 of the 32 registers.
const ROWS: usize = 4;
const COLUMNS: usize = 4;

fn gemm(g: &Gemm<'_>, scratch: &mut [u8], out: Out<'_>) {
    assert_eq!(g.weights.fits_i16.len(), g.width() / COLUMNS * (g.k / CHAIN), "notes about weights");
    // SAFETY: `for_all` keeps to the lengths that it states; there are as many flags in `fits_i16` as `quarters` takes.
    for_all(
        g,
        scratch,
        out,
        |tile| unsafe {
            let mut sums = [[0; BLOCK]; ROWS];
            quarters(tile, g.weights, |a, w, fits_i16, start, n| {
                tile_of_4(a, w, tile.k, fits_i16, start, sums.as_flattened_mut()[n..].as_mut_ptr());
            });
            [whole(&sums[0]), whole(&sums[1]), whole(&sums[2]), whole(&sums[3])]
        },
        |tile| unsafe {
            let mut sums = [0; BLOCK];
            quarters(tile, g.weights, |a, w, _, start, n| tile_of_1(a, w, tile.k, start, sums[n..].as_mut_ptr()));
            whole(&sums)
        },
    );
}

/// Calls `f` for each four columns of a block with the rows, their weights, `fits_i16`, starts and number.
#[inline(always)]
fn quarters(
    tile: &Tile<'_>,
    weights: WeightBlocks<'_>,
    mut f: impl FnMut(*const i8, *const i8, *const bool, *const i32, usize),
) {
    let chains = tile.k / CHAIN;
    let fits_i16 = &weights.fits_i16[tile.block * BLOCK / COLUMNS * chains..];
    for (quarter, w) in tile.weights.chunks_exact(COLUMNS * tile.k).enumerate() {
        let (fits_i16, first) = (&fits_i16[quarter * chains..], quarter * COLUMNS);
        f(tile.rows.as_ptr().cast(), w.as_ptr(), fits_i16.as_ptr(), tile.columns.init[first..].as_ptr(), first);
    }
}

/// An instruction `$op` on the products in v10 to v13 of four rows and a column, of the lower (`.8b`) or the upper (`.16b`) halves.
macro_rules! products {
    ($op:literal, $half:literal, $column:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            products!($op, $half, $column, $a => "10"),
            products!($op, $half, $column, $b => "11"),
            products!($op, $half, $column, $c => "12"),
            products!($op, $half, $column, $d => "13"),
        )
    };
    ($op:literal, $half:literal, $column:literal, $row:literal => $to:literal) => {
        concat!($op, " v", $to, ".8h, v", $row, $half, ", v", $column, $half, "\n")
    };
}

/// Adds neighbors among the products in v10 to v13 to four sums.
macro_rules! collect {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
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

/// Sums products of four rows in v0 to v3 and of column `$w` into four sums, two by two in 16 bits.
macro_rules! pairs {
    ($w:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            products!("smull", ".8b", $w, "0", "1", "2", "3"),
            products!("smlal2", ".16b", $w, "0", "1", "2", "3"),
            collect!($a, $b, $c, $d),
        )
    };
}

/// The same for rows in v0 to v3 and, 16 inputs further, in v4 to v7, and a column in `$w` and `$x`: four by four.
macro_rules! fours {
    ($w:literal, $x:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            products!("smull", ".8b", $w, "0", "1", "2", "3"),
            products!("smlal2", ".16b", $w, "0", "1", "2", "3"),
            products!("smlal", ".8b", $x, "4", "5", "6", "7"),
            products!("smlal2", ".16b", $x, "4", "5", "6", "7"),
            collect!($a, $b, $c, $d),
        )
    };
}

/// 16 inputs of four rows in v0 to v3 and four columns at `w`, which is advanced.
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

/// Sums of four rows and four columns, added to `start`: row `m` at `sums + BLOCK * m`. In assembly, because compilers
/// move the products apart and run out of registers.
///
/// # Safety
/// `4 * k` values at `a`, 16 of each row in turn, `4 * k` weights at `w`, `k / CHAIN` flags for them at `fits_i16`, four sums
/// at `start`; four rows of `BLOCK` sums at `sums`, of which the first four are written; `k` a positive multiple of 16.
#[target_feature(enable = "neon")]
unsafe fn tile_of_4(a: *const i8, w: *const i8, k: usize, fits_i16: *const bool, start: *const i32, sums: *mut i32) {
    // SAFETY: guaranteed by the caller; all written registers are declared.
    unsafe {
        asm!(
            "ldp s16, s17, [{start}]", "ldp s18, s19, [{start}, #8]", // each in one lane, the others are 0
            "mov v20.16b, v16.16b", "mov v21.16b, v17.16b", "mov v22.16b, v18.16b", "mov v23.16b, v19.16b",
            "mov v24.16b, v16.16b", "mov v25.16b, v17.16b", "mov v26.16b, v18.16b", "mov v27.16b, v19.16b",
            "mov v28.16b, v16.16b", "mov v29.16b, v17.16b", "mov v30.16b, v18.16b", "mov v31.16b, v19.16b",
            "cbz {chains}, 5f",
            "2:",
            "ldrb {flag:w}, [{fits_i16}], #1",
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
            "tbz {k}, #4, 6f", // 16 inputs are left
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
            fits_i16 = inout(reg) fits_i16 => _,
            flag = out(reg) _,
            start = in(reg) start,
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
/// `k` values at `a`, `4 * k` weights at `w`, four sums at `start`; room for four sums at `sums`; `k` a multiple of 16.
#[target_feature(enable = "neon")]
unsafe fn tile_of_1(a: *const i8, w: *const i8, k: usize, start: *const i32, sums: *mut i32) {
    let mut lanes = [vdupq_n_s32(0); COLUMNS];
    for at in (0..k).step_by(16) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let a = vld1q_s8(a.add(at));
            for (n, lanes) in lanes.iter_mut().enumerate() {
                let w = vld1q_s8(w.add(at * COLUMNS + n * 16));
                // Weights are -127 or more, so that two products fit 16 bits.
                let products = vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(w)), a, w);
                *lanes = vpadalq_s16(*lanes, products);
            }
        }
    }
    let total = vpaddq_s32(vpaddq_s32(lanes[0], lanes[1]), vpaddq_s32(lanes[2], lanes[3]));
    // SAFETY: guaranteed by the caller.
    unsafe { vst1q_s32(sums, vaddq_s32(total, vld1q_s32(start))) };
}

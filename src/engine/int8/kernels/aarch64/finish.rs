//! From sums to bytes with NEON, and the elementwise sum, which is little else.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;

use super::super::target::Target;
use super::super::{Blend, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::finish::{Activation, Columns};

/// Finishes the sums of one block in some rows, `width` elements apart, and puts them at element `at` and behind, with the block
/// at `other` and behind of the residual if there is one.
///
/// # Safety
/// The blocks of all rows must lie within what the target was made from.
pub(super) unsafe fn put<const M: usize>(
    target: Target,
    (at, other, width): (usize, usize, usize),
    columns: &Columns,
    activation: Activation,
    sums: &[[i32; BLOCK]; M],
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
unsafe fn put_with<const M: usize, const ACTIVATION: u8>(
    target: Target,
    place: (usize, usize, usize),
    columns: &Columns,
    sums: &[[i32; BLOCK]; M],
) {
    // SAFETY: the caller's. Each of these is a loop of its own, without conditions in it.
    unsafe {
        match (target.floats, target.residual.is_null()) {
            (false, true) => put_as::<M, ACTIVATION, false, false>(target, place, columns, sums),
            (false, false) => put_as::<M, ACTIVATION, false, true>(target, place, columns, sums),
            (true, true) => put_as::<M, ACTIVATION, true, false>(target, place, columns, sums),
            (true, false) => put_as::<M, ACTIVATION, true, true>(target, place, columns, sums),
        }
    }
}

/// # Safety
/// That of [`put`].
#[target_feature(enable = "neon")]
unsafe fn put_as<const M: usize, const ACTIVATION: u8, const FLOATS: bool, const RESIDUAL: bool>(
    target: Target,
    (at, other, width): (usize, usize, usize),
    columns: &Columns,
    sums: &[[i32; BLOCK]; M],
) {
    // SAFETY: the caller's, and the arrays of `columns` have sixteen elements.
    unsafe {
        let load = |values: &[f32; BLOCK]| [0, 4, 8, 12].map(|first| vld1q_f32(values.as_ptr().add(first)));
        let whole = |values: &[i32; BLOCK]| [0, 4, 8, 12].map(|first| vld1q_s32(values.as_ptr().add(first)));
        let (init, mul, add, slope) =
            (whole(&columns.init), load(&columns.mul), load(&columns.add), load(&columns.slope));
        let zero = [vld1q_s16(columns.zero.as_ptr()), vld1q_s16(columns.zero.as_ptr().add(8))];
        for (m, sums) in sums.iter().enumerate() {
            let sums = whole(sums);
            let mut values: [float32x4_t; 4] = std::array::from_fn(|i| {
                let v = vaddq_f32(vmulq_f32(vcvtq_f32_s32(vaddq_s32(sums[i], init[i])), mul[i]), add[i]);
                match ACTIVATION {
                    NONE => v,
                    LARGER => vmaxq_f32(v, vmulq_f32(v, slope[i])),
                    _ => vbslq_f32(vcltzq_f32(v), vmulq_f32(v, slope[i]), v),
                }
            });
            if RESIDUAL {
                let bytes = vld1q_u8(target.residual.add(other + m * width));
                let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
                let words = [low, high].map(|words| [vmovl_u16(vget_low_u16(words)), vmovl_high_u16(words)]);
                let (factor, offset) = (load(&columns.residual_mul), load(&columns.residual_add));
                for (i, value) in values.iter_mut().enumerate() {
                    let r = vmulq_f32(vcvtq_f32_u32(words[i / 2][i % 2]), factor[i]);
                    *value = vaddq_f32(*value, vaddq_f32(r, offset[i]));
                }
            }
            let at = at + m * width;
            if FLOATS {
                let out = target.out.cast::<f32>().add(at);
                values.into_iter().enumerate().for_each(|(i, value)| vst1q_f32(out.add(4 * i), value));
            } else {
                let words = [0, 1].map(|half| {
                    let [low, high] = [values[2 * half], values[2 * half + 1]].map(|v| vcvtnq_s32_f32(v));
                    vqaddq_s16(vqmovn_high_s32(vqmovn_s32(low), high), zero[half])
                });
                vst1q_u8(target.out.add(at), vqmovun_high_s16(vqmovun_s16(words[0]), words[1]));
            }
        }
    }
}

/// The elementwise sum.
pub(super) fn blend(b: &Blend<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    b.for_each_block(|columns, at, other| {
        let sums = std::array::from_fn(|i| i32::from(b.x[at + i]));
        // SAFETY: the block at `at` lies in the target, that at `other` in the second tensor: both lengths are checked.
        unsafe { put(target, (at, other, 0), columns, Activation::None, &[sums]) };
    });
}

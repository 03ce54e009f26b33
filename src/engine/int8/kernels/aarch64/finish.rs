//! From sums to bytes with NEON, and the elementwise sum, which is little else.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;

use super::super::target::Target;
use super::super::{Blend, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::finish::{Activation, Columns};

/// Sums of one block of channels.
pub(super) type Sums = [int32x4_t; 4];

/// What the sums of one block start from.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn start(columns: &Columns) -> Sums {
    whole(&columns.init)
}

/// Sums that lie in memory.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn whole(values: &[i32; BLOCK]) -> Sums {
    // SAFETY: there are sixteen.
    unsafe {
        let values = values.as_ptr();
        [vld1q_s32(values), vld1q_s32(values.add(4)), vld1q_s32(values.add(8)), vld1q_s32(values.add(12))]
    }
}

/// Four of sixteen constants.
#[inline]
#[target_feature(enable = "neon")]
fn quarter(values: &[f32; BLOCK], i: usize) -> float32x4_t {
    // SAFETY: there are four.
    unsafe { vld1q_f32(values.as_chunks::<4>().0[i].as_ptr()) }
}

/// Finishes the sums of one block, which began with [`start`], in some rows, `width` elements apart, and puts them at element `at`
/// and behind, with the block at `other` and behind of the residual if there is one.
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
    sums: [Sums; M],
) {
    // SAFETY: the caller's.
    unsafe {
        if target.floats || !target.residual.is_null() {
            return put_any(target, (at, other, width), columns, &sums);
        }
        let out = target.out.add(at);
        match activation {
            Activation::None => put_bytes::<M, NONE>(out, width, columns, sums),
            Activation::Larger => put_bytes::<M, LARGER>(out, width, columns, sums),
            Activation::Any => put_bytes::<M, ANY>(out, width, columns, sums),
        }
    }
}

const NONE: u8 = Activation::None as u8;
const LARGER: u8 = Activation::Larger as u8;
const ANY: u8 = Activation::Any as u8;

/// [`put`] for bytes without a residual: nearly all that there are.
///
/// # Safety
/// `BLOCK` bytes at `out` and at each of `M - 1` times `width` behind.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn put_bytes<const M: usize, const ACTIVATION: u8>(
    out: *mut u8,
    width: usize,
    columns: &Columns,
    sums: [Sums; M],
) {
    let values = Finish::<ACTIVATION>::of(columns);
    for (m, sums) in sums.into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe { vst1q_u8(out.add(m * width), values.bytes(values.of_sums(sums))) };
    }
}

/// [`put`] in general.
///
/// # Safety
/// That of [`put`].
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn put_any(target: Target, (at, other, width): (usize, usize, usize), columns: &Columns, sums: &[Sums]) {
    let finish = Finish::<ANY>::of(columns);
    for (m, sums) in sums.iter().enumerate() {
        let mut values = finish.of_sums(*sums);
        // SAFETY: the caller's.
        unsafe {
            if !target.residual.is_null() {
                let bytes = vld1q_u8(target.residual.add(other + m * width));
                let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
                let words = [
                    vmovl_u16(vget_low_u16(low)),
                    vmovl_high_u16(low),
                    vmovl_u16(vget_low_u16(high)),
                    vmovl_high_u16(high),
                ];
                for i in 0..4 {
                    let r = vmulq_f32(vcvtq_f32_u32(words[i]), quarter(&columns.residual_mul, i));
                    values[i] = vaddq_f32(values[i], vaddq_f32(r, quarter(&columns.residual_add, i)));
                }
            }
            let at = at + m * width;
            if target.floats {
                let out = target.out.cast::<f32>().add(at);
                for (i, values) in values.into_iter().enumerate() {
                    vst1q_f32(out.add(4 * i), values);
                }
            } else {
                vst1q_u8(target.out.add(at), finish.bytes(values));
            }
        }
    }
}

/// A block's constants.
struct Finish<const ACTIVATION: u8> {
    mul: [float32x4_t; 4],
    slope: [float32x4_t; 4],
    zero: [int16x8_t; 2],
}

impl<const ACTIVATION: u8> Finish<ACTIVATION> {
    #[inline]
    #[target_feature(enable = "neon")]
    fn of(columns: &Columns) -> Self {
        let all = |c: &[f32; BLOCK]| [quarter(c, 0), quarter(c, 1), quarter(c, 2), quarter(c, 3)];
        // SAFETY: there are sixteen.
        let zero = unsafe { [vld1q_s16(columns.zero.as_ptr()), vld1q_s16(columns.zero.as_ptr().add(8))] };
        Self { mul: all(&columns.mul), slope: all(&columns.slope), zero }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn of_sums(&self, sums: Sums) -> [float32x4_t; 4] {
        let mut values = self.mul;
        for (i, value) in values.iter_mut().enumerate() {
            let v = vmulq_f32(vcvtq_f32_s32(sums[i]), *value);
            *value = match ACTIVATION {
                NONE => v,
                LARGER => vmaxq_f32(v, vmulq_f32(v, self.slope[i])),
                _ => vbslq_f32(vcltzq_f32(v), vmulq_f32(v, self.slope[i]), v),
            };
        }
        values
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn bytes(&self, [a, b, c, d]: [float32x4_t; 4]) -> uint8x16_t {
        let narrow = |low, high| vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(low)), vcvtnq_s32_f32(high));
        let (mut low, mut high) = (narrow(a, b), narrow(c, d));
        if ACTIVATION != NONE {
            (low, high) = (vqaddq_s16(low, self.zero[0]), vqaddq_s16(high, self.zero[1]));
        }
        vqmovun_high_s16(vqmovun_s16(low), high)
    }
}

/// The elementwise sum.
pub(super) fn blend(b: &Blend<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    b.for_each_block(|columns, at, other| {
        let sums = std::array::from_fn(|i| i32::from(b.x[at + i]) + columns.init[i]);
        // SAFETY: the block at `at` lies in the target, that at `other` in the second tensor: both lengths are checked.
        unsafe { put_any(target, (at, other, 0), columns, &[whole(&sums)]) };
    });
}

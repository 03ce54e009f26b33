//! Requantizes sums to bytes with NEON, and adds tensors element by element, which is nearly the same work.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;

use super::super::target::{Store, Target};
use super::super::{ElementwiseAdd, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::requantize::{Activation, RequantConstants};

/// Sums of one block of channels.
pub(super) type Sums = [int32x4_t; 4];

/// What the sums of one block start from.
#[inline(always)]
pub(super) fn start(columns: &RequantConstants) -> Sums {
    whole(&columns.init)
}

/// Loads sums from memory.
#[inline(always)]
pub(super) fn whole(values: &[i32; BLOCK]) -> Sums {
    let at = |i: usize| values.as_chunks::<4>().0[i].as_ptr();
    // SAFETY: there are four at each offset.
    unsafe { [vld1q_s32(at(0)), vld1q_s32(at(1)), vld1q_s32(at(2)), vld1q_s32(at(3))] }
}

/// Four of 16 constants.
#[inline(always)]
fn quarter(values: &[f32; BLOCK], i: usize) -> float32x4_t {
    // SAFETY: there are four.
    unsafe { vld1q_f32(values.as_chunks::<4>().0[i].as_ptr()) }
}

/// Bytes as signed numbers of which 128 is 0: the inputs of products.
///
/// # Safety
/// There must be 16 bytes at `bytes`.
#[inline(always)]
pub(super) unsafe fn signed(bytes: *const u8) -> int8x16_t {
    // SAFETY: guaranteed by the caller.
    unsafe { vreinterpretq_s8_u8(veorq_u8(vld1q_u8(bytes), vdupq_n_u8(128))) }
}

/// Stores sums as floats, or with a residual added before they are stored.
pub(super) struct Floats<'a, const ACTIVATION: u8> {
    target: Target,
    columns: &'a RequantConstants,
}

impl<const ACTIVATION: u8> Store for Floats<'_, ACTIVATION> {
    type Sums = Sums;

    #[inline(always)]
    unsafe fn store(&self, at: usize, sums: Sums) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.store_with(at, at, sums) };
    }
}

impl<'a, const ACTIVATION: u8> Floats<'a, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a RequantConstants) -> Self {
        Self { target, columns }
    }

    /// # Safety
    /// 16 elements from `at` must lie in the target, and as many bytes from `other` in the residual if there is one.
    #[inline]
    unsafe fn store_with(&self, at: usize, other: usize, sums: Sums) {
        let Self { target, columns } = *self;
        let requantize = Bytes::<ACTIVATION>::new(target, columns);
        let mut values = requantize.scaled(sums);
        if ACTIVATION != LAST {
            values = requantize.activated(values);
        }
        // SAFETY: guaranteed by the caller.
        unsafe {
            if !target.residual.is_null() {
                for (i, word) in widened(target.residual.add(other)).into_iter().enumerate() {
                    let r = vmulq_f32(vcvtq_f32_u32(word), quarter(&columns.residual_mul, i));
                    values[i] = vaddq_f32(values[i], vaddq_f32(r, quarter(&columns.residual_add, i)));
                }
            }
            if ACTIVATION == LAST {
                values = requantize.activated(values);
            }
            if target.floats {
                let out = target.out.cast::<f32>().add(at);
                values.into_iter().enumerate().for_each(|(i, four)| vst1q_f32(out.add(4 * i), four));
            } else {
                vst1q_u8(target.out.add(at), requantize.bytes(values));
            }
        }
    }
}

/// Stores sums as bytes without a residual: nearly all layers.
pub(super) struct Bytes<const ACTIVATION: u8> {
    out: *mut u8,
    mul: [float32x4_t; 4],
    slope: [float32x4_t; 4],
    zero: [int16x8_t; 2],
}

impl<const ACTIVATION: u8> Store for Bytes<ACTIVATION> {
    type Sums = Sums;

    #[inline(always)]
    unsafe fn store(&self, at: usize, sums: Sums) {
        // SAFETY: guaranteed by the caller.
        unsafe { vst1q_u8(self.out.add(at), self.bytes(self.activated(self.scaled(sums)))) };
    }
}

const NONE: u8 = Activation::None as u8;
const LARGER: u8 = Activation::Larger as u8;
const LAST: u8 = Activation::Last as u8;

impl<const ACTIVATION: u8> Bytes<ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &RequantConstants) -> Self {
        let all = |c: &[f32; BLOCK]| [quarter(c, 0), quarter(c, 1), quarter(c, 2), quarter(c, 3)];
        let (zero, _) = columns.zero.as_chunks::<8>();
        // SAFETY: there are eight at each address.
        let zero = unsafe { [vld1q_s16(zero[0].as_ptr()), vld1q_s16(zero[1].as_ptr())] };
        Self { out: target.out, mul: all(&columns.mul), slope: all(&columns.slope), zero }
    }

    #[inline(always)]
    fn scaled(&self, sums: Sums) -> [float32x4_t; 4] {
        // SAFETY: every aarch64 processor has these instructions.
        let value = |i: usize| unsafe { vmulq_f32(vcvtq_f32_s32(sums[i]), self.mul[i]) };
        [value(0), value(1), value(2), value(3)]
    }

    #[inline(always)]
    fn activated(&self, values: [float32x4_t; 4]) -> [float32x4_t; 4] {
        let value = |i: usize| {
            let v = values[i];
            // SAFETY: as above.
            unsafe {
                match ACTIVATION {
                    NONE => v,
                    LARGER => vmaxq_f32(v, vmulq_f32(v, self.slope[i])),
                    _ => vbslq_f32(vcltzq_f32(v), vmulq_f32(v, self.slope[i]), v),
                }
            }
        };
        [value(0), value(1), value(2), value(3)]
    }

    #[inline(always)]
    fn bytes(&self, [a, b, c, d]: [float32x4_t; 4]) -> uint8x16_t {
        // SAFETY: as above.
        unsafe {
            let narrow = |low, high| vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(low)), vcvtnq_s32_f32(high));
            let (mut low, mut high) = (narrow(a, b), narrow(c, d));
            if ACTIVATION != NONE {
                (low, high) = (vqaddq_s16(low, self.zero[0]), vqaddq_s16(high, self.zero[1]));
            }
            vqmovun_high_s16(vqmovun_s16(low), high)
        }
    }
}

/// # Safety
/// There must be 16 bytes at `bytes`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn widened(bytes: *const u8) -> [uint32x4_t; 4] {
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { vld1q_u8(bytes) };
    let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
    [vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high)]
}

/// The elementwise sum.
pub(super) fn add(b: &ElementwiseAdd<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    b.for_each_block(|columns, at, other| {
        // SAFETY: the block at `at` lies in the first tensor and in the target, the one at `other` in the second: lengths are checked.
        unsafe {
            let (start, words) = (start(columns), widened(b.x.as_ptr().add(at)));
            let sum = |i: usize| vaddq_s32(start[i], vreinterpretq_s32_u32(words[i]));
            Floats::<NONE>::new(target, columns).store_with(at, other, [sum(0), sum(1), sum(2), sum(3)]);
        }
    });
}

//! From sums to bytes with AVX-512: one register for a block.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::super::target::{Put, Target};
use crate::engine::int8::BLOCK;
use crate::engine::int8::finish::{Activation, Columns};

/// What the sums of one block start from.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn start(columns: &Columns) -> __m512i {
    // SAFETY: there are sixteen.
    unsafe { _mm512_loadu_si512(columns.init.as_ptr().cast()) }
}

/// What is left as floats, or has something added to it before it is stored.
pub(super) struct Floats<'a, const ACTIVATION: u8> {
    target: Target,
    columns: &'a Columns,
}

impl<'a, const ACTIVATION: u8> Floats<'a, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a Columns) -> Self {
        Self { target, columns }
    }
}

impl<const ACTIVATION: u8> Put for Floats<'_, ACTIVATION> {
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn put(&self, at: usize, sums: __m512i) {
        let Self { target, columns } = *self;
        // SAFETY: the caller's.
        unsafe {
            let mut v = value::<ACTIVATION>(columns, sums);
            if !target.residual.is_null() {
                let bytes = _mm_loadu_si128(target.residual.add(at).cast());
                let r = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
                let r = _mm512_mul_ps(r, sixteen(&columns.residual_mul));
                v = _mm512_add_ps(v, _mm512_add_ps(r, sixteen(&columns.residual_add)));
            }
            if target.floats {
                _mm512_storeu_ps(target.out.cast::<f32>().add(at), v);
            } else {
                _mm_storeu_si128(target.out.add(at).cast(), bytes::<ACTIVATION>(columns, v));
            }
        }
    }
}

/// What is stored as it is: nearly all.
pub(super) struct Bytes<'a, const ACTIVATION: u8> {
    out: *mut u8,
    columns: &'a Columns,
}

impl<'a, const ACTIVATION: u8> Bytes<'a, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a Columns) -> Self {
        Self { out: target.out, columns }
    }
}

impl<const ACTIVATION: u8> Put for Bytes<'_, ACTIVATION> {
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn put(&self, at: usize, sums: __m512i) {
        // SAFETY: the caller's.
        unsafe {
            let bytes = bytes::<ACTIVATION>(self.columns, value::<ACTIVATION>(self.columns, sums));
            _mm_storeu_si128(self.out.add(at).cast(), bytes);
        }
    }
}

const NONE: u8 = Activation::None as u8;
const LARGER: u8 = Activation::Larger as u8;

#[inline]
#[target_feature(enable = "avx512f")]
fn sixteen(values: &[f32; BLOCK]) -> __m512 {
    // SAFETY: there are sixteen.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn value<const ACTIVATION: u8>(columns: &Columns, sums: __m512i) -> __m512 {
    let v = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), sixteen(&columns.mul));
    match ACTIVATION {
        NONE => v,
        LARGER => _mm512_max_ps(v, _mm512_mul_ps(v, sixteen(&columns.slope))),
        _ => {
            let negative = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(v, _mm512_setzero_ps());
            _mm512_mask_mul_ps(v, negative, v, sixteen(&columns.slope))
        }
    }
}

/// Values are far from where the sum with a zero point would overflow (`finish::LARGEST`).
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn bytes<const ACTIVATION: u8>(columns: &Columns, v: __m512) -> __m128i {
    let mut nearest = _mm512_cvtps_epi32(v);
    if ACTIVATION != NONE {
        // SAFETY: there are sixteen.
        let zero = unsafe { _mm256_loadu_si256(columns.zero.as_ptr().cast()) };
        nearest = _mm512_add_epi32(nearest, _mm512_cvtepi16_epi32(zero));
    }
    _mm512_cvtusepi32_epi8(_mm512_max_epi32(nearest, _mm512_setzero_si512()))
}

//! Requantization with AVX-512: one register for the sums of a block.
#![allow(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::*;

use super::requantize::{self, LARGER, NONE, Sums};
use crate::engine::int8::BLOCK;
use crate::engine::int8::requantize::RequantConstants;

pub(super) type Bytes<'a, const ACTIVATION: u8> = requantize::Bytes<'a, __m512i, ACTIVATION>;
pub(super) type Floats<'a, const ACTIVATION: u8> = requantize::Floats<'a, __m512i, ACTIVATION>;

/// What the sums of one block start from.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn start(columns: &RequantConstants) -> __m512i {
    // SAFETY: there are 16.
    unsafe { _mm512_loadu_si512(columns.init.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sixteen(values: &[f32; BLOCK]) -> __m512 {
    // SAFETY: there are 16.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

impl Sums for __m512i {
    type Values = __m512;

    #[inline(always)]
    unsafe fn scaled(self, columns: &RequantConstants) -> __m512 {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm512_mul_ps(_mm512_cvtepi32_ps(self), sixteen(&columns.mul)) }
    }

    #[inline(always)]
    unsafe fn activated<const ACTIVATION: u8>(v: __m512, columns: &RequantConstants) -> __m512 {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match ACTIVATION {
                NONE => v,
                LARGER => _mm512_max_ps(v, _mm512_mul_ps(v, sixteen(&columns.slope))),
                _ => {
                    let negative = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(v, _mm512_setzero_ps());
                    _mm512_mask_mul_ps(v, negative, v, sixteen(&columns.slope))
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn plus(values: __m512, columns: &RequantConstants, residual: &[u8; BLOCK]) -> __m512 {
        // SAFETY: guaranteed by the caller; there are 16 bytes.
        unsafe {
            let bytes = _mm_loadu_si128(residual.as_ptr().cast());
            let r = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
            let r = _mm512_mul_ps(r, sixteen(&columns.residual_mul));
            _mm512_add_ps(values, _mm512_add_ps(r, sixteen(&columns.residual_add)))
        }
    }

    /// Values are far from where the sum with a zero point would overflow (`LARGEST` in `int8/requantize.rs`).
    #[inline(always)]
    unsafe fn bytes<const ACTIVATION: u8>(values: __m512, columns: &RequantConstants) -> __m128i {
        // SAFETY: guaranteed by the caller; there are 16 zero points.
        unsafe {
            let mut nearest = _mm512_cvtps_epi32(values);
            if ACTIVATION != NONE {
                let zero = _mm256_loadu_si256(columns.zero.as_ptr().cast());
                nearest = _mm512_add_epi32(nearest, _mm512_cvtepi16_epi32(zero));
            }
            _mm512_cvtusepi32_epi8(_mm512_max_epi32(nearest, _mm512_setzero_si512()))
        }
    }

    #[inline(always)]
    unsafe fn floats(values: __m512) -> [f32; BLOCK] {
        let mut floats = [0.0; BLOCK];
        // SAFETY: guaranteed by the caller; there are 16.
        unsafe { _mm512_storeu_ps(floats.as_mut_ptr(), values) };
        floats
    }
}

//! Requantization with AVX2, two registers for the sums of a block, and the elementwise sum, which is nearly the same work.
#![allow(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::*;

use super::super::target::Target;
use super::super::{ElementwiseAdd, Out};
use super::requantize::{self, LARGER, NONE, Sums};
use crate::engine::int8::BLOCK;
use crate::engine::int8::requantize::RequantConstants;

pub(super) type Eights = [__m256i; 2];
pub(super) type Bytes<'a, const ACTIVATION: u8> = requantize::Bytes<'a, Eights, ACTIVATION>;
pub(super) type Floats<'a, const ACTIVATION: u8> = requantize::Floats<'a, Eights, ACTIVATION>;

/// What the sums of one block start from.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn start(columns: &RequantConstants) -> Eights {
    // SAFETY: there are 16.
    unsafe { [0, 8].map(|first| _mm256_loadu_si256(columns.init.as_ptr().add(first).cast())) }
}

/// Eight of 16 constants.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(values: &[f32; BLOCK], half: usize) -> __m256 {
    // SAFETY: there are eight.
    unsafe { _mm256_loadu_ps(values.as_chunks::<8>().0[half].as_ptr()) }
}

// No closures here: these functions have no instruction set of their own, so neither would a closure, and the compiler may leave it and the
// instructions in it as calls.
impl Sums for Eights {
    type Values = [__m256; 2];

    #[inline(always)]
    unsafe fn scaled(self, columns: &RequantConstants) -> [__m256; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (low, high) = (_mm256_cvtepi32_ps(self[0]), _mm256_cvtepi32_ps(self[1]));
            [_mm256_mul_ps(low, eight(&columns.mul, 0)), _mm256_mul_ps(high, eight(&columns.mul, 1))]
        }
    }

    #[inline(always)]
    unsafe fn activated<const ACTIVATION: u8>([low, high]: [__m256; 2], columns: &RequantConstants) -> [__m256; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe { [activated::<ACTIVATION>(low, columns, 0), activated::<ACTIVATION>(high, columns, 1)] }
    }

    #[inline(always)]
    unsafe fn plus([low, high]: [__m256; 2], columns: &RequantConstants, residual: &[u8; BLOCK]) -> [__m256; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe { [plus(low, columns, residual, 0), plus(high, columns, residual, 1)] }
    }

    #[inline(always)]
    unsafe fn bytes<const ACTIVATION: u8>([low, high]: [__m256; 2], columns: &RequantConstants) -> __m128i {
        // SAFETY: guaranteed by the caller; there are 16 zero points.
        unsafe {
            let words = _mm256_packs_epi32(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high));
            let mut words = _mm256_permute4x64_epi64(words, 0b11_01_10_00);
            if ACTIVATION != NONE {
                words = _mm256_adds_epi16(words, _mm256_loadu_si256(columns.zero.as_ptr().cast()));
            }
            _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1))
        }
    }

    #[inline(always)]
    unsafe fn floats(values: [__m256; 2]) -> [f32; BLOCK] {
        let mut floats = [0.0; BLOCK];
        for (half, v) in values.into_iter().enumerate() {
            // SAFETY: guaranteed by the caller; there are eight in each half.
            unsafe { _mm256_storeu_ps(floats.as_mut_ptr().add(half * 8), v) };
        }
        floats
    }
}

/// Half of [`Sums::activated`].
///
/// # Safety
/// Requires AVX2.
#[inline(always)]
unsafe fn activated<const ACTIVATION: u8>(v: __m256, columns: &RequantConstants, half: usize) -> __m256 {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let sloped = _mm256_mul_ps(v, eight(&columns.slope, half));
        match ACTIVATION {
            NONE => v,
            LARGER => _mm256_max_ps(v, sloped),
            _ => _mm256_blendv_ps(v, sloped, _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ)),
        }
    }
}

/// Half of [`Sums::plus`].
///
/// # Safety
/// Requires AVX2.
#[inline(always)]
unsafe fn plus(v: __m256, columns: &RequantConstants, residual: &[u8; BLOCK], half: usize) -> __m256 {
    // SAFETY: guaranteed by the caller; there are eight bytes in each half.
    unsafe {
        let bytes = _mm_loadl_epi64(residual.as_ptr().add(half * 8).cast());
        let r = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        let r = _mm256_mul_ps(r, eight(&columns.residual_mul, half));
        _mm256_add_ps(v, _mm256_add_ps(r, eight(&columns.residual_add, half)))
    }
}

/// The elementwise sum.
pub(super) fn add(b: &ElementwiseAdd<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    // SAFETY: the kernels that use this are reached through an `Isa` alone, which exists only where there is AVX2; lengths are checked.
    unsafe { add_all(b, target) }
}

/// # Safety
/// Requires AVX2; `b` must have been checked, and the target must be made from its output.
#[target_feature(enable = "avx2")]
unsafe fn add_all(b: &ElementwiseAdd<'_>, target: Target) {
    b.for_each_block(|columns, at, other| {
        // SAFETY: the blocks at `at` lie in the first tensor and in the target, the one at `other` in the second.
        unsafe {
            let [low, high] = start(columns);
            let read = |half: usize| _mm256_cvtepu8_epi32(_mm_loadl_epi64(b.x.as_ptr().add(at + half * 8).cast()));
            let sums = [_mm256_add_epi32(low, read(0)), _mm256_add_epi32(high, read(1))];
            Floats::<NONE>::new(target, columns).store_with(at, other, sums);
        }
    });
}

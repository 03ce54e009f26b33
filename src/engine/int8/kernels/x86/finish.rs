//! From sums to bytes with AVX2, and the elementwise sum, which is little else.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::x86_64::*;

use super::super::target::{Put, Target};
use super::super::{Blend, Out};
use crate::engine::int8::BLOCK;
use crate::engine::int8::finish::{Activation, Columns};

/// Sums of one block of channels.
pub(super) type Sums = [__m256i; 2];

/// What the sums of one block start from.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn start(columns: &Columns) -> Sums {
    // SAFETY: there are sixteen.
    unsafe { [0, 8].map(|first| _mm256_loadu_si256(columns.init.as_ptr().add(first).cast())) }
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

    /// # Safety
    /// AVX2; sixteen elements from `at` must lie in the target, as many bytes from `other` in the residual if there is one.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn put_with(&self, at: usize, other: usize, sums: Sums) {
        let Self { target, columns } = *self;
        let mut values = values::<ACTIVATION>(columns, sums);
        // SAFETY: the caller's.
        unsafe {
            if !target.residual.is_null() {
                for (half, v) in values.iter_mut().enumerate() {
                    let bytes = _mm_loadl_epi64(target.residual.add(other + half * 8).cast());
                    let r = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
                    let r = _mm256_mul_ps(r, eight(&columns.residual_mul, half));
                    *v = _mm256_add_ps(*v, _mm256_add_ps(r, eight(&columns.residual_add, half)));
                }
            }
            if target.floats {
                let out = target.out.cast::<f32>().add(at);
                values.into_iter().enumerate().for_each(|(half, v)| _mm256_storeu_ps(out.add(half * 8), v));
            } else {
                _mm_storeu_si128(target.out.add(at).cast(), bytes::<ACTIVATION>(columns, values));
            }
        }
    }
}

impl<const ACTIVATION: u8> Put for Floats<'_, ACTIVATION> {
    type Sums = Sums;

    #[inline(always)]
    unsafe fn put(&self, at: usize, sums: Sums) {
        // SAFETY: the caller's.
        unsafe { self.put_with(at, at, sums) };
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
    type Sums = Sums;

    #[inline(always)]
    unsafe fn put(&self, at: usize, sums: Sums) {
        // SAFETY: the caller's.
        unsafe {
            let bytes = bytes::<ACTIVATION>(self.columns, values::<ACTIVATION>(self.columns, sums));
            _mm_storeu_si128(self.out.add(at).cast(), bytes);
        }
    }
}

const NONE: u8 = Activation::None as u8;
const LARGER: u8 = Activation::Larger as u8;

/// Eight of sixteen constants.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(values: &[f32; BLOCK], half: usize) -> __m256 {
    // SAFETY: there are eight.
    unsafe { _mm256_loadu_ps(values.as_chunks::<8>().0[half].as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn values<const ACTIVATION: u8>(columns: &Columns, sums: Sums) -> [__m256; 2] {
    let value = |half: usize| {
        let v = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[half]), eight(&columns.mul, half));
        let sloped = _mm256_mul_ps(v, eight(&columns.slope, half));
        match ACTIVATION {
            NONE => v,
            LARGER => _mm256_max_ps(v, sloped),
            _ => _mm256_blendv_ps(v, sloped, _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ)),
        }
    };
    [value(0), value(1)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn bytes<const ACTIVATION: u8>(columns: &Columns, [low, high]: [__m256; 2]) -> __m128i {
    let words = _mm256_packs_epi32(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high));
    let mut words = _mm256_permute4x64_epi64(words, 0b11_01_10_00);
    if ACTIVATION != NONE {
        // SAFETY: there are sixteen.
        words = _mm256_adds_epi16(words, unsafe { _mm256_loadu_si256(columns.zero.as_ptr().cast()) });
    }
    _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1))
}

/// The elementwise sum.
pub(super) fn blend(b: &Blend<'_>, mut out: Out<'_>) {
    b.check(&out);
    let target = Target::new(&mut out, Some(b.residual));
    // SAFETY: `Isa::kernels` hands the kernels that have this out only where there is AVX2; lengths are checked.
    unsafe { blend_all(b, target) }
}

/// # Safety
/// AVX2; `b` must have been checked and the target be made from its output.
#[target_feature(enable = "avx2")]
unsafe fn blend_all(b: &Blend<'_>, target: Target) {
    b.for_each_block(|columns, at, other| {
        // SAFETY: the blocks at `at` lie in the first tensor and in the target, that at `other` in the second.
        unsafe {
            let [low, high] = start(columns);
            let read = |half: usize| _mm256_cvtepu8_epi32(_mm_loadl_epi64(b.x.as_ptr().add(at + half * 8).cast()));
            let sums = [_mm256_add_epi32(low, read(0)), _mm256_add_epi32(high, read(1))];
            Floats::<NONE>::new(target, columns).put_with(at, other, sums);
        }
    });
}

//! Requantizes sums to bytes. [`Sums`] abstracts over register width.
#![allow(unsafe_code, reason = "results are written without checks")]

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::super::target::{Store, Target};
use crate::engine::int8::BLOCK;
use crate::engine::int8::requantize::{Activation, RequantConstants};

/// Sums of one block of channels, in as many registers as needed. All methods need the instruction set of these registers.
pub(super) trait Sums: Copy {
    /// The same as floats.
    type Values: Copy;

    /// From the sum to the value, without activation.
    ///
    /// # Safety
    /// Requires the instruction set of the registers.
    unsafe fn scaled(self, columns: &RequantConstants) -> Self::Values;

    /// Applies the activation.
    ///
    /// # Safety
    /// Requires the instruction set of the registers.
    unsafe fn activated<const ACTIVATION: u8>(values: Self::Values, columns: &RequantConstants) -> Self::Values;

    /// Adds the residual that these bytes stand for.
    ///
    /// # Safety
    /// Requires the instruction set of the registers.
    unsafe fn plus(values: Self::Values, columns: &RequantConstants, residual: &[u8; BLOCK]) -> Self::Values;

    /// The bytes stored for the values.
    ///
    /// # Safety
    /// Requires the instruction set of the registers.
    unsafe fn bytes<const ACTIVATION: u8>(values: Self::Values, columns: &RequantConstants) -> __m128i;

    /// The values one by one.
    ///
    /// # Safety
    /// Requires the instruction set of the registers.
    unsafe fn floats(values: Self::Values) -> [f32; BLOCK];
}

/// Stores sums as floats, or with a residual added before they are stored.
pub(super) struct Floats<'a, S, const ACTIVATION: u8> {
    target: Target,
    columns: &'a RequantConstants,
    sums: PhantomData<S>,
}

impl<'a, S: Sums, const ACTIVATION: u8> Floats<'a, S, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a RequantConstants) -> Self {
        Self { target, columns, sums: PhantomData }
    }

    /// # Safety
    /// Requires the registers' instructions; 16 elements from `at` must lie in the target, and 16 bytes from `other` in a residual.
    #[inline(always)]
    pub(super) unsafe fn store_with(&self, at: usize, other: usize, sums: S) {
        let Self { target, columns, .. } = *self;
        // SAFETY: guaranteed by the caller.
        unsafe {
            let mut values = sums.scaled(columns);
            if ACTIVATION != LAST {
                values = S::activated::<ACTIVATION>(values, columns);
            }
            if !target.residual.is_null() {
                values = S::plus(values, columns, &*target.residual.add(other).cast());
            }
            if ACTIVATION == LAST {
                values = S::activated::<ACTIVATION>(values, columns);
            }
            if target.floats {
                target.out.cast::<[f32; BLOCK]>().byte_add(at * size_of::<f32>()).write(S::floats(values));
            } else {
                _mm_storeu_si128(target.out.add(at).cast(), S::bytes::<ACTIVATION>(values, columns));
            }
        }
    }
}

impl<S: Sums, const ACTIVATION: u8> Store for Floats<'_, S, ACTIVATION> {
    type Sums = S;

    #[inline(always)]
    unsafe fn store(&self, at: usize, sums: S) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.store_with(at, at, sums) };
    }
}

/// Stores sums as bytes without a residual: nearly all layers.
pub(super) struct Bytes<'a, S, const ACTIVATION: u8> {
    out: *mut u8,
    columns: &'a RequantConstants,
    sums: PhantomData<S>,
}

impl<'a, S: Sums, const ACTIVATION: u8> Bytes<'a, S, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a RequantConstants) -> Self {
        Self { out: target.out, columns, sums: PhantomData }
    }
}

impl<S: Sums, const ACTIVATION: u8> Store for Bytes<'_, S, ACTIVATION> {
    type Sums = S;

    #[inline(always)]
    unsafe fn store(&self, at: usize, sums: S) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let values = S::activated::<ACTIVATION>(sums.scaled(self.columns), self.columns);
            let bytes = S::bytes::<ACTIVATION>(values, self.columns);
            _mm_storeu_si128(self.out.add(at).cast(), bytes);
        }
    }
}

pub(super) const NONE: u8 = Activation::None as u8;
pub(super) const LARGER: u8 = Activation::Larger as u8;
const LAST: u8 = Activation::Last as u8;

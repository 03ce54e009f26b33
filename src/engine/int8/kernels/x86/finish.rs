//! From sums to bytes. What a register holds is for [`Sums`] to say.
#![allow(unsafe_code, reason = "results are written without checks")]

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::super::target::{Put, Target};
use crate::engine::int8::BLOCK;
use crate::engine::int8::finish::{Activation, Columns};

/// Sums of one block of channels, in as many registers as it takes. All of it needs the instructions that the registers belong to.
pub(super) trait Sums: Copy {
    /// The same as floats.
    type Values: Copy;

    /// From the sum to the value, before a residual is added.
    ///
    /// # Safety
    /// The instructions.
    unsafe fn values<const ACTIVATION: u8>(self, columns: &Columns) -> Self::Values;

    /// Adds the residual that these bytes stand for.
    ///
    /// # Safety
    /// The instructions.
    unsafe fn plus(values: Self::Values, columns: &Columns, residual: &[u8; BLOCK]) -> Self::Values;

    /// What is stored for the values.
    ///
    /// # Safety
    /// The instructions.
    unsafe fn bytes<const ACTIVATION: u8>(values: Self::Values, columns: &Columns) -> __m128i;

    /// The values one by one.
    ///
    /// # Safety
    /// The instructions.
    unsafe fn floats(values: Self::Values) -> [f32; BLOCK];
}

/// What is left as floats, or has something added to it before it is stored.
pub(super) struct Floats<'a, S, const ACTIVATION: u8> {
    target: Target,
    columns: &'a Columns,
    sums: PhantomData<S>,
}

impl<'a, S: Sums, const ACTIVATION: u8> Floats<'a, S, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a Columns) -> Self {
        Self { target, columns, sums: PhantomData }
    }

    /// # Safety
    /// The instructions; sixteen elements from `at` must lie in the target, as many bytes from `other` in the residual if there is one.
    #[inline(always)]
    pub(super) unsafe fn put_with(&self, at: usize, other: usize, sums: S) {
        let Self { target, columns, .. } = *self;
        // SAFETY: the caller's.
        unsafe {
            let mut values = sums.values::<ACTIVATION>(columns);
            if !target.residual.is_null() {
                values = S::plus(values, columns, &*target.residual.add(other).cast());
            }
            if target.floats {
                target.out.cast::<[f32; BLOCK]>().byte_add(at * size_of::<f32>()).write(S::floats(values));
            } else {
                _mm_storeu_si128(target.out.add(at).cast(), S::bytes::<ACTIVATION>(values, columns));
            }
        }
    }
}

impl<S: Sums, const ACTIVATION: u8> Put for Floats<'_, S, ACTIVATION> {
    type Sums = S;

    #[inline(always)]
    unsafe fn put(&self, at: usize, sums: S) {
        // SAFETY: the caller's.
        unsafe { self.put_with(at, at, sums) };
    }
}

/// What is stored as it is: nearly all.
pub(super) struct Bytes<'a, S, const ACTIVATION: u8> {
    out: *mut u8,
    columns: &'a Columns,
    sums: PhantomData<S>,
}

impl<'a, S: Sums, const ACTIVATION: u8> Bytes<'a, S, ACTIVATION> {
    #[inline(always)]
    pub(super) fn new(target: Target, columns: &'a Columns) -> Self {
        Self { out: target.out, columns, sums: PhantomData }
    }
}

impl<S: Sums, const ACTIVATION: u8> Put for Bytes<'_, S, ACTIVATION> {
    type Sums = S;

    #[inline(always)]
    unsafe fn put(&self, at: usize, sums: S) {
        // SAFETY: the caller's.
        unsafe {
            let bytes = S::bytes::<ACTIVATION>(sums.values::<ACTIVATION>(self.columns), self.columns);
            _mm_storeu_si128(self.out.add(at).cast(), bytes);
        }
    }
}

pub(super) const NONE: u8 = Activation::None as u8;
pub(super) const LARGER: u8 = Activation::Larger as u8;

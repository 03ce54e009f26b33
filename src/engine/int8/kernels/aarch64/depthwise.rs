//! Computes the depthwise convolution of any window. [`super::neighbors`] covers the usual window.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;

use super::super::target::{Store, Target, with_put};
use super::super::{Depthwise, Out};
use super::requantize::{Bytes, Floats, Sums, start};
use crate::engine::int8::BLOCK;
use crate::engine::int8::depthwise::Run;

/// For every aarch64 processor.
pub(super) fn any(d: &Depthwise<'_>, mut out: Out<'_>) {
    d.check(&out);
    let taps = d.window.kernel.pow(2);
    assert_eq!(d.weights.len(), d.shape.stride * taps, "weights");
    let target = Target::new(&mut out, d.residual);
    d.for_each_run(|run| {
        for (block, (columns, weights)) in d.columns.iter().zip(d.weights.chunks_exact(taps * BLOCK)).enumerate() {
            let place = Tile { run, offset: block * BLOCK, width: d.shape.stride };
            // SAFETY: the run belongs to `d`, which was checked, and the block is one of its blocks.
            unsafe {
                let start = start(columns);
                with_put!(target, columns, d.activation, |store| place.each(weights, start, store));
            }
        }
    });
}

/// One block of channels of a run of outputs.
struct Tile<'a> {
    run: &'a Run,
    /// Bytes from the start of a pixel to this block.
    offset: usize,
    /// Elements from an output to the next.
    width: usize,
}

impl Tile<'_> {
    /// Computes the outputs, four at a time where that many are left.
    ///
    /// # Safety
    /// The whole run must exist, and `store` must have room for each result.
    #[inline(always)]
    unsafe fn each(&self, weights: &[i16], start: Sums, store: &impl Store<Sums = Sums>) {
        let (outputs, place) = (self.run.outputs, |output| (self.run.first + output) * self.width + self.offset);
        let mut at = 0;
        // SAFETY: guaranteed by the caller.
        unsafe {
            while at + 4 <= outputs {
                let sums = self.sums::<4>(at, weights, start);
                sums.into_iter().enumerate().for_each(|(m, sums)| store.store(place(at + m), sums));
                at += 4;
            }
            while at < outputs {
                store.store(place(at), self.sums::<1>(at, weights, start)[0]);
                at += 1;
            }
        }
    }

    /// Sums of `M` outputs from `output`.
    ///
    /// # Safety
    /// There must be that many outputs.
    #[inline(always)]
    unsafe fn sums<const M: usize>(&self, output: usize, weights: &[i16], start: Sums) -> [Sums; M] {
        let mut sums = [start; M];
        for (tap, w) in self.run.taps.iter().zip(weights.as_chunks::<BLOCK>().0) {
            // SAFETY: guaranteed by the caller.
            unsafe {
                let w = load_weights(w);
                let pixel = |m: usize| widened(tap.add(self.offset + (output + m) * self.run.step));
                sums.iter_mut().enumerate().for_each(|(m, sums)| add(sums, pixel(m), w));
            }
        }
        sums
    }
}

/// 16 numbers of 16 bits.
pub(super) type Words = [int16x8_t; 2];

/// # Safety
/// Sixteen bytes at `bytes`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn widened(bytes: *const u8) -> Words {
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { vld1q_u8(bytes) };
    [vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)].map(|words| vreinterpretq_s16_u16(words))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_weights(w: &[i16; BLOCK]) -> Words {
    // SAFETY: `w` has 16 elements.
    unsafe { [vld1q_s16(w.as_ptr()), vld1q_s16(w.as_ptr().add(8))] }
}

#[inline]
#[target_feature(enable = "neon")]
fn add(sums: &mut Sums, pixel: Words, w: Words) {
    for (half, sums) in sums.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        sums[0] = vmlal_s16(sums[0], vget_low_s16(pixel[half]), vget_low_s16(w[half]));
        sums[1] = vmlal_high_s16(sums[1], pixel[half], w[half]);
    }
}

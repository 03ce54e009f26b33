//! The depthwise convolution of any window. [`super::neighbors`] has the usual one.
#![allow(unsafe_code, reason = "vector instructions and unchecked access in the innermost loops")]

use std::arch::aarch64::*;

use super::super::target::{Put, Target, with_put};
use super::super::{Depthwise, Out};
use super::finish::{Bytes, Floats, Sums, start};
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
            let place = Place { run, offset: block * BLOCK, width: d.shape.stride };
            // SAFETY: the run is one of `d`, which was checked, and the block one of its blocks.
            unsafe {
                let start = start(columns);
                with_put!(target, columns, d.activation, |put| place.each(weights, start, put));
            }
        }
    });
}

/// One block of channels of a run of outputs.
struct Place<'a> {
    run: &'a Run,
    /// Bytes from a pixel to its part of this block.
    offset: usize,
    /// Elements from an output to the next.
    width: usize,
}

impl Place<'_> {
    /// Goes over the outputs, four at a time where there are as many.
    ///
    /// # Safety
    /// All of the run must be there, and a place for each result in what `put` was made from.
    #[inline(always)]
    unsafe fn each(&self, weights: &[i16], start: Sums, put: &impl Put<Sums = Sums>) {
        let (outputs, place) = (self.run.outputs, |output| (self.run.first + output) * self.width + self.offset);
        let mut at = 0;
        // SAFETY: the caller's.
        unsafe {
            while at + 4 <= outputs {
                let sums = self.sums::<4>(at, weights, start);
                sums.into_iter().enumerate().for_each(|(m, sums)| put.put(place(at + m), sums));
                at += 4;
            }
            while at < outputs {
                put.put(place(at), self.sums::<1>(at, weights, start)[0]);
                at += 1;
            }
        }
    }

    /// Sums of `M` outputs from `output`.
    ///
    /// # Safety
    /// There must be as many.
    #[inline(always)]
    unsafe fn sums<const M: usize>(&self, output: usize, weights: &[i16], start: Sums) -> [Sums; M] {
        let mut sums = [start; M];
        for (tap, w) in self.run.taps.iter().zip(weights.as_chunks::<BLOCK>().0) {
            // SAFETY: the caller's.
            unsafe {
                let w = load_weights(w);
                let pixel = |m: usize| widened(tap.add(self.offset + (output + m) * self.run.step));
                sums.iter_mut().enumerate().for_each(|(m, sums)| add(sums, pixel(m), w));
            }
        }
        sums
    }
}

/// Sixteen numbers of sixteen bits.
pub(super) type Words = [int16x8_t; 2];

/// # Safety
/// Sixteen bytes at `bytes`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn widened(bytes: *const u8) -> Words {
    // SAFETY: the caller's.
    let bytes = unsafe { vld1q_u8(bytes) };
    [vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)].map(|words| vreinterpretq_s16_u16(words))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_weights(w: &[i16; BLOCK]) -> Words {
    // SAFETY: there are sixteen.
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

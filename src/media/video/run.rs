//! Decodes the chosen samples of a track in one pass, puts their pictures in order and recovers from damage.
//!
//! A picture that is predicted from a lost one is lost as well, up to the next sample with which decoding may start:
//! decoders would show gray or smeared faces, and these would be judged.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Error;
use super::codec::{self, Decode, Decoded, Input, Role};
use super::effort::Effort;
use super::order::ReorderBuffer;
use super::plan::SamplingPlan;
use super::track::Track;
use crate::media::Shape;
use crate::media::yuv::Picture;
use crate::ops::{Limits, Stop};

/// The state of one pass.
pub(super) struct Run<'a> {
    track: &'a Track<'a>,
    limits: &'a Limits,
    decoder: Box<dyn Decode>,
    plan: &'a SamplingPlan,
    /// The next sample, of those before `end`; none once the pass has ended.
    at: Option<usize>,
    end: usize,
    order: ReorderBuffer<'a, Picture>,
    /// The last sample that was decoded.
    last: Option<usize>,
    /// Whether the next sample may need one that was lost.
    broken: bool,
    /// Samples whose picture was wanted when they were decoded, and pictures that came.
    asked: usize,
    came: usize,
    /// The first error.
    trouble: Option<String>,
    effort: Effort,
}

impl<'a> Run<'a> {
    /// `plan` has entries for each sample of the track.
    pub(super) fn new(track: &'a Track<'a>, limits: &'a Limits, plan: &'a SamplingPlan) -> Result<Self, Error> {
        let decoder = new_decoder(track, limits)?;
        let order = ReorderBuffer::new(&track.samples, (0..plan.wanted.len()).filter(|&number| plan.wanted[number]));
        let end = plan.decoded.iter().rposition(|&is_decoded| is_decoded).map_or(0, |last| last + 1);
        let (at, last, broken, asked, came, trouble) = (Some(0), None, false, 0, 0, None);
        let effort = Effort::default();
        Ok(Self { track, limits, decoder, plan, at, end, order, last, broken, asked, came, trouble, effort })
    }

    /// The next wanted picture in order of presentation, with its time; decodes as many samples as that takes. `None` at the end.
    pub(super) fn next(&mut self, stop: &Stop<'_>) -> Result<Option<(i64, Picture)>, Error> {
        self.next_before(&|| false, stop)
    }

    /// The same, unless the time for it is over first: `is_over` is asked between samples. Then it is `None`, and can be asked for again.
    pub(super) fn next_before(
        &mut self,
        is_over: &dyn Fn() -> bool,
        stop: &Stop<'_>,
    ) -> Result<Option<(i64, Picture)>, Error> {
        loop {
            if let Some(ready) = self.order.next() {
                self.came += 1;
                return Ok(Some(ready));
            }
            let Some(number) = self.at.filter(|_| !is_over()) else { return Ok(None) };
            self.at = (number < self.end).then_some(number + 1);
            match number {
                _ if number >= self.end => self.finish(),
                _ if stop() => return Err(Error::TooSlow),
                _ if self.plan.decoded[number] => self.feed(number, stop)?,
                _ => self.pass(number, stop)?,
            }
        }
    }

    /// Decodes a sample. Numbers ascend; samples in between are left out.
    fn feed(&mut self, number: usize, stop: &Stop<'_>) -> Result<(), Error> {
        let sample = &self.track.samples[number];
        let wanted = self.plan.wanted[number];
        self.asked += usize::from(wanted);
        let left_out = self.last.replace(number).is_some_and(|last| last + 1 < number);
        let role = role(&*self.decoder, &sample.data);
        self.broken &= role != Role::Sync;
        if self.broken {
            self.pass(number, stop)?;
        } else {
            let mut done = Vec::new();
            let result = guarded(self.track, || {
                if left_out {
                    self.decoder.drain(&mut done);
                }
                self.decoder.decode(Input { sample: number, data: &sample.data, wanted, stop }, &mut done)
            });
            self.take(done);
            let pixels = guarded(self.track, || self.decoder.pixels(&sample.data)).unwrap_or_default();
            self.effort.add(sample.data.len(), pixels)?;
            let panicked = result.is_err();
            match result.and_then(|decoded| decoded) {
                Ok(()) => {}
                Err(Error::Damaged(what)) => {
                    self.trouble.get_or_insert(what);
                    if panicked || role != Role::Disposable {
                        self.restart(panicked)?;
                    }
                }
                Err(fatal) => return Err(fatal),
            }
        }
        if !self.decoder.is_late() {
            self.order.give_up(number);
        }
        Ok(())
    }

    /// Replaces the decoder: after damage it keeps pictures that are not needed, and after a panic its state is undefined.
    fn restart(&mut self, panicked: bool) -> Result<(), Error> {
        if !panicked {
            self.drain();
        }
        self.broken = true;
        self.decoder = new_decoder(self.track, self.limits)?;
        Ok(())
    }

    /// Ends the pass: the last pictures are output.
    fn finish(&mut self) {
        self.drain();
        self.order.give_up_all();
    }

    /// Takes the pictures that the decoder holds back.
    fn drain(&mut self) {
        let mut done = Vec::new();
        let _what_came_before_a_panic = guarded(self.track, || self.decoder.drain(&mut done));
        self.take(done);
    }

    /// Applies the settings in a sample that is left out: the next group may not repeat them.
    fn pass(&mut self, number: usize, stop: &Stop<'_>) -> Result<(), Error> {
        let data = &self.track.samples[number].data;
        match guarded(self.track, || self.decoder.learn(data, stop)) {
            // Damage here shows in the sample that needs these settings.
            Ok(Ok(()) | Err(Error::Damaged(_))) => Ok(()),
            Ok(fatal) => fatal,
            Err(_panicked) => self.restart(true),
        }
    }

    /// Whether at least half of the wanted pictures came.
    pub(super) fn verdict(self) -> Result<(), Error> {
        if 2 * self.came >= self.asked {
            return Ok(());
        }
        Err(Error::Damaged(match self.trouble {
            Some(what) => format!("most of the video cannot be decoded: {what}"),
            None => "most of the video cannot be decoded".into(),
        }))
    }

    fn take(&mut self, done: Vec<Decoded>) {
        for decoded in done {
            if self.decoder.is_late() {
                self.order.came_in_turn(decoded.sample, decoded.picture);
            } else {
                self.order.came(decoded.sample, decoded.picture);
            }
        }
    }
}

/// The decoder for a track, or the error if it is not supported.
pub(super) fn new_decoder(track: &Track<'_>, limits: &Limits) -> Result<Box<dyn Decode>, Error> {
    guarded(track, || codec::decoder(track, limits))?
}

/// Whether a sample gives a picture to be shown; damaged ones count as if they did.
pub(super) fn shows(decoder: &dyn Decode, data: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| decoder.shows(data))).unwrap_or(true)
}

/// As [`Decode::leads`]; a damaged sample does not.
pub(super) fn leads(decoder: &dyn Decode, data: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| decoder.leads(data))).unwrap_or(false)
}

/// As [`Decode::recovers`]; a damaged sample is none.
pub(super) fn recovers(decoder: &dyn Decode, data: &[u8]) -> Option<usize> {
    catch_unwind(AssertUnwindSafe(|| decoder.recovers(data))).unwrap_or(None)
}

/// As [`Decode::shape`]; a damaged sample has none.
pub(super) fn shape(decoder: &dyn Decode, data: &[u8]) -> Option<Shape> {
    catch_unwind(AssertUnwindSafe(|| decoder.shape(data))).unwrap_or(None)
}

/// As [`Decode::role`]; a damaged sample counts as [`Role::Reference`].
pub(super) fn role(decoder: &dyn Decode, data: &[u8]) -> Role {
    catch_unwind(AssertUnwindSafe(|| decoder.role(data))).unwrap_or(Role::Reference)
}

/// Third-party decoders are not trusted to refuse damaged streams without a panic. One that panicked is not used again.
fn guarded<T>(track: &Track<'_>, decode: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(decode))
        .map_err(|_panic| Error::Damaged(format!("the {} stream is damaged", track.codec)))
}

//! One way through a track: decodes the samples that are chosen, puts their pictures in order and survives damage.
//!
//! A picture that is built on one that was lost is lost as well, up to the next sample with which decoding may start:
//! decoders would show gray or smeared faces, and these would be judged.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Error;
use super::codec::{self, Decode, Decoded, Input, Role};
use super::effort::Effort;
use super::order::Order;
use super::track::Track;
use crate::media::yuv::Picture;
use crate::ops::Limits;

/// A decoder on its way.
pub(super) struct Run<'a> {
    track: &'a Track<'a>,
    limits: &'a Limits,
    decoder: Box<dyn Decode>,
    wanted: &'a [bool],
    order: Order<'a, Picture>,
    /// The last sample that was fed.
    last: Option<usize>,
    /// Whether the next sample may need one that was lost.
    broken: bool,
    /// Samples whose picture was wanted when they were fed, and those that came.
    asked: usize,
    came: usize,
    /// What was wrong first.
    trouble: Option<String>,
    effort: Effort,
}

impl<'a> Run<'a> {
    /// `wanted` tells for each sample of the track whether its picture is to come.
    pub(super) fn new(track: &'a Track<'a>, limits: &'a Limits, wanted: &'a [bool]) -> Result<Self, Error> {
        let decoder = new_decoder(track, limits)?;
        let order = Order::new(&track.samples, (0..wanted.len()).filter(|&number| wanted[number]));
        let (last, broken, asked, came, trouble) = (None, false, 0, 0, None);
        let effort = Effort::default();
        Ok(Self { track, limits, decoder, wanted, order, last, broken, asked, came, trouble, effort })
    }

    /// Decodes a sample. Numbers ascend; what lies between two is left out.
    pub(super) fn feed(&mut self, number: usize, stop: &dyn Fn() -> bool) -> Result<(), Error> {
        let sample = &self.track.samples[number];
        let wanted = self.wanted[number];
        self.asked += usize::from(wanted);
        let left_out = self.last.replace(number).is_some_and(|last| last + 1 < number);
        let role = role(&*self.decoder, &sample.data);
        self.broken &= role != Role::Start;
        if !self.broken {
            let mut done = Vec::new();
            let result = guarded(self.track, || {
                if left_out {
                    self.decoder.drain(&mut done);
                }
                self.decoder.decode(Input { sample: number, data: &sample.data, wanted, stop }, &mut done)
            });
            self.take(done, number);
            let pixels = guarded(self.track, || self.decoder.pixels(&sample.data)).unwrap_or_default();
            self.effort.add(sample.data.len(), pixels)?;
            let panicked = result.is_err();
            match result.and_then(|decoded| decoded) {
                Ok(()) => {}
                Err(Error::Damaged(what)) => {
                    self.trouble.get_or_insert(what);
                    if panicked || role != Role::Free {
                        self.restart(number, panicked)?;
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

    /// Takes another decoder, for one that met damage keeps what nobody needs, and one that panicked anything.
    fn restart(&mut self, number: usize, panicked: bool) -> Result<(), Error> {
        if !panicked {
            self.drain(number);
        }
        self.broken = true;
        self.decoder = new_decoder(self.track, self.limits)?;
        Ok(())
    }

    /// There are no more samples to decode: the last pictures come.
    pub(super) fn finish(&mut self) {
        self.drain(self.track.samples.len());
        self.order.give_up_all();
    }

    /// Takes the pictures that the decoder holds back, after the sample with this number.
    fn drain(&mut self, number: usize) {
        let mut done = Vec::new();
        let _what_came_before_a_panic = guarded(self.track, || self.decoder.drain(&mut done));
        self.take(done, number);
    }

    /// The next picture in order of presentation, with the number of its sample, if it is there.
    pub(super) fn next(&mut self) -> Option<(usize, Picture)> {
        self.order.next().inspect(|_| self.came += 1)
    }

    /// Whether enough of what was wanted came: at least half.
    pub(super) fn verdict(self) -> Result<(), Error> {
        if 2 * self.came >= self.asked {
            return Ok(());
        }
        Err(Error::Damaged(match self.trouble {
            Some(what) => format!("most of the video cannot be decoded: {what}"),
            None => "most of the video cannot be decoded".into(),
        }))
    }

    fn take(&mut self, done: Vec<Decoded>, number: usize) {
        for decoded in done {
            if self.decoder.is_late() {
                self.order.give_up_before(decoded.sample, number);
            }
            self.order.came(decoded.sample, decoded.picture);
        }
    }
}

/// The decoder for a track, or why there is none.
pub(super) fn new_decoder(track: &Track<'_>, limits: &Limits) -> Result<Box<dyn Decode>, Error> {
    guarded(track, || codec::decoder(track, limits))?
}

/// What the headers of a sample tell; the least if they are damaged.
pub(super) fn role(decoder: &dyn Decode, data: &[u8]) -> Role {
    catch_unwind(AssertUnwindSafe(|| decoder.role(data))).unwrap_or(Role::Chained)
}

/// Decoders of others are not trusted to refuse damaged streams without a panic. One that panicked is not used again.
fn guarded<T>(track: &Track<'_>, decode: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(decode))
        .map_err(|_panic| Error::Damaged(format!("the {} stream is damaged", track.codec)))
}

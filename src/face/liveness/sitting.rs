//! A person before a live camera, frame by frame: first waited for, then judged.
//!
//! Waiting ends when one person's face is good enough (large, sharp, frontal) and holds still for a few frames. Without
//! liveness, the best of these frames becomes the sample. With liveness, the frames that follow are judged like those of a
//! clip, and the sample is the best of the very frames that were judged: the face in all of them is compared, so that nobody
//! can be swapped in after the judgement, and a few frames of another person on the way are not the sample either.
//!
//! It knows no camera and no clock: whoever has frames shows them to it.

use std::time::Duration;

use super::follow::{Effort, Follower};
use super::shot_of;
use super::verdict::{subject, verdict};
use crate::engine;
use crate::face::align::align;
use crate::face::detect::Face;
use crate::face::extractor::{Error, Extractor};
use crate::face::geometry::Rect;
use crate::face::quality::{Flaw, Quality};
use crate::face::score::Score;
use crate::face::select::{Choice, choose};
use crate::face::template::Template;
use crate::media::Frame;
use crate::ops::Wiped;

/// What is wanted of a person before the camera, and what was seen so far.
pub struct Sitting {
    /// Frames to judge; none if liveness is not wanted.
    frames: Option<usize>,
    best_shot: bool,
    clock: fn() -> Duration,
    effort: Effort,
    steady: Steady,
    judging: Option<Judging>,
    /// Frames since somebody was seen.
    blank: usize,
    /// Why the last frame with a face in it would not do.
    reason: Option<Error>,
}

/// What a sitting gave.
#[derive(Clone, Debug)]
pub struct Sat {
    /// The person's template.
    pub template: Template,
    /// Whether it is a person, if that was asked for.
    pub live: Option<Live>,
    /// What it cost, over all frames.
    pub effort: Effort,
}

/// Whether the person is live.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Confidence that it is a presentation attack, 0..1.
    pub spoofing: Score,
    /// Frames that were judged.
    pub frames: usize,
    /// The best shot as JPEG, if it was asked for.
    pub best_shot: Option<Vec<u8>>,
}

/// Fewest frames that a judgement can be made of when the time is over. Among eight, two must look like an attack for the
/// verdict to take notice, and a quarter is left out as the most live ones.
const LEAST_FRAMES: usize = 8;

/// Frames in a row in which the face must be good and in its place.
const STEADY: usize = 3;

/// Least share of its old box that a face must cover to count as holding still, in percent of their union. A head of 20 cm
/// that moves by 4 cm from one frame to the next still covers two thirds.
const STILL_PERCENT: i64 = 60;

/// Frames without a face that can be judged, in a row, after which the person counts as gone and another is waited for.
const GONE: usize = 8;

/// While nobody is there, only every so many frames get more than a glance.
const SELDOM: usize = 4;

/// A run of good frames.
#[derive(Default)]
struct Steady {
    place: Option<Rect>,
    frames: usize,
    /// Crop and quality of the best of them.
    best: Option<(Wiped, Quality)>,
}

struct Judging {
    follower: Follower,
    /// Frames in a row that could not be judged.
    lost: usize,
}

impl Sitting {
    /// Waits for a person; with `frames` it judges so many for liveness, with `best_shot` it keeps the best. `clock` is read
    /// around each step.
    pub fn new(frames: Option<usize>, best_shot: bool, clock: fn() -> Duration) -> Self {
        Self {
            frames,
            best_shot,
            clock,
            effort: Effort::default(),
            steady: Steady::default(),
            judging: None,
            blank: 0,
            reason: None,
        }
    }

    /// Looks at the next frame; gives the result once there is one.
    pub fn see(&mut self, extractor: &mut Extractor, frame: Frame) -> Result<Option<Sat>, Error> {
        let Some(wanted) = self.frames else {
            return if self.wait(extractor, &frame)? { self.sample(extractor).map(Some) } else { Ok(None) };
        };
        let Some(judging) = &mut self.judging else {
            if self.wait(extractor, &frame)? {
                let follower = Follower::new(false, self.best_shot, self.clock);
                self.judging = Some(Judging { follower, lost: 0 });
            }
            return Ok(None);
        };
        let before = judging.follower.judged();
        judging.follower.see(extractor, frame, &|| false)?;
        let judged = judging.follower.judged();
        judging.lost = if judged > before { 0 } else { judging.lost + 1 };
        if judged >= wanted {
            return self.verdict(extractor).map(Some);
        }
        if judging.lost >= GONE {
            self.forget();
        }
        Ok(None)
    }

    /// The result at the end of the time: what was judged so far if it is enough, else why there is none.
    pub fn finish(&mut self, extractor: &mut Extractor) -> Result<Sat, Error> {
        // The person must still be there.
        if self.judging.as_ref().is_some_and(|j| j.lost == 0 && j.follower.judged() >= LEAST_FRAMES) {
            return self.verdict(extractor);
        }
        Err(self.told())
    }

    /// Why there is no result yet.
    fn told(&mut self) -> Error {
        if let Some(judging) = &self.judging {
            let (usable, of) = (judging.follower.judged(), self.frames.unwrap_or_default());
            return Error::TooFewFrames { usable, of };
        }
        self.reason.take().unwrap_or(Error::NoFace)
    }

    /// Begins anew, since the frames that come have nothing to do with those that came.
    pub fn forget(&mut self) {
        if self.judging.is_some() {
            self.reason = Some(self.told());
        }
        if let Some(judging) = self.judging.take() {
            self.effort.add(judging.follower.effort);
        }
        self.steady = Steady::default();
        self.blank = 0;
    }

    /// Looks for a good face that holds still; whether it did for long enough.
    fn wait(&mut self, extractor: &mut Extractor, frame: &Frame) -> Result<bool, Error> {
        let start = (self.clock)();
        let detector = &mut extractor.detector;
        let glance = self.blank > SELDOM && !self.blank.is_multiple_of(SELDOM);
        let faces = if glance { detector.glance(frame)? } else { detector.find_upright(frame)? };
        self.effort.detect += (self.clock)() - start;
        self.blank = if faces.is_empty() { self.blank + 1 } else { 0 };
        match self.good(&faces, frame) {
            Ok((face, crop, quality)) => Ok(self.steady.add(face, crop, quality)),
            Err(reason) => {
                self.steady = Steady::default();
                // Who stood there before tells more than that nobody does now.
                if !matches!(reason, Error::NoFace) {
                    self.reason = Some(reason);
                }
                Ok(false)
            }
        }
    }

    /// The one good face of a frame, or why there is none.
    fn good(&mut self, faces: &[Face], frame: &Frame) -> Result<(Face, Wiped, Quality), Error> {
        let face = match choose(faces, frame) {
            Choice::None => return Err(Error::NoFace),
            Choice::Several(people) => return Err(Error::SeveralFaces(people)),
            Choice::One(face) => face,
        };
        let start = (self.clock)();
        let crop = align(frame, &face.points);
        let quality = Quality::measure(&face, &crop);
        self.effort.align += (self.clock)() - start;
        match quality.shortcoming() {
            Some(flaw) => Err(Error::Unusable(flaw)),
            None if self.steady.is_elsewhere(&face) => {
                // The next run may begin here.
                self.steady = Steady { place: Some(face.bounds), frames: 0, best: None };
                self.reason = Some(Error::Unusable(Flaw::Moving));
                Ok((face, crop, quality))
            }
            None => Ok((face, crop, quality)),
        }
    }

    /// The template of the best frame of the run.
    fn sample(&mut self, extractor: &mut Extractor) -> Result<Sat, Error> {
        let (crop, quality) = self.steady.best.take().ok_or(Error::NoFace)?;
        let start = (self.clock)();
        let template = extractor.embed(&crop, &quality)?;
        self.effort.embed += (self.clock)() - start;
        Ok(Sat { template, live: None, effort: self.effort })
    }

    /// The verdict on the judged frames, and the template of the best of them.
    fn verdict(&mut self, extractor: &mut Extractor) -> Result<Sat, Error> {
        let follower = self.judging.take().ok_or(Error::NoFace)?.follower;
        self.effort.add(follower.effort);
        let seen = follower.finish()?;
        let subject = subject(&seen.judged, &extractor.curve);
        let best = subject.iter().map(|&at| &seen.judged[at]).max_by_key(|judged| judged.rank).ok_or(Error::NoFace)?;
        let template = Template::new(extractor.model, best.quality, &best.vector)
            .map_err(|_| engine::Error::Run("the embedder gave no direction".into()))?;
        let best_shot = shot_of(&seen, &subject)?;
        let live = Live { spoofing: verdict(&seen.judged, &extractor.curve), frames: seen.judged.len(), best_shot };
        Ok(Sat { template, live: Some(live), effort: self.effort })
    }
}

impl Steady {
    fn is_elsewhere(&self, face: &Face) -> bool {
        self.place.is_some_and(|place| !face.bounds.overlaps(place, STILL_PERCENT))
    }

    /// Adds a good frame; whether there are enough.
    fn add(&mut self, face: Face, crop: Wiped, quality: Quality) -> bool {
        self.place = Some(face.bounds);
        self.frames += 1;
        if self.best.as_ref().is_none_or(|(_, best)| quality.score() > best.score()) {
            self.best = Some((crop, quality));
        }
        self.frames >= STEADY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Point, SUB};

    fn face(x: i32) -> Face {
        let at = |x: i32, y: i32| Point { x: x * SUB, y: y * SUB };
        Face { bounds: Rect { min: at(x, 0), max: at(x + 100, 100) }, points: [at(0, 0); 5], score: 0.9 }
    }

    fn quality(eye_distance: i32) -> Quality {
        Quality { eye_distance, brightness: 120, contrast: 100, sharpness: 250, nose: 50 }
    }

    #[test]
    fn a_run_needs_a_face_in_its_place_and_keeps_the_best() {
        let mut steady = Steady::default();
        assert!(!steady.is_elsewhere(&face(500)));
        assert!(!steady.add(face(0), vec![1].into(), quality(40)));
        assert!(!steady.is_elsewhere(&face(24)) && steady.is_elsewhere(&face(26)));
        assert!(!steady.add(face(10), vec![2].into(), quality(60)));
        assert!(steady.add(face(20), vec![3].into(), quality(50)));
        assert_eq!(*steady.best.unwrap().0, [2]);
    }

    #[test]
    fn a_live_camera_waits_for_more_than_what_is_refused() {
        assert_eq!(quality(60).shortcoming(), None);
        assert_eq!(quality(29).shortcoming(), Some(Flaw::Small { pixels: 29, least: 30 }));
        assert_eq!(Quality { sharpness: 60, ..quality(60) }.shortcoming(), Some(Flaw::Blurred));
        assert_eq!(Quality { nose: 110, ..quality(60) }.shortcoming(), Some(Flaw::Turned));
        assert_eq!(Quality { brightness: 2, ..quality(60) }.shortcoming(), Some(Flaw::Dark));
    }
}

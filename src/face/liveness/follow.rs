//! Follows the subject through the frames of a medium.
//!
//! In each frame it is the face that the product's rule chooses; where that finds two comparable people, it is the one that
//! lies where the subject was. Whether it stayed the same person is for the verdict to tell, from the embeddings. Frames
//! without a usable face are left out; what speaks against the whole is told at the end, when it is clear whether it was a slip of
//! the detector or the state of things.

use std::time::Duration;

use super::context::{View, has_surroundings};
use super::shot;
use super::verdict::same_person;
use crate::face::align::align;
use crate::face::detect::Face;
use crate::face::extractor::{Error, Extractor, on_time};
use crate::face::geometry::Rect;
use crate::face::quality::{Flaw, Quality};
use crate::face::score::Curve;
use crate::face::select::{Choice, choose};
use crate::media::{Frame, Turn};

/// One frame's part in the verdict.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    /// Log-odds that the face is live, one for each view.
    pub(super) live: Vec<f64>,
    /// The face as a unit vector; empty in a single picture, where there is nobody to compare with.
    pub(super) vector: Vec<f64>,
    /// How good it is as a best shot: only the order counts.
    pub(super) rank: i32,
    /// Quality of the sample, 0..100.
    pub(super) quality: u8,
}

/// What was seen of a subject that can be judged.
pub(super) struct Seen {
    /// At least one frame.
    pub(super) judged: Vec<Judged>,
    /// If best shots were asked for, that of each of the first people that were seen.
    pub(super) shots: Vec<Shot>,
}

/// The best frame of a person so far.
pub(super) struct Shot {
    /// Its number among the judged ones.
    pub(super) judged: usize,
    /// Upright, as it leaves the service.
    pub(super) frame: Frame,
}

/// Time of each step, summed over all frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Frame to faces.
    pub detect: Duration,
    /// Face to aligned crop, with the quality measures.
    pub align: Duration,
    /// Face to probabilities that it is live.
    pub live: Duration,
    /// Crop to embedding.
    pub embed: Duration,
}

impl Effort {
    /// Adds that of other frames.
    pub(super) fn add(&mut self, other: Self) {
        let Self { detect, align, live, embed } = self;
        *detect += other.detect;
        *align += other.align;
        *live += other.live;
        *embed += other.embed;
    }
}

/// The subject and what was seen of it so far.
pub(super) struct Follower {
    clock: fn() -> Duration,
    pub(super) effort: Effort,
    still: bool,
    /// Which way is up, as far as is known.
    upright: Upright,
    /// Where the subject was.
    place: Option<Rect>,
    frames: usize,
    without_face: usize,
    several: (usize, usize),
    flaw: Option<Flaw>,
    judged: Vec<Judged>,
    shots: Vec<Shot>,
    best_wanted: bool,
}

/// The turn that brings the subject upright, from how surely faces are found in each turn of the first frames.
#[derive(Default)]
struct Upright {
    turn: Turn,
    /// Certainty by turn, in the order of [`Turn::ALL`], summed over `frames` frames.
    certainty: [f32; 4],
    frames: usize,
    /// Frames that came while nobody was found in any turn.
    blank: usize,
    settled: bool,
}

/// Thorough searches that may find nobody: after these, frames get only the two upright looks. A search that fails costs nine
/// looks, and a clip without a face would cost as much as its length.
const THOROUGH: usize = 3;

/// Frames that may be looked at in all four turns. Of 29 turned pictures none was taken for upright; among frames of clips one
/// in four may be.
const PROBED: usize = 8;

/// While nobody is there, only every so many frames get more than a glance after [`THOROUGH`]. A glance finds faces from 3 % of
/// the longer side on, and smaller ones are too small to be judged.
const SELDOM: usize = 4;

/// Certainty from which a face is upright: faces that lie on their side are found with 0.60 to 0.89, upright ones with 0.93.
const SURELY_UPRIGHT: f32 = 0.9;

/// Least share of its old box that a face must cover to be taken for the same, in percent of their union.
const SAME_PLACE_PERCENT: i64 = 20;

/// The context that the model was trained on.
const PLAIN: View = View { scale: 270, mirrored: false };
const MIRRORED: View = View { scale: 270, mirrored: true };
/// A single picture is looked at in three ways: as it is, mirrored, which must not matter, and somewhat closer.
const STILL_VIEWS: &[View] = &[PLAIN, MIRRORED, View { scale: 240, mirrored: false }];
/// Frames of a clip have neighbors that average their noise: every second one is mirrored instead.
const CLIP_VIEWS: [&[View]; 2] = [&[PLAIN], &[MIRRORED]];

impl Follower {
    /// For a single picture (`still`) or a sequence; `best_wanted` keeps the best frame. `clock` is read around each step.
    pub(super) fn new(still: bool, best_wanted: bool, clock: fn() -> Duration) -> Self {
        Self {
            clock,
            effort: Effort::default(),
            still,
            upright: Upright::default(),
            place: None,
            frames: 0,
            without_face: 0,
            several: (0, 0),
            flaw: None,
            judged: vec![],
            shots: vec![],
            best_wanted,
        }
    }

    /// Frames that can be judged so far.
    pub(super) fn judged(&self) -> usize {
        self.judged.len()
    }

    /// Looks at the next frame. `stop` is asked between steps whether to give up with [`Error::Late`].
    pub(super) fn see(
        &mut self,
        extractor: &mut Extractor,
        frame: Frame,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        on_time(stop)?;
        self.frames += 1;
        let glance = self.upright.is_glance();
        let frame = if glance { frame } else { self.upright(extractor, frame)? };
        on_time(stop)?;
        let faces = self.find(extractor, &frame, glance)?;
        let Some(face) = self.subject(&faces, &frame) else { return Ok(()) };
        self.place = Some(face.bounds);
        let start = (self.clock)();
        let crop = align(&frame, &face.points);
        let quality = Quality::measure(&face, &crop);
        let aligned = (self.clock)();
        self.effort.align += aligned - start;
        let filling = || (!has_surroundings(&frame, face.bounds)).then_some(Flaw::Filling);
        if let Some(flaw) = quality.flaw().or_else(filling) {
            self.flaw = Some(flaw);
            return Ok(());
        }
        on_time(stop)?;
        let views = if self.still { STILL_VIEWS } else { CLIP_VIEWS[self.judged.len() % 2] };
        let live = extractor.liveness.live(&frame, face.bounds, views)?;
        let judged = (self.clock)();
        self.effort.live += judged - aligned;
        if live.is_empty() {
            self.without_face += 1; // a box whose middle lies outside of the picture
            return Ok(());
        }
        let vector = if self.still { vec![] } else { extractor.embedder.embed(&crop)? };
        self.effort.embed += (self.clock)() - judged;
        let rank = shot::rank(&quality, &crop);
        self.judged.push(Judged { live, vector, rank, quality: quality.score() });
        if self.best_wanted {
            self.keep(frame, &extractor.curve);
        }
        Ok(())
    }

    /// Keeps the frame that was judged last if it is the best of its person so far.
    fn keep(&mut self, frame: Frame, curve: &Curve) {
        let judged = self.judged.len() - 1;
        let newest = &self.judged[judged];
        let same = |shot: &&mut Shot| same_person(&self.judged[shot.judged].vector, &newest.vector, curve);
        let few = self.shots.len() < shot::MOST;
        match self.shots.iter_mut().find(same) {
            Some(best) if newest.rank > self.judged[best.judged].rank => {
                *best = Shot { judged, frame: shot::fitting(frame) };
            }
            Some(_) => {}
            None if few => self.shots.push(Shot { judged, frame: shot::fitting(frame) }),
            None => {}
        }
    }

    /// Turns the frame so that the subject stands upright. What was judged in another turn before is forgotten.
    fn upright(&mut self, extractor: &mut Extractor, frame: Frame) -> Result<Frame, Error> {
        if !self.upright.settled {
            let start = (self.clock)();
            let certainty = extractor.detector.certainty_by_turn(&frame, SURELY_UPRIGHT)?;
            self.effort.detect += (self.clock)() - start;
            if self.upright.add(certainty) {
                self.place = None;
                self.judged.clear();
                self.shots.clear();
            }
        }
        Ok(if self.upright.turn == Turn::None { frame } else { frame.turned(self.upright.turn) })
    }

    fn find(&mut self, extractor: &mut Extractor, frame: &Frame, glance: bool) -> Result<Vec<Face>, Error> {
        let thorough = self.judged.is_empty() && self.without_face < THOROUGH;
        let start = (self.clock)();
        let detector = &mut extractor.detector;
        let faces = match thorough {
            true => detector.find(frame)?,
            false if glance => detector.glance(frame)?,
            false => detector.find_upright(frame)?,
        };
        self.effort.detect += (self.clock)() - start;
        Ok(faces)
    }

    /// The subject among the faces of a frame.
    fn subject(&mut self, faces: &[Face], frame: &Frame) -> Option<Face> {
        let there = self.place.and_then(|place| nearest(faces, place));
        match choose(faces, frame) {
            Choice::None => {
                self.without_face += 1;
                None
            }
            Choice::One(face) => Some(face),
            Choice::Several(people) => {
                self.several = (self.several.0 + 1, self.several.1.max(people));
                there
            }
        }
    }

    /// Whether what was seen allows a judgement, and if not, why.
    pub(super) fn finish(self) -> Result<Seen, Error> {
        let with_face = self.frames - self.without_face;
        if with_face == 0 {
            return Err(Error::NoFace);
        }
        // In more than a third of the frames: no slip of the detector, and nobody who walked past.
        if self.several.0 * 3 > with_face {
            return Err(Error::SeveralFaces(self.several.1));
        }
        let judged = self.judged.len();
        if judged < least(self.frames) {
            return Err(match self.flaw {
                Some(flaw) => Error::Unusable(flaw),
                None => Error::TooFewFrames { usable: judged, of: self.frames },
            });
        }
        Ok(Seen { judged: self.judged, shots: self.shots })
    }
}

/// Usable frames that a verdict needs at least: a quarter, and three if there are as many. One frame proves nothing when the
/// others could not be judged.
fn least(frames: usize) -> usize {
    frames.div_ceil(4).max(3).min(frames)
}

/// The face that covers most of a place, if it covers enough of it.
fn nearest(faces: &[Face], place: Rect) -> Option<Face> {
    let shared = |face: &Face| face.bounds.intersection(place).area();
    let best = faces.iter().max_by_key(|f| shared(f))?;
    best.bounds.overlaps(place, SAME_PLACE_PERCENT).then_some(*best)
}

impl Upright {
    /// Whether a glance at the next frame has to do.
    fn is_glance(&mut self) -> bool {
        let blank = self.frames == 0 && !self.settled;
        self.blank += usize::from(blank);
        blank && self.blank > THOROUGH && !self.blank.is_multiple_of(SELDOM)
    }

    /// Takes a frame's certainties into account; whether another turn is the best now.
    fn add(&mut self, certainty: [f32; 4]) -> bool {
        let before = self.turn;
        for (sum, certainty) in self.certainty.iter_mut().zip(certainty) {
            *sum += certainty;
        }
        self.frames += usize::from(certainty.iter().any(|c| *c > 0.0));
        let best = (0..4).rev().max_by(|a, b| self.certainty[*a].total_cmp(&self.certainty[*b])).unwrap_or(0);
        self.turn = Turn::ALL[best];
        self.settled = certainty[best] >= SURELY_UPRIGHT || self.frames >= PROBED;
        self.turn != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Point, SUB};

    fn at(x: i32, y: i32) -> Point {
        Point { x: x * SUB, y: y * SUB }
    }

    fn face(x: i32, y: i32, size: i32) -> Face {
        Face { bounds: Rect { min: at(x, y), max: at(x + size, y + size) }, points: [at(0, 0); 5], score: 0.9 }
    }

    #[test]
    fn a_face_is_known_by_its_place() {
        let faces = [face(300, 0, 120), face(100, 100, 100)];
        assert_eq!(nearest(&faces, face(110, 95, 100).bounds), Some(faces[1]));
        assert_eq!(nearest(&faces, face(180, 180, 100).bounds), None);
        assert_eq!(nearest(&[], face(0, 0, 10).bounds), None);
    }

    #[test]
    fn the_turn_with_the_surest_faces_is_upright() {
        let mut upright = Upright::default();
        assert!(!upright.add([0.0; 4]) && upright.turn == Turn::None && !upright.settled);
        // Turn::ALL is none, right, left, half.
        assert!(upright.add([0.6, 0.0, 0.7, 0.0]) && upright.turn == Turn::Left && !upright.settled);
        assert!(upright.add([0.8, 0.0, 0.6, 0.0]) && upright.turn == Turn::None);
        assert!(upright.add([0.6, 0.0, 0.93, 0.0]) && upright.turn == Turn::Left && upright.settled);
        let mut doubtful = Upright::default();
        for _ in 0..PROBED {
            assert!(!doubtful.settled && !doubtful.add([0.7, 0.0, 0.0, 0.65]));
        }
        assert!(doubtful.settled);
        let mut sure = Upright::default();
        assert!(!sure.add([0.92, 0.0, 0.0, 0.0]) && sure.settled);
    }

    #[test]
    fn empty_frames_get_a_glance() {
        let mut upright = Upright::default();
        let closer: Vec<usize> = (1..=20).filter(|_| !upright.is_glance()).collect();
        assert_eq!(closer, [1, 2, 3, 4, 8, 12, 16, 20]);
        upright.add([0.0, 0.7, 0.0, 0.0]);
        assert!(!upright.is_glance() && !upright.is_glance());
        upright.add([0.0, 0.95, 0.0, 0.0]);
        assert!(!upright.is_glance());
    }

    #[test]
    fn a_verdict_needs_a_quarter_of_the_frames() {
        for (frames, want) in [(1, 1), (2, 2), (3, 3), (12, 3), (13, 4), (16, 4), (64, 16)] {
            assert_eq!(least(frames), want, "{frames}");
        }
    }

    fn follower(
        frames: usize,
        without_face: usize,
        several: (usize, usize),
        flaw: Option<Flaw>,
        judged: usize,
    ) -> Follower {
        let judged = vec![Judged { live: vec![2.0], vector: vec![], rank: 0, quality: 50 }; judged];
        Follower { frames, without_face, several, flaw, judged, ..Follower::new(false, false, || Duration::ZERO) }
    }

    #[test]
    fn the_reason_is_that_of_most_frames() {
        let told = |f: Follower| f.finish().err().map(|e| e.to_string());
        assert_eq!(told(follower(16, 4, (4, 2), None, 12)), None);
        assert_eq!(told(follower(16, 16, (0, 0), None, 0)).unwrap(), "no face was found");
        assert!(told(follower(16, 4, (5, 3), None, 12)).unwrap().starts_with("3 people"));
        assert!(told(follower(16, 0, (0, 0), Some(Flaw::Dark), 3)).unwrap().contains("too dark"));
        assert!(told(follower(16, 13, (0, 0), None, 3)).unwrap().contains("3 of 16 frames"));
    }
}

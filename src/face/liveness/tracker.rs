//! Tracks the subject through the frames of a medium. It does not decide whether it stayed the same person: the verdict does, by
//! the embeddings.
//!
//! In each frame the subject is the face that the product's rule chooses; where that finds more than one person, it is the face
//! at the subject's last position. Frames without a usable face are left out. Reasons against the whole medium are reported at
//! the end, when a detector error can be told from a lasting condition.

use std::time::Duration;

use super::beside::Beside;
use super::evidence::FrameEvidence;
use super::gestures::GestureWatch;
use super::pooling::Kind;
use super::shot::{self, Shot};
use super::verdict::same_person;
use crate::face::align::align;
use crate::face::context::{CropSpec, has_surroundings};
use crate::face::error::{Error, on_time};
use crate::face::extractor::Extractor;
use crate::face::found::{Face, is_same_place};
use crate::face::geometry::Rect;
use crate::face::quality::{Quality, QualityDefect};
use crate::face::score::Curve;
use crate::face::select::{Choice, choose};
use crate::face::tint::Tint;
use crate::media::{self, Frame, Rotation};
use crate::ops::{SecretBytes, Stop};

/// What was seen of a subject that can be judged.
pub(super) struct SubjectEvidence {
    /// At least one frame.
    pub(super) judged: Vec<FrameEvidence>,
    /// If best shots were asked for, one for each of the people seen first.
    pub(super) shots: Vec<BestShot>,
    /// What moved beside the head, if that was looked at.
    pub(super) beside: Option<Beside>,
}

/// The best frame of a person so far.
pub(super) struct BestShot {
    /// Its index among the judged frames.
    pub(super) judged: usize,
    pub(super) shot: Shot,
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
    /// Adds the time spent on other frames.
    pub(super) fn add(&mut self, other: Self) {
        let Self { detect, align, live, embed } = self;
        *detect += other.detect;
        *align += other.align;
        *live += other.live;
        *embed += other.embed;
    }
}

/// The tracking state of the subject.
pub(super) struct SubjectTracker {
    clock: fn() -> Duration,
    pub(super) effort: Effort,
    kind: Kind,
    /// Which way is up, as far as is known.
    upright: Upright,
    /// The subject's last position.
    place: Option<Rect>,
    frames: usize,
    without_face: usize,
    several: (usize, usize),
    defect: Option<QualityDefect>,
    /// The face in the last frame, if it was confirmed.
    pub(super) seen: Option<Quality>,
    judged: Vec<FrameEvidence>,
    shots: Vec<BestShot>,
    best_wanted: bool,
    /// What sees gestures, where some are looked for: only then are landmarks found.
    watch: Option<GestureWatch>,
    /// Area from which another face is a second person, in percent of the subject's.
    second_person: u32,
    /// What moves beside the head, if the camera stands still.
    beside: Option<Beside>,
}

/// What a frame shows, before anything is judged.
pub(super) enum Sighting {
    /// No face.
    Nobody,
    /// More people than one.
    Several,
    /// The subject.
    Subject(Face),
}

/// The turn that brings the subject upright, from the first confirmed face.
#[derive(Default)]
struct Upright {
    turn: Rotation,
    settled: bool,
    /// Frames before the turn was settled.
    blank: usize,
}

/// Thorough searches that may find no face: after these, frames get only the two upright searches. A thorough search that fails
/// costs nine detector runs, so a clip without a face would cost in proportion to its length.
const THOROUGH: usize = 3;

/// After [`THOROUGH`], while no face is found, only every so many frames get more than a coarse search. A coarse search finds faces
/// from 3 % of the longer side on; smaller ones are too small to be judged.
const SELDOM: usize = 4;

/// The context that the model was trained on.
const PLAIN: CropSpec = CropSpec { scale: 270, mirrored: false };
const MIRRORED: CropSpec = CropSpec { scale: 270, mirrored: true };
/// A single picture is judged in three views: as it is, mirrored (which must not matter), and somewhat closer.
const STILL_VIEWS: &[CropSpec] = &[PLAIN, MIRRORED, CropSpec { scale: 240, mirrored: false }];
/// Frames of a clip have neighbors that average their noise: every second one is mirrored instead.
const CLIP_VIEWS: [&[CropSpec]; 2] = [&[PLAIN], &[MIRRORED]];

impl SubjectTracker {
    /// For a medium of this `kind`; `best_wanted` keeps the best frame. Another face counts as a second person from
    /// `second_person` percent of the subject's area. `clock` is read around each step.
    pub(super) fn new(kind: Kind, best_wanted: bool, second_person: u32, clock: fn() -> Duration) -> Self {
        Self {
            clock,
            effort: Effort::default(),
            kind,
            upright: Upright::default(),
            place: None,
            frames: 0,
            without_face: 0,
            several: (0, 0),
            defect: None,
            seen: None,
            judged: vec![],
            shots: vec![],
            best_wanted,
            watch: None,
            second_person,
            beside: None,
        }
    }

    /// The same, with an eye on what moves beside the head, if the camera `stands_still`.
    pub(super) fn beside(self, stands_still: bool) -> Self {
        Self { beside: stands_still.then(Beside::default), ..self }
    }

    /// The same with landmarks of each frame for gestures.
    pub(super) fn with_gestures(self) -> Self {
        Self { watch: Some(GestureWatch::default()), ..self }
    }

    /// What was seen of gestures, if they are looked for.
    pub(super) fn gestures(&self) -> Option<&GestureWatch> {
        self.watch.as_ref()
    }

    /// The same for frames that are known to be upright, such as a camera's in which an upright face was seen.
    pub(super) fn of_upright(best_wanted: bool, second_person: u32, clock: fn() -> Duration) -> Self {
        let upright = Upright { settled: true, ..Upright::default() };
        Self { upright, ..Self::new(Kind::Sequence, best_wanted, second_person, clock) }
    }

    /// Number of judged frames so far.
    pub(super) fn judged(&self) -> usize {
        self.judged.len()
    }

    /// Processes the next frame. `stop` is called between steps; once it returns true, this ends with [`Error::Late`].
    pub(super) fn push_frame(&mut self, extractor: &mut Extractor, frame: Frame, stop: &Stop<'_>) -> Result<(), Error> {
        on_time(stop)?;
        self.frames += 1;
        self.seen = None;
        let coarse_only = self.upright.is_coarse_only();
        let mut frame = frame.seen(false, self.upright.turn);
        let (located, face) = loop {
            on_time(stop)?;
            let faces = self.find(extractor, &frame, coarse_only)?;
            let Some(face) = self.subject(&faces, &frame) else { return Ok(()) };
            if let Some(beside) = &mut self.beside {
                beside.push(&frame, &face);
            }
            on_time(stop)?;
            let Some(confirmed) = self.confirm(extractor, &frame, &face)? else {
                // As a head often is that turned far. Until it is known which way is up, it may be any.
                return if self.upright.settled { self.look_for_gestures(extractor, &frame, &face) } else { Ok(()) };
            };
            let turn = self.upright.rotation_for(&confirmed);
            if turn == Rotation::None {
                break (face, confirmed);
            }
            frame = frame.seen(false, turn);
            self.place = None;
        };
        self.look_for_gestures(extractor, &frame, &located)?;
        self.judge(extractor, frame, &face, stop)
    }

    /// Shows the subject to what sees gestures, by its points of the first detection: those for which the bounds of turns were chosen.
    fn look_for_gestures(&mut self, extractor: &mut Extractor, frame: &Frame, face: &Face) -> Result<(), Error> {
        if let Some(watch) = &mut self.watch
            && let Some(mesh) = extractor.mesh(frame, face)?
        {
            watch.push(mesh, face.points);
        }
        Ok(())
    }

    /// Finds the subject in the next frame of upright ones, without judging it.
    pub(super) fn locate(&mut self, extractor: &mut Extractor, frame: &Frame) -> Result<Sighting, Error> {
        self.frames += 1;
        self.seen = None;
        let several = self.several.0;
        let faces = self.find(extractor, frame, false)?;
        Ok(match self.subject(&faces, frame) {
            _ if self.several.0 > several => Sighting::Several,
            Some(face) => {
                if let Some(beside) = &mut self.beside {
                    beside.push(frame, &face);
                }
                Sighting::Subject(face)
            }
            None => Sighting::Nobody,
        })
    }

    /// Judges the face that [`Self::locate`] found in a frame, if it can be confirmed.
    pub(super) fn judge_located(&mut self, extractor: &mut Extractor, frame: Frame, face: &Face) -> Result<(), Error> {
        match self.confirm(extractor, &frame, face)? {
            Some(face) => self.judge(extractor, frame, &face, &|| false),
            None => Ok(()),
        }
    }

    /// Judges a confirmed face, if it is good enough for that.
    fn judge(&mut self, extractor: &mut Extractor, frame: Frame, face: &Face, stop: &Stop<'_>) -> Result<(), Error> {
        let start = (self.clock)();
        let crop = align(&frame, &face.points, &extractor.team);
        let quality = Quality::measure(face, &crop);
        self.seen = Some(quality);
        let aligned = (self.clock)();
        self.effort.align += aligned - start;
        let filling = || (!has_surroundings(&frame, face.bounds)).then_some(QualityDefect::Filling);
        if let Some(defect) = quality.defect().or_else(filling) {
            self.defect = Some(defect);
            return Ok(());
        }
        on_time(stop)?;
        let embedding = extractor.embedding(&crop, &quality)?;
        let embedded = (self.clock)();
        self.effort.embed += embedded - aligned;
        if let Some(defect) = quality.defect_of_embedding(embedding.norm) {
            self.defect = Some(defect);
            return Ok(());
        }
        let previous = extractor.previous_vector(&crop, &quality)?;
        on_time(stop)?;
        let views = match self.kind {
            Kind::Still => STILL_VIEWS,
            Kind::Sequence | Kind::Challenge => CLIP_VIEWS[self.judged.len() % 2],
        };
        let (mut live, mut judged, tint) = (Ok(vec![]), embedded, Tint::of(&crop));
        let mut judge = || {
            live = extractor.liveness.live(&frame, face.bounds, &tint, views);
            judged = (self.clock)();
        };
        let mut written = None;
        if self.best_wanted && matches!(self.kind, Kind::Still) {
            // The only frame is the best one: it is written meanwhile.
            extractor.clips.fork(&mut || written = Some(media::to_jpeg(&shot::fitting(&frame))), &mut judge);
        } else {
            judge();
        }
        let live = live?;
        self.effort.live += judged - embedded;
        if live.is_empty() {
            self.without_face += 1; // a box whose center lies outside of the picture
            return Ok(());
        }
        let rank = shot::rank(&quality, &crop);
        let frontal = quality.is_frontal();
        let quality = quality.score(embedding.norm);
        self.judged.push(FrameEvidence { live, frontal, vector: embedding.vector, previous, rank, quality });
        if self.best_wanted {
            self.keep(frame, written, &extractor.curve);
        }
        Ok(())
    }

    /// Keeps the frame that was judged last, or what was written of it, if it is the best of its person so far.
    fn keep(&mut self, frame: Frame, written: Option<Result<SecretBytes, String>>, curve: &Curve) {
        let judged = self.judged.len() - 1;
        let newest = &self.judged[judged];
        let same = |shot: &&mut BestShot| same_person(&self.judged[shot.judged].vector, &newest.vector, curve);
        let few = self.shots.len() < shot::MOST;
        let shot = || match written {
            Some(written) => Shot::Written(written),
            None => Shot::of(frame),
        };
        match self.shots.iter_mut().find(same) {
            Some(best) if newest.rank > self.judged[best.judged].rank => {
                *best = BestShot { judged, shot: shot() };
            }
            Some(_) => {}
            None if few => self.shots.push(BestShot { judged, shot: shot() }),
            None => {}
        }
    }

    /// The face as a second detection sees it; in frames that are known to be upright it has to be upright. If it does not see one, why is
    /// kept.
    fn confirm(&mut self, extractor: &mut Extractor, frame: &Frame, face: &Face) -> Result<Option<Face>, Error> {
        let start = (self.clock)();
        let detector = &mut extractor.detector;
        let confirmed = match self.upright.settled {
            true => detector.confirm_upright(frame, face)?,
            false => detector.confirm(frame, face)?,
        };
        self.effort.detect += (self.clock)() - start;
        if confirmed.is_none() {
            self.defect = Some(QualityDefect::of_unconfirmed(frame, face));
        }
        Ok(confirmed)
    }

    fn find(&mut self, extractor: &mut Extractor, frame: &Frame, coarse_only: bool) -> Result<Vec<Face>, Error> {
        let thorough = self.judged.is_empty() && self.without_face < THOROUGH;
        let start = (self.clock)();
        let detector = &mut extractor.detector;
        let faces = match thorough {
            true => detector.find(frame)?,
            false if coarse_only => detector.detect_coarse(frame)?,
            false => detector.find_upright(frame)?,
        };
        self.effort.detect += (self.clock)() - start;
        Ok(faces)
    }

    /// The subject among the faces of a frame.
    fn subject(&mut self, faces: &[Face], frame: &Frame) -> Option<Face> {
        let there = self.place.and_then(|place| nearest(faces, place));
        let subject = match choose(faces, frame, self.second_person) {
            Choice::None => {
                self.without_face += 1;
                None
            }
            Choice::One(face) => Some(face),
            Choice::Several(people) => {
                self.several = (self.several.0 + 1, self.several.1.max(people));
                there
            }
        };
        self.place = subject.map_or(self.place, |face| Some(face.bounds));
        subject
    }

    /// The evidence without a question whether it is enough.
    pub(super) fn evidence(self) -> Option<SubjectEvidence> {
        let Self { judged, shots, beside, .. } = self;
        (!judged.is_empty()).then_some(SubjectEvidence { judged, shots, beside })
    }

    /// The evidence, or why the frames don't allow a judgment.
    pub(super) fn finish(self) -> Result<SubjectEvidence, Error> {
        let with_face = self.frames - self.without_face;
        if with_face == 0 {
            return Err(Error::NoFace);
        }
        // In more than a third of the frames: neither a detector error nor a person who walked past.
        if self.several.0 * 3 > with_face {
            return Err(Error::SeveralFaces(self.several.1));
        }
        let judged = self.judged.len();
        if judged < least(self.frames) {
            return Err(match self.defect {
                Some(defect) => Error::Unusable(defect),
                None => Error::TooFewFrames { usable: judged, of: self.frames },
            });
        }
        self.evidence().ok_or(Error::NoFace)
    }
}

/// Fewest usable frames for a verdict: a quarter, but at least three if there are as many. One frame proves nothing when the
/// others could not be judged.
fn least(frames: usize) -> usize {
    frames.div_ceil(4).max(3).min(frames)
}

/// The face that overlaps `place` most, if the overlap is large enough.
fn nearest(faces: &[Face], place: Rect) -> Option<Face> {
    let shared = |face: &Face| face.bounds.intersection(place).area();
    let best = faces.iter().max_by_key(|f| shared(f))?;
    is_same_place(best.bounds, place).then_some(*best)
}

impl Upright {
    /// Whether a coarse search is enough for the next frame.
    fn is_coarse_only(&mut self) -> bool {
        if self.settled {
            return false;
        }
        self.blank += 1;
        self.blank > THOROUGH && !self.blank.is_multiple_of(SELDOM)
    }

    /// Takes the first confirmed face's direction as upright; how its frame has to be turned.
    fn rotation_for(&mut self, face: &Face) -> Rotation {
        if std::mem::replace(&mut self.settled, true) {
            return Rotation::None;
        }
        let turn = face.turn_to_upright();
        self.turn = self.turn.then(turn);
        turn
    }
}

#[cfg(test)]
mod tests;

//! The whole way from a file to a template, for one thread.

use std::time::Duration;

use super::align::align;
use super::detect::{Detector, Face};
use super::embed::Embedder;
use super::liveness::Model;
use super::quality::{Flaw, Quality};
use super::score::Curve;
use super::select::{Choice, choose, most_central};
use super::template::Template;
use crate::engine::{self, Arithmetic, ModelInfo, ModelSet, Plan, Role};
use crate::media::{self, Frame, Held, Means, MediumError};
use crate::ops::memory::Reserved;
use crate::ops::{Limits, Memory};

/// The plans that every thread shares: weights are in memory once.
pub struct Faces {
    models: Vec<ModelInfo>,
    coarse: Plan,
    fine: Plan,
    embed: Plan,
    liveness: Plan,
    limits: Limits,
    memory: Memory,
    mirror: bool,
}

/// What one thread needs to make templates and to judge whether a face is live.
pub struct Extractor {
    pub(super) detector: Detector,
    pub(super) embedder: Embedder,
    pub(super) liveness: Model,
    /// How alike faces of one medium are.
    pub(super) curve: Curve,
    pub(super) model: u16,
    pub(super) limits: Limits,
    /// Shared by all threads.
    pub(super) memory: Memory,
}

/// CPU time of each step of one extraction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Bytes to frame.
    pub decode: Duration,
    /// Frame to faces.
    pub detect: Duration,
    /// Face to crop, with the quality measures.
    pub align: Duration,
    /// Crop to template.
    pub embed: Duration,
}

/// Why there is no template or no judgement, by who has to do something about it.
#[derive(Debug)]
pub enum Error {
    /// The bytes are no picture that can be read: the client's.
    Picture(media::Error),
    /// The bytes are no medium that can be judged: the client's.
    Medium(MediumError),
    /// Nobody is in it: the client's.
    NoFace,
    /// So many comparable people are in it: the client's.
    SeveralFaces(usize),
    /// A face that no template can be made of: the client's, and the person can mend it.
    Unusable(Flaw),
    /// The face can be judged in too few frames of a clip: the client's, and the person can mend it.
    TooFewFrames {
        /// Frames in which it can.
        usable: usize,
        /// Frames that were looked at.
        of: usize,
    },
    /// The time ran out: policy.
    Late,
    /// The system has no memory for it now: ours.
    NoMemory,
    /// The models failed: ours.
    Engine(engine::Error),
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<MediumError> for Error {
    fn from(error: MediumError) -> Self {
        match error {
            MediumError::Late => Self::Late,
            MediumError::NoMemory => Self::NoMemory,
            other => Self::Medium(other),
        }
    }
}

impl From<media::Error> for Error {
    fn from(error: media::Error) -> Self {
        match error {
            media::Error::Late => Self::Late,
            media::Error::NoMemory => Self::NoMemory,
            other => Self::Picture(other),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Picture(error) => error.fmt(f),
            Self::NoFace => f.write_str("no face was found"),
            Self::SeveralFaces(n) => write!(f, "{n} people of comparable size are in the picture"),
            Self::Unusable(flaw) => flaw.fmt(f),
            Self::Medium(error) => error.fmt(f),
            Self::TooFewFrames { usable, of } => write!(
                f,
                "a face can be judged in {usable} of {of} frames only; keep it in the picture and look at the camera"
            ),
            Self::Late => f.write_str("it took too long"),
            Self::NoMemory => media::Error::NoMemory.fmt(f),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl Faces {
    /// Plans the models. `mirror` averages the embedding with that of the mirrored crop.
    pub fn new(models: ModelSet, limits: Limits, mirror: bool, arithmetic: Arithmetic) -> Result<Self, engine::Error> {
        let detector = models.get(Role::Detector);
        let sides = &detector.info().input.sides;
        let (coarse, fine) = (sides[0], sides[sides.len() - 1]);
        let (embedder, liveness) = (models.get(Role::Embedder), models.get(Role::Liveness));
        // Planning is most of a start, and there are several processors.
        let [coarse, fine, embed, liveness] = std::thread::scope(|scope| {
            [
                (detector, coarse),
                (detector, fine),
                (embedder, embedder.info().input.sides[0]),
                (liveness, liveness.info().input.sides[0]),
            ]
            .map(|(model, side)| scope.spawn(move || model.plan(side, arithmetic)))
            .map(|plan| plan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let faces = Self {
            coarse: coarse?,
            fine: fine?,
            embed: embed?,
            liveness: liveness?,
            memory: Memory::new(&limits),
            limits,
            mirror,
            models: models.into_infos(), // the files are not needed any more
        };
        faces.extractor()?; // models that don't fit together are told now, and later ones can be expected to be made
        Ok(faces)
    }

    /// How much memory decoding may take.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The state of one thread.
    pub fn extractor(&self) -> Result<Extractor, engine::Error> {
        let embedder = self.embedder();
        Ok(Extractor {
            detector: Detector::new(self.info(Role::Detector), &self.coarse, &self.fine)?,
            embedder: Embedder::new(embedder, &self.embed, self.mirror)?,
            liveness: Model::new(self.info(Role::Liveness), &self.liveness)?,
            curve: Curve::new(&embedder.knots),
            model: embedder.id,
            limits: self.limits.clone(),
            memory: self.memory.clone(),
        })
    }

    /// Runs every model on a picture with a known answer.
    pub fn self_test(&self) -> Result<(), engine::Error> {
        self.coarse.session()?.self_test(self.info(Role::Detector))?;
        self.embed.session()?.self_test(self.embedder())?;
        self.liveness.session()?.self_test(self.info(Role::Liveness))
    }

    /// How a model is computed, for people.
    pub fn arithmetic(&self, role: Role) -> String {
        match role {
            Role::Detector => self.coarse.arithmetic(),
            Role::Embedder => self.embed.arithmetic(),
            Role::Liveness => self.liveness.arithmetic(),
        }
    }

    /// The embedding model.
    pub fn embedder(&self) -> &ModelInfo {
        self.info(Role::Embedder)
    }

    fn info(&self, role: Role) -> &ModelInfo {
        self.models.iter().find(|info| info.role == role).expect("a set has one of each role")
    }

    /// All models.
    pub fn models(&self) -> impl Iterator<Item = &ModelInfo> {
        self.models.iter()
    }
}

impl Extractor {
    /// The template of the one person in a picture file. `stop` is asked now and then whether to give up with
    /// [`Error::Late`].
    pub fn extract(&mut self, bytes: &[u8], stop: &dyn Fn() -> bool) -> Result<Template, Error> {
        let frame = self.decode(bytes, stop)?;
        on_time(stop)?;
        match choose(&self.detector.find(&frame)?, &frame) {
            Choice::None => Err(Error::NoFace),
            Choice::Several(n) => Err(Error::SeveralFaces(n)),
            Choice::One(face) => self.template(&frame, face, stop),
        }
    }

    /// Waits for memory for something else than a picture file, but for no more than there is.
    pub fn reserve(&self, bytes: u64, stop: &dyn Fn() -> bool) -> Result<Reserved, Error> {
        self.memory.decode.reserve_most(bytes, stop).map_err(|_| Error::Late)
    }

    /// The frame of a picture file, which holds its part of the memory's budget.
    pub fn decode(&self, bytes: &[u8], stop: &dyn Fn() -> bool) -> Result<Held, Error> {
        Ok(media::decode(bytes, &Means { limits: &self.limits, memory: &self.memory, stop })?)
    }

    /// The template of the most central person, and whether the service would refuse the picture for a second person.
    pub fn extract_central(&mut self, bytes: &[u8]) -> Result<(Template, bool), Error> {
        let frame = self.decode(bytes, NEVER)?;
        let faces = self.detector.find(&frame)?;
        let several = matches!(choose(&faces, &frame), Choice::Several(_));
        let face = most_central(&faces, &frame).ok_or(Error::NoFace)?;
        Ok((self.template(&frame, face, NEVER)?, several))
    }

    /// All faces of a picture file, the largest first, and the choice among them.
    pub fn detect(&mut self, bytes: &[u8]) -> Result<(Vec<Face>, Choice), Error> {
        let frame = self.decode(bytes, NEVER)?;
        let faces = self.detector.find(&frame)?;
        let choice = choose(&faces, &frame);
        Ok((faces, choice))
    }

    /// Extracts with a clock, which is read around each step.
    pub fn extract_timed(&mut self, bytes: &[u8], clock: impl Fn() -> Duration) -> Result<Stages, Error> {
        let start = clock();
        let frame = self.decode(bytes, NEVER)?;
        let decoded = clock();
        let faces = self.detector.find(&frame)?;
        let detected = clock();
        let face = faces.first().ok_or(Error::NoFace)?;
        let crop = align(&frame, &face.points);
        let quality = Quality::measure(face, &crop);
        let aligned = clock();
        self.embed(&crop, &quality)?;
        Ok(Stages {
            decode: decoded - start,
            detect: detected - decoded,
            align: aligned - detected,
            embed: clock() - aligned,
        })
    }

    fn template(&mut self, frame: &Frame, face: Face, stop: &dyn Fn() -> bool) -> Result<Template, Error> {
        on_time(stop)?;
        let crop = align(frame, &face.points);
        let quality = Quality::measure(&face, &crop);
        if let Some(flaw) = quality.flaw() {
            return Err(Error::Unusable(flaw));
        }
        on_time(stop)?;
        Ok(self.embed(&crop, &quality)?)
    }

    pub(super) fn embed(&mut self, crop: &[u8], quality: &Quality) -> Result<Template, engine::Error> {
        let vector = self.embedder.embed(crop)?;
        Template::new(self.model, quality.score(), &vector)
            .map_err(|_| engine::Error::Run("the embedder gave no direction".into()))
    }
}

/// For measurements, which have all the time that they need.
const NEVER: &dyn Fn() -> bool = &|| false;

/// Whether there is still time.
pub(super) fn on_time(stop: &dyn Fn() -> bool) -> Result<(), Error> {
    if stop() { Err(Error::Late) } else { Ok(()) }
}

//! Extracts a template from a picture file: runs all steps, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::align::align;
use super::detect::Detector;
use super::embed::{Embedder, Embedding};
use super::error::{Error, on_time};
use super::found::Face;
use super::light::lit;
use super::mesh::{Landmarks, Mesh};
use super::pad_model::PadModel;
use super::quality::{Quality, QualityDefect};
use super::score::Curve;
use super::select::{Choice, SecondPerson, choose, most_central};
use super::template::Template;
use crate::engine::{self, Arithmetic, ModelInfo, ModelSet, Plan, Role, Team};
use crate::media::{self, Frame, HeldMedia, Means};
use crate::ops::memory::Reserved;
use crate::ops::{Limits, Memory, Stop, counted};

/// The model plans that all threads share: weights are in memory once.
pub struct FacePipeline {
    models: Vec<ModelInfo>,
    coarse: Plan,
    fine: Plan,
    embed: Plan,
    /// The embedder of before, which runs as well.
    previous: Option<(ModelInfo, Plan)>,
    liveness: Plan,
    landmarks: Option<Arc<Plan>>,
    limits: Limits,
    memory: Memory,
    mirror: bool,
    second_person: SecondPerson,
}

/// The state of one thread that makes templates and judges whether a face is live.
pub struct Extractor {
    pub(super) detector: Detector,
    embedder: Embedder,
    /// That of before, with its id.
    previous: Option<(Embedder, u16)>,
    pub(super) liveness: PadModel,
    landmarks: Landmarks,
    /// The score curve for faces of one medium.
    pub(super) curve: Curve,
    pub(super) model: u16,
    pub(super) limits: Limits,
    pub(super) second_person: SecondPerson,
    /// Shared by all threads.
    pub(super) memory: Memory,
    /// Whoever helps this thread.
    pub(super) team: Team,
    /// Whoever does something else meanwhile: decodes a clip while its frames are judged, writes a best shot.
    pub(super) clips: Team,
}

/// CPU time of each step of one extraction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Bytes to frame.
    pub decode: Duration,
    /// Frame to faces.
    pub detect: Duration,
    /// Second detection of the face.
    pub confirm: Duration,
    /// Face to crop, with the quality measures.
    pub align: Duration,
    /// Crop to template.
    pub embed: Duration,
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
            Self::SeveralFaces(n) => write!(f, "{n} people are in the picture; there must be one"),
            Self::Unusable(defect) => defect.fmt(f),
            Self::Medium(error) => error.fmt(f),
            Self::TooFewFrames { usable, of } => write!(
                f,
                "a face can be judged in {usable} of {} only; keep it in the picture and look at the camera",
                counted(of, "frame", "frames")
            ),
            Self::Challenge(ending) => ending.fmt(f),
            Self::Late => f.write_str("it took too long"),
            Self::NoMemory => media::Error::NoMemory.fmt(f),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    /// What is below the error that is displayed: the engine's is displayed as it is.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Engine(error) => error.source(),
            _ => None,
        }
    }
}

impl FacePipeline {
    /// Plans the models. `mirror` averages the embedding with that of the mirrored crop.
    pub fn new(
        models: ModelSet,
        limits: Limits,
        second_person: SecondPerson,
        mirror: bool,
        arithmetic: Arithmetic,
    ) -> Result<Self, engine::Error> {
        let detector = models.get(Role::Detector);
        let sides = &detector.info().input.sides;
        let (coarse, fine) = (sides[0], sides[sides.len() - 1]);
        let side = |model: &engine::Model| model.info().input.sides[0];
        let (embedder, liveness) = (models.get(Role::Embedder), models.get(Role::Liveness));
        let landmarks = models.find(Role::Landmarks);
        // Planning is most of the start time, and there are several processors.
        let [coarse, fine, embed, liveness, landmarks] = std::thread::scope(|scope| {
            [
                Some((detector, coarse)),
                Some((detector, fine)),
                Some((embedder, side(embedder))),
                Some((liveness, side(liveness))),
                landmarks.map(|model| (model, side(model))),
            ]
            .map(|wanted| wanted.map(|(model, side)| scope.spawn(move || model.plan(side, arithmetic))))
            .map(|plan| plan.map(|plan| plan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
        });
        let required = |plan: Option<_>| plan.expect("the roles that every set has");
        let faces = Self {
            coarse: required(coarse)?,
            fine: required(fine)?,
            embed: required(embed)?,
            previous: None,
            liveness: required(liveness)?,
            landmarks: landmarks.transpose()?.map(Arc::new),
            memory: Memory::new(&limits),
            limits,
            mirror,
            second_person,
            models: models.into_infos(), // the files are not needed any more
        };
        faces.extractor(&Team::default())?; // models that don't fit together are reported now, and later extractors can be expected to succeed
        Ok(faces)
    }

    /// The same with the embedder of other models beside its own: each template has one of that model with it, for twice the embedding
    /// time.
    pub fn with_previous(self, models: &ModelSet, arithmetic: Arithmetic) -> Result<Self, engine::Error> {
        let embedder = models.get(Role::Embedder);
        let info = embedder.info().clone();
        if info.id == self.embedder().id {
            return Err(engine::Error::models(format!("{} is the embedder that runs anyway", info.name)));
        }
        let plan = embedder.plan(info.input.sides[0], arithmetic)?;
        let faces = Self { previous: Some((info, plan)), ..self };
        faces.extractor(&Team::default())?;
        Ok(faces)
    }

    /// The embedder of before, if it runs as well.
    pub fn previous(&self) -> Option<&ModelInfo> {
        self.previous.as_ref().map(|(info, _)| info)
    }

    /// The memory budget for decoding.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The state of one thread, the leader of `team`.
    pub fn extractor(&self, team: &Team) -> Result<Extractor, engine::Error> {
        let embedder = self.embedder();
        let previous = self
            .previous
            .as_ref()
            .map(|(info, plan)| Embedder::new(info, plan, self.mirror, team).map(|embedder| (embedder, info.id)));
        Ok(Extractor {
            previous: previous.transpose()?,
            detector: Detector::new(self.info(Role::Detector), &self.coarse, &self.fine, team)?,
            embedder: Embedder::new(embedder, &self.embed, self.mirror, team)?,
            liveness: PadModel::new(self.info(Role::Liveness), &self.liveness, team)?,
            landmarks: Landmarks::new(self.landmarks.clone(), team),
            curve: Curve::new(&embedder.knots),
            model: embedder.id,
            limits: self.limits.clone(),
            second_person: self.second_person,
            memory: self.memory.clone(),
            team: team.clone(),
            clips: team.another(),
        })
    }

    /// Runs every model on a picture with a known answer.
    pub fn self_test(&self) -> Result<(), engine::Error> {
        let team = &Team::default();
        self.coarse.session(team)?.self_test(self.info(Role::Detector))?;
        self.embed.session(team)?.self_test(self.embedder())?;
        if let Some((info, plan)) = &self.previous {
            plan.session(team)?.self_test(info)?;
        }
        self.liveness.session(team)?.self_test(self.info(Role::Liveness))?;
        match &self.landmarks {
            Some(plan) => plan.session(team)?.self_test(self.info(Role::Landmarks)),
            None => Ok(()),
        }
    }

    /// The arithmetic of a model, for people.
    pub fn arithmetic(&self, role: Role) -> String {
        match role {
            Role::Detector => self.coarse.arithmetic(),
            Role::Embedder => self.embed.arithmetic(),
            Role::Liveness => self.liveness.arithmetic(),
            Role::Landmarks => self.landmarks.as_ref().map_or_else(|| "not in this set".into(), |p| p.arithmetic()),
        }
    }

    /// The embedding model.
    pub fn embedder(&self) -> &ModelInfo {
        self.info(Role::Embedder)
    }

    fn info(&self, role: Role) -> &ModelInfo {
        self.models.iter().find(|info| info.role == role).expect("roles that every set has, or that this one has")
    }

    /// All models.
    pub fn models(&self) -> impl Iterator<Item = &ModelInfo> {
        self.models.iter()
    }
}

impl Extractor {
    /// The template of the one person in a picture file. `stop` is called between steps; once it returns true, this ends with
    /// [`Error::Late`].
    pub fn extract(&mut self, bytes: &[u8], stop: &Stop<'_>) -> Result<Template, Error> {
        let frame = self.decode(bytes, stop)?;
        on_time(stop)?;
        let face = choose(&self.detector.find(&frame)?, &frame, self.second_person.submitted).one()?;
        self.template(&frame, face, stop)
    }

    /// Waits for memory for something other than a picture file, but for no more than there is.
    pub fn reserve(&self, bytes: u64, stop: &Stop<'_>) -> Result<Reserved, Error> {
        self.memory.decode.reserve_most(bytes, stop).map_err(|_| Error::Late)
    }

    /// The frame of a picture file, with its part of the memory budget reserved.
    pub fn decode(&self, bytes: &[u8], stop: &Stop<'_>) -> Result<HeldMedia, Error> {
        Ok(media::decode(bytes, &Means { limits: &self.limits, memory: &self.memory, stop, threads: &() })?)
    }

    /// The template of the most central person, and whether the service would refuse the picture for a second person.
    pub fn extract_central(&mut self, bytes: &[u8]) -> Result<(Template, bool), Error> {
        let frame = self.decode(bytes, NEVER)?;
        let faces = self.detector.find(&frame)?;
        let several = matches!(choose(&faces, &frame, self.second_person.submitted), Choice::Several(_));
        let face = most_central(&faces, &frame).ok_or(Error::NoFace)?;
        Ok((self.template(&frame, face, NEVER)?, several))
    }

    /// Whether a frame may show a face of somebody upright: the cheapest search, for frames that are looked at all the time.
    pub fn sees_somebody(&mut self, frame: &Frame) -> Result<bool, Error> {
        Ok(!self.detector.detect_coarse(frame)?.is_empty())
    }

    /// The most central face in a frame, as the first detection finds it.
    pub fn central(&mut self, frame: &Frame) -> Result<Face, Error> {
        most_central(&self.detector.find(frame)?, frame).ok_or(Error::NoFace)
    }

    /// The most central face in a frame whose upright direction is known, if there is one.
    pub(super) fn central_upright(&mut self, frame: &Frame) -> Result<Option<Face>, engine::Error> {
        Ok(most_central(&self.detector.find_upright(frame)?, frame))
    }

    /// The template of the most central person in a frame.
    pub fn extract_frame(&mut self, frame: &Frame) -> Result<Template, Error> {
        let face = self.central(frame)?;
        self.template(frame, face, NEVER)
    }

    /// All faces of a picture file, the largest first, and the choice among them.
    pub fn detect(&mut self, bytes: &[u8]) -> Result<(Vec<Face>, Choice), Error> {
        let frame = self.decode(bytes, NEVER)?;
        let faces = self.detector.find(&frame)?;
        let choice = choose(&faces, &frame, self.second_person.submitted);
        Ok((faces, choice))
    }

    /// Extracts with a clock that is read around each step.
    pub fn extract_timed(&mut self, bytes: &[u8], clock: impl Fn() -> Duration) -> Result<Stages, Error> {
        let start = clock();
        let frame = self.decode(bytes, NEVER)?;
        let decoded = clock();
        let faces = self.detector.find(&frame)?;
        let detected = clock();
        let face = faces.first().ok_or(Error::NoFace)?;
        let face = self.confirmed(&frame, face)?;
        let confirmed = clock();
        let crop = align(&frame, &face.points, &self.team);
        let quality = Quality::measure(&face, &crop);
        let aligned = clock();
        self.embed(&crop, &quality)?;
        Ok(Stages {
            decode: decoded - start,
            detect: detected - decoded,
            confirm: confirmed - detected,
            align: aligned - confirmed,
            embed: clock() - aligned,
        })
    }

    fn template(&mut self, frame: &Frame, face: Face, stop: &Stop<'_>) -> Result<Template, Error> {
        self.examine(frame, &face, stop)?.template.map_err(Error::Unusable)
    }

    /// The face as the second detection finds it, or why there is none.
    pub(super) fn confirmed(&mut self, frame: &Frame, face: &Face) -> Result<Face, Error> {
        let confirmed = self.detector.confirm(frame, face)?;
        confirmed.ok_or_else(|| Error::Unusable(QualityDefect::of_unconfirmed(frame, face)))
    }

    /// The landmarks of a face; `None` if the models don't see a face there, or there is no model for it.
    pub(super) fn mesh(&mut self, frame: &Frame, face: &Face) -> Result<Option<Mesh>, engine::Error> {
        self.landmarks.find(frame, face)
    }

    /// The embedding of an aligned face, with more light if it is dark.
    pub(super) fn embedding(&mut self, crop: &[u8], quality: &Quality) -> Result<Embedding, engine::Error> {
        let brighter = lit(crop, quality);
        self.embedder.embed(brighter.as_deref().unwrap_or(crop))
    }

    /// The embedding of a face, whatever its quality: to tell whether it is the same person's as another, not for a template.
    pub(super) fn embedding_of(&mut self, frame: &Frame, face: &Face) -> Result<Embedding, engine::Error> {
        let crop = align(frame, &face.points, &self.team);
        self.embedding(&crop, &Quality::measure(face, &crop))
    }

    /// The embedding of an aligned face by the model of before, if that runs as well.
    pub(super) fn previous_vector(
        &mut self,
        crop: &[u8],
        quality: &Quality,
    ) -> Result<Option<Vec<f64>>, engine::Error> {
        let Some((embedder, _)) = &mut self.previous else { return Ok(None) };
        let brighter = lit(crop, quality);
        embedder.embed(brighter.as_deref().unwrap_or(crop)).map(|embedding| Some(embedding.vector))
    }

    /// The template of an embedding of this quality, with that of the model of before if there is one.
    pub(super) fn template_of(
        &self,
        vector: &[f64],
        previous: Option<&[f64]>,
        quality: u8,
    ) -> Result<Template, engine::Error> {
        let made = |model, vector: &[f64]| {
            Template::new(model, quality, vector).map_err(|_| engine::Error::run("the embedder gave no direction"))
        };
        let template = made(self.model, vector)?;
        match (previous, &self.previous) {
            (Some(vector), Some((_, model))) => Ok(template.with_previous(made(*model, vector)?)),
            _ => Ok(template),
        }
    }
}

/// For measurements, which have no time limit.
const NEVER: &Stop<'_> = &|| false;

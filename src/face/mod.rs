//! Recognizes faces: from a frame to the person in it, a template of that person, and the similarity of two templates.
//!
//! [`Extractor`] runs all steps, which are modules of their own:
//! detect -> select -> confirm -> align -> quality -> light -> embed -> [`Template`]; [`Curve`] turns two templates into a [`Score`].
//!
//! From decoded pixels on everything is deterministic. All geometry is in 1/256 pixel integers, all sampling in integer
//! arithmetic; the rest, in floating point, uses only operations that IEEE 754 defines exactly, and `libm`.

mod align;
mod cells;
mod compare;
mod confirm;
mod context;
mod detect;
mod embed;
mod error;
mod extractor;
mod found;
mod geometry;
mod glasses;
mod inspect;
mod join;
mod light;
mod liveness;
mod mesh;
mod pad_model;
mod quality;
mod score;
mod seal;
mod search;
mod select;
mod site;
mod template;
mod tint;
mod workers;

use crate::media::resample;

pub use compare::Comparator;
pub use detect::Detector;
pub use error::Error;
pub use extractor::{Extractor, FacePipeline, Stages};
pub use found::Face;
pub use geometry::{Point, Rect, SUB};
pub use inspect::Inspection;
pub use join::Unjoined;
pub use liveness::{
    Capture, CaptureSession, ChallengeView, Direction, Effort, Ending, Gesture, LightRecording, LightSession,
    LitRecording, PadResult, PadVerdict, Poses, Prompt, Recording, Response, SeenGesture, Wanted, beside, flash,
};
pub use quality::{Quality, QualityDefect};
pub use score::{Curve, Decision, Score, Thresholds};
pub use seal::{Error as SealError, Sealer, fuzz as fuzz_seal, new_key};
pub use search::{Hit, Least, PackedTemplates, Probe, SEARCH_ERROR};
pub use select::{Choice, SecondPerson, choose, most_central};
pub use site::{OtherModel, Site};
pub use template::{Template, TemplateError, fuzz};
pub use workers::{start_crew, start_workers};

/// One with the embedded models.
#[cfg(test)]
fn extractor_for_tests() -> Extractor {
    pipeline_for_tests().extractor(&crate::engine::Team::default()).expect("models that fit together")
}

/// The embedded models.
#[cfg(test)]
fn pipeline_for_tests() -> FacePipeline {
    let models = crate::engine::ModelSet::embedded().expect("the embedded models");
    let (limits, arithmetic) = (crate::ops::Limits::default(), crate::engine::Arithmetic::default());
    let second_person = SecondPerson { submitted: 6, camera: 25 };
    FacePipeline::new(models, limits, second_person, false, arithmetic).expect("models that fit together")
}

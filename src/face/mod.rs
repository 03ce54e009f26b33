//! What the product knows: from a frame to the person in it, a template of that person, and how alike two templates are.
//!
//! [`Extractor`] goes the whole way; the steps are modules of their own:
//! detect -> select -> align -> quality -> embed -> [`Template`]; [`Curve`] turns two templates into a [`Score`].
//!
//! From decoded pixels on everything is deterministic. All geometry is in 1/256 pixel integers, all sampling in integer
//! arithmetic; what is left in floating point uses only operations that IEEE 754 defines exactly, and `libm` for the rest.

mod align;
mod detect;
mod embed;
mod extractor;
mod geometry;
mod liveness;
mod quality;
mod resample;
mod score;
mod select;
mod template;

pub use detect::{Detector, Face};
pub use extractor::{Error, Extractor, Faces, Stages};
pub use geometry::{Point, Rect, SUB};
pub use liveness::{Effort, Finding, Live, Sat, Sitting};
pub use quality::{Flaw, Quality};
pub use score::{Curve, Decision, Score, Thresholds};
pub use select::{Choice, choose, most_central};
pub use template::{Damage, Template, fuzz};

//! Corrects the score for a site that differs from the pictures on which the score's curve was fitted.
//!
//! The curve's false match rates hold for press photographs. Cameras, light and the people of one site can make different people more
//! similar; pictures of the site's own people tell by how much. `faceplate calibrate site` measures it, this module applies the result.
//! It only changes how templates are compared, never templates.

use std::fmt;

use super::template::Template;
use crate::engine::{Decoding, Knot, ModelInfo};
use crate::ops::settings;

/// The calibration of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The common part of the site's embeddings, as a vector within the unit sphere; empty if it is not taken out.
    mean: Vec<f64>,
    shift: f64,
    scale: f64,
}

/// The settings are for another model.
#[derive(Debug)]
pub struct OtherModel;

impl fmt::Display for OtherModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings under [site] are for another model; run faceplate calibrate site again")
    }
}

impl std::error::Error for OtherModel {}

impl Site {
    /// For similarities with a spread `scale` times that of the fitted ones, and `shift` higher where those are 0; measured after `mean`
    /// is taken from the embeddings, unless it is empty.
    pub fn new(mean: Vec<f64>, shift: f64, scale: f64) -> Self {
        Self { mean, shift, scale }
    }

    /// From the settings.
    pub fn from_settings(site: &settings::Site, model: &ModelInfo) -> Result<Self, OtherModel> {
        let fits = match model.output {
            Decoding::Embedding { dimension } => site.mean.is_empty() || site.mean.len() == dimension,
            _ => false,
        };
        if site.model != model.id || !fits {
            return Err(OtherModel);
        }
        let mean = site.mean.iter().map(|v| f64::from(*v) / 32768.0).collect();
        Ok(Self::new(mean, site.shift, site.scale))
    }

    /// The knots of the curve for this site. If no mean is taken from the embeddings, they are no lower than before: equally bad samples
    /// may leave different people less similar than good ones, but a person from elsewhere has a good one.
    pub(super) fn knots(&self, knots: &[Knot]) -> Vec<Knot> {
        let moved = |cosine: f64| {
            let here = (self.shift + self.scale * cosine).clamp(-HIGHEST, HIGHEST);
            if self.mean.is_empty() { here.max(cosine) } else { here }
        };
        knots.iter().map(|knot| Knot { cosine: moved(knot.cosine), ..*knot }).collect()
    }

    /// The mean that is taken from the embeddings; empty if none is.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The similarity to a template at this site, if a mean is taken from the embeddings.
    pub(super) fn similarity_to(&self, template: &Template) -> Option<impl Fn(&Template) -> f64> {
        (!self.mean.is_empty()).then(|| template.similarity_around(&self.mean))
    }
}

/// Highest cosine of a knot: at 1, the cosine of identical templates, the score is 1.
pub(super) const HIGHEST: f64 = 0.999;

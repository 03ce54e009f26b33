//! The aligned face as a point on the unit sphere.

use super::align::SIDE;
use crate::engine::{Decoding, Error, ModelInfo, Plan, Session};
use crate::media::mirrored;

/// The embedder with the state of one thread.
pub(super) struct Embedder {
    session: Session,
    dimension: usize,
    mirror: bool,
}

impl Embedder {
    pub(super) fn new(info: &ModelInfo, plan: &Plan, mirror: bool) -> Result<Self, Error> {
        let session = plan.session()?;
        match info.output {
            Decoding::Embedding { dimension } if session.side() == SIDE => Ok(Self { session, dimension, mirror }),
            _ => Err(Error::Models(format!("{} is no embedder of {SIDE}x{SIDE} faces", info.name))),
        }
    }

    /// The unit vector of a crop (rows of RGB pixels, 112x112), averaged with that of the mirrored crop if so set.
    pub(super) fn embed(&mut self, crop: &[u8]) -> Result<Vec<f64>, Error> {
        let mut vector = self.one(crop)?;
        if self.mirror {
            for (v, m) in vector.iter_mut().zip(self.one(&mirrored(crop, SIDE))?) {
                *v += m;
            }
            normalize(&mut vector);
        }
        Ok(vector)
    }

    fn one(&mut self, crop: &[u8]) -> Result<Vec<f64>, Error> {
        let maps = self.session.run(crop)?;
        let mut vector: Vec<f64> = maps.iter().flat_map(|m| m.values.iter().map(|v| f64::from(*v))).collect();
        if vector.len() != self.dimension {
            return Err(Error::Models(format!(
                "an embedding of {} values instead of {}",
                vector.len(),
                self.dimension
            )));
        }
        normalize(&mut vector);
        Ok(vector)
    }
}

/// Scales to length 1. A vector of zeros stays as it is and is refused as a template.
fn normalize(vector: &mut [f64]) {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

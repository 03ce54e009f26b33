//! Computes the embedding of an aligned face: a point on the unit sphere.

use super::align::SIDE;
use crate::engine::{Decoding, Error, ModelInfo, Plan, Session, Team};
use crate::media::mirrored;

/// The embedder with the state of one thread.
pub(super) struct Embedder {
    session: Session,
    dimension: usize,
    mirror: bool,
}

/// The embedder's result for a crop.
pub(super) struct Embedding {
    /// Of length 1.
    pub(super) vector: Vec<f64>,
    /// The length before: how much of a face the model recognizes. It is long for clear faces and short for what is no face, is blurred,
    /// noisy or covered (Meng et al.: MagFace, 2021, trains for that; with other losses it holds as well).
    pub(super) norm: f64,
}

impl Embedder {
    pub(super) fn new(info: &ModelInfo, plan: &Plan, mirror: bool, team: &Team) -> Result<Self, Error> {
        let session = plan.session(team)?;
        match info.output {
            Decoding::Embedding { dimension } if session.side() == SIDE => Ok(Self { session, dimension, mirror }),
            _ => Err(Error::models(format!("{} is no embedder of {SIDE}x{SIDE} faces", info.name))),
        }
    }

    /// The embedding of a crop (rows of RGB pixels, 112x112), averaged with that of the mirrored crop if so set.
    pub(super) fn embed(&mut self, crop: &[u8]) -> Result<Embedding, Error> {
        let mut embedding = self.one(crop)?;
        if self.mirror {
            let other = self.one(&mirrored(crop, SIDE))?;
            embedding.vector.iter_mut().zip(other.vector).for_each(|(v, m)| *v += m);
            normalize(&mut embedding.vector);
            embedding.norm = f64::midpoint(embedding.norm, other.norm);
        }
        Ok(embedding)
    }

    fn one(&mut self, crop: &[u8]) -> Result<Embedding, Error> {
        let maps = self.session.run(crop)?;
        let vector: Vec<f64> = maps.iter().flat_map(|m| m.values.iter().map(|v| f64::from(*v))).collect();
        if vector.len() != self.dimension {
            return Err(Error::models(format!(
                "an embedding of {} values instead of {}",
                vector.len(),
                self.dimension
            )));
        }
        scaled(vector)
    }
}

/// The embedding that a model's output stands for.
fn scaled(mut vector: Vec<f64>) -> Result<Embedding, Error> {
    let norm = normalize(&mut vector);
    // NaN would not compare as too short.
    if !norm.is_finite() {
        return Err(Error::run("the embedder gave no number"));
    }
    Ok(Embedding { vector, norm })
}

/// Scales to length 1 and returns the length before. A vector of zeros stays as it is and is refused as a template.
fn normalize(vector: &mut [f64]) -> f64 {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ErrorKind;

    #[test]
    fn an_embedding_has_length_1_and_tells_what_it_had() {
        let embedding = scaled(vec![3.0, -4.0]).unwrap();
        assert_eq!((embedding.vector, embedding.norm), (vec![0.6, -0.8], 5.0));
        let nothing = scaled(vec![0.0, 0.0]).unwrap();
        assert_eq!((nothing.vector, nothing.norm), (vec![0.0, 0.0], 0.0));
    }

    #[test]
    fn an_output_with_a_value_that_is_no_number_is_no_embedding() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(scaled(vec![9.0, value]).is_err_and(|error| error.kind() == ErrorKind::Run), "{value}");
        }
    }
}

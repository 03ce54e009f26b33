//! Site calibration: what `faceplate calibrate site` measured on the pictures of one place.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// `[site]`: similarity of different people at this place, and how it was measured. Written by `faceplate calibrate site`, not by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Day on which it was measured, year-month-day.
    pub date: String,
    /// Id of the embedding model that it is valid for.
    pub model: u16,
    /// Number of people that it was fitted on.
    pub people: usize,
    /// Non-mated pairs in the test: each half of the people was tested with the curve fitted on the other half.
    pub held_pairs: usize,
    /// Share of these at 0.85 and above by the curve that was in force.
    pub share_before: f64,
    /// The same by the site's own curve.
    pub share_after: f64,
    /// Added, after `scale`, to the similarity at which the shipped curve reaches each score.
    pub shift: f64,
    /// Factor of that similarity.
    pub scale: f64,
    /// Mean of the people's embeddings, which is subtracted from each template before it is compared, in 1/32768; empty if it is not.
    #[serde(default)]
    pub mean: Vec<i16>,
}

impl Site {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        let told =
            |key: &str, what: &str| Some(Error::out_of_range(key, format!("{what}; run faceplate calibrate site")));
        if !(-1.0..=1.0).contains(&self.shift) {
            return told("site.shift", &format!("{} is not in -1..=1", self.shift));
        }
        if !(0.1..=10.0).contains(&self.scale) {
            return told("site.scale", &format!("{} is not in 0.1..=10", self.scale));
        }
        // The mean of vectors of length 1 is shorter, unless all of them are the same vector.
        let squared: f64 = self.mean.iter().map(|v| (f64::from(*v) / 32768.0).powi(2)).sum();
        if squared > MOST_MEAN * MOST_MEAN {
            return told("site.mean", "it is as long as an embedding");
        }
        None
    }
}

/// Greatest length of a mean: people whose embeddings have 0.9 in common are one person.
const MOST_MEAN: f64 = 0.9;

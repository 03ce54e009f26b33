//! Settings of the people who are enrolled at this device.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// `[people]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// File in which people are stored; without it none are.
    pub store: Option<PathBuf>,
    /// Share of strangers that may be taken for somebody, in all comparisons of one attempt together, 1e-9 to 0.1.
    pub false_accepts: f64,
    /// Least quality of a sample that is enrolled, 0 to 100.
    pub least_quality: u8,
}

impl Default for People {
    fn default() -> Self {
        Self { store: None, false_accepts: 1e-4, least_quality: 50 }
    }
}

impl People {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        if !(1e-9..=0.1).contains(&self.false_accepts) {
            let what = format!("{} is not in 1e-9..=0.1", self.false_accepts);
            return Some(Error::out_of_range("people.false_accepts", what));
        }
        (self.least_quality > 100)
            .then(|| Error::out_of_range("people.least_quality", format!("{} is not in 0..=100", self.least_quality)))
    }
}

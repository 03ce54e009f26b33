//! Measures the product on labelled pictures, through the very code that serves requests.

mod detection;
mod gallery;
mod knots;
mod liveness;
mod stats;
mod table;
mod verification;

pub(super) use detection::detection;
pub(super) use knots::knots;
pub(super) use liveness::liveness;
pub(super) use verification::verification;

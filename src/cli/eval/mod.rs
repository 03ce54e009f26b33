//! Measures the product on labelled pictures, through the very code that serves requests.

mod detection;
mod gallery;
mod knots;
mod stats;
mod table;
mod verification;

pub(super) use detection::detection;
pub(super) use knots::knots;
pub(super) use verification::verification;

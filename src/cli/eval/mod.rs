//! Measures the product on labeled pictures, with the same code that serves requests.

mod challenge;
mod degradation;
mod degrade;
mod detection;
mod discard;
mod gallery;
mod identification;
mod knots;
mod light;
mod liveness;
mod presentations;
mod recordings;
mod report;
mod several;
mod stats;
mod table;
mod verification;

pub(super) use challenge::challenge;
pub(super) use degradation::degradation;
pub(super) use detection::detection;
pub(super) use gallery::{each_file, files, is_picture, load};
pub(super) use identification::identification;
pub(super) use knots::knots;
pub(super) use light::light;
pub(super) use liveness::liveness;
pub(super) use verification::verification;

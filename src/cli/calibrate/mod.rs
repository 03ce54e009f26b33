//! Calibrates the score for a site (`calibrate site`).

mod fit;
mod site;

pub(super) use site::site;

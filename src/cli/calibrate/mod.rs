//! Calibrates the score for a site (`calibrate site`), and the light of a kiosk's screen (`calibrate light`).

mod fit;
mod light;
mod site;

pub(super) use light::light;
pub(super) use site::site;

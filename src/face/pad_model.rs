//! Runs the PAD model with the state of one thread.

use super::context::{CropSpec, context};
use super::detect::padded;
use super::geometry::Rect;
use super::tint::Tint;
use crate::engine::{Channels, Decoding, Error, ModelInfo, Plan, Session, Team};
use crate::media::Frame;

/// A model that distinguishes a live face from attack presentations such as pictures and masks.
pub(super) struct PadModel {
    session: Session,
    blue_first: bool,
    classes: usize,
    live: usize,
}

impl PadModel {
    pub(super) fn new(info: &ModelInfo, plan: &Plan, team: &Team) -> Result<Self, Error> {
        let Decoding::Liveness { classes, live } = info.output else {
            return Err(Error::models(format!("{} is no liveness model", info.name)));
        };
        Ok(Self { session: plan.session(team)?, blue_first: info.input.channels == Channels::Bgr, classes, live })
    }

    /// The log-odds that the face is live, two for each view: of the picture as it is, and with `tint`. Views without a crop are left
    /// out.
    pub(super) fn live(
        &mut self,
        frame: &Frame,
        face: Rect,
        tint: &Tint,
        views: &[CropSpec],
    ) -> Result<Vec<f64>, Error> {
        let mut odds = vec![];
        for view in views {
            let Some(cut) = context(frame, face, *view, self.session.side(), self.session.team()) else { continue };
            odds.push(self.look(&cut)?);
            odds.push(self.look(&tint.on(&cut))?);
        }
        Ok(odds)
    }

    /// The log-odds of one crop.
    fn look(&mut self, cut: &Frame) -> Result<f64, Error> {
        let side = self.session.side();
        let maps = self.session.run(&padded(cut, side, side, self.blue_first))?;
        let logits: Vec<f64> = maps.iter().flat_map(|m| m.values.iter().map(|v| f64::from(*v))).collect();
        if logits.len() != self.classes {
            let (found, want) = (logits.len(), self.classes);
            return Err(Error::models(format!("a liveness model of {found} classes instead of {want}")));
        }
        // NaN would compare as "no attack".
        if logits.iter().any(|l| !l.is_finite()) {
            return Err(Error::run("the liveness model gave no number"));
        }
        Ok(log_odds(&logits, self.live))
    }
}

/// The logarithm of the odds of class `live` against all others together, from logits.
fn log_odds(logits: &[f64], live: usize) -> f64 {
    let others = || logits.iter().enumerate().filter(|(class, _)| *class != live).map(|(_, l)| *l);
    // The largest is taken out of the sum, so that nothing overflows.
    let largest = others().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = others().map(|l| libm::exp(l - largest)).sum();
    logits[live] - largest - libm::log(sum)
}

#[cfg(test)]
mod tests {
    use super::log_odds;

    #[test]
    fn log_odds_match_the_softmax_and_never_overflow() {
        let (p, others) = (3f64.exp(), 1f64.exp() + 2f64.exp());
        assert!((log_odds(&[1.0, 3.0, 2.0], 1) - (p / others).ln()).abs() < 1e-12);
        assert_eq!(log_odds(&[0.0, 1000.0], 0), -1000.0);
        assert_eq!(log_odds(&[1000.0, 0.0], 0), 1000.0);
    }
}

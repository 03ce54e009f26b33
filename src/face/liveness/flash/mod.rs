//! Screen light: whether the light on a face changes as the kiosk's own screen does. It may be asked for beside a turn
//! of the head.
//!
//! The screen shows the colors of a [`Schedule`] that was drawn for this capture, and the camera sees them reflected by
//! forehead, cheeks and nose. A recording or a picture on a screen of its own does not know them; a screen reflects
//! little of them. A sheet of paper reflects as skin does: screen light says nothing against it, and a turn of the head
//! does.
//!
//! This uses no camera, no screen and no clock: the caller passes what it saw, with times since the schedule began.
//! Exposure and white balance have to be locked meanwhile ([`crate::camera::Lease::lock`]), or the camera takes the
//! colors away. [`Calibration`] says how strong the light has to be at this kiosk.

mod calibration;
mod fit;
mod observation;
mod orthonormal;
mod patches;
mod schedule;
mod transfer;

pub use calibration::{Calibration, CalibrationError, Exposure, LEAST_RUNS};
pub use fit::Fit;
pub use observation::Observation;
pub use patches::{Patches, patches};
pub use schedule::{Color, LENGTH, NoRandomness, STEP, STEPS, Schedule};

use self::calibration::LEAST_AMPLITUDE;
use self::fit::{ALLOWED_LAG, LEAST_FRAMES, fit};
pub(super) use self::observation::eye_distance;
use self::observation::{ALLOWED, STILL, moved};
pub(super) use self::transfer::{encoded, linear};

/// Least correlation of what was seen with the schedule.
const LEAST_CORRELATION: f64 = 0.5;

/// Least share of what any colors in these steps explain: for a weak screen, whose light noise covers, and for a strong
/// one. It refuses other codes that fit by chance. Of pairs of codes 11 % correlate by more than [`LEAST_CORRELATION`];
/// 3.3 % and 1.3 % pass these as well. Where the screen is twice as strong in blue and half as strong in red, as beside
/// light bulbs, 0.72 is left of the right code's share.
const LEAST_SHARE: (f64, f64) = (0.5, 0.65);

/// Amplitude from which a screen is strong. In clips of still heads the right code has a share of 0.83 there, in 99 of
/// 100 tries.
const STRONG: f64 = 0.05;

/// Least amplitude, as a share of what is expected here.
const LEAST_OF_EXPECTED: f64 = 0.5;

/// Least distance between the eyes, as a share of the one at calibration: light falls off with the square of the
/// distance, so that the rest is just above [`LEAST_OF_EXPECTED`].
const LEAST_NEARNESS: f64 = 0.75;

/// Longest time from the schedule's begin or from a frame to the next, and from the last one to the end, in seconds:
/// longer, and a whole step may be unseen.
const LONGEST_GAP: f64 = 0.35;

/// Whether the face was lit by the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It was.
    Pass,
    /// It was lit, and not by it.
    Fail,
    /// That can't be told, for this reason. It is no attack, and it is no pass either.
    NoVerdict(Reason),
}

/// Why it can't be told how a face was lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// In too few frames a face was seen whose light can be told, or a step was missed.
    TooFewFrames,
    /// The head moved or turned.
    HeadMoved,
    /// The person is further away than at calibration.
    TooFar,
    /// The rest of the light is too strong for this screen.
    AmbientLight,
}

impl Reason {
    /// Whether the person can do something about it, and so has to: not where it is the kiosk's surroundings.
    pub fn is_up_to_the_person(self) -> bool {
        self != Self::AmbientLight
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooFewFrames => {
                "the face was not seen well enough while the colors were shown; face the screen, evenly lit"
            }
            Self::HeadMoved => "the head moved; hold still while the colors are shown",
            Self::TooFar => "the face is too far from the screen; come closer",
            Self::AmbientLight => "there is too much other light for the screen's colors to show",
        })
    }
}

/// What a schedule did to the light on a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// How the light changed with the schedule.
    pub fit: Fit,
    /// Frames that were used.
    pub frames: usize,
    /// Median distance between the eyes, in pixels.
    pub eye_distance: f64,
    /// Mean linear green of the face, 0..1.
    pub light: f64,
    /// Whether the head was held so still that light which does not follow is no matter of the pose.
    pub is_still: bool,
}

impl Measured {
    /// Measures a schedule in observations of a face, in the order of their times.
    pub fn of(schedule: &Schedule, observations: &[Observation]) -> Result<Self, Reason> {
        let during = |o: &&Observation| (0.0..LENGTH + *ALLOWED_LAG.end()).contains(&o.at);
        let during: Vec<Observation> = observations.iter().filter(during).copied().collect();
        let times = [0.0].into_iter().chain(during.iter().map(|o| o.at)).chain([LENGTH]);
        let times: Vec<f64> = times.collect();
        let gaps = times.windows(2).any(|pair| pair[1] - pair[0] > LONGEST_GAP);
        if gaps || during.len() < LEAST_FRAMES {
            return Err(Reason::TooFewFrames);
        }
        if moved(&during, &ALLOWED) {
            return Err(Reason::HeadMoved);
        }
        let samples: Vec<fit::Sample> = during.iter().map(Observation::sample).collect();
        let fit = fit(schedule, &samples).ok_or(Reason::TooFewFrames)?;
        let light = during.iter().map(Observation::light).sum::<f64>() / during.len() as f64;
        let is_still = !moved(&during, &STILL);
        Ok(Self { fit, frames: during.len(), eye_distance: eye_distance(&during), light, is_still })
    }

    /// Whether the schedule is what was seen where this amplitude is expected.
    fn is_clear(&self, least_correlation: f64, expected: f64) -> bool {
        let Fit { correlation, share, lag, .. } = self.fit;
        let least_share = if expected < STRONG { LEAST_SHARE.0 } else { LEAST_SHARE.1 };
        correlation > least_correlation && share >= least_share && ALLOWED_LAG.contains(&lag)
    }

    /// Compares it with what is to be expected at this kiosk under an exposure.
    pub fn outcome(&self, calibration: &Calibration, exposure: Exposure) -> Outcome {
        let expected = calibration.expected(self.light, exposure);
        if expected.is_nan() || expected < LEAST_AMPLITUDE {
            return Outcome::NoVerdict(Reason::AmbientLight);
        }
        if self.eye_distance < LEAST_NEARNESS * calibration.eye_distance {
            return Outcome::NoVerdict(Reason::TooFar);
        }
        match self.is_clear(LEAST_CORRELATION, expected) && self.fit.amplitude > LEAST_OF_EXPECTED * expected {
            true => Outcome::Pass,
            false if !self.is_still => Outcome::NoVerdict(Reason::HeadMoved),
            false => Outcome::Fail,
        }
    }
}

/// Judges whether a face was lit by the schedule; with what was measured, if anything was.
pub fn judge(
    schedule: &Schedule,
    observations: &[Observation],
    calibration: &Calibration,
    exposure: Exposure,
) -> (Outcome, Option<Measured>) {
    match Measured::of(schedule, observations) {
        Ok(measured) => (measured.outcome(calibration, exposure), Some(measured)),
        Err(reason) => (Outcome::NoVerdict(reason), None),
    }
}

#[cfg(test)]
pub(super) use self::schedule::tests::bytes;

#[cfg(test)]
mod tests;

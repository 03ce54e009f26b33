//! What a kiosk's screen does to the light on a face there, measured once with a person before it. It keeps nothing and
//! asks nobody: the command that has people sit down does.

use serde::{Deserialize, Serialize};

use super::Measured;

/// Schedules that a calibration needs: the middle of five is good even if a person moved in two of them.
pub const LEAST_RUNS: usize = 5;

/// Least correlation of a run that counts, above what a verdict asks for: a person who knows holds still.
const LEAST_CORRELATION: f64 = 0.7;

/// Most by which the strongest run may exceed the weakest.
const MOST_SPREAD: f64 = 2.0;

/// Least amplitude with which a verdict can be had. With colors injected into clips of people (docs/ref/liveness.md), none of 87 tries is missed at
/// 0.03; at 0.02 seven of a hundred are, and at 0.01 a third.
pub(super) const LEAST_AMPLITUDE: f64 = 0.03;

/// How light a camera takes a face, by controls that are locked meanwhile, in the driver's units; `None` where they are
/// not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exposure {
    /// Exposure time.
    pub time: Option<i64>,
    /// Gain.
    pub gain: Option<i64>,
}

/// The light of a kiosk's screen on a face.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Light of the screen relative to the rest, as [`Fit::amplitude`](super::Fit::amplitude) has it.
    pub amplitude: f64,
    /// Distance between the eyes in pixels: how near the person was.
    pub eye_distance: f64,
    /// Mean linear green of the face, 0..1.
    pub light: f64,
    /// The camera's exposure meanwhile.
    #[serde(default)]
    pub exposure: Exposure,
}

/// Why runs make no calibration, in words for the operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CalibrationError {
    /// So many runs of those that are needed were clear.
    Unclear(usize),
    /// The runs disagree: weakest and strongest amplitude.
    Unsteady(f64, f64),
    /// The screen is too weak against the rest of the light: its amplitude.
    Weak(f64),
}

impl std::fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |v: &f64| 100.0 * v;
        match self {
            Self::Unclear(runs) => write!(
                f,
                "the screen's light was clear in {runs} of at least {LEAST_RUNS} runs only; hold still, and see that the screen faces \
                 the person at full brightness"
            ),
            Self::Unsteady(least, most) => write!(
                f,
                "the screen's light was {:.1} % of the rest in one run and {:.1} % in another; keep the distance",
                percent(least),
                percent(most)
            ),
            Self::Weak(amplitude) => write!(
                f,
                "the screen's light is {:.1} % of the rest, and {:.0} % are needed; take light away or use a larger or brighter screen",
                percent(amplitude),
                percent(&LEAST_AMPLITUDE)
            ),
        }
    }
}

impl std::error::Error for CalibrationError {}

impl Calibration {
    /// Makes one of runs of different schedules, one after another, with a person who holds still, under one exposure.
    pub fn of(runs: &[Measured], exposure: Exposure) -> Result<Self, CalibrationError> {
        let clear: Vec<&Measured> =
            runs.iter().filter(|run| run.is_clear(LEAST_CORRELATION, run.fit.amplitude)).collect();
        if clear.len() < LEAST_RUNS {
            return Err(CalibrationError::Unclear(clear.len()));
        }
        let sorted = |of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = clear.iter().map(|run| of(run)).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let median = |of| sorted(of)[clear.len() / 2];
        let amplitudes = sorted(|run| run.fit.amplitude);
        let (least, most) = (amplitudes[0], amplitudes[clear.len() - 1]);
        if most > MOST_SPREAD * least {
            return Err(CalibrationError::Unsteady(least, most));
        }
        let amplitude = median(|run| run.fit.amplitude);
        if amplitude < LEAST_AMPLITUDE {
            return Err(CalibrationError::Weak(amplitude));
        }
        let (eye_distance, light) = (median(|run| run.eye_distance), median(|run| run.light));
        Ok(Self { amplitude, eye_distance, light, exposure })
    }

    /// The amplitude to be expected in other ambient light. If the exposure is known to be that of the calibration or
    /// another one at the same gain, the face's light tells the ambient light; else it is taken to be the same. More
    /// than was calibrated is not expected: whoever darkens the room must not be refused.
    pub(super) fn expected(&self, light: f64, exposure: Exposure) -> f64 {
        let (Some(then), Some(now)) = (self.exposure.time, exposure.time) else { return self.amplitude };
        if self.exposure.gain != exposure.gain || then <= 0 || now <= 0 || light <= 0.0 {
            return self.amplitude;
        }
        let ambient = (light / now as f64) / (self.light / then as f64);
        // A calibration from the settings may hold any number.
        if ambient.is_finite() { self.amplitude / ambient.max(1.0) } else { self.amplitude }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fit;
    use super::*;

    fn run(amplitude: f64, correlation: f64) -> Measured {
        let fit = Fit { amplitude, correlation, share: 0.9, lag: 0.05 };
        Measured { fit, frames: 60, eye_distance: 80.0, light: 0.2, is_still: true }
    }

    const LOCKED: Exposure = Exposure { time: Some(100), gain: Some(3) };

    #[test]
    fn a_calibration_is_the_middle_of_clear_runs() {
        let runs = [0.10, 0.12, 0.11, 0.09, 0.15].map(|amplitude| run(amplitude, 0.9));
        let made = Calibration::of(&runs, LOCKED).unwrap();
        assert_eq!(made, Calibration { amplitude: 0.11, eye_distance: 80.0, light: 0.2, exposure: LOCKED });
        let told = |runs: &[Measured]| Calibration::of(runs, LOCKED).unwrap_err();
        assert_eq!(told(&runs[1..]), CalibrationError::Unclear(4));
        assert_eq!(told(&[run(0.1, 0.6); 9]), CalibrationError::Unclear(0));
        assert_eq!(told(&[runs.to_vec(), vec![run(0.04, 0.9)]].concat()), CalibrationError::Unsteady(0.04, 0.15));
        assert_eq!(told(&[run(0.012, 0.9); 5]), CalibrationError::Weak(0.012));
        assert!(told(&[run(0.012, 0.9); 5]).to_string().contains("1.2 % of the rest, and 3 % are needed"));
    }

    #[test]
    fn more_ambient_light_lowers_what_is_expected_where_the_exposure_tells() {
        let runs = [run(0.1, 0.9); 5];
        let made = Calibration::of(&runs, LOCKED).unwrap();
        let expected = |light, time, gain| made.expected(light, Exposure { time, gain });
        assert_eq!(expected(0.2, Some(100), Some(3)), 0.1);
        assert!((expected(0.2, Some(25), Some(3)) - 0.025).abs() < 1e-12, "four times the light");
        assert!((expected(0.4, Some(100), Some(3)) - 0.05).abs() < 1e-12);
        assert_eq!(expected(0.1, Some(100), Some(3)), 0.1, "a darker room");
        for (time, gain) in [(None, Some(3)), (Some(25), Some(4)), (Some(25), None), (Some(0), Some(3))] {
            assert_eq!(expected(0.4, time, gain), 0.1, "{time:?} {gain:?}");
        }
        let odd = Calibration { light: 0.0, ..made };
        assert_eq!(odd.expected(0.4, LOCKED), 0.1);
    }
}

//! How well a schedule explains the color of the light on a face over time. It measures and does not decide.
//!
//! The screen adds light to what is there, and skin reflects both alike, so that the ratio of two channels is free of
//! the skin and of changes of brightness, such as those of a head that moves. With `a` the screen's light relative to
//! the rest, log(R/G) changes by about `a` when the screen shows red, and by `-a` when it shows green; log(B/G)
//! likewise. A cubic over time takes away how the rest drifts. What is left is compared with the schedule by least
//! squares, delayed by each of a range of lags.

use super::orthonormal::{DRIFT, Orthonormal};
use super::schedule::{LENGTH, STEP, STEPS, Schedule};

/// Delays that are tried, in seconds: from a page that started early to one whose every step is taken for the one
/// before. Wider than [`ALLOWED_LAG`], so that a schedule in a wrong phase is found where it lies instead of being
/// taken for a poor one in the right phase.
const LAGS: std::ops::RangeInclusive<i32> = -12..=24;

/// From one delay to the next, in seconds. A twelfth of a step costs a hundredth of the correlation.
const LAG_STEP: f64 = 0.025;

/// Delays in which a schedule counts as shown when it was to be shown, in seconds: a browser draws within 50 ms, a
/// screen shows within 50 ms, a camera's timestamp is up to two frames off. None is early but by an error of the fit.
pub(super) const ALLOWED_LAG: std::ops::RangeInclusive<f64> = -0.05..=0.2;

/// A frame gathers light for this long, in seconds, around its time: those at a change see some of both colors.
const GATHERING: f64 = 0.03;

/// Fewest frames of a schedule: two a step on average, eight more than a free choice of colors and drift would need.
pub(super) const LEAST_FRAMES: usize = 2 * STEPS;

/// The color of the light on a face at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Seconds since the schedule began.
    pub(super) at: f64,
    /// log(R/G) and log(B/G).
    pub(super) chroma: [f64; 2],
}

/// A schedule found in the light on a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Light of the screen relative to the rest of the light on the face: 0.1 is a tenth. Negative if the light changes
    /// the other way.
    pub amplitude: f64,
    /// Correlation of what the schedule predicts with what was seen, -1..1.
    pub correlation: f64,
    /// Share of the variance that any colors in these steps explain which this schedule's explain, 0..1: low if another
    /// code was shown, however well this one fits by chance.
    pub share: f64,
    /// Delay of the light against the schedule, in seconds.
    pub lag: f64,
}

/// The delay at which the schedule fits best; `None` where there are too few frames.
pub(super) fn fit(schedule: &Schedule, samples: &[Sample]) -> Option<Fit> {
    let fits = LAGS.filter_map(|lag| at_lag(schedule, samples, f64::from(lag) * LAG_STEP));
    fits.fold(None, |best: Option<Fit>, fit| match best {
        Some(best) if best.correlation >= fit.correlation => Some(best),
        _ => Some(fit),
    })
}

fn at_lag(schedule: &Schedule, samples: &[Sample], lag: f64) -> Option<Fit> {
    let shown: Vec<(f64, Sample)> =
        samples.iter().map(|s| (s.at - lag, *s)).filter(|(time, _)| (0.0..LENGTH).contains(time)).collect();
    if shown.len() < LEAST_FRAMES {
        return None;
    }
    let mut basis = Orthonormal::new(shown.len());
    for power in 0..DRIFT {
        let position = |time: f64| 2.0 * time / LENGTH - 1.0;
        basis.push(shown.iter().map(|(time, _)| (0..power).fold(1.0, |v, _| v * position(*time))).collect());
    }
    let seen = [0, 1].map(|axis| basis.rest(shown.iter().map(|(_, s)| s.chroma[axis]).collect()));
    let weights: Vec<[f64; STEPS]> = shown.iter().map(|(time, _)| weights(*time)).collect();
    let predicted = [0, 1].map(|axis| {
        let chroma = |weights: &[f64; STEPS]| {
            weights.iter().zip(schedule.colors()).map(|(weight, color)| weight * color.chroma()[axis]).sum()
        };
        basis.rest(weights.iter().map(chroma).collect())
    });
    let (power, energy) = (product(&predicted, &predicted), product(&seen, &seen));
    if power <= 0.0 || energy <= TINY * shown.len() as f64 {
        return Some(Fit { amplitude: 0.0, correlation: 0.0, share: 0.0, lag });
    }
    let common = product(&predicted, &seen);
    let correlation = common / (power * energy).sqrt();
    // The same with the colors left free: one value a step and axis.
    let drift = basis.columns().len();
    (0..STEPS).for_each(|step| basis.push(weights.iter().map(|weights| weights[step]).collect()));
    let along = |column: &Vec<f64>, axis: usize| column.iter().zip(&seen[axis]).map(|(a, b)| a * b).sum::<f64>();
    let free: f64 = basis.columns()[drift..].iter().map(|c| square(along(c, 0)) + square(along(c, 1))).sum();
    let share = if free > 0.0 { (square(correlation) * energy / free).min(1.0) } else { 0.0 };
    Some(Fit { amplitude: common / power, correlation, share, lag })
}

/// Variance of log ratios that counts as none: a picture that stands still.
const TINY: f64 = 1e-14;

fn square(value: f64) -> f64 {
    value * value
}

fn product(a: &[Vec<f64>; 2], b: &[Vec<f64>; 2]) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a * b).sum()
}

/// How much of each step a frame of this time saw.
fn weights(time: f64) -> [f64; STEPS] {
    let (from, to) = (time - GATHERING / 2.0, time + GATHERING / 2.0);
    std::array::from_fn(|step| {
        // The first and the last step last on: what is shown before and after is not known.
        let start = if step == 0 { f64::MIN } else { step as f64 * STEP };
        let end = if step == STEPS - 1 { f64::MAX } else { (step + 1) as f64 * STEP };
        ((to.min(end) - from.max(start)) / GATHERING).max(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::super::schedule::tests::bytes;
    use super::*;

    /// What a camera of `fps` sees of a schedule, with a cubic drift and noise of this size.
    fn seen(schedule: &Schedule, amplitude: f64, lag: f64, fps: f64, noise: f64) -> Vec<Sample> {
        let mut random = bytes(9);
        let mut noise = || noise * (f64::from(random()) - 127.5) / 74.0;
        let sample = |i: i32| {
            let at = f64::from(i) / fps;
            let drift = 0.3 + 0.1 * at - 0.05 * at * at + 0.01 * at * at * at;
            let step = (((at - lag) / STEP).max(0.0) as usize).min(STEPS - 1);
            let [red, blue] = schedule.colors()[step].chroma().map(|chroma| amplitude * chroma + drift);
            Sample {
                at,
                chroma: [red + noise(), 0.5 - blue + 2.0 * amplitude * schedule.colors()[step].chroma()[1] + noise()],
            }
        };
        (0..(fps * (LENGTH + 0.3)) as i32).map(sample).collect()
    }

    fn schedules() -> Vec<Schedule> {
        let mut random = bytes(5);
        (0..30).map(|_| Schedule::draw(&mut random, &[]).unwrap()).collect()
    }

    #[test]
    fn amplitude_and_lag_are_found_beneath_drift() {
        for schedule in schedules() {
            for (amplitude, lag, fps) in [(0.03, 0.05, 30.0), (0.5, 0.2, 15.0), (0.1, 0.0, 10.0)] {
                let fit = fit(&schedule, &seen(&schedule, amplitude, lag, fps, 0.0)).unwrap();
                assert!((fit.amplitude / amplitude - 1.0).abs() < 0.1, "{fit:?} for {amplitude} at {fps}");
                assert!((fit.lag - lag).abs() <= 1.0 / fps, "{fit:?} for {lag} at {fps}");
                assert!(fit.correlation > 0.95 && fit.share > 0.95, "{fit:?} at {fps}");
            }
        }
    }

    #[test]
    fn noise_lowers_the_correlation_and_nothing_else() {
        for schedule in schedules() {
            let fit = fit(&schedule, &seen(&schedule, 0.03, 0.05, 30.0, 0.02)).unwrap();
            assert!((fit.amplitude - 0.03).abs() < 0.012, "{fit:?}");
            assert!((0.5..0.95).contains(&fit.correlation) && fit.share > 0.5, "{fit:?}");
        }
    }

    #[test]
    fn a_schedule_in_a_wrong_phase_is_found_there() {
        for schedule in schedules() {
            for lag in [0.3, 0.45, 0.6, -0.3] {
                let fit = fit(&schedule, &seen(&schedule, 0.1, lag, 30.0, 0.001)).unwrap();
                let taken = ALLOWED_LAG.contains(&fit.lag) && fit.correlation > 0.5;
                assert!(!taken || fit.share < 0.6, "{fit:?} for {lag}");
            }
        }
    }

    #[test]
    fn still_pictures_and_too_few_frames_are_no_fit() {
        let schedule = schedules()[0];
        let flat: Vec<Sample> = (0..72).map(|i| Sample { at: f64::from(i) / 30.0, chroma: [0.1, 0.2] }).collect();
        assert_eq!(fit(&schedule, &flat).unwrap().amplitude, 0.0);
        assert_eq!(fit(&schedule, &flat[..LEAST_FRAMES - 1]), None);
        assert_eq!(fit(&schedule, &[]), None);
    }

    #[test]
    fn dependent_columns_add_nothing() {
        let mut columns = Orthonormal::new(3);
        columns.push(vec![1.0, 1.0, 1.0]);
        columns.push(vec![2.0, 2.0, 2.0]);
        columns.push(vec![0.0; 3]);
        assert_eq!(columns.columns().len(), 1);
        columns.push(vec![1.0, 2.0, 3.0]);
        let rest = columns.rest(vec![5.0, 0.0, 1.0]);
        assert!(columns.columns().iter().all(|c| c.iter().zip(&rest).map(|(c, v)| c * v).sum::<f64>().abs() < 1e-12));
    }
}

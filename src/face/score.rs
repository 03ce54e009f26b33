//! Turns the similarity of two templates into a score that says how rarely two different people reach it.
//!
//! The score is a stored, monotone map of -log10 of the false match rate (FMR): see `docs/ref/scores.md`.

use std::fmt;

use crate::engine::Knot;

/// A score from 0 to 1, in millionths: exact, so that the number that a client reads is the one that was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u32);

/// The decision for a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The faces match.
    Approved,
    /// A person has to decide.
    OperatorRequired,
    /// The faces don't match.
    Declined,
}

/// Least scores of the two better decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// From here on `approved`.
    pub approved: Score,
    /// From here on `operator_required`.
    pub operator_required: Score,
}

/// The map from cosine to score of one embedding model.
#[derive(Clone, Debug)]
pub struct Curve(Vec<(f64, f64)>);

/// Score at each false match rate, as the contract fixes it; linear in log10(FMR) between.
const SCORE_AT: [(f64, f64); 7] =
    [(1.0, 0.0), (1e-1, 0.30), (1e-2, 0.55), (1e-3, 0.75), (1e-4, 0.85), (1e-5, 0.92), (1e-6, 0.97)];

impl Score {
    /// The nearest score; outside 0..1 it is clamped, and NaN is 0.
    pub fn new(value: f64) -> Self {
        Self((value.clamp(0.0, 1.0) * 1e6).round() as u32)
    }

    /// As a number from 0 to 1.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// The score in steps of a hundredth, and 0 below the score of one impostor pair in ten: differences among such low scores matter to no
    /// decision, but each would reveal as much of a template as a high one. Rounded down, so that no score seems to reach a threshold that
    /// it does not reach.
    pub fn coarse(self) -> Self {
        const STEP: u32 = 10_000;
        let least = Self::new(SCORE_AT[1].1);
        if self < least { Self(0) } else { Self(self.0 / STEP * STEP) }
    }

    /// Its difference to 1.
    pub fn complement(self) -> Self {
        Self(1_000_000 - self.0)
    }

    /// The decision for it by the thresholds.
    pub fn decide(self, thresholds: Thresholds) -> Decision {
        if self >= thresholds.approved {
            Decision::Approved
        } else if self >= thresholds.operator_required {
            Decision::OperatorRequired
        } else {
            Decision::Declined
        }
    }
}

impl fmt::Display for Score {
    /// Fixed point in the shortest form: `0.93456`, `0.0`, `1.0`. Never an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:06}", self.0 % 1_000_000);
        let digits = digits.trim_end_matches('0');
        write!(f, "{}.{}", self.0 / 1_000_000, if digits.is_empty() { "0" } else { digits })
    }
}

impl Decision {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::OperatorRequired => "operator_required",
            Self::Declined => "declined",
        }
    }
}

impl Curve {
    /// From a model's knots. Below the first knot the curve falls to 0 at a cosine of -1, above the last it rises to 1 at 1.
    pub fn new(knots: &[Knot]) -> Self {
        let inner = knots.iter().map(|k| (k.cosine, score_at(k.fmr)));
        Self([(-1.0, 0.0)].into_iter().chain(inner).chain([(1.0, 1.0)]).collect())
    }

    /// The score that a share `fmr` of non-mated pairs reaches.
    ///
    /// Up to the last knot that is the contract's. Beyond, the cosine grows with each decade as much as over the last one that was measured:
    /// cosines of non-mated pairs fall off faster than that, as the knots before show, so that the rate is rather lower. None from two
    /// decades beyond on: nobody knows what the tail is like there, twins and relatives are in it.
    pub fn score_at(&self, fmr: f64) -> Option<Score> {
        const DECADES: f64 = 2.0;
        let [.., (x0, y0), (x1, y1), _] = self.0[..] else { return None };
        let (rate, last) = (-libm::log10(fmr), rate_of(y1));
        if rate <= last {
            return Some(Score::new(score_at(fmr)));
        }
        let cosine = x1 + (x1 - x0) / (last - rate_of(y0)) * (rate - last);
        (rate <= last + DECADES && cosine < 1.0).then(|| self.score(cosine))
    }

    /// The score of a cosine.
    pub fn score(&self, cosine: f64) -> Score {
        let above = self.0.iter().position(|(at, _)| cosine < *at).unwrap_or(self.0.len()).clamp(1, self.0.len() - 1);
        let ((x0, y0), (x1, y1)) = (self.0[above - 1], self.0[above]);
        Score::new(y0 + (y1 - y0) * ((cosine - x0) / (x1 - x0)))
    }
}

/// The score for a false match rate.
fn score_at(fmr: f64) -> f64 {
    let rate = -libm::log10(fmr);
    let decade = (rate.floor().max(0.0) as usize).min(SCORE_AT.len() - 2);
    let ((_, low), (_, high)) = (SCORE_AT[decade], SCORE_AT[decade + 1]);
    (low + (high - low) * (rate - decade as f64)).clamp(0.0, 1.0)
}

/// The inverse of [`score_at`]: -log10 of the false match rate.
fn rate_of(score: f64) -> f64 {
    let above = SCORE_AT.iter().position(|(_, at)| score <= *at).unwrap_or(SCORE_AT.len() - 1).max(1);
    let ((_, low), (_, high)) = (SCORE_AT[above - 1], SCORE_AT[above]);
    (above - 1) as f64 + (score - low) / (high - low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve() -> Curve {
        let knots = [(1e-1, 0.1), (1e-2, 0.2), (1e-3, 0.3), (1e-4, 0.4), (1e-5, 0.45), (1e-6, 0.5)];
        Curve::new(&knots.map(|(fmr, cosine)| Knot { fmr, cosine }))
    }

    #[test]
    fn scores_print_in_the_shortest_fixed_form() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.93456, "0.93456"),
            (0.5, "0.5"),
            (1e-6, "0.000001"),
            (4e-7, "0.0"),
            (2.0, "1.0"),
        ] {
            assert_eq!(Score::new(value).to_string(), text);
        }
        assert_eq!(Score::new(f64::NAN).to_string(), "0.0");
    }

    #[test]
    fn the_score_of_a_false_match_rate_is_extrapolated_by_two_decades() {
        let curve = curve();
        for (fmr, score) in [(1.0, 0.0), (1e-1, 0.30), (1e-4, 0.85), (1e-6, 0.97)] {
            assert_eq!(curve.score_at(fmr), Some(Score::new(score)), "{fmr}");
        }
        // 0.05 a decade.
        assert_eq!(curve.score_at(1e-7), Some(curve.score(0.55)));
        assert_eq!(curve.score_at(1.0001e-8), Some(curve.score(0.6)));
        assert_eq!((curve.score_at(0.9e-8), curve.score_at(0.0)), (None, None));
        for score in [0.0, 0.1, 0.3, 0.6, 0.97] {
            assert!((score_at(libm::pow(10.0, -rate_of(score))) - score).abs() < 1e-9, "{score}");
        }
    }

    #[test]
    fn false_match_rates_of_the_contract_have_its_scores() {
        for (cosine, score) in
            [(0.1, "0.3"), (0.2, "0.55"), (0.3, "0.75"), (0.35, "0.8"), (0.4, "0.85"), (0.45, "0.92"), (0.5, "0.97")]
        {
            assert_eq!(curve().score(cosine).to_string(), score);
        }
        assert_eq!(
            (curve().score(-1.0), curve().score(1.0), curve().score(1.1)),
            (Score(0), Score(1_000_000), Score(1_000_000))
        );
        assert!((score_at(3.162_277_660_168_379e-4) - 0.80).abs() < 1e-9);
    }

    #[test]
    fn decisions_begin_at_their_threshold() {
        let thresholds = Thresholds { approved: Score::new(0.85), operator_required: Score::new(0.75) };
        for (millionths, want) in [
            (1_000_000, Decision::Approved),
            (850_000, Decision::Approved),
            (849_999, Decision::OperatorRequired),
            (750_000, Decision::OperatorRequired),
            (749_999, Decision::Declined),
            (0, Decision::Declined),
        ] {
            assert_eq!(Score(millionths).decide(thresholds), want);
        }
    }

    #[test]
    fn coarse_scores_are_rounded_down() {
        for (score, coarse) in
            [(0, 0), (299_999, 0), (300_000, 300_000), (849_999, 840_000), (850_000, 850_000), (1_000_000, 1_000_000)]
        {
            assert_eq!(Score(score).coarse(), Score(coarse));
        }
    }

    #[test]
    fn a_score_is_clamped_to_its_range_and_rounded_to_millionths() {
        for (value, millionths) in [
            (f64::NEG_INFINITY, 0),
            (-1e-6, 0),
            (-0.0, 0),
            (4e-7, 0),
            (6e-7, 1),
            (0.999_999_4, 999_999),
            (0.999_999_6, 1_000_000),
            (1.000_001, 1_000_000),
            (f64::INFINITY, 1_000_000),
            (f64::NAN, 0),
            (-f64::NAN, 0),
        ] {
            assert_eq!(Score::new(value), Score(millionths), "{value}");
        }
    }

    #[test]
    fn below_the_lowest_knot_the_curve_falls_to_0_and_above_the_highest_it_rises_to_1() {
        for (cosine, millionths) in [
            (f64::NEG_INFINITY, 0),
            (-1.000_001, 0),
            (-1.0, 0),
            (-0.999_989, 3), // 0.3 over 1.1
            (-0.45, 150_000),
            (0.099_989, 299_997),
            (0.1, 300_000),
            (0.5, 970_000),
            (0.500_05, 970_003), // 0.03 over 0.5
            (0.75, 985_000),
            (0.999_95, 999_997),
            (1.0, 1_000_000),
            (1.000_001, 1_000_000),
            (f64::INFINITY, 1_000_000),
        ] {
            assert_eq!(curve().score(cosine), Score(millionths), "{cosine}");
        }
    }

    #[test]
    fn a_similarity_that_is_no_number_has_the_lowest_score() {
        assert_eq!([f64::NAN, -f64::NAN].map(|cosine| curve().score(cosine)), [Score(0); 2]);
    }

    #[test]
    fn rates_beyond_the_contract_s_go_on_to_0_and_1_and_no_further() {
        assert_eq!([2.0, 1.0].map(score_at), [0.0, 0.0]);
        let rare = [1e-6, 1e-7, 1e-300].map(|rate| Score::new(score_at(rate)));
        assert_eq!(rare, [Score(970_000), Score(1_000_000), Score(1_000_000)]);
        assert!((score_at(3.162_277_660_168_379e-7) - 0.995).abs() < 1e-9, "as steep as from 1e-5 to 1e-6");
    }

    #[test]
    fn a_score_and_its_complement_are_1() {
        for (score, complement) in [(0, 1_000_000), (1, 999_999), (1_000_000, 0)] {
            assert_eq!(Score(score).complement(), Score(complement));
        }
    }

    proptest! {
        #[test]
        fn the_curve_is_monotonic(a in -1.0f64..1.0, b in -1.0f64..1.0) {
            prop_assert!(curve().score(a.min(b)) <= curve().score(a.max(b)));
        }
    }
}

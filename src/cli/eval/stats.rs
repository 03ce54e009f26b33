//! Computes error rates from cosines (ISO/IEC 19795-1).

/// Impostor cosines in falling order, to read rates and thresholds from.
pub(super) struct Impostors(Vec<f64>);

impl Impostors {
    pub(super) fn new(mut cosines: Vec<f64>) -> Self {
        cosines.sort_by(|a, b| b.total_cmp(a));
        Self(cosines)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest threshold that at most this share of impostor pairs exceeds. A match is a cosine *above* it.
    pub(super) fn threshold(&self, fmr: f64) -> f64 {
        let allowed = (fmr * self.0.len() as f64).floor() as usize;
        self.0.get(allowed).copied().unwrap_or(-1.0)
    }

    /// Whether there are enough pairs to count this rate: ten have to be above its threshold, so that the standard error of the rate
    /// there is a third of it.
    pub(super) fn can_measure(&self, fmr: f64) -> bool {
        self.0.len() as f64 >= least_pairs(fmr)
    }

    /// How many impostor pairs are at or above a cosine.
    pub(super) fn reaching(&self, cosine: f64) -> usize {
        self.0.partition_point(|c| *c >= cosine)
    }

    /// The cosine at a false match rate. Down to [`TAIL_FROM`] it is counted; below, the excesses over the cosine of that
    /// rate are taken as exponential, as the tail of many distributions is (peaks over threshold, Pickands 1975), with the
    /// mean excess as its one parameter.
    pub(super) fn cosine(&self, fmr: f64) -> f64 {
        if fmr >= COUNTED_TO {
            return self.threshold(fmr);
        }
        let from = self.threshold(TAIL_FROM);
        let over: Vec<f64> = self.0.iter().map(|c| c - from).take_while(|e| *e > 0.0).collect();
        let mean = over.iter().sum::<f64>() / (over.len().max(1)) as f64;
        from + mean * (TAIL_FROM / fmr).ln()
    }
}

/// Fewest impostor pairs with which a false match rate can be measured.
pub(super) fn least_pairs(fmr: f64) -> f64 {
    const ABOVE: f64 = 10.0;
    (ABOVE / fmr).round()
}

/// Rate at which the exponential tail begins: several hundred pairs of 4.7 million are above.
pub(super) const TAIL_FROM: f64 = 1e-4;
/// Least rate that is counted in the sample itself. At 1e-5 some 47 pairs decide, which is no worse than the extrapolation.
const COUNTED_TO: f64 = 0.999e-5;

/// Accuracy on labeled pairs by cross-validation: the threshold of each fold is the best one on all others.
/// Returns mean and standard deviation over the folds; nothing if a fold leaves no pairs of both kinds for its threshold. A pair is
/// `(fold, cosine, same)`.
pub(super) fn accuracy(pairs: &[(String, f64, bool)]) -> Option<(f64, f64)> {
    let mut folds: Vec<&String> = pairs.iter().map(|p| &p.0).collect();
    folds.sort();
    folds.dedup();
    let hits = folds.iter().map(|fold| {
        let (test, train): (Vec<_>, Vec<_>) = pairs.iter().partition(|p| p.0 == **fold);
        let has_both = train.iter().any(|p| p.2) && train.iter().any(|p| !p.2);
        let threshold = has_both.then(|| best_threshold(&train))?;
        Some(test.iter().filter(|p| (p.1 > threshold) == p.2).count() as f64 / test.len() as f64)
    });
    let hits: Vec<f64> = hits.collect::<Option<_>>().filter(|hits: &Vec<f64>| !hits.is_empty())?;
    let mean = hits.iter().sum::<f64>() / hits.len() as f64;
    let variance = hits.iter().map(|h| (h - mean).powi(2)).sum::<f64>() / hits.len() as f64;
    Some((mean, variance.sqrt()))
}

/// The threshold with the fewest errors, the middle of its gap.
fn best_threshold(pairs: &[&(String, f64, bool)]) -> f64 {
    let mut sorted: Vec<(f64, bool)> = pairs.iter().map(|p| (p.1, p.2)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    // With the threshold below all cosines all genuine pairs are right; each step up changes the result of one pair.
    let mut right = sorted.iter().filter(|p| p.1).count() as i64;
    let mut best = (right, f64::NEG_INFINITY);
    for (i, (cosine, same)) in sorted.iter().enumerate() {
        right += if *same { -1 } else { 1 };
        if right > best.0 {
            let next = sorted.get(i + 1).map_or(*cosine, |n| n.0);
            best = (right, f64::midpoint(*cosine, next));
        }
    }
    best.1
}

/// The 95 % interval of a rate of `hits` in `trials` (Wilson 1927), which also holds for no hit at all.
fn wilson(hits: usize, trials: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let (hits, trials) = (hits as f64, trials as f64);
    let (rate, square) = (hits / trials, Z * Z);
    let middle = (rate + square / (2.0 * trials)) / (1.0 + square / trials);
    let spread = Z / (1.0 + square / trials) * (rate * (1.0 - rate) / trials + square / (4.0 * trials * trials)).sqrt();
    ((middle - spread).max(0.0), (middle + spread).min(1.0))
}

/// [`wilson`] in percent.
pub(super) fn interval_percent(hits: usize, trials: usize) -> [f64; 2] {
    let (low, high) = wilson(hits, trials);
    [100.0 * low, 100.0 * high]
}

/// A rate with its 95 % interval, for people.
pub(super) fn rate(hits: usize, trials: usize) -> String {
    let [low, high] = interval_percent(hits, trials);
    format!("{:.1} % ({low:.1} to {high:.1})", 100.0 * hits as f64 / trials as f64)
}

/// The share of pairs of an attack and a bona fide presentation in which the attack has the higher value, ties counted half.
pub(super) fn area_under_roc(attacks: &[f64], bona_fide: &[f64]) -> Option<f64> {
    let pairs = attacks.len() * bona_fide.len();
    let won = |a: &f64, b: &f64| {
        if a > b {
            1.0
        } else if a == b {
            0.5
        } else {
            0.0
        }
    };
    let sum: f64 = attacks.iter().flat_map(|a| bona_fide.iter().map(move |b| won(a, b))).sum();
    (pairs > 0).then(|| sum / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_keep_the_requested_false_match_rate() {
        let impostors = Impostors::new((0..1000).map(|i| f64::from(i) / 1000.0).collect());
        let t = impostors.threshold(0.01);
        assert_eq!(impostors.0.iter().filter(|c| **c > t).count(), 10);
        assert_eq!(impostors.reaching(0.9), 100);
    }

    #[test]
    fn a_rate_is_measurable_with_ten_pairs_above_its_threshold() {
        let impostors = |n| Impostors::new(vec![0.0; n]);
        for (pairs, fmr, want) in
            [(9_999, 1e-3, false), (10_000, 1e-3, true), (3, 1e-5, false), (1_000_000, 1e-5, true)]
        {
            assert_eq!(impostors(pairs).can_measure(fmr), want, "{pairs} {fmr}");
        }
        assert!(!impostors(0).can_measure(1.0));
    }

    #[test]
    fn an_exponential_tail_is_extrapolated() {
        // Cosines whose survival function is exp(-20 x).
        let n = 200_000;
        let impostors = Impostors::new((1..n).map(|i| -(f64::from(i) / f64::from(n)).ln() / 20.0).collect());
        let want = -(1e-6f64).ln() / 20.0;
        assert!((impostors.cosine(1e-6) - want).abs() < 0.05 * want, "{}", impostors.cosine(1e-6));
    }

    #[test]
    fn accuracy_is_one_for_separable_pairs() {
        let pair = |fold: i32, cosine, same| (fold.to_string(), cosine, same);
        let pairs: Vec<_> =
            (0..3).flat_map(|f| [pair(f, 0.9, true), pair(f, 0.5, true), pair(f, 0.4, false)]).collect();
        assert_eq!(accuracy(&pairs), Some((1.0, 0.0)));
        // A single fold leaves nothing to find a threshold with, and neither do pairs of one kind.
        assert_eq!(accuracy(&pairs[..3]), None);
        let genuine: Vec<_> = pairs.iter().filter(|p| p.2).cloned().collect();
        assert_eq!(accuracy(&genuine), None);
        assert_eq!(accuracy(&[]), None);
    }

    #[test]
    fn wilson_intervals_match_published_tables() {
        let (low, high) = wilson(0, 140);
        assert!(low == 0.0 && (high - 0.0267).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(5, 10);
        assert!((low - 0.2366).abs() < 1e-4 && (high - 0.7634).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn roc_area_is_one_for_separated_scores() {
        assert_eq!(area_under_roc(&[0.9, 0.8], &[0.1, 0.7]), Some(1.0));
        assert_eq!(area_under_roc(&[0.5], &[0.5, 0.9]), Some(0.25));
        assert_eq!(area_under_roc(&[], &[0.5]), None);
    }
}

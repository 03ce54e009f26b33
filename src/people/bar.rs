//! Decides from which score on a face is somebody's, by the size of the gallery: among more people, a stranger resembles one sooner.

use crate::face::{Comparator, Score};

/// Decades over which a known rate is looked for: no setting and no gallery is farther from the last knot.
const FARTHEST: usize = 20;

/// The bars of a search among so many templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bars([Bar; 3]);

/// The bar of one kind of pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// From this score on it is that person; none where it is not known how alike strangers are so rarely.
    pub approved: Option<Score>,
    /// From this score on somebody has to look: ten times as many strangers reach it, or more if that is not known either.
    pub operator_required: Score,
}

impl Bars {
    /// For a search of one probe among `templates`, of which `false_accepts` a search of strangers may end with somebody's name.
    ///
    /// Each comparison may have its share of that: the rates of all add up at the most (the union bound), whether the templates are of one
    /// person or of many.
    pub fn new(comparator: &Comparator, false_accepts: f64, templates: usize) -> Self {
        let fmr = (false_accepts / templates.max(1) as f64).min(1.0);
        let tenfold = || (1..).map(|decade| (fmr * 10f64.powi(decade)).min(1.0));
        Self([0, 1, 2].map(|joined| {
            Bar {
                approved: comparator.score_at(fmr, joined),
                operator_required: tenfold()
                    .take(FARTHEST)
                    .find_map(|fmr| comparator.score_at(fmr, joined))
                    .unwrap_or_else(|| Score::new(1.0)),
            }
        }))
    }

    /// The bar for two templates of which so many are joined.
    pub fn of(&self, joined: usize) -> Bar {
        self.0[joined.min(2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Knot;

    #[test]
    fn bars_rise_with_the_gallery_until_the_tail_is_unknown() {
        let knot = |decade: i32| Knot { fmr: 10f64.powi(-decade), cosine: 0.1 * f64::from(decade) };
        let comparator = Comparator::new(&(1..=6).map(knot).collect::<Vec<_>>(), &[], None);
        let bars = |templates| Bars::new(&comparator, 1e-4, templates).of(0);
        let score = |value| Some(Score::new(value));
        assert_eq!(bars(0), bars(1));
        assert_eq!(bars(1), Bar { approved: score(0.85), operator_required: Score::new(0.75) });
        assert_eq!(bars(100), Bar { approved: score(0.97), operator_required: Score::new(0.92) });
        // A cosine of 0.8, half way from the last knot to 1.
        assert_eq!(bars(10_000), Bar { approved: score(0.985), operator_required: Score::new(0.9775) });
        assert_eq!(bars(10_001).approved, None);
        // The farthest that is known, within a decade.
        let [near, far] = [99_000, 9_900_000].map(|templates| bars(templates).operator_required.value());
        assert!(near > 0.984 && (near - far).abs() < 1e-6, "{near} {far}");
        let all = Bar { approved: score(0.0), operator_required: Score::new(0.0) };
        assert_eq!(Bars::new(&comparator, 1.0, 1).of(2), all);
    }
}

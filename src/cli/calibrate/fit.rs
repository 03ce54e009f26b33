//! Fits the score curve to a site from the templates of its people, and tests it on people that were not used for the fit.
//!
//! The curve's impostor similarities are close to a normal distribution, with mean and deviation given by its knots; so are a site's,
//! with other values. About three hundred pairs are enough to estimate these two, while the share of one in ten thousand would take a
//! hundred thousand.

use crate::engine::ModelInfo;
use crate::face::{Comparator, Score, Site, Template};

/// A person and the enrolled templates.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) templates: Vec<Template>,
}

/// The two ways to fit a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The curve is shifted and scaled.
    Moved,
    /// The common part of the embeddings is taken out first.
    Centered,
}

/// The parameters of a fit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fitted {
    pub(super) mean: Vec<f64>,
    pub(super) shift: f64,
    pub(super) scale: f64,
}

/// Results on pairs of people that were not used for the fit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CrossValidation {
    /// Non-mated pairs.
    pub(super) pairs: usize,
    /// Those that reach each of [`PROMISED`].
    pub(super) reached: [usize; 3],
    /// Mated pairs.
    pub(super) mated: usize,
    /// Those of them that reach the last of [`PROMISED`].
    pub(super) approved: usize,
}

/// Scores and their false match rates: the share of non-mated pairs that may reach them.
pub(super) const PROMISED: [(f64, f64); 3] = [(0.55, 1e-2), (0.75, 1e-3), (0.85, 1e-4)];
/// Least number of pairs that a rate must allow for it to be tested: with fewer, chance alone may double the count.
const LEAST_PROMISED: f64 = 3.0;

impl Way {
    /// Fits these people in this way.
    pub(super) fn fit(self, people: &[&Person], model: &ModelInfo) -> Fitted {
        let (mean, here) = match self {
            Self::Moved => (vec![], Spread::of(&non_mated(people, Template::similarity))),
            Self::Centered => {
                // A mean is closer to the people it was made of than to others, so the pairs of each half use the mean of the other.
                let (a, b) = halves(people);
                let (of_a, of_b) = (mean(&a), mean(&b));
                let mut pairs = non_mated(&b, |p, q| p.similarity_around(&of_a)(q));
                pairs.extend(non_mated(&a, |p, q| p.similarity_around(&of_b)(q)));
                (mean(people), Spread::of(&pairs))
            }
        };
        let shipped = Spread::of_model(model);
        let scale = here.deviation / shipped.deviation;
        Fitted { mean, shift: here.mean - scale * shipped.mean, scale }
    }
}

impl Fitted {
    /// The calibration with this fit.
    pub(super) fn site(&self) -> Site {
        Site::new(self.mean.clone(), self.shift, self.scale)
    }
}

/// Fits on each half of the people and tests on the other.
pub(super) fn validated(people: &[&Person], model: &ModelInfo, way: Way) -> CrossValidation {
    let (a, b) = halves(people);
    let test = |on: &[&Person], fitted: &Fitted| CrossValidation::of(on, &comparator(model, Some(fitted.site())));
    test(&b, &way.fit(&a, model)).and(test(&a, &way.fit(&b, model)))
}

/// The same for the curve as it is shipped, on the same pairs.
pub(super) fn shipped(people: &[&Person], model: &ModelInfo) -> CrossValidation {
    let (a, b) = halves(people);
    let comparator = comparator(model, None);
    CrossValidation::of(&b, &comparator).and(CrossValidation::of(&a, &comparator))
}

fn comparator(model: &ModelInfo, site: Option<Site>) -> Comparator {
    Comparator::new(&model.knots, &model.joined_knots, site)
}

/// The way that keeps the false match rates better; of two that keep them, the one that approves more mated pairs.
pub(super) fn better(moved: &CrossValidation, centered: &CrossValidation) -> Way {
    let rank = |validated: &CrossValidation| (validated.excess().max(1.0), -(validated.approved as f64));
    if rank(centered) < rank(moved) { Way::Centered } else { Way::Moved }
}

impl CrossValidation {
    fn of(people: &[&Person], comparator: &Comparator) -> Self {
        let mut validated = Self::default();
        let approved = Score::new(PROMISED[2].0);
        for (i, person) in people.iter().enumerate() {
            for (j, a) in person.templates.iter().enumerate() {
                for b in &person.templates[..j] {
                    validated.mated += 1;
                    validated.approved += usize::from(comparator.compare(a, b) >= approved);
                }
                for b in people[..i].iter().flat_map(|other| &other.templates) {
                    validated.pairs += 1;
                    let score = comparator.compare(a, b);
                    for (reached, (promised, _)) in validated.reached.iter_mut().zip(PROMISED) {
                        *reached += usize::from(score >= Score::new(promised));
                    }
                }
            }
        }
        validated
    }

    fn and(self, other: Self) -> Self {
        Self {
            pairs: self.pairs + other.pairs,
            reached: std::array::from_fn(|i| self.reached[i] + other.reached[i]),
            mated: self.mated + other.mated,
            approved: self.approved + other.approved,
        }
    }

    /// How many times the expected pairs reach a score, for the worst of [`PROMISED`]; 0 if there are too few pairs to tell.
    pub(super) fn excess(&self) -> f64 {
        let ratio = |(reached, (_, share)): (usize, (f64, f64))| {
            let promised = share * self.pairs as f64;
            if promised < LEAST_PROMISED { 0.0 } else { reached as f64 / promised }
        };
        self.reached.into_iter().zip(PROMISED).map(ratio).fold(0.0, f64::max)
    }

    /// Share of the non-mated pairs at the last of [`PROMISED`] and above.
    pub(super) fn share(&self) -> f64 {
        self.reached[2] as f64 / self.pairs.max(1) as f64
    }
}

/// Mean and standard deviation of impostor similarities.
#[derive(Clone, Copy, Debug)]
struct Spread {
    mean: f64,
    deviation: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        Self { mean, deviation: variance.sqrt().max(1e-3) }
    }

    /// For those that the curve was fitted on: the normal distribution that has its first two knots.
    fn of_model(model: &ModelInfo) -> Self {
        let (a, b) = (model.knots[0], model.knots[1]);
        let (from, to) = (deviations(a.fmr), deviations(b.fmr));
        let deviation = (b.cosine - a.cosine) / (to - from);
        Self { mean: a.cosine - from * deviation, deviation }
    }
}

/// How many standard deviations above its mean a normal distribution has this share left.
fn deviations(share: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let left = libm::erfc(middle / std::f64::consts::SQRT_2) / 2.0;
        if left > share { low = middle } else { high = middle }
    }
    low
}

/// Splits into every other one and the rest.
fn halves<'a>(people: &[&'a Person]) -> (Vec<&'a Person>, Vec<&'a Person>) {
    let every = |first: usize| people.iter().skip(first).step_by(2).copied().collect();
    (every(0), every(1))
}

/// The mean of the people's embeddings, each person counting once.
fn mean(people: &[&Person]) -> Vec<f64> {
    let dimension = people.iter().flat_map(|p| &p.templates).map(Template::dimension).next().unwrap_or(0);
    let mut sum = vec![0.0; dimension];
    for person in people {
        for template in &person.templates {
            let weight = 1.0 / (person.templates.len() * people.len()) as f64;
            sum.iter_mut().zip(template.vector()).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    sum
}

/// Similarities of all pairs of templates of different people.
fn non_mated(people: &[&Person], similarity: impl Fn(&Template, &Template) -> f64) -> Vec<f64> {
    let mut found = vec![];
    for (i, person) in people.iter().enumerate() {
        for b in people[..i].iter().flat_map(|other| &other.templates) {
            found.extend(person.templates.iter().map(|a| similarity(a, b)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ModelSet, Role};

    /// People in 128 dimensions, two pictures each, whose embeddings have `common` of the first dimension.
    fn place(people: usize, common: f64) -> Vec<Person> {
        let mut state = 1u64;
        let mut normal = move || {
            // The sum of twelve uniform numbers is close enough to normal here.
            let uniform = |state: &mut u64| {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (*state >> 40) as f64 / f64::from(1 << 24)
            };
            (0..12).map(|_| uniform(&mut state)).sum::<f64>() - 6.0
        };
        let person = |i: usize| {
            let own: Vec<f64> = (0..128).map(|_| normal()).collect();
            let picture = |normal: &mut dyn FnMut() -> f64| {
                let vector: Vec<f64> = own
                    .iter()
                    .enumerate()
                    .map(|(d, v)| v + 0.5 * normal() + if d == 0 { common * 11.3 } else { 0.0 })
                    .collect();
                Template::new(1, 90, &vector).expect("it is no vector of zeros")
            };
            Person { name: i.to_string(), templates: vec![picture(&mut normal), picture(&mut normal)] }
        };
        (0..people).map(person).collect()
    }

    fn model() -> ModelInfo {
        ModelSet::embedded().expect("they are good").get(Role::Embedder).info().clone()
    }

    #[test]
    fn normal_quantiles_match_published_tables() {
        for (share, want) in [(0.5, 0.0), (0.1, 1.281_552), (0.01, 2.326_348), (1e-4, 3.719_016)] {
            assert!((deviations(share) - want).abs() < 1e-5, "{share}");
        }
    }

    #[test]
    fn a_site_of_similar_people_gets_a_stricter_curve() {
        let people = place(100, 0.9);
        let people: Vec<&Person> = people.iter().collect();
        let before = shipped(&people, &model());
        assert!(before.share() > 0.01, "{before:?}");
        for way in [Way::Moved, Way::Centered] {
            let after = validated(&people, &model(), way);
            assert!(after.excess() < 2.0 && after.share() < 1e-3, "{way:?} {after:?}");
            assert_eq!(after.pairs, before.pairs);
            assert!(after.approved * 10 > after.mated * 9, "{way:?} {after:?}");
        }
    }

    #[test]
    fn a_site_like_the_shipped_curve_keeps_it() {
        let people = place(100, 0.3);
        let people: Vec<&Person> = people.iter().collect();
        let fitted = Way::Moved.fit(&people, &model());
        assert!((0.8..1.2).contains(&fitted.scale) && fitted.shift.abs() < 0.05, "{fitted:?}");
        assert_eq!(fitted.mean, Vec::<f64>::new());
        let centered = Way::Centered.fit(&people, &model());
        assert!(centered.mean[0] > 0.2 && centered.mean[1..].iter().all(|m| m.abs() < 0.1));
    }

    #[test]
    fn the_false_match_promise_decides_before_the_approval_rate() {
        let validated =
            |reached, approved| CrossValidation { pairs: 10_000, reached: [reached, 0, 0], mated: 100, approved };
        for (moved, centered, want) in [
            (validated(100, 90), validated(300, 95), Way::Moved),
            (validated(300, 95), validated(100, 90), Way::Centered),
            (validated(20, 90), validated(100, 95), Way::Centered),
            (validated(20, 90), validated(20, 90), Way::Moved),
        ] {
            assert_eq!(better(&moved, &centered), want);
        }
        // At 0.85 one pair in ten thousand is expected: two of them prove nothing.
        assert_eq!(CrossValidation { reached: [0, 0, 2], ..validated(0, 0) }.excess(), 0.0);
    }
}

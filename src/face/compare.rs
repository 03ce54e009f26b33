//! Compares two templates: how similar their faces are.
//!
//! A template joined from several samples is more similar to all other templates: the mean leaves out what the samples do not have in
//! common. So it has a curve of its own, and two of them have one that is shifted by the same amount again.

use super::score::{Curve, Score};
use super::site::{HIGHEST, OtherModel, Site};
use super::template::Template;
use crate::engine::{Knot, ModelInfo};
use crate::ops::Settings;

/// Compares templates of one embedding model.
#[derive(Clone, Debug)]
pub struct Comparator {
    /// By how many of the two templates are joined.
    curves: [Curve; 3],
    site: Option<Site>,
}

impl Comparator {
    /// For templates of this model, with the site's calibration in the settings.
    pub fn of(model: &ModelInfo, settings: &Settings) -> Result<Self, OtherModel> {
        let site = settings.site.as_ref().map(|site| Site::from_settings(site, model)).transpose()?;
        Ok(Self::new(&model.knots, &model.joined_knots, site))
    }

    /// From the knots for templates of one sample, and those for one joined template beside one of these, at the same rates; the former are
    /// used for both if there are no others.
    pub fn new(single: &[Knot], joined: &[Knot], site: Option<Site>) -> Self {
        let joined = if joined.is_empty() { single } else { joined };
        let twice = |(once, single): (&Knot, &Knot)| Knot {
            cosine: (2.0 * once.cosine - single.cosine).clamp(-HIGHEST, HIGHEST),
            ..*once
        };
        let both: Vec<Knot> = joined.iter().zip(single).map(twice).collect();
        let curve = |knots: &[Knot]| match &site {
            Some(site) => Curve::new(&site.knots(knots)),
            None => Curve::new(knots),
        };
        Self { curves: [curve(single), curve(joined), curve(&both)], site }
    }

    /// The similarity, -1 to 1, and 1 for identical ones.
    pub fn similarity(&self, a: &Template, b: &Template) -> f64 {
        self.similarity_to(a)(b)
    }

    /// The score.
    pub fn compare(&self, a: &Template, b: &Template) -> Score {
        self.scores_of(a)(b)
    }

    /// The scores of one probe with many others; each is that of `compare(probe, other)`. What depends on the probe alone is computed once.
    pub fn scores_of(&self, probe: &Template) -> impl Fn(&Template) -> Score {
        let similarity = self.similarity_to(probe);
        move |other| {
            let joined = usize::from(probe.samples() > 1) + usize::from(other.samples() > 1);
            self.curves[joined].score(similarity(other))
        }
    }

    fn similarity_to(&self, a: &Template) -> impl Fn(&Template) -> f64 {
        let at_site = self.site.as_ref().and_then(|site| site.similarity_to(a));
        move |b| at_site.as_ref().map_or_else(|| a.similarity(b), |similarity| similarity(b))
    }

    /// The mean of the site's people that is taken from embeddings; empty if none is.
    pub(super) fn mean(&self) -> &[f64] {
        self.site.as_ref().map_or(&[], Site::mean)
    }

    /// The score that one in so many non-mated pairs reaches, if that is known: see [`Curve::score_at`]. `joined` of the two templates
    /// are joined.
    pub fn score_at(&self, fmr: f64, joined: usize) -> Option<Score> {
        self.curves[joined.min(2)].score_at(fmr)
    }

    /// The curve of templates of one sample each.
    pub fn curve(&self) -> &Curve {
        &self.curves[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: [Knot; 2] = [Knot { fmr: 1e-2, cosine: 0.2 }, Knot { fmr: 1e-4, cosine: 0.4 }];
    const JOINED: [Knot; 2] = [Knot { fmr: 1e-2, cosine: 0.3 }, Knot { fmr: 1e-4, cosine: 0.5 }];

    fn sample(vector: [f64; 3]) -> Template {
        Template::new(1, 90, &vector).unwrap()
    }

    #[test]
    fn joined_templates_have_to_be_more_alike() {
        let easy = Comparator::new(&SINGLE, &[], None);
        let (x, y) = (sample([1.0, 0.2, 0.0]), sample([1.0, -0.2, 0.0]));
        let joined = Template::join(&[x.clone(), y], &easy, Score::new(0.0)).unwrap();
        // Its direction is the first axis: the cosine to this one is 0.4, 0.85 of two single samples.
        let probe = sample([0.4, 0.0, 0.84f64.sqrt()]);
        let single = sample([1.0, 0.0, 0.0]);
        let comparator = Comparator::new(&SINGLE, &JOINED, None);
        let at = |a: &Template, b: &Template| comparator.compare(a, b).value();
        assert!((at(&single, &probe) - 0.85).abs() < 0.01);
        // Half way between the knots of 0.55 and 0.85 for one joined template, at that of 0.55 for two.
        assert!((at(&joined, &probe) - 0.70).abs() < 0.01, "{}", at(&joined, &probe));
        assert_eq!(at(&probe, &joined), at(&joined, &probe));
        let away = Template::join(
            &[sample([0.4, 0.03, 0.84f64.sqrt()]), sample([0.4, -0.03, 0.84f64.sqrt()])],
            &easy,
            Score::new(0.0),
        );
        assert!((at(&joined, &away.unwrap()) - 0.55).abs() < 0.01);
        // Without knots of their own, joined templates are compared as single ones.
        assert!((easy.compare(&joined, &probe).value() - 0.85).abs() < 0.01);
    }

    #[test]
    fn a_place_moves_all_curves() {
        let stricter = Comparator::new(&SINGLE, &[], Some(Site::new(vec![], 0.1, 1.0)));
        let looser = Comparator::new(&SINGLE, &[], Some(Site::new(vec![], -0.1, 1.0)));
        let (a, b) = (sample([1.0, 0.0, 0.0]), sample([0.4, 0.0, 0.84f64.sqrt()]));
        assert!((stricter.compare(&a, &b).value() - 0.70).abs() < 0.01);
        assert!((looser.compare(&a, &b).value() - 0.85).abs() < 0.01, "no lower than as shipped");
        assert_eq!(stricter.compare(&a, &a), Score::new(1.0));
        // What both have in common is taken out, and only then may the knots be lower.
        let centered = Comparator::new(&SINGLE, &[], Some(Site::new(vec![0.5, 0.0, 0.0], -0.1, 1.0)));
        assert!(centered.similarity(&a, &b) < 0.0 && centered.compare(&a, &a) == Score::new(1.0));
    }

    /// A template of one sample and one of two, of nearly this direction.
    fn both_kinds(vector: [f64; 3]) -> [Template; 2] {
        let easy = Comparator::new(&SINGLE, &[], None);
        let nearly = vector.map(|v| v * 100.0 + 1.0);
        let joined = Template::join(&[sample(vector), sample(nearly)], &easy, Score::new(0.0)).unwrap();
        [sample(vector), joined]
    }

    #[test]
    fn identical_templates_have_a_score_of_1_and_opposite_ones_of_0() {
        let comparator = Comparator::new(&SINGLE, &JOINED, None);
        for template in both_kinds([1.0, 0.2, -0.3]) {
            assert_eq!(comparator.compare(&template, &template), Score::new(1.0));
        }
        let (a, b) = (sample([1.0, 0.2, -0.3]), sample([-1.0, -0.2, 0.3]));
        assert_eq!(comparator.compare(&a, &b), Score::new(0.0));
    }

    #[test]
    fn identical_joined_templates_have_a_score_of_1_also_where_joining_moves_knots_far() {
        // Moved as far again, the last knot would be at 1.1.
        let far = [Knot { cosine: 0.3, ..SINGLE[0] }, Knot { cosine: 0.75, ..SINGLE[1] }];
        let [_, joined] = both_kinds([1.0, 0.2, -0.3]);
        assert_eq!(Comparator::new(&SINGLE, &far, None).compare(&joined, &joined), Score::new(1.0));
    }

    #[test]
    fn a_site_moves_no_knot_to_the_similarity_of_identical_templates() {
        for mean in [vec![], vec![0.1, 0.0, 0.0]] {
            let strict = Comparator::new(&SINGLE, &JOINED, Some(Site::new(mean, 1.0, 10.0)));
            for template in both_kinds([1.0, 0.2, -0.3]) {
                assert_eq!(strict.compare(&template, &template), Score::new(1.0));
            }
            // A cosine of 0.98 is below all knots.
            let near = sample([1.0, 0.42, -0.3]);
            assert!(strict.compare(&sample([1.0, 0.2, -0.3]), &near) < Score::new(0.55));
        }
    }
}

//! Searches many templates for those that are most similar to one: packed, by exact inner products and similarities to six digits.
//!
//! Whoever needs scores compares the few that were found once more, with [`Comparator`]; see [`PackedTemplates::template`].

use zeroize::Zeroize;

use super::compare::Comparator;
use super::template::Template;
use crate::engine::Isa;

/// How far the similarity of a search may be from that of [`Comparator::similarity`].
pub const SEARCH_ERROR: f32 = 1e-5;

/// Templates of one model, each with its owner's number: 128 bytes of values and 16 of facts each.
#[derive(Clone, Debug, Default)]
pub struct PackedTemplates {
    values: Vec<i8>,
    facts: Vec<Facts>,
}

/// What the similarity of a template to any other depends on, beside the inner product.
#[derive(Clone, Copy, Debug)]
struct Facts {
    owner: u32,
    /// 1 by the length of the values.
    scale: f32,
    /// Inner product of the unit vector with the site's mean.
    along: f32,
    quality: u8,
    samples: u8,
    model: u16,
}

/// A template that is searched for.
pub struct Probe {
    template: Template,
    facts: Facts,
    /// Square of the length of the site's mean.
    square: f32,
    /// Share by which the distance to 1 grows, by the other template's quality.
    doubt: [f32; 101],
    isa: Isa,
}

/// One that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its index.
    pub row: usize,
    /// Its owner.
    pub owner: u32,
    /// Whether it is joined from several samples.
    pub is_joined: bool,
    /// To within [`SEARCH_ERROR`].
    pub similarity: f32,
}

/// Rows whose inner products are computed at a time: their values fit the L1 cache of every processor.
const ROWS: usize = 128;

impl Drop for PackedTemplates {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl Facts {
    fn of(template: &Template, mean: &[f64], owner: u32) -> Self {
        Self {
            owner,
            scale: (1.0 / f64::from(template.energy()).sqrt()) as f32,
            along: template.along(mean) as f32,
            quality: template.quality(),
            samples: template.samples(),
            model: template.model(),
        }
    }
}

impl Probe {
    /// For templates that are compared by this.
    pub fn new(template: &Template, comparator: &Comparator, isa: Isa) -> Self {
        let mean = comparator.mean();
        Self {
            template: template.clone(),
            facts: Facts::of(template, mean, 0),
            square: mean.iter().map(|m| m * m).sum::<f64>() as f32,
            doubt: std::array::from_fn(|quality| template.doubt(quality as u8) as f32),
            isa,
        }
    }

    /// The template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    fn similarity(&self, product: i32, other: &Facts) -> f32 {
        let cosine = product as f32 * self.facts.scale * other.scale;
        let (a, b, square) = (self.facts.along, other.along, self.square);
        let cosine = if square == 0.0 {
            cosine
        } else {
            (cosine - a - b + square) / ((1.0 - 2.0 * a + square) * (1.0 - 2.0 * b + square)).sqrt()
        };
        cosine - self.doubt[usize::from(other.quality.min(100))] * (1.0 - cosine).max(0.0)
    }
}

impl PackedTemplates {
    /// Adds a template, of the same model as all others.
    pub fn push(&mut self, template: &Template, comparator: &Comparator, owner: u32) {
        if self.values.capacity() < self.values.len() + template.dimension() {
            // What a vector moves stays where it was.
            let mut larger = Vec::with_capacity(2 * self.values.len() + template.dimension());
            larger.extend_from_slice(&self.values);
            self.values.zeroize();
            self.values = larger;
        }
        self.values.extend_from_slice(&template.values);
        self.facts.push(Facts::of(template, comparator.mean(), owner));
    }

    /// Removes all templates of one owner, and gives those of another that owner's number.
    pub fn remove(&mut self, owner: u32, renamed: Option<u32>) {
        let dimension = self.dimension();
        let mut kept =
            Self { values: Vec::with_capacity(self.values.len()), facts: Vec::with_capacity(self.facts.len()) };
        for (row, facts) in self.facts.iter().enumerate().filter(|(_, facts)| facts.owner != owner) {
            kept.values.extend_from_slice(&self.values[row * dimension..][..dimension]);
            let owner = if Some(facts.owner) == renamed { owner } else { facts.owner };
            kept.facts.push(Facts { owner, ..*facts });
        }
        *self = kept;
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// The templates of an owner, as they were added.
    pub fn of(&self, owner: u32) -> impl Iterator<Item = Template> {
        self.facts.iter().enumerate().filter(move |(_, facts)| facts.owner == owner).map(|(row, _)| self.template(row))
    }

    /// The template of a row, as it was added.
    pub fn template(&self, row: usize) -> Template {
        let (facts, dimension) = (&self.facts[row], self.dimension());
        let values = self.values[row * dimension..][..dimension].to_vec();
        Template::from_values(facts.model, facts.quality, facts.samples, values).expect("it was a template before")
    }

    /// Passes each row to `each`.
    pub fn search(&self, probe: &Probe, mut each: impl FnMut(Hit)) {
        let dimension = self.dimension();
        if self.is_empty() || dimension != probe.template.dimension() {
            return;
        }
        let mut products = [0; ROWS];
        for (block, facts) in self.facts.chunks(ROWS).enumerate() {
            let products = &mut products[..facts.len()];
            let values = &self.values[block * ROWS * dimension..][..facts.len() * dimension];
            probe.isa.inner_products(&probe.template.values, values, products);
            for (row, (product, facts)) in products.iter().zip(facts).enumerate() {
                each(Hit {
                    row: block * ROWS + row,
                    owner: facts.owner,
                    is_joined: facts.samples > 1,
                    similarity: probe.similarity(*product, facts),
                });
            }
        }
    }

    fn dimension(&self) -> usize {
        self.values.len().checked_div(self.facts.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Knot;
    use crate::face::Site;

    /// A template of one or several samples, of any quality.
    fn template(seed: u32, samples: u8) -> Template {
        let value = |i: u32| f64::from((i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)) >> 7 & 1023) - 500.0;
        Template::quantized(1, (seed % 101) as u8, samples, &(0..128).map(value).collect::<Vec<_>>()).unwrap()
    }

    fn comparators() -> [Comparator; 2] {
        let knots = [Knot { fmr: 1e-2, cosine: 0.2 }, Knot { fmr: 1e-4, cosine: 0.4 }];
        let mean = (0..128).map(|i| f64::from(i % 7) * 0.01).collect();
        [Comparator::new(&knots, &[], None), Comparator::new(&knots, &[], Some(Site::new(mean, 0.0, 1.0)))]
    }

    #[test]
    fn similarities_of_a_search_are_those_of_the_comparator() {
        for (comparator, isa) in
            comparators().iter().flat_map(|c| Isa::available().into_iter().map(move |isa| (c, isa)))
        {
            let mut packed = PackedTemplates::default();
            (0..300).for_each(|i| packed.push(&template(i, 1 + (i % 3) as u8), comparator, i));
            let probe = Probe::new(&template(17, 1), comparator, isa);
            let mut seen = 0;
            packed.search(&probe, |hit| {
                let other = packed.template(hit.row);
                assert_eq!((hit.row as u32, &other), (hit.owner, &template(hit.owner, 1 + (hit.owner % 3) as u8)));
                let exact = comparator.similarity(probe.template(), &other);
                assert!(
                    (f64::from(hit.similarity) - exact).abs() < f64::from(SEARCH_ERROR),
                    "{} {exact}",
                    hit.similarity
                );
                assert_eq!(hit.is_joined, other.samples() > 1);
                seen += 1;
            });
            assert_eq!(seen, 300);
        }
    }

    #[test]
    fn an_owner_is_removed_and_the_last_one_gets_its_number() {
        let comparator = &comparators()[0];
        let mut packed = PackedTemplates::default();
        for (seed, owner) in [(1, 0), (2, 1), (3, 0), (4, 2)] {
            packed.push(&template(seed, 1), comparator, owner);
        }
        packed.remove(0, Some(2));
        assert_eq!(packed.of(0).collect::<Vec<_>>(), [template(4, 1)]);
        assert_eq!((packed.of(1).count(), packed.of(2).count(), packed.len()), (1, 0, 2));
        packed.remove(0, None);
        packed.remove(1, None);
        assert!(packed.is_empty());
        packed.search(&Probe::new(&template(1, 1), comparator, Isa::PORTABLE), |_| panic!("it is empty"));
    }
}

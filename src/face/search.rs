//! Searches many templates for those that are most similar to one: packed, by exact inner products and similarities to six digits.
//!
//! Whoever needs scores compares the few that were found once more, with [`Comparator`]; see [`PackedTemplates::template`].

use zeroize::Zeroize;

use super::compare::Comparator;
use super::template::Template;
use crate::engine::Isa;

/// How far the similarity of a search may be from that of [`Comparator::similarity`].
pub const SEARCH_ERROR: f32 = 1e-5;

/// Templates of one model, each with its owner's number: 128 bytes of values and 14 of facts each.
///
/// The facts are what a similarity depends on beside the inner product, in a list each: loops over one of them are vectorized.
#[derive(Clone, Debug, Default)]
pub struct PackedTemplates {
    values: Vec<i8>,
    owners: Vec<u32>,
    /// 1 by the length of the values.
    scales: Vec<f32>,
    /// Inner products of the unit vectors with the site's mean.
    along: Vec<f32>,
    qualities: Vec<u8>,
    samples: Vec<u8>,
    /// How many are joined from several samples.
    joined: usize,
    model: u16,
}

/// A template that is searched for.
pub struct Probe {
    template: Template,
    scale: f32,
    along: f32,
    /// Square of the length of the site's mean.
    square: f32,
    /// Share by which the distance to 1 grows, by the other template's quality; none if it does for none.
    doubt: Option<[f32; 101]>,
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

/// Least similarities that matter: of templates of one sample, and of joined ones.
pub type Least = [f32; 2];

/// Rows that are compared at a time: their values fit the L1 cache of every processor.
const ROWS: usize = 128;

impl Drop for PackedTemplates {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl Probe {
    /// For templates that are compared by this.
    pub fn new(template: &Template, comparator: &Comparator, isa: Isa) -> Self {
        let mean = comparator.mean();
        let doubt = std::array::from_fn(|quality| template.doubt(quality as u8) as f32);
        Self {
            scale: scale(template),
            along: template.along(mean) as f32,
            square: mean.iter().map(|m| m * m).sum::<f64>() as f32,
            doubt: doubt.iter().any(|doubt| *doubt > 0.0).then_some(doubt),
            isa,
            template: template.clone(),
        }
    }

    /// The template.
    pub fn template(&self) -> &Template {
        &self.template
    }
}

fn scale(template: &Template) -> f32 {
    (1.0 / f64::from(template.energy()).sqrt()) as f32
}

impl PackedTemplates {
    /// Adds a template, of the same model as all others.
    pub fn push(&mut self, template: &Template, comparator: &Comparator, owner: u32) {
        if self.values.capacity() < self.values.len() + template.dimension() {
            self.resize(2 * self.values.len() + template.dimension());
        }
        self.values.extend_from_slice(&template.values);
        self.owners.push(owner);
        self.scales.push(scale(template));
        self.along.push(template.along(comparator.mean()) as f32);
        self.qualities.push(template.quality());
        self.samples.push(template.samples());
        self.joined += usize::from(template.samples() > 1);
        self.model = template.model();
    }

    /// Gives back the room for more that adding has made.
    pub fn fit(&mut self) {
        self.resize(self.values.len());
        self.owners.shrink_to_fit();
        self.scales.shrink_to_fit();
        self.along.shrink_to_fit();
        self.qualities.shrink_to_fit();
        self.samples.shrink_to_fit();
    }

    /// Makes room for so many values in all. What a vector moves would stay where it was.
    fn resize(&mut self, room: usize) {
        let mut other = Vec::with_capacity(room);
        other.extend_from_slice(&self.values);
        self.values.zeroize();
        self.values = other;
    }

    /// Removes all templates of one owner, and gives those of another that owner's number.
    pub fn remove(&mut self, owner: u32, renamed: Option<u32>) {
        let dimension = self.dimension();
        let mut kept = Self::default();
        kept.values.reserve_exact(self.values.len());
        kept.model = self.model;
        for row in (0..self.len()).filter(|row| self.owners[*row] != owner) {
            kept.values.extend_from_slice(&self.values[row * dimension..][..dimension]);
            kept.owners.push(if Some(self.owners[row]) == renamed { owner } else { self.owners[row] });
            kept.scales.push(self.scales[row]);
            kept.along.push(self.along[row]);
            kept.qualities.push(self.qualities[row]);
            kept.samples.push(self.samples[row]);
            kept.joined += usize::from(self.samples[row] > 1);
        }
        *self = kept;
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        let facts = self.owners.capacity() + self.scales.capacity() + self.along.capacity();
        self.values.capacity() + 4 * facts + self.qualities.capacity() + self.samples.capacity()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The templates of an owner, as they were added.
    pub fn of(&self, owner: u32) -> impl Iterator<Item = Template> {
        (0..self.len()).filter(move |row| self.owners[*row] == owner).map(|row| self.template(row))
    }

    /// The template of a row, as it was added.
    pub fn template(&self, row: usize) -> Template {
        let dimension = self.dimension();
        let values = self.values[row * dimension..][..dimension].to_vec();
        let template = Template::from_values(self.model, self.qualities[row], self.samples[row], values);
        template.expect("it was a template before")
    }

    /// Passes each row that is more similar than `least` to `each`, which says what matters from then on.
    pub fn search(&self, probe: &Probe, mut least: Least, mut each: impl FnMut(Hit) -> Least) {
        let dimension = self.dimension();
        if self.is_empty() || dimension != probe.template.dimension() {
            return;
        }
        let (mut products, mut similarities) = ([0; ROWS], [0.0; ROWS]);
        for start in (0..self.len()).step_by(ROWS) {
            let rows = start..self.len().min(start + ROWS);
            let (products, similarities) = (&mut products[..rows.len()], &mut similarities[..rows.len()]);
            let values = &self.values[rows.start * dimension..rows.end * dimension];
            probe.isa.inner_products(&probe.template.values, values, products);
            self.similarities(probe, rows.clone(), products, similarities);
            // Most blocks have none.
            let floor = match self.joined {
                0 => least[0],
                all if all == self.len() => least[1],
                _ => least[0].min(least[1]),
            };
            if !similarities.iter().fold(false, |any, similarity| any | (*similarity > floor)) {
                continue;
            }
            for (row, &similarity) in rows.zip(similarities.iter()) {
                let is_joined = self.samples[row] > 1;
                if similarity > least[usize::from(is_joined)] {
                    least = each(Hit { row, owner: self.owners[row], is_joined, similarity });
                }
            }
        }
    }

    fn similarities(&self, probe: &Probe, rows: std::ops::Range<usize>, products: &[i32], out: &mut [f32]) {
        for ((out, product), scale) in out.iter_mut().zip(products).zip(&self.scales[rows.clone()]) {
            *out = *product as f32 * (probe.scale * scale);
        }
        let (a, square) = (probe.along, probe.square);
        if square > 0.0 {
            let own = 1.0 - 2.0 * a + square;
            for (out, b) in out.iter_mut().zip(&self.along[rows.clone()]) {
                *out = (*out - a - b + square) / (own * (1.0 - 2.0 * b + square)).sqrt();
            }
        }
        if let Some(doubt) = &probe.doubt {
            for (out, quality) in out.iter_mut().zip(&self.qualities[rows]) {
                *out -= doubt[usize::from(*quality).min(100)] * (1.0 - *out).max(0.0);
            }
        }
    }

    fn dimension(&self) -> usize {
        self.values.len().checked_div(self.len()).unwrap_or_default()
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
            packed.search(&probe, [-2.0; 2], |hit| {
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
                [-2.0; 2]
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
        packed.search(&Probe::new(&template(1, 1), comparator, Isa::PORTABLE), [-2.0; 2], |_| panic!("it is empty"));
    }
}

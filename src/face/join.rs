//! Joins several templates of one person: the mean of their directions, which is closer to that person than most single pictures are.

use std::ops::RangeInclusive;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::compare::Comparator;
use super::score::Score;
use super::template::Template;
use crate::ops::counted;

/// How many templates can be joined at once. Each is compared with each: 16 are 120 comparisons, and five are already as good.
const COUNT: RangeInclusive<usize> = 2..=16;

/// Why templates are not joined. Templates are named by their index from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjoined {
    /// Fewer than two, or too many at once.
    Count(usize),
    /// More samples together than a template counts.
    Samples(u32),
    /// Two have the same values.
    Same(usize, usize),
    /// Two are less similar than they have to be.
    Strangers(usize, usize),
    /// Their mean has no direction. Only possible where different people are not refused.
    Opposed,
}

impl Unjoined {
    /// The reason in words, with templates named by their labels, or by their index if two of them share one.
    ///
    /// The similarity of two is not reported: it would reveal something of templates that may have been sealed.
    ///
    /// # Panics
    /// If there are fewer labels than templates.
    pub fn told(self, labels: &[&str]) -> String {
        let pair = |a: usize, b: usize| match labels[a] == labels[b] {
            true => format!("{a} and {b}"),
            false => format!("{} and {}", labels[a], labels[b]),
        };
        match self {
            Self::Count(count) => {
                let (given, (least, most)) = (counted(count, "template", "templates"), COUNT.into_inner());
                format!("{given} can't be joined; it takes {least} to {most}")
            }
            Self::Samples(samples) => {
                format!("they were made from {samples} samples, more than the {} that a template counts", u8::MAX)
            }
            Self::Same(a, b) => format!("{} are the same template; given twice it adds nothing", pair(a, b)),
            Self::Strangers(a, b) => format!("{} are of different people", pair(a, b)),
            Self::Opposed => "they cancel each other out".into(),
        }
    }
}

impl Template {
    /// Whether `count` templates can be joined.
    pub fn joins(count: usize) -> Result<(), Unjoined> {
        if COUNT.contains(&count) { Ok(()) } else { Err(Unjoined::Count(count)) }
    }

    /// Joins templates of one person and one model: the sum of their unit vectors, each weighted by its number of samples, quantized as
    /// [`Template::new`] does.
    ///
    /// Any two have to reach the score `least`, so that no joined template matches two people. The quality is the mean of all samples,
    /// rounded down: the correction of [`Template::similarity`] applies if all are doubtful, and one bad picture among good ones does not
    /// cause it. The result is the same to the byte on every processor and for every order of the templates.
    pub fn join(templates: &[Self], comparator: &Comparator, least: Score) -> Result<Self, Unjoined> {
        Self::joins(templates.len())?;
        for (a, first) in templates.iter().enumerate() {
            for (b, second) in templates.iter().enumerate().skip(a + 1) {
                if first.is_same(second) {
                    return Err(Unjoined::Same(a, b));
                }
                if comparator.compare(first, second) < least {
                    return Err(Unjoined::Strangers(a, b));
                }
            }
        }
        let total: u32 = templates.iter().map(|t| u32::from(t.samples())).sum();
        let samples = u8::try_from(total).map_err(|_| Unjoined::Samples(total))?;
        let quality: u32 = templates.iter().map(|t| u32::from(t.samples()) * u32::from(t.quality())).sum();
        // Whole numbers under 2^39 (255 samples, scales up to 2^24, values up to 2^7): floating point adds them exactly, in any order.
        let mut sum = Zeroizing::new(vec![0.0; templates[0].dimension()]);
        for template in templates {
            let weight = f64::from(template.samples()) * f64::from(template.scale());
            sum.iter_mut().zip(&template.values).for_each(|(sum, value)| *sum += weight * f64::from(*value));
        }
        let quality = (quality / total) as u8;
        Self::quantized(templates[0].model(), quality, samples, &sum).map_err(|_| Unjoined::Opposed)
    }

    /// Whether it has the same values, compared in constant time.
    fn is_same(&self, other: &Self) -> bool {
        self.values.ct_eq(&other.values).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Knot;

    fn comparator() -> Comparator {
        let knots = [Knot { fmr: 1e-2, cosine: 0.2 }, Knot { fmr: 1e-3, cosine: 0.3 }, Knot { fmr: 1e-6, cosine: 0.6 }];
        Comparator::new(&knots, &[], None)
    }

    fn join(templates: &[Template]) -> Result<Template, Unjoined> {
        Template::join(templates, &comparator(), Score::new(0.75))
    }

    /// A template of a person whose samples differ by `variation`.
    fn sample(quality: u8, variation: i32) -> Template {
        let value = |i: i32| f64::from(i * 37 % 101 - 50) + f64::from(i * variation % 13);
        Template::new(1, quality, &(0..128).map(value).collect::<Vec<_>>()).unwrap()
    }

    fn stranger() -> Template {
        Template::new(1, 80, &(0..128).map(|i| f64::from(i * 29 % 97 - 48)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_joined_template_is_a_mean_weighted_by_samples() {
        let templates = [sample(81, 1), sample(60, 2), sample(90, 3)];
        let joined = join(&templates).unwrap();
        assert_eq!((joined.samples(), joined.quality(), joined.dimension(), joined.model()), (3, 77, 128, 1));
        for template in &templates {
            let others = templates.iter().filter(|other| *other != template);
            assert!(others.into_iter().all(|other| joined.cosine(template) > other.cosine(template)));
        }
        // A joined one weighs as much as its samples: 3 of quality 77 and 1 of quality 50.
        let more = join(&[joined.clone(), sample(50, 4)]).unwrap();
        assert_eq!((more.samples(), more.quality()), (4, 70));
        let at_once = join(&[&templates[..], &[sample(50, 4)]].concat()).unwrap();
        assert!(more.cosine(&at_once) > 0.999, "but for what is rounded");
        assert!(more.cosine(&joined) > more.cosine(&sample(50, 4)));
    }

    #[test]
    fn single_sample_templates_keep_version_1_and_joined_ones_round_trip() {
        let (single, joined) = (sample(80, 1), join(&[sample(80, 1), sample(80, 2)]).unwrap());
        assert_eq!(single.to_bytes()[..12], *b"FPLT\x01\x50\x01\0\x80\0\0\0");
        assert_eq!(joined.to_bytes()[..12], *b"FPLT\x02\x50\x01\0\x80\0\x02\0");
        for template in [single, joined] {
            assert_eq!(template.to_bytes().len(), 148);
            assert_eq!(Template::parse(&template.to_bytes(), 1, 128), Ok(template));
        }
    }

    #[test]
    fn two_low_quality_samples_join_to_a_low_quality_template() {
        let (a, b) = (sample(69, 1), sample(60, 2));
        let joined = join(&[a.clone(), b]).unwrap();
        assert_eq!(joined.quality(), 64);
        assert!(joined.similarity(&a) < joined.cosine(&a));
        assert_eq!(join(&[sample(70, 1), sample(71, 2)]).unwrap().quality(), 70);
    }

    #[test]
    fn templates_that_cannot_be_joined_are_named_in_the_error() {
        let (a, b, stranger) = (sample(80, 1), sample(80, 2), stranger());
        let labels = ["a.bin", "b.bin", "f", "f"];
        let mut full = join(&[a.clone(), b.clone()]).unwrap().to_bytes();
        full[10] = 255;
        let end = full.len() - 4;
        let crc = crc32fast::hash(&full[..end]).to_le_bytes();
        full[end..].copy_from_slice(&crc);
        let full = Template::parse(&full, 1, 128).unwrap();
        let same = Template::new(1, 30, &a.values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()).unwrap();
        for (templates, refused, told) in [
            (vec![], Unjoined::Count(0), "0 templates can't be joined; it takes 2 to 16"),
            (vec![a.clone()], Unjoined::Count(1), "1 template can't"),
            (vec![a.clone(); 17], Unjoined::Count(17), "17 templates"),
            (vec![b.clone(), a.clone(), same], Unjoined::Same(1, 2), "b.bin and f are the same template"),
            (vec![a.clone(), stranger.clone()], Unjoined::Strangers(0, 1), "a.bin and b.bin are of different people"),
            (vec![a.clone(), b.clone(), stranger.clone()], Unjoined::Strangers(0, 2), "a.bin and f are of"),
            (vec![a.clone(), sample(1, 3), b, stranger], Unjoined::Strangers(0, 3), "a.bin and f are of"),
            (vec![full, a], Unjoined::Samples(256), "256 samples"),
        ] {
            assert_eq!(join(&templates), Err(refused));
            assert!(refused.told(&labels).contains(told), "{}", refused.told(&labels));
        }
        assert!(Unjoined::Strangers(2, 3).told(&labels).starts_with("2 and 3 are"));
        // Where different people are not refused, opposite vectors remain.
        let opposites = [1.0, -1.0].map(|sign| Template::new(1, 80, &[sign, sign * 0.5]).unwrap());
        assert_eq!(Template::join(&opposites, &comparator(), Score::new(0.0)), Err(Unjoined::Opposed));
    }

    proptest! {
        #[test]
        fn joining_ignores_order_and_is_no_farther_than_the_farthest_pair(
            person in vec(-1.0f64..1.0, 64),
            differences in vec((vec(-1.0f64..1.0, 64), 0u8..=100), 2..8),
            turn in 0usize..8,
        ) {
            let of = |(difference, quality): &(Vec<f64>, u8)| {
                let vector: Vec<f64> = person.iter().zip(difference).map(|(p, d)| p + 0.7 * d).collect();
                Template::new(1, *quality, &vector)
            };
            let templates: Vec<Template> = differences.iter().map(of).collect::<Result<_, _>>().unwrap();
            let pairs = || templates.iter().enumerate().flat_map(|(i, a)| templates[..i].iter().map(move |b| (a, b)));
            prop_assume!(pairs().all(|(a, b)| a.cosine(b) > 0.0));
            let least = pairs().map(|(a, b)| a.similarity(b)).fold(1.0, f64::min);
            let join = |templates: &[Template]| Template::join(templates, &comparator(), Score::new(0.0)).unwrap();
            let joined = join(&templates);
            for template in &templates {
                // Quantization turns a vector by far less.
                prop_assert!(joined.similarity(template) > least - 0.005);
            }
            let mut turned = templates.clone();
            turned.rotate_left(turn % templates.len());
            prop_assert_eq!(join(&turned).to_bytes(), joined.to_bytes());
            turned.reverse();
            prop_assert_eq!(join(&turned).to_bytes(), joined.to_bytes());
        }
    }
}

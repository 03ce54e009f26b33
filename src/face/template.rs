//! Encodes a person's embedding as a template of 148 bytes, which clients store and send back. `docs/ref/template.md` gives the layout.

use std::fmt;

use zeroize::Zeroize;

use crate::ops::SecretBytes;

/// First bytes of every template.
const MAGIC: [u8; 4] = *b"FPLT";
/// Version of the layout of a template of one sample.
const SINGLE: u8 = 1;
/// Version of the layout of a joined one, which has the number of samples. A service that does not know it reports the version, and not
/// a damaged template.
const JOINED: u8 = 2;
/// Bytes before the embedding.
const HEAD: usize = 16;
/// Bytes of the checksum after it.
const TAIL: usize = 4;
/// Quality from which a sample is not doubtful. Three in ten press pictures are below.
const CLEAR: u8 = 80;
/// How much the distance to 1 grows between two samples of quality 0, as share of it. Chosen with [`CLEAR`] on degraded pictures of the
/// calibration set, so that the score's false match rates hold for all of them: docs/ref/quality.md.
const DOUBT: f64 = 0.75;
/// `scale` counts in steps of this many to one.
const SCALE_ONE: f64 = 16_777_216.0; // 2^24

/// An embedding in int8 with its model, version and quality. Only templates of the same model can be compared.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    model: u16,
    quality: u8,
    /// 1, or more for a joined one.
    samples: u8,
    pub(super) values: Vec<i8>,
    /// Sum of the squares of `values`.
    energy: i32,
    /// The same sample by the model of before, if that runs as well. It is in no bytes.
    previous: Option<Box<Self>>,
}

impl Drop for Template {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

/// Why bytes are no template of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// No bytes.
    Empty,
    /// Does not begin as a template does.
    Foreign,
    /// A later version of the container.
    Version(u8),
    /// Longer or shorter than its own header says.
    Length,
    /// The checksum is wrong.
    Checksum,
    /// Made by another model, whose templates can't be compared with this one's.
    Model(u16),
    /// The checksum is right but the values are impossible: an embedding of zeros, a scale of another embedding, a joined one of one
    /// sample.
    Values,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Foreign => f.write_str("the bytes are no template of this service"),
            Self::Version(v) => {
                write!(f, "its format is version {v}, this service reads versions {SINGLE} and {JOINED}")
            }
            Self::Length => f.write_str("it is cut off or has bytes added"),
            Self::Checksum => f.write_str("its checksum is wrong; it was damaged on the way"),
            Self::Model(id) => write!(f, "it was made by another model (id {id}); extract it again from the picture"),
            Self::Values => f.write_str("its values contradict each other"),
        }
    }
}

impl Template {
    /// A template of one sample. Quantizes a unit vector: each value becomes a multiple of 1/127 of the largest.
    pub fn new(model: u16, quality: u8, vector: &[f64]) -> Result<Self, TemplateError> {
        Self::quantized(model, quality, 1, vector)
    }

    /// The same for this many samples. The vector may have any length.
    pub(super) fn quantized(model: u16, quality: u8, samples: u8, vector: &[f64]) -> Result<Self, TemplateError> {
        // Among others, NaN would be rounded to 0.
        let largest = vector.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if largest == 0.0 || vector.iter().any(|v| !v.is_finite()) {
            return Err(TemplateError::Values);
        }
        let values = vector.iter().map(|v| (v / largest * 127.0).round() as i8).collect();
        Self::from_values(model, quality, samples, values)
    }

    pub(super) fn from_values(model: u16, quality: u8, samples: u8, values: Vec<i8>) -> Result<Self, TemplateError> {
        let template = Self { model, quality, samples, energy: dot(&values, &values), values, previous: None };
        if template.energy == 0 || quality > 100 { Err(TemplateError::Values) } else { Ok(template) }
    }

    /// Reads a template and refuses everything that is not one of `model` with `dimension` values.
    pub fn parse(bytes: &[u8], model: u16, dimension: usize) -> Result<Self, TemplateError> {
        if bytes.is_empty() {
            return Err(TemplateError::Empty);
        }
        let Some((head, rest)) = bytes.split_at_checked(HEAD).filter(|(head, _)| head.starts_with(&MAGIC)) else {
            return Err(if MAGIC.starts_with(bytes) || bytes.starts_with(&MAGIC) {
                TemplateError::Length
            } else {
                TemplateError::Foreign
            });
        };
        let version = head[4];
        if ![SINGLE, JOINED].contains(&version) {
            return Err(TemplateError::Version(version));
        }
        let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let stored = usize::from(half(8));
        if rest.len() != stored + TAIL {
            return Err(TemplateError::Length);
        }
        let (body, tail) = bytes.split_at(HEAD + stored);
        if crc32fast::hash(body).to_le_bytes() != tail {
            return Err(TemplateError::Checksum);
        }
        if half(6) != model || stored != dimension {
            return Err(TemplateError::Model(half(6)));
        }
        let samples = match (version, head[10]) {
            (JOINED, 0 | 1) => return Err(TemplateError::Values),
            (JOINED, samples) => samples,
            _ => 1,
        };
        let values = body[HEAD..].iter().map(|b| b.cast_signed()).collect();
        let template = Self::from_values(model, head[5], samples, values)?;
        if *template.to_bytes() != *bytes {
            return Err(TemplateError::Values);
        }
        Ok(template)
    }

    /// The bytes that [`Template::parse`] reads.
    pub fn to_bytes(&self) -> SecretBytes {
        let (version, count) = if self.samples == 1 { (SINGLE, 0) } else { (JOINED, self.samples) };
        let mut bytes = SecretBytes::with_capacity(HEAD + self.values.len() + TAIL);
        bytes.push(&MAGIC);
        bytes.push(&[version, self.quality]);
        bytes.push(&self.model.to_le_bytes());
        bytes.push(&(self.values.len() as u16).to_le_bytes());
        bytes.push(&[count, 0]);
        bytes.push(&self.scale().to_le_bytes());
        self.values.iter().for_each(|value| bytes.push(&value.to_le_bytes()));
        let crc = crc32fast::hash(&bytes);
        bytes.push(&crc.to_le_bytes());
        bytes
    }

    /// The cosine to another template of the same model, -1..1.
    ///
    /// The product of the values is exact; one square root and one division are what IEEE 754 defines to the bit.
    pub fn cosine(&self, other: &Self) -> f64 {
        debug_assert_eq!(self.model, other.model);
        f64::from(dot(&self.values, &other.values)) / (f64::from(self.energy) * f64::from(other.energy)).sqrt()
    }

    /// The similarity of two templates: the cosine, less where both samples are doubtful. -1..1, and 1 for identical ones.
    ///
    /// Hardly visible faces are similar whatever the person: pairs of different people whose pictures are smeared by the same 15 pixels
    /// reach the cosine of one pair in ten thousand fifty times as often. So the distance to 1 grows with the square of the difference
    /// between 80 and the better quality; a good sample and a bad one are compared without it. The square hardly changes samples just
    /// below 80: for the same false match rate it costs fewer mated pairs than a straight line.
    pub fn similarity(&self, other: &Self) -> f64 {
        self.doubted(self.cosine(other), other)
    }

    /// The same to any other after `mean`, which is shorter than 1, is taken from both unit vectors and they are scaled to length 1
    /// again. What does not depend on the other is computed once.
    pub fn similarity_around(&self, mean: &[f64]) -> impl Fn(&Self) -> f64 {
        let a = self.along(mean);
        let square: f64 = mean.iter().map(|m| m * m).sum();
        move |other| {
            let b = other.along(mean);
            let common = self.cosine(other) - a - b + square;
            let cosine = common / ((1.0 - 2.0 * a + square) * (1.0 - 2.0 * b + square)).sqrt();
            self.doubted(cosine, other)
        }
    }

    /// The unit vector's inner product with `direction`, summed in order.
    pub(super) fn along(&self, direction: &[f64]) -> f64 {
        let sum: f64 = self.values.iter().zip(direction).map(|(v, d)| f64::from(*v) * d).sum();
        sum / f64::from(self.energy).sqrt()
    }

    /// The unit vector.
    pub fn vector(&self) -> impl Iterator<Item = f64> {
        let length = f64::from(self.energy).sqrt();
        self.values.iter().map(move |v| f64::from(*v) / length)
    }

    /// The cosine to another template, less where both are doubtful.
    fn doubted(&self, cosine: f64, other: &Self) -> f64 {
        cosine - self.doubt(other.quality) * (1.0 - cosine).max(0.0)
    }

    /// By how much the distance to 1 grows, as share of it, beside a template of this quality.
    pub(super) fn doubt(&self, quality: u8) -> f64 {
        let short = f64::from(CLEAR.saturating_sub(self.quality.max(quality))) / f64::from(CLEAR);
        DOUBT * short * short
    }

    /// Sum of the squares of the values.
    pub(super) fn energy(&self) -> i32 {
        self.energy
    }

    /// The same with that of the same sample by the model of before.
    pub(super) fn with_previous(mut self, previous: Self) -> Self {
        self.previous = Some(Box::new(previous));
        self
    }

    /// The template of the same sample by the model of before, if that runs as well.
    pub fn previous(&self) -> Option<&Self> {
        self.previous.as_deref()
    }

    /// Id of the embedding model.
    pub fn model(&self) -> u16 {
        self.model
    }

    /// Number of samples that it was made from, 1..=255: more than one if it was joined from the templates of several.
    pub fn samples(&self) -> u8 {
        self.samples
    }

    /// Quality of the sample that it was made from, 0..100; of several samples the mean, rounded down.
    pub fn quality(&self) -> u8 {
        self.quality
    }

    /// Number of values.
    pub fn dimension(&self) -> usize {
        self.values.len()
    }

    /// The value of one step in the unit vector, in 2^-24.
    pub fn scale(&self) -> u32 {
        (SCALE_ONE / f64::from(self.energy).sqrt()).round() as u32
    }
}

/// Exact inner product. At most 65,535 values of 127 * 127 fit an `i32`.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(i16::from(*a) * i16::from(*b))).sum()
}

impl fmt::Debug for Template {
    /// Length and checksum only: the values identify a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes();
        write!(f, "Template({} bytes, crc {:08x})", bytes.len(), crc32fast::hash(&bytes))
    }
}

/// Reads any bytes as a template: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(template) = Template::parse(bytes, 1, 128) {
        assert_eq!(*template.to_bytes(), *bytes);
        assert_eq!(bytes[4] == JOINED, template.samples() > 1);
        assert!((template.cosine(&template) - 1.0).abs() < 1e-12);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template() -> Template {
        let vector: Vec<f64> = (0..128).map(|i| f64::from(i * 37 % 101) - 50.0).collect();
        Template::new(1, 80, &vector).unwrap()
    }

    #[test]
    fn templates_are_148_bytes_and_round_trip() {
        let bytes = template().to_bytes();
        assert_eq!(bytes.len(), 148);
        assert_eq!(Template::parse(&bytes, 1, 128), Ok(template()));
    }

    #[test]
    fn each_kind_of_damage_has_its_error() {
        let good = template().to_bytes().to_vec();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        let joined = |samples: u8, behind: u8| {
            let mut bytes = with(4, 2);
            bytes[10..12].copy_from_slice(&[samples, behind]);
            bytes
        };
        let sealed = |mut bytes: Vec<u8>| {
            let end = bytes.len() - TAIL;
            let crc = crc32fast::hash(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&crc);
            bytes
        };
        let zeros = [&good[..HEAD], &[0; 132]].concat();
        for (bytes, want) in [
            (vec![], TemplateError::Empty),
            (vec![0; 148], TemplateError::Foreign),
            (b"\xFF\xD8\xFF\xE0 a picture, not a template".to_vec(), TemplateError::Foreign),
            (good[..3].to_vec(), TemplateError::Length),
            (good[..147].to_vec(), TemplateError::Length),
            ([&good[..], b"\n"].concat(), TemplateError::Length),
            (with(4, 3), TemplateError::Version(3)),
            (with(4, 0), TemplateError::Version(0)),
            (with(4, 2), TemplateError::Checksum),
            (with(20, good[20] ^ 1), TemplateError::Checksum),
            (with(147, good[147] ^ 1), TemplateError::Checksum),
            (sealed(with(6, 9)), TemplateError::Model(9)),
            (sealed(with(5, 101)), TemplateError::Values),
            (sealed(with(10, 1)), TemplateError::Values),
            (sealed(with(10, 2)), TemplateError::Values),
            (sealed(with(11, 1)), TemplateError::Values),
            (sealed(joined(0, 0)), TemplateError::Values),
            (sealed(joined(1, 0)), TemplateError::Values),
            (sealed(joined(2, 1)), TemplateError::Values),
            (sealed(with(12, good[12] ^ 1)), TemplateError::Values),
            (sealed(zeros), TemplateError::Values),
        ] {
            assert_eq!(Template::parse(&bytes, 1, 128), Err(want));
        }
        for samples in [2, 255] {
            let bytes = sealed(joined(samples, 0));
            let template = Template::parse(&bytes, 1, 128).unwrap();
            assert_eq!((template.samples(), &*template.to_bytes()), (samples, &*bytes));
        }
        assert_eq!(Template::new(1, 0, &[0.0; 128]), Err(TemplateError::Values));
        assert_eq!(Template::new(1, 0, &[f64::NAN; 128]), Err(TemplateError::Values));
    }

    #[test]
    fn a_vector_with_a_value_that_is_no_number_makes_no_template() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Template::new(1, 0, &[1.0, value, 0.5]), Err(TemplateError::Values), "{value}");
        }
    }

    #[test]
    fn the_similarity_of_two_low_quality_samples_is_reduced() {
        let vector = |x: f64| [x, (1.0 - x * x).sqrt(), 0.0];
        let of = |quality, x| Template::new(1, quality, &vector(x)).unwrap();
        let (probe, cosine) = (of(20, 1.0), of(20, 1.0).cosine(&of(20, 0.4)));
        assert!((cosine - 0.4).abs() < 0.01);
        assert_eq!(probe.similarity(&of(80, 0.4)), cosine);
        assert_eq!(of(100, 1.0).similarity(&of(0, 0.4)), cosine);
        // Half of CLEAR: the distance grows by 0.75 / 4.
        let want = 1.0 - (1.0 - cosine) * 1.1875;
        assert!((of(40, 1.0).similarity(&of(0, 0.4)) - want).abs() < 1e-9);
        assert_eq!(of(0, 1.0).similarity(&of(0, 1.0)), 1.0);
    }

    #[test]
    fn a_common_mean_can_be_subtracted_before_comparing() {
        let of = |vector: [f64; 3]| Template::new(1, 90, &vector).unwrap();
        let (a, b) = (of([0.8, 0.6, 0.0]), of([0.8, 0.0, 0.6]));
        assert!((a.similarity_around(&[0.0; 3])(&b) - a.similarity(&b)).abs() < 1e-12);
        // Without the first value nothing in common is left.
        assert!(a.similarity_around(&[0.8, 0.0, 0.0])(&b).abs() < 0.01);
        assert!((a.similarity_around(&[0.5, 0.1, 0.0])(&a) - 1.0).abs() < 1e-12);
        assert!((a.vector().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn debug_shows_no_values() {
        assert!(format!("{:?}", template()).starts_with("Template(148 bytes, crc "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            seal: bool,
            version in 1u8..=2,
        ) {
            fuzz(&bytes);
            if seal {
                // A valid frame around values and fields that are not.
                bytes.resize(HEAD + 128, 1);
                bytes[..4].copy_from_slice(b"FPLT");
                bytes[4] = version;
                bytes[6..10].copy_from_slice(&[1, 0, 128, 0]);
                bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
                fuzz(&bytes);
            }
        }

        #[test]
        fn int8_keeps_the_direction(vector in proptest::collection::vec(-1.0f64..1.0, 128)) {
            prop_assume!(vector.iter().any(|v| v.abs() > 0.1));
            let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            let template = Template::new(1, 0, &vector).unwrap();
            let step = f64::from(template.scale()) / SCALE_ONE;
            let cosine: f64 = vector.iter().zip(&template.values).map(|(v, q)| v / length * f64::from(*q) * step).sum();
            prop_assert!(cosine > 0.9995, "{}", cosine);
        }
    }
}

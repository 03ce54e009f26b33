//! A person as 148 bytes: the container that leaves the service and comes back. `docs/ref/template.md` gives the layout.

use std::fmt;

use zeroize::Zeroize;

/// First bytes of every template.
const MAGIC: [u8; 4] = *b"FPLT";
/// Version of the layout.
const VERSION: u8 = 1;
/// Bytes before the embedding.
const HEAD: usize = 16;
/// Bytes of the checksum behind it.
const TAIL: usize = 4;
/// `scale` counts in steps of this many to one.
const SCALE_ONE: f64 = 16_777_216.0; // 2^24

/// An embedding in int8 with what is needed to trust it. Compare templates of one model only.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    model: u16,
    quality: u8,
    values: Vec<i8>,
    /// Sum of the squares of `values`.
    energy: i32,
}

impl Drop for Template {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

/// Why bytes are no template of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing at all.
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
    /// A checksum that fits around values that can't be: an embedding of zeros, a scale of another embedding.
    Values,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Foreign => f.write_str("the bytes are no template of this service"),
            Self::Version(v) => write!(f, "its format is version {v}, this service reads version {VERSION}"),
            Self::Length => f.write_str("it is cut off or has bytes added"),
            Self::Checksum => f.write_str("its checksum is wrong; it was damaged on the way"),
            Self::Model(id) => write!(f, "it was made by another model (id {id}); extract it again from the picture"),
            Self::Values => f.write_str("its values contradict each other"),
        }
    }
}

impl Template {
    /// Quantizes a unit vector: each value becomes a multiple of the largest one's 127th part.
    pub fn new(model: u16, quality: u8, vector: &[f64]) -> Result<Self, Damage> {
        let largest = vector.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if !(largest > 0.0 && largest.is_finite()) {
            return Err(Damage::Values);
        }
        let values = vector.iter().map(|v| (v / largest * 127.0).round() as i8).collect();
        Self::from_values(model, quality, values)
    }

    fn from_values(model: u16, quality: u8, values: Vec<i8>) -> Result<Self, Damage> {
        let energy = dot(&values, &values);
        if energy == 0 || quality > 100 {
            return Err(Damage::Values);
        }
        Ok(Self { model, quality, values, energy })
    }

    /// Reads a template and refuses everything that is not one of `model` with `dimension` values.
    pub fn parse(bytes: &[u8], model: u16, dimension: usize) -> Result<Self, Damage> {
        if bytes.is_empty() {
            return Err(Damage::Empty);
        }
        let Some((head, rest)) = bytes.split_at_checked(HEAD).filter(|(head, _)| head.starts_with(&MAGIC)) else {
            return Err(if MAGIC.starts_with(bytes) || bytes.starts_with(&MAGIC) {
                Damage::Length
            } else {
                Damage::Foreign
            });
        };
        if head[4] != VERSION {
            return Err(Damage::Version(head[4]));
        }
        let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let stored = usize::from(half(8));
        if rest.len() != stored + TAIL {
            return Err(Damage::Length);
        }
        let (body, tail) = bytes.split_at(HEAD + stored);
        if crc32fast::hash(body).to_le_bytes() != tail {
            return Err(Damage::Checksum);
        }
        if half(6) != model || stored != dimension {
            return Err(Damage::Model(half(6)));
        }
        let values = body[HEAD..].iter().map(|b| b.cast_signed()).collect();
        let template = Self::from_values(model, head[5], values)?;
        if template.to_bytes() != bytes {
            return Err(Damage::Values);
        }
        Ok(template)
    }

    /// The bytes that [`Template::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.values.len() + TAIL);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, self.quality]);
        bytes.extend_from_slice(&self.model.to_le_bytes());
        bytes.extend_from_slice(&(self.values.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&self.scale().to_le_bytes());
        bytes.extend(self.values.iter().map(|v| v.cast_unsigned()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The cosine to another template of the same model, -1..1.
    ///
    /// The product of the values is exact; one square root and one division are what IEEE 754 defines to the bit.
    pub fn cosine(&self, other: &Self) -> f64 {
        debug_assert_eq!(self.model, other.model);
        f64::from(dot(&self.values, &other.values)) / (f64::from(self.energy) * f64::from(other.energy)).sqrt()
    }

    /// Id of the embedding model.
    pub fn model(&self) -> u16 {
        self.model
    }

    /// Quality of the sample that it was made from, 0..100.
    pub fn quality(&self) -> u8 {
        self.quality
    }

    /// Number of values.
    pub fn dimension(&self) -> usize {
        self.values.len()
    }

    /// What one step of a value is worth in the unit vector, in 2^-24.
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
        assert_eq!(template.to_bytes(), bytes);
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
    fn it_is_148_bytes_and_reads_back() {
        let bytes = template().to_bytes();
        assert_eq!(bytes.len(), 148);
        assert_eq!(Template::parse(&bytes, 1, 128), Ok(template()));
    }

    #[test]
    fn each_kind_of_damage_is_told() {
        let good = template().to_bytes();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
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
            (vec![], Damage::Empty),
            (vec![0; 148], Damage::Foreign),
            (b"\xFF\xD8\xFF\xE0 a picture, not a template".to_vec(), Damage::Foreign),
            (good[..3].to_vec(), Damage::Length),
            (good[..147].to_vec(), Damage::Length),
            ([&good[..], b"\n"].concat(), Damage::Length),
            (with(4, 2), Damage::Version(2)),
            (with(20, good[20] ^ 1), Damage::Checksum),
            (with(147, good[147] ^ 1), Damage::Checksum),
            (sealed(with(6, 9)), Damage::Model(9)),
            (sealed(with(5, 101)), Damage::Values),
            (sealed(with(10, 1)), Damage::Values),
            (sealed(with(12, good[12] ^ 1)), Damage::Values),
            (sealed(zeros), Damage::Values),
        ] {
            assert_eq!(Template::parse(&bytes, 1, 128), Err(want));
        }
        assert_eq!(Template::new(1, 0, &[0.0; 128]), Err(Damage::Values));
        assert_eq!(Template::new(1, 0, &[f64::NAN; 128]), Err(Damage::Values));
    }

    #[test]
    fn debug_shows_no_values() {
        assert!(format!("{:?}", template()).starts_with("Template(148 bytes, crc "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), seal: bool) {
            fuzz(&bytes);
            if seal {
                // A frame that is right around values and fields that are not.
                bytes.resize(HEAD + 128, 1);
                bytes[..5].copy_from_slice(b"FPLT\x01");
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

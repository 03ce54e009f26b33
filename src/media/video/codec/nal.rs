//! Splits samples of H.264 and HEVC into NAL units, and takes the parameter sets out of the container.
//!
//! Containers put a length before each unit and the parameter sets into a record of their own (ISO/IEC 14496-15); streams
//! put a start code before each unit (ITU-T H.264 and H.265, Annex B). The payload of a unit is not read.

use std::borrow::Cow;

use crate::media::video::Error;

/// How the end of a unit is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Each unit comes after its length, big-endian, of this many bytes.
    Lengths(usize),
    /// Each unit comes after the bytes 0, 0, 1.
    StartCodes,
}

/// The bytes are truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut;

/// The units of a sample, without start code or length.
pub(super) struct Units<'a> {
    framing: Framing,
    rest: &'a [u8],
}

impl Framing {
    /// Units in the order of decoding; empty ones are left out.
    pub(super) fn units(self, sample: &[u8]) -> Units<'_> {
        let rest = match self {
            Self::Lengths(_) => sample,
            Self::StartCodes => after_start_code(sample).unwrap_or_default(),
        };
        Units { framing: self, rest }
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = Result<&'a [u8], Cut>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let unit = match self.framing {
                // Fewer bytes than a length: padding.
                Framing::Lengths(size) if self.rest.len() < size => return None,
                Framing::Lengths(size) => {
                    let (length, rest) = self.rest.split_at(size);
                    let length = length.iter().fold(0, |sum: u64, &byte| sum << 8 | u64::from(byte));
                    let Some((unit, rest)) = usize::try_from(length).ok().and_then(|n| rest.split_at_checked(n)) else {
                        self.rest = &[];
                        return Some(Err(Cut));
                    };
                    self.rest = rest;
                    unit
                }
                Framing::StartCodes if self.rest.is_empty() => return None,
                Framing::StartCodes => {
                    let end = memchr::memmem::find(self.rest, START_CODE).unwrap_or(self.rest.len());
                    let (unit, rest) = self.rest.split_at(end);
                    self.rest = rest.get(START_CODE.len()..).unwrap_or_default();
                    // A unit never ends with a zero: these belong to a longer start code or are padding.
                    &unit[..unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]
                }
            };
            if !unit.is_empty() {
                return Some(Ok(unit));
            }
        }
    }
}

const START_CODE: &[u8] = &[0, 0, 1];

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    memchr::memmem::find(bytes, START_CODE).map(|at| &bytes[at + START_CODE.len()..])
}

/// Removes the bytes that keep a start code from appearing in a unit (`emulation_prevention_three_byte`).
pub(super) fn unescaped(unit: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: &[u8] = &[0, 0, 3];
    let Some(first) = memchr::memmem::find(unit, ESCAPE) else { return Cow::Borrowed(unit) };
    let mut plain = Vec::with_capacity(unit.len());
    let (mut rest, mut at) = (unit, Some(first));
    while let Some(found) = at {
        plain.extend_from_slice(&rest[..found + 2]);
        rest = &rest[found + 3..];
        at = memchr::memmem::find(rest, ESCAPE);
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// How the samples are framed, and the parameter sets that come before them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setup<'a> {
    pub(super) framing: Framing,
    pub(super) sets: Vec<&'a [u8]>,
}

impl<'a> Setup<'a> {
    /// Reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). No bytes: the samples have start codes.
    pub(super) fn avc(record: &'a [u8]) -> Result<Self, Error> {
        Self::read(record, 4, |record| {
            record.skip(5)?;
            let sequence = record.byte()? & 0x1F;
            let mut sets = record.units(sequence.into())?;
            let picture = record.byte()?;
            sets.extend(record.units(picture.into())?);
            Some(sets)
        })
        .ok_or_else(|| Error::Damaged("the video's 'avcC' box is damaged".into()))
    }

    /// Reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). No bytes: the samples have start codes.
    pub(super) fn hevc(record: &'a [u8]) -> Result<Self, Error> {
        Self::read(record, 21, |record| {
            record.skip(22)?;
            let mut sets = Vec::new();
            for _ in 0..record.byte()? {
                record.skip(1)?;
                let count = record.short()?;
                sets.extend(record.units(count)?);
            }
            Some(sets)
        })
        .ok_or_else(|| Error::Damaged("the video's 'hvcC' box is damaged".into()))
    }

    /// Both records begin with version 1 and have the size of a length, less one, in the last bits of the byte `at`.
    fn read(record: &'a [u8], at: usize, sets: impl FnOnce(&mut Record<'a>) -> Option<Vec<&'a [u8]>>) -> Option<Self> {
        if record.is_empty() {
            return Some(Self { framing: Framing::StartCodes, sets: Vec::new() });
        }
        // Some writers of HEVC left the version at 0.
        if record[0] > 1 {
            return None;
        }
        let size = usize::from(record.get(at)? & 3) + 1;
        Some(Self { framing: Framing::Lengths(size), sets: sets(&mut Record(record))? })
    }
}

/// The rest of a configuration record.
struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn short(&mut self) -> Option<usize> {
        self.take(2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]))
    }

    /// `count` units, each after its length in two bytes. Empty ones are left out.
    fn units(&mut self, count: usize) -> Option<Vec<&'a [u8]>> {
        let mut units = Vec::new();
        for _ in 0..count {
            let length = self.short()?;
            units.push(self.take(length)?);
        }
        units.retain(|unit| !unit.is_empty());
        Some(units)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(framing: Framing, sample: &[u8]) -> Vec<Result<&[u8], Cut>> {
        framing.units(sample).collect()
    }

    #[test]
    fn units_are_split_by_length_prefixes_of_any_size() {
        for (size, sample) in
            [(1, &[2, 7, 8, 0, 1, 9][..]), (2, &[0, 2, 7, 8, 0, 0, 0, 1, 9]), (3, &[0, 0, 2, 7, 8, 0, 0, 1, 9])]
        {
            assert_eq!(units(Framing::Lengths(size), sample), [Ok(&[7, 8][..]), Ok(&[9])]);
        }
        assert_eq!(units(Framing::Lengths(4), &[0, 0, 0, 1, 7, 0, 0]), [Ok(&[7][..])]);
        assert_eq!(units(Framing::Lengths(2), &[0, 1, 7, 0, 2, 8]), [Ok(&[7][..]), Err(Cut)]);
        assert_eq!(units(Framing::Lengths(4), &[0xFF; 8]), [Err(Cut)]);
    }

    #[test]
    fn units_are_split_by_start_codes_of_three_and_four_bytes() {
        let sample = [9, 9, 0, 0, 0, 1, 7, 8, 0, 0, 1, 0, 0, 1, 5, 0, 6, 0, 0, 0, 0, 1, 4, 0];
        assert_eq!(units(Framing::StartCodes, &sample), [Ok(&[7, 8][..]), Ok(&[5, 0, 6]), Ok(&[4])]);
        assert_eq!(units(Framing::StartCodes, &[1, 2, 3, 0, 0]), []);
        assert_eq!(units(Framing::StartCodes, &[0, 0, 1]), []);
    }

    #[test]
    fn emulation_prevention_bytes_are_removed() {
        for (escaped, plain) in [
            (&[1, 2, 3][..], &[1, 2, 3][..]),
            (&[0, 0, 3, 1, 0xAB], &[0, 0, 1, 0xAB]),
            (&[0, 0, 3, 0, 0, 3, 0, 0, 3], &[0, 0, 0, 0, 0, 0]),
            (&[5, 0, 0, 0, 3, 3], &[5, 0, 0, 0, 3]),
        ] {
            assert_eq!(*unescaped(escaped), *plain);
        }
    }

    #[test]
    fn configuration_records_are_parsed() {
        let avc = [1, 66, 0, 30, 0xFF, 0xE1, 0, 2, 0x67, 1, 1, 0, 1, 0x68];
        let setup = Setup::avc(&avc).unwrap();
        assert_eq!(setup, Setup { framing: Framing::Lengths(4), sets: vec![&[0x67, 1], &[0x68]] });
        assert!((1..avc.len()).all(|end| Setup::avc(&avc[..end]).is_err()));

        let mut hevc = vec![1; 21];
        hevc.extend([0xF1, 2, 32, 0, 1, 0, 1, 0x40, 33, 0, 2, 0, 1, 0x42, 0, 2, 0x43, 0]);
        let setup = Setup::hevc(&hevc).unwrap();
        assert_eq!(setup, Setup { framing: Framing::Lengths(2), sets: vec![&[0x40], &[0x42], &[0x43, 0]] });
        assert!((1..hevc.len()).all(|end| Setup::hevc(&hevc[..end]).is_err()));

        assert_eq!(Setup::avc(&[]).unwrap(), Setup { framing: Framing::StartCodes, sets: vec![] });
        assert!(Setup::avc(&[2, 0, 0, 0, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_within_their_length(bytes in proptest::collection::vec(0u8..4, 0..200), size in 1usize..5) {
            let lengths = Framing::Lengths(size).units(&bytes).count();
            prop_assert!(lengths <= bytes.len());
            let total: usize = Framing::StartCodes.units(&bytes).map(|u| u.map_or(0, <[u8]>::len)).sum();
            prop_assert!(total <= bytes.len());
            prop_assert!(unescaped(&bytes).len() <= bytes.len());
        }
    }
}

//! Chooses the decoder for each kind of JPEG, or refuses the kind.
//!
//! `zune-jpeg` is fast, but decodes some kinds wrongly without an error (at 0.5.15: components in scans of their own, a component that
//! is finer than the first, factors of 3). It gets only kinds that `.ci/jpegs.py` compares with libjpeg-turbo: what
//! cameras, phones and programs write. All other kinds that libjpeg-turbo decodes go to the decoder in `plain`, which is slower and
//! gives exactly the same pixels. Kinds that neither reads are refused by name.

use super::color::Color;
use super::layout::{Codes, JpegDefect, Layout};

/// Which decoder reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `zune-jpeg`.
    Fast,
    /// The decoder in `plain`.
    Plain,
}

/// Most blocks of a unit in a scan of several components (B.2.3).
const MOST_IN_UNIT: u32 = 10;

/// Least side in pixels for `zune-jpeg`. In pictures of few blocks its chroma upsampling differs from that of libjpeg, by up to 41 of
/// 255 at 3x38 and 15 at 33x8. From here on it differs by up to 5; a lower limit would not pay.
const LEAST_SIDE: u16 = 64;

impl Layout {
    /// The decoder for this file; an error names the unsupported feature or the contradiction.
    pub(super) fn way(&self) -> Result<Way, JpegDefect> {
        match self.precision {
            8 => {}
            12 => return Err(JpegDefect::Unsupported("has samples of 12 bits")),
            _ => return Err(JpegDefect::Unsupported("has samples of other than 8 bits")),
        }
        if self.color().is_none() {
            return Err(JpegDefect::Unsupported("has two components"));
        }
        if self.codes == Codes::Missing {
            return Err(JpegDefect::Damaged("a scan lacks its Huffman tables"));
        }
        if !self.is_quantized {
            return Err(JpegDefect::Damaged("a component lacks its quantization table"));
        }
        let (across, down) = self.sampling();
        let whole = |most: u64, factor: u8| most.is_multiple_of(factor.into());
        if !self.components.iter().all(|c| whole(across, c.across) && whole(down, c.down)) {
            return Err(JpegDefect::Unsupported("has components whose sizes are no multiples of each other"));
        }
        let blocks =
            |place: &usize| u32::from(self.components[*place].across) * u32::from(self.components[*place].down);
        if self
            .scans
            .iter()
            .any(|s| s.components.len() > 1 && s.components.iter().map(blocks).sum::<u32>() > MOST_IN_UNIT)
        {
            return Err(JpegDefect::Damaged("more than ten blocks in a unit"));
        }
        if self.progressive {
            self.follow_scans()?;
        } else if (0..self.components.len()).any(|place| !self.scans.iter().any(|s| s.components.contains(&place))) {
            return Err(JpegDefect::Damaged("a component without a scan"));
        }
        Ok(if self.is_usual() { Way::Fast } else { Way::Plain })
    }

    /// Whether it is of the most common kind: all components in one scan or progressive, the first finer than the others by a factor
    /// of 1 or 2.
    fn is_usual(&self) -> bool {
        let names: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        let named = names.iter().all(|id| names.iter().filter(|other| *other == id).count() == 1);
        // `zune-jpeg` gives these names precedence over any header.
        let misled = names == *b"RGB" && self.color() != Some(Color::Rgb);
        let factors: Vec<_> = self.components.iter().map(|c| (c.across, c.down)).collect();
        let usual = match factors[..] {
            [only] => only == (1, 1),
            [(across, down), (1, 1), (1, 1)] => across <= 2 && down <= 2,
            [first, second, third, fourth] => [first, second, third, fourth] == [(1, 1); 4],
            _ => false,
        };
        usual && named && !misled && (self.is_whole() || self.progressive) && self.width.min(self.height) >= LEAST_SIDE
    }

    /// Checks the scans of a progressive picture: each continues where those before it ended (G.1.1.1), and at the end none is
    /// missing. Where scans are missing, decoders differ in how they fill in the rest.
    fn follow_scans(&self) -> Result<(), JpegDefect> {
        /// State of a coefficient that no scan has covered.
        const NOTHING: u8 = 255;
        let mut known = vec![[NOTHING; 64]; self.components.len()];
        for scan in &self.scans {
            let (before, now) = scan.bits;
            if !(before == 0 && now <= 13 || before == now + 1) {
                return Err(JpegDefect::Damaged("a scan of bits that cannot be"));
            }
            for &place in &scan.components {
                let band = usize::from(scan.band.0)..=usize::from(scan.band.1);
                for bits in &mut known[place][band] {
                    if *bits != if before == 0 { NOTHING } else { before } {
                        return Err(JpegDefect::Damaged("scans that do not follow each other"));
                    }
                    *bits = now;
                }
            }
        }
        if known.iter().flatten().any(|&bits| bits != 0) {
            return Err(JpegDefect::Unsupported("is progressive and lacks its last scans"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Writer;
    use super::*;

    type Band = (u8, u8);

    /// The decoder for a frame with these factors, with tables, and with scans of these components, bands and bits.
    fn way(code: u8, factors: &[u8], scans: &[(&[u8], Band, Band)]) -> Result<Way, JpegDefect> {
        let start = Writer::new().quantized().code(false, 1, 0).code(true, 1, 0).frame(code, 64, 64, factors);
        let all = scans.iter().fold(start, |writer, &(ids, band, bits)| writer.scan(ids, band, bits, &[0; 999]));
        Layout::read(&all.bytes()).unwrap().way()
    }

    #[test]
    fn common_layouts_use_the_fast_decoder_and_others_the_plain_one() {
        const WHOLE: Band = (0, 63);
        for (factors, expected) in [
            (&[0x11][..], Way::Fast),
            (&[0x22], Way::Plain),
            (&[0x11, 0x11, 0x11], Way::Fast),
            (&[0x21, 0x11, 0x11], Way::Fast),
            (&[0x12, 0x11, 0x11], Way::Fast),
            (&[0x22, 0x11, 0x11], Way::Fast),
            (&[0x41, 0x11, 0x11], Way::Plain),
            (&[0x31, 0x11, 0x11], Way::Plain),
            (&[0x22, 0x12, 0x12], Way::Plain),
            (&[0x11, 0x22, 0x22], Way::Plain),
            (&[0x11, 0x11, 0x12], Way::Plain),
            (&[0x11; 4], Way::Fast),
            (&[0x22, 0x11, 0x11, 0x22], Way::Plain),
        ] {
            let ids: Vec<u8> = (1..=factors.len() as u8).collect();
            assert_eq!(way(0xC0, factors, &[(&ids, WHOLE, (0, 0))]), Ok(expected), "{factors:X?}");
        }
        let apart = [1, 2, 3].map(|id| ([id], WHOLE));
        let apart: Vec<(&[u8], Band, Band)> = apart.iter().map(|(ids, band)| (&ids[..], *band, (0, 0))).collect();
        assert_eq!(way(0xC0, &[0x11; 3], &apart), Ok(Way::Plain));
        assert_eq!(way(0xC0, &[0x11; 3], &apart[..2]), Err(JpegDefect::Damaged("a component without a scan")));
    }

    #[test]
    fn unsupported_layouts_are_named_in_the_error() {
        let whole: &[(&[u8], Band, Band)] = &[(&[1, 2, 3], (0, 63), (0, 0))];
        for (factors, flaw) in [
            ([0x31, 0x21, 0x21], JpegDefect::Unsupported("has components whose sizes are no multiples of each other")),
            ([0x22, 0x22, 0x22], JpegDefect::Damaged("more than ten blocks in a unit")),
        ] {
            assert_eq!(way(0xC0, &factors, whole), Err(flaw));
        }
        assert_eq!(
            way(0xC0, &[0x11; 2], &[(&[1, 2], (0, 63), (0, 0))]),
            Err(JpegDefect::Unsupported("has two components"))
        );
        let with = |frame: &[u8], writer: Writer| {
            Layout::read(&writer.segment(0xC0, frame).scan(&[1], (0, 63), (0, 0), &[0; 9]).bytes()).unwrap().way()
        };
        let codes = || Writer::new().quantized().code(false, 1, 0).code(true, 1, 0);
        assert_eq!(with(&[8, 0, 64, 0, 64, 1, 1, 0x11, 0], codes()), Ok(Way::Fast));
        assert_eq!(with(&[8, 0, 64, 0, 63, 1, 1, 0x11, 0], codes()), Ok(Way::Plain), "small");
        assert_eq!(with(&[8, 0, 64, 0, 64, 1, 1, 0x11, 0], Writer::new().quantized()), Ok(Way::Fast), "typical tables");
        assert_eq!(
            with(&[12, 0, 8, 0, 8, 1, 1, 0x11, 0], codes()),
            Err(JpegDefect::Unsupported("has samples of 12 bits"))
        );
        assert_eq!(
            with(&[8, 0, 8, 0, 8, 1, 1, 0x11, 3], codes()),
            Err(JpegDefect::Damaged("a component lacks its quantization table"))
        );
    }

    #[test]
    fn progressive_scans_must_be_consecutive_and_complete() {
        let told = |scans: &[(Band, Band)]| {
            let scans: Vec<(&[u8], Band, Band)> = scans.iter().map(|&(band, bits)| (&[1][..], band, bits)).collect();
            way(0xC2, &[0x11], &scans)
        };
        let first = ((0, 0), (0, 1));
        let rest = [((0, 0), (1, 0)), ((1, 5), (0, 2)), ((6, 63), (0, 0)), ((1, 5), (2, 1)), ((1, 5), (1, 0))];
        assert_eq!(told(&[&[first][..], &rest].concat()), Ok(Way::Fast));
        let short = Err(JpegDefect::Unsupported("is progressive and lacks its last scans"));
        assert_eq!(told(&[first]), short);
        assert_eq!(told(&[&[first][..], &rest[..4]].concat()), short);
        let lost = Err(JpegDefect::Damaged("scans that do not follow each other"));
        assert_eq!(told(&[first, first]), lost);
        assert_eq!(told(&[first, ((1, 63), (2, 1))]), lost);
        assert_eq!(told(&[first, ((0, 0), (2, 0))]), Err(JpegDefect::Damaged("a scan of bits that cannot be")));
    }
}

//! The segments of a JPEG (ITU-T T.81, Annex B), from its start to its end-of-image marker, without decoding a pixel.
//!
//! A decoder is given only what was walked here, piece by piece ([`Layout::pieces`]): comments, profiles and whatever lies
//! between segments are left out, so that it cannot see another picture than the one whose cost was counted.

use std::fmt;
use std::ops::Range;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

/// What a JPEG says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::media) struct Layout {
    /// In pixels, not 0.
    pub width: u16,
    /// In pixels, not 0.
    pub height: u16,
    /// Bits of a sample.
    pub precision: u8,
    /// Whether coefficients come in several scans.
    pub progressive: bool,
    /// One to four.
    pub components: Vec<Component>,
    /// In the order of the file, at least one.
    pub scans: Vec<Scan>,
    /// Whether there are Huffman tables at all.
    pub has_tables: bool,
    /// Where the Exif data lies that says which way is up, without its identifier.
    pub exif: Option<Range<usize>>,
    /// What a decoder needs of the file, in order: segments with their markers, and after each start of scan its data.
    pub pieces: Vec<Range<usize>>,
}

/// A component of the picture, such as luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) struct Component {
    /// By which scans name it.
    pub id: u8,
    /// Blocks of 8x8 samples across in a minimum coded unit, 1 to 4.
    pub across: u8,
    /// Blocks down, 1 to 4.
    pub down: u8,
}

/// One pass over the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::media) struct Scan {
    /// Their places in [`Layout::components`].
    pub components: Vec<usize>,
    /// The first and the last coefficient of its band, of 64.
    pub band: (u8, u8),
    /// Bit positions of successive approximation: that of the scan before, and its own.
    pub bits: (u8, u8),
    /// Where its entropy-coded data lies, restart markers included.
    pub data: Range<usize>,
    /// Restart markers in it.
    pub restarts: usize,
}

/// Why bytes are no JPEG that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Flaw {
    /// They end between segments or inside a header.
    EndsInHeader,
    /// They end inside compressed data, or there are fewer than the picture needs.
    EndsInScan,
    /// They contradict the format.
    Damaged(&'static str),
    /// They are a kind of JPEG that is not read.
    Unsupported(&'static str),
    /// Decoding them costs more than any encoder makes it cost.
    TooLarge(&'static str),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndsInHeader => f.write_str("the JPEG ends inside its header"),
            Self::EndsInScan => f.write_str("the JPEG ends inside a scan"),
            Self::Damaged(what) => write!(f, "the JPEG is damaged ({what})"),
            Self::Unsupported(what) => write!(f, "the JPEG {what}, which is not supported"),
            Self::TooLarge(what) => write!(f, "the JPEG {what}"),
        }
    }
}

/// Scans of a file. libjpeg writes ten for color and eighteen for CMYK; the decoder reads no more than these.
const MOST_SCANS: usize = 100;

/// Tables. A scan has up to eight tables of its own; a hundred scans with all of them stay below. Each takes a decoder some microseconds, so that these cost as much as a small picture.
const MOST_TABLES: usize = 1024;

/// Segments that say which way is up, or how color is meant: one of each is usual.
const MOST_KEPT: usize = 64;

impl Layout {
    /// Walks the segments of `bytes`, which begin with a start-of-image marker.
    pub(in crate::media) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let mut walk = Walk { bytes, at: 2, frame: None, found: Self::empty(), tables: 0, kept: 0 };
        while walk.step()? {}
        let Walk { frame, found, .. } = walk;
        match frame {
            Some(_) if !found.scans.is_empty() => Ok(found),
            _ => Err(Flaw::Damaged("no picture before its end")),
        }
    }

    /// Whether a decoder has all that it reads after the first scan: a sequential picture's, if it holds all components.
    pub(super) fn is_whole(&self) -> bool {
        !self.progressive && self.scans.first().is_some_and(|scan| scan.components.len() == self.components.len())
    }

    fn empty() -> Self {
        let (components, scans, pieces) = (vec![], vec![], vec![]);
        let (width, height, precision, progressive, has_tables, exif) = (0, 0, 0, false, false, None);
        Self { width, height, precision, progressive, components, scans, has_tables, exif, pieces }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Code of the frame header.
    frame: Option<u8>,
    found: Layout,
    tables: usize,
    kept: usize,
}

impl Walk<'_> {
    /// Takes the next marker and what belongs to it; false after the last.
    fn step(&mut self) -> Result<bool, Flaw> {
        let first = self.found.scans.is_empty();
        let cut = if first { Flaw::EndsInHeader } else { Flaw::EndsInScan };
        let code = self.marker(first).ok_or(cut)?;
        match code {
            EOI if first => return Err(Flaw::Damaged("no picture before its end")),
            EOI => return Ok(false),
            // No segment follows.
            SOI | 0x01 | 0xD0..=0xD7 => return Ok(true),
            0x02..=0xBF => return Err(Flaw::Damaged("a marker that no JPEG has")),
            _ if self.found.is_whole() => {}
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCF => {
                return Err(Flaw::Unsupported("is lossless, hierarchical or arithmetic-coded"));
            }
            0xDC => return Err(Flaw::Unsupported("tells its height at its end")),
            0xDE | 0xDF => return Err(Flaw::Unsupported("is hierarchical")),
            _ => {}
        }
        let start = self.at;
        let length = self.bytes.get(start..).and_then(|rest| rest.first_chunk()).ok_or(cut)?;
        let end = start + usize::from(u16::from_be_bytes(*length));
        if end < start + 2 {
            return Err(Flaw::Damaged("a segment without a length"));
        }
        let body = self.bytes.get(start + 2..end).ok_or(cut)?;
        self.at = end;
        if self.found.is_whole() {
            if code == SOS {
                self.data()?;
            }
            return Ok(true);
        }
        match code {
            0xC0..=0xC2 => self.frame(code, body)?,
            0xC4 | 0xDB => {
                self.found.has_tables |= code == 0xC4;
                self.tables += tables(code, body);
                if self.tables > MOST_TABLES {
                    return Err(Flaw::TooLarge("has more tables than its scans can use"));
                }
            }
            0xDD if body.len() != 2 => return Err(Flaw::Damaged("a restart interval of another size")),
            0xDD => {}
            SOS => {
                let scan = self.scan(body)?;
                let (data, restarts) = self.data()?;
                self.found.pieces.extend([start - 2..end, data.clone()]);
                self.found.scans.push(Scan { data, restarts, ..scan });
                return Ok(true);
            }
            0xE0 | 0xE1 | 0xEE => {
                let exif = code == 0xE1 && body.starts_with(b"Exif\0\0") && body.len() > 6;
                if code == 0xE1 && !exif {
                    return Ok(true);
                }
                if exif && first {
                    self.found.exif = Some(start + 8..end);
                    return Ok(true);
                }
                self.kept += 1;
                if self.kept > MOST_KEPT {
                    return Err(Flaw::TooLarge("has more headers of applications than one needs"));
                }
            }
            // What does not change the picture: comments, profiles, thumbnails.
            _ => return Ok(true),
        }
        self.found.pieces.push(start - 2..end);
        Ok(true)
    }

    /// The code of the next marker, behind fill bytes. Before the first scan decoders take zeros for fill bytes as well.
    fn marker(&mut self, first: bool) -> Option<u8> {
        loop {
            self.at += memchr::memchr(0xFF, self.bytes.get(self.at..)?)?;
            self.at += self.bytes[self.at..].iter().position(|&byte| byte != 0xFF && !(first && byte == 0))?;
            let code = self.bytes[self.at];
            self.at += 1;
            if code != 0 {
                return Some(code);
            }
        }
    }

    /// The start of a frame (B.2.2).
    fn frame(&mut self, code: u8, body: &[u8]) -> Result<(), Flaw> {
        if self.frame.replace(code).is_some() {
            return Err(Flaw::Damaged("two frames"));
        }
        let (head, rest) = body.split_first_chunk::<6>().ok_or(Flaw::Damaged("a frame header that ends early"))?;
        let &[precision, height_high, height_low, width_high, width_low, count] = head;
        if !(1..=4).contains(&count) || rest.len() != usize::from(count) * 3 {
            return Err(Flaw::Damaged("a frame header of another size"));
        }
        let size = |high, low| u16::from_be_bytes([high, low]);
        let found = &mut self.found;
        (found.width, found.height) = (size(width_high, width_low), size(height_high, height_low));
        (found.precision, found.progressive) = (precision, code == 0xC2);
        if found.width == 0 || found.height == 0 {
            return Err(Flaw::Damaged("a picture without pixels"));
        }
        for &[id, sampling, _] in rest.as_chunks().0 {
            let (across, down) = (sampling >> 4, sampling & 0xF);
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(Flaw::Damaged("a sampling factor that is not 1 to 4"));
            }
            found.components.push(Component { id, across, down });
        }
        Ok(())
    }

    /// The start of a scan (B.2.3), without its data.
    fn scan(&self, body: &[u8]) -> Result<Scan, Flaw> {
        if self.frame.is_none() {
            return Err(Flaw::Damaged("a scan before the frame"));
        }
        if self.found.scans.len() == MOST_SCANS {
            return Err(Flaw::TooLarge("has more scans than encoders write"));
        }
        let (&count, rest) = body.split_first().ok_or(Flaw::Damaged("a scan header that ends early"))?;
        if !(1..=4).contains(&count) || rest.len() != usize::from(count) * 2 + 3 {
            return Err(Flaw::Damaged("a scan header of another size"));
        }
        let (selectors, last) = rest.split_at(usize::from(count) * 2);
        let place = |id: u8| self.found.components.iter().position(|component| component.id == id);
        let places: Option<Vec<usize>> = selectors.as_chunks::<2>().0.iter().map(|&[id, _]| place(id)).collect();
        let components = places.ok_or(Flaw::Damaged("a scan of a component that is not there"))?;
        let (band, bits) = ((last[0], last[1]), (last[2] >> 4, last[2] & 0xF));
        if self.found.progressive {
            let dc = band == (0, 0);
            let ac = 0 < band.0 && band.0 <= band.1 && band.1 < 64 && count == 1;
            // Each component begins with its first coefficient (G.1.1.1.1).
            if !dc && (!ac || self.found.scans.is_empty()) {
                return Err(Flaw::Damaged("a scan of a band that cannot be"));
            }
        }
        Ok(Scan { components, band, bits, data: 0..0, restarts: 0 })
    }

    /// The entropy-coded data behind a start of scan, up to the next marker that is no restart, and how many of these it has.
    fn data(&mut self) -> Result<(Range<usize>, usize), Flaw> {
        let start = self.at;
        let (mut at, mut restarts) = (start, 0);
        let end = loop {
            let found = self.bytes.get(at..).and_then(|rest| memchr::memchr(0xFF, rest)).ok_or(Flaw::EndsInScan)?;
            let marker = at + found;
            let fill = self.bytes[marker..].iter().position(|&byte| byte != 0xFF).ok_or(Flaw::EndsInScan)?;
            at = marker + fill + 1;
            match self.bytes[at - 1] {
                0x00 => {}
                0xD0..=0xD7 => restarts += 1,
                SOI => return Err(Flaw::Damaged("a start inside of a scan")),
                _ => break marker,
            }
        };
        self.at = end;
        Ok((start..end, restarts))
    }
}

/// How many tables a segment has, of which one may hold thousands (B.2.4.1, B.2.4.2): one at the least.
fn tables(code: u8, mut body: &[u8]) -> usize {
    let mut count = 0;
    while let Some((&kind, rest)) = body.split_first() {
        let length = match code {
            0xDB => 64 << (kind >> 4).min(1),
            _ => 16 + rest.iter().take(16).map(|&codes| usize::from(codes)).sum::<usize>(),
        };
        body = rest.get(length..).unwrap_or_default();
        count += 1;
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{Writer, gray};
    use super::*;

    #[test]
    fn tables_of_one_segment_are_counted() {
        let huffman = [&[0, 1][..], &[0; 15], &[7]].concat();
        assert_eq!(tables(0xC4, &huffman.repeat(3_000)), 3_000);
        assert_eq!(tables(0xDB, &[&[0][..], &[1; 64], &[0x11], &[1; 128], &[2], &[1; 64]].concat()), 3);
        assert_eq!((tables(0xC4, &[]), tables(0xC4, &[0, 255, 255])), (1, 1));
        let many = Writer::new().segment(0xC4, &huffman.repeat(1_100)).bytes();
        assert_eq!(Layout::read(&many), Err(Flaw::TooLarge("has more tables than its scans can use")));
    }

    #[test]
    fn whole_with_or_without_trailing_bytes() {
        let picture = gray(false).bytes();
        let layout = Layout::read(&picture).unwrap();
        assert_eq!((layout.width, layout.height, layout.precision, layout.progressive), (16, 16, 8, false));
        assert_eq!(Layout::read(&[&picture, &b"trailing \xFF\xD8 garbage"[..]].concat()), Ok(layout));
    }

    #[test]
    fn every_shorter_prefix_is_short() {
        for progressive in [false, true] {
            let picture = gray(progressive).bytes();
            let scan = picture.windows(2).position(|two| two == [0xFF, SOS]).unwrap();
            for end in 2..picture.len() {
                let got = Layout::read(&picture[..end]).unwrap_err();
                let want = if end < scan + 10 { Flaw::EndsInHeader } else { Flaw::EndsInScan };
                assert_eq!(got, want, "{end} of {}", picture.len());
            }
        }
    }

    #[test]
    fn what_is_not_needed_is_left_out() {
        let plain = gray(false).bytes();
        let junk = Writer::new().segment(0xE2, b"ICC_PROFILE\0\x01\x01profile").segment(0xFE, b"\xFF\xD9 comment");
        let junk = &junk.bytes()[2..];
        let padded = [&plain[..2], &junk[..junk.len() - 2], b"between\xFF\xFF", &plain[2..]].concat();
        let of = |bytes: &[u8]| {
            let layout = Layout::read(bytes).unwrap();
            layout.pieces.iter().map(|piece| bytes[piece.clone()].to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(of(&padded), of(&plain));
        let turned = [&plain[..2], b"\xFF\xE1\0\x0DExif\0\0TIFF!", &plain[2..]].concat();
        let layout = Layout::read(&turned).unwrap();
        assert_eq!(&turned[layout.exif.unwrap()], b"TIFF!");
    }

    #[test]
    fn nonsense_is_named() {
        let good = gray(false);
        let told = |writer: Writer| Layout::read(&writer.bytes()).map(|_| ()).map_err(|flaw| flaw.to_string());
        assert_eq!(told(good), Ok(()));
        let frame = |code: u8, size: [u8; 4], sampling: u8| {
            let body = [&[8][..], &size, &[1, 1, sampling, 0]].concat();
            told(Writer::new().segment(code, &body).scan(&[1], (0, 63), (0, 0), &[0; 9]))
        };
        assert_eq!(frame(0xC0, [0, 16, 0, 16], 0x11), Ok(()));
        for (result, want) in [
            (frame(0xC0, [0, 0, 0, 16], 0x11), "a picture without pixels"),
            (frame(0xC0, [0, 16, 0, 16], 0x15), "a sampling factor"),
            (frame(0xC9, [0, 16, 0, 16], 0x11), "arithmetic-coded"),
            (frame(0xC3, [0, 16, 0, 16], 0x11), "lossless"),
            (told(Writer::new().scan(&[1], (0, 63), (0, 0), &[0])), "a scan before the frame"),
            (told(Writer::new().frame(0xC0, 8, 8, &[0x11]).frame(0xC0, 9, 9, &[0x11])), "two frames"),
            (told(gray(true).frame(0xC2, 9999, 9999, &[0x11])), "two frames"),
            (told(Writer::new().frame(0xC0, 16, 16, &[0x11]).scan(&[7], (0, 63), (0, 0), &[0])), "not there"),
            (told(Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (1, 63), (0, 0), &[0])), "cannot be"),
            (told(Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (0, 63), (0, 0), &[0])), "cannot be"),
            (told(Writer::new().segment(0x30, &[])), "a marker that no JPEG has"),
            (told(Writer::new().segment(0xDC, &[0, 16])), "tells its height at its end"),
            (told(Writer::new()), "no picture"),
        ] {
            assert!(result.as_ref().is_err_and(|text| text.contains(want)), "{want}: {result:?}");
        }
    }

    #[test]
    fn scans_and_tables_are_counted() {
        let scans = |count: usize| {
            let start = Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (0, 0), (0, 0), &[0; 4]);
            let all = (1..count).fold(start, |writer, _| writer.scan(&[1], (1, 63), (0, 0), &[0; 4]));
            Layout::read(&all.bytes()).map(|layout| layout.scans.len())
        };
        assert_eq!(scans(MOST_SCANS), Ok(MOST_SCANS));
        assert_eq!(scans(MOST_SCANS + 1), Err(Flaw::TooLarge("has more scans than encoders write")));
        let tables = |count: usize| {
            let start = (0..count).fold(Writer::new(), |writer, _| writer.segment(0xDB, &[0]));
            Layout::read(&start.frame(0xC0, 8, 8, &[0x11]).scan(&[1], (0, 63), (0, 0), &[0; 4]).bytes())
        };
        assert!(tables(MOST_TABLES).is_ok());
        assert!(matches!(tables(MOST_TABLES + 1), Err(Flaw::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn what_follows_the_end_does_not_matter(tail: Vec<u8>, progressive: bool, flip in any::<(u16, u8)>()) {
            let mut bytes = gray(progressive).bytes();
            let at = 2 + usize::from(flip.0) % (bytes.len() - 2);
            bytes[at] ^= flip.1;
            let alone = Layout::read(&bytes);
            if let Ok(layout) = &alone {
                prop_assert!(layout.pieces.windows(2).all(|two| two[0].end <= two[1].start));
                prop_assert_eq!(&Layout::read(&[&bytes, &*tail].concat()), &alone);
            }
        }
    }
}

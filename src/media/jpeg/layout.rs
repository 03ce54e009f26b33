//! Parses the segments of a JPEG (ITU-T T.81, Annex B), from its start to its end-of-image marker, without decoding any pixels.
//!
//! A decoder gets only what was parsed here, piece by piece ([`Layout::pieces`]): comments, profiles and anything
//! between segments are left out, so that it cannot decode another picture than the one whose cost was computed. `color` and
//! `kinds` interpret the layout.

use std::fmt;
use std::ops::Range;

use super::super::exif;

#[cfg(test)]
mod tests;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

/// For a frame that leaves the height to a segment after the first scan (B.2.5), which libjpeg does not read either.
const HEIGHT_AT_END: &str = "tells its height only behind its data (DNL)";

/// The contents of a JPEG's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::media) struct Layout {
    /// Width in pixels, not 0.
    pub width: u16,
    /// Height in pixels, not 0.
    pub height: u16,
    /// Bits of a sample.
    pub precision: u8,
    /// Whether coefficients are spread over several scans.
    pub progressive: bool,
    /// Components, one to four.
    pub components: Vec<Component>,
    /// Scans in the order of the file, at least one.
    pub scans: Vec<Scan>,
    /// Where the Huffman tables of its scans come from.
    pub codes: Codes,
    /// Whether each component has a quantization table.
    pub is_quantized: bool,
    /// Whether there is a JFIF header, which means YCbCr or gray.
    pub jfif: bool,
    /// The color transform in Adobe's header, if there is one: 0, 1 for YCbCr or 2 for YCCK.
    pub adobe: Option<u8>,
    /// Where the Exif data with the orientation is, without its identifier: the first that is a TIFF structure counts.
    pub exif: Option<Range<usize>>,
    /// The parts that a decoder needs, in order: segments with their markers, and after each start of scan its data. Application
    /// headers are not included: [`Layout::color`] has read them.
    pub pieces: Vec<Range<usize>>,
}

/// Where the Huffman tables come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Codes {
    /// The file has all of them.
    Own,
    /// The standard's typical tables, which cameras and AVI leave out: they have to be inserted.
    Typical,
    /// Some are neither in the file nor typical.
    Missing,
}

/// A component of the picture, such as luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) struct Component {
    /// Identifier by which scans refer to it.
    pub id: u8,
    /// Blocks of 8x8 samples across in a minimum coded unit, 1 to 4.
    pub across: u8,
    /// Blocks down, 1 to 4.
    pub down: u8,
    /// Index of its quantization table.
    pub quantizer: u8,
}

/// One pass over the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::media) struct Scan {
    /// Indices in [`Layout::components`].
    pub components: Vec<usize>,
    /// Indices of their Huffman tables for the first coefficient and for the others.
    pub tables: Vec<(u8, u8)>,
    /// The first and the last coefficient of its band, of 64.
    pub band: (u8, u8),
    /// Bit positions of successive approximation: that of the previous scan, and its own.
    pub bits: (u8, u8),
    /// Where its entropy-coded data lies, restart markers included.
    pub data: Range<usize>,
    /// Number of restart markers in it.
    pub restarts: usize,
    /// Units between two restart markers; 0 if there are none.
    pub interval: u16,
}

/// Why bytes are not a decodable JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum JpegDefect {
    /// They end between segments or inside a header.
    EndsInHeader,
    /// They end inside compressed data, or there are fewer than the picture needs.
    EndsInScan,
    /// They contradict the format.
    Damaged(&'static str),
    /// They are an unsupported kind of JPEG.
    Unsupported(&'static str),
    /// Decoding them costs more than decoding any encoder's file.
    TooLarge(&'static str),
}

impl fmt::Display for JpegDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndsInHeader => f.write_str("the JPEG ends inside its header"),
            Self::EndsInScan => f.write_str("the JPEG ends inside a scan"),
            Self::Damaged(what) => write!(f, "the JPEG is damaged ({what})"),
            Self::Unsupported(what) => {
                write!(f, "the JPEG {what}, which is not supported; send baseline or progressive JPEG")
            }
            Self::TooLarge(what) => write!(f, "the JPEG {what}"),
        }
    }
}

/// Most scans of a file. libjpeg writes ten for color and eighteen for CMYK; the decoder reads no more than this.
const MOST_SCANS: usize = 100;

/// Most tables. A scan has up to eight; a hundred scans with eight each stay below. Each takes a decoder some microseconds,
/// so these cost as much as a small picture.
const MOST_TABLES: usize = 1024;

impl Layout {
    /// Parses the segments of `bytes`, which begin with a start-of-image marker.
    pub(in crate::media) fn read(bytes: &[u8]) -> Result<Self, JpegDefect> {
        let mut walk =
            Walk { bytes, at: 2, frame: None, found: Self::empty(), tables: 0, defined: [0; 3], interval: 0 };
        while walk.step()? {}
        let Walk { frame, found, .. } = walk;
        match frame {
            Some(_) if !found.scans.is_empty() => Ok(found),
            _ => Err(JpegDefect::Damaged("no picture before its end")),
        }
    }

    /// Whether a decoder has all coefficients after the first scan: true for a sequential picture whose first scan has all components.
    pub(super) fn is_whole(&self) -> bool {
        !self.progressive && self.scans.first().is_some_and(|scan| scan.components.len() == self.components.len())
    }

    fn empty() -> Self {
        let (components, scans, pieces) = (vec![], vec![], vec![]);
        Self {
            width: 0,
            height: 0,
            precision: 0,
            progressive: false,
            components,
            scans,
            codes: Codes::Own,
            is_quantized: true,
            jfif: false,
            adobe: None,
            exif: None,
            pieces,
        }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Code of the frame header.
    frame: Option<u8>,
    found: Layout,
    tables: usize,
    /// The tables defined so far, one bit for each index: Huffman tables for first coefficients, for others, and
    /// quantization tables.
    defined: [u8; 3],
    interval: u16,
}

impl Walk<'_> {
    /// Parses the next marker and its segment; false after the last.
    fn step(&mut self) -> Result<bool, JpegDefect> {
        let first = self.found.scans.is_empty();
        let cut = if first { JpegDefect::EndsInHeader } else { JpegDefect::EndsInScan };
        let code = self.marker(first).ok_or(cut)?;
        match code {
            EOI if first => return Err(JpegDefect::Damaged("no picture before its end")),
            EOI => return Ok(false),
            // Markers without a segment.
            SOI | 0x01 | 0xD0..=0xD7 => return Ok(true),
            0x02..=0xBF => return Err(JpegDefect::Damaged("a marker that no JPEG has")),
            _ if self.found.is_whole() => {}
            0xC3 => return Err(JpegDefect::Unsupported("is lossless")),
            0xC9 | 0xCA => return Err(JpegDefect::Unsupported("is arithmetic-coded")),
            0xCB => return Err(JpegDefect::Unsupported("is lossless and arithmetic-coded")),
            0xC5..=0xC7 | 0xCD..=0xCF => return Err(JpegDefect::Unsupported("is hierarchical")),
            0xC8 | 0xF0..=0xF6 | 0xF9..=0xFD => return Err(JpegDefect::Unsupported("is of a later standard")),
            0xF7 | 0xF8 => return Err(JpegDefect::Unsupported("is a JPEG-LS")),
            0xDC => return Err(JpegDefect::Unsupported(HEIGHT_AT_END)),
            0xDE | 0xDF => return Err(JpegDefect::Unsupported("is hierarchical")),
            _ => {}
        }
        let start = self.at;
        let length = self.bytes.get(start..).and_then(|rest| rest.first_chunk()).ok_or(cut)?;
        let end = start + usize::from(u16::from_be_bytes(*length));
        if end < start + 2 {
            return Err(JpegDefect::Damaged("a segment without a length"));
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
                for (kind, is_whole) in tables(code, body) {
                    self.tables += 1;
                    // The high half is the precision of a quantization table, and the class of a Huffman table.
                    let class = if code == 0xDB { 2 } else { usize::from(kind >> 4).min(1) };
                    if is_whole && kind & 0xF < 4 {
                        self.defined[class] |= 1 << (kind & 0xF);
                    }
                }
                if self.tables > MOST_TABLES {
                    return Err(JpegDefect::TooLarge("has more tables than its scans can use"));
                }
            }
            0xDD if body.len() != 2 => return Err(JpegDefect::Damaged("a restart interval of another size")),
            0xDD => self.interval = u16::from_be_bytes([body[0], body[1]]),
            SOS => {
                let scan = self.scan(body)?;
                let (data, restarts) = self.data()?;
                self.found.pieces.extend([start - 2..end, data.clone()]);
                self.found.scans.push(Scan { data, restarts, ..scan });
                return Ok(true);
            }
            _ => {
                // Other segments do not change the picture: comments, profiles, thumbnails.
                if first {
                    self.application(code, start + 2..end);
                }
                return Ok(true);
            }
        }
        self.found.pieces.push(start - 2..end);
        Ok(true)
    }

    /// Reads color and orientation from an application segment before the first scan, as libjpeg-turbo does.
    fn application(&mut self, code: u8, place: Range<usize>) {
        let body = &self.bytes[place.clone()];
        match code {
            0xE0 => self.found.jfif |= body.starts_with(b"JFIF\0") && body.len() >= 14,
            0xE1 => {
                let tiff = body.strip_prefix(b"Exif\0\0").is_some_and(exif::is_tiff);
                if tiff && self.found.exif.is_none() {
                    self.found.exif = Some(place.start + 6..place.end);
                }
            }
            0xEE if body.starts_with(b"Adobe") && body.len() >= 12 => self.found.adobe = Some(body[11]),
            _ => {}
        }
    }

    /// The code of the next marker, after fill bytes. Before the first scan decoders accept zeros as fill bytes as well.
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
    fn frame(&mut self, code: u8, body: &[u8]) -> Result<(), JpegDefect> {
        if self.frame.replace(code).is_some() {
            return Err(JpegDefect::Damaged("two frames"));
        }
        let (head, rest) =
            body.split_first_chunk::<6>().ok_or(JpegDefect::Damaged("a frame header that ends early"))?;
        let &[precision, height_high, height_low, width_high, width_low, count] = head;
        if !(1..=4).contains(&count) || rest.len() != usize::from(count) * 3 {
            return Err(JpegDefect::Damaged("a frame header of another size"));
        }
        let size = |high, low| u16::from_be_bytes([high, low]);
        let found = &mut self.found;
        (found.width, found.height) = (size(width_high, width_low), size(height_high, height_low));
        (found.precision, found.progressive) = (precision, code == 0xC2);
        match (found.width, found.height) {
            (0, _) => return Err(JpegDefect::Damaged("a picture without pixels")),
            (_, 0) => return Err(JpegDefect::Unsupported(HEIGHT_AT_END)),
            _ => {}
        }
        for &[id, sampling, quantizer] in rest.as_chunks().0 {
            let (across, down) = (sampling >> 4, sampling & 0xF);
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(JpegDefect::Damaged("a sampling factor that is not 1 to 4"));
            }
            found.components.push(Component { id, across, down, quantizer });
        }
        Ok(())
    }

    /// The start of a scan (B.2.3), without its data.
    fn scan(&mut self, body: &[u8]) -> Result<Scan, JpegDefect> {
        if self.frame.is_none() {
            return Err(JpegDefect::Damaged("a scan before the frame"));
        }
        if self.found.scans.len() == MOST_SCANS {
            return Err(JpegDefect::TooLarge("has more scans than encoders write"));
        }
        let (&count, rest) = body.split_first().ok_or(JpegDefect::Damaged("a scan header that ends early"))?;
        if !(1..=4).contains(&count) || rest.len() != usize::from(count) * 2 + 3 {
            return Err(JpegDefect::Damaged("a scan header of another size"));
        }
        let (selectors, last) = rest.split_at(usize::from(count) * 2);
        let (mut components, mut tables) = (vec![], vec![]);
        for &[id, pair] in selectors.as_chunks().0 {
            // libjpeg assigns components with the same identifier in their order.
            let place = (0..self.found.components.len())
                .find(|place| self.found.components[*place].id == id && !components.contains(place));
            components.push(place.ok_or(JpegDefect::Damaged("a scan of a component that is not there"))?);
            tables.push((pair >> 4, pair & 0xF));
        }
        let (band, bits) = ((last[0], last[1]), (last[2] >> 4, last[2] & 0xF));
        if self.found.progressive {
            let dc = band == (0, 0);
            let ac = 0 < band.0 && band.0 <= band.1 && band.1 < 64 && count == 1;
            // The first scan of each component contains its first coefficient (G.1.1.1.1).
            if !dc && (!ac || self.found.scans.is_empty()) {
                return Err(JpegDefect::Damaged("a scan of a band that cannot be"));
            }
        }
        let scan = Scan { components, tables, band, bits, data: 0..0, restarts: 0, interval: self.interval };
        self.look_for_tables(&scan);
        Ok(scan)
    }

    /// Records which tables of a scan were not defined before it.
    fn look_for_tables(&mut self, scan: &Scan) {
        let [first, others, quantizers] = self.defined;
        let has = |tables: u8, number: u8| number < 4 && tables >> number & 1 == 1;
        let sequential = !self.found.progressive;
        for (&place, &tables) in scan.components.iter().zip(&scan.tables) {
            self.found.is_quantized &= has(quantizers, self.found.components[place].quantizer);
            let is_first = scan.band.0 == 0 && scan.bits.0 == 0;
            for (used, defined, number) in
                [(sequential || is_first, first, tables.0), (sequential || scan.band.0 > 0, others, tables.1)]
            {
                match (used && !has(defined, number), sequential && number < 2) {
                    (false, _) => {}
                    (true, true) if self.found.codes != Codes::Missing => self.found.codes = Codes::Typical,
                    (true, _) => self.found.codes = Codes::Missing,
                }
            }
        }
    }

    /// The entropy-coded data after a start of scan, up to the next marker other than a restart, and its number of restart markers.
    fn data(&mut self) -> Result<(Range<usize>, usize), JpegDefect> {
        let start = self.at;
        let (mut at, mut restarts) = (start, 0);
        let end = loop {
            let found =
                self.bytes.get(at..).and_then(|rest| memchr::memchr(0xFF, rest)).ok_or(JpegDefect::EndsInScan)?;
            let marker = at + found;
            let fill = self.bytes[marker..].iter().position(|&byte| byte != 0xFF).ok_or(JpegDefect::EndsInScan)?;
            at = marker + fill + 1;
            match self.bytes[at - 1] {
                0x00 => {}
                0xD0..=0xD7 => restarts += 1,
                SOI => return Err(JpegDefect::Damaged("a start inside of a scan")),
                _ => break marker,
            }
        };
        self.at = end;
        Ok((start..end, restarts))
    }
}

/// The tables of a segment, at least one; a segment may hold thousands (B.2.4.1, B.2.4.2). For each, its class and index, and
/// whether it is complete.
fn tables(code: u8, mut body: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut is_first = true;
    std::iter::from_fn(move || {
        let Some((&kind, rest)) = body.split_first() else {
            return std::mem::take(&mut is_first).then_some((0xF, false));
        };
        let length = match code {
            0xDB => 64 << (kind >> 4).min(1),
            _ => 16 + rest.iter().take(16).map(|&codes| usize::from(codes)).sum::<usize>(),
        };
        is_first = false;
        body = rest.get(length..).unwrap_or_default();
        Some((kind, rest.len() >= length))
    })
}

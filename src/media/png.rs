//! Decodes PNG with the crate `image`, which gets only the chunks that make the picture: no texts, profiles or further frames, which it
//! would keep or inflate, and which may be a thousand times their size.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageResult};

use super::exif;
use crate::ops::Stop;

/// The bytes with which a PNG begins.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Largest total of the chunks before the image data that are kept. A palette with transparency takes a thousand bytes, Exif data up
/// to 64 KiB in cameras' files.
const MOST_HEAD: usize = 256 << 10;

/// Bytes that the decoder gets at a time; they inflate to at most four megabytes, which takes about ten milliseconds.
const STEP: usize = 4096;

/// The parts of a file, found from its chunks.
pub(super) struct Chunks<'a> {
    /// Chunks before the image data that a decoder needs.
    head: Vec<u8>,
    /// From the image data up to the end of the file.
    data: &'a [u8],
    /// Orientation in its Exif data, wherever that is; the first counts.
    pub orientation: Option<Orientation>,
    /// The unsupported feature that it uses, if any.
    pub unsupported: Option<&'static str>,
}

/// Reads the parts of a file that a decoder gets: its head, and everything from its image data to the end.
pub(super) struct Feed<'a> {
    head: Vec<u8>,
    data: &'a [u8],
    at: u64,
    stop: &'a Stop<'a>,
}

/// A decoder that has read the head.
pub(super) fn open<'a>(
    chunks: Chunks<'a>,
    limits: image::Limits,
    stop: &'a Stop<'a>,
) -> ImageResult<PngDecoder<Feed<'a>>> {
    let Chunks { head, data, .. } = chunks;
    PngDecoder::with_limits(Feed { head, data, at: 0, stop }, limits)
}

/// Bytes that decoding takes besides the decoded picture: some rows, and the inflate window.
pub(super) fn working_bytes(decoder: &impl ImageDecoder) -> u64 {
    const ROWS: u64 = 8;
    const WINDOW: u64 = 1 << 20;
    let (width, _) = decoder.dimensions();
    u64::from(width) * u64::from(decoder.color_type().bytes_per_pixel()) * ROWS + MOST_HEAD as u64 + WINDOW
}

/// Walks the chunks. ImageMagick and older programs write Exif data after the image data.
pub(super) fn walk(bytes: &[u8]) -> Chunks<'_> {
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let mut found = Chunks { head: SIGNATURE.to_vec(), data: rest, orientation: None, unsupported: None };
    let mut exif = None;
    let mut is_head = true;
    while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
        is_head &= kind != b"IDAT";
        // Length, kind, content, checksum.
        let length = u64::from(u32::from_be_bytes([a, b, c, d])) + 12;
        let Some((chunk, after)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
            break;
        };
        if kind == b"eXIf" {
            exif = exif.or_else(|| chunk.get(8..chunk.len() - 4));
        }
        if is_head {
            // A capital first letter marks a critical chunk.
            let is_needed = kind[0].is_ascii_uppercase() || kind == b"tRNS";
            if is_needed && found.head.len() + chunk.len() <= MOST_HEAD {
                found.head.extend_from_slice(chunk);
            }
            found.unsupported = found.unsupported.or_else(|| unsupported(kind, chunk));
            found.data = after;
        } else if exif.is_some() || kind == b"IEND" {
            break;
        }
        rest = after;
    }
    found.orientation = exif.and_then(exif::orientation);
    found
}

/// The unsupported feature that a valid chunk of this kind indicates, if any.
fn unsupported(kind: &[u8; 4], chunk: &[u8]) -> Option<&'static str> {
    let is_new = kind.iter().all(u8::is_ascii_alphabetic)
        && kind[0].is_ascii_uppercase()
        && ![b"IHDR", b"PLTE", b"IDAT", b"IEND"].contains(&kind);
    let (body, checksum) = chunk[4..].split_at(chunk.len() - 8);
    if !is_new || crc32fast::hash(body).to_be_bytes() != checksum {
        return None;
    }
    Some(match kind {
        b"CgBI" => "it is an Apple CgBI PNG, as Xcode makes them, which is not supported; send an ordinary PNG or JPEG",
        _ => "the PNG uses an extension that is not supported; send an ordinary PNG or JPEG",
    })
}

impl Feed<'_> {
    fn len(&self) -> u64 {
        (self.head.len() + self.data.len()) as u64
    }
}

impl BufRead for Feed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if (self.stop)() {
            return Err(io::Error::other("told to stop"));
        }
        let at = usize::try_from(self.at).map_err(io::Error::other)?;
        let left = match at.checked_sub(self.head.len()) {
            None => &self.head[at..],
            Some(at) => self.data.get(at..).unwrap_or_default(),
        };
        Ok(&left[..left.len().min(STEP)])
    }

    fn consume(&mut self, count: usize) {
        self.at += count as u64;
    }
}

impl Read for Feed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Feed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image::ImageEncoder;
    use proptest::prelude::*;

    use super::*;

    fn picture(side: u32) -> Vec<u8> {
        let mut bytes = vec![];
        let pixels: Vec<u8> = (0..side * side * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        encoder.write_image(&pixels, side, side, image::ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let body = [&kind[..], content].concat();
        [&(content.len() as u32).to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
    }

    /// The picture with chunks between its header and its data.
    fn with(picture: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
        const HEADER: usize = 8 + 25;
        [&picture[..HEADER], &chunks.concat(), &picture[HEADER..]].concat()
    }

    fn feed(bytes: &[u8]) -> Feed<'_> {
        let Chunks { head, data, .. } = walk(bytes);
        Feed { head, data, at: 0, stop: &|| false }
    }

    /// The bytes that a decoder gets.
    fn shown(bytes: &[u8]) -> Vec<u8> {
        let mut shown = vec![];
        feed(bytes).read_to_end(&mut shown).unwrap();
        shown
    }

    #[test]
    fn texts_profiles_and_animation_are_left_out() {
        let plain = picture(9);
        let extra = [chunk(b"tEXt", b"a\0b"), chunk(b"iCCP", b"x\0\0?"), chunk(b"acTL", &[0; 8])];
        assert_eq!(shown(&with(&plain, &extra)), plain);
        let kept = with(&plain, &[chunk(b"tRNS", &[0; 6]), chunk(b"PLTE", &[0; 3]), chunk(b"ABCD", b"")]);
        assert_eq!(shown(&kept), kept);
        let large = with(&plain, &[chunk(b"PLTE", &vec![0; MOST_HEAD])]);
        assert_eq!(shown(&large), plain);
    }

    /// Exif data with an orientation.
    fn turned(orientation: u8) -> Vec<u8> {
        chunk(
            b"eXIf",
            &[&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat(),
        )
    }

    #[test]
    fn the_first_exif_chunk_counts_before_or_after_the_data() {
        let plain = picture(200);
        let before = with(&plain, &[turned(6), turned(3)]);
        assert_eq!(walk(&before).orientation, Some(Orientation::Rotate90));
        let end = plain.len() - 12;
        let behind = [&plain[..end], &turned(8), &turned(3), &plain[end..]].concat();
        assert_eq!(walk(&behind).orientation, Some(Orientation::Rotate270));
        assert_eq!(
            walk(&[&before[..before.len() - 12], &turned(8), &plain[end..]].concat()).orientation,
            Some(Orientation::Rotate90)
        );
        assert_eq!(walk(&[&plain[..], &turned(6)].concat()).orientation, None, "behind the end");
        for bytes in [&plain, &before] {
            assert_eq!(shown(bytes), plain);
        }
        assert_eq!(shown(&behind), behind, "what follows the data is not cut out");
    }

    #[test]
    fn unsupported_png_extensions_are_named_in_the_error() {
        let plain = picture(9);
        let cgbi = [&plain[..8], &chunk(b"CgBI", b"P\0 \x02"), &plain[8..]].concat();
        assert!(walk(&cgbi).unsupported.is_some_and(|what| what.contains("Apple CgBI PNG")));
        assert!(walk(&with(&plain, &[chunk(b"ABCD", b"")])).unsupported.is_some_and(|what| what.contains("extension")));
        let mut damaged = chunk(b"ABCD", b"x");
        damaged[8] ^= 1;
        for harmless in [damaged, chunk(b"abCd", b""), chunk(b"PLTE", b""), chunk(b"A\x1BCD", b"")] {
            assert_eq!(walk(&with(&plain, &[harmless])).unsupported, None);
        }
    }

    #[test]
    fn decoding_stops_when_asked_to() {
        let (bytes, asked) = (picture(200), AtomicUsize::new(0));
        let stop = |after: usize| {
            asked.store(0, Ordering::Relaxed);
            let stop = || asked.fetch_add(1, Ordering::Relaxed) >= after;
            let decoder = open(walk(&bytes), image::Limits::no_limits(), &stop)?;
            decoder.read_image(&mut vec![0; 200 * 200 * 3])
        };
        assert!(stop(usize::MAX).is_ok());
        let questions = asked.load(Ordering::Relaxed);
        assert!(questions > bytes.len() / STEP, "{questions}");
        assert!((0..questions).all(|after| stop(after).is_err()));
    }

    proptest! {
        #[test]
        fn walking_and_seeking_agree_on_any_bytes(tail: Vec<u8>, cut in 0usize..400) {
            let bytes = [&picture(9)[..], &tail].concat();
            let bytes = &bytes[..cut.min(bytes.len())];
            let mut walked = feed(bytes);
            let length = walked.len();
            prop_assert_eq!(shown(bytes).len() as u64, length);
            prop_assert_eq!(walked.seek(SeekFrom::End(0)).unwrap(), length);
        }
    }
}

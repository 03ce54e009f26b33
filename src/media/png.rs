//! PNG by the crate `image`, which is shown only what makes the picture: no texts, profiles and further frames, which it would
//! keep or inflate, and which may be a thousand times their size.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::codecs::png::PngDecoder;
use image::{ImageDecoder, ImageResult};

/// The bytes with which a PNG begins.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

/// Bytes of chunks before the picture's data that are taken over. A palette with transparency takes a thousand, Exif data up to
/// 64 KiB in cameras' files.
const MOST_HEAD: usize = 256 << 10;

/// Bytes that a decoder is given at a time; they inflate to four megabytes at the most, some ten milliseconds.
const STEP: usize = 4096;

/// What a decoder is shown of a file: its head, and its data up to the end of the file.
pub(super) struct Feed<'a> {
    head: Vec<u8>,
    data: &'a [u8],
    at: u64,
    stop: &'a dyn Fn() -> bool,
}

/// A decoder that has read the head.
pub(super) fn open<'a>(
    bytes: &'a [u8],
    limits: image::Limits,
    stop: &'a dyn Fn() -> bool,
) -> ImageResult<PngDecoder<Feed<'a>>> {
    PngDecoder::with_limits(feed(bytes, stop), limits)
}

/// Bytes that decoding takes beside the picture that comes out: some rows, and the window of what is inflated.
pub(super) fn working_bytes(decoder: &impl ImageDecoder) -> u64 {
    const ROWS: u64 = 8;
    const WINDOW: u64 = 1 << 20;
    let (width, _) = decoder.dimensions();
    u64::from(width) * u64::from(decoder.color_type().bytes_per_pixel()) * ROWS + MOST_HEAD as u64 + WINDOW
}

/// Walks the chunks up to the data of the picture.
fn feed<'a>(bytes: &'a [u8], stop: &'a dyn Fn() -> bool) -> Feed<'a> {
    let mut head = SIGNATURE.to_vec();
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
        // Length, kind, content, checksum.
        let length = u64::from(u32::from_be_bytes([a, b, c, d])) + 12;
        if kind == b"IDAT" {
            break;
        }
        let Some((chunk, after)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
            break;
        };
        // A capital letter marks what no decoder may leave out.
        let is_needed = kind[0].is_ascii_uppercase() || kind == b"tRNS" || kind == b"eXIf";
        if is_needed && head.len() + chunk.len() <= MOST_HEAD {
            head.extend_from_slice(chunk);
        }
        rest = after;
    }
    Feed { head, data: rest, at: 0, stop }
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
    use std::cell::Cell;

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

    fn all(feed: &mut Feed<'_>) -> Vec<u8> {
        let mut bytes = vec![];
        feed.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn texts_profiles_and_animation_are_left_out() {
        let plain = picture(9);
        let extra = [chunk(b"tEXt", b"a\0b"), chunk(b"iCCP", b"x\0\0?"), chunk(b"acTL", &[0; 8])];
        assert_eq!(all(&mut feed(&with(&plain, &extra), &|| false)), plain);
        let needed = [chunk(b"tRNS", &[0; 6]), chunk(b"eXIf", b"MM\0*"), chunk(b"PLTE", &[0; 3]), chunk(b"ABCD", b"")];
        let kept = with(&plain, &needed);
        assert_eq!(all(&mut feed(&kept, &|| false)), kept);
        let large = with(&plain, &[chunk(b"eXIf", &vec![0; MOST_HEAD])]);
        assert_eq!(all(&mut feed(&large, &|| false)), plain);
    }

    #[test]
    fn it_stops_when_it_is_told_to() {
        let (bytes, asked) = (picture(200), Cell::new(0));
        let stop = |after: usize| {
            asked.set(0);
            let stop = || {
                asked.set(asked.get() + 1);
                asked.get() > after
            };
            let decoder = open(&bytes, image::Limits::no_limits(), &stop)?;
            decoder.read_image(&mut vec![0; 200 * 200 * 3])
        };
        assert!(stop(usize::MAX).is_ok());
        let questions = asked.get();
        assert!(questions > bytes.len() / STEP, "{questions}");
        assert!((0..questions).all(|after| stop(after).is_err()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_in_one_way(tail: Vec<u8>, cut in 0usize..400) {
            let bytes = [&picture(9)[..], &tail].concat();
            let bytes = &bytes[..cut.min(bytes.len())];
            let mut walked = feed(bytes, &|| false);
            let length = walked.len();
            prop_assert_eq!(all(&mut walked).len() as u64, length);
            prop_assert_eq!(walked.seek(SeekFrom::End(0)).unwrap(), length);
        }
    }
}

//! Reads AVI and its extension OpenDML: from the bytes of a file to its video track.
//!
//! Chunks in lists (Microsoft, "AVI RIFF File Reference"; OpenDML 1.02 for files that go on in a second `RIFF`).
//! Writers that crash or stream leave the sizes of lists wrong, so lists are not skipped by their size but entered, and the chunks
//! are walked as one flat list. Indexes are read only for what nothing else contains: which frames are keys. A frame has no
//! time of its own: it is due when those before it have been shown. Where frames are decoded in another order, their
//! times are those of decoding.
//!
//! Files that were appended to each other are all read, one after the other.

use std::borrow::Cow;

use super::track::{
    Candidate, Codec, Container, Error, Sample, Track, VIDEOS, best, check, check_count, check_recordings, cut_at,
    joined, microseconds, no_video, settings,
};
use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::ops::Limits;

/// Reads the video stream of a file: the largest. The samples are borrowed from `bytes`.
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Track<'a>, Error> {
    let read = || {
        let parts = recordings(bytes)?.into_iter().map(|part| read_track(part, limits));
        joined(parts.collect::<Result<_, _>>()?, limits)
    };
    read().map_err(|error| error.about(Container::Avi))
}

/// The files that were appended to each other: each begins with a `RIFF` of kind `AVI `. Others go on with the one before.
fn recordings(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut chunks = Chunks::new(bytes);
    while chunks.next().is_some() {
        check_recordings(chunks.starts.len().saturating_sub(1))?;
    }
    let mut starts = chunks.starts;
    // What lies before the first one, if anything does, is read with it.
    match starts.first_mut() {
        Some(first) => *first = 0,
        None => starts.push(0),
    }
    Ok(cut_at(bytes, &starts))
}

fn read_track<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Track<'a>, Error> {
    let mut streams = Stream::find(bytes)?;
    let mut chunks = Chunks::new(bytes);
    let mut found: Vec<StreamSamples<'_>> = streams.iter().map(|_| StreamSamples::default()).collect();
    for (code, body) in &mut chunks {
        for (stream, found) in streams.iter().zip(&mut found) {
            match stream.role(code) {
                Role::Frame => {
                    if !body.is_empty() {
                        check_count(found.samples.len() + 1, limits)?;
                        let position = i64::try_from(found.position).unwrap_or(i64::MAX);
                        let time_us = microseconds(position, stream.seconds);
                        let sample = Sample { data: Cow::Borrowed(body), time_us, key: true, shown: true };
                        found.samples.push((found.position, sample));
                    }
                    found.position += 1;
                }
                Role::OldIndex => found.keys.add_old(body, stream),
                Role::Index => found.keys.add(body),
                Role::Other => {}
            }
        }
    }
    let candidate = |(stream, found): (&Stream<'_>, &StreamSamples<'_>)| {
        let pixels = u64::from(stream.picture.width) * u64::from(stream.picture.height);
        Candidate { default: stream.enabled, pixels, samples: found.samples.len() }
    };
    let candidates: Vec<Candidate> = streams.iter().zip(&found).map(candidate).collect();
    let number = best(&candidates).unwrap_or(0);
    let (stream, StreamSamples { position, mut samples, keys }) =
        (streams.swap_remove(number), found.swap_remove(number));
    if (chunks.cut || riff_is_cut(bytes)) && (position < stream.length || stream.length == 0) {
        let all = if stream.length == 0 { String::new() } else { format!(" of {}", stream.length) };
        return Err(Error::Damaged(format!("ends inside its media data: {position}{all} frames are there")));
    }
    for (position, sample) in &mut samples {
        sample.key = keys.get(*position).unwrap_or(stream.picture.codec == Codec::Mjpeg || *position == 0);
    }
    let samples = samples.into_iter().map(|(_, sample)| sample).collect();
    let Picture { codec, width, height, setup, bottom_first } = stream.picture;
    let (container, shape, setup) = (Container::Avi, stream.shape, settings(setup)?);
    let (turn, mirrored) = (Rotation::None, false);
    Track { container, codec, width, height, shape, turn, mirrored, bottom_first, setup, samples }.finished(limits)
}

/// What was found in a stream.
#[derive(Default)]
struct StreamSamples<'a> {
    /// Counts the chunks, empty ones included: they repeat the picture before them.
    position: usize,
    samples: Vec<(usize, Sample<'a>)>,
    keys: Keys,
}

/// Whether the first `RIFF` is longer than the file. 0 and the largest number are no sizes: the writer could not
/// go back; the padding byte at the end is often left out.
fn riff_is_cut(bytes: &[u8]) -> bool {
    let size = u32_at(bytes, 4).unwrap_or(0);
    size != 0 && size != u32::MAX && u64::from(size) + 8 > bytes.len() as u64 + 1
}

/// The little-endian number at an offset.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

type Code = [u8; 4];

/// The chunks of a file in one flat list.
struct Chunks<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    /// Whether the file ended inside a chunk.
    cut: bool,
    /// Where the appended files begin.
    starts: Vec<usize>,
}

impl<'a> Chunks<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes, cut: false, starts: Vec::new() }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (Code, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let code: Code = *self.rest.first_chunk()?;
            // Zeros or garbage after the last chunk are padding.
            if !code.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                return None;
            }
            self.cut = true;
            let size = usize::try_from(u32_at(self.rest, 4)?).ok()?;
            let entered = match &code {
                b"RIFF" => true,
                b"LIST" => matches!(self.rest.get(8..12)?, b"hdrl" | b"strl" | b"movi" | b"rec "),
                _ => false,
            };
            if entered {
                if &code == b"RIFF" && self.rest.get(8..12)? == b"AVI " {
                    self.starts.push(self.bytes.len() - self.rest.len());
                }
                self.rest = self.rest.get(12..)?;
                self.cut = false;
                continue;
            }
            let (body, next) = self.rest[8..].split_at_checked(size)?;
            self.cut = false;
            self.rest = if size % 2 == 1 { next.get(1..).unwrap_or_default() } else { next };
            return Some((code, body));
        }
    }
}

/// The video stream to read.
struct Stream<'a> {
    /// Counted from 0 over all streams: the chunks of a stream begin with it, in two digits.
    number: usize,
    /// How long a frame stays, as a fraction of a second.
    seconds: (u64, u64),
    /// Frames in it, including empty ones, as its header states; 0 if unknown.
    length: usize,
    /// Whether it is played by default.
    enabled: bool,
    picture: Picture<'a>,
    /// The sample aspect ratio, if stated.
    shape: Option<Shape>,
}

/// How a chunk belongs to a stream.
enum Role {
    Frame,
    /// The index of AVI 1.0, of all streams.
    OldIndex,
    /// An index of OpenDML, of this stream.
    Index,
    Other,
}

impl<'a> Stream<'a> {
    /// Finds the first few video streams by the headers: `avih`, then `strh` and `strf` for each stream. At least one.
    fn find(bytes: &'a [u8]) -> Result<Vec<Self>, Error> {
        let damaged = || Error::Damaged("has a damaged stream header".into());
        let (mut frame_us, mut streams, mut sound) = (0, 0_usize, false);
        let mut header: Option<&[u8]> = None;
        let mut found: Vec<Self> = Vec::new();
        for (code, body) in Chunks::new(bytes) {
            match &code {
                b"avih" => frame_us = u32_at(body, 0).unwrap_or(0),
                b"strh" => {
                    streams += 1;
                    sound |= body.starts_with(b"auds");
                    header = body.starts_with(b"vids").then_some(body);
                }
                b"strf" if found.len() < VIDEOS => {
                    let Some(header) = header.take() else { continue };
                    let field = |offset| u32_at(header, offset).ok_or_else(damaged);
                    let seconds = match (field(20)?, field(24)?) {
                        (0, _) | (_, 0) if frame_us == 0 => {
                            return Err(Error::Damaged("states no frame rate".into()));
                        }
                        (0, _) | (_, 0) => (u64::from(frame_us), 1_000_000),
                        (scale, rate) => (scale.into(), rate.into()),
                    };
                    let length = usize::try_from(field(32)?).unwrap_or(usize::MAX);
                    let enabled = field(8)? & DISABLED == 0;
                    let picture = Picture::parse(body).ok_or_else(damaged)?;
                    found.push(Self { number: streams - 1, seconds, length, enabled, picture, shape: None });
                }
                b"vprp" => {
                    if let Some(stream) = found.last_mut().filter(|stream| stream.number + 1 == streams) {
                        stream.shape = shape(body);
                    }
                }
                // The first frame of any stream.
                [b'0'..=b'9', b'0'..=b'9', ..] => break,
                _ => {}
            }
        }
        match found.is_empty() {
            false => Ok(found),
            true if streams == 0 => Err(Error::Damaged("ends before its stream headers".into())),
            true => Err(no_video(sound)),
        }
    }

    /// `00dc` and `00db` are frames of stream 0, `ix00` is its index.
    fn role(&self, code: Code) -> Role {
        let [a, b, c, d] = code;
        match [c, d] {
            _ if &code == b"idx1" => Role::OldIndex,
            _ if [a, b] == *b"ix" && self.has_digits([c, d]) => Role::Index,
            [b'd', b'c' | b'b'] if self.has_digits([a, b]) => Role::Frame,
            _ => Role::Other,
        }
    }

    fn has_digits(&self, digits: [u8; 2]) -> bool {
        digits.iter().all(u8::is_ascii_digit)
            && usize::from(digits[0] - b'0') * 10 + usize::from(digits[1] - b'0') == self.number
    }
}

/// The flag of a stream that is not played by default (`AVISF_DISABLED`).
const DISABLED: u32 = 1;

/// The sample aspect ratio by the properties of a stream (OpenDML 1.02, `vprp`): the frame's aspect ratio, height after width in 16 bits
/// each, over its size.
fn shape(properties: &[u8]) -> Option<Shape> {
    let aspect = u32_at(properties, 20)?;
    let (wide, high) = (u64::from(aspect >> 16), u64::from(aspect & 0xFFFF));
    let (width, height) = (u64::from(u32_at(properties, 24)?), u64::from(u32_at(properties, 28)?));
    Shape::new(wide.checked_mul(height)?, high.checked_mul(width)?)
}

/// A `BITMAPINFOHEADER`, which describes pictures in AVI and sometimes in Matroska.
pub(super) struct Picture<'a> {
    pub(super) codec: Codec,
    /// In pixels.
    pub(super) width: u32,
    /// In pixels; rows of uncompressed pictures may go up or down.
    pub(super) height: u32,
    /// An `avcC` or `hvcC` payload. Other data after the header is in the frames as well.
    pub(super) setup: &'a [u8],
    /// Whether the first of two fields has the lower rows, for Motion JPEG.
    pub(super) bottom_first: bool,
}

impl<'a> Picture<'a> {
    /// Reads the header and what follows it.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let side = |offset| Some(u32_at(body, offset)?.cast_signed().unsigned_abs());
        let (width, height, code) = (side(4)?, side(8)?, body.get(16..20)?.first_chunk()?);
        let codec = Codec::from_fourcc(*code);
        let extra = body.get(40..).filter(|extra| {
            // Either begins with its version; a byte stream begins with a start code.
            matches!(codec, Codec::H264 | Codec::Hevc) && extra.first() == Some(&1)
        });
        // The header of Motion JPEG (OML JPEG DIB): its size and where it begins, then how fields are stored.
        let jpeg = body.get(40..).filter(|jpeg| jpeg.starts_with(&[0x2C, 0, 0, 0, 0x18, 0, 0, 0]));
        let bottom_first = match jpeg.and_then(|jpeg| jpeg.get(12)) {
            Some(1) => true,
            Some(2) => false,
            // By this code, as ffmpeg has found.
            _ => code == b"MJPG",
        };
        Some(Self { codec, width, height, setup: extra.unwrap_or_default(), bottom_first })
    }
}

/// Which frames are keys, by position.
#[derive(Default)]
struct Keys {
    /// By the indexes of OpenDML, which are spread over the file.
    new: Vec<bool>,
    /// By the single index at the end of the first `RIFF`.
    old: Vec<bool>,
}

impl Keys {
    /// Adds an `ix00` chunk: 24 bytes, then an offset and a size for each frame, with the highest bit of the size
    /// set if it is no key.
    fn add(&mut self, body: &[u8]) {
        let count = u32_at(body, 4).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let entries = body.get(24..).unwrap_or_default().chunks_exact(8).take(count);
        self.new.extend(entries.map(|entry| u32_at(entry, 4).is_some_and(|size| size >> 31 == 0)));
    }

    /// Adds an `idx1` chunk: for each chunk of any stream its code, its flags, its offset and its size.
    fn add_old(&mut self, body: &[u8], stream: &Stream<'_>) {
        const KEY: u32 = 0x10;
        let entries = body
            .chunks_exact(16)
            .filter(|entry| entry.first_chunk().is_some_and(|&code| matches!(stream.role(code), Role::Frame)));
        self.old.extend(entries.map(|entry| u32_at(entry, 4).is_some_and(|flags| flags & KEY != 0)));
    }

    fn get(&self, position: usize) -> Option<bool> {
        self.new.get(position).or_else(|| self.old.get(position)).copied()
    }
}

/// Reads any bytes with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { video_frames: 100, ..Limits::default() };
    if let Ok(track) = read(bytes, &limits) {
        check(&track, bytes.len(), &limits);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A chunk, padded to an even length.
    fn chunk(code: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let padding = &[0][..body.len() % 2];
        [code.as_slice(), &(body.len() as u32).to_le_bytes(), body, padding].concat()
    }

    fn list(code: &[u8; 4], kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
        chunk(code, &[kind.as_slice(), &parts.concat()].concat())
    }

    fn words(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn stream(kind: &[u8; 4], scale: u32, rate: u32, length: u32, format: &[u8]) -> Vec<u8> {
        let header = [kind.to_vec(), words(&[0, 0, 0, 0, scale, rate, 0, length])].concat();
        list(b"LIST", b"strl", &[chunk(b"strh", &header), chunk(b"strf", format)])
    }

    fn bitmap(codec: &[u8; 4], extra: &[u8]) -> Vec<u8> {
        [words(&[40, 64, (-48_i32).cast_unsigned(), 0x18_0001]), codec.to_vec(), vec![0; 20], extra.to_vec()].concat()
    }

    /// Sound as stream 0 and a video of 5 frames, 10 a second, as stream 1.
    fn headers(codec: &[u8; 4], extra: &[u8]) -> Vec<u8> {
        let sound = stream(b"auds", 1, 8000, 0, &[0; 18]);
        list(
            b"LIST",
            b"hdrl",
            &[chunk(b"avih", &words(&[40_000])), sound, stream(b"vids", 1, 10, 5, &bitmap(codec, extra))],
        )
    }

    fn data() -> Vec<u8> {
        let packed = list(b"LIST", b"rec ", &[chunk(b"01dc", b"bb"), chunk(b"00wb", b"S"), chunk(b"01dc", b"")]);
        list(
            b"LIST",
            b"movi",
            &[chunk(b"01dc", b"a"), chunk(b"JUNK", b"01dc"), packed, chunk(b"01db", b"ccc"), chunk(b"01dc", b"d")],
        )
    }

    fn file() -> Vec<u8> {
        let entry = |code: &[u8; 4], flags| [code.to_vec(), words(&[flags, 0, 0])].concat();
        let keys: Vec<u8> =
            [(b"01dc", 0x10), (b"01dc", 0), (b"00wb", 0x10), (b"01dc", 0), (b"01db", 0x10), (b"01dc", 0)]
                .iter()
                .flat_map(|&(code, flags)| entry(code, flags))
                .collect();
        list(b"RIFF", b"AVI ", &[headers(b"H264", b"\x01setup"), data(), chunk(b"idx1", &keys)])
    }

    fn read_it(bytes: &[u8]) -> Track<'_> {
        read(bytes, &Limits::default()).unwrap()
    }

    fn error(bytes: &[u8]) -> String {
        read(bytes, &Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn frames_are_read_with_data_time_and_key_flag() {
        let bytes = file();
        let track = read_it(&bytes);
        assert_eq!((track.container, &track.codec, track.width, track.height), (Container::Avi, &Codec::H264, 64, 48));
        assert_eq!(track.setup, b"\x01setup");
        let frames: Vec<_> = track.samples.iter().map(|s| (&*s.data, s.time_us, s.key)).collect();
        let want =
            [(b"a".as_slice(), 0, true), (b"bb", 100_000, false), (b"ccc", 300_000, true), (b"d", 400_000, false)];
        assert_eq!(frames, want);
    }

    #[test]
    fn a_second_riff_part_with_its_own_index_is_read() {
        let index = |flags: &[u32]| {
            let head = [words(&[2, flags.len() as u32]), b"01dc".to_vec(), vec![0; 12]].concat();
            let entries: Vec<u8> = flags.iter().flat_map(|&flag| words(&[0, flag << 31])).collect();
            chunk(b"ix01", &[head, entries].concat())
        };
        let more = list(
            b"RIFF",
            b"AVIX",
            &[list(b"LIST", b"movi", &[chunk(b"01dc", b"e"), chunk(b"01dc", b"f"), index(&[0, 1])])],
        );
        let first = list(b"RIFF", b"AVI ", &[headers(b"H264", b""), data(), index(&[0, 1, 1, 1, 1])]);
        let bytes = [first, more].concat();
        let keys: Vec<_> = read_it(&bytes).samples.iter().map(|s| (s.data[0], s.key)).collect();
        assert_eq!(keys, [(b'a', true), (b'b', false), (b'c', false), (b'd', false), (b'e', true), (b'f', false)]);
        assert!(read_it(&bytes).setup.is_empty());
    }

    #[test]
    fn appended_recordings_are_read_one_after_the_other() {
        let twice = [file(), file()].concat();
        let times: Vec<_> = read_it(&twice).samples.iter().map(|s| s.time_us / 1000).collect();
        // The second of five is empty; four samples over 400 ms.
        assert_eq!(times, [0, 100, 300, 400, 533, 633, 833, 933]);
        let other = list(b"RIFF", b"AVI ", &[headers(b"MJPG", b""), data()]);
        assert!(
            error(&[file(), other].concat()).starts_with("the AVI holds recordings one after the other that differ")
        );
        assert_eq!(error(&file().repeat(65)), "the AVI holds more than 64 recordings one after the other");
        for end in 0..twice.len() {
            fuzz(&twice[..end]);
        }
        assert!(error(&twice[..twice.len() - 110]).starts_with("the AVI ends inside its media data"));
    }

    #[test]
    fn the_pixel_shape_is_read_from_the_properties() {
        let properties = |ratio: u32| chunk(b"vprp", &words(&[0, 0, 25, 64, 48, ratio, 64, 48, 1]));
        let video = |more: Vec<u8>| {
            let stream = stream(b"vids", 1, 10, 5, &bitmap(b"MJPG", b""));
            // Into the list of the stream.
            let parts = [stream[12..].to_vec(), more].concat();
            list(b"RIFF", b"AVI ", &[list(b"LIST", b"hdrl", &[list(b"LIST", b"strl", &[parts])]), data_of(b"00")])
        };
        assert_eq!(read_it(&video(properties(16 << 16 | 9))).shape, Shape::new(4, 3));
        assert_eq!(read_it(&video(properties(0))).shape, None);
        assert_eq!(read_it(&video(vec![])).shape, None);
    }

    fn data_of(digits: &[u8; 2]) -> Vec<u8> {
        let [a, b] = *digits;
        list(b"LIST", b"movi", &[chunk(&[a, b, b'd', b'c'], b"x")])
    }

    #[test]
    fn the_largest_of_equally_long_streams_is_read() {
        let sized = |width: u32, flags: u32| {
            let bitmap = [words(&[40, width, 48, 0x18_0001]), b"MJPG".to_vec(), vec![0; 20]].concat();
            let mut stream = stream(b"vids", 1, 10, 0, &bitmap);
            stream[12 + 8 + 8..][..4].copy_from_slice(&flags.to_le_bytes());
            stream
        };
        let width = |streams: &[Vec<u8>]| {
            let data = [data_of(b"00"), data_of(b"01")].concat();
            read_it(&list(b"RIFF", b"AVI ", &[list(b"LIST", b"hdrl", streams), data])).width
        };
        assert_eq!(width(&[sized(64, 0), sized(128, 0)]), 128);
        assert_eq!(width(&[sized(64, 0), sized(128, DISABLED)]), 64);
    }

    #[test]
    fn without_an_index_all_motion_jpeg_frames_are_keys_but_only_the_first_of_others() {
        let file = |codec| list(b"RIFF", b"AVI ", &[headers(codec, b""), data()]);
        let keys = |bytes: &[u8]| read_it(bytes).samples.iter().filter(|s| s.key).count();
        assert_eq!((keys(&file(b"MJPG")), keys(&file(b"H264"))), (4, 1));
        let codec = |code| read_it(&file(code)).codec.to_string();
        assert_eq!((codec(b"XVID"), codec(b"\0\0\0\0")), ("MPEG-4 Part 2".into(), "uncompressed video".into()));
    }

    #[test]
    fn wrong_list_sizes_are_ignored() {
        let mut bytes = file();
        for size in [0, u32::MAX] {
            bytes[4..8].copy_from_slice(&size.to_le_bytes());
            assert_eq!(read_it(&bytes).samples.len(), 4);
        }
        assert_eq!(read_it(&[file(), vec![0; 999]].concat()).samples.len(), 4);
        assert_eq!(read_it(&[file(), b"\xFFgarbage".to_vec()].concat()).samples.len(), 4);
    }

    #[test]
    fn a_truncated_file_is_refused_if_frames_are_missing() {
        let whole = list(b"RIFF", b"AVI ", &[headers(b"MJPG", b""), data()]);
        let last = whole.len() - 10;
        for end in [last, last + 4, last + 8] {
            let text = "the AVI ends inside its media data: 4 of 5 frames are there";
            assert_eq!(error(&whole[..end]), text, "{end}");
        }
        assert_eq!(read_it(&whole[..whole.len() - 1]).samples.len(), 4, "without its padding");
        assert_eq!(read_it(&file()[..whole.len() + 20]).samples.len(), 4, "without its index");
        assert_eq!(error(&whole[..40]), "the AVI ends before its stream headers");
        for end in 0..whole.len() {
            fuzz(&whole[..end]);
        }
    }

    #[test]
    fn missing_parts_are_named_in_the_error() {
        let with = |streams: &[Vec<u8>]| list(b"RIFF", b"AVI ", &[list(b"LIST", b"hdrl", streams), data()]);
        assert_eq!(error(&with(&[stream(b"auds", 1, 1, 0, &[0; 18])])), "the AVI holds no video track, only sound");
        assert_eq!(error(&with(&[stream(b"vids", 1, 0, 0, &bitmap(b"MJPG", b""))])), "the AVI states no frame rate");
        assert_eq!(error(&with(&[stream(b"vids", 1, 9, 0, &[0; 19])])), "the AVI has a damaged stream header");
        assert_eq!(
            error(&with(&[stream(b"vids", 1, 9, 0, &bitmap(b"MJPG", b""))])),
            "the AVI holds a video track without frames"
        );
        let limits = Limits { video_frames: 3, ..Limits::default() };
        assert_eq!(read(&file(), &limits).unwrap_err().to_string(), "the AVI has 4 frames; the limit is 3");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&bytes);
            fuzz(&list(b"RIFF", b"AVI ", &[headers(b"H264", &bytes), bytes]));
        }

        #[test]
        fn damaged_files_are_parsed_without_panic(damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
            let mut bytes = file();
            for (at, value) in damage {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            fuzz(&bytes);
        }
    }
}

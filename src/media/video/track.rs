//! Describes the video track of a container: the codec, the orientation, and the compressed samples with their times.
//!
//! This is the interface between the readers (ISO base media, Matroska, AVI) and the decoders. Nothing is
//! decoded: whether a sample holds a picture is not known yet.

use std::borrow::Cow;
use std::fmt;

use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::ops::Limits;

/// One video track as its container describes it: everything that is needed to decode it, nothing decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Track<'a> {
    /// The file format that the track came in.
    pub container: Container,
    /// How the samples are compressed.
    pub codec: Codec,
    /// Width in pixels as stored, before turning; 0 if the container does not state it.
    pub width: u32,
    /// Height in pixels as stored, before turning; 0 if the container does not state it.
    pub height: u32,
    /// The sample aspect ratio as stored, before turning. It overrides that of the stream; `None` leaves it to the stream.
    pub shape: Option<Shape>,
    /// The clockwise turn that makes the picture upright.
    pub turn: Rotation,
    /// Whether the picture is mirrored left to right before it is turned.
    pub mirrored: bool,
    /// Whether the first of two fields in a sample has the lower rows, for Motion JPEG.
    pub bottom_first: bool,
    /// What the decoder needs before the first sample: the payload of `avcC`, `hvcC` or `vpcC`, or Matroska's
    /// CodecPrivate. Empty if the samples contain it; those of H.264 and HEVC are then in the byte stream
    /// format (Annex B of ITU-T H.264 and H.265).
    pub setup: Vec<u8>,
    /// The samples in decoding order: at least one, and at least one of them shown.
    pub samples: Vec<Sample<'a>>,
}

/// One compressed picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The compressed bytes.
    pub data: Cow<'a, [u8]>,
    /// When it is presented, in microseconds after the first shown sample. Negative only where it is not shown.
    pub time_us: i64,
    /// Whether decoding may start here, by the container.
    pub key: bool,
    /// Whether it is shown: false for samples that others are decoded from but that are not shown (outside of the edit
    /// list).
    pub shown: bool,
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// ISO base media (ISO/IEC 14496-12), 3GP among them.
    Mp4,
    /// QuickTime.
    Mov,
    /// The subset of Matroska that browsers record.
    WebM,
    /// Matroska (RFC 9559).
    Matroska,
    /// RIFF AVI, OpenDML among them.
    Avi,
}

/// A group of containers that one reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// MP4 and QuickTime.
    Bmff,
    /// Matroska and WebM.
    Matroska,
    /// AVI.
    Avi,
}

/// How samples are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, also called AVC.
    H264,
    /// ITU-T H.265.
    Hevc,
    /// RFC 6386.
    Vp8,
    /// VP9.
    Vp9,
    /// One JPEG a sample. In AVI the Huffman tables may be left out.
    Mjpeg,
    /// Any other, by its name or by its printable four-character code.
    Other(String),
}

/// Why bytes are no video that can be decoded. The text is for the client and contains nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file is damaged or ends early.
    Damaged(String),
    /// The file is sound, but it has no pictures.
    NoVideoTrack(String),
    /// The file is sound, but it uses a feature that is not read here.
    Unsupported(String),
    /// Policy: it lasts longer than the limits allow.
    TooLong(String),
    /// Policy: it has more samples, or more bytes in them, than the limits allow.
    TooLarge(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what)
            | Self::NoVideoTrack(what)
            | Self::Unsupported(what)
            | Self::TooLong(what)
            | Self::TooLarge(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Puts the subject before a text. Inside the readers a text is only a predicate, such as "has no 'moov' box".
    pub(super) fn about(mut self, container: Container) -> Self {
        let (Self::Damaged(what)
        | Self::NoVideoTrack(what)
        | Self::Unsupported(what)
        | Self::TooLong(what)
        | Self::TooLarge(what)) = &mut self;
        what.insert_str(0, &format!("the {} ", container.name()));
        self
    }
}

/// Chooses the reader by the first bytes. `None` for everything else, including HEIC and AVIF pictures.
pub fn sniff(bytes: &[u8]) -> Option<Family> {
    if bytes.starts_with(b"\x1A\x45\xDF\xA3") {
        return Some(Family::Matroska);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"AVI ") {
        return Some(Family::Avi);
    }
    const PICTURES: [&[u8]; 8] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"];
    const FIRST: [&[u8]; 8] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"pnot"];
    let kind = bytes.get(4..8)?;
    let picture = kind == b"ftyp" && bytes.get(8..12).is_some_and(|brand| PICTURES.contains(&brand));
    (FIRST.contains(&kind) && !picture).then_some(Family::Bmff)
}

impl Container {
    /// The media type of the file.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::Mov => "video/quicktime",
            Self::WebM => "video/webm",
            Self::Matroska => "video/x-matroska",
            Self::Avi => "video/x-msvideo",
        }
    }

    /// The usual name of the file format, for "the {name} is damaged".
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Mov => "MOV",
            Self::WebM => "WebM",
            Self::Matroska => "MKV",
            Self::Avi => "AVI",
        }
    }
}

impl Codec {
    /// The codec that a four-character code stands for in ISO base media, QuickTime and AVI, whose codes never
    /// contradict each other. Case is ignored, as AVI writers do.
    pub(super) fn from_fourcc(code: [u8; 4]) -> Self {
        let name = match &code.map(|b| b.to_ascii_lowercase()) {
            b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"h264" | b"x264" | b"davc" | b"vssh" => return Self::H264,
            b"hvc1" | b"hev1" | b"hevc" | b"h265" | b"x265" => return Self::Hevc,
            b"vp08" | b"vp80" => return Self::Vp8,
            b"vp09" | b"vp90" => return Self::Vp9,
            b"h263" | b"s263" => "H.263",
            b"jpeg" | b"mjpa" | b"mjpg" | b"avrn" | b"dmb1" | b"ljpg" | b"ijpg" => return Self::Mjpeg,
            b"av01" => "AV1",
            b"mjpb" => "Motion JPEG B",
            b"mjp2" | b"mj2c" => "Motion JPEG 2000",
            b"mp4v" | b"xvid" | b"divx" | b"dx50" | b"fmp4" | b"m4s2" | b"mp4s" | b"3iv2" | b"xvix" => "MPEG-4 Part 2",
            b"mp42" | b"mp43" | b"div3" | b"div4" | b"mpg4" | b"mp41" => "Microsoft MPEG-4",
            b"mp1v" | b"m1v " | b"mpg1" => "MPEG-1",
            b"mp2v" | b"m2v1" | b"mpg2" => "MPEG-2",
            b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes",
            b"avdn" | b"avdh" => "DNxHD",
            b"dvh1" | b"dvhe" | b"dvav" | b"dva1" | b"dav1" => "Dolby Vision",
            b"vvc1" | b"vvi1" => "VVC",
            b"wmv1" | b"wmv2" | b"wmv3" | b"wvc1" => "Windows Media Video",
            b"svq1" | b"svq3" => "Sorenson Video",
            b"cvid" => "Cinepak",
            b"vp60" | b"vp61" | b"vp62" | b"vp6f" => "VP6",
            b"dvsd" | b"dvc " | b"dvcp" | b"dv25" | b"dv50" => "DV",
            b"ffv1" => "FFV1",
            b"hfyu" | b"ffvh" => "HuffYUV",
            b"png " | b"mpng" => "Motion PNG",
            b"\0\0\0\0" | b"dib " | b"raw " | b"rgb " | b"yuy2" | b"uyvy" | b"2vuy" | b"yuv2" | b"yvyu" | b"i420"
            | b"iyuv" | b"yv12" | b"nv12" | b"v210" | b"bgr\x18" | b"y800" | b"\x03\0\0\0" => "uncompressed video",
            _ => return Self::Other(printable(&code)),
        };
        Self::Other(name.into())
    }
}

/// The start of a code or name in quotes, without what could break a line of text.
pub(super) fn printable(code: &[u8]) -> String {
    let safe =
        |&b: &u8| if b.is_ascii_graphic() && !b"'\"\\<>&".contains(&b) || b == b' ' { char::from(b) } else { '?' };
    let text: String = code.iter().take(32).map(safe).collect();
    format!("'{text}'")
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Mjpeg => "Motion JPEG",
            Self::Other(name) => name,
        })
    }
}

impl Track<'_> {
    /// How long the shown samples last together, in microseconds: from the first to the last, and the last one as long
    /// as the others on average. 0 if there is only one.
    pub fn duration_us(&self) -> u64 {
        let (shown, span) = self.span();
        if shown < 2 { 0 } else { span.saturating_add(span / (shown - 1)) }
    }

    /// Shown samples a second on average; 0 if there is only one or all have the same time.
    pub fn frames_per_second(&self) -> f64 {
        let (shown, span) = self.span();
        if shown < 2 || span == 0 { 0.0 } else { (shown - 1) as f64 * 1e6 / span as f64 }
    }

    /// How many samples are shown, and the microseconds between the first and the last of them.
    fn span(&self) -> (u64, u64) {
        let shown = || self.samples.iter().filter(|s| s.shown).map(|s| s.time_us);
        let span = shown().max().zip(shown().min()).map_or(0, |(last, first)| last.abs_diff(first));
        (shown().count() as u64, span)
    }

    /// Shifts time to begin at the first shown sample, and checks the track against the limits: the last step of every
    /// reader.
    pub(super) fn finished(mut self, limits: &Limits) -> Result<Self, Error> {
        check_count(self.samples.len(), limits)?;
        let Some(start) = self.samples.iter().filter(|s| s.shown).map(|s| s.time_us).min() else {
            return Err(Error::NoVideoTrack("holds a video track without frames".into()));
        };
        for sample in &mut self.samples {
            sample.time_us = sample.time_us.saturating_sub(start);
        }
        let (duration, most) = (self.duration_us(), limits.video_ms.saturating_mul(1000));
        if duration > most.saturating_add(ROUNDING_US) {
            let seconds = |us: u64| (us as f64 / 1e5).ceil() / 10.0;
            let (duration, most) = (seconds(duration), seconds(most));
            return Err(Error::TooLong(format!("lasts {duration} s; the limit is {most} s")));
        }
        Ok(self)
    }
}

/// Microseconds that a clip may exceed the limit by: containers round times, and a recorder that is told to stop
/// after a minute stops a frame later.
const ROUNDING_US: u64 = 100_000;

/// Checks the invariants of every track that a reader returns of `length` bytes; panics if one is broken. For the fuzzers.
#[track_caller]
pub(super) fn check(track: &Track<'_>, length: usize, limits: &Limits) {
    assert!(track.samples.iter().any(|s| s.shown && s.time_us == 0), "time begins at the first shown sample");
    assert!(track.samples.iter().all(|s| !s.shown || s.time_us >= 0), "shown samples are not before the beginning");
    assert!(track.samples.iter().all(|s| !s.data.is_empty()), "each sample has bytes");
    assert!(track.samples.len() <= limits.video_frames);
    assert!(track.duration_us() <= limits.video_ms * 1000 + ROUNDING_US);
    assert!(track.frames_per_second() >= 0.0);
    let bytes: usize = track.samples.iter().map(|s| s.data.len()).sum();
    let added = track.samples.len() * MOST_ADDED;
    assert!(bytes <= length + added && track.setup.len() <= length, "no more bytes come out than went in");
}

/// Most video tracks of a file that are compared. Files have one, some a smaller copy of it, and one or two of covers or
/// chapter pictures.
pub(super) const VIDEOS: usize = 4;

/// What decides which of several video tracks is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Whether the file marks it as the default.
    pub(super) default: bool,
    /// Pixels of a frame; 0 if unknown.
    pub(super) pixels: u64,
    pub(super) samples: usize,
}

/// Which track is decoded: of the default ones, if there are any, the one with the largest pictures. One with less
/// than half as many samples as another is a cover, a preview or a row of stills, however large. Of equals the first.
pub(super) fn best(tracks: &[Candidate]) -> Option<usize> {
    let default = tracks.iter().any(|track| track.default && track.samples > 0);
    let eligible = |track: &&Candidate| track.default || !default;
    let most = tracks.iter().filter(eligible).map(|track| track.samples).max()?;
    let mut numbers =
        (0..tracks.len()).filter(|&number| eligible(&&tracks[number]) && 2 * tracks[number].samples >= most);
    let first = numbers.next()?;
    Some(numbers.fold(first, |best, number| if tracks[number].pixels > tracks[best].pixels { number } else { best }))
}

/// Most recordings in a file. Programs that append what browsers record come to a handful; a stream that repeats its headers
/// every second to a minute's.
const RECORDINGS: usize = 64;

/// Refuses more than [`RECORDINGS`] recordings.
pub(super) fn check_recordings(before: usize) -> Result<(), Error> {
    if before >= RECORDINGS {
        return Err(Error::TooLarge(format!("holds more than {RECORDINGS} recordings one after the other")));
    }
    Ok(())
}

/// Splits a file into pieces that begin at `starts`, the first of which is 0.
pub(super) fn cut_at<'a>(bytes: &'a [u8], starts: &[usize]) -> Vec<&'a [u8]> {
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &bytes[start..end]).collect()
}

/// Joins recordings that lie one after the other in a file: each begins when the previous one has ended. They have to be alike, since
/// there is one decoder.
pub(super) fn joined<'a>(parts: Vec<Track<'a>>, limits: &Limits) -> Result<Track<'a>, Error> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().ok_or_else(|| no_video(false))?;
    for part in parts {
        let alike = whole.codec == part.codec
            && (whole.width, whole.height, whole.shape) == (part.width, part.height, part.shape)
            && (whole.turn, whole.mirrored, whole.bottom_first) == (part.turn, part.mirrored, part.bottom_first)
            && whole.setup == part.setup;
        if !alike {
            return Err(Error::Unsupported(
                "holds recordings one after the other that differ in codec, size or settings, which is not supported; \
                 send one of them"
                    .into(),
            ));
        }
        check_count(whole.samples.len() + part.samples.len(), limits)?;
        let ended = i64::try_from(whole.duration_us()).unwrap_or(i64::MAX);
        whole.samples.extend(part.samples.into_iter().map(|sample| {
            let time_us = sample.time_us.saturating_add(ended);
            Sample { time_us, ..sample }
        }));
    }
    whole.finished(limits)
}

/// The error of a file without pictures.
pub(super) fn no_video(sound: bool) -> Error {
    Error::NoVideoTrack(format!("holds no video track{}", if sound { ", only sound" } else { "" }))
}

/// Refuses too many samples before a table is allocated for them.
pub(super) fn check_count(samples: usize, limits: &Limits) -> Result<(), Error> {
    let most = limits.video_frames;
    if samples > most {
        return Err(Error::TooLarge(format!("has {samples} frames; the limit is {most}")));
    }
    Ok(())
}

/// A copy of the settings of a codec. A hundred bytes are usual; 64 KiB is more than all parameter sets of a picture
/// take.
pub(super) fn settings(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    const MOST: usize = 64 << 10;
    if bytes.len() > MOST {
        return Err(Error::TooLarge(format!("has {} bytes of codec settings; the limit is {MOST}", bytes.len())));
    }
    Ok(bytes.to_vec())
}

/// Most bytes that a reader may prepend to each sample, where the container took them away (header stripping of
/// Matroska).
pub(super) const MOST_ADDED: usize = 256;

/// `ticks` that last `seconds.0 / seconds.1` seconds each, in microseconds, rounded down. Times that no clip has are
/// clamped so that the difference of two of them cannot overflow.
pub(super) fn microseconds(ticks: i64, seconds: (u64, u64)) -> i64 {
    const FAR: i128 = 1 << 61;
    let product = i128::from(ticks).saturating_mul(i128::from(seconds.0)).saturating_mul(1_000_000);
    let exact = product.div_euclid(i128::from(seconds.1.max(1)));
    i64::try_from(exact.clamp(-FAR, FAR)).expect("it was clamped to 61 bits")
}

impl fmt::Debug for Track<'_> {
    /// No bytes of samples: a picture is personal data and must not enter a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, codec, width, height, shape, turn, mirrored, bottom_first, setup, samples } = self;
        let (setup, samples) = (setup.len(), samples.len());
        write!(f, "Track({} {codec}, {width}x{height}, {shape:?}, {turn:?}, mirrored: {mirrored}, ", container.name())?;
        write!(f, "bottom first: {bottom_first}, {setup} bytes of setup, {samples} samples)")
    }
}

impl fmt::Debug for Sample<'_> {
    /// No bytes, see [`Track`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, time_us, key, shown } = self;
        write!(f, "Sample({} bytes at {time_us} us, key: {key}, shown: {shown})", data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A track whose samples are due at some times.
    fn track(times: &[(i64, bool)]) -> Track<'static> {
        let sample = |&(time_us, shown)| Sample { data: Cow::Borrowed(b"x"), time_us, key: true, shown };
        Track {
            container: Container::Mp4,
            codec: Codec::H264,
            width: 0,
            height: 0,
            shape: None,
            turn: Rotation::None,
            mirrored: false,
            bottom_first: false,
            setup: Vec::new(),
            samples: times.iter().map(sample).collect(),
        }
    }

    #[test]
    fn containers_are_recognized_by_their_first_bytes() {
        let cases: [(&[u8], Option<Family>); 10] = [
            (b"\0\0\0\x18ftypisom", Some(Family::Bmff)),
            (b"\0\0\0\x18ftyp", Some(Family::Bmff)),
            (b"\0\0\0\x18ftypheic", None),
            (b"\0\0\0\x18ftypavif", None),
            (b"\0\0\0\x08wide", Some(Family::Bmff)),
            (b"\x1A\x45\xDF\xA3", Some(Family::Matroska)),
            (b"RIFF\0\0\0\0AVI LIST", Some(Family::Avi)),
            (b"RIFF\0\0\0\0WEBP", None),
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF", None),
            (b"", None),
        ];
        for (bytes, family) in cases {
            assert_eq!(sniff(bytes), family, "{bytes:?}");
        }
    }

    #[test]
    fn times_and_duration_count_shown_samples_in_any_order() {
        let limits = Limits::default();
        let finished = track(&[(900_000, false), (1_200_000, true), (1_000_000, true), (1_100_000, true)])
            .finished(&limits)
            .unwrap();
        assert_eq!(finished.samples.iter().map(|s| s.time_us).collect::<Vec<_>>(), [-100_000, 200_000, 0, 100_000]);
        assert_eq!((finished.duration_us(), finished.frames_per_second()), (300_000, 10.0));
        let single = track(&[(5, true)]).finished(&limits).unwrap();
        assert_eq!((single.duration_us(), single.frames_per_second()), (0, 0.0));
        assert!(matches!(track(&[(5, false)]).finished(&limits), Err(Error::NoVideoTrack(_))));
        let minute = track(&[(0, true), (30_050_000, true)]).finished(&limits).unwrap();
        assert_eq!(minute.duration_us(), 60_100_000);
        let error = track(&[(0, true), (30_050_001, true)]).finished(&limits).unwrap_err();
        assert_eq!(error, Error::TooLong("lasts 60.2 s; the limit is 60 s".into()));
    }

    #[test]
    fn the_largest_track_is_chosen_unless_it_has_few_frames() {
        let one = |default, pixels, samples| Candidate { default, pixels, samples };
        let cases: [(&[Candidate], Option<usize>); 8] = [
            (&[], None),
            (&[one(true, 100, 60), one(true, 400, 60), one(true, 400, 60)], Some(1)),
            (&[one(true, 400, 60), one(true, 100, 60)], Some(0)),
            (&[one(true, 900, 29), one(true, 100, 60)], Some(1)),
            (&[one(true, 900, 30), one(true, 100, 60)], Some(0)),
            (&[one(false, 900, 60), one(true, 100, 1)], Some(1)),
            (&[one(false, 900, 60), one(true, 100, 0)], Some(0)),
            (&[one(false, 0, 0), one(false, 0, 0)], Some(0)),
        ];
        for (tracks, want) in cases {
            assert_eq!(best(tracks), want, "{tracks:?}");
        }
    }

    #[test]
    fn joined_recordings_follow_each_other() {
        let limits = Limits::default();
        let part = || track(&[(0, true), (100_000, true)]);
        let times = |track: &Track<'_>| track.samples.iter().map(|sample| sample.time_us).collect::<Vec<_>>();
        assert_eq!(
            times(&joined(vec![part(), part(), part()], &limits).unwrap()),
            [0, 1, 2, 3, 4, 5].map(|n| n * 100_000)
        );
        let other = Track { width: 1, ..part() };
        assert!(
            matches!(joined(vec![part(), other], &limits), Err(Error::Unsupported(what)) if what.contains("differ"))
        );
        let few = Limits { video_frames: 3, ..limits };
        assert!(matches!(joined(vec![part(), part()], &few), Err(Error::TooLarge(_))));
        assert!(check_recordings(RECORDINGS - 1).is_ok() && check_recordings(RECORDINGS).is_err());
    }

    #[test]
    fn microseconds_round_down_and_do_not_overflow() {
        assert_eq!(microseconds(1, (1, 3)), 333_333);
        assert_eq!(microseconds(-1, (1, 3)), -333_334);
        let [most, least] = [i64::MAX, i64::MIN].map(|ticks| microseconds(ticks, (u64::MAX, 1)));
        assert!(most.checked_sub(least).is_some());
        assert_eq!(microseconds(1, (1, 0)), 1_000_000);
    }

    #[test]
    fn debug_shows_no_bytes() {
        let track = track(&[(0, true)]);
        let text =
            "Track(MP4 H.264, 0x0, None, None, mirrored: false, bottom first: false, 0 bytes of setup, 1 samples)";
        assert_eq!(format!("{track:?}"), text);
        assert_eq!(format!("{:?}", track.samples), "[Sample(1 bytes at 0 us, key: true, shown: true)]");
    }
}

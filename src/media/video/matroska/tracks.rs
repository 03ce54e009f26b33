//! Track entries of Matroska: codec, size, the way up, and what was taken from the frames (RFC 9559, sections 5.1.4 and
//! 12).

use super::ebml::{children, damaged};
use crate::media::frame::Turn;
use crate::media::video::avi;
use crate::media::video::track::{Codec, Error, MOST_ADDED, no_video, printable, settings};

/// What is read of a `TrackEntry`.
#[derive(Default)]
struct Entry<'a> {
    number: u64,
    kind: u64,
    disabled: bool,
    codec: &'a [u8],
    private: &'a [u8],
    width: u64,
    height: u64,
    /// In degrees. Roll is counter-clockwise; a yaw of 180 mirrors.
    yaw: f64,
    roll: f64,
    /// How many `ContentEncoding` elements it has, and the body of the last one.
    encodings: usize,
    encoding: &'a [u8],
}

/// The track to read.
pub(super) struct VideoTrack<'a> {
    /// What its blocks are marked with.
    pub(super) number: u64,
    pub(super) codec: Codec,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) turn: Turn,
    pub(super) mirrored: bool,
    pub(super) setup: Vec<u8>,
    /// Bytes that each frame begins with but that are stored only here.
    pub(super) stripped: &'a [u8],
}

/// Values of `TrackType`.
const VIDEO: u64 = 1;
const AUDIO: u64 = 2;

/// The first enabled video track in the body of `Tracks`.
pub(super) fn choose(tracks: &[u8]) -> Result<VideoTrack<'_>, Error> {
    let mut sound = false;
    for track in children(tracks) {
        let track = track?;
        if track.id != id::TRACK_ENTRY {
            continue;
        }
        let entry = Entry::read(track.body)?;
        if entry.kind == VIDEO && !entry.disabled {
            return entry.describe();
        }
        sound |= entry.kind == AUDIO;
    }
    Err(no_video(sound))
}

/// Identifiers of the elements of a track (RFC 9559, section 27.1).
mod id {
    pub(super) const TRACK_ENTRY: u32 = 0xAE;
    pub(super) const TRACK_NUMBER: u32 = 0xD7;
    pub(super) const TRACK_TYPE: u32 = 0x83;
    pub(super) const FLAG_ENABLED: u32 = 0xB9;
    pub(super) const CODEC_ID: u32 = 0x86;
    pub(super) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(super) const VIDEO: u32 = 0xE0;
    pub(super) const PIXEL_WIDTH: u32 = 0xB0;
    pub(super) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(super) const PROJECTION: u32 = 0x7670;
    pub(super) const PROJECTION_POSE_YAW: u32 = 0x7673;
    pub(super) const PROJECTION_POSE_ROLL: u32 = 0x7675;
    pub(super) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(super) const CONTENT_ENCODING: u32 = 0x6240;
    pub(super) const CONTENT_ENCODING_SCOPE: u32 = 0x5032;
    pub(super) const CONTENT_ENCODING_TYPE: u32 = 0x5033;
    pub(super) const CONTENT_COMPRESSION: u32 = 0x5034;
    pub(super) const CONTENT_COMP_ALGO: u32 = 0x4254;
    pub(super) const CONTENT_COMP_SETTINGS: u32 = 0x4255;
}

/// How deep the elements of an entry lie in each other: entry, video, projection.
const DEPTH: usize = 3;

impl<'a> Entry<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Error> {
        let mut entry = Self::default();
        entry.enter(body, DEPTH)?;
        Ok(entry)
    }

    /// Takes over the elements in a body; those that hold others are entered.
    fn enter(&mut self, body: &'a [u8], depth: usize) -> Result<(), Error> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
        for element in children(body) {
            let element = element?;
            match element.id {
                id::VIDEO | id::PROJECTION | id::CONTENT_ENCODINGS => self.enter(element.body, depth)?,
                id::TRACK_NUMBER => self.number = element.unsigned()?,
                id::TRACK_TYPE => self.kind = element.unsigned()?,
                id::FLAG_ENABLED => self.disabled = element.unsigned()? == 0,
                id::CODEC_ID => self.codec = element.text(),
                id::CODEC_PRIVATE => self.private = element.body,
                id::PIXEL_WIDTH => self.width = element.unsigned()?,
                id::PIXEL_HEIGHT => self.height = element.unsigned()?,
                id::PROJECTION_POSE_YAW => self.yaw = element.float()?,
                id::PROJECTION_POSE_ROLL => self.roll = element.float()?,
                id::CONTENT_ENCODING => (self.encodings, self.encoding) = (self.encodings + 1, element.body),
                _ => {}
            }
        }
        Ok(())
    }

    fn describe(self) -> Result<VideoTrack<'a>, Error> {
        let (mirrored, turn) = self.orientation();
        let side = |pixels: u64| u32::try_from(pixels).unwrap_or(0);
        let (codec, setup) = self.codec();
        let stripped = self.stripped()?;
        let (width, height) = (side(self.width), side(self.height));
        Ok(VideoTrack { number: self.number, codec, width, height, turn, mirrored, setup: settings(setup)?, stripped })
    }

    /// The codec (Matroska codec specifications, section 4) and its settings.
    fn codec(&self) -> (Codec, &'a [u8]) {
        let codec = match self.codec {
            b"V_MPEG4/ISO/AVC" => Codec::H264,
            b"V_MPEGH/ISO/HEVC" => Codec::Hevc,
            b"V_VP8" => Codec::Vp8,
            b"V_VP9" => Codec::Vp9,
            b"V_MJPEG" => Codec::Mjpeg,
            b"V_AV1" => Codec::Other("AV1".into()),
            b"V_MPEG1" => Codec::Other("MPEG-1".into()),
            b"V_MPEG2" => Codec::Other("MPEG-2".into()),
            b"V_MPEG4/ISO/SP" | b"V_MPEG4/ISO/ASP" | b"V_MPEG4/ISO/AP" => Codec::Other("MPEG-4 Part 2".into()),
            b"V_MPEG4/MS/V3" => Codec::Other("Microsoft MPEG-4".into()),
            b"V_PRORES" => Codec::Other("ProRes".into()),
            b"V_THEORA" => Codec::Other("Theora".into()),
            b"V_FFV1" => Codec::Other("FFV1".into()),
            b"V_UNCOMPRESSED" => Codec::Other("uncompressed video".into()),
            // As in AVI.
            b"V_MS/VFW/FOURCC" => match avi::Picture::parse(self.private) {
                Some(picture) => return (picture.codec, picture.setup),
                None => Codec::Other(printable(self.codec)),
            },
            other => Codec::Other(printable(other)),
        };
        (codec, self.private)
    }

    /// Whether the picture is mirrored left to right, and the clockwise turn that follows: the nearest one.
    fn orientation(&self) -> (bool, Turn) {
        let turn = match self.roll.rem_euclid(360.0) {
            roll if (45.0..135.0).contains(&roll) => Turn::Left,
            roll if (135.0..225.0).contains(&roll) => Turn::Half,
            roll if (225.0..315.0).contains(&roll) => Turn::Right,
            _ => Turn::None,
        };
        (self.yaw.abs() == 180.0, turn)
    }

    /// What every frame begins with (RFC 9559, section 5.1.4.1.31): header stripping is the only encoding that is
    /// undone.
    fn stripped(&self) -> Result<&'a [u8], Error> {
        const HEADER_STRIPPING: u64 = 3;
        const FRAMES: u64 = 1;
        let (mut scope, mut kind, mut algorithm, mut settings) = (FRAMES, 0, 0, [].as_slice());
        for element in children(self.encoding) {
            let element = element?;
            match element.id {
                id::CONTENT_ENCODING_SCOPE => scope = element.unsigned()?,
                id::CONTENT_ENCODING_TYPE => kind = element.unsigned()?,
                id::CONTENT_COMPRESSION => {
                    for element in children(element.body) {
                        let element = element?;
                        match element.id {
                            id::CONTENT_COMP_ALGO => algorithm = element.unsigned()?,
                            id::CONTENT_COMP_SETTINGS => settings = element.body,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        match (self.encodings, kind, algorithm) {
            (0, ..) => Ok(&[]),
            (1, 0, HEADER_STRIPPING) if settings.len() > MOST_ADDED => Err(damaged()),
            (1, 0, HEADER_STRIPPING) if scope & FRAMES == 0 => Ok(&[]),
            (1, 0, HEADER_STRIPPING) => Ok(settings),
            (1, 1, _) => Err(Error::Unsupported("is encrypted".into())),
            _ => Err(Error::Unsupported("compresses its frames once more (zlib), which is not supported".into())),
        }
    }
}

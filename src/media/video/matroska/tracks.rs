//! Reads track entries of Matroska: codec, size, sample aspect ratio, orientation, and header stripping (RFC 9559, sections 5.1.4 and
//! 12).

use super::ebml::{children, damaged};
use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::media::video::avi;
use crate::media::video::track::{Codec, Error, MOST_ADDED, VIDEOS, no_video, printable, settings};

/// What is read of a `TrackEntry`.
#[derive(Default)]
pub(super) struct Entry<'a> {
    /// The number that its blocks contain.
    pub(super) number: u64,
    kind: u64,
    disabled: bool,
    /// Whether it is not played by default.
    pub(super) extra: bool,
    codec: &'a [u8],
    private: &'a [u8],
    width: u64,
    height: u64,
    /// Pixels to crop at the left and right, at the top and bottom.
    cropped: (u64, u64),
    /// Display size in the display unit; `None` if not stated.
    display: (Option<u64>, Option<u64>),
    unit: u64,
    /// How fields are stored.
    field_order: u64,
    /// In degrees. Roll is counter-clockwise; a yaw of 180 mirrors.
    yaw: f64,
    roll: f64,
    /// How many `ContentEncoding` elements it has, and the body of the last one.
    encodings: usize,
    encoding: &'a [u8],
}

/// The track to read.
pub(super) struct VideoTrack<'a> {
    pub(super) codec: Codec,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) shape: Option<Shape>,
    pub(super) turn: Rotation,
    pub(super) mirrored: bool,
    pub(super) bottom_first: bool,
    pub(super) setup: Vec<u8>,
    /// Bytes that each frame begins with but that are stored only here (header stripping).
    pub(super) stripped: &'a [u8],
}

/// Values of `TrackType`.
const VIDEO: u64 = 1;
const AUDIO: u64 = 2;

/// The first few enabled video tracks in the body of `Tracks`, at least one.
pub(super) fn videos(tracks: &[u8]) -> Result<Vec<Entry<'_>>, Error> {
    let (mut videos, mut sound) = (Vec::new(), false);
    for track in children(tracks) {
        let track = track?;
        if track.id != id::TRACK_ENTRY {
            continue;
        }
        let entry = Entry::read(track.body)?;
        sound |= entry.kind == AUDIO;
        if entry.kind == VIDEO && !entry.disabled && videos.len() < VIDEOS {
            videos.push(entry);
        }
    }
    if videos.is_empty() { Err(no_video(sound)) } else { Ok(videos) }
}

/// Identifiers of the elements of a track (RFC 9559, section 27.1).
mod id {
    pub(super) const TRACK_ENTRY: u32 = 0xAE;
    pub(super) const TRACK_NUMBER: u32 = 0xD7;
    pub(super) const TRACK_TYPE: u32 = 0x83;
    pub(super) const FLAG_ENABLED: u32 = 0xB9;
    pub(super) const FLAG_DEFAULT: u32 = 0x88;
    pub(super) const CODEC_ID: u32 = 0x86;
    pub(super) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(super) const VIDEO: u32 = 0xE0;
    pub(super) const PIXEL_WIDTH: u32 = 0xB0;
    pub(super) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(super) const FIELD_ORDER: u32 = 0x9D;
    pub(super) const CROP_BOTTOM: u32 = 0x54AA;
    pub(super) const CROP_TOP: u32 = 0x54BB;
    pub(super) const CROP_LEFT: u32 = 0x54CC;
    pub(super) const CROP_RIGHT: u32 = 0x54DD;
    pub(super) const DISPLAY_WIDTH: u32 = 0x54B0;
    pub(super) const DISPLAY_HEIGHT: u32 = 0x54BA;
    pub(super) const DISPLAY_UNIT: u32 = 0x54B2;
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

/// Nesting of the elements of an entry: entry, video, projection.
const DEPTH: usize = 3;

impl<'a> Entry<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Error> {
        let mut entry = Self::default();
        entry.enter(body, DEPTH)?;
        Ok(entry)
    }

    /// Reads the elements in a body; those that hold others are entered.
    fn enter(&mut self, body: &'a [u8], depth: usize) -> Result<(), Error> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
        for element in children(body) {
            let element = element?;
            match element.id {
                id::VIDEO | id::PROJECTION | id::CONTENT_ENCODINGS => self.enter(element.body, depth)?,
                id::TRACK_NUMBER => self.number = element.unsigned()?,
                id::TRACK_TYPE => self.kind = element.unsigned()?,
                id::FLAG_ENABLED => self.disabled = element.unsigned()? == 0,
                id::FLAG_DEFAULT => self.extra = element.unsigned()? == 0,
                id::CODEC_ID => self.codec = element.text(),
                id::CODEC_PRIVATE => self.private = element.body,
                id::PIXEL_WIDTH => self.width = element.unsigned()?,
                id::PIXEL_HEIGHT => self.height = element.unsigned()?,
                id::FIELD_ORDER => self.field_order = element.unsigned()?,
                id::CROP_LEFT | id::CROP_RIGHT => self.cropped.0 = self.cropped.0.saturating_add(element.unsigned()?),
                id::CROP_TOP | id::CROP_BOTTOM => self.cropped.1 = self.cropped.1.saturating_add(element.unsigned()?),
                id::DISPLAY_WIDTH => self.display.0 = Some(element.unsigned()?),
                id::DISPLAY_HEIGHT => self.display.1 = Some(element.unsigned()?),
                id::DISPLAY_UNIT => self.unit = element.unsigned()?,
                id::PROJECTION_POSE_YAW => self.yaw = element.float()?,
                id::PROJECTION_POSE_ROLL => self.roll = element.float()?,
                id::CONTENT_ENCODING => (self.encodings, self.encoding) = (self.encodings + 1, element.body),
                _ => {}
            }
        }
        Ok(())
    }

    /// Pixels of a frame.
    pub(super) fn pixels(&self) -> u64 {
        self.width.saturating_mul(self.height)
    }

    pub(super) fn describe(self) -> Result<VideoTrack<'a>, Error> {
        /// The lower field first, in rows of their own or in the frame's rows.
        const BOTTOM_FIRST: [u64; 2] = [6, 9];
        let (mirrored, turn) = self.orientation();
        let side = |pixels: u64| u32::try_from(pixels).unwrap_or(0);
        let (codec, setup) = self.codec();
        let (stripped, setup) = (self.stripped()?, settings(setup)?);
        let (width, height) = (side(self.width), side(self.height));
        let (shape, bottom_first) = (self.shape(), BOTTOM_FIRST.contains(&self.field_order));
        Ok(VideoTrack { codec, width, height, shape, turn, mirrored, bottom_first, setup, stripped })
    }

    /// The sample aspect ratio, by the display size (RFC 9559, section 11.2): by default in pixels, and equal to those that
    /// are stored and not cropped, or in any other unit but an unknown one.
    fn shape(&self) -> Option<Shape> {
        const PIXELS: u64 = 0;
        const UNKNOWN: u64 = 4;
        let (width, height) = (self.width.saturating_sub(self.cropped.0), self.height.saturating_sub(self.cropped.1));
        let side = |display: Option<u64>, stored| match display {
            None if self.unit == PIXELS => stored,
            display => display.unwrap_or(0),
        };
        if self.unit >= UNKNOWN {
            return None;
        }
        let display = (side(self.display.0, width), side(self.display.1, height));
        Shape::new(height.checked_mul(display.0)?, width.checked_mul(display.1)?)
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

    /// Whether the picture is mirrored left to right, and the clockwise turn that follows: the nearest quarter turn.
    fn orientation(&self) -> (bool, Rotation) {
        let turn = match self.roll.rem_euclid(360.0) {
            roll if (45.0..135.0).contains(&roll) => Rotation::Left,
            roll if (135.0..225.0).contains(&roll) => Rotation::Half,
            roll if (225.0..315.0).contains(&roll) => Rotation::Right,
            _ => Rotation::None,
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

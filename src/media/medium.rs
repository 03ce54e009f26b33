//! Whatever may show a person: a picture, a video or an archive of pictures, told by its bytes and seen as frames.
//!
//! Labels and file names lie and are not looked at.

use std::fmt;
use std::ops::ControlFlow;

use super::archive::{self, Archive};
use super::frame::Frame;
use super::still;
use super::video::{self, Clip, Info};
use crate::ops::Limits;

/// What bytes look like from their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JPEG or PNG.
    Picture,
    /// MP4, QuickTime, WebM, Matroska or AVI.
    Video,
    /// Zip.
    Archive,
}

/// A medium, opened but not decoded, except for a picture.
pub enum Medium<'a> {
    /// One frame, with its media type.
    Picture(Frame, &'static str),
    /// A video.
    Video(Box<Clip<'a>>),
    /// Pictures in the order of their names.
    Archive(Archive<'a>),
}

/// What is known of a medium without judging it.
#[derive(Clone, Debug, PartialEq)]
pub enum Details {
    /// A picture, upright.
    Picture {
        /// Media type.
        mime: &'static str,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
    /// A video.
    Video(Info),
    /// An archive.
    Archive {
        /// How many pictures are in it.
        pictures: usize,
    },
}

/// Why a medium gives no frames. The text is for the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Neither picture nor video nor archive, and what it is instead, if known.
    Unknown(Option<&'static str>),
    /// A picture, alone or in an archive, and its name there.
    Picture(Option<String>, still::Error),
    /// A video.
    Video(video::Error),
    /// An archive.
    Archive(archive::Error),
    /// The caller ran out of time.
    Late,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SEND: &str = "send JPEG, PNG, a video (MP4, MOV, WebM, MKV, AVI) or a zip archive of pictures";
        match self {
            Self::Unknown(Some(name)) => write!(f, "it is {name}; {SEND}"),
            Self::Unknown(None) => write!(f, "the bytes are neither a picture nor a video nor an archive; {SEND}"),
            Self::Picture(None, error) => error.fmt(f),
            Self::Picture(Some(name), error) => write!(f, "{name} in the archive: {error}"),
            Self::Video(error) => error.fmt(f),
            Self::Archive(error) => error.fmt(f),
            Self::Late => f.write_str("it took too long"),
        }
    }
}

impl std::error::Error for Error {}

/// Tells by the first bytes what a medium is; `None` if it is nothing that can be judged.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    if still::is_picture(bytes) {
        Some(Kind::Picture)
    } else if video::is_video(bytes) {
        Some(Kind::Video)
    } else if archive::sniff(bytes) {
        Some(Kind::Archive)
    } else {
        None
    }
}

impl<'a> Medium<'a> {
    /// Reads what describes the medium. Decodes it if it is a picture.
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        match kind(bytes) {
            Some(Kind::Picture) => {
                let frame = still::decode(bytes, limits).map_err(|e| Error::Picture(None, e))?;
                Ok(Self::Picture(frame, still::mime(bytes)))
            }
            Some(Kind::Video) => {
                Clip::open(bytes, limits).map(|clip| Self::Video(Box::new(clip))).map_err(Error::Video)
            }
            Some(Kind::Archive) => archive::open(bytes, limits).map(Self::Archive).map_err(Error::Archive),
            None if bytes.is_empty() => Err(Error::Picture(None, still::Error::Empty)),
            None => Err(Error::Unknown(still::other_format(bytes))),
        }
    }

    /// What it is.
    pub fn details(&self) -> Details {
        match self {
            Self::Picture(frame, mime) => Details::Picture { mime, width: frame.width(), height: frame.height() },
            Self::Video(clip) => Details::Video(clip.info().clone()),
            Self::Archive(archive) => Details::Archive { pictures: archive.len() },
        }
    }

    /// Hands out at most `count` frames in order, spread over the whole; fewer if `each` breaks off. `late` is asked between
    /// frames whether there is still time.
    pub fn frames(
        self,
        count: usize,
        limits: &Limits,
        late: &dyn Fn() -> bool,
        mut each: impl FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self {
            Self::Picture(frame, _) => {
                let _only_one = each(frame);
                Ok(())
            }
            Self::Video(clip) => match clip.sample(count, late, |shot| each(shot.frame)) {
                Ok(_) => Ok(()),
                Err(video::Error::TooSlow) => Err(Error::Late),
                Err(error) => Err(Error::Video(error)),
            },
            Self::Archive(archive) => {
                let pictures = archive.len();
                let count = count.min(pictures);
                for (number, entry) in archive.enumerate() {
                    if late() {
                        return Err(Error::Late);
                    }
                    let entry = entry.map_err(Error::Archive)?;
                    // The middle picture of each of `count` slots.
                    if !(0..count).any(|slot| (2 * slot + 1) * pictures / (2 * count) == number) {
                        continue;
                    }
                    let frame = still::decode(&entry.data, limits).map_err(|e| Error::Picture(Some(entry.name), e))?;
                    if each(frame).is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

//! Whatever may show a person: a picture, a video or an archive of pictures, told by its bytes and seen as frames.
//!
//! Labels and file names lie and are not looked at.

use std::fmt;
use std::ops::ControlFlow;

use super::archive::{self, Archive};
use super::frame::Frame;
use super::means::{Means, NO_MEMORY, NoRoom, too_much};
use super::still::{self, Held};
use super::video::{self, Clip, Info};

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
    Picture(Held, &'static str),
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
    /// Policy: it takes more memory than decoding may have.
    TooLarge(String),
    /// Ours: the system has no memory for it now.
    NoMemory,
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
            Self::TooLarge(what) => f.write_str(what),
            Self::NoMemory => f.write_str(NO_MEMORY),
            Self::Late => f.write_str("it took too long"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// That of a picture, alone or in an archive.
    fn of_picture(name: Option<String>, error: still::Error) -> Self {
        match error {
            still::Error::Late => Self::Late,
            still::Error::NoMemory => Self::NoMemory,
            error => Self::Picture(name, error),
        }
    }
}

impl From<NoRoom> for Error {
    fn from(refused: NoRoom) -> Self {
        match refused {
            NoRoom::Never(bytes, most) => Self::TooLarge(too_much("it", bytes, most)),
            NoRoom::Now => Self::NoMemory,
            NoRoom::Late => Self::Late,
        }
    }
}

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

/// Bytes a pixel that are reserved for a picture: it may be turned, which takes another copy.
const TURNED: u64 = 2 * still::BYTES;

impl<'a> Medium<'a> {
    /// Reads what describes the medium. Decodes it if it is a picture.
    pub fn open(bytes: &'a [u8], means: &Means<'_>) -> Result<Self, Error> {
        match kind(bytes) {
            Some(Kind::Picture) => {
                let held = still::decode_for(bytes, means, TURNED).map_err(|e| Error::of_picture(None, e))?;
                Ok(Self::Picture(held, still::mime(bytes)))
            }
            Some(Kind::Video) => {
                Clip::open(bytes, means.limits).map(|clip| Self::Video(Box::new(clip))).map_err(Error::Video)
            }
            Some(Kind::Archive) => archive::open(bytes, means.limits).map(Self::Archive).map_err(Error::Archive),
            None if bytes.is_empty() => Err(Error::Picture(None, still::Error::Empty)),
            None => Err(Error::Unknown(still::other_format(bytes))),
        }
    }

    /// What it is.
    pub fn details(&self) -> Details {
        match self {
            Self::Picture(held, mime) => Details::Picture { mime, width: held.width(), height: held.height() },
            Self::Video(clip) => Details::Video(clip.info().clone()),
            Self::Archive(archive) => Details::Archive { pictures: archive.len() },
        }
    }

    /// Hands out at most `count` frames in order, spread over the whole; fewer if `each` breaks off. Memory is reserved as
    /// for one frame and a turned copy of it, and for `keep` bytes that `each` keeps.
    pub fn frames(
        self,
        count: usize,
        keep: u64,
        means: &Means<'_>,
        mut each: impl FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self {
            Self::Picture(Held { frame, room: _until_the_end }, _) => {
                let _only_one = each(frame);
                Ok(())
            }
            Self::Video(clip) => {
                let _room = means.room(clip.bytes() + keep)?;
                match clip.sample(count, means.stop, |shot| each(shot.frame)) {
                    Ok(_) => Ok(()),
                    Err(video::Error::TooSlow) => Err(Error::Late),
                    Err(error) => Err(Error::Video(error)),
                }
            }
            Self::Archive(archive) => {
                let _kept = means.kept(archive.largest() + keep)?;
                let pictures = archive.len();
                let count = count.min(pictures);
                for (number, entry) in archive.enumerate() {
                    if (means.stop)() {
                        return Err(Error::Late);
                    }
                    let entry = entry.map_err(Error::Archive)?;
                    // The middle picture of each of `count` slots.
                    if !(0..count).any(|slot| (2 * slot + 1) * pictures / (2 * count) == number) {
                        continue;
                    }
                    let Held { frame, room: _until_it_was_seen } = still::decode_for(&entry.data, means, TURNED)
                        .map_err(|e| Error::of_picture(Some(entry.name), e))?;
                    if each(frame).is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

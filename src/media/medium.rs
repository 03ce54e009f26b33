//! Opens pictures, videos and archives of pictures, recognized by their bytes, and reads their frames.
//!
//! Content types and file names are unreliable and not used.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use super::archive::{self, Archive};
use super::formats;
use super::frame::Frame;
use super::means::{Means, NO_MEMORY, NoRoom, too_much};
use super::still::{self, HeldMedia};
use super::video::{self, Clip, Info};

/// The kind of medium, by its first bytes.
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
    Picture(HeldMedia, &'static str),
    /// A video.
    Video(Box<Clip<'a>>),
    /// Pictures in the order of their names.
    Archive(Archive<'a>),
}

/// Properties of a medium, without a verdict on it.
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
    /// Neither picture nor video nor archive; its format, if recognized.
    Unknown(Option<&'static str>),
    /// A picture, alone or in an archive, with its name in the archive.
    Picture(Option<String>, still::Error),
    /// A video.
    Video(video::Error),
    /// An archive.
    Archive(archive::Error),
    /// Policy: decoding it takes more memory than is allowed.
    TooLarge(String),
    /// Service: the system has no memory for it now.
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
    /// The error of a picture, alone or in an archive.
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

/// The kind of medium by its first bytes; `None` if it is unsupported. A HEIC has the structure of a video but is not one.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    if still::is_picture(bytes) {
        Some(Kind::Picture)
    } else if formats::heif(bytes).is_none() && video::is_video(bytes) {
        Some(Kind::Video)
    } else if archive::sniff(bytes) {
        Some(Kind::Archive)
    } else {
        None
    }
}

/// Pixels of a picture of which a copy may be made: a best shot has no more.
const COPIED: u64 = 1920 * 1080;

impl<'a> Medium<'a> {
    /// Reads the medium's description. Decodes it if it is a picture.
    pub fn open(bytes: &'a [u8], means: &Means<'_>) -> Result<Self, Error> {
        match kind(bytes) {
            Some(Kind::Picture) => {
                let held = still::decode_for(bytes, means, COPIED).map_err(|e| Error::of_picture(None, e))?;
                Ok(Self::Picture(held, still::mime(bytes)))
            }
            Some(Kind::Video) => {
                Clip::open(bytes, means.limits).map(|clip| Self::Video(Box::new(clip))).map_err(Error::Video)
            }
            Some(Kind::Archive) => archive::open(bytes, means.limits).map(Self::Archive).map_err(Error::Archive),
            None if bytes.is_empty() => Err(Error::Picture(None, still::Error::Empty)),
            None => Err(Error::Unknown(formats::name(bytes))),
        }
    }

    /// Its properties.
    pub fn details(&self) -> Details {
        match self {
            Self::Picture(held, mime) => Details::Picture { mime, width: held.width(), height: held.height() },
            Self::Video(clip) => Details::Video(clip.info().clone()),
            Self::Archive(archive) => Details::Archive { pictures: archive.len() },
        }
    }

    /// As [`Self::timed_frames`], without times.
    pub fn frames(
        self,
        count: usize,
        keep: u64,
        means: &Means<'_>,
        mut each: impl FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.timed_frames(count, keep, means, |frame, _| each(frame))
    }

    /// Passes at most `count` frames to `each` in order, spread over the whole; fewer if `each` breaks. Reserves memory for
    /// one frame and a copy of it or, if it is large, of a part of it, and for `keep` bytes that `each` keeps. Frames of a video come with
    /// their times.
    pub fn timed_frames(
        self,
        count: usize,
        keep: u64,
        means: &Means<'_>,
        mut each: impl FnMut(Frame, Option<Duration>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self {
            Self::Picture(HeldMedia { frame, room: _until_the_end }, _) => {
                let _only_one = each(frame, None);
                Ok(())
            }
            Self::Video(clip) => {
                let _room = means.room(clip.bytes() + keep)?;
                match clip.sample(count, means.stop, means.threads, |shot| {
                    each(shot.frame, Some(Duration::from_micros(u64::try_from(shot.time_us).unwrap_or_default())))
                }) {
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
                    // The middle picture of each of `count` equal parts.
                    if !(0..count).any(|slot| (2 * slot + 1) * pictures / (2 * count) == number) {
                        continue;
                    }
                    let HeldMedia { frame, room: _until_it_was_seen } =
                        still::decode_for(&entry.data, means, COPIED)
                            .map_err(|e| Error::of_picture(Some(entry.name), e))?;
                    if each(frame, None).is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heic_files_are_not_taken_for_video() {
        for (start, expected) in [
            (&b"\0\0\0\x18ftypisom\0\0\0\0isommp42"[..], Some(Kind::Video)),
            (b"\0\0\0\x18ftypheix\0\0\0\0isommif1", None),
            (b"\0\0\0\x18ftypmsf1\0\0\0\0isomhevc", None),
            (b"\0\0\0\x18ftypavis\0\0\0\0iso8msf1", None),
        ] {
            assert_eq!(kind(start), expected, "{start:?}");
        }
    }
}

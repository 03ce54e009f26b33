//! Videos: a clip becomes a handful of upright RGB frames, or an error that says why not.
//!
//! A clip goes one way: `track` and the readers beside it (ISO base media, Matroska, AVI) find the compressed samples, `plan`
//! chooses which to decode, `run` lets `codec` decode them, `order` puts the pictures into order of presentation. Sound,
//! subtitles and further video tracks are not looked at. The shape of a pixel is taken as square, and the tone curves of
//! high dynamic range are not applied.

pub mod avi;
pub mod bmff;
mod codec;
mod effort;
pub mod h263;
pub mod matroska;
mod order;
mod plan;
mod run;
#[cfg(test)]
mod tests;
pub mod track;
pub mod vp8;

use std::fmt;
use std::ops::ControlFlow;

pub(super) use self::codec::mjpeg::picture as mjpeg_picture;

use self::codec::Role;
use self::plan::Plan;
use self::run::Run;
use self::track::{Family, Track};
use super::frame::{Frame, Turn};
use super::yuv::Picture;
use crate::ops::Limits;

/// What is known of a clip without decoding it.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// Media type of the file.
    pub mime: &'static str,
    /// Name of the codec.
    pub codec: String,
    /// Width in pixels, upright; 0 if the container does not say.
    pub width: u32,
    /// Height in pixels, upright; 0 if the container does not say.
    pub height: u32,
    /// Shown frames a second on average; 0 if there is a single one.
    pub frames_per_second: f64,
    /// Seconds that are shown; 0 if there is a single frame.
    pub duration_s: f64,
}

/// One frame of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// The upright picture.
    pub frame: Frame,
    /// Microseconds after the first shown frame.
    pub time_us: i64,
}

/// Why a clip gives no frames. The text is for the client: it holds nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file or too much of what it holds is damaged.
    Damaged(String),
    /// The file is sound, but it has no pictures.
    NoVideo(String),
    /// The file is sound, but a codec or a kind of it is not supported.
    Unsupported(String),
    /// Policy: larger or longer than the limits allow.
    TooLarge(String),
    /// The caller said to stop.
    TooSlow,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) | Self::NoVideo(what) | Self::Unsupported(what) | Self::TooLarge(what) => {
                f.write_str(what)
            }
            Self::TooSlow => f.write_str("decoding the video took too long"),
        }
    }
}

impl std::error::Error for Error {}

impl From<track::Error> for Error {
    fn from(error: track::Error) -> Self {
        match error {
            track::Error::Damaged(what) => Self::Damaged(what),
            track::Error::NoVideoTrack(what) => Self::NoVideo(what),
            track::Error::Unsupported(what) => Self::Unsupported(what),
            track::Error::TooLong(what) | track::Error::TooLarge(what) => Self::TooLarge(what),
        }
    }
}

/// Whether bytes begin like a video file, whatever is in it.
pub fn is_video(bytes: &[u8]) -> bool {
    track::sniff(bytes).is_some()
}

/// A video file whose track was found and whose codec is supported.
pub struct Clip<'a> {
    track: Track<'a>,
    limits: Limits,
    info: Info,
    /// Bytes that its decoder keeps.
    decoder: u64,
}

impl<'a> Clip<'a> {
    /// Reads what describes the clip; no picture is decoded.
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let track = match track::sniff(bytes) {
            Some(Family::Bmff) => bmff::read(bytes, limits)?,
            Some(Family::Matroska) => matroska::read(bytes, limits)?,
            Some(Family::Avi) => avi::read(bytes, limits)?,
            None => return Err(Error::NoVideo("the bytes are no MP4, MOV, WebM, MKV or AVI".into())),
        };
        // The pictures are checked again: they may be larger than the container says.
        codec::check_size(track.width.into(), track.height.into(), limits.video_pixels)?;
        let limits = &Limits { video_pixels: effort::most_pixels(&track, limits.video_pixels), ..limits.clone() };
        let decoder = run::new_decoder(&track, limits)?.bytes();
        let (width, height) = match track.turn {
            Turn::None | Turn::Half => (track.width, track.height),
            Turn::Left | Turn::Right => (track.height, track.width),
        };
        let info = Info {
            mime: track.container.mime(),
            codec: track.codec.to_string(),
            width,
            height,
            frames_per_second: track.frames_per_second(),
            duration_s: track.duration_us() as f64 / 1e6,
        };
        Ok(Self { track, limits: limits.clone(), info, decoder })
    }

    /// What is known of the clip.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Bytes that decoding takes at most: what the decoder keeps, a picture of up to two bytes a pixel, its frame, and a
    /// turned copy of that.
    pub fn bytes(&self) -> u64 {
        const PICTURE_AND_TURNED_FRAME: u64 = 2 + 2 * 3;
        self.decoder + self.limits.video_pixels * PICTURE_AND_TURNED_FRAME
    }

    /// Splits the shown time into `count` equal slots, or fewer if there are fewer frames, and hands out the middle frame of
    /// each, in order of time, until `each` breaks off. Returns how many it handed out; a slot in which nothing is shown or
    /// sound gives none.
    ///
    /// `stop` is asked between samples, and inside of large ones, whether to give up with [`Error::TooSlow`]. Damaged frames,
    /// and those that are built on them, are left out; if these are more than half of what was looked at, the clip is
    /// [`Error::Damaged`], even though frames may have been handed out already.
    pub fn sample(
        &self,
        count: usize,
        stop: &dyn Fn() -> bool,
        mut each: impl FnMut(Shot) -> ControlFlow<()>,
    ) -> Result<usize, Error> {
        let samples = &self.track.samples;
        let decoder = run::new_decoder(&self.track, &self.limits)?;
        let roles: Vec<Role> = samples.iter().map(|sample| run::role(&*decoder, &sample.data)).collect();
        let plan = Plan::new(samples, &roles, count);
        let mut given = 0;
        let _may_be_broken = self.decode(&plan.decoded, &plan.wanted, stop, |number, picture| {
            given += 1;
            let frame = picture.to_frame(self.track.turn, self.track.mirrored);
            each(Shot { frame, time_us: samples[number].time_us })
        })?;
        Ok(given)
    }

    /// Hands out every shown picture as it was decoded, in order of presentation, with its time in microseconds.
    ///
    /// Damaged ones are left out as by [`Clip::sample`].
    pub fn decode_all(&self, mut each: impl FnMut(&Picture, i64)) -> Result<(), Error> {
        let samples = &self.track.samples;
        let shown: Vec<bool> = samples.iter().map(|sample| sample.shown).collect();
        let _never_broken = self.decode(&vec![true; samples.len()], &shown, &|| false, |number, picture| {
            each(&picture, samples[number].time_us);
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// Decodes the marked samples and hands out the pictures of those that are wanted, in order of presentation.
    fn decode(
        &self,
        marked: &[bool],
        wanted: &[bool],
        stop: &dyn Fn() -> bool,
        mut each: impl FnMut(usize, Picture) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut run = Run::new(&self.track, &self.limits, wanted)?;
        for step in (0..marked.len()).filter(|&number| marked[number]).map(Some).chain([None]) {
            match step {
                Some(_) if stop() => return Err(Error::TooSlow),
                Some(number) => run.feed(number, stop)?,
                None => run.finish(),
            }
            while let Some((number, picture)) = run.next() {
                if each(number, picture).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        run.verdict().map(ControlFlow::Continue)
    }
}

/// Reads any bytes as a clip with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { video_frames: 64, video_pixels: 1 << 17, ..Limits::default() };
    let Ok(clip) = Clip::open(bytes, &limits) else { return };
    let mut times = Vec::new();
    let result = clip.sample(4, &|| false, |shot| {
        assert!(shot.frame.width() * shot.frame.height() <= 1 << 17, "no picture is larger than the limit");
        times.push(shot.time_us);
        ControlFlow::Continue(())
    });
    assert!(times.is_sorted(), "frames come in order");
    assert!(times.len() <= 4, "no slot gives two frames");
    assert!(result.is_err() || result == Ok(times.len()), "the count is right");
}

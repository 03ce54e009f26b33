//! Turns a clip into a few upright RGB frames, or an error that states the reason.
//!
//! The steps: `track` and the readers beside it (ISO base media, Matroska, AVI) find the compressed samples, `plan`
//! chooses which to decode, `run` lets `codec` decode them, `order` puts the pictures into order of presentation. Pixels that are
//! not square are resampled to square, by the ratio in the container, else in the stream. Sound, subtitles and further video
//! tracks are ignored. The tone curves of high dynamic range are not applied.

pub mod avi;
pub mod bmff;
mod codec;
mod effort;
pub mod matroska;
mod order;
mod plan;
mod run;
mod sound;
#[cfg(test)]
mod tests;
pub mod track;
pub mod vp8;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use self::codec::mjpeg::picture as mjpeg_picture;

use self::codec::Role;
use self::effort::Effort;
use self::plan::SamplingPlan;
use self::run::Run;
use self::track::{Family, Track};
use super::Shape;
use super::frame::{Frame, Rotation};
use super::means::Threads;
use super::yuv::Picture;
use crate::ops::{Limits, Stop};

/// What is known of a clip without decoding it.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// Media type of the file.
    pub mime: &'static str,
    /// Name of the codec.
    pub codec: String,
    /// Width in pixels, upright; 0 if the container does not state it.
    pub width: u32,
    /// Height in pixels, upright; 0 if the container does not state it.
    pub height: u32,
    /// Shown frames a second on average; 0 if there is only one.
    pub frames_per_second: f64,
    /// Seconds that are shown; 0 if there is only one frame.
    pub duration_s: f64,
}

/// One frame of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipFrame {
    /// The upright picture.
    pub frame: Frame,
    /// Microseconds after the first shown frame.
    pub time_us: i64,
}

/// Why a clip gives no frames. The text is for the client and contains nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file, or too much of its content, is damaged.
    Damaged(String),
    /// The file is sound, but it has no pictures.
    NoVideo(String),
    /// The file is sound, but its codec or a variant of it is not supported.
    Unsupported(String),
    /// Policy: larger or longer than the limits allow.
    TooLarge(String),
    /// The caller asked to stop.
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

/// Whether bytes begin like a video file, whatever it contains.
pub fn is_video(bytes: &[u8]) -> bool {
    track::sniff(bytes).is_some()
}

/// A video file whose track was found and whose codec is supported.
pub struct Clip<'a> {
    track: Track<'a>,
    limits: Limits,
    info: Info,
    /// Pixels that a frame may have after its pixels were made square.
    most_shown: u64,
    /// Bytes that its decoder keeps.
    decoder: u64,
}

impl<'a> Clip<'a> {
    /// Reads the description of the clip; no picture is decoded.
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let track = match track::sniff(bytes) {
            Some(Family::Bmff) => bmff::read(bytes, limits)?,
            Some(Family::Matroska) => matroska::read(bytes, limits)?,
            Some(Family::Avi) => avi::read(bytes, limits)?,
            None => return Err(Error::NoVideo("the bytes are no MP4, MOV, WebM, MKV or AVI".into())),
        };
        Self::of(track, limits)
    }

    /// A clip of a track that was read.
    fn of(track: Track<'a>, limits: &Limits) -> Result<Self, Error> {
        // The pictures are checked again: they may be larger than the container states.
        codec::check_size(track.width.into(), track.height.into(), limits.video_pixels)?;
        let policy = limits.video_pixels;
        let video_pixels = effort::most_pixels(track.width.into(), track.height.into(), policy);
        let limits = &Limits { video_pixels, ..limits.clone() };
        let decoder = run::new_decoder(&track, limits)?;
        let track = sound::only(track, &*decoder, limits)?;
        let shape = match (track.shape, track.samples.first()) {
            (None, Some(first)) => run::shape(&*decoder, &first.data),
            (shape, _) => shape,
        };
        let shape = admitted(shape)?;
        // No stored picture is larger than its limit, but it may become larger when its pixels are made square.
        let (wide, high) = match (track.width, track.height) {
            (0, _) | (_, 0) => (0, 0),
            (width, height) => shape.size(width as usize, height as usize, policy),
        };
        let most_shown = effort::most_pixels(wide as u64, high as u64, policy).max(video_pixels);
        let (width, height) = match track.turn {
            Rotation::None | Rotation::Half => (wide as u32, high as u32),
            Rotation::Left | Rotation::Right => (high as u32, wide as u32),
        };
        let info = Info {
            mime: track.container.mime(),
            codec: track.codec.to_string(),
            width,
            height,
            frames_per_second: track.frames_per_second(),
            duration_s: track.duration_us() as f64 / 1e6,
        };
        Ok(Self { track, limits: limits.clone(), info, most_shown, decoder: decoder.bytes() })
    }

    /// What is known of the clip.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Bytes that decoding takes at most: what the decoder keeps, a picture that is decoded ahead, of up to three bytes a pixel, and a frame
    /// beside its own picture or beside a copy with square pixels.
    pub fn bytes(&self) -> u64 {
        const PICTURE: u64 = 3;
        const FRAME_AND_COPY: u64 = 2 * 3;
        self.decoder + self.limits.video_pixels * PICTURE + self.most_shown * FRAME_AND_COPY
    }

    /// Splits the shown frames into `count` equal segments, or fewer if there are fewer frames, and passes the middle frame of
    /// each to `each`, in order of time, until that breaks off. Returns how many it passed; a segment without a sound frame gives
    /// none.
    ///
    /// While `each` has a frame, the next one may be decoded beside it, as `threads` has it. `stop` is polled between samples, and inside
    /// large ones; true ends with [`Error::TooSlow`]. Damaged frames,
    /// and those that are predicted from them, are left out; if these are more than half of the chosen ones, the clip is
    /// [`Error::Damaged`], even though frames may have been passed already.
    pub fn sample(
        &self,
        count: usize,
        stop: &Stop<'_>,
        threads: &dyn Threads,
        mut each: impl FnMut(ClipFrame) -> ControlFlow<()>,
    ) -> Result<usize, Error> {
        let samples = &self.track.samples;
        let decoder = run::new_decoder(&self.track, &self.limits)?;
        let roles: Vec<Role> = samples.iter().map(|sample| run::role(&*decoder, &sample.data)).collect();
        let plan = SamplingPlan::new(samples, &roles, count);
        let mut effort = Effort::default();
        effort.add(samples.iter().map(|sample| sample.data.len()).sum(), 0)?;
        let mut given = 0;
        let mut failed = None;
        self.decode(&plan, stop, threads, |time_us, picture| match self.frame(picture, &mut effort) {
            Ok(frame) => {
                given += 1;
                each(ClipFrame { frame, time_us })
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(given), Err)
    }

    /// A picture as it should be seen: with square pixels, upright.
    fn frame(&self, picture: Picture, effort: &mut Effort) -> Result<Frame, Error> {
        let shape = admitted(self.track.shape.or(picture.shape))?;
        let (width, height) = shape.size(picture.width(), picture.height(), self.most_shown);
        effort.add(0, width as u64 * height as u64)?;
        let frame = picture.to_rgb();
        drop(picture); // the next one may be there already
        Ok(shape.square(frame, self.most_shown).seen(self.track.mirrored, self.track.turn))
    }

    /// Passes every shown picture as it was decoded, in order of presentation, with its time in microseconds.
    ///
    /// Damaged ones are left out as by [`Clip::sample`].
    pub fn decode_all(&self, mut each: impl FnMut(&Picture, i64)) -> Result<(), Error> {
        let samples = &self.track.samples;
        let wanted = samples.iter().map(|sample| sample.shown).collect();
        let plan = SamplingPlan { wanted, decoded: vec![true; samples.len()] };
        self.decode(&plan, &|| false, &(), |time_us, picture| {
            each(&picture, time_us);
            ControlFlow::Continue(())
        })
    }

    /// Decodes samples as planned and passes the pictures of the wanted ones, with their times, in order of presentation, until `each`
    /// breaks off. One picture at the most is decoded ahead of `each`.
    fn decode(
        &self,
        plan: &SamplingPlan,
        stop: &Stop<'_>,
        threads: &dyn Threads,
        mut each: impl FnMut(i64, Picture) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut run = Run::new(&self.track, &self.limits, plan)?;
        let mut next = run.next(stop)?;
        while let Some((time_us, picture)) = next.take() {
            let (mut picture, mut flow) = (Some(picture), ControlFlow::Continue(()));
            let (mut ahead, is_over) = (Ok(None), AtomicBool::new(false));
            // Whoever decodes beside `each` does so while that takes, and one sample longer at the most: it may have work of its own.
            let mut decode = || ahead = run.next_before(&|| is_over.load(Ordering::Relaxed), stop);
            threads.fork(&mut decode, &mut || {
                if let Some(picture) = picture.take() {
                    flow = each(time_us, picture);
                }
                is_over.store(true, Ordering::Relaxed);
            });
            if flow.is_break() {
                return Ok(());
            }
            next = match ahead? {
                None => run.next(stop)?,
                ahead => ahead,
            };
        }
        run.verdict()
    }
}

/// The sample aspect ratio of a clip, 1:1 if neither container nor stream states it; refuses ratios that no format has.
fn admitted(shape: Option<Shape>) -> Result<Shape, Error> {
    let shape = shape.unwrap_or(Shape::SQUARE);
    if shape.is_extreme() {
        return Err(Error::Unsupported(format!("the video's pixels are {shape}, which is not supported")));
    }
    Ok(shape)
}

/// Reads any bytes as a clip with small limits: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { video_frames: 64, video_pixels: 1 << 17, ..Limits::default() };
    let Ok(clip) = Clip::open(bytes, &limits) else { return };
    let mut times = Vec::new();
    let result = clip.sample(4, &|| false, &(), |shot| {
        assert!(shot.frame.width() * shot.frame.height() <= 1 << 17, "no picture is larger than the limit");
        times.push(shot.time_us);
        ControlFlow::Continue(())
    });
    assert!(times.is_sorted(), "frames come in order");
    assert!(times.len() <= 4, "no slot gives two frames");
    assert!(result.is_err() || result == Ok(times.len()), "the count is right");
}

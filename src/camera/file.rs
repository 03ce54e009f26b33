//! Plays a picture, a clip or a folder of pictures in a loop in place of a camera, for demonstrations and tests. A file that another program
//! replaces is shown anew.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::fault::Fault;
use super::source::{FrameSource, Identity, RawFrame, STALL};
use crate::media::raw::{Layout, PixelFormat};
use crate::media::{Frame, Means, Medium, Rotation};
use crate::ops::{Limits, Memory, settings};

pub(super) struct Files {
    identity: Identity,
    frames: Vec<Frame>,
    interval: Duration,
    due: Instant,
    sequence: u32,
    /// The file, if it is one, and when it was written.
    watched: Option<(PathBuf, Option<SystemTime>)>,
    limits: Limits,
}

/// Most frames of a clip or folder; they are kept decoded.
const FRAMES: usize = 64;

impl Files {
    pub(super) fn open(path: &Path, settings: &settings::Camera, limits: &Limits) -> Result<Self, Fault> {
        let mut frames = vec![];
        let watched = path.is_file().then(|| (path.to_owned(), written(path)));
        for file in files(path)? {
            match decoded(&file, limits) {
                Ok(more) => frames.extend(more),
                // Folders may also hold notes.
                Err(Fault::Unsupported(why)) if watched.is_none() => {
                    log::warn!("left out, it is no picture or clip: {why}")
                }
                Err(fault) => return Err(fault),
            }
        }
        let Some(first) = frames.first() else {
            return Err(Fault::Absent(format!("{}: no picture and no clip is in it", path.display())));
        };
        let identity = Identity {
            place: format!("file:{}", path.display()),
            name: "files".into(),
            layout: Layout::new(PixelFormat::Rgb3, first.width(), first.height()),
            fps: f64::from(settings.fps),
        };
        let interval = Duration::from_secs(1) / settings.fps;
        Ok(Self { identity, frames, interval, due: Instant::now(), sequence: 0, watched, limits: limits.clone() })
    }
}

/// When a file was written.
fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}

/// The frames of a file.
fn decoded(file: &Path, limits: &Limits) -> Result<Vec<Frame>, Fault> {
    let bytes = std::fs::read(file).map_err(|e| Fault::from_io(&e, &file.display().to_string()))?;
    let unreadable = |why: String| Fault::Unsupported(format!("{}: {why}", file.display()));
    // Files that the owner of the machine chose, most of them read before there are requests: they take no memory that others wait for.
    let memory = Memory::new(limits);
    let means = Means { limits, memory: &memory, stop: &|| false, threads: &() };
    let medium = Medium::open(&bytes, &means).map_err(|e| unreadable(e.to_string()))?;
    let mut frames = vec![];
    let mut each = |frame: Frame| {
        frames.push(frame.oriented(false, Rotation::None));
        std::ops::ControlFlow::Continue(())
    };
    medium.frames(FRAMES, 0, &means, &mut each).map_err(|e| unreadable(e.to_string()))?;
    Ok(frames)
}

impl Files {
    /// Takes over a file that was replaced, if it can be read and its frames have the size of those before.
    fn look_again(&mut self) {
        let Some((path, before)) = &mut self.watched else { return };
        let now = written(path);
        if now.is_none() || now == *before {
            return;
        }
        *before = now;
        match decoded(path, &self.limits) {
            Ok(frames) => {
                let size = |frame: &Frame| (frame.width(), frame.height());
                let first = self.frames.first().map(size);
                if frames.first().map(size) == first && first.is_some() {
                    self.frames = frames;
                } else {
                    log::warn!("{}: its size has changed; the frames before are shown", path.display());
                }
            }
            // It may be in the middle of being written.
            Err(fault) => log::debug!("the frames before are shown: {fault}"),
        }
    }
}

/// The file itself, or the files in a folder ordered by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Fault> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let fault = |e: std::io::Error| Fault::from_io(&e, &path.display().to_string());
    let entries = std::fs::read_dir(path).map_err(fault)?.map(|entry| entry.map(|e| e.path()));
    let mut files = entries.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    files.retain(|file| file.is_file());
    files.sort();
    files.truncate(FRAMES);
    Ok(files)
}

impl FrameSource for Files {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn next(&mut self, deadline: Instant) -> Result<RawFrame, Fault> {
        let now = Instant::now();
        if deadline < self.due {
            std::thread::sleep(deadline.saturating_duration_since(now));
            return Err(Fault::Stalled(STALL));
        }
        std::thread::sleep(self.due.saturating_duration_since(now));
        self.look_again();
        let frame = &self.frames[self.sequence as usize % self.frames.len()];
        let taken = Instant::now();
        self.due = (self.due + self.interval).max(taken);
        self.sequence = self.sequence.wrapping_add(1);
        Ok(RawFrame {
            bytes: frame.pixels().to_vec().into(),
            layout: Layout::new(PixelFormat::Rgb3, frame.width(), frame.height()),
            sequence: self.sequence,
            taken,
        })
    }
}

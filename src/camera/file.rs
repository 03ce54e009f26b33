//! Plays a picture, a clip or a folder of pictures in a loop in place of a camera, for demonstrations and tests.

use std::path::Path;
use std::time::{Duration, Instant};

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
}

/// Most frames of a clip or folder; they are kept decoded.
const FRAMES: usize = 64;

impl Files {
    pub(super) fn open(path: &Path, settings: &settings::Camera, limits: &Limits) -> Result<Self, Fault> {
        let mut frames = vec![];
        let is_folder = path.is_dir();
        for file in files(path)? {
            let bytes = std::fs::read(&file).map_err(|e| Fault::from_io(&e, &file.display().to_string()))?;
            let unreadable = |why: String| Fault::Unsupported(format!("{}: {why}", file.display()));
            // Files that the owner of the machine chose, read before there are requests: nothing else needs the memory.
            let memory = Memory::new(limits);
            let means = Means { limits, memory: &memory, stop: &|| false, threads: &() };
            let medium = match Medium::open(&bytes, &means) {
                Ok(medium) => medium,
                // Folders may also hold notes.
                Err(why) if is_folder => {
                    log::warn!("{}: left out, it is no picture or clip: {why}", file.display());
                    continue;
                }
                Err(why) => return Err(unreadable(why.to_string())),
            };
            let mut each = |frame: Frame| {
                frames.push(frame.oriented(false, Rotation::None));
                std::ops::ControlFlow::Continue(())
            };
            medium.frames(FRAMES, 0, &means, &mut each).map_err(|e| unreadable(e.to_string()))?;
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
        Ok(Self { identity, frames, interval, due: Instant::now(), sequence: 0 })
    }
}

/// The file itself, or the files in a folder ordered by name.
fn files(path: &Path) -> Result<Vec<std::path::PathBuf>, Fault> {
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

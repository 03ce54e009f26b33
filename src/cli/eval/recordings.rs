//! Finds recordings below a folder, and gathers from their frames.
//!
//! Under the root, the folder `real` holds recordings of people, and every other folder attacks of one species. A recording is a clip,
//! an archive, or a folder of pictures.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::gallery::{each, files, is_picture, load, read};
use super::liveness::is_medium;
use crate::engine;
use crate::face::{self, Extractor};
use crate::media::{Frame, Means, Medium};
use crate::ops::Settings;

/// Time from one picture of a folder or archive to the next, which has no times of its own: webcams' sequences have about ten a second.
const INTERVAL: Duration = Duration::from_millis(100);

/// A recording.
#[derive(Clone)]
pub(super) struct Source {
    /// Path below the root: of a clip, or of a folder of pictures.
    pub(super) name: String,
    /// The folder's pictures, none of a clip.
    pictures: Vec<String>,
}

/// A recording with its result, or why there is none.
pub(super) type Gathered<T> = (Source, Result<T, face::Error>);

/// What is gathered of the frames of one recording, each with the time since the first.
pub(super) trait Gather {
    fn push(&mut self, extractor: &mut Extractor, frame: &Frame, at: Duration) -> Result<(), engine::Error>;
}

impl Source {
    /// The folder that names its species.
    pub(super) fn species(&self) -> &str {
        self.name.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// Passes all frames on.
    fn show(
        &self,
        root: &Path,
        extractor: &mut Extractor,
        means: &Means<'_>,
        gathered: &mut impl Gather,
    ) -> Result<(), face::Error> {
        for (number, picture) in (0..).zip(&self.pictures) {
            let frame = extractor.decode(&read(&root.join(picture))?, means.stop)?;
            gathered.push(extractor, &frame.upright(), INTERVAL * number)?;
        }
        if !self.pictures.is_empty() {
            return Ok(());
        }
        let (mut failed, mut number) = (None, 0);
        let each = |frame: Frame, at: Option<Duration>| {
            let at = at.unwrap_or(INTERVAL * number);
            number += 1;
            match gathered.push(extractor, &frame.upright(), at) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        Medium::open(&read(&root.join(&self.name))?, means)?.timed_frames(usize::MAX, 0, means, each)?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Gathers from every recording below `root` on all workers, and makes a result of each.
pub(super) fn each_recording<G: Gather, T: Send + 'static>(
    settings: &Settings,
    root: &Path,
    begin: impl Fn() -> G + Clone + Send + 'static,
    end: impl Fn(G) -> T + Clone + Send + 'static,
) -> Result<Vec<Gathered<T>>, Box<dyn Error>> {
    let faces = load(settings)?;
    let sources = recordings(root)?;
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let (root, limits, memory, known) =
        (root.to_owned(), settings.limits.clone(), faces.memory().clone(), sources.clone());
    let found = each(settings, &faces, &names, move |extractor, name| {
        let means = Means { limits: &limits, memory: &memory, stop: &|| false, threads: &() };
        let source = known.iter().find(|source| source.name == name).expect("it is one of them");
        let mut gathered = begin();
        source.show(&root, extractor, &means, &mut gathered)?;
        Ok(end(gathered))
    })?;
    Ok(sources.into_iter().zip(found).collect())
}

/// The recordings below the root, in the order of their names.
fn recordings(root: &Path) -> Result<Vec<Source>, Box<dyn Error>> {
    let mut found: Vec<Source> = vec![];
    for name in files(root, is_medium)? {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        match found.last_mut() {
            _ if !is_picture(Path::new(&name)) => found.push(Source { name, pictures: vec![] }),
            Some(Source { name: known, pictures }) if known == folder => pictures.push(name),
            _ => found.push(Source { name: folder.to_owned(), pictures: vec![name] }),
        }
    }
    Ok(found)
}

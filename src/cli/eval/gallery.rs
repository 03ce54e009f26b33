//! Enrolls all pictures under a folder; the identity of each is the folder that it is in.

use std::collections::HashSet;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::table;
use crate::cli::faces;
use crate::face::{self, Comparator, Extractor, FacePipeline, Template, start_workers};
use crate::ops::Settings;
use crate::work::{Owner, block_on};

/// A set of enrolled pictures.
pub(super) struct Gallery {
    pub(super) comparator: Comparator,
    pub(super) pictures: Vec<Picture>,
    aliases: HashSet<(String, String)>,
}

/// One picture.
pub(super) struct Picture {
    /// Path below the root, with slashes.
    pub(super) name: String,
    /// The folder that it is in.
    pub(super) identity: String,
    /// Its template, or why there is none.
    pub(super) template: Result<Template, face::Error>,
    /// Whether the service would refuse it because of a second person.
    pub(super) several: bool,
}

impl Gallery {
    /// Enrolls everything under the root.
    pub(super) fn enroll(
        settings: &Settings,
        root: &Path,
        aliases_file: Option<&Path>,
    ) -> Result<Self, Box<dyn Error>> {
        let faces = load(settings)?;
        let files = files(root, is_picture)?;
        let found = each_file(settings, &faces, root, &files, |extractor, bytes| extractor.extract_central(bytes))?;
        let picture = |(name, found): (&String, Result<(Template, bool), face::Error>)| {
            let identity = name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            let several = found.as_ref().is_ok_and(|(_, several)| *several);
            Picture { name: name.clone(), identity, template: found.map(|(template, _)| template), several }
        };
        let pictures = files.iter().zip(found).map(picture).collect();
        let mut aliases = HashSet::new();
        if let Some(path) = aliases_file {
            for row in table::read(path, &["name_a", "name_b"])? {
                let [a, b] = <[String; 2]>::try_from(row).expect("two columns were asked for");
                aliases.extend([(a.clone(), b.clone()), (b, a)]);
            }
        }
        Ok(Self { comparator: Comparator::of(faces.embedder(), settings)?, pictures, aliases })
    }

    /// Similarities of all pairs of enrolled pictures of one identity and of two, without pairs of identities that are one person.
    /// `member` says which pictures take part.
    pub(super) fn cross_pairs(&self, member: impl Fn(&Picture) -> bool) -> (Vec<f64>, Vec<f64>) {
        let (mut genuine, mut impostor) = (vec![], vec![]);
        let enrolled: Vec<_> =
            self.pictures.iter().filter(|p| member(p)).filter_map(|p| Some((p, p.template.as_ref().ok()?))).collect();
        for (i, (a, ta)) in enrolled.iter().enumerate() {
            for (b, tb) in &enrolled[..i] {
                if a.identity == b.identity {
                    genuine.push(self.comparator.similarity(ta, tb));
                } else if !self.one_person(a, b) {
                    impostor.push(self.comparator.similarity(ta, tb));
                }
            }
        }
        (genuine, impostor)
    }

    /// Whether the two identities are known to be one person under two names.
    pub(super) fn one_person(&self, a: &Picture, b: &Picture) -> bool {
        !self.aliases.is_empty() && self.aliases.contains(&(a.identity.clone(), b.identity.clone()))
    }

    /// Genuine pairs that can't be compared because a picture was not enrolled.
    pub(super) fn genuine_lost(&self) -> usize {
        let mut lost = 0;
        for (i, a) in self.pictures.iter().enumerate() {
            let other = |b: &&Picture| a.identity == b.identity && (a.template.is_err() || b.template.is_err());
            lost += self.pictures[..i].iter().filter(other).count();
        }
        lost
    }
}

/// The models.
pub(in crate::cli) fn load(settings: &Settings) -> Result<Arc<FacePipeline>, Box<dyn Error>> {
    Ok(Arc::new(faces(settings)?))
}

/// Whether a file has the name of a picture.
pub(in crate::cli) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(&*extension, "jpg" | "jpeg" | "png")
}

/// Names of the wanted files below `root`, sorted.
pub(in crate::cli) fn files(root: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = vec![];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let told = |e: std::io::Error| format!("{}: {e}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(told)? {
            let path = entry.map_err(told)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    let name = |path: &PathBuf| {
        let below = path.strip_prefix(root).expect("it was found below the root");
        below.to_string_lossy().replace('\\', "/")
    };
    let mut names: Vec<String> = found.iter().map(name).collect();
    names.sort();
    if names.is_empty() {
        return Err(format!("{}: nothing to judge", root.display()).into());
    }
    Ok(names)
}

/// Runs `job` on every file below `root`; the same as [`each`] otherwise.
pub(in crate::cli) fn each_file<T: Send + 'static>(
    settings: &Settings,
    faces: &Arc<FacePipeline>,
    root: &Path,
    files: &[String],
    job: impl Fn(&mut Extractor, &[u8]) -> Result<T, face::Error> + Clone + Send + 'static,
) -> Result<Vec<Result<T, face::Error>>, Box<dyn Error>> {
    let root = root.to_owned();
    each(settings, faces, files, move |extractor, name| job(extractor, &read(&root.join(name))?))
}

/// The bytes of a file.
pub(in crate::cli) fn read(path: &Path) -> Result<Vec<u8>, face::Error> {
    std::fs::read(path).map_err(|e| face::Error::Picture(crate::media::Error::Damaged(e.to_string())))
}

/// Runs `job` on every name on all workers, with a progress bar on a terminal; results in the order of `names`.
pub(in crate::cli) fn each<T: Send + 'static>(
    settings: &Settings,
    faces: &Arc<FacePipeline>,
    names: &[String],
    job: impl Fn(&mut Extractor, &str) -> Result<T, face::Error> + Clone + Send + 'static,
) -> Result<Vec<Result<T, face::Error>>, Box<dyn Error>> {
    faces.self_test()?;
    let pool = start_workers(faces, settings.workers(), names.len());
    let submit = |name: &String| {
        let (name, job) = (name.clone(), job.clone());
        pool.submit(&Owner::default(), move |extractor, _| job(extractor, &name))
            .map_err(|_| "more files than the queue holds")
    };
    let tickets = names.iter().map(submit).collect::<Result<Vec<_>, _>>()?;
    let mut results = Vec::with_capacity(names.len());
    for ticket in tickets {
        results.push(block_on(ticket).map_err(|_| "an inference job panicked")?);
        progress(results.len(), names.len());
    }
    Ok(results)
}

fn progress(done: usize, all: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() && (done.is_multiple_of(16) || done == all) {
        let filled = done * 40 / all;
        let end = if done == all { "\n" } else { "" };
        let _terminal_gone = write!(out, "\r[{:40}] {done}/{all}{end}", "#".repeat(filled)).and_then(|()| out.flush());
    }
}

//! Times the search among many people, and how large it is in memory (`bench people`).

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::super::args::Bench;
use super::{Clock, Noise, row, title};
use crate::engine::{Decoding, Isa};
use crate::face::{Comparator, Probe, Template};
use crate::ops::Settings;
use crate::people::{Draft, Gallery, PersonId, Replacement, Snapshot};
use crate::work::thread_cpu_time;

/// People that are enrolled by default, and templates of each.
const PEOPLE: usize = 100_000;
const TEMPLATES: usize = 3;
/// Vectors of a file that are searched for.
const PROBES: usize = 16;
/// Searches that are timed by default.
const RUNS: usize = 50;

pub(in crate::cli) fn people(settings: &Settings, bench: &Bench) -> Result<(), Box<dyn Error>> {
    let faces = crate::cli::faces(settings)?;
    let (info, comparator) = (faces.embedder(), Comparator::of(faces.embedder(), settings)?);
    let Decoding::Embedding { dimension } = info.output else { return Err("the model makes no embeddings".into()) };
    let (enrolled, probes) = match &bench.vectors {
        Some(path) => read(path, info.id, dimension)?,
        None => {
            let mut noise = Noise(1);
            let count = PEOPLE * TEMPLATES;
            let mut some =
                |count| (0..count).map(|_| noise.template(info.id, dimension, 100)).collect::<Result<Vec<_>, _>>();
            (some(count)?, some(PROBES)?)
        }
    };
    let gallery = Gallery::default();
    let person = |(number, templates): (usize, &[Template])| -> Replacement {
        let id = PersonId::new(format!("p{number}")).expect("it is short and plain");
        let draft = Draft { id: Some(id.clone()), ..Draft::default() };
        (id, Some((draft.enrolled(Timestamp::UNIX_EPOCH).profile, templates.to_vec())))
    };
    let start = Instant::now();
    gallery.change(enrolled.chunks(TEMPLATES).enumerate().map(person).collect(), &comparator);
    let packed = start.elapsed();
    let snapshot = gallery.snapshot();
    let (count, bytes) = (snapshot.templates(), snapshot.template_bytes());
    println!(
        "{count} templates packed in {:.0} ms, {:.0} bytes each",
        packed.as_secs_f64() * 1e3,
        bytes as f64 / count as f64
    );
    let runs = bench.runs.unwrap_or(RUNS);
    let (mut times, mut best) = (vec![], vec![]);
    for number in 0..runs.max(probes.len()) {
        let probe = &probes[number % probes.len()];
        let (took, first) = timed(&snapshot, probe, &comparator);
        times.push(took);
        if best.len() < probes.len() {
            best.push(first);
        }
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    title("identify", times.len(), Clock::CPU);
    row("search", times);
    println!("{:.1} million comparisons a second on one core", count as f64 / median.as_secs_f64() / 1e6);
    if bench.vectors.is_some() {
        println!("{}", json!({ "median_ms": median.as_secs_f64() * 1e3, "best": best }));
    }
    Ok(())
}

/// The processor time of a search, and the id of the first candidate.
fn timed(snapshot: &Snapshot, probe: &Template, comparator: &Comparator) -> (Duration, Option<String>) {
    let start = thread_cpu_time();
    let found = snapshot.search(&Probe::new(probe, comparator, Isa::best()), comparator);
    let took = thread_cpu_time() - start;
    (took, found.candidates.first().map(|one| one.profile.id.to_string()))
}

/// Templates of a file: those to be enrolled, and those that are searched for.
fn read(path: &Path, model: u16, dimension: usize) -> Result<(Vec<Template>, Vec<Template>), Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let template = |row: &[u8]| {
        let vector: Vec<f64> = row.iter().map(|byte| f64::from(byte.cast_signed())).collect();
        Template::new(model, 100, &vector).map_err(|e| e.to_string())
    };
    let mut all = bytes.chunks_exact(dimension).map(template).collect::<Result<Vec<_>, _>>()?;
    let probes = all.split_off(all.len().checked_sub(PROBES).filter(|rest| *rest > 0).ok_or("too few vectors")?);
    Ok((all, probes))
}

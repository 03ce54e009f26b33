//! Measures the error rates of presentation attack detection (ISO/IEC 30107-3) on folders that name the species (`eval liveness`).
//!
//! Under the root, the folder `real` holds bona fide presentations and every other folder the attacks of one species. A medium
//! without a verdict is not an accepted attack, but may be a rejected person: it counts against BPCER only. Without bona fide
//! presentations, or without attacks, half of the result is missing, and the command fails.

use std::error::Error;
use std::io::Read;
use std::path::Path;

use serde_json::json;

use super::gallery::{each_file, files, load};
use super::report::REAL;
use super::stats::{area_under_roc, interval_percent, rate};
use crate::cli::args::Pictures;
use crate::face;
use crate::media;
use crate::ops::Settings;

/// Confidence above which a presentation counts as an attack: the contract's default.
const THRESHOLD: f64 = 0.5;

/// The result for one file.
struct Outcome {
    name: String,
    species: String,
    /// Spoofing confidence and number of judged frames, or why there is none.
    verdict: Result<(f64, usize), face::Error>,
}

pub(in crate::cli) fn liveness(settings: &Settings, on: &Pictures, lines: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let faces = load(settings)?;
    let names = files(&on.root, is_medium)?;
    let judge = |extractor: &mut face::Extractor, bytes: &[u8]| {
        extractor.judge(bytes, &face::Wanted::default(), &|| false).map(|f| (f.spoofing.value(), f.frames))
    };
    let found = each_file(settings, &faces, &on.root, &names, judge)?;
    let outcomes: Vec<Outcome> = names
        .into_iter()
        .zip(found)
        .map(|(name, verdict)| {
            let species = name.split_once('/').map_or("", |(folder, _)| folder).to_owned();
            Outcome { name, species, verdict }
        })
        .collect();
    if let Some(path) = lines {
        std::fs::write(path, csv(&outcomes)).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let mut species: Vec<&str> = outcomes.iter().map(|o| &*o.species).collect();
    species.sort_unstable();
    species.dedup();
    let missing = missing(&species, &on.root);
    let rows: Vec<Row<'_>> = species.iter().map(|s| Row::count(s, &outcomes)).collect();
    let scores = |real: bool| -> Vec<f64> {
        let of = outcomes.iter().filter(|o| (o.species == REAL) == real);
        of.filter_map(|o| Some(o.verdict.as_ref().ok()?.0)).collect()
    };
    let area = area_under_roc(&scores(false), &scores(true));
    if on.json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        println!("{:#}", json!({"threshold": THRESHOLD, "species": rows, "roc_area": area}));
        return missing.map_or(Ok(()), Err);
    }
    println!("species          files  accepted  declined  no verdict   error rate (95 % interval)");
    for row in &rows {
        println!(
            "{:16} {:5} {:9} {:9} {:11}   {} {}",
            row.species,
            row.files,
            row.accepted,
            row.declined,
            row.files - row.accepted - row.declined,
            row.rate_name(),
            rate(row.errors(), row.files),
        );
    }
    for outcome in &outcomes {
        if let Err(error) = &outcome.verdict {
            println!("  no verdict     {}: {error}", outcome.name);
        }
    }
    match area {
        Some(area) => println!("area under the ROC curve {area:.4}, at threshold {THRESHOLD}"),
        None => println!("no ROC curve: verdicts on bona fide presentations and on attacks are both needed"),
    }
    missing.map_or(Ok(()), Err)
}

/// Why media of these `species` are not enough for an evaluation.
fn missing(species: &[&str], root: &Path) -> Option<Box<dyn Error>> {
    let root = root.display();
    let (real, attack) = (species.contains(&REAL), species.iter().any(|s| *s != REAL));
    let told = match (real, attack) {
        _ if species.contains(&"") => format!("{root}: there are media outside of the folders that name their species"),
        (false, _) => format!("{root}: there are no bona fide presentations, a folder {REAL}: BPCER is not known"),
        (_, false) => {
            format!("{root}: there are no attacks, a folder for each species beside {REAL}: APCER is not known")
        }
        (true, true) => return None,
    };
    Some(told.into())
}

/// Counts of one species.
struct Row<'a> {
    species: &'a str,
    files: usize,
    accepted: usize,
    declined: usize,
}

impl<'a> Row<'a> {
    fn count(species: &'a str, outcomes: &[Outcome]) -> Self {
        let mut row = Self { species, files: 0, accepted: 0, declined: 0 };
        for outcome in outcomes.iter().filter(|o| o.species == species) {
            row.files += 1;
            match outcome.verdict {
                Ok((spoofing, _)) if spoofing > THRESHOLD => row.declined += 1,
                Ok(_) => row.accepted += 1,
                Err(_) => {}
            }
        }
        row
    }

    fn rate_name(&self) -> &'static str {
        if self.species == REAL { "BPCER" } else { "APCER" }
    }

    fn errors(&self) -> usize {
        if self.species == REAL { self.files - self.accepted } else { self.accepted }
    }

    fn json(&self) -> serde_json::Value {
        let (errors, files) = (self.errors(), self.files);
        json!({
            "species": self.species, "files": self.files, "accepted": self.accepted, "declined": self.declined,
            "no_verdict": self.files - self.accepted - self.declined,
            "rate": self.rate_name(), "percent": 100.0 * errors as f64 / files as f64,
            "interval_percent": interval_percent(errors, files),
        })
    }
}

/// Whether a file begins like a medium that can be judged.
pub(super) fn is_medium(path: &Path) -> bool {
    let mut head = vec![];
    let read = std::fs::File::open(path).and_then(|f| f.take(64).read_to_end(&mut head));
    read.is_ok() && media::kind(&head).is_some()
}

/// One line a file: `file,species,spoofing,frames,error`.
fn csv(outcomes: &[Outcome]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = String::from("file,species,spoofing,frames,error\n");
    for Outcome { name, species, verdict } in outcomes {
        let rest = match verdict {
            Ok((spoofing, frames)) => format!("{spoofing},{frames},"),
            Err(error) => format!(",,{}", quoted(&error.to_string())),
        };
        text.push_str(&format!("{},{},{rest}\n", quoted(name), quoted(species)));
    }
    text
}

//! Reports open-set identification (`eval identification`): how often people of a gallery are not identified (FNIR), and how often strangers
//! are (FPIR), by the size of the gallery. ISO/IEC 19795-1 defines both.
//!
//! Galleries are drawn at random. One picture of each person is enrolled; all others of these people are mated probes, and all pictures of
//! people who are not enrolled are non-mated ones. Where everybody is enrolled, each picture is a stranger's once, without its own person.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use serde_json::json;

use super::gallery::Gallery;
use crate::cli::args::Pictures;
use crate::face::{Score, Template};
use crate::ops::Settings;
use crate::people::Bars;

/// People of a gallery.
const SIZES: [usize; 3] = [100, 1000, 1600];
/// Galleries that are drawn of each size.
const DRAWS: usize = 20;
/// False positive identification rates that are reported.
const RATES: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// What searches of one size found.
#[derive(Default)]
struct Searches {
    /// The score of the right person, and the highest of all others.
    mated: Vec<(Score, Score)>,
    /// The highest score of a stranger.
    non_mated: Vec<Score>,
}

pub(in crate::cli) fn identification(
    settings: &Settings,
    on: &Pictures,
    aliases: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let gallery = Gallery::enroll(settings, &on.root, aliases)?;
    let mut people: BTreeMap<&str, Vec<(usize, &Template)>> = BTreeMap::new();
    for (index, picture) in gallery.pictures.iter().enumerate() {
        if let Ok(template) = &picture.template {
            people.entry(&picture.identity).or_default().push((index, template));
        }
    }
    let people: Vec<_> = people.into_values().collect();
    // All scores, once; of the same person under two names, none.
    let none = Score::new(0.0);
    let scores: Vec<Vec<Score>> = gallery
        .pictures
        .iter()
        .map(|probe| {
            let Ok(template) = &probe.template else { return vec![] };
            let score_of = gallery.comparator.scores_of(template);
            let score = |person: &Vec<(usize, &Template)>| {
                let enrolled = &gallery.pictures[person[0].0];
                if gallery.one_person(probe, enrolled) { none } else { score_of(person[0].1) }
            };
            people.iter().map(score).collect()
        })
        .collect();
    let mut rows = vec![];
    for size in SIZES.map(|size| size.min(people.len())) {
        let searches = search(&people, &scores, size);
        for rate in RATES {
            let bar = Bars::new(&gallery.comparator, rate, size).of(0).approved;
            rows.push(report(&searches, size, rate, bar));
        }
    }
    if on.json {
        println!("{:#}", json!(rows));
        return Ok(());
    }
    println!(
        "people  FPIR    FNIR at that FPIR   by people.false_accepts: FNIR    FPIR    bar   searches: mated  non-mated"
    );
    for row in &rows {
        println!(
            "{:6}  {:<6.0e}  {:>8.2} %  {:>32.2} %  {:>9.1e}  {:>5}  {:>13}  {:>9}",
            row["people"],
            row["fpir"].as_f64().unwrap_or_default(),
            row["fnir_percent"].as_f64().unwrap_or(f64::NAN),
            row["set"]["fnir_percent"].as_f64().unwrap_or(f64::NAN),
            row["set"]["fpir"].as_f64().unwrap_or(f64::NAN),
            row["set"]["bar"].as_f64().map_or_else(|| "none".to_owned(), |bar| format!("{bar:.3}")),
            row["mated"],
            row["non_mated"]
        );
    }
    Ok(())
}

fn search(people: &[Vec<(usize, &Template)>], scores: &[Vec<Score>], size: usize) -> Searches {
    let mut found = Searches::default();
    let mut order: Vec<usize> = (0..people.len()).collect();
    let mut state = 1u64;
    let is_everybody = size == people.len();
    for _ in 0..if is_everybody { 1 } else { DRAWS } {
        for i in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(i, (state >> 33) as usize % (i + 1));
        }
        let (enrolled, others) = order.split_at(size);
        let highest = |probe: usize, but: Option<usize>| {
            let all = enrolled.iter().filter(|person| Some(**person) != but);
            all.map(|person| scores[probe][*person]).max().unwrap_or_else(|| Score::new(0.0))
        };
        for &person in enrolled {
            for (probe, _) in &people[person][1..] {
                found.mated.push((scores[*probe][person], highest(*probe, Some(person))));
            }
            if is_everybody {
                found.non_mated.extend(people[person].iter().map(|(probe, _)| highest(*probe, Some(person))));
            }
        }
        let strangers = others.iter().flat_map(|person| &people[*person]);
        found.non_mated.extend(strangers.map(|(probe, _)| highest(*probe, None)));
    }
    found.non_mated.sort_unstable();
    found
}

impl Searches {
    /// The least score that no more than this share of strangers reaches; none if there are too few of them.
    fn threshold(&self, rate: f64) -> Option<Score> {
        let allowed = (rate * self.non_mated.len() as f64) as usize;
        (allowed > 0).then(|| self.non_mated[self.non_mated.len() - 1 - allowed])
    }

    /// Percentage of mated searches that miss the person: others come first, or it does not exceed the threshold.
    fn missed_percent(&self, exceeds: impl Fn(Score) -> bool) -> f64 {
        let missed = self.mated.iter().filter(|(own, other)| own <= other || !exceeds(*own)).count();
        100.0 * missed as f64 / self.mated.len() as f64
    }
}

fn report(searches: &Searches, size: usize, rate: f64, bar: Option<Score>) -> serde_json::Value {
    let threshold = searches.threshold(rate);
    let reached = |bar: Score| searches.non_mated.len() - searches.non_mated.partition_point(|score| *score < bar);
    json!({
        "people": size,
        "fpir": rate,
        "fnir_percent": threshold.map(|threshold| searches.missed_percent(|score| score > threshold)),
        "mated": searches.mated.len(),
        "non_mated": searches.non_mated.len(),
        "set": {
            "bar": bar.map(Score::value),
            "fnir_percent": bar.map(|bar| searches.missed_percent(|score| score >= bar)),
            "fpir": bar.map(|bar| reached(bar) as f64 / searches.non_mated.len() as f64),
        },
    })
}

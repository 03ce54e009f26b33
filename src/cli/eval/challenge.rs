//! Measures challenges (`eval challenge`): on recordings in folders that name the species, or before the camera ([`record`]).
//!
//! Told are the directions to which a head turns in each, and how often it would meet a challenge if it were shown to the camera in a loop,
//! from a random place on.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::presentations::record;
use super::recordings::{Gather, each_recording};
use super::stats::interval_percent;
use crate::cli::args;
use crate::engine;
use crate::face::{Direction, Extractor, Poses, Recording};
use crate::media::Frame;
use crate::ops::{Settings, random_word};

/// Attempts with each number of directions.
const ATTEMPTS: usize = 600;

/// The result for one recording.
struct Outcome {
    name: String,
    species: String,
    /// Or why there are none.
    turns: Result<Turns, String>,
}

/// What a recording shows.
struct Turns {
    directions: [bool; 4],
    /// Largest parallax in each direction that three frames reach, in eye distances.
    parallax: [f64; 4],
    /// Attempts with 1, 2 and 3 directions that were met.
    met: [usize; 3],
}

pub(in crate::cli) fn challenge(settings: &Settings, on: &args::Challenge) -> Result<(), Box<dyn Error>> {
    match (&on.record, &on.root) {
        (Some(file), _) => record(settings, file, on.light, on.json),
        (None, Some(root)) => recorded(settings, root, on.json),
        (None, None) => Err("neither recordings nor a record is named".into()),
    }
}

/// Reports on recordings.
fn recorded(settings: &Settings, root: &Path, is_json: bool) -> Result<(), Box<dyn Error>> {
    let end = |recording: Recording| recording.poses().as_ref().map(turns);
    let found = each_recording(settings, root, Recording::default, end)?;
    let mut outcomes = vec![];
    for (source, turns) in found {
        let turns = turns.map_err(|e| e.to_string()).and_then(|t| t.ok_or_else(|| "no frontal face".into()));
        outcomes.push(Outcome { species: source.species().to_owned(), name: source.name, turns });
    }
    report(&outcomes, is_json);
    Ok(())
}

impl Gather for Recording {
    fn push(&mut self, extractor: &mut Extractor, frame: &Frame, at: Duration) -> Result<(), engine::Error> {
        self.push(extractor, frame, at)
    }
}

fn turns(poses: &Poses) -> Turns {
    let attempts = |count| poses.attempts(ATTEMPTS, count, random_word);
    Turns {
        directions: poses.directions(),
        parallax: Direction::ALL.map(|direction| poses.parallax(direction)),
        met: [1, 2, 3].map(attempts),
    }
}

fn report(outcomes: &[Outcome], is_json: bool) {
    let mut species: Vec<&str> = outcomes.iter().map(|o| &*o.species).collect();
    species.sort_unstable();
    species.dedup();
    let rows: Vec<Row<'_>> = species.iter().map(|s| Row::count(s, outcomes)).collect();
    if is_json {
        let recordings: Vec<Value> = outcomes.iter().map(Outcome::json).collect();
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        println!("{:#}", json!({"attempts": ATTEMPTS, "species": rows, "recordings": recordings}));
        return;
    }
    println!("largest parallax in eye distances (* turned)    of {ATTEMPTS} attempts, met with directions");
    println!("    left   right      up    down       1      2      3   recording");
    for outcome in outcomes {
        let turns = match &outcome.turns {
            Ok(turns) => turns,
            Err(why) => {
                println!("{:>54}   {}: {why}", "none", outcome.name);
                continue;
            }
        };
        let one = |i: usize| format!("{:6.2}{}", turns.parallax[i], if turns.directions[i] { '*' } else { ' ' });
        let parallax: Vec<String> = (0..4).map(one).collect();
        let [one, two, three] = turns.met;
        println!("{} {one:6} {two:6} {three:6}   {}", parallax.join(" "), outcome.name);
    }
    println!(
        "\nspecies          recordings  frontal    left   right      up    down   any turn (95 % interval)   met 1, 2, 3 of attempts"
    );
    for row in &rows {
        let [low, high] = interval_percent(row.any, row.recordings);
        let [left, right, up, down] = row.directions;
        let share = |count: usize| 100.0 * count as f64 / (row.frontal * ATTEMPTS).max(1) as f64;
        println!(
            "{:16} {:10} {:8} {left:7} {right:7} {up:7} {down:7}   {:5.1} % ({low:.1} to {high:.1})          {:5.1} %, {:.1} %, {:.1} %",
            row.species,
            row.recordings,
            row.frontal,
            100.0 * row.any as f64 / row.recordings as f64,
            share(row.met[0]),
            share(row.met[1]),
            share(row.met[2]),
        );
    }
}

impl Outcome {
    fn json(&self) -> Value {
        let told = |t: &Turns| json!({"turned": t.directions, "parallax": t.parallax, "met": t.met});
        let (turns, error) = (self.turns.as_ref().ok().map(told), self.turns.as_ref().err());
        json!({"name": self.name, "species": self.species, "turns": turns, "error": error})
    }
}

/// Counts of one species.
struct Row<'a> {
    species: &'a str,
    recordings: usize,
    /// Those with a frontal face.
    frontal: usize,
    directions: [usize; 4],
    /// Those with a turn in any direction.
    any: usize,
    met: [usize; 3],
}

impl<'a> Row<'a> {
    fn count(species: &'a str, outcomes: &[Outcome]) -> Self {
        let mut row = Self { species, recordings: 0, frontal: 0, directions: [0; 4], any: 0, met: [0; 3] };
        for outcome in outcomes.iter().filter(|o| o.species == species) {
            row.recordings += 1;
            let Ok(turns) = &outcome.turns else { continue };
            row.frontal += 1;
            row.any += usize::from(turns.directions.contains(&true));
            row.directions.iter_mut().zip(turns.directions).for_each(|(count, turned)| *count += usize::from(turned));
            row.met.iter_mut().zip(turns.met).for_each(|(count, met)| *count += met);
        }
        row
    }

    fn json(&self) -> Value {
        json!({
            "species": self.species, "recordings": self.recordings, "frontal": self.frontal,
            "turned": {"left": self.directions[0], "right": self.directions[1], "up": self.directions[2], "down": self.directions[3]},
            "any": self.any, "interval_percent": interval_percent(self.any, self.recordings), "met": self.met,
        })
    }
}

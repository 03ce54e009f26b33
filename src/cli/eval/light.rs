//! Measures screen light on recordings into which it is injected (`eval light`).
//!
//! In each, stretches as long as a schedule are brightened as a screen would brighten them: with the schedule that is asked for, with others, late, and not at all. What a
//! screen reflects and what a sheet does is physics that no recording shows: this measures whether light can be told in this camera's pictures.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};

use super::recordings::{Gather, each_recording};
use super::stats::interval_percent;
use crate::cli::args::Pictures;
use crate::engine;
use crate::face::flash::{NoRandomness, Outcome, Reason, STEPS, Schedule};
use crate::face::{Extractor, LightRecording};
use crate::media::Frame;
use crate::ops::{Settings, random_word};

/// Light of the screen relative to the rest: the least with which there is a verdict, and more.
const AMPLITUDES: [f64; 3] = [0.03, 0.05, 0.1];

/// Schedules that are drawn for each stretch.
const SCHEDULES: usize = 3;

/// How late the light is in a browser, a screen and a camera, in seconds.
const USUAL: f64 = 0.06;
/// How late it is when it counts as late: by one step, two and three, beside the usual.
const LATE: [f64; 3] = [0.36, 0.66, 0.96];

/// How the light on a face is shown against the schedule that is asked for.
#[derive(Clone, Copy)]
enum Shown {
    /// As it is asked for: what doesn't pass is missed.
    Asked,
    /// Not at all. What passes from here on is accepted.
    Nothing,
    /// Late by steps.
    Late,
    /// Begun at another color.
    Rotated,
    /// Another schedule, drawn without regard to this one: a guess.
    Guessed,
    /// A schedule to which this one was drawn unlike, as to that of the person before.
    Unlike,
}

impl Shown {
    const ALL: [Self; 6] = [Self::Asked, Self::Nothing, Self::Late, Self::Rotated, Self::Guessed, Self::Unlike];

    fn word(self) -> &'static str {
        match self {
            Self::Asked => "missed",
            Self::Nothing => "without_light",
            Self::Late => "late",
            Self::Rotated => "rotated",
            Self::Guessed => "guessed",
            Self::Unlike => "unlike",
        }
    }
}

/// Verdicts on one way of showing light.
#[derive(Clone, Copy, Default)]
struct Count {
    verdicts: usize,
    errors: usize,
}

/// Verdicts at one amplitude.
#[derive(Clone, Copy, Default)]
struct Counts {
    shown: [Count; Shown::ALL.len()],
    /// Tries of the schedule that is asked for, those without a verdict among them, and those of them in which the head moved.
    tries: usize,
    no_verdict: usize,
    moved: usize,
}

pub(in crate::cli) fn light(settings: &Settings, on: &Pictures) -> Result<(), Box<dyn Error>> {
    let found = each_recording(settings, &on.root, || LightRecording::new(AMPLITUDES), |recording| count(&recording))?;
    let mut species: BTreeMap<String, Species> = BTreeMap::new();
    let mut unread = vec![];
    for (source, counts) in found {
        match counts {
            Ok(counts) => species.entry(source.species().to_owned()).or_default().add(&counts?),
            Err(error) => unread.push(format!("{}: {error}", source.name)),
        }
    }
    report(&species, &unread, on.json);
    Ok(())
}

impl Gather for LightRecording<{ AMPLITUDES.len() }> {
    fn push(&mut self, extractor: &mut Extractor, frame: &Frame, at: Duration) -> Result<(), engine::Error> {
        self.push(extractor, frame, at)
    }
}

/// Tries every way of showing light in every stretch, at each amplitude.
fn count(recording: &LightRecording<{ AMPLITUDES.len() }>) -> Result<[Counts; AMPLITUDES.len()], NoRandomness> {
    let mut all = [Counts::default(); AMPLITUDES.len()];
    let draw = |others: &[Schedule]| Schedule::draw(&mut || random_word() as u8, others);
    for (screen, counts) in all.iter_mut().enumerate() {
        let lit = recording.before(screen);
        for start in recording.windows().into_iter().flat_map(|start| [start; SCHEDULES]) {
            let (before, guess) = (draw(&[])?, draw(&[])?);
            let asked = draw(&[before])?;
            counts.tries += 1;
            for shown in Shown::ALL {
                let of = |schedule: &Schedule, late| lit.outcome(start, &asked, Some((schedule, late)));
                let outcomes: Vec<Outcome> = match shown {
                    Shown::Asked => vec![of(&asked, USUAL)],
                    Shown::Nothing => vec![lit.outcome(start, &asked, None)],
                    Shown::Late => LATE.iter().map(|late| of(&asked, *late)).collect(),
                    Shown::Rotated => (1..STEPS).map(|by| of(&asked.rotated(by), USUAL)).collect(),
                    Shown::Guessed => vec![of(&guess, USUAL)],
                    Shown::Unlike => vec![of(&before, USUAL)],
                };
                outcomes.into_iter().for_each(|outcome| counts.add(shown, outcome));
            }
        }
    }
    Ok(all)
}

impl Counts {
    fn add(&mut self, shown: Shown, outcome: Outcome) {
        let is_asked = matches!(shown, Shown::Asked);
        let passed = match outcome {
            Outcome::Pass => true,
            Outcome::Fail => false,
            Outcome::NoVerdict(reason) => {
                self.no_verdict += usize::from(is_asked);
                self.moved += usize::from(is_asked && reason == Reason::HeadMoved);
                return;
            }
        };
        let count = &mut self.shown[shown as usize];
        count.verdicts += 1;
        count.errors += usize::from(passed != is_asked);
    }
}

/// Counts of one species.
#[derive(Default)]
struct Species {
    recordings: usize,
    /// By amplitude.
    counts: [Counts; AMPLITUDES.len()],
}

impl Species {
    fn add(&mut self, counts: &[Counts]) {
        self.recordings += 1;
        for (sum, one) in self.counts.iter_mut().zip(counts) {
            sum.tries += one.tries;
            sum.no_verdict += one.no_verdict;
            sum.moved += one.moved;
            for (sum, one) in sum.shown.iter_mut().zip(&one.shown) {
                sum.verdicts += one.verdicts;
                sum.errors += one.errors;
            }
        }
    }

    fn json(&self, name: &str) -> Value {
        let one = |(amplitude, counts): (&f64, &Counts)| {
            let mut told = json!({
                "amplitude": amplitude, "tries": counts.tries, "no_verdict": counts.no_verdict, "head_moved": counts.moved,
            });
            for shown in Shown::ALL {
                let count = counts.shown[shown as usize];
                let Count { verdicts, errors } = count;
                told[shown.word()] =
                    json!({"verdicts": verdicts, "errors": errors, "interval_percent": interval(count)});
            }
            told
        };
        let amplitudes: Vec<Value> = AMPLITUDES.iter().zip(&self.counts).map(one).collect();
        json!({"species": name, "recordings": self.recordings, "amplitudes": amplitudes})
    }
}

/// Of the errors; none without verdicts.
fn interval(Count { verdicts, errors }: Count) -> Option<[f64; 2]> {
    (verdicts > 0).then(|| interval_percent(errors, verdicts))
}

fn report(species: &BTreeMap<String, Species>, unread: &[String], is_json: bool) {
    if is_json {
        let species: Vec<Value> = species.iter().map(|(name, counts)| counts.json(name)).collect();
        println!("{:#}", json!({"species": species, "unread": unread}));
        return;
    }
    for (name, row) in species {
        println!("{name}, {} recordings", row.recordings);
        println!("  amplitude   tries  no verdict  head moved   errors of verdicts (95 % interval)");
        for (amplitude, counts) in AMPLITUDES.iter().zip(&row.counts) {
            let Counts { tries, no_verdict, moved, .. } = counts;
            println!("  {:7.0} % {tries:7} {no_verdict:11} {moved:11}", 100.0 * amplitude);
            for shown in Shown::ALL {
                let count = counts.shown[shown as usize];
                let Count { verdicts, errors } = count;
                let between =
                    interval(count).map_or_else(String::new, |[low, high]| format!(" ({low:.1} to {high:.1} %)"));
                println!("{:>42} {:14} {errors:5} of {verdicts}{between}", "", shown.word());
            }
        }
    }
    unread.iter().for_each(|told| println!("  unread         {told}"));
}

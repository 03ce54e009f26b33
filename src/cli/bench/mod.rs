//! Measures the cost of one extraction or one liveness verdict, step by step, and how fast templates compare (`bench`).
//!
//! CPU time of the thread, so that other load on the machine does not count; of a team, which other load slows down, wall time. With one step and a number of runs it also serves to
//! count instructions: the difference between two numbers of runs is the cost of the additional runs.

mod people;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::people::people;
use super::args::{Bench, Step};
use crate::engine::{Crew, Role, Team, self_test_picture};
use crate::face::{Comparator, Effort, Extractor, FacePipeline, Stages, Template, Wanted, start_crew, start_workers};
use crate::media::{self, Kind};
use crate::ops::{Settings, Stop, counted, elapsed};
use crate::work::{Owner, block_on, thread_cpu_time};

/// Extractions that are timed by default, after one that warms the caches.
const RUNS: usize = 20;
/// Verdicts that are timed by default, after one that warms the caches.
const CLIP_RUNS: usize = 5;
/// Inferences that are timed by default, after one that warms the caches.
const MODEL_RUNS: usize = 50;
/// Times that a gallery of this many templates is compared with by default.
const COMPARE_RUNS: usize = 2_000;
const GALLERY: usize = 10_000;

pub(super) fn run(settings: &Settings, bench: &Bench) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(&bench.file).map_err(|e| format!("{}: {e}", bench.file.display()))?;
    let faces = Arc::new(super::faces(settings)?);
    let pool = match bench.alone {
        true => start_crew(&faces, Crew::of_absent(bench.team), 1, 1),
        false => start_workers(&faces, bench.team, 1),
    };
    let (bench, settings) = (bench.clone(), settings.clone());
    let job = move |extractor: &mut Extractor, _: &Stop<'_>| {
        steps(extractor, &bytes, &faces, &settings, &bench).map_err(|e| e.to_string())
    };
    let done = pool.submit(&Owner::default(), job).map_err(|_| "the queue is full")?;
    Ok(block_on(done).map_err(|_| "the measurement panicked")??)
}

/// Times the steps that are wanted, on a worker.
fn steps(
    extractor: &mut Extractor,
    bytes: &[u8],
    faces: &FacePipeline,
    settings: &Settings,
    bench: &Bench,
) -> Result<(), Box<dyn Error>> {
    let clock = if bench.team > 1 && !bench.alone { Clock::WALL } else { Clock::CPU };
    let wanted = |step: Step| bench.step.is_none_or(|only| only == step);
    let runs = |usual: usize| bench.runs.unwrap_or(usual);
    if media::kind(bytes) == Some(Kind::Picture) {
        if wanted(Step::Extract) {
            extraction(extractor, bytes, runs(RUNS), clock)?;
        }
        if wanted(Step::Compare) {
            let (template, comparator) =
                (extractor.extract(bytes, &|| false)?, Comparator::of(faces.embedder(), settings)?);
            let rate = compare(&template, &comparator, runs(COMPARE_RUNS))?;
            println!("compare to a score           {:8.1} million a second on one core", rate / 1e6);
        }
    }
    if wanted(Step::Liveness) { verdict(extractor, bytes, runs(CLIP_RUNS), clock) } else { Ok(()) }
}

/// Times one inference of each model, on the picture that the self-test makes.
pub(super) fn models(settings: &Settings, bench: &Bench) -> Result<(), Box<dyn Error>> {
    let (models, arithmetic) = (super::models(settings)?, super::arithmetic(settings)?);
    let times = bench.runs.unwrap_or(MODEL_RUNS);
    let team = if bench.alone { Arc::new(Crew::of_absent(bench.team)).team() } else { Team::default() };
    title("one inference", times, Clock::CPU);
    for role in Role::ALL.into_iter().filter(|role| bench.step.is_none_or(|step| step.model() == Some(*role))) {
        let Some(model) = models.find(role) else { continue };
        let info = model.info();
        for &side in &info.input.sides {
            let mut session = model.plan(side, arithmetic)?.session(&team)?;
            let pixels = self_test_picture(side);
            session.run(&pixels)?;
            let mut runs = vec![];
            for _ in 0..times {
                let start = thread_cpu_time();
                session.run(&pixels)?;
                runs.push(thread_cpu_time() - start);
            }
            row(&format!("{} {side}", info.name), runs);
            if bench.step.is_some() {
                break; // one size, for counts of instructions
            }
        }
    }
    Ok(())
}

/// Times the extraction of a template from a picture.
fn extraction(extractor: &mut Extractor, bytes: &[u8], times: usize, clock: Clock) -> Result<(), Box<dyn Error>> {
    extractor.extract(bytes, &|| false)?;
    let mut runs = vec![];
    for _ in 0..times {
        runs.push(extractor.extract_timed(bytes, clock.now)?);
    }
    title("extraction", times, clock);
    let row = |name: &str, part: fn(&Stages) -> Duration| row(name, runs.iter().map(part).collect());
    row("decode", |s| s.decode);
    row("detect", |s| s.detect);
    row("second look", |s| s.confirm);
    row("align and measure", |s| s.align);
    row("embed", |s| s.embed);
    row("all", |s| s.decode + s.detect + s.confirm + s.align + s.embed);
    Ok(())
}

/// Times a liveness verdict with best shot.
fn verdict(extractor: &mut Extractor, bytes: &[u8], times: usize, clock: Clock) -> Result<(), Box<dyn Error>> {
    let wanted = Wanted { best_shot: true, ..Wanted::default() };
    let finding = extractor.judge(bytes, &wanted, &|| false)?;
    let mut runs: Vec<(Duration, Effort)> = vec![];
    for _ in 0..times {
        let start = (clock.now)();
        let (_, effort) = extractor.judge_timed(bytes, &wanted, &|| false, clock.now)?;
        runs.push(((clock.now)() - start, effort));
    }
    title(&format!("liveness, {}", counted(finding.frames, "frame", "frames")), times, clock);
    let row = |name: &str, part: fn(&(Duration, Effort)) -> Duration| row(name, runs.iter().map(part).collect());
    row("decode, choose frames, encode", |(all, e)| *all - e.detect - e.align - e.live - e.embed);
    row("detect", |(_, e)| e.detect);
    row("align and measure", |(_, e)| e.align);
    row("attack model", |(_, e)| e.live);
    row("embed", |(_, e)| e.embed);
    row("all", |(all, _)| *all);
    Ok(())
}

fn title(what: &str, runs: usize, clock: Clock) {
    println!("{:36} min  median     max", format!("{what}: {} ms, {runs} runs", clock.name));
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    println!("{name:30} {:8.2} {:7.2} {:7.2}", ms(0), ms(times.len() / 2), ms(times.len() - 1));
}

/// Comparisons a second, each up to its score, against a gallery as large as a 1:N request may send.
fn compare(probe: &Template, comparator: &Comparator, runs: usize) -> Result<f64, Box<dyn Error>> {
    let (mut noise, mut gallery) = (Noise(1), Vec::with_capacity(GALLERY));
    for _ in 0..GALLERY {
        gallery.push(noise.template(probe.model(), probe.dimension(), 0)?);
    }
    let start = thread_cpu_time();
    let mut best = None;
    for _ in 0..runs {
        best = std::hint::black_box(&gallery).iter().map(comparator.scores_of(probe)).max().max(best);
    }
    std::hint::black_box(best);
    Ok((runs * GALLERY) as f64 / (thread_cpu_time() - start).as_secs_f64())
}

/// A linear congruential generator.
struct Noise(u32);

impl Noise {
    fn template(&mut self, model: u16, dimension: usize, quality: u8) -> Result<Template, String> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(self.0 >> 8) / f64::from(1 << 24) - 0.5
        };
        let vector: Vec<f64> = (0..dimension).map(|_| next()).collect();
        Template::new(model, quality, &vector).map_err(|e| e.to_string())
    }
}

/// What is read around each step, and its name.
#[derive(Clone, Copy)]
struct Clock {
    now: fn() -> Duration,
    name: &'static str,
}

impl Clock {
    const CPU: Self = Self { now: thread_cpu_time, name: "CPU" };
    const WALL: Self = Self { now: elapsed, name: "wall" };
}

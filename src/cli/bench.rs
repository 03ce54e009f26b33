//! `bench`: what one extraction costs, step by step, and how fast templates compare.
//!
//! CPU time of the thread, so that other load on the machine does not count.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use crate::face::{Curve, Stages, Template};
use crate::ops::Settings;

/// Extractions that are timed, after one that warms the caches.
const RUNS: usize = 20;
/// Comparisons that are timed, over a gallery of this many templates at a time.
const COMPARISONS: usize = 20_000_000;
const GALLERY: usize = 10_000;

pub(super) fn run(settings: &Settings, picture: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(picture).map_err(|e| format!("{}: {e}", picture.display()))?;
    let faces = super::faces(settings)?;
    let mut extractor = faces.extractor()?;
    let template = extractor.extract(&bytes)?;
    let mut runs = vec![];
    for _ in 0..RUNS {
        runs.push(extractor.extract_timed(&bytes, cpu_time)?);
    }
    println!("CPU ms of one thread, {RUNS} runs    min  median     max");
    let row = |name: &str, part: fn(&Stages) -> Duration| {
        let mut ms: Vec<f64> = runs.iter().map(|r| part(r).as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        println!("{name:28} {:8.2} {:7.2} {:7.2}", ms[0], ms[RUNS / 2], ms[RUNS - 1]);
    };
    row("decode", |s| s.decode);
    row("detect", |s| s.detect);
    row("align and measure", |s| s.align);
    row("embed", |s| s.embed);
    row("all", |s| s.decode + s.detect + s.align + s.embed);
    let curve = Curve::new(&faces.embedder().knots);
    println!("compare to a score           {:8.1} million a second on one core", compare(&template, &curve)? / 1e6);
    Ok(())
}

/// Comparisons a second, each up to its score, against a gallery as large as a 1:N request may bring.
fn compare(probe: &Template, curve: &Curve) -> Result<f64, Box<dyn Error>> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let dimension = probe.dimension();
    let mut gallery = Vec::with_capacity(GALLERY);
    for _ in 0..GALLERY {
        let vector: Vec<f64> = (0..dimension).map(|_| noise()).collect();
        gallery.push(Template::new(probe.model(), 0, &vector).map_err(|e| e.to_string())?);
    }
    let start = cpu_time();
    let mut best = None;
    for _ in 0..COMPARISONS / GALLERY {
        best = std::hint::black_box(&gallery).iter().map(|t| curve.compare(probe, t)).max().max(best);
    }
    std::hint::black_box(best);
    Ok(COMPARISONS as f64 / (cpu_time() - start).as_secs_f64())
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

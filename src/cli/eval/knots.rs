//! Computes the cosines at which the impostor pairs of a set reach each false match rate (`eval knots`), as `models.toml` stores them,
//! and how well such a curve keeps its rates on identities that it was not fitted on. The same for joined templates.

use std::error::Error;
use std::path::Path;

use serde_json::json;

use super::gallery::Gallery;
use super::several::{PICTURES, Several};
use super::stats::{Impostors, TAIL_FROM, least_pairs};
use super::verification::lowest_cosine;
use crate::cli::args::Pictures;
use crate::engine::Knot;
use crate::face::{Curve, Score};
use crate::ops::Settings;

/// Parts for cross-fitting: each identity belongs to one, by its index in the sorted list.
const PARTS: usize = 4;
/// Least false match rate that is counted in the pairs themselves; smaller ones are extrapolated from the tail.
const LEAST_RATE: f64 = 1e-5;
/// The rate that is reported for people with several pictures.
const PROMISED: f64 = 1e-4;
/// Pairs of the highest cosine that are listed, to find identities that are one person.
const LISTED: usize = 25;

pub(in crate::cli) fn knots(settings: &Settings, on: &Pictures, aliases: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let gallery = Gallery::enroll(settings, &on.root, aliases)?;
    let mut identities: Vec<&str> = gallery.pictures.iter().map(|p| &*p.identity).collect();
    identities.sort_unstable();
    identities.dedup();
    let part = |identity: &str| identities.binary_search(&identity).unwrap_or_default() % PARTS;
    let impostors = Impostors::new(gallery.cross_pairs(|_| true).1);
    if !impostors.can_measure(LEAST_RATE) {
        let (least, there) = (least_pairs(LEAST_RATE), impostors.len());
        return Err(format!("a curve is fitted on {least} impostor pairs at the least; this set has {there}").into());
    }
    let knots = fit(&impostors);
    let several = Several::of(&gallery);
    let (joined, highest) = (several.joined.impostors(), several.highest.impostors());
    let joined_knots = joined.can_measure(LEAST_RATE).then(|| fit(&joined));
    // At the threshold of a rate for single pictures: the actual rate, and the share of mated comparisons at the threshold of that rate.
    let at = impostors.threshold(PROMISED);
    let rate = |of: &Impostors| of.reaching(at) as f64 / of.len().max(1) as f64;

    let (mut reached, mut pairs) = (0, 0);
    for held_out in 0..PARTS {
        let curve = Curve::new(&fit(&Impostors::new(gallery.cross_pairs(|p| part(&p.identity) != held_out).1)));
        let test = Impostors::new(gallery.cross_pairs(|p| part(&p.identity) == held_out).1);
        reached += test.reaching(lowest_cosine(&curve, Score::new(0.85)));
        pairs += test.len();
    }
    let share = reached as f64 / pairs as f64;

    let mut alike: Vec<(f64, &str, &str)> = vec![];
    for (i, a) in gallery.pictures.iter().enumerate() {
        for b in gallery.pictures[..i].iter().filter(|b| b.identity != a.identity && !gallery.one_person(a, b)) {
            if let (Ok(ta), Ok(tb)) = (&a.template, &b.template) {
                alike.push((gallery.comparator.similarity(ta, tb), &a.name, &b.name));
            }
        }
    }
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.truncate(LISTED);

    if on.json {
        let report = json!({
            "knots": knots.iter().map(|k| json!({"fmr": k.fmr, "cosine": k.cosine})).collect::<Vec<_>>(),
            "joined_knots": joined_knots.iter().flatten().map(|k| json!({"fmr": k.fmr, "cosine": k.cosine})).collect::<Vec<_>>(),
            "several": {
                "people": several.people, "pictures": PICTURES, "impostor_pairs": joined.len(),
                "joined": {"fmr": rate(&joined), "tmr_percent": several.joined.matched_percent(joined.threshold(PROMISED))},
                "highest": {"fmr": rate(&highest), "tmr_percent": several.highest.matched_percent(highest.threshold(PROMISED))},
            },
            "cross_fitted": {"score": 0.85, "impostor_pairs": pairs, "share": share},
            "most_alike": alike,
        });
        println!("{report:#}");
        return Ok(());
    }
    for knot in &knots {
        println!("[[model.knot]]\nfmr = {:e}\ncosine = {:.4}", knot.fmr, knot.cosine);
    }
    for knot in joined_knots.iter().flatten() {
        println!("[[model.joined_knot]]\nfmr = {:e}\ncosine = {:.4}", knot.fmr, knot.cosine);
    }
    println!(
        "\n{} people enrolled with {PICTURES} pictures, {} impostor comparisons, at the cosine of FMR {PROMISED:e} of single pictures:",
        several.people,
        joined.len()
    );
    for (what, found, of) in
        [("joined template", &several.joined, &joined), ("highest of their scores", &several.highest, &highest)]
    {
        let tmr = found.matched_percent(of.threshold(PROMISED));
        println!("{what:24} FMR {:.1e}; TMR at its own FMR {PROMISED:e} {tmr:.2} %", rate(of));
    }
    println!("\ncross-fitted in {PARTS} parts: {share:.2e} of {pairs} impostor pairs reach 0.85, the curve's 1e-4");
    println!("(below FMR 1e-5 the tail above FMR {TAIL_FROM:e} is continued exponentially)\n");
    println!("impostor pairs most alike; name people under two names in --aliases:");
    for (cosine, a, b) in alike {
        println!("{cosine:.4} {a} {b}");
    }
    Ok(())
}

fn fit(impostors: &Impostors) -> Vec<Knot> {
    [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6].map(|fmr| Knot { fmr, cosine: impostors.cosine(fmr) }).to_vec()
}

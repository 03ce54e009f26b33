//! `eval knots`: the cosines at which the impostor pairs of a set reach each false match rate, as `models.toml` stores them,
//! and how well such a curve keeps its promise on identities that it was not fitted on.

use std::error::Error;

use serde_json::json;

use super::gallery::Gallery;
use super::stats::{Impostors, TAIL_FROM};
use super::verification::lowest_cosine;
use crate::cli::args::Eval;
use crate::engine::Knot;
use crate::face::{Curve, Score};
use crate::ops::Settings;

/// Parts for cross-fitting: each identity belongs to one, by its place in the sorted list.
const PARTS: usize = 4;
/// Pairs of the highest cosine that are listed, to find identities that are one person.
const LISTED: usize = 25;

pub(in crate::cli) fn knots(settings: &Settings, options: &Eval) -> Result<(), Box<dyn Error>> {
    let gallery = Gallery::enrol(settings, options)?;
    let mut identities: Vec<&str> = gallery.pictures.iter().map(|p| &*p.identity).collect();
    identities.sort_unstable();
    identities.dedup();
    let part = |identity: &str| identities.binary_search(&identity).unwrap_or_default() % PARTS;
    let knots = fit(gallery.cross_pairs(|_| true).1);

    let (mut reached, mut pairs) = (0.0, 0);
    for held_out in 0..PARTS {
        let curve = Curve::new(&fit(gallery.cross_pairs(|p| part(&p.identity) != held_out).1));
        let test = Impostors::new(gallery.cross_pairs(|p| part(&p.identity) == held_out).1);
        reached += test.share(lowest_cosine(&curve, Score::new(0.85))) * test.len() as f64;
        pairs += test.len();
    }
    let share = reached / pairs as f64;

    let mut alike: Vec<(f64, &str, &str)> = vec![];
    for (i, a) in gallery.pictures.iter().enumerate() {
        for b in gallery.pictures[..i].iter().filter(|b| b.identity != a.identity && !gallery.one_person(a, b)) {
            if let (Ok(ta), Ok(tb)) = (&a.template, &b.template) {
                alike.push((ta.cosine(tb), &a.name, &b.name));
            }
        }
    }
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.truncate(LISTED);

    if options.json {
        let report = json!({
            "knots": knots.iter().map(|k| json!({"fmr": k.fmr, "cosine": k.cosine})).collect::<Vec<_>>(),
            "cross_fitted": {"score": 0.85, "impostor_pairs": pairs, "share": share},
            "most_alike": alike,
        });
        println!("{report:#}");
        return Ok(());
    }
    for knot in &knots {
        println!("[[model.knot]]\nfmr = {:e}\ncosine = {:.4}", knot.fmr, knot.cosine);
    }
    println!("\ncross-fitted in {PARTS} parts: {share:.2e} of {pairs} impostor pairs reach 0.85, the curve's 1e-4");
    println!("(below FMR 1e-5 the tail above FMR {TAIL_FROM:e} is continued exponentially)\n");
    println!("impostor pairs most alike; name people under two names in --aliases:");
    for (cosine, a, b) in alike {
        println!("{cosine:.4} {a} {b}");
    }
    Ok(())
}

fn fit(impostor: Vec<f64>) -> Vec<Knot> {
    let impostors = Impostors::new(impostor);
    [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6].map(|fmr| Knot { fmr, cosine: impostors.cosine(fmr) }).to_vec()
}

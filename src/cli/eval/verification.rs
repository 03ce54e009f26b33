//! Measures accuracy on given pairs, and TMR at fixed FMR over all cross pairs (`eval verification`).
//!
//! The most central face of each picture is used, since these sets center on the person they name; how many pictures the
//! service itself would refuse for a second person is reported separately. A picture that is not enrolled makes all its genuine
//! pairs non-matches. Rates for which the set is too small are "not measurable", and null in JSON.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use serde_json::json;

use super::discard::error_versus_discard;
use super::gallery::Gallery;
use super::stats::{Impostors, accuracy, least_pairs};
use super::table;
use crate::cli::args::Pictures;
use crate::face::{Curve, Score};
use crate::ops::Settings;

/// The rate at which the effect of discarding bad samples is reported.
const DISCARD_AT: f64 = 1e-4;

pub(in crate::cli) fn verification(
    settings: &Settings,
    on: &Pictures,
    path: &Path,
    aliases: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let rows = table::read(path, &["file_a", "file_b", "same", "fold?"])?;
    let gallery = Gallery::enroll(settings, &on.root, aliases)?;
    let by_name: HashMap<&str, usize> = gallery.pictures.iter().enumerate().map(|(i, p)| (&*p.name, i)).collect();
    let mut pairs = vec![];
    for (number, row) in rows.iter().enumerate() {
        let picture = |name: &String| {
            let at = by_name.get(&**name).ok_or_else(|| format!("{}: {name} is not below the root", path.display()));
            at.map(|at| &gallery.pictures[*at])
        };
        let (a, b) = (picture(&row[0])?, picture(&row[1])?);
        let same = match &*row[2] {
            "1" => true,
            "0" => false,
            other => return Err(format!("{}: same is '{other}', not 0 or 1", path.display()).into()),
        };
        let cosine = match (&a.template, &b.template) {
            (Ok(a), Ok(b)) => gallery.comparator.similarity(a, b),
            _ => -1.0,
        };
        let fold = if row[3].is_empty() { (number * 10 / rows.len()).to_string() } else { row[3].clone() };
        pairs.push((fold, cosine, same));
    }
    if pairs.is_empty() {
        return Err(format!("{}: there are no pairs", path.display()).into());
    }
    let accuracy = accuracy(&pairs);
    let (genuine, impostor) = gallery.cross_pairs(|_| true);
    let genuine_pairs = genuine.len() + gallery.genuine_lost();
    let impostors = Impostors::new(impostor);
    let curve = gallery.comparator.curve();
    let rates: Vec<_> = [1e-3, 1e-4, 1e-5]
        .iter()
        .map(|&fmr| {
            let rate = (impostors.can_measure(fmr) && genuine_pairs > 0).then(|| {
                let threshold = impostors.threshold(fmr);
                let matched = genuine.iter().filter(|c| **c > threshold).count();
                (threshold, percent(matched, genuine_pairs))
            });
            (fmr, rate)
        })
        .collect();
    let approved = Score::new(settings.decision.approved);
    let failed: Vec<_> = gallery.pictures.iter().filter_map(|p| Some((&p.name, p.template.as_ref().err()?))).collect();
    let no_face = failed.iter().filter(|(_, e)| matches!(e, crate::face::Error::NoFace)).count();
    let several = gallery.pictures.iter().filter(|p| p.several).count();
    let genuine_approved = genuine.iter().filter(|c| curve.score(**c) >= approved).count();
    let impostors_approved = impostors.reaching(lowest_cosine(curve, approved));
    let impostor_share = (impostors.len() > 0).then(|| impostors_approved as f64 / impostors.len() as f64);
    let genuine_percent = (genuine_pairs > 0).then(|| percent(genuine_approved, genuine_pairs));
    let several_percent = percent(several, gallery.pictures.len());
    let at = rates.iter().find(|(fmr, _)| *fmr == DISCARD_AT).and_then(|(_, rate)| rate.as_ref());
    let discard = at.map_or_else(Vec::new, |rate| error_versus_discard(&gallery, rate.0));
    let report = json!({
        "pictures": gallery.pictures.len(),
        "failures_to_enrol": failed.len(),
        "no_face": no_face,
        "refused_for_several_people": several,
        "refused_for_several_people_percent": several_percent,
        "pairs": pairs.len(),
        "accuracy_percent": accuracy.map(|(mean, _)| 100.0 * mean),
        "accuracy_deviation": accuracy.map(|(_, deviation)| 100.0 * deviation),
        "genuine_pairs": genuine_pairs,
        "impostor_pairs": impostors.len(),
        "tmr": rates.iter().map(|(fmr, rate)| json!({
            "fmr": fmr, "cosine": rate.map(|r| r.0), "tmr_percent": rate.map(|r| r.1), "least_impostor_pairs": least_pairs(*fmr),
        })).collect::<Vec<_>>(),
        "error_versus_discard": discard.iter().map(|(d, fnmr)| json!({"discarded": d, "fnmr": fnmr})).collect::<Vec<_>>(),
        "approved_score": approved.value(),
        "approved_impostor_share": impostor_share,
        "approved_genuine_percent": genuine_percent,
    });
    if on.json {
        println!("{report:#}");
        return Ok(());
    }
    println!(
        "pictures              {} ({} not enrolled, {no_face} of them without a face)",
        gallery.pictures.len(),
        failed.len()
    );
    for (name, error) in &failed {
        println!("  not enrolled        {name}: {error}");
    }
    println!(
        "refused by service    {several} for a second person ({several_percent:.2} %), at {} % of the area",
        settings.face.second_person_percent
    );
    match accuracy {
        Some((mean, deviation)) => {
            println!(
                "accuracy              {:.2} +- {:.2} % on {} pairs",
                100.0 * mean,
                100.0 * deviation,
                pairs.len()
            );
        }
        None => println!("accuracy              not measurable: each fold needs pairs of both kinds in the others"),
    }
    for (fmr, rate) in rates {
        match rate {
            Some((threshold, tmr)) => println!("TMR at FMR {fmr:e}       {tmr:.2} % (cosine {threshold:.4})"),
            None => println!(
                "TMR at FMR {fmr:e}       not measurable: it takes {} impostor pairs and a genuine one",
                least_pairs(fmr)
            ),
        }
    }
    if !discard.is_empty() {
        let falling: Vec<String> =
            discard.iter().map(|(d, fnmr)| format!("{:.2} % without {}", 100.0 * fnmr, 100.0 * d)).collect();
        println!("FNMR at FMR {DISCARD_AT:e}      {} % of the pictures of least quality", falling.join(", "));
    }
    println!("pairs                 {genuine_pairs} genuine, {} impostor", impostors.len());
    println!(
        "score {approved} and above  {impostors_approved} of {} impostor pairs{}, {genuine_approved} of {genuine_pairs} genuine{}",
        impostors.len(),
        impostor_share.map_or_else(String::new, |share| format!(" ({share:.2e})")),
        genuine_percent.map_or_else(String::new, |percent| format!(" ({percent:.2} %)")),
    );
    Ok(())
}

/// `part` of `all`, which is not 0.
fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all as f64
}

/// The least cosine whose score reaches `score`, by bisection on the monotone curve.
pub(super) fn lowest_cosine(curve: &Curve, score: Score) -> f64 {
    let (mut below, mut at) = (-1.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(below, at);
        if curve.score(middle) >= score { at = middle } else { below = middle }
    }
    at
}

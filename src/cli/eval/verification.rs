//! `eval verification`: accuracy on given pairs, TMR at fixed FMR over all cross pairs.
//!
//! The most central face of each picture is taken, since these sets center on the person they name; how many pictures the
//! service itself would refuse for a second person is told apart. A picture that is not enrolled makes all its genuine
//! pairs non-matches.

use std::collections::HashMap;
use std::error::Error;

use serde_json::json;

use super::gallery::Gallery;
use super::stats::{Impostors, accuracy};
use super::table;
use crate::cli::args::Eval;
use crate::face::{Curve, Score};
use crate::ops::Settings;

pub(in crate::cli) fn verification(settings: &Settings, options: &Eval) -> Result<(), Box<dyn Error>> {
    let path = options.pairs.as_deref().ok_or("eval verification needs --pairs CSV")?;
    let rows = table::read(path, &["file_a", "file_b", "same", "fold?"])?;
    let gallery = Gallery::enrol(settings, options)?;
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
            other => return Err(format!("{}: same is {other:?}, not 0 or 1", path.display()).into()),
        };
        let cosine = match (&a.template, &b.template) {
            (Ok(a), Ok(b)) => a.cosine(b),
            _ => -1.0,
        };
        let fold = if row[3].is_empty() { (number * 10 / rows.len()).to_string() } else { row[3].clone() };
        pairs.push((fold, cosine, same));
    }
    let (mean, deviation) = accuracy(&pairs);
    let (genuine, impostor) = gallery.cross_pairs(|_| true);
    let lost = gallery.genuine_lost();
    let impostors = Impostors::new(impostor);
    let curve = Curve::new(&gallery.faces.embedder().knots);
    let rates: Vec<_> = [1e-3, 1e-4, 1e-5]
        .iter()
        .map(|&fmr| {
            let threshold = impostors.threshold(fmr);
            let matched = genuine.iter().filter(|c| **c > threshold).count();
            (fmr, threshold, 100.0 * matched as f64 / (genuine.len() + lost) as f64)
        })
        .collect();
    let approved = Score::new(settings.decision.approved);
    let failed: Vec<_> = gallery.pictures.iter().filter_map(|p| Some((&p.name, p.template.as_ref().err()?))).collect();
    let no_face = failed.iter().filter(|(_, e)| matches!(e, crate::face::Error::NoFace)).count();
    let several = gallery.pictures.iter().filter(|p| p.several).count();
    let genuine_approved = genuine.iter().filter(|c| curve.score(**c) >= approved).count();
    let report = json!({
        "pictures": gallery.pictures.len(),
        "failures_to_enrol": failed.len(),
        "no_face": no_face,
        "refused_for_several_people": several,
        "pairs": pairs.len(),
        "accuracy_percent": 100.0 * mean,
        "accuracy_deviation": 100.0 * deviation,
        "genuine_pairs": genuine.len() + lost,
        "impostor_pairs": impostors.len(),
        "tmr": rates.iter().map(|(fmr, t, tmr)| json!({"fmr": fmr, "cosine": t, "tmr_percent": tmr})).collect::<Vec<_>>(),
        "approved_score": approved.value(),
        "approved_impostor_share": impostors.share(lowest_cosine(&curve, approved)),
        "approved_genuine_percent": 100.0 * genuine_approved as f64 / (genuine.len() + lost) as f64,
    });
    if options.json {
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
        "refused by service    {several} for a second person ({:.2} %)",
        100.0 * several as f64 / gallery.pictures.len() as f64
    );
    println!("accuracy              {:.2} +- {:.2} % on {} pairs", 100.0 * mean, 100.0 * deviation, pairs.len());
    for (fmr, threshold, tmr) in rates {
        println!("TMR at FMR {fmr:e}       {tmr:.2} % (cosine {threshold:.4})");
    }
    println!("pairs                 {} genuine, {} impostor", genuine.len() + lost, impostors.len());
    println!(
        "score {approved} and above  {:.2e} of impostor pairs, {:.2} % of genuine",
        impostors.share(lowest_cosine(&curve, approved)),
        report["approved_genuine_percent"].as_f64().unwrap_or_default()
    );
    Ok(())
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

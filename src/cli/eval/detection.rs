//! `eval detection`: how many faces are found in each picture, and what the service makes of it.

use std::collections::HashMap;
use std::error::Error;

use serde_json::json;

use super::gallery::{each, files, is_picture, load};
use super::table;
use crate::cli::args::Eval;
use crate::face::{Choice, Face, SUB};
use crate::ops::Settings;

pub(in crate::cli) fn detection(settings: &Settings, options: &Eval) -> Result<(), Box<dyn Error>> {
    let truth: HashMap<String, usize> = match &options.counts {
        None => HashMap::new(),
        Some(path) => {
            let rows = table::read(path, &["file", "true_faces"])?;
            let counted = rows.into_iter().filter(|r| !r[1].is_empty()); // a crowd that nobody counted
            counted.map(|r| Ok::<_, Box<dyn Error>>((r[0].clone(), r[1].parse()?))).collect::<Result<_, _>>()?
        }
    };
    let faces = load(settings)?;
    let mut names = files(&options.root, is_picture)?;
    names.retain(|n| truth.is_empty() || truth.contains_key(n));
    let found = each(settings, &faces, &options.root, &names, |extractor, bytes| extractor.detect(bytes))?;
    let mut rows = vec![];
    for (name, found) in names.iter().zip(found) {
        let (faces, verdict) = match found {
            Ok((faces, Choice::None)) => (faces, "no face".to_owned()),
            Ok((faces, Choice::One(face))) => (faces, format!("one person, certainty {:.2}", face.score)),
            Ok((faces, Choice::Several(n))) => (faces, format!("{n} people")),
            Err(error) => (vec![], error.to_string()),
        };
        rows.push((name, truth.get(name), faces, verdict));
    }
    let with_truth = || rows.iter().filter_map(|r| Some((*r.1?, r.2.len())));
    let totals = json!({
        "pictures": rows.len(),
        "without_a_face": rows.iter().filter(|r| r.2.is_empty()).count(),
        "true_faces": with_truth().map(|(t, _)| t).sum::<usize>(),
        "found_of_them_at_most": with_truth().map(|(t, f)| t.min(f)).sum::<usize>(),
        "more_than_there_are": with_truth().map(|(t, f)| f.saturating_sub(t)).sum::<usize>(),
    });
    if options.json {
        let list = rows.iter().map(|(n, t, faces, v)| {
            let faces: Vec<_> = faces.iter().map(describe).collect();
            json!({"file": n, "true_faces": t, "service": v, "faces": faces})
        });
        println!("{:#}", json!({"totals": totals, "pictures": list.collect::<Vec<_>>()}));
        return Ok(());
    }
    for (name, truth, faces, verdict) in &rows {
        let truth = truth.map_or("-".to_owned(), usize::to_string);
        println!("{name:48} true {truth:>3}  found {:>3}  {verdict}", faces.len());
    }
    println!("{totals:#}");
    Ok(())
}

/// Box and certainty, in pixels.
fn describe(face: &Face) -> serde_json::Value {
    let pixels = |v: i32| v / SUB;
    let (min, max) = (face.bounds.min, face.bounds.max);
    json!({"box": [pixels(min.x), pixels(min.y), pixels(max.x), pixels(max.y)], "certainty": face.score})
}

//! Counts the faces that are found in each picture, and what the service makes of them (`eval detection`).

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use serde_json::json;

use super::gallery::{each_file, files, is_picture, load};
use super::table;
use crate::cli::args::Pictures;
use crate::face::{Choice, Face, SUB};
use crate::ops::Settings;

pub(in crate::cli) fn detection(
    settings: &Settings,
    on: &Pictures,
    counts: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let truth: HashMap<String, usize> = match counts {
        None => HashMap::new(),
        Some(path) => {
            let rows = table::read(path, &["file", "true_faces"])?;
            let counted = rows.into_iter().filter(|r| !r[1].is_empty()); // an uncounted crowd
            counted.map(|r| Ok::<_, Box<dyn Error>>((r[0].clone(), r[1].parse()?))).collect::<Result<_, _>>()?
        }
    };
    let faces = load(settings)?;
    let mut names = files(&on.root, is_picture)?;
    names.retain(|n| truth.is_empty() || truth.contains_key(n));
    let found = each_file(settings, &faces, &on.root, &names, |extractor, bytes| extractor.detect(bytes))?;
    let mut rows = vec![];
    for (name, found) in names.iter().zip(found) {
        let several = matches!(found, Ok((_, Choice::Several(_))));
        let (faces, verdict) = match found {
            Ok((faces, Choice::None)) => (faces, "no face".to_owned()),
            Ok((faces, Choice::One(face))) => (faces, format!("one person, certainty {:.2}", face.score)),
            Ok((faces, Choice::Several(n))) => (faces, format!("{n} people")),
            Err(error) => (vec![], error.to_string()),
        };
        rows.push((name, truth.get(name), faces, verdict, several));
    }
    let with_truth = || rows.iter().filter_map(|r| Some((*r.1?, r.2.len())));
    let totals = json!({
        "pictures": rows.len(),
        "without_a_face": rows.iter().filter(|r| r.2.is_empty()).count(),
        "with_several_people": rows.iter().filter(|r| r.4).count(),
        "true_faces": with_truth().map(|(t, _)| t).sum::<usize>(),
        "found_of_them_at_most": with_truth().map(|(t, f)| t.min(f)).sum::<usize>(),
        "more_than_there_are": with_truth().map(|(t, f)| f.saturating_sub(t)).sum::<usize>(),
    });
    if on.json {
        let list = rows.iter().map(|(n, t, faces, v, _)| {
            let faces: Vec<_> = faces.iter().map(describe).collect();
            json!({"file": n, "true_faces": t, "service": v, "faces": faces})
        });
        println!("{:#}", json!({"totals": totals, "pictures": list.collect::<Vec<_>>()}));
        return Ok(());
    }
    for (name, truth, faces, verdict, _) in &rows {
        let truth = truth.map_or("-".to_owned(), usize::to_string);
        println!("{name:48} true {truth:>3}  found {:>3}  {verdict}", faces.len());
    }
    println!("{totals:#}");
    Ok(())
}

/// Box and confidence, in pixels.
fn describe(face: &Face) -> serde_json::Value {
    let pixels = |v: i32| v / SUB;
    let (min, max) = (face.bounds.min, face.bounds.max);
    json!({"box": [pixels(min.x), pixels(min.y), pixels(max.x), pixels(max.y)], "certainty": face.score})
}

//! Measures the similarity of different people in the pictures of one site (`calibrate site`), and prints the settings with which the
//! score's false match rates hold there.
//!
//! The enrolled people are enough: no person has to be captured twice, and no data leave the machine but a mean over fifty people or
//! more.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use super::fit::{CrossValidation, Fitted, PROMISED, Person, Way, better, shipped, validated};
use crate::cli::eval::{each_file, files, is_picture, load};
use crate::engine::{Decoding, ModelInfo};
use crate::face::Sealer;
use crate::face::{Extractor, Template};
use crate::ops::date::today;
use crate::ops::{Settings, counted, settings};

/// Fewer people are too few: with 50, each half of 25 has 300 pairs for the fit and as many for the test.
const LEAST_PEOPLE: usize = 50;
/// Multiple of its expected share from which a warning is printed.
const FAR_OVER: f64 = 3.0;

/// Prints the settings of the site to standard output, and the measurements to standard error.
pub(in crate::cli) fn site(settings: &Settings, root: &Path) -> Result<(), Box<dyn Error>> {
    let faces = load(settings)?;
    let model = faces.embedder();
    let names = files(root, |_| true)?;
    let (pictures, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_picture(name.as_ref()));
    let mut people: BTreeMap<String, Vec<Template>> = BTreeMap::new();
    let mut left_out = vec![];
    let extract = |extractor: &mut Extractor, bytes: &[u8]| extractor.extract(bytes, &|| false);
    for (name, template) in pictures.iter().zip(each_file(settings, &faces, root, &pictures, extract)?) {
        match template {
            Ok(template) => people.entry(identity(name)).or_default().push(template),
            Err(error) => left_out.push(format!("{name}: {error}")),
        }
    }
    let seals = Sealer::load(&settings.templates)?;
    for name in &others {
        match template(&root.join(name), &identity(name), &seals, model) {
            Ok(template) => people.entry(identity(name)).or_default().push(template),
            Err(error) => left_out.push(format!("{name}: {error}")),
        }
    }
    for what in &left_out {
        eprintln!("left out: {what}");
    }
    let people: Vec<Person> = people.into_iter().map(|(name, templates)| Person { name, templates }).collect();
    let people: Vec<&Person> = people.iter().collect();
    let before = shipped(&people, model);
    tell("as shipped", &before);
    if people.len() < LEAST_PEOPLE {
        let there = counted(people.len(), "person", "people");
        return Err(format!("{LEAST_PEOPLE} people are needed at the least; here is {there}").into());
    }
    let (moved, centered) = (validated(&people, model, Way::Moved), validated(&people, model, Way::Centered));
    tell("with shift and scale", &moved);
    tell("without what all have in common", &centered);
    let way = better(&moved, &centered);
    let after = if way == Way::Moved { moved } else { centered };
    if after.excess() > FAR_OVER {
        eprintln!(
            "warning: on people that the curve was not fitted to, far more non-mated pairs than 1 in 10,000 reach 0.85; look for one person under two names:"
        );
        for (similarity, a, b) in most_alike(&people) {
            eprintln!("  {similarity:.3} {a} {b}");
        }
    }
    let fitted = way.fit(&people, model);
    print!("{}", section(&fitted, model, people.len(), &before, &after));
    Ok(())
}

/// The folder of a file, or its own name if it is in none.
fn identity(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((folder, _)) => folder.to_owned(),
        None => name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned(),
    }
}

/// The template in a file, sealed or not; if it is bound to a person, the folder has to be named after that person.
fn template(path: &Path, person: &str, seals: &Sealer, model: &ModelInfo) -> Result<Template, Box<dyn Error>> {
    let Decoding::Embedding { dimension } = model.output else { return Err("the embedder makes no embeddings".into()) };
    let bytes = std::fs::read(path)?;
    let plain = seals.open(&bytes, None).or_else(|_| seals.open(&bytes, Some(person))).map_err(|e| e.to_string())?;
    Ok(Template::parse(&plain, model.id, dimension)
        .map_err(|damage| format!("no picture, and no template: {damage}"))?)
}

/// Prints one line for people.
fn tell(what: &str, validated: &CrossValidation) {
    let shares: Vec<String> = PROMISED
        .iter()
        .zip(validated.reached)
        .map(|((score, share), reached)| {
            format!("{reached} at {score} ({:.1} promised)", share * validated.pairs as f64)
        })
        .collect();
    let mated = match validated.mated {
        0 => String::new(),
        mated => format!("; {:.1} % of {mated} mated pairs at 0.85", 100.0 * validated.approved as f64 / mated as f64),
    };
    eprintln!("{what:32} {} non-mated pairs: {}{mated}", validated.pairs, shares.join(", "));
}

/// The three most similar pairs of different people.
fn most_alike<'a>(people: &[&'a Person]) -> Vec<(f64, &'a str, &'a str)> {
    let mut pairs = vec![];
    for (i, a) in people.iter().enumerate() {
        for b in &people[..i] {
            let similarities = a.templates.iter().flat_map(|t| b.templates.iter().map(move |u| t.similarity(u)));
            pairs.push((similarities.fold(-1.0, f64::max), &*a.name, &*b.name));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs.truncate(3);
    pairs
}

/// The section `[site]` for the settings file.
fn section(
    fitted: &Fitted,
    model: &ModelInfo,
    people: usize,
    before: &CrossValidation,
    after: &CrossValidation,
) -> String {
    #[derive(serde::Serialize)]
    struct File {
        site: settings::Site,
    }
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    let share = |validated: &CrossValidation| (validated.share() * 1e7).round() / 1e7;
    let site = settings::Site {
        date: today(),
        model: model.id,
        people,
        held_pairs: after.pairs,
        share_before: share(before),
        share_after: share(after),
        shift: rounded(fitted.shift),
        scale: rounded(fitted.scale),
        mean: fitted.mean.iter().map(|m| (m * 32768.0).round() as i16).collect(),
    };
    toml::to_string(&File { site }).expect("these are numbers and a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_folders_or_files() {
        assert_eq!(identity("anna/1.jpg"), "anna");
        assert_eq!(identity("staff/anna/1.jpg"), "staff/anna");
        assert_eq!(identity("anna.template"), "anna");
        assert_eq!(identity("anna"), "anna");
    }
}

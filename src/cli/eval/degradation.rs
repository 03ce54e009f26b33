//! Measures accuracy on deliberately degraded pictures (`eval degradation`): whether people still match a good picture of themselves,
//! and whether the false match rates hold for different people whose pictures were degraded in the same way.

use std::error::Error;

use serde_json::json;

use super::degrade::Degradation;
use super::gallery::{each_file, files, is_picture, load};
use crate::cli::args::Pictures;
use crate::face::{self, Comparator, Extractor, Score, Template};
use crate::ops::Settings;

/// Score from which different people count as a false match: the default of `decision.approved`.
const APPROVED: f64 = 0.85;
/// Identities that are used by default: 79,800 pairs, of which eight may match.
const PEOPLE: usize = 400;

/// The results for all pictures under one degradation.
struct Row {
    degradation: Degradation,
    pictures: usize,
    /// One for each first picture of a person that was not refused.
    templates: Vec<Template>,
    /// Degraded second pictures of people whose first one is good; and those among them that match it.
    mated: (usize, usize),
    /// Pairs of different people, and those among them that match.
    non_mated: (usize, usize),
}

pub(in crate::cli) fn degradation(
    settings: &Settings,
    on: &Pictures,
    most: Option<usize>,
) -> Result<(), Box<dyn Error>> {
    let faces = load(settings)?;
    let people = people(&files(&on.root, is_picture)?, most.unwrap_or(PEOPLE));
    let names: Vec<String> = people.iter().flatten().cloned().collect();
    let job = |extractor: &mut Extractor, bytes: &[u8]| {
        let frame = extractor.decode(bytes, &|| false)?;
        let frame = frame.upright();
        let face = extractor.central(&frame)?;
        let seed = u64::from(crc32fast::hash(bytes));
        let all = Degradation::ALL.iter();
        Ok(all.map(|worse| extractor.extract_frame(&worse.apply(&frame, &face, seed)).ok()).collect())
    };
    let found: Vec<Result<Made, face::Error>> = each_file(settings, &faces, &on.root, &names, job)?;
    let mut found = found.into_iter().map(Result::ok);
    // A picture without a face can't be degraded.
    let found: Vec<Vec<Made>> =
        people.iter().map(|own| own.iter().flat_map(|_| found.next().flatten()).collect()).collect();
    let found: Vec<_> = found.into_iter().filter(|own| !own.is_empty()).collect();
    let comparator = Comparator::of(faces.embedder(), settings)?;
    let rows: Vec<Row> =
        Degradation::ALL.iter().enumerate().map(|(at, worse)| Row::new(*worse, at, &found, &comparator)).collect();
    if on.json {
        println!("{:#}", json!({"approved": APPROVED, "degradations": rows.iter().map(Row::json).collect::<Vec<_>>()}));
        return Ok(());
    }
    println!("one picture each of {} people; non-mated pairs of pictures that were made worse alike", found.len());
    println!(
        "FMR: of pairs that are compared; GFAR: of all pairs, since nobody gets in with a picture that is refused (ISO/IEC 19795-1)"
    );
    println!("TMR: of second pictures made worse, compared with the first as it is; refused ones are not known");
    println!("degradation            refused %  quality   TMR %      FMR     GFAR   at {APPROVED} or above");
    for row in &rows {
        let (pairs, approved) = row.non_mated;
        println!(
            "{:22} {:9.1} {:8} {:7.1} {:8.1e} {:8.1e}   {approved} of {pairs}",
            row.degradation.to_string(),
            row.refused_percent(),
            row.median_quality(),
            row.matched_percent(),
            approved as f64 / pairs.max(1) as f64,
            approved as f64 / pairs_of(row.pictures).max(1) as f64,
        );
    }
    Ok(())
}

/// A picture's templates, by degradation; `None` where it was refused.
type Made = Vec<Option<Template>>;

/// The first two pictures of this many people, or the only one: of people with two first, evenly spread.
fn people(names: &[String], most: usize) -> Vec<Vec<String>> {
    let folder = |name: &String| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let own: Vec<Vec<String>> =
        names.chunk_by(|a, b| folder(a) == folder(b)).map(|own| own[..own.len().min(2)].to_vec()).collect();
    let (two, one): (Vec<_>, Vec<_>) = own.into_iter().partition(|own| own.len() == 2);
    let spread = |from: Vec<Vec<String>>, count: usize| -> Vec<Vec<String>> {
        let count = count.min(from.len());
        (0..count).map(|i| from[i * from.len() / count].clone()).collect()
    };
    let mut chosen = spread(two, most.max(1));
    let missing = most.saturating_sub(chosen.len());
    chosen.extend(spread(one, missing));
    chosen
}

/// Number of pairs among `count`.
fn pairs_of(count: usize) -> usize {
    count * count.saturating_sub(1) / 2
}

impl Row {
    fn new(degradation: Degradation, at: usize, found: &[Vec<Made>], comparator: &Comparator) -> Self {
        let first = found.iter().map(|own| &own[0]);
        let templates: Vec<Template> = first.clone().filter_map(|made| made[at].clone()).collect();
        let known = |a: &Template, b: &Template| comparator.compare(a, b) >= Score::new(APPROVED);
        let alike =
            templates.iter().enumerate().map(|(i, a)| templates[..i].iter().filter(|b| known(a, b)).count()).sum();
        // The first degradation leaves pictures as they are.
        let good = found.iter().filter_map(|own| Some((own[0][0].as_ref()?, own.get(1)?)));
        let mated =
            good.clone().filter(|(good, worse)| worse[at].as_ref().is_some_and(|worse| known(good, worse))).count();
        let pairs = pairs_of(templates.len());
        let (pictures, mated) = (first.count(), (good.count(), mated));
        Self { degradation, pictures, templates, mated, non_mated: (pairs, alike) }
    }

    fn matched_percent(&self) -> f64 {
        100.0 * self.mated.1 as f64 / self.mated.0.max(1) as f64
    }

    fn refused_percent(&self) -> f64 {
        100.0 * (self.pictures - self.templates.len()) as f64 / self.pictures.max(1) as f64
    }

    fn median_quality(&self) -> u8 {
        let mut qualities: Vec<u8> = self.templates.iter().map(Template::quality).collect();
        qualities.sort_unstable();
        qualities.get(qualities.len() / 2).copied().unwrap_or_default()
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "degradation": self.degradation.to_string(), "pictures": self.pictures, "templates": self.templates.len(),
            "refused_percent": self.refused_percent(), "median_quality": self.median_quality(),
            "pairs": pairs_of(self.pictures), "mated_pairs": self.mated.0, "matched": self.mated.1, "non_mated_pairs": self.non_mated.0, "approved": self.non_mated.1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pictures_of_each_person_are_chosen() {
        let names = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg", "c/3.jpg", "d/1.jpg"].map(str::to_owned);
        let chosen = |most| people(&names, most).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(chosen(9), ["a/1.jpg", "a/2.jpg", "c/1.jpg", "c/2.jpg", "b/1.jpg", "d/1.jpg"]);
        assert_eq!(chosen(1), ["a/1.jpg", "a/2.jpg"]);
        assert_eq!(chosen(3), ["a/1.jpg", "a/2.jpg", "c/1.jpg", "c/2.jpg", "b/1.jpg"]);
    }

    #[test]
    fn undegraded_pictures_come_first() {
        assert_eq!(Degradation::ALL[0].to_string(), "as they are");
    }
}

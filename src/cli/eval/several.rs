//! Evaluates people enrolled with several pictures: the similarities to a template joined from them, and to the most similar of them.

use super::gallery::{Gallery, Picture};
use super::stats::Impostors;
use crate::face::{Score, Template};

/// Pictures joined for one person. Results with two are between these and single ones, those with five hardly better.
pub(super) const PICTURES: usize = 3;
/// Most different choices of that many pictures for each person.
const CHOICES: usize = 6;

/// Similarities of single pictures to people enrolled with several others.
#[derive(Default)]
pub(super) struct Several {
    /// People who have at least one picture more than are joined.
    pub(super) people: usize,
    /// To the joined template.
    pub(super) joined: MatchRates,
    /// To the most similar of its members.
    pub(super) highest: MatchRates,
}

/// Similarities of pictures of the same person, and of other people.
#[derive(Default)]
pub(super) struct MatchRates {
    mated: Vec<f64>,
    non_mated: Vec<f64>,
}

impl Several {
    pub(super) fn of(gallery: &Gallery) -> Self {
        let mut several = Self::default();
        let enrolled: Vec<(&Picture, &Template)> =
            gallery.pictures.iter().filter_map(|p| Some((p, p.template.as_ref().ok()?))).collect();
        // Pictures are sorted by name, so that those of one person are adjacent.
        for own in enrolled.chunk_by(|(a, _), (b, _)| a.identity == b.identity).filter(|own| own.len() > PICTURES) {
            several.people += 1;
            for choice in own.windows(PICTURES).take(CHOICES) {
                several.choose(gallery, &enrolled, choice);
            }
        }
        several
    }

    fn choose(&mut self, gallery: &Gallery, enrolled: &[(&Picture, &Template)], choice: &[(&Picture, &Template)]) {
        let members: Vec<Template> = choice.iter().map(|(_, template)| (*template).clone()).collect();
        let person = choice[0].0;
        // Identical pictures can't be joined.
        let Ok(joined) = Template::join(&members, &gallery.comparator, Score::new(0.0)) else { return };
        for (picture, probe) in enrolled {
            if choice.iter().any(|(member, _)| member.name == picture.name) || gallery.one_person(person, picture) {
                continue;
            }
            let similarity = |template| gallery.comparator.similarity(template, probe);
            let is_mated = picture.identity == person.identity;
            self.joined.push(is_mated, similarity(&joined));
            self.highest.push(is_mated, members.iter().map(similarity).fold(-1.0, f64::max));
        }
    }
}

impl MatchRates {
    fn push(&mut self, is_mated: bool, similarity: f64) {
        if is_mated { self.mated.push(similarity) } else { self.non_mated.push(similarity) }
    }

    pub(super) fn impostors(&self) -> Impostors {
        Impostors::new(self.non_mated.clone())
    }

    /// The share of mated comparisons above a similarity, in percent.
    pub(super) fn matched_percent(&self, above: f64) -> f64 {
        100.0 * self.mated.iter().filter(|s| **s > above).count() as f64 / self.mated.len().max(1) as f64
    }
}

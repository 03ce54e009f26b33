//! Holds all people in memory, and searches their templates.
//!
//! People are spread over shards by their ids. A search works on a snapshot of all shards; a change replaces one shard by a changed copy,
//! so that neither ever waits for the other.

use std::sync::{Arc, PoisonError, RwLock};

use super::person::{PersonId, Profile};
use crate::face::{Comparator, Hit, PackedTemplates, Probe, SEARCH_ERROR, Score, Template};

/// Number of shards: with 100,000 people a change copies a hundred of them.
const SHARDS: usize = 1024;
/// Candidates that a search returns.
const CANDIDATES: usize = 5;
/// People that a search keeps until exact scores decide: more than are returned, since similarities are rounded meanwhile.
const KEPT: usize = 16;

/// All people and their templates.
#[derive(Debug)]
pub struct Gallery {
    shards: RwLock<Arc<Vec<Arc<Shard>>>>,
}

/// A state of the gallery, which does not change any more.
#[derive(Clone, Debug)]
pub struct Snapshot(Arc<Vec<Arc<Shard>>>);

#[derive(Clone, Debug, Default)]
struct Shard {
    /// Each one's templates have its index as owner.
    people: Vec<Arc<Profile>>,
    packed: PackedTemplates,
}

/// A person that a face may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who it is.
    pub profile: Arc<Profile>,
    /// The highest score of any of the templates.
    pub score: Score,
    /// How many of the two templates with that score are joined.
    pub joined: usize,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Searched {
    /// The best, best first, of equal ones in the order of their ids.
    pub candidates: Vec<Candidate>,
    /// Number of templates that were compared.
    pub templates: usize,
}

impl Default for Gallery {
    fn default() -> Self {
        Self { shards: RwLock::new(Arc::new(empty())) }
    }
}

/// A person with the templates of the present model, in place of whoever had the id; none where it is to go.
pub type Replacement = (PersonId, Option<(Profile, Vec<Template>)>);

/// The shard of an id.
fn place(id: &PersonId) -> usize {
    crc32fast::hash(id.as_str().as_bytes()) as usize % SHARDS
}

impl Gallery {
    /// The present state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(Arc::clone(&self.shards.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Replaces or removes people, each with its templates of the present model. Searches see all of it or nothing.
    ///
    /// Only one thread may change the gallery at a time.
    pub fn change(&self, changes: Vec<Replacement>, comparator: &Comparator) {
        self.show(changed((*self.snapshot().0).clone(), changes, comparator));
    }

    /// Puts these people in place of all others.
    pub fn replace(&self, people: Vec<Replacement>, comparator: &Comparator) {
        self.show(changed(empty(), people, comparator));
    }

    fn show(&self, shards: Vec<Arc<Shard>>) {
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shards);
    }
}

fn empty() -> Vec<Arc<Shard>> {
    (0..SHARDS).map(|_| Arc::default()).collect()
}

fn changed(mut shards: Vec<Arc<Shard>>, changes: Vec<Replacement>, comparator: &Comparator) -> Vec<Arc<Shard>> {
    let mut changed = vec![false; SHARDS];
    for (id, person) in changes {
        let place = place(&id);
        changed[place] = true;
        let shard = Arc::make_mut(&mut shards[place]);
        shard.remove(&id);
        if let Some((profile, templates)) = person {
            shard.add(profile, &templates, comparator);
        }
    }
    for (shard, _) in shards.iter_mut().zip(changed).filter(|(_, changed)| *changed) {
        Arc::make_mut(shard).packed.fit();
    }
    shards
}

impl Shard {
    fn find(&self, id: &PersonId) -> Option<usize> {
        self.people.iter().position(|profile| profile.id == *id)
    }

    fn add(&mut self, profile: Profile, templates: &[Template], comparator: &Comparator) {
        let owner = self.people.len() as u32;
        templates.iter().for_each(|template| self.packed.push(template, comparator, owner));
        self.people.push(Arc::new(profile));
    }

    fn remove(&mut self, id: &PersonId) {
        if let Some(index) = self.find(id) {
            self.people.swap_remove(index);
            self.packed.remove(index as u32, Some(self.people.len() as u32));
        }
    }
}

impl Snapshot {
    /// Everybody, in no order.
    pub fn people(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.0.iter().flat_map(|shard| &shard.people)
    }

    /// Number of templates of the present model.
    pub fn templates(&self) -> usize {
        self.0.iter().map(|shard| shard.packed.len()).sum()
    }

    /// Bytes of memory of these templates.
    pub fn template_bytes(&self) -> usize {
        self.0.iter().map(|shard| shard.packed.bytes()).sum()
    }

    /// The person of this id.
    pub fn get(&self, id: &PersonId) -> Option<&Arc<Profile>> {
        let shard = &self.0[place(id)];
        shard.find(id).map(|index| &shard.people[index])
    }

    /// The templates of this person that are of the present model.
    pub fn templates_of(&self, id: &PersonId) -> Vec<Template> {
        let shard = &self.0[place(id)];
        shard.find(id).map_or_else(Vec::new, |index| shard.packed.of(index as u32).collect())
    }

    /// Finds the people whom the probe resembles most. A person's score is that of the most similar template.
    pub fn search(&self, probe: &Probe, comparator: &Comparator) -> Searched {
        // Scores of joined templates have a curve of their own, so that similarities of the two kinds are not in one order.
        let mut best = [Best::default(), Best::default()];
        for (number, shard) in self.0.iter().enumerate() {
            let least = |best: &[Best; 2]| [best[0].least, best[1].least];
            shard.packed.search(probe, least(&best), |hit| {
                best[usize::from(hit.is_joined)].keep(number, &hit);
                least(&best)
            });
        }
        let mut owners: Vec<(usize, u32)> = best.iter().flat_map(Best::owners).collect();
        owners.sort_unstable();
        owners.dedup();
        let score_of = comparator.scores_of(probe.template());
        let own = usize::from(probe.template().samples() > 1);
        let mut candidates: Vec<Candidate> = vec![];
        for (number, owner) in owners {
            let shard = &self.0[number];
            let scored =
                shard.packed.of(owner).map(|template| (score_of(&template), own + usize::from(template.samples() > 1)));
            if let Some((score, joined)) = scored.max_by_key(|(score, _)| *score) {
                candidates.push(Candidate { profile: Arc::clone(&shard.people[owner as usize]), score, joined });
            }
        }
        candidates.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.profile.id.cmp(&b.profile.id)));
        candidates.truncate(CANDIDATES);
        Searched { candidates, templates: self.templates() }
    }
}

/// The owners of the most similar templates so far.
struct Best {
    /// Shard, owner and the owner's highest similarity.
    kept: Vec<(usize, u32, f32)>,
    /// What a similarity must exceed to matter.
    least: f32,
}

impl Default for Best {
    fn default() -> Self {
        Self { kept: Vec::with_capacity(KEPT + 1), least: f32::NEG_INFINITY }
    }
}

impl Best {
    fn keep(&mut self, shard: usize, hit: &Hit) {
        match self.kept.iter_mut().find(|kept| (kept.0, kept.1) == (shard, hit.owner)) {
            Some(kept) => kept.2 = kept.2.max(hit.similarity),
            None => self.kept.push((shard, hit.owner, hit.similarity)),
        }
        if self.kept.len() > KEPT {
            self.kept.sort_by(|a, b| b.2.total_cmp(&a.2));
            self.kept.truncate(KEPT);
            self.least = self.kept[KEPT - 1].2;
        }
    }

    /// Those that may be among the best: exact similarities may be in another order than rounded ones.
    fn owners(&self) -> impl Iterator<Item = (usize, u32)> {
        let mut similarities: Vec<f32> = self.kept.iter().map(|kept| kept.2).collect();
        similarities.sort_by(|a, b| b.total_cmp(a));
        let least = similarities.get(CANDIDATES - 1).map_or(f32::NEG_INFINITY, |fifth| fifth - 2.0 * SEARCH_ERROR);
        self.kept.iter().filter(move |kept| kept.2 >= least).map(|kept| (kept.0, kept.1))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{Isa, Knot};
    use crate::people::person::Draft;

    fn comparator() -> Comparator {
        let knot = |(fmr, cosine)| Knot { fmr, cosine };
        let single = [(1e-1, 0.1), (1e-3, 0.3), (1e-6, 0.5)].map(knot);
        Comparator::new(&single, &[(1e-1, 0.2), (1e-3, 0.4), (1e-6, 0.6)].map(knot), None)
    }

    fn template(seed: u64) -> Template {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from((state >> 40) as u32) - 8_388_608.0
        };
        let vector: Vec<f64> = (0..128).map(|_| next()).collect();
        Template::new(1, (seed % 101) as u8, &vector).unwrap()
    }

    fn joined(seeds: [u64; 2]) -> Template {
        Template::join(&seeds.map(template), &comparator(), Score::new(0.0)).unwrap()
    }

    fn person(id: &str) -> Profile {
        Draft { id: PersonId::new(id), ..Draft::default() }.enrolled(Timestamp::UNIX_EPOCH).profile
    }

    fn change(id: &str, templates: Option<Vec<Template>>) -> Vec<Replacement> {
        let profile = person(id);
        vec![(profile.id.clone(), templates.map(|templates| (profile, templates)))]
    }

    /// The candidates that comparing with everybody gives.
    fn expected(people: &[(String, Vec<Template>)], probe: &Template) -> Vec<(Score, String)> {
        let comparator = comparator();
        let score = |templates: &[Template]| templates.iter().map(|t| comparator.compare(probe, t)).max();
        let mut all: Vec<_> = people.iter().filter_map(|(id, t)| Some((score(t)?, id.clone()))).collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        all.truncate(CANDIDATES);
        all
    }

    proptest! {
        #[test]
        fn a_search_finds_whom_comparing_with_all_would_find(
            people in prop::collection::vec(prop::collection::vec((0u64..3_000, any::<bool>()), 0..4), 0..60), seed in 0u64..3_000,
        ) {
            let of = |(seed, is_joined): &(u64, bool)| if *is_joined { joined([*seed, *seed + 1]) } else { template(*seed) };
            let people: Vec<(String, Vec<Template>)> =
                people.iter().enumerate().map(|(i, all)| (format!("p{i:02}"), all.iter().map(of).collect())).collect();
            let gallery = Gallery::default();
            let comparator = comparator();
            for (id, templates) in &people {
                gallery.change(change(id, Some(templates.clone())), &comparator);
            }
            for probe in [template(seed), joined([seed, seed + 7])] {
                let found = gallery.snapshot().search(&Probe::new(&probe, &comparator, Isa::best()), &comparator);
                let told: Vec<_> = found.candidates.iter().map(|c| (c.score, c.profile.id.to_string())).collect();
                prop_assert_eq!(told, expected(&people, &probe));
                prop_assert_eq!(found.templates, people.iter().map(|(_, t)| t.len()).sum::<usize>());
            }
        }
    }

    #[test]
    fn people_are_replaced_and_removed_and_snapshots_stay() {
        let (gallery, comparator) = (Gallery::default(), comparator());
        // All in one shard, so that indexes move.
        let ids: Vec<String> = (0..200_000)
            .map(|i| format!("p{i}"))
            .filter(|id| place(&PersonId::new(id.as_str()).unwrap()) == 3)
            .take(9)
            .collect();
        for (i, id) in ids.iter().enumerate() {
            gallery.change(change(id, Some(vec![template(i as u64), template(100 + i as u64)])), &comparator);
        }
        let before = gallery.snapshot();
        gallery.change(change(&ids[2], Some(vec![template(50)])), &comparator);
        gallery.change(change(&ids[0], None), &comparator);
        let now = gallery.snapshot();
        assert_eq!((before.people().count(), now.people().count(), now.templates()), (9, 8, 15));
        let id = |i: usize| PersonId::new(ids[i].as_str()).unwrap();
        assert_eq!(now.templates_of(&id(2)), [template(50)]);
        for i in [1, 3, 4, 5, 6, 7, 8] {
            assert_eq!(now.templates_of(&id(i)), [template(i as u64), template(100 + i as u64)], "{i}");
        }
        assert!(now.get(&id(0)).is_none() && before.get(&id(0)).is_some());
        assert_eq!(before.templates_of(&id(2)).len(), 2);
        gallery.replace(vec![], &comparator);
        assert_eq!(gallery.snapshot().people().count(), 0);
    }
}

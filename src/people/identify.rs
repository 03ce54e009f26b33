//! Decides who a face is: the best candidates of a search, the bar for so many templates, and whether the person is valid now.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::bar::Bars;
use super::error::PeopleError;
use super::gallery::{Candidate, Searched, Snapshot};
use super::person::{PersonId, Profile};
use super::register::{NewTemplate, People, Previous};
use crate::face::{Comparator, Decision, Probe, Score, Template};

/// Who a face is.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified {
    /// Approved if it is that person, operator_required if it may be, declined if it is nobody's.
    pub decision: Decision,
    /// Who it is or may be.
    pub person: Option<Arc<Profile>>,
    /// The score of the best candidate; 0 if there is none.
    pub score: Score,
    /// By how much that is higher than the second one's.
    pub margin: Score,
    /// The best candidates, best first.
    pub candidates: Vec<Candidate>,
    /// The score that was needed for approval; none where the gallery is too large for one to be known.
    pub bar: Option<Score>,
    /// Templates that were compared.
    pub templates: usize,
    /// Why it is not approved, as a word.
    pub reason: Option<&'static str>,
    /// Whether the model of before found it.
    pub by_previous: bool,
}

/// Score from which on a person gets a template of the present model: one impostor in a million.
const RENEWED: f64 = 0.97;

impl People {
    /// Tells whose face a template is of. Whoever the present model does not know may be known by the one of before, if that runs as well.
    pub fn identify(&self, template: &Template, now: Timestamp) -> Result<Identified, PeopleError> {
        let (snapshot, now) = (self.snapshot()?, self.no_earlier(now));
        let before = self.previous.as_ref().map(|previous| (previous, previous.gallery.snapshot()));
        let others = before.as_ref().map_or(0, |(_, snapshot)| snapshot.templates());
        let found = self.decided(self.search(&snapshot, template), &self.comparator, others, now);
        if let (Some((Previous { comparator, .. }, snapshot)), Some(template)) = (before, template.previous())
            && found.decision != Decision::Approved
            && others > 0
        {
            let searched = snapshot.search(&Probe::new(template, comparator, self.isa), comparator);
            let by_previous = self.decided(searched, comparator, found.templates, now);
            if by_previous.decision == Decision::Approved {
                return Ok(Identified { by_previous: true, ..by_previous });
            }
        }
        Ok(found)
    }

    /// Tells whether a template is of the person who is named (1:1), whose score must reach `approved`.
    pub fn verify(
        &self,
        id: &PersonId,
        template: &Template,
        approved: Score,
        now: Timestamp,
    ) -> Result<Identified, PeopleError> {
        let (snapshot, now) = (self.snapshot()?, self.no_earlier(now));
        let profile = Arc::clone(snapshot.get(id).ok_or(PeopleError::Unknown)?);
        let templates = snapshot.templates_of(id);
        let score = templates.iter().map(self.comparator.scores_of(template)).max();
        let score = score.unwrap_or_else(|| Score::new(0.0));
        let (decision, reason) = match (score >= approved, profile.is_valid(now)) {
            (true, true) => (Decision::Approved, None),
            (true, false) => (Decision::Declined, Some("not_valid")),
            (false, _) => (Decision::Declined, Some("unknown")),
        };
        let person = (decision == Decision::Approved || reason == Some("not_valid")).then_some(profile);
        let (templates, candidates, margin) = (templates.len(), vec![], score);
        let (bar, by_previous) = (Some(approved), false);
        Ok(Identified { decision, person, score, margin, candidates, bar, templates, reason, by_previous })
    }

    /// The decision for what was found; `others` are templates of another model that are compared as well, and count for the bar.
    fn decided(&self, found: Searched, comparator: &Comparator, others: usize, now: Timestamp) -> Identified {
        let Searched { candidates, templates } = found;
        let bars = Bars::new(comparator, self.settings.false_accepts, templates + others);
        let joined = candidates.first().map_or(0, |best| best.joined);
        let scores = [0, 1].map(|i| candidates.get(i).map_or_else(|| Score::new(0.0), |one| one.score));
        let (decision, reason) = decide(&candidates, &bars, now);
        let person = candidates.first().filter(|_| decision != Decision::Declined).map(|one| Arc::clone(&one.profile));
        let margin = Score::new(scores[0].value() - scores[1].value());
        let bar = bars.of(joined).approved;
        let by_previous = false;
        Identified { decision, person, score: scores[0], margin, candidates, bar, templates, reason, by_previous }
    }

    /// Adds the template by which a person came who is only known by the model of before, if the settings say so and there is no doubt.
    /// Returns whether it did.
    pub fn renew(&self, found: &Identified, new: NewTemplate, now: Timestamp) -> Result<bool, PeopleError> {
        let is_sure = found.by_previous && found.decision == Decision::Approved && found.score >= Score::new(RENEWED);
        match found.person.as_ref().filter(|_| is_sure && self.settings.renew && new.liveness.is_some()) {
            Some(profile) => self.add_template(&profile.id, new, (false, None), now).map(|_| true),
            None => Ok(false),
        }
    }

    pub(super) fn search(&self, snapshot: &Snapshot, template: &Template) -> Searched {
        snapshot.search(&Probe::new(template, &self.comparator, self.isa), &self.comparator)
    }

    /// Somebody other than `id` who would be identified by this template.
    pub(super) fn owner(&self, snapshot: &Snapshot, template: &Template, id: &PersonId) -> Option<PersonId> {
        let Searched { candidates, templates } = self.search(snapshot, template);
        let bars = Bars::new(&self.comparator, self.settings.false_accepts, templates);
        let other = candidates.into_iter().find(|one| one.profile.id != *id)?;
        let bar = bars.of(other.joined);
        let bar = bar.approved.unwrap_or(bar.operator_required);
        (other.score >= bar).then(|| other.profile.id.clone())
    }

    /// Now, and no earlier than any record: a board whose clock was never set must not let in whoever's time is over.
    fn no_earlier(&self, now: Timestamp) -> Timestamp {
        let latest = Timestamp::from_millisecond(self.latest_ms.load(Ordering::Relaxed));
        latest.map_or(now, |latest| latest.max(now))
    }
}

/// The decision for candidates of a search, and why it is no approval.
fn decide(candidates: &[Candidate], bars: &Bars, now: Timestamp) -> (Decision, Option<&'static str>) {
    let reaches = |one: &Candidate| bars.of(one.joined).approved.is_some_and(|bar| one.score >= bar);
    let Some(best) = candidates.first() else { return (Decision::Declined, Some("unknown")) };
    let bar = bars.of(best.joined);
    if best.score < bar.operator_required {
        return (Decision::Declined, Some("unknown"));
    }
    if !best.profile.is_valid(now) {
        return (Decision::Declined, Some("not_valid"));
    }
    match (reaches(best), candidates.iter().skip(1).any(reaches)) {
        (true, false) => (Decision::Approved, None),
        (_, true) => (Decision::OperatorRequired, Some("ambiguous")),
        (false, false) if bar.approved.is_none() => (Decision::OperatorRequired, Some("gallery_too_large")),
        (false, false) => (Decision::OperatorRequired, Some("doubtful")),
    }
}

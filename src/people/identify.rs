//! Decides who a face is: the best candidates of a search, the bar for so many templates, and whether the person is valid now.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::bar::Bars;
use super::error::PeopleError;
use super::gallery::{Candidate, Searched, Snapshot};
use super::person::{PersonId, Profile};
use super::register::People;
use crate::face::{Decision, Probe, Score, Template};

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
}

impl People {
    /// Tells whose face a template is of.
    pub fn identify(&self, template: &Template, now: Timestamp) -> Result<Identified, PeopleError> {
        let Searched { candidates, templates } = self.search(&self.snapshot()?, template);
        let bars = Bars::new(&self.comparator, self.settings.false_accepts, templates);
        let joined = candidates.first().map_or(0, |best| best.joined);
        let scores = [0, 1].map(|i| candidates.get(i).map_or_else(|| Score::new(0.0), |one| one.score));
        let (decision, reason) = decide(&candidates, &bars, self.no_earlier(now));
        let person = candidates.first().filter(|_| decision != Decision::Declined).map(|one| Arc::clone(&one.profile));
        let margin = Score::new(scores[0].value() - scores[1].value());
        let bar = bars.of(joined).approved;
        Ok(Identified { decision, person, score: scores[0], margin, candidates, bar, templates, reason })
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

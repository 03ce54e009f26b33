//! The people of a site at this door: changes that go to etcd first, what arrives from there, and how old that is.

use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::error::PeopleError;
use super::person::{Person, PersonId};
use super::record::{self, RecordError};
use super::register::{People, Writer};
use super::site::{self, Arrived, DoorDeletion, RecordChange, Refusal, Replica, Site, SiteState};
use super::store::{Change, Kind, Store};
use crate::face::Sealer;
use crate::ops::SecretBytes;
use crate::ops::shutdown::Shutdown;

impl People {
    /// Follows the people of the site, if they live elsewhere, until the end of the service. It blocks.
    pub fn follow(&self, shutdown: &Shutdown) {
        if let Some(site) = &self.site {
            site::follow(self, site, shutdown);
        }
    }

    /// Whether the people live elsewhere.
    pub fn has_site(&self) -> bool {
        self.site.is_some()
    }

    /// How long ago everything that the site had was known here; none if there is no site. Before it is reached for the first time after a
    /// start, the clock of the system tells, if it has not been set back.
    pub fn age(&self) -> Option<Duration> {
        let site = self.site.as_ref()?;
        if let Some(current) = site.current_at() {
            return Some(current.elapsed());
        }
        let last = *self.last_reached.read().unwrap_or_else(PoisonError::into_inner);
        let passed = last.and_then(|last| Duration::try_from(Timestamp::now().duration_since(last)).ok());
        Some(passed.unwrap_or_default().max(self.started.elapsed()))
    }

    /// What has become of the deletion of a person at each door; none if there was none within 30 days, or there is no site.
    pub fn deletion(&self, id: &PersonId) -> Result<Option<Vec<DoorDeletion>>, PeopleError> {
        match &self.site {
            Some(site) => site.deletion(id).map_err(PeopleError::Site),
            None => Ok(None),
        }
    }

    /// Makes changes at the site: in parts of so many that it takes them.
    pub(super) fn change_site(&self, writer: &Writer, site: &Site, changes: &[Change<'_>]) -> Result<(), PeopleError> {
        let store = self.store(writer)?;
        if !site.is_followed() {
            return Err(PeopleError::Site("this door does not follow it yet; the log says why".into()));
        }
        for part in changes.chunks(site::MOST_CHANGES) {
            let known = part.iter().map(|(id, _)| {
                let id = PersonId::new(*id).ok_or(PeopleError::Unknown)?;
                Ok((store.get(id.as_str())?, id))
            });
            let known = known.collect::<Result<Vec<_>, PeopleError>>()?;
            let list: Vec<_> = known
                .iter()
                .zip(part)
                .map(|((before, id), (_, after))| RecordChange { id, before: before.as_deref(), after: *after })
                .collect();
            site.change(&list, Timestamp::now()).map_err(|refusal| match refusal {
                Refusal::Failed(why) => PeopleError::Site(why),
                Refusal::Conflict(index) => match &known[index] {
                    (None, id) => PeopleError::Exists(id.clone()),
                    (Some(_), id) => {
                        let version = self.gallery.snapshot().get(id).map_or(0, |profile| profile.version);
                        PeopleError::Changed(version + 1)
                    }
                },
            })?;
        }
        Ok(())
    }
}

impl Replica for People {
    fn arrive(&self, arrived: Vec<Arrived>, seen: Option<&HashSet<PersonId>>, state: &SiteState) -> Result<(), String> {
        let mut writer = self.lock();
        let store = self.store(&writer).map_err(|e| e.to_string())?;
        let snapshot = self.gallery.snapshot();
        let (mut records, mut shown): (Vec<Arrived>, Vec<(PersonId, Option<Person>)>) = (vec![], vec![]);
        // Of several changes of one person the last counts.
        let last: BTreeMap<PersonId, Option<SecretBytes>> = arrived.into_iter().collect();
        for (id, record) in last {
            let known = store.get(id.as_str()).map_err(|e| e.to_string())?;
            if known == record {
                continue;
            }
            let read = record.as_ref().map(|record| match Sealer::is_sealed_record(record) {
                true => record::decode(record, &id, &self.sealer),
                false => Err(RecordError::Plain),
            });
            if let Some(Err(why)) = &read {
                // It is kept, but nobody's: with other keys it may be read at the next start.
                log::error!("a person of the site is refused: {why}");
            }
            shown.push((id.clone(), read.and_then(Result::ok)));
            records.push((id, record));
        }
        if let Some(seen) = seen {
            let gone = store.names().map_err(|e| e.to_string())?.into_iter().filter_map(PersonId::new);
            for id in gone.filter(|id| !seen.contains(id)) {
                records.push((id.clone(), None));
                shown.push((id, None));
            }
        }
        let changes: Vec<Change<'_>> = records.iter().map(|(id, record)| (id.as_str(), record.as_deref())).collect();
        // Also of a record that was replaced, a template may have gone.
        let deletes = records.iter().any(|(id, _)| snapshot.get(id).is_some());
        let kind = Kind { deletes, site: Some(state.to_bytes()) };
        self.keep(&mut writer, &changes, kind).map_err(|e| e.to_string())?;
        self.show(shown, false);
        Ok(())
    }

    fn may_follow(&self, cluster: &str) -> Result<(), String> {
        let writer = self.lock();
        let store = self.store(&writer).map_err(|e| e.to_string())?;
        match store.site().map(SiteState::from_bytes) {
            Some(Some(state)) if state.cluster == cluster => Ok(()),
            Some(_) => Err("this is another etcd than before; remove people.store to follow it".into()),
            None if store.count() == 0 => Ok(()),
            None => Err("people.store has people of its own; export them, remove it, and import them".into()),
        }
    }

    fn count(&self) -> u64 {
        self.lock().store.as_ref().map_or(0, Store::count)
    }

    fn store_id(&self) -> String {
        self.store_id.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! The people of this device: changes that are durable before they are acknowledged, and answers to who a face is.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::bar::Bars;
use super::error::PeopleError;
use super::gallery::{Candidate, Gallery, Replacement, Searched, Snapshot};
use super::person::{Draft, Person, PersonId, Profile, Source, TEMPLATES, Tag, TemplateInfo};
use super::record::{self, RecordError};
use super::site::{self, Arrived, DoorDeletion, RecordChange, Refusal, Replica, Site, SiteState};
use super::store::{self, Change, Kind, Store, StoreError};
use crate::engine::Isa;
use crate::face::{Comparator, Decision, Probe, Score, Sealer, Template};
use crate::ops::shutdown::Shutdown;
use crate::ops::{SecretBytes, counted, settings};

/// Who is enrolled.
pub struct People {
    path: PathBuf,
    settings: settings::People,
    sealer: Arc<Sealer>,
    comparator: Comparator,
    /// Id and dimension of the embedding model.
    model: (u16, usize),
    isa: Isa,
    gallery: Gallery,
    writer: Mutex<Writer>,
    /// Why nobody is known, though people are stored.
    trouble: RwLock<Option<PeopleError>>,
    /// The people of several doors, if they live elsewhere.
    site: Option<Site>,
    /// The latest time that any record tells, in milliseconds: it can't be earlier now, whatever the clock says.
    latest_ms: AtomicI64,
    store_id: RwLock<String>,
    /// When the site was last reached before this start, by the clock of the system.
    last_reached: RwLock<Option<Timestamp>>,
    started: Instant,
}

/// What one thread at a time changes.
struct Writer {
    store: Option<Store>,
    /// Since when the file has had remnants of what was deleted.
    remnants: Option<Instant>,
    retried: Instant,
}

/// A template to be added.
pub struct NewTemplate {
    /// The template, of the present model.
    pub template: Template,
    /// What it was made from.
    pub source: Source,
    /// What was asked of liveness.
    pub liveness: Option<String>,
}

/// A template that was added.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolled {
    /// The person as it is now.
    pub profile: Arc<Profile>,
    /// The template's number.
    pub number: u32,
}

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

/// Score that any two templates of a person must have to be joined: one impostor in a thousand. Pictures that are farther apart, as over many
/// years, are compared one by one.
const LEAST_JOINED: f64 = 0.75;
/// What may be written to replace remnants, on average: cards of boards wear out.
const ERASED_BYTES_A_SECOND: u64 = 100_000;
/// Deletions of so long are erased together.
const ERASE_DELAY: Duration = Duration::from_secs(5);
/// How long a request waits for the changes of others.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before a store that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);

impl People {
    /// Opens the store of the settings; none if they name none. A store that can't be opened or read is told by every method, and is no
    /// reason not to start.
    ///
    /// # Errors
    /// What is wrong with the files that the settings name for etcd.
    pub fn open(
        settings: &settings::People,
        sealer: &Arc<Sealer>,
        comparator: &Comparator,
        model: (u16, usize),
    ) -> Result<Option<Self>, String> {
        let Some(path) = settings.store.clone() else { return Ok(None) };
        let people = Self {
            path,
            settings: settings.clone(),
            sealer: Arc::clone(sealer),
            comparator: comparator.clone(),
            model,
            isa: Isa::best(),
            gallery: Gallery::default(),
            writer: Mutex::new(Writer { store: None, remnants: None, retried: Instant::now() }),
            trouble: RwLock::new(None),
            site: Site::new(settings)?,
            latest_ms: AtomicI64::new(i64::MIN),
            store_id: RwLock::new(format!("{:032x}", crate::ops::random())),
            last_reached: RwLock::new(None),
            started: Instant::now(),
        };
        people.load(&mut people.lock());
        Ok(Some(people))
    }

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

    /// Where they are stored.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The people as they are now.
    pub fn snapshot(&self) -> Result<Snapshot, PeopleError> {
        match &*self.trouble.read().unwrap_or_else(PoisonError::into_inner) {
            Some(trouble) => Err(trouble.clone()),
            None if self.age().is_some_and(|age| age > Duration::from_secs(self.settings.max_age_s)) => {
                Err(PeopleError::Stale)
            }
            None => Ok(self.gallery.snapshot()),
        }
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

    /// Whether only templates of other models are known of this person.
    pub fn needs_enrollment(&self, profile: &Profile) -> bool {
        profile.needs_enrollment(self.model.0)
    }

    /// The person of this id.
    pub fn get(&self, id: &PersonId) -> Result<Arc<Profile>, PeopleError> {
        self.snapshot()?.get(id).cloned().ok_or(PeopleError::Unknown)
    }

    /// Enrolls a person, without templates.
    pub fn create(&self, draft: Draft, now: Timestamp) -> Result<Arc<Profile>, PeopleError> {
        draft.is_valid().map_err(PeopleError::Invalid)?;
        let person = draft.enrolled(now);
        let mut writer = self.lock_soon()?;
        let snapshot = self.snapshot()?;
        let store = writer.store.as_ref().ok_or_else(|| self.trouble_now())?;
        // Also whoever's record can't be read here.
        if snapshot.get(&person.profile.id).is_some() || store.get(person.profile.id.as_str())?.is_some() {
            return Err(PeopleError::Exists(person.profile.id));
        }
        self.write(&mut writer, person, false)
    }

    /// Changes what is said of a person. If `tag` is given, it must be the present one.
    pub fn update(
        &self,
        id: &PersonId,
        draft: Draft,
        tag: Option<Tag>,
        now: Timestamp,
    ) -> Result<Arc<Profile>, PeopleError> {
        draft.is_valid().map_err(PeopleError::Invalid)?;
        if draft.id.as_ref().is_some_and(|other| other != id) {
            return Err(PeopleError::Invalid("the id of a person can't be changed".into()));
        }
        let mut writer = self.lock_soon()?;
        let Person { profile, templates } = self.stored(&writer, id, tag)?;
        self.write(&mut writer, Person { profile: profile.changed_to(draft, now), templates }, false)
    }

    /// Deletes a person.
    pub fn remove(&self, id: &PersonId, tag: Option<Tag>) -> Result<(), PeopleError> {
        let mut writer = self.lock_soon()?;
        match self.current(id, tag) {
            // A record of the site that can't be read here can be deleted nevertheless.
            Err(PeopleError::Unknown) => {
                let store = writer.store.as_ref().ok_or_else(|| self.trouble_now())?;
                store.get(id.as_str())?.ok_or(PeopleError::Unknown)?;
            }
            known => _ = known?,
        }
        self.commit(&mut writer, vec![(id.clone(), None)], true)
    }

    /// Adds a template to a person. Refused are poor ones, and unless `force` is set those of a face that is somebody else's.
    pub fn add_template(
        &self,
        id: &PersonId,
        new: NewTemplate,
        (force, tag): (bool, Option<Tag>),
        now: Timestamp,
    ) -> Result<Enrolled, PeopleError> {
        let NewTemplate { template, source, liveness } = new;
        let (quality, least) = (template.quality(), self.settings.least_quality);
        if quality < least {
            return Err(PeopleError::Poor { quality, least });
        }
        let mut writer = self.lock_soon()?;
        let snapshot = self.snapshot()?;
        let mut person = self.stored(&writer, id, tag)?;
        if person.templates.len() >= TEMPLATES {
            return Err(PeopleError::Full);
        }
        if !force && let Some(other) = self.owner(&snapshot, &template, id) {
            return Err(PeopleError::Belongs(other));
        }
        let number = person.profile.number();
        let (model, samples) = (template.model(), template.samples());
        person.profile.templates.push(TemplateInfo { number, model, samples, quality, created: now, source, liveness });
        person.templates.push(template.to_bytes());
        let profile = person.profile.next(now);
        let profile = self.write(&mut writer, Person { profile, ..person }, false)?;
        Ok(Enrolled { profile, number })
    }

    /// Deletes a template.
    pub fn remove_template(
        &self,
        id: &PersonId,
        number: u32,
        tag: Option<Tag>,
        now: Timestamp,
    ) -> Result<Arc<Profile>, PeopleError> {
        let mut writer = self.lock_soon()?;
        let Person { mut profile, mut templates } = self.stored(&writer, id, tag)?;
        let index = profile.templates.iter().position(|t| t.number == number).ok_or(PeopleError::NoTemplate)?;
        profile.templates.remove(index);
        templates.remove(index);
        self.write(&mut writer, Person { profile: profile.next(now), templates }, true)
    }

    /// The templates of a person that are of the present model.
    pub fn templates_of(&self, id: &PersonId) -> Result<Vec<Template>, PeopleError> {
        let snapshot = self.snapshot()?;
        snapshot.get(id).ok_or(PeopleError::Unknown)?;
        Ok(snapshot.templates_of(id))
    }

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

    /// The record of a person, as it is stored.
    pub fn record(&self, id: &PersonId) -> Result<SecretBytes, PeopleError> {
        let writer = self.lock_soon()?;
        let store = writer.store.as_ref().ok_or_else(|| self.trouble_now())?;
        store.get(id.as_str())?.ok_or(PeopleError::Unknown)
    }

    /// The person in a record that was exported.
    pub fn read_record(&self, bytes: &[u8], id: &PersonId) -> Result<Person, RecordError> {
        record::decode(bytes, id, &self.sealer)
    }

    /// Enrolls or, if `replace` is set, replaces all of these people, or changes nothing.
    pub fn import(&self, people: Vec<Person>, replace: bool, now: Timestamp) -> Result<usize, PeopleError> {
        let mut writer = self.lock_soon()?;
        let snapshot = self.snapshot()?;
        let mut changes = Vec::with_capacity(people.len());
        for mut person in people {
            self.check_templates(&person).map_err(PeopleError::Import)?;
            let known = snapshot.get(&person.profile.id);
            if let Some(known) = known {
                if !replace {
                    return Err(PeopleError::Exists(person.profile.id));
                }
                person.profile.version = known.version.max(person.profile.version);
                person.profile = person.profile.next(now);
            }
            changes.push((person.profile.id.clone(), Some(person)));
        }
        let count = changes.len();
        self.commit(&mut writer, changes, replace)?;
        Ok(count)
    }

    /// Does what is due: erases remnants of what was deleted, and tries a store again that could not be opened. To be called every second
    /// or so.
    pub fn tick(&self, now: Instant) {
        // Whoever changes something may wait for a disk or for etcd, and this must not.
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(writer)) => writer.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if writer.store.is_none() {
            let can_change = matches!(
                self.trouble_now(),
                PeopleError::Store(StoreError::InUse | StoreError::Unreadable(_) | StoreError::Unwritable(_))
            );
            if can_change && now.saturating_duration_since(writer.retried) >= RETRY {
                writer.retried = now;
                self.load(&mut writer);
            }
            return;
        }
        // A medium that could not be written may be now.
        let is_read_only = writer.store.as_ref().is_some_and(Store::is_read_only);
        if is_read_only && now.saturating_duration_since(writer.retried) >= RETRY {
            writer.retried = now;
            if std::fs::OpenOptions::new().write(true).open(&self.path).is_ok() {
                self.load(&mut writer);
            }
            return;
        }
        let Writer { store: Some(store), remnants, .. } = &mut *writer else { return };
        if !store.has_remnants() {
            *remnants = None;
            return;
        }
        let since = *remnants.get_or_insert(now);
        let delay = ERASE_DELAY + Duration::from_secs(store.file_bytes() / ERASED_BYTES_A_SECOND);
        if now.saturating_duration_since(since) < delay {
            return;
        }
        *remnants = Some(now);
        let erased = store.erase_remnants();
        if store.has_failed() {
            self.load(&mut writer);
        }
        // Changes need not wait for this.
        drop(writer);
        let told = match erased {
            Ok(()) => self.overwrite_old(),
            Err(error) => Err(error.to_string()),
        };
        match told {
            Ok(()) => log::debug!("{}: what was deleted was erased", self.path.display()),
            Err(why) => log::warn!("{}: what was deleted can't be erased yet: {why}", self.path.display()),
        }
    }

    fn overwrite_old(&self) -> Result<(), String> {
        let path = std::fs::canonicalize(&self.path).map_err(|e| e.to_string())?;
        store::overwrite_old(&path).map_err(|e| e.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for a request, which does not wait for ever: a disk or etcd may be slow.
    fn lock_soon(&self) -> Result<MutexGuard<'_, Writer>, PeopleError> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.writer.try_lock() {
                Ok(writer) => return Ok(writer),
                Err(TryLockError::Poisoned(writer)) => return Ok(writer.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => return Err(PeopleError::Busy),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Takes the times of records into account.
    fn note_times<'a>(&self, profiles: impl Iterator<Item = &'a Profile>) {
        if let Some(latest) = profiles.map(|profile| profile.changed.as_millisecond()).max() {
            self.latest_ms.fetch_max(latest, Ordering::Relaxed);
        }
    }

    /// Now, and no earlier than any record: a board whose clock was never set must not let in whoever's time is over.
    fn no_earlier(&self, now: Timestamp) -> Timestamp {
        let latest = Timestamp::from_millisecond(self.latest_ms.load(Ordering::Relaxed));
        latest.map_or(now, |latest| latest.max(now))
    }

    fn trouble_now(&self) -> PeopleError {
        let trouble = self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.unwrap_or_else(|| PeopleError::Store(StoreError::Unreadable("it is not open".into())))
    }

    fn search(&self, snapshot: &Snapshot, template: &Template) -> Searched {
        snapshot.search(&Probe::new(template, &self.comparator, self.isa), &self.comparator)
    }

    /// Somebody other than `id` who would be identified by this template.
    fn owner(&self, snapshot: &Snapshot, template: &Template, id: &PersonId) -> Option<PersonId> {
        let Searched { candidates, templates } = self.search(snapshot, template);
        let bars = Bars::new(&self.comparator, self.settings.false_accepts, templates);
        let other = candidates.into_iter().find(|one| one.profile.id != *id)?;
        let bar = bars.of(other.joined);
        let bar = bar.approved.unwrap_or(bar.operator_required);
        (other.score >= bar).then(|| other.profile.id.clone())
    }

    /// The present profile, if this is its tag.
    fn current(&self, id: &PersonId, tag: Option<Tag>) -> Result<Arc<Profile>, PeopleError> {
        let profile = self.get(id)?;
        match tag.is_none_or(|tag| tag == profile.tag()) {
            true => Ok(profile),
            false => Err(PeopleError::Changed(profile.version)),
        }
    }

    /// The person with its templates, if this is its tag.
    fn stored(&self, writer: &Writer, id: &PersonId, tag: Option<Tag>) -> Result<Person, PeopleError> {
        self.current(id, tag)?;
        let store = writer.store.as_ref().ok_or_else(|| self.trouble_now())?;
        let bytes = store.get(id.as_str())?.ok_or(PeopleError::Unknown)?;
        record::decode(&bytes, id, &self.sealer)
            .map_err(|error| PeopleError::Record(format!("a record can't be read: {error}")))
    }

    fn write(&self, writer: &mut Writer, person: Person, deletes: bool) -> Result<Arc<Profile>, PeopleError> {
        let profile = Arc::new(person.profile.clone());
        self.commit(writer, vec![(profile.id.clone(), Some(person))], deletes)?;
        Ok(profile)
    }

    /// Makes changes durable, and then shows them.
    fn commit(
        &self,
        writer: &mut Writer,
        people: Vec<(PersonId, Option<Person>)>,
        deletes: bool,
    ) -> Result<(), PeopleError> {
        let records: Vec<_> =
            people.iter().map(|(_, person)| person.as_ref().map(|p| record::encode(p, &self.sealer))).collect();
        let changes: Vec<Change<'_>> =
            people.iter().zip(&records).map(|((id, _), record)| (id.as_str(), record.as_deref())).collect();
        if let Some(site) = &self.site {
            self.change_site(writer, site, &changes)?;
        }
        let kind = Kind { deletes, site: None };
        self.keep(writer, &changes, kind)?;
        self.note_times(people.iter().filter_map(|(_, person)| person.as_ref().map(|person| &person.profile)));
        let shown = people.into_iter().map(|(id, person)| (id, person.map(|person| self.shown(person)))).collect();
        self.gallery.change(shown, &self.comparator);
        Ok(())
    }

    /// Makes changes at the site: in parts of so many that it takes them.
    fn change_site(&self, writer: &Writer, site: &Site, changes: &[Change<'_>]) -> Result<(), PeopleError> {
        let store = writer.store.as_ref().ok_or_else(|| self.trouble_now())?;
        if !site.is_followed() {
            return Err(PeopleError::Site("this door does not follow it yet; the log says why".into()));
        }
        for part in changes.chunks(site::MOST_CHANGES) {
            let known = part.iter().map(|(id, _)| {
                let id = PersonId::new(*id).ok_or(PeopleError::Unknown)?;
                Ok((store.get(id.as_str())?, id))
            });
            let known = known.collect::<Result<Vec<_>, PeopleError>>()?;
            let change = |((before, id), (_, after)): (&'_ (Option<SecretBytes>, PersonId), &'_ Change<'_>)| {
                (id.clone(), before.clone(), after.map(SecretBytes::from))
            };
            let owned: Vec<_> = known.iter().zip(part).map(change).collect();
            let list: Vec<_> = owned
                .iter()
                .map(|(id, before, after)| RecordChange { id, before: before.as_deref(), after: after.as_deref() })
                .collect();
            site.change(&list, Timestamp::now()).map_err(|refusal| match refusal {
                Refusal::Failed(why) => PeopleError::Site(why),
                Refusal::Conflict(index) => match &owned[index] {
                    (id, None, _) => PeopleError::Exists(id.clone()),
                    (id, Some(_), _) => {
                        let version = self.gallery.snapshot().get(id).map_or(0, |profile| profile.version);
                        PeopleError::Changed(version + 1)
                    }
                },
            })?;
        }
        Ok(())
    }

    /// Makes changes durable here.
    fn keep(&self, writer: &mut Writer, changes: &[Change<'_>], kind: Kind) -> Result<(), PeopleError> {
        let store = writer.store.as_mut().ok_or_else(|| self.trouble_now())?;
        let Err(error) = store.change(changes, kind) else { return Ok(()) };
        // Whether the change was made is only known from the file.
        if store.has_failed() {
            self.load(writer);
        }
        Err(error.into())
    }

    /// Whether the templates of the present model are what is said of them.
    fn check_templates(&self, person: &Person) -> Result<(), String> {
        let (model, dimension) = self.model;
        for (info, bytes) in
            person.profile.templates.iter().zip(&person.templates).filter(|(info, _)| info.model == model)
        {
            let template = Template::parse(bytes, model, dimension);
            let is_it = |template: &Template| (template.quality(), template.samples()) == (info.quality, info.samples);
            if !template.as_ref().is_ok_and(is_it) {
                return Err(format!("template {} of {} is not what is said of it", info.number, person.profile.id));
            }
        }
        Ok(())
    }

    /// Closes the store, so that its file is as it should be. Nobody is known afterwards.
    pub fn close(&self) {
        self.lock().store = None;
    }

    /// What the gallery keeps of a person: the templates of the present model, joined to one if they can be. That matches more often than the
    /// best of them at the same rate of false accepts, of which there are fewer as well: docs/ref/people.md.
    fn shown(&self, person: Person) -> (Profile, Vec<Template>) {
        let (model, dimension) = self.model;
        let templates = person.templates.iter().filter_map(|bytes| Template::parse(bytes, model, dimension).ok());
        let templates: Vec<_> = templates.collect();
        let joined = Template::join(&templates, &self.comparator, Score::new(LEAST_JOINED)).ok();
        (person.profile, joined.map_or(templates, |joined| vec![joined]))
    }

    /// Opens the store and shows what is in it, all or nothing.
    fn load(&self, writer: &mut Writer) {
        writer.store = None;
        let (mut people, mut wrong, mut refused) = (vec![], None, 0);
        let opened = Store::open(&self.path, |name, bytes| {
            let id = PersonId::new(name);
            let read =
                id.ok_or(RecordError::Damaged).and_then(|id| Ok((record::decode(bytes, &id, &self.sealer)?, id)));
            match read {
                Ok((person, id)) => people.push((id, Some(self.shown(person)))),
                // What came from the site may be sealed with a key that this door does not have yet.
                Err(_) if self.site.is_some() => refused += 1,
                Err(error) => wrong = Some(format!("a record can't be read: {error}")),
            }
        });
        if let (Some(site), Ok(store)) = (&self.site, &opened)
            && let Some(state) = store.site().and_then(SiteState::from_bytes)
        {
            site.resume(&state);
            *self.last_reached.write().unwrap_or_else(PoisonError::into_inner) = Some(state.time);
            *self.store_id.write().unwrap_or_else(PoisonError::into_inner) = state.store;
        }
        if refused > 0 {
            let people = counted(refused, "person", "people");
            log::error!("{}: {people} of the site can't be read here: see templates.keys", self.path.display());
        }
        // What an erasure that was interrupted has left.
        if opened.is_ok()
            && let Err(why) = self.overwrite_old()
        {
            log::warn!("{}: what was deleted can't be erased yet: {why}", self.path.display());
        }
        let trouble = match (opened, wrong) {
            (Err(error), _) => Some(error.into()),
            (Ok(_), Some(wrong)) => Some(PeopleError::Record(wrong)),
            (Ok(store), None) => {
                writer.store = Some(store);
                None
            }
        };
        // In this order nobody who is enrolled is unknown for a moment.
        let is_good = trouble.is_none();
        if let Some(trouble) = &trouble {
            log::error!("{}: nobody is known: {trouble}", self.path.display());
        } else {
            self.note_times(people.iter().filter_map(|(_, person)| person.as_ref().map(|(profile, _)| profile)));
            self.gallery.replace(people, &self.comparator);
        }
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = trouble;
        if !is_good {
            self.gallery.replace(vec![], &self.comparator);
        }
    }
}

impl Replica for People {
    fn arrive(&self, arrived: Vec<Arrived>, seen: Option<&HashSet<PersonId>>, state: &SiteState) -> Result<(), String> {
        let mut writer = self.lock();
        let store = writer.store.as_ref().ok_or_else(|| self.trouble_now().to_string())?;
        let snapshot = self.gallery.snapshot();
        let (mut records, mut shown): (Vec<(PersonId, Option<SecretBytes>)>, Vec<Replacement>) = (vec![], vec![]);
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
            match read {
                // It is kept, but nobody's: with other keys it may be read at the next start.
                Some(Err(why)) => {
                    log::error!("a person of the site is refused: {why}");
                    shown.push((id.clone(), None));
                    records.push((id, record));
                }
                read => {
                    shown.push((id.clone(), read.and_then(Result::ok).map(|person| self.shown(person))));
                    records.push((id, record));
                }
            }
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
        self.note_times(shown.iter().filter_map(|(_, person)| person.as_ref().map(|(profile, _)| profile)));
        self.gallery.change(shown, &self.comparator);
        Ok(())
    }

    fn may_follow(&self, cluster: &str) -> Result<(), String> {
        let writer = self.lock();
        let store = writer.store.as_ref().ok_or_else(|| self.trouble_now().to_string())?;
        match store.site().map(SiteState::from_bytes) {
            Some(Some(state)) if state.cluster == cluster => Ok(()),
            Some(_) => Err("this is another etcd than before; remove people.store to follow it".into()),
            None if store.is_empty() => Ok(()),
            None => Err("people.store has people of its own; export them, remove it, and import them".into()),
        }
    }

    fn store_id(&self) -> String {
        self.store_id.read().unwrap_or_else(PoisonError::into_inner).clone()
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

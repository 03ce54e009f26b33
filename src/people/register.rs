//! The people of this device: who they are now, and changes that are durable before they are acknowledged.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::credential::Credential;
use super::error::PeopleError;
use super::gallery::{Gallery, Replacement, Snapshot};
use super::person::{Draft, Person, PersonId, Profile, Source, TEMPLATES, Tag, TemplateInfo};
use super::record::{self, RecordError};
use super::site::Site;
use super::store::{Change, Kind, Store, StoreError};
use crate::engine::Isa;
use crate::face::{Comparator, Score, Sealer, Template};
use crate::ops::{SecretBytes, settings};

/// Who is enrolled.
pub struct People {
    pub(super) path: PathBuf,
    pub(super) settings: settings::People,
    pub(super) sealer: Arc<Sealer>,
    pub(super) comparator: Comparator,
    /// Id and dimension of the embedding model.
    pub(super) model: (u16, usize),
    pub(super) isa: Isa,
    pub(super) gallery: Gallery,
    /// People who only have templates of the model of before, if that runs as well.
    pub(super) previous: Option<Previous>,
    pub(super) writer: Mutex<Writer>,
    /// Why nobody is known, though people are stored.
    pub(super) trouble: RwLock<Option<PeopleError>>,
    /// The people of several doors, if they live elsewhere.
    pub(super) site: Option<Site>,
    /// The latest time that any record tells, in milliseconds: it can't be earlier now, whatever the clock says.
    pub(super) latest_ms: AtomicI64,
    pub(super) store_id: RwLock<String>,
    /// When the site was last reached before this start, by the clock of the system.
    pub(super) last_reached: RwLock<Option<Timestamp>>,
    pub(super) started: Instant,
    observer: OnceLock<Observer>,
}

/// Is told of each change that was made here, once it is durable.
pub type Observer = Box<dyn Fn(&[(PersonId, Changed)]) + Send + Sync>;

/// What was done to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was enrolled.
    Enrolled,
    /// It, or a template of it, was changed.
    Updated,
    /// It was deleted.
    Deleted,
}

/// The model of before, and whom it alone can identify.
pub struct Previous {
    pub(super) comparator: Comparator,
    pub(super) model: (u16, usize),
    pub(super) gallery: Gallery,
}

/// What one thread at a time changes.
pub(super) struct Writer {
    pub(super) store: Option<Store>,
    /// Since when the file has had remnants of what was deleted.
    pub(super) remnants: Option<Instant>,
    pub(super) retried: Instant,
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

/// Score that any two templates of a person must have to be joined: one impostor in a thousand. Pictures that are farther apart, as over many
/// years, are compared one by one.
const LEAST_JOINED: f64 = 0.75;
/// How long a request waits for the changes of others.
const PATIENCE: Duration = Duration::from_secs(5);

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
        previous: Option<Previous>,
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
            previous,
            writer: Mutex::new(Writer { store: None, remnants: None, retried: Instant::now() }),
            trouble: RwLock::new(None),
            site: Site::new(settings)?,
            latest_ms: AtomicI64::new(i64::MIN),
            store_id: RwLock::new(format!("{:032x}", crate::ops::random())),
            last_reached: RwLock::new(None),
            started: Instant::now(),
            observer: OnceLock::new(),
        };
        people.load(&mut people.lock());
        Ok(Some(people))
    }

    /// Has `observer` told of each change from now on, if nobody is told yet.
    pub fn observe(&self, observer: Observer) {
        let _there_is_one = self.observer.set(observer);
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

    /// Whether only templates of other models are known of this person.
    pub fn needs_enrollment(&self, profile: &Profile) -> bool {
        profile.needs_enrollment(self.model.0)
    }

    /// Whether a template is of the model that runs.
    pub fn is_current(&self, info: &TemplateInfo) -> bool {
        info.model == self.model.0
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
        let store = self.store(&writer)?;
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
                let store = self.store(&writer)?;
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

    /// Keeps these credentials of a person, and no others.
    pub fn set_credentials(
        &self,
        id: &PersonId,
        credentials: Vec<Credential>,
        tag: Option<Tag>,
        now: Timestamp,
    ) -> Result<Arc<Profile>, PeopleError> {
        let mut writer = self.lock_soon()?;
        let Person { mut profile, templates } = self.stored(&writer, id, tag)?;
        profile.credentials = credentials;
        // Those that are gone must not stay in the file.
        self.write(&mut writer, Person { profile: profile.next(now), templates }, true)
    }

    /// The person with this credential; none if nobody has it, or if more than one has.
    pub fn by_credential(&self, text: &str) -> Result<Option<Arc<Profile>>, PeopleError> {
        let snapshot = self.snapshot()?;
        let mut found = snapshot.people().filter(|profile| profile.credentials.iter().any(|one| one.is(text)));
        Ok(found.next().filter(|_| found.next().is_none()).cloned())
    }

    /// The templates of a person that are of the present model.
    pub fn templates_of(&self, id: &PersonId) -> Result<Vec<Template>, PeopleError> {
        let snapshot = self.snapshot()?;
        snapshot.get(id).ok_or(PeopleError::Unknown)?;
        Ok(snapshot.templates_of(id))
    }

    /// The record of a person, as it is stored.
    pub fn record(&self, id: &PersonId) -> Result<SecretBytes, PeopleError> {
        let writer = self.lock_soon()?;
        let store = self.store(&writer)?;
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Writer> {
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

    /// The open store.
    pub(super) fn store<'a>(&self, writer: &'a Writer) -> Result<&'a Store, PeopleError> {
        writer.store.as_ref().ok_or_else(|| self.trouble_now())
    }

    pub(super) fn trouble_now(&self) -> PeopleError {
        let trouble = self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.unwrap_or_else(|| PeopleError::Store(StoreError::Unreadable("it is not open".into())))
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
        let store = self.store(writer)?;
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
        let told: Vec<_> = people.iter().map(|(id, person)| (id.clone(), changed(person.as_ref()))).collect();
        self.show(people, false);
        if let Some(observer) = self.observer.get() {
            observer(&told);
        }
        Ok(())
    }

    /// Makes changes durable here.
    pub(super) fn keep(&self, writer: &mut Writer, changes: &[Change<'_>], kind: Kind) -> Result<(), PeopleError> {
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

    /// Shows people as they are stored now; if these are `all`, in place of all others.
    pub(super) fn show(&self, people: Vec<(PersonId, Option<Person>)>, all: bool) {
        let times = people.iter().filter_map(|(_, person)| Some(person.as_ref()?.profile.changed.as_millisecond()));
        if let Some(latest) = times.max() {
            self.latest_ms.fetch_max(latest, Ordering::Relaxed);
        }
        if let Some(Previous { comparator, model, gallery }) = &self.previous {
            let before = people.iter().map(|(id, person)| {
                let person = person.as_ref().filter(|person| self.needs_enrollment(&person.profile));
                (id.clone(), person.map(|person| (person.profile.clone(), templates(person, *model, comparator))))
            });
            put(gallery, before.collect(), comparator, all);
        }
        let comparator = &self.comparator;
        let now = people.into_iter().map(|(id, person)| {
            let shown = person.map(|person| (templates(&person, self.model, comparator), person.profile));
            (id, shown.map(|(templates, profile)| (profile, templates)))
        });
        put(&self.gallery, now.collect(), comparator, all);
    }
}

/// What a change does, by the person that is there afterwards.
fn changed(person: Option<&Person>) -> Changed {
    match person {
        None => Changed::Deleted,
        Some(person) if person.profile.version == 1 => Changed::Enrolled,
        Some(_) => Changed::Updated,
    }
}

/// Puts people into a gallery; if these are `all`, in place of all others.
fn put(gallery: &Gallery, people: Vec<Replacement>, comparator: &Comparator, all: bool) {
    if all { gallery.replace(people, comparator) } else { gallery.change(people, comparator) }
}

/// A person's templates of one model, joined to one if they can be. That matches more often than the best of them at the same rate of false
/// accepts, of which there are fewer as well: docs/ref/people.md.
fn templates(person: &Person, (model, dimension): (u16, usize), comparator: &Comparator) -> Vec<Template> {
    let templates = person.templates.iter().filter_map(|bytes| Template::parse(bytes, model, dimension).ok());
    let templates: Vec<_> = templates.collect();
    let joined = Template::join(&templates, comparator, Score::new(LEAST_JOINED)).ok();
    joined.map_or(templates, |joined| vec![joined])
}

impl Previous {
    /// For templates of this model.
    pub fn new(comparator: Comparator, model: (u16, usize)) -> Self {
        Self { comparator, model, gallery: Gallery::default() }
    }
}

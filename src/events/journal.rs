//! The journal: numbers events, keeps them in memory and in a file if there is one, and wakes whoever waits for the next.

mod search;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::search::{Filter, Found, Place, Search};
use super::cloud::Envelope;
use super::event::{Details, Event, Kind};
use super::file::{EventFile, JournalError};
use crate::face::Sealer;
use crate::ops::settings::Pictures;
use crate::ops::shutdown::Shutdown;
use crate::ops::{SecretBytes, clock, settings};
use crate::people::PersonId;

/// Events that are kept in memory.
const RECENT: usize = 1000;
/// How often it is looked for old events, and whether the clock is synchronized.
const TIDIED: Duration = Duration::from_secs(10);
/// Shortest time between two tries to open a file that failed.
const RETRY: Duration = Duration::from_secs(5);

/// How far a receiver has come: the number of the last event that it has got.
pub type Position = u64;

/// What happened.
pub struct Journal {
    settings: settings::Events,
    sealer: Arc<Sealer>,
    source: String,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    /// The journal's id.
    id: String,
    next: u64,
    /// Number of the first event of this start.
    first: u64,
    recent: VecDeque<Arc<Event>>,
    /// Events of each kind since the start.
    counts: BTreeMap<Kind, u64>,
    file: Option<EventFile>,
    /// Whether the file was open since the start, if there is to be one: until then numbers are not final, and nobody is told any.
    is_ready: bool,
    is_synchronized: bool,
    tidied: Option<Instant>,
    /// What is wrong with the file, and when it was last tried.
    trouble: Option<(JournalError, Instant)>,
    /// Whether the last write failed: that the file can be opened again does not mean that it can be written.
    has_failed: bool,
}

impl Journal {
    /// Opens the journal of this device. A file that can't be opened is told by [`Self::trouble`], and tried again.
    pub fn open(settings: &settings::Events, device: &str, sealer: &Arc<Sealer>) -> Self {
        let inner = Inner {
            id: format!("{:032x}", crate::ops::random()),
            next: 1,
            first: 1,
            recent: VecDeque::new(),
            counts: BTreeMap::new(),
            file: None,
            is_ready: settings.store.is_none(),
            is_synchronized: clock::is_synchronized(),
            tidied: None,
            trouble: None,
            has_failed: false,
        };
        let journal = Self {
            settings: settings.clone(),
            sealer: Arc::clone(sealer),
            source: format!("/faceplate/{device}"),
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        };
        journal.reopen(&mut journal.lock());
        journal
    }

    /// What all envelopes have in common.
    pub fn envelope(&self) -> Envelope {
        Envelope { source: self.source.clone(), journal: self.lock().id.clone() }
    }

    /// Events of each kind since the start.
    pub fn counts(&self) -> BTreeMap<Kind, u64> {
        self.lock().counts.clone()
    }

    /// Why events are not kept, if they should be.
    pub fn trouble(&self) -> Option<JournalError> {
        self.lock().trouble.as_ref().map(|(error, _)| error.clone())
    }

    /// Adds an event that stands for something to come: unless it is kept, it must not be done, and the event does not exist.
    pub fn append_first(&self, kind: Kind, details: Details, time: Timestamp) -> Result<Position, JournalError> {
        self.put(vec![(kind, details)], time, true)
    }

    /// Adds an event of something that has happened. If it can't be kept, it is known until the service ends.
    pub fn append(&self, kind: Kind, details: Details, time: Timestamp) -> Position {
        self.append_all(vec![(kind, details)], time)
    }

    /// The same for several at once; returns the number of the first.
    pub fn append_all(&self, events: Vec<(Kind, Details)>, time: Timestamp) -> Position {
        let deleted =
            |(kind, details): &(Kind, Details)| details.person.clone().filter(|_| *kind == Kind::PersonDeleted);
        let deleted: Vec<PersonId> = events.iter().filter_map(deleted).collect();
        let first = self.put(events, time, false).unwrap_or_default();
        if !deleted.is_empty() && self.wants_pictures() {
            self.remove_pictures_of(&deleted);
        }
        first
    }

    fn put(&self, new: Vec<(Kind, Details)>, time: Timestamp, must_be_kept: bool) -> Result<Position, JournalError> {
        let mut inner = self.lock();
        let unsynchronized = !inner.is_synchronized;
        let event = |(kind, details)| Event { sequence: 0, time, kind, details: Details { unsynchronized, ..details } };
        let events: Vec<Event> = new.into_iter().map(event).collect();
        let kept = self.keep(&mut inner, &events);
        if must_be_kept {
            kept?;
        }
        let first = inner.next;
        for event in events {
            let sequence = inner.next;
            inner.next += 1;
            *inner.counts.entry(event.kind).or_default() += 1;
            if inner.recent.len() == RECENT {
                inner.recent.pop_front();
            }
            inner.recent.push_back(Arc::new(Event { sequence, ..event }));
        }
        drop(inner);
        self.changed.notify_all();
        Ok(first)
    }

    /// Whether a picture of an event of this kind is kept.
    pub fn wants_picture(&self, kind: Kind) -> bool {
        match self.settings.pictures {
            Pictures::None => false,
            Pictures::Refused => kind.is_access() && kind != Kind::AccessGranted,
            Pictures::All => kind.is_access(),
        }
    }

    /// Whether pictures of any events are kept.
    pub fn wants_pictures(&self) -> bool {
        self.settings.pictures != Pictures::None
    }

    /// Keeps the picture of an event.
    pub fn keep_picture(&self, sequence: Position, jpeg: &[u8], now: Timestamp) {
        self.lock().use_file(|file| file.keep_picture(sequence, jpeg, now.as_millisecond()));
    }

    /// The picture of an event, if there is one.
    pub fn picture(&self, sequence: Position) -> Result<Option<SecretBytes>, JournalError> {
        self.lock().file.as_ref().map_or(Ok(None), |file| file.picture(sequence))
    }

    /// Removes the pictures of people who were deleted.
    fn remove_pictures_of(&self, people: &[PersonId]) {
        self.lock().use_file(|file| {
            file.remove_pictures(|sequence, _| {
                let event = file.between(sequence - 1, sequence + 1, 1).unwrap_or_default().pop();
                // Whose a picture is that has lost its event is not known.
                event.is_none_or(|event| event.details.person.is_some_and(|person| people.contains(&person)))
            })
        });
    }

    /// Writes events to the file, if there is to be one.
    fn keep(&self, inner: &mut Inner, events: &[Event]) -> Result<(), JournalError> {
        if self.settings.store.is_none() {
            return Ok(());
        }
        self.reopen_in_time(inner);
        let Some(file) = &mut inner.file else { return Err(inner.reason()) };
        // What was only known in memory has numbers of its own, which are missing in the file.
        file.next = file.next.max(inner.next);
        match file.append(events, self.settings.most) {
            Ok(first) => {
                inner.next = first;
                (inner.trouble, inner.has_failed) = (None, false);
                Ok(())
            }
            Err(error) => {
                inner.fail(error.clone());
                Err(error)
            }
        }
    }

    fn reopen_in_time(&self, inner: &mut Inner) {
        let is_due = inner.trouble.as_ref().is_none_or(|(_, tried)| tried.elapsed() >= RETRY);
        if inner.file.is_none() && is_due {
            self.reopen(inner);
        }
    }

    fn reopen(&self, inner: &mut Inner) {
        let Some(path) = &self.settings.store else { return };
        let opened = EventFile::open(path, &self.sealer).and_then(|mut file| {
            if !inner.is_ready {
                // What happened until now gets its final numbers.
                let waiting: Vec<Event> = inner.recent.iter().map(|event| Event::clone(event)).collect();
                let first = file.append(&waiting, self.settings.most)?;
                let numbered = (first..).zip(waiting).map(|(sequence, event)| Arc::new(Event { sequence, ..event }));
                inner.recent = numbered.collect();
                (inner.id, inner.first, inner.next, inner.is_ready) = (file.id.clone(), first, file.next, true);
            }
            Ok(file)
        });
        match opened {
            // Numbers that were used meanwhile are not used again.
            Ok(file) => {
                inner.next = inner.next.max(file.next);
                inner.file = Some(file);
                inner.trouble = inner.trouble.take().filter(|_| inner.has_failed);
            }
            Err(error) => {
                if inner.trouble.is_none() {
                    log::error!("{}: events can't be kept: {error}", path.display());
                }
                inner.trouble = Some((error, Instant::now()));
            }
        }
    }

    /// Has what is due done: a file opened that failed, and what is too old removed. Not while the clock can't be believed: a jump would
    /// remove all. To be called now and then.
    pub fn tidy(&self, now: Timestamp) {
        let mut inner = self.lock();
        if inner.tidied.is_some_and(|tidied| tidied.elapsed() < TIDIED) {
            return;
        }
        inner.tidied = Some(Instant::now());
        inner.is_synchronized = clock::is_synchronized();
        self.reopen_in_time(&mut inner);
        // Whether there is room again is not left to whoever comes next.
        if inner.has_failed {
            let _told_by_the_log = self.keep(&mut inner, &[]);
        }
        if !inner.is_synchronized {
            return;
        }
        let than = now.as_millisecond().saturating_sub_unsigned(self.settings.max_age_s.saturating_mul(1000));
        // Those of a clock that could not be believed are as old as the first that comes after them.
        while let Some(dated) = inner.recent.iter().position(|event| !event.details.unsynchronized)
            && inner.recent[dated].time.as_millisecond() < than
        {
            inner.recent.drain(..=dated);
        }
        let pictures_than =
            now.as_millisecond().saturating_sub_unsigned(self.settings.pictures_max_age_s.saturating_mul(1000));
        inner.use_file(|file| {
            file.remove_older(than)?;
            file.remove_pictures(|_, ms| ms < pictures_than)
        });
    }

    /// Number of the newest event; 0 if there is none.
    pub fn last(&self) -> Position {
        self.lock().next - 1
    }

    /// Waits for an event after number `known`, for `time` at the most.
    pub fn wait(&self, known: Position, time: Duration) {
        let inner = self.lock();
        let _timed_out = self.changed.wait_timeout_while(inner, time, |inner| inner.next - 1 <= known);
    }

    /// How far a receiver has come; where that is not known, it begins with this start.
    pub fn position(&self, receiver: &str) -> Result<Position, JournalError> {
        let inner = self.lock();
        if !inner.is_ready {
            return Err(inner.reason());
        }
        let kept = match (&inner.file, &self.settings.store) {
            (Some(file), _) => file.position(receiver)?,
            (None, Some(_)) => return Err(inner.reason()),
            (None, None) => None,
        };
        Ok(kept.filter(|kept| *kept < inner.next).unwrap_or(inner.first - 1))
    }

    /// The same, once it can be read; none if the service ends before.
    pub fn wait_for_position(&self, receiver: &str, shutdown: &Shutdown) -> Option<Position> {
        loop {
            match self.position(receiver) {
                Ok(position) => return Some(position),
                Err(_) if shutdown.requested() => return None,
                Err(_) => shutdown.sleep(RETRY),
            }
        }
    }

    /// Keeps how far a receiver has come.
    pub fn keep_position(&self, receiver: &str, position: Position) {
        self.lock().use_file(|file| file.keep_position(receiver, position));
    }

    /// Closes the file, so that it is as it should be. Nothing is kept afterwards.
    pub fn close(&self) {
        let mut inner = self.lock();
        // It is not opened again by a late event.
        (inner.file, inner.trouble) = (None, Some((JournalError("the service ends".into()), Instant::now())));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Number of the oldest event in memory; that of the next one if there is none.
    fn front(&self) -> Position {
        self.recent.front().map_or(self.next, |first| first.sequence)
    }

    /// Why there is no file.
    fn reason(&self) -> JournalError {
        self.trouble.as_ref().map_or_else(|| JournalError("it is not open".into()), |(error, _)| error.clone())
    }

    /// Does something with the file, if it is open.
    fn use_file(&mut self, work: impl FnOnce(&EventFile) -> Result<(), JournalError>) {
        if let Some(Err(error)) = self.file.as_ref().map(work) {
            self.fail(error);
        }
    }

    /// Closes a file that failed: it is read again before anything else is written.
    fn fail(&mut self, error: JournalError) {
        log::error!("events are not kept: {error}");
        (self.file, self.trouble, self.has_failed) = (None, Some((error, Instant::now())), true);
    }
}

#[cfg(test)]
mod tests;

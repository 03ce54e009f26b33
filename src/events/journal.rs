//! The journal: numbers events, keeps them in memory and in a file if there is one, and wakes whoever waits for the next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::cloud::Envelope;
use super::event::{Details, Event, Kind};
use super::file::{EventFile, JournalError};
use crate::face::Sealer;
use crate::ops::settings;

/// Events that are kept in memory.
const RECENT: usize = 1000;
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
    /// What is wrong with the file, and when it was last tried.
    trouble: Option<(JournalError, Instant)>,
}

impl Journal {
    /// Opens the journal of this device. A file that can't be opened is told by [`Self::trouble`], and tried again.
    pub fn open(settings: &settings::Events, device: &str, sealer: &Arc<Sealer>) -> Self {
        let id = format!("{:032x}", crate::ops::random());
        let journal = Self {
            settings: settings.clone(),
            sealer: Arc::clone(sealer),
            source: format!("/faceplate/{device}"),
            inner: Mutex::new(Inner {
                id,
                next: 1,
                first: 1,
                recent: VecDeque::new(),
                counts: BTreeMap::new(),
                file: None,
                trouble: None,
            }),
            changed: Condvar::new(),
        };
        let mut inner = journal.lock();
        journal.reopen(&mut inner);
        inner.first = inner.next;
        drop(inner);
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
    pub fn append_first(&self, kind: Kind, details: Details, time: Timestamp) -> Result<u64, JournalError> {
        self.put(kind, details, time, true)
    }

    /// Adds an event of something that has happened. If it can't be kept, it is known until the service ends.
    pub fn append(&self, kind: Kind, details: Details, time: Timestamp) -> u64 {
        self.put(kind, details, time, false).unwrap_or_default()
    }

    fn put(&self, kind: Kind, details: Details, time: Timestamp, must_be_kept: bool) -> Result<u64, JournalError> {
        let mut inner = self.lock();
        let mut event = Event { sequence: 0, time, kind, details };
        let kept = self.keep(&mut inner, &event);
        if must_be_kept {
            kept?;
        }
        event.sequence = inner.next;
        inner.next += 1;
        if inner.recent.len() == RECENT {
            inner.recent.pop_front();
        }
        let sequence = event.sequence;
        *inner.counts.entry(event.kind).or_default() += 1;
        inner.recent.push_back(Arc::new(event));
        drop(inner);
        self.changed.notify_all();
        Ok(sequence)
    }

    /// Writes an event to the file, if there is to be one.
    fn keep(&self, inner: &mut Inner, event: &Event) -> Result<(), JournalError> {
        if self.settings.store.is_none() {
            return Ok(());
        }
        if inner.file.is_none() {
            if let Some((error, tried)) = &inner.trouble
                && tried.elapsed() < RETRY
            {
                return Err(error.clone());
            }
            self.reopen(inner);
        }
        let Some(file) = &mut inner.file else {
            return Err(inner.trouble.as_ref().map_or_else(|| JournalError("it is closed".into()), |(e, _)| e.clone()));
        };
        // What was only known in memory has numbers of its own, which are missing in the file.
        file.next = file.next.max(inner.next);
        match file.append(event, self.settings.most) {
            Ok(sequence) => {
                inner.next = sequence;
                Ok(())
            }
            Err(error) => {
                log::error!("events are not kept: {error}");
                (inner.file, inner.trouble) = (None, Some((error.clone(), Instant::now())));
                Err(error)
            }
        }
    }

    fn reopen(&self, inner: &mut Inner) {
        let Some(path) = &self.settings.store else { return };
        match EventFile::open(path, &self.sealer) {
            Ok(file) => {
                // Numbers that were used meanwhile are not used again.
                (inner.id, inner.next) = (file.id.clone(), file.next.max(inner.next));
                (inner.file, inner.trouble) = (Some(file), None);
            }
            Err(error) => {
                if inner.trouble.is_none() {
                    log::error!("{}: events can't be kept: {error}", path.display());
                }
                inner.trouble = Some((error, Instant::now()));
            }
        }
    }

    /// Removes what is too old. Not while the clock can't be believed: a jump would remove all.
    pub fn tidy(&self, now: Timestamp, is_synchronized: bool) {
        let than = now.as_millisecond().saturating_sub_unsigned(self.settings.max_age_s.saturating_mul(1000));
        let mut inner = self.lock();
        if !is_synchronized {
            return;
        }
        while inner.recent.front().is_some_and(|event| event.time.as_millisecond() < than) {
            inner.recent.pop_front();
        }
        if let Some(file) = &inner.file
            && let Err(error) = file.remove_older(than)
        {
            log::error!("old events are not removed: {error}");
            (inner.file, inner.trouble) = (None, Some((error, Instant::now())));
        }
    }

    /// Up to `most` events after number `after`, the oldest first.
    pub fn after(&self, after: Position, most: usize) -> Result<Vec<Arc<Event>>, JournalError> {
        let inner = self.lock();
        let is_recent = inner.recent.front().is_some_and(|first| first.sequence <= after.saturating_add(1));
        let recent = |inner: &Inner| {
            inner.recent.iter().filter(|event| event.sequence > after).take(most).cloned().collect::<Vec<_>>()
        };
        match &inner.file {
            Some(file) if !is_recent => {
                let found = file.after(after, most)?;
                Ok(if found.is_empty() { recent(&inner) } else { found.into_iter().map(Arc::new).collect() })
            }
            _ => Ok(recent(&inner)),
        }
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
    pub fn position(&self, receiver: &str) -> Position {
        let inner = self.lock();
        let kept = inner.file.as_ref().and_then(|file| file.position(receiver).ok().flatten());
        kept.filter(|kept| *kept < inner.next).unwrap_or(inner.first - 1)
    }

    /// Keeps how far a receiver has come.
    pub fn keep_position(&self, receiver: &str, position: Position) {
        if let Some(file) = &self.lock().file
            && let Err(error) = file.keep_position(receiver, position)
        {
            log::warn!("{receiver}: how far it has come is not kept: {error}");
        }
    }

    /// Closes the file, so that it is as it should be.
    pub fn close(&self) {
        self.lock().file = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

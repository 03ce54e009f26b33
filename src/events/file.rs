//! The file of events (redb): each is durable before its number is used again for nothing else.
//!
//! Beside the events it has the journal's id, the next number, and how far each receiver has come.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Database, Key, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, Value,
    WriteTransaction,
};

use super::event::Event;
use crate::face::Sealer;
use crate::ops::SecretBytes;

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const PICTURES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("pictures");
const FACTS: TableDefinition<'_, &str, &str> = TableDefinition::new("facts");
/// Names of facts.
const ID: &str = "id";
const NEXT: &str = "next";
/// Memory for pages that were read, in bytes.
const CACHE_BYTES: usize = 1 << 20;
/// The time of the first events of a file whose clock could not be believed: they go with the first that comes after them.
const UNDATED: i64 = i64::MAX;
/// Most pictures that are kept: some 60 MB.
const MOST_PICTURES: u64 = 1000;
/// Most events that one transaction removes, so that none takes long.
const REMOVED_AT_ONCE: u64 = 256;

/// Why an event was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalError(pub String);

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JournalError {}

/// Events that were looked at in one go.
#[derive(Default)]
pub(super) struct Stretch {
    /// Those that could be read.
    pub(super) events: Vec<Event>,
    /// How many were looked at.
    pub(super) looked: usize,
    /// Number of the last of them.
    pub(super) reached: Option<u64>,
}

/// A file of events that is open.
pub(super) struct EventFile {
    database: Database,
    sealer: Arc<Sealer>,
    pub(super) id: String,
    pub(super) next: u64,
}

fn failed(error: impl std::fmt::Display) -> JournalError {
    JournalError(error.to_string())
}

/// Runs what reads or writes the file; a panic is an error, as with people's store: what redb finds in a damaged file may be one.
fn guarded<T>(work: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(JournalError("the file is damaged".into())))
}

impl EventFile {
    /// Opens the file, or makes it. Only its owner can read it.
    pub(super) fn open(path: &Path, sealer: &Arc<Sealer>) -> Result<Self, JournalError> {
        guarded(|| {
            let file: File = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(failed)?;
            let backend = FileBackend::new(file).map_err(failed)?;
            let database =
                Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(failed)?;
            let transaction = database.begin_write().map_err(failed)?;
            let (id, next) = {
                let events = transaction.open_table(EVENTS).map_err(failed)?;
                transaction.open_table(PICTURES).map_err(failed)?;
                let mut facts = transaction.open_table(FACTS).map_err(failed)?;
                let fact = |facts: &redb::Table<'_, &str, &str>, name| {
                    facts.get(name).map_err(failed).map(|fact| fact.map(|fact| fact.value().to_owned()))
                };
                let id = match fact(&facts, ID)? {
                    Some(id) => id,
                    None => {
                        let id = format!("{:032x}", crate::ops::random());
                        facts.insert(ID, &*id).map_err(failed)?;
                        id
                    }
                };
                let last = events.last().map_err(failed)?.map_or(0, |(last, _)| last.value());
                let next = fact(&facts, NEXT)?.and_then(|next| next.parse().ok()).unwrap_or(1);
                (id, next.max(last + 1))
            };
            transaction.commit().map_err(failed)?;
            Ok(Self { database, sealer: Arc::clone(sealer), id, next })
        })
    }

    /// A table, as it is now.
    fn reading<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, JournalError> {
        self.database.begin_read().map_err(failed)?.open_table(table).map_err(failed)
    }

    /// Makes a change durable, all of it or nothing.
    fn writing<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T, JournalError>) -> Result<T, JournalError> {
        guarded(|| {
            let transaction = self.database.begin_write().map_err(failed)?;
            let done = change(&transaction)?;
            transaction.commit().map_err(failed)?;
            Ok(done)
        })
    }

    /// Appends events under the next numbers, and removes the oldest beyond `most`. Returns the first number.
    pub(super) fn append(&mut self, new: &[Event], most: u64) -> Result<u64, JournalError> {
        let first = self.next;
        let count = new.len() as u64;
        self.writing(|transaction| {
            let mut events = transaction.open_table(EVENTS).map_err(failed)?;
            for (sequence, event) in (first..).zip(new) {
                let record = serde_json::to_vec(event).map_err(failed)?;
                let sealed = self.sealer.seal_record(&record, &name(sequence));
                let record = sealed.as_deref().unwrap_or(&record);
                // A time that can't be believed is no age: such an event is as old as the one before.
                let before = events.last().map_err(failed)?.and_then(|(_, value)| time_of(value.value()));
                let ms = match event.details.unsynchronized {
                    true => before.unwrap_or(UNDATED),
                    false => event.time.as_millisecond(),
                };
                events.insert(sequence, &*[&ms.to_le_bytes()[..], record].concat()).map_err(failed)?;
            }
            let more = events.len().map_err(failed)?.saturating_sub(most).min(REMOVED_AT_ONCE + count);
            for _ in 0..more {
                events.pop_first().map_err(failed)?;
            }
            let mut facts = transaction.open_table(FACTS).map_err(failed)?;
            facts.insert(NEXT, &*(first + count).to_string()).map_err(failed)?;
            Ok(())
        })?;
        self.next += count;
        Ok(first)
    }

    /// Removes events of before this time, in milliseconds; returns whether there may be more.
    pub(super) fn remove_older(&self, than_ms: i64) -> Result<bool, JournalError> {
        let Some(last) = self.last_older(than_ms)? else { return Ok(false) };
        self.writing(|transaction| {
            let mut events = transaction.open_table(EVENTS).map_err(failed)?;
            let mut removed = 0;
            while events.first().map_err(failed)?.is_some_and(|(first, _)| first.value() <= last) {
                events.pop_first().map_err(failed)?;
                removed += 1;
            }
            Ok(removed == REMOVED_AT_ONCE)
        })
    }

    /// Number of the last of the oldest events that is of before this time; no more than can be removed at once are looked at.
    fn last_older(&self, than_ms: i64) -> Result<Option<u64>, JournalError> {
        guarded(|| {
            let mut last = None;
            for entry in self.reading(EVENTS)?.iter().map_err(failed)?.take(REMOVED_AT_ONCE as usize) {
                let (sequence, value) = entry.map_err(failed)?;
                match time_of(value.value()) {
                    // Of themselves these are not known to be old.
                    Some(UNDATED) => {}
                    Some(ms) if ms >= than_ms => break,
                    _ => last = Some(sequence.value()),
                }
            }
            Ok(last)
        })
    }

    /// Up to `most` events after number `after` and before number `before`. Those that can't be read, since their key is gone, are left out.
    pub(super) fn between(&self, after: u64, before: u64, most: usize) -> Result<Vec<Event>, JournalError> {
        guarded(|| {
            let events = self.reading(EVENTS)?;
            let mut found = vec![];
            for entry in events.range(after.saturating_add(1)..before).map_err(failed)? {
                let (sequence, value) = entry.map_err(failed)?;
                found.extend(self.read(sequence.value(), value.value()));
                if found.len() == most {
                    break;
                }
            }
            Ok(found)
        })
    }

    /// Number of the oldest event, if there is any.
    pub(super) fn first(&self) -> Result<Option<u64>, JournalError> {
        guarded(|| Ok(self.reading(EVENTS)?.first().map_err(failed)?.map(|(first, _)| first.value())))
    }

    /// Looks at `most` events of these numbers, the oldest or the newest first; also those that can't be read are counted.
    pub(super) fn stretch(&self, numbers: Range<u64>, is_back: bool, most: usize) -> Result<Stretch, JournalError> {
        guarded(|| {
            let events = self.reading(EVENTS)?;
            let mut entries = events.range(numbers).map_err(failed)?;
            let mut next = || if is_back { entries.next_back() } else { entries.next() };
            let mut stretch = Stretch::default();
            while stretch.looked < most
                && let Some(entry) = next()
            {
                let (sequence, value) = entry.map_err(failed)?;
                stretch.events.extend(self.read(sequence.value(), value.value()));
                (stretch.looked, stretch.reached) = (stretch.looked + 1, Some(sequence.value()));
            }
            Ok(stretch)
        })
    }

    /// Keeps the picture of an event, sealed and bound to its number, and removes the oldest where there are too many.
    pub(super) fn keep_picture(&self, sequence: u64, jpeg: &[u8], now_ms: i64) -> Result<(), JournalError> {
        let sealed = self.sealer.seal_record(jpeg, &picture_name(sequence));
        let sealed = sealed.ok_or_else(|| JournalError("there is no key for pictures".into()))?;
        self.writing(|transaction| {
            let mut pictures = transaction.open_table(PICTURES).map_err(failed)?;
            pictures.insert(sequence, &*[&now_ms.to_le_bytes()[..], &sealed].concat()).map_err(failed)?;
            let more = pictures.len().map_err(failed)?.saturating_sub(MOST_PICTURES);
            for _ in 0..more {
                pictures.pop_first().map_err(failed)?;
            }
            Ok(())
        })
    }

    /// The picture of an event.
    pub(super) fn picture(&self, sequence: u64) -> Result<Option<SecretBytes>, JournalError> {
        guarded(|| {
            let pictures = self.reading(PICTURES)?;
            let value = pictures.get(sequence).map_err(failed)?;
            let sealed = value.as_ref().and_then(|value| value.value().get(8..));
            Ok(sealed.and_then(|sealed| self.sealer.open_record(sealed, &picture_name(sequence)).ok()))
        })
    }

    /// Removes pictures for which this is true, by their number and time.
    pub(super) fn remove_pictures(&self, is_unwanted: impl Fn(u64, i64) -> bool) -> Result<(), JournalError> {
        let unwanted = guarded(|| {
            let mut unwanted = vec![];
            for entry in self.reading(PICTURES)?.iter().map_err(failed)? {
                let (sequence, value) = entry.map_err(failed)?;
                if is_unwanted(sequence.value(), time_of(value.value()).unwrap_or(i64::MIN)) {
                    unwanted.push(sequence.value());
                }
            }
            Ok(unwanted)
        })?;
        if unwanted.is_empty() {
            return Ok(());
        }
        self.writing(|transaction| {
            let mut pictures = transaction.open_table(PICTURES).map_err(failed)?;
            for sequence in unwanted {
                pictures.remove(sequence).map_err(failed)?;
            }
            Ok(())
        })
    }

    fn read(&self, sequence: u64, value: &[u8]) -> Option<Event> {
        let record = value.get(8..)?;
        let opened;
        let record = match Sealer::is_sealed_record(record) {
            true => {
                opened = self.sealer.open_record(record, &name(sequence)).ok()?;
                &opened[..]
            }
            // What is not sealed is no event of this device, if it seals.
            false if !self.sealer.accepts_plain() => return None,
            false => record,
        };
        serde_json::from_slice(record).ok().map(|event| Event { sequence, ..event })
    }

    /// How far a receiver has come.
    pub(super) fn position(&self, receiver: &str) -> Result<Option<u64>, JournalError> {
        guarded(|| {
            let facts = self.reading(FACTS)?;
            let fact = facts.get(&*at(receiver)).map_err(failed)?;
            Ok(fact.and_then(|fact| fact.value().parse().ok()))
        })
    }

    /// Keeps how far a receiver has come.
    pub(super) fn keep_position(&self, receiver: &str, sequence: u64) -> Result<(), JournalError> {
        self.writing(|transaction| {
            let mut facts = transaction.open_table(FACTS).map_err(failed)?;
            facts.insert(&*at(receiver), &*sequence.to_string()).map_err(failed)?;
            Ok(())
        })
    }
}

/// The time by which an event ages, in milliseconds.
fn time_of(value: &[u8]) -> Option<i64> {
    value.first_chunk().map(|ms| i64::from_le_bytes(*ms))
}

/// The name that a sealed event is bound to.
fn name(sequence: u64) -> String {
    format!("event {sequence}")
}

fn picture_name(sequence: u64) -> String {
    format!("picture of event {sequence}")
}

fn at(receiver: &str) -> String {
    format!("position of {receiver}")
}

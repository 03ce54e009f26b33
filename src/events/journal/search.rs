//! Finds events in the journal, from a number on or back from one, in batches: whoever adds an event waits for one of them at the most.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Inner, Journal, Position};
use crate::events::event::{Event, Kind};
use crate::events::file::{EventFile, JournalError};
use crate::people::PersonId;

/// Events that are read while the journal is locked: a millisecond or two on a small board.
const AT_ONCE: usize = 256;
/// Events that one search looks at. A filter that fits few would otherwise hold its thread for as long as it takes to read the whole file.
pub(super) const MOST_LOOKED: usize = 20_000;
/// Between two batches. The lock is not fair: without it whoever waits to add an event may get it only after the last one.
const PAUSE: Duration = Duration::from_micros(100);

/// Which events are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where it begins.
    pub place: Place,
    /// How many are wanted at the most.
    pub limit: usize,
    /// Which are wanted.
    pub filter: Filter,
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind this number; the oldest are found first.
    After(Position),
    /// Ahead of this number; the newest are found first.
    Before(Position),
}

/// What an event must be to be wanted: all of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this time or later.
    pub from: Option<Timestamp>,
    /// Of before this time.
    pub until: Option<Timestamp>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<Kind>>,
    /// Of this person.
    pub person: Option<PersonId>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// In the order of their numbers.
    pub events: Vec<Arc<Event>>,
    /// Number of the oldest event that was looked at; all from here to `last` were.
    pub first: Position,
    /// Number of the newest one.
    pub last: Position,
    /// Whether there may be events before `first`.
    pub older: bool,
}

impl Filter {
    fn fits(&self, event: &Event) -> bool {
        self.from.is_none_or(|from| event.time >= from)
            && self.until.is_none_or(|until| event.time < until)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
            && (self.person.is_none() || event.details.person == self.person)
    }
}

/// Events that were looked at while the journal was locked.
struct Batch {
    events: Vec<Arc<Event>>,
    /// How many were looked at, also such as could not be read.
    looked: usize,
    /// The number up to which all were looked at.
    reached: Position,
    /// Whether there are no more.
    is_last: bool,
}

impl Journal {
    /// Up to `most` events after number `after`, the oldest first, and how far that is: where there are none, up to the newest of all.
    pub fn after(&self, after: Position, most: usize) -> Result<(Vec<Arc<Event>>, Position), JournalError> {
        let mut inner = self.lock();
        if !inner.is_ready {
            return Err(inner.reason());
        }
        let front = inner.front();
        let mut found = vec![];
        if after.saturating_add(1) < front && self.settings.store.is_some() {
            let events = self.read_file(&mut inner, |file| file.between(after, front, most))?;
            found.extend(events.into_iter().map(Arc::new));
        }
        let room = most - found.len();
        found.extend(inner.recent.iter().filter(|event| event.sequence > after).take(room).cloned());
        let reached = found.last().map_or_else(|| after.max(inner.next - 1), |event| event.sequence);
        Ok((found, reached))
    }

    /// Looks for events. It may end early: `first` and `last` tell how far it came.
    pub fn search(&self, search: &Search) -> Result<Found, JournalError> {
        let (oldest, next) = self.extent();
        let (mut reached, at): (_, fn(Position) -> Place) = match search.place {
            Place::After(after) => (after, Place::After),
            Place::Before(before) => (before.min(next), Place::Before),
        };
        let start = reached;
        let (mut events, mut looked) = (vec![], 0);
        loop {
            let batch = self.batch(at(reached), AT_ONCE.min(MOST_LOOKED - looked))?;
            reached = batch.reached;
            looked += batch.looked;
            let room = search.limit - events.len();
            events.extend(batch.events.into_iter().filter(|event| search.filter.fits(event)).take(room));
            if let Some(event) = events.last().filter(|_| events.len() == search.limit) {
                reached = event.sequence;
                break;
            }
            if batch.is_last || looked >= MOST_LOOKED {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let (first, last) = match search.place {
            Place::After(after) => (after.saturating_add(1).max(oldest).min(next), reached),
            Place::Before(_) => {
                events.reverse();
                (reached, start.saturating_sub(1))
            }
        };
        Ok(Found { events, first, last, older: oldest < first })
    }

    /// The number of the oldest event that there may be, and that of the next one.
    fn extent(&self) -> (Position, Position) {
        let inner = self.lock();
        let front = inner.front();
        // What can't be read may be there.
        let first = inner.file.as_ref().map_or(Ok(Some(1)), EventFile::first).unwrap_or(Some(1));
        let oldest = first.filter(|_| self.settings.store.is_some()).map_or(front, |first| first.min(front));
        (oldest, inner.next)
    }

    /// Reads the file, which has to be open: whoever went on without it would never see what is in it.
    fn read_file<T>(
        &self,
        inner: &mut Inner,
        read: impl FnOnce(&EventFile) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.reopen_in_time(inner);
        let found = read(inner.file.as_ref().ok_or_else(|| inner.reason())?);
        if let Err(error) = &found {
            inner.fail(error.clone());
        }
        found
    }

    /// The next events from a place on.
    fn batch(&self, place: Place, most: usize) -> Result<Batch, JournalError> {
        let mut inner = self.lock();
        if !inner.is_ready {
            return Err(inner.reason());
        }
        let front = inner.front();
        let in_file = match place {
            Place::After(after) => after.saturating_add(1)..front,
            Place::Before(before) if before <= front => 1..before,
            Place::Before(_) => front..front,
        };
        if !in_file.is_empty() && self.settings.store.is_some() {
            let is_back = matches!(place, Place::Before(_));
            let stretch = self.read_file(&mut inner, |file| file.stretch(in_file, is_back, most))?;
            let is_whole = stretch.looked < most;
            let reached = match place {
                // What comes then is in memory.
                Place::After(_) if is_whole => front - 1,
                Place::After(known) | Place::Before(known) => stretch.reached.unwrap_or(known),
            };
            let events = stretch.events.into_iter().map(Arc::new).collect();
            return Ok(Batch { events, looked: stretch.looked, reached, is_last: is_whole && is_back });
        }
        let recent = inner.recent.iter();
        let events: Vec<_> = match place {
            Place::After(after) => recent.filter(|event| event.sequence > after).take(most).cloned().collect(),
            Place::Before(before) => recent.rev().filter(|event| event.sequence < before).take(most).cloned().collect(),
        };
        let (looked, is_whole) = (events.len(), events.len() < most);
        let reached = match (place, events.last()) {
            (Place::After(after), _) if is_whole => after.max(inner.next - 1),
            (_, Some(event)) => event.sequence,
            (Place::After(known) | Place::Before(known), None) => known,
        };
        // Older ones are in the file.
        let goes_on = matches!(place, Place::Before(before) if before > front) && self.settings.store.is_some();
        Ok(Batch { events, looked, reached, is_last: is_whole && !goes_on })
    }
}

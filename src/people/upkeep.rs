//! Opens the store, again where it failed, and erases what was deleted.

use std::sync::PoisonError;
use std::sync::TryLockError;
use std::time::{Duration, Instant};

use super::error::PeopleError;
use super::person::PersonId;
use super::record::{self, RecordError};
use super::register::{People, Writer};
use super::site::SiteState;
use super::store::{self, Store, StoreError};
use crate::ops::counted;

/// What may be written to replace remnants, on average: cards of boards wear out.
const ERASED_BYTES_A_SECOND: u64 = 100_000;
/// Deletions of so long are erased together.
const ERASE_DELAY: Duration = Duration::from_secs(5);

/// How long to wait before a store that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);

impl People {
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

    /// Opens the store and shows what is in it, all or nothing.
    pub(super) fn load(&self, writer: &mut Writer) {
        writer.store = None;
        let (mut people, mut wrong, mut refused) = (vec![], None, 0);
        let opened = Store::open(&self.path, |name, bytes| {
            let id = PersonId::new(name);
            let read =
                id.ok_or(RecordError::Damaged).and_then(|id| Ok((record::decode(bytes, &id, &self.sealer)?, id)));
            match read {
                Ok((person, id)) => people.push((id, Some(person))),
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
            self.show(people, true);
        }
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = trouble;
        if !is_good {
            self.show(vec![], true);
        }
    }
}

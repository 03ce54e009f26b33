//! The people of a site with several doors: they live in etcd, and each door keeps a replica of them.
//!
//! Changes go to etcd first, as transactions that compare what is there with what this door knows; they are durable there before they are
//! acknowledged. What others change comes by a watch. Records are sealed before they leave the device, and whatever comes back that is not
//! sealed for its id is refused. Without network a door goes on with what it has.

mod etcd;
mod replica;
mod wire;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::etcd::Etcd;
use self::wire::Swap;
use super::person::PersonId;
use crate::ops::{SecretBytes, settings};

pub(super) use replica::follow;
pub use wire::fuzz as fuzz_etcd;

/// The people of all doors.
pub(super) struct Site {
    etcd: Etcd,
    prefix: String,
    /// The name of this door.
    door: String,
    /// The revision of etcd that is applied here.
    applied: AtomicI64,
    /// The revision that this door has told of last, here and there.
    told: AtomicI64,
    /// Whether everybody has to be listed before a watch tells the rest.
    must_list: AtomicBool,
    /// Whether this etcd is the one that this door follows.
    is_followed: AtomicBool,
    /// When everything that etcd had was known here, by the clock that never jumps; none since the start.
    current_at: Mutex<Option<Instant>>,
}

/// A change of one record: what was there, and what is to be.
pub(super) struct RecordChange<'a> {
    pub(super) id: &'a PersonId,
    pub(super) before: Option<&'a [u8]>,
    pub(super) after: Option<&'a [u8]>,
}

/// Why etcd did not make a change.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What was there was something else, of the change of this index.
    Conflict(usize),
    /// It was not reached, or refused: the reason.
    Failed(String),
}

/// What a door has told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DoorState {
    /// The revision that it has applied.
    revision: i64,
    /// When it said so.
    time: Timestamp,
}

/// Which state of the site's people a store has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SiteState {
    /// Which etcd it is.
    pub(super) cluster: String,
    /// Its revision.
    pub(super) revision: i64,
    /// The revision that this door has told of, or is about to.
    pub(super) told: i64,
    /// When that was known.
    pub(super) time: Timestamp,
    /// A random id of this store: two doors may have one name.
    pub(super) store: String,
}

impl SiteState {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a text and two numbers are JSON")
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Where the people of the site are kept at this door.
pub(super) trait Replica {
    /// Takes what the site has: `seen` are all people that it has, where it was asked for all. A record that is not sealed for its id is
    /// nobody's, and whoever had that id before is unknown.
    fn arrive(&self, arrived: Vec<Arrived>, seen: Option<&HashSet<PersonId>>, state: &SiteState) -> Result<(), String>;

    /// Whether this may become a replica of an etcd: it has been one of this etcd, or has nobody of its own.
    fn may_follow(&self, cluster: &str) -> Result<(), String>;

    /// Number of records.
    fn count(&self) -> u64;

    /// A random id, which stays.
    fn store_id(&self) -> String;
}

/// A record of etcd, under its id; none where it was deleted.
pub(super) type Arrived = (PersonId, Option<SecretBytes>);

/// What has become of a deletion at one door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoorDeletion {
    /// The door's name.
    pub door: String,
    /// Whether it has forgotten the person.
    pub forgotten: bool,
    /// Whether it is connected now.
    pub connected: bool,
    /// When it last told what it has.
    pub told: Timestamp,
}

/// Changes of one transaction: etcd takes 128 operations, and a deletion is two.
pub(super) const MOST_CHANGES: usize = 50;
/// Seconds for which it is remembered that a person was deleted.
const DELETED_SECONDS: i64 = 30 * 86_400;

impl Site {
    /// The site of the settings; none if they name none.
    pub(super) fn new(settings: &settings::People) -> Result<Option<Self>, String> {
        if settings.etcd.is_empty() {
            return Ok(None);
        }
        let door = match &*settings.door {
            "" => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            door => door.to_owned(),
        };
        let (etcd, prefix) = (Etcd::new(settings)?, settings.etcd_prefix.clone());
        let (applied, told, is_followed, current_at) = Default::default();
        let must_list = AtomicBool::new(true);
        Ok(Some(Self { etcd, prefix, door, applied, told, must_list, is_followed, current_at }))
    }

    fn person(&self, id: &str) -> String {
        format!("{}people/{id}", self.prefix)
    }

    fn deleted(&self, id: &str) -> String {
        format!("{}deleted/{id}", self.prefix)
    }

    /// Makes all changes or none. No more than [`MOST_CHANGES`].
    pub(super) fn change(&self, changes: &[RecordChange<'_>], now: Timestamp) -> Result<(), Refusal> {
        let keys: Vec<String> = changes.iter().map(|change| self.person(change.id.as_str())).collect();
        let swaps: Vec<Swap<'_>> = keys
            .iter()
            .zip(changes)
            .map(|(key, change)| Swap { key, before: change.before, after: change.after })
            .collect();
        let deletes = changes.iter().any(|change| change.after.is_none());
        let lease = if deletes { Some(self.lease(DELETED_SECONDS).map_err(Refusal::Failed)?) } else { None };
        let marks = changes
            .iter()
            .filter(|change| change.after.is_none())
            .map(|change| wire::also_put(&self.deleted(change.id.as_str()), now.to_string().as_bytes(), lease));
        let request = wire::transaction(&swaps, marks.collect());
        let answer = self.etcd.ask("kv/txn", &request).map_err(Refusal::Failed)?;
        if answer.succeeded {
            return Ok(());
        }
        // The answer of a member may have been lost, and another one was asked again: then all is as it should be.
        for (index, swap) in swaps.iter().enumerate() {
            let found = self.etcd.ask("kv/range", &wire::get(swap.key)).map_err(Refusal::Failed)?;
            if found.kvs.first().map(|kv| &*kv.value) != swap.after {
                return Err(Refusal::Conflict(index));
            }
        }
        Ok(())
    }

    /// What has become of the deletion of a person at each door; none if it is not known that there was one.
    pub(super) fn deletion(&self, id: &PersonId) -> Result<Option<Vec<DoorDeletion>>, String> {
        let found = self.etcd.ask("kv/range", &wire::get(&self.deleted(id.as_str())))?;
        let Some(deleted) = found.kvs.first().map(|mark| mark.mod_revision) else { return Ok(None) };
        let names = |what: &str| -> Result<Vec<(String, wire::KeyValue)>, String> {
            let prefix = format!("{}{what}/", self.prefix);
            let answer = self.etcd.ask("kv/range", &wire::range(&prefix, b"", 10_000, None))?;
            let name =
                |kv: &wire::KeyValue| String::from_utf8_lossy(&kv.key[prefix.len().min(kv.key.len())..]).into_owned();
            Ok(answer.kvs.into_iter().map(|kv| (name(&kv), kv)).collect())
        };
        let connected = names("connected")?;
        let doors = names("doors")?.into_iter().filter_map(|(door, kv)| {
            let state: DoorState = serde_json::from_slice(&kv.value).ok()?;
            let connected = connected.iter().any(|(name, _)| *name == door);
            Some(DoorDeletion { door, forgotten: state.revision >= deleted, connected, told: state.time })
        });
        Ok(Some(doors.collect()))
    }

    /// A new lease of so many seconds.
    fn lease(&self, seconds: i64) -> Result<i64, String> {
        let answer = self.etcd.ask("lease/grant", &serde_json::json!({"TTL": seconds.to_string()}))?;
        if answer.id == 0 { Err("no lease was given".into()) } else { Ok(answer.id) }
    }

    /// Whether changes can be made: this is the etcd that this door follows.
    pub(super) fn is_followed(&self) -> bool {
        self.is_followed.load(Ordering::Relaxed)
    }

    /// When everything that etcd had was known here.
    pub(super) fn current_at(&self) -> Option<Instant> {
        *self.current_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_current(&self, at: Instant) {
        *self.current_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Goes on from what a store has.
    pub(super) fn resume(&self, state: &SiteState) {
        self.applied.store(state.revision, Ordering::Relaxed);
        self.told.store(state.told, Ordering::Relaxed);
        self.must_list.store(false, Ordering::Relaxed);
    }
}

//! Keeps this door's replica: lists the people once, then watches for changes from the revision on that it has.
//!
//! A watch is opened anew every few seconds, from where the last one ended: a network that drops everything is noticed by that, and nothing
//! is missed. Everybody is listed again where a watch can't tell the rest: at the first time, when etcd has compacted what is missing, when a
//! message is too long, and when etcd does not know of this door what this door told, since it was restored from a backup.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::super::person::PersonId;
use super::etcd::Watched;
use super::wire::{self, Header, KeyValue, WatchMessage};
use super::{Arrived, DoorState, Replica, Site, SiteState};
use crate::ops::shutdown::Shutdown;

/// Seconds after which a door that says nothing counts as gone.
const LEASE_SECONDS: i64 = 30;
/// How long a watch may be silent before it is opened anew, which is when the lease is kept alive as well.
const QUIET: Duration = Duration::from_secs(8);
/// Wait before etcd is asked again after it was not reached, and least time of a round.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is stored that etcd was reached, though nothing has changed: the age of people is known to within that after a start.
const NOTE: Duration = Duration::from_secs(3600);
/// People that are listed at a time.
const PAGE: usize = 1000;

/// One door's side of the conversation.
struct Follower<'a> {
    people: &'a dyn Replica,
    site: &'a Site,
    /// The lease that shows that this door is connected; none at the beginning and after a failure.
    lease: Option<i64>,
    cluster: String,
    /// Whether the last watch failed.
    has_failed: bool,
    /// When the state was last stored.
    noted: Instant,
}

/// Follows the site until the end of the service.
pub(in crate::people) fn follow(people: &dyn Replica, site: &Site, shutdown: &Shutdown) {
    let (lease, cluster, noted) = (None, String::new(), Instant::now());
    let mut follower = Follower { people, site, lease, cluster, has_failed: false, noted };
    let mut failing = false;
    while !shutdown.requested() {
        let begun = Instant::now();
        // A thread that ended would leave this door with what it has, and nobody would know.
        let round = catch_unwind(AssertUnwindSafe(|| follower.round()))
            .unwrap_or_else(|_| Err("a fault of this service, which the log has".into()));
        match (&round, failing) {
            (Err(why), false) => log::warn!("the people of the site are not reached, those known here stay: {why}"),
            (Ok(()), true) => log::info!("the people of the site are reached again"),
            _ => {}
        }
        failing = round.is_err();
        if failing {
            follower.lease = None;
        }
        // Also a watch that ends at once must not keep a processor busy.
        if begun.elapsed() < RETRY {
            shutdown.sleep(RETRY);
        }
    }
}

impl Follower<'_> {
    fn round(&mut self) -> Result<(), String> {
        let site = self.site;
        let prefix = format!("{}people/", site.prefix);
        let (begun, now) = (Instant::now(), self.header(&prefix)?);
        if let Err(why) = self.people.may_follow(&now.cluster_id) {
            site.is_followed.store(false, Ordering::Relaxed);
            return Err(why);
        }
        site.etcd.keep_to(&now.cluster_id);
        self.cluster.clone_from(&now.cluster_id);
        if self.lease.is_none() && !self.is_remembered()? || site.applied.load(Ordering::Relaxed) > now.revision {
            site.must_list.store(true, Ordering::Relaxed);
        }
        if site.must_list.load(Ordering::Relaxed) {
            self.list(&prefix)?;
            site.was_current(begun);
        }
        site.is_followed.store(true, Ordering::Relaxed);
        self.keep_alive()?;
        let watched = self.watch(&prefix, begun);
        if watched.is_err() && self.has_failed {
            // Etcd answers, but not this: what is to come may be more than its gateway takes.
            site.must_list.store(true, Ordering::Relaxed);
        }
        self.has_failed = watched.is_err();
        watched?;
        if self.noted.elapsed() >= NOTE {
            self.people.arrive(vec![], None, &self.state())?;
            self.noted = Instant::now();
        }
        Ok(())
    }

    /// What etcd is and has now, by all of its members.
    fn header(&self, prefix: &str) -> Result<Header, String> {
        let header = self.site.etcd.ask("kv/range", &wire::get(prefix))?.header;
        match header.cluster_id.is_empty() || header.revision <= 0 {
            true => Err("it does not say which etcd it is".into()),
            false => Ok(header),
        }
    }

    /// Watches for as long as it is quiet, or a little longer.
    fn watch(&self, prefix: &str, begun: Instant) -> Result<(), String> {
        let site = self.site;
        let from = site.applied.load(Ordering::Relaxed) + 1;
        let (mut watch, mut is_open) = (site.etcd.watch(&wire::watch(prefix, from), QUIET)?, false);
        while begun.elapsed() < 2 * QUIET {
            match watch.next()? {
                Watched::Message(message) if message.compact_revision > 0 => return self.catch_up(prefix),
                Watched::Message(message) if message.canceled => return Err("the watch was refused".into()),
                Watched::Message(message) => {
                    site.etcd.is_known(&message.header.cluster_id)?;
                    is_open |= message.created;
                    self.apply(prefix, message)?;
                }
                Watched::TooLong => {
                    site.must_list.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Watched::Quiet => {
                    // What was there when the round began has come long since. Or the network drops everything since then: the next round
                    // tells, and nothing is missed by it, since the next watch begins where this one did.
                    if is_open {
                        site.was_current(begun);
                    }
                    return Ok(());
                }
                Watched::End => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether etcd has what this door told last: one that was restored from a backup has not.
    fn is_remembered(&self) -> Result<bool, String> {
        let key = format!("{}doors/{}", self.site.prefix, self.site.door);
        let found = self.site.etcd.ask("kv/range", &wire::get(&key))?;
        let state = found.kvs.first().and_then(|kv| serde_json::from_slice::<DoorState>(&kv.value).ok());
        Ok(state.is_some_and(|state| state.revision == self.site.told.load(Ordering::Relaxed)))
    }

    /// Makes this door known as connected for as long as it says so.
    fn keep_alive(&mut self) -> Result<(), String> {
        let site = self.site;
        if let Some(id) = self.lease {
            let answer = site.etcd.ask("lease/keepalive", &json!({"ID": id.to_string()}))?;
            if answer.result.is_some_and(|lease| lease.ttl > 0) {
                return Ok(());
            }
        }
        let key = format!("{}connected/{}", site.prefix, site.door);
        let store = self.people.store_id();
        let other = site.etcd.ask("kv/range", &wire::get(&key))?.kvs.pop();
        if other.is_some_and(|other| *other.value != *store.as_bytes()) {
            log::warn!("another door is called {} as well: give each a people.door of its own", site.door);
        }
        let id = site.lease(LEASE_SECONDS)?;
        site.etcd.ask("kv/put", &wire::put(&key, store.as_bytes(), Some(id)))?;
        self.lease = Some(id);
        Ok(())
    }

    /// Tells which revision this door has.
    fn tell(&self) -> Result<(), String> {
        let site = self.site;
        let state = DoorState { revision: site.told.load(Ordering::Relaxed), time: Timestamp::now() };
        let value = serde_json::to_vec(&state).expect("two numbers are JSON");
        site.etcd.ask("kv/put", &wire::put(&format!("{}doors/{}", site.prefix, site.door), &value, None))?;
        Ok(())
    }

    /// Takes all people as they are at one revision, and forgets those who are not there.
    fn list(&mut self, prefix: &str) -> Result<(), String> {
        let (mut from, mut revision, mut seen, mut all) = (vec![], None, HashSet::new(), vec![]);
        loop {
            let answer = self.site.etcd.ask("kv/range", &wire::range(prefix, &from, PAGE, revision))?;
            revision = revision.or(Some(answer.header.revision));
            let Some(last) = answer.kvs.last() else { break };
            from = [&last.key[..], &[0]].concat();
            for (id, record) in answer.kvs.into_iter().filter_map(|kv| arrived(prefix, kv, false)) {
                seen.insert(id.clone());
                all.push((id, record));
            }
            if !answer.more {
                break;
            }
        }
        let revision = revision.filter(|revision| *revision > 0).ok_or("it does not say which revision it has")?;
        self.take(all, Some(&seen), revision)?;
        self.site.must_list.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn apply(&self, prefix: &str, message: WatchMessage) -> Result<(), String> {
        // Not the message's own revision: of many changes at once, some may still be to come.
        let revision = message.events.iter().map(|event| event.kv.mod_revision).max().unwrap_or_default();
        let is_all = revision >= message.header.revision;
        let events = message.events.into_iter();
        let arrived: Vec<Arrived> =
            events.filter_map(|event| arrived(prefix, event.kv, event.kind == "DELETE")).collect();
        if revision > 0 {
            self.take(arrived, None, revision)?;
            if is_all {
                self.site.was_current(Instant::now());
            }
        }
        Ok(())
    }

    /// Goes on where etcd has compacted what comes after what this door has: if nothing was changed since and the number of people is the
    /// same, as on a quiet site, or else by listing everybody.
    fn catch_up(&self, prefix: &str) -> Result<(), String> {
        let since = self.site.applied.load(Ordering::Relaxed) + 1;
        let answer = self.site.etcd.ask("kv/range", &wire::changed(prefix, since))?;
        // Of those who were deleted nothing is there, but their number.
        let is_same = answer.kvs.is_empty() && i64::try_from(self.people.count()) == Ok(answer.count);
        match is_same && answer.header.revision >= since {
            true => self.take(vec![], None, answer.header.revision),
            false => {
                self.site.must_list.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Keeps what arrived, and tells so.
    fn take(&self, arrived: Vec<Arrived>, seen: Option<&HashSet<PersonId>>, revision: i64) -> Result<(), String> {
        let site = self.site;
        let before = (site.applied.load(Ordering::Relaxed), site.told.load(Ordering::Relaxed));
        site.applied.store(revision, Ordering::Relaxed);
        site.told.store(revision, Ordering::Relaxed);
        if let Err(why) = self.people.arrive(arrived, seen, &self.state()) {
            site.applied.store(before.0, Ordering::Relaxed);
            site.told.store(before.1, Ordering::Relaxed);
            return Err(why);
        }
        self.tell()
    }

    fn state(&self) -> SiteState {
        SiteState {
            cluster: self.cluster.clone(),
            revision: self.site.applied.load(Ordering::Relaxed),
            told: self.site.told.load(Ordering::Relaxed),
            time: Timestamp::now(),
            store: self.people.store_id(),
        }
    }
}

/// A record under its id; what is under no id is nobody's.
fn arrived(prefix: &str, kv: KeyValue, is_deleted: bool) -> Option<Arrived> {
    let id = kv.key.strip_prefix(prefix.as_bytes()).and_then(|id| std::str::from_utf8(id).ok());
    let id = PersonId::new(id?)?;
    Some((id, (!is_deleted).then_some(kv.value)))
}

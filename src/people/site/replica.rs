//! Keeps this door's replica: lists the people once, then watches for changes from the revision on that it has.
//!
//! A watch is opened anew every few seconds, from where the last one ended: a network that drops everything is noticed by that, and nothing
//! is missed. A revision that etcd has compacted away means to list again.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::super::person::PersonId;
use super::super::register::People;
use super::wire::{self, KeyValue, WatchMessage};
use super::{DoorState, Site, SiteState};
use crate::ops::SecretBytes;
use crate::ops::shutdown::Shutdown;

/// Seconds after which a door that says nothing counts as gone.
const LEASE_SECONDS: i64 = 30;
/// How long a watch may be silent before it is opened anew, which is when the lease is kept alive as well.
const QUIET: Duration = Duration::from_secs(8);
/// Wait before etcd is asked again after it was not reached.
const RETRY: Duration = Duration::from_secs(1);
/// People that are listed at a time.
const PAGE: usize = 1000;

/// A record of etcd, under its id; none where it was deleted.
pub(in crate::people) type Arrived = (PersonId, Option<SecretBytes>);

/// Follows the site until the end of the service.
pub(in crate::people) fn follow(people: &People, site: &Site, shutdown: &Shutdown) {
    let (mut lease, mut told, mut failing) = (None, 0, false);
    while !shutdown.requested() {
        // A thread that ended would leave this door with what it has, and nobody would know.
        let round = catch_unwind(AssertUnwindSafe(|| round(people, site, &mut lease, &mut told)))
            .unwrap_or_else(|_| Err("a fault of this service, which the log has".into()));
        match (&round, failing) {
            (Err(why), false) => log::warn!("the people of the site are not reached, those known here stay: {why}"),
            (Ok(()), true) => log::info!("the people of the site are reached again"),
            _ => {}
        }
        failing = round.is_err();
        if failing {
            lease = None;
            shutdown.sleep(RETRY);
        }
    }
}

fn round(people: &People, site: &Site, lease: &mut Option<i64>, told: &mut i64) -> Result<(), String> {
    let prefix = format!("{}people/", site.prefix);
    let now = site.etcd.ask("kv/range", &wire::get(&prefix))?.header;
    people.may_follow(&now.cluster_id)?;
    site.was_reached();
    // Not to be expected: an etcd that was restored from a backup has forgotten what came after.
    if site.applied() == 0 || site.applied() > now.revision {
        list(people, site, &now.cluster_id)?;
    }
    keep_alive(site, lease)?;
    tell(site, told)?;
    let mut watch = site.etcd.watch(&wire::watch(&prefix, site.applied() + 1), QUIET)?;
    let end = Instant::now() + QUIET;
    while let Some(message) = watch.next() {
        site.was_reached();
        if message.compact_revision > 0 {
            site.set_applied(0);
            return Ok(());
        }
        if message.canceled {
            return Err("the watch was refused".into());
        }
        apply(people, site, message, &now.cluster_id)?;
        tell(site, told)?;
        if Instant::now() >= end {
            break;
        }
    }
    Ok(())
}

/// Makes this door known as connected for as long as it says so.
fn keep_alive(site: &Site, lease: &mut Option<i64>) -> Result<(), String> {
    if let Some(id) = *lease {
        let answer = site.etcd.ask("lease/keepalive", &json!({"ID": id.to_string()}))?;
        if answer.result.is_some_and(|lease| lease.ttl > 0) {
            site.was_reached();
            return Ok(());
        }
    }
    let id = site.lease(LEASE_SECONDS)?;
    let key = format!("{}connected/{}", site.prefix, site.door);
    site.etcd.ask("kv/put", &wire::put(&key, b"", Some(id)))?;
    site.was_reached();
    *lease = Some(id);
    Ok(())
}

/// Tells which revision this door has, if that has changed.
fn tell(site: &Site, told: &mut i64) -> Result<(), String> {
    let state = DoorState { revision: site.applied(), time: Timestamp::now() };
    if *told == state.revision {
        return Ok(());
    }
    let value = serde_json::to_vec(&state).expect("two numbers are JSON");
    site.etcd.ask("kv/put", &wire::put(&format!("{}doors/{}", site.prefix, site.door), &value, None))?;
    *told = state.revision;
    Ok(())
}

/// Takes all people as they are at one revision, and forgets those who are not there.
fn list(people: &People, site: &Site, cluster: &str) -> Result<(), String> {
    let prefix = format!("{}people/", site.prefix);
    let (mut from, mut revision, mut seen, mut all) = (vec![], None, HashSet::new(), vec![]);
    loop {
        let answer = site.etcd.ask("kv/range", &wire::range(&prefix, &from, PAGE, revision))?;
        site.was_reached();
        revision = revision.or(Some(answer.header.revision));
        let Some(last) = answer.kvs.last() else { break };
        from = [&last.key[..], &[0]].concat();
        let arrived = answer.kvs.into_iter().filter_map(|kv| arrived(&prefix, kv, false));
        for (id, record) in arrived {
            seen.insert(id.clone());
            all.push((id, record));
        }
        if !answer.more {
            break;
        }
    }
    let revision = revision.unwrap_or_default();
    people.arrive(all, Some(&seen), &state(cluster, revision))?;
    site.set_applied(revision);
    Ok(())
}

fn state(cluster: &str, revision: i64) -> SiteState {
    SiteState { cluster: cluster.to_owned(), revision, time: Timestamp::now() }
}

fn apply(people: &People, site: &Site, message: WatchMessage, cluster: &str) -> Result<(), String> {
    let prefix = format!("{}people/", site.prefix);
    // Not the message's own revision: of many changes at once, some may still be to come.
    let revision = message.events.iter().map(|event| event.kv.mod_revision).max().unwrap_or_default();
    let arrived: Vec<Arrived> =
        message.events.into_iter().filter_map(|event| arrived(&prefix, event.kv, event.kind == "DELETE")).collect();
    if !arrived.is_empty() {
        people.arrive(arrived, None, &state(cluster, revision))?;
        site.set_applied(revision);
    }
    Ok(())
}

/// A record under its id; what is under no id is nobody's.
fn arrived(prefix: &str, kv: KeyValue, is_deleted: bool) -> Option<Arrived> {
    let id = kv.key.strip_prefix(prefix.as_bytes()).and_then(|id| std::str::from_utf8(id).ok());
    let id = PersonId::new(id?)?;
    Some((id, (!is_deleted).then_some(kv.value)))
}

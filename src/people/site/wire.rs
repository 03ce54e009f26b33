//! What is said to etcd and what it answers: its API of version 3 as JSON, in which keys and values are base64 and numbers are text
//! (etcd.io/docs, "gRPC gateway"). Nothing is sent here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::ops::SecretBytes;

/// The answer to a request, as far as it is read: fields that a kind of answer has not are left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) header: Header,
    pub(super) kvs: Vec<KeyValue>,
    pub(super) more: bool,
    /// Of all keys in a range, whatever else was asked of them.
    #[serde(deserialize_with = "number")]
    pub(super) count: i64,
    pub(super) succeeded: bool,
    /// Of a lease that is granted.
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: i64,
    /// Of a lease that is kept alive: a stream with one result.
    pub(super) result: Option<LeaseAnswer>,
    /// Of a user.
    pub(super) token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LeaseAnswer {
    pub(super) header: Header,
    /// Seconds that are left; 0 if there is no such lease any more.
    #[serde(rename = "TTL", deserialize_with = "number")]
    pub(super) ttl: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    /// Which etcd it is, as text.
    pub(super) cluster_id: String,
    #[serde(deserialize_with = "number")]
    pub(super) revision: i64,
}

/// A key with its value.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    #[serde(deserialize_with = "bytes")]
    pub(super) key: Vec<u8>,
    #[serde(deserialize_with = "secret")]
    pub(super) value: SecretBytes,
    #[serde(deserialize_with = "number")]
    pub(super) mod_revision: i64,
}

/// A message of a watch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WatchMessage {
    pub(super) header: Header,
    pub(super) events: Vec<Event>,
    /// Whether this only says that the watch is open.
    pub(super) created: bool,
    pub(super) canceled: bool,
    /// Not 0 where the revision that was asked for is gone.
    #[serde(deserialize_with = "number")]
    pub(super) compact_revision: i64,
}

/// A change.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// `DELETE`; left out for a put.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) kv: KeyValue,
}

/// Numbers of 64 bits are text in JSON, as JavaScript has none.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => text.parse().map_err(serde::de::Error::custom),
        Value::Number(number) => number.as_i64().ok_or_else(|| serde::de::Error::custom("no whole number")),
        _ => Err(serde::de::Error::custom("no number")),
    }
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    BASE64_STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretBytes, D::Error> {
    bytes(from).map(SecretBytes::from)
}

/// The message in a line of a watch, or why there is none.
pub(super) fn watch_message(line: &[u8]) -> Result<WatchMessage, String> {
    #[derive(Deserialize)]
    struct Failure {
        message: String,
    }
    #[derive(Deserialize)]
    struct Line {
        result: Option<WatchMessage>,
        error: Option<Failure>,
    }
    match serde_json::from_slice::<Line>(line) {
        Ok(Line { result: Some(message), error: None }) => Ok(message),
        Ok(Line { error: Some(failure), .. }) => Err(failure.message.chars().take(200).collect()),
        _ => Err("a line of the watch is none of etcd".into()),
    }
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The end of the range of all keys with this prefix.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1); // a prefix is text: its last byte is not the last one
    }
    end
}

/// The keys with this prefix from `from` on, at a revision if one is given.
pub(super) fn range(prefix: &str, from: &[u8], most: usize, revision: Option<i64>) -> Value {
    let from = if from.is_empty() { prefix.as_bytes() } else { from };
    json!({"key": text(from), "range_end": text(end_of(prefix)), "limit": most, "revision": revision.unwrap_or(0)})
}

/// Whether keys with this prefix were changed from a revision on: one of them, and the number of all.
pub(super) fn changed(prefix: &str, since: i64) -> Value {
    json!({"key": text(prefix), "range_end": text(end_of(prefix)), "limit": 1, "min_mod_revision": since})
}

/// One key.
pub(super) fn get(key: &str) -> Value {
    json!({ "key": text(key) })
}

/// A watch of all keys with this prefix from a revision on.
pub(super) fn watch(prefix: &str, revision: i64) -> Value {
    let request = json!({"key": text(prefix), "range_end": text(end_of(prefix)), "start_revision": revision});
    json!({ "create_request": request })
}

/// A put that lives as long as the lease, if one is given.
pub(super) fn put(key: &str, value: &[u8], lease: Option<i64>) -> Value {
    json!({"key": text(key), "value": text(value), "lease": lease.unwrap_or(0)})
}

/// What a transaction does to one key: `before` has to be there (or nothing), `after` will be.
pub(super) struct Swap<'a> {
    pub(super) key: &'a str,
    pub(super) before: Option<&'a [u8]>,
    pub(super) after: Option<&'a [u8]>,
}

/// A transaction that does all swaps and `more` puts, or nothing.
pub(super) fn transaction(swaps: &[Swap<'_>], more: Vec<Value>) -> Value {
    let compare = |swap: &Swap<'_>| match swap.before {
        Some(before) => json!({"key": text(swap.key), "target": "VALUE", "result": "EQUAL", "value": text(before)}),
        None => json!({"key": text(swap.key), "target": "VERSION", "result": "EQUAL", "version": 0}),
    };
    let does = |swap: &Swap<'_>| match swap.after {
        Some(after) => json!({"request_put": put(swap.key, after, None)}),
        None => json!({"request_delete_range": get(swap.key)}),
    };
    let success: Vec<Value> = swaps.iter().map(does).chain(more).collect();
    json!({"compare": swaps.iter().map(compare).collect::<Vec<_>>(), "success": success})
}

/// A put within a transaction.
pub(super) fn also_put(key: &str, value: &[u8], lease: Option<i64>) -> Value {
    json!({"request_put": put(key, value, lease)})
}

/// Reads any bytes as an answer or a line of a watch.
pub fn fuzz(bytes: &[u8]) {
    let _any = serde_json::from_slice::<Answer>(bytes);
    if let Ok(message) = watch_message(bytes) {
        let decoded: usize = message.events.iter().map(|event| event.kv.key.len() + event.kv.value.len()).sum();
        assert!(decoded <= bytes.len(), "base64 is longer than what it stands for");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_of_etcd_are_read() {
        // As etcd 3.4 prints them.
        let line = br#"{"result":{"header":{"cluster_id":"1","member_id":"2","revision":"7","raft_term":"2"},"events":[
            {"kv":{"key":"cC9h","create_revision":"5","mod_revision":"7","version":"2","value":"eA=="}},
            {"type":"DELETE","kv":{"key":"cC9i","mod_revision":"7"}}]}}"#;
        let message = watch_message(line).unwrap();
        let told: Vec<_> = message.events.iter().map(|e| (&*e.kind, &e.kv.key[..], &e.kv.value[..])).collect();
        assert_eq!((message.header.revision, told), (7, vec![("", &b"p/a"[..], &b"x"[..]), ("DELETE", b"p/b", b"")]));
        let gone = watch_message(br#"{"result":{"header":{"revision":"9"},"canceled":true,"compact_revision":"8"}}"#);
        assert_eq!(gone.map(|m| (m.canceled, m.compact_revision)), Ok((true, 8)));
        let answer: Answer = serde_json::from_str(r#"{"header":{"revision":"3"},"ID":"77","TTL":"60"}"#).unwrap();
        assert_eq!((answer.id, answer.header.revision, answer.kvs.len()), (77, 3, 0));
        let alive: Answer = serde_json::from_str(r#"{"result":{"header":{},"ID":"77","TTL":"60"}}"#).unwrap();
        assert_eq!(alive.result.map(|lease| lease.ttl), Some(60));
        let told = |line: &[u8]| watch_message(line).map(|message| message.created).unwrap_err();
        assert_eq!(told(b"{\"error\":{\"message\":\"no leader\"}}"), "no leader");
        assert!(told(b"{}").contains("none of etcd") && told(&line[..40]).contains("none of etcd"));
    }

    #[test]
    fn requests_are_those_of_the_gateway() {
        assert_eq!(range("p/", b"", 3, None), json!({"key": "cC8=", "range_end": "cDA=", "limit": 3, "revision": 0}));
        let swaps = [
            Swap { key: "p/a", before: Some(b"x"), after: Some(b"y") },
            Swap { key: "p/b", before: None, after: None },
        ];
        let told = transaction(&swaps, vec![also_put("p/c", b"z", Some(5))]);
        assert_eq!(told["compare"][0], json!({"key": "cC9h", "target": "VALUE", "result": "EQUAL", "value": "eA=="}));
        assert_eq!(told["compare"][1], json!({"key": "cC9i", "target": "VERSION", "result": "EQUAL", "version": 0}));
        assert_eq!(told["success"][1], json!({"request_delete_range": {"key": "cC9i"}}));
        assert_eq!(told["success"][2], json!({"request_put": {"key": "cC9j", "value": "eg==", "lease": 5}}));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(bytes: Vec<u8>, json in "\\{(\"result\":|\"events\":|\"kv\":|\"key\":|\\[|\\]|,|\\{|\\}|\"1\"|\"eA==\"){0,9}") {
            fuzz(&bytes);
            fuzz(json.as_bytes());
        }
    }
}

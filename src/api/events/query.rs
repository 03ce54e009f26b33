//! Reads the query of a request for events.

use super::super::query::{parameters, wrong};
use crate::events::Position;

/// What a request says beside its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct EventsCall {
    /// Events after this number are told.
    pub(in crate::api) after: Position,
    /// How many at the most.
    pub(in crate::api) limit: usize,
    /// Whether as CSV.
    pub(in crate::api) csv: bool,
    /// The number in the path.
    pub(in crate::api) number: Option<Position>,
}

/// Events on a page, and the most that a request may ask for.
const LIMIT: usize = 100;
const MOST: usize = 1000;

impl Default for EventsCall {
    fn default() -> Self {
        Self { after: 0, limit: LIMIT, csv: false, number: None }
    }
}

/// Reads what a request says: the values in its path, and its query, of which `known` are the parameters. The error says what is wrong.
pub(in crate::api) fn parse(path: &[&str], query: &str, known: &[&str]) -> Result<EventsCall, String> {
    // No event has a number that is none.
    let number = path.first().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    let mut call = EventsCall { number, ..EventsCall::default() };
    for (name, value) in parameters(query, known)? {
        let wrong = |must: &str| wrong(name, value, must);
        match name {
            "after" => {
                let number = value.parse().ok().filter(|number| *number <= i64::MAX.unsigned_abs());
                call.after = number.ok_or_else(|| wrong("the number of an event"))?;
            }
            "limit" => {
                let number = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                call.limit = number.ok_or_else(|| wrong("from 1 to 1000"))?;
            }
            _ => {
                call.csv = match value {
                    "csv" => true,
                    "json" => false,
                    _ => return Err(wrong("json or csv")),
                }
            }
        }
    }
    Ok(call)
}

/// Reads any text as the query of a request for events.
pub fn fuzz(query: &str) {
    if let Ok(call) = parse(&[query], query, &["after", "limit", "format"]) {
        assert!((1..=MOST).contains(&call.limit));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_are_read_or_refused_with_a_reason() {
        let read = |query| parse(&[], query, &["after", "limit", "format"]);
        assert_eq!(read(""), Ok(EventsCall::default()));
        assert_eq!(read("after=7&limit=2&format=csv"), Ok(EventsCall { after: 7, limit: 2, csv: true, number: None }));
        for (query, told) in [
            ("after=-1", "after"),
            ("limit=0", "1 to 1000"),
            ("format=xml", "csv"),
            ("until=1", "until"),
            ("after", "after"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(told), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(any: String, like in "((after|limit|format)=[0-9a-z]{0,20}&?){0,4}") {
            fuzz(&any);
            fuzz(&like);
        }
    }
}

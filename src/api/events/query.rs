//! Reads the query of a request for events.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::super::query::{parameters, wrong};
use crate::events::{Filter, Kind, Place, Position, Search};
use crate::people::PersonId;

/// What a request says beside its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct EventsCall {
    /// Which events are told.
    pub(in crate::api) search: Search,
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
        Self {
            search: Search { place: Place::After(0), limit: LIMIT, filter: Filter::default() },
            csv: false,
            number: None,
        }
    }
}

/// Reads what a request says: the values in its path, and its query, of which `known` are the parameters. The error says what is wrong.
pub(in crate::api) fn parse(path: &[&str], query: &str, known: &[&str]) -> Result<EventsCall, String> {
    // No event has a number that is none.
    let number = path.first().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    let mut call = EventsCall { number, ..EventsCall::default() };
    let Search { place, limit, filter } = &mut call.search;
    let given = parameters(query, known)?;
    if ["after", "before"].iter().all(|name| given.iter().any(|(other, _)| other == name)) {
        return Err("the query has after and before; one of them says where the page is".into());
    }
    for (name, value) in given {
        let wrong = |must: &str| wrong(name, value, must);
        let number = || {
            let number = value.parse().ok().filter(|number| *number <= i64::MAX.unsigned_abs());
            number.ok_or_else(|| wrong("the number of an event"))
        };
        let time = || {
            let text = percent_decode_str(value).decode_utf8().ok();
            let time = text.and_then(|text| text.parse::<Timestamp>().ok());
            time.map(Some).ok_or_else(|| wrong("a time such as 2026-12-01T07:56:58Z"))
        };
        match name {
            "after" => *place = Place::After(number()?),
            "before" => *place = Place::Before(number()?),
            "from" => filter.from = time()?,
            "until" => filter.until = time()?,
            "type" => {
                let kinds = Some(Kind::named(value)).filter(|kinds| !kinds.is_empty());
                filter.kinds = Some(kinds.ok_or_else(|| wrong("a type of events such as access or access.denied"))?);
            }
            "person" => filter.person = Some(PersonId::new(value).ok_or_else(|| wrong("an id"))?),
            "limit" => {
                let number = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                *limit = number.ok_or_else(|| wrong("from 1 to 1000"))?;
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
    let known = ["after", "before", "from", "until", "type", "person", "limit", "format"];
    if let Ok(call) = parse(&[query], query, &known) {
        let Search { place: Place::After(number) | Place::Before(number), limit, filter } = call.search;
        assert!((1..=MOST).contains(&limit) && i64::try_from(number).is_ok());
        assert!(filter.kinds.is_none_or(|kinds| !kinds.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::route::Route;
    use super::*;

    fn read(query: &str) -> Result<EventsCall, String> {
        parse(&[], query, Route::Events.parameters().unwrap())
    }

    #[test]
    fn queries_are_read() {
        assert_eq!(read(""), Ok(EventsCall::default()));
        let search = Search { place: Place::After(7), limit: 2, filter: Filter::default() };
        assert_eq!(read("after=7&limit=2&format=csv"), Ok(EventsCall { search, csv: true, number: None }));
        let at = |second| Timestamp::from_second(second).ok();
        let filter = Filter {
            from: at(1_796_111_818),
            until: at(1_796_111_819),
            kinds: Some(vec![Kind::AccessDenied]),
            person: PersonId::new("ann"),
        };
        let query =
            "before=9&from=2026-12-01T07:56:58Z&until=2026-12-01T08%3A56%3A59%2B01:00&type=access.denied&person=ann";
        let search = Search { place: Place::Before(9), limit: LIMIT, filter };
        assert_eq!(read(query), Ok(EventsCall { search, ..EventsCall::default() }));
        assert_eq!(read("until=2026-12-01T08:56:59+01:00").unwrap().search.filter.until, at(1_796_111_819));
    }

    #[test]
    fn queries_are_refused_with_a_reason() {
        for (query, told) in [
            ("after=-1", "after"),
            ("before=x", "number of an event"),
            ("before=2&after=1", "after and before"),
            ("limit=0", "1 to 1000"),
            ("format=xml", "csv"),
            ("from=2026-12-01", "a time such as"),
            ("until=1", "a time such as"),
            ("type=faceplate.access", "access.denied"),
            ("type=", "access.denied"),
            ("person=a%20b", "an id"),
            ("to=1", "this method takes after, before"),
            ("after", "after"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(told), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(
            any: String,
            like in "((after|before|limit|format|person)=[0-9a-z]{0,20}&?){0,4}",
            timed in "((from|until)=2026-1[0-9]-[0-3]1T[0-2]3(:|%3A)00:00(Z|[+]01:00|%2B01:00)&){0,2}type=(access|door)([.]denied)?",
        ) {
            fuzz(&any);
            fuzz(&like);
            fuzz(&timed);
        }
    }
}

//! Reads the path, the query and the conditions of requests about people. As in the camera's queries, nothing is ignored.

use percent_encoding::percent_decode_str;

use super::super::query::{parameters, short, wrong};
use crate::people::{Filter, PersonId, Tag};

/// What a request says beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct PeopleCall {
    /// The id in the path.
    pub(in crate::api) id: Option<PersonId>,
    /// The number of a template in the path.
    pub(in crate::api) number: Option<u32>,
    /// The state that is to be changed.
    pub(in crate::api) tag: Option<Tag>,
    /// Who is listed.
    pub(in crate::api) filter: Filter,
    /// How many are listed.
    pub(in crate::api) limit: usize,
    /// Whether a template is added though the face is another person's.
    pub(in crate::api) force: bool,
    /// Whether people who are enrolled are replaced by those that are imported.
    pub(in crate::api) replace: bool,
    /// Whether the sample comes from the camera.
    pub(in crate::api) from_camera: bool,
}

/// People on a page, and the most that a request may ask for.
const LIMIT: usize = 100;
const MOST: usize = 1000;

/// Most bytes of a text in a query, decoded.
const LONGEST: usize = 256;

/// Reads what a request says: the values in its path, its query, of which `known` are the parameters of its method, and the value of
/// `If-Match`. The error says what is wrong. What is not known here is returned, to be read as the camera's.
pub(in crate::api) fn parse(
    path: &[&str],
    query: &str,
    known: &[&str],
    if_match: Option<&str>,
) -> Result<(PeopleCall, String), String> {
    let mut call = PeopleCall { limit: LIMIT, ..PeopleCall::default() };
    // Nobody has an id that is none, nor a template of a number that is none.
    call.id = path.first().and_then(|id| PersonId::new(*id));
    call.number = path
        .get(1)
        .and_then(|number| number.parse().ok())
        .filter(|number| (1..=i32::MAX.unsigned_abs()).contains(number));
    call.tag = match if_match.map(str::trim) {
        None | Some("*") => None,
        Some(text) => Some(tag(text).ok_or("If-Match must be the ETag of a person, such as \"3-1795949966854\"")?),
    };
    let mut others = vec![];
    for (name, value) in parameters(query, known)? {
        let wrong = |must: &str| wrong(name, value, must);
        let text = || match percent_decode_str(&value.replace('+', " ")).decode_utf8() {
            Ok(text) if (1..=LONGEST).contains(&text.len()) => Ok(text.into_owned()),
            _ => Err(wrong("text of 1 to 256 bytes, percent-encoded")),
        };
        let flag = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong("true or false")),
        };
        match name {
            "after" => call.filter.after = Some(PersonId::new(value).ok_or_else(|| wrong("an id"))?),
            "group" => call.filter.group = Some(text()?),
            "text" => call.filter.text = Some(text()?),
            "limit" => {
                let number = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                call.limit = number.ok_or_else(|| wrong("from 1 to 1000"))?;
            }
            "id" => call.id = Some(PersonId::new(value).ok_or_else(|| wrong("an id"))?),
            "force" => call.force = flag()?,
            "replace" => call.replace = flag()?,
            "source" if value == "camera" => call.from_camera = true,
            "source" => return Err(wrong("camera")),
            _ => others.push(format!("{name}={value}")),
        }
    }
    if let Some(other) = others.first().filter(|_| !call.from_camera && known.contains(&"source")) {
        return Err(format!("{} needs source=camera", short(other)));
    }
    Ok((call, others.join("&")))
}

/// The state in an ETag.
fn tag(text: &str) -> Option<Tag> {
    let (version, created_ms) = text.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    Some(Tag { version: version.parse().ok()?, created_ms: created_ms.parse().ok()? })
}

/// Reads any text as the query of a request about people.
pub fn fuzz(query: &str) {
    let known = ["after", "group", "text", "limit", "force", "source", "liveness"];
    if let Ok((call, _)) = parse(&["a"], query, &known, Some(query)) {
        assert!((1..=MOST).contains(&call.limit) && call.id.is_some());
        assert!(call.filter.text.is_none_or(|text| text.len() <= LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str, known: &[&str]) -> Result<PeopleCall, String> {
        parse(&["ann", "2"], query, known, None).map(|(call, _)| call)
    }

    #[test]
    fn parameters_paths_and_conditions_are_read() {
        let known = ["after", "limit", "group", "text"];
        let call = read("after=bob&limit=5&group=night+shift&text=%C3%84rmel%26", &known).unwrap();
        let filter =
            Filter { after: PersonId::new("bob"), group: Some("night shift".into()), text: Some("Ärmel&".into()) };
        assert_eq!((call.filter, call.limit, call.number), (filter, 5, Some(2)));
        let tag = |tag| parse(&["ann"], "", &[], Some(tag)).map(|(call, _)| call.tag);
        assert_eq!((tag(" \"3-17\" "), tag("*")), (Ok(Some(Tag { version: 3, created_ms: 17 })), Ok(None)));
        assert!(["3-17", "\"3\"", "W/\"3-17\"", "\"3-x\""].iter().all(|wrong| tag(wrong).is_err()));
        let known = ["source", "liveness", "force"];
        let (call, rest) = parse(&["ann"], "liveness=challenge&source=camera&force=true", &known, None).unwrap();
        assert_eq!((call.from_camera, call.force, &*rest), (true, true, "liveness=challenge"));
        assert_eq!((read("", &[]).unwrap().limit, parse(&["a b"], "", &[], None).unwrap().0.id), (LIMIT, None));
    }

    #[test]
    fn wrong_queries_are_refused_with_a_reason() {
        let known = ["after", "limit", "text", "force", "source", "liveness"];
        for (query, told) in [
            ("color=3", "'color'; this method takes after, limit"),
            ("limit=0", "from 1 to 1000"),
            ("limit=1001", "from 1 to 1000"),
            ("limit=1&limit=1", "twice"),
            ("after=a/b", "an id"),
            ("text=", "percent-encoded"),
            ("text=%FF", "percent-encoded"),
            ("force=yes", "true or false"),
            ("source=picture", "must be camera"),
            ("liveness=challenge", "needs source=camera"),
        ] {
            let error = read(query, &known).unwrap_err();
            assert!(error.contains(told), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_parsed_without_panic(any: String, pairs in "((after|text|limit|source|\"1\")=[a-z0-9%+\u{e4}]{0,6}&?){0,4}") {
            fuzz(&any);
            fuzz(&pairs);
        }
    }
}

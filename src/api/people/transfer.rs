//! Exports people as lines of JSON, and imports such lines: backups, moves, and a person's access to what is stored of it.
//!
//! Each line has what can be read beside the record as it is stored, which is sealed where there are keys. Only the record is imported; a
//! line whose readable part says something else is refused. The last line has the number of people, so that a file that was cut off
//! is known as such.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::context::{Call, RunningStream, Service};
use super::super::error::{Error, Family, Kind};
use super::super::reply::Reply;
use super::{now, refused};
use crate::people::{People, PeopleError, Person, PersonId, Profile};

/// Exports at once.
const EXPORTS: usize = 1;

/// Content-Type of lines of JSON.
pub(in crate::api) const LINES: &str = "application/x-ndjson";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    person: Profile,
    /// The record in base64.
    record: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    people: usize,
}

/// The lines of these people, made while they are read.
struct Lines {
    people: Arc<People>,
    ids: std::vec::IntoIter<PersonId>,
    written: usize,
    /// Others wait for its end: whoever reads slowly holds a slot.
    _running: RunningStream,
    /// The rest of a line.
    rest: io::Cursor<Vec<u8>>,
    has_ended: bool,
}

impl Lines {
    fn next(&mut self) -> io::Result<Vec<u8>> {
        for id in self.ids.by_ref() {
            let record = match self.people.record(&id) {
                Ok(record) => record,
                // Deleted since.
                Err(PeopleError::Unknown) => continue,
                Err(error) => return Err(io::Error::other(error)),
            };
            let person = self.people.read_record(&record, &id).map_err(io::Error::other)?.profile;
            self.written += 1;
            return line(&Line { person, record: BASE64_STANDARD.encode(&*record) });
        }
        self.has_ended = true;
        line(&LastLine { people: self.written })
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.rest.read(buffer)?;
            if count > 0 || self.has_ended || buffer.is_empty() {
                return Ok(count);
            }
            self.rest = io::Cursor::new(self.next()?);
        }
    }
}

impl Service {
    pub(in crate::api) fn export_people(&self, call: &Call) -> Result<Reply, Error> {
        self.people()?;
        let overloaded =
            || Error::new(Family::Pattern, Kind::Overloaded, "people are being exported already; try again");
        let running = self.exports.begin(EXPORTS).ok_or_else(overloaded)?;
        let Some(people) = self.people.clone() else { return Err(refused(PeopleError::Off)) };
        let snapshot = people.snapshot().map_err(refused)?;
        let mut ids: Vec<PersonId> = match &call.people.id {
            Some(id) => vec![people.get(id).map_err(refused)?.id.clone()],
            None => snapshot.people().map(|profile| profile.id.clone()).collect(),
        };
        ids.sort_unstable();
        let lines = Lines {
            people,
            ids: ids.into_iter(),
            written: 0,
            _running: running,
            rest: io::Cursor::default(),
            has_ended: false,
        };
        Ok(Reply::live(LINES, Box::new(lines)))
    }

    pub(in crate::api) fn import_people(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        /// Bytes of memory for each of a body: lines, records, people, and records again.
        const MEMORY: u64 = 6;
        let people = self.people()?;
        let _room = self.reserve(call, body.len() as u64 * MEMORY)?;
        let read = read(body, people).map_err(|what| refused(PeopleError::Import(what)))?;
        let count = people.import(read, call.people.replace, now()).map_err(refused)?;
        Ok(Reply::json(&json!({ "imported": count })))
    }
}

/// A line that was read: whom it is about, and the record.
type Entry = (Profile, Vec<u8>);

/// The people in the lines of an export, or what is wrong.
fn read(body: &[u8], people: &People) -> Result<Vec<Person>, String> {
    let told = |(person, record): Entry| {
        let told = people.read_record(&record, &person.id).map_err(|e| format!("the record of {}: {e}", person.id))?;
        match told.profile == person {
            true => Ok(told),
            false => Err(format!("what the line of {} says is not what its record says", person.id)),
        }
    };
    entries(body)?.into_iter().map(told).collect()
}

fn entries(body: &[u8]) -> Result<Vec<Entry>, String> {
    let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let lines: Vec<_> = lines.collect();
    let Some(((_, last), lines)) = lines.split_last() else { return Err("there are no lines".into()) };
    let whole: LastLine = serde_json::from_slice(last)
        .map_err(|_| "the last line does not tell the number of people: the file was cut off or is no export")?;
    let (mut entries, mut ids) = (vec![], HashSet::new());
    for (number, line) in lines {
        let wrong = |what: &str| format!("line {}: {what}", number + 1);
        let Line { person, record } = serde_json::from_slice(line).map_err(|_| wrong("it is no line of an export"))?;
        let record = BASE64_STANDARD.decode(record).map_err(|_| wrong("its record is not base64"))?;
        if !ids.insert(person.id.clone()) {
            return Err(wrong(&format!("{} is there twice", person.id)));
        }
        entries.push((person, record));
    }
    match entries.len() == whole.people {
        true => Ok(entries),
        false => Err(format!("there are {} people, and the last line says {}", entries.len(), whole.people)),
    }
}

/// Reads any bytes as the lines of an export.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(entries) = entries(bytes) {
        let lines = entries.iter().map(|(person, record)| {
            line(&Line { person: person.clone(), record: BASE64_STANDARD.encode(record) }).expect("it was JSON before")
        });
        let last = line(&LastLine { people: entries.len() }).expect("a number is JSON");
        let again: Vec<u8> = lines.chain([last]).flatten().collect();
        assert_eq!(self::entries(&again).as_ref(), Ok(&entries));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::people::Draft;

    fn entry(id: &str) -> String {
        let person = Draft { id: PersonId::new(id), ..Draft::default() }.enrolled(jiff::Timestamp::UNIX_EPOCH).profile;
        String::from_utf8(line(&Line { person, record: "YQ==".into() }).unwrap()).unwrap()
    }

    #[test]
    fn lines_are_read_only_whole() {
        let (ann, bob) = (entry("ann"), entry("bob"));
        let good = format!("{ann}\n{bob}{{\"people\":2}}\n");
        let read = entries(good.as_bytes()).unwrap();
        assert_eq!((read.len(), &read[0].1), (2, &b"a".to_vec()));
        for (lines, told) in [
            (String::new(), "no lines"),
            (format!("{ann}{bob}"), "cut off"),
            (format!("{ann}{{\"people\":2}}"), "there are 1 people, and the last line says 2"),
            (format!("{ann}{ann}{{\"people\":2}}"), "line 2: ann is there twice"),
            (format!("{ann}x\n{{\"people\":2}}"), "line 2: it is no line"),
            (format!("{}{{\"people\":1}}", ann.replace("YQ==", "Y")), "line 1: its record is not base64"),
        ] {
            let error = entries(lines.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_lines_are_read_without_panic(bytes: Vec<u8>, cut in 0usize..400) {
            fuzz(&bytes);
            let good = format!("{}{{\"people\":1}}", entry("ann"));
            fuzz(&good.as_bytes()[..cut.min(good.len())]);
        }
    }
}

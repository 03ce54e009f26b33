//! `people`: has the running service enroll people, tell who somebody is, and write and read its people. The service keeps the file; two
//! processes can't.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::args::{AddPerson, People};
use super::ask::{Answer, ask, send};
use crate::ops::Settings;

/// People that a page of the list has.
const PAGE: usize = 1000;

/// Bytes of one import: some ten thousand people.
const PART_BYTES: usize = 16 << 20;
/// The code for an id that nobody has.
const UNKNOWN: &str = "BPE-006004";

/// Fails with status 1 also where `identify` finds nobody.
pub(super) fn run(settings: &Settings, command: &People) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        People::List { group, text } => list(settings, group.as_deref(), text.as_deref())?,
        People::Show { id } => println!("{:#}", ask(settings, &format!("GET {}", path(id)))?.good()?.json()?),
        People::Add(person) => add(settings, person)?,
        People::Remove { id } => {
            ask(settings, &format!("DELETE {}", path(id)))?.good()?;
            println!("{id} is deleted");
        }
        People::Export { id, out } => export(settings, id.as_deref(), out.as_deref())?,
        People::Import { file, replace } => {
            import(settings, &read(file)?, *replace)?;
        }
        People::Identify { file, liveness } => return identify(settings, file.as_deref(), liveness.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(settings: &Settings, group: Option<&str>, text: Option<&str>) -> Result<(), Box<dyn Error>> {
    let filter = [("group", group), ("text", text)].into_iter().filter_map(|(name, value)| {
        value.map(|value| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
    });
    let (filter, mut after) = (filter.collect::<String>(), String::new());
    loop {
        let page = ask(settings, &format!("GET /v1/people?limit={PAGE}{filter}{after}"))?.good()?.json()?;
        for person in page["people"].as_array().into_iter().flatten() {
            println!("{}", line(person));
        }
        let Some(next) = page["next"].as_str() else { return Ok(()) };
        after = format!("&after={next}");
    }
}

/// A person in one line: id, name, templates, groups.
fn line(person: &Value) -> String {
    let text = |key: &str| person[key].as_str().unwrap_or_default().to_owned();
    let count = person["templates"].as_array().map_or(0, Vec::len);
    let groups: Vec<_> = person["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let needs = if person["needs_enrollment"] == true { "  needs enrollment" } else { "" };
    let templates = crate::ops::counted(count, "template", "templates");
    format!("{}  {}  {templates}  {}{needs}", text("id"), text("name"), groups.join(" ")).trim_end().to_owned()
}

fn add(settings: &Settings, person: &AddPerson) -> Result<(), Box<dyn Error>> {
    let AddPerson { id, name, groups, valid_from, valid_until, .. } = person;
    let known = ask(settings, &format!("GET {}", path(id)))?;
    let is_new = known.status == 404 && known.json()?["code"] == UNKNOWN;
    if !is_new {
        known.good()?;
    }
    let says_something = name.is_some() || !groups.is_empty() || valid_from.is_some() || valid_until.is_some();
    if is_new {
        let name = name.as_deref().unwrap_or(id);
        let draft =
            json!({"id": id, "name": name, "groups": groups, "valid_from": valid_from, "valid_until": valid_until});
        send(settings, "POST /v1/people", "application/json", draft.to_string().as_bytes())?.good()?;
    } else if says_something {
        return Err(format!("{id} is enrolled already; only pictures can be added").into());
    }
    let mut count = 0;
    let done = add_templates(settings, person, &mut count);
    if is_new && count == 0 && done.is_err() {
        // Nobody shall be enrolled by a command that failed.
        ask(settings, &format!("DELETE {}", path(id)))?.good()?;
        return done;
    }
    if is_new {
        println!("{id} is enrolled");
    }
    done
}

/// Adds all templates, and counts those that were.
fn add_templates(settings: &Settings, person: &AddPerson, count: &mut usize) -> Result<(), Box<dyn Error>> {
    let AddPerson { id, pictures, camera, liveness, force, .. } = person;
    for picture in pictures {
        let bytes = read(picture)?;
        let kind = if bytes.starts_with(b"\x89PNG") { "image/png" } else { "image/jpeg" };
        let request = format!("POST {}/templates?force={force}", path(id));
        let answer =
            send(settings, &request, kind, &bytes)?.good().map_err(|e| format!("{}: {e}", picture.display()))?;
        added(picture.display(), &answer)?;
        *count += 1;
    }
    if *camera {
        let mode = liveness.as_ref().map(|mode| format!("&liveness={mode}")).unwrap_or_default();
        let request = format!("POST {}/templates?source=camera&force={force}{mode}", path(id));
        added("camera", &ask(settings, &request)?.good()?)?;
        *count += 1;
    }
    Ok(())
}

fn added(from: impl std::fmt::Display, answer: &Answer) -> Result<(), Box<dyn Error>> {
    let person = answer.json()?;
    let last = person["templates"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
    println!("{from}: template {} of quality {}", last["number"], last["quality"]);
    Ok(())
}

fn export(settings: &Settings, id: Option<&str>, out: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let query = id.map(|id| format!("?id={}", encoded(id))).unwrap_or_default();
    let answer = ask(settings, &format!("GET /v1/people/export{query}"))?.good()?;
    let last = answer.body.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = serde_json::from_slice::<Value>(last).ok().and_then(|last| last["people"].as_u64());
    let count = count.ok_or("the export was cut off; nothing is written")?;
    match out {
        None => std::io::stdout().write_all(&answer.body)?,
        Some(path) => {
            use std::os::unix::fs::OpenOptionsExt;
            let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
            let written = file.and_then(|mut file| file.write_all(&answer.body).and_then(|()| file.sync_all()));
            written.map_err(|e| format!("{}: {e}", path.display()))?;
            println!("{count} exported");
        }
    }
    Ok(())
}

/// Imports in parts that fit into a request. A file is read to its end before the first is sent: one that was cut off changes nothing.
fn import(settings: &Settings, bytes: &[u8], replace: bool) -> Result<(), Box<dyn Error>> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    let Some((last, people)) = lines.split_last() else { return Err("the file is empty".into()) };
    let count = serde_json::from_slice::<Value>(last).ok().and_then(|last| last["people"].as_u64());
    if count != Some(people.len() as u64) {
        return Err("the file was cut off, or is no export; nothing is imported".into());
    }
    let request = format!("POST /v1/people/import?replace={replace}");
    let mut imported = 0;
    for part in parts(people) {
        let end = format!("{{\"people\":{}}}\n", part.len());
        let body: Vec<u8> =
            part.iter().flat_map(|line| [*line, b"\n"]).chain([end.as_bytes()]).flatten().copied().collect();
        let answer = send(settings, &request, "application/x-ndjson", &body)?.good();
        answer.map_err(|why| if imported == 0 { why } else { format!("{imported} imported, then: {why}").into() })?;
        imported += part.len();
    }
    println!("{imported} imported");
    Ok(())
}

/// Lines in parts of no more than [`PART_BYTES`] each, if a line has no more.
fn parts<'a>(lines: &'a [&'a [u8]]) -> Vec<&'a [&'a [u8]]> {
    let (mut parts, mut begin, mut bytes) = (vec![], 0, 0);
    for (index, line) in lines.iter().enumerate() {
        if bytes + line.len() > PART_BYTES && index > begin {
            parts.push(&lines[begin..index]);
            (begin, bytes) = (index, 0);
        }
        bytes += line.len();
    }
    if begin < lines.len() {
        parts.push(&lines[begin..]);
    }
    parts
}

fn identify(settings: &Settings, file: Option<&Path>, liveness: Option<&str>) -> Result<ExitCode, Box<dyn Error>> {
    let answer = match file {
        Some(file) => send_picture(settings, "POST /v1/people/identify", file)?,
        None => {
            let mode = liveness.map(|mode| format!("?liveness={mode}")).unwrap_or_default();
            ask(settings, &format!("POST /v1/camera/identify{mode}"))?
        }
    };
    let found = answer.good()?.json()?;
    let decision = found["decision"].as_str().unwrap_or_default();
    let who = match &found["person"] {
        Value::Null => found["reason"].as_str().unwrap_or("unknown").to_owned(),
        person => {
            format!("{}  {}", person["id"].as_str().unwrap_or_default(), person["name"].as_str().unwrap_or_default())
        }
    };
    println!("{decision}  {who}  score {}", found["score"]);
    Ok(if decision == "approved" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn path(id: &str) -> String {
    format!("/v1/people/{}", encoded(id))
}

/// Ids have nothing to encode; what is none is refused by the service, and not taken for a path.
fn encoded(id: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');
    utf8_percent_encode(id, PLAIN).to_string()
}

fn send_picture(settings: &Settings, request: &str, file: &Path) -> Result<Answer, Box<dyn Error>> {
    let bytes = read(file)?;
    let kind = if bytes.starts_with(b"\x89PNG") { "image/png" } else { "image/jpeg" };
    send(settings, request, kind, &bytes)
}

fn read(file: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_a_line() {
        let person = json!({"id": "ann", "name": "Ann Lee", "groups": ["night", "staff"], "templates": [{}], "needs_enrollment": false});
        assert_eq!(line(&person), "ann  Ann Lee  1 template  night staff");
        let person = json!({"id": "bob", "name": "", "groups": [], "templates": [], "needs_enrollment": true});
        assert_eq!(line(&person), "bob    0 templates    needs enrollment");
    }

    #[test]
    fn lines_are_sent_in_parts_that_fit() {
        let line = vec![b'x'; PART_BYTES / 3];
        let lines = vec![&line[..]; 7];
        assert_eq!(parts(&lines).iter().map(|part| part.len()).collect::<Vec<_>>(), [3, 3, 1]);
        let large = vec![b'x'; 2 * PART_BYTES];
        assert_eq!((parts(&[&large, &line]).len(), parts(&[]).len()), (2, 0));
    }

    #[test]
    fn what_is_no_id_stays_one_part_of_the_path() {
        assert_eq!(path("a.b_c-d"), "/v1/people/a.b_c-d");
        assert_eq!(path("../x?y"), "/v1/people/..%2Fx%3Fy");
    }
}

//! Tests docs/ref/openapi.yaml against the code. That it is valid YAML and OpenAPI is for validators: .ci/run has them.

use std::collections::BTreeSet;

use super::route::{Accepts, Route};
use crate::ops::Limits;

const DESCRIPTION: &str = include_str!("../../docs/ref/openapi.yaml");

/// The code that the table in error.rs has for both families, while only pattern methods can return it: no liveness method shows pictures.
const NEVER_GIVEN: [&str; 1] = ["LDE-004005"];

/// The lines below the first one that is `head`, up to the next that is indented no further.
fn below(text: &str, head: &str) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| *line != head);
    let depth = indent(lines.next()?);
    let belongs = |line: &&str| line.is_empty() || indent(line) > depth;
    Some(lines.take_while(belongs).map(|line| format!("{line}\n")).collect())
}

/// The keys of a block that are indented by `depth`.
fn keys(text: &str, depth: usize) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(&*" ".repeat(depth)));
    let lines = lines.filter(|line| !line.starts_with([' ', '-', '#']));
    lines.filter_map(|line| Some(line.split_once(':')?.0.trim_matches('"').to_owned())).collect()
}

/// The description of a route's operation.
fn operation(route: Route) -> String {
    let path = below(DESCRIPTION, &format!("  {}:", route.path())).unwrap_or_else(|| panic!("{route:?} is missing"));
    let verb = route.method().to_ascii_lowercase();
    below(&path, &format!("    {verb}:")).unwrap_or_else(|| panic!("{route:?} has no {verb}"))
}

/// Every error code in a text.
fn codes(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("BPE-").chain(text.match_indices("LDE-"));
    let codes = starts.filter_map(|(at, _)| text.get(at..at + "BPE-002003".len()));
    codes.filter(|code| code[4..].bytes().all(|byte| byte.is_ascii_digit())).collect()
}

#[test]
fn every_route_is_described_with_its_verb_and_no_other() {
    let paths = below(DESCRIPTION, "paths:").unwrap();
    let mut all = Route::ALL.map(|route| route.path().to_owned()).to_vec();
    all.dedup();
    assert_eq!(keys(&paths, 2), all);
    let mut ids = BTreeSet::new();
    for route in Route::ALL {
        let path = below(DESCRIPTION, &format!("  {}:", route.path())).unwrap();
        let verbs = Route::ALL.iter().filter(|other| other.path() == route.path());
        let verbs: Vec<_> = verbs.map(|other| other.method().to_ascii_lowercase()).collect();
        let described: Vec<_> = keys(&path, 4).into_iter().filter(|key| key != "parameters").collect();
        assert_eq!(described, verbs, "{route:?}");
        let operation = operation(route);
        for key in ["operationId", "tags", "summary", "description", "responses"] {
            assert!(keys(&operation, 6).iter().any(|k| k == key), "{route:?} has no {key}");
        }
        let id = operation.lines().find(|line| line.contains("operationId:")).unwrap();
        assert!(ids.insert(id.to_owned()), "{id} stands twice");
    }
}

#[test]
fn described_bodies_have_the_parts_and_types_that_are_accepted() {
    for route in Route::ALL {
        let body = below(&operation(route), "      requestBody:").unwrap_or_default();
        let types = keys(&body, 10);
        let (accepted, parts): (&[_], Vec<&str>) = match route.accepts() {
            Accepts::Nothing | Accepts::NoSample => (&[], vec![]),
            // A form is accepted as well, but generators can't choose between an optional form and JSON.
            Accepts::Payload => (&["application/json"], vec![]),
            Accepts::Picture => (&["image/jpeg", "image/png"], vec![]),
            Accepts::Json => (&["application/json"], vec![]),
            Accepts::Lines => (&["application/x-ndjson"], vec![]),
            Accepts::Enrollment => (&["image/jpeg", "image/png", "application/octet-stream"], vec![]),
            Accepts::Form(form) => {
                (&["multipart/form-data"], form.one.iter().chain(&form.many).map(|(name, _)| *name).collect())
            }
            // The form first: generators take the first of several.
            Accepts::PictureOrForm => {
                (&["multipart/form-data", "image/jpeg", "image/png"], vec!["media_key1", "payload"])
            }
        };
        assert_eq!(types, accepted, "{route:?}");
        assert_eq!(body.matches("            example:").count(), accepted.len(), "{route:?} lacks an example");
        let form = below(&body, "          multipart/form-data:").unwrap_or_default();
        let properties = below(&form, "              properties:").unwrap_or_default();
        assert_eq!(keys(&properties, 16), parts, "{route:?}");
        assert_eq!(keys(&below(&form, "            encoding:").unwrap_or_default(), 14), parts, "{route:?}");
        if let Accepts::Form(form) = route.accepts() {
            let once = form.one.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            let required = format!("              required: [{}]", once.join(", "));
            assert!(once.is_empty() || body.lines().any(|line| line == required), "{route:?}: {required}");
        }
    }
}

#[test]
fn described_queries_have_the_parameters_that_are_accepted() {
    let parameters = below(DESCRIPTION, "  parameters:").unwrap();
    for route in Route::ALL {
        let mut described = vec![];
        for line in below(&operation(route), "      parameters:").unwrap_or_default().lines() {
            let name = line.trim_end_matches('"').rsplit('/').next().unwrap();
            let parameter = below(&parameters, &format!("    {name}:")).unwrap();
            if parameter.contains("in: query") {
                let name = parameter.lines().find_map(|line| line.trim().strip_prefix("name: ")).unwrap();
                described.push(name.to_owned());
            }
        }
        assert_eq!(described, route.parameters().unwrap_or_default(), "{route:?}");
    }
}

#[test]
fn every_status_is_described() {
    // What the gate answers to any request, and the service to most.
    let common = ["200", "400", "403", "408", "413", "417", "421", "431", "500", "501", "503", "505"];
    for route in Route::ALL {
        let operation = operation(route);
        let mut statuses: BTreeSet<&str> = common.into();
        if ["POST", "PUT"].contains(&route.method()) {
            statuses.insert("415");
        }
        let is_of_door = route.path().starts_with("/v1/door");
        let changes_tokens = [Route::TokenCreate, Route::TokenRevoke].contains(&route);
        let may_be_missing = [Route::CameraIdentify, Route::EventPicture].contains(&route) || changes_tokens;
        if route.is_of_people() || is_of_door || may_be_missing {
            statuses.insert("404");
        }
        if [Route::PersonCreate, Route::TemplateAdd, Route::TokenCreate].contains(&route) {
            statuses.remove("200");
            statuses.insert("201");
        }
        if [Route::PersonCreate, Route::TemplateAdd, Route::PeopleImport, Route::DoorMode, Route::DoorClaim]
            .contains(&route)
            || changes_tokens
        {
            statuses.insert("409");
        }
        let is_of_version =
            [Route::PersonUpdate, Route::PersonDelete, Route::TemplateAdd, Route::TemplateDelete, Route::Credentials];
        statuses.extend(is_of_version.contains(&route).then_some("412"));
        if !route.scopes().is_empty() {
            statuses.extend(["401", "429"]);
        }
        let described = keys(&below(&operation, "      responses:").unwrap(), 8);
        assert_eq!(described, statuses.into_iter().collect::<Vec<_>>(), "{route:?}");
        // The description says which operations need no token.
        assert_eq!(operation.contains("      security: []\n"), route.scopes().is_empty(), "{route:?}");
    }
}

#[test]
fn every_error_code_is_described() {
    let mut given = codes(include_str!("error.rs"));
    for code in NEVER_GIVEN {
        assert!(given.remove(code));
    }
    let schema = below(DESCRIPTION, "    ErrorCode:").unwrap();
    let (table, values) = schema.split_once("      enum:").unwrap();
    assert_eq!(codes(values), given);
    assert_eq!(codes(table), given);
    assert_eq!(&codes(include_str!("../../docs/ref/api.md")) & &given, given);
    let names = below(&schema, "      x-enum-varnames: [").unwrap();
    let names: Vec<String> = names.split([',', '\n']).map(|n| n.trim().replace('_', "-")).collect();
    let names: Vec<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    let values: Vec<&str> = values.lines().filter_map(|line| line.strip_prefix("        - ")).collect();
    assert_eq!(names, values);
}

#[test]
fn described_limits_are_the_defaults() {
    let limits = Limits::default();
    let info = below(DESCRIPTION, "info:").unwrap();
    let prose = info.split_whitespace().collect::<Vec<_>>().join(" ");
    let thousands = |n: usize| format!("{},{:03}", n / 1_000, n % 1_000);
    for said in [
        format!("a body of {} MiB", limits.body_bytes >> 20),
        format!("a picture of {} MiB and {} megapixels", limits.picture_bytes >> 20, limits.picture_pixels / 1_000_000),
        format!("{} templates or {} pictures a request", thousands(limits.templates), limits.samples),
        format!(
            "{} media of {} seconds or {} pictures each",
            limits.media,
            limits.video_ms / 1_000,
            limits.archive_entries
        ),
        format!("a payload of {} KiB with {} analyses", limits.payload_bytes >> 10, limits.analyses),
        format!("{} KiB of headers a part", limits.part_head_bytes >> 10),
        format!("{} KiB of headers a request", limits.head_bytes >> 10),
        format!("{} seconds for a request's inference", limits.request_ms / 1_000),
    ] {
        assert!(prose.contains(&said), "it does not say: {said}");
    }
    let schemas = below(DESCRIPTION, "  schemas:").unwrap();
    let has = |text: Option<String>, line: &str| text.unwrap().lines().any(|l| l.trim() == line);
    assert!(has(below(&schemas, "    Templates:"), &format!("maxItems: {}", limits.templates)));
    assert!(has(below(&schemas, "    Payload:"), &format!("maxItems: {}", limits.analyses)));
    assert!(has(Some(operation(Route::ExtractAndCompareN)), &format!("maxItems: {}", limits.samples)));
    let range = format!("schema: {{type: integer, minimum: 100, maximum: {}}}", limits.request_ms);
    assert!(has(below(DESCRIPTION, "    Wait:"), &range));
}

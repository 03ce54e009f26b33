//! Tests the methods of people over a socket. What breaks the store is tested by .ci/people.py, and in src/people/store.rs.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::{Folder, Form, Reply, Service, binary, command, picture};

const COLLINS: &str = "collins.jpg";
const HOPPER: &str = "hopper.jpg";

fn service(folder: &Folder, settings: &[&str]) -> Service {
    let store = format!("people.store={}/people.redb", folder.path());
    let all = [&[&*store, "camera.device=off", "inference.workers=1"], settings].concat();
    Service::start(&all.iter().flat_map(|s| ["--set", s]).collect::<Vec<_>>())
}

fn create(service: &Service, person: &Value) -> Reply {
    service.post("/v1/people", "application/json", person.to_string().as_bytes())
}

fn add(service: &Service, target: &str, file: &str) -> Reply {
    service.post(target, "image/jpeg", &picture(file))
}

fn identify(service: &Service, file: &str) -> Value {
    let reply = service.post("/v1/people/identify", "image/jpeg", &picture(file));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn enroll(service: &Service, id: &str, file: &str) {
    assert_eq!(create(service, &json!({"id": id, "name": format!("The name of {id}")})).status, 201);
    let reply = add(service, &format!("/v1/people/{id}/templates"), file);
    assert_eq!(reply.status, 201, "{}", reply.text());
}

fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &*reply.code()), (status, code), "{}", reply.text());
}

#[test]
fn nothing_is_stored_without_the_setting() {
    let service = Service::start(&["--workers", "1", "--set", "camera.device=off"]);
    for path in ["/v1/people", "/v1/people/ann", "/v1/people/export", "/v1/people/ann/deletion"] {
        assert_refused(&service.get(path), 404, "BPE-006001");
    }
    assert_refused(&create(&service, &json!({"name": "Ann"})), 404, "BPE-006001");
    assert_refused(&add(&service, "/v1/people/ann/templates", COLLINS), 404, "BPE-006001");
    assert_refused(&add(&service, "/v1/people/identify", COLLINS), 404, "BPE-006001");
    assert_refused(&service.send("POST", "/v1/camera/identify", &[], b""), 404, "BPE-006001");
    let named = Form::new().picture("sample", &picture(COLLINS)).template("bio_template", b"person:ann");
    assert_refused(&service.form("/v1/face/pattern/verify", &named), 404, "BPE-006001");
    assert!(!service.get("/metrics").text().contains("faceplate_people"));
}

#[test]
fn people_are_enrolled_identified_and_there_after_a_restart() {
    let folder = Folder::new("people");
    let first = service(&folder, &[]);
    assert_eq!(identify(&first, COLLINS)["reason"], "unknown");
    enroll(&first, "ann", COLLINS);
    let found = identify(&first, "collins_dim.png");
    assert_eq!((&found["decision"], &found["person"]["id"]), (&json!("approved"), &json!("ann")), "{found}");
    assert_eq!((&found["bar"], &found["templates"], &found["liveness"]), (&json!(0.85), &json!(1), &Value::Null));
    let stranger = identify(&first, HOPPER);
    assert_eq!((&stranger["decision"], &stranger["person"]), (&json!("declined"), &Value::Null), "{stranger}");
    assert_eq!(stranger["candidates"][0]["id"], "ann");
    enroll(&first, "bob", HOPPER);
    assert_eq!(identify(&first, HOPPER)["person"]["name"], "The name of bob");
    assert_eq!((first.metric("faceplate_people"), first.metric("faceplate_people_usable")), (2.0, 1.0));
    let people = first.get("/v1/people").json();
    assert_eq!(first.stop(), Some(0));

    let again = service(&folder, &[]);
    assert_eq!(again.get("/v1/people").json(), people);
    assert_eq!(identify(&again, HOPPER)["person"]["id"], "bob");
    assert_eq!(again.send("DELETE", "/v1/people/bob", &[], b"").status, 200);
    assert_eq!(identify(&again, HOPPER)["person"], Value::Null);
    assert_refused(&again.get("/v1/people/bob"), 404, "BPE-006004");
    assert!(
        !again.log().contains("ann") && !again.log().contains("name of"),
        "no id or name is logged: {}",
        again.log()
    );
}

#[test]
fn a_person_is_changed_only_at_the_version_that_is_meant() {
    let folder = Folder::new("people-versions");
    let service = service(&folder, &[]);
    let reply = create(&service, &json!({"name": "Zoë", "groups": ["b", "a", "b"], "external_id": "card 7"}));
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/people/{id}");
    let tag = reply.header("ETag").unwrap().to_owned();
    assert_eq!((id.len(), reply.header("Location"), tag.starts_with("\"1-17")), (36, Some(&*path), true), "{tag}");
    assert_eq!(reply.json()["groups"], json!(["a", "b"]));
    let put = |version: &str, person: &Value| {
        let headers = [("Content-Type", "application/json"), ("If-Match", version)];
        service.send("PUT", &path, &headers, person.to_string().as_bytes())
    };
    let changed = put(&tag, &json!({"name": "Zoë", "valid_until": "2020-01-01T00:00:00Z"}));
    assert_eq!((changed.status, &changed.json()["version"]), (200, &json!(2)));
    assert_eq!((&changed.json()["groups"], &changed.json()["external_id"]), (&json!([]), &Value::Null));
    assert_refused(&put(&tag, &json!({"name": "Eve"})), 412, "BPE-006006");
    assert_refused(&put("\"2\"", &json!({"name": "Eve"})), 400, "BPE-002006");
    assert_refused(&put("*", &json!({"name": "Eve", "id": "eve"})), 400, "BPE-006007");
    assert_refused(&service.send("DELETE", &path, &[("If-Match", &tag)], b""), 412, "BPE-006006");
    assert_refused(&create(&service, &json!({"id": id, "name": ""})), 409, "BPE-006005");
    // An id that is given again is somebody else.
    let now = service.get(&path).header("ETag").unwrap().to_owned();
    assert_eq!(service.send("DELETE", &path, &[("If-Match", &now)], b"").status, 200);
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(create(&service, &json!({"id": id, "name": ""})).status, 201);
    assert_refused(&put(&tag, &json!({"name": "Eve"})), 412, "BPE-006006");
    for (wrong, told) in [
        (json!({"id": "a/b", "name": ""}), "an id has"),
        (json!({"name": "a\nb"}), "control"),
        (json!({"name": "x".repeat(300)}), "300 bytes"),
        (json!({"name": "", "valid_from": "tomorrow"}), "Invalid person"),
        (json!({"name": "", "color": 1}), "unknown field"),
        (json!(["Ann"]), "Invalid person"),
    ] {
        let reply = create(&service, &wrong);
        assert_refused(&reply, 400, "BPE-006007");
        assert!(reply.text().contains(told), "{}", reply.text());
    }
    assert_refused(&service.post("/v1/people", "text/plain", b"{}"), 400, "BPE-002001");
    assert_refused(&service.get("/v1/people?group=a&color=b"), 400, "BPE-002006");
    let refused = service.send("PATCH", &path, &[], b"");
    assert_eq!((refused.status, refused.header("Allow")), (400, Some("GET, HEAD, PUT, DELETE")));
    assert_refused(&service.get("/v1/people/%2e%2e"), 404, "BPE-006004");
}

#[test]
fn enrollment_refuses_poor_samples_strangers_and_whoever_is_there_already() {
    let folder = Folder::new("people-enroll");
    let service = service(&folder, &["people.least_quality=90"]);
    enroll(&service, "ann", COLLINS);
    assert_eq!(create(&service, &json!({"id": "eve", "name": ""})).status, 201);
    let eve = "/v1/people/eve/templates";
    let belongs = add(&service, eve, COLLINS);
    assert_refused(&belongs, 409, "BPE-006008");
    assert!(belongs.text().contains("ann"), "{}", belongs.text());
    assert_refused(&add(&service, eve, "both.jpg"), 400, "BPE-003003");
    assert_refused(&add(&service, "/v1/people/nobody/templates", COLLINS), 404, "BPE-006004");
    assert_refused(&service.post(eve, "image/gif", b"GIF89a"), 400, "BPE-002001");
    assert_refused(&service.send("POST", &format!("{eve}?liveness=required"), &[], b""), 400, "BPE-002006");
    assert_refused(&service.send("POST", &format!("{eve}?source=camera"), &[], b""), 503, "BPE-004001");
    let mut template = service.template(&picture(HOPPER));
    template[5] = 89;
    let sum = crc32fast::hash(&template[..144]).to_le_bytes();
    template[144..].copy_from_slice(&sum);
    assert_refused(&service.post(eve, "application/octet-stream", &template), 400, "BPE-006009");
    assert_refused(&service.post(eve, "application/octet-stream", b"FPLT"), 400, "BPE-002004");
    // As for twins: then nobody is let in for sure.
    assert_eq!(add(&service, &format!("{eve}?force=true"), COLLINS).status, 201);
    let found = identify(&service, COLLINS);
    assert_eq!((&found["decision"], &found["reason"]), (&json!("operator_required"), &json!("ambiguous")), "{found}");
    let reply = service.send("DELETE", "/v1/people/eve/templates/1", &[], b"");
    assert_eq!((reply.status, reply.json()), (200, json!({"deleted": 1})));
    assert_refused(&service.send("DELETE", "/v1/people/eve/templates/1", &[], b""), 404, "BPE-006011");
    assert_eq!(service.get("/v1/people/eve").json()["needs_enrollment"], true);
    assert_eq!(identify(&service, COLLINS)["decision"], "approved");
}

#[test]
fn whoever_is_not_valid_now_is_not_let_in() {
    let folder = Folder::new("people-valid");
    let service = service(&folder, &[]);
    enroll(&service, "ann", COLLINS);
    let put = |person: Value| {
        service.send("PUT", "/v1/people/ann", &[("Content-Type", "application/json")], person.to_string().as_bytes())
    };
    for (person, decision, reason) in [
        (json!({"name": "", "valid_until": "2020-01-01T00:00:00Z"}), "declined", json!("not_valid")),
        (json!({"name": "", "valid_from": "2999-01-01T00:00:00+02:00"}), "declined", json!("not_valid")),
        (json!({"name": "", "valid_from": "2020-01-01T00:00:00Z", "valid_until": null}), "approved", Value::Null),
    ] {
        assert_eq!(put(person).status, 200);
        let found = identify(&service, COLLINS);
        assert_eq!((&found["decision"], &found["reason"]), (&json!(decision), &reason));
        assert_eq!(found["person"].is_null(), decision == "declined");
    }
}

#[test]
fn enrolled_people_stand_in_place_of_templates() {
    let folder = Folder::new("people-named");
    let service = service(&folder, &[]);
    enroll(&service, "ann", COLLINS);
    enroll(&service, "bob", HOPPER);
    let dim = picture("collins_dim.png");
    let verify = |id: &str| {
        let form =
            Form::new().file("sample", "image/png", &dim).template("bio_template", format!("person:{id}").as_bytes());
        service.form("/v1/face/pattern/verify", &form)
    };
    assert!(verify("ann").text().contains("{\"score\":0.9"), "{}", verify("ann").text());
    assert_refused(&verify("nobody"), 404, "BPE-006004");
    let template = service.template(&picture(COLLINS));
    let many = Form::new()
        .file("sample_1", "image/png", &dim)
        .named("templates_n", "bob", b"person:bob")
        .named("templates_n", "ann", b"person:ann")
        .named("templates_n", "given", &template);
    let results = service.form("/v1/face/pattern/verify_n", &many).json();
    let decisions: Vec<_> = results["results"].as_array().unwrap().iter().map(|r| r["decision"].clone()).collect();
    assert_eq!(decisions, ["declined", "approved", "approved"], "{results}");
    let both = Form::new().template("bio_feature", b"person:ann").template("bio_template", &template);
    assert_eq!(service.form("/v1/face/pattern/compare", &both).json()["score"], 1.0);
}

#[test]
fn the_scope_people_is_needed_also_to_name_them() {
    let folder = Folder::new("people-scopes");
    let token = |name: &str, scopes: &[&str]| {
        let (_, text, stderr) = command(&[&["token", "new", name], scopes].concat());
        (format!("Bearer {}", stderr.split("Bearer ").nth(1).unwrap().lines().next().unwrap()), text)
    };
    let ((all, lines), (door, more)) = (token("all", &["people", "pattern"]), token("door", &["pattern", "camera"]));
    let server = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[camera]\ndevice = \"off\"\n[people]\nstore = \"{}/p.redb\"\n",
        folder.path()
    );
    let settings = folder.write("faceplate.toml", &format!("{server}{lines}{more}"));
    let service = Service::spawn_command(binary().args(["serve", "--settings", &settings]));
    let send = |method: &str, path: &str, token: &str, kind: &str, body: &[u8]| {
        service.send(method, path, &[("Authorization", token), ("Content-Type", kind)], body)
    };
    let draft = b"{\"id\":\"ann\",\"name\":\"\"}";
    for (method, path) in [
        ("GET", "/v1/people"),
        ("GET", "/v1/people/export"),
        ("DELETE", "/v1/people/ann"),
        ("POST", "/v1/camera/identify"),
    ] {
        assert_refused(&send(method, path, &door, "", b""), 403, "BPE-005002");
        assert_refused(&service.send(method, path, &[], b""), 401, "BPE-005001");
    }
    assert_eq!(send("POST", "/v1/people", &all, "application/json", draft).status, 201);
    let reply = send("POST", "/v1/people/ann/templates", &all, "image/jpeg", &picture(COLLINS));
    assert_eq!(reply.status, 201, "{}", reply.text());
    let form = Form::new().picture("sample", &picture(COLLINS)).template("bio_template", b"person:ann");
    let verify = |token: &str| send("POST", "/v1/face/pattern/verify", token, &form.content_type(), &form.body());
    assert_refused(&verify(&door), 403, "BPE-005002");
    assert_eq!(verify(&all).status, 200);
}

#[test]
fn people_are_listed_in_pages() {
    let folder = Folder::new("people-list");
    let service = service(&folder, &[]);
    for i in 0..25 {
        let group = if i % 2 == 0 { "even & more" } else { "odd" };
        assert_eq!(
            create(&service, &json!({"id": format!("p{i:02}"), "name": format!("Ärmel {i}"), "groups": [group]}))
                .status,
            201
        );
    }
    let ids = |target: &str| {
        let page = service.get(target).json();
        let ids: Vec<_> =
            page["people"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next"].clone())
    };
    let (first, next) = ids("/v1/people?limit=10");
    assert_eq!((first.len(), &first[9], next), (10, &"p09".to_owned(), json!("p09")));
    let (last, next) = ids("/v1/people?limit=10&after=p19");
    assert_eq!((last, next), ((20..25).map(|i| format!("p{i}")).collect(), Value::Null));
    assert_eq!(ids("/v1/people?group=even+%26%20more&after=p20").0, ["p22", "p24"]);
    assert_eq!(ids("/v1/people?text=%C3%A4rmel%2013").0, ["p13"]);
}

#[test]
fn an_export_is_a_backup() {
    let folder = Folder::new("people-export");
    let service = service(&folder, &[]);
    enroll(&service, "ann", COLLINS);
    enroll(&service, "bob", HOPPER);
    // In version 1.0 of HTTP nothing is chunked: the lines end with the connection.
    let export = |query: &str| {
        let mut stream = service.connect();
        let head = format!("GET /v1/people/export{query} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, lines) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Type: application/x-ndjson"), "{head}");
        lines.to_owned()
    };
    let all = export("");
    assert!(all.ends_with("{\"people\":2}\n"), "{all}");
    assert_eq!(export("?id=bob").lines().count(), 2);
    assert_refused(&service.get("/v1/people/export?id=eve"), 404, "BPE-006004");
    let import =
        |query: &str, lines: &[u8]| service.post(&format!("/v1/people/import{query}"), "application/x-ndjson", lines);
    assert_refused(&import("", all.as_bytes()), 409, "BPE-006005");
    assert_refused(&import("", &all.as_bytes()[..all.len() - 3]), 400, "BPE-006012");
    let before = service.get("/v1/people").json();
    assert_eq!(service.send("DELETE", "/v1/people/ann", &[], b"").status, 200);
    assert_eq!(import("?replace=true", all.as_bytes()).json(), json!({"imported": 2}));
    let after = service.get("/v1/people").json();
    assert_eq!(after["people"][0], before["people"][0]);
    assert_eq!(after["people"][1]["version"], json!(3), "who was there is changed");
    assert_eq!(identify(&service, COLLINS)["person"]["id"], "ann");
}

#[test]
fn a_store_that_cannot_be_used_is_told_and_nobody_is_known() {
    let folder = Folder::new("people-damaged");
    let first = service(&folder, &[]);
    enroll(&first, "ann", COLLINS);
    let second = service(&folder, &[]);
    assert_refused(&second.get("/v1/people"), 503, "BPE-006002");
    drop((first, second));
    std::fs::write(format!("{}/people.redb", folder.path()), b"").unwrap();
    let service = service(&folder, &[]);
    for reply in [
        service.get("/v1/people"),
        add(&service, "/v1/people/identify", COLLINS),
        create(&service, &json!({"name": ""})),
    ] {
        assert_refused(&reply, 503, "BPE-006002");
    }
    // All else works.
    assert_eq!(service.get("/readyz").status, 200);
    assert_eq!(service.template(&picture(COLLINS)).len(), 148);
    assert_eq!((service.metric("faceplate_people_usable"), service.metric("faceplate_people")), (0.0, 0.0));
}

#[test]
fn the_camera_s_person_is_enrolled_and_identified() {
    let folder = Folder::new("people-camera");
    let shown = concat!("camera.device=file:", env!("CARGO_MANIFEST_DIR"), "/tests/pictures/collins.jpg");
    let service = service(&folder, &[shown, "camera.deadline_ms=20000", "camera.liveness_frames=8"]);
    assert_eq!(create(&service, &json!({"id": "ann", "name": "Ann"})).status, 201);
    let post = |target: &str| service.send("POST", target, &[], b"");
    let reply = post("/v1/people/ann/templates?source=camera");
    assert_eq!((reply.status, reply.header("Server-Timing").is_some()), (201, true), "{}", reply.text());
    assert_eq!(reply.json()["templates"][0]["source"], "camera");
    let found = post("/v1/camera/identify");
    assert_eq!((found.status, &found.json()["decision"]), (200, &json!("approved")), "{}", found.text());
    assert_refused(&post("/v1/camera/identify?livness=required"), 400, "BPE-002006");
    assert_refused(&service.post("/v1/camera/identify", "image/jpeg", b"x"), 400, "BPE-002006");
}

#[test]
fn the_command_line_enrolls_and_identifies() {
    let folder = Folder::new("people-commands");
    let service = service(&folder, &[]);
    let people = |words: &[&str]| {
        let (code, out, error) = command(&[&["--listen", &service.address, "people"], words].concat());
        (code, out + &error)
    };
    let path = |name: &str| format!("{}/tests/pictures/{name}", env!("CARGO_MANIFEST_DIR"));
    let (code, told) = people(&["add", "ann", &path(COLLINS), "--name", "Ann Lee", "--group", "staff"]);
    assert!(code == Some(0) && told.contains("template 1 of quality 100"), "{told}");
    let (code, told) = people(&["add", "eve", &path(COLLINS)]);
    assert!(code == Some(1) && told.contains("the face is that of ann"), "{told}");
    assert_eq!(people(&["list"]).1, "ann  Ann Lee  1 template  staff\n");
    assert!(people(&["show", "ann"]).1.contains("\"external_id\": null"));
    let (code, told) = people(&["identify", &path("collins_dim.png")]);
    assert!(code == Some(0) && told.starts_with("approved  ann  Ann Lee  score 0.9"), "{told}");
    let (code, told) = people(&["identify", &path(HOPPER)]);
    assert!(code == Some(1) && told.starts_with("declined  unknown  score 0."), "{told}");
    let backup = format!("{}/people.jsonl", folder.path());
    assert_eq!(people(&["export", "--out", &backup]), (Some(0), "1 exported\n".into()));
    assert_eq!(people(&["remove", "ann"]), (Some(0), "ann is deleted\n".into()));
    assert_eq!(people(&["identify", &path(COLLINS)]).0, Some(1));
    assert_eq!(people(&["import", &backup, "--replace"]), (Some(0), "1 imported\n".into()));
    assert_eq!(people(&["identify", &path(COLLINS)]).0, Some(0));
    assert_eq!(people(&["remove", "../ann"]).0, Some(1));
}

/// The embedded models under another id, as if they were others.
fn other_models(folder: &Folder) -> String {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models-quantized");
    let other = format!("{}/models", folder.path());
    std::fs::create_dir(&other).unwrap();
    for file in std::fs::read_dir(models).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        std::fs::copy(&file, format!("{other}/{}", file.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    let manifest = std::fs::read_to_string(format!("{other}/models.toml")).unwrap();
    assert!(manifest.contains("\nid = 1 "));
    std::fs::write(format!("{other}/models.toml"), manifest.replace("\nid = 1 ", "\nid = 77 ")).unwrap();
    format!("inference.models={other}")
}

#[test]
fn templates_of_another_model_are_kept_and_marked() {
    let folder = Folder::new("people-models");
    let models = other_models(&folder);
    let first = service(&folder, &[]);
    enroll(&first, "ann", COLLINS);
    drop(first);
    let other = service(&folder, &[&models]);
    let ann = other.get("/v1/people/ann").json();
    assert_eq!((&ann["needs_enrollment"], &ann["templates"][0]["current"]), (&json!(true), &json!(false)), "{ann}");
    assert_eq!(identify(&other, COLLINS)["reason"], "unknown");
    let named = Form::new().picture("sample", &picture(COLLINS)).template("bio_template", b"person:ann");
    assert_refused(&other.form("/v1/face/pattern/verify", &named), 404, "BPE-006011");
    assert_eq!(add(&other, "/v1/people/ann/templates", COLLINS).status, 201);
    assert_eq!(identify(&other, COLLINS)["person"]["id"], "ann");
    drop(other);
    let again = service(&folder, &[]);
    let ann = again.get("/v1/people/ann").json();
    assert_eq!(ann["needs_enrollment"], false);
    let current: Vec<_> = ann["templates"].as_array().unwrap().iter().map(|t| t["current"].clone()).collect();
    assert_eq!(current, [true, false]);
    assert_eq!(identify(&again, "collins_dim.png")["person"]["id"], "ann");
}

#[test]
fn people_are_identified_by_the_models_of_before_and_get_templates_of_the_present_ones() {
    let folder = Folder::new("people-renewed");
    let first = service(&folder, &[]);
    enroll(&first, "ann", COLLINS);
    drop(first);
    let models = other_models(&folder);
    let before = concat!("people.previous_models=", env!("CARGO_MANIFEST_DIR"), "/models-quantized");
    let shown = concat!("camera.device=file:", env!("CARGO_MANIFEST_DIR"), "/tests/pictures/collins.jpg");
    let more = [&*models, before, shown, "people.renew=true", "camera.deadline_ms=20000", "camera.liveness_frames=8"];
    let both = service(&folder, &more);
    let found = identify(&both, "collins_dim.png");
    assert_eq!((&found["person"]["id"], &found["previous_model"]), (&json!("ann"), &json!(true)), "{found}");
    assert_eq!(identify(&both, HOPPER)["reason"], "unknown");
    let post = |target: &str| {
        let reply = both.send("POST", target, &[], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    };
    assert_eq!(post("/v1/camera/identify")["previous_model"], true);
    assert_eq!(both.get("/v1/people/ann").json()["needs_enrollment"], true, "liveness was not asked for");
    assert_eq!(post("/v1/camera/identify?liveness=required")["previous_model"], true);
    let ann = both.get("/v1/people/ann").json();
    assert_eq!((&ann["needs_enrollment"], &ann["templates"][1]["source"]), (&json!(false), &json!("visit")), "{ann}");
    let found = identify(&both, "collins_dim.png");
    assert_eq!((&found["person"]["id"], &found["previous_model"]), (&json!("ann"), &json!(false)), "{found}");
}

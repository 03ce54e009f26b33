//! Tests sealed templates, and what scores may reveal about them.

use crate::support::{Folder, Form, Reply, Service, command, picture, request};

const EXTRACT: &str = "/v1/face/pattern/extract";
const COMPARE: &str = "/v1/face/pattern/compare";

/// A service with a key and these settings.
fn sealed(folder: &Folder, more: &[&str]) -> Service {
    let keys = format!("templates.keys={}", folder.write("keys", &command(&["key", "new"]).1));
    let more = more.iter().flat_map(|setting| ["--set", setting]);
    Service::start(&["--workers", "1", "--set", &keys].into_iter().chain(more).collect::<Vec<_>>())
}

fn post_for(service: &Service, path: &str, subject: Option<&str>, form: &Form) -> Reply {
    let kind = form.content_type();
    let headers: Vec<(&str, &str)> =
        [("Content-Type", &*kind)].into_iter().chain(subject.map(|s| ("X-Subject", s))).collect();
    service.raw(&request("POST", path, &headers, &form.body()))
}

#[test]
fn sealed_templates_are_opened_only_with_their_key() {
    let folder = Folder::new("seal");
    let new_key = || command(&["key", "new"]).1;
    let (old, new) = (new_key(), new_key());
    let start = |keys: &str, more: &[&str]| {
        let setting = format!("templates.keys={}", folder.write("keys", keys));
        Service::start(&[&["--workers", "1", "--set", &setting], more].concat())
    };
    let plain = Service::start(&["--workers", "1"]).template(&picture("collins.jpg"));
    let compare = |service: &Service, a: &[u8], b: &[u8]| {
        service.form("/v1/face/pattern/compare", &Form::new().template("bio_feature", a).template("bio_template", b))
    };
    let service = start(&old, &[]);
    let sealed = service.template(&picture("collins.jpg"));
    assert_eq!(sealed.len(), plain.len() + 44);
    assert!(
        !sealed.windows(8).any(|bytes| plain.windows(8).any(|w| w == bytes)),
        "no part of the plain template is in it"
    );
    assert_eq!(compare(&service, &sealed, &service.template(&picture("collins.jpg"))).json()["score"], 1.0);
    let verify = Form::new().picture("sample", &picture("collins_dim.png")).template("bio_template", &sealed);
    let reply = service.form("/v1/face/pattern/verify", &verify);
    assert!(reply.score() > 0.9 && reply.text().contains("FPSL"), "{}", reply.text());
    let mut forged = sealed.clone();
    forged[60] ^= 1;
    for (bytes, message) in [(&plain, "not sealed"), (&forged, "seal is broken")] {
        let reply = compare(&service, bytes, &sealed);
        assert_eq!((reply.status, &*reply.code()), (400, "BPE-002004"));
        assert!(reply.text().contains(message), "{}", reply.text());
    }
    drop(service);
    // A new key seals new templates; the old one still opens earlier ones.
    let service = start(&format!("{new}{old}"), &["--set", "templates.unsealed=true"]);
    let again = service.template(&picture("collins.jpg"));
    assert_eq!(compare(&service, &sealed, &again).json()["score"], 1.0);
    assert_eq!(compare(&service, &plain, &again).json()["score"], 1.0);
    drop(service);
    let service = start(&old, &[]);
    assert!(compare(&service, &again, &sealed).text().contains("does not have"));
    let (code, shown, _) =
        command(&["template", "show", &folder.write("none", ""), "--set", "templates.keys=/nowhere"]);
    assert_eq!((code, &*shown), (Some(1), ""));
}

#[test]
fn a_template_bound_to_one_person_is_refused_for_another() {
    let folder = Folder::new("bound");
    let service = sealed(&folder, &[]);
    let collins = picture("collins.jpg");
    let extract = |subject: &str| {
        let headers = [("Content-Type", "image/jpeg"), ("X-Subject", subject)];
        service.send("POST", EXTRACT, &headers, &collins)
    };
    let (ann, unbound) = (extract("Ann").body, service.template(&collins));
    assert_eq!(ann.len(), unbound.len());
    let verify = |template: &[u8]| Form::new().picture("sample", &collins).template("bio_template", template);
    let path = "/v1/face/pattern/verify";
    assert_eq!(post_for(&service, path, Some("Ann"), &verify(&ann)).score(), 1.0);
    for (subject, template, message) in [
        (Some("Bob"), &ann, "bound to another"),
        (None, &ann, "bound to a person"),
        (Some("Ann"), &unbound, "bound to no person"),
    ] {
        let reply = post_for(&service, path, subject, &verify(template));
        assert_eq!((reply.status, &*reply.code()), (400, "BPE-002004"), "{}", reply.text());
        assert!(reply.text().contains(message), "{}", reply.text());
    }
    // Each part may name its person.
    let octets = "Content-Type: application/octet-stream";
    let part = |name: &str, subject: &str| {
        format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"{subject}\"\r\n{octets}\r\nX-Subject: {subject}"
        )
    };
    let form = Form::new().picture("sample", &collins).part(&part("bio_template", "Ann"), &ann);
    assert_eq!(post_for(&service, path, None, &form).score(), 1.0);
    let form = Form::new().picture("sample", &collins).part(&part("bio_template", "Ann"), &unbound);
    assert!(post_for(&service, path, None, &form).text().contains("bound to no person"));
    let form = Form::new().picture("sample_1", &collins);
    let form = form.part(&part("templates_n", "Ann"), &ann).part(&part("templates_n", "Bob"), &extract("Bob").body);
    let reply = post_for(&service, "/v1/face/pattern/verify_n", None, &form);
    assert_eq!(reply.json()["results"][1]["score"], 1.0, "{}", reply.text());
    for subject in ["", "a b", &"x".repeat(256)] {
        assert_eq!(extract(subject).status, 400, "{} bytes", subject.len());
    }
}

#[test]
fn scores_of_sealed_templates_are_rounded_and_comparisons_limited() {
    let folder = Folder::new("coarse");
    let service = sealed(&folder, &["limits.comparisons_per_minute=5"]);
    let (collins, dim) = (service.template(&picture("collins.jpg")), service.template(&picture("collins_dim.png")));
    let hopper = service.template(&picture("hopper.jpg"));
    let compare =
        |a: &[u8], b: &[u8]| service.form(COMPARE, &Form::new().template("bio_feature", a).template("bio_template", b));
    let same = compare(&collins, &dim).json();
    let score = same["score"].as_f64().unwrap();
    assert!(score >= 0.85 && ((score * 100.0).round() - score * 100.0).abs() < 1e-9, "{same}");
    assert_eq!(same["decision"], "approved");
    let different = compare(&collins, &hopper).json();
    assert!(different["score"].as_f64().is_some_and(|score| score == 0.0 || score >= 0.3), "{different}");
    // Two comparisons are spent: a request of four exceeds the rest, one of three does not.
    let many = |count| {
        (0..count).fold(Form::new().template("template_1", &collins), |form, _| form.template("templates_n", &dim))
    };
    let reply = service.form("/v1/face/pattern/compare_n", &many(4));
    assert_eq!((reply.status, &*reply.code()), (503, "BPE-001001"));
    assert!((1..=61).contains(&reply.header("Retry-After").unwrap().parse::<u64>().unwrap()));
    assert!(reply.text().contains("comparisons_per_minute"), "{}", reply.text());
    assert_eq!(service.form("/v1/face/pattern/compare_n", &many(3)).status, 200);
    assert_eq!(compare(&collins, &dim).status, 503);
    // Requests that only make templates are not counted.
    assert_eq!(service.template(&picture("hopper.jpg")).len(), hopper.len());
}

#[test]
fn joined_templates_stay_sealed_and_bound() {
    const JOIN: &str = "/v1/face/pattern/join";
    let folder = Folder::new("joined");
    let plain = Service::start(&["--workers", "1"]).template(&picture("collins.jpg"));
    let service = sealed(&folder, &["templates.unsealed=true", "limits.comparisons_per_minute=8"]);
    let pictures = ["collins.jpg", "collins_dim.png"].map(picture);
    let extract = |subject: &str| {
        let headers = [("Content-Type", "image/jpeg"), ("X-Subject", subject)];
        pictures.clone().map(|bytes| service.send("POST", EXTRACT, &headers, &bytes).body)
    };
    let form = |templates: &[Vec<u8>]| {
        templates.iter().fold(Form::new(), |form, template| form.template("templates_n", template))
    };
    let ann = extract("Ann");
    let joined = post_for(&service, JOIN, Some("Ann"), &form(&ann));
    assert_eq!((joined.status, joined.body.len()), (200, 192), "{}", joined.text());
    assert!(joined.body.starts_with(b"FPSL"));
    let verify = Form::new().picture("sample", &pictures[0]).template("bio_template", &joined.body);
    assert!(post_for(&service, "/v1/face/pattern/verify", Some("Ann"), &verify).score() >= 0.85);
    assert_eq!(post_for(&service, "/v1/face/pattern/verify", Some("Bob"), &verify).code(), "BPE-002004");
    // Not joined for another person or for none, though the parts name their person.
    let head = "Content-Disposition: form-data; name=\"templates_n\"\r\nX-Subject: Ann";
    let anns = Form::new().part(head, &ann[0]).part(head, &ann[1]);
    assert_eq!(post_for(&service, JOIN, Some("Ann"), &anns).status, 200);
    // A plain template, which any client can make, is not sealed as if the service had made it, though it would be compared.
    let unbound = service.template(&pictures[1]);
    for (subject, form, message) in [
        (Some("Bob"), anns.clone(), "is not that of the request"),
        (None, anns, "is not that of the request"),
        (Some("Bob"), form(&ann), "bound to another"),
        (None, form(&ann), "bound to a person"),
        (None, form(&[unbound, plain]), "joins only sealed templates"),
    ] {
        let reply = post_for(&service, JOIN, subject, &form);
        assert_eq!((reply.status, &*reply.code()), (400, "BPE-002004"), "{message}: {}", reply.text());
        assert!(reply.text().contains(message), "{}", reply.text());
    }
    // Each pair is a comparison: one verification and two joins took three of the eight, and four templates are six pairs.
    let four = form(&[&extract("Ann")[..], &extract("Ann")[..]].concat());
    let reply = post_for(&service, JOIN, Some("Ann"), &four);
    assert_eq!((reply.status, &*reply.code()), (503, "BPE-001001"), "{}", reply.text());
    assert!(reply.text().contains("comparisons_per_minute"), "{}", reply.text());
}

#[test]
fn names_and_replies_have_a_length_limit() {
    let service = Service::start(&["--workers", "1"]);
    let template = service.template(&picture("collins.jpg"));
    let compare = |name: &str| {
        let form = Form::new().template("template_1", &template).named("templates_n", name, &template);
        service.form("/v1/face/pattern/compare_n", &form)
    };
    assert_eq!(compare(&"n".repeat(255)).status, 200);
    let reply = compare(&"n".repeat(256));
    assert_eq!((reply.status, &*reply.code()), (400, "BPE-002004"));
    assert!(reply.text().contains("255"), "{}", reply.text());
    let service = Service::start(&["--workers", "1", "--set", "limits.reply_bytes=2000"]);
    let many =
        (0..40).fold(Form::new().template("template_1", &template), |form, _| form.template("templates_n", &template));
    let reply = service.form("/v1/face/pattern/compare_n", &many);
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("limit of 2000 bytes"), "{}", reply.text());
}

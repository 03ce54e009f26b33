//! Tests every row of the contract's method and error tables, over a socket.

use std::io::{BufReader, Write};

use crate::support::{Form, Reply, Service, base64, picture, request};

const EXTRACT: &str = "/v1/face/pattern/extract";
const COMPARE: &str = "/v1/face/pattern/compare";
const VERIFY: &str = "/v1/face/pattern/verify";
const EXTRACT_AND_COMPARE: &str = "/v1/face/pattern/extract_and_compare";
const COMPARE_N: &str = "/v1/face/pattern/compare_n";
const VERIFY_N: &str = "/v1/face/pattern/verify_n";
const EXTRACT_AND_COMPARE_N: &str = "/v1/face/pattern/extract_and_compare_n";

fn pair(a: &str, b: &str) -> Form {
    Form::new().picture("sample_1", &picture(a)).picture("sample_2", &picture(b))
}

/// `{"score": …, "decision": …}` with exactly these keys in this order, and a score in plain notation.
fn comparison(reply: &Reply) -> (f64, String) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let text = reply.text();
    let score = text.strip_prefix("{\"score\":").and_then(|t| t.split(',').next()).unwrap_or_else(|| panic!("{text}"));
    assert!(score.contains('.') && !score.contains(['e', 'E']), "{text}");
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 2);
    (json["score"].as_f64().unwrap(), json["decision"].as_str().unwrap().to_owned())
}

#[test]
fn version_health_and_description_are_served() {
    let service = Service::start(&[]);
    let version = service.get("/version").json();
    assert_eq!(version["core"], env!("CARGO_PKG_VERSION"));
    // Clients compare the version: video, archives, payload and best shot came with 1.2.0.
    let core: Vec<u32> = env!("CARGO_PKG_VERSION").split('.').map(|n| n.parse().unwrap()).collect();
    assert!(core >= vec![1, 2, 0], "{core:?}");
    let described = service.get("/openapi.yaml").text();
    assert!(described.contains(&format!("  version: {}\n", env!("CARGO_PKG_VERSION"))));
    assert!(version["tfss"].as_str().unwrap().starts_with("tract "));
    assert_eq!(version["models"][0]["name"], "face_detection_yunet");
    assert_eq!(version["models"].as_array().unwrap().len(), 4);
    let health = service.get("/v1/face/pattern/health");
    assert_eq!((health.status, &*health.text()), (200, r#"{"status":0,"message":""}"#));
    assert!(service.get("/openapi.yaml").text().starts_with("openapi: 3"));
    let head = service.connect();
    (&head).write_all(b"HEAD /version HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    head.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut &head, &mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn extract_returns_one_template_for_one_picture() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let reply = service.post(EXTRACT, "image/jpeg", &jpeg);
    assert_eq!(reply.header("Content-Type"), Some("application/octet-stream"));
    assert_eq!(reply.body.len(), 148);
    assert!(reply.body.starts_with(b"FPLT"));
    for content_type in ["image / jpeg", "IMAGE/JPEG; charset=UTF-8", "image/png", "image/jpg"] {
        assert_eq!(service.post(EXTRACT, content_type, &jpeg).body, reply.body, "{content_type}");
    }
    assert_eq!(service.post(EXTRACT, "image/jpeg", &picture("collins_dim.png")).status, 200);
}

#[test]
fn base64_requests_get_base64_replies() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let plain = service.template(&jpeg);
    let text = base64(&jpeg);
    let folded = text.as_bytes().chunks(76).map(|l| [l, b"\r\n"].concat()).collect::<Vec<_>>().concat();
    let url = text.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned();
    for body in
        [text.clone().into_bytes(), folded, url.into_bytes(), format!("data:image/jpeg;base64,{text}").into_bytes()]
    {
        let headers = [("Content-Type", "image/jpeg"), ("content-transfer-encoding", "BASE64")];
        let reply = service.send("POST", EXTRACT, &headers, &body);
        assert_eq!(reply.text(), base64(&plain));
        assert_eq!(reply.header("Content-Transfer-Encoding"), Some("base64"));
    }

    let form = Form::new().template("bio_template", base64(&plain).as_bytes()).picture("sample", text.as_bytes());
    let headers = [("Content-Type", &*form.content_type()), ("Content-Transfer-Encoding", "base64")];
    let reply = service.send("POST", VERIFY, &headers, &form.body());
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("Content-Transfer-Encoding: base64\r\n"));
    assert!(reply.text().contains(&base64(&plain)));

    // A single part may be encoded, by its own header.
    let head = "Content-Disposition: form-data; name=\"bio_template\"\r\nContent-Transfer-Encoding: base64";
    let form = Form::new().part(head, base64(&plain).as_bytes()).template("bio_feature", &plain);
    assert_eq!(comparison(&service.form(COMPARE, &form)), (1.0, "approved".into()));
    let reply = service.form(VERIFY, &Form::new().part(head, base64(&plain).as_bytes()).picture("sample", &jpeg));
    assert!(reply.text().contains(&base64(&plain)), "{}", reply.text());
    // The request's header applies to parts that are declared binary, as strict clients send them.
    let head = "Content-Disposition: form-data; name=\"bio_template\"\r\nContent-Transfer-Encoding: binary";
    let text = base64(&plain);
    let form = Form::new().part(head, text.as_bytes()).template("bio_feature", text.as_bytes());
    let headers = [("Content-Type", &*form.content_type()), ("Content-Transfer-Encoding", "base64")];
    assert_eq!(comparison(&service.send("POST", COMPARE, &headers, &form.body())).0, 1.0);
}

#[test]
fn compare_and_extract_and_compare_return_score_and_decision() {
    let service = Service::start(&[]);
    let (collins, dim, hopper) =
        ["collins.jpg", "collins_dim.png", "hopper.jpg"].map(|p| service.template(&picture(p))).into();
    let compare = |a: &[u8], b: &[u8]| {
        comparison(&service.form(COMPARE, &Form::new().template("bio_feature", a).template("bio_template", b)))
    };
    assert_eq!(compare(&collins, &collins), (1.0, "approved".into()));
    let (mated, decision) = compare(&collins, &dim);
    assert!(mated > 0.97 && decision == "approved", "{mated}");
    let (non_mated, decision) = compare(&collins, &hopper);
    assert!(non_mated < 0.5 && decision == "declined", "{non_mated}");
    assert_eq!(compare(&hopper, &collins), (non_mated, "declined".into()));
    let extract_and_compare = |a, b| comparison(&service.form(EXTRACT_AND_COMPARE, &pair(a, b)));
    assert_eq!(extract_and_compare("collins.jpg", "collins_dim.png"), (mated, "approved".into()));
    assert_eq!(extract_and_compare("collins.jpg", "hopper.jpg"), (non_mated, "declined".into()));
}

#[test]
fn decision_thresholds_are_settings() {
    let service = Service::start(&["--set", "decision.approved=1.0", "--set", "decision.operator_required=0.97"]);
    let (_, decision) = comparison(&service.form(EXTRACT_AND_COMPARE, &pair("collins.jpg", "collins_dim.png")));
    assert_eq!(decision, "operator_required");
}

#[test]
fn verify_returns_score_and_the_new_template() {
    let service = Service::start(&[]);
    let (jpeg, template) = (picture("collins.jpg"), service.template(&picture("hopper.jpg")));
    let reply = service.form(VERIFY, &Form::new().picture("sample", &jpeg).template("bio_template", &template));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let content_type = reply.header("Content-Type").unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let limits = faceplate::ops::Limits::default();
    let parts = faceplate::api::multipart::read(&reply.body, boundary, &limits).unwrap();
    let [score, feature] = &parts[..] else { panic!("{} parts", parts.len()) };
    assert_eq!((&*score.name, &score.filename), ("score", &None));
    assert_eq!(score.content_type.as_ref().unwrap().essence, "application/json");
    let value: serde_json::Value = serde_json::from_slice(score.content).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 1);
    assert!(value["score"].as_f64().unwrap() < 0.5);
    assert_eq!((&*feature.name, feature.filename.is_some()), ("bio_feature", true));
    assert_eq!(feature.content_type.as_ref().unwrap().essence, "application/octet-stream");
    assert_eq!(feature.content, service.template(&jpeg));
}

#[test]
fn one_to_n_results_are_in_the_order_of_the_parts() {
    let service = Service::start(&[]);
    let (jpeg, other) = (picture("collins.jpg"), picture("hopper.jpg"));
    let (collins, hopper) = (service.template(&jpeg), service.template(&other));
    let nameless = "Content-Disposition: form-data; name=\"templates_n\"";
    let templates = |form: Form| {
        form.named("templates_n", "b.bin", &hopper).part(nameless, &collins).named("templates_n", "a.bin", &collins)
    };
    let pictures = |form: Form| form.named("samples_n", "b.jpg", &other).named("samples_n", "ä\\\".jpg", &jpeg);
    for (path, form, names) in [
        (COMPARE_N, templates(Form::new().template("template_1", &collins)), &["b.bin", "1", "a.bin"][..]),
        (VERIFY_N, templates(Form::new().picture("sample_1", &jpeg)), &["b.bin", "1", "a.bin"]),
        (EXTRACT_AND_COMPARE_N, pictures(Form::new().picture("sample_1", &jpeg)), &["b.jpg", "ä\".jpg"]),
    ] {
        let reply = service.form(path, &form);
        let json = reply.json();
        assert_eq!(json.as_object().unwrap().len(), 1, "{}", reply.text());
        let results = json["results"].as_array().unwrap();
        assert_eq!(results.iter().map(|r| r["filename"].as_str().unwrap()).collect::<Vec<_>>(), names);
        for (i, result) in results.iter().enumerate() {
            assert_eq!(result.as_object().unwrap().len(), 3);
            let want = if i == 0 { "declined" } else { "approved" };
            assert_eq!(result["decision"], want, "{path} {i}");
        }
        assert!(reply.text().starts_with(&format!("{{\"results\":[{{\"filename\":\"{}\",\"score\":0.", names[0])));
        assert!(reply.text().contains("\"score\":1.0"), "{}", reply.text());
    }
    for (path, form) in [
        (COMPARE_N, Form::new().template("template_1", &collins)),
        (VERIFY_N, Form::new().picture("sample_1", &jpeg)),
        (EXTRACT_AND_COMPARE_N, Form::new().picture("sample_1", &jpeg)),
    ] {
        assert_eq!(service.form(path, &form).text(), r#"{"results":[]}"#, "{path}");
    }
}

#[test]
fn a_request_may_have_ten_thousand_templates_and_no_more() {
    let service = Service::start(&[]);
    let (collins, hopper) = (service.template(&picture("collins.jpg")), service.template(&picture("hopper.jpg")));
    let mut form = Form::new().template("template_1", &collins);
    for i in 0..10_000 {
        form = form.named("templates_n", &format!("{i}.bin"), if i == 7_777 { &collins } else { &hopper });
    }
    let json = service.form(COMPARE_N, &form).json();
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 10_000);
    assert!(results.iter().enumerate().all(|(i, r)| (r["decision"] == "approved") == (i == 7_777)));
    assert_eq!(results[7_777]["filename"], "7777.bin");
    let reply = service.form(COMPARE_N, &form.named("templates_n", "x", &collins));
    assert_eq!((reply.status, &*reply.code()), (400, "BPE-002004"));
    assert!(reply.text().contains("10000"), "{}", reply.text());
}

/// A reply to a request that must be refused, and the expected status, code and part of the message.
struct Case {
    what: &'static str,
    reply: Reply,
    status: u16,
    code: &'static str,
    message: &'static str,
}

#[test]
fn every_error_has_its_status_code_and_reason() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let template = service.template(&jpeg);
    let form = |name: &str, content: &[u8]| Form::new().template("bio_feature", &template).template(name, content);
    let verify = |sample: Form| service.form(VERIFY, &sample.template("bio_template", &template));
    let extract = |picture: &[u8]| service.post(EXTRACT, "image/jpeg", picture);
    let multipart = Form::new().picture("sample", &jpeg);
    let mut damaged = template.clone();
    damaged[40] ^= 1;
    let encoded = [("Content-Type", "image/jpeg"), ("Content-Transfer-Encoding", "base64")];
    let detect = "/v1/face/liveness/detect";
    let case = |what, reply, status, code, message| Case { what, reply, status, code, message };
    let cases = [
        case("unknown path", service.get("/v1/face/pattern/nothing"), 404, "BPE-002006", "Invalid request: "),
        case("unknown liveness path", service.get("/v1/face/liveness/nothing"), 404, "LDE-002006", "Invalid request: "),
        case("wrong verb", service.get(EXTRACT), 400, "BPE-002002", "Invalid HTTP request method: "),
        case("wrong verb", service.post("/version", "text/plain", b""), 400, "BPE-002002", "GET"),
        case("wrong verb", service.get(detect), 400, "LDE-002002", "Invalid HTTP request method: "),
        case(
            "extract multipart",
            service.form(EXTRACT, &multipart),
            400,
            "BPE-002001",
            "Invalid Content-Type of HTTP request: ",
        ),
        case("compare jpeg", service.post(COMPARE, "image/jpeg", &jpeg), 400, "BPE-002001", "multipart/form-data"),
        case("no type", service.send("POST", EXTRACT, &[], &jpeg), 400, "BPE-002001", "image/jpeg or image/png"),
        case("no type", service.send("POST", COMPARE, &[], b"x"), 400, "BPE-002001", "multipart/form-data"),
        case("no boundary", service.post(COMPARE, "multipart/form-data", b"x"), 400, "BPE-002001", "boundary"),
        case("octets", service.post(EXTRACT, "application/octet-stream", &jpeg), 400, "BPE-002001", "image/jpeg"),
        case("detect text", service.post(detect, "text/plain", b"x"), 400, "LDE-002001", "Invalid Content-Type"),
        case("empty body", extract(b""), 400, "BPE-002003", "Failed to read the biometric sample: it is empty"),
        case("no picture", extract(b"hello"), 400, "BPE-002003", "neither a JPEG nor a PNG"),
        case("a GIF", extract(b"GIF89a...."), 400, "BPE-002003", "GIF"),
        case("cut off", extract(&jpeg[..jpeg.len() / 2]), 400, "BPE-002003", "ends inside a scan"),
        case("cut off early", extract(&jpeg[..100]), 400, "BPE-002003", "ends inside its header"),
        case("cut off PNG", extract(&picture("nobody.png")[..300]), 400, "BPE-002003", "damaged"),
        case("bad base64", service.send("POST", EXTRACT, &encoded, &jpeg), 400, "BPE-002003", "base64"),
        case("missing sample", verify(Form::new()), 400, "BPE-002003", "sample is missing"),
        case("two samples", verify(multipart.clone().picture("sample", &jpeg)), 400, "BPE-002003", "2 times"),
        case(
            "empty template",
            service.form(COMPARE, &form("bio_template", b"")),
            400,
            "BPE-002004",
            "bio_template: it is empty",
        ),
        case("zeros", service.form(COMPARE, &form("bio_template", &[0; 148])), 400, "BPE-002004", "no template"),
        case("garbage", service.form(COMPARE, &form("bio_template", b"garbage")), 400, "BPE-002004", "no template"),
        case(
            "cut off template",
            service.form(COMPARE, &form("bio_template", &template[..100])),
            400,
            "BPE-002004",
            "cut off",
        ),
        case("damaged template", service.form(COMPARE, &form("bio_template", &damaged)), 400, "BPE-002004", "checksum"),
        case(
            "a picture as template",
            service.form(COMPARE, &form("bio_template", &jpeg)),
            400,
            "BPE-002004",
            "no template",
        ),
        case(
            "missing template",
            service.form(COMPARE, &form("other", &template)),
            400,
            "BPE-002004",
            "bio_template is missing",
        ),
        case("empty form", service.post(COMPARE, &Form::new().content_type(), b""), 400, "BPE-002004", "empty"),
        case("empty form", service.post(VERIFY, &Form::new().content_type(), b""), 400, "BPE-002003", "empty"),
        case(
            "open form",
            service.post(COMPARE, "multipart/form-data; boundary=x", b"--x\r\n\r\nab"),
            400,
            "BPE-002004",
            "closing boundary",
        ),
        case(
            "octets as sample",
            verify(Form::new().template("sample", &jpeg)),
            400,
            "BPE-002005",
            "sample must be image/jpeg",
        ),
        case(
            "text as sample",
            verify(Form::new().file("sample", "text/plain", &jpeg)),
            400,
            "BPE-002005",
            "sample must be",
        ),
        case(
            "a template typed as a picture",
            service.form(COMPARE, &Form::new().picture("bio_feature", &template).template("bio_template", &template)),
            400,
            "BPE-002005",
            "bio_feature must be application/octet-stream",
        ),
        case("nobody", extract(&picture("nobody.png")), 400, "BPE-003002", "The biometric sample is missing face: "),
        case(
            "two people",
            extract(&picture("both.jpg")),
            400,
            "BPE-003003",
            "More than one person is present on the biometric sample: ",
        ),
    ];
    for c in &cases {
        let text = c.reply.text();
        assert_eq!((c.reply.status, &*c.reply.code()), (c.status, c.code), "{}: {text}", c.what);
        assert!(text.contains(c.message), "{}: {text}", c.what);
        let allow = c.reply.header("Allow").is_some();
        assert_eq!(allow, c.code.ends_with("2002"), "{}: Allow", c.what);
    }
}

#[test]
fn checks_come_in_the_contracts_order() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    for (what, reply, code) in [
        ("path before method", service.send("DELETE", "/nothing", &[], b""), "BPE-002006"),
        ("method before type", service.send("PUT", EXTRACT, &[], b""), "BPE-002002"),
        ("type before parts", service.post(COMPARE, "image/png", b""), "BPE-002001"),
        ("part types before parts", service.form(VERIFY, &Form::new().file("sample", "text/plain", b"")), "BPE-002005"),
        (
            "decoding of any part before faces",
            service.form(
                EXTRACT_AND_COMPARE,
                &Form::new().picture("sample_1", &picture("nobody.png")).picture("sample_2", b"x"),
            ),
            "BPE-002003",
        ),
        (
            "templates before faces",
            service.form(VERIFY, &Form::new().picture("sample", &picture("nobody.png")).template("bio_template", b"x")),
            "BPE-002004",
        ),
        (
            "a bad one of many is named",
            service.form(
                EXTRACT_AND_COMPARE_N,
                &Form::new().picture("sample_1", &jpeg).named("samples_n", "third.png", &picture("nobody.png")),
            ),
            "BPE-003002",
        ),
    ] {
        assert_eq!(reply.code(), code, "{what}: {}", reply.text());
        if what.ends_with("named") {
            assert!(reply.text().contains("third.png"), "{}", reply.text());
        }
    }
}

/// A list may be empty, but a misspelled name must not get the reply to an empty list.
#[test]
fn misspelled_part_names_are_named_in_the_error() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let template = service.template(&jpeg);
    let (compare, sample) = (Form::new().template("template_1", &template), Form::new().picture("sample_1", &jpeg));
    for (path, form, code, missing, sent, known) in [
        (
            COMPARE_N,
            compare.clone().template("templates_n[]", &template),
            "BPE-002004",
            "templates_n",
            "templates_n[]",
            "template_1, templates_n",
        ),
        (
            VERIFY_N,
            sample.clone().template("templates", &template),
            "BPE-002004",
            "templates_n",
            "templates",
            "sample_1, templates_n",
        ),
        (
            EXTRACT_AND_COMPARE_N,
            sample.clone().picture("samples_n[0]", &jpeg),
            "BPE-002003",
            "samples_n",
            "samples_n[0]",
            "sample_1, samples_n",
        ),
        (
            COMPARE,
            Form::new().template("bio_feature", &template).template("template", &template),
            "BPE-002004",
            "bio_template",
            "template",
            "bio_feature, bio_template",
        ),
    ] {
        let reply = service.form(path, &form);
        assert_eq!((reply.status, &*reply.code()), (400, code), "{path}: {}", reply.text());
        let message = format!("the part {missing} is missing; '{sent}' was sent, and this method takes {known}");
        assert!(reply.text().contains(&message), "{path}: {}", reply.text());
    }
    // Additional parts are ignored.
    let form = compare.template("templates_n", &template).template("templates_n[]", &template);
    assert_eq!(service.form(COMPARE_N, &form).json()["results"].as_array().unwrap().len(), 1);
}

/// Clients that send base64 often label it as text.
#[test]
fn base64_may_be_labeled_as_text() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let template = service.template(&jpeg);
    let form = Form::new().file("sample", "text/plain", base64(&jpeg).as_bytes()).file(
        "bio_template",
        "Text/Plain; charset=utf-8",
        base64(&template).as_bytes(),
    );
    let headers = [("Content-Type", &*form.content_type()), ("Content-Transfer-Encoding", "base64")];
    let reply = service.send("POST", VERIFY, &headers, &form.body());
    assert_eq!((reply.status, reply.score()), (200, 1.0), "{}", reply.text());
    let head = "Content-Disposition: form-data; name=\"sample\"\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64";
    let own = Form::new().part(head, base64(&jpeg).as_bytes()).template("bio_template", &template);
    assert_eq!(service.form(VERIFY, &own).status, 200);
    // Without base64, a part that is labeled as text is refused.
    let reply = service.form(VERIFY, &form);
    assert_eq!((reply.status, &*reply.code()), (400, "BPE-002005"), "{}", reply.text());
    let html = Form::new().file("sample", "text/html", base64(&jpeg).as_bytes()).template("bio_template", &template);
    let headers = [("Content-Type", &*html.content_type()), ("Content-Transfer-Encoding", "base64")];
    assert_eq!(service.send("POST", VERIFY, &headers, &html.body()).code(), "BPE-002005");
}

/// The encoding is named: else a compressed picture would be "neither a JPEG nor a PNG".
#[test]
fn a_body_in_a_content_encoding_is_415() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let send = |path: &str, content_type: &str, coding: &str| {
        service.send("POST", path, &[("Content-Type", content_type), ("content-encoding", coding)], &jpeg)
    };
    for coding in ["gzip", "GZIP", "deflate", "br", "identity, gzip"] {
        for (path, code) in [(EXTRACT, "BPE-002006"), ("/v1/face/liveness/detect", "LDE-002006")] {
            let reply = send(path, "image/jpeg", coding);
            assert_eq!((reply.status, &*reply.code()), (415, code), "{coding}: {}", reply.text());
            assert!(reply.text().contains(&format!("Content-Encoding is '{coding}'")), "{}", reply.text());
            assert_eq!(reply.header("Accept-Encoding"), Some("identity"));
        }
    }
    // It is checked before the Content-Type.
    assert_eq!(send(COMPARE, "image/jpeg", "gzip").status, 415);
    assert_eq!(send(EXTRACT, "image/jpeg", "identity").status, 200);
    assert_eq!(send(EXTRACT, "image/jpeg", "").status, 200);
    assert_eq!(service.send("GET", "/version", &[("Content-Encoding", "gzip")], b"").status, 200);
}

#[test]
fn numbers_in_messages_agree_with_their_nouns() {
    let service = Service::start(&["--set", "limits.samples=1", "--set", "limits.media=1"]);
    let jpeg = picture("collins.jpg");
    let two = Form::new().picture("sample_1", &jpeg).picture("samples_n", &jpeg).picture("samples_n", &jpeg);
    assert!(service.form(EXTRACT_AND_COMPARE_N, &two).text().contains("more than 1 part samples_n"));
    let two = Form::new().picture("a", &jpeg).picture("b", &jpeg);
    assert!(service.form("/v1/face/liveness/detect", &two).text().contains("more than 1 medium"));
}

/// A portrait with another one pasted beside it, whose face has about `percent` percent of the first one's area.
fn portrait_with(percent: f64) -> Vec<u8> {
    use image::imageops::FilterType::Triangle;
    use image::imageops::overlay;
    let read = |name: &str| image::load_from_memory(&picture(name)).unwrap();
    let mut scene = read("collins.jpg").crop_imm(100, 0, 312, 312).resize_exact(1024, 1024, Triangle);
    // At its own size, the second face has 38 % of the first one's area.
    let scale = (percent / 38.0).sqrt();
    let side = |pixels: f64| (pixels * scale).round() as u32;
    let other = read("hopper.jpg").crop_imm(100, 40, 320, 360).resize_exact(side(320.0), side(360.0), Triangle);
    overlay(&mut scene, &other, 780, 60);
    let mut bytes = std::io::Cursor::new(vec![]);
    scene.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn the_size_of_a_second_person_is_a_setting() {
    let (default, lax) = (Service::start(&[]), Service::start(&["--set", "face.second_person_percent=12"]));
    let (small, large) = (portrait_with(3.4), portrait_with(9.3));
    for (service, picture, is_refused) in
        [(&default, &small, false), (&default, &large, true), (&lax, &small, false), (&lax, &large, false)]
    {
        let extracted = service.post(EXTRACT, "image/png", picture);
        let detected = service.post("/v1/face/liveness/detect", "image/png", picture);
        if is_refused {
            assert_eq!((extracted.status, &*extracted.code()), (400, "BPE-003003"), "{}", extracted.text());
            assert_eq!((detected.status, &*detected.code()), (400, "LDE-002004"), "{}", detected.text());
            assert!(extracted.text().contains("2 people are in the picture"), "{}", extracted.text());
            assert!(detected.text().contains("2 people are in the picture"), "{}", detected.text());
        } else {
            assert_eq!((extracted.status, detected.status), (200, 200), "{} {}", extracted.text(), detected.text());
        }
    }
    // The second face of this picture has 21 % of the first one's area.
    assert_eq!(default.post(EXTRACT, "image/jpeg", &picture("background.jpg")).code(), "BPE-003003");
}

#[test]
fn a_face_of_insufficient_quality_is_3001_with_its_reason() {
    use image::imageops::FilterType::Triangle;
    let service = Service::start(&[]);
    for (bytes, message) in
        [(degraded(|p| p.resize_exact(92, 92, Triangle)), "too small, "), (degraded(|p| p.blur(14.0)), "too blurred")]
    {
        let reply = service.post(EXTRACT, "image/png", &bytes);
        assert_eq!((reply.status, &*reply.code()), (400, "BPE-003001"), "{message}: {}", reply.text());
        assert!(reply.text().contains("Failed to retrieve the biometric template: the face is "), "{}", reply.text());
        assert!(reply.text().contains(message), "{}", reply.text());
    }
}

#[test]
fn every_kind_of_picture_matches_the_same_person() {
    use image::metadata::Orientation;
    use image::{DynamicImage, ImageFormat};
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let template = service.template(&jpeg);
    let upright = image::load_from_memory(&jpeg).unwrap();
    let write = |picture: &DynamicImage, format| {
        let mut bytes = std::io::Cursor::new(vec![]);
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let mut kinds = vec![
        ("progressive JPEG".to_owned(), picture("progressive.jpg")),
        ("CMYK JPEG".into(), picture("cmyk.jpg")),
        ("gray JPEG".into(), write(&upright.to_luma8().into(), ImageFormat::Jpeg)),
        ("8-bit gray PNG".into(), write(&upright.to_luma8().into(), ImageFormat::Png)),
        ("16-bit gray PNG".into(), write(&upright.to_luma16().into(), ImageFormat::Png)),
        ("gray PNG with alpha".into(), write(&upright.to_luma_alpha8().into(), ImageFormat::Png)),
        ("PNG with alpha".into(), write(&upright.to_rgba8().into(), ImageFormat::Png)),
        ("16-bit PNG".into(), write(&upright.to_rgb16().into(), ImageFormat::Png)),
        ("16-bit PNG with alpha".into(), write(&upright.to_rgba16().into(), ImageFormat::Png)),
        ("palette PNG".into(), picture("collins_dim.png")),
    ];
    for value in 1..=8u8 {
        let mut stored = upright.clone();
        // A quarter turn is undone by the opposite one; the other six are their own inverses.
        let inverse = if [6, 8].contains(&value) { 14 - value } else { value };
        stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
        let plain = write(&stored, ImageFormat::Jpeg);
        let tiff = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[value, 0, 0, 0, 0, 0, 0, 0]].concat();
        let segment = [&[0xFF, 0xE1, 0, tiff.len() as u8 + 8][..], b"Exif\0\0", &tiff].concat();
        kinds.push((format!("EXIF orientation {value}"), [&plain[..2], &segment, &plain[2..]].concat()));
    }
    for (kind, bytes) in kinds {
        let reply = service.form(VERIFY, &Form::new().picture("sample", &bytes).template("bio_template", &template));
        let text = reply.text();
        assert_eq!(reply.status, 200, "{kind}: {text}");
        let score = reply.score();
        assert!(score > 0.97, "{kind}: {score}");
    }
}

fn degraded(change: impl Fn(image::DynamicImage) -> image::DynamicImage) -> Vec<u8> {
    let picture = change(image::load_from_memory(&picture("collins.jpg")).unwrap());
    let mut bytes = std::io::Cursor::new(vec![]);
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The bodies are byte for byte as the clients write them.
#[test]
fn bodies_of_common_clients_are_accepted() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let template = service.template(&jpeg);
    let form = |boundary: &str, sample: &str, bio: &str| {
        let form = Form { boundary: boundary.into(), ..Form::new() };
        form.part(sample, &jpeg).part(bio, &template)
    };
    let curl = form(
        "------------------------d74496d66958873e",
        "Content-Disposition: form-data; name=\"sample\"; filename=\"me.jpg\"\r\nContent-Type: image/jpeg",
        "Content-Disposition: form-data; name=\"bio_template\"; filename=\"me.bin\"\r\nContent-Type: application/octet-stream",
    );
    let requests = form(
        "0f1d2a8e1c1a4d0f9f3b1f8c9f2c7b11",
        "Content-Disposition: form-data; name=\"sample\"; filename=\"sample\"",
        "Content-Disposition: form-data; name=\"bio_template\"; filename=\"bio_template\"",
    );
    let browser = form(
        "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "Content-Disposition: form-data; name=\"sample\"; filename=\"blob\"\r\nContent-Type: image/jpeg",
        "Content-Disposition: form-data; name=\"bio_template\"; filename=\"blob\"\r\nContent-Type: application/octet-stream",
    );
    let postman = form(
        "--------------------------415637021450378591220462",
        "Content-Disposition: form-data; name=\"sample\"; filename=\"me.jpg\"\r\nContent-Type: image/jpeg",
        "Content-Disposition: form-data; name=\"bio_template\"; filename=\"me\"\r\nContent-Type: application/octet-stream",
    );
    for (client, form, headers) in [
        ("curl", curl, "User-Agent: curl/8.5.0\r\nAccept: */*\r\nExpect: 100-continue\r\n"),
        (
            "requests",
            requests,
            "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n",
        ),
        (
            "browser",
            browser,
            "Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n",
        ),
        ("Postman", postman, "Postman-Token: 1\r\nCache-Control: no-cache\r\nAccept-Encoding: gzip, deflate, br\r\n"),
    ] {
        let body = form.body();
        let head = format!(
            "POST {VERIFY} HTTP/1.1\r\nHost: localhost:8080\r\n{headers}Content-Length: {}\r\nContent-Type: {}\r\n\r\n",
            body.len(),
            form.content_type()
        );
        let reply = service.raw(&[head.as_bytes(), &body].concat());
        assert_eq!(reply.status, 200, "{client}: {}", reply.text());
        assert!(reply.text().contains("{\"score\":1.0}"), "{client}");
    }
}

#[test]
fn unusual_but_valid_multipart_is_accepted() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let template = service.template(&jpeg);
    let ok = |what: &str, form: &Form, body: &[u8]| {
        let reply = service.post(COMPARE, &form.content_type(), body);
        assert_eq!(comparison(&reply), (1.0, "approved".into()), "{what}");
    };
    let disposition = |name: &str, rest: &str| format!("Content-Disposition: form-data; name=\"{name}\"{rest}");
    let simple =
        Form::new().part(&disposition("bio_feature", ""), &template).part(&disposition("bio_template", ""), &template);
    ok("no filename, no type", &simple, &simple.body());
    let quoted = Form { boundary: "with space:?".into(), quoted: true, ..simple.clone() };
    ok("a quoted boundary", &quoted, &quoted.body());
    let bare = Form { boundary: "x".into(), ..simple.clone() };
    ok("a boundary without hyphens", &bare, &bare.body());
    let reordered = Form::new()
        .part(
            &format!(
                "Content-Type: application/octet-stream; x=1\r\nX-Other: 1\r\n{}",
                disposition("bio_feature", "; filename=a")
            ),
            &template,
        )
        .part(&format!("CONTENT-TYPE:application/octet-stream\r\n{}", disposition("bio_template", "")), &template);
    ok("headers in any order, a filename on one part only", &reordered, &reordered.body());
    let framed = [b"This is a preamble.\r\n", &simple.body()[..], b"epilogue"].concat();
    ok("preamble and epilogue", &simple, &framed);
    let extra = simple.clone().part(&disposition("comment", ""), b"ignored");
    ok("a field that is not used", &extra, &extra.body());

    // A picture with a comment segment full of line ends and of the boundary's first bytes.
    let mut with_comment = jpeg[..2].to_vec();
    let comment = b"\n\r\n------test-boundarx\r\n--\r\n------test-bound\n\n";
    with_comment.extend([&[0xFF, 0xFE, 0, comment.len() as u8 + 2][..], comment, &jpeg[2..]].concat());
    let form = Form::new().picture("sample_1", &with_comment).picture("sample_2", &jpeg);
    assert_eq!(comparison(&service.form(EXTRACT_AND_COMPARE, &form)), (1.0, "approved".into()));
}

#[test]
fn exceeded_limits_are_named_in_the_error() {
    let service = Service::start(&[
        "--set",
        "limits.body_bytes=200000",
        "--set",
        "limits.picture_bytes=60000",
        "--set",
        "limits.picture_pixels=262144",
        "--set",
        "limits.samples=1",
    ]);
    let jpeg = picture("collins.jpg"); // 512x512, below all of them
    assert_eq!(service.post(EXTRACT, "image/jpeg", &jpeg).status, 200);
    let hopper = picture("hopper.jpg");
    let form = Form::new().picture("sample_1", &jpeg).picture("samples_n", &jpeg).picture("samples_n", &jpeg);
    for (what, reply, status, code, message) in [
        ("picture bytes", service.post(EXTRACT, "image/jpeg", &hopper), 400, "BPE-002003", "60000"),
        ("samples", service.form(EXTRACT_AND_COMPARE_N, &form), 400, "BPE-002003", "more than 1"),
        ("body", service.post(EXTRACT, "image/jpeg", &vec![0; 200_001]), 413, "BPE-002003", "200000"),
        ("body", service.post(COMPARE, &form.content_type(), &vec![0; 200_001]), 413, "BPE-002004", "200000"),
        (
            "body",
            service.post("/v1/face/liveness/detect", "image/jpeg", &vec![0; 200_001]),
            413,
            "LDE-002004",
            "200000",
        ),
    ] {
        assert_eq!((reply.status, &*reply.code()), (status, code), "{what}: {}", reply.text());
        assert!(reply.text().contains(message), "{what}: {}", reply.text());
    }
    let wide = image::DynamicImage::new_rgb8(513, 512);
    let mut png = std::io::Cursor::new(vec![]);
    wide.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let reply = service.post(EXTRACT, "image/png", png.get_ref());
    assert_eq!((reply.status, &*reply.code()), (400, "BPE-002003"), "{}", reply.text());
    assert!(reply.text().contains("513x512 pixels are over the limit of 262144"), "{}", reply.text());
    let chunked = [
        format!("POST {EXTRACT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", 200_001).into_bytes(),
        vec![0; 200_001],
        b"\r\n0\r\n\r\n".to_vec(),
    ];
    assert_eq!(service.raw(&chunked.concat()).status, 413);
}

#[test]
fn an_absurd_content_length_is_refused_and_harms_nothing_else() {
    let mut service = Service::start(&[]);
    for claim in ["9223372036854775807", "1000000000000", "200000000000"] {
        let head = format!(
            "POST {EXTRACT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {claim}\r\n\r\n"
        );
        assert_eq!(service.raw(head.as_bytes()).status, 413);
        assert!(service.is_running());
    }
    assert_eq!(service.get("/version").status, 200);
    assert!(service.memory_mib() < 300);
}

#[test]
fn expect_100_continue_is_answered_and_upgrade_requests_are_served_as_http_1_1() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let mut stream = service.connect();
    let head = |more: &str| {
        let length = jpeg.len();
        format!(
            "POST {EXTRACT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n{more}Content-Length: {length}\r\n\r\n"
        )
    };
    stream.write_all(head("Expect: 100-continue\r\n").as_bytes()).unwrap();
    let mut interim = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100");
    stream.write_all(&jpeg).unwrap();
    let mut reader = BufReader::new(stream);
    std::io::BufRead::read_line(&mut reader, &mut String::new()).unwrap();
    std::io::BufRead::read_line(&mut reader, &mut String::new()).unwrap();
    let mut line = String::new();
    while !line.starts_with("HTTP/1.1 ") {
        line.clear();
        std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    }
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");

    // Java's client asks for HTTP/2 like this and continues in HTTP/1.1 if the server does not switch.
    let upgrade = head("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n");
    assert_eq!(service.raw(&[upgrade.as_bytes(), &jpeg].concat()).status, 200);
    let refused = upgrade.replace("image/jpeg", "text/plain");
    assert_eq!(service.raw(&[refused.as_bytes(), &jpeg].concat()).code(), "BPE-002001");
    let no_picture = vec![b'x'; jpeg.len()];
    assert_eq!(service.raw(&[upgrade.as_bytes(), &no_picture].concat()).code(), "BPE-002003");
}

#[test]
fn connections_persist_and_replies_keep_the_order_of_requests() {
    let service = Service::start(&[]);
    let mut stream = service.connect();
    let jpeg = picture("collins.jpg");
    for (id, wanted) in [("a-1", "a-1"), ("b-2", "b-2")] {
        let head = [("Content-Type", "image/jpeg"), ("X-Request-ID", id)];
        stream.write_all(&request("POST", EXTRACT, &head, &jpeg)).unwrap();
        let reply = Reply::read(&mut BufReader::new(stream.try_clone().unwrap()));
        assert_eq!((reply.status, reply.header("X-Request-ID")), (200, Some(wanted)));
    }
    let pipelined = [request("GET", "/version", &[], b""), request("GET", "/nothing", &[], b"")].concat();
    stream.write_all(&pipelined).unwrap();
    let mut reader = BufReader::new(stream);
    assert_eq!([Reply::read(&mut reader).status, Reply::read(&mut reader).status], [200, 404]);
    let generated = service.get("/version");
    assert_eq!(generated.header("X-Request-ID").unwrap().len(), 16);
    let invalid = service.send("GET", "/version", &[("X-Request-ID", "a b")], b"");
    assert_eq!(invalid.header("X-Request-ID").unwrap().len(), 16);
}

#[test]
fn sigterm_stops_the_service_and_closes_its_port() {
    let service = Service::start(&[]);
    let address = service.address.clone();
    assert_eq!(service.get("/version").status, 200);
    assert_eq!(service.stop(), Some(0));
    assert!(std::net::TcpStream::connect(address).is_err());
}

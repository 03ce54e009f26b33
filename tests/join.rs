//! Tests joining templates of several pictures of one person, over a socket.

use crate::support::{Form, Reply, Service, base64, picture};

const JOIN: &str = "/v1/face/pattern/join";

/// Collins unchanged, mirrored and darkened, and cut out and brightened; and Hopper.
fn templates(service: &Service) -> [Vec<u8>; 4] {
    let portrait = image::load_from_memory(&picture("collins.jpg")).unwrap();
    let mut bright = std::io::Cursor::new(vec![]);
    portrait.crop_imm(60, 10, 360, 340).brighten(25).write_to(&mut bright, image::ImageFormat::Png).unwrap();
    [picture("collins.jpg"), picture("collins_dim.png"), bright.into_inner(), picture("hopper.jpg")]
        .map(|bytes| service.template(&bytes))
}

/// Parts without file names.
fn form(templates: &[&[u8]]) -> Form {
    let head = "Content-Disposition: form-data; name=\"templates_n\"\r\nContent-Type: application/octet-stream";
    templates.iter().fold(Form::new(), |form, template| form.part(head, template))
}

fn decision(service: &Service, a: &[u8], b: &[u8]) -> String {
    let form = Form::new().template("bio_feature", a).template("bio_template", b);
    service.form("/v1/face/pattern/compare", &form).json()["decision"].as_str().unwrap().to_owned()
}

fn assert_refused(reply: &Reply, message: &str) {
    assert_eq!((reply.status, &*reply.code()), (400, "BPE-002004"), "{message}: {}", reply.text());
    assert!(reply.text().contains(message), "{message}: {}", reply.text());
}

#[test]
fn templates_of_one_person_are_joined_into_one() {
    let service = Service::start(&["--workers", "1"]);
    let [plain, dim, bright, hopper] = templates(&service);
    let reply = service.form(JOIN, &form(&[&plain, &dim, &bright]));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("application/octet-stream"));
    let joined = reply.body;
    assert_eq!((joined.len(), &joined[..5], &joined[10..12]), (148, &b"FPLT\x02"[..], &[3, 0][..]));
    assert_eq!((plain[4], plain[10]), (1, 0), "a template of one sample keeps version 1");
    assert_eq!(service.form(JOIN, &form(&[&bright, &plain, &dim])).body, joined);
    for one in [&plain, &dim, &bright] {
        assert_eq!(decision(&service, &joined, one), "approved");
    }
    assert_eq!(decision(&service, &joined, &hopper), "declined");
    // The result is a template like any other: it can be verified, listed among many, and joined again.
    let verify = Form::new().picture("sample", &picture("collins.jpg")).template("bio_template", &joined);
    assert!(service.form("/v1/face/pattern/verify", &verify).score() > 0.97);
    let many = Form::new().template("template_1", &plain).named("templates_n", "a", &joined);
    assert_eq!(service.form("/v1/face/pattern/compare_n", &many).json()["results"][0]["decision"], "approved");
    let two = service.form(JOIN, &form(&[&plain, &dim])).body;
    assert_eq!(service.form(JOIN, &form(&[&two, &bright])).body[10], 3);
    assert!(service.get("/metrics").text().contains(&format!("path=\"{JOIN}\",code=\"200\"}} 4")));
}

#[test]
fn base64_requests_get_base64_replies() {
    let service = Service::start(&["--workers", "1"]);
    let [plain, dim, ..] = templates(&service);
    let joined = service.form(JOIN, &form(&[&plain, &dim])).body;
    let [a, b] = [&plain, &dim].map(|template| base64(template));
    let whole = form(&[a.as_bytes(), b.as_bytes()]);
    let headers = [("Content-Type", &*whole.content_type()), ("Content-Transfer-Encoding", "base64")];
    let head = "Content-Disposition: form-data; name=\"templates_n\"\r\nContent-Transfer-Encoding: base64";
    let one_part = form(&[&plain]).part(head, b.as_bytes());
    for reply in [service.send("POST", JOIN, &headers, &whole.body()), service.form(JOIN, &one_part)] {
        assert_eq!((reply.status, reply.text()), (200, base64(&joined)));
        assert_eq!(reply.header("Content-Transfer-Encoding"), Some("base64"));
    }
}

#[test]
fn templates_that_cannot_be_joined_are_refused_and_named() {
    let service = Service::start(&["--workers", "1"]);
    let [plain, dim, bright, hopper] = templates(&service);
    let different_people = form(&[&plain, &dim, &hopper]);
    let named = form(&[&dim]).named("templates_n", "ann.bin", &plain).named("templates_n", "bob.bin", &hopper);
    let same_names = Form::new().template("templates_n", &plain).template("templates_n", &hopper);
    let mut damaged = dim.clone();
    damaged[40] ^= 1;
    let mut later = dim.clone();
    later[4] = 3;
    for (form, message) in [
        (different_people.clone(), "templates_n: 0 and 2 are of different people"),
        (named, "templates_n: 0 and bob.bin are of different people"),
        (same_names, "templates_n: 0 and 1 are of different people"),
        (form(&[&plain, &dim, &plain]), "templates_n: 0 and 2 are the same template"),
        (form(&[&plain, &damaged]), "1: its checksum is wrong"),
        (form(&[&plain, &later]), "1: its format is version 3, this service reads versions 1 and 2"),
        (form(&[&plain]), "templates_n: 1 template can't be joined"),
        (form(&[&plain[..]; 17]), "templates_n: 17 templates can't be joined; it takes 2 to 16"),
        (Form::new().template("templates_n[]", &plain), "the part templates_n is missing; 'templates_n[]' was sent"),
    ] {
        assert_refused(&service.form(JOIN, &form), message);
    }
    // The reply names only the pair: a score would reveal something of templates that may have been sealed.
    let message = "Failed to read the biometric template: templates_n: 0 and 2 are of different people";
    assert_eq!(service.form(JOIN, &different_people).json()["message"], message);
    assert_eq!(service.post(JOIN, "image/jpeg", &picture("collins.jpg")).code(), "BPE-002001");
    assert_eq!(service.form(JOIN, &Form::new().picture("templates_n", &plain)).code(), "BPE-002005");
    assert_eq!(service.get(JOIN).header("Allow"), Some("POST"));
    drop(service);
    // The threshold for different people is a setting, as for decisions.
    let service = Service::start(&[
        "--set",
        "decision.approved=1.0",
        "--set",
        "decision.operator_required=1.0",
        "--workers",
        "1",
    ]);
    assert_refused(&service.form(JOIN, &form(&[&plain, &bright])), "0 and 1 are of different people");
}

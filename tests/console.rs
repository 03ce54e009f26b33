//! Tests what a browser needs: the pages of the console, sessions, and tokens that are made while the service runs.

use std::io::{Read, Write};
use std::net::Shutdown;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::access::{reload, token, until};
use crate::support::{Folder, Reply, Service, binary, command, request};

/// What a page of the service itself says of itself to a service that is called localhost.
const OWN: (&str, &str) = ("Origin", "http://localhost");

const SERVER: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[inference]\nworkers = 1\n\
                      [camera]\ndevice = \"file:tests/pictures/collins.jpg\"\n";

/// A service whose settings are `SERVER` and these lines.
fn start(folder: &Folder, lines: &str) -> Service {
    let settings = folder.write("faceplate.toml", &format!("{SERVER}{lines}"));
    Service::spawn_command(binary().args(["serve", "--settings", &settings]))
}

/// The header `Cookie` for the session that a token is exchanged for.
fn sign_in(service: &Service, token: &str) -> String {
    let reply = service.send("POST", "/v1/session", &[("Authorization", token), OWN], b"");
    assert_eq!((reply.status, &reply.json()["session"]), (200, &json!(true)), "{}", reply.text());
    let cookie = reply.header("Set-Cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

fn with_cookie(service: &Service, method: &str, path: &str, cookie: &str, more: &[(&str, &str)]) -> Reply {
    service.send(method, path, &[&[("Cookie", cookie)], more].concat(), b"")
}

fn create(service: &Service, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    service.send("POST", "/v1/tokens", &headers, body.to_string().as_bytes())
}

fn refused(reply: &Reply) -> (u16, String) {
    (reply.status, reply.code())
}

/// The whole reply to a request after which nothing more comes, as text.
fn whole(service: &Service, method: &str, path: &str) -> String {
    let mut stream = service.connect();
    stream.write_all(&request(method, path, &[], b"")).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn pages_say_what_they_may_do_and_are_sent_once() {
    let service = Service::start(&["--workers", "1", "--set", "camera.device=off"]);
    for path in ["/", "/kiosk", "/docs", "/docs/ref/api.html", "/console/app.js", "/console/style.css"] {
        let plain = service.get(path);
        assert_eq!((plain.status, plain.header("Content-Encoding")), (200, None), "{path}");
        assert_eq!(plain.header("Cache-Control"), Some("no-cache"), "{path}");
        let is_page = plain.header("Content-Type") == Some("text/html; charset=utf-8");
        let policy = plain.header("Content-Security-Policy").unwrap_or_default();
        let rules = ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"];
        let is_strict = rules.iter().all(|rule| policy.contains(rule)) && !policy.contains("unsafe");
        assert_eq!((is_page, is_strict), (!path.starts_with("/console/"), is_page), "{path}: {policy}");
        let packed = service.send("GET", path, &[("Accept-Encoding", "gzip, br")], b"");
        assert_eq!((packed.header("Content-Encoding"), packed.header("Vary")), (Some("gzip"), Some("Accept-Encoding")));
        let mut unpacked = vec![];
        GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.body && !plain.body.is_empty(), "{path}");
        let tag = plain.header("ETag").unwrap();
        let packed_tag = packed.header("ETag").unwrap();
        assert_ne!(packed_tag, tag, "{path}: other bytes, another tag");
        let known = service.send("GET", path, &[("Accept-Encoding", "gzip"), ("If-None-Match", packed_tag)], b"");
        assert_eq!(known.status, 304, "{path}");
        let known = service.send("GET", path, &[("If-None-Match", tag)], b"");
        assert_eq!((known.status, known.body.len(), known.header("ETag")), (304, 0, Some(tag)), "{path}");
        let head = whole(&service, "HEAD", path);
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n") && head.contains(tag), "{head}");
        assert_eq!(service.post(path, "text/plain", b"").header("Allow"), Some("GET, HEAD"), "{path}");
    }
    assert_eq!(refused(&service.get("/console/")), (404, "BPE-002006".into()));
    assert_eq!(service.get("/?a=b#c").status, 200, "what is behind a page's path does not matter");
    // Anybody may lead here by a link, but to nothing else, and not by a name of another's.
    let from_elsewhere = [("Sec-Fetch-Site", "cross-site"), ("Referer", "https://evil.example/")];
    assert_eq!(service.send("GET", "/", &from_elsewhere, b"").status, 200);
    for path in ["/v1/camera", "/v1/session", "/v1/tokens"] {
        assert_eq!(refused(&service.send("GET", path, &from_elsewhere, b"")), (403, "BPE-002006".into()), "{path}");
    }
    assert_eq!(service.raw(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 421);
    // Where no token is needed, there is nothing to exchange.
    let open = service.get("/v1/session").json();
    assert_eq!((&open["guarded"], &open["session"]), (&json!(false), &json!(false)));
    assert_eq!(open["scopes"].as_array().unwrap().len(), 11);
    let begun = service.send("POST", "/v1/session", &[], b"");
    assert_eq!((begun.json(), begun.header("Set-Cookie")), (open, None));
}

#[test]
fn a_token_is_exchanged_for_a_session_that_ends_with_it() {
    let folder = Folder::new("sessions");
    let ((desk, desk_lines), (other, other_lines)) =
        (token("desk", &["camera", "metrics"]), token("other", &["pattern"]));
    let service = start(&folder, &format!("{desk_lines}{other_lines}"));
    let nothing = json!({"guarded": true, "session": false, "scopes": [], "device": null, "has": null});
    assert_eq!(service.get("/v1/session").json(), nothing);
    assert_eq!(refused(&service.send("POST", "/v1/session", &[OWN], b"")), (401, "BPE-005001".into()));
    assert_eq!(service.send("POST", "/v1/session", &[("Authorization", "Bearer guess"), OWN], b"").status, 401);
    let cookie = sign_in(&service, &desk);
    let secret = cookie.strip_prefix("faceplate_session=").unwrap();
    let told = with_cookie(&service, "GET", "/v1/session", &cookie, &[]).json();
    assert_eq!((&told["session"], &told["scopes"]), (&json!(true), &json!(["camera", "metrics"])));
    assert_eq!(told["has"], json!({"people": false, "door": false, "light": false, "tokens": false}));
    assert!(told["device"].is_string(), "{told}");
    assert_eq!(with_cookie(&service, "GET", "/v1/camera", &format!("a=b; {cookie}"), &[]).status, 200);
    assert_eq!(with_cookie(&service, "GET", "/metrics", &cookie, &[]).status, 200);
    assert_eq!(refused(&with_cookie(&service, "GET", "/v1/events", &cookie, &[])), (403, "BPE-005002".into()));
    // A token counts before a session, and a session makes no other.
    let both = with_cookie(&service, "GET", "/v1/camera", &cookie, &[("Authorization", &other)]);
    assert_eq!(refused(&both), (403, "BPE-005002".into()));
    let again = with_cookie(&service, "POST", "/v1/session", &cookie, &[OWN]);
    assert_eq!((again.status, &again.json()["session"], again.header("Set-Cookie")), (200, &json!(true), None));
    // A cookie of no session is nobody's, and not a guess that locks out.
    for _ in 0..15 {
        let unknown = with_cookie(&service, "GET", "/v1/camera", &format!("faceplate_session={}", "0".repeat(64)), &[]);
        assert_eq!(refused(&unknown), (401, "BPE-005001".into()));
    }
    // Whoever signs out is out; others are not.
    let second = sign_in(&service, &desk);
    let ended = with_cookie(&service, "DELETE", "/v1/session", &cookie, &[OWN]);
    assert_eq!((ended.status, ended.json()), (200, json!({"ended": true})));
    assert!(ended.header("Set-Cookie").unwrap().starts_with("faceplate_session=; Path=/; Max-Age=0"));
    assert_eq!(with_cookie(&service, "GET", "/v1/camera", &cookie, &[]).status, 401);
    assert_eq!(with_cookie(&service, "DELETE", "/v1/session", &cookie, &[OWN]).json(), json!({"ended": false}));
    // Without its token a session is nobody's, and what it watches ends.
    let mut stream = service.connect();
    stream.write_all(&request("GET", "/v1/camera/stream", &[("Cookie", &second)], b"")).unwrap();
    let mut begin = [0; 2_000];
    stream.read_exact(&mut begin).unwrap();
    assert!(begin.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&begin));
    folder.write("faceplate.toml", &format!("{SERVER}{other_lines}"));
    reload(&service);
    let _ended_or_reset = stream.read_to_end(&mut vec![]);
    assert_eq!(with_cookie(&service, "GET", "/v1/camera", &second, &[]).status, 401);
    assert_eq!(with_cookie(&service, "GET", "/v1/session", &second, &[]).json(), nothing);
    let third = sign_in(&service, &other);
    assert!(!service.log().contains(secret), "no secret is logged");
    // A process that starts knows no sessions.
    assert_eq!(service.stop(), Some(0));
    let service = start(&folder, &other_lines);
    assert_eq!(with_cookie(&service, "GET", "/v1/session", &third, &[]).json(), nothing);
}

#[test]
fn pages_of_the_service_alone_may_use_a_session() {
    let folder = Folder::new("session-pages");
    let (desk, lines) = token("desk", &["camera", "pattern"]);
    let service = start(&folder, &format!("[access]\norigins = [\"http://localhost:3000\"]\n{lines}"));
    let cookie = sign_in(&service, &desk);
    let own_site = ("Sec-Fetch-Site", "same-origin");
    let other_site = (403, "BPE-002006".into());
    for lines in [&[OWN][..], &[own_site], &[("Sec-Fetch-Site", "none")], &[("Referer", "http://localhost/kiosk")], &[]]
    {
        assert_eq!(with_cookie(&service, "GET", "/v1/camera", &cookie, lines).status, 200, "{lines:?}");
    }
    for lines in [
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        // Another program of this machine, and a page that may call with a token of its own.
        [("Origin", "http://localhost:8080")],
        [("Origin", "http://localhost:3000")],
        [("Sec-Fetch-Site", "same-site")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Referer", "https://evil.example/")],
    ] {
        for (method, path) in [("GET", "/v1/camera"), ("POST", "/v1/session")] {
            let reply = with_cookie(&service, method, path, &cookie, &lines);
            assert_eq!(refused(&reply), other_site, "{method} {lines:?}");
        }
        // What is public is answered, and tells and ends nothing.
        let told = with_cookie(&service, "GET", "/v1/session", &cookie, &lines).json();
        assert_eq!((&told["session"], &told["scopes"]), (&json!(false), &json!([])), "{lines:?}");
        let ended = with_cookie(&service, "DELETE", "/v1/session", &cookie, &lines).json();
        assert_eq!(ended, json!({"ended": false}), "{lines:?}");
    }
    // What changes something names its page.
    let post = |more: &[(&str, &str)]| with_cookie(&service, "POST", "/v1/camera/pattern/extract", &cookie, more);
    for lines in [&[][..], &[("Referer", "http://localhost/")]] {
        assert_eq!(refused(&post(lines)), other_site, "{lines:?}");
    }
    assert!(post(&[OWN]).status == 200 && post(&[own_site]).status == 200);
    assert_eq!(with_cookie(&service, "DELETE", "/v1/session", &cookie, &[]).json(), json!({"ended": false}));
    assert_eq!(with_cookie(&service, "DELETE", "/v1/session", &cookie, &[own_site]).json(), json!({"ended": true}));
}

#[test]
fn tokens_are_made_and_revoked_while_the_service_runs() {
    let folder = Folder::new("made");
    let store = folder.0.join("tokens.toml");
    let lines = format!("[access]\nstore = \"{}\"\n", store.display());
    let service = start(&folder, &lines);
    assert_eq!(service.get("/v1/tokens").json(), json!({"tokens": [], "writable": true}));
    assert_eq!(service.get("/v1/session").json()["has"]["tokens"], true);
    for wrong in [
        json!({"name": "", "scopes": ["admin"]}),
        json!({"name": "a\nb", "scopes": ["admin"]}),
        json!({"name": "x".repeat(65), "scopes": ["admin"]}),
        json!({"name": "a", "scopes": []}),
        json!({"name": "a", "scopes": ["root"]}),
        json!({"name": "a", "scopes": ["admin"], "more": 1}),
        json!(["a", ["admin"]]),
    ] {
        assert_eq!(refused(&create(&service, &[], &wrong)), (400, "BPE-002006".into()), "{wrong}");
    }
    assert_eq!(
        refused(&create(&service, &[("Origin", "https://evil.example")], &json!({}))),
        (403, "BPE-002006".into())
    );
    assert!(!store.exists());
    // The first one counts at once.
    let made = create(&service, &[], &json!({"name": "console", "scopes": ["admin", "camera", "admin"]}));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert_eq!((id.len(), &made["scopes"], &made["stored"]), (16, &json!(["camera", "admin"]), &json!(true)));
    let admin = format!("Bearer {secret}");
    let list = |service: &Service| service.send("GET", "/v1/tokens", &[("Authorization", &admin)], b"");
    assert_eq!(service.get("/v1/tokens").status, 401);
    assert_eq!(service.get("/v1/camera").status, 401);
    let listed = json!({"id": id, "name": "console", "scopes": ["camera", "admin"], "stored": true});
    assert_eq!(list(&service).json(), json!({"tokens": [listed], "writable": true}));
    assert!(!list(&service).text().contains(secret));
    let kept = std::fs::read_to_string(&store).unwrap();
    assert!(kept.contains("name = \"console\"") && !kept.contains(secret), "{kept}");
    // Only whoever has the scope makes and sees tokens, in a session as well.
    let by =
        |headers: &[(&str, &str)], name: &str| create(&service, headers, &json!({"name": name, "scopes": ["camera"]}));
    let desk = by(&[("Authorization", &admin)], "desk").json();
    let bearer = format!("Bearer {}", desk["token"].as_str().unwrap());
    assert_eq!(refused(&by(&[("Authorization", &bearer)], "mine")), (403, "BPE-005002".into()));
    assert_eq!(service.send("GET", "/v1/tokens", &[("Authorization", &bearer)], b"").status, 403);
    let cookie = sign_in(&service, &admin);
    assert_eq!(by(&[("Cookie", &cookie), OWN], "third").status, 201);
    assert_eq!(refused(&by(&[("Cookie", &cookie)], "fourth")), (403, "BPE-002006".into()));
    assert_eq!(refused(&by(&[("Authorization", &admin)], "desk")), (409, "BPE-008004".into()));
    // They survive a restart, with those of the settings.
    assert_eq!(service.stop(), Some(0));
    let (monitor, monitor_lines) = token("monitor", &["metrics"]);
    let service = start(&folder, &format!("{lines}{monitor_lines}"));
    assert_eq!(service.send("GET", "/metrics", &[("Authorization", &monitor)], b"").status, 200);
    assert_eq!(service.send("GET", "/v1/camera", &[("Authorization", &bearer)], b"").status, 200);
    let all = list(&service).json()["tokens"].clone();
    let names: Vec<_> = all.as_array().unwrap().iter().map(|one| (&one["name"], &one["stored"])).collect();
    let (yes, no) = (&json!(true), &json!(false));
    let expected = [(&json!("monitor"), no), (&json!("console"), yes), (&json!("desk"), yes), (&json!("third"), yes)];
    assert_eq!(names, expected);
    let (_, listed, _) = command(&["token", "list", "--settings", &folder.0.join("faceplate.toml").to_string_lossy()]);
    assert!(listed.contains("monitor") && listed.contains("console"), "{listed}");
    // Revoking counts at once, and not for those of the settings.
    let revoke = |service: &Service, id: &Value| {
        let path = format!("/v1/tokens/{}", id.as_str().unwrap());
        service.send("DELETE", &path, &[("Authorization", &admin)], b"")
    };
    let cookie = sign_in(&service, &bearer);
    assert_eq!(revoke(&service, &desk["id"]).json(), json!({"id": desk["id"], "revoked": true}));
    assert_eq!(service.send("GET", "/v1/camera", &[("Authorization", &bearer)], b"").status, 401);
    assert_eq!(with_cookie(&service, "GET", "/v1/camera", &cookie, &[]).status, 401);
    assert_eq!(refused(&revoke(&service, &desk["id"])), (404, "BPE-008003".into()));
    assert_eq!(refused(&revoke(&service, &all[0]["id"])), (409, "BPE-008004".into()));
    // The last one stays; a reload keeps what was made.
    folder.write("faceplate.toml", &format!("{SERVER}{lines}"));
    reload(&service);
    until(|| service.send("GET", "/metrics", &[("Authorization", &monitor)], b"").status == 401);
    assert_eq!(revoke(&service, &all[3]["id"]).status, 200);
    assert_eq!(refused(&revoke(&service, &made["id"])), (409, "BPE-008004".into()));
    assert_eq!(list(&service).json()["tokens"].as_array().unwrap().len(), 1);
    // A store that can't be written changes nothing, and one that can't be read starts nothing.
    std::fs::remove_file(&store).unwrap();
    std::fs::create_dir(&store).unwrap();
    let unwritten = create(&service, &[("Authorization", &admin)], &json!({"name": "late", "scopes": ["camera"]}));
    assert_eq!((refused(&unwritten), unwritten.header("Retry-After").is_some()), ((503, "BPE-008002".into()), true));
    assert_eq!(list(&service).json()["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(service.stop(), Some(0));
    let (code, _, told) = command(&["serve", "--settings", &folder.0.join("faceplate.toml").to_string_lossy()]);
    assert!(code == Some(1) && told.contains("access.store"), "{told}");
}

#[test]
fn where_there_is_a_door_the_first_token_is_made_on_the_machine() {
    let folder = Folder::new("first");
    let path = folder.path().to_owned();
    let store = format!("store = \"{path}/tokens.toml\"\n");
    let door = format!("[door]\nrelay = \"simulated\"\n[people]\nstore = \"{path}/people.redb\"\n");
    let want = json!({"name": "console", "scopes": ["admin"]});
    for (lines, code) in [
        (format!("[access]\n{store}{door}"), (403, "BPE-008005".into())),
        (format!("[access]\nopen = true\n{store}"), (403, "BPE-008005".into())),
        (door, (404, "BPE-008001".into())),
    ] {
        let service = start(&folder, &lines);
        assert_eq!(service.get("/v1/session").json()["has"]["tokens"], false, "{lines}");
        assert_eq!(refused(&create(&service, &[], &want)), code, "{lines}");
        assert_eq!(service.send("DELETE", "/v1/tokens/0000000000000000", &[], b"").code(), "BPE-008003");
        assert_eq!(service.stop(), Some(0));
        assert!(!folder.0.join("tokens.toml").exists());
    }
    // With one of the settings, others are made.
    let (admin, accepted) = token("console", &["admin"]);
    let service = start(&folder, &format!("[access]\nopen = true\n{store}{accepted}"));
    let made = create(&service, &[("Authorization", &admin)], &json!({"name": "desk", "scopes": ["people"]}));
    assert_eq!(made.status, 201, "{}", made.text());
}

#[test]
fn a_kiosk_sees_and_opens_nothing() {
    let folder = Folder::new("kiosk");
    let (kiosk, accepted) = token("kiosk", &["kiosk"]);
    let people = format!("{}/people.redb", folder.path());
    let door = format!("[door]\nrelay = \"simulated\"\n[people]\nstore = \"{people}\"\n");
    let service = start(&folder, &format!("{door}{accepted}"));
    let cookie = sign_in(&service, &kiosk);
    for headers in [&[("Authorization", &*kiosk)][..], &[("Cookie", &*cookie), OWN]] {
        for path in ["/v1/door", "/v1/camera", "/v1/camera/challenge", "/v1/camera/frame"] {
            assert_eq!(service.send("GET", path, headers, b"").status, 200, "{path}");
        }
        assert_eq!(service.send("GET", "/v1/door", headers, b"").json()["reason"], Value::Null);
        let mut stream = service.connect();
        stream.write_all(&request("GET", "/v1/camera/stream", headers, b"")).unwrap();
        let mut begin = [0; 16];
        stream.read_exact(&mut begin).unwrap();
        assert!(begin.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&begin));
        for (method, path) in [
            ("POST", "/v1/camera/pattern/extract"),
            ("POST", "/v1/camera/liveness/detect"),
            ("POST", "/v1/camera/identify"),
            ("POST", "/v1/camera/light"),
            ("POST", "/v1/door/open"),
            ("POST", "/v1/door/mode"),
            ("POST", "/v1/door/claim"),
            ("POST", "/v1/face/pattern/extract"),
            ("GET", "/v1/people"),
            ("GET", "/v1/events"),
            ("GET", "/v1/tokens"),
            ("POST", "/v1/tokens"),
            ("GET", "/metrics"),
            ("GET", "/v1/nowhere"),
        ] {
            let (status, code) = refused(&service.send(method, path, headers, b""));
            assert!(status == 403 && code.ends_with("E-005002"), "{path}: {status} {code}");
        }
    }
}

#[test]
fn a_request_that_was_admitted_before_the_tokens_changed_changes_none() {
    let folder = Folder::new("late");
    let service = start(&folder, &format!("[access]\nstore = \"{}\"\n", folder.0.join("tokens.toml").display()));
    let body = json!({"name": "late", "scopes": ["admin"]}).to_string();
    // The head is admitted at once; the body comes when the tokens have changed.
    let begin = |headers: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        let bytes = request("POST", "/v1/tokens", &headers, body.as_bytes());
        let mut stream = service.connect();
        stream.write_all(&bytes[..bytes.len() - body.len()]).unwrap();
        // Answered after the head was read: the gate reads its connections in turn.
        assert!(service.get("/healthz").status == 200);
        stream
    };
    let end = |mut stream: std::net::TcpStream| {
        stream.write_all(body.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    let without = begin(&[]);
    let made = |name: &str, headers: &[(&str, &str)]| {
        create(&service, headers, &json!({"name": name, "scopes": ["admin"]})).json()
    };
    let first = format!("Bearer {}", made("first", &[])["token"].as_str().unwrap());
    assert_eq!(end(without), "401", "it needed none when its head came");
    let second = made("second", &[("Authorization", &first)]);
    let bearer = format!("Bearer {}", second["token"].as_str().unwrap());
    let revoked = begin(&[("Authorization", &bearer)]);
    let path = format!("/v1/tokens/{}", second["id"].as_str().unwrap());
    assert_eq!(service.send("DELETE", &path, &[("Authorization", &first)], b"").status, 200);
    assert_eq!(end(revoked), "401", "its token was revoked meanwhile");
    let names = service.send("GET", "/v1/tokens", &[("Authorization", &first)], b"").json()["tokens"].clone();
    assert_eq!(names.as_array().unwrap().len(), 1, "{names}");
}

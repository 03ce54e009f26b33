//! Tests access: tokens, TLS and client certificates, sealed templates.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Folder, Form, Reply, Service, binary, command, picture, request};

/// A new token, and the lines of the settings for it.
pub(crate) fn token(name: &str, scopes: &[&str]) -> (String, String) {
    let (code, text, stderr) = command(&[&["token", "new", name], scopes].concat());
    assert!(code == Some(0) && !text.contains("Bearer"), "{text}");
    let secret = stderr.split("Bearer ").nth(1).unwrap().lines().next().unwrap().to_owned();
    (format!("Bearer {secret}"), text)
}

fn get_with(service: &Service, path: &str, token: &str) -> Reply {
    service.send("GET", path, &[("Authorization", token)], b"")
}

pub(crate) fn reload(service: &Service) {
    assert!(Command::new("kill").args(["-HUP", &service.pid().to_string()]).status().unwrap().success());
}

/// Waits until `is_so` returns true.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "it was not so within 30 seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_token_permits_its_scopes_and_sighup_reloads_settings() {
    let folder = Folder::new("tokens");
    let ((door, door_lines), (monitor, monitor_lines)) =
        (token("door", &["pattern"]), token("monitor", &["metrics", "camera"]));
    let server = "[server]\nlisten = \"127.0.0.1:0\"\n[inference]\nworkers = 1\n";
    let settings = folder.write("faceplate.toml", &format!("{server}{door_lines}"));
    let service = Service::spawn_command(binary().args(["serve", "--settings", &settings]));
    let extract = |token: &str| {
        let headers = [("Content-Type", "image/jpeg"), ("Authorization", token)];
        service.send("POST", "/v1/face/pattern/extract", &headers, &picture("collins.jpg"))
    };
    for path in ["/healthz", "/readyz", "/version", "/v1/face/pattern/health"] {
        assert_eq!(service.get(path).status, 200, "{path} needs no token");
    }
    let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &picture("collins.jpg"));
    assert_eq!((reply.status, &*reply.code(), reply.header("WWW-Authenticate")), (401, "BPE-005001", Some("Bearer")));
    assert_eq!(
        service.get("/v1/face/liveness/nothing").code(),
        "LDE-005001",
        "without a token it is not revealed which paths exist"
    );
    assert_eq!(extract(&door).status, 200);
    assert_eq!(
        (get_with(&service, "/metrics", &door).status, get_with(&service, "/metrics", &door).code()),
        (403, "BPE-005002".into())
    );
    assert_eq!(get_with(&service, "/metrics", &monitor).status, 401);
    // SIGHUP takes over another token and a stricter decision.
    folder.write("faceplate.toml", &format!("{server}[decision]\napproved = 1.0\n{door_lines}{monitor_lines}"));
    reload(&service);
    until(|| get_with(&service, "/metrics", &monitor).status == 200);
    let form =
        Form::new().picture("sample_1", &picture("collins.jpg")).picture("sample_2", &picture("collins_dim.png"));
    let headers = [("Content-Type", &*form.content_type()), ("Authorization", &door)];
    let reply = service.send("POST", "/v1/face/pattern/extract_and_compare", &headers, &form.body());
    assert_eq!(reply.json()["decision"], "operator_required", "{}", reply.text());
    // Invalid settings change nothing.
    folder.write("faceplate.toml", &format!("{server}[decision]\napproved = 2.0\n{door_lines}"));
    reload(&service);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(get_with(&service, "/metrics", &monitor).status, 200);
    // A peer that guesses tokens is locked out; a client with a valid token is served, though from the same address.
    for _ in 0..10 {
        assert_eq!(extract("Bearer guess").status, 401);
    }
    assert_eq!(extract(&door).status, 200);
    let reply = extract("Bearer guess");
    assert_eq!((reply.status, &*reply.code()), (429, "BPE-005003"));
    assert!(reply.header("Retry-After").unwrap().parse::<u64>().unwrap() <= 61);
    assert_eq!(service.get("/healthz").status, 200);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn an_administrator_sees_what_works_and_the_settings_in_force() {
    let folder = Folder::new("admin");
    let ((admin, admin_lines), (door, door_lines)) = (token("admin", &["admin"]), token("door", &["door", "metrics"]));
    folder.write("people.redb", "this is no store");
    let path = folder.path();
    let fixed = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[people]\nstore = \"{path}/people.redb\"\n[door]\nrelay = \"simulated\"\n[decision]\n"
    );
    let tokens = format!("{admin_lines}{door_lines}");
    let file = folder.write("faceplate.toml", &format!("{fixed}approved = 0.9\n{tokens}"));
    let serve = ["serve", "--settings", &file, "--workers", "1", "--set", "camera.device=off"];
    let service = Service::spawn_command(binary().args(serve).env("FACEPLATE__LIMITS__SAMPLES", "7"));
    for path in ["/v1/doctor", "/v1/settings"] {
        assert_eq!((service.get(path).status, get_with(&service, path, &door).status), (401, 403), "{path}");
        assert_eq!(get_with(&service, &format!("{path}?all=1"), &admin).status, 400, "nothing is ignored");
    }

    let report = get_with(&service, "/v1/doctor", &admin).json();
    let findings = report["findings"].as_array().unwrap();
    let about: Vec<&str> = findings.iter().map(|finding| finding["about"].as_str().unwrap()).collect();
    let all = "models certificate template_keys people events door camera clock memory_controller descriptors";
    assert_eq!(about, all.split(' ').collect::<Vec<_>>());
    let found = |about: &str| findings.iter().find(|finding| finding["about"] == about).unwrap();
    assert_eq!((&found("models")["ok"], &found("camera")["found"]), (&true.into(), &"off".into()));
    assert_eq!((&report["ok"], &found("people")["ok"]), (&false.into(), &false.into()), "{report}");
    // The door's own watch finds that a moment later.
    until(|| get_with(&service, "/v1/doctor", &admin).json()["findings"][5]["found"] == "what does not work: people");

    let setting = |key: &str| {
        let reply = get_with(&service, "/v1/settings", &admin).json();
        let told = reply["settings"].as_array().unwrap();
        let found = told.iter().find(|setting| setting["key"] == key).cloned();
        found.map(|setting| (setting["value"].clone(), setting["origin"].clone()))
    };
    assert_eq!(setting("access.tokens"), None);
    assert_eq!(setting("limits.samples"), Some((7.into(), "FACEPLATE__LIMITS__SAMPLES".into())));
    assert_eq!(setting("camera.device"), Some(("off".into(), "--set".into())));
    assert_eq!(setting("inference.workers"), Some((1.into(), "--workers".into())));
    assert_eq!(setting("tls.certificate"), Some((serde_json::Value::Null, serde_json::Value::Null)));
    assert_eq!(setting("decision.approved"), Some((0.9.into(), format!("{file}:8").into())));
    assert_eq!(setting("door.relay"), Some(("simulated".into(), format!("{file}:6").into())));
    // What needs a restart is told as it is in force.
    let new = fixed.replace("simulated", "none");
    folder.write("faceplate.toml", &format!("{new}\napproved = 0.8\n{tokens}"));
    reload(&service);
    until(|| setting("decision.approved") == Some((0.8.into(), format!("{file}:9").into())));
    assert_eq!(setting("door.relay"), Some(("simulated".into(), format!("{file}:6").into())));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn tokens_are_added_listed_and_revoked_in_a_file() {
    let folder = Folder::new("revoked");
    let file = folder.write("faceplate.toml", "# ours\n[log]\nlevel = \"warn\"\n");
    for (name, scope) in [("door", "pattern"), ("desk", "compare")] {
        let (code, out, stderr) = command(&["token", "new", name, scope, "--write", &file]);
        assert!(code == Some(0) && out.is_empty() && stderr.contains("systemctl reload"), "{stderr}");
    }
    let (code, _, stderr) = command(&["token", "new", "door", "pattern", "--write", &file]);
    assert!(code == Some(1) && stderr.contains("two are called \"door\"; nothing was written"), "{stderr}");
    let listed = || command(&["token", "list", "--settings", &file]).1;
    assert_eq!(listed().split_whitespace().collect::<Vec<_>>(), ["door", "pattern", "desk", "compare"]);
    let (code, _, stderr) = command(&["token", "revoke", "dor", "--write", &file]);
    assert!(code == Some(1) && stderr.contains("there are: door, desk"), "{stderr}");
    assert_eq!(command(&["token", "revoke", "door", "--write", &file]).0, Some(0));
    assert_eq!(listed().split_whitespace().collect::<Vec<_>>(), ["desk", "compare"]);
    let (code, _, stderr) = command(&["token", "revoke", "desk", "--write", &file]);
    assert!(code == Some(1) && stderr.contains("last token"), "{stderr}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("# ours\n[log]\nlevel = \"warn\"\n"));
}

#[test]
fn revoking_a_token_ends_its_streams() {
    let folder = Folder::new("taken");
    let ((viewer, viewer_lines), (door, door_lines)) =
        (token("viewer", &["camera"]), token("door", &["camera", "metrics"]));
    let server = "[server]\nlisten = \"127.0.0.1:0\"\n[inference]\nworkers = 1\n[camera]\ndevice = \"file:tests/pictures/collins.jpg\"\n";
    let settings = folder.write("faceplate.toml", &format!("{server}{viewer_lines}{door_lines}"));
    let service = Service::spawn_command(binary().args(["serve", "--settings", &settings]));
    let watch = |token: &str| {
        let mut stream = service.connect();
        stream.write_all(&request("GET", "/v1/camera/stream", &[("Authorization", token)], b"")).unwrap();
        let mut begin = [0; 2_000];
        stream.read_exact(&mut begin).unwrap();
        assert!(begin.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&begin));
        stream
    };
    let (mut revoked_stream, mut valid_stream) = (watch(&viewer), watch(&door));
    folder.write("faceplate.toml", &format!("{server}{door_lines}"));
    reload(&service);
    let mut all = vec![];
    let _ended_or_reset = revoked_stream.read_to_end(&mut all);
    let mut more = vec![0; 200_000];
    valid_stream.read_exact(&mut more).unwrap();
    assert!(service.metric_with("faceplate_dropped_total{reason=\"reloaded\"}", &door) == 1.0);
    // Settings without tokens, where there were some, would open access to every client: they are refused, and the log says why.
    folder.write("faceplate.toml", server);
    reload(&service);
    until(|| service.log().contains("there are no tokens any more"));
    assert_eq!(service.get("/v1/camera").status, 401);
    folder.write("faceplate.toml", &format!("{server}[access]\nopen = true\n"));
    reload(&service);
    until(|| service.get("/v1/camera").status == 200);
}

#[test]
fn comparing_and_enrolling_need_their_own_scopes() {
    let folder = Folder::new("compare");
    let ((door, door_lines), (desk, desk_lines)) = (token("door", &["pattern"]), token("desk", &["compare"]));
    let server = "[server]\nlisten = \"127.0.0.1:0\"\n[inference]\nworkers = 1\n";
    let settings = folder.write("faceplate.toml", &format!("{server}{door_lines}{desk_lines}"));
    let service = Service::spawn_command(binary().args(["serve", "--settings", &settings]));
    let headers = [("Content-Type", "image/jpeg"), ("Authorization", &*door)];
    let template = service.send("POST", "/v1/face/pattern/extract", &headers, &picture("collins.jpg")).body;
    let form = Form::new().template("bio_feature", &template).template("bio_template", &template);
    let compare = |token: &str| {
        let headers = [("Content-Type", &*form.content_type()), ("Authorization", token)];
        service.send("POST", "/v1/face/pattern/compare", &headers, &form.body())
    };
    assert_eq!((compare(&door).status, compare(&door).code()), (403, "BPE-005002".into()));
    assert_eq!(compare(&desk).json()["score"], 1.0);
    // A client that may enroll may join, and gets no score from it.
    let other = service.send("POST", "/v1/face/pattern/extract", &headers, &picture("collins_dim.png")).body;
    let form = Form::new().template("templates_n", &template).template("templates_n", &other);
    let join = |token: &str| {
        let headers = [("Content-Type", &*form.content_type()), ("Authorization", token)];
        service.send("POST", "/v1/face/pattern/join", &headers, &form.body())
    };
    assert_eq!((join(&desk).status, join(&desk).code()), (403, "BPE-005002".into()));
    assert_eq!((join(&door).status, join(&door).body.len()), (200, 148));
}

#[test]
fn without_tokens_the_service_listens_on_loopback_alone_unless_access_is_open() {
    let (code, _, error) = command(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(code == Some(1) && error.contains("faceplate token new"), "{error}");
    let service = Service::start(&["--workers", "1", "--set", "access.open=true", "--listen", "0.0.0.0:0"]);
    assert_eq!(service.get("/version").status, 200);
}

/// A certificate authority with a certificate for `localhost` and one for a client, as files.
struct Certificates {
    folder: Folder,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let this = Self { folder: Folder::new(name), authority };
        this.folder.write("authority.pem", &this.authority.pem());
        this.issue("server");
        this
    }

    fn path(&self, name: &str) -> String {
        self.folder.0.join(name).to_str().unwrap().to_owned()
    }

    fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.folder.write(&format!("{name}.pem"), &certificate.pem());
        self.folder.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// A connection to `service` that trusts the authority, as the client of that name if there is one.
    fn connect(&self, service: &Service, client: Option<&str>) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("authority.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        StreamOwned::new(connection, service.connect())
    }
}

#[test]
fn tls_encrypts_connections_and_its_certificate_can_be_renewed() {
    let certificates = Certificates::new("tls");
    let settings = [("tls.certificate", "server.pem"), ("tls.key", "server.key")];
    let args: Vec<String> = settings.iter().map(|(key, file)| format!("{key}={}", certificates.path(file))).collect();
    let args: Vec<&str> = ["--workers", "1"].into_iter().chain(args.iter().flat_map(|a| ["--set", a])).collect();
    let service = Service::start(&args);
    let ask = |stream: &mut StreamOwned<ClientConnection, TcpStream>, bytes: &[u8]| {
        stream.write_all(bytes).unwrap();
        Reply::read(&mut BufReader::new(stream))
    };
    let extract =
        request("POST", "/v1/face/pattern/extract", &[("Content-Type", "image/jpeg")], &picture("collins.jpg"));
    let mut stream = certificates.connect(&service, None);
    let template = ask(&mut stream, &extract);
    assert_eq!(template.status, 200, "{}", template.text());
    assert_eq!(ask(&mut stream, &extract).body, template.body, "on the same connection");
    let first = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    // A request without TLS gets a reply that explains the error, and is not accepted.
    for method in ["GET", "POST"] {
        let mut stream = service.connect();
        stream.write_all(format!("{method} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
        let reply = Reply::read(&mut BufReader::new(stream));
        assert_eq!((reply.status, &*reply.code()), (400, "BPE-002006"), "{method}");
        assert!(reply.text().contains("this port speaks HTTPS"), "{}", reply.text());
    }
    // Garbage, a stalled handshake: each ends only its own connection.
    for garbage in [&[0x16, 3, 1, 0xff, 0xff][..], &[0; 5000], b"\x16\x03\x01\x00\x05\x01\x00\x00"] {
        let mut stream = service.connect();
        let _service_may_close_first = stream.write_all(garbage);
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut received = vec![];
        let _ended_or_silent = stream.read_to_end(&mut received);
        assert!(!received.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&received));
    }
    let stalled: Vec<_> = (0..50).map(|_| service.connect()).collect();
    assert_eq!(ask(&mut certificates.connect(&service, None), &extract).body, template.body);
    drop(stalled);
    certificates.issue("server");
    reload(&service);
    until(|| {
        let mut stream = certificates.connect(&service, None);
        ask(&mut stream, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
            && stream.conn.peer_certificates().unwrap()[0] != first
    });
    // A certificate that can't be read is not loaded; the current one stays.
    certificates.folder.write("server.pem", "nonsense");
    reload(&service);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(ask(&mut certificates.connect(&service, None), &extract).body, template.body);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn client_certificates_can_be_required() {
    let (certificates, others) = (Certificates::new("mutual"), Certificates::new("others"));
    certificates.issue("client");
    others.issue("client");
    let settings = [("tls.certificate", "server.pem"), ("tls.key", "server.key"), ("tls.clients", "authority.pem")];
    let args: Vec<String> = settings.iter().map(|(key, file)| format!("{key}={}", certificates.path(file))).collect();
    let args: Vec<&str> = ["--workers", "1"].into_iter().chain(args.iter().flat_map(|a| ["--set", a])).collect();
    let service = Service::start(&args);
    let live = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = certificates.connect(&service, Some("client"));
    stream.write_all(live).unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(&mut stream)).status, 200);
    let mut known = certificates.connect(&service, Some("client"));
    known.write_all(live).unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(&mut known)).status, 200);
    std::fs::copy(others.path("client.pem"), certificates.path("other.pem")).unwrap();
    std::fs::copy(others.path("client.key"), certificates.path("other.key")).unwrap();
    for client in [None, Some("other")] {
        let mut stream = certificates.connect(&service, client);
        let _refused_at_once_or_when_read = stream.write_all(live);
        let mut received = vec![];
        assert!(stream.read_to_end(&mut received).is_err() && received.is_empty(), "{client:?}");
    }
    // Another authority replaces it: a connection authenticated by the old one is closed, though it is idle.
    std::fs::copy(others.path("authority.pem"), certificates.path("authority.pem")).unwrap();
    reload(&service);
    let mut rest = vec![];
    assert!(known.read_to_end(&mut rest).is_err() && rest.is_empty());
}

#[test]
fn nothing_that_identifies_a_person_or_client_is_logged() {
    let settings = ["log.level=debug", "log.format=json"].iter().flat_map(|setting| ["--set", setting]);
    let service = Service::start(&["--workers", "1"].into_iter().chain(settings).collect::<Vec<_>>());
    let secret = "Jane_Doe";
    let form = Form::new().named("sample_1", secret, &picture("collins.jpg")).named(
        "samples_n",
        secret,
        &picture("hopper.jpg"),
    );
    assert_eq!(service.form("/v1/face/pattern/extract_and_compare_n", &form).status, 200);
    for target in
        [format!("/v1/persons/{secret}"), format!("/version?name={secret}"), format!("/v1/camera/frame?{secret}")]
    {
        service.send("GET", &target, &[("Authorization", secret), ("Cookie", secret), ("User-Agent", secret)], b"");
    }
    service.raw(format!("{secret} / HTTP/1.1\r\nHost: {secret}\r\n\r\n").as_bytes());
    service.post("/v1/face/liveness/detect", secret, b"");
    until(|| service.log().matches("\"path\"").count() >= 6);
    let log = service.log();
    assert!(!log.contains(secret) && !log.contains("127.0.0.1"), "{log}");
    let line: serde_json::Value = serde_json::from_str(log.lines().find(|l| l.contains("compare_n")).unwrap()).unwrap();
    assert_eq!((&line["status"], &line["path"]), (&200.into(), &"/v1/face/pattern/extract_and_compare_n".into()));
    assert!(
        line["received"].as_u64().unwrap() > 10_000 && line["ms"].is_u64() && line["id"].as_str().unwrap().len() == 16
    );
}

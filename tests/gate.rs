//! Tests the gate with hostile and odd input. After each test the service is as before: same memory, same threads, same answers.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::support::{Form, Reply, Service, binary, connect_from, is_emulated, picture, request};

/// A service, and its state before the test, with which the one after it is compared.
struct Watched {
    service: Service,
    memory_mib: u64,
    threads: u64,
    template: Vec<u8>,
}

const PROBE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

impl Watched {
    fn new(settings: &[&str]) -> Self {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let args: Vec<&str> = ["--workers", "1"].into_iter().chain(settings).collect();
        let service = Service::start(&args);
        let template = service.template(&picture("collins.jpg"));
        // What the allocator keeps after the first requests is no leak.
        let form = Form::new().picture("sample_1", &picture("both.jpg")).picture("sample_2", &picture("collins.jpg"));
        for _ in 0..10 {
            service.form("/v1/face/pattern/extract_and_compare", &form);
        }
        // The threads that tiny_http starts with end after five seconds of idling.
        std::thread::sleep(Duration::from_secs(6));
        Self { memory_mib: service.memory_mib(), threads: service.threads(), template, service }
    }

    /// The bytes that a connection returns for `bytes`, until it ends or is silent for `silence`.
    fn response(&self, bytes: &[u8], silence: Duration) -> String {
        let mut stream = self.service.connect();
        let _may_be_refused_before_all_is_sent = stream.write_all(bytes);
        stream.set_read_timeout(Some(silence)).unwrap();
        let mut received = vec![];
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            received.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&received).into_owned()
    }

    fn assert_unchanged(self) {
        assert_eq!(self.service.template(&picture("collins.jpg")), self.template);
        let end = Instant::now() + Duration::from_secs(30);
        // Dropped connections are closed within some seconds.
        while self.service.threads() > self.threads && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(self.service.threads(), self.threads);
        let memory_mib = self.service.memory_mib();
        assert!(memory_mib <= self.memory_mib + 10, "{memory_mib} MiB, {} before", self.memory_mib);
        assert_eq!(self.service.stop(), Some(0));
    }
}

/// The statuses in a reply stream.
fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text[at + 9..at + 12].parse().ok()).collect()
}

#[test]
fn ambiguous_requests_are_refused_and_hide_no_second_one() {
    let watched = Watched::new(&[]);
    let hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = |lines: &str, body: &str| {
        format!(
            "POST /v1/face/pattern/extract HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n{lines}\r\n\r\n{body}"
        )
    };
    let chunked = "Transfer-Encoding: chunked";
    for (attack, status) in [
        (post("Content-Length: 9223372036854775807", ""), 413),
        (post("Content-Length: 18446744073709551616", hidden), 400),
        (post("Content-Length: -1", hidden), 400),
        (post("Content-Length: 5x", hidden), 400),
        (post("Content-Length: 0\r\nContent-Length: 40", hidden), 400),
        (post("Content-Length: 0, 0", hidden), 400),
        (post("Content-Length: 5\r\nTransfer-Encoding: identity", &format!("0\r\n\r\n{hidden}")), 400),
        (post(&format!("{chunked}\r\nContent-Length: 4"), &format!("0\r\n\r\n{hidden}")), 400),
        (post("Transfer-Encoding: chunked, identity", hidden), 501),
        (post("Transfer-Encoding: xchunked", hidden), 501),
        (post(chunked, &format!("5\nhello\n0\n\n{hidden}")), 400),
        (post(chunked, &format!("-1\r\n\r\n{hidden}")), 400),
        (post(chunked, &format!("fffffffff\r\n{hidden}")), 400),
        (post(chunked, &format!("1\r\nxx\r\n0\r\n\r\n{hidden}")), 400),
        (post(chunked, &format!("0;{}\r\n\r\n{hidden}", "a".repeat(20_000))), 400),
        (post(chunked, &format!("0\r\nA b\r\n\r\n{hidden}")), 400),
        (post("A: b\r\n folded: c", hidden), 400),
        (post("A: b\nContent-Length: 0", hidden), 400),
        (post("A: \0", hidden), 400),
        (post("Content-Length : 0", hidden), 400),
        (post("Expect: the-best", hidden), 417),
        (format!("GET /healthz HTTP/1.1\r\n\r\n{hidden}"), 400),
        (format!("GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n{hidden}"), 505),
        (format!("GET /healthz\r\n\r\n{hidden}"), 400),
        (format!("\r\n{hidden}"), 400),
        (format!("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03{hidden}"), 400),
    ] {
        let text = watched.response(attack.as_bytes(), Duration::from_secs(20));
        assert_eq!(statuses(&text), [status], "{attack:?}: {text}");
        assert!(text.contains("\r\nConnection: close\r\n") && text.contains("{\"code\":\"BPE-00"), "{text}");
    }
    watched.assert_unchanged();
}

#[test]
fn heads_without_end_are_refused() {
    let watched = Watched::new(&[]);
    for line in ["A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "A: b\r\n"] {
        let mut stream = watched.service.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").unwrap();
        let block = line.repeat(16_384);
        let sent = (0..64).take_while(|_| stream.write_all(block.as_bytes()).is_ok()).count();
        let mut text = String::new();
        let _reset_or_ended = stream.read_to_string(&mut text);
        // Whether the refusal can still be read depends on how much was in transit.
        assert!(text.is_empty() || statuses(&text) == [431], "{text} after {sent} blocks");
        assert!(watched.service.memory_mib() <= watched.memory_mib + 10);
    }
    watched.assert_unchanged();
}

#[test]
fn slow_and_silent_connections_are_closed() {
    let watched = Watched::new(&["limits.head_ms=700", "limits.idle_ms=900", "limits.body_ms=4000"]);
    let begun = Instant::now();
    // A byte now and then of a head, and of a body; nothing after a request; nothing at all.
    let mut head = watched.service.connect();
    head.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nA: ").unwrap();
    let mut body = watched.service.connect();
    body.write_all(&request("POST", "/v1/face/pattern/extract", &[("Content-Type", "image/jpeg")], &[0; 9000])[..400])
        .unwrap();
    let (mut idle, mut silent) = (watched.service.connect(), watched.service.connect());
    idle.write_all(PROBE).unwrap();
    for stream in [&mut head, &mut body] {
        for _ in 0..60 {
            if stream.write_all(b"a").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    for (stream, want) in [(&mut head, &[408][..]), (&mut body, &[408]), (&mut idle, &[200]), (&mut silent, &[])] {
        let mut text = String::new();
        let _reset_or_ended = stream.read_to_string(&mut text);
        assert!(statuses(&text) == want || text.is_empty(), "{text}, wanted {want:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    watched.assert_unchanged();
}

#[test]
fn a_peer_that_does_not_read_its_replies_is_closed() {
    let watched = Watched::new(&[]);
    let mut stream = watched.service.connect();
    let many = b"GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4_000);
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // More than a hundred megabytes of replies are requested and none is read, until the connection is closed for that.
    let end = Instant::now() + Duration::from_secs(60);
    let mut rest = &many[..];
    while !rest.is_empty() && Instant::now() < end {
        match stream.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(_) => break,
        }
    }
    // Two windows of five seconds, and those in which the kernel's buffers still grew.
    std::thread::sleep(Duration::from_secs(25));
    assert!(watched.service.memory_mib() <= watched.memory_mib + 10);
    let mut taken = 0_usize;
    let mut piece = vec![0; 1 << 20];
    let ended = loop {
        match stream.read(&mut piece) {
            Ok(0) => break true,
            Ok(count) => taken += count,
            Err(error) => break error.kind() == ErrorKind::ConnectionReset,
        }
    };
    assert!(ended && taken < 60 << 20, "{taken} bytes were taken");
    watched.assert_unchanged();
}

#[test]
fn a_crowd_of_silent_connections_keeps_no_client_out() {
    let watched = Watched::new(&["limits.connections=300", "limits.connections_per_peer=100"]);
    let service = &watched.service;
    // One peer first, then many; some are silent, some stop within a head.
    let mut crowd = vec![];
    for i in 0..1_000_u32 {
        let address = Ipv4Addr::new(127, 0, if i < 500 { 0 } else { 1 + (i % 50) as u8 }, 2);
        let Ok(mut stream) = connect_from(address, &service.address) else { continue };
        if i % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        }
        crowd.push(stream);
        if i % 100 == 99 {
            assert_eq!(service.get("/healthz").status, 200);
            assert_eq!(service.template(&picture("collins.jpg")), watched.template);
        }
    }
    assert!(crowd.len() > 900, "{}", crowd.len());
    assert!(service.metric("faceplate_connections") <= 301.0);
    drop(crowd);
    watched.assert_unchanged();
}

#[test]
fn a_storm_of_connects_and_resets_leaks_nothing() {
    let watched = Watched::new(&[]);
    let jpeg = request("POST", "/v1/face/pattern/extract", &[("Content-Type", "image/jpeg")], &picture("collins.jpg"));
    for i in 0..2_000 {
        let mut stream = watched.service.connect();
        let part = match i % 4 {
            0 => &b""[..],
            1 => b"GET /hea",
            2 => PROBE,
            _ => &jpeg[..jpeg.len() - 1 + i / 4 % 2],
        };
        let _service_may_be_busy = stream.write_all(part);
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
    watched.assert_unchanged();
}

#[test]
fn the_service_recovers_from_running_out_of_descriptors() {
    let mut shell = Command::new("sh");
    let inner = binary();
    shell.args(["-c", "ulimit -n 96; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    let service = Service::spawn_command(shell.args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"]));
    let template = service.template(&picture("collins.jpg"));
    for _ in 0..3 {
        let crowd: Vec<_> = (0..200).map(|_| service.connect()).collect();
        // Requests are answered during the crowd too: a silent connection is evicted.
        assert_eq!(service.template(&picture("collins.jpg")), template);
        drop(crowd);
    }
    assert!(service.descriptors() < 96);
    assert_eq!(service.template(&picture("collins.jpg")), template);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_half_closed_connection_gets_its_reply() {
    let watched = Watched::new(&[]);
    for path in ["/v1/face/pattern/extract", "/nowhere"] {
        let mut stream = watched.service.connect();
        stream.write_all(&request("POST", path, &[("Content-Type", "image/jpeg")], &picture("collins.jpg"))).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reader = BufReader::new(stream);
        let reply = Reply::read(&mut reader);
        assert!(reply.body == watched.template || reply.status == 404, "{}", reply.text());
        let mut rest = vec![];
        assert_eq!(reader.read_to_end(&mut rest).unwrap(), 0);
    }
    // Closed in the middle of the body.
    let whole = request("POST", "/v1/face/pattern/extract", &[("Content-Type", "image/jpeg")], &[0; 100]);
    let mut stream = watched.service.connect();
    stream.write_all(&whole[..whole.len() - 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(stream)).status, 400);
    watched.assert_unchanged();
}

#[test]
fn inference_for_a_disconnected_client_is_not_finished() {
    let watched = Watched::new(&[]);
    let collins = picture("collins.jpg");
    let many = (0..40)
        .fold(Form::new().picture("sample_1", &collins), |form, i| form.named("samples_n", &format!("{i}"), &collins));
    let whole = request(
        "POST",
        "/v1/face/pattern/extract_and_compare_n",
        &[("Content-Type", &many.content_type())],
        &many.body(),
    );
    let jobs = || watched.service.metric("faceplate_job_seconds_count");
    let before = jobs();
    let mut stream = watched.service.connect();
    stream.write_all(&whole).unwrap();
    while jobs() < before + 2.0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(stream); // an orderly end, as of a client that gave up
    let end = Instant::now() + Duration::from_secs(60);
    while watched.service.metric("faceplate_requests_open") > 1.0 {
        assert!(Instant::now() < end, "its slot is still taken");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    let done = jobs() - before;
    assert!(done < 30.0, "{done} of 41 pictures were processed");
    watched.assert_unchanged();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let service = Service::start(&["--workers", "1"]);
    let extract =
        request("POST", "/v1/face/pattern/extract", &[("Content-Type", "image/jpeg")], &picture("collins.jpg"));
    let mut stream = service.connect();
    let mut all = vec![];
    for _ in 0..3 {
        all.extend_from_slice(&extract);
        all.extend_from_slice(PROBE);
        all.extend_from_slice(&request("POST", "/nowhere", &[], b"some body"));
    }
    stream.write_all(&all).unwrap();
    let mut reader = BufReader::new(stream);
    for _ in 0..3 {
        let statuses = [(); 3].map(|()| Reply::read(&mut reader).status);
        assert_eq!(statuses, [200, 200, 404]);
    }
}

#[test]
fn a_body_may_be_chunked_or_wait_for_100_continue() {
    let service = Service::start(&["--workers", "1"]);
    let jpeg = picture("collins.jpg");
    let head = "POST /v1/face/pattern/extract HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n";
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in jpeg.chunks(1_234) {
        chunked.extend_from_slice(format!("{:x};a=b\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nA: trailer\r\n\r\n");
    let template = service.template(&jpeg);
    assert_eq!(service.raw(&chunked).body, template);

    let mut stream = service.connect();
    stream
        .write_all(format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", jpeg.len()).as_bytes())
        .unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&jpeg).unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(stream)).body, template);
    // A body that would be refused is refused before it is sent.
    let mut stream = service.connect();
    stream
        .write_all(format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", 100 << 20).as_bytes())
        .unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(stream)).status, 413);
}

#[test]
fn requests_without_a_slot_are_refused_at_once_and_probes_always_answered() {
    let service = Service::start(&["--workers", "1", "--set", "server.threads=1", "--set", "limits.held_bytes=100000"]);
    let (collins, form) = (picture("collins.jpg"), Form::new());
    assert!(collins.len() < 100_000);
    let many =
        (0..20).fold(form.picture("sample_1", &collins), |form, i| form.named("samples_n", &format!("{i}"), &collins));
    // Over the byte budget for bodies, whatever other clients send.
    let reply = service.form("/v1/face/pattern/extract_and_compare_n", &many);
    assert_eq!((reply.status, &*reply.code()), (413, "BPE-002003"), "{}", reply.text());
    assert_eq!(service.metric("faceplate_held_bytes"), 0.0);
    drop(service);
    let service = Service::start(&["--workers", "1", "--set", "server.threads=1"]);
    let busy = request(
        "POST",
        "/v1/face/pattern/extract_and_compare_n",
        &[("Content-Type", &many.content_type())],
        &many.body(),
    );
    let mut stream = service.connect();
    stream.write_all(&busy).unwrap();
    while service.metric("faceplate_requests_open") < 2.0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &collins);
    assert_eq!((reply.status, reply.header("Retry-After")), (503, Some("1")), "{}", reply.text());
    assert_eq!((service.get("/healthz").status, service.get("/readyz").status), (200, 200));
    assert!(service.get("/metrics").text().contains("faceplate_refused_total{reason=\"full\"} 1"));
    let reply = Reply::read(&mut BufReader::new(stream));
    assert_eq!(reply.status, 200, "the request that had a slot is answered");
}

#[test]
fn all_addresses_are_listened_on_also_after_the_service_was_killed() {
    let path = std::env::temp_dir().join(format!("faceplate-test-{}-gate", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let listen = format!("[\"127.0.0.1:0\", \"[::1]:0\", \"{unix}\"]");
    let start = || Service::start(&["--workers", "1", "--set", &format!("server.listen={listen}")]);
    let leftovers = || {
        std::fs::read_dir(std::env::temp_dir())
            .unwrap()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("faceplate-0"))
            .count()
    };
    let before = leftovers();
    for _ in 0..2 {
        let service = start();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(PROBE).unwrap();
        assert_eq!(Reply::read(&mut BufReader::new(&stream)).status, 200);
        stream
            .write_all(&request(
                "POST",
                "/v1/face/pattern/extract",
                &[("Content-Type", "image/jpeg")],
                &picture("collins.jpg"),
            ))
            .unwrap();
        drop(service); // SIGKILL, in the middle of a request
        assert!(path.exists());
    }
    assert_eq!(start().stop(), Some(0));
    assert!(!path.exists(), "its socket is removed");
    assert_eq!(leftovers(), before);
}

#[test]
fn requests_in_flight_are_answered_before_the_service_stops() {
    // Slow on purpose, but no slower than an emulator is anyway.
    let slow = ["--workers", "1", "--set", "inference.arithmetic=portable"];
    let service = Service::start(if is_emulated() { &slow[..2] } else { &slow });
    let collins = picture("collins.jpg");
    let many = (0..if is_emulated() { 2 } else { 10 })
        .fold(Form::new().picture("sample_1", &collins), |form, i| form.named("samples_n", &format!("{i}"), &collins));
    let mut idle = service.connect();
    idle.write_all(PROBE).unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(&idle)).status, 200);
    let mut stream = service.connect();
    stream
        .write_all(&request(
            "POST",
            "/v1/face/pattern/extract_and_compare_n",
            &[("Content-Type", &many.content_type())],
            &many.body(),
        ))
        .unwrap();
    while service.metric("faceplate_requests_open") < 2.0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let reading = std::thread::spawn(move || Reply::read(&mut BufReader::new(stream)));
    let begun = Instant::now();
    assert_eq!(service.stop(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(30), "the idle connection must not be waited for");
    let reply = reading.join().unwrap();
    assert_eq!((reply.status, reply.header("Connection")), (200, Some("close")));
}

#[test]
fn pages_of_other_sites_are_refused() {
    let hosts = "access.hosts=[\"door.example.com\"]";
    let service =
        Service::start(&["--workers", "1", "--set", hosts, "--set", "camera.device=file:tests/pictures/collins.jpg"]);
    let ask = |host: &str, lines: &str| {
        service.raw(format!("GET /v1/camera/frame HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n").as_bytes())
    };
    let own = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    for host in ["[::1]:8080", "localhost", "door.example.com:8080", &own, &format!("{own}.local")] {
        assert_eq!(ask(host, "").status, 200, "{host}");
    }
    // A page could resolve its own name to this machine (DNS rebinding).
    for host in ["rebound.example.com", "evil.local", "ai.", "kiosk", "127.1", ""] {
        let reply = ask(host, "");
        assert_eq!((reply.status, &*reply.code()), (421, "BPE-002006"), "{host}");
    }
    // Requests to the machine's own names are told apart by what browsers state about the page.
    assert_eq!(
        ask("127.0.0.1:8080", "Sec-Fetch-Site: same-origin\r\nReferer: http://127.0.0.1:8080/docs\r\n").status,
        200
    );
    for lines in
        ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Referer: https://evil.example/\r\n"]
    {
        let reply = ask("127.0.0.1:8080", lines);
        assert_eq!((reply.status, &*reply.code()), (403, "BPE-002006"), "{lines}");
    }
    let camera = service.get("/v1/camera").json();
    assert_eq!(camera["state"], "on", "{camera}");
    // Replies may not be embedded, cached or sniffed as another type: those of the service and those of the gate.
    for reply in [ask("localhost", ""), ask("evil.local", ""), service.get("/healthz"), service.get("/nowhere")] {
        let header = |name| reply.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("Cross-Origin-Resource-Policy"), "same-origin");
        assert_eq!((header("X-Content-Type-Options"), header("Cache-Control")), ("nosniff".into(), "no-store".into()));
    }
}

#[test]
fn only_configured_origins_may_call_and_read_replies() {
    let origins = "access.origins=[\"https://console.example.com\"]";
    let service = Service::start(&["--workers", "1", "--set", origins]);
    let preflight = |origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Sec-Fetch-Site", "cross-site")];
        service.send("OPTIONS", "/v1/face/pattern/extract", &headers, b"")
    };
    let extract = |origin: &str, body: &[u8]| {
        let headers = [("Content-Type", "image/jpeg"), ("Origin", origin), ("Sec-Fetch-Site", "cross-site")];
        service.send("POST", "/v1/face/pattern/extract", &headers, body)
    };
    let ours = "https://console.example.com";
    let allowed = |reply: &Reply| reply.header("Access-Control-Allow-Origin").map(str::to_owned);
    let reply = preflight(ours);
    assert_eq!((reply.status, allowed(&reply).as_deref()), (200, Some(ours)));
    let lists = |name: &str, word: &str| reply.header(name).unwrap_or_default().split(", ").any(|w| w == word);
    assert!(lists("Access-Control-Allow-Methods", "POST") && lists("Access-Control-Allow-Headers", "Content-Type"));
    assert!(lists("Access-Control-Allow-Headers", "Authorization"));
    // That goes for replies of the service and refusals of the gate.
    let refused = service.raw(
        format!("POST /v1/face/pattern/extract HTTP/1.1\r\nHost: evil.example\r\nOrigin: {ours}\r\nContent-Length: 0\r\n\r\n").as_bytes(),
    );
    for (reply, status) in [(extract(ours, &picture("collins.jpg")), 200), (extract(ours, b"x"), 400), (refused, 421)] {
        assert_eq!((reply.status, allowed(&reply).as_deref()), (status, Some(ours)));
        assert_eq!(reply.header("Vary"), Some("Origin"));
    }
    for other in ["https://evil.example", "http://console.example.com", "null"] {
        for reply in [preflight(other), extract(other, &picture("collins.jpg"))] {
            assert_eq!((reply.status, allowed(&reply)), (403, None), "{other}");
        }
    }
    assert_eq!(allowed(&service.get("/version")), None);
}

#[test]
fn open_access_accepts_any_host_except_for_what_a_page_can_send() {
    let service = Service::start(&["--workers", "1", "--set", "access.open=true", "--set", "camera.device=off"]);
    let ask = |line: &str, lines: &str, body: &[u8]| {
        let head =
            format!("{line} HTTP/1.1\r\nHost: face.example.com\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
        service.raw(&[head.as_bytes(), body].concat()).status
    };
    let (extract, jpeg) = ("POST /v1/face/pattern/extract", "Content-Type: image/jpeg\r\n");
    assert_eq!(ask(extract, jpeg, &picture("collins.jpg")), 200);
    assert_eq!(ask("GET /version", "", b""), 200);
    // A page whose name resolves to this machine could send this: it could show the camera's picture to others.
    assert_eq!(ask("GET /v1/camera/frame", "", b""), 421);
    assert_eq!(ask(extract, &format!("{jpeg}Origin: http://face.example.com\r\n"), &picture("collins.jpg")), 421);
}

#[test]
fn memory_of_an_abandoned_body_is_returned_to_the_system() {
    let service = Service::start(&["--workers", "1", "--set", "limits.held_bytes=100000000"]);
    service.template(&picture("collins.jpg"));
    std::thread::sleep(Duration::from_secs(3));
    let before = service.memory_mib();
    let head = "POST /v1/face/liveness/detect HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 16000000\r\n\r\n";
    let bodies: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(&[head.as_bytes(), &vec![0; 15_000_000]].concat()).unwrap();
            stream
        })
        .collect();
    let until = |is_so: &dyn Fn(u64) -> bool, what| {
        let end = Instant::now() + Duration::from_secs(20);
        while !is_so(service.memory_mib()) {
            assert!(Instant::now() < end, "{what}: {} MiB, {before} MiB before", service.memory_mib());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until(&|mib| mib >= before + 30, "the bodies are buffered");
    // Small blocks after the large ones, which stay allocated.
    let stay: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(b"GET /version HTTP/1.1\r\nHost: loc").unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    drop(bodies);
    until(&|mib| mib <= before + 10, "the memory is returned");
    drop(stay);
}

#[test]
fn a_peer_that_closes_after_its_request_can_read_why_the_body_was_refused() {
    let service = Service::start(&["--workers", "1"]);
    // More than both ends of the connection buffer.
    let body = vec![0; 70 << 20];
    for (version, lines) in [("1.0", ""), ("1.1", "Connection: close\r\n"), ("1.1", "")] {
        let mut stream = service.connect();
        let head = format!(
            "POST /v1/face/pattern/extract HTTP/{version}\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n{lines}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let reply = Reply::read(&mut BufReader::new(&stream));
        assert_eq!((reply.status, &*reply.code()), (413, "BPE-002003"), "HTTP/{version} {lines}");
    }
}

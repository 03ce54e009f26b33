//! Tests the camera's methods over a socket, with files instead of a device. Devices are tested in a virtual machine by cross/camera.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Form, Reply, Service, base64, decoded, is_emulated, picture, request};

const EXTRACT: &str = "/v1/camera/pattern/extract";
const VERIFY: &str = "/v1/camera/pattern/verify";
const VERIFY_N: &str = "/v1/camera/pattern/verify_n";
const DETECT: &str = "/v1/camera/liveness/detect";

/// A folder that the camera reads pictures from, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, usize)]) -> Self {
        let path = std::env::temp_dir().join(format!("faceplate-camera-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let shown = files.iter().flat_map(|(file, times)| std::iter::repeat_n(file, *times));
        for (number, file) in shown.enumerate() {
            std::fs::write(path.join(format!("{number:03}")), picture(file)).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _already_removed = std::fs::remove_dir_all(&self.0);
    }
}

fn pictures(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(file)
}

/// A service whose camera reads from `path`.
fn service(path: &Path, settings: &[&str]) -> Service {
    let device = format!("camera.device=file:{}", path.display());
    // An emulated inference takes seconds.
    let wait = format!("camera.deadline_ms={}", if is_emulated() { 600_000 } else { 20_000 });
    let frames = if is_emulated() { "camera.liveness_frames=8" } else { "camera.liveness_frames=16" };
    let all = [&[&*device, &wait, frames], settings].concat();
    Service::start(&all.iter().flat_map(|s| ["--set", s]).collect::<Vec<_>>())
}

fn post(service: &Service, target: &str) -> Reply {
    service.send("POST", target, &[], b"")
}

fn state(service: &Service) -> Value {
    service.get("/v1/camera").json()
}

fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &*reply.code()), (status, code), "{}", reply.text());
}

/// People queue in front of a camera: a face of 21 % of the subject's area is a bystander there, but not in an uploaded sample.
#[test]
fn the_size_of_a_second_person_has_a_setting_of_its_own_for_the_camera() {
    let queue = pictures("background.jpg");
    let default = service(&queue, &[]);
    assert_eq!(post(&default, EXTRACT).status, 200);
    assert_refused(
        &default.post("/v1/face/pattern/extract", "image/jpeg", &picture("background.jpg")),
        400,
        "BPE-003003",
    );
    let strict = service(&queue, &["camera.second_person_percent=20", "camera.deadline_ms=3000"]);
    assert_refused(&post(&strict, EXTRACT), 400, "BPE-003003");
}

/// A query may ask for a lower threshold than the settings allow, not for a higher one.
#[test]
fn no_query_exceeds_the_highest_threshold() {
    let strict = service(&pictures("collins.jpg"), &["liveness.most_threshold=0"]);
    assert_refused(&post(&strict, &format!("{EXTRACT}?liveness=required&threshold_spoofing=1")), 400, "BPE-004004");
}

#[test]
fn the_camera_gives_the_same_template_as_an_uploaded_picture() {
    let service = service(&pictures("collins.jpg"), &[]);
    assert_eq!(state(&service)["state"], "off");
    let sent = service.template(&picture("collins.jpg"));
    let seen = post(&service, EXTRACT);
    assert_eq!((seen.status, seen.header("Content-Type")), (200, Some("application/octet-stream")), "{}", seen.text());
    assert_eq!(seen.body, sent);
    let timing = seen.header("Server-Timing").unwrap();
    for stage in ["camera", "age", "decode", "detect", "align", "live", "embed", "last", "total"] {
        assert!(timing.contains(&format!("{stage};dur=")), "{timing}");
    }
    let reply = service.send("POST", EXTRACT, &[("Content-Transfer-Encoding", "base64")], b"");
    assert_eq!(reply.text(), base64(&sent));

    let now = state(&service);
    assert_eq!(now["state"], "on", "{now}");
    assert_eq!(now["format"]["format"], "RGB3");
    assert!(now["frames"].as_u64().unwrap() >= 3 && now["fault"].is_null(), "{now}");
}

#[test]
fn one_person_is_approved_and_another_declined() {
    let service = service(&pictures("collins.jpg"), &[]);
    let collins = service.template(&picture("collins_dim.png"));
    let hopper = service.template(&picture("hopper.jpg"));
    let verify = |template: &[u8]| service.form(VERIFY, &Form::new().template("bio_template", template));
    let same = verify(&collins);
    assert_eq!(same.status, 200, "{}", same.text());
    assert!(same.text().contains("name=\"bio_feature\""));
    assert!(same.score() >= 0.85 && verify(&hopper).score() < 0.75);
    let both = Form::new().named("templates_n", "h", &hopper).named("templates_n", "c", &collins);
    let entries = service.form(VERIFY_N, &both).json();
    let decisions: Vec<_> = entries["results"].as_array().unwrap().iter().map(|r| r["decision"].clone()).collect();
    assert_eq!(decisions, ["declined", "approved"], "{entries}");
    let missing = service.form(VERIFY, &Form::new().picture("sample", &picture("hopper.jpg")));
    assert_refused(&missing, 400, "BPE-002006");
    assert_refused(&service.form(VERIFY, &Form::new()), 400, "BPE-002004");
    let misplaced = Form::new().template("bio_template", &collins).named("liveness", "", b"required");
    assert_refused(&service.form(VERIFY, &misplaced), 400, "BPE-002006");
}

#[test]
fn an_attack_presentation_is_not_compared() {
    let service = service(&pictures("collins.jpg"), &[]);
    let collins = service.template(&picture("collins.jpg"));
    let form = Form::new().template("bio_template", &collins);
    let at =
        |threshold: &str| service.form(&format!("{VERIFY}?liveness=required&threshold_spoofing={threshold}"), &form);
    // Every frame is over that threshold.
    assert_refused(&at("0"), 400, "BPE-004004");
    let reply = at("1");
    assert!(reply.status == 200 && reply.score() >= 0.85, "{}", reply.text());
    let extracted = post(&service, &format!("{EXTRACT}?liveness=required&threshold_spoofing=0"));
    assert_refused(&extracted, 400, "BPE-004004");
}

#[test]
fn a_person_who_is_swapped_during_the_session_is_an_attack() {
    let folder = Folder::new("swap", &[("collins.jpg", 12), ("hopper.jpg", 12)]);
    let service = service(&folder.0, &["camera.liveness_frames=24"]);
    assert_refused(&post(&service, &format!("{EXTRACT}?liveness=required")), 400, "BPE-004004");
}

/// They are too few for a verdict of their own, and of better quality: they count toward the verdict, but the sample is none of them.
#[test]
fn a_few_frames_of_another_person_are_not_the_sample() {
    let folder = Folder::new("few", &[("collins_dim.png", 21), ("hopper.jpg", 3)]);
    let service = service(&folder.0, &["camera.liveness_frames=24"]);
    let seen = post(&service, &format!("{EXTRACT}?liveness=required&threshold_spoofing=1"));
    assert_eq!(seen.status, 200, "{}", seen.text());
    let collins = service.template(&picture("collins.jpg"));
    let form = Form::new().template("bio_feature", &seen.body).template("bio_template", &collins);
    assert_eq!(service.form("/v1/face/pattern/compare", &form).json()["decision"], "approved");
}

/// The data of the next event of a stream.
fn event(events: &mut impl BufRead) -> Value {
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert!(events.read_line(&mut line).unwrap() > 0, "the events ended");
    }
    serde_json::from_str(&line["data: ".len()..]).unwrap()
}

/// While it runs, not when there are enough events for a piece of the body.
#[test]
fn the_events_of_a_challenge_come_as_it_goes_on() {
    let folder = Folder::new("events", &[("collins.jpg", 4)]);
    let service = service(&folder.0, &[]);
    let headers = [("Accept", "text/event-stream"), ("Accept-Language", "es")];
    let mut events = live(&service, "/v1/camera/challenge", &headers, "text/event-stream");
    let idle = event(&mut events);
    assert_eq!((&idle["running"], &idle["language"]), (&Value::Bool(false), &Value::from("es")));
    std::thread::scope(|scope| {
        let captured = scope.spawn(|| post(&service, &format!("{EXTRACT}?liveness=challenge")));
        let mut prompts: Vec<String> = vec![];
        while prompts.last().is_none_or(|prompt| prompt != "failed") {
            let prompt = event(&mut events)["prompt"].as_str().unwrap().to_owned();
            if prompt == "failed" {
                // The reply comes after it.
                assert!(prompts.contains(&"look_at_camera".to_owned()) && prompts.len() > 2, "{prompts:?}");
            }
            prompts.push(prompt);
        }
        assert_refused(&captured.join().unwrap(), 400, "BPE-004006");
    });
}

/// A picture does not turn its head, whatever it is asked.
#[test]
fn a_picture_meets_no_challenge() {
    let folder = Folder::new("challenge", &[("collins.jpg", 4)]);
    let service = service(&folder.0, &[]);
    let idle = service.get("/v1/camera/challenge").json();
    assert_eq!((&idle["running"], &idle["prompt"]), (&Value::Bool(false), &Value::Null));
    std::thread::scope(|scope| {
        let captured = scope.spawn(|| post(&service, &format!("{EXTRACT}?liveness=challenge")));
        let language = [("Accept-Language", "de")];
        let mut asked = Value::Null;
        while !captured.is_finished() {
            let shown = service.send("GET", "/v1/camera/challenge", &language, b"").json();
            if shown["step"] == 1 && shown["prompt"] != "look_at_camera" && asked.is_null() {
                asked = shown;
                let other = post(&service, &format!("{DETECT}?liveness=challenge"));
                assert_refused(&other, 503, "LDE-004002");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let prompts = ["turn_left", "turn_right", "look_up", "look_down"];
        assert!(prompts.iter().any(|prompt| asked["prompt"] == *prompt), "{asked}");
        assert_eq!((&asked["language"], &asked["steps"]), (&Value::from("de"), &Value::from(2)));
        let reply = captured.join().unwrap();
        assert_refused(&reply, 400, "BPE-004006");
        assert!(reply.text().contains("too_slow"), "{}", reply.text());
    });
    assert_eq!(state(&service)["attacks"], 0, "who does not turn is no attack");
}

/// Nobody gets what cannot be had here: it would be less than was asked for.
#[test]
fn screen_light_needs_a_calibration() {
    let service = service(&pictures("collins.jpg"), &[]);
    let reply = post(&service, &format!("{EXTRACT}?liveness=challenge+light"));
    assert_refused(&reply, 400, "BPE-002006");
    assert!(reply.text().contains("not calibrated"), "{}", reply.text());
    assert_eq!(state(&service)["opened"], 0);
}

#[test]
fn attacks_lock_the_methods_for_a_while() {
    let folder = Folder::new("locked", &[("collins.jpg", 12), ("hopper.jpg", 12)]);
    let service = service(&folder.0, &["camera.liveness_frames=24", "camera.lock_out_s=600"]);
    assert_refused(&post(&service, &format!("{EXTRACT}?liveness=required")), 400, "BPE-004004");
    let locked = post(&service, EXTRACT);
    assert_refused(&locked, 429, "BPE-004007");
    assert!(locked.header("Retry-After").is_some_and(|s| (590..=600).contains(&s.parse::<u32>().unwrap())));
    let state = state(&service);
    assert_eq!((&state["attacks"], state["locked_s"].is_u64()), (&Value::from(1), true));
    assert!(service.get("/metrics").text().contains("faceplate_camera_attacks_total 1"));
}

#[test]
fn liveness_can_be_required_by_the_settings() {
    let folder = Folder::new("required", &[("collins.jpg", 12), ("hopper.jpg", 12)]);
    let service = service(&folder.0, &["camera.liveness_required=true", "camera.liveness_frames=24"]);
    assert_refused(&post(&service, EXTRACT), 400, "BPE-004004");
}

#[test]
fn detect_decides_on_frames_of_the_camera() {
    let service = service(&pictures("collins.jpg"), &[]);
    let payload = r#"{"analyses": [{"threshold_spoofing": 0, "extract_best_shot": true}, {"threshold_spoofing": 1}]}"#;
    let reply = service.post(DETECT, "application/json", payload.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let folder = reply.json();
    let resolutions: Vec<_> = folder["analyses"].as_array().unwrap().iter().map(|a| a["resolution"].clone()).collect();
    assert_eq!(resolutions, ["DECLINED", "SUCCESS"]);
    assert_eq!(folder["passed"], false);
    let medium = &folder["media"][0];
    assert_eq!((&medium["media_type"], &medium["original_name"]), (&"VIDEO_FOLDER".into(), &"camera".into()));
    assert!(medium["info"]["video"]["width"].as_u64().unwrap() > 100, "{medium}");
    let shot = folder["analyses"][0]["output_images"][0]["image_b64"].as_str().unwrap();
    assert!(shot.starts_with("/9j/"), "the best shot is a JPEG");

    let form = Form::new().part("Content-Disposition: form-data; name=\"payload\"", payload.as_bytes());
    assert_eq!(service.form(DETECT, &form).json()["analyses"].as_array().unwrap().len(), 2);
    assert_refused(&service.form(DETECT, &form.picture("photo", &picture("hopper.jpg"))), 400, "LDE-002004");
    assert_eq!(post(&service, DETECT).status, 200);
    assert_refused(&service.post(DETECT, "application/json", b"{"), 400, "LDE-002004");
    assert_refused(&service.post(DETECT, "image/jpeg", b""), 400, "LDE-002001");
    let unknown_medium = br#"{"analyses": [{"source_media": ["door"]}]}"#;
    assert_refused(&service.post(DETECT, "application/json", unknown_medium), 400, "LDE-002004");
}

#[test]
fn the_reason_for_a_missing_sample_is_reported() {
    for (file, code) in [("nobody.png", "BPE-004003"), ("both.jpg", "BPE-003003")] {
        let service = service(&pictures(file), &[]);
        let wait = if is_emulated() { 60_000 } else { 1_000 };
        assert_refused(&post(&service, &format!("{EXTRACT}?deadline_ms={wait}")), 400, code);
        if file == "nobody.png" {
            assert_refused(&post(&service, &format!("{DETECT}?deadline_ms={wait}")), 400, "LDE-004003");
        }
    }
}

#[test]
fn the_error_for_an_upside_down_camera_names_the_rotation() {
    // `camera.rotate` turns the file's picture, so an upright face is upside down.
    for rotate in ["camera.rotate=180", "camera.rotate=90"] {
        let service = service(&pictures("hopper.jpg"), &[rotate]);
        let wait = if is_emulated() { 60_000 } else { 1_500 };
        let reply = post(&service, &format!("{EXTRACT}?deadline_ms={wait}"));
        assert_refused(&reply, 400, "BPE-003001");
        let more = if rotate.ends_with("180") { "180" } else { "270" };
        assert!(
            reply.text().contains(&format!("turn it by {more} degrees more with camera.rotate")),
            "{}",
            reply.text()
        );
    }
}

#[test]
fn an_absent_camera_is_reported_and_used_once_it_is_present() {
    let folder = Folder::new("late", &[]);
    let file = folder.0.join("picture");
    let service = service(&file, &[]);
    let reply = post(&service, EXTRACT);
    assert_refused(&reply, 503, "BPE-004001");
    assert_eq!(reply.header("Retry-After"), Some("1"));
    assert_refused(&post(&service, DETECT), 503, "LDE-004001");
    assert_refused(&service.get("/v1/camera/frame"), 503, "BPE-004001");
    let now = state(&service);
    assert!(now["failed"].as_u64().unwrap() >= 3 && now["fault"]["kind"] == "absent", "{now}");
    std::fs::write(&file, picture("collins.jpg")).unwrap();
    assert_eq!(post(&service, EXTRACT).status, 200);
    assert_eq!(service.post("/v1/face/pattern/extract", "image/jpeg", &picture("hopper.jpg")).status, 200);
}

#[test]
fn a_camera_can_be_switched_off() {
    let service = Service::start(&["--set", "camera.device=off"]);
    assert_eq!(state(&service)["state"], "disabled");
    let reply = post(&service, EXTRACT);
    assert_refused(&reply, 503, "BPE-004001");
    assert!(reply.text().contains("camera.device"), "{}", reply.text());
    let missing = Service::start(&["--set", "camera.device=/dev/video_none"]);
    assert_refused(&post(&missing, EXTRACT), 503, "BPE-004001");
}

#[test]
fn a_frame_is_a_jpeg_with_the_size_and_rotation_of_the_camera() {
    let service = service(&pictures("hopper.jpg"), &["camera.rotate=90"]);
    let upright = image_size(&picture("hopper.jpg"));
    let reply = service.get("/v1/camera/frame");
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("image/jpeg")), "{}", reply.text());
    assert_eq!(image_size(&reply.body), (upright.1, upright.0));
    assert_refused(&service.send("POST", "/v1/camera/frame", &[], b""), 400, "BPE-002002");
}

fn image_size(jpeg: &[u8]) -> (usize, usize) {
    let frame = decoded(jpeg);
    (frame.width(), frame.height())
}

/// Reads one part of a stream.
fn part(body: &mut impl BufRead) -> Vec<u8> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert!(body.read_line(&mut line).unwrap() > 0, "the stream ended");
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" && length > 0 {
            break;
        }
    }
    let mut jpeg = vec![0; length];
    body.read_exact(&mut jpeg).unwrap();
    jpeg
}

/// The bytes of a chunked body (RFC 9112, section 7.1).
struct Chunked<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left == 0 {
            let mut line = String::new();
            self.inner.read_line(&mut line)?;
            if line == "\r\n" {
                continue;
            }
            self.left = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = buffer.len().min(self.left);
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

fn stream(service: &Service) -> impl BufRead + use<> {
    live(service, "/v1/camera/stream", &[], "multipart/x-mixed-replace")
}

/// A body that has no end.
fn live(service: &Service, path: &str, headers: &[(&str, &str)], content_type: &str) -> impl BufRead + use<> {
    let mut socket = service.connect();
    socket.write_all(&request("GET", path, headers, b"")).unwrap();
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(content_type), "{head}");
    BufReader::new(Chunked { inner: reader, left: 0 })
}

#[test]
fn a_stream_sends_frame_after_frame_and_the_number_of_streams_is_limited() {
    let service = service(&pictures("collins.jpg"), &["camera.linger_ms=0"]);
    let mut first = stream(&service);
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(image_size(&part(&mut first)), image_size(&picture("collins.jpg")));
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    let mut second = stream(&service);
    part(&mut second);
    assert_refused(&service.get("/v1/camera/stream"), 503, "BPE-001001");
    drop(second);
    // Without chunks the body ends with the connection. (Until the second viewer's disconnect is detected, there is no slot.)
    let (mut old, text) = loop {
        let mut old = service.connect();
        old.write_all(b"GET /v1/camera/stream HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut begin = [0; 300];
        old.read_exact(&mut begin).unwrap();
        let text = String::from_utf8_lossy(&begin).into_owned();
        if !text.starts_with("HTTP/1.1 503") {
            break (old, text);
        }
    };
    let mut more = [0; 300];
    old.read_exact(&mut more).unwrap();
    let text = text + &String::from_utf8_lossy(&more);
    assert!(text.starts_with("HTTP/1.1 200") && !text.contains("Transfer-Encoding"), "{text}");
    assert!(text.contains("\r\n\r\n--faceplate-frame\r\n"), "{text}");
    drop(old);
    // Other clients are answered meanwhile.
    assert_eq!(post(&service, EXTRACT).status, 200);
    drop(first);
    // A viewer that has disconnected is detected by the next frames that are sent.
    let end = Instant::now() + Duration::from_secs(60);
    while state(&service)["state"] != "off" {
        assert!(Instant::now() < end, "{}", state(&service));
        std::thread::sleep(Duration::from_millis(50));
    }
    part(&mut stream(&service));
}

#[test]
fn the_preview_can_be_switched_off() {
    let service = service(&pictures("collins.jpg"), &["camera.preview=false"]);
    for path in ["/v1/camera/frame", "/v1/camera/stream", "/v1/camera/faces"] {
        assert_refused(&service.get(path), 403, "BPE-004005");
    }
    assert_eq!(state(&service)["preview"], false);
    assert_eq!(post(&service, EXTRACT).status, 200);
}

#[test]
fn invalid_queries_are_refused_without_opening_the_camera() {
    let service = service(&pictures("collins.jpg"), &[]);
    for target in [
        "/v1/camera/pattern/extract?livness=required",
        "/v1/camera/pattern/extract?liveness=on",
        "/v1/camera/pattern/extract?deadline_ms=0",
        "/v1/camera/pattern/extract?threshold_spoofing=0.1",
    ] {
        assert_refused(&post(&service, target), 400, "BPE-002006");
    }
    assert_refused(&service.send("POST", EXTRACT, &[], b"liveness=required"), 400, "BPE-002006");
    assert_refused(&post(&service, "/v1/camera/pattern/extract#?liveness=required"), 400, "BPE-002006");
    assert_refused(&service.get("/v1/camera/stream?fps=3"), 400, "BPE-002006");
    assert_refused(&service.get("/v1/camera/faces?liveness=required"), 400, "BPE-002006");
    assert_refused(&post(&service, "/v1/camera/liveness/detect?threshold_spoofing=1"), 400, "LDE-002006");
    assert_eq!(state(&service)["opened"], 0, "no camera is opened for such a request");
}

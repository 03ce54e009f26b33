//! Tests the door over a socket: a camera of files and a simulated lock, events, claims, webhooks. What needs a broker or GPIO is tested by
//! .ci/door.py and in the emulated machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Folder, Reply, Service, binary, command, picture};

/// A token, and the line of the settings that accepts it.
fn token(scopes: &[&str]) -> (String, String) {
    let made = binary().args(["token", "new", "test"]).args(scopes).output().unwrap();
    let (out, told) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    (told.rsplit("Bearer ").next().unwrap().trim().to_owned(), out)
}

/// A service with a door, and a token for all of it.
struct Terminal {
    service: Service,
    token: String,
    _folder: Folder,
}

impl Terminal {
    fn start(name: &str, door: &str) -> Self {
        let folder = Folder::new(name);
        let (token, accepted) = token(&["door", "claim", "events", "people", "camera", "metrics"]);
        let path = folder.path().to_owned();
        let text = format!(
            "[inference]\nworkers = 1\n[camera]\ndevice = \"file:tests/pictures/collins.jpg\"\n[people]\nstore = \"{path}/people.redb\"\n\
             [door]\nliveness = true\nrelay = \"simulated\"\npulse_ms = 300\nreentry_ms = 0\n{door}\n{accepted}"
        );
        let file = folder.write("faceplate.toml", &text);
        Self { service: Service::start(&["--settings", &file]), token, _folder: folder }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.service.send(method, path, headers, body.as_bytes())
    }

    fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &Value::Null)
    }

    fn enroll(&self, id: &str, groups: &[&str]) {
        let person = json!({"id": id, "name": format!("Name of {id}"), "groups": groups});
        assert_eq!(self.send("POST", "/v1/people", &person).status, 201);
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", &*bearer), ("Content-Type", "image/jpeg")];
        let path = format!("/v1/people/{id}/templates");
        assert_eq!(self.service.send("POST", &path, &headers, &picture("collins.jpg")).status, 201);
    }

    /// All events.
    fn events(&self) -> Vec<Value> {
        self.get("/v1/events?limit=1000").json()["events"].as_array().unwrap().clone()
    }

    /// The first event of this type, once there is one.
    fn wait_for(&self, kind: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(event) = self.events().into_iter().find(|event| event["type"] == format!("faceplate.{kind}")) {
                return event;
            }
            assert!(Instant::now() < end, "no {kind} in {:?}\n{}", self.events(), self.service.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_known_person_opens_the_door_and_a_stranger_does_not() {
    let door = Terminal::start("door", "mode = \"identify\"");
    let unknown = door.wait_for("access.unknown");
    assert_eq!((&unknown["data"]["person"], &unknown["subject"]), (&Value::Null, &json!("access")));
    assert!(!door.service.log().contains("lock is open"));
    door.enroll("ann", &[]);
    let granted = door.wait_for("access.granted");
    let data = &granted["data"];
    assert_eq!(
        (&data["person"], &data["name"], &data["method"]),
        (&json!("ann"), &json!("Name of ann"), &json!("face"))
    );
    assert!(data["latency_ms"].as_u64().unwrap() > 100 && granted["subject"] == "ann", "{granted}");
    let end = Instant::now() + Duration::from_secs(10);
    while !door.service.log().contains("lock is shut") {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    // Numbers have no gaps, and a page begins where the last one ended.
    let events = door.events();
    let number = |event: &Value| event["sequence"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(events.iter().map(number).eq(1..=events.len() as u64), "{events:?}");
    let page = door.get("/v1/events?after=1&limit=1").json();
    assert_eq!((&page["events"][0]["sequence"], &page["last"]), (&events[1]["sequence"], &json!(2)));
    let csv = door.get("/v1/events?format=csv");
    assert!(
        csv.header("Content-Type").unwrap().starts_with("text/csv")
            && csv.text().contains("granted,ann,Name of ann,face")
    );
    assert!(
        door.service.metric_with("faceplate_door_openings_total{method=\"face\"}", &format!("Bearer {}", door.token))
            >= 1.0
    );
    assert!(!door.service.log().contains("ann"), "no id or name is logged: {}", door.service.log());
    // A deleted person's name is gone from what happened before.
    assert_eq!(door.send("DELETE", "/v1/people/ann", &Value::Null).status, 200);
    assert_eq!(door.wait_for("access.granted")["data"]["name"], Value::Null);
}

#[test]
fn pictures_are_kept_sealed_and_only_where_that_is_set() {
    let keys = Folder::new("door-pictures-keys");
    let (code, key, _) = command(&["key", "new"]);
    assert_eq!(code, Some(0));
    let file = keys.write("keys", &key);
    let store = keys.path().to_owned() + "/events.redb";
    let more = format!(
        "mode = \"identify\"\n[templates]\nkeys = \"{file}\"\n[events]\nstore = \"{store}\"\npictures = \"refused\""
    );
    let door = Terminal::start("door-pictures", &more);
    let unknown = door.wait_for("access.unknown");
    assert_eq!(unknown["data"]["picture"], true, "{unknown}");
    let number: u64 = unknown["sequence"].as_str().unwrap().parse().unwrap();
    // It is kept just after the event.
    let end = Instant::now() + Duration::from_secs(10);
    let picture = loop {
        let reply = door.get(&format!("/v1/events/{number}/picture"));
        if reply.status == 200 || Instant::now() > end {
            break reply;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((picture.status, picture.header("Content-Type")), (200, Some("image/jpeg")));
    assert!(picture.body.starts_with(&[0xFF, 0xD8]));
    let bytes = std::fs::read(&store).unwrap();
    assert!(!bytes.windows(64).any(|some| some == &picture.body[64..128]), "it is sealed");
    for missing in ["1", "0", "x", "99999"] {
        assert_eq!(door.get(&format!("/v1/events/{missing}/picture")).code(), "BPE-007008", "{missing}");
    }
}

#[test]
fn whoever_has_no_time_now_is_denied_with_the_reason() {
    let schedule = "mode = \"identify\"\nwithout_time = \"allow\"\n[[door.schedules]]\ngroups = [\"nobody\"]";
    let door = Terminal::start("door-schedule", schedule);
    door.enroll("ann", &["staff"]);
    let denied = door.wait_for("access.denied");
    assert_eq!((&denied["data"]["reason"], &denied["data"]["person"]), (&json!("schedule"), &json!("ann")));
    // So is whoever asks for the state, as a page before the door does.
    crate::access::until(|| {
        let told = door.get("/v1/door").json();
        told["state"] == "denied" && told["reason"] == "schedule"
    });
    assert!(!door.service.log().contains("lock is open"));
}

#[test]
fn a_claim_is_met_by_the_claimed_face_and_five_wrong_ones_lock() {
    let door = Terminal::start("door-claim", "mode = \"claim\"");
    door.enroll("ann", &[]);
    let set = door.send("PUT", "/v1/people/ann/credentials", &json!({"credentials": ["04A2B3", "1234"]}));
    assert_eq!((set.status, &set.json()["credentials"]), (200, &json!(2)));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(door.get("/v1/door").json()["state"], "idle", "nobody is looked for without a claim");
    let claim = |credential: &str| door.send("POST", "/v1/door/claim", &json!({"credential": credential}));
    let claimed = claim("04A2B3");
    assert_eq!((claimed.status, claimed.json()), (200, json!({"claimed": true, "seconds": 10})));
    let granted = door.wait_for("access.granted");
    assert_eq!((&granted["data"]["method"], &granted["data"]["person"]), (&json!("claim"), &json!("ann")));
    for _ in 0..5 {
        assert_eq!(claim("0000").code(), "BPE-007005");
    }
    let locked = claim("04A2B3");
    assert_eq!((locked.status, &*locked.code()), (429, "BPE-007006"));
    assert!(locked.header("Retry-After").unwrap().parse::<u64>().unwrap() <= 61);
    let data = door.wait_for("access.locked_out")["data"].clone();
    assert_eq!((&data["reason"], &data["seconds"]), (&json!("credential"), &json!(60)));
    for (body, code) in [
        (json!({}), "BPE-002006"),
        (json!({"person": "ann", "credential": "1"}), "BPE-002006"),
        (json!([]), "BPE-002006"),
    ] {
        assert_eq!(door.send("POST", "/v1/door/claim", &body).code(), code, "{body}");
    }
}

#[test]
fn commands_need_a_token_and_its_scope() {
    let door = Terminal::start("door-commands", "mode = \"identify\"");
    assert_eq!(door.send("POST", "/v1/door/mode", &json!({"mode": "off"})).json()["mode"], "off");
    assert_eq!(door.send("POST", "/v1/door/open", &Value::Null).json(), json!({"opened": true}));
    let opened = door.wait_for("access.granted");
    assert_eq!(opened["data"]["method"], "command");
    assert_eq!(door.wait_for("door.mode")["data"]["reason"], "off");
    assert_eq!(door.service.send("POST", "/v1/door/open", &[], b"").status, 401);
    assert_eq!(door.service.get("/v1/events").status, 401);
    assert_eq!(door.send("POST", "/v1/door/mode", &json!({"mode": "on"})).code(), "BPE-002006");
    drop(door);

    // Without tokens, any program on this machine could open it.
    let folder = Folder::new("door-open");
    let store = format!("people.store={}/p.redb", folder.path());
    let open = ["--set", "camera.device=off", "--set", "door.relay=simulated", "--set", &store, "--workers", "1"];
    let service = Service::start(&open);
    assert_eq!(service.get("/v1/door").json()["mode"], "off");
    let refused = service.send("POST", "/v1/door/open", &[], b"");
    assert_eq!((refused.status, &*refused.code()), (403, "BPE-007002"));
    assert_eq!(service.post("/v1/door/claim", "application/json", b"{\"person\":\"a\"}").code(), "BPE-007002");
    drop(service);
    let none = Service::start(&["--workers", "1", "--set", "camera.device=off"]);
    assert_eq!((none.get("/v1/door").status, &*none.get("/v1/door").code()), (404, "BPE-007001"));
}

#[test]
fn events_are_there_after_a_restart_and_streamed_from_where_a_reader_was() {
    let folder = Folder::new("door-events");
    let settings = [
        "--workers".to_owned(),
        "1".into(),
        "--set".into(),
        "camera.device=off".into(),
        "--set".into(),
        format!("people.store={}/people.redb", folder.path()),
        "--set".into(),
        format!("events.store={}/events.redb", folder.path()),
        "--set".into(),
        "events.device=front".into(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let first = Service::start(&settings);
    assert_eq!(first.post("/v1/people", "application/json", b"{\"id\":\"ann\",\"name\":\"Ann\"}").status, 201);
    let before = first.get("/v1/events").json();
    assert_eq!(before["events"][1]["type"], "faceplate.people.enrolled");
    assert_eq!(before["events"][0]["source"], "/faceplate/front");
    assert_eq!(first.stop(), Some(0));

    let again = Service::start(&settings);
    let events = again.get("/v1/events").json();
    assert_eq!(events["events"].as_array().unwrap()[..2], before["events"].as_array().unwrap()[..]);
    let kinds: Vec<&str> = events["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[2..], ["faceplate.device.stopped", "faceplate.device.started"]);
    // Pages back begin with the newest; filters choose, and nothing that is asked is ignored.
    let numbers = |query: &str| {
        let page = again.get(&format!("/v1/events?{query}")).json();
        let events = page["events"].as_array().unwrap().iter();
        let numbers: Vec<u64> = events.map(|e| e["sequence"].as_str().unwrap().parse().unwrap()).collect();
        (numbers, [page["first"].clone(), page["last"].clone(), page["older"].clone()])
    };
    assert_eq!(numbers("before=9&limit=3"), (vec![2, 3, 4], [json!(2), json!(4), json!(true)]));
    assert_eq!(numbers("before=2"), (vec![1], [json!(1), json!(1), json!(false)]));
    assert_eq!(numbers("type=device.started"), (vec![1, 4], [json!(1), json!(4), json!(false)]));
    assert_eq!(numbers("person=ann&type=people&from=2026-01-01T00:00:00%2B01:00").0, [2]);
    assert_eq!(numbers("until=2026-01-01T00:00:00Z"), (vec![], [json!(1), json!(4), json!(false)]));
    let csv = again.get("/v1/events?format=csv&before=9&type=device&limit=1").text();
    assert_eq!(csv.lines().skip(1).map(|line| &line[..2]).collect::<Vec<_>>(), ["4,"]);
    for query in ["after=1&before=3", "type=devices", "person=a%20b", "from=today"] {
        let refused = again.get(&format!("/v1/events?{query}"));
        assert_eq!((refused.status, &*refused.code()), (400, "BPE-002006"), "{query}");
    }
    let mut stream = again.connect();
    let second = before["events"][1]["id"].as_str().unwrap();
    write!(stream, "GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {second}\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|_| Instant::now() < end);
    assert!(lines.any(|line| line.starts_with("id: ") && line.ends_with("-3")));
    assert!(lines.any(|line| line.starts_with("id: ") && line.ends_with("-4")));
    assert_eq!(again.send("DELETE", "/v1/people/ann", &[], b"").status, 200);
    assert!(lines.any(|line| line == "event: faceplate.people.deleted"));
}

#[test]
fn a_webhook_gets_each_event_once_it_answers() {
    let folder = Folder::new("door-webhook");
    let (code, secret, _) = command(&["key", "webhook"]);
    assert!(code == Some(0) && secret.starts_with("whsec_"));
    let secret = folder.write("secret", &secret);
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());
    let text = format!(
        "[inference]\nworkers = 1\n[camera]\ndevice = \"off\"\n[[events.webhooks]]\nurl = \"{url}\"\nsecret = \"{secret}\"\ntypes = [\"faceplate.device.\"]\n"
    );
    let file = folder.write("faceplate.toml", &text);
    let service = Service::start(&["--settings", &file]);
    // The first try is refused; the second comes after five seconds.
    let mut ids = vec![];
    for status in ["500 No", "204 Yes"] {
        let (mut stream, _) = receiver.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = vec![];
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let value = |name: &str| {
            let line = head.iter().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)));
            line.unwrap_or_else(|| panic!("{name} in {head:?}")).1.to_owned()
        };
        let mut body = vec![0; value("content-length").parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["type"], value("content-type")),
            (&json!("faceplate.device.started"), "application/cloudevents+json".into())
        );
        assert!(value("webhook-signature").starts_with("v1,") && value("webhook-timestamp").len() == 10);
        ids.push((value("webhook-id"), body["id"].as_str().unwrap().to_owned()));
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    }
    assert_eq!((&ids[0], &ids[0].0), (&ids[1], &ids[1].1), "the id stays the same");
    assert!(service.log().contains("status 500") && !service.log().contains("/hook"), "{}", service.log());
}

#[test]
fn settings_that_would_leave_a_door_unsafe_are_refused() {
    for (set, told) in [
        (&["door.mode=identify"][..], "people.store"),
        (&["door.mode=identify", "people.store=p", "camera.device=off"], "camera"),
        (&["door.mode=identify", "people.store=p", "camera.device=file:x", "door.relay=gpiochip0/17"], "not trusted"),
        (&["door.mode=identify", "people.store=p", "camera.trusted=false", "door.relay=gpiochip0/17"], "not trusted"),
        (&["door.mode=identify", "people.store=p", "door.liveness=false"], "needs required"),
        (&["door.relay=gpiochip0/17", "door.led=gpiochip0/17"], "something else"),
        (&["door.relay=17"], "no line such as"),
        (&["door.pulse_ms=60000"], "100..=30000"),
        (&["mqtt.broker=mqtts://h:1"], "mqtt.authority"),
        (&["mqtt.broker=h"], "no address"),
    ] {
        let args: Vec<&str> = ["--print-settings"].into_iter().chain(set.iter().flat_map(|s| ["--set", s])).collect();
        let (code, _, stderr) = command(&args);
        assert!(code == Some(1) && stderr.contains(told), "{set:?}: {stderr}");
    }
}

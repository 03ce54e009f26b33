//! Tests many clients at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Form, Service, is_emulated, picture};

/// Sends requests from 32 clients for `time`, some four times as many as are served at once: every reply is the one that a single client
/// gets, or 503 at once. Returns the number of replies.
fn load(service: &Service, time: Duration) -> usize {
    let (collins, hopper, both) = (picture("collins.jpg"), picture("hopper.jpg"), picture("both.jpg"));
    let templates = (service.template(&collins), service.template(&hopper));
    let requests = [
        ("/v1/face/pattern/extract", "image/jpeg".to_owned(), collins.clone()),
        ("/v1/face/pattern/extract", "image/jpeg".to_owned(), both),
        {
            let form = Form::new().picture("sample_1", &collins).picture("sample_2", &hopper);
            ("/v1/face/pattern/extract_and_compare", form.content_type(), form.body())
        },
        {
            let form = Form::new().template("bio_feature", &templates.0).template("bio_template", &templates.1);
            ("/v1/face/pattern/compare", form.content_type(), form.body())
        },
    ];
    let ask = |i: usize| {
        let (path, content_type, body) = &requests[i];
        let reply = service.post(path, content_type, body);
        (reply.status, reply.body)
    };
    let alone: Vec<_> = (0..requests.len()).map(ask).collect();
    let (count, end) = (AtomicUsize::new(0), Instant::now() + time);
    std::thread::scope(|scope| {
        for client in 0..32 {
            let (ask, alone, count) = (&ask, &alone, &count);
            scope.spawn(move || {
                let mut number = client;
                while Instant::now() < end {
                    let i = number % alone.len();
                    let answer = ask(i);
                    if answer.0 == 503 {
                        std::thread::sleep(Duration::from_millis(20)); // less than Retry-After asks for
                        continue;
                    }
                    assert_eq!(answer, alone[i], "client {client}, request {i}");
                    count.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
            });
        }
    });
    count.into_inner()
}

#[test]
fn replies_under_load_equal_those_to_a_single_client() {
    let service = Service::start(&[]);
    // An emulator answers only a few.
    assert!(load(&service, Duration::from_secs(3)) > if is_emulated() { 0 } else { 32 });
}

#[test]
#[ignore = "takes a minute; run by .ci/run"]
fn a_minute_of_load_leaves_no_memory_behind() {
    let service = Service::start(&[]);
    load(&service, Duration::from_secs(10));
    let before = service.memory_mib();
    let replies = load(&service, Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(2));
    let after = service.memory_mib();
    println!("{replies} replies, {before} MiB before and {after} MiB after");
    assert!(after <= before + 16, "{before} MiB before, {after} MiB after");
}

#[test]
fn a_passed_deadline_is_503_and_the_service_stays_healthy() {
    // Too little time for any inference. (That a full queue refuses is a unit test of the pool: it needs a blocked worker.)
    let service = Service::start(&["--set", "limits.request_ms=1"]);
    let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &picture("collins.jpg"));
    assert_eq!((reply.status, reply.header("Retry-After")), (503, Some("1")), "{}", reply.text());
    assert_eq!(reply.code(), "BPE-001001");
    assert_eq!(service.get("/v1/face/pattern/health").status, 200);
}

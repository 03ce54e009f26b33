//! Tests one well-behaved client beside others that take all they can: connections, slots, memory, time.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::support::{Form, Reply, Service, connect_from, is_emulated, picture, request};

const EXTRACT: &str = "/v1/face/pattern/extract";

fn address(network: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 9, network, host)
}

/// A connection of another client, on which `bytes` were sent.
fn connect_and_send(service: &Service, from: Ipv4Addr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect_from(from, &service.address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// A request that takes a long time: a picture is compared with many others.
fn long_request(others: usize) -> Vec<u8> {
    let collins = picture("collins.jpg");
    let form = Form::new().picture("sample_1", &collins);
    let form = (0..others).fold(form, |form, i| form.named("samples_n", &format!("{i}"), &collins));
    request("POST", "/v1/face/pattern/extract_and_compare_n", &[("Content-Type", &form.content_type())], &form.body())
}

/// Waits until `count` requests are in flight, including the one for this metric.
fn wait_until_in_flight(service: &Service, count: f64) {
    let end = Instant::now() + Duration::from_secs(60);
    while service.metric("faceplate_requests_open") < count {
        assert!(Instant::now() < end, "fewer than {count} requests are in flight");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn slow_readers_hold_no_slot() {
    let service = Service::start(&["--workers", "1", "--set", "server.threads=2"]);
    let template = service.template(&picture("collins.jpg"));
    // A megabyte of reply: more than the kernel buffers for a client that does not read.
    let form = Form::new().template("template_1", &template);
    let many = (0..5_000).fold(form, |form, _| form.named("templates_n", &"n".repeat(200), &template));
    let bytes = request("POST", "/v1/face/pattern/compare_n", &[("Content-Type", &many.content_type())], &many.body());
    let mut readers: Vec<TcpStream> = (2..6).map(|host| connect_and_send(&service, address(1, host), &bytes)).collect();
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..5 {
        assert_eq!(service.template(&picture("collins.jpg")), template);
    }
    // The gauge is that of the event loop's last pass, which may have been before the request for the metric itself.
    assert!(service.metric("faceplate_requests_open") <= 1.0);
    // Clients that read after all get the whole reply.
    readers.truncate(2);
    for reader in readers {
        let reply = Reply::read(&mut BufReader::new(reader));
        assert!(reply.status == 200 && reply.body.len() > 1_000_000, "{}", reply.status);
    }
}

#[test]
fn a_reply_must_be_read_within_its_time() {
    let service = Service::start(&["--workers", "1", "--set", "limits.reply_ms=2000", "--set", "limits.least_rate=1"]);
    let template = service.template(&picture("collins.jpg"));
    let form = Form::new().template("template_1", &template);
    let many = (0..5_000).fold(form, |form, _| form.named("templates_n", &"n".repeat(200), &template));
    let bytes = request("POST", "/v1/face/pattern/compare_n", &[("Content-Type", &many.content_type())], &many.body());
    let mut reader = connect_and_send(&service, address(2, 2), &bytes);
    let mut count_read = 0;
    // A little at a time, above the least rate.
    let ended = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let mut piece = [0; 1_000];
        match reader.read(&mut piece) {
            Ok(count @ 1..) => count_read += count,
            _ => return true,
        }
        service.metric("faceplate_connections") == 1.0
    });
    assert!(ended && count_read < 200_000, "{count_read} bytes were read");
}

#[test]
fn one_address_does_not_get_all_slots() {
    let service = Service::start(&["--workers", "1", "--set", "server.threads=4"]);
    let template = service.template(&picture("collins.jpg"));
    let bytes = long_request(if is_emulated() { 3 } else { 40 });
    let _others: Vec<TcpStream> = (0..8).map(|_| connect_and_send(&service, address(3, 2), &bytes)).collect();
    wait_until_in_flight(&service, 2.0);
    for _ in 0..3 {
        assert_eq!(service.template(&picture("collins.jpg")), template);
    }
    assert!(service.get("/metrics").text().contains("faceplate_refused_total{reason=\"full\"}"));
}

#[test]
fn where_all_slots_are_taken_a_newcomer_evicts_the_most_expensive_request() {
    let service = Service::start(&["--workers", "1", "--set", "server.threads=3"]);
    let template = service.template(&picture("collins.jpg"));
    let bytes = long_request(60);
    let others: Vec<TcpStream> = (2..5).map(|host| connect_and_send(&service, address(4, host), &bytes)).collect();
    wait_until_in_flight(&service, 4.0);
    // They have held their slots for longer than a second, each from an address of its own.
    std::thread::sleep(Duration::from_millis(1_300));
    let are_all_taken = service.metric("faceplate_requests_open") >= 4.0;
    assert_eq!(service.template(&picture("collins.jpg")), template);
    let statuses: Vec<u16> = others.into_iter().map(|other| Reply::read(&mut BufReader::new(other)).status).collect();
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(!are_all_taken || statuses.contains(&503), "one request had to be evicted: {statuses:?}");
}

#[test]
fn a_request_without_a_slot_waits_for_one_that_is_free_soon() {
    let service = Service::start(&["--workers", "1", "--set", "server.threads=2"]);
    let template = service.template(&picture("collins.jpg"));
    let no_picture = request("POST", EXTRACT, &[("Content-Type", "image/jpeg")], b"no picture");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for host in 2..8 {
            let (service, no_picture, stop) = (&service, &no_picture, &stop);
            scope.spawn(move || {
                let mut reader = BufReader::new(connect_and_send(service, address(9, host), no_picture));
                while !stop.load(Ordering::Relaxed) {
                    assert!([400, 503].contains(&Reply::read(&mut reader).status));
                    reader.get_mut().write_all(no_picture).unwrap();
                }
            });
        }
        let statuses: Vec<u16> =
            (0..30).map(|_| service.post(EXTRACT, "image/jpeg", &picture("collins.jpg")).status).collect();
        stop.store(true, Ordering::Relaxed);
        // The wait has an end, which one or the other meets where the machine is busy with something else.
        let served = statuses.iter().filter(|&&status| status == 200).count();
        assert!(served >= 25 && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    });
    assert_eq!(service.template(&picture("collins.jpg")), template);
}

#[test]
fn health_is_reported_while_the_workers_are_busy() {
    let service = Service::start(&["--workers", "1"]);
    let _busy = connect_and_send(&service, address(5, 2), &long_request(60));
    wait_until_in_flight(&service, 2.0);
    std::thread::sleep(Duration::from_millis(1_100));
    let begun = service.metric("faceplate_job_seconds_count");
    for path in ["/v1/face/pattern/health", "/v1/face/liveness/health"] {
        let reply = service.get(path);
        assert_eq!((reply.status, &reply.json()["status"]), (200, &0.into()));
        assert!(
            reply.header("Age").unwrap().parse::<u64>().unwrap() >= 1,
            "the result is that of the self-test at start"
        );
    }
    // Neither waited for a self-test that is queued behind that job.
    assert!(service.metric("faceplate_job_seconds_count") < begun + 30.0);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let others: Vec<TcpStream> = (0..40)
            .map(|_| connect_and_send(&service, address(5, 3), &request("GET", path, &[], b"").repeat(20)))
            .collect();
        for _ in 0..20 {
            assert_eq!(service.get(path).status, 200, "{path}");
        }
        drop(others);
    }
}

#[test]
fn a_slow_upload_is_evicted_for_a_fast_one() {
    let service =
        Service::start(&["--workers", "1", "--set", "limits.body_bytes=4000000", "--set", "limits.held_bytes=6000000"]);
    let collins = picture("collins.jpg");
    let padded = |bytes: usize| [&collins[..], &vec![0; bytes - collins.len()]].concat();
    let head = request("POST", EXTRACT, &[("Content-Type", "image/jpeg")], &padded(4_000_000));
    let mut uploads: Vec<TcpStream> =
        (2..4).map(|host| connect_and_send(&service, address(6, host), &head[..2_600_000])).collect();
    while service.metric("faceplate_held_bytes") < 5_000_000.0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let send_a_little = |uploads: &mut Vec<TcpStream>| {
        uploads.retain_mut(|stream| stream.write_all(&[0; 1_000]).is_ok());
        std::thread::sleep(Duration::from_millis(50));
    };
    // Memory is set aside for small bodies, so that this one is taken at once.
    assert_eq!(service.post(EXTRACT, "image/jpeg", &collins).status, 200);
    // An upload must have been slow for this long before it can be distinguished from a fast one.
    (0..50).for_each(|_| send_a_little(&mut uploads));
    assert_eq!(service.post(EXTRACT, "image/jpeg", &padded(3_000_000)).status, 200);
    for mut stream in uploads {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut status = [0; 12];
        if stream.read_exact(&mut status).is_ok() {
            assert_eq!(&status, b"HTTP/1.1 503", "the evicted client gets a reply");
            return;
        }
    }
    panic!("no slow upload was evicted");
}

#[test]
fn an_upload_is_not_evicted_by_a_crowd_of_new_connections() {
    let service = Service::start(&["--workers", "1", "--set", "limits.connections=40"]);
    let collins = picture("collins.jpg");
    let template = service.template(&collins);
    let padded = [&collins[..], &vec![0; 400_000]].concat();
    let whole = request("POST", EXTRACT, &[("Content-Type", "image/jpeg")], &padded);
    let mut upload = service.connect();
    let mut crowd = vec![];
    let mut number = 0_u16;
    // Forty connections a tenth of a second, each from an address of its own: more than the limit are new at any time.
    for piece in whole.chunks(whole.len() / 25) {
        upload.write_all(piece).unwrap();
        for _ in 0..40 {
            number += 1;
            let [high, low] = number.to_be_bytes();
            crowd.extend(connect_from(Ipv4Addr::new(127, 10, high, low), &service.address).ok());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    upload.write_all(&[]).unwrap();
    assert_eq!(Reply::read(&mut BufReader::new(upload)).body, template);
    assert_eq!(service.template(&collins), template);
}

#[test]
fn a_job_ends_soon_after_its_client_disconnects() {
    let service = Service::start(&["--workers", "1"]);
    let template = service.template(&picture("collins.jpg"));
    let stream = connect_and_send(&service, address(8, 2), &long_request(60));
    wait_until_in_flight(&service, 2.0);
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    let before = service.metric("faceplate_job_seconds_count");
    drop(stream);
    assert_eq!(service.template(&picture("collins.jpg")), template);
    let done = service.metric("faceplate_job_seconds_count") - before;
    assert!(done < 20.0, "{done} jobs were run for a disconnected client");
}

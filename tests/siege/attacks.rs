//! Kinds of attacks, each repeated until it is stopped, from addresses of its own.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;

use super::bombs;
use super::honest::{Siege, read, request};
use super::zip;

const EXTRACT: &str = "/v1/face/pattern/extract";
const DETECT: &str = "/v1/face/liveness/detect";
const COMPARE_N: &str = "/v1/face/pattern/compare_n";

/// A kind of attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Threads that do it.
    pub(crate) threads: u8,
    /// A request whose job may occupy a worker when an honest request comes.
    pub(crate) job: Option<fn(&Siege) -> Vec<u8>>,
    pub(crate) run: fn(&Siege, Attacker<'_>),
}

/// One thread of an attack.
#[derive(Clone, Copy)]
pub(crate) struct Attacker<'a> {
    /// The number of the thread.
    pub(crate) number: u8,
    /// The second byte of its addresses.
    pub(crate) network: u8,
    pub(crate) stop: &'a AtomicBool,
}

impl Attacker<'_> {
    fn is_running(self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.network, 0, self.number + 2)
    }

    /// One of 60,000 addresses.
    fn address_of(self, number: u32) -> Ipv4Addr {
        let [_, _, high, low] = (number % 60_000).to_be_bytes();
        Ipv4Addr::new(127, self.network, high, low.max(1))
    }
}

pub(crate) const ATTACKS: [Attack; 15] = [
    Attack { name: "faults of all kinds", threads: 4, job: None, run: faults },
    Attack { name: "refused bodies in one-byte chunks", threads: 4, job: None, run: chunks },
    Attack { name: "pipelined requests for nothing", threads: 4, job: None, run: pipelined },
    Attack { name: "pictures with 98 empty scans", threads: 4, job: None, run: |s, a| repeat(s, a, &empty_scans(s)) },
    Attack {
        name: "pictures with many whole scans",
        threads: 4,
        job: Some(whole_scans),
        run: |s, a| repeat(s, a, &whole_scans(s)),
    },
    Attack { name: "archives of such pictures", threads: 4, job: Some(archive), run: |s, a| repeat(s, a, &archive(s)) },
    Attack { name: "eight connections with heavy clips", threads: 8, job: Some(clip), run: one_address },
    Attack { name: "clips of clients that disconnect", threads: 4, job: Some(clip), run: disconnects },
    Attack {
        name: "ten pictures, ten analyses, best shots",
        threads: 4,
        job: Some(best_shots),
        run: |s, a| repeat(s, a, &best_shots(s)),
    },
    Attack {
        name: "names of eight kilobytes",
        threads: 2,
        job: None,
        run: |s, a| repeat(s, a, &names(s, 8_000, 2_000)),
    },
    Attack { name: "slow readers of large replies", threads: 1, job: None, run: slow_readers },
    Attack { name: "health, ready and metrics all the time", threads: 6, job: None, run: monitors },
    Attack { name: "a crowd with one connection an address", threads: 2, job: None, run: crowd },
    Attack { name: "two slow uploads of 64 MB", threads: 2, job: None, run: slow_uploads },
    Attack { name: "pages of other sites", threads: 2, job: None, run: pages },
];

fn form(parts: &[(&str, &str, &str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = vec![];
    for (name, file, kind, content) in parts {
        let head = format!(
            "--siege\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(b"--siege--\r\n");
    ("multipart/form-data; boundary=siege".to_owned(), body)
}

fn post(path: &str, parts: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let (kind, body) = form(parts);
    request("POST", path, &kind, &body)
}

fn empty_scans(_: &Siege) -> Vec<u8> {
    request("POST", EXTRACT, "image/jpeg", &bombs::empty_scans(7_071, 7_071))
}

fn whole_scans(_: &Siege) -> Vec<u8> {
    request("POST", EXTRACT, "image/jpeg", &bombs::whole_scans(8_192, 6_080, 9))
}

fn archive(_: &Siege) -> Vec<u8> {
    let (small, large) = (bombs::whole_scans(2_048, 2_048, 9), bombs::empty_scans(7_071, 7_071));
    let pictures: Vec<(String, &[u8])> =
        (0..20).map(|i| (format!("{i}.jpg"), if i == 19 { &*large } else { &*small })).collect();
    let files: Vec<(&str, &[u8])> = pictures.iter().map(|(name, bytes)| (&**name, *bytes)).collect();
    post(DETECT, &[("v", "v.zip", "application/zip", &zip::zip(&files))])
}

fn clip(_: &Siege) -> Vec<u8> {
    let size = (1_920, 1_080);
    let clip = bombs::avi(&bombs::plain(size.0, size.1), size, 40);
    post(DETECT, &[("v", "v.avi", "video/x-msvideo", &clip)])
}

fn best_shots(siege: &Siege) -> Vec<u8> {
    let analyses = [r#"{"extract_best_shot":true}"#; 10].join(",");
    let payload = format!("{{\"analyses\":[{analyses}]}}");
    let names: Vec<String> = (0..10).map(|i| format!("m{i}")).collect();
    let media = names.iter().map(|name| (&**name, "a.jpg", "image/jpeg", &*siege.picture));
    let parts: Vec<_> = media.chain([("payload", "p", "application/json", payload.as_bytes())]).collect();
    post(DETECT, &parts)
}

/// Templates with names of `length` control characters, each of which is six bytes in the reply.
fn names(siege: &Siege, length: usize, count: usize) -> Vec<u8> {
    let (name, octets) = ("\u{1}".repeat(length), "application/octet-stream");
    let probe = [("template_1", "t", octets, &*siege.answer)];
    let many = std::iter::repeat_n(("templates_n", &*name, octets, &*siege.answer), count);
    post(COMPARE_N, &probe.into_iter().chain(many).collect::<Vec<_>>())
}

/// Repeats the same request, on a connection that lasts as long as the service keeps it.
fn repeat(siege: &Siege, attacker: Attacker<'_>, bytes: &[u8]) {
    while attacker.is_running() {
        let Ok(stream) = siege.connect_from(attacker.address()) else { continue };
        let mut reader = BufReader::new(stream);
        while attacker.is_running() && reader.get_mut().write_all(bytes).is_ok() && read(&mut reader).is_ok() {}
    }
}

/// Repeats a request with a clip from one address for all threads.
fn one_address(siege: &Siege, attacker: Attacker<'_>) {
    repeat(siege, Attacker { number: 0, ..attacker }, &clip(siege));
}

fn disconnects(siege: &Siege, attacker: Attacker<'_>) {
    let bytes = clip(siege);
    while attacker.is_running() {
        let Ok(mut stream) = siege.connect_from(attacker.address()) else { continue };
        let _may_be_refused = stream.write_all(&bytes);
        thread::sleep(Duration::from_millis(100));
        let _closes_in_order_otherwise = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    }
}

/// Sends `block` after `head` repeatedly until the connection ends, reading the replies, on many connections.
fn pour(siege: &Siege, attacker: Attacker<'_>, head: &[u8], block: &[u8]) {
    let mut streams: Vec<(TcpStream, Vec<u8>)> = vec![];
    while attacker.is_running() {
        while streams.len() < 250 {
            let Ok(stream) = siege.connect_from(attacker.address()) else { break };
            if stream.set_nonblocking(true).is_err() {
                break;
            }
            streams.push((stream, head.to_vec()));
        }
        let mut moved = false;
        streams.retain_mut(|(stream, rest)| {
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) => return false,
                Ok(_) => moved = true,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            if rest.is_empty() {
                rest.extend_from_slice(block);
            }
            match stream.write(rest) {
                Ok(count) => {
                    moved = true;
                    rest.drain(..count);
                    true
                }
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }
        });
        if !moved {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn chunks(siege: &Siege, attacker: Attacker<'_>) {
    let head = format!(
        "POST {EXTRACT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    pour(siege, attacker, head.as_bytes(), &b"1\r\nx\r\n".repeat(10_000));
}

fn pipelined(siege: &Siege, attacker: Attacker<'_>) {
    pour(siege, attacker, b"", &b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000));
}

fn slow_readers(siege: &Siege, attacker: Attacker<'_>) {
    let bytes = names(siege, 200, 3_000);
    let mut streams: Vec<TcpStream> = vec![];
    let mut number = 0;
    while attacker.is_running() {
        if streams.len() < 24 {
            number = (number + 1) % 8;
            let from = Attacker { number, ..attacker }.address();
            if let Ok(mut stream) = siege.connect_from(from)
                && stream.write_all(&bytes).is_ok()
                && stream.set_nonblocking(true).is_ok()
            {
                streams.push(stream);
            }
        }
        streams.retain_mut(|stream| match stream.read(&mut [0; 1_300]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        });
        thread::sleep(Duration::from_millis(200));
    }
}

fn monitors(siege: &Siege, attacker: Attacker<'_>) {
    let paths = ["/v1/face/pattern/health", "/metrics", "/readyz"];
    repeat(siege, attacker, &request("GET", paths[usize::from(attacker.number) % 3], "", b""));
}

fn crowd(siege: &Siege, attacker: Attacker<'_>) {
    let mut connections = std::collections::VecDeque::new();
    let mut number = u32::from(attacker.number) * 30_000;
    while attacker.is_running() {
        number += 1;
        connections.extend(siege.connect_from(attacker.address_of(number)).ok());
        if connections.len() > 700 {
            connections.pop_front();
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn slow_uploads(siege: &Siege, attacker: Attacker<'_>) {
    const WHOLE: usize = 64 << 20;
    let head = format!(
        "POST {DETECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {WHOLE}\r\n\r\n"
    );
    let block = vec![b'x'; 1 << 20];
    while attacker.is_running() {
        let Ok(mut stream) = siege.connect_from(attacker.address()) else { continue };
        let mut is_taken = stream.write_all(head.as_bytes()).is_ok();
        let mut left = WHOLE - (1 << 20);
        while is_taken && left > 0 && attacker.is_running() {
            is_taken = stream.write_all(&block[..left.min(block.len())]).is_ok();
            left -= left.min(block.len());
        }
        while is_taken && attacker.is_running() {
            is_taken = stream.write_all(&block[..1_000]).is_ok();
            thread::sleep(Duration::from_millis(200));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn pages(siege: &Siege, attacker: Attacker<'_>) {
    let browser = "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nUser-Agent: Mozilla/5.0\r\n";
    let request_of_page =
        |host: &str, lines: &str| format!("GET /v1/camera/frame HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
    let requests = [
        request_of_page("localhost", browser),
        request_of_page("evil.local", ""),
        request_of_page("ai.", ""),
        request_of_page("rebound.example", browser),
    ];
    while attacker.is_running() {
        for text in &requests {
            let Ok(mut stream) = siege.connect_from(attacker.address()) else { continue };
            let reply = stream.write_all(text.as_bytes()).and_then(|()| read(&mut BufReader::new(stream)));
            if let Ok((status, _)) = reply {
                assert!([403, 421, 503].contains(&status), "a page of another site was answered: {status}");
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn faults(siege: &Siege, attacker: Attacker<'_>) {
    let half = &siege.request[..siege.request.len() / 2];
    let faults: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\nHost",
        b"POST /v1/face/pattern/extract HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00garbage",
        half,
    ];
    let (mut connections, mut number) = (vec![], usize::from(attacker.number));
    while attacker.is_running() {
        number += 1;
        let Ok(mut stream) = siege.connect_from(attacker.address()) else { continue };
        let _may_be_refused_at_once = stream.write_all(faults[number % faults.len()]);
        match number % 3 {
            0 => drop(stream),
            1 => connections.push(stream),
            _ => {
                let _default_timeout_otherwise = stream.set_read_timeout(Some(Duration::from_millis(50)));
                let _any_reply = stream.read(&mut [0; 512]);
            }
        }
        if connections.len() > 100 {
            connections.clear();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

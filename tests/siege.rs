//! Many clients, good and bad, against a service that runs on this machine: `siege ADDRESS PICTURE SECONDS [mixed]`. Bad ones come from other
//! loopback addresses than good ones.
//!
//! It measures how long one client's request takes while nobody else is there, beside a thousand connections that say nothing, and
//! under ten times the load that the service can carry; then, or with `mixed` at once, it mixes all of it with faults until the time is
//! over. Figures are for
//! reading; what fails it is a wrong answer, an error that is not 503, refusals that take a second, or memory that grows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Clients that ask without a pause: ten times as many as a service with two workers takes at once.
const CROWD: usize = 80;

const SILENT: usize = 1_000;

struct Siege {
    address: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// Status and body of a reply.
type Reply = (u16, Vec<u8>);

fn read(stream: &mut impl BufRead) -> std::io::Result<Reply> {
    let broken = || std::io::Error::other("no reply");
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("Content-Length") {
            length = value.trim().parse().map_err(|_| broken())?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, body))
}

/// Durations of some requests.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn show(&mut self, what: &str) {
        self.0.sort_unstable();
        let at = |part: f64| {
            self.0.get(((self.0.len() as f64 - 1.0) * part) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3)
        };
        println!(
            "{what:<44} {:>6} replies, median {:>7.1} ms, p99 {:>7.1} ms, longest {:>7.1} ms",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

impl Siege {
    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection from another address of this machine.
    fn connect_from(&self, address: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::from((address, 0)))?;
        connect(&socket, &self.address.parse::<SocketAddr>().map_err(std::io::Error::other)?)?;
        Ok(TcpStream::from(socket))
    }

    fn ask(&self, bytes: &[u8]) -> std::io::Result<Reply> {
        let mut stream = self.connect()?;
        stream.write_all(bytes)?;
        read(&mut BufReader::new(stream))
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("metrics are always answered").1;
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|l| l.split(' ').next() == Some(name)).expect("the metric is there");
        line.split(' ').nth(1).and_then(|v| v.parse().ok()).expect("a number")
    }

    /// One client after the other for some time: times of good replies, and of refusals.
    fn storm(&self, clients: usize, time: Duration) -> (Times, Times) {
        let (good, refused) = (Mutex::new(Times::default()), Mutex::new(Times::default()));
        let end = Instant::now() + time;
        thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let begun = Instant::now();
                        let (status, body) = self.ask(&self.request).expect("every request gets a reply");
                        let times = match status {
                            200 => {
                                assert_eq!(body, self.answer, "the answer is the one given alone");
                                &good
                            }
                            503 => &refused,
                            other => panic!("status {other}: {}", String::from_utf8_lossy(&body)),
                        };
                        times.lock().expect("no thread panicked").0.push(begun.elapsed());
                    }
                });
            }
        });
        (good.into_inner().expect("no thread panicked"), refused.into_inner().expect("no thread panicked"))
    }

    /// Does all that a bad client does, again and again.
    fn misbehave(&self, from: Ipv4Addr, stop: &AtomicBool, count: &AtomicUsize) {
        let half = &self.request[..self.request.len() / 2];
        let faults: [&[u8]; 6] = [
            b"",
            b"GET / HTTP/1.1\r\nHost",
            b"POST /v1/face/pattern/extract HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"\x16\x03\x01\x02\x00garbage",
            half,
        ];
        let mut held = vec![];
        while !stop.load(Ordering::Relaxed) {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let Ok(mut stream) = self.connect_from(from) else { continue };
            let _it_may_be_refused_at_once = stream.write_all(faults[number % faults.len()]);
            match number % 3 {
                0 => drop(stream),
                1 => held.push(stream),
                _ => {
                    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
                    let _whatever_it_says = stream.read(&mut [0; 512]);
                }
            }
            if held.len() > 100 {
                held.clear();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The first three parts, each as long as `part`: their figures are for reading.
fn measure(siege: &Siege, part: Duration) {
    let (mut quiet, _) = siege.storm(1, part);
    quiet.show("one client, nobody else");
    let silent: Vec<_> = (0..SILENT).filter_map(|_| siege.connect().ok()).collect();
    let (mut beside, _) = siege.storm(1, part);
    beside.show(&format!("one client, {} silent connections", silent.len()));
    drop(silent);
    let (mut good, mut refused) = siege.storm(CROWD, part);
    good.show(&format!("{CROWD} clients without a pause"));
    refused.show("  of which refused with 503");
    // Of all but one in a hundred: other load on the machine stops a thread for longer than the service ever does.
    let most = refused.0.get(refused.0.len() * 99 / 100);
    assert!(most.is_none_or(|most| *most < Duration::from_secs(1)), "a refusal comes at once");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (address, picture, seconds, mixed) = match &words[..] {
        [address, picture, seconds] => (address, picture, seconds, false),
        [address, picture, seconds, word] if word == "mixed" => (address, picture, seconds, true),
        _ => {
            eprintln!("usage: siege ADDRESS PICTURE SECONDS [mixed]");
            std::process::exit(2)
        }
    };
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .expect("the limit can be raised up to the hard one");
    let picture = std::fs::read(picture).expect("the picture can be read");
    let seconds: u64 = seconds.parse().expect("seconds are a number");
    let head = format!(
        "POST /v1/face/pattern/extract HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
        picture.len()
    );
    let mut siege = Siege { address: address.clone(), request: [head.into_bytes(), picture].concat(), answer: vec![] };
    let (status, answer) = siege.ask(&siege.request).expect("the service answers");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    siege.answer = answer;
    let part = Duration::from_secs(if mixed { 0 } else { (seconds / 6).max(5) });
    let before = siege.metric("process_resident_memory_bytes");
    if !mixed {
        measure(&siege, part);
    }
    let (stop, faults) = (AtomicBool::new(false), AtomicUsize::new(0));
    let rest = Duration::from_secs(seconds).saturating_sub(3 * part);
    let warm = thread::scope(|scope| {
        for i in 2..6 {
            let (siege, stop, faults) = (&siege, &stop, &faults);
            scope.spawn(move || siege.misbehave(Ipv4Addr::new(127, 0, 0, i), stop, faults));
        }
        siege.storm(CROWD / 8, rest / 4);
        let warm = siege.metric("process_resident_memory_bytes");
        let (mut good, mut refused) = siege.storm(CROWD / 8, rest / 4 * 3);
        stop.store(true, Ordering::Relaxed);
        good.show(&format!("{} clients among bad ones", CROWD / 8));
        refused.show("  of which refused with 503");
        warm
    });
    thread::sleep(Duration::from_secs(2));
    let after = siege.metric("process_resident_memory_bytes");
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    println!(
        "{} faults; memory {:.0} MiB before, {:.0} in the middle, {:.0} after",
        faults.into_inner(),
        mib(before),
        mib(warm),
        mib(after)
    );
    assert!(mib(after) <= mib(warm).max(mib(before)) + 10.0, "memory grows");
}

//! The honest client: its requests, the expected answers, and how long they take.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// The service, and the requests of an honest client.
pub(crate) struct Siege {
    pub(crate) address: String,
    /// A picture.
    pub(crate) picture: Vec<u8>,
    /// The request for its template.
    pub(crate) request: Vec<u8>,
    /// The template.
    pub(crate) answer: Vec<u8>,
}

/// Status and body of a reply.
pub(crate) type Reply = (u16, Vec<u8>);

/// A request to localhost.
pub(crate) fn request(method: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub(crate) fn read(stream: &mut impl BufRead) -> std::io::Result<Reply> {
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
pub(crate) struct Times(pub(crate) Vec<Duration>);

impl Times {
    /// The duration that this share of them did not exceed.
    pub(crate) fn at(&mut self, share: f64) -> Duration {
        self.0.sort_unstable();
        self.0.get(((self.0.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default()
    }

    pub(crate) fn show(&mut self, what: &str) {
        let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| self.at(share).as_secs_f64() * 1e3);
        let count = self.0.len();
        println!(
            "{what:<44} {count:>6} replies, median {median:>7.1} ms, p99 {p99:>7.1} ms, longest {longest:>7.1} ms"
        );
    }
}

/// The outcome of the requests of an honest client.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) times: Times,
    /// Numbers of requests without the expected reply, by what came instead.
    pub(crate) failed: BTreeMap<String, usize>,
}

impl Outcome {
    fn fail(&mut self, what: &str) {
        *self.failed.entry(what.chars().take(120).collect()).or_default() += 1;
    }

    pub(crate) fn answered_percent(&self) -> f64 {
        let count = self.times.0.len() + self.failed.values().sum::<usize>();
        100.0 * self.times.0.len() as f64 / count.max(1) as f64
    }
}

impl Siege {
    pub(crate) fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection from another address of this machine.
    pub(crate) fn connect_from(&self, address: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::from((address, 0)))?;
        connect(&socket, &self.address.parse::<SocketAddr>().map_err(std::io::Error::other)?)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    pub(crate) fn ask(&self, bytes: &[u8]) -> std::io::Result<Reply> {
        let mut stream = self.connect()?;
        stream.write_all(bytes)?;
        read(&mut BufReader::new(stream))
    }

    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.ask(&request("GET", "/metrics", "", b"")).expect("metrics are always answered").1;
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|l| l.split(' ').next() == Some(name)).expect("the metric is there");
        line.split(' ').nth(1).and_then(|v| v.parse().ok()).expect("a number")
    }

    /// A client such as a door opener: one request after the other, with a pause, for some time. A wrong reply fails the siege.
    pub(crate) fn run_client(&self, from: Ipv4Addr, time: Duration) -> Outcome {
        let (mut outcome, end) = (Outcome::default(), Instant::now() + time);
        while Instant::now() < end {
            let begun = Instant::now();
            let reply = self.connect_from(from).and_then(|mut stream| {
                stream.write_all(&self.request)?;
                read(&mut BufReader::new(stream))
            });
            match reply {
                Ok((200, body)) => {
                    assert_eq!(body, self.answer, "the reply is that to a single client");
                    outcome.times.0.push(begun.elapsed());
                }
                Ok((503, body)) => outcome.fail(&String::from_utf8_lossy(&body)),
                Err(error) => outcome.fail(&error.to_string()),
                Ok((other, body)) => panic!("status {other}: {}", String::from_utf8_lossy(&body)),
            }
            thread::sleep(Duration::from_millis(50));
        }
        outcome
    }

    /// A monitor: probes whether the process is alive, ready and healthy, for some time.
    pub(crate) fn run_monitor(&self, time: Duration) -> Outcome {
        let (mut outcome, end) = (Outcome::default(), Instant::now() + time);
        while Instant::now() < end {
            for path in ["/healthz", "/readyz", "/v1/face/pattern/health"] {
                let begun = Instant::now();
                match self.ask(&request("GET", path, "", b"")) {
                    Ok((200, _)) => outcome.times.0.push(begun.elapsed()),
                    Ok((status, _)) => outcome.fail(&format!("{path}: {status}")),
                    Err(error) => outcome.fail(&format!("{path}: {error}")),
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        outcome
    }

    /// Clients that send without a pause for some time: the times of templates, and of refusals.
    pub(crate) fn storm(&self, clients: usize, time: Duration) -> (Times, Times) {
        let (answered, refused) = (Mutex::new(Times::default()), Mutex::new(Times::default()));
        let end = Instant::now() + time;
        thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let begun = Instant::now();
                        let (status, body) = self.ask(&self.request).expect("every request gets a reply");
                        let times = match status {
                            200 => {
                                assert_eq!(body, self.answer, "the reply is that to a single client");
                                &answered
                            }
                            503 => &refused,
                            other => panic!("status {other}: {}", String::from_utf8_lossy(&body)),
                        };
                        times.lock().expect("no thread panicked").0.push(begun.elapsed());
                    }
                });
            }
        });
        (answered.into_inner().expect("no thread panicked"), refused.into_inner().expect("no thread panicked"))
    }
}

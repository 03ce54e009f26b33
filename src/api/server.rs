//! Connects [`Service`] to HTTP: the gate takes requests from peers, tiny_http reads them and writes replies, and a fixed number of
//! threads answers them. No bytes of a peer reach tiny_http as the peer sent them.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tiny_http::{Header, Method, Request, Response, StatusCode};

use super::body::Body;
use super::context::{Call, Service};
use super::error::{Error, Family, Kind};
use super::reply::{LiveBody, Reply};
use crate::gate::{
    Access, Gate, GateConfig, InFlightRequests, Listener, PROBE_ID, PROTECTION, REQUEST_NUMBER, SlotLimits, Tls,
    http_date,
};
use crate::ops::shutdown::{IDLE, Shutdown};
use crate::ops::{SecretBytes, Settings};
use crate::work::thread_cpu_time;

/// A running gate and its threads.
pub struct Server {
    gate: Arc<Gate>,
    http: Arc<tiny_http::Server>,
    threads: Vec<JoinHandle<()>>,
    /// Time that in-flight requests may still take at shutdown.
    wait_limit: Duration,
    shutdown: Shutdown,
}

/// Slots for probes: requests that cost nothing, such as those of monitors and the service's own. Further ones wait.
const PROBES: usize = 4;

/// Slots for requests that wait for the camera: few people fit before it, and there are two streams of pictures and some of challenges
/// and events. A page of the console has two of them at once.
const CAMERA: usize = 8;

/// Descriptors of a connection to tiny_http: one here, two there.
const DESCRIPTORS_EACH: usize = 3;

/// Descriptors for listeners, cameras, files and the process itself.
const DESCRIPTORS_ELSE: usize = 32;

/// Fewest connections with which the service starts.
const FEWEST_CONNECTIONS: usize = 8;

/// Time for tiny_http to start all of its threads: on a slow machine that is busy starting, some seconds.
const START_TIME: Duration = Duration::from_secs(60);

/// Time for writing the reply, added to the request time at shutdown.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The slots for in-flight requests under `settings`.
pub fn slots(settings: &Settings) -> SlotLimits {
    SlotLimits { probe: PROBES, inference: settings.requests(), camera: CAMERA }
}

impl Server {
    /// Serves the listeners in `listeners` until `shutdown`, in a process that may have this many `descriptors`.
    pub fn start(
        listeners: Vec<Listener>,
        service: &Arc<Service>,
        settings: &Settings,
        tls: Option<Tls>,
        descriptors: u64,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        let slots = slots(settings);
        let mut limits = settings.limits.clone();
        // Without free descriptors, tiny_http stops for good, so connections are limited.
        let others = DESCRIPTORS_EACH * slots.all() + DESCRIPTORS_ELSE;
        let left = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(others);
        if left < FEWEST_CONNECTIONS {
            let least = others + FEWEST_CONNECTIONS;
            return Err(io::Error::other(format!(
                "{descriptors} descriptors are too few: it needs {least} (LimitNOFILE= of the unit, ulimit -n of a shell)"
            )));
        }
        if left < limits.connections {
            log::warn!(
                "limits.connections is {}, but only {left} are accepted: the process may have {descriptors} descriptors",
                limits.connections
            );
            limits.connections = left;
        }
        let config = GateConfig {
            handler: Arc::clone(service) as _,
            access: Access::new(&settings.access),
            tls,
            limits,
            slots,
            sessions: Arc::clone(&service.sessions),
            gauges: Arc::clone(&service.gauges),
        };
        let (gate, listener) = Gate::open(listeners, config)?;
        let gate = Arc::new(gate);
        let _only_one_server_is_started = service.gate.set(Arc::downgrade(&gate));
        let http = Arc::new(tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?);
        let start = |number| {
            let (http, service, shutdown) = (Arc::clone(&http), Arc::clone(service), shutdown.clone());
            let in_flight_requests = gate.in_flight_requests().clone();
            let work = move || {
                loop {
                    match http.recv() {
                        Ok(request) => serve(&service, request, &in_flight_requests),
                        Err(_) if shutdown.requested() => break, // unblocked by `join`
                        Err(error) => shutdown.fail(&format!("the listener failed: {error}")),
                    }
                }
            };
            thread::Builder::new().name(format!("http-{number}")).spawn(work)
        };
        let no_thread =
            |error| io::Error::other(format!("no thread for HTTP (TasksMax=, ulimit -u, ulimit -v): {error}"));
        let threads = (0..slots.all()).map(start).collect::<io::Result<_>>().map_err(no_thread)?;
        gate.wait_until_listening(START_TIME, || shutdown.requested())?;
        let wait_limit = settings.limits.request_time() + LAST_WORDS;
        Ok(Self { gate, http, threads, wait_limit, shutdown: shutdown.clone() })
    }

    /// The gate of this server.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Waits for the shutdown, calling `meanwhile` periodically, and then until in-flight requests have ended.
    pub fn join(self, meanwhile: impl Fn()) {
        // One thread polls for all of them, so that an idle service does nothing.
        while !self.shutdown.requested() {
            self.shutdown.sleep(IDLE);
            meanwhile();
            if self.gate.has_stopped() {
                self.shutdown.fail("the gate's thread has ended");
            }
        }
        self.gate.close(self.wait_limit);
        self.threads.iter().for_each(|_| self.http.unblock());
        for thread in self.threads {
            let _panicked_outside_a_request = thread.join();
        }
        drop(self.http);
    }
}

fn serve(service: &Arc<Service>, mut request: Request, in_flight_requests: &InFlightRequests) {
    let start = Instant::now();
    let id = header(&request, "X-Request-ID").unwrap_or_default().to_owned();
    let number = header(&request, REQUEST_NUMBER).and_then(|number| number.parse().ok());
    // A request that is not in flight any more needs no answer: its client left before it was read.
    let Some(caller) = number.and_then(|number| in_flight_requests.find(number)) else { return };
    if number == Some(PROBE_ID) {
        return deliver(request, Service::alive(), &id);
    }
    let Some(call) = caller.data.as_ref().and_then(|data| data.downcast_ref::<Call>()).cloned() else {
        return deliver(request, Error::internal(Family::Pattern, "the request was not admitted").into(), &id);
    };
    let family = call.route.family();
    let (owner, before) = (caller.owner.clone(), thread_cpu_time());
    let reply = catch_unwind(AssertUnwindSafe(|| -> io::Result<Reply> {
        let length = request.body_length();
        let body = match SecretBytes::read(request.as_reader(), length.unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                return Ok(Error::new(family, Kind::Overloaded, "there is no memory for it; try again").into());
            }
            read => read?,
        };
        if length.is_some_and(|whole| whole != body.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(service.answer(&call.of(caller, Body::new(body))))
    }));
    owner.charge(thread_cpu_time().saturating_sub(before));
    let reply = match reply {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => return, // the client left while its request was read
        Err(_) => Error::internal(family, "the handler panicked").into(),
    };
    let (status, ms) = (reply.status, start.elapsed().as_millis());
    if let Some(cause) = &reply.cause {
        log::error!("request {id}: {status} in {ms} ms: {cause}");
    }
    deliver(request, reply, &id);
}

fn deliver(request: Request, reply: Reply, id: &str) {
    if let Err(error) = send(request, reply, id) {
        log::debug!("request {id}: the reply was not delivered: {error}");
    }
}

/// The value of a header that the gate wrote.
fn header<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
}

/// A live body that ends when it fails: after an error tiny_http would leave the reply without an end.
struct Ending(Box<dyn Read + Send>);

impl Read for Ending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(catch_unwind(AssertUnwindSafe(|| self.0.read(buffer))).unwrap_or(Ok(0)).unwrap_or(0))
    }
}

/// Most bytes of one piece of a live body.
const PIECE: usize = 16 << 10;

/// Sends each piece of a live body when it is made: tiny_http would keep what is less than 8 KiB, and events are.
fn send_live(request: Request, status: StatusCode, headers: &[Header], mut body: Ending) -> io::Result<()> {
    let mut writer = request.into_writer();
    write!(writer, "HTTP/1.1 {} {}\r\n", status.0, status.default_reason_phrase())?;
    for header in headers {
        write!(writer, "{header}\r\n")?;
    }
    // The gate is the only peer here, and speaks HTTP/1.1.
    writer.write_all(b"Transfer-Encoding: chunked\r\n\r\n")?;
    writer.flush()?;
    let mut buffer = [0; PIECE];
    loop {
        let length = body.read(&mut buffer)?;
        write!(writer, "{length:x}\r\n")?;
        writer.write_all(&buffer[..length])?;
        writer.write_all(b"\r\n")?;
        writer.flush()?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn send(request: Request, reply: Reply, id: &str) -> io::Result<()> {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).map_err(|()| io::Error::other("bad header"));
    let mut headers = vec![
        header("Content-Type", &reply.content_type)?,
        header("X-Request-ID", id)?,
        header("Server", "faceplate")?,
        // tiny_http's own header would end the thread where the clock is before 1970 or after 9999.
        header("Date", &http_date(SystemTime::now()))?,
    ];
    for (name, value) in PROTECTION {
        if !reply.headers.iter().any(|(own, _)| *own == name) {
            headers.push(header(name, value)?);
        }
    }
    for (name, value) in &reply.headers {
        headers.push(header(name, value)?);
    }
    let status = StatusCode(reply.status);
    let _until_it_is_sent = reply.room;
    match reply.live {
        Some(LiveBody(body)) if *request.method() != Method::Head => send_live(request, status, &headers, Ending(body)),
        Some(_) => request.respond(Response::new(status, headers, io::empty(), Some(0), None)),
        None => {
            let length = reply.body.len();
            let response = Response::new(status, headers, io::Cursor::new(reply.body), Some(length), None);
            request.respond(response.with_chunked_threshold(usize::MAX))
        }
    }
}

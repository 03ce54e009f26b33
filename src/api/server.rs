//! The shell around [`Service`]: the gate takes requests from strangers, tiny_http reads them and writes replies, a fixed
//! number of threads waits for what they ask. Nothing that reaches tiny_http here came from a stranger as it is.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tiny_http::{Header, Method, Request, Response, StatusCode};

use super::body::Body;
use super::error::{Error, Family, Kind};
use super::reply::{Live, Reply};
use super::service::{Head, Service};
use crate::gate::{Access, CALL, Callers, Door, Gate, Opening, PROTECTION, Places, Tls, http_date};
use crate::ops::shutdown::{IDLE, Shutdown};
use crate::ops::{Settings, Wiped};
use crate::work::thread_cpu_time;

/// An open gate and the threads behind it.
pub struct Server {
    gate: Arc<Gate>,
    http: Arc<tiny_http::Server>,
    threads: Vec<JoinHandle<()>>,
    /// How long requests may still take when it stops.
    patience: Duration,
    shutdown: Shutdown,
}

/// Requests that cost nothing and are answered beside each other: monitors and the service's own. Others wait for their turn.
const LIGHT: usize = 4;

/// Requests that wait for the camera at once: there is room for few people before it, and two streams.
const CAMERA: usize = 4;

/// Descriptors of a connection to tiny_http: one here, two there.
const DESCRIPTORS_EACH: usize = 3;

/// Descriptors for doors, cameras, files and the process itself.
const DESCRIPTORS_ELSE: usize = 32;

/// Connections without which there would be no service.
const FEWEST_CONNECTIONS: usize = 8;

/// What is left of the request time for the reply, when the service stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How many requests are answered at once under `settings`.
pub fn places(settings: &Settings) -> Places {
    Places { light: LIGHT, work: settings.requests(), camera: CAMERA }
}

impl Server {
    /// Serves what comes in by `doors` until `shutdown`, in a process that may have so many `descriptors`.
    pub fn start(
        doors: Vec<Door>,
        service: &Arc<Service>,
        settings: &Settings,
        tls: Option<Tls>,
        descriptors: u64,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        let places = places(settings);
        let mut limits = settings.limits.clone();
        // Out of descriptors, tiny_http gives up for good: it must never come to that.
        let others = DESCRIPTORS_EACH * places.all() + DESCRIPTORS_ELSE;
        let left = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(others);
        if left < FEWEST_CONNECTIONS {
            let least = others + FEWEST_CONNECTIONS;
            return Err(io::Error::other(format!(
                "{descriptors} descriptors are too few: it needs {least} (LimitNOFILE= of the unit, ulimit -n of a shell)"
            )));
        }
        if left < limits.connections {
            log::warn!(
                "of {} connections only {left} are taken: there are {descriptors} descriptors",
                limits.connections
            );
            limits.connections = left;
        }
        let opening = Opening {
            house: Arc::clone(service) as _,
            access: Access::new(&settings.access),
            tls,
            limits,
            places,
            figures: Arc::clone(&service.figures),
        };
        let (gate, listener) = Gate::open(doors, opening)?;
        let http = Arc::new(tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?);
        let start = |number| {
            let (http, service, shutdown) = (Arc::clone(&http), Arc::clone(service), shutdown.clone());
            let callers = gate.callers().clone();
            let work = move || {
                loop {
                    match http.recv() {
                        Ok(request) => serve(&service, request, &callers),
                        Err(_) if shutdown.requested() => break, // unblocked by `join`
                        Err(error) => shutdown.fail(&format!("the listener failed: {error}")),
                    }
                }
            };
            thread::Builder::new().name(format!("http-{number}")).spawn(work)
        };
        let threads = (0..places.all()).map(start).collect::<io::Result<_>>()?;
        let patience = settings.limits.request_time() + LAST_WORDS;
        Ok(Self { gate: Arc::new(gate), http, threads, patience, shutdown: shutdown.clone() })
    }

    /// The gate in front.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Waits for the shutdown, doing `meanwhile` now and then, and until requests that are being answered are.
    pub fn join(self, meanwhile: impl Fn()) {
        // One thread looks for all of them, so that a service that has nothing to do does nothing.
        while !self.shutdown.requested() {
            self.shutdown.sleep(IDLE);
            meanwhile();
            if self.gate.is_deaf() {
                self.shutdown.fail("the gate's thread has ended");
            }
        }
        self.gate.close(self.patience);
        self.threads.iter().for_each(|_| self.http.unblock());
        for thread in self.threads {
            let _panicked_outside_a_request = thread.join();
        }
        drop(self.http);
    }
}

fn serve(service: &Arc<Service>, mut request: Request, callers: &Callers) {
    let start = Instant::now();
    let head = head(&request);
    let id = head.header("X-Request-ID").unwrap_or_default().to_owned();
    let number = head.header(CALL).and_then(|number| number.parse().ok());
    // A request that has no caller is for nobody: it went before its turn came.
    let Some(caller) = number.and_then(|number| callers.find(number)) else { return };
    let (owner, before) = (caller.owner.clone(), thread_cpu_time());
    let reply = catch_unwind(AssertUnwindSafe(|| -> io::Result<Reply> {
        let call = match service.admit(&head) {
            Ok(call) => call,
            Err(error) => return Ok(error.into()),
        };
        let length = request.body_length();
        let body = match Wiped::read(request.as_reader(), length.unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                return Ok(Error::new(
                    Family::of(&head.target),
                    Kind::Overloaded,
                    "there is no memory for it; try again",
                )
                .into());
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
        Ok(Err(_)) => return, // it went while its request was handed over
        Err(_) => Error::internal(Family::of(&head.target), "the handler panicked").into(),
    };
    let (status, ms) = (reply.status, start.elapsed().as_millis());
    if let Some(cause) = &reply.cause {
        log::error!("request {id}: {status} in {ms} ms: {cause}");
    }
    if let Err(error) = send(request, reply, &id) {
        log::debug!("request {id}: the reply was not delivered: {error}");
    }
}

fn head(request: &Request) -> Head {
    let text = |h: &Header| (h.field.as_str().as_str().to_owned(), h.value.as_str().to_owned());
    Head {
        method: request.method().as_str().to_owned(),
        target: request.url().to_owned(),
        headers: request.headers().iter().map(text).collect(),
    }
}

/// A live body whose failure is its end: after an error tiny_http would leave the reply without one.
struct Ending(Box<dyn Read + Send>);

impl Read for Ending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(catch_unwind(AssertUnwindSafe(|| self.0.read(buffer))).unwrap_or(Ok(0)).unwrap_or(0))
    }
}

fn send(request: Request, reply: Reply, id: &str) -> io::Result<()> {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).map_err(|()| io::Error::other("bad header"));
    let mut headers = vec![
        header("Content-Type", &reply.content_type)?,
        header("X-Request-ID", id)?,
        header("Server", "faceplate")?,
        // tiny_http's own would end the thread where the clock is before 1970 or after 9999.
        header("Date", &http_date(SystemTime::now()))?,
    ];
    for (name, value) in PROTECTION {
        headers.push(header(name, value)?);
    }
    for (name, value) in &reply.headers {
        headers.push(header(name, value)?);
    }
    let status = StatusCode(reply.status);
    let _until_it_is_sent = reply.room;
    match reply.live {
        Some(Live(body)) if *request.method() != Method::Head => {
            request.respond(Response::new(status, headers, Ending(body), None, None))
        }
        Some(_) => request.respond(Response::new(status, headers, io::empty(), Some(0), None)),
        None => {
            let length = reply.body.len();
            let response = Response::new(status, headers, io::Cursor::new(reply.body), Some(length), None);
            request.respond(response.with_chunked_threshold(usize::MAX))
        }
    }
}

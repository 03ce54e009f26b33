//! The shell around [`Service`]: tiny_http reads and writes, a fixed number of threads waits.
//!
//! tiny_http trusts its peers: it has no timeouts and reserves what a Content-Length claims. What can be done about that from
//! the inside is done here (bodies are read in pieces and bounded, leftovers are drained); the rest belongs to the gate that
//! is to stand in front. Until it does, listen on loopback or behind a proxy.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tiny_http::{Header, Request, Response, StatusCode};

use super::error::{Error, Family, Kind};
use super::pattern::random;
use super::reply::Reply;
use super::service::{Head, Service};
use crate::ops::shutdown::Shutdown;

/// A listening server and its threads.
pub struct Server {
    http: Arc<tiny_http::Server>,
    threads: Vec<JoinHandle<()>>,
    address: SocketAddr,
}

/// How often an idle thread looks whether it should stop.
const IDLE: Duration = Duration::from_millis(250);

/// An unread body up to this much over the limit is drained, so that the client gets to read the refusal.
const DRAINED_BYTES: usize = 64 << 20;

/// Longest request id that is echoed.
const LONGEST_ID: usize = 128;

impl Server {
    /// Serves `service` on `listener` with `threads` threads until `shutdown`.
    pub fn start(
        listener: TcpListener,
        service: Arc<Service>,
        threads: usize,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let http = Arc::new(tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?);
        let start = |number| {
            let (http, service, shutdown) = (Arc::clone(&http), Arc::clone(&service), shutdown.clone());
            let work = move || {
                while !shutdown.requested() {
                    match http.recv_timeout(IDLE) {
                        Ok(Some(request)) => serve(&service, request),
                        Ok(None) => {}
                        Err(error) => {
                            log::error!("the listener failed: {error}");
                            shutdown.request();
                        }
                    }
                }
            };
            thread::Builder::new().name(format!("http-{number}")).spawn(work)
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { http, threads, address })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until all threads have stopped, each after the request that it is at.
    pub fn join(self) {
        for thread in self.threads {
            let _panicked_outside_a_request = thread.join();
        }
        drop(self.http);
    }
}

fn serve(service: &Service, mut request: Request) {
    let start = Instant::now();
    let head = head(&request);
    let id = request_id(&head);
    let reply = catch_unwind(AssertUnwindSafe(|| handle(service, &head, &mut request))).unwrap_or_else(|_| {
        log::error!("request {id}: the handler panicked");
        Error::new(Family::of(&head.target), Kind::Internal, "the log has the cause under this request's id").into()
    });
    let (status, ms) = (reply.status, start.elapsed().as_millis());
    let level = if status >= 500 { log::Level::Warn } else { log::Level::Debug };
    log::log!(level, "request {id}: {} {status} in {ms} ms", head.method);
    if let Err(error) = send(request, reply, &id, service.limits().body_bytes) {
        log::debug!("request {id}: the reply was not delivered: {error}");
    }
}

fn handle(service: &Service, head: &Head, request: &mut Request) -> Reply {
    let call = match service.admit(head) {
        Ok(call) => call,
        Err(error) => return error.into(),
    };
    let limit = service.limits().body_bytes;
    if request.body_length().is_some_and(|length| length > limit) {
        return call.too_large(limit).into();
    }
    let mut body = Vec::with_capacity(request.body_length().unwrap_or_default().min(1 << 20));
    match request.as_reader().take(limit as u64 + 1).read_to_end(&mut body) {
        Ok(length) if length > limit => call.too_large(limit).into(),
        Ok(length) if request.body_length().is_some_and(|claimed| claimed != length) => {
            Error::new(Family::of(&head.target), Kind::Sample, "the body is shorter than Content-Length").into()
        }
        Ok(_) => service.answer(&call, &body),
        Err(_) => Error::new(Family::of(&head.target), Kind::Sample, "the body could not be read").into(),
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

/// The client's request id if it is a plain word, else one of our own.
fn request_id(head: &Head) -> String {
    let plain = |id: &&str| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    head.header("X-Request-ID").filter(plain).map_or_else(|| format!("{:016x}", random() as u64), str::to_owned)
}

fn send(mut request: Request, reply: Reply, id: &str, limit: usize) -> io::Result<()> {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).map_err(|()| io::Error::other("bad header"));
    let mut headers = vec![
        header("Content-Type", &reply.content_type)?,
        header("X-Request-ID", id)?,
        header("Server", "faceplate")?,
        header("Cache-Control", "no-store")?,
    ];
    for (name, value) in &reply.headers {
        headers.push(header(name, value)?);
    }
    let length = reply.body.len();
    let response = Response::new(StatusCode(reply.status), headers, io::Cursor::new(reply.body), Some(length), None)
        .with_chunked_threshold(usize::MAX);
    if request.body_length().is_some_and(|claimed| claimed > limit + DRAINED_BYTES) {
        // Dropping this reader would reserve what the client claims. It is leaked instead, with its connection.
        std::mem::forget(request.upgrade("close", response));
        return Ok(());
    }
    if reply.status != 200 && !expects_continue(&request) {
        let unread = &mut request.as_reader().take((limit + DRAINED_BYTES) as u64);
        io::copy(unread, &mut io::sink())?;
    }
    request.respond(response)
}

/// Whether the client waits for a word before it sends its body: then there is nothing to drain.
fn expects_continue(request: &Request) -> bool {
    request.headers().iter().any(|h| h.field.equiv("Expect"))
}

//! The shell around [`Service`]: tiny_http reads and writes, a fixed number of threads waits.
//!
//! tiny_http trusts its peers: it has no timeouts and reserves what a Content-Length claims. What can be done about that from
//! the inside is done here (bodies are read in pieces and bounded, leftovers are drained); the rest belongs to the gate that
//! is to stand in front. Until it does, listen on loopback or behind a proxy.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use tiny_http::{Header, Method, Request, Response, StatusCode};

use super::error::{Error, Family, Kind};
use super::pattern::random;
use super::reply::{Live, Reply};
use super::service::{Head, Service};
use crate::ops::shutdown::Shutdown;

/// A listening server and its threads.
pub struct Server {
    http: Arc<tiny_http::Server>,
    threads: Vec<JoinHandle<()>>,
    address: SocketAddr,
    shutdown: Shutdown,
}

/// A client that takes nothing of its reply for so long is given up: it holds a thread.
const SLOWEST_READER: Duration = Duration::from_secs(10);

/// An unread body up to this much over the limit is drained, so that the client gets to read the refusal.
const DRAINED_BYTES: usize = 64 << 20;

/// Connections that may be lost to absurd claims; each costs two descriptors of the usual 1,024.
const MOST_LEAKED: usize = 100;

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
        // The sockets that it accepts inherit this.
        set_socket_timeout(&listener, Timeout::Send, Some(SLOWEST_READER))?;
        let http = Arc::new(tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?);
        let start = |number| {
            let (http, service, shutdown) = (Arc::clone(&http), Arc::clone(&service), shutdown.clone());
            let work = move || {
                while !shutdown.requested() {
                    match http.recv() {
                        Ok(request) => serve(&service, request, &shutdown),
                        Err(_) if shutdown.requested() => break, // unblocked by `join`
                        Err(error) => shutdown.fail(&format!("the listener failed: {error}")),
                    }
                }
            };
            thread::Builder::new().name(format!("http-{number}")).spawn(work)
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { http, threads, address, shutdown: shutdown.clone() })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the shutdown and until all threads have stopped, each after the request that it is at.
    pub fn join(self) {
        // One thread looks for all of them, so that a service that has nothing to do does nothing.
        while !self.shutdown.requested() {
            self.shutdown.sleep(Duration::from_secs(3600));
        }
        self.threads.iter().for_each(|_| self.http.unblock());
        for thread in self.threads {
            let _panicked_outside_a_request = thread.join();
        }
        drop(self.http);
    }
}

fn serve(service: &Arc<Service>, mut request: Request, shutdown: &Shutdown) {
    let start = Instant::now();
    let head = head(&request);
    let id = request_id(&head);
    let (reply, body) = catch_unwind(AssertUnwindSafe(|| handle(service, &head, &mut request)))
        .unwrap_or_else(|_| (Error::internal(Family::of(&head.target), "the handler panicked").into(), Body::Read));
    let (status, ms) = (reply.status, start.elapsed().as_millis());
    match &reply.cause {
        Some(cause) => log::error!("request {id}: {status} in {ms} ms: {cause}"),
        None => log::debug!("request {id}: {status} in {ms} ms"),
    }
    match send(request, reply, body, &id, service.limits().body_bytes) {
        Ok(Sent::Whole) => {}
        Ok(Sent::Leaked) => leaked(shutdown),
        Err(error) => log::debug!("request {id}: the reply was not delivered: {error}"),
    }
}

/// Counts connections that had to be leaked. Before they use up the process's descriptors, and tiny_http with them, the
/// service ends itself, for its supervisor to start it afresh.
fn leaked(shutdown: &Shutdown) {
    static LEAKED: AtomicUsize = AtomicUsize::new(0);
    let count = LEAKED.fetch_add(1, Ordering::Relaxed) + 1;
    log::warn!("a request claimed a body far over the limit; its connection is lost ({count} of {MOST_LEAKED})");
    if count >= MOST_LEAKED {
        shutdown.fail("too many lost connections");
    }
}

/// Whether something of the request is still to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// All of it was read, or no more of it can be.
    Read,
    Unread,
}

fn handle(service: &Arc<Service>, head: &Head, request: &mut Request) -> (Reply, Body) {
    let call = match service.admit(head) {
        Ok(call) => call,
        Err(error) => return (error.into(), Body::Unread),
    };
    let limit = service.limits().body_bytes;
    if request.body_length().is_some_and(|length| length > limit) {
        return (call.too_large(limit).into(), Body::Unread);
    }
    let mut body = Vec::with_capacity(request.body_length().unwrap_or_default().min(1 << 20));
    let received = body_of(request, limit + 1).read_to_end(&mut body);
    match received {
        Ok(length) if length > limit => (call.too_large(limit).into(), Body::Unread),
        Ok(length) if request.body_length().is_some_and(|claimed| claimed != length) => {
            (call.broken("the body is shorter than Content-Length").into(), Body::Read)
        }
        Ok(_) => (service.answer(&call, &body), Body::Read),
        Err(_) => (call.broken("the body could not be read").into(), Body::Read),
    }
}

/// Up to `most` bytes of the body. tiny_http hands over the whole connection to a request that wishes to upgrade, whose body
/// ends all the same where its Content-Length says; a request without either length or chunks has none.
fn body_of(request: &mut Request, most: usize) -> impl Read {
    let chunked = request.headers().iter().any(|h| h.field.equiv("Transfer-Encoding"));
    let length = if chunked { most } else { request.body_length().unwrap_or_default().min(most) };
    request.as_reader().take(length as u64)
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

/// How a reply went out.
enum Sent {
    Whole,
    /// At the cost of a connection that is never closed.
    Leaked,
}

fn send(mut request: Request, reply: Reply, read: Body, id: &str, limit: usize) -> io::Result<Sent> {
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
    let status = StatusCode(reply.status);
    if let Some(Live(body)) = reply.live {
        // Without chunks tiny_http would collect the whole body first, which has no end.
        let chunks = *request.http_version() >= (1, 1) && !request.headers().iter().any(|h| h.field.equiv("TE"));
        if chunks && *request.method() != Method::Head {
            request.respond(Response::new(status, headers, body, None, None))?;
        } else if chunks {
            request.respond(Response::new(status, headers, io::empty(), Some(0), None))?;
        } else {
            let what = "a stream needs HTTP/1.1, without the header TE";
            let refusal = Error::new(Family::Pattern, Kind::Parameter, what);
            return send(request, refusal.into(), read, id, limit);
        }
        return Ok(Sent::Whole);
    }
    let length = reply.body.len();
    let response = Response::new(status, headers, io::Cursor::new(reply.body), Some(length), None)
        .with_chunked_threshold(usize::MAX);
    if request.body_length().is_some_and(|claimed| claimed > limit + DRAINED_BYTES) {
        // Dropping this reader would reserve what the client claims. It is leaked instead, with its connection.
        std::mem::forget(request.upgrade("close", response));
        return Ok(Sent::Leaked);
    }
    if read == Body::Unread {
        // Else the client, still sending, may never read the reply.
        let _refused_anyway = io::copy(&mut body_of(&mut request, limit + DRAINED_BYTES), &mut io::sink());
    }
    request.respond(response)?;
    Ok(Sent::Whole)
}

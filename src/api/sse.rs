//! A reply that goes on: server-sent events (WHATWG HTML, section 9.2), told as they come.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::{Call, RunningStream, Service};
use super::reply::Reply;
use crate::gate::InFlightRequest;

/// Most streams of one kind at once: each holds a thread that serves requests.
pub(super) const STREAMS: usize = 4;
/// A comment is sent this often, so that whatever is in between does not take the connection for dead, and so that a reader who has left is
/// noticed: whoever only sends no more might still read, and the answer to a write tells. A page that is left and opened again needs another stream.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// A stream ends after this time, so that a forgotten window does not hold its slot for ever. Browsers open it again by themselves.
const LONGEST: Duration = Duration::from_secs(600);

/// The body of a stream. `news` returns what is new, or none after it has waited for a moment.
struct EventStream<N> {
    service: Arc<Service>,
    reader: InFlightRequest,
    begun: Instant,
    /// When something was last written.
    written: Instant,
    news: N,
    /// What was not read yet.
    rest: io::Cursor<Vec<u8>>,
    _running: RunningStream,
}

/// The reply to a request for events.
pub(super) fn stream(
    service: &Arc<Service>,
    call: &Call,
    running: RunningStream,
    news: impl FnMut(&Service) -> Option<String> + Send + 'static,
) -> Reply {
    let stream = EventStream {
        service: Arc::clone(service),
        reader: call.request.clone(),
        begun: Instant::now(),
        written: Instant::now(),
        news,
        rest: io::Cursor::new(b"retry: 1000\n\n".to_vec()),
        _running: running,
    };
    Reply::live("text/event-stream", Box::new(stream)).with("Cache-Control", "no-store")
}

impl<N: FnMut(&Service) -> Option<String>> EventStream<N> {
    /// The next events or a sign of life; none when the stream has to end.
    fn next(&mut self) -> Option<String> {
        let is_over = || self.service.shutdown.requested() || self.reader.cancel.is_cancelled();
        while !is_over() && self.begun.elapsed() < LONGEST {
            if let Some(news) = (self.news)(&self.service) {
                return Some(news);
            }
            if self.written.elapsed() >= SIGN_OF_LIFE {
                return Some(":\n\n".to_owned());
            }
        }
        None
    }
}

impl<N: FnMut(&Service) -> Option<String>> Read for EventStream<N> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let Some(next) = self.next() else { return Ok(0) };
        (self.rest, self.written) = (io::Cursor::new(next.into_bytes()), Instant::now());
        self.rest.read(buffer)
    }
}

//! Carries requests to tiny_http and replies back.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mio::Interest;

use super::super::RejectReason;
use super::super::connection::Request;
use super::super::in_flight::InFlightRequest;
use super::super::peers::Peer;
use super::super::price::Holder;
use super::super::upstream::{Task, Upstream};
use super::source::Source;
use super::{EventLoop, InFlight};
use crate::work::{CancelToken, Owner};

/// Reads from tiny_http for one client before others have their turn.
const READS: usize = 8;

/// Bytes of a reply that are read for a client with nothing buffered even when there is no memory for more: a refusal, or a score.
const LITTLE: usize = 4 << 10;

/// Time for tiny_http to answer on a new connection. All its threads may be busy with requests whose clients have left; then the next
/// connection is tried, and until one answers, requests wait.
const HEALTH_CHECK_TIME: Duration = Duration::from_secs(10);

impl EventLoop {
    /// Passes a whole request on, or, where there is no slot for it, lets it wait or refuses it.
    pub(super) fn dispatch(&mut self, i: usize, request: Request) {
        let (class, token, begun) = (request.class, request.pass.token, Instant::now());
        let peer = self.client(i).map_or(Peer::Local, |client| client.peer);
        let holder = Holder { peer, token };
        self.serve_waiting();
        match self.take_slot(class, holder, begun) {
            true => self.pass_on(i, request, holder),
            false => self.wait_for_slot(i, request, holder, begun),
        }
    }

    /// Passes a request on that holds its slot.
    pub(super) fn pass_on(&mut self, i: usize, mut request: Request, holder: Holder) {
        let (class, begun) = (request.class, Instant::now());
        let Holder { peer, token } = holder;
        self.request_ids += 1;
        let request_id = self.request_ids;
        let account = token.map_or_else(|| self.admission.number(&peer), |token| self.admission.number(&token));
        let owner = Owner::new(self.admission.number(&holder));
        let (cancel, data) = (CancelToken::default(), request.data.take());
        let scopes = self.admission.access.scopes(&request.pass);
        let in_flight = InFlightRequest { cancel, owner: owner.clone(), account, pass: request.pass, scopes, data };
        self.in_flight_requests.enter(request_id, in_flight);
        if let Some(client) = self.client(i) {
            client.in_flight = Some(InFlight { class, holder, begun, owner, request_id, upstream: None });
        }
        match peer {
            Peer::Own => self.own_queue.push_back((i, request_id, request)),
            _ => self.queue.push(peer, (i, request_id, request)),
        }
        self.serve_queue();
    }

    pub(super) fn refuse(&mut self, i: usize, target: &str, why: RejectReason) {
        let refusal = self.admission.handler.refuse(target, why);
        if let Some(client) = self.client(i) {
            client.connection.refuse(refusal, why.name());
        }
    }

    /// Gives queued requests to free connections.
    pub(super) fn serve_queue(&mut self) {
        while !self.queue.is_empty() || !self.own_queue.is_empty() {
            let is_free = |b: &Option<Upstream>| b.as_ref().is_some_and(|b| b.task == Task::None);
            let Some(number) = self.upstreams.iter().position(is_free) else { return };
            let next = self.own_queue.pop_front().or_else(|| self.queue.pop());
            let Some((i, request_id, request)) = next else { return };
            let Some(in_flight) = self.client(i).and_then(|client| client.in_flight.as_mut()) else { continue };
            in_flight.upstream = Some(number);
            let taken = catch_unwind(AssertUnwindSafe(|| {
                if let Some(upstream) = &mut self.upstreams[number] {
                    upstream.take(request, i, request_id);
                }
            }));
            if taken.is_err() {
                // There was no memory for it: a request that was begun on that connection can't be completed.
                self.upstreams[number] = None;
                self.admission.handler.on_connection_dropped("fault");
                self.remove(i);
                continue;
            }
            self.transfer(number);
        }
    }

    /// Opens the next connection to tiny_http and sends a health check over it. One at a time: of several that come at once, tiny_http's
    /// thread pool can forget one for as long as the others last.
    pub(super) fn open_one_upstream(&mut self) {
        let checking = self.upstreams.iter().position(|b| b.as_ref().is_some_and(|b| b.task == Task::HealthCheck));
        if let Some(number) = checking {
            if self.upstreams[number].as_ref().is_some_and(|b| b.begun.elapsed() > HEALTH_CHECK_TIME) {
                self.upstreams[number] = None; // whatever holds the thread that should answer, another thread gets the next connection
            }
            return;
        }
        let Some(number) = self.upstreams.iter().position(Option::is_none) else { return };
        let connected = self.upstream_socket.connect().and_then(|mut stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Source::Upstream(number).token(), both)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => {
                self.upstreams[number] = Some(Upstream::health_checked(stream));
                self.transfer(number);
            }
            // tiny_http accepts no more connections, for good.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                log::error!("the HTTP server accepts no connections any more; the service stops");
                self.stop_at = Some(Instant::now());
            }
            // No descriptor; the next round tries again.
            Err(_) => self.admission.handler.on_connection_dropped("descriptors"),
        }
    }

    /// Moves bytes of an upstream, and gives it the next request if it has become free.
    pub(super) fn service_upstream(&mut self, number: usize) {
        self.transfer(number);
        self.serve_queue();
    }

    /// Moves bytes between an upstream and its client, which goes on when all others have had their turn.
    pub(super) fn transfer(&mut self, number: usize) {
        let Some(upstream) = self.upstreams.get_mut(number).and_then(Option::as_mut) else { return };
        let mut result = upstream.write();
        let i = match upstream.task {
            Task::Request { client } => client,
            Task::HealthCheck => match upstream.read(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some(count)) => match upstream.check_health(&self.buffer[..count]) {
                    Ok(true) => return upstream.task = Task::None,
                    Ok(false) => return,
                    Err(_) => return self.upstreams[number] = None,
                },
                Err(_) => return self.upstreams[number] = None,
            },
            // An idle connection has nothing to send; if it does, or has ended, it is of no more use.
            Task::None => {
                if !matches!(upstream.read(&mut self.buffer), Ok(None)) {
                    self.upstreams[number] = None;
                }
                return;
            }
        };
        let (mut whole, mut reads) = (false, 0);
        while result.is_ok() && !whole && reads < READS {
            let Some(client) = self.client(i) else { return };
            // A reply of known length is read whole if there is memory for it: the thread that made it is then free for the next one.
            if !client.connection.wants_answer() && !client.connection.takes_whole() {
                break;
            }
            let is_waiting = client.connection.waiting() > 0;
            let has_room = self.has_room_for_reply(i);
            if is_waiting && !has_room {
                self.stalled.push(i);
                break;
            }
            let most = if has_room { self.buffer.len() } else { LITTLE };
            let (Some(client), Some(upstream)) = (
                self.clients.get_mut(i).and_then(Option::as_mut),
                self.upstreams.get_mut(number).and_then(Option::as_mut),
            ) else {
                return;
            };
            match upstream.read(&mut self.buffer[..most]) {
                Ok(None) => break,
                Ok(Some(count)) => {
                    let now = Instant::now();
                    match client.connection.answer(&self.buffer[..count], now, &mut self.admission.of(client.peer, now))
                    {
                        Ok(done) => whole = done,
                        Err(error) => result = Err(io::Error::other(error.to_string())),
                    }
                }
                Err(error) => result = Err(error),
            }
            reads += 1;
        }
        self.count_reply(i);
        if reads > 0 {
            self.has_more(i);
        }
        let Some(client) = self.client(i) else { return };
        if let Err(error) = result {
            log::error!("the HTTP server ended a connection in the middle of a request: {error}");
            let was_answered = client.connection.is_answered();
            self.detach(i, false);
            self.upstreams[number] = None;
            match was_answered {
                true => self.remove(i),
                false => self.refuse(i, "", RejectReason::Broken),
            }
            self.has_more(i);
        } else if whole {
            // A reply that came before all of the request was taken leaves bytes behind that are no request.
            let is_spent = self.upstreams[number].as_ref().is_some_and(|upstream| !upstream.request.is_empty());
            self.detach(i, false);
            if is_spent {
                self.upstreams[number] = None;
            }
        }
    }

    /// Ends a client's in-flight request: it was answered, or the client has gone.
    pub(super) fn detach(&mut self, i: usize, has_gone: bool) {
        let Some(client) = self.client(i) else { return };
        let (peer, Some(in_flight)) = (client.peer, client.in_flight.take()) else { return };
        let now = Instant::now();
        self.admission.release(in_flight.class, in_flight.holder, in_flight.price(now), now);
        self.in_flight_requests.leave(in_flight.request_id, has_gone);
        match in_flight.upstream {
            None => {
                self.queue.retain(peer, |(_, request_id, _)| *request_id != in_flight.request_id);
                self.own_queue.retain(|(_, request_id, _)| *request_id != in_flight.request_id);
            }
            // What is still to come has no receiver.
            Some(number) if has_gone => self.upstreams[number] = None,
            Some(number) => {
                if let Some(upstream) = &mut self.upstreams[number] {
                    upstream.task = Task::None;
                }
            }
        }
    }
}

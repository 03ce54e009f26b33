//! Connections of peers: accepting them, driving them as far as their bytes reach, closing them.

use std::io;
use std::time::Instant;

use mio::Interest;

use super::super::connection::Connection;
use super::super::head::Malformed;
use super::super::peers::Peer;
use super::super::transport::{Socket, Transport};
use super::source::Source;
use super::{Client, EventLoop, InFlight};

/// Reads from one peer before others have their turn, each of at most [`super::BLOCK_BYTES`].
const MAX_READS_PER_TURN: usize = 4;

/// The reply to a peer that speaks HTTP where TLS is expected.
const NOT_TLS: Malformed =
    Malformed { status: 400, why: "this port speaks HTTPS, and the request came in plain HTTP; ask by https://" };

impl EventLoop {
    pub(super) fn enter(&mut self, socket: Socket, peer: Peer) {
        let count = self.admission.peers.came(peer);
        let is_crowded = peer != Peer::Own
            && (count > self.limits.connections_per_peer && !self.evict_one(Some(peer), Some(peer))
                || self.open >= self.limits.connections && !self.evict_one(None, Some(peer)));
        let session = match &self.tls {
            Some(tls) if matches!(socket, Socket::Tcp(_)) && !is_crowded => tls.session().map(Some).map_err(|_| "tls"),
            _ => Ok(None),
        };
        let session = if is_crowded { Err("crowded") } else { session };
        self.generations = self.generations.wrapping_add(1);
        let slot = self.clients.iter().position(Option::is_none).unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let entered = session.and_then(|session| {
            let mut transport = Transport::new(socket, session);
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered =
                self.poll.registry().register(transport.source(), Source::Client(slot, self.generations).token(), both);
            registered.map(|()| transport).map_err(|_| "descriptors")
        });
        match entered {
            Err(why) => {
                self.admission.peers.went(peer);
                self.admission.handler.on_connection_dropped(why);
            }
            Ok(transport) => {
                let connection = Connection::new(&self.limits, Instant::now());
                let client = Client {
                    transport,
                    connection,
                    peer,
                    generation: self.generations,
                    in_flight: None,
                    is_ready: false,
                    counted_bytes: 0,
                };
                self.clients[slot] = Some(client);
                self.open += 1;
                self.has_more(slot);
            }
        }
    }

    /// Drives a client as far as its bytes and the room in its socket reach.
    pub(super) fn service_client(&mut self, i: usize) {
        let now = Instant::now();
        let mut rounds = 0;
        loop {
            let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
            let mut moved = false;
            let was_full = !client.connection.wants_input();
            if !was_full {
                match client.transport.read(&mut self.buffer) {
                    Ok(0) => {
                        client.connection.end_input();
                        moved = true;
                    }
                    Ok(count) => {
                        if client.transport.is_plain() {
                            client.connection.distrust(NOT_TLS);
                        }
                        client.connection.receive(&self.buffer[..count], now);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => moved = true,
                    Err(_) => return self.remove(i),
                }
            }
            if let Some(request) = client.connection.advance(now, &mut self.admission.of(client.peer, now)) {
                self.dispatch(i, request);
                moved = true;
            } else if client.connection.wants_room() {
                self.make_room(i);
                moved = true;
            }
            self.report_finished(i);
            let Some(client) = self.client(i) else { return };
            while !client.connection.output().is_empty() {
                match client.transport.write(client.connection.output()) {
                    Ok(count) => {
                        client.connection.sent(count, now);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return self.remove(i),
                }
            }
            match client.transport.flush() {
                Ok((wrote, left)) => {
                    client.connection.set_tls_pending(left);
                    moved |= wrote;
                }
                Err(_) => return self.remove(i),
            }
            if client.connection.should_shutdown_write() {
                client.transport.end();
                moved = true;
            }
            self.report_finished(i);
            let Some(client) = self.client(i) else { return };
            if client.connection.is_closed() {
                return self.remove(i);
            }
            // There is room again for what the socket holds; mio does not report that a second time.
            moved |= was_full && client.connection.wants_input();
            let spent = client.connection.discards();
            rounds += 1;
            if !moved {
                break;
            }
            // A connection whose input is only discarded waits longest.
            if rounds >= MAX_READS_PER_TURN || spent {
                self.has_more(i);
                break;
            }
        }
        self.count_reply(i);
        // There may be room again for what the upstream has.
        if let Some(InFlight { upstream: Some(upstream), .. }) =
            self.client(i).and_then(|client| client.in_flight.as_ref())
        {
            let upstream = *upstream;
            self.service_upstream(upstream);
        }
    }

    /// Reports a finished request to the handler.
    pub(super) fn report_finished(&mut self, i: usize) {
        if let Some(client) = self.client(i)
            && let Some(record) = client.connection.take_access_record()
        {
            self.admission.handler.on_request_done(&record);
        }
    }

    /// Closes a client's connection.
    pub(super) fn remove(&mut self, i: usize) {
        self.detach(i, true);
        self.waiting.retain(|waiting| waiting.client != i);
        let Some(mut client) = self.clients.get_mut(i).and_then(Option::take) else { return };
        client.connection.abort(&mut self.admission.of(client.peer, Instant::now()));
        if let Some(record) = client.connection.take_access_record() {
            self.admission.handler.on_request_done(&record);
        }
        let _it_is_closed_anyway = self.poll.registry().deregister(client.transport.source());
        self.reply_bytes -= client.counted_bytes;
        self.wake_stalled();
        self.admission.peers.went(client.peer);
        self.open -= 1;
        while self.clients.last().is_some_and(Option::is_none) {
            self.clients.pop();
        }
    }

    /// Ends what took too long.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        for i in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { continue };
            if client.connection.deadline().is_none_or(|due| now < due) {
                continue;
            }
            // The kernel reports late that there is room again: before a peer is judged by what it took, it is offered more.
            self.service_client_guarded(i);
            if let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) {
                let peer = client.peer;
                client.connection.expire(now, &mut self.admission.of(peer, now));
                self.service_client_guarded(i);
            }
        }
    }
}

//! Connections of strangers: they come, are driven as far as their bytes reach, and go.

use std::io;
use std::time::Instant;

use mio::Interest;

use super::super::conversation::Conversation;
use super::super::peers::Peer;
use super::super::transport::{Socket, Transport};
use super::source::Source;
use super::{Client, Hall, Turn};

/// Reads from one peer before others have their turn: of [`super::BLOCK_BYTES`] each at most.
const TURN: usize = 4;

impl Hall {
    pub(super) fn enter(&mut self, socket: Socket, peer: Peer) {
        let count = self.desk.peers.came(peer);
        let is_crowded = peer != Peer::Own
            && (count > self.limits.connections_per_peer && !self.dismiss(Some(peer), Some(peer))
                || self.open >= self.limits.connections && !self.dismiss(None, Some(peer)));
        let session = match &self.tls {
            Some(tls) if matches!(socket, Socket::Tcp(_)) && !is_crowded => tls.session().map(Some).map_err(|_| "tls"),
            _ => Ok(None),
        };
        let session = if is_crowded { Err("crowded") } else { session };
        self.entered = self.entered.wrapping_add(1);
        let slot = self.clients.iter().position(Option::is_none).unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let entered = session.and_then(|session| {
            let mut transport = Transport::new(socket, session);
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered =
                self.poll.registry().register(transport.source(), Source::Client(slot, self.entered).token(), both);
            registered.map(|()| transport).map_err(|_| "descriptors")
        });
        match entered {
            Err(why) => {
                self.desk.peers.went(peer);
                self.desk.house.dropped(why);
            }
            Ok(transport) => {
                let talk = Conversation::new(&self.limits, Instant::now());
                let client =
                    Client { transport, talk, peer, age: self.entered, turn: None, is_ready: false, counted: 0 };
                self.clients[slot] = Some(client);
                self.open += 1;
                self.has_more(slot);
            }
        }
    }

    /// Goes on with a client as far as its bytes and its socket's room reach.
    pub(super) fn drive(&mut self, i: usize) {
        let now = Instant::now();
        let mut turns = 0;
        loop {
            let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
            let mut moved = false;
            let was_full = !client.talk.wants_input();
            if !was_full {
                match client.transport.read(&mut self.buffer) {
                    Ok(0) => {
                        client.talk.end_input();
                        moved = true;
                    }
                    Ok(count) => {
                        client.talk.receive(&self.buffer[..count], now);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => moved = true,
                    Err(_) => return self.remove(i),
                }
            }
            if let Some(request) = client.talk.advance(now, &mut self.desk.of(client.peer, now)) {
                self.hand_over(i, request);
                moved = true;
            } else if client.talk.wants_room() {
                self.make_room(i);
                moved = true;
            }
            self.settle(i);
            let Some(client) = self.client(i) else { return };
            while !client.talk.output().is_empty() {
                match client.transport.write(client.talk.output()) {
                    Ok(count) => {
                        client.talk.sent(count, now);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return self.remove(i),
                }
            }
            match client.transport.flush() {
                Ok((wrote, left)) => {
                    client.talk.pends(left);
                    moved |= wrote;
                }
                Err(_) => return self.remove(i),
            }
            if client.talk.ends_output() {
                client.transport.end();
                moved = true;
            }
            self.settle(i);
            let Some(client) = self.client(i) else { return };
            if client.talk.is_closed() {
                return self.remove(i);
            }
            // There is room again for what the socket holds, of which it does not tell a second time.
            moved |= was_full && client.talk.wants_input();
            let spent = client.talk.discards();
            turns += 1;
            if !moved {
                break;
            }
            // Who has nothing more to say that matters waits longest.
            if turns >= TURN || spent {
                self.has_more(i);
                break;
            }
        }
        self.count_reply(i);
        // There may be room again for what the backend has.
        if let Some(Turn { backend: Some(backend), .. }) = self.client(i).and_then(|client| client.turn.as_ref()) {
            let backend = *backend;
            self.pump(backend);
        }
    }

    /// Tells the house of a request that has ended.
    pub(super) fn settle(&mut self, i: usize) {
        if let Some(client) = self.client(i)
            && let Some(account) = client.talk.account()
        {
            self.desk.house.account(&account);
        }
    }

    /// Ends a client's connection.
    pub(super) fn remove(&mut self, i: usize) {
        self.part(i, true);
        self.waiting.retain(|waiting| waiting.client != i);
        let Some(mut client) = self.clients.get_mut(i).and_then(Option::take) else { return };
        client.talk.abort(&mut self.desk.of(client.peer, Instant::now()));
        if let Some(account) = client.talk.account() {
            self.desk.house.account(&account);
        }
        let _it_is_closed_anyway = self.poll.registry().deregister(client.transport.source());
        self.replies -= client.counted;
        self.wake_stalled();
        self.desk.peers.went(client.peer);
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
            if client.talk.deadline().is_none_or(|due| now < due) {
                continue;
            }
            // The kernel tells late that there is room again: before a peer is judged by what it took, it is offered more.
            self.drive_guarded(i);
            if let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) {
                let peer = client.peer;
                client.talk.expire(now, &mut self.desk.of(peer, now));
                self.drive_guarded(i);
            }
        }
    }
}

//! Requests on their way to tiny_http, and replies on their way back.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mio::Interest;

use super::super::Why;
use super::super::backend::{Backend, PROOF_END, Task};
use super::super::caller::Caller;
use super::super::conversation::Request;
use super::super::peers::Peer;
use super::super::price::Holder;
use super::source::Source;
use super::{Hall, Turn};
use crate::work::{Gone, Owner};

/// Reads from tiny_http for one client before others have their turn.
const READS: usize = 8;

/// Bytes of a reply that are taken for a client for which none wait, though there is no memory for more: a refusal, or a score.
const LITTLE: usize = 4 << 10;

/// Time for tiny_http to answer on a new connection: all its threads may be at work.
const PROOF: Duration = Duration::from_secs(60);

impl Hall {
    /// Passes a whole request on, or refuses it where there is no place for it.
    pub(super) fn hand_over(&mut self, i: usize, request: Request) {
        let (class, token, begun) = (request.class, request.pass.token, Instant::now());
        let peer = self.client(i).map_or(Peer::Local, |client| client.peer);
        let holder = Holder { peer, token };
        self.serve_waiting();
        match self.take_place(class, holder, begun) {
            true => self.pass_on(i, request, holder),
            false => self.wait_for_place(i, request, holder, begun),
        }
    }

    /// Passes a request on that has its place.
    pub(super) fn pass_on(&mut self, i: usize, request: Request, holder: Holder) {
        let (class, begun) = (request.class, Instant::now());
        let Holder { peer, token } = holder;
        self.calls += 1;
        let call = self.calls;
        let account = token.map_or_else(|| self.desk.number(&peer), |token| self.desk.number(&token));
        let owner = Owner::new(self.desk.number(&holder));
        self.callers.enter(call, Caller { gone: Gone::default(), owner: owner.clone(), account });
        if let Some(client) = self.client(i) {
            client.turn = Some(Turn { class, holder, begun, owner, call, backend: None });
        }
        match peer {
            Peer::Own => self.own_queue.push_back((i, call, request)),
            _ => self.queue.push(peer, (i, call, request)),
        }
        self.serve_queue();
    }

    pub(super) fn refuse(&mut self, i: usize, target: &str, why: Why) {
        let refusal = self.desk.house.refuse(target, why);
        if let Some(client) = self.client(i) {
            client.talk.refuse(refusal, why.name());
        }
    }

    /// Gives requests that wait to connections that are free.
    pub(super) fn serve_queue(&mut self) {
        while !self.queue.is_empty() || !self.own_queue.is_empty() {
            let is_free = |b: &Option<Backend>| b.as_ref().is_some_and(|b| b.task == Task::None);
            let Some(number) = self.backends.iter().position(is_free) else { return };
            let next = self.own_queue.pop_front().or_else(|| self.queue.pop());
            let Some((i, call, request)) = next else { return };
            let Some(turn) = self.client(i).and_then(|client| client.turn.as_mut()) else { continue };
            turn.backend = Some(number);
            let taken = catch_unwind(AssertUnwindSafe(|| {
                if let Some(backend) = &mut self.backends[number] {
                    backend.take(request, i, call);
                }
            }));
            if taken.is_err() {
                // There was no memory for it: what was begun on that connection can't be ended.
                self.backends[number] = None;
                self.desk.house.dropped("fault");
                self.remove(i);
                continue;
            }
            self.carry(number);
        }
    }

    /// Makes the next connection to tiny_http, and asks something by it. One at a time: of several that come at once, tiny_http's
    /// pool of threads can forget one for as long as the others last.
    pub(super) fn prove_one(&mut self) {
        let proving = self.backends.iter().position(|b| b.as_ref().is_some_and(|b| b.task == Task::Proof));
        if let Some(number) = proving {
            if self.backends[number].as_ref().is_some_and(|b| b.begun.elapsed() > PROOF) {
                self.backends[number] = None; // whoever has the thread that should answer, another one gets the next
            }
            return;
        }
        let Some(number) = self.backends.iter().position(Option::is_none) else { return };
        let connected = self.private.connect().and_then(|mut stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Source::Backend(number).token(), both)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => {
                self.backends[number] = Some(Backend::unproven(stream));
                self.carry(number);
            }
            // tiny_http takes no more connections, for good.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                log::error!("there is no service behind the gate any more");
                self.stop_at = Some(Instant::now());
            }
            // Without a descriptor; it is tried again soon.
            Err(_) => self.desk.house.dropped("descriptors"),
        }
    }

    /// Moves bytes of a backend, and gives it the next request if it has become free.
    pub(super) fn pump(&mut self, number: usize) {
        self.carry(number);
        self.serve_queue();
    }

    /// Moves bytes between a backend and its client, which goes on when all others have had their turn.
    pub(super) fn carry(&mut self, number: usize) {
        let Some(backend) = self.backends.get_mut(number).and_then(Option::as_mut) else { return };
        let mut result = backend.write();
        let i = match backend.task {
            Task::Request { client } => client,
            Task::Proof => match backend.read(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some(count)) if self.buffer[..count].ends_with(PROOF_END) => return backend.task = Task::None,
                Ok(Some(_)) => return,
                Err(_) => return self.backends[number] = None,
            },
            // One that nobody uses has nothing to say; if it does, or has ended, it is of no more use.
            Task::None => {
                if !matches!(backend.read(&mut self.buffer), Ok(None)) {
                    self.backends[number] = None;
                }
                return;
            }
        };
        let (mut whole, mut reads) = (false, 0);
        while result.is_ok() && !whole && reads < READS {
            let Some(client) = self.client(i) else { return };
            // A reply with an end is taken whole if there is memory for it: whoever made it is free for the next one.
            if !client.talk.wants_answer() && !client.talk.takes_whole() {
                break;
            }
            let is_waiting = client.talk.waiting() > 0;
            let has_room = self.has_room_for_reply(i);
            if is_waiting && !has_room {
                self.stalled.push(i);
                break;
            }
            let most = if has_room { self.buffer.len() } else { LITTLE };
            let (Some(client), Some(backend)) = (
                self.clients.get_mut(i).and_then(Option::as_mut),
                self.backends.get_mut(number).and_then(Option::as_mut),
            ) else {
                return;
            };
            match backend.read(&mut self.buffer[..most]) {
                Ok(None) => break,
                Ok(Some(count)) => {
                    let now = Instant::now();
                    match client.talk.answer(&self.buffer[..count], now, &mut self.desk.of(client.peer, now)) {
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
            log::error!("the service behind the gate broke off: {error}");
            let was_answered = client.talk.is_answered();
            self.part(i, false);
            self.backends[number] = None;
            match was_answered {
                true => self.remove(i),
                false => self.refuse(i, "", Why::Broken),
            }
            self.has_more(i);
        } else if whole {
            // A reply that came before all of the request was taken leaves bytes behind that are no request.
            let is_spent = self.backends[number].as_ref().is_some_and(|backend| !backend.request.is_empty());
            self.part(i, false);
            if is_spent {
                self.backends[number] = None;
            }
        }
    }

    /// A client's request is answered, or never will be.
    pub(super) fn part(&mut self, i: usize, has_gone: bool) {
        let Some(client) = self.client(i) else { return };
        let (peer, Some(turn)) = (client.peer, client.turn.take()) else { return };
        let now = Instant::now();
        self.desk.rise(turn.class, turn.holder, turn.price(now), now);
        self.callers.leave(turn.call, has_gone);
        match turn.backend {
            None => {
                self.queue.retain(peer, |(_, call, _)| *call != turn.call);
                self.own_queue.retain(|(_, call, _)| *call != turn.call);
            }
            // Whatever is still to come is for nobody.
            Some(number) if has_gone => self.backends[number] = None,
            Some(number) => {
                if let Some(backend) = &mut self.backends[number] {
                    backend.task = Task::None;
                }
            }
        }
    }
}

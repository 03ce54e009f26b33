//! Requests on their way to tiny_http, and replies on their way back.

use std::io;
use std::time::{Duration, Instant};

use mio::Interest;

use super::super::Why;
use super::super::backend::{Backend, PROOF_END, Task};
use super::super::conversation::Request;
use super::super::desk::NO_PLACE;
use super::super::peers::Peer;
use super::source::Source;
use super::{Hall, Turn};

/// Time for tiny_http to answer on a new connection: all its threads may be at work.
const PROOF: Duration = Duration::from_secs(60);

impl Hall {
    /// Passes a whole request on, or refuses it where there is no place for it.
    pub(super) fn hand_over(&mut self, i: usize, request: Request) {
        let class = request.class;
        let peer = self.client(i).map_or(Peer::Local, |client| client.peer);
        if !self.desk.sit(class, peer) {
            return self.refuse(i, &request.head.target, NO_PLACE);
        }
        self.calls += 1;
        let call = self.calls;
        self.callers.enter(call);
        if let Some(client) = self.client(i) {
            client.turn = Some(Turn { class, call, backend: None });
        }
        self.queue.push_back((i, call, request));
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
        while !self.queue.is_empty() {
            let is_free = |b: &Option<Backend>| b.as_ref().is_some_and(|b| b.task == Task::None);
            let Some(number) = self.backends.iter().position(is_free) else { return };
            let Some((i, call, request)) = self.queue.pop_front() else { return };
            let Some(turn) = self.client(i).and_then(|client| client.turn.as_mut()) else { continue };
            turn.backend = Some(number);
            if let Some(backend) = &mut self.backends[number] {
                backend.take(request, i, call);
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

    /// Moves bytes between a backend and its client, who goes on when all others have had their turn.
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
        let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
        let mut whole = false;
        self.again.push(i);
        while result.is_ok() && !whole && client.talk.wants_answer() {
            match backend.read(&mut self.buffer) {
                Ok(None) => break,
                Ok(Some(count)) => match client.talk.answer(&self.buffer[..count], Instant::now()) {
                    Ok(done) => whole = done,
                    Err(error) => result = Err(io::Error::other(error.to_string())),
                },
                Err(error) => result = Err(error),
            }
        }
        if let Err(error) = result {
            log::error!("the service behind the gate broke off: {error}");
            let was_answered = client.talk.is_answered();
            self.part(i, false);
            self.backends[number] = None;
            match was_answered {
                true => self.remove(i),
                false => self.refuse(i, "", Why::Broken),
            }
        } else if whole {
            // A reply that came before all of the request was taken leaves bytes behind that are no request.
            let is_spent = !backend.request.is_empty();
            self.part(i, false);
            if is_spent {
                self.backends[number] = None;
            }
        }
    }

    /// A client's request is answered, or never will be.
    pub(super) fn part(&mut self, i: usize, has_gone: bool) {
        let Some(turn) = self.client(i).and_then(|client| client.turn.take()) else { return };
        self.desk.rise(turn.class);
        self.callers.leave(turn.call, has_gone);
        match turn.backend {
            None => self.queue.retain(|(_, call, _)| *call != turn.call),
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

//! Eviction and waiting when connections, slots, or memory for bodies and replies run out.
//!
//! The rule is the same everywhere: what moves least goes first, and peers that hold much go before peers that hold little.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::super::admission::{NO_ROOM, NO_SLOT, SMALL_BODY};
use super::super::connection::{Request, SLOW_RATE};
use super::super::peers::Peer;
use super::super::price::{Holder, UNKNOWN};
use super::super::{Class, RejectReason};
use super::{Client, EventLoop};

/// A whole request for which there is no slot now.
pub(super) struct Waiting {
    pub(super) client: usize,
    pub(super) request: Request,
    pub(super) holder: Holder,
    /// When it is refused.
    pub(super) until: Instant,
}

/// How long a request waits for a slot: longer than small requests of others take, shorter than the timeouts of clients.
const PATIENCE: Duration = Duration::from_secs(2);

/// Requests that wait at once, each of another client.
const MOST_WAITING: usize = 64;

/// The refusal of a request that had a slot and lost it.
const SLOT_LOST: RejectReason =
    RejectReason::Full("its slot was given to a client with cheaper requests, or to one that had no slot");

/// A request loses its slot only to one that costs less than half, by a margin of [`MUCH`] seconds: clients of one kind, whose requests
/// differ a little, do not take slots from each other.
const TIMES_DEARER: f64 = 2.0;
const MUCH: f64 = 0.05;

/// Bodies of fewer bytes are not refused to make room: they free too little.
const WORTHWHILE: usize = 256 << 10;

impl EventLoop {
    /// Evicts the connection of least worth, of `peer` or of all, to make room for one of `newcomer`; returns whether there was one.
    pub(super) fn evict_one(&mut self, peer: Option<Peer>, newcomer: Option<Peer>) -> bool {
        let now = Instant::now();
        let worth = |(i, client): (usize, &Option<Client>)| {
            let client = client.as_ref().filter(|c| c.peer != Peer::Own && peer.is_none_or(|peer| c.peer == peer))?;
            let worth = client.connection.worth(now)?;
            let has_few = !self.admission.peers.is_greedy(client.peer, newcomer);
            Some((worth.stage, has_few, worth.beginning, worth.rate, worth.since, i))
        };
        let Some((.., i)) = self.clients.iter().enumerate().filter_map(worth).min() else { return false };
        self.admission.handler.on_connection_dropped("dismissed");
        self.remove(i);
        true
    }

    /// Makes room in the memory for bodies for what client `i` sends, whose body waits for it. Refuses a body that hardly moves, or else
    /// the slowest of the peer that holds most of that memory. That may be the client's own, and is if there is no other.
    pub(super) fn make_room(&mut self, i: usize) {
        let now = Instant::now();
        let Some(client) = self.clients.get(i).and_then(Option::as_ref) else { return };
        let (peer, held) = (client.peer, client.connection.held());
        // Where a peer's own share is used up, memory of others does not help. Small bodies are not refused for the sake of large ones.
        let own_alone = self.admission.has_its_share(peer);
        let least = if held > SMALL_BODY { SMALL_BODY } else { WORTHWHILE };
        let candidate = |(other, client): (usize, &Option<Client>)| {
            let client = client.as_ref().filter(|client| other == i || client.peer != Peer::Own)?;
            let client = Some(client).filter(|client| !own_alone || client.peer == peer)?;
            let (rate, of_peer) = (client.connection.reading_rate(now), self.admission.bytes_by_peer(client.peer));
            (other == i || client.connection.held() >= least).then_some((
                rate >= SLOW_RATE,
                Reverse(of_peer),
                rate,
                other,
            ))
        };
        let who = self.clients.iter().enumerate().filter_map(candidate).min().map_or(i, |(.., who)| who);
        if let Some(client) = self.clients.get_mut(who).and_then(Option::as_mut) {
            client.connection.refuse_body(NO_ROOM, &mut self.admission.of(client.peer, now));
        }
        self.report_finished(who);
        self.has_more(who);
    }

    /// Takes a slot of `class` for `holder`; returns whether there was one. Where all are taken, a holder without any gets the slot of a
    /// holder whose request is much dearer, or else one of the holder that has most.
    pub(super) fn take_slot(&mut self, class: Class, holder: Holder, now: Instant) -> bool {
        if !self.admission.has_free_slot(class, holder) {
            if self.admission.slots_of(class, holder) > 0 {
                return false;
            }
            let Some(i) = self.eviction_candidate(class, holder, now) else { return false };
            self.detach(i, true);
            self.refuse(i, "", SLOT_LOST);
            self.has_more(i);
        }
        self.admission.acquire(class, holder);
        true
    }

    /// The dearest in-flight request of `class`, if it is much dearer than those of `holder`; else one of the holder with most slots, if
    /// it has more than one. Of several, the latest.
    fn eviction_candidate(&self, class: Class, holder: Holder, now: Instant) -> Option<usize> {
        // A holder whose requests cost next to nothing, such as ones refused at once, must not evict requests of ordinary cost.
        let mine = self.admission.price(class, holder, now).max(UNKNOWN);
        let taken = self.clients.iter().enumerate().filter_map(|(i, client)| {
            let client = client.as_ref().filter(|client| !client.connection.is_answered())?;
            let in_flight = client
                .in_flight
                .as_ref()
                .filter(|in_flight| in_flight.class == class && in_flight.holder.peer != Peer::Own)?;
            let price = in_flight.price(now).as_secs_f64().max(self.admission.price(class, in_flight.holder, now));
            Some((price, self.admission.slots_of(class, in_flight.holder), in_flight.begun, i))
        });
        let taken: Vec<_> = taken.collect();
        let dearest = taken.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        let dearest = dearest.filter(|(price, ..)| *price > TIMES_DEARER * mine + MUCH);
        let most =
            || taken.iter().max_by_key(|(_, places, begun, _)| (*places, *begun)).filter(|(_, places, ..)| *places > 1);
        dearest.or_else(most).map(|(.., i)| *i)
    }

    /// Whether more of a reply may be buffered for client `i`. If too much is buffered already, the peer that takes its reply slowest is
    /// dropped, unless that is the client itself: then it waits. Replies to the service itself are short and always have room.
    pub(super) fn has_room_for_reply(&mut self, i: usize) -> bool {
        let is_own = self.clients.get(i).and_then(Option::as_ref).is_some_and(|client| client.peer == Peer::Own);
        if is_own || self.reply_bytes < self.limits.waiting_reply_bytes() {
            return true;
        }
        let now = Instant::now();
        let rate = |(i, client): (usize, &Option<Client>)| {
            let Client { connection, peer, .. } = client.as_ref()?;
            (connection.waiting() > 0).then(|| (*peer, connection.writing_rate(now), i))
        };
        let Some((rate, slowest)) = slowest(self.clients.iter().enumerate().filter_map(rate)) else { return true };
        if slowest == i || rate == usize::MAX {
            return false;
        }
        self.admission.handler.on_connection_dropped("slow_reader");
        self.remove(slowest);
        true
    }

    /// Updates the buffered reply bytes of client `i`; when they shrink, the replies that wait for room may go on.
    pub(super) fn count_reply(&mut self, i: usize) {
        let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
        let (before, now) =
            (std::mem::replace(&mut client.counted_bytes, client.connection.waiting()), client.connection.waiting());
        self.reply_bytes = self.reply_bytes - before + now;
        if now < before {
            self.wake_stalled();
        }
    }

    pub(super) fn wake_stalled(&mut self) {
        for i in std::mem::take(&mut self.stalled) {
            self.has_more(i);
        }
    }

    /// Lets a request wait for a slot if its holder has none and waits for no other; else refuses it at once.
    pub(super) fn wait_for_slot(&mut self, client: usize, request: Request, holder: Holder, now: Instant) {
        let has_one = self.admission.slots_of(request.class, holder) > 0
            || self.waiting.iter().any(|waiting| (waiting.request.class, waiting.holder) == (request.class, holder));
        if has_one || self.waiting.len() >= MOST_WAITING {
            return self.refuse(client, &request.head.target, NO_SLOT);
        }
        self.waiting.push(Waiting { client, request, holder, until: now + PATIENCE });
    }

    /// Gives free slots to waiting requests, the cheapest first, and refuses those that have waited long enough.
    pub(super) fn serve_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let free = |(at, waiting): (usize, &Waiting)| {
                let class = waiting.request.class;
                let price = self.admission.price(class, waiting.holder, now);
                self.admission.has_free_slot(class, waiting.holder).then_some((price, at))
            };
            let cheapest = self.waiting.iter().enumerate().filter_map(free).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, at)) = cheapest else { break };
            let Waiting { client, request, holder, .. } = self.waiting.remove(at);
            self.admission.acquire(request.class, holder);
            self.pass_on(client, request, holder);
        }
        while let Some(at) = self.waiting.iter().position(|waiting| now >= waiting.until) {
            let Waiting { client, request, .. } = self.waiting.remove(at);
            self.refuse(client, &request.head.target, NO_SLOT);
            self.has_more(client);
        }
    }
}

/// The slowest of `readers` (peer, rate, index), as its rate and index. Never the service itself: its supervisor would take it for dead.
fn slowest(readers: impl Iterator<Item = (Peer, usize, usize)>) -> Option<(usize, usize)> {
    readers.filter(|(peer, ..)| *peer != Peer::Own).map(|(_, rate, i)| (rate, i)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_probe_is_never_the_slowest_reader() {
        let stranger = Peer::V4([10, 0, 0, 1]);
        let readers = [(Peer::Own, 0, 0), (stranger, 500, 1), (Peer::Local, 400, 2)];
        assert_eq!(slowest(readers.into_iter()), Some((400, 2)));
        assert_eq!(slowest([(Peer::Own, 0, 0)].into_iter()), None);
    }
}

//! Who has to go, or to wait, when there is not enough for all: connections, places, memory for bodies and for replies.
//!
//! The rule is the same everywhere: what moves least goes first, and whoever has much goes before those who have little.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::super::conversation::{Request, SLOW_RATE};
use super::super::desk::{NO_PLACE, NO_ROOM, SMALL_BODY};
use super::super::peers::Peer;
use super::super::price::Holder;
use super::super::{Class, Why};
use super::{Client, Hall};

/// A whole request for which there is no place now.
pub(super) struct Waiting {
    pub(super) client: usize,
    pub(super) request: Request,
    pub(super) holder: Holder,
    /// When it is refused.
    pub(super) until: Instant,
}

/// So long somebody without a place waits for one: longer than small requests of others take, shorter than a client's own patience.
const PATIENCE: Duration = Duration::from_secs(2);

/// Requests that wait at once, each of another client.
const MOST_WAITING: usize = 64;

/// What a client is told whose request had a place and lost it.
const PLACE_LOST: Why = Why::Full("its place was needed for somebody who asks for less, or has none");

/// A request loses its place to one that costs less than half, and by more seconds than these: clients of one kind, whose requests differ
/// a little, do not take places from each other.
const TIMES_DEARER: f64 = 2.0;
const MUCH: f64 = 0.05;

/// A body of fewer bytes is not refused to make room: what it gives back is not worth it.
const WORTHWHILE: usize = 256 << 10;

impl Hall {
    /// Ends the connection that would be missed least, of `peer` or of all, so that there is room for one of `newcomer`; whether there
    /// was one.
    pub(super) fn dismiss(&mut self, peer: Option<Peer>, newcomer: Option<Peer>) -> bool {
        let now = Instant::now();
        let worth = |(i, client): (usize, &Option<Client>)| {
            let client = client.as_ref().filter(|c| c.peer != Peer::Own && peer.is_none_or(|peer| c.peer == peer))?;
            let worth = client.talk.worth(now)?;
            let has_few = !self.desk.peers.is_greedy(client.peer, newcomer);
            Some((worth.stage, has_few, worth.beginning, worth.rate, worth.since, i))
        };
        let Some((.., i)) = self.clients.iter().enumerate().filter_map(worth).min() else { return false };
        self.desk.house.dropped("dismissed");
        self.remove(i);
        true
    }

    /// Makes room in the memory for bodies for what client `i` sends, whose body waits for it. A body that hardly moves is refused, or
    /// else the slowest of whoever has most of that memory; be it the client's own, or if there is no other.
    pub(super) fn make_room(&mut self, i: usize) {
        let now = Instant::now();
        let Some(client) = self.clients.get(i).and_then(Option::as_ref) else { return };
        let (peer, held) = (client.peer, client.talk.held());
        // Where its own share is used up, what others have is of no use. Small bodies are not refused for the sake of large ones.
        let own_alone = self.desk.has_its_share(peer);
        let least = if held > SMALL_BODY { SMALL_BODY } else { WORTHWHILE };
        let candidate = |(other, client): (usize, &Option<Client>)| {
            let client = client.as_ref().filter(|client| !own_alone || client.peer == peer)?;
            let (rate, of_peer) = (client.talk.reading_rate(now), self.desk.held_by(client.peer));
            (other == i || client.talk.held() >= least).then_some((rate >= SLOW_RATE, Reverse(of_peer), rate, other))
        };
        let who = self.clients.iter().enumerate().filter_map(candidate).min().map_or(i, |(.., who)| who);
        if let Some(client) = self.clients.get_mut(who).and_then(Option::as_mut) {
            client.talk.refuse_body(NO_ROOM, &mut self.desk.of(client.peer, now));
        }
        self.settle(who);
        self.has_more(who);
    }

    /// Takes a place of `class` for `holder`; whether there was one. Where all are taken, one who has none gets that of whoever asks for
    /// much more, or else of whoever has most of them.
    pub(super) fn take_place(&mut self, class: Class, holder: Holder, now: Instant) -> bool {
        if !self.desk.has_free_place(class, holder) {
            if self.desk.places_of(class, holder) > 0 {
                return false;
            }
            let Some(i) = self.dispensable(class, holder, now) else { return false };
            self.part(i, true);
            self.refuse(i, "", PLACE_LOST);
            self.has_more(i);
        }
        self.desk.sit(class, holder);
        true
    }

    /// The dearest of the requests of `class` that are being answered, if it is much dearer than those of `holder`; else one of whoever has
    /// most places, if that is more than one. Of several, the one that came last.
    fn dispensable(&self, class: Class, holder: Holder, now: Instant) -> Option<usize> {
        let mine = self.desk.price(class, holder, now);
        let taken = self.clients.iter().enumerate().filter_map(|(i, client)| {
            let client = client.as_ref().filter(|client| !client.talk.is_answered())?;
            let turn = client.turn.as_ref().filter(|turn| turn.class == class && turn.holder.peer != Peer::Own)?;
            let price = turn.price(now).as_secs_f64().max(self.desk.price(class, turn.holder, now));
            Some((price, self.desk.places_of(class, turn.holder), turn.begun, i))
        });
        let taken: Vec<_> = taken.collect();
        let dearest = taken.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        let dearest = dearest.filter(|(price, ..)| *price > TIMES_DEARER * mine + MUCH);
        let most =
            || taken.iter().max_by_key(|(_, places, begun, _)| (*places, *begun)).filter(|(_, places, ..)| *places > 1);
        dearest.or_else(most).map(|(.., i)| *i)
    }

    /// Whether more of a reply may be taken into memory for client `i`. If there is too much already, whoever takes its reply slowest
    /// is dropped, unless that is the client itself: then it waits.
    pub(super) fn has_room_for_reply(&mut self, i: usize) -> bool {
        if self.replies < self.limits.waiting_reply_bytes() {
            return true;
        }
        let now = Instant::now();
        let rate = |(i, client): (usize, &Option<Client>)| {
            let talk = &client.as_ref()?.talk;
            (talk.waiting() > 0).then(|| (talk.writing_rate(now), i))
        };
        let Some((rate, slowest)) = self.clients.iter().enumerate().filter_map(rate).min() else { return true };
        if slowest == i || rate == usize::MAX {
            return false;
        }
        self.desk.house.dropped("slow_reader");
        self.remove(slowest);
        true
    }

    /// Counts what waits for client `i` among the replies; those that wait for room may go on when it has become less.
    pub(super) fn count_reply(&mut self, i: usize) {
        let Some(client) = self.clients.get_mut(i).and_then(Option::as_mut) else { return };
        let (before, now) = (std::mem::replace(&mut client.counted, client.talk.waiting()), client.talk.waiting());
        self.replies = self.replies - before + now;
        if now < before {
            self.wake_stalled();
        }
    }

    pub(super) fn wake_stalled(&mut self) {
        for i in std::mem::take(&mut self.stalled) {
            self.has_more(i);
        }
    }

    /// Lets a request wait for a place if its holder has none and waits for no other; else it is refused at once.
    pub(super) fn wait_for_place(&mut self, client: usize, request: Request, holder: Holder, now: Instant) {
        let has_one = self.desk.places_of(request.class, holder) > 0
            || self.waiting.iter().any(|waiting| (waiting.request.class, waiting.holder) == (request.class, holder));
        if has_one || self.waiting.len() >= MOST_WAITING {
            return self.refuse(client, &request.head.target, NO_PLACE);
        }
        self.waiting.push(Waiting { client, request, holder, until: now + PATIENCE });
    }

    /// Gives places that are free to those who wait, the cheapest first, and refuses those who have waited long enough.
    pub(super) fn serve_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let free = |(at, waiting): (usize, &Waiting)| {
                let class = waiting.request.class;
                let price = self.desk.price(class, waiting.holder, now);
                self.desk.has_free_place(class, waiting.holder).then_some((price, at))
            };
            let cheapest = self.waiting.iter().enumerate().filter_map(free).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, at)) = cheapest else { break };
            let Waiting { client, request, holder, .. } = self.waiting.remove(at);
            self.desk.sit(request.class, holder);
            self.pass_on(client, request, holder);
        }
        while let Some(at) = self.waiting.iter().position(|waiting| now >= waiting.until) {
            let Waiting { client, request, .. } = self.waiting.remove(at);
            self.refuse(client, &request.head.target, NO_PLACE);
            self.has_more(client);
        }
    }
}

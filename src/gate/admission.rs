//! Admission: what is decided about one request in view of all others, by tokens, slots and memory.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::Access;
use super::byte_queue::BLOCK_BYTES;
use super::connection::{Admitted, DISCARDED_BYTES, Rejected, Rules, UNTRUSTED_BYTES};
use super::head::Head;
use super::origins;
use super::pass::Pass;
use super::peers::{Peer, Peers};
use super::price::{Holder, Prices};
use super::{Class, Handler, LocalReply, RejectReason, Sessions};
use crate::ops::Limits;
use crate::ops::settings::Scope;

/// The state shared by all requests.
pub(super) struct Admission {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) access: Access,
    sessions: Arc<Sessions>,
    pub(super) peers: Peers,
    /// Requests of each class that are answered at once.
    slots: SlotLimits,
    taken: SlotLimits,
    /// Slots taken by each client.
    taken_by: HashMap<(Class, Holder), usize>,
    /// Prices of requests for inference, and of those for the camera.
    prices: [Prices; 2],
    /// Bytes of bodies that may be held, in all and of one body; then those that are held.
    max_body_bytes_total: usize,
    max_body_bytes: usize,
    held: usize,
    bytes_by_peer: HashMap<Peer, usize>,
    /// No more requests are admitted.
    pub(super) is_ending: bool,
    /// Makes numbers of holders that no peer can predict.
    numbers: RandomState,
}

/// A number for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotLimits {
    /// Of [`Class::Probe`]: those that are worked on at once; others wait for their turn.
    pub probe: usize,
    /// Of [`Class::Inference`].
    pub inference: usize,
    /// Of [`Class::Camera`].
    pub camera: usize,
}

impl SlotLimits {
    /// All together, plus the one reserved for the service itself.
    pub fn all(self) -> usize {
        self.sum() + 1
    }

    fn sum(self) -> usize {
        self.probe + self.inference + self.camera
    }

    fn get(mut self, class: Class) -> usize {
        *self.of(class)
    }

    fn of(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Gate | Class::Probe => &mut self.probe,
            Class::Inference => &mut self.inference,
            Class::Camera => &mut self.camera,
        }
    }
}

/// Bodies up to so many bytes have memory of their own, which large ones can't take: a picture from an access terminal has some 100 KB.
pub(super) const SMALL_BODY: usize = 1 << 20;

/// The part of the memory for bodies that small ones have for themselves.
const SMALL_PART: usize = 8;

/// One part in so many of the slots is out of reach of any single client.
const OTHERS_PART: usize = 4;

impl Admission {
    pub(super) fn new(
        handler: Arc<dyn Handler>,
        access: Access,
        sessions: Arc<Sessions>,
        slots: SlotLimits,
        limits: &Limits,
    ) -> Self {
        Self {
            handler,
            access,
            sessions,
            peers: Peers::default(),
            slots,
            taken: SlotLimits::default(),
            taken_by: HashMap::new(),
            prices: Default::default(),
            max_body_bytes_total: limits.held_bytes,
            max_body_bytes: limits.body_bytes,
            held: 0,
            bytes_by_peer: HashMap::new(),
            is_ending: false,
            numbers: RandomState::new(),
        }
    }

    /// The admission as the connection of `peer` sees it.
    pub(super) fn of(&mut self, peer: Peer, now: Instant) -> PeerAdmission<'_> {
        PeerAdmission { admission: self, peer, now }
    }

    /// A number that stands for `of` and is the same each time.
    pub(super) fn number(&self, of: &impl Hash) -> u64 {
        self.numbers.hash_one(of)
    }

    /// Slots of `class` that `holder` has.
    pub(super) fn slots_of(&self, class: Class, holder: Holder) -> usize {
        self.taken_by.get(&(class, holder)).copied().unwrap_or_default()
    }

    /// Whether there is a slot of `class` for `holder`, or could be after an eviction.
    fn may_have_slot(&self, class: Class, holder: Holder) -> bool {
        let all = self.slots.get(class);
        let mine = self.slots_of(class, holder);
        self.has_free_slot(class, holder) || mine == 0 && all > 0
    }

    /// Whether there is a free slot of `class` for `holder`. Light classes always have one. No client can have all of the others. The
    /// service itself always has one: peers must not make it seem dead.
    pub(super) fn has_free_slot(&self, class: Class, holder: Holder) -> bool {
        if matches!(class, Class::Gate | Class::Probe) || holder.peer == Peer::Own {
            return true;
        }
        let all = self.slots.get(class);
        let share = all - if all > 1 { all.div_ceil(OTHERS_PART) } else { 0 };
        self.taken.get(class) < all && self.slots_of(class, holder) < share
    }

    /// Takes a slot.
    pub(super) fn acquire(&mut self, class: Class, holder: Holder) {
        *self.taken.of(class) += 1;
        *self.taken_by.entry((class, holder)).or_default() += 1;
    }

    /// Gives a slot back, and records the price of its request.
    pub(super) fn release(&mut self, class: Class, holder: Holder, price: Duration, now: Instant) {
        *self.taken.of(class) -= 1;
        if let Some(count) = self.taken_by.get_mut(&(class, holder)) {
            *count -= 1;
            if *count == 0 {
                self.taken_by.remove(&(class, holder));
            }
        }
        if class != Class::Probe {
            self.prices[usize::from(class == Class::Camera)].add(holder, price, now);
        }
    }

    /// Whether `peer` holds all of the memory for bodies that one peer may have.
    pub(super) fn has_its_share(&self, peer: Peer) -> bool {
        self.bytes_by_peer(peer) + BLOCK_BYTES > self.share()
    }

    /// Bytes of bodies that `peer` holds.
    pub(super) fn bytes_by_peer(&self, peer: Peer) -> usize {
        self.bytes_by_peer.get(&peer).copied().unwrap_or_default()
    }

    /// Bytes of bodies that one peer may hold: half of all, or one body.
    fn share(&self) -> usize {
        (self.max_body_bytes_total / 2).max(self.max_body_bytes)
    }

    /// Seconds that a request of `class` of `holder` is expected to take.
    pub(super) fn price(&self, class: Class, holder: Holder, now: Instant) -> f64 {
        self.prices[usize::from(class == Class::Camera)].of(holder, now)
    }

    /// Slots that are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.sum()
    }

    /// Bytes of bodies that are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}

/// The refusal of a request for which there is no slot.
pub(super) const NO_SLOT: RejectReason = RejectReason::Full("too many requests at once");

/// The refusal of a request for whose body there is no memory.
pub(super) const NO_ROOM: RejectReason = RejectReason::Full("the memory for requests is used up");

pub(super) struct PeerAdmission<'a> {
    admission: &'a mut Admission,
    peer: Peer,
    now: Instant,
}

impl PeerAdmission<'_> {
    /// Whether the request is meant for this service, by a page that may ask if by any.
    fn is_meant_for_us(&self, head: &Head, wanted: &[Scope]) -> Result<(), RejectReason> {
        if self.admission.is_ending {
            return Err(RejectReason::Ending);
        }
        if !self.admission.access.host_is_allowed(head, wanted) {
            return Err(RejectReason::WrongHost);
        }
        if !self.admission.access.is_own_page(head) && !self.admission.handler.may_be_linked(head) {
            return Err(RejectReason::OtherSite);
        }
        Ok(())
    }

    fn check_token(&mut self, head: &Head, wanted: &[Scope]) -> Result<Pass, RejectReason> {
        let verdict = self.admission.access.check(head, wanted, &self.admission.sessions, self.now);
        if verdict == Err(RejectReason::WrongToken) {
            // A good token is good whatever others at the same address try.
            if let Some(seconds) = self.admission.peers.locked_out(self.peer, self.now) {
                return Err(RejectReason::LockedOut(seconds));
            }
            if self.admission.peers.was_wrong(self.peer, self.now) {
                log::warn!("{} tried too many wrong tokens and is locked out for a minute", self.peer);
            }
        }
        verdict
    }
}

impl Rules for PeerAdmission<'_> {
    fn admit(&mut self, head: &Head) -> Result<(Admitted, Pass), Rejected> {
        let handler = Arc::clone(&self.admission.handler);
        let refused =
            |why: RejectReason, spared| Rejected { reply: handler.refuse(&head.target, why), why: why.name(), spared };
        let wanted = handler.scopes(head);
        self.is_meant_for_us(head, wanted).map_err(|why| refused(why, UNTRUSTED_BYTES))?;
        // A browser sends no token before it knows that the page may ask.
        if self.admission.access.origins().is_preflight(head) {
            return Ok((Admitted { class: Class::Gate, body_bytes: 0, data: None }, Pass::default()));
        }
        let pass = self.check_token(head, wanted).map_err(|why| refused(why, UNTRUSTED_BYTES))?;
        let admitted =
            handler.admit(head).map_err(|reply| Rejected { reply, why: "contract", spared: DISCARDED_BYTES })?;
        // A client that is rejected now need not send its body in vain.
        if !self.admission.may_have_slot(admitted.class, Holder { peer: self.peer, token: pass.token }) {
            return Err(refused(NO_SLOT, DISCARDED_BYTES));
        }
        Ok((admitted, pass))
    }

    fn reply(&mut self, head: &Head) -> LocalReply {
        match self.admission.access.origins().is_preflight(head) {
            true => origins::preflight(),
            false => self.admission.handler.reply(head),
        }
    }

    fn shares(&mut self, head: &Head) -> String {
        self.admission.access.origins().allowed(head).map(origins::lines).unwrap_or_default()
    }

    fn refuse(&mut self, target: &str, why: RejectReason) -> LocalReply {
        self.admission.handler.refuse(target, why)
    }

    fn reserve_bytes(&mut self, bytes: usize, before: usize) -> bool {
        let Admission { max_body_bytes_total, max_body_bytes, .. } = *self.admission;
        // Large bodies leave some memory to small ones.
        let for_small = (max_body_bytes_total / SMALL_PART).min(max_body_bytes_total.saturating_sub(max_body_bytes));
        let most = if before + bytes <= SMALL_BODY { max_body_bytes_total } else { max_body_bytes_total - for_small };
        let peer_bytes = self.admission.bytes_by_peer(self.peer);
        let fits = self.admission.held + bytes <= most && peer_bytes + bytes <= self.admission.share();
        if fits {
            self.admission.bytes_by_peer.insert(self.peer, peer_bytes + bytes);
            self.admission.held += bytes;
        }
        fits
    }

    fn release_bytes(&mut self, bytes: usize) {
        self.admission.held -= bytes;
        if let Some(peer_bytes) = self.admission.bytes_by_peer.get_mut(&self.peer) {
            *peer_bytes -= bytes;
            if *peer_bytes == 0 {
                self.admission.bytes_by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

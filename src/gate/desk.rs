//! What is decided about one request with all others in mind: tokens, places, memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::access::Access;
use super::conversation::{Admitted, Rules};
use super::head::Head;
use super::peers::{Peer, Peers};
use super::{Class, House, Refusal, Why};
use crate::ops::Limits;

/// Everything that is known of all requests together.
pub(super) struct Desk {
    pub(super) house: Arc<dyn House>,
    pub(super) access: Access,
    pub(super) peers: Peers,
    /// Requests of each class that are answered at once.
    places: Places,
    taken: Places,
    /// Bytes of bodies that may be held, and are.
    most_held: usize,
    most_body: usize,
    held: usize,
    held_by: HashMap<Peer, usize>,
    /// No more requests are taken.
    pub(super) is_ending: bool,
}

/// A number for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Of [`Class::Light`].
    pub light: usize,
    /// Of [`Class::Work`].
    pub work: usize,
    /// Of [`Class::Camera`].
    pub camera: usize,
}

impl Places {
    /// All together, and the one that the service has for itself.
    pub fn all(self) -> usize {
        self.sum() + 1
    }

    fn sum(self) -> usize {
        self.light + self.work + self.camera
    }

    fn of(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Light => &mut self.light,
            Class::Work => &mut self.work,
            Class::Camera => &mut self.camera,
        }
    }
}

impl Desk {
    pub(super) fn new(house: Arc<dyn House>, access: Access, places: Places, limits: &Limits) -> Self {
        Self {
            house,
            access,
            peers: Peers::default(),
            places,
            taken: Places::default(),
            most_held: limits.held_bytes,
            most_body: limits.body_bytes,
            held: 0,
            held_by: HashMap::new(),
            is_ending: false,
        }
    }

    /// The desk as the connection of `peer` sees it.
    pub(super) fn of(&mut self, peer: Peer, now: Instant) -> AtDesk<'_> {
        AtDesk { desk: self, peer, now }
    }

    /// Whether there is a place for `peer`. The service itself has one more: what strangers do must not make it seem dead.
    fn has_place(&mut self, class: Class, peer: Peer) -> bool {
        *self.taken.of(class) < *self.places.of(class) + usize::from(peer == Peer::Own)
    }

    /// Takes a place, if there is one.
    pub(super) fn sit(&mut self, class: Class, peer: Peer) -> bool {
        let free = self.has_place(class, peer);
        *self.taken.of(class) += usize::from(free);
        free
    }

    /// Gives a place back.
    pub(super) fn rise(&mut self, class: Class) {
        *self.taken.of(class) -= 1;
    }

    /// Places that are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.sum()
    }

    /// Bytes of bodies that are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}

/// What a client is told whose request has no place.
pub(super) const NO_PLACE: Why = Why::Full("too many requests at once");

pub(super) struct AtDesk<'a> {
    desk: &'a mut Desk,
    peer: Peer,
    now: Instant,
}

impl AtDesk<'_> {
    fn may_enter(&mut self, head: &Head) -> Result<(), Why> {
        if self.desk.is_ending {
            return Err(Why::Ending);
        }
        if !self.desk.access.is_ours(&head.host) {
            return Err(Why::WrongHost);
        }
        let Some(scope) = self.desk.house.scope(head).filter(|_| !self.desk.access.is_open()) else { return Ok(()) };
        let verdict = self.desk.access.check(head, Some(scope));
        if verdict == Err(Why::WrongToken) {
            // A good token is good whatever others at the same address try.
            if let Some(seconds) = self.desk.peers.locked_out(self.peer, self.now) {
                return Err(Why::LockedOut(seconds));
            }
            if self.desk.peers.was_wrong(self.peer, self.now) {
                log::warn!("{} tried too many wrong tokens and is locked out for a minute", self.peer);
            }
        }
        verdict
    }
}

impl Rules for AtDesk<'_> {
    fn admit(&mut self, head: &Head) -> Result<Admitted, (Refusal, &'static str)> {
        let house = Arc::clone(&self.desk.house);
        let refused = |why: Why| (house.refuse(&head.target, why), why.name());
        self.may_enter(head).map_err(refused)?;
        let admitted = house.admit(head).map_err(|refusal| (refusal, "contract"))?;
        // Refused now, a client need not send its body in vain.
        if !self.desk.has_place(admitted.class, self.peer) {
            return Err(refused(NO_PLACE));
        }
        Ok(admitted)
    }

    fn refuse(&mut self, target: &str, why: Why) -> Refusal {
        self.desk.house.refuse(target, why)
    }

    fn hold(&mut self, bytes: usize) -> bool {
        // One peer may have half of it, or one body.
        let share = (self.desk.most_held / 2).max(self.desk.most_body);
        let his = self.desk.held_by.entry(self.peer).or_default();
        let fits = self.desk.held + bytes <= self.desk.most_held && *his + bytes <= share;
        if fits {
            *his += bytes;
            self.desk.held += bytes;
        }
        fits
    }

    fn release(&mut self, bytes: usize) {
        self.desk.held -= bytes;
        if let Some(his) = self.desk.held_by.get_mut(&self.peer) {
            *his -= bytes;
            if *his == 0 {
                self.desk.held_by.remove(&self.peer);
            }
        }
    }
}

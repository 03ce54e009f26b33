//! What is decided about one request with all others in mind: tokens, places, memory.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::{Access, Pass};
use super::conversation::{Admitted, DISCARDED_BYTES, Refused, Rules, STRANGER_BYTES};
use super::head::Head;
use super::held::BLOCK_BYTES;
use super::peers::{Peer, Peers};
use super::price::{Holder, Prices};
use super::{Class, House, LocalReply, Why};
use crate::ops::Limits;

/// Everything that is known of all requests together.
pub(super) struct Desk {
    pub(super) house: Arc<dyn House>,
    pub(super) access: Access,
    pub(super) peers: Peers,
    /// Requests of each class that are answered at once.
    places: Places,
    taken: Places,
    /// Places of each client.
    taken_by: HashMap<(Class, Holder), usize>,
    /// Of requests for inference, and of those for the camera.
    prices: [Prices; 2],
    /// Bytes of bodies that may be held, and are.
    most_held: usize,
    most_body: usize,
    held: usize,
    held_by: HashMap<Peer, usize>,
    /// No more requests are taken.
    pub(super) is_ending: bool,
    /// Makes numbers of holders that nobody outside can foresee.
    numbers: RandomState,
}

/// A number for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Of [`Class::Light`]: those that are worked on at once, others wait for their turn.
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

    fn get(mut self, class: Class) -> usize {
        *self.of(class)
    }

    fn of(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Gate | Class::Light => &mut self.light,
            Class::Work => &mut self.work,
            Class::Camera => &mut self.camera,
        }
    }
}

/// Bodies up to so many bytes have memory of their own, which large ones can't take: a door's picture has some 100 KB.
pub(super) const SMALL_BODY: usize = 1 << 20;

/// The part of the memory for bodies that small ones have for themselves.
const SMALL_PART: usize = 8;

/// The part of the places that one client can't have.
const OTHERS_PART: usize = 4;

impl Desk {
    pub(super) fn new(house: Arc<dyn House>, access: Access, places: Places, limits: &Limits) -> Self {
        Self {
            house,
            access,
            peers: Peers::default(),
            places,
            taken: Places::default(),
            taken_by: HashMap::new(),
            prices: Default::default(),
            most_held: limits.held_bytes,
            most_body: limits.body_bytes,
            held: 0,
            held_by: HashMap::new(),
            is_ending: false,
            numbers: RandomState::new(),
        }
    }

    /// The desk as the connection of `peer` sees it.
    pub(super) fn of(&mut self, peer: Peer, now: Instant) -> AtDesk<'_> {
        AtDesk { desk: self, peer, now }
    }

    /// The number by which others know a thing.
    pub(super) fn number(&self, of: &impl Hash) -> u64 {
        self.numbers.hash_one(of)
    }

    /// Places of `class` that `holder` has.
    pub(super) fn places_of(&self, class: Class, holder: Holder) -> usize {
        self.taken_by.get(&(class, holder)).copied().unwrap_or_default()
    }

    /// Whether there is a place of `class` for `holder`, or might be if somebody else's is taken away.
    fn may_have_place(&self, class: Class, holder: Holder) -> bool {
        let all = self.places.get(class);
        let mine = self.places_of(class, holder);
        self.has_free_place(class, holder) || mine == 0 && all > 0
    }

    /// Whether there is a place of `class` for `holder`. What is light always has one. One client can't have all of the others. The
    /// service itself always has one: what strangers do must not make it seem dead.
    pub(super) fn has_free_place(&self, class: Class, holder: Holder) -> bool {
        if matches!(class, Class::Gate | Class::Light) || holder.peer == Peer::Own {
            return true;
        }
        let all = self.places.get(class);
        let share = all - if all > 1 { all.div_ceil(OTHERS_PART) } else { 0 };
        self.taken.get(class) < all && self.places_of(class, holder) < share
    }

    /// Takes a place.
    pub(super) fn sit(&mut self, class: Class, holder: Holder) {
        *self.taken.of(class) += 1;
        *self.taken_by.entry((class, holder)).or_default() += 1;
    }

    /// Gives a place back, of a request that cost so much.
    pub(super) fn rise(&mut self, class: Class, holder: Holder, price: Duration, now: Instant) {
        *self.taken.of(class) -= 1;
        if let Some(count) = self.taken_by.get_mut(&(class, holder)) {
            *count -= 1;
            if *count == 0 {
                self.taken_by.remove(&(class, holder));
            }
        }
        if class != Class::Light {
            self.prices[usize::from(class == Class::Camera)].add(holder, price, now);
        }
    }

    /// Whether `peer` has all of the memory for bodies that one may have.
    pub(super) fn has_its_share(&self, peer: Peer) -> bool {
        self.held_by(peer) + BLOCK_BYTES > self.share()
    }

    /// Bytes of bodies that `peer` has.
    pub(super) fn held_by(&self, peer: Peer) -> usize {
        self.held_by.get(&peer).copied().unwrap_or_default()
    }

    /// Bytes of bodies that one peer may have: half of all, or one body.
    fn share(&self) -> usize {
        (self.most_held / 2).max(self.most_body)
    }

    /// Seconds that a request of `class` of `holder` is taken to need.
    pub(super) fn price(&self, class: Class, holder: Holder, now: Instant) -> f64 {
        self.prices[usize::from(class == Class::Camera)].of(holder, now)
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

/// What a client is told for whose body there is no memory.
pub(super) const NO_ROOM: Why = Why::Full("the memory for requests is used up");

pub(super) struct AtDesk<'a> {
    desk: &'a mut Desk,
    peer: Peer,
    now: Instant,
}

impl AtDesk<'_> {
    fn may_enter(&mut self, head: &Head) -> Result<Pass, Why> {
        if self.desk.is_ending {
            return Err(Why::Ending);
        }
        if !self.desk.access.is_ours(head.host.as_deref()) {
            return Err(Why::WrongHost);
        }
        if !self.desk.access.is_own_page(head) {
            return Err(Why::OtherSite);
        }
        let verdict = self.desk.access.check(head, self.desk.house.scope(head));
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
    fn admit(&mut self, head: &Head) -> Result<(Admitted, Pass), Refused> {
        let house = Arc::clone(&self.desk.house);
        let refused = |why: Why, spared| Refused { reply: house.refuse(&head.target, why), why: why.name(), spared };
        let pass = self.may_enter(head).map_err(|why| refused(why, STRANGER_BYTES))?;
        let admitted =
            house.admit(head).map_err(|reply| Refused { reply, why: "contract", spared: DISCARDED_BYTES })?;
        // Refused now, a client need not send its body in vain.
        if !self.desk.may_have_place(admitted.class, Holder { peer: self.peer, token: pass.token }) {
            return Err(refused(NO_PLACE, DISCARDED_BYTES));
        }
        Ok((admitted, pass))
    }

    fn reply(&mut self, head: &Head) -> LocalReply {
        self.desk.house.reply(head)
    }

    fn refuse(&mut self, target: &str, why: Why) -> LocalReply {
        self.desk.house.refuse(target, why)
    }

    fn hold(&mut self, bytes: usize, before: usize) -> bool {
        let Desk { most_held, most_body, .. } = *self.desk;
        // Large bodies leave some to small ones.
        let for_small = (most_held / SMALL_PART).min(most_held.saturating_sub(most_body));
        let most = if before + bytes <= SMALL_BODY { most_held } else { most_held - for_small };
        let its = self.desk.held_by(self.peer);
        let fits = self.desk.held + bytes <= most && its + bytes <= self.desk.share();
        if fits {
            self.desk.held_by.insert(self.peer, its + bytes);
            self.desk.held += bytes;
        }
        fits
    }

    fn release(&mut self, bytes: usize) {
        self.desk.held -= bytes;
        if let Some(its) = self.desk.held_by.get_mut(&self.peer) {
            *its -= bytes;
            if *its == 0 {
                self.desk.held_by.remove(&self.peer);
            }
        }
    }
}

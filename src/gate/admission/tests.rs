//! Tests who is let in, and who gets which share of slots and memory.

use super::*;
use crate::gate::access::new_token;
use crate::gate::connection::AccessRecord;
use crate::ops::settings;

/// Takes every request for inference; all need a token for patterns, if there are any.
struct Everything;

impl Handler for Everything {
    fn scope(&self, _: &Head) -> Option<Scope> {
        Some(Scope::Pattern)
    }

    fn admit(&self, _: &Head) -> Result<Admitted, LocalReply> {
        Ok(Admitted { class: Class::Inference, body_bytes: 1 << 20, data: None })
    }

    fn reply(&self, _: &Head) -> LocalReply {
        LocalReply { status: 200, headers: vec![], body: vec![] }
    }

    fn refuse(&self, _: &str, _: RejectReason) -> LocalReply {
        LocalReply { status: 503, headers: vec![], body: vec![] }
    }

    fn on_request_done(&self, _: &AccessRecord) {}

    fn on_connection_dropped(&self, _: &'static str) {}
}

const SLOTS: SlotLimits = SlotLimits { probe: 1, inference: 4, camera: 1 };

fn peer(number: u8) -> Peer {
    Peer::V4([10, 0, 0, number])
}

fn admission(access: Access, limits: &Limits) -> Admission {
    Admission::new(Arc::new(Everything), access, SLOTS, limits)
}

fn head(lines: &str) -> Head {
    Head::parse(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").as_bytes()).unwrap()
}

#[test]
fn one_client_has_three_of_four_slots_and_the_service_always_one() {
    let mut admission = admission(Access::default(), &Limits::default());
    let holder = |number| Holder { peer: peer(number), token: None };
    let own = Holder { peer: Peer::Own, token: None };
    for _ in 0..3 {
        assert!(admission.has_free_slot(Class::Inference, holder(1)));
        admission.acquire(Class::Inference, holder(1));
    }
    assert!(!admission.has_free_slot(Class::Inference, holder(1)), "the fourth is for others");
    assert!(admission.has_free_slot(Class::Inference, holder(2)));
    assert!(admission.has_free_slot(Class::Camera, holder(1)), "each class has its own");
    admission.acquire(Class::Inference, holder(2));
    assert!(!admission.has_free_slot(Class::Inference, holder(3)) && admission.taken() == 4);
    assert!(admission.may_have_slot(Class::Inference, holder(3)), "one may be taken from another");
    assert!(!admission.may_have_slot(Class::Inference, holder(1)));
    assert!(admission.has_free_slot(Class::Inference, own) && admission.has_free_slot(Class::Probe, holder(3)));
    admission.release(Class::Inference, holder(1), Duration::ZERO, Instant::now());
    assert_eq!((admission.slots_of(Class::Inference, holder(1)), admission.taken()), (2, 3));
    assert!(admission.has_free_slot(Class::Inference, holder(3)));
}

#[test]
fn one_peer_has_half_of_the_bytes_and_large_bodies_leave_some_to_small_ones() {
    let mib = 1 << 20;
    let limits = Limits { held_bytes: 64 * mib, body_bytes: 8 * mib, ..Limits::default() };
    let (mut admission, now) = (admission(Access::default(), &limits), Instant::now());
    let mut reserve = |number, bytes, before| admission.of(peer(number), now).reserve_bytes(bytes, before);
    assert!(reserve(1, 32 * mib, 0) && !reserve(1, 1, 0), "half of all");
    assert!(reserve(2, 24 * mib, 0));
    // An eighth is left, which is for bodies of a megabyte at the most.
    assert!(!reserve(3, 1, mib) && !reserve(3, mib + 1, 0));
    assert!(reserve(3, mib, 0) && reserve(3, 1, mib - 1));
    admission.of(peer(3), now).release_bytes(mib + 1);
    assert_eq!((admission.held(), admission.bytes_by_peer(peer(3))), (56 * mib, 0));
    admission.of(peer(1), now).release_bytes(32 * mib);
    assert!(admission.of(peer(3), now).reserve_bytes(2 * mib, 0));
}

#[test]
fn wrong_tokens_lock_an_address_out_for_a_minute_but_not_a_good_one() {
    let (token, stored) = new_token("door", &[Scope::Pattern]);
    let settings = settings::Access { tokens: vec![stored], ..settings::Access::default() };
    let mut admission = admission(Access::new(&settings), &Limits::default());
    let now = Instant::now();
    let mut ask = |number, lines: &str, at| admission.of(peer(number), at).admit(&head(lines)).map_err(|e| e.why);
    let (good, wrong) = (format!("Authorization: Bearer {token}\r\n"), "Authorization: Bearer x\r\n");
    for _ in 0..10 {
        assert_eq!(ask(1, wrong, now).unwrap_err(), RejectReason::WrongToken.name());
    }
    assert_eq!(ask(1, wrong, now).unwrap_err(), RejectReason::LockedOut(0).name());
    assert!(ask(1, &good, now).is_ok(), "a good one is good whatever others at its address try");
    assert_eq!(ask(2, wrong, now).unwrap_err(), RejectReason::WrongToken.name(), "other addresses are not");
    let later = now + Duration::from_secs(61);
    assert_eq!(ask(1, wrong, later).unwrap_err(), RejectReason::WrongToken.name());
    admission.is_ending = true;
    assert_eq!(admission.of(peer(1), later).admit(&head(&good)).unwrap_err().why, RejectReason::Ending.name());
}

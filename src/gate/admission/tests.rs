//! Tests who is let in, and who gets which share of slots and memory.

use super::*;
use crate::gate::access::new_token;
use crate::gate::connection::AccessRecord;
use crate::ops::settings;

/// Takes every request for inference; all need a token for patterns, if there are any.
pub(in crate::gate) struct Everything;

impl Handler for Everything {
    fn scopes(&self, _: &Head) -> &'static [Scope] {
        &[Scope::Pattern]
    }

    fn may_be_linked(&self, _: &Head) -> bool {
        false
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

/// Takes no request.
struct Nothing;

impl Handler for Nothing {
    fn scopes(&self, _: &Head) -> &'static [Scope] {
        &[Scope::Pattern]
    }

    fn may_be_linked(&self, _: &Head) -> bool {
        false
    }

    fn admit(&self, _: &Head) -> Result<Admitted, LocalReply> {
        Err(LocalReply { status: 404, headers: vec![], body: vec![] })
    }

    fn reply(&self, _: &Head) -> LocalReply {
        LocalReply { status: 404, headers: vec![], body: vec![] }
    }

    fn refuse(&self, _: &str, _: RejectReason) -> LocalReply {
        LocalReply { status: 401, headers: vec![], body: vec![] }
    }

    fn on_request_done(&self, _: &AccessRecord) {}

    fn on_connection_dropped(&self, _: &'static str) {}
}

pub(in crate::gate) const SLOTS: SlotLimits = SlotLimits { probe: 1, inference: 4, camera: 1 };

fn peer(number: u8) -> Peer {
    Peer::V4([10, 0, 0, number])
}

fn admission(access: Access, limits: &Limits) -> Admission {
    Admission::new(Arc::new(Everything), access, Arc::default(), SLOTS, limits)
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

fn holder(number: u8) -> Holder {
    Holder { peer: peer(number), token: None }
}

fn with_slots(slots: SlotLimits) -> Admission {
    Admission::new(Arc::new(Everything), Access::default(), Arc::default(), slots, &Limits::default())
}

/// Why a request with these header lines is refused, and how much of its body is read on.
fn refusal(admission: &mut Admission, lines: &str) -> Option<(&'static str, u64)> {
    let refused = admission.of(peer(1), Instant::now()).admit(&head(lines)).err();
    refused.map(|refused| (refused.why, refused.spared))
}

#[test]
fn a_quarter_of_the_slots_is_out_of_reach_of_one_client_but_for_the_only_one() {
    for (slots, share) in [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (8, 6), (9, 6)] {
        for class in [Class::Inference, Class::Camera] {
            let mut admission = with_slots(SlotLimits { probe: 0, inference: slots, camera: slots });
            let mut had = 0;
            while had <= slots && admission.has_free_slot(class, holder(1)) {
                admission.acquire(class, holder(1));
                had += 1;
            }
            assert_eq!(had, share, "of {slots}");
        }
    }
}

#[test]
fn tokens_of_one_address_have_slots_of_their_own() {
    let mut admission = admission(Access::default(), &Limits::default());
    let other = Holder { token: Some([1; 32]), ..holder(1) };
    (0..3).for_each(|_| admission.acquire(Class::Inference, holder(1)));
    assert!(!admission.has_free_slot(Class::Inference, holder(1)) && admission.has_free_slot(Class::Inference, other));
}

#[test]
fn a_class_without_slots_is_refused_and_its_body_read_on() {
    let mut none = with_slots(SlotLimits { inference: 0, ..SLOTS });
    assert_eq!(refusal(&mut none, ""), Some((NO_SLOT.name(), DISCARDED_BYTES)));
    let mut one = with_slots(SlotLimits { inference: 1, ..SLOTS });
    assert_eq!(refusal(&mut one, ""), None);
    one.acquire(Class::Inference, holder(2));
    assert_eq!(refusal(&mut one, ""), None, "one may be taken from another");
    one.acquire(Class::Inference, holder(1));
    assert_eq!(refusal(&mut one, ""), Some((NO_SLOT.name(), DISCARDED_BYTES)));
}

#[test]
fn a_request_costs_its_client_in_its_own_class_and_a_probe_costs_nothing() {
    let (mut admission, now) = (admission(Access::default(), &Limits::default()), Instant::now());
    for (class, seconds) in [(Class::Inference, 3), (Class::Camera, 5), (Class::Probe, 7)] {
        admission.acquire(class, holder(1));
        admission.release(class, holder(1), Duration::from_secs(seconds), now);
    }
    let price = |class| admission.price(class, holder(1), now);
    assert_eq!((price(Class::Inference), price(Class::Camera)), (3.0, 5.0));
    assert_eq!(admission.taken(), 0);
}

#[test]
fn a_name_of_another_comes_before_a_page_of_another_site_and_both_before_the_body() {
    let mut open = admission(Access::default(), &Limits::default());
    let page = "Origin: https://evil.example\r\n";
    assert_eq!(refusal(&mut open, ""), None);
    assert_eq!(refusal(&mut open, page), Some((RejectReason::OtherSite.name(), UNTRUSTED_BYTES)));
    let elsewhere = Head { host: Some("evil.example".into()), ..head(page) };
    let refused = open.of(peer(1), Instant::now()).admit(&elsewhere).unwrap_err();
    assert_eq!((refused.why, refused.spared), (RejectReason::WrongHost.name(), UNTRUSTED_BYTES));
    open.is_ending = true;
    assert_eq!(refusal(&mut open, page), Some((RejectReason::Ending.name(), UNTRUSTED_BYTES)));
}

fn guarded() -> (Access, String) {
    let (token, stored) = new_token("door", &[Scope::Pattern]);
    let origins = vec!["https://console.example.com".to_owned()];
    let settings = settings::Access { tokens: vec![stored], origins, ..settings::Access::default() };
    (Access::new(&settings), format!("Authorization: Bearer {token}\r\n"))
}

const WRONG: &str = "Authorization: Bearer x\r\n";

#[test]
fn contract_errors_are_sent_only_to_clients_with_a_token() {
    let (access, good) = guarded();
    let mut admission = Admission::new(Arc::new(Nothing), access, Arc::default(), SLOTS, &Limits::default());
    assert_eq!(refusal(&mut admission, ""), Some((RejectReason::NoToken.name(), UNTRUSTED_BYTES)));
    assert_eq!(refusal(&mut admission, WRONG), Some((RejectReason::WrongToken.name(), UNTRUSTED_BYTES)));
    assert_eq!(refusal(&mut admission, &good), Some(("contract", DISCARDED_BYTES)));
}

#[test]
fn a_preflight_request_of_a_page_that_may_ask_needs_no_token_and_has_no_body() {
    let mut admission = admission(guarded().0, &Limits::default());
    let mut asks = |origin: &str| {
        let lines = format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
        let head = Head { method: "OPTIONS".into(), ..head(&lines) };
        let admitted = admission.of(peer(1), Instant::now()).admit(&head);
        admitted.map(|(admitted, _)| (admitted.class, admitted.body_bytes)).map_err(|refused| refused.why)
    };
    assert_eq!(asks("https://console.example.com"), Ok((Class::Gate, 0)));
    assert_eq!(asks("https://evil.example"), Err(RejectReason::NoToken.name()));
}

#[test]
fn neither_a_missing_token_nor_one_of_another_scope_leads_to_a_lock_out() {
    let (token, stored) = new_token("camera", &[Scope::Camera]);
    let settings = settings::Access { tokens: vec![stored], ..settings::Access::default() };
    let mut admission = admission(Access::new(&settings), &Limits::default());
    let other_scope = format!("Authorization: Bearer {token}\r\n");
    for _ in 0..20 {
        assert_eq!(refusal(&mut admission, "").unwrap().0, RejectReason::NoToken.name());
        assert_eq!(refusal(&mut admission, &other_scope).unwrap().0, RejectReason::WrongScope.name());
    }
    assert_eq!(refusal(&mut admission, WRONG).unwrap().0, RejectReason::WrongToken.name());
}

#[test]
fn trying_on_does_not_extend_a_lock_out() {
    let (mut admission, start) = (admission(guarded().0, &Limits::default()), Instant::now());
    let mut ask = |seconds| {
        let now = start + Duration::from_secs(seconds);
        admission.of(peer(1), now).admit(&head(WRONG)).unwrap_err().why
    };
    (0..10).for_each(|_| assert_eq!(ask(0), RejectReason::WrongToken.name()));
    assert_eq!([59, 61].map(ask), [RejectReason::LockedOut(0).name(), RejectReason::WrongToken.name()]);
}

const MIB: usize = 1 << 20;

/// Whether a reservation succeeds where so much is held in all, and a body may have so much.
fn fits(held_bytes: usize, body_bytes: usize, bytes: usize) -> bool {
    let limits = Limits { held_bytes, body_bytes, ..Limits::default() };
    let mut admission = admission(Access::default(), &limits);
    admission.of(peer(1), Instant::now()).reserve_bytes(bytes, 0)
}

#[test]
fn one_peer_may_hold_one_body_of_the_greatest_size_however_little_memory_there_is() {
    assert!(fits(64 * MIB, 48 * MIB, 48 * MIB) && !fits(64 * MIB, 48 * MIB, 48 * MIB + 1), "more than half of all");
    // The part of the small ones is what such a body leaves, if that is less than an eighth.
    assert!(fits(64 * MIB, 60 * MIB, 60 * MIB) && fits(64 * MIB, 64 * MIB, 64 * MIB));
}

#[test]
fn a_peer_has_its_share_when_not_one_block_more_fits_into_it() {
    let limits = Limits { held_bytes: 64 * MIB, body_bytes: 8 * MIB, ..Limits::default() };
    let (mut admission, now) = (admission(Access::default(), &limits), Instant::now());
    assert!(admission.of(peer(1), now).reserve_bytes(32 * MIB - BLOCK_BYTES, 0));
    assert!(!admission.has_its_share(peer(1)));
    assert!(admission.of(peer(1), now).reserve_bytes(1, 0));
    assert!(admission.has_its_share(peer(1)) && !admission.has_its_share(peer(2)));
}

#[test]
fn a_refused_reservation_holds_nothing() {
    let limits = Limits { held_bytes: 64 * MIB, body_bytes: 8 * MIB, ..Limits::default() };
    let (mut admission, now) = (admission(Access::default(), &limits), Instant::now());
    assert!(!admission.of(peer(1), now).reserve_bytes(32 * MIB + 1, 0));
    assert_eq!((admission.held(), admission.bytes_by_peer(peer(1))), (0, 0));
}

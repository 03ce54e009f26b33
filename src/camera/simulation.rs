//! Simulates a day of a camera with all kinds of faults, with a simulated clock and a seed.
//!
//! The supervisor, the slot and the futures are the real ones; the source and the clock are not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::slot::{Slot, Status, Watch};
use super::source::{FrameSource, Identity, RawFrame, STALL};
use super::supervisor::{MAX_AGE, Open, Policy, Step, Supervisor};
use crate::media::raw::{Layout, PixelFormat};

/// Time and randomness, shared by all participants. Only one thread uses them, but sources must be able to move to another.
#[derive(Clone)]
pub(super) struct World {
    pub(super) start: Instant,
    microseconds: Arc<AtomicU64>,
    state: Arc<AtomicU64>,
    /// Sources that are alive.
    sources: Arc<AtomicUsize>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let number = |n| Arc::new(AtomicU64::new(n));
        Self { start: Instant::now(), microseconds: number(0), state: number(seed), sources: Arc::default() }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.microseconds.load(Ordering::Relaxed))
    }

    pub(super) fn pass(&self, time: Duration) {
        self.microseconds.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn pass_until(&self, then: Instant) {
        self.pass(then.saturating_duration_since(self.now()));
    }

    /// A number below `most` (splitmix64).
    fn draw(&self, most: usize) -> usize {
        let mut z = self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    fn one_in(&self, most: usize) -> bool {
        self.draw(most) == 0
    }
}

struct Synthetic {
    world: World,
    identity: Identity,
    sequence: u32,
    /// Damaged frames still to be sent.
    damaged: u32,
    useless: bool,
}

/// Time from one frame to the next.
pub(super) const INTERVAL: Duration = Duration::from_micros(66_667);

impl Synthetic {
    fn open(world: &World) -> Result<Self, Fault> {
        world.pass(Duration::from_millis(200 + world.draw(400) as u64));
        if world.one_in(3) {
            return Err([Fault::Busy, Fault::Absent("none".into()), Fault::Unplugged][world.draw(3)].clone());
        }
        world.sources.fetch_add(1, Ordering::Relaxed);
        let layout = Layout::new(PixelFormat::Grey, 4, 4);
        let identity = Identity { place: "synthetic".into(), name: String::new(), layout, fps: 15.0 };
        Ok(Self { world: world.clone(), identity, sequence: 0, damaged: 0, useless: false })
    }
}

impl Drop for Synthetic {
    fn drop(&mut self) {
        self.world.sources.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FrameSource for Synthetic {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn next(&mut self, deadline: Instant) -> Result<RawFrame, Fault> {
        assert!(!self.useless, "a source that failed is not asked again");
        let world = &self.world;
        world.pass(INTERVAL);
        if world.one_in(9_000) {
            self.useless = true;
            world.pass_until(deadline);
            return Err(Fault::Stalled(STALL));
        }
        if world.one_in(15_000) {
            self.useless = true;
            return Err(Fault::Unplugged);
        }
        if world.one_in(40_000) {
            self.useless = true;
            panic!("what the bindings to a driver do");
        }
        if world.one_in(4_000) {
            self.damaged = 1 + world.draw(60) as u32;
        }
        self.sequence = self.sequence.wrapping_add(1);
        if world.one_in(1_000) {
            let lost = 1 + world.draw(5) as u32;
            self.sequence += lost;
            world.pass(INTERVAL * lost);
        }
        if self.damaged > 0 {
            self.damaged -= 1;
            return Err(Fault::Damaged("synthetic".into()));
        }
        let age = if world.one_in(2_000) { 501 + world.draw(5_000) } else { world.draw(60) };
        let taken = world.now().checked_sub(Duration::from_millis(age as u64)).unwrap_or(world.start);
        Ok(RawFrame { bytes: vec![0; 16].into(), layout: self.identity.layout, sequence: self.sequence, taken })
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A consumer that comes now and then, wants frames for a while, and takes as long to judge each as a board does.
struct Consumer {
    world: World,
    lease: bool,
    until: Instant,
    /// When it wanted the frame that it waits for, and whether it was woken since its last poll.
    waits_since: Instant,
    woken: Arc<Flag>,
    number: u64,
    judged: usize,
    faults: usize,
    longest_wait: Duration,
}

impl Consumer {
    fn new(world: &World) -> Self {
        let now = world.now();
        Self {
            world: world.clone(),
            lease: false,
            until: now,
            waits_since: now,
            woken: Arc::default(),
            number: 0,
            judged: 0,
            faults: 0,
            longest_wait: Duration::ZERO,
        }
    }

    /// Does what is due at this time.
    fn live(&mut self, slot: &Slot) {
        let now = self.world.now();
        if now >= self.until {
            if self.lease {
                slot.release(now);
            } else {
                slot.take();
                self.waits_since = now;
                self.woken.0.store(true, Ordering::Relaxed);
            }
            self.lease = !self.lease;
            self.until = now + Duration::from_millis(500 + self.world.draw(40_000) as u64);
        }
        if !self.lease {
            return;
        }
        self.longest_wait = self.longest_wait.max(now - self.waits_since);
        // Without a wake it does not poll: a forgotten waker would show as a long wait.
        if !self.woken.0.swap(false, Ordering::Relaxed) {
            return;
        }
        let (after, since) = (self.number, now.checked_sub(MAX_AGE));
        let look = |inner: &super::slot::Inner| match &inner.status {
            Status::Failing(fault) if !fault.may_pass() => Some(None),
            _ => inner.newer(after, since).map(Some),
        };
        let waker = Waker::from(Arc::clone(&self.woken));
        match Pin::new(&mut Watch { slot, look }).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {}
            Poll::Ready(None) => {
                self.faults += 1;
                self.waits_since = now;
                self.woken.0.store(true, Ordering::Relaxed);
            }
            Poll::Ready(Some((number, frame))) => {
                assert!(now.saturating_duration_since(frame.taken) <= MAX_AGE, "a stale frame is judged");
                assert!(number > self.number, "frames come in order, each once");
                (self.number, self.waits_since) = (number, now);
                self.judged += 1;
                self.woken.0.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Lets this much time pass.
fn day(seed: u64, policy: Policy, length: Duration) -> (Consumer, Slot) {
    let world = World::new(seed);
    let slot = Slot::default();
    let mine = world.clone();
    let open: Open = Box::new(move || Ok(Box::new(Synthetic::open(&mine)?)));
    let mut supervisor = Supervisor::new(open, policy, world.now());
    let mut consumer = Consumer::new(&world);
    let end = world.start + length;
    let clock = {
        let world = world.clone();
        move || world.now()
    };
    while world.now() < end {
        let before = world.now();
        let step = supervisor.step(&slot, &clock);
        consumer.live(&slot);
        assert!(world.sources.load(Ordering::Relaxed) <= 1, "a device is opened once at a time");
        assert!(slot.waiting() <= 1, "wakers pile up");
        if let Step::Wait(until) = step {
            // The thread sleeps: until then, or until the consumer comes.
            let wake = if consumer.lease { until } else { until.into_iter().chain([consumer.until]).min() };
            world.pass_until(wake.unwrap_or(consumer.until).max(before + Duration::from_millis(1)));
            consumer.live(&slot);
        }
    }
    (consumer, slot)
}

/// Longest time without an answer that a failing and recovering camera can cause: a stall, then failed retries, each later than the
/// one before, and a start.
const LONGEST_SILENCE: Duration = Duration::from_secs(3 + 8 + 8 + 2);

#[test]
fn a_day_with_a_faulty_camera_has_bounded_waits_and_no_stale_frames() {
    let outcome = [1, 2].map(|seed| {
        let policy = Policy { warm: seed == 2, linger: Duration::from_secs(10) };
        let (consumer, slot) = day(seed, policy, Duration::from_secs(24 * 3600));
        let counts = slot.lock().counts;
        (seed, consumer.judged, consumer.faults, consumer.longest_wait, counts)
    });
    for (seed, judged, faults, longest_wait, counts) in outcome {
        assert!(judged > 300_000, "seed {seed}: {judged} frames judged, {counts:?}");
        assert!(faults > 20, "seed {seed}: {faults} faults seen, {counts:?}");
        assert!(longest_wait < LONGEST_SILENCE, "seed {seed}: waited for {longest_wait:?}");
        assert!(counts.failed > 100 && counts.opened > 100 && counts.stale > 100, "seed {seed}: {counts:?}");
        assert!(counts.missed > 1_000 && counts.damaged > 1_000, "seed {seed}: {counts:?}");
    }
}

#[test]
fn camera_and_frame_are_released_after_the_last_lease() {
    let world = World::new(3);
    let slot = Slot::default();
    let mine = world.clone();
    let open: Open = Box::new(move || Ok(Box::new(Synthetic::open(&mine)?)));
    let policy = Policy { warm: false, linger: Duration::from_secs(1) };
    let mut supervisor = Supervisor::new(open, policy, world.now());
    let clock = {
        let world = world.clone();
        move || world.now()
    };
    assert_eq!(supervisor.step(&slot, &clock), Step::Wait(None));
    slot.take();
    while slot.lock().newest.is_none() {
        if let Step::Wait(Some(until)) = supervisor.step(&slot, &clock) {
            world.pass_until(until);
        }
    }
    let frame = Arc::downgrade(&slot.lock().newest.as_ref().unwrap().1);
    slot.release(world.now());
    assert_eq!(supervisor.step(&slot, &clock), Step::Again, "it lingers");
    world.pass(Duration::from_secs(1));
    assert_eq!(supervisor.step(&slot, &clock), Step::Wait(None));
    assert_eq!(world.sources.load(Ordering::Relaxed), 0);
    assert!(slot.lock().newest.is_none() && frame.upgrade().is_none(), "a frame is kept");
    assert_eq!(slot.lock().status, Status::Off);
}

#[test]
fn a_new_lease_retries_the_camera_at_once() {
    let world = World::new(4);
    let slot = Slot::default();
    let tries = Arc::new(AtomicUsize::new(0));
    let mine = Arc::clone(&tries);
    let open: Open = Box::new(move || {
        mine.fetch_add(1, Ordering::Relaxed);
        Err(Fault::Busy)
    });
    let policy = Policy { warm: true, linger: Duration::ZERO };
    let mut supervisor = Supervisor::new(open, policy, world.now());
    let clock = {
        let world = world.clone();
        move || world.now()
    };
    for _ in 0..12 {
        if let Step::Wait(Some(until)) = supervisor.step(&slot, &clock) {
            world.pass_until(until);
        }
    }
    supervisor.step(&slot, &clock);
    let before = tries.load(Ordering::Relaxed);
    world.pass(Duration::from_secs(1));
    supervisor.step(&slot, &clock);
    assert_eq!(tries.load(Ordering::Relaxed), before, "eight seconds are to pass");
    slot.take();
    supervisor.step(&slot, &clock);
    assert_eq!(tries.load(Ordering::Relaxed), before + 1);
    assert_eq!(slot.lock().status, Status::Failing(Fault::Busy));
}

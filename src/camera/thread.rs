//! The camera as others see it, and the thread behind it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::file;
pub use super::keeper::MAX_AGE;
use super::keeper::{Keeper, Open, Policy, Step};
use super::slot::{Counts, Numbered, Slot, Status, Watch};
use super::source::{FrameSource, Identity};
use crate::media::Turn;
use crate::media::raw::Mounting;
use crate::ops::{Limits, settings};

/// The one camera of this machine. Its device is open only while somebody wants frames, unless it is kept warm.
pub struct Camera {
    slot: Arc<Slot>,
    mounting: Mounting,
    thread: Option<JoinHandle<()>>,
}

/// Somebody wants frames; the camera is on for as long as one of these is held.
pub struct Lease {
    slot: Arc<Slot>,
    /// Failures before this lease: a failure after it was met for its sake.
    failed_before: u64,
    /// Number of the newest frame before this lease.
    before: u64,
}

/// How the camera is.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it is.
    pub status: Status,
    /// What went wrong since the last frame.
    pub fault: Option<Fault>,
    /// What it is, if it was ever opened.
    pub identity: Option<Identity>,
    /// What happened so far.
    pub counts: Counts,
    /// Age of the newest frame.
    pub age: Option<Duration>,
}

impl Camera {
    /// Starts the thread that the settings ask for. No device is opened until somebody wants frames, or the settings say so.
    pub fn start(settings: &settings::Camera, limits: &Limits) -> Self {
        let policy = Policy { warm: settings.warm, linger: Duration::from_millis(settings.linger_ms) };
        let (mine, limits) = (settings.clone(), limits.clone());
        let turn = match settings.rotate {
            90 => Turn::Right,
            180 => Turn::Half,
            270 => Turn::Left,
            _ => Turn::None,
        };
        let mounting = Mounting { mirror: settings.mirror, turn };
        let policy = if settings.device == "off" { Policy { warm: false, ..policy } } else { policy };
        Self::run(Box::new(move || open(&mine, &limits)), policy, mounting)
    }

    fn run(open: Open, policy: Policy, mounting: Mounting) -> Self {
        let slot = Arc::new(Slot::default());
        let mut keeper = Keeper::new(open, policy, Instant::now());
        let mine = Arc::clone(&slot);
        let work = move || {
            while match keeper.step(&mine, &Instant::now) {
                Step::Again => !mine.lock().ending,
                Step::Wait(until) => mine.sleep(until),
            } {}
        };
        let thread =
            std::thread::Builder::new().name("camera".into()).spawn(work).expect("threads start with the process");
        Self { slot, mounting, thread: Some(thread) }
    }

    /// Switches the camera on, if it is not, until the lease is dropped.
    pub fn lease(&self) -> Lease {
        let Counts { failed, frames, .. } = self.slot.lock().counts;
        self.slot.take();
        Lease { slot: Arc::clone(&self.slot), failed_before: failed, before: frames }
    }

    /// How its frames come to stand upright.
    pub fn mounting(&self) -> Mounting {
        self.mounting
    }

    /// How it is, without switching it on.
    pub fn report(&self) -> Report {
        let inner = self.slot.lock();
        Report {
            status: inner.status.clone(),
            fault: inner.fault.clone(),
            identity: inner.identity.clone(),
            counts: inner.counts,
            age: inner.newest.as_ref().map(|(_, frame)| frame.taken.elapsed()),
        }
    }

    /// A reader of the newest frame that a worker can take along.
    pub fn newest(&self) -> impl Fn(u64) -> Option<Numbered> + Send + use<> {
        let slot = Arc::clone(&self.slot);
        move |after| slot.lock().newer(after, oldest(Instant::now()))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.slot.end();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Lease {
    /// Waits for a frame after number `after`; ends with a fault that will not pass by itself, if the camera was tried for this
    /// lease and failed so.
    pub async fn newer(&self, after: u64) -> Result<(), Fault> {
        let look = |inner: &super::slot::Inner| match &inner.status {
            Status::Failing(fault) if inner.counts.failed > self.failed_before && !fault.may_pass() => {
                Some(Err(fault.clone()))
            }
            _ => inner.newer(after, oldest(Instant::now())).map(|_| Ok(())),
        };
        Watch { slot: &self.slot, look }.await
    }

    /// Number of the newest frame before this lease began.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Why there is no frame, as far as is known.
    pub fn fault(&self) -> Option<Fault> {
        match &self.slot.lock().status {
            Status::Failing(fault) => Some(fault.clone()),
            _ => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.release(Instant::now());
    }
}

/// When a frame must have been taken to be used now; none if the clock began later than that.
fn oldest(now: Instant) -> Option<Instant> {
    now.checked_sub(MAX_AGE)
}

/// Opens what the settings name.
fn open(settings: &settings::Camera, limits: &Limits) -> Result<Box<dyn FrameSource>, Fault> {
    match &*settings.device {
        "off" => Err(Fault::Off),
        device => match device.strip_prefix("file:") {
            Some(path) => Ok(Box::new(file::Files::open(path.as_ref(), settings, limits)?)),
            #[cfg(target_os = "linux")]
            None => super::device::open(device, settings, limits),
            #[cfg(not(target_os = "linux"))]
            None => super::elsewhere::open(device, settings, limits),
        },
    }
}

//! The camera's public interface, and the thread that runs the camera.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::exposure::Light;
use super::fault::Fault;
use super::file;
use super::lock::Locked;
use super::slot::{Counts, Numbered, Slot, Status, Watch};
use super::source::{FrameSource, Identity};
pub use super::supervisor::MAX_AGE;
use super::supervisor::{Open, Policy, Step, Supervisor};
use crate::media::Rotation;
use crate::media::raw::Mounting;
use crate::ops::{Limits, settings};

/// The one camera of this machine. Its device is open only while a lease is held, unless it is kept warm.
pub struct Camera {
    slot: Arc<Slot>,
    mounting: Mounting,
    thread: Option<JoinHandle<()>>,
}

/// A request for frames; the camera is on for as long as one of these is held.
pub struct Lease {
    slot: Arc<Slot>,
    /// Failures before this lease: a later failure happened while opening for it.
    failed_before: u64,
    /// Number of the newest frame before this lease.
    before: u64,
}

/// Keeps exposure, gain and white balance constant for as long as it is held. They are restored when the last one is dropped, and whenever
/// the device is closed: after the last lease, after a fault, or at the end of the service. What a lost device still owes is restored when
/// it is back. Only the end of the process by force leaves them locked, until the device is opened again with the setting `auto`.
pub struct ControlLock {
    slot: Arc<Slot>,
}

/// State of the camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its status.
    pub status: Status,
    /// What went wrong since the last frame.
    pub fault: Option<Fault>,
    /// Its identity, if it was ever opened.
    pub identity: Option<Identity>,
    /// Counts since the service started.
    pub counts: Counts,
    /// Age of the newest frame.
    pub age: Option<Duration>,
}

impl Camera {
    /// Starts the thread that the settings ask for. No device is opened until a lease is held, unless the settings say so.
    pub fn start(settings: &settings::Camera, limits: &Limits) -> Self {
        let policy = Policy { warm: settings.warm, linger: Duration::from_millis(settings.linger_ms) };
        let (mine, limits) = (settings.clone(), limits.clone());
        let turn = match settings.rotate {
            90 => Rotation::Right,
            180 => Rotation::Half,
            270 => Rotation::Left,
            _ => Rotation::None,
        };
        let mounting = Mounting { mirror: settings.mirror, turn };
        let policy = if settings.device == "off" { Policy { warm: false, ..policy } } else { policy };
        Self::run(Box::new(move || open(&mine, &limits)), policy, mounting)
    }

    fn run(open: Open, policy: Policy, mounting: Mounting) -> Self {
        let slot = Arc::new(Slot::default());
        let mut supervisor = Supervisor::new(open, policy, Instant::now());
        let mine = Arc::clone(&slot);
        let work = move || {
            while match supervisor.step(&mine, &Instant::now) {
                Step::Again => !mine.lock().ending,
                Step::Wait(until) => mine.sleep(until),
            } {}
        };
        let thread =
            std::thread::Builder::new().name("camera".into()).spawn(work).expect("threads start with the process");
        Self { slot, mounting, thread: Some(thread) }
    }

    /// Switches the camera on, if it is off, until the lease is dropped.
    pub fn lease(&self) -> Lease {
        let Counts { failed, frames, .. } = self.slot.lock().counts;
        self.slot.take();
        Lease { slot: Arc::clone(&self.slot), failed_before: failed, before: frames }
    }

    /// How its frames have to be turned to be upright.
    pub fn mounting(&self) -> Mounting {
        self.mounting
    }

    /// Its state, without switching it on.
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

    /// A reader of the newest frame that can be moved to a worker.
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
    /// Waits for a frame after number `after`; ends with a fault that will not pass by itself, if the camera was tried for this lease
    /// and failed with it.
    pub async fn newer(&self, after: u64) -> Result<(), Fault> {
        let look = |inner: &super::slot::Inner| match &inner.status {
            Status::Failing(fault) if inner.counts.failed > self.failed_before && !fault.may_pass() => {
                Some(Err(fault.clone()))
            }
            _ => inner.newer(after, oldest(Instant::now())).map(|_| Ok(())),
        };
        Watch { slot: &self.slot, look }.await
    }

    /// Reports the brightness of the face in a frame taken at that time, so that the camera can expose for it.
    pub fn tell(&self, light: Light, taken: Instant) {
        self.slot.lock().face = Some((light, taken));
    }

    /// Has the camera keep exposure, gain and white balance as they are until the guard is dropped. They are locked between two frames,
    /// once automatic exposure has had a second to settle: see [`ControlLock::locked`].
    pub fn lock(&self) -> ControlLock {
        self.slot.lock_controls();
        ControlLock { slot: Arc::clone(&self.slot) }
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

impl ControlLock {
    /// Waits until the controls are locked; ends with a fault that the driver had meanwhile. A camera shows what was set after two to four
    /// frames: what is measured earlier may still change by itself.
    pub async fn locked(&self) -> Result<Locked, Fault> {
        let look = |inner: &super::slot::Inner| match (&inner.locked, &inner.lock_fault) {
            (Some(locked), _) => Some(Ok(locked.clone())),
            (None, Some(fault)) => Some(Err(fault.clone())),
            (None, None) => None,
        };
        Watch { slot: &self.slot, look }.await
    }

    /// Whether they are locked at the moment: not any more after a fault, until the device works again. Then they have other values.
    pub fn is_whole(&self, locked: &Locked) -> bool {
        self.slot.lock().locked.as_ref() == Some(locked)
    }
}

impl Drop for ControlLock {
    fn drop(&mut self) {
        self.slot.unlock_controls();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.release(Instant::now());
    }
}

/// Earliest time at which a frame may have been taken to be used now; none if that is before the clock began.
fn oldest(now: Instant) -> Option<Instant> {
    now.checked_sub(MAX_AGE)
}

/// Opens what the settings name and closes it again; returns its identity.
pub fn try_open(settings: &settings::Camera, limits: &Limits) -> Result<Identity, Fault> {
    super::supervisor::guarded(|| open(settings, limits)).map(|source| source.identity().clone())
}

/// Opens what the settings name.
fn open(settings: &settings::Camera, limits: &Limits) -> Result<Box<dyn FrameSource>, Fault> {
    match &*settings.device {
        "off" => Err(Fault::Off),
        device => match device.strip_prefix("file:") {
            Some(path) => Ok(Box::new(file::Files::open(path.as_ref(), settings, limits)?)),
            None => super::device::open(device, settings, limits),
        },
    }
}

//! The one camera with the workers that judge its frames, and the lock after attacks that all who use it share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, select};

use super::board::{Board, Running};
use super::error::Error;
use super::lock_out::LockOut;
use crate::camera::Camera;
use crate::face::Extractor;
use crate::ops::{Limits, Stop, counted, settings};
use crate::work::{Failed, Owner, Pool, WaitLimit, block_on};

/// Captures people from the camera.
pub struct Capturer {
    pub(super) pool: Arc<Pool<Extractor>>,
    pub(super) camera: Camera,
    pub(super) settings: settings::Camera,
    pub(super) limits: Limits,
    pub(super) board: Board,
    lock_out: Mutex<LockOut>,
}

impl Capturer {
    /// Starts the camera's thread; frames are judged by the workers of `pool`.
    pub fn start(settings: &settings::Camera, limits: &Limits, pool: &Arc<Pool<Extractor>>) -> Self {
        Self {
            pool: Arc::clone(pool),
            camera: Camera::start(settings, limits),
            settings: settings.clone(),
            limits: limits.clone(),
            board: Board::default(),
            lock_out: Mutex::new(LockOut::new(Duration::from_secs(settings.lock_out_s))),
        }
    }

    /// The camera.
    pub fn camera(&self) -> &Camera {
        &self.camera
    }

    /// The camera's settings.
    pub fn settings(&self) -> &settings::Camera {
        &self.settings
    }

    /// What the person is asked to do.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Begins a challenge, unless one is under way.
    pub(super) fn begin_challenge(&self) -> Result<Running<'_>, Error> {
        self.board.begin().ok_or(Error::Occupied)
    }

    /// An error while attack verdicts have locked the camera.
    pub fn is_unlocked(&self) -> Result<(), Error> {
        self.lock_out().left(Instant::now()).map_or(Ok(()), |left| Err(Error::LockedOut(left)))
    }

    /// Counts an attack verdict.
    pub fn note_attack(&self, what: &str) {
        let (lock, attacks) = {
            let mut lock_out = self.lock_out();
            (lock_out.attack(Instant::now()), lock_out.attacks())
        };
        log::warn!(
            attacks, locked_s = lock.as_secs();
            "camera: {what}; its methods are locked for {}", counted(lock.as_secs() as usize, "second", "seconds")
        );
    }

    /// Attack verdicts since the service started, and how much longer they lock the camera, if they do.
    pub fn attacks(&self) -> (u64, Option<Duration>) {
        let lock_out = self.lock_out();
        (lock_out.attacks(), lock_out.left(Instant::now()))
    }

    /// The count of attack verdicts.
    fn lock_out(&self) -> MutexGuard<'_, LockOut> {
        self.lock_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a job on a worker.
    pub fn wait_for<T: Send + 'static>(
        &self,
        owner: &Owner,
        job: impl FnOnce(&mut Extractor, &Stop<'_>) -> T + Send + 'static,
        end: &WaitLimit,
    ) -> Result<T, Error> {
        let ticket = self.pool.submit(owner, job).map_err(|_| Error::Overloaded("too many requests at once"))?;
        match block_on(select(ticket, end.clone())) {
            Either::First(Ok(done)) => Ok(done),
            Either::First(Err(Failed(cause))) => Err(Error::Internal(cause)),
            Either::Second(()) => Err(Error::Overloaded("the deadline passed")),
        }
    }
}

//! The shell of a door: gives the controller time and inputs, and does what it says.
//!
//! One thread looks and captures, since both take the camera's frames (`watch`); another one lets time pass. Commands and inputs are taken at any time.
//! An event is written before the lock is opened for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::controller::{Config, Controller, State};
use super::inputs::{Change, watch_inputs};
use super::relay::Outputs;
use super::step::{Action, Input, Moment};
use super::thread::spawn;
use crate::capture::Capturer;
use crate::events::{Details, Journal, Kind, Method, Position};
use crate::face::Score;
use crate::ops::settings::{self, DoorMode};
use crate::ops::shutdown::{IDLE, Shutdown};
use crate::ops::{Histogram, SecretBytes, clock};
use crate::people::{People, PersonId};
use crate::work::CancelToken;

/// How often it is checked whether the clock is synchronized, and whether people, events and the lock can be used.
const CHECKED: Duration = Duration::from_secs(10);
/// Longest time that an event may take to be written: then the lock stays shut.
const LONGEST_WRITE: Duration = Duration::from_secs(2);
/// How late the thread that shuts the lock may be until the service counts as stuck.
const LATE: Duration = Duration::from_secs(5);

/// What a door needs of the service.
pub struct Parts {
    /// The camera, with the workers that judge its frames.
    pub capturer: Arc<Capturer>,
    /// Who is enrolled.
    pub people: Arc<People>,
    /// What happened.
    pub journal: Arc<Journal>,
    /// The end of the service.
    pub shutdown: Shutdown,
    /// Score from which on a claimed person is that person.
    pub approved: Score,
    /// Spoofing confidence above which a face is an attack, 0 to 1.
    pub threshold: f64,
}

/// The door of this device.
pub struct Door {
    pub(super) parts: Parts,
    pub(super) settings: settings::Door,
    controller: Mutex<Controller>,
    /// Something changed that a thread of the door waits for.
    pub(super) changed: Condvar,
    /// A picture of whoever was captured last, until the event of it is written.
    picture: Mutex<Option<SecretBytes>>,
    /// Who is to be captured next: the claimed person, or anybody.
    pub(super) order: Mutex<Option<Option<PersonId>>>,
    outputs: Outputs,
    begun: Instant,
    is_synchronized: AtomicBool,
    /// Score from which on a claimed person is that person.
    pub(super) approved: Mutex<Score>,
    figures: Mutex<Figures>,
    /// Why whoever was refused last was.
    refusal: Mutex<Option<String>>,
    pub(super) cancel: CancelToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What is told of a door.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Who is let in.
    pub mode: DoorMode,
    /// What it is doing, as a word.
    pub state: &'static str,
    /// Why somebody was refused, as a word, while that is the state.
    pub reason: Option<String>,
    /// Whether the lock is open.
    pub is_unlocked: bool,
    /// Whether the door stands open; none without a contact.
    pub is_open: Option<bool>,
    /// Parts that do not work.
    pub faults: Vec<&'static str>,
    /// Whether the clock is synchronized.
    pub is_synchronized: bool,
}

/// What a door has done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// How often the lock was opened for a face, for a claim, by a command, and by the exit button.
    pub openings: [u64; 4],
    /// From the first frame with a face to the lock.
    pub decisions: Histogram,
}

/// Why a claim was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// The door takes no claims in its present mode.
    Off,
    /// Nobody has this credential or id.
    Unknown,
    /// Wrong ones have locked claims for this time.
    LockedOut(Duration),
}

impl Door {
    /// Claims the lines, and starts to watch.
    pub fn start(settings: &settings::Door, parts: Parts) -> Result<Arc<Self>, String> {
        let door = Arc::new(Self {
            controller: Mutex::new(Controller::new(Config::new(settings))),
            outputs: Outputs::start(settings)?,
            approved: Mutex::new(parts.approved),
            settings: settings.clone(),
            changed: Condvar::new(),
            picture: Mutex::default(),
            order: Mutex::default(),
            begun: Instant::now(),
            is_synchronized: AtomicBool::new(clock::is_synchronized()),
            figures: Mutex::default(),
            refusal: Mutex::default(),
            cancel: CancelToken::default(),
            threads: Mutex::default(),
            parts,
        });
        let inputs = Arc::downgrade(&door);
        watch_inputs(settings, &door.parts.shutdown, move |change| {
            let Some(door) = inputs.upgrade() else { return };
            match change {
                Change::Contact(is_open) => door.drive(Input::Contact(is_open)),
                Change::Exit => {
                    // Whoever leaves waits for no disk, and for nobody who does.
                    door.outputs.open(door.pulse());
                    door.drive(Input::Exit)
                }
            };
        })?;
        let start = |name, work: fn(&Self)| {
            let mine = Arc::clone(&door);
            spawn(name, &door.parts.shutdown, move || work(&mine))
        };
        let threads = vec![start("door time", Self::pass_time)?, start("door camera", Self::watch)?];
        *door.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        Ok(door)
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        let controller = self.controller();
        Status {
            mode: controller.mode(),
            state: controller.state().word(),
            reason: match controller.state() {
                State::Denied(_) | State::Attack(_) => {
                    self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
                }
                _ => None,
            },
            is_unlocked: controller.is_unlocked(self.begun.elapsed()),
            is_open: (self.settings.contact != "none").then(|| controller.is_open()),
            faults: controller.faults().to_vec(),
            is_synchronized: self.is_synchronized.load(Ordering::Relaxed),
        }
    }

    /// Sets the score from which on a claimed person is that person.
    pub fn set_approved(&self, score: Score) {
        *self.approved.lock().unwrap_or_else(PoisonError::into_inner) = score;
    }

    fn pulse(&self) -> Duration {
        Duration::from_millis(self.settings.pulse_ms)
    }

    /// What it has done since the start.
    pub fn figures(&self) -> Figures {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the lock for whoever may ask for it. The error is why it stayed shut, as a word.
    pub fn open(&self) -> Result<(), &'static str> {
        self.drive(Input::Open).map_or(Ok(()), Err)
    }

    /// Switches recognition.
    pub fn switch(&self, mode: DoorMode) {
        self.drive(Input::Mode(mode));
    }

    /// Takes a claim, by the id of a person or by a credential.
    pub fn claim(&self, person: Option<PersonId>, credential: Option<&str>) -> Result<PersonId, ClaimError> {
        let by_credential = || self.parts.people.by_credential(credential?).ok().flatten();
        let found = match person {
            Some(id) => self.parts.people.get(&id).ok(),
            None => by_credential(),
        };
        // Looked at and counted under one lock, so that nobody tries many at once.
        let asked = self.begun.elapsed();
        let controller = self.controller();
        if !matches!(controller.mode(), DoorMode::Claim | DoorMode::ClaimOrIdentify) {
            return Err(ClaimError::Off);
        }
        if let Some(left) = controller.claims_locked(self.begun.elapsed()) {
            return Err(ClaimError::LockedOut(left));
        }
        match found {
            Some(profile) => {
                self.drive_locked(controller, asked, Input::Claimed(profile.id.clone()));
                Ok(profile.id.clone())
            }
            None => {
                self.drive_locked(controller, asked, Input::WrongCredential);
                Err(ClaimError::Unknown)
            }
        }
    }

    /// An error if the thread that shuts the lock is stuck.
    pub fn stuck(&self) -> Option<Duration> {
        Some(self.outputs.late()).filter(|late| *late > LATE)
    }

    /// Ends it: the lock is shut, and the lines are released with the last reference.
    pub fn close(&self) {
        self.cancel.cancel();
        self.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _panicked = thread.join();
        }
        self.outputs.shut();
    }

    pub(super) fn controller(&self) -> MutexGuard<'_, Controller> {
        self.controller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.parts.shutdown.requested() || self.cancel.is_cancelled()
    }

    fn moment(&self) -> Moment {
        let is_synchronized = self.is_synchronized.load(Ordering::Relaxed);
        Moment { at: self.begun.elapsed(), now: Timestamp::now(), is_synchronized }
    }

    /// Has the controller take an input, and does what it says. The result is why the lock was not opened, if it should have been.
    pub(super) fn drive(&self, input: Input) -> Option<&'static str> {
        let asked = self.begun.elapsed();
        self.drive_locked(self.controller(), asked, input)
    }

    /// The same for an input of that time, which may have waited.
    fn drive_locked(
        &self,
        mut controller: MutexGuard<'_, Controller>,
        asked: Duration,
        input: Input,
    ) -> Option<&'static str> {
        let moment = self.moment();
        let mut actions: std::collections::VecDeque<Action> = controller.step(moment, input).into();
        let mut refused = None;
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Attempt(claim) => {
                    *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim);
                }
                Action::Record(kind, details) => {
                    if [Kind::AccessDenied, Kind::AccessUnknown, Kind::AccessAttack].contains(&kind) {
                        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
                        refusal.clone_from(&details.reason);
                    }
                    let (details, picture) = self.pictured(kind, details);
                    let number = self.parts.journal.append(kind, details, moment.now);
                    self.keep_picture(number, picture, moment);
                }
                Action::Refuse => self.outputs.buzz(),
                Action::Open(kind, details) => {
                    let (method, latency) = (details.method, details.latency_ms);
                    match self.open_for(kind, details, moment, asked) {
                        Ok(()) => self.count(method, latency),
                        Err(reason) => {
                            refused = Some(reason);
                            actions.extend(controller.step(moment, Input::NotOpened(method, reason)));
                        }
                    }
                }
            }
        }
        drop(controller);
        self.changed.notify_all();
        refused
    }

    /// Counts an opening.
    fn count(&self, method: Option<Method>, latency_ms: Option<u64>) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.openings[method.map_or(3, |method| method as usize)] += 1;
        if let Some(ms) = latency_ms {
            figures.decisions.add(Duration::from_millis(ms));
        }
    }

    /// Writes the event and opens the lock. Whoever leaves is let out even if the event can't be written.
    fn open_for(&self, kind: Kind, details: Details, moment: Moment, asked: Duration) -> Result<(), &'static str> {
        // The lock was opened when the button was pressed.
        if kind == Kind::DoorExit {
            self.parts.journal.append(kind, details, moment.now);
            return Ok(());
        }
        let (details, picture) = self.pictured(kind, details);
        let number = self.parts.journal.append_first(kind, details, moment.now).map_err(|_| "not_recorded")?;
        // Whoever was meant may have left, if the disk took its time.
        if self.begun.elapsed().saturating_sub(asked) > LONGEST_WRITE {
            return Err("late");
        }
        self.outputs.open(self.pulse());
        self.keep_picture(number, picture, moment);
        Ok(())
    }

    /// The details of an event, with the picture that is kept of it.
    fn pictured(&self, kind: Kind, details: Details) -> (Details, Option<SecretBytes>) {
        // That of whoever was captured, and of no event that comes in between.
        let is_of_attempt = details.latency_ms.is_some() && self.parts.journal.wants_picture(kind);
        let taken = is_of_attempt.then(|| self.picture().take()).flatten();
        (Details { picture: taken.is_some(), ..details }, taken)
    }

    fn keep_picture(&self, number: Position, picture: Option<SecretBytes>, moment: Moment) {
        if let Some(jpeg) = picture {
            self.parts.journal.keep_picture(number, &jpeg, moment.now);
        }
    }

    pub(super) fn picture(&self) -> MutexGuard<'_, Option<SecretBytes>> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread that lets time pass.
    fn pass_time(&self) {
        let mut checked: Option<Instant> = None;
        while !self.is_over() {
            if checked.is_none_or(|checked| checked.elapsed() >= CHECKED) {
                checked = Some(Instant::now());
                self.check();
            }
            let controller = self.controller();
            let wait = controller.due().map_or(IDLE, |due| due.saturating_sub(self.begun.elapsed()).min(IDLE));
            if wait.is_zero() {
                drop(controller);
                self.drive(Input::Tick);
            } else {
                drop(self.changed.wait_timeout(controller, wait).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Checks what may have changed by itself.
    fn check(&self) {
        let is_synchronized = clock::is_synchronized();
        self.is_synchronized.store(is_synchronized, Ordering::Relaxed);
        let people = self.parts.people.snapshot().err().map(|error| error.to_string());
        self.drive(Input::Fault { part: "people", what: people });
        self.drive(Input::Fault { part: "events", what: self.parts.journal.trouble().map(|error| error.to_string()) });
        self.drive(Input::Fault { part: "relay", what: self.outputs.fault() });
    }
}

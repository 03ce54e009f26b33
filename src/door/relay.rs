//! The outputs of a door: lock, lamp and buzzer. One thread switches each on at the beginning of its pulse, and off at the end, whatever
//! becomes of whoever asked for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lines::{Switch, output};
use crate::ops::flush_log;
use crate::ops::settings::{self, Level};

/// How long the buzzer sounds.
const BUZZ: Duration = Duration::from_millis(300);
/// After how long a line that could not be switched off is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// For how long the lock may fail to be shut until the process ends, and with it the claim of the line.
const LONGEST_FAULT: Duration = Duration::from_secs(1);

/// The outputs of a door.
pub(super) struct Outputs {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    pulses: Mutex<Pulses>,
    changed: Condvar,
    /// Milliseconds since the start by which the thread has to have looked at the lines again; it never is if all are off.
    due_ms: AtomicU64,
    begun: Instant,
}

#[derive(Default)]
struct Pulses {
    /// Until when each output is on.
    until: [Option<Instant>; 3],
    /// The last fault of the lock.
    fault: Option<String>,
    ending: bool,
}

/// An output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Relay = 0,
    Led = 1,
    Buzzer = 2,
}

impl Outputs {
    /// Claims the outputs of the settings, all off, and starts the thread that switches them.
    pub(super) fn start(settings: &settings::Door) -> Result<Self, String> {
        let switches = [
            output(&settings.relay, settings.relay_active)?,
            output(&settings.led, Level::High)?,
            output(&settings.buzzer, Level::High)?,
        ];
        Self::run(switches)
    }

    fn run(switches: [Option<Box<dyn Switch>>; 3]) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            pulses: Mutex::default(),
            changed: Condvar::new(),
            due_ms: AtomicU64::new(u64::MAX),
            begun: Instant::now(),
        });
        let mine = Arc::clone(&shared);
        let work = move || mine.switch(switches);
        let thread = std::thread::Builder::new().name("door lines".into()).spawn(work);
        let thread = thread.map_err(|e| format!("no thread for the lines of the door: {e}"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Opens the lock for this time from now on, and lights the lamp meanwhile.
    pub(super) fn open(&self, pulse: Duration) {
        let until = Some(Instant::now() + pulse);
        let mut pulses = self.shared.lock();
        (pulses.until[Output::Relay as usize], pulses.until[Output::Led as usize]) = (until, until);
        drop(pulses);
        self.shared.changed.notify_all();
    }

    /// Sounds the buzzer.
    pub(super) fn buzz(&self) {
        self.shared.lock().until[Output::Buzzer as usize] = Some(Instant::now() + BUZZ);
        self.shared.changed.notify_all();
    }

    /// Shuts the lock at once.
    pub(super) fn shut(&self) {
        self.shared.lock().until = [None; 3];
        self.shared.changed.notify_all();
    }

    /// What was wrong when the lock was last switched.
    pub(super) fn fault(&self) -> Option<String> {
        self.shared.lock().fault.clone()
    }

    /// For how long the thread is late that switches the lock off; zero if it is not.
    pub(super) fn late(&self) -> Duration {
        let now = u64::try_from(self.shared.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(now.saturating_sub(self.shared.due_ms.load(Ordering::SeqCst)))
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pulses> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: switches each output on at the beginning of its pulse, and off at the end.
    fn switch(&self, mut switches: [Option<Box<dyn Switch>>; 3]) {
        let mut is_on = [false; 3];
        let mut failing_since: Option<Instant> = None;
        loop {
            let mut pulses = self.lock();
            let now = Instant::now();
            let next = pulses.until.iter().flatten().filter(|until| **until > now).min().copied();
            let wanted = pulses.until.map(|until| until.is_some_and(|until| until > now) && !pulses.ending);
            if wanted[Output::Relay as usize] {
                failing_since = None;
            }
            if wanted == is_on {
                if pulses.ending {
                    return;
                }
                let lock = pulses.until[Output::Relay as usize].filter(|until| *until > now);
                let due =
                    lock.map_or(u64::MAX, |until| u64::try_from((until - self.begun).as_millis()).unwrap_or(u64::MAX));
                self.due_ms.store(due, Ordering::SeqCst);
                pulses = match next {
                    None => self.changed.wait(pulses).unwrap_or_else(PoisonError::into_inner),
                    Some(next) => {
                        self.changed.wait_timeout(pulses, next - now).unwrap_or_else(PoisonError::into_inner).0
                    }
                };
                drop(pulses);
                continue;
            }
            drop(pulses);
            for (index, switch) in switches.iter_mut().enumerate() {
                if wanted[index] == is_on[index] {
                    continue;
                }
                let is_lock = index == Output::Relay as usize;
                match switch.as_mut().map_or(Ok(()), |switch| switch.set(wanted[index])) {
                    Ok(()) => {
                        is_on[index] = wanted[index];
                        if is_lock {
                            (self.lock().fault, failing_since) = (None, None);
                        }
                    }
                    Err(why) if wanted[index] => {
                        log::error!("door: a line can't be switched on: {why}");
                        let mut pulses = self.lock();
                        pulses.until[index] = None;
                        if is_lock {
                            pulses.fault = Some(why);
                        }
                    }
                    Err(why) => {
                        log::error!("door: a line can't be switched off: {why}");
                        if !is_lock {
                            is_on[index] = false; // a lamp is no reason to end
                        } else if failing_since.get_or_insert_with(Instant::now).elapsed() > LONGEST_FAULT {
                            log::error!(
                                "door: the lock can't be shut; the process ends, and with it the claim of its line"
                            );
                            flush_log(LONGEST_FAULT);
                            std::process::abort();
                        }
                    }
                }
            }
            if is_on.iter().zip(wanted).any(|(is_on, wanted)| *is_on && !wanted) {
                std::thread::sleep(RETRY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it was switched, and how often it will fail.
    type Seen = Mutex<(Vec<(bool, Instant)>, usize)>;

    struct Fake(Arc<Seen>);

    impl Switch for Fake {
        fn set(&mut self, on: bool) -> Result<(), String> {
            let mut state = self.0.lock().unwrap();
            if state.1 > 0 {
                state.1 -= 1;
                return Err("no".into());
            }
            state.0.push((on, Instant::now()));
            Ok(())
        }
    }

    fn outputs() -> (Outputs, Arc<Seen>) {
        let seen = Arc::default();
        let switches: [Option<Box<dyn Switch>>; 3] = [Some(Box::new(Fake(Arc::clone(&seen)))), None, None];
        (Outputs::run(switches).unwrap(), seen)
    }

    fn wait(seen: &Seen, count: usize) -> Vec<(bool, Instant)> {
        for _ in 0..1000 {
            let now = seen.lock().unwrap().0.clone();
            if now.len() >= count {
                return now;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{:?}", seen.lock().unwrap());
    }

    #[test]
    fn a_pulse_ends_by_itself_and_another_one_makes_it_longer() {
        let (outputs, seen) = outputs();
        outputs.open(Duration::from_millis(500));
        wait(&seen, 1);
        let again = Instant::now();
        outputs.open(Duration::from_millis(1000));
        let switched = wait(&seen, 2);
        assert_eq!([switched[0].0, switched[1].0], [true, false]);
        assert!(switched[1].1 - again >= Duration::from_millis(1000), "{switched:?}");
    }

    #[test]
    fn a_lock_that_does_not_open_is_a_fault_and_one_that_does_not_shut_is_tried_again() {
        let (outputs, seen) = outputs();
        seen.lock().unwrap().1 = 1;
        outputs.open(Duration::from_secs(60));
        let end = Instant::now() + Duration::from_secs(30);
        while outputs.fault().is_none() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(seen.lock().unwrap().0.is_empty());
        outputs.open(Duration::from_secs(1));
        wait(&seen, 1);
        assert_eq!(outputs.fault(), None);
        seen.lock().unwrap().1 = 3;
        assert!(!wait(&seen, 2)[1].0);
    }

    #[test]
    fn the_end_of_the_outputs_shuts_the_lock() {
        let (outputs, seen) = outputs();
        outputs.open(Duration::from_secs(600));
        wait(&seen, 1);
        drop(outputs);
        assert!(!wait(&seen, 2)[1].0);
    }
}

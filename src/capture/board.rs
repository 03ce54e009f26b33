//! Holds what the running challenge asks for: written by whoever runs it, read by the pages that show it.
//!
//! There is one camera and so one challenge at a time. It knows instructions and times, not what they are judged by.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::instruction::Instruction;
use crate::face::Direction;
use crate::face::flash::{STEPS, Schedule};

/// The running challenge, or the last one.
#[derive(Debug, Default)]
pub struct Board {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    running: bool,
    /// Grows with every change, so that a reader knows what it has seen.
    version: u64,
    shown: Option<Shown>,
    /// The directions of the last challenge.
    last: Vec<Direction>,
    /// The colors of the last people, the newest last.
    schedules: Vec<Schedule>,
    /// When the colors that are shown were given to a page.
    delivered: Option<Instant>,
}

/// What is shown to the person.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// What the person is asked to do, or how it ended.
    pub instruction: Instruction,
    /// Number of the direction from 1, and how many there are; none before the first.
    pub step: Option<(usize, usize)>,
    /// How far the head is, 0..1 of what is needed.
    pub progress: f64,
    /// When the time for it is over.
    pub until: Option<Instant>,
    /// Why it failed, as a word.
    pub reason: Option<&'static str>,
    /// The colors that the screen shows from now on, one after the other, as `#rrggbb`.
    pub light: Option<[&'static str; STEPS]>,
}

/// How long the end of a challenge is shown.
const ENDED: Duration = Duration::from_secs(4);

/// Progress is shown in steps of this, so that noise is no news.
const STEP: f64 = 0.05;

/// Difference of two ends that is none: an end is told anew with each frame, from the time that is left.
const SAME_TIME: Duration = Duration::from_millis(100);

impl Shown {
    /// An instruction without more.
    pub fn new(instruction: Instruction) -> Self {
        Self { instruction, step: None, progress: 0.0, until: None, reason: None, light: None }
    }

    /// Whether readers learn nothing new.
    fn is_like(&self, other: &Self) -> bool {
        let level = |shown: &Self| (shown.progress / STEP) as i32;
        let is_close = match (self.until, other.until) {
            (Some(a), Some(b)) => a.max(b) - a.min(b) < SAME_TIME,
            (a, b) => a == b,
        };
        let same = Self { progress: self.progress, until: self.until, ..other.clone() };
        level(self) == level(other) && is_close && *self == same
    }
}

impl Board {
    /// Begins a challenge, unless one is running.
    pub fn begin(&self) -> Option<Running<'_>> {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.running, true) {
            return None;
        }
        drop(inner);
        let running = Running(self);
        running.show(Shown::new(Instruction::Look));
        Some(running)
    }

    /// What is shown at `now`, with the number of its version; none while no challenge is running.
    pub fn shown(&self, now: Instant) -> (u64, Option<Shown>) {
        let inner = self.lock();
        let is_over =
            !inner.running && inner.shown.as_ref().and_then(|shown| shown.until).is_none_or(|until| until <= now);
        (inner.version, inner.shown.clone().filter(|_| !is_over))
    }

    /// The directions of the last challenge.
    pub fn last(&self) -> Vec<Direction> {
        self.lock().last.clone()
    }

    /// The colors of the last people.
    pub fn schedules(&self) -> Vec<Schedule> {
        self.lock().schedules.clone()
    }

    /// Notes that a page has got what is shown, of this version, at `now`: from then on it shows the colors in it.
    pub fn note_delivery(&self, version: u64, now: Instant) {
        let mut inner = self.lock();
        if inner.version == version && inner.shown.as_ref().is_some_and(|shown| shown.light.is_some()) {
            inner.delivered.get_or_insert(now);
            drop(inner);
            self.changed.notify_all();
        }
    }

    /// Waits until something else than version `known` is shown, for `time` at the most.
    pub fn wait(&self, known: u64, time: Duration) {
        let inner = self.lock();
        let _timed_out = self.changed.wait_timeout_while(inner, time, |inner| inner.version == known);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running challenge; its drop is its end.
#[derive(Debug)]
pub struct Running<'a>(&'a Board);

impl Running<'_> {
    /// Keeps the directions that are asked for, so that the next challenge has others.
    pub fn remember(&self, directions: &[Direction]) {
        self.0.lock().last = directions.to_vec();
    }

    /// Keeps the colors, so that those of the next `most` people are unlike them.
    pub fn remember_schedule(&self, schedule: Schedule, most: usize) {
        let mut inner = self.0.lock();
        inner.schedules.push(schedule);
        let more = inner.schedules.len().saturating_sub(most);
        inner.schedules.drain(..more);
    }

    /// Waits until a page has got the colors that are shown; when that was.
    pub fn wait_until_delivered(&self, time: Duration) -> Option<Instant> {
        let inner = self.0.lock();
        let waited = self.0.changed.wait_timeout_while(inner, time, |inner| inner.delivered.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.delivered
    }

    /// Shows something else.
    pub fn show(&self, shown: Shown) {
        let mut inner = self.0.lock();
        if inner.shown.as_ref().is_some_and(|before| before.is_like(&shown)) {
            return;
        }
        (inner.shown, inner.delivered) = (Some(shown), None);
        inner.version += 1;
        drop(inner);
        self.0.changed.notify_all();
    }

    /// Shows how it ended, for a while.
    pub fn end(self, reason: Option<&'static str>, now: Instant) {
        let instruction = if reason.is_none() { Instruction::Passed } else { Instruction::Failed };
        self.show(Shown { reason, until: Some(now + ENDED), ..Shown::new(instruction) });
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.running = false;
        inner.version += 1;
        let ended = |shown: &Shown| matches!(shown.instruction, Instruction::Passed | Instruction::Failed);
        inner.shown = inner.shown.take().filter(ended);
        drop(inner);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::super::instruction::Way;
    use super::*;

    #[test]
    fn one_challenge_runs_at_a_time_and_its_end_is_shown_for_a_while() {
        let (board, now) = (Board::default(), Instant::now());
        assert_eq!(board.shown(now).1, None);
        let running = board.begin().unwrap();
        assert!(board.begin().is_none());
        assert_eq!(board.shown(now).1.unwrap().instruction, Instruction::Look);
        running.end(Some("too_slow"), now);
        let shown = board.shown(now).1.unwrap();
        assert_eq!((shown.instruction, shown.reason), (Instruction::Failed, Some("too_slow")));
        assert_eq!(board.shown(now + ENDED).1, None);
        drop(board.begin().unwrap());
        assert_eq!(board.shown(now).1, None, "a request that ended without a result leaves nothing");
    }

    #[test]
    fn versions_change_with_what_is_shown_and_not_with_noise() {
        let board = Board::default();
        let running = board.begin().unwrap();
        let turn = |progress| Shown { progress, ..Shown::new(Instruction::Turn(Way::Left)) };
        let version = |shown| {
            running.show(shown);
            board.shown(Instant::now()).0
        };
        let (first, now) = (version(turn(0.51)), Instant::now());
        assert_eq!(version(turn(0.52)), first);
        let until = |ms: u64| Shown { until: Some(now + Duration::from_millis(3_000 + ms)), ..turn(0.51) };
        let first = version(until(0)).max(first);
        assert_eq!(version(until(60)), first);
        assert!(version(until(160)) > first);
        let first = version(turn(0.52));
        assert!(version(turn(0.56)) > first);
        board.wait(first, Duration::from_secs(60));
    }
}

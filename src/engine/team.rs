//! Fork and join: one thread has the parts of a step computed by itself and by whoever helps it, and waits until all are done; or it has
//! something else done beside what it does itself ([`Team::fork`]).
//!
//! A [`Team`] is one thread's; the [`Crew`] are all teams of a process. Helpers are threads that have nothing else to do ([`Crew::help`]): they
//! join a team that wants help, take parts as long as there are any, spin briefly for more, and leave. Nobody waits for a helper to come: a
//! team without helpers is one thread that computes everything itself. Which thread computes a part changes no result, since a part writes
//! only what is its own.
//!
//! It starts no threads and knows nothing of layers.

#![allow(unsafe_code, reason = "a job outlives its borrow by type, not in time")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Most parts of one step: more threads than this are of no use to layers of these sizes.
pub(in crate::engine) const MOST_PARTS: usize = 8;

/// How long a helper spins for more parts until it leaves. From one layer to the next it is microseconds; a new wake-up costs about as much as
/// this.
const PATIENCE: Duration = Duration::from_micros(50);

/// Rounds of spinning between two looks at the clock.
const ROUNDS: usize = 64;

/// Rounds for which a leader spins until it sleeps: some ten microseconds, after which the helper that it waits for must have been suspended.
const LEADERS_ROUNDS: usize = 4_000;

/// All teams of a process.
pub struct Crew {
    /// Threads of a team at the most.
    most: usize,
    /// Helpers of each team that never come.
    absent: usize,
    teams: Mutex<Vec<Weak<Shared>>>,
    bell: OnceLock<Box<Bell>>,
}

/// Wakes threads that have nothing to do, so that they call [`Crew::help`].
type Bell = dyn Fn() + Send + Sync;

/// The team of one thread, for all its models.
#[derive(Clone)]
pub struct Team {
    shared: Arc<Shared>,
    /// None if nobody ever helps.
    crew: Option<Arc<Crew>>,
    /// Threads at the most.
    most: usize,
}

/// Computes the part of this number.
type Job<'a> = &'a (dyn Fn(usize) + Sync + 'a);

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    /// Whether the leader is at a step.
    is_leading: AtomicBool,
    /// Whether the leader wants help now.
    is_open: AtomicBool,
    /// Threads that help now.
    helpers: AtomicUsize,
    /// Parts that nobody has taken yet: a hint for those that spin, which saves them the lock.
    left: AtomicUsize,
    /// Parts that helpers are computing. It grows under the lock only.
    running: AtomicUsize,
    /// Whether the leader sleeps until that is none.
    leader_sleeps: AtomicBool,
    done: Condvar,
}

#[derive(Default)]
struct Work {
    job: Option<Job<'static>>,
    next: usize,
    parts: usize,
    /// Whether a part panicked in a helper.
    has_failed: bool,
}

impl Crew {
    /// For as many threads, each of which may lead a team and help others.
    pub fn new(threads: usize) -> Self {
        Self { most: threads.clamp(1, MOST_PARTS), absent: 0, teams: Mutex::default(), bell: OnceLock::new() }
    }

    /// For threads that are counted as helpers of each team without being there: work is cut as for so many, and each leader computes all of
    /// it. This is for counting what each of them would have to do.
    pub fn of_absent(threads: usize) -> Self {
        Self { absent: threads.clamp(1, MOST_PARTS) - 1, ..Self::new(threads) }
    }

    /// Has `bell` called whenever a team wants help and has none. Only the first one counts.
    pub fn set_bell(&self, bell: impl Fn() + Send + Sync + 'static) {
        let _there_is_one = self.bell.set(Box::new(bell));
    }

    /// A new team of a thread.
    pub fn team(self: &Arc<Self>) -> Team {
        let shared = Arc::new(Shared { helpers: AtomicUsize::new(self.absent), ..Shared::default() });
        let mut teams = lock(&self.teams);
        teams.retain(|team| team.strong_count() > 0);
        teams.push(Arc::downgrade(&shared));
        drop(teams);
        Team { shared, crew: Some(Arc::clone(self)), most: self.most }
    }

    /// Whether a team wants help.
    pub fn wants_help(&self) -> bool {
        self.wanting().is_some()
    }

    /// Helps the team that wants it and has the fewest helpers, until there is nothing more to do for a moment, or `has_work` says that this
    /// thread has work of its own.
    pub fn help(&self, has_work: &dyn Fn() -> bool) {
        if let Some(team) = self.wanting() {
            team.help(has_work);
        }
    }

    fn wanting(&self) -> Option<Arc<Shared>> {
        let teams = lock(&self.teams);
        let open = teams.iter().filter_map(Weak::upgrade).filter(|team| team.is_open.load(Ordering::Relaxed));
        open.min_by_key(|team| team.helpers.load(Ordering::Relaxed))
    }
}

impl Default for Team {
    /// A thread that nobody helps.
    fn default() -> Self {
        Self { shared: Arc::default(), crew: None, most: 1 }
    }
}

impl Team {
    /// Another team of this thread, for what goes on while this one is at its steps.
    pub fn another(&self) -> Self {
        self.crew.as_ref().map(Crew::team).unwrap_or_default()
    }

    /// Wants help until the guard is dropped.
    pub(in crate::engine) fn open(&self) -> OpenTeam<'_> {
        if let Some(crew) = &self.crew {
            self.shared.is_open.store(true, Ordering::Relaxed);
            if let (0, Some(bell)) = (self.shared.helpers.load(Ordering::Relaxed), crew.bell.get()) {
                bell();
            }
        }
        OpenTeam(self)
    }

    /// Threads that compute parts now, this one included.
    pub(in crate::engine) fn threads(&self) -> usize {
        (1 + self.shared.helpers.load(Ordering::Relaxed)).min(self.most)
    }

    /// Threads that compute parts at the most.
    pub(in crate::engine) fn most_threads(&self) -> usize {
        self.most
    }

    /// Has `job` called once for each number below `parts`, by this thread and its helpers, and returns when all calls have returned.
    ///
    /// # Panics
    /// If a call panics.
    pub(in crate::engine) fn run(&self, parts: usize, job: Job<'_>) {
        self.run_after(parts, job, || ());
    }

    /// Runs `mine`, and `other` beside it if a helper takes it, else after it. Whoever runs `other` leads no team in it.
    ///
    /// # Panics
    /// If one of them panics.
    pub fn fork(&self, other: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        let other = Mutex::new(other);
        let job = |_the_only_part: usize| {
            // One helper is enough, and more would spin.
            self.shared.is_open.store(false, Ordering::Relaxed);
            lock(&other)();
        };
        let open = self.open();
        self.run_after(1, &job, || {
            mine();
            drop(open);
        });
    }

    /// Has `fill` called for consecutive pieces of `out`, with the number of a piece's first unit. Units of so many bytes stay together, such as
    /// the rows of a picture. Whoever comes while it goes on helps.
    ///
    /// # Panics
    /// If a call panics.
    pub fn fill(&self, out: &mut [u8], unit: usize, fill: &(dyn Fn(usize, &mut [u8]) + Sync)) {
        if self.most == 1 {
            return fill(0, out);
        }
        let length = (out.len() / unit).div_ceil(MOST_PARTS).max(1) * unit;
        let pieces: Vec<_> = out.chunks_mut(length).map(Mutex::new).collect();
        let _open = self.open();
        self.run(pieces.len(), &|part| fill(part * length / unit, &mut lock(&pieces[part])));
    }

    /// Has parts computed as [`Self::run`], by helpers already while this thread is at `mine`.
    fn run_after(&self, parts: usize, job: Job<'_>, mine: impl FnOnce()) {
        // Of one step at a time, so that nobody else takes its parts.
        assert!(!self.shared.is_leading.swap(true, Ordering::Relaxed), "a team begins a step within a step");
        // SAFETY: only the lifetime changes. The reference is read in `Shared::take` alone, by this thread, the only one that leads now, and by
        // helpers that then count as `running`. When `joined` is dropped, below or while a panic unwinds, it removes the reference, so that
        // nobody can take it any more, and waits until nobody runs. So it is not used after this function.
        let erased: Job<'static> = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let joined = Joined(&self.shared);
        {
            let mut work = lock(&self.shared.work);
            *work = Work { job: Some(erased), next: 0, parts, has_failed: false };
            self.shared.left.store(parts, Ordering::Release);
        }
        mine();
        while let Some((job, part)) = self.shared.take(false) {
            job(part);
        }
        drop(joined);
        assert!(!lock(&self.shared.work).has_failed, "a part of a step panicked in a helper");
    }
}

/// While it lives, the team wants help.
pub(in crate::engine) struct OpenTeam<'a>(&'a Team);

impl Drop for OpenTeam<'_> {
    fn drop(&mut self) {
        self.0.shared.is_open.store(false, Ordering::Relaxed);
    }
}

/// Its drop lets nobody begin another part, and waits until nobody is at one.
struct Joined<'a>(&'a Shared);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.wait();
        self.0.is_leading.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    /// The next part of the job, if any is left. A function of its own, as `close` is: by the calls of the two `cross/count` tells parts apart.
    #[inline(never)]
    fn take(&self, is_helper: bool) -> Option<(Job<'static>, usize)> {
        let mut work = lock(&self.work);
        let job = work.job.filter(|_| work.next < work.parts)?;
        let part = work.next;
        work.next += 1;
        self.left.store(work.parts - work.next, Ordering::Relaxed);
        if is_helper {
            self.running.fetch_add(1, Ordering::Relaxed);
        }
        Some((job, part))
    }

    /// Lets nobody begin another part.
    #[inline(never)]
    fn close(&self) {
        lock(&self.work).job = None;
        self.left.store(0, Ordering::Relaxed);
    }

    /// Waits until no helper is at a part.
    fn wait(&self) {
        for _ in 0..LEADERS_ROUNDS {
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        let mut work = lock(&self.work);
        self.leader_sleeps.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) > 0 {
            work = self.done.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        self.leader_sleeps.store(false, Ordering::SeqCst);
    }

    fn help(&self, has_work: &dyn Fn() -> bool) {
        self.helpers.fetch_add(1, Ordering::Relaxed);
        let (mut rounds, mut since) = (0usize, Instant::now());
        loop {
            if self.left.load(Ordering::Acquire) > 0
                && let Some((job, part)) = self.take(true)
            {
                self.compute(job, part);
                rounds = 0;
                continue;
            }
            std::hint::spin_loop();
            rounds += 1;
            if rounds == 1 {
                since = Instant::now();
            }
            if rounds.is_multiple_of(ROUNDS) && (has_work() || since.elapsed() > PATIENCE) {
                break;
            }
        }
        self.helpers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Computes a part that this helper took.
    fn compute(&self, job: Job<'static>, part: usize) {
        if catch_unwind(AssertUnwindSafe(|| job(part))).is_err() {
            lock(&self.work).has_failed = true;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        if self.leader_sleeps.load(Ordering::SeqCst) {
            // With the lock the leader is either before its look at `running`, or asleep.
            drop(lock(&self.work));
            self.done.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use std::panic::resume_unwind;
    use std::sync::atomic::AtomicU32;
    use std::thread::{self, ThreadId};

    use super::*;

    /// Gives a team so many helpers while `f` runs.
    pub(in crate::engine) fn with_helpers<T>(helpers: usize, f: impl FnOnce(&Team) -> T) -> T {
        let (crew, is_over) = (Arc::new(Crew::new(MOST_PARTS)), AtomicBool::new(false));
        let team = crew.team();
        thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        if crew.wants_help() {
                            crew.help(&|| is_over.load(Ordering::Relaxed));
                        }
                        thread::yield_now();
                    }
                });
            }
            let result = catch_unwind(AssertUnwindSafe(|| f(&team)));
            is_over.store(true, Ordering::Relaxed);
            result.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Waits until somebody helps.
    fn joined(team: &Team) {
        while team.threads() == 1 {
            thread::yield_now();
        }
    }

    #[test]
    fn every_part_is_computed_once_and_before_the_step_ends() {
        for helpers in 0..4 {
            with_helpers(helpers, |team| {
                let _open = team.open();
                for round in 0..3_000 {
                    let parts = round % MOST_PARTS + 1;
                    let counts: [AtomicU32; MOST_PARTS] = Default::default();
                    team.run(parts, &|part| {
                        counts[part].fetch_add(1, Ordering::Relaxed);
                    });
                    let counts = counts.map(AtomicU32::into_inner);
                    assert!(counts[..parts].iter().all(|count| *count == 1), "{counts:?}");
                    assert!(counts[parts..].iter().all(|count| *count == 0), "{counts:?}");
                }
            });
        }
    }

    #[test]
    fn helpers_compute_parts() {
        let leader = thread::current().id();
        let computed: Vec<ThreadId> = with_helpers(1, |team| {
            let (_open, computed) = (team.open(), Mutex::new(vec![]));
            joined(team);
            team.run(2, &|_| {
                thread::sleep(Duration::from_millis(20));
                lock(&computed).push(thread::current().id());
            });
            computed.into_inner().expect("no panic")
        });
        assert!(computed.contains(&leader) && computed.iter().any(|thread| *thread != leader), "{computed:?}");
    }

    #[test]
    fn absent_helpers_count_and_take_nothing() {
        let team = Arc::new(Crew::of_absent(4)).team();
        assert_eq!((team.threads(), team.most_threads()), (4, 4));
        let (leader, parts) = (thread::current().id(), AtomicU32::new(0));
        let _open = team.open();
        team.run(4, &|_| {
            assert_eq!(thread::current().id(), leader);
            parts.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(parts.into_inner(), 4);
    }

    #[test]
    fn a_team_that_is_not_open_gets_no_help() {
        with_helpers(2, |team| {
            thread::sleep(Duration::from_millis(20));
            assert_eq!(team.threads(), 1);
        });
    }

    #[test]
    fn what_is_forked_runs_once_beside_this_thread_or_after_it() {
        let alone = Team::default();
        let order = Mutex::new(vec![]);
        alone.fork(&mut || lock(&order).push("other"), &mut || lock(&order).push("mine"));
        assert_eq!(order.into_inner().expect("no panic"), ["mine", "other"]);
        with_helpers(2, |team| {
            let leader = thread::current().id();
            let (mut count, mut is_beside) = (0, false);
            while !is_beside {
                let (runs, begun) = (&mut count, AtomicBool::new(false));
                let mut by = leader;
                let mut other = || {
                    begun.store(true, Ordering::Relaxed);
                    (*runs, by) = (*runs + 1, thread::current().id());
                };
                let mut saw_it = false;
                team.fork(&mut other, &mut || {
                    let since = Instant::now();
                    while !saw_it && since.elapsed() < Duration::from_millis(20) {
                        saw_it = begun.load(Ordering::Relaxed);
                    }
                });
                assert_eq!(count, 1);
                (count, is_beside) = (0, saw_it);
                assert!(!saw_it || by != leader);
            }
        });
    }

    #[test]
    fn a_step_within_a_step_is_refused() {
        for helpers in [0, 1] {
            with_helpers(helpers, |team| {
                let within = |begin: &dyn Fn()| catch_unwind(AssertUnwindSafe(begin)).is_err();
                assert!(within(&|| team.run(1, &|_| team.run(1, &|_| ()))));
                assert!(within(&|| team.fork(&mut || (), &mut || team.run(1, &|_| ()))));
                let mut out = [0];
                team.fill(&mut out, 1, &|_, piece| piece.fill(1));
                assert_eq!(out, [1]);
            });
        }
    }

    #[test]
    fn pieces_that_are_filled_make_a_whole() {
        for helpers in 0..3 {
            with_helpers(helpers, |team| {
                for (units, unit) in [(0, 3), (1, 5), (7, 4), (8, 1), (9, 2), (100, 7)] {
                    let mut out = vec![0; units * unit];
                    team.fill(&mut out, unit, &|first, piece| {
                        piece.chunks_mut(unit).zip(first..).for_each(|(unit, number)| unit.fill(number as u8 + 1));
                    });
                    let whole: Vec<u8> = (0..units).flat_map(|number| vec![number as u8 + 1; unit]).collect();
                    assert_eq!(out, whole, "{units} units of {unit}");
                }
            });
        }
    }

    #[test]
    fn a_panic_in_what_is_forked_is_the_leaders() {
        for helpers in [0, 1] {
            with_helpers(helpers, |team| {
                let mut done = false;
                let panicking = catch_unwind(AssertUnwindSafe(|| {
                    team.fork(&mut || panic!("expected by this test"), &mut || {
                        thread::sleep(Duration::from_millis(5));
                        done = true;
                    });
                }));
                assert!(panicking.is_err() && done);
            });
        }
    }

    #[test]
    fn a_panic_of_a_helper_is_the_leaders_and_the_next_step_is_computed() {
        let leader = thread::current().id();
        with_helpers(1, |team| {
            let _open = team.open();
            joined(team);
            let panicking = catch_unwind(AssertUnwindSafe(|| {
                team.run(2, &|_| {
                    thread::sleep(Duration::from_millis(20));
                    assert_eq!(thread::current().id(), leader, "expected by this test");
                });
            }));
            assert!(panicking.is_err());
            let sum = AtomicU32::new(0);
            team.run(3, &|part| {
                sum.fetch_add(part as u32, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 3);
        });
    }

    #[test]
    fn a_panic_of_the_leader_waits_for_its_helpers() {
        let leader = thread::current().id();
        with_helpers(1, |team| {
            let (_open, done) = (team.open(), AtomicU32::new(0));
            joined(team);
            let panicking = catch_unwind(AssertUnwindSafe(|| {
                team.run(2, &|_| {
                    if thread::current().id() == leader {
                        thread::sleep(Duration::from_millis(5));
                        panic!("expected by this test");
                    }
                    thread::sleep(Duration::from_millis(50));
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }));
            assert!(panicking.is_err());
            assert_eq!(done.into_inner(), 1);
        });
    }
}

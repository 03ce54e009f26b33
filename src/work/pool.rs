//! Worker pool: a fixed number of threads that each own a state, fed by one bounded queue.
//!
//! Jobs are taken by how much time each owner's jobs took so far (start-time fair queuing; Goyal, Vin and Cheng, 1996), so that many or
//! long jobs of one owner delay another's by one job at most. A full queue refuses at once. A job whose handle was dropped is not run,
//! and one that is running learns so when it asks. A panic fails its own job only: the worker makes itself a new state and goes on. A
//! worker without a job helps those that have one ([`Help`]).

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::Owner;
use super::fair_queue::FairQueue;
use crate::ops::{Histogram, Stop};

/// Runs a job; false if it panicked.
type Run<S> = Box<dyn FnOnce(&mut S) -> bool + Send>;

/// A queued job, which may be discarded before its turn comes.
struct Job<S> {
    /// Empty once it was taken to run, or its handle was dropped.
    run: Arc<Mutex<Option<Run<S>>>>,
    owner: u64,
    queued: Instant,
}

/// What a worker does for others while it has no job.
pub trait Help: Send + Sync {
    /// Whether somebody wants help.
    fn is_wanted(&self) -> bool;

    /// Helps for a while, until nobody needs it any more or `has_job` says that there is a job.
    fn help(&self, has_job: &dyn Fn() -> bool);
}

/// Helps nobody.
impl Help for () {
    fn is_wanted(&self) -> bool {
        false
    }

    fn help(&self, _: &dyn Fn() -> bool) {}
}

/// Wakes workers that have no job, so that they see whether help is wanted. It keeps no pool alive.
pub struct Bell(Weak<dyn Ring>);

trait Ring: Send + Sync {
    fn ring(&self);
}

impl<S> Ring for Queue<S> {
    fn ring(&self) {
        // Without the lock, so that a worker that is just going to sleep may miss it: then it does not help this time.
        if self.idle.load(Ordering::Relaxed) > 0 {
            self.arrived.notify_all();
        }
    }
}

impl Bell {
    /// Wakes them; cheap where there are none.
    pub fn ring(&self) {
        if let Some(queue) = self.0.upgrade() {
            queue.ring();
        }
    }
}

/// Inference workers with a state `S` each.
pub struct Pool<S> {
    queue: Arc<Queue<S>>,
    threads: Vec<thread::JoinHandle<()>>,
    /// For each worker, since when it has been at its job.
    busy: Vec<Arc<Mutex<Option<Instant>>>>,
}

/// Counts of the pool's jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStats {
    /// Jobs that are queued now.
    pub waiting: usize,
    /// How long jobs waited.
    pub waited: Histogram,
    /// How long they took.
    pub worked: Histogram,
}

/// The queue is full: the caller answers "overloaded" instead of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// The job panicked, with this message, or was dropped with the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed(pub String);

/// Future of a job's result. Dropping it discards the job and the picture in it, unless the job is running.
pub struct JobHandle<T> {
    slot: Arc<Mutex<Slot<T>>>,
    job: Arc<dyn Discard>,
}

/// A job that can be discarded.
trait Discard: Send + Sync {
    fn discard(&self);
}

impl<S> Discard for Mutex<Option<Run<S>>> {
    fn discard(&self) {
        let run = lock(self).take();
        drop(run); // after the lock was released
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        self.job.discard();
    }
}

struct Slot<T> {
    result: Option<Result<T, Failed>>,
    waker: Option<Waker>,
}

struct Queue<S> {
    jobs: Mutex<Jobs<S>>,
    arrived: Condvar,
    capacity: usize,
    /// Workers that have no job and do not help, and jobs that are waiting: hints that are read without the lock.
    idle: AtomicUsize,
    waiting: AtomicUsize,
    help: Arc<dyn Help>,
}

struct Jobs<S> {
    /// In the order in which they came.
    waiting: Vec<Job<S>>,
    turns: FairQueue,
    closed: bool,
    stats: PoolStats,
}

impl<S> Job<S> {
    fn is_awaited(&self) -> bool {
        lock(&self.run).is_some()
    }
}

impl<S: 'static> Pool<S> {
    /// Starts `workers` threads, each with a state from `state`, and a queue of `capacity` jobs before them. Workers without a job `help`.
    pub fn start(
        workers: usize,
        capacity: usize,
        help: Arc<dyn Help>,
        state: impl Fn() -> S + Clone + Send + 'static,
    ) -> Self {
        let jobs = Jobs { waiting: vec![], turns: FairQueue::default(), closed: false, stats: PoolStats::default() };
        let queue = Arc::new(Queue {
            jobs: Mutex::new(jobs),
            arrived: Condvar::new(),
            capacity,
            idle: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            help,
        });
        let busy: Vec<_> = (0..workers).map(|_| Arc::default()).collect();
        let threads = busy
            .iter()
            .enumerate()
            .map(|(number, since)| {
                let (queue, state, since) = (Arc::clone(&queue), state.clone(), Arc::clone(since));
                let work = move || run(&queue, &state, &since);
                thread::Builder::new()
                    .name(format!("infer-{number}"))
                    .spawn(work)
                    .expect("threads start with the process")
            })
            .collect();
        Self { queue, threads, busy }
    }

    /// What calls workers to help.
    pub fn bell(&self) -> Bell
    where
        S: Send,
    {
        let queue: Arc<dyn Ring> = Arc::<Queue<S>>::clone(&self.queue);
        Bell(Arc::downgrade(&queue))
    }

    /// How long the longest running job has been running.
    pub fn longest(&self) -> Duration {
        self.busy.iter().filter_map(|since| *lock(since)).map(|since| since.elapsed()).max().unwrap_or_default()
    }

    /// The counts so far.
    pub fn stats(&self) -> PoolStats {
        let jobs = lock(&self.queue.jobs);
        PoolStats { waiting: jobs.waiting.len(), ..jobs.stats }
    }

    /// Queues `job` of `owner` and returns its handle, or refuses when the queue is full. The job gets a function that tells whether the
    /// handle was dropped, so that the result is no longer wanted; a long job calls it now and then, and ends.
    pub fn submit<T: Send + 'static>(
        &self,
        owner: &Owner,
        job: impl FnOnce(&mut S, &Stop<'_>) -> T + Send + 'static,
    ) -> Result<JobHandle<T>, QueueFull> {
        let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
        let (answer, unwanted) = (Answer(Arc::downgrade(&slot)), Arc::downgrade(&slot));
        let unwanted = move || unwanted.strong_count() == 0;
        let meter = owner.clone();
        let mut jobs = lock(&self.queue.jobs);
        if jobs.waiting.len() >= self.queue.capacity {
            jobs.waiting.retain(Job::is_awaited);
        }
        if jobs.waiting.len() >= self.queue.capacity {
            return Err(QueueFull);
        }
        let run: Run<S> = Box::new(move |state| answer.give(|| meter.run(|| job(state, &unwanted))));
        let run = Arc::new(Mutex::new(Some(run)));
        jobs.waiting.push(Job { run: Arc::clone(&run), owner: owner.id, queued: Instant::now() });
        self.queue.waiting.store(jobs.waiting.len(), Ordering::Relaxed);
        drop(jobs);
        self.queue.arrived.notify_one();
        Ok(JobHandle { slot, job: run })
    }
}

impl<S> Drop for Pool<S> {
    /// Lets the queued jobs end and the threads with them.
    fn drop(&mut self) {
        lock(&self.queue.jobs).closed = true;
        self.queue.arrived.notify_all();
        for thread in self.threads.drain(..) {
            let _panicked_outside_a_job = thread.join();
        }
    }
}

fn run<S>(queue: &Queue<S>, state: &dyn Fn() -> S, since: &Mutex<Option<Instant>>) {
    let mut mine = state();
    while let Some((job, begun)) = queue.next() {
        *lock(since) = Some(begun);
        let owner = job.owner;
        let run = lock(&job.run).take();
        if let Some(run) = run {
            let waited = begun.saturating_duration_since(job.queued);
            if !run(&mut mine) {
                mine = state(); // the panic may have left it inconsistent
            }
            let stats = &mut lock(&queue.jobs).stats;
            stats.waited.add(waited);
            stats.worked.add(begun.elapsed());
        }
        lock(&queue.jobs).turns.end(owner, begun, Instant::now());
        *lock(since) = None;
    }
}

impl<S> Queue<S> {
    /// The next job and when it began, or `None` when the pool is dropped and the queue empty.
    fn next(&self) -> Option<(Job<S>, Instant)> {
        let mut jobs = lock(&self.jobs);
        loop {
            let now = Instant::now();
            if let Some(at) = jobs.turns.next(jobs.waiting.iter().map(|job| job.owner), now) {
                let job = jobs.waiting.remove(at);
                self.waiting.store(jobs.waiting.len(), Ordering::Relaxed);
                jobs.turns.begin(job.owner, now);
                return Some((job, now));
            }
            if jobs.closed {
                return None;
            }
            if self.help.is_wanted() {
                drop(jobs);
                self.help.help(&|| self.waiting.load(Ordering::Relaxed) > 0);
                jobs = lock(&self.jobs);
                continue;
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
            jobs = self.arrived.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            self.idle.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The worker's end of a handle. Dropped without a result, it reports failure, so that no handle waits forever.
struct Answer<T>(Weak<Mutex<Slot<T>>>);

impl<T> Answer<T> {
    /// Stores the result of `job`; false if it panicked.
    fn give(self, job: impl FnOnce() -> T) -> bool {
        let result = catch_unwind(AssertUnwindSafe(job)).map_err(|cause| Failed(message(&*cause)));
        let whole = result.is_ok();
        self.fill(result);
        whole
    }

    /// Keeps the first result only.
    fn fill(&self, result: Result<T, Failed>) {
        let Some(slot) = self.0.upgrade() else { return };
        let mut slot = lock(&slot);
        if slot.result.is_none() {
            slot.result = Some(result);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.fill(Err(Failed("it was not run".into())));
    }
}

/// The message of a panic.
fn message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}

impl<T> Future for JobHandle<T> {
    type Output = Result<T, Failed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.slot);
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Locks, also after a panic elsewhere: every value behind these locks is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use embassy_futures::join::join;

    use super::super::block_on;
    use super::*;

    /// Occupies a worker with a job that lasts until something is sent: its handle, and the sender.
    fn held(pool: &Pool<()>) -> (JobHandle<()>, mpsc::Sender<()>) {
        let (started, has_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let job = move |(): &mut (), _: &Stop<'_>| {
            started.send(()).unwrap();
            released.recv().unwrap();
        };
        let ticket = pool.submit(&Owner::new(1), job).unwrap();
        has_started.recv().unwrap();
        (ticket, release)
    }

    #[test]
    fn two_jobs_of_one_owner_can_be_awaited_together() {
        let pool = Pool::start(2, 4, Arc::new(()), || 40);
        let (a, b) =
            (pool.submit(&Owner::new(1), |n, _| *n + 1).unwrap(), pool.submit(&Owner::new(1), |n, _| *n + 2).unwrap());
        assert_eq!(block_on(join(a, b)), (Ok(41), Ok(42)));
    }

    #[test]
    fn a_full_queue_refuses_and_jobs_with_dropped_handles_are_not_run() {
        let pool = Pool::start(1, 1, Arc::new(()), || ());
        let (busy, release) = held(&pool);
        let (touched, touch) = mpsc::channel();
        let abandoned = pool.submit(&Owner::new(1), move |(), _| touched.send(()).unwrap()).unwrap();
        assert_eq!(pool.submit(&Owner::new(1), |(), _| ()).err(), Some(QueueFull));
        drop(abandoned);
        // Its slot in the queue is free again, though no worker has reached it.
        assert!(pool.submit(&Owner::new(1), |(), _| ()).is_ok());
        release.send(()).unwrap();
        block_on(busy).unwrap();
        drop(pool);
        assert!(touch.try_recv().is_err());
    }

    #[test]
    fn the_longest_running_job_is_reported() {
        let pool = Pool::start(2, 2, Arc::new(()), || ());
        let (busy, release) = held(&pool);
        thread::sleep(Duration::from_millis(20));
        assert!(pool.longest() >= Duration::from_millis(20));
        release.send(()).unwrap();
        block_on(busy).unwrap();
        while !pool.longest().is_zero() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_panic_fails_its_job_and_renews_the_workers_state() {
        let pool = Pool::start(1, 4, Arc::new(()), || 0);
        let first = pool.submit(&Owner::new(1), |n, _| {
            *n = 7;
            panic!("expected by this test")
        });
        assert_eq!(block_on::<JobHandle<()>>(first.unwrap()).err(), Some(Failed("expected by this test".into())));
        assert_eq!(block_on(pool.submit(&Owner::new(1), |n, _| *n).unwrap()), Ok(0));
    }

    #[test]
    fn a_running_job_sees_that_its_handle_was_dropped() {
        let pool = Pool::start(1, 1, Arc::new(()), || ());
        let (tell, told) = mpsc::channel();
        let ticket = pool.submit(&Owner::new(1), move |(), unwanted| {
            tell.send(unwanted()).unwrap();
            while !unwanted() {
                thread::yield_now();
            }
            tell.send(true).unwrap();
        });
        assert_eq!(told.recv(), Ok(false));
        drop(ticket);
        assert_eq!(told.recv(), Ok(true));
    }

    #[test]
    fn another_owner_waits_for_at_most_one_job_of_a_busy_owner() {
        let pool = Pool::start(1, 20, Arc::new(()), || ());
        let (busy, release) = held(&pool);
        let (done, order) = mpsc::channel();
        let tickets: Vec<_> = [1, 1, 1, 2, 2, 3]
            .into_iter()
            .map(|owner| {
                let done = done.clone();
                let job = move |(): &mut (), _: &Stop<'_>| {
                    thread::sleep(Duration::from_millis(5));
                    done.send(owner).unwrap();
                };
                pool.submit(&Owner::new(owner), job).unwrap()
            })
            .collect();
        thread::sleep(Duration::from_millis(20));
        release.send(()).unwrap();
        block_on(busy).unwrap();
        tickets.into_iter().for_each(|ticket| block_on(ticket).unwrap());
        let order: Vec<u64> = order.try_iter().collect();
        assert_eq!(order[..2], [2, 3], "owner 1 had the worker for long: {order:?}");
    }
    #[test]
    fn a_dropped_handle_frees_what_its_queued_job_holds() {
        let pool = Pool::start(1, 4, Arc::new(()), || ());
        let (busy, release) = held(&pool);
        let picture = Arc::new(());
        let looked_at = Arc::clone(&picture);
        let ticket = pool.submit(&Owner::new(1), move |(), _| drop(looked_at)).unwrap();
        assert_eq!(Arc::strong_count(&picture), 2);
        drop(ticket);
        assert_eq!(Arc::strong_count(&picture), 1, "though no worker has come to it");
        release.send(()).unwrap();
        block_on(busy).unwrap();
    }
}

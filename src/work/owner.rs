//! Owner of a job, and the processor time that its request took so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A client and one of its requests, for which jobs run. Clones share what was measured.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// The same for all requests of one client, and different for each client.
    pub id: u64,
    spent: Arc<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// The origin of all times.
    start: Instant,
    /// Microseconds of processor time of jobs that have ended: on a busy machine a small job may take long.
    ended: AtomicU64,
    /// Running jobs, and the sum of the instants in microseconds at which they began.
    running: AtomicU64,
    begun: AtomicU64,
}

impl Default for Spent {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self { start: Instant::now(), ended: zero(), running: zero(), begun: zero() }
    }
}

impl Owner {
    /// The owner for a new request of the client with this number.
    pub fn new(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    /// Processor time of the request's ended jobs, plus the elapsed time of its running ones. Exact only while no job begins or ends.
    pub fn spent(&self) -> Duration {
        let (running, begun) = (self.spent.running.load(Ordering::SeqCst), self.spent.begun.load(Ordering::SeqCst));
        let running = self.now().saturating_mul(running).saturating_sub(begun);
        Duration::from_micros(self.spent.ended.load(Ordering::SeqCst).saturating_add(running))
    }

    /// Adds processor time that another thread than a worker spent for it.
    pub fn charge(&self, time: Duration) {
        self.spent.ended.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Runs a job and measures it.
    pub(super) fn run<T>(&self, job: impl FnOnce() -> T) -> T {
        let (begun, before) = (self.now(), cpu_us());
        self.spent.begun.fetch_add(begun, Ordering::SeqCst);
        self.spent.running.fetch_add(1, Ordering::SeqCst);
        let _also_after_a_panic = Running { spent: &self.spent, begun, before };
        job()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.spent.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A running job.
struct Running<'a> {
    spent: &'a Spent,
    begun: u64,
    before: u64,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.spent.running.fetch_sub(1, Ordering::SeqCst);
        self.spent.begun.fetch_sub(self.begun, Ordering::SeqCst);
        self.spent.ended.fetch_add(cpu_us().saturating_sub(self.before), Ordering::SeqCst);
    }
}

/// Microseconds of processor time that this thread has had.
fn cpu_us() -> u64 {
    u64::try_from(thread_cpu_time().as_micros()).unwrap_or_default()
}

/// Processor time that this thread has had.
pub fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn running_and_finished_work_both_count() {
        let owner = Owner::new(7);
        let (pause, least) = (Duration::from_millis(20), Duration::from_millis(19));
        let work = || {
            let before = cpu_us();
            while cpu_us() < before + 20_000 {}
        };
        assert_eq!(owner.spent(), Duration::ZERO);
        owner.run(|| {
            sleep(pause);
            assert!(owner.clone().spent() >= least, "while it runs, all of its time counts");
        });
        assert!(owner.spent() < least, "then that of processors");
        owner.run(work);
        let once = owner.spent();
        assert!(once >= least);
        sleep(pause);
        assert_eq!(owner.spent(), once, "nothing runs");
        owner.run(work);
        assert!(owner.spent() >= once + least);
    }
}

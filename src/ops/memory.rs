//! Memory budget of decoding: one for all workers, sized by what the system grants this process.
//!
//! A job first reserves what the headers say that decoding takes. What does not fit now waits its turn; what never fits is refused. There
//! are two parts: `decode` is for pictures and clips while they are decoded and analyzed, `kept` for what a job keeps beside them, such
//! as a file of an archive. A job reserves from `kept` first and holds at most one reservation of each while it waits for another, so
//! that no two jobs can wait for each other.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Limits;

/// Bytes that the process takes without bodies and pictures: models, threads and inference, measured at 50 MiB with two workers, and as
/// much again for more workers, connections and memory that the allocator cannot give back.
const BASE: u64 = 96 << 20;

/// Least bytes for decoding, whatever the system grants: a clip of 640x480, or a picture of a few megapixels.
const LEAST: u64 = 16 << 20;

/// Bytes of `kept`: enough for any file of an archive under the default limits, and for best shots. `kept` gets so many where that is no
/// more than a quarter of the whole.
const KEPT: u64 = 40 << 20;

/// How often a waiting job is asked whether to stop.
const ASK: Duration = Duration::from_millis(20);

/// The budgets of decoding.
#[derive(Clone, Debug)]
pub struct Memory {
    /// For pictures and clips while they are decoded and analyzed.
    pub decode: Budget,
    /// For what a job keeps meanwhile.
    pub kept: Budget,
}

impl Memory {
    /// Sized by [`Limits::decode_bytes`], or to four fifths of what the system grants beyond the base: the rest is for bodies and replies.
    pub fn new(limits: &Limits) -> Self {
        match limits.decode_bytes {
            0 => Self::of(share(granted())),
            bytes => Self::of(bytes),
        }
    }

    /// Sized to so many bytes in total.
    pub fn of(bytes: u64) -> Self {
        let kept = (bytes / 8).max(KEPT.min(bytes / 4));
        Self { decode: Budget::new(bytes - kept), kept: Budget::new(kept) }
    }
}

/// Bytes for bodies, what is decoded from their base64 text, and replies that wait for their peers: what decoding leaves.
pub fn for_requests(limits: &Limits) -> u64 {
    match limits.decode_bytes {
        0 => share(granted()) / 4,
        bytes => bytes / 4,
    }
}

/// `MemoryMax=` of the unit file in the packages, in bytes.
const UNIT: u64 = 512 << 20;

/// Decoding's share of the bytes that this process may have.
fn share(granted: u64) -> u64 {
    (granted.saturating_sub(BASE) / 5 * 4).max(LEAST)
}

/// A number of bytes to reserve from. Clones share them.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    free: u64,
    /// Tickets of waiting jobs in the order of arrival: many small reservations do not overtake a large one.
    waiting: VecDeque<u64>,
    next: u64,
}

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// More than the whole budget, whose bytes this holds.
    Never(u64),
    /// The caller asked to stop while it waited.
    Late,
}

impl Budget {
    /// Of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let state = State { free: bytes, waiting: VecDeque::new(), next: 0 };
        Self(Arc::new(Shared { total: bytes, state: Mutex::new(state), freed: Condvar::new() }))
    }

    /// All bytes, reserved or not.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// Bytes that are not reserved.
    pub fn free(&self) -> u64 {
        self.0.lock().free
    }

    /// Waits its turn for so many bytes. Meanwhile `stop` is polled; true gives up.
    ///
    /// # Errors
    /// If `stop` returns true, or if `bytes` is more than the whole.
    pub fn reserve(&self, bytes: u64, stop: &dyn Fn() -> bool) -> Result<Reserved, Refused> {
        if bytes > self.0.total {
            return Err(Refused::Never(self.0.total));
        }
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(number);
        loop {
            if state.waiting.front() == Some(&number) && state.free >= bytes {
                state.waiting.pop_front();
                state.free -= bytes;
                self.0.freed.notify_all(); // there may be enough for the next one as well
                return Ok(Reserved { budget: self.clone(), bytes });
            }
            if stop() {
                state.waiting.retain(|&waiting| waiting != number);
                self.0.freed.notify_all();
                return Err(Refused::Late);
            }
            state = self.0.freed.wait_timeout(state, ASK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for so many bytes as [`Budget::reserve`] does, or for all if there are fewer: for estimates on the safe side.
    ///
    /// # Errors
    /// If `stop` returns true.
    pub fn reserve_most(&self, bytes: u64, stop: &dyn Fn() -> bool) -> Result<Reserved, Refused> {
        self.reserve(bytes.min(self.0.total), stop)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reserved bytes of a budget, given back on drop.
#[derive(Debug)]
pub struct Reserved {
    budget: Budget,
    bytes: u64,
}

impl Reserved {
    /// How many bytes are reserved.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back all but so many.
    pub fn shrink(&mut self, bytes: u64) {
        let given = self.bytes.saturating_sub(bytes);
        self.bytes -= given;
        self.budget.0.lock().free += given;
        self.budget.0.freed.notify_all();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Whether the system can allocate so many bytes in one piece now. Third-party decoders end the process where an allocation fails, so
/// that it has to be tried first.
pub fn can_have(bytes: u64) -> bool {
    usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok())
}

/// Bytes that this process may have: the lowest limit of its control groups. Without one, half of the machine's memory, since other
/// programs run there too, and no more than [`UNIT`]: what is accepted must not depend on how the process was started.
fn granted() -> u64 {
    let file = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = file(Path::new("/proc/meminfo")).and_then(|text| machine(&text)).unwrap_or(1 << 30);
    let groups = file(Path::new("/proc/self/cgroup")).unwrap_or_default();
    group_limit(&groups, &file).filter(|&limit| limit < machine).unwrap_or_else(|| (machine / 2).min(UNIT))
}

/// The machine's memory in bytes, by `/proc/meminfo`.
fn machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The lowest memory limit of the groups that `/proc/self/cgroup` lists and of their parents, for both versions of control groups. `file`
/// reads a file; a file that it cannot read sets no limit.
fn group_limit(groups: &str, file: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        for around in Path::new(group.trim_start_matches('/')).ancestors() {
            // "max" is no number, and no limit.
            let limit = file(&Path::new(root).join(around).join(name)).and_then(|text| text.trim().parse::<u64>().ok());
            least = least.into_iter().chain(limit).min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const NEVER: &dyn Fn() -> bool = &|| false;

    #[test]
    fn reserved_bytes_return_to_the_budget() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(60, NEVER).unwrap();
        assert_eq!(budget.reserve(101, NEVER).unwrap_err(), Refused::Never(100));
        assert_eq!(budget.reserve(41, &|| true).unwrap_err(), Refused::Late);
        first.shrink(59);
        let second = budget.reserve(41, NEVER).unwrap();
        assert_eq!((first.bytes(), second.bytes(), budget.free()), (59, 41, 0));
        drop((first, second));
        assert_eq!(budget.free(), budget.total());
        let mut all = budget.reserve(100, NEVER).unwrap();
        all.shrink(200);
        assert_eq!((all.bytes(), budget.free()), (100, 0), "nothing grows");
    }

    #[test]
    fn small_reservations_do_not_overtake_a_waiting_large_one() {
        let budget = Budget::new(100);
        let held = budget.reserve(50, NEVER).unwrap();
        let (told, order) = mpsc::channel();
        let waiting = |count: usize| {
            while budget.0.lock().waiting.len() < count {
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            for (place, bytes) in [(1, 80), (2, 10)] {
                let (budget, told) = (budget.clone(), told.clone());
                scope.spawn(move || {
                    let _reserved = budget.reserve(bytes, NEVER).unwrap();
                    told.send(bytes).unwrap();
                });
                waiting(place);
            }
            assert!(order.try_recv().is_err(), "ten would fit, but it has to wait for its turn");
            drop(held);
            assert_eq!(order.recv().unwrap() + order.recv().unwrap(), 90);
        });
    }

    #[test]
    fn an_abandoned_reservation_does_not_block_others() {
        let budget = Budget::new(100);
        let held = budget.reserve(50, NEVER).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let large = scope.spawn(|| budget.reserve(80, &|| stop.load(Ordering::Relaxed)).map(|_| ()));
            while budget.0.lock().waiting.is_empty() {
                thread::yield_now();
            }
            let small = scope.spawn(|| budget.reserve(10, NEVER).map(|_| ()));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(large.join().unwrap(), Err(Refused::Late));
            assert_eq!(small.join().unwrap(), Ok(()));
        });
        drop(held);
        assert_eq!(budget.free(), 100);
    }

    #[test]
    fn the_lowest_limit_of_all_control_groups_counts() {
        let file = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/system.slice/faceplate.service/memory.max" => "536870912\n",
                "/sys/fs/cgroup/system.slice/memory.max" => "max\n",
                "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes" => "9223372036854771712\n",
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes" => "1000\n",
                "/sys/fs/cgroup/memory.max" => "600000000\n",
                _ => return None,
            };
            Some(text.into())
        };
        assert_eq!(group_limit("0::/system.slice/faceplate.service\n", &file), Some(536_870_912));
        assert_eq!(group_limit("0::/elsewhere\n", &file), Some(600_000_000));
        assert_eq!(group_limit("9:cpu:/x\n4:hugetlb,memory:/a/b\n1:name=systemd:/a\n", &file), Some(1000));
        assert_eq!(group_limit("", &file), None);
        assert_eq!(machine("MemFree: 1 kB\nMemTotal:         512 kB\n"), Some(524_288));
        assert_eq!(machine("nonsense"), None);
        assert!(granted() > LEAST);
    }

    #[test]
    fn shares_leave_room_for_the_rest() {
        for granted in [280_u64 << 20, 480 << 20, 512 << 20, 1600 << 20] {
            let memory = Memory::of(share(granted));
            let all = memory.decode.total() + memory.kept.total();
            assert!(all + BASE <= granted - (granted - BASE) / 5, "{granted}");
            assert!(memory.kept.total() >= 36 << 20);
        }
        assert_eq!(share(0), LEAST);
        let set = Memory::new(&Limits { decode_bytes: 1000, ..Limits::default() });
        assert_eq!((set.decode.total(), set.kept.total()), (750, 250));
        assert!(can_have(1 << 20) && !can_have(u64::MAX));
    }
}

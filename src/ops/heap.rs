//! Makes the C library's allocator return freed memory to the system, and the system give large blocks cheaply.
//!
//! glibc keeps freed memory in an arena for each thread, and maps less and less of it after each large block that is freed (mallopt(3),
//! "dynamic mmap threshold"), so that a few large pictures on several threads would leave hundreds of megabytes behind. With other C
//! libraries, nothing is done about it.

use std::time::{Duration, Instant};

/// From this size on, in bytes, a block gets its own mapping and goes back to the system when it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES: libc::c_int = 256 << 10;

/// Makes large blocks go back to the system when they are freed, whatever size came before. Must be called before other threads start.
pub fn map_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the allocator's own settings have no safe way in")]
    // SAFETY: mallopt takes two numbers, keeps no pointer and touches no memory of ours; a value that it does not know changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
    }
}

/// Tells the system that all of a large block is going to be written, so that it gives pages of 2 MiB instead of 4 KiB where it can: 36 MB
/// take 6 ms to write first instead of 19. What the block holds stays as it is.
fn use_large_pages(block: &mut [u8]) {
    #[cfg(target_os = "linux")]
    {
        /// A multiple of the page size on every supported system.
        const PAGE: usize = 64 << 10;
        let start = block.as_ptr().align_offset(PAGE);
        let Some(whole) = block.get_mut(start..).map(|rest| rest.len() / PAGE * PAGE).filter(|whole| *whole > 0) else {
            return;
        };
        #[expect(unsafe_code, reason = "advice on memory has no safe way in")]
        // SAFETY: `whole` bytes from `start` on lie in the block, which is borrowed alone. MADV_HUGEPAGE changes neither what they hold
        // nor whether they can be used (madvise(2)); a system that does not know it answers with an error, and nothing is lost.
        unsafe {
            libc::madvise(block.as_mut_ptr().add(start).cast(), whole, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _nothing_to_advise = block;
}

/// So many zeros, in large pages if they are many; none if there is no memory for them. The system gives new memory zeroed: nothing is written
/// here.
pub fn zeros(bytes: usize) -> Option<Vec<u8>> {
    /// Two large pages: below, they are not worth a call.
    const LARGE: usize = 4 << 20;
    let layout = std::alloc::Layout::array::<u8>(bytes).ok().filter(|layout| layout.size() > 0)?;
    #[expect(unsafe_code, reason = "no safe way asks for zeroed memory without ending the process where there is none")]
    // SAFETY: the layout is not empty. What is allocated has room for `bytes` initialized bytes, was allocated by the allocator of `Vec` with
    // the alignment of a byte, and belongs to nobody else.
    let mut zeros = unsafe {
        let block = std::alloc::alloc_zeroed(layout);
        (!block.is_null()).then(|| Vec::from_raw_parts(block, bytes, bytes))?
    };
    if bytes >= LARGE {
        use_large_pages(&mut zeros);
    }
    Some(zeros)
}

/// Gives the free memory in the arenas of all threads back to the system.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the allocator's own settings have no safe way in")]
    // SAFETY: malloc_trim takes a number and gives back pages that hold no block; it may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// When to call [`trim`]: once work has ended and what it took is free, but not all the time.
#[derive(Debug)]
pub struct TrimSchedule {
    /// The count of ended work at the last trim; none: what the start took is still to be released.
    trimmed: Option<u64>,
    /// The same when it was last looked at.
    seen: u64,
    at: Instant,
}

impl TrimSchedule {
    /// Not more often than this, when nothing is at work.
    const PAUSE: Duration = Duration::from_secs(2);
    /// The same under constant load.
    const BUSY: Duration = Duration::from_secs(10);

    /// The schedule of a process that starts now.
    pub fn new(now: Instant) -> Self {
        Self { trimmed: None, seen: u64::MAX, at: now }
    }

    /// Whether to trim now, to be asked about once a second: `ended` counts what was ever finished. Work is counted a little before all of
    /// its memory is free (wiping a body of 15 MB takes milliseconds), so that nothing must have ended since the last question either;
    /// a trim too early would be the last one for hours.
    pub fn is_due(&mut self, ended: u64, is_idle: bool, now: Instant) -> bool {
        let is_settled = std::mem::replace(&mut self.seen, ended) == ended;
        let passed = now.saturating_duration_since(self.at);
        let due =
            self.trimmed != Some(ended) && (passed >= Self::BUSY || is_idle && is_settled && passed >= Self::PAUSE);
        if due {
            // Under load, something may have ended a moment ago: that is trimmed for at the next time.
            (self.trimmed, self.at) = (is_settled.then_some(ended), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_trimmed_after_all_work_has_ended_and_once() {
        let start = Instant::now();
        let mut schedule = TrimSchedule::new(start);
        let mut due = |s: u64, ended, is_idle| schedule.is_due(ended, is_idle, start + Duration::from_secs(s));
        assert_eq!([due(1, 0, true), due(2, 0, true), due(3, 0, true), due(6, 0, true)], [false, true, false, false]);
        // Three end one after the other, the last between two questions.
        assert_eq!([due(7, 1, false), due(8, 2, true), due(9, 3, true)], [false; 3]);
        assert_eq!([due(10, 3, true), due(11, 3, true), due(90, 3, true)], [true, false, false]);
        // Under load.
        assert!((91..=102).filter(|s| due(*s, 3 + s, false)).eq([91, 101]));
        assert_eq!([due(103, 105, true), due(104, 105, true), due(105, 105, true)], [true, false, false]);
    }

    #[test]
    fn zeros_are_zero_or_refused() {
        for bytes in [1, 4096, 10 << 20] {
            let zeros = zeros(bytes).expect("memory");
            assert!(zeros.len() == bytes && zeros.iter().all(|byte| *byte == 0));
        }
        assert_eq!(zeros(0), None);
        assert_eq!(zeros(usize::MAX), None);
        assert_eq!(zeros(isize::MAX as usize - 1), None);
    }

    #[test]
    fn advice_changes_no_byte() {
        for length in [0, 1, 4096, 65_535, 65_536, 200_000, 5_000_000] {
            let mut block: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            use_large_pages(&mut block);
            use_large_pages(&mut block[length / 3..]);
            assert!(block.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8), "{length}");
        }
        let mut zeros = vec![0; 10 << 20];
        use_large_pages(&mut zeros);
        assert!(zeros.iter().all(|byte| *byte == 0));
    }
}

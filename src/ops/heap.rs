//! Makes the C library's allocator return freed memory to the system.
//!
//! glibc keeps freed memory in an arena for each thread, and maps less and less of it after each large block that is freed (mallopt(3),
//! "dynamic mmap threshold"), so that a few large pictures on several threads would leave hundreds of megabytes behind. With other C
//! libraries, nothing is done.

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

/// Gives the free memory in the arenas of all threads back to the system.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the allocator's own settings have no safe way in")]
    // SAFETY: malloc_trim takes a number and gives back pages that hold no block; it may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

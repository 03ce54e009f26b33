//! A clock that only goes forward.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Time since a fixed instant of this process.
pub fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

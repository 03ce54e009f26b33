//! Runs all computation on worker threads, and lets other threads wait for the results.
//!
//! A caller submits a closure to the [`Pool`] and gets a [`JobHandle`], a future. `embassy_futures` combines handles and [`Deadline`]s;
//! [`block_on`] parks the calling thread until the combination is ready. embassy's own `block_on` is not used: it spins, which would cost
//! a core for as long as a request waits. There is no other executor.

mod block_on;
mod cancel;
mod fair_queue;
mod owner;
mod pool;

pub use block_on::{Deadline, block_on};
pub use cancel::{CancelToken, WaitLimit};
pub use owner::{Owner, thread_cpu_time};
pub use pool::{Bell, Failed, Help, JobHandle, Pool, PoolStats, QueueFull};

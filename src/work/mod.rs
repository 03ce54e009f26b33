//! The only threads that compute and the only places that wait.
//!
//! A caller submits a closure to the [`Pool`] and gets a [`Ticket`], a future. `embassy_futures` combines tickets and
//! [`Deadline`]s; [`block_on`] parks the calling thread until the combination is ready. embassy's own `block_on` is not
//! used: it spins, which would cost a core for as long as a request waits. There is no other executor.

mod block_on;
mod gone;
mod owner;
mod pool;
mod turns;

pub use block_on::{Deadline, block_on};
pub use gone::{Gone, Patience};
pub use owner::{Owner, thread_cpu_time};
pub use pool::{Failed, Figures, Pool, Refused, Ticket};

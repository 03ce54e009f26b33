//! What surrounds the product: limits, the budget of memory, settings, log lines, signals, the supervisor, random bits, hexadecimal digits. Nothing here knows a face or a request.

mod harden;
pub mod heap;
pub mod hex;
mod histogram;
mod limits;
mod log_format;
mod log_writer;
pub mod memory;
mod random;
pub mod settings;
pub mod shutdown;
pub mod supervisor;
mod wiped;

pub use harden::harden;
pub use histogram::Histogram;
pub use limits::Limits;
pub use log_format::init as init_log;
pub use log_writer::flush as flush_log;
pub use memory::Memory;
pub use random::random;
pub use settings::Settings;
pub use wiped::Wiped;

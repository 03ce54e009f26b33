//! Operations support: limits, the budget of memory, settings, log lines, signals, the service manager, random bits, hexadecimal digits,
//! numbers in sentences. Nothing here depends on faces or requests.

pub mod clock;
mod counted;
pub mod date;
mod elapsed;
mod file_error;
mod harden;
pub mod heap;
pub mod hex;
mod histogram;
mod limits;
mod log_format;
mod log_level;
mod log_writer;
pub mod memory;
mod nearest;
mod random;
mod replace;
mod secret_bytes;
pub mod service_manager;
pub mod settings;
pub mod shutdown;
pub mod tls_client;

pub use counted::counted;
pub use date::timestamp;
pub use elapsed::elapsed;
pub use file_error::{FileError, FileErrorKind};
pub use harden::harden;
pub use histogram::Histogram;
pub use limits::Limits;
pub use log_format::init as init_log;
pub use log_writer::flush as flush_log;
pub use memory::Memory;
pub use nearest::nearest;
pub use random::{random, random_word};
pub use replace::replace;
pub use secret_bytes::{Content, SecretBytes};
pub use settings::Settings;

/// Polled now and then by what takes long, from any thread: returns true to stop it.
pub type Stop<'a> = dyn Fn() -> bool + Sync + 'a;

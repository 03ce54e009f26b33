//! What surrounds the product: limits, settings, log lines, signals, the supervisor. Nothing here knows a face or a request.

mod limits;
mod log_format;
pub mod settings;
pub mod shutdown;
pub mod supervisor;

pub use limits::Limits;
pub use log_format::init as init_log;
pub use settings::Settings;

//! Log lines: for a person on a terminal, with a level that journald reads elsewhere.
//!
//! No picture, template, name or file of a client is ever logged; requests appear by their id.

use std::io::{IsTerminal, Write};

use log::Level;

/// Starts logging to standard error at `filter`, a level or env_logger's `module=level` list. A second call does nothing.
pub fn init(filter: &str) {
    let terminal = std::io::stderr().is_terminal();
    let mut builder = env_logger::Builder::new();
    // tract tells every optimization at info, tiny_http every connection at debug: theirs only on explicit wish.
    builder.parse_filters("warn").parse_filters(&if filter.contains('=') {
        filter.to_owned()
    } else {
        format!("warn,faceplate={filter}")
    });
    builder.format(move |out, record| {
        if terminal {
            writeln!(out, "{:5} {}", record.level(), record.args())
        } else {
            writeln!(out, "<{}>{}", priority(record.level()), record.args())
        }
    });
    let _already_started = builder.try_init();
}

/// The syslog priority of sd-daemon(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

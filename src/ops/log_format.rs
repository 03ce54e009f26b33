//! Log lines: for a person on a terminal, with a level that journald reads elsewhere, or JSON.
//!
//! No picture, template, name or file of a client is ever logged; requests appear by their id.

use std::io::{IsTerminal, Write};
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::log_writer::LogWriter;
use super::settings::{Log, LogFormat};

/// Starts logging to standard error as the settings say: a level, or env_logger's `module=level` list. A second call does
/// nothing.
pub fn init(settings: &Log) {
    let (filter, format) = (&settings.level, settings.format);
    let terminal = std::io::stderr().is_terminal();
    let mut builder = env_logger::Builder::new();
    // tract tells every optimization at info, tiny_http every connection at debug: theirs only on explicit wish.
    builder.parse_filters("warn").parse_filters(&if filter.contains('=') {
        filter.to_owned()
    } else {
        format!("warn,faceplate={filter}")
    });
    builder.format(move |out, record| match format {
        LogFormat::Json => writeln!(out, "{}", json(record)),
        LogFormat::Text if terminal => writeln!(out, "{:5} {}", record.level(), record.args()),
        LogFormat::Text => writeln!(out, "<{}>{}", priority(record.level()), record.args()),
    });
    // Without a thread for it the log is written by whoever logs.
    if let Ok(writer) = LogWriter::to_stderr() {
        builder.target(env_logger::Target::Pipe(Box::new(writer)));
    }
    let _already_started = builder.try_init();
}

/// The line as one JSON object: time in seconds since 1970, level, message, and what else is known by name.
fn json(record: &Record<'_>) -> serde_json::Value {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut fields = Fields(serde_json::Map::new());
    let mut put = |key: &str, value: serde_json::Value| fields.0.insert(key.to_owned(), value);
    put("time", ((time.as_secs_f64() * 1000.0).round() / 1000.0).into());
    put("level", record.level().as_str().to_ascii_lowercase().into());
    put("message", record.args().to_string().into());
    let _fields_never_refuse = record.key_values().visit(&mut fields);
    fields.0.into()
}

struct Fields(serde_json::Map<String, serde_json::Value>);

impl<'k> VisitSource<'k> for Fields {
    fn visit_pair(&mut self, key: Key<'k>, value: Value<'k>) -> Result<(), Error> {
        let number = value.to_u64().map(serde_json::Value::from);
        self.0.insert(key.as_str().to_owned(), number.unwrap_or_else(|| value.to_string().into()));
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_the_fields_of_its_record() {
        let pairs = [("id", Value::from("7")), ("ms", Value::from(12_u64))];
        let record =
            Record::builder().level(Level::Warn).args(format_args!("a \"quoted\" line\n")).key_values(&pairs).build();
        let line = json(&record).to_string();
        assert!(!line.contains('\n'), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["id"], &read["ms"], &read["level"]), (&"7".into(), &12.into(), &"warn".into()));
        assert!(read["time"].as_f64().unwrap() > 1.7e9);
    }
}

//! Formats log lines: as text with a time; for journald, which keeps the time itself, with a priority instead; or as JSON.
//!
//! No picture, template, name or file of a client is ever logged; requests appear by their id.

use std::io::{self, Write};
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::date::timestamp;
use super::log_level;
use super::log_writer::LogWriter;
use super::settings::{Log, LogFormat};

/// Form of a line: as in the settings, or for journald.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Timed,
    Journald,
    Json,
}

/// Starts logging to standard error as the settings say: a level, or env_logger's `module=level` list. A second call does
/// nothing.
pub fn init(settings: &Log) {
    let filter = &settings.level;
    let form = match settings.format {
        LogFormat::Json => Form::Json,
        LogFormat::Text if is_journald() => Form::Journald,
        LogFormat::Text => Form::Timed,
    };
    let mut builder = env_logger::Builder::new();
    // tract logs every optimization at info, tiny_http every connection at debug: only if their modules are named in the filter.
    builder.parse_filters("warn").parse_filters(&match log_level::is_level(filter) {
        true => format!("warn,faceplate={filter}"),
        false => filter.to_owned(),
    });
    builder.format(move |out, record| write(out, form, record));
    // Without a writer thread, each thread writes its own lines.
    if let Ok(writer) = LogWriter::to_stderr(move |out, lost| write_lost(out, form, lost)) {
        builder.target(env_logger::Target::Pipe(Box::new(writer)));
    }
    let _already_started = builder.try_init();
}

/// Whether standard error goes to journald: systemd names the device and inode of its stream.
fn is_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn write(out: &mut dyn Write, form: Form, record: &Record<'_>) -> io::Result<()> {
    match form {
        Form::Timed => {
            writeln!(out, "{} {:5} {}", timestamp(SystemTime::now()), record.level(), record.args())
        }
        Form::Journald => writeln!(out, "<{}>{}", priority(record.level()), record.args()),
        Form::Json => writeln!(out, "{}", json(record)),
    }
}

/// The line about `lost` lines before it.
fn write_lost(out: &mut dyn Write, form: Form, lost: usize) -> io::Result<()> {
    let args = format_args!("{lost} lines of the log were dropped: standard error was not read");
    write(out, form, &Record::builder().level(Level::Warn).args(args).build())
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
    #[test]
    fn a_line_has_a_time_except_for_journald() {
        let line = |form| {
            let mut out = vec![];
            write_lost(&mut out, form, 3).unwrap();
            String::from_utf8(out).unwrap()
        };
        let told = "3 lines of the log were dropped: standard error was not read\n";
        assert_eq!(line(Form::Journald), format!("<4>{told}"));
        let timed = line(Form::Timed);
        assert!(timed.starts_with("20") && timed.ends_with(&format!("Z WARN  {told}")), "{timed}");
        assert_eq!(timed.find(' '), Some("1970-01-01T00:00:00.000Z".len()));
        assert!(line(Form::Json).starts_with('{'));
    }
}

//! Merges settings from their layers, and keeps where each value was written.
//!
//! Each value is parsed by itself as soon as it is added, so that an error names where it was written.

use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::error::{Error, ErrorKind, Origin, Origins};
use super::{Settings, keys};

/// A setting that was given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As it was typed, such as `--listen`.
    pub name: String,
    /// `section.key`
    pub key: String,
    /// Read as TOML if it is valid TOML, else as text.
    pub value: String,
}

/// Merged values, and where the last value of each key was written.
#[derive(Debug, Default)]
pub(super) struct Layers {
    table: Table,
    origins: Origins,
}

impl Layers {
    /// Adds a settings file.
    pub(super) fn file(&mut self, path: &Path) -> Result<(), Error> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|e| Error::new(ErrorKind::File, "", format!("{name}: {e}")).because(e))?;
        self.text(&text, &name)
    }

    /// Adds the text of a settings file; errors call the file `name`.
    pub(super) fn text(&mut self, text: &str, name: &str) -> Result<(), Error> {
        let at = |offset: usize| {
            let line = 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
            Origin::File { name: name.to_owned(), line }
        };
        let syntax = |e: toml::de::Error| {
            let origin = at(e.span().map_or(0, |span| span.start));
            Error::new(ErrorKind::Syntax, "", e.message().replace('\n', ", ")).at(origin).because(e)
        };
        let places = DeTable::parse(text).map_err(syntax)?;
        let mut table: Table = text.parse().map_err(syntax)?;
        for (section, inside) in places.get_ref() {
            let (line, section) = (at(section.span().start), &**section.get_ref());
            let DeValue::Table(inside) = inside.get_ref() else {
                return Err(match keys::sections().contains(&section) {
                    true => {
                        let what = format!("expected a section, as in [{section}]");
                        Error::new(ErrorKind::Type, section, what).at(line)
                    }
                    false => unknown_key(line, section),
                });
            };
            if !keys::sections().contains(&section) && inside.is_empty() {
                return Err(unknown_section(line, section));
            }
            let Some(Value::Table(mut values)) = table.remove(section) else { continue };
            for key in inside.keys() {
                let name = &**key.get_ref();
                let Some(value) = values.remove(name) else { continue };
                self.put(&format!("{section}.{name}"), value, at(key.span().start))?;
            }
        }
        Ok(())
    }

    /// Adds an environment variable.
    pub(super) fn variable(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let key = name.strip_prefix(keys::PREFIX).map(|key| key.to_ascii_lowercase().replace("__", "."));
        match key.filter(|key| is_known(key)) {
            Some(key) => self.written(&key, value, &Origin::Variable(name.to_owned())),
            None => {
                let meant = keys::meant(name.trim_start_matches("FACEPLATE_").trim_start_matches('_'));
                let meant = meant.map_or_else(hint, |key| format!("did you mean {}?", keys::variable(&key)));
                let what = format!("no such setting; {meant}");
                Err(Error::new(ErrorKind::Unknown, "", what).at(Origin::Variable(name.to_owned())))
            }
        }
    }

    /// Adds the log level of `RUST_LOG`.
    pub(super) fn rust_log(&mut self, level: &str) -> Result<(), Error> {
        self.put("log.level", Value::String(level.to_owned()), Origin::Variable("RUST_LOG".into()))
    }

    /// Adds a flag.
    pub(super) fn flag(&mut self, flag: &Flag) -> Result<(), Error> {
        self.written(&flag.key, &flag.value, &Origin::Flag(flag.name.clone()))
    }

    /// Adds a value that is written as TOML, or as text without quotes.
    fn written(&mut self, key: &str, value: &str, origin: &Origin) -> Result<(), Error> {
        let text = Value::String(value.to_owned());
        let read = format!("v = {value}").parse().ok().and_then(|mut table: Table| table.remove("v"));
        match read {
            // A name may look like a number.
            Some(read) => match self.put(key, read, origin.clone()) {
                Err(error) => self.put(key, text, origin.clone()).map_err(|_| error),
                done => done,
            },
            None => self.put(key, text, origin.clone()),
        }
    }

    fn put(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), Error> {
        let Some((section, name)) = key.split_once('.').filter(|_| is_known(key)) else {
            return Err(unknown_key(origin, key));
        };
        let alone =
            Table::from_iter([(section.to_owned(), Table::from_iter([(name.to_owned(), value.clone())]).into())]);
        if let Err(error) = Settings::deserialize(Value::Table(alone)) {
            // The other keys of [site] have no defaults.
            if section != "site" || !error.message().starts_with("missing field") {
                let what = plain(error.message(), &value);
                return Err(Error::new(ErrorKind::Type, key, what).at(origin).because(error));
            }
        }
        let inside = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        inside.as_table_mut().expect("only tables are put in").insert(name.to_owned(), value);
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }

    /// Merges all layers into valid settings, to which `complete` adds what is elsewhere; also returns where their values were written.
    pub(super) fn merged(
        self,
        complete: impl FnOnce(Settings) -> Result<Settings, Error>,
    ) -> Result<(Settings, Origins), Error> {
        let read = Settings::deserialize(Value::Table(self.table));
        // Each value is valid by itself: what is left is a missing key of [site].
        let read = read.map_err(|e| {
            let what = format!("{}; run faceplate calibrate site", without_serde(e.message()));
            Error::new(ErrorKind::Type, "site", what).because(e)
        });
        let settings = read.and_then(complete).and_then(Settings::validated).map_err(|error| {
            match self.origins.iter().find(|(key, _)| error.is_about(key)) {
                Some((_, origin)) => error.at(origin.clone()),
                None => error,
            }
        })?;
        Ok((settings, self.origins))
    }
}

fn is_known(key: &str) -> bool {
    key.split_once('.').is_some_and(|(section, name)| keys::of(section).contains(&name))
}

fn unknown_key(origin: Origin, key: &str) -> Error {
    let meant = keys::meant(key).map_or_else(hint, |meant| format!("did you mean {meant}?"));
    Error::new(ErrorKind::Unknown, key, format!("no such key; {meant}")).at(origin)
}

fn unknown_section(origin: Origin, section: &str) -> Error {
    let known = crate::ops::nearest(section, keys::sections().iter().copied());
    let meant = known.map_or_else(hint, |known| format!("did you mean [{known}]?"));
    Error::new(ErrorKind::Unknown, format!("[{section}]"), format!("no such section; {meant}")).at(origin)
}

fn hint() -> String {
    "a setting has the form section.key, and faceplate --print-settings lists all".into()
}

/// Serde's message about a value, worded without Rust's terms.
fn plain(message: &str, found: &Value) -> String {
    let is_of_value = message.starts_with("invalid type") || message.starts_with("invalid value");
    match message.rsplit_once("expected ") {
        // A message about a list is about a value within it.
        Some((_, expected)) if is_of_value && !matches!(found, Value::Array(_) | Value::Table(_)) => {
            format!("found {found}, expected {}", kind(expected))
        }
        _ => without_serde(message),
    }
}

fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" | "path string" => "text in quotes",
        "a sequence" => "a list in brackets",
        other => other,
    }
}

fn without_serde(message: &str) -> String {
    let message = message.replace("unknown field", "no such key").replace("unknown variant", "no such value");
    message.replace("missing field", "what is missing is").replace('`', "").replace('\n', ", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let mut layers = Layers::default();
        let put = layers.text(text, "faceplate.toml");
        put.and_then(|()| layers.merged(Ok)).unwrap_err().to_string()
    }

    #[test]
    fn errors_of_a_file_name_line_key_and_what_is_expected() {
        for (text, told) in [
            ("\n[limits]\nsample = 3\n", "faceplate.toml:3: limits.sample: no such key; did you mean limits.samples?"),
            (
                "[limits]\nbody_bytes = \"many\"",
                "faceplate.toml:2: limits.body_bytes: found \"many\", expected a whole number, 0 or more",
            ),
            (
                "[limits]\nsamples = -1",
                "faceplate.toml:2: limits.samples: found -1, expected a whole number, 0 or more",
            ),
            ("[camera]\nwarm = 1", "faceplate.toml:2: camera.warm: found 1, expected true or false"),
            ("[camera]\n\nformat = 1", "faceplate.toml:3: camera.format: found 1, expected text in quotes"),
            ("[decision]\napproved = \"0.9\"", "faceplate.toml:2: decision.approved: found \"0.9\", expected a number"),
            ("[access]\nhosts = \"a\"", "faceplate.toml:2: access.hosts: found \"a\", expected a list in brackets"),
            ("[log]\nformat = \"yaml\"", "faceplate.toml:2: log.format: no such value yaml, expected text or json"),
            ("[camera]\nrotate = 45", "faceplate.toml:2: camera.rotate: 45 is none of 0, 90, 180, 270"),
            ("[decision]\n\napproved = 2", "faceplate.toml:3: decision: "),
            ("listen = \"127.0.0.1:1\"", "faceplate.toml:1: listen: no such key; did you mean server.listen?"),
            ("[limit]", "faceplate.toml:1: [limit]: no such section; did you mean [limits]?"),
            ("server = 3", "faceplate.toml:1: server: expected a section, as in [server]"),
            ("[[server]]\nthreads = 1", "faceplate.toml:1: server: expected a section, as in [server]"),
            ("[site]\nmodel = 1", "faceplate.toml:2: site: what is missing is date; run faceplate calibrate site"),
            ("[site]\nmodel = true", "faceplate.toml:2: site.model: found true, expected a whole number, 0 or more"),
            ("[[access.tokens]]\nname = \"a\"", "faceplate.toml:1: access.tokens: what is missing is sha256"),
            ("[server]\nthreads = \n", "faceplate.toml:2: "),
            ("[server]\nthreads = 1\nthreads = 2", "faceplate.toml:3: "),
        ] {
            let error = wrong(text);
            assert!(error.starts_with(told), "{text}: {error}");
            assert!(!error.contains('`') && !error.contains('\n'), "{error}");
        }
    }
}

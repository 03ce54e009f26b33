//! What can be set, and where it comes from: built-in defaults, then a TOML file, then the environment, then flags.
//!
//! All layers are TOML tables until they are merged; the result is read once into [`Settings`], so that an unknown key or a
//! wrong type is an error wherever it was written.

mod access;
mod camera;
mod listen;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use self::access::{Access, Scope, Templates, Tls, Token};
pub use self::camera::{Camera, Control, ControlWord};
pub use self::listen::{Listen, Place};
use super::Limits;

/// Everything that an integrator may change. `docs/ref/settings.md` lists each key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where and with how many threads requests are served.
    pub server: Server,
    /// Who may come in.
    pub access: Access,
    /// Encryption of connections.
    pub tls: Tls,
    /// How models run.
    pub inference: Inference,
    /// Encryption of templates.
    pub templates: Templates,
    /// When a score is a match.
    pub decision: Decision,
    /// Caps on what clients send.
    pub limits: Limits,
    /// The camera and how it is used.
    pub camera: Camera,
    /// What is logged.
    pub log: Log,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where connections are taken: `ADDRESS:PORT` or `unix:/PATH`, one or several.
    pub listen: Listen,
    /// Requests for inference that are worked on or wait for it at once; what comes on top is refused. 0 is four for each
    /// inference worker.
    pub threads: usize,
}

/// `[inference]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inference {
    /// Inference threads; 0 is one for each core.
    pub workers: usize,
    /// Average the template with that of the mirrored crop: better matching for twice the embedding time.
    pub mirror: bool,
    /// A folder with another `models.toml`; empty runs the embedded models.
    pub models: Option<PathBuf>,
    /// For measuring: `float` computes in f32, `emulated` in f32 but rounded as integers are, a name of kernels
    /// (`doctor` tells them) in integers with these. All but `float` give the same answers. Empty takes the best kernels.
    pub arithmetic: Option<String>,
}

/// `[decision]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decision {
    /// Scores from here are `approved`. 0.85 is one impostor in ten thousand.
    pub approved: f64,
    /// Scores from here are `operator_required`. 0.75 is one impostor in a thousand.
    pub operator_required: f64,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, or a list such as `faceplate=debug,tiny_http=info`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people, with a level that journald reads where there is no terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: Listen(vec![Place::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))]), threads: 0 }
    }
}

impl Default for Decision {
    fn default() -> Self {
        Self { approved: 0.85, operator_required: 0.75 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// Settings that cannot be used, told with the place where they were written.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The environment variables that are settings: `FACEPLATE__SECTION__KEY`.
const PREFIX: &str = "FACEPLATE__";

impl Settings {
    /// Merges the layers. `overrides` are `(section.key, value)` pairs from flags; `environment` is all of it.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &[(String, String)],
    ) -> Result<Self, Error> {
        let mut table = Table::new();
        if let Some(path) = file {
            let at = |e: &dyn fmt::Display| Error(format!("{}: {e}", path.display()));
            table = std::fs::read_to_string(path).map_err(|e| at(&e))?.parse().map_err(|e| at(&e))?;
        }
        let mut variables: Vec<_> = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        variables.sort();
        for (name, value) in variables {
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            set(&mut table, &key, &value).map_err(|e| Error(format!("{name}: {e}")))?;
        }
        for (key, value) in overrides {
            set(&mut table, key, value).map_err(|e| Error(format!("{key}: {e}")))?;
        }
        Self::of(table)
    }

    /// Those of a merged table.
    fn of(table: Table) -> Result<Self, Error> {
        let settings: Self =
            Value::Table(table).try_into().map_err(|e| Error(format!("settings: {e}").trim().into()))?;
        settings.validated()
    }

    /// The settings as a TOML file that gives them again.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("settings are plain tables of numbers and strings")
    }

    /// The number of inference workers that `inference.workers` asks for.
    pub fn workers(&self) -> usize {
        match self.inference.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }

    /// The number of requests for inference that `server.threads` asks for.
    pub fn requests(&self) -> usize {
        match self.server.threads {
            0 => 4 * self.workers(),
            n => n,
        }
    }

    fn validated(self) -> Result<Self, Error> {
        let Decision { approved, operator_required } = self.decision;
        if !(0.0..=1.0).contains(&approved) || !(0.0..=approved).contains(&operator_required) {
            return Err(Error(format!(
                "decision: 0 <= operator_required ({operator_required}) <= approved ({approved}) <= 1 does not hold"
            )));
        }
        if let Some(what) = self.limits.out_of_range() {
            return Err(Error(what));
        }
        if let Some(what) = self.camera.out_of_range() {
            return Err(Error(what));
        }
        if self.server.threads > 1024 {
            return Err(Error(format!("server.threads: {} is not in 0..=1024", self.server.threads)));
        }
        if let Some(what) = self.unsafe_access() {
            return Err(Error(what));
        }
        if self.inference.workers > 256 {
            return Err(Error(format!("inference.workers: {} is not in 0..=256", self.inference.workers)));
        }
        Ok(self)
    }
}

/// Any text as a settings file: what is taken is in its range, and printed it gives itself again.
pub fn fuzz(text: &str) {
    let Ok(table) = text.parse::<Table>() else { return };
    let Ok(settings) = Settings::of(table) else { return };
    let again: Settings = toml::from_str(&settings.to_toml()).expect("printed settings are settings");
    assert_eq!(again, settings);
    assert!(settings.limits.out_of_range().is_none() && settings.requests() > 0);
}

/// Puts `value` under `section.key`: as the TOML value that it reads as, else as text.
fn set(table: &mut Table, key: &str, value: &str) -> Result<(), String> {
    let Some((section, name)) = key.split_once('.') else {
        return Err("a setting has the form section.key".into());
    };
    let parsed: Option<Table> = format!("v = {value}").parse().ok();
    let value = parsed.and_then(|mut t| t.remove("v")).unwrap_or_else(|| Value::String(value.to_owned()));
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    section.as_table_mut().ok_or("its section is not a table")?.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, Error> {
        let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let (env, flags): (Vec<_>, Vec<_>) = (own(env), own(flags));
        Settings::load(None, env, &flags)
    }

    #[test]
    fn flags_win_over_environment_over_defaults() {
        let s =
            load(&[("FACEPLATE__SERVER__LISTEN", "127.0.0.1:1"), ("FACEPLATE__LIMITS__SAMPLES", "3")], &[]).unwrap();
        assert_eq!((s.server.listen.0[0].to_string(), s.limits.samples), ("127.0.0.1:1".into(), 3));
        let s = load(&[("FACEPLATE__SERVER__LISTEN", "127.0.0.1:1")], &[("server.listen", "127.0.0.1:2")]).unwrap();
        assert_eq!(s.server.listen.0[0].to_string(), "127.0.0.1:2");
        assert_eq!(load(&[("PATH", "/bin")], &[]).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, value, told) in [
            ("limits.bodybytes", "1", "bodybytes"),
            ("limits.body_bytes", "\"many\"", "body_bytes"),
            ("decision.approved", "1.5", "approved"),
            ("server.threads", "1025", "server.threads"),
            ("server.listen", "[]", "no address"),
            ("server.listen", "localhost", "server.listen"),
            ("server.listen", "0.0.0.0:80", "faceplate token new"),
            ("server.listen", "[\"unix:/run/x\", \"[::]:80\"]", "access.open"),
            ("access.tokens", "[{ name = \"a\", sha256 = \"12\", scopes = [] }]", "64"),
            ("access.tokens", "[{ name = \"a\", sha256 = \"12\", scopes = [\"all\"] }]", "all"),
            ("tls.key", "/etc/key", "belong together"),
            ("tls.clients", "/etc/ca", "certificate"),
            ("limits.head_bytes", "0", "limits.head_bytes"),
            ("limits.samples", "0", "limits.samples"),
            ("camera.rotate", "45", "camera.rotate"),
            ("camera.format", "H264", "camera.format"),
            ("camera.device", "video0", "camera.device"),
            ("camera.deadline_ms", "0", "100..=600000"),
            ("camera.exposure", "bright", "camera.exposure"),
            ("limits.body_bytes", "4294967295", "limits.body_bytes"),
            ("nonsense", "1", "section.key"),
            ("color.sky", "1", "color"),
        ] {
            let error = load(&[], &[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(told), "{key}: {error}");
        }
    }

    /// The file that packages install names every key, and each with the default that it claims.
    #[test]
    fn the_shipped_file_shows_the_defaults() {
        let shipped = include_str!("../../../systemd/faceplate.toml");
        let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(rest) if is_key(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        let with_all: Settings = toml::from_str(&shipped.lines().map(uncommented).collect::<String>()).unwrap();
        // Files that are nowhere by default.
        let models = with_all.inference.models.clone();
        let inference = Inference { models, ..Inference::default() };
        let templates = Templates { keys: with_all.templates.keys.clone(), ..Templates::default() };
        let tls = with_all.tls.clone();
        assert!(inference.models.is_some() && templates.keys.is_some() && tls.clients.is_some());
        assert_eq!(with_all, Settings { inference, templates, tls, ..Settings::default() });
        assert_eq!(toml::from_str::<Settings>(shipped).unwrap(), Settings::default());
        let keys = |text: &str| {
            let keys = text.lines().map(|l| l.trim_start_matches('#')).filter(|l| is_key(l));
            keys.map(|l| l.split(' ').next().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(keys(shipped), keys(&with_all.to_toml()));
    }

    #[test]
    fn printed_settings_give_themselves_again() {
        let settings = load(&[], &[("inference.models", "/srv/models"), ("decision.approved", "0.9")]).unwrap();
        let again: Settings = toml::from_str(&settings.to_toml()).unwrap();
        assert_eq!(again, settings);
    }
}

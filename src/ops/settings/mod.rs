//! Settings and their sources: built-in defaults, then a TOML file, then the environment, then flags.
//!
//! All layers are TOML values until they are merged; an unknown key or a wrong type is an error that names where it was written.

mod access;
mod camera;
mod door;
mod error;
mod events;
mod in_force;
mod judging;
mod keys;
mod layers;
mod listen;
mod people;
mod printed;
mod site;
mod stored;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::access::{Access, Scope, Templates, Tls, Token};
pub use self::camera::{Camera, Control, ControlName, LivenessMode};
pub use self::door::{Day, Door, DoorMode, Level, Schedule, WithoutTime, line, minutes};
pub use self::error::{Error, ErrorKind, Origin, Origins};
pub use self::events::{Events, Mqtt, Pictures, Webhook};
pub use self::in_force::InForce;
pub use self::judging::{Face, GestureMode, Liveness};
pub use self::layers::Flag;
use self::layers::Layers;
pub use self::listen::{Listen, ListenAddr};
pub use self::people::People;
pub use self::printed::Entry;
pub use self::site::Site;
pub use self::stored::write_tokens;
use super::{Limits, log_level};

/// All settings. `docs/ref/settings.md` lists each key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where requests are served, and how many at once.
    pub server: Server,
    /// Access rules.
    pub access: Access,
    /// Encryption of connections.
    pub tls: Tls,
    /// How models run.
    pub inference: Inference,
    /// Encryption of templates.
    pub templates: Templates,
    /// When a face in a submitted sample is a second person.
    pub face: Face,
    /// When a score is a match.
    pub decision: Decision,
    /// How similar different people look at this place, if that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// What clients may ask of liveness.
    pub liveness: Liveness,
    /// Caps on what clients send.
    pub limits: Limits,
    /// The camera and how it is used.
    pub camera: Camera,
    /// Who is enrolled.
    pub people: People,
    /// What happened, and who is told.
    pub events: Events,
    /// The broker that is told.
    pub mqtt: Mqtt,
    /// The door.
    pub door: Door,
    /// What is logged.
    pub log: Log,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where to listen: `ADDRESS:PORT` or `unix:/PATH`, one or several.
    pub listen: Listen,
    /// Requests for inference that are in flight at once, waiting ones included; more are refused. 0 is four for each inference worker.
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
    /// For measuring: `float` computes in f32, `emulated` in f32 but rounded as integers are, the name of a set of kernels (`doctor`
    /// lists them) in integers with that set. All but `float` give the same results. Empty uses the best kernels.
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
    /// Form of a line.
    pub format: LogFormat,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people, with a level that journald reads where standard error goes to it.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: Listen(vec![ListenAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))]), threads: 0 }
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

impl Settings {
    /// Merges the layers; `environment` is the whole environment.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[Flag],
    ) -> Result<Self, Error> {
        Self::load_with_origins(file, environment, flags).map(|(settings, _)| settings)
    }

    /// As `load`, with the place where each `section.key` was written that is not a default.
    pub fn load_with_origins(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[Flag],
    ) -> Result<(Self, Origins), Error> {
        let mut layers = Layers::default();
        if let Some(path) = file {
            layers.file(path)?;
        }
        let mut variables: Vec<_> = environment.into_iter().collect();
        variables.sort();
        // The variable of all programs with env_logger; the service's own is more specific and comes later.
        if let Some((_, level)) = variables.iter().find(|(name, level)| name == "RUST_LOG" && !level.is_empty()) {
            layers.rust_log(level)?;
        }
        for (name, value) in variables.iter().filter(|(name, _)| keys::is_meant(name)) {
            layers.variable(name, value)?;
        }
        for flag in flags {
            layers.flag(flag)?;
        }
        layers.merged(Self::with_stored_tokens)
    }

    /// The settings in the text of a settings file; errors call the file `name`.
    pub fn of_text(text: &str, name: &str) -> Result<Self, Error> {
        let mut layers = Layers::default();
        layers.text(text, name)?;
        layers.merged(Ok).map(|(settings, _)| settings)
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

    /// What is wrong with people who would leave the device unsealed, or would have no place here.
    fn unsealed_site(&self) -> Option<Error> {
        let needs = |what| Some(Error::new(ErrorKind::Conflict, "people.etcd", what));
        match self.people.etcd.is_empty() {
            true => None,
            false if self.people.store.is_none() => needs("it needs people.store, for the replica of this door"),
            false if self.templates.keys.is_none() => {
                needs("it needs templates.keys: people are sealed before they leave the device")
            }
            false => None,
        }
    }

    /// These settings, or what is wrong with them.
    fn validated(self) -> Result<Self, Error> {
        let Decision { approved, operator_required } = self.decision;
        if !(0.0..=1.0).contains(&approved) || !(0.0..=approved).contains(&operator_required) {
            let what =
                format!("0 <= operator_required ({operator_required}) <= approved ({approved}) <= 1 does not hold");
            return Err(Error::out_of_range("decision", what));
        }
        let (threads, workers) = (self.server.threads, self.inference.workers);
        if threads > 1024 {
            return Err(Error::out_of_range("server.threads", format!("{threads} is not in 0..=1024")));
        }
        if workers > 256 {
            return Err(Error::out_of_range("inference.workers", format!("{workers} is not in 0..=256")));
        }
        let limits = self.limits.out_of_range();
        let wrong = (limits.map(|(name, what)| Error::out_of_range(format!("limits.{name}"), what)))
            .or_else(|| self.site.as_ref().and_then(Site::out_of_range))
            .or_else(|| self.face.out_of_range())
            .or_else(|| self.liveness.out_of_range())
            .or_else(|| self.camera.out_of_range())
            .or_else(|| self.people.out_of_range())
            .or_else(|| self.unsealed_site())
            .or_else(|| self.events.out_of_range())
            .or_else(|| self.unsealed_pictures())
            .or_else(|| self.mqtt.out_of_range())
            .or_else(|| self.door.out_of_range())
            .or_else(|| self.unfit_door())
            .or_else(|| log_level::wrong(&self.log.level).map(|what| Error::out_of_range("log.level", what)))
            .or_else(|| self.unsafe_access());
        wrong.map_or(Ok(self), Err)
    }
}

/// Fuzzes the reading of a settings file: accepted settings are in their ranges, and read back equal when printed.
pub fn fuzz(text: &str) {
    let Ok(settings) = Settings::of_text(text, "fuzz") else { return };
    let again: Settings = toml::from_str(&settings.to_toml()).expect("printed settings are settings");
    assert_eq!(again, settings);
    assert!(settings.limits.out_of_range().is_none() && settings.requests() > 0);
}

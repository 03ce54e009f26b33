//! Settings of events: where they are kept, and where they go.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::error::{Error, ErrorKind};

/// `[events]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// File in which events are kept; without it the last thousand are, in memory.
    pub store: Option<PathBuf>,
    /// Most events that are kept in the file, 1,000 to 10,000,000.
    pub most: u64,
    /// Age at which events are removed from the file, in seconds.
    pub max_age_s: u64,
    /// Of which events a picture of whoever stood there is kept; sealed.
    pub pictures: Pictures,
    /// Age at which pictures are removed, in seconds.
    pub pictures_max_age_s: u64,
    /// Name of this device in events; empty is that of `people.door`, or of the machine.
    pub device: String,
    /// Where events are sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<Webhook>,
}

/// Of which events a picture is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pictures {
    /// Of none.
    #[default]
    None,
    /// Of those in which somebody was not let in.
    Refused,
    /// Of all in which somebody wanted in.
    All,
}

/// `[[events.webhooks]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where events are posted.
    pub url: String,
    /// File with the secret, as `faceplate webhook-secret` prints it.
    pub secret: PathBuf,
    /// Beginnings of the types of events that are sent; all if there are none.
    #[serde(default)]
    pub types: Vec<String>,
    /// PEM file with the authorities of the server's certificate; needed for https.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

/// `[mqtt]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// The broker: `mqtt://HOST:1883` or `mqtts://HOST:8883`; empty is none.
    pub broker: String,
    /// User at the broker.
    pub user: String,
    /// File with that user's password.
    pub password: Option<PathBuf>,
    /// PEM file with the authorities of the broker's certificate.
    pub authority: Option<PathBuf>,
    /// PEM files with the certificate and the key that this device shows.
    pub certificate: Option<PathBuf>,
    /// See `certificate`.
    pub key: Option<PathBuf>,
    /// Prefix of discovery messages for Home Assistant; empty sends none.
    pub discovery: String,
    /// Whether the name of whoever was let in last is published for Home Assistant.
    pub names: bool,
    /// Whether whoever may publish at the broker may open the door and switch recognition.
    pub commands: bool,
}

/// Most webhooks: each has a thread.
const MOST_WEBHOOKS: usize = 8;

impl Default for Events {
    fn default() -> Self {
        let (store, device, webhooks, pictures) = Default::default();
        let (max_age_s, pictures_max_age_s) = (30 * 86_400, 7 * 86_400);
        Self { store, most: 100_000, max_age_s, pictures, pictures_max_age_s, device, webhooks }
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: String::new(),
            user: String::new(),
            password: None,
            authority: None,
            certificate: None,
            key: None,
            discovery: "homeassistant".into(),
            names: false,
            commands: false,
        }
    }
}

/// Whether a text can be a part of topics and of names of devices.
fn is_plain(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl Events {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        if !(1000..=10_000_000).contains(&self.most) {
            return Some(Error::out_of_range("events.most", format!("{} is not in 1000..=10000000", self.most)));
        }
        if !(3600..=315_360_000).contains(&self.max_age_s) {
            let what = format!("{} is not in 3600..=315360000", self.max_age_s);
            return Some(Error::out_of_range("events.max_age_s", what));
        }
        if !(3600..=315_360_000).contains(&self.pictures_max_age_s) {
            let what = format!("{} is not in 3600..=315360000", self.pictures_max_age_s);
            return Some(Error::out_of_range("events.pictures_max_age_s", what));
        }
        if !is_plain(&self.device) {
            let what = "it has more than 64 characters, or others than letters, digits, '-', '_' and '.'";
            return Some(Error::out_of_range("events.device", what));
        }
        if self.webhooks.len() > MOST_WEBHOOKS {
            return Some(Error::out_of_range("events.webhooks", format!("there are more than {MOST_WEBHOOKS}")));
        }
        let is_twice = |(index, hook): (usize, &Webhook)| {
            self.webhooks[..index].iter().any(|other| (&other.url, &other.types) == (&hook.url, &hook.types))
        };
        if self.webhooks.iter().enumerate().any(is_twice) {
            return Some(Error::new(ErrorKind::Conflict, "events.webhooks", "two have the same url and types"));
        }
        self.webhooks.iter().find_map(Webhook::wrong).map(|what| Error::out_of_range("events.webhooks", what))
    }
}

impl Webhook {
    fn wrong(&self) -> Option<String> {
        let is_url = ["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme));
        if !is_url || !self.url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(format!("\"{}\" is no address such as https://example.com/hook", self.url.escape_debug()));
        }
        let needs = self.url.starts_with("https://") && self.authority.is_none();
        needs.then(|| "https needs authority, the PEM file of the authorities of the server's certificate".into())
    }
}

impl Mqtt {
    /// What is wrong with it.
    pub(super) fn out_of_range(&self) -> Option<Error> {
        if self.broker.is_empty() {
            return None;
        }
        let address = ["mqtt://", "mqtts://"].iter().find_map(|scheme| self.broker.strip_prefix(scheme));
        let has_port = |address: &str| {
            address
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
        };
        if !address.is_some_and(|address| address.bytes().all(|b| b.is_ascii_graphic()) && has_port(address)) {
            let what = format!("\"{}\" is no address such as mqtts://10.0.0.5:8883", self.broker.escape_debug());
            return Some(Error::out_of_range("mqtt.broker", what));
        }
        let conflict = |key: &str, what: &str| Some(Error::new(ErrorKind::Conflict, key, what));
        if self.broker.starts_with("mqtts://") && self.authority.is_none() {
            return conflict(
                "mqtt.broker",
                "mqtts needs mqtt.authority, the PEM file of the authorities of its certificate",
            );
        }
        if self.password.is_some() == self.user.is_empty() {
            return conflict("mqtt.user", "user and password belong together");
        }
        if self.certificate.is_some() != self.key.is_some() {
            return conflict("mqtt.certificate", "certificate and key belong together");
        }
        let address = self.broker.trim_start_matches("mqtt://");
        let is_near = ["localhost:", "127.0.0.1:", "[::1]:"].iter().any(|host| address.starts_with(host));
        let is_guarded = self.broker.starts_with("mqtts://") && (self.password.is_some() || self.certificate.is_some());
        if self.commands && !is_near && !is_guarded {
            let what =
                "commands that open a door need mqtts and a password or a certificate, or a broker on this machine";
            return conflict("mqtt.commands", what);
        }
        let is_topic = |text: &str| text.split('/').all(is_plain);
        (!is_topic(&self.discovery))
            .then(|| Error::out_of_range("mqtt.discovery", "it is no topic such as homeassistant"))
    }
}

impl Settings {
    /// What is wrong with pictures that would not be sealed, or have no place.
    pub(super) fn unsealed_pictures(&self) -> Option<Error> {
        let is_off = self.events.pictures == Pictures::None;
        let is_good = self.events.store.is_some() && self.templates.keys.is_some();
        let what = "it needs events.store, and templates.keys: pictures are sealed";
        (!is_off && !is_good).then(|| Error::new(ErrorKind::Conflict, "events.pictures", what))
    }

    /// The name of this device in events and topics.
    pub fn device(&self) -> String {
        let named =
            [&self.events.device, &self.people.door].into_iter().find(|name| !name.is_empty() && is_plain(name));
        let machine = || {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let plain: String = name.chars().map(|c| if is_plain(&c.to_string()) { c } else { '-' }).take(64).collect();
            if plain.is_empty() { "faceplate".into() } else { plain }
        };
        named.cloned().unwrap_or_else(machine)
    }
}

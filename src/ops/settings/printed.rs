//! Prints settings: as text for `--print-settings`, and as values for who may see them over the network.

use serde::Serialize;
use serde_json::Value;

use super::{Origins, Settings, keys};

/// Lists of tables.
const TABLES: [&str; 2] = ["events.webhooks", "door.schedules"];
/// Keys that are told to nobody over the network: who knows hashes and names of tokens can't use them, and needs neither.
const UNTOLD: [&str; 1] = ["access.tokens"];

/// A setting, as it is told over the network.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// `section.key`
    pub key: String,
    /// Its value; null if it is unset.
    pub value: Value,
    /// Where it was written; none for a default.
    pub origin: Option<String>,
}

impl Settings {
    /// All settings but those that are told to nobody, in the order of [`Self::to_toml`]. What may be secret in an address is left out.
    pub fn entries(&self, origins: &Origins) -> Vec<Entry> {
        let mut values = serde_json::to_value(self).expect("settings are plain tables of numbers and strings");
        let keys = keys::all().into_iter().filter(|key| !UNTOLD.contains(&&**key));
        keys.map(|key| {
            let value =
                key.split_once('.').and_then(|(section, name)| Some(values.get_mut(section)?.get_mut(name)?.take()));
            // Lists of tables are not printed if they are empty.
            let value =
                value.unwrap_or_else(|| if TABLES.contains(&&*key) { Value::Array(vec![]) } else { Value::Null });
            let origin = origins.get(&key).map(ToString::to_string);
            Entry { key, value: without_secrets(value), origin }
        })
        .collect()
    }

    /// The settings as a TOML file that reads back as the same settings. Where it has no tokens or `[site]`, these can be appended.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("settings are plain tables of numbers and strings")
    }

    /// As `to_toml`, with the origin of each value in a comment.
    pub fn to_toml_with_origins(&self, origins: &Origins) -> String {
        let mut section = String::new();
        let mut told = |line: &str| {
            let key = match line.strip_prefix('[') {
                Some(header) => {
                    section = header.trim_matches(['[', ']']).to_owned();
                    section.clone()
                }
                None => format!("{section}.{}", line.split_once(" = ").map_or("", |(key, _)| key)),
            };
            let is_setting = key.split_once('.').is_some_and(|(section, name)| keys::of(section).contains(&name));
            // Text of several lines has no room for a comment.
            if !is_setting || line.contains("\"\"\"") || line.contains("'''") {
                return format!("{line}\n");
            }
            match origins.get(&key) {
                Some(origin) => format!("{line} # {origin}\n"),
                None => format!("{line} # default\n"),
            }
        };
        self.to_toml().lines().map(&mut told).collect()
    }
}

/// A value without what gives access in its addresses: a user with a password, and the path and query of a webhook, which often have a key.
fn without_secrets(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(address(&text).unwrap_or(text)),
        Value::Array(values) => values.into_iter().map(without_secrets).collect(),
        Value::Object(values) => values.into_iter().map(|(key, value)| (key, without_secrets(value))).collect(),
        other => other,
    }
}

/// Scheme, host and port of a URL, with an ellipsis for what is left out; none if the text is no URL.
fn address(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // A password may have any of the characters that end a host: then nobody can tell where it ends.
    if path.contains('@') {
        return Some(format!("{scheme}://…"));
    }
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("…@", host));
    Some(format!("{scheme}://{user}{host}{}", if path.len() > 1 { "/…" } else { path }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Origin;
    use super::*;
    use crate::ops::settings::Flag;

    const TOKEN: &str = "[[access.tokens]]\nname = \"a\"\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\nscopes = [\"camera\"]\n";

    #[test]
    fn each_value_is_printed_with_its_origin() {
        let flag = Flag { name: "--set".into(), key: "access.hosts".into(), value: "[\"a\", \"b\"]".into() };
        let variable = ("FACEPLATE__CAMERA__FPS".to_owned(), "30".to_owned());
        let (settings, origins) = Settings::load_with_origins(None, [variable], &[flag]).unwrap();
        let text = settings.to_toml_with_origins(&origins);
        for line in
            ["fps = 30 # FACEPLATE__CAMERA__FPS\n", "hosts = [ # --set\n", "threads = 0 # default\n", "[server]\n"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn secrets_are_in_no_entry() {
        let text = format!(
            "[[events.webhooks]]\nurl = \"https://u:hush@example.com:8443/hush?key=hush\"\nsecret = \"/etc/secret\"\nauthority = \"/etc/ca\"\n\
             [people]\netcd = [\"http://root:hush@10.0.0.5:2379/\"]\nstore = \"/p\"\n[templates]\nkeys = \"/k\"\n\
             [mqtt]\nbroker = \"mqtt://u:hush@localhost:1883\"\n[access]\norigins = [\"https://a.example\"]\n{TOKEN}"
        );
        let settings = Settings::of_text(&text, "f").unwrap();
        let told = serde_json::to_string(&settings.entries(&Origins::new())).unwrap();
        assert!(!told.contains("hush") && !told.contains("tokens") && !told.contains("0000000000"), "{told}");
        for whole in [
            "https://…@example.com:8443/…",
            "http://…@10.0.0.5:2379/",
            "mqtt://…@localhost:1883",
            "https://a.example",
            "/etc/secret",
        ] {
            assert!(told.contains(&format!("\"{whole}\"")), "{whole}: {told}");
        }
    }

    #[test]
    fn of_an_address_nothing_that_may_be_secret_is_told() {
        for (address_of, told) in [
            ("https://user:hush@host:8443/hush?key=hush", "https://…@host:8443/…"),
            ("https://host/", "https://host/"),
            // Whether the host ends at the slash, or the password goes on, can't be told.
            ("https://user:hu/sh@host/", "https://…"),
            ("https://host/x?key=ab@hush", "https://…"),
            ("https://user:hu?sh@host", "https://…"),
        ] {
            assert_eq!(address(address_of).as_deref(), Some(told), "{address_of}");
        }
        assert_eq!(address("/etc/faceplate/keys"), None);
    }

    #[test]
    fn what_is_printed_can_be_appended_to() {
        let text = Settings::default().to_toml() + TOKEN;
        let with_token: Settings = toml::from_str(&text).unwrap();
        assert_eq!(with_token.access.tokens.len(), 1);
        let again = with_token.to_toml() + TOKEN;
        assert_eq!(toml::from_str::<Settings>(&again).unwrap().access.tokens.len(), 2);
        let origin = BTreeMap::from([("access.tokens".to_owned(), Origin::File { name: "f".into(), line: 7 })]);
        assert!(with_token.to_toml_with_origins(&origin).contains("[[access.tokens]] # f:7\n"));
    }
}

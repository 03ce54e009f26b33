//! Names of all settings, derived from the types that they are read into.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::{
    Access, Camera, Decision, Door, Events, Face, Inference, Liveness, Log, Mqtt, People, Server, Settings, Site,
    Templates, Tls,
};
use crate::ops::{Limits, nearest};

/// Prefix of environment variables that are settings: `FACEPLATE__SECTION__KEY`.
pub(super) const PREFIX: &str = "FACEPLATE__";

/// Variables that are no settings, and may be set for the service as well: the token of commands that ask it, and those by which this
/// project's own checks find their data and tools.
const OTHERS: [&str; 6] =
    ["FACEPLATE_TOKEN", "FACEPLATE_CLIPS", "FACEPLATE_DATA", "FACEPLATE_JPEGS", "FACEPLATE_PREFIX", "FACEPLATE_RUNNER"];

/// Whether an environment variable is meant as a setting, valid or not.
///
/// Kubernetes gives every container variables of the cluster's services, such as `FACEPLATE_PORT` and `FACEPLATE_SERVICE_HOST` of one
/// named faceplate.
pub(super) fn is_meant(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("FACEPLATE_") else { return false };
    let of_service = || {
        let rest = format!("_{rest}");
        rest.ends_with("_PORT") || ["_PORT_", "_SERVICE_HOST", "_SERVICE_PORT"].iter().any(|part| rest.contains(part))
    };
    rest.starts_with('_') || !(OTHERS.contains(&name) || of_service())
}

/// All sections.
pub(super) fn sections() -> &'static [&'static str] {
    fields::<Settings>()
}

/// The keys of a section; none if there is no such section.
pub(super) fn of(section: &str) -> &'static [&'static str] {
    match section {
        "server" => fields::<Server>(),
        "access" => fields::<Access>(),
        "tls" => fields::<Tls>(),
        "inference" => fields::<Inference>(),
        "templates" => fields::<Templates>(),
        "face" => fields::<Face>(),
        "decision" => fields::<Decision>(),
        "site" => fields::<Site>(),
        "liveness" => fields::<Liveness>(),
        "limits" => fields::<Limits>(),
        "camera" => fields::<Camera>(),
        "people" => fields::<People>(),
        "events" => fields::<Events>(),
        "mqtt" => fields::<Mqtt>(),
        "door" => fields::<Door>(),
        "log" => fields::<Log>(),
        _ => &[],
    }
}

/// All keys, each as `section.key`.
pub(super) fn all() -> Vec<String> {
    sections().iter().flat_map(|section| of(section).iter().map(move |key| format!("{section}.{key}"))).collect()
}

/// The key that was most likely meant by an unknown one: the most similar one, else the same name in another section. The separator of
/// the section does not matter, so that names of environment variables work too.
pub(super) fn meant(key: &str) -> Option<String> {
    let plain = |key: &str| key.to_ascii_lowercase().replace("__", "_").replace('.', "_");
    let mut all = all();
    let comparable: Vec<String> = all.iter().map(|known| plain(known)).collect();
    let similar = nearest(&plain(key), comparable.iter().map(String::as_str));
    let name = key.rsplit_once('.').map_or(key, |(_, name)| name).to_ascii_lowercase();
    let found = match similar {
        Some(similar) => comparable.iter().position(|known| known == similar),
        None => all.iter().position(|known| known.split_once('.').is_some_and(|(_, known)| known == name)),
    };
    found.map(|found| all.swap_remove(found))
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// The names of a struct's fields, as serde passes them to a deserializer.
fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    let _always_refused = T::deserialize(Fields(&mut fields));
    fields
}

/// Deserializer without data: it keeps the names of the fields, and fails.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only its names are wanted"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_keys() {
        assert!(sections().len() > 10);
        for section in sections() {
            assert!(!of(section).is_empty(), "{section}");
        }
    }

    #[test]
    fn what_was_meant_is_found() {
        for (written, meant_by_it) in [
            ("limits.sample", Some("limits.samples")),
            ("limit.samples", Some("limits.samples")),
            ("servr__listen", Some("server.listen")),
            ("SERVER_LISTEN", Some("server.listen")),
            ("LISTEN", Some("server.listen")),
            ("camera.most_threshold", Some("liveness.most_threshold")),
            ("color.sky", None),
        ] {
            assert_eq!(meant(written).as_deref(), meant_by_it, "{written}");
        }
    }
}

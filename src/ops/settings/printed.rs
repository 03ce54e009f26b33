//! Prints settings as text for `--print-settings`.

use std::collections::BTreeMap;

use super::{Origin, Settings, keys};

impl Settings {
    /// The settings as a TOML file that reads back as the same settings. Where it has no tokens or `[site]`, these can be appended.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("settings are plain tables of numbers and strings")
    }

    /// As `to_toml`, with the origin of each value in a comment.
    pub fn to_toml_with_origins(&self, origins: &BTreeMap<String, Origin>) -> String {
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

#[cfg(test)]
mod tests {
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

//! The files of the console, embedded as build.rs compressed them.

use std::io::Read;

use flate2::read::GzDecoder;

/// A file of the console.
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    /// CRC-32 and length, in hexadecimal.
    pub(super) tag: &'static str,
    pub(super) gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// The file of a path.
pub(super) fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    /// Its bytes.
    pub(super) fn plain(&self) -> Vec<u8> {
        let mut plain = vec![];
        GzDecoder::new(self.gzip).read_to_end(&mut plain).expect("build.rs compressed it");
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::Route;
    use super::*;

    #[test]
    fn pages_refer_to_nothing_but_files_that_are_there() {
        for file in ASSETS {
            let text = String::from_utf8(file.plain()).unwrap();
            if file.content_type == "image/svg+xml" {
                continue;
            }
            assert!(
                !text.contains("innerHTML") && !text.contains("style=\"") && !text.contains("onclick="),
                "{}",
                file.path
            );
            for start in ["src=\"/", "href=\"/", "from \"/"] {
                for (at, _) in text.match_indices(start) {
                    let path = text[at + start.len() - 1..].split(['"', '#', '?']).next().unwrap();
                    let is_there = asset(path).is_some() || Route::at("GET", path).is_some();
                    assert!(is_there, "{} refers to {path}", file.path);
                }
            }
            for start in ["src=\"http", "@import", "url(http"] {
                assert!(!text.contains(start), "{} has {start}", file.path);
            }
        }
    }

    #[test]
    fn the_console_is_small_and_every_path_is_there_once() {
        let mut paths: Vec<&str> = ASSETS.iter().map(|asset| asset.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), ASSETS.len());
        for path in ["/", "/kiosk", "/console/style.css", "/docs", "/docs/guide/people.html"] {
            assert!(asset(path).is_some(), "{path}");
        }
        let own = ASSETS.iter().filter(|asset| !asset.path.starts_with("/docs"));
        let bytes: usize = own.map(|asset| asset.plain().len()).sum();
        assert!(bytes < 80 << 10, "{bytes} bytes before compression");
    }

    #[test]
    fn every_word_is_there_in_both_languages() {
        let text = |file: &Asset| String::from_utf8(file.plain()).unwrap();
        let words = text(asset("/console/words.js").unwrap());
        let table: Vec<&str> = words.split('`').nth(1).unwrap().lines().filter(|line| !line.is_empty()).collect();
        let mut keys: Vec<&str> = table.iter().map(|line| line.split('|').next().unwrap()).collect();
        assert!(keys.len() > 200);
        for line in &table {
            let parts: Vec<&str> = line.split('|').collect();
            assert!(parts.len() == 3 && parts.iter().all(|part| !part.is_empty()), "{line}");
            // What is put in stands in both.
            let puts = |text: &str| {
                text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(puts(parts[1]), puts(parts[2]), "{line}");
        }
        for file in ASSETS.iter().filter(|file| file.content_type.starts_with("text/javascript")) {
            let text = text(file);
            for (at, start) in text.match_indices("t(\"") {
                let is_word = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
                let key = text[at + start.len()..].split('"').next().unwrap();
                assert!(!is_word || keys.contains(&key), "{}: {key}", file.path);
            }
        }
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key stands twice");
    }
}

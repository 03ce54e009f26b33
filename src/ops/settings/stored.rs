//! Tokens that were made while the service ran: a file of their own, since the service may not write its settings.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::access::Token;
use super::error::{Error, ErrorKind as Kind};
use crate::ops::replace;

/// Most bytes of the file: some thousand tokens.
const LONGEST: u64 = 1 << 20;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Stored {
    tokens: Vec<Token>,
}

impl Settings {
    /// These settings with the tokens of `access.store`. A file that is missing has none: there was never a token. One that can't be read is an
    /// error, since without its tokens everybody might be let in.
    pub(super) fn with_stored_tokens(mut self) -> Result<Self, Error> {
        if let Some(path) = &self.access.store {
            let wrong = |what: String| Error::new(Kind::File, "access.store", format!("{}: {what}", path.display()));
            self.access.stored = read(path).map_err(wrong)?;
        }
        Ok(self)
    }
}

fn read(path: &Path) -> Result<Vec<Token>, String> {
    match path.metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(e.to_string()),
        Ok(file) if !file.is_file() || file.len() > LONGEST => return Err("it is no file of tokens".into()),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let stored: Stored = toml::from_str(&text).map_err(|e| e.message().replace('\n', ", "))?;
    Ok(stored.tokens)
}

/// Writes the file durably.
pub fn write_tokens(path: &Path, tokens: &[Token]) -> std::io::Result<()> {
    let text = toml::to_string(&Stored { tokens: tokens.to_vec() }).expect("tokens are text");
    replace(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::settings::{Access, Scope};

    #[test]
    fn tokens_are_stored_and_read_with_the_settings_or_the_settings_are_refused() {
        let path = std::env::temp_dir().join(format!("faceplate-tokens-{:032x}", crate::ops::random()));
        let access = Access { store: Some(path.clone()), ..Access::default() };
        let read = || Settings { access: access.clone(), ..Settings::default() }.with_stored_tokens();
        assert!(read().unwrap().access.stored.is_empty());
        let token = Token { name: "a \"b\"".into(), sha256: "ab".repeat(32), scopes: vec![Scope::Admin] };
        write_tokens(&path, std::slice::from_ref(&token)).unwrap();
        let settings = read().unwrap();
        assert_eq!(settings.access.stored, [token]);
        assert!(settings.access.has_tokens() && !settings.to_toml().contains("ab\""));
        std::fs::write(&path, "tokens = 3").unwrap();
        assert!(read().unwrap_err().to_string().contains("access.store"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read().unwrap_err().to_string().contains("no file of tokens"));
        std::fs::remove_dir(&path).unwrap();
    }
}

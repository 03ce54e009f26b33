//! Creates, lists and revokes the tokens of clients (`token`). A token is printed once; the settings hold its hash.

use std::path::Path;

use qrcodegen::{QrCode, QrCodeEcc};

use crate::gate::new_token;
use crate::ops::settings::{Scope, Token};
use crate::ops::{Settings, replace};

/// What to do after a settings file was changed.
const RELOAD: &str = "It counts once the service has read its settings again: systemctl reload faceplate";

/// Prints a token to standard error, so that it gets into no file by accident. The settings that accept it go to standard output or to
/// the end of `file`.
pub(super) fn new(name: &str, scopes: &[Scope], file: Option<&Path>, console: Option<&str>) -> Result<(), String> {
    let console = console.map(address).transpose()?;
    let (token, stored) = new_token(name, scopes);
    let lines = lines(&stored);
    match file {
        Some(file) => append(file, &lines)?,
        None => print!("{lines}"),
    }
    eprintln!("For the client, which sends it with each request. It is shown only now:");
    eprintln!("Authorization: Bearer {token}");
    if let Some(address) = console {
        let link = format!("{address}/#token={token}");
        eprintln!("For the console, by link or QR code:\n{link}\n{}", qr(&link)?);
    }
    if file.is_some() {
        eprintln!("{RELOAD}");
    }
    Ok(())
}

/// An address of the console without a slash at its end.
fn address(url: &str) -> Result<&str, String> {
    let rest =
        url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).map(|rest| rest.trim_end_matches('/'));
    match rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' '])) {
        true => Ok(url.trim_end_matches('/')),
        false => Err(format!("{url} is no address of a console, such as http://10.0.0.5:8080")),
    }
}

/// A QR code (ISO/IEC 18004) of half blocks, two modules a character, with the quiet zone that readers need. Light modules are drawn, so
/// that it can be read on a dark terminal; phones read it inverted on a light one.
fn qr(text: &str) -> Result<String, String> {
    const QUIET: i32 = 2;
    let code = QrCode::encode_text(text, QrCodeEcc::Low).map_err(|e| format!("no QR code: {e}"))?;
    let is_light = |x: i32, y: i32| !code.get_module(x, y);
    let ends = -QUIET..code.size() + QUIET;
    let line = |y: i32| {
        let half = |x: i32| match (is_light(x, y), is_light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        ends.clone().map(half).collect::<String>()
    };
    Ok(ends.clone().step_by(2).map(|y| line(y) + "\n").collect())
}

/// Prints the tokens of the settings, one line each.
pub(super) fn list(settings: &Settings) {
    for token in settings.access.all() {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
        println!("{:<20} {}", token.name.escape_debug().to_string(), scopes.join(" "));
    }
    if !settings.access.has_tokens() {
        eprintln!("there are no tokens in these settings (--settings FILE names others)");
    }
}

/// Removes the token of this name from a settings file.
pub(super) fn revoke(name: &str, file: &Path) -> Result<(), String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| at(&e))?;
    replace(file, &without(&text, name, &file.display().to_string())?).map_err(|e| at(&e))?;
    eprintln!("{name} was removed from {}. {RELOAD}", file.display());
    Ok(())
}

/// A token in the format of a settings file.
fn lines(stored: &Token) -> String {
    let stored = toml::Value::try_from(stored).expect("a token is text");
    let access = toml::Table::from_iter([("tokens".to_owned(), vec![stored].into())]);
    toml::to_string(&toml::Table::from_iter([("access".to_owned(), access.into())])).expect("a token is text")
}

/// Appends lines to a settings file, which may be missing, if the result is valid.
fn append(file: &Path, lines: &str) -> Result<(), String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let before = match std::fs::read_to_string(file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|e| at(&e))?,
    };
    let after = match before.trim_end() {
        "" => lines.to_owned(),
        before => format!("{before}\n\n{lines}"),
    };
    Settings::of_text(&after, &file.display().to_string()).map_err(|e| format!("{e}; nothing was written"))?;
    replace(file, &after).map_err(|e| at(&e))
}

/// The text of a settings file, which errors call `file`, without the token of this name.
fn without(text: &str, name: &str, file: &str) -> Result<String, String> {
    let mut wanted = Settings::of_text(text, file).map_err(|e| e.to_string())?;
    let tokens = wanted.access.tokens.clone();
    wanted.access.tokens.retain(|token| token.name != name);
    if wanted.access.tokens.len() == tokens.len() {
        let names: Vec<&str> = tokens.iter().map(|token| &*token.name).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(format!("{file}: no token is called {name}; there are: {names}"));
    }
    if wanted.access.tokens.is_empty() && !wanted.access.open {
        return Err(format!(
            "{file}: {name} is the last token, and without any, every client that reaches the service may use it. Make another first \
             (faceplate token new), or say access.open = true"
        ));
    }
    let starts: Vec<usize> = (text.match_indices('\n').map(|(at, _)| at + 1))
        .chain([0])
        .filter(|start| text[*start..].trim_start_matches([' ', '\t']).starts_with('['))
        .collect();
    // Each candidate goes from one header to the next; the right one leaves the wanted settings when it is removed.
    for &start in &starts {
        let next = starts.iter().filter(|next| **next > start).min().copied().unwrap_or(text.len());
        let end = start + own_lines(&text[start..next]);
        let rest = format!("{}{}", &text[..start], text[end..].trim_start_matches('\n'));
        if Settings::of_text(&rest, file).is_ok_and(|settings| settings == wanted) {
            return Ok(rest);
        }
    }
    Err(format!("{file}: {name} does not stand under a [[access.tokens]] of its own; take it out by hand"))
}

/// The length of a table's lines without the comments at its end, which belong to the next one.
fn own_lines(table: &str) -> usize {
    let mut length = 0;
    let mut at = 0;
    for line in table.split_inclusive('\n') {
        at += line.len();
        if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            length = at;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tokens between comments.
    fn two() -> (String, String, String) {
        let table = |name: &str| lines(&new_token(name, &[Scope::Pattern]).1);
        let (door, desk) = (table("door"), table("desk"));
        (format!("# mine\n[log]\nlevel = \"warn\"\n\n# the door\n{door}\n# the desk\n{desk}"), door, desk)
    }

    #[test]
    fn the_console_is_called_by_an_address_alone() {
        for (url, is_good) in [
            ("http://10.0.0.5:8080", true),
            ("https://door.example.com/", true),
            ("http://[fe80::1]:8080", true),
            ("10.0.0.5:8080", false),
            ("http://", false),
            ("https://a/b", false),
            ("http://user@a", false),
            ("javascript:x", false),
        ] {
            assert_eq!(address(url).is_ok(), is_good, "{url}");
        }
        let code = qr(&format!("http://10.0.0.5:8080/#token={}", "f".repeat(74))).unwrap();
        let widths: Vec<usize> = code.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]) && widths[0] < 80, "{widths:?}");
        assert!(code.lines().next().unwrap().chars().all(|c| c == '█'), "the quiet zone is light");
    }

    #[test]
    fn removing_a_token_keeps_the_rest_of_the_file() {
        let (text, door, desk) = two();
        let rest = without(&text, "door", "f").unwrap();
        assert_eq!(rest, format!("# mine\n[log]\nlevel = \"warn\"\n\n# the door\n# the desk\n{desk}"));
        let rest = without(&text, "desk", "f").unwrap();
        assert_eq!(rest, format!("# mine\n[log]\nlevel = \"warn\"\n\n# the door\n{door}\n# the desk\n"));
    }

    #[test]
    fn the_last_token_and_unsupported_layouts_are_not_removed() {
        let (text, door, _) = two();
        assert!(without(&text, "dor", "f").unwrap_err().contains("there are: door, desk"));
        assert!(without(&door, "door", "f").unwrap_err().contains("last token"));
        assert_eq!(without(&format!("[access]\nopen = true\n{door}"), "door", "f").unwrap(), "[access]\nopen = true\n");
        let inline =
            |name: &str| format!("{{ name = \"{name}\", sha256 = \"{}\", scopes = [\"camera\"] }}", "ab".repeat(32));
        let text = format!("[access]\ntokens = [{}, {}]\n", inline("a"), inline("b"));
        assert!(without(&text, "a", "f").unwrap_err().contains("by hand"));
        let open = format!("[access]\nopen = true\ntokens = [{}]\n", inline("a"));
        assert!(without(&open, "a", "f").unwrap_err().contains("by hand"), "what else the table says must stay");
    }
}

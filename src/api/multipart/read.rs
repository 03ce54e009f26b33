//! Splits a body into its parts. Works on the whole body, which the server has bounded and read; copies nothing but names.
//!
//! Delimiter lines end with CRLF, as every client writes them; parts may hold any bytes. What comes before the first and after the last
//! delimiter is ignored.

use std::fmt;

use memchr::memmem;

use crate::api::content_type::ContentType;
use crate::ops::{Limits, counted};

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field's name; empty if none was given.
    pub name: String,
    /// The file's name, if one was given.
    pub filename: Option<String>,
    /// Its Content-Type, if one was given.
    pub content_type: Option<ContentType>,
    /// Whether its own header says that the content is base64.
    pub is_base64: bool,
    /// Its X-Subject, if one was given: the person that its template is bound to.
    pub subject: Option<String>,
    /// Its content.
    pub content: &'a [u8],
}

/// Why a body cannot be split, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    offset: usize,
    what: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the multipart body is malformed at byte {}: {}", self.offset, self.what)
    }
}

impl std::error::Error for Error {}

/// The boundary of a Content-Type, if it is valid.
pub fn boundary(content_type: &ContentType) -> Option<&str> {
    content_type.parameter("boundary").filter(|b| (1..=70).contains(&b.len()) && b.is_ascii())
}

/// Longest name of a part or a file in bytes: what file systems take. A reply repeats them, some characters as six.
const LONGEST_NAME: usize = 255;

/// The error for a form with the line ends of a text file.
const BARE: &str = "a line end at the boundary is a bare LF (0A); the lines of a form end in CRLF (0D 0A)";

/// The parts of `body`.
pub fn read<'a>(body: &'a [u8], boundary: &str, limits: &Limits) -> Result<Vec<Part<'a>>, Error> {
    let fail = |offset, what: &str| Err(Error { offset, what: what.to_owned() });
    if body.is_empty() {
        return fail(0, "it is empty");
    }
    let delimiters = Delimiters::new(body, boundary);
    let mut parts = vec![];
    // The first delimiter may begin the body: then no line end comes before it.
    let Some((_, mut at, mut last)) = delimiters.at(0).or_else(|| delimiters.next(0)) else {
        return match (delimiters.bare(0), memmem::find(body, &delimiters.line[2..])) {
            (Some(at), _) => fail(at, BARE),
            (None, Some(at)) => fail(at, "the boundary does not stand on a line of its own that ends in CRLF"),
            (None, None) => fail(0, "the boundary that Content-Type names does not occur"),
        };
    };
    while !last {
        if parts.len() >= limits.parts() {
            return fail(at, &format!("more than {}", counted(limits.parts(), "part", "parts")));
        }
        let (head, start) = match head(&body[at..], limits.part_head_bytes) {
            Ok((head, length)) => (head, at + length),
            Err(what) => return fail(at, what),
        };
        // An empty part's delimiter shares the line end that closed the head.
        let Some((end, next, closes)) = delimiters.next(start - 2) else {
            return match delimiters.bare(start) {
                Some(at) => fail(at, BARE),
                None => fail(start, "it ends before the closing boundary"),
            };
        };
        let part = part(head, &body[start..end.max(start)]);
        let names = [Some(&part.name), part.filename.as_ref(), part.subject.as_ref()];
        if names.into_iter().flatten().any(|name| name.len() > LONGEST_NAME) {
            return fail(at, &format!("a name of over {LONGEST_NAME} bytes"));
        }
        parts.push(part);
        (at, last) = (next, closes);
    }
    Ok(parts)
}

/// Finds delimiter lines.
struct Delimiters<'a> {
    body: &'a [u8],
    /// `\r\n--boundary`
    line: Vec<u8>,
}

impl<'a> Delimiters<'a> {
    fn new(body: &'a [u8], boundary: &str) -> Self {
        Self { body, line: format!("\r\n--{boundary}").into_bytes() }
    }

    /// The next delimiter whose line end begins at or after `from`: where the content before it ends, where the text after
    /// it begins, and whether it closes the body.
    fn next(&self, from: usize) -> Option<(usize, usize, bool)> {
        let finder = memmem::Finder::new(&self.line);
        let mut from = from;
        loop {
            let found = from + finder.find(self.body.get(from..)?)?;
            match self.tail(found + self.line.len()) {
                Some((after, closes)) => return Some((found, after, closes)),
                None => from = found + 2, // a longer word that begins like the boundary
            }
        }
    }

    /// A delimiter that begins right at `at`, without a line end before it.
    fn at(&self, at: usize) -> Option<(usize, usize, bool)> {
        let line = &self.line[2..];
        let (after, closes) = self.body[at..].starts_with(line).then(|| self.tail(at + line.len())).flatten()?;
        Some((at, after, closes))
    }

    /// Where the first boundary at or after `from` is that would be a delimiter if a bare LF ended lines.
    fn bare(&self, from: usize) -> Option<usize> {
        let line = &self.line[2..];
        memmem::find_iter(&self.body[from..], line).map(|at| from + at).find(|&at| {
            let rest = &self.body[at + line.len()..];
            let rest = rest.strip_prefix(b"--").unwrap_or(rest);
            let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let begins = at == 0 || self.body[at - 1] == b'\n';
            let is_line = |rest: &[u8]| rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n");
            begins && is_line(&rest[blanks..])
        })
    }

    /// What makes a boundary a delimiter: `--` if it is the last, then blanks and a line end. The last may also end the body.
    fn tail(&self, at: usize) -> Option<(usize, bool)> {
        let rest = &self.body[at..];
        let closes = rest.starts_with(b"--");
        let rest = if closes { &rest[2..] } else { rest };
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let rest = &rest[blanks..];
        let ends = rest.starts_with(b"\r\n") || (closes && (rest.is_empty() || rest.starts_with(b"\n")));
        ends.then(|| ((self.body.len() - rest.len() + 2).min(self.body.len()), closes))
    }
}

/// The header lines at the start of `text` and the length with the empty line that ends them.
fn head(text: &[u8], limit: usize) -> Result<(&[u8], usize), &'static str> {
    if text.starts_with(b"\r\n") {
        return Ok((&[], 2));
    }
    let window = &text[..text.len().min(limit)];
    match memmem::find(window, b"\r\n\r\n") {
        Some(end) => Ok((&text[..end], end + 4)),
        None if memmem::find(window, b"\n\n").is_some() => {
            Err("the header lines of a part end in a bare LF (0A); the lines of a form end in CRLF (0D 0A)")
        }
        None if window.len() < text.len() => Err("the header of a part is too long"),
        None => Err("the header of a part does not end"),
    }
}

fn part<'a>(head: &[u8], content: &'a [u8]) -> Part<'a> {
    let mut part =
        Part { name: String::new(), filename: None, content_type: None, is_base64: false, subject: None, content };
    let head = String::from_utf8_lossy(head);
    for line in head.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        match &*name.trim().to_ascii_lowercase() {
            "content-disposition" => {
                let disposition = ContentType::parse(value);
                part.name = disposition.parameter("name").unwrap_or_default().to_owned();
                let extended = disposition.parameter("filename*").and_then(extended);
                part.filename = extended.or_else(|| disposition.parameter("filename").map(str::to_owned));
            }
            "content-type" => part.content_type = Some(ContentType::parse(value).without_parameters()),
            "x-subject" => part.subject = Some(value.trim().to_owned()),
            "content-transfer-encoding" => part.is_base64 = value.trim().eq_ignore_ascii_case("base64"),
            _ => {}
        }
    }
    part
}

/// `UTF-8''na%C3%AFve.jpg` (RFC 8187), which some clients send beside or instead of a plain name.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16);
        bytes.push((digit(hex[0])? * 16 + digit(hex[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Splits any bytes: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { templates: 1, samples: 1, part_head_bytes: 64, ..Limits::default() };
    if let Ok(parts) = read(bytes, "b", &limits) {
        assert!(parts.len() <= limits.parts());
        assert!(parts.iter().map(|p| p.content.len()).sum::<usize>() <= bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Writer;
    use super::*;

    fn contents(body: &str) -> Result<Vec<(String, String)>, String> {
        let parts = read(body.as_bytes(), "b", &Limits::default()).map_err(|e| e.to_string())?;
        Ok(parts.iter().map(|p| (p.name.clone(), String::from_utf8_lossy(p.content).into_owned())).collect())
    }

    #[test]
    fn forms_of_common_clients_are_parsed() {
        let a = "Content-Disposition: form-data; name=\"a\"";
        for (body, want) in [
            (format!("--b\r\n{a}\r\n\r\n1\r\n--b--\r\n"), "1"),
            (format!("--b\r\n{a}\r\n\r\n1\r\n--b--"), "1"),
            (format!("preamble\r\n--b\r\n{a}\r\n\r\n1\r\n--b--\r\nepilogue\r\n--b\r\n"), "1"),
            (format!("\r\n--b  \t\r\n{a}\r\n\r\n1\r\n--b--"), "1"),
            (format!("--b\r\nX: y\r\n{}\r\n\r\n1\r\n--b--", a.to_uppercase().replace("\"A\"", "\"a\"")), "1"),
            (format!("--b\r\n{a}\r\n\r\n1\n2\n--b\n3\r\n--b--"), "1\n2\n--b\n3"),
            (format!("--b\r\n{a}\r\n\r\n1\r\n--b--x\r\n--b--"), "1\r\n--b--x"),
            (format!("--b\r\n{a}\r\n\r\n1\r\n--bother\r\n--\r\n--b--"), "1\r\n--bother\r\n--"),
            (format!("--b\r\n{a}\r\n\r\n\r\n\r\n--b--"), "\r\n"),
            (format!("--b\r\n{a}\r\n\r\n\r\n--b--"), ""),
        ] {
            assert_eq!(contents(&body), Ok(vec![("a".into(), want.into())]), "{body:?}");
        }
        assert_eq!(contents("--b\r\n\r\nnameless\r\n--b--"), Ok(vec![(String::new(), "nameless".into())]));
        assert_eq!(contents("--b--"), Ok(vec![]));
    }

    #[test]
    fn broken_forms_are_refused_with_the_position() {
        for (body, told) in [
            ("", "empty"),
            ("no boundary at all", "does not occur"),
            ("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "closing boundary"),
            ("--b\r\nContent-Disposition: form-data", "does not end"),
            ("--c\r\n\r\n1\r\n--c--", "does not occur"),
            ("--b\nA: b\n\n1\n--b--", "at byte 0: a line end at the boundary is a bare LF (0A)"),
            ("x\n--b\nA: b\n\n1\n--b--\n", "at byte 2: a line end at the boundary is a bare LF"),
            ("--b\r\nA: b\r\n\r\n1\n--b--\n", "at byte 15: a line end at the boundary is a bare LF"),
            ("--b\r\nA: b\r\n\r\n1\n--b \r\nC: d\r\n\r\n", "at byte 15: a line end at the boundary is a bare LF"),
            ("--bc\r\n\r\n1\r\n--bc--", "at byte 0: the boundary does not stand on a line of its own"),
            ("--b\r\nA: b\n\n1\r\n--b--", "at byte 5: the header lines of a part end in a bare LF (0A)"),
        ] {
            let error = contents(body).unwrap_err();
            assert!(error.contains(told) && error.contains("at byte"), "{body:?}: {error}");
        }
    }

    #[test]
    fn limits_are_enforced_exactly() {
        let body = format!("{}--b\r\nH: 45678\r\n\r\n2\r\n--b--", "--b\r\n\r\n1\r\n".repeat(64));
        let limits =
            |part_head_bytes| Limits { templates: 1, samples: 1, media: 1, part_head_bytes, ..Limits::default() };
        assert_eq!(read(body.as_bytes(), "b", &limits(12)).unwrap().len(), 65);
        assert!(read(body.as_bytes(), "b", &limits(11)).is_err());
        assert!(read(format!("--b\r\n\r\n1\r\n{body}").as_bytes(), "b", &limits(12)).is_err());
    }

    #[test]
    fn file_names_are_parsed_in_all_notations() {
        for (header, want) in [
            (r#"name="a""#, None),
            (r#"name="a"; filename="x.jpg""#, Some("x.jpg")),
            (r#"filename=x; name=a"#, Some("x")),
            (r#"name="a"; filename="say \"x\".jpg""#, Some("say \"x\".jpg")),
            (r#"name="a"; filename="C:\dir\x.jpg""#, Some("C:\\dir\\x.jpg")),
            (r#"name="a"; filename="x.jpg"; filename*=UTF-8''na%C3%AFve.jpg"#, Some("naïve.jpg")),
            (r#"name="a"; filename*=UTF-8''%ZZ"#, None),
            (r#"name="a"; filename="имя.jpg""#, Some("имя.jpg")),
        ] {
            let body = format!("--b\r\nContent-Disposition: form-data; {header}\r\n\r\n1\r\n--b--");
            let limits = Limits::default();
            let parts = read(body.as_bytes(), "b", &limits).unwrap();
            assert_eq!((&*parts[0].name, parts[0].filename.as_deref()), ("a", want), "{header}");
        }
    }

    #[test]
    fn boundaries_are_parsed_quoted_or_not() {
        for (value, want) in [
            ("multipart/form-data; boundary=----WebKitFormBoundaryx", Some("----WebKitFormBoundaryx")),
            ("multipart/form-data; boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
        ] {
            assert_eq!(boundary(&ContentType::parse(value)), want);
        }
        assert_eq!(boundary(&ContentType::parse(&format!("a/b; boundary={}", "x".repeat(71)))), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(pieces in proptest::collection::vec(
            prop_oneof![Just(b"\r\n--b".to_vec()), Just(b"\r\n".to_vec()), Just(b"--".to_vec()), Just(b"a: b".to_vec()), any::<Vec<u8>>()], 0..24)) {
            fuzz(&pieces.concat());
        }

        #[test]
        fn written_forms_round_trip(files in proptest::collection::vec(any::<Vec<u8>>(), 0..6)) {
            let mut writer = Writer::new("xyz");
            for (i, file) in files.iter().enumerate() {
                writer.file("f", &i.to_string(), "application/octet-stream", false, file);
            }
            let body = writer.finish();
            let limits = Limits::default();
            let read = read(&body, "xyz", &limits).unwrap();
            prop_assert_eq!(read.iter().map(|p| p.content).collect::<Vec<_>>(), files.iter().map(|f| &f[..]).collect::<Vec<_>>());
        }
    }
}

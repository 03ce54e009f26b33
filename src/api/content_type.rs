//! Parses `Content-Type` and `Content-Disposition`: a value with parameters (RFC 9110, sections 5.6.6 and 8.3).
//!
//! Tolerant where clients of this API are known to need it: any case, spaces around the slash.

/// A media type or disposition, in lower case and without spaces, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// `image/jpeg`, `multipart/form-data`, `form-data`, …
    pub essence: String,
    parameters: Vec<(String, String)>,
}

/// Most parameters that are read, the first ones: about three have a meaning here. Each takes a hundred bytes of memory, and there may
/// be thousands in a part's head.
const MOST_PARAMETERS: usize = 16;

impl ContentType {
    /// Parses a header value. Whatever can't be parsed is left out.
    pub fn parse(value: &str) -> Self {
        let mut rest = value;
        let end = rest.find(';').unwrap_or(rest.len());
        let essence = rest[..end].chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        rest = &rest[end..];
        let mut parameters = vec![];
        while let Some(text) = rest.strip_prefix(';') {
            let text = text.trim_start();
            let end = text.find(['=', ';']).unwrap_or(text.len());
            let name = text[..end].trim().to_ascii_lowercase();
            rest = &text[end..];
            if let Some(text) = rest.strip_prefix('=') {
                let (value, after) = parameter(text.trim_start());
                if parameters.len() < MOST_PARAMETERS {
                    parameters.push((name, value));
                }
                rest = after.find(';').map_or("", |at| &after[at..]);
            }
        }
        Self { essence, parameters }
    }

    /// The value without its parameters, which a part does not need: there may be thousands.
    pub fn without_parameters(self) -> Self {
        const LONGEST: usize = 64;
        let essence = match self.essence.len() {
            ..=LONGEST => self.essence,
            _ => self.essence.chars().take(LONGEST).collect(),
        };
        Self { essence, parameters: vec![] }
    }

    /// The first parameter of that name, which must be in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| &**v)
    }

    /// Whether it is plain text, as which some clients send base64.
    pub fn is_plain_text(&self) -> bool {
        self.essence == "text/plain"
    }

    /// Whether it is a picture type that the contract names, or the alias that clients often write.
    pub fn is_picture(&self) -> bool {
        matches!(&*self.essence, "image/jpeg" | "image/jpg" | "image/png")
    }
}

/// A token or quoted string and what follows it. In quotes, a backslash escapes only a quote or a backslash: browsers
/// once sent whole Windows paths.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', _) => return (value, &quoted[at + 1..]),
            ('\\', Some((_, next @ ('"' | '\\')))) => {
                value.push(*next);
                chars.next();
            }
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_normalized() {
        for text in ["image/jpeg", "Image/JPEG", "image / jpeg", " image/jpeg ; charset=UTF-8", "image/jpeg;"] {
            assert_eq!(ContentType::parse(text).essence, "image/jpeg", "{text}");
        }
    }

    #[test]
    fn quoted_and_unquoted_parameters_are_parsed() {
        for (text, want) in [
            ("a/b; boundary=xyz", Some("xyz")),
            ("a/b;charset=utf-8;Boundary=xyz ; v=1", Some("xyz")),
            (r#"a/b; boundary="x;y z""#, Some("x;y z")),
            (r#"a/b; note="a;boundary=no"; boundary=yes"#, Some("yes")),
            (r#"a/b; boundary="a\"b\\c\d""#, Some(r#"a"b\c\d"#)),
            (r#"a/b; boundary="open"#, Some("open")),
            ("a/b; boundary", None),
            ("a/b;;; boundary = xyz", Some("xyz")),
            ("", None),
        ] {
            assert_eq!(ContentType::parse(text).parameter("boundary"), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text: String) {
            ContentType::parse(&text);
        }
    }
}

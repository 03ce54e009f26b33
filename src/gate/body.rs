//! Parser of a request's body: where it ends, and which bytes on the wire belong to it (RFC 9112, 6 and 7.1).
//!
//! A chunk's extensions are skipped (quoted ones are refused: servers differ on them), trailers are dropped, both within limits;
//! everything else that departs from the grammar is refused. Nothing is stored here.

use super::head::{Framing, Malformed};

/// State of reading one body.
#[derive(Clone, Debug)]
pub(super) struct Body {
    state: State,
    /// Bytes of the line that is being read, of all extensions and of the trailers so far.
    overhead: usize,
    /// The name of the trailer that is being read, in lower case, as far as it matters.
    name: [u8; LONGEST_NAME],
}

/// Trailers that say what only the head may say (RFC 9110, 6.5.1): framing, routing, authentication, what follows on the connection. Some
/// servers act on them.
const FORBIDDEN: [&[u8]; 8] = [
    b"authorization",
    b"connection",
    b"content-length",
    b"content-type",
    b"expect",
    b"host",
    b"transfer-encoding",
    b"upgrade",
];

const LONGEST_NAME: usize = 18;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of data are to come; `chunked` ones are followed by a line end.
    Data {
        left: u64,
        chunked: bool,
    },
    /// A chunk's size: its value and digits so far.
    Size {
        value: u64,
        digits: u8,
    },
    /// A word of an extension, before or after its `=`, and the letters of it so far.
    Extension {
        value: u64,
        after: bool,
        length: usize,
    },
    SizeEnd {
        value: u64,
    },
    /// The line end after a chunk's data.
    DataEnd {
        cr: bool,
    },
    /// A trailer line: its bytes so far, and whether its name is over.
    Trailer {
        length: usize,
        named: bool,
    },
    TrailerEnd {
        was_empty: bool,
    },
    End,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// So many bytes at the front are not data.
    pub skip: usize,
    /// So many bytes after these are.
    pub data: usize,
}

/// Most digits of a chunk's size: 4 GiB, far over any limit.
const MOST_DIGITS: u8 = 8;

/// Most bytes of all extensions and trailers of one body.
const MOST_OVERHEAD: usize = 8 << 10;

const fn bad(why: &'static str) -> Malformed {
    Malformed { status: 400, why }
}

impl Body {
    /// A body that is about to begin.
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::End,
            Framing::Length(left) => State::Data { left, chunked: false },
            Framing::Chunked => State::Size { value: 0, digits: 0 },
        };
        Self { state, overhead: 0, name: [0; LONGEST_NAME] }
    }

    /// Whether all of it was read.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::End
    }

    /// Reads up to the end of the next data in `bytes`, or of `bytes`, or of the body. The caller must not pass the same bytes again.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Span, Malformed> {
        let mut skip = 0;
        loop {
            let rest = &bytes[skip..];
            if let State::Data { left, chunked } = self.state {
                let data = left.min(rest.len() as u64);
                self.state = match left - data {
                    0 if chunked => State::DataEnd { cr: false },
                    0 => State::End,
                    left => State::Data { left, chunked },
                };
                return Ok(Span { skip, data: data as usize });
            }
            if self.state == State::End || rest.is_empty() {
                return Ok(Span { skip, data: 0 });
            }
            self.state = self.step(rest[0])?;
            skip += 1;
        }
    }

    /// One byte that is not data.
    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        let size = |value| match value {
            0 => State::Trailer { length: 0, named: false },
            left => State::Data { left, chunked: true },
        };
        match (self.state, byte) {
            (State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == MOST_DIGITS {
                    return Err(bad("a chunk is too long"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 })
            }
            (State::Size { digits: 0, .. }, _) => Err(bad("a chunk has no size")),
            (State::Size { value, .. }, b'\r') => Ok(State::SizeEnd { value }),
            (State::Size { value, .. } | State::Extension { value, length: 1.., .. }, b';') => {
                self.count(State::Extension { value, after: false, length: 0 })
            }
            (State::Extension { value, length: 1.., .. }, b'\r') => Ok(State::SizeEnd { value }),
            (State::Extension { value, after: false, length: 1.. }, b'=') => {
                self.count(State::Extension { value, after: true, length: 0 })
            }
            (State::Extension { value, after, length }, b) if is_token(b) => {
                self.count(State::Extension { value, after, length: length + 1 })
            }
            (State::SizeEnd { value }, b'\n') => Ok(size(value)),
            (State::DataEnd { cr: false }, b'\r') => Ok(State::DataEnd { cr: true }),
            (State::DataEnd { cr: true }, b'\n') => Ok(State::Size { value: 0, digits: 0 }),
            (State::Trailer { length: 0, .. }, b'\r') => Ok(State::TrailerEnd { was_empty: true }),
            (State::Trailer { named: true, .. }, b'\r') => Ok(State::TrailerEnd { was_empty: false }),
            (State::Trailer { length: 1.., named: false }, b':') => {
                if FORBIDDEN.iter().any(|name| self.name.trim_ascii_end() == *name) {
                    return Err(bad("a trailer that belongs into the head"));
                }
                self.count(State::Trailer { length: 1, named: true })
            }
            (State::Trailer { length, named: false }, b) if is_token(b) => {
                if length == 0 {
                    self.name = [b' '; LONGEST_NAME];
                }
                if let Some(at) = self.name.get_mut(length) {
                    *at = b.to_ascii_lowercase();
                }
                self.count(State::Trailer { length: length + 1, named: false })
            }
            (State::Trailer { length, named: true }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count(State::Trailer { length, named: true })
            }
            (State::TrailerEnd { was_empty: true }, b'\n') => Ok(State::End),
            (State::TrailerEnd { was_empty: false }, b'\n') => Ok(State::Trailer { length: 0, named: false }),
            _ => Err(bad("the chunks are not to the letter")),
        }
    }

    /// Counts a byte of overhead and goes on in `state`.
    fn count(&mut self, state: State) -> Result<State, Malformed> {
        self.overhead += 1;
        if self.overhead > MOST_OVERHEAD { Err(bad("too many bytes beside the chunks' data")) } else { Ok(state) }
    }
}

/// The characters of names (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data in `bytes` when they come in pieces, whether that was all of the body, and the offset at which reading stopped.
    fn read(framing: Framing, bytes: &[u8], pieces: &[usize]) -> Result<(Vec<u8>, bool, usize), Malformed> {
        let (mut body, mut data, mut at) = (Body::new(framing), vec![], 0);
        let mut pieces = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
        while at < bytes.len() && !body.is_whole() {
            let mut piece = &bytes[at..bytes.len().min(at.saturating_add(pieces.next().unwrap()))];
            at += piece.len();
            while !piece.is_empty() && !body.is_whole() {
                let Span { skip, data: length } = body.next(piece)?;
                data.extend_from_slice(&piece[skip..skip + length]);
                piece = &piece[skip + length..];
            }
            at -= piece.len();
        }
        Ok((data, body.is_whole(), bytes.len() - at))
    }

    #[test]
    fn data_is_found_between_the_chunks() {
        let all = |text: &str| read(Framing::Chunked, text.as_bytes(), &[]);
        assert_eq!(all("5\r\nhello\r\n0\r\n\r\nGET"), Ok((b"hello".to_vec(), true, 3)));
        assert_eq!(all("1;a=b;c\r\nx\r\n00A;d\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\n").unwrap().0, b"x0123456789");
        assert_eq!(all("5\r\nhel"), Ok((b"hel".to_vec(), false, 0)));
        assert_eq!(read(Framing::Length(3), b"abcdef", &[]), Ok((b"abc".to_vec(), true, 3)));
        assert_eq!(read(Framing::Length(0), b"abc", &[]), Ok((vec![], true, 3)));
    }

    #[test]
    fn chunks_that_are_not_to_the_letter_are_refused() {
        let long = format!("1;{}\r\nx", "e".repeat(MOST_OVERHEAD));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MOST_OVERHEAD / 4 + 1));
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "1\nx",
            "1 \r\nx",
            " 1\r\nx",
            "1\r\nxy\r\n",
            "1\r\nx\n0\r\n\r\n",
            "1\r\nx0\r\n",
            "100000000\r\nx",
            "1;\r\nx",
            "1;a=\r\nx",
            "1;a==b\r\nx",
            "1;a b\r\nx",
            "1;a=\"b\"\r\nx",
            "1;\n\r\nx",
            "1;\0\r\nx",
            "1;a\rb\r\nx",
            "0\r\n a: b\r\n\r\n",
            "0\r\na\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\na\r\n\r\n",
            "0\r\n\rx",
            &long,
            &trailers,
        ] {
            assert!(read(Framing::Chunked, text.as_bytes(), &[]).is_err(), "{text:?}");
        }
    }

    fn whole(text: &[u8]) -> Result<(Vec<u8>, bool, usize), Malformed> {
        read(Framing::Chunked, text, &[])
    }

    /// An empty body with these lines behind it.
    fn trailers(lines: &str) -> Result<(Vec<u8>, bool, usize), Malformed> {
        whole(format!("0\r\n{lines}\r\n").as_bytes())
    }

    const NOTHING: Result<(Vec<u8>, bool, usize), Malformed> = Ok((vec![], true, 0));

    #[test]
    fn trailers_are_no_data_and_the_next_request_begins_behind_them() {
        let read = whole(b"2\r\nhi\r\n0;a=b\r\nA: b\r\nX-Subject: Ann\r\n\r\nGET /");
        assert_eq!(read, Ok((b"hi".to_vec(), true, 5)));
    }

    #[test]
    fn a_body_with_trailers_ends_at_an_empty_line_alone() {
        assert_eq!(whole(b"0\r\nA: b\r\n"), Ok((vec![], false, 0)));
        assert_eq!(whole(b"0\r\nA: b\r\n\r"), Ok((vec![], false, 0)));
        assert_eq!(whole(b"0\r\nA: b\r\n\r\n"), NOTHING);
    }

    #[test]
    fn trailers_that_belong_into_the_head_are_refused_in_any_case_and_place() {
        for name in [
            "authorization",
            "connection",
            "content-length",
            "content-type",
            "expect",
            "host",
            "transfer-encoding",
            "upgrade",
        ] {
            let refused = Err(bad("a trailer that belongs into the head"));
            assert_eq!(trailers(&format!("{name}: 1\r\n")), refused, "{name}");
            assert_eq!(trailers(&format!("{}: 1\r\n", name.to_uppercase())), refused, "{name}");
            assert_eq!(trailers(&format!("A: b\r\n{name}: 1\r\n")), refused, "{name} second");
        }
    }

    #[test]
    fn trailers_whose_names_resemble_those_of_the_head_are_dropped() {
        for name in
            ["hos", "hostt", "x-host", "transfer-encodin", "transfer-encodingx", "transfer-encoding-of-it", "te"]
        {
            assert_eq!(trailers(&format!("{name}: 1\r\n")), NOTHING, "{name}");
        }
        // The names of two lines are not mixed up.
        assert_eq!(trailers("connection-id: 1\r\nhost1: 1\r\n"), NOTHING);
        assert_eq!(trailers("abcection: 1\r\nconn: 1\r\n"), NOTHING);
    }

    #[test]
    fn a_trailer_s_value_has_any_bytes_but_control_characters() {
        for value in ["", " ", "\t", "a: b", "~", "\u{80}"] {
            assert_eq!(trailers(&format!("A:{value}\r\n")), NOTHING, "{value:?}");
        }
        for value in ["\0", "\x1F", "\x7F", "a\nb", "a\rb", "a\n", "\r\n\rb"] {
            assert_eq!(trailers(&format!("A:{value}\r\n")), Err(bad("the chunks are not to the letter")), "{value:?}");
        }
    }

    #[test]
    fn trailers_and_extensions_have_8192_bytes_together() {
        let much = Err(bad("too many bytes beside the chunks' data"));
        let value = |length: usize| "v".repeat(length);
        // The line ends do not count.
        assert_eq!(trailers(&format!("a:{}\r\n", value(8_190))), NOTHING);
        assert_eq!(trailers(&format!("a:{}\r\n", value(8_191))), much);
        assert_eq!(trailers(&format!("a:{}\r\nb:{}\r\n", value(4_000), value(4_188))), NOTHING);
        assert_eq!(trailers(&format!("a:{}\r\nb:{}\r\n", value(4_000), value(4_189))), much);
        let extended = |length: usize| whole(format!("1;e={}\r\nx\r\n0\r\na:b\r\n\r\n", value(length)).as_bytes());
        assert_eq!(extended(8_186), Ok((b"x".to_vec(), true, 0)));
        assert_eq!(extended(8_187), much);
        assert_eq!(trailers(&format!("{}:\r\n", value(8_191))), NOTHING);
        assert_eq!(trailers(&format!("{}:\r\n", value(8_192))), much);
    }

    #[test]
    fn a_chunk_s_size_has_eight_digits_at_most() {
        assert_eq!(whole(b"00000001\r\nx\r\n0\r\n\r\n"), Ok((b"x".to_vec(), true, 0)));
        assert_eq!(whole(b"000000001\r\nx"), Err(bad("a chunk is too long")));
        assert_eq!(whole(b"ffffFFFF\r\nx"), Ok((b"x".to_vec(), false, 0)));
    }

    #[test]
    fn it_does_not_matter_where_a_body_with_trailers_is_split() {
        for text in [
            "2\r\nhi\r\n0\r\nTransfer-Encodin: b\r\nc:\r\n\r\nGET",
            "2;a=b\r\nhi\r\n0;c\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\nconnection-id: 1\r\nconn: 1\r\n\r\n",
            "0\r\nA: b\r\n c\r\n\r\n",
        ] {
            let whole = whole(text.as_bytes());
            assert_eq!(read(Framing::Chunked, text.as_bytes(), &vec![1; text.len()]), whole, "{text:?} by bytes");
            for at in 1..text.len() {
                assert_eq!(read(Framing::Chunked, text.as_bytes(), &[at]), whole, "{text:?} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "([0-9a-c]{1,2}(;[a-z]{0,3})?\r?\n[a-z\r\n]{0,12}\r\n){0,4}0?\r\n(a: b\r\n)?\r\n.{0,4}",
            length in 0..60_u64, chunked: bool, pieces in prop::collection::vec(1_usize..9, 0..60),
        ) {
            let framing = if chunked { Framing::Chunked } else { Framing::Length(length) };
            prop_assert_eq!(read(framing, text.as_bytes(), &[]), read(framing, text.as_bytes(), &pieces));
        }

        #[test]
        fn what_was_chunked_comes_out_again(data in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6)) {
            let mut wire = vec![];
            for chunk in &data {
                wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(read(Framing::Chunked, &wire, &[]), Ok((data.concat(), true, 0)));
        }
    }
}

//! Reads EBML, the binary markup of Matroska (RFC 8794).
//!
//! An element is an identifier, a size and a body. A live recording does not know the size of what it has not finished;
//! that is allowed for the segment and its clusters, and `mod.rs` enters those without their size.

use crate::media::video::track::Error;

/// Bytes of the longest header: four of identifier, eight of size.
pub(super) const HEADER: usize = 12;

/// The start of an element.
#[derive(Clone, Copy)]
pub(super) struct Header {
    /// With its length marker, as identifiers are written.
    pub(super) id: u32,
    /// Bytes of the header itself.
    pub(super) length: usize,
    /// Bytes of the body; `None` is unknown.
    pub(super) size: Option<u64>,
}

/// An element with its body.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) id: u32,
    pub(super) body: &'a [u8],
}

/// The header at the front. `None` if the bytes end first or are no header.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let id_length = length(bytes).filter(|&length| length <= 4)?;
    let (id, rest) = bytes.split_at_checked(id_length)?;
    let size_length = length(rest)?;
    let size = number(rest)?.0;
    let unknown = (1 << (7 * size_length)) - 1;
    let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    Some(Header { id, length: id_length + size_length, size: (size != unknown).then_some(size) })
}

/// The bytes of a variable-length number, by the leading zeros of its first byte.
fn length(bytes: &[u8]) -> Option<usize> {
    let zeros = bytes.first()?.leading_zeros();
    (zeros < 8).then_some(zeros as usize + 1)
}

/// A variable-length number without its marker (RFC 8794, section 4), and what follows it.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = length(bytes)?;
    let (this, rest) = bytes.split_at_checked(length)?;
    let all = this.iter().fold(0, |all, &byte| all << 8 | u64::from(byte));
    Some((all & ((1 << (7 * length)) - 1), rest))
}

/// The elements in a body. Each has to have a size and to fit.
pub(super) fn children(body: &[u8]) -> impl Iterator<Item = Result<Element<'_>, Error>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = header(rest).and_then(|Header { id, length, size }| {
            let (body, next) = rest[length..].split_at_checked(usize::try_from(size?).ok()?)?;
            rest = next;
            Some(Element { id, body })
        });
        if found.is_none() {
            rest = &[];
        }
        Some(found.ok_or_else(damaged))
    })
}

/// The error of an element with an impossible size or value.
pub(super) fn damaged() -> Error {
    Error::Damaged("has a damaged element".into())
}

impl<'a> Element<'a> {
    /// The body as an unsigned integer; no bytes are 0.
    pub(super) fn unsigned(&self) -> Result<u64, Error> {
        let value = self.body.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        if self.body.len() > 8 { Err(damaged()) } else { Ok(value) }
    }

    /// The body as a floating-point number; no bytes are 0.
    pub(super) fn float(&self) -> Result<f64, Error> {
        match *self.body {
            [] => Ok(0.0),
            [a, b, c, d] => Ok(f32::from_be_bytes([a, b, c, d]).into()),
            [a, b, c, d, e, f, g, h] => Ok(f64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => Err(damaged()),
        }
    }

    /// The body as text, up to a zero byte.
    pub(super) fn text(&self) -> &'a [u8] {
        self.body.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

//! Reads boxes, the containers of ISO base media, and the fields in them (ISO/IEC 14496-12, clause 4.2).

use crate::media::video::track::{Error, printable};

/// A box kind, such as `moov`.
pub(super) type Kind = [u8; 4];

/// A box: `body` is what follows its header.
#[derive(Clone, Copy)]
pub(super) struct Boxed<'a> {
    pub(super) kind: Kind,
    pub(super) body: &'a [u8],
}

/// A box at the top level of the file.
#[derive(Clone, Copy)]
pub(super) struct TopLevel<'a> {
    pub(super) kind: Kind,
    /// Where the header begins, in bytes from the start of the file.
    pub(super) start: u64,
    pub(super) body: &'a [u8],
    /// Whether the file ends before the box does.
    pub(super) cut: bool,
}

/// The size and the kind in a header; size 0 means "up to the end". `None` if the header is missing or
/// impossible.
fn header(bytes: &[u8]) -> Option<(u64, usize, Kind)> {
    let mut fields = Fields(bytes);
    let (short, kind) = (fields.u32()?, fields.kind()?);
    let (size, length) = if short == 1 { (fields.u64()?, 16) } else { (u64::from(short), 8) };
    (size >= length as u64 || short == 0).then_some((size, length, kind))
}

/// The top-level boxes of the file. It stops at the first invalid header: files do end in padding.
pub(super) fn top_level(bytes: &[u8]) -> impl Iterator<Item = TopLevel<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let (size, length, kind) = header(rest)?;
        let start = at as u64;
        let whole = usize::try_from(size).ok().filter(|&size| size <= rest.len());
        let end = if size == 0 { rest.len() } else { whole.unwrap_or(rest.len()) };
        at += end;
        Some(TopLevel { kind, start, body: &rest[length..end], cut: size != 0 && whole.is_none() })
    })
}

/// The boxes in the body of another, named `inside` in errors. A size of 0 ends the list, as in QuickTime.
pub(super) fn children<'a>(body: &'a [u8], inside: Kind) -> impl Iterator<Item = Result<Boxed<'a>, Error>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.len() < 8 || rest.starts_with(&[0; 4]) {
            return None;
        }
        let found = header(rest).and_then(|(size, length, kind)| {
            let (this, next) = rest.split_at_checked(usize::try_from(size).ok()?)?;
            rest = next;
            Some(Boxed { kind, body: &this[length..] })
        });
        if found.is_none() {
            rest = &[];
        }
        Some(found.ok_or_else(|| damaged(inside)))
    })
}

/// The body of the first box of a kind; `None` if there is none.
pub(super) fn find(body: &[u8], inside: Kind, kind: Kind) -> Result<Option<&[u8]>, Error> {
    for child in children(body, inside) {
        let child = child?;
        if child.kind == kind {
            return Ok(Some(child.body));
        }
    }
    Ok(None)
}

/// The body of the first box of a kind; an error if there is none.
pub(super) fn need(body: &[u8], inside: Kind, kind: Kind) -> Result<&[u8], Error> {
    find(body, inside, kind)?
        .ok_or_else(|| Error::Damaged(format!("has no {} box in its {} box", printable(&kind), printable(&inside))))
}

/// The error of a box whose fields contradict its size or each other.
pub(super) fn damaged(kind: Kind) -> Error {
    Error::Damaged(format!("has a damaged {} box", printable(&kind)))
}

/// Reads big-endian fields from the front. `None` where the bytes end first.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn kind(&mut self) -> Option<Kind> {
        self.array()
    }

    /// The version and the flags that a full box begins with.
    pub(super) fn full(&mut self) -> Option<(u8, u32)> {
        let both = self.u32()?;
        Some(((both >> 24) as u8, both & 0x00FF_FFFF))
    }

    /// A time or a duration: 64 bits wide in version 1 of most full boxes.
    pub(super) fn long(&mut self, version: u8) -> Option<u64> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// The entries of a table: their number, then that many of `width` bytes. `None` if the bytes end before.
    pub(super) fn table(&mut self, width: usize) -> Option<std::slice::ChunksExact<'a, u8>> {
        let count = usize::try_from(self.u32()?).ok()?;
        Some(self.take(count.checked_mul(width)?)?.chunks_exact(width))
    }
}

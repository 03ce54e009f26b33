//! Byte buffers for pictures and templates, wiped when they are dropped.

use std::fmt;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use zeroize::Zeroize;

/// Bytes that are overwritten on drop, all at once where `Zeroizing` goes byte by byte. What [`SecretBytes::push`] moves is wiped where
/// it was.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

/// Bytes within a request's body, or made of it by decoding base64 or opening a seal. Like `Cow`, but made bytes are shared by clones and
/// wiped with the last.
#[derive(Clone)]
pub enum Content<'a> {
    /// A part of the body.
    Sent(&'a [u8]),
    /// Decoded or opened.
    Made(Arc<SecretBytes>),
}

impl SecretBytes {
    /// Empty, with room for `bytes`.
    ///
    /// # Panics
    /// If there is no memory for them: a panic ends a request or a job, where `Vec` would end the process.
    pub fn with_capacity(bytes: usize) -> Self {
        Self::try_with_capacity(bytes).unwrap_or_else(|| panic!("no memory for {bytes} bytes"))
    }

    /// The same, or none if there is no memory for them.
    pub fn try_with_capacity(bytes: usize) -> Option<Self> {
        let mut room = Vec::new();
        room.try_reserve_exact(bytes).ok()?;
        Some(Self(room))
    }

    /// Reads all that a reader yields. If that is more than `expected`, growing leaves unwiped bytes behind.
    ///
    /// # Errors
    /// The reader's, or [`io::ErrorKind::OutOfMemory`].
    pub fn read(from: &mut dyn Read, expected: usize) -> io::Result<Self> {
        let mut bytes = Self::try_with_capacity(expected).ok_or(io::ErrorKind::OutOfMemory)?;
        from.read_to_end(&mut bytes.0)?;
        Ok(bytes)
    }

    /// Bytes that can be added without moving what is there.
    pub fn room(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    /// Adds bytes at the end. If there is no room, moves all to a buffer of twice the size, and wipes the old one.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.room() < bytes.len() {
            let mut larger = Self::with_capacity((self.0.len() + bytes.len()).max(2 * self.0.capacity()));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Removes the first `count` bytes. The bytes after the new end are wiped on drop.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn take(&mut self, count: usize) {
        self.0.drain(..count);
    }

    /// Keeps at most the first `length` bytes. Those after them are wiped on drop.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// The plain vector, for a caller that wipes it itself.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut copy = Self::with_capacity(bytes.len());
        copy.push(bytes);
        copy
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self::Sent(&[])
    }
}

impl From<SecretBytes> for Content<'_> {
    fn from(bytes: SecretBytes) -> Self {
        Self::Made(Arc::new(bytes))
    }
}

impl Deref for Content<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Sent(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl PartialEq for Content<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for SecretBytes {
    /// Prints only the length: the bytes are personal data and must never enter a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for Content<'_> {
    /// Prints only the length, as above.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // `zeroize` fills the spare capacity of an empty vector at once, and the compiler does not optimize it away.
        self.0.clear();
        self.0.zeroize();
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for SecretBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_pushed_and_taken_in_order() {
        let mut bytes = SecretBytes::default();
        for piece in [&b"one "[..], b"two ", b"", b"three and much more than there was room for"] {
            bytes.push(piece);
        }
        bytes.take(8);
        assert_eq!(bytes[..5], *b"three");
        assert!(SecretBytes::read(&mut &b"all"[..], 3).is_ok_and(|all| *all == *b"all"));
        bytes.truncate(2);
        assert_eq!((&*bytes, &*SecretBytes::from(&b"copy"[..])), (&b"th"[..], &b"copy"[..]));
    }

    #[test]
    fn content_is_shared_and_not_copied() {
        let sent = b"sent";
        assert_eq!(Content::Sent(sent).clone().as_ptr(), sent.as_ptr());
        let made = Content::from(SecretBytes::from(&b"made"[..]));
        assert_eq!((made.clone().as_ptr(), &*made, &*Content::default()), (made.as_ptr(), &b"made"[..], &b""[..]));
        assert_eq!(format!("{made:?}"), "4 bytes");
    }

    #[test]
    fn bytes_are_moved_only_when_the_capacity_is_exceeded() {
        let mut bytes = SecretBytes::with_capacity(8);
        let place = bytes.as_ptr();
        bytes.push(b"12345678");
        assert_eq!((bytes.as_ptr(), bytes.room()), (place, 0));
        bytes.push(b"9");
        assert!(bytes.room() >= 7 && *bytes == *b"123456789");
        assert!(SecretBytes::try_with_capacity(usize::MAX).is_none());
        let whole = SecretBytes::read(&mut &b""[..], usize::MAX);
        assert_eq!(whole.err().map(|error| error.kind()), Some(io::ErrorKind::OutOfMemory));
    }
}

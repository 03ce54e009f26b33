//! Bytes of pictures and templates, which must not stay in memory when they go.

use std::fmt;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes that are overwritten when they go, all at once where `Zeroizing` goes byte by byte, and where they were before [`Wiped::push`]
/// moved them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// None yet, with room for as many.
    ///
    /// # Panics
    /// If there is no memory for them: that ends a request or a job, where `Vec` would end the process.
    pub fn with_capacity(bytes: usize) -> Self {
        Self::try_with_capacity(bytes).unwrap_or_else(|| panic!("no memory for {bytes} bytes"))
    }

    /// The same, or nothing if there is no memory for them.
    pub fn try_with_capacity(bytes: usize) -> Option<Self> {
        let mut room = Vec::new();
        room.try_reserve_exact(bytes).ok()?;
        Some(Self(room))
    }

    /// All that a reader gives. If that is more than `expected`, growing leaves bytes behind.
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

    /// Adds bytes at the end. If there is no room, all move to where there is twice as much, and what they leave is wiped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.room() < bytes.len() {
            let mut larger = Self::with_capacity((self.0.len() + bytes.len()).max(2 * self.0.capacity()));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Takes the first `count` bytes away. What is behind the last is wiped when all go.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn take(&mut self, count: usize) {
        self.0.drain(..count);
    }

    /// For one who wipes them himself.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Wiped {
    /// Only how many: they are personal data and never enter a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        // What an empty vector has room for is wiped by one fill, and not left out by the compiler.
        self.0.clear();
        self.0.zeroize();
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_and_go_in_order() {
        let mut bytes = Wiped::default();
        for piece in [&b"one "[..], b"two ", b"", b"three and much more than there was room for"] {
            bytes.push(piece);
        }
        bytes.take(8);
        assert_eq!(bytes[..5], *b"three");
        assert!(Wiped::read(&mut &b"all"[..], 3).is_ok_and(|all| *all == *b"all"));
    }

    #[test]
    fn bytes_move_only_where_there_is_no_room() {
        let mut bytes = Wiped::with_capacity(8);
        let place = bytes.as_ptr();
        bytes.push(b"12345678");
        assert_eq!((bytes.as_ptr(), bytes.room()), (place, 0));
        bytes.push(b"9");
        assert!(bytes.room() >= 7 && *bytes == *b"123456789");
        assert!(Wiped::try_with_capacity(usize::MAX).is_none());
        let whole = Wiped::read(&mut &b""[..], usize::MAX);
        assert_eq!(whole.err().map(|error| error.kind()), Some(io::ErrorKind::OutOfMemory));
    }
}

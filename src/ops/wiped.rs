//! Bytes of pictures and templates that must not stay in memory when they go.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes that are overwritten when they go: all at once, where `Zeroizing` goes byte by byte.
///
/// Does not wipe what growing leaves behind: give it the capacity that it needs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wiped(Vec<u8>);

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
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
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

//! Queue of bytes that wait to be passed on, in blocks that are wiped and freed one by one: a large body is never moved to grow, and
//! while it is passed on its memory moves with it instead of being there twice.

use std::collections::VecDeque;
use std::fmt;

use crate::ops::SecretBytes;

/// A queue of secret bytes: pictures and templates.
#[derive(Default)]
pub struct ByteQueue {
    blocks: VecDeque<SecretBytes>,
    /// Bytes of the first block that were taken.
    gone: usize,
    length: usize,
}

/// Bytes of a block, and of one read from a socket.
pub(super) const BLOCK_BYTES: usize = 64 << 10;

/// The same for the first block if little is pushed: a thousand connections with a few bytes each must not take a thousand large ones.
const FIRST_BYTES: usize = 4 << 10;

impl ByteQueue {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let room = self.blocks.back().map_or(0, |block| block.room());
            if room == 0 {
                // A block never grows: a large body would be moved again and again.
                let bytes = if self.blocks.is_empty() && bytes.len() < FIRST_BYTES { FIRST_BYTES } else { BLOCK_BYTES };
                self.blocks.push_back(SecretBytes::with_capacity(bytes));
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Some(block) = self.blocks.back_mut() {
                block.push(now);
            }
            bytes = later;
        }
    }

    /// Moves all of `other` to the end.
    pub fn append(&mut self, mut other: Self) {
        // The first block may have lost its beginning; then that block alone has to be copied.
        if other.gone > 0 {
            let front = other.front().len();
            self.push(&other.front()[..front]);
            other.take(front);
        }
        self.length += other.length;
        self.blocks.append(&mut other.blocks);
    }

    /// Bytes at the front.
    pub fn front(&self) -> &[u8] {
        self.blocks.front().map_or(&[], |block| &block[self.gone..])
    }

    /// Removes `count` bytes of [`ByteQueue::front`].
    pub fn take(&mut self, count: usize) {
        let front = self.front().len();
        assert!(count <= front, "no more than the front goes at once");
        self.length -= count;
        self.gone += count;
        if count == front {
            self.blocks.pop_front();
            self.gone = 0;
        }
    }
}

impl fmt::Debug for ByteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_the_queue_in_order() {
        let (mut held, mut out) = (ByteQueue::default(), vec![]);
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        for piece in bytes.chunks(77_777) {
            held.push(piece);
            let some = held.front().len() / 3;
            out.extend_from_slice(&held.front()[..some]);
            held.take(some);
        }
        assert_eq!(held.len(), bytes.len() - out.len());
        while !held.is_empty() {
            out.extend_from_slice(held.front());
            held.take(held.front().len());
        }
        assert_eq!(out, bytes);
        assert!(held.front().is_empty());
    }
}

//! Input buffer of a connection: bytes that were received and not read yet, wiped as they are read.
//!
//! Reading moves an offset. The rest moves to the front only when as much was read as is left, so that many small requests in one
//! segment, or a body in one-byte chunks, cost time linear in their bytes.

use std::ops::Deref;

use zeroize::Zeroize;

use crate::ops::SecretBytes;

/// The buffer; see the module's documentation.
#[derive(Default)]
pub(super) struct Input {
    bytes: SecretBytes,
    /// Bytes at the front that were read.
    read: usize,
}

impl Input {
    /// Adds bytes at the end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.read >= self.bytes.len() - self.read {
            self.bytes.take(self.read);
            self.read = 0;
        }
        self.bytes.push(bytes);
    }

    /// Removes the first `count` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub(super) fn take(&mut self, count: usize) {
        self.bytes[self.read..self.read + count].zeroize();
        self.read += count;
        if self.read == self.bytes.len() {
            // Memory that a body grew is not kept for the next one.
            *self = Self::default();
        }
    }

    /// Removes all bytes.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.read..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_returned_in_order(steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0..60_usize), 0..30)) {
            let (mut input, mut model) = (Input::default(), vec![]);
            for (bytes, taken) in steps {
                input.push(&bytes);
                model.extend_from_slice(&bytes);
                let taken = taken.min(model.len());
                input.take(taken);
                model.drain(..taken);
                prop_assert_eq!(&*input, &*model);
                // What was read takes no more room than what was not, or than one push.
                prop_assert!(input.read <= input.bytes.len());
            }
        }
    }
}

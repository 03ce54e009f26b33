//! A request's body, which its handler and the workers share: a picture or clip in it is not copied to be looked at elsewhere.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::ops::Wiped;

/// A whole body. Clones share it, and it is wiped with the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Body(Arc<Wiped>);

/// Bytes of a body, or such as were made of them.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    whole: Arc<Wiped>,
    range: Range<usize>,
}

impl Body {
    /// One of these bytes.
    pub(super) fn new(bytes: Wiped) -> Self {
        Self(Arc::new(bytes))
    }

    /// The piece of the body that `bytes` are, or a copy of them if they are none.
    pub(super) fn piece(&self, bytes: &[u8]) -> Piece {
        // No other allocation lies inside of this one.
        let start = bytes.as_ptr().addr().wrapping_sub(self.0.as_ptr().addr());
        match start.checked_add(bytes.len()) {
            Some(end) if end <= self.0.len() => Piece { whole: Arc::clone(&self.0), range: start..end },
            _ => bytes.to_vec().into(),
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), whole: Arc::new(bytes.into()) }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_body_is_shared_and_all_else_is_copied() {
        let body = Body::new(b"one two three".to_vec().into());
        let two = body.piece(&body[4..7]);
        assert_eq!((&*two, two.as_ptr()), (&b"two"[..], body[4..].as_ptr()));
        assert_eq!(
            (&*body.piece(&body), &*body.piece(&body[13..]), &*body.piece(b"")),
            (&body[..], &b""[..], &b""[..])
        );
        let other = b"two".to_vec();
        let copied = body.piece(&other);
        assert!(*copied == *other && copied.as_ptr() != other.as_ptr());
        drop(body);
        assert_eq!(&*two, b"two");
    }
}

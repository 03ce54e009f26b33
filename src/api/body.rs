//! Shares a request's body between its handler and the workers: a picture or clip in it is not copied for a worker.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::ops::{Content, SecretBytes};

/// A whole body. Clones share it, and it is wiped with the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Body(Arc<SecretBytes>);

/// Part of a body, or bytes that were decoded from it.
#[derive(Clone, Debug)]
pub(super) struct BodySlice {
    whole: Arc<SecretBytes>,
    range: Range<usize>,
}

impl Body {
    /// A piece that consists of these bytes.
    pub(super) fn new(bytes: SecretBytes) -> Self {
        Self(Arc::new(bytes))
    }

    /// The content, to be passed to a worker: decoded bytes are shared as the body is.
    pub(super) fn share(&self, content: &Content<'_>) -> BodySlice {
        match content {
            Content::Sent(bytes) => self.slice_of(bytes),
            Content::Made(bytes) => BodySlice { whole: Arc::clone(bytes), range: 0..bytes.len() },
        }
    }

    /// The piece of the body that `bytes` is, or a copy if it lies outside of the body.
    fn slice_of(&self, bytes: &[u8]) -> BodySlice {
        // No other allocation lies inside of this one.
        let start = bytes.as_ptr().addr().wrapping_sub(self.0.as_ptr().addr());
        match start.checked_add(bytes.len()) {
            Some(end) if end <= self.0.len() => BodySlice { whole: Arc::clone(&self.0), range: start..end },
            _ => BodySlice { whole: Arc::new(bytes.into()), range: 0..bytes.len() },
        }
    }
}

impl BodySlice {
    /// Its first bytes, `most` at most.
    pub(super) fn first(mut self, most: usize) -> Self {
        self.range.end = self.range.end.min(self.range.start.saturating_add(most));
        self
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for BodySlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_a_body_are_shared_and_other_bytes_copied() {
        let body = Body::new(b"one two three".to_vec().into());
        let two = body.slice_of(&body[4..7]);
        assert_eq!((&*two, two.as_ptr()), (&b"two"[..], body[4..].as_ptr()));
        assert_eq!(
            (&*body.slice_of(&body), &*body.slice_of(&body[13..]), &*body.slice_of(b"")),
            (&body[..], &b""[..], &b""[..])
        );
        let other = b"two".to_vec();
        let copied = body.slice_of(&other);
        assert!(*copied == *other && copied.as_ptr() != other.as_ptr());
        let made = Content::from(SecretBytes::from(&b"decoded"[..]));
        let shared = body.share(&made);
        assert_eq!(shared.as_ptr(), made.as_ptr());
        drop((body, made));
        assert_eq!((&*two, &*two.clone().first(1), &*shared), (&b"two"[..], &b"t"[..], &b"decoded"[..]));
        assert_eq!(&*shared.first(usize::MAX), b"decoded");
    }
}

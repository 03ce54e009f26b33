//! Reads small bodies of JSON.

use serde::Deserialize;

/// The object in a body; none if there is none of this type. Serde would take a list for an object as well.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    serde_json::from_slice(body).ok().filter(|_| is_object)
}

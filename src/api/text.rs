//! Formats names and scores for replies.

use serde_json::value::RawValue;

use crate::face::Score;

/// A client's name for use in a message: short and without control characters.
pub(super) fn quoted(name: &str) -> String {
    const LONGEST: usize = 60;
    format!("'{}'", name.chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>())
}

/// The score as JSON in its own notation: serde_json would print small ones with an exponent.
pub(super) fn raw(score: Score) -> Box<RawValue> {
    RawValue::from_string(score.to_string()).expect("a decimal number is JSON")
}

/// What is JSON already.
pub(super) fn raw_json(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("whoever wrote it wrote JSON")
}

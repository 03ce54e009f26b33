//! What a person has beside its face: the number of a card or a PIN, of which only a salted hash is kept.
//!
//! Such numbers are short: whoever has the records and their key finds them by trying all. The salt only makes that one search for each.

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::ops::hex;

/// Most credentials of a person.
pub const CREDENTIALS: usize = 8;
/// Most bytes of a credential.
const MOST_BYTES: usize = 256;

/// A credential, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// 16 bytes, in hexadecimal.
    salt: String,
    /// HMAC-SHA256 of the credential under the salt, in hexadecimal.
    hash: String,
}

impl Credential {
    /// Keeps a credential. Its text is of 1 to 256 bytes without control characters.
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = (1..=MOST_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        let salt = format!("{:032x}", crate::ops::random());
        is_plain.then(|| Self { hash: hash(&salt, text), salt })
    }

    /// Whether this is the credential.
    pub fn is(&self, text: &str) -> bool {
        use subtle::ConstantTimeEq;
        text.len() <= MOST_BYTES && bool::from(hash(&self.salt, text).as_bytes().ct_eq(self.hash.as_bytes()))
    }

    /// Whether it can be one, for records from outside.
    pub(super) fn is_whole(&self) -> bool {
        let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex(&self.salt, 32) && is_hex(&self.hash, 64)
    }
}

fn hash(salt: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
    hex::digits(hmac::sign(&key, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_recognized_and_not_kept() {
        let one = Credential::new("04A2B3").unwrap();
        assert!(one.is("04A2B3") && !one.is("04A2B4") && one.is_whole());
        assert!(!serde_json::to_string(&one).unwrap().contains("04A2B3"));
        assert_ne!(one, Credential::new("04A2B3").unwrap());
        assert_eq!(
            (Credential::new(""), Credential::new("a\n"), Credential::new(&"1".repeat(257))),
            (None, None, None)
        );
    }
}

//! Signs what is sent to webhooks, as Standard Webhooks 1.0 says: HMAC-SHA256 over id, time and body, so that a receiver knows who sent it
//! and that it is not old.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use zeroize::Zeroizing;

/// What secrets begin with.
const PREFIX: &str = "whsec_";
/// Bytes that a secret may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of a webhook.
pub(super) struct SigningKey(hmac::Key);

/// A new secret.
pub fn new_secret() -> Zeroizing<String> {
    let bytes = Zeroizing::new([crate::ops::random().to_le_bytes(), crate::ops::random().to_le_bytes()].concat());
    Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(&*bytes)))
}

impl SigningKey {
    /// The key of a secret.
    pub(super) fn new(secret: &str) -> Result<Self, String> {
        let told = || "it is no secret of a webhook: whsec_ and 24 to 64 bytes in base64".to_owned();
        let text = secret.strip_prefix(PREFIX).ok_or_else(told)?;
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| told())?);
        if !LENGTHS.contains(&bytes.len()) {
            return Err(told());
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`. `time` is in seconds since 1970.
    pub(super) fn sign(&self, id: &str, time: i64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{time}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // Computed by the reference implementation for Python (standardwebhooks 1.0.0).
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn new_secrets_are_secrets_and_others_are_refused() {
        assert!(SigningKey::new(&new_secret()).is_ok());
        assert_ne!(new_secret(), new_secret());
        for wrong in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!"] {
            assert!(SigningKey::new(wrong).is_err(), "{wrong}");
        }
    }
}

//! Reads and writes keys and hashes of 32 bytes as 64 hexadecimal digits.

use std::fmt::Write as _;

/// Bytes as lower-case digits.
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of exactly 64 digits of either case.
pub fn bytes(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_round_trip_and_other_text_is_refused() {
        let hash: [u8; 32] = std::array::from_fn(|i| (i * 37) as u8);
        let text = digits(&hash);
        assert!(text.starts_with("00254a6f"), "{text}");
        assert_eq!((bytes(&text), bytes(&text.to_uppercase())), (Some(hash), Some(hash)));
        for wrong in ["", &text[2..], &format!("{text}00"), &text.replace('f', "g"), &format!("+1{}", &text[2..])] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        // As many bytes, but fewer characters.
        assert_eq!(bytes(&format!("{}ä", &text[2..])), None);
    }
}

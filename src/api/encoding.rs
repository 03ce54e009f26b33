//! Decodes and encodes `Content-Transfer-Encoding: base64`, as clients write it.
//!
//! White space is ignored, padding is optional, both alphabets are read, and a `data:…;base64,` prefix is skipped.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::ops::SecretBytes;

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

/// Bytes of text that are cleaned and decoded at a time: a multiple of four, so that only the last piece has padding.
const PIECE: usize = 12 << 10;

/// Decodes base64 text piece by piece, so that a large body is not copied once more without its line ends.
pub fn decode_base64(text: &[u8]) -> Result<SecretBytes, NotBase64> {
    let text = without_prefix(text);
    let mut letters = text.iter().filter(|b| !b.is_ascii_whitespace()).map(|b| match b {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    let mut bytes = SecretBytes::with_capacity(text.len().div_ceil(4) * 3);
    let mut piece = SecretBytes::from(vec![0; PIECE]);
    let mut decoded = SecretBytes::from(vec![0; PIECE / 4 * 3]);
    let mut is_over = false;
    loop {
        let mut count = 0;
        while count < PIECE
            && let Some(letter) = letters.next()
        {
            piece[count] = letter;
            count += 1;
        }
        // Nothing may follow a piece that decodes to less than its full length, as one with padding does.
        let whole = count / 4 * 3;
        if count > 0 && is_over {
            return Err(NotBase64);
        }
        let length = TOLERANT.decode_slice(&piece[..count], &mut decoded).map_err(|_| NotBase64)?;
        is_over = length < whole;
        bytes.push(&decoded[..length]);
        if count < PIECE {
            return Ok(bytes);
        }
    }
}

/// Encodes as base64 text, with padding.
pub fn encode_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The same, as bytes that are wiped.
pub(super) fn encode_base64_wiped(bytes: &[u8]) -> SecretBytes {
    encode_base64(bytes).into_bytes().into()
}

/// Skips `data:image/jpeg;base64,`. The header of a data URI is short; a comma further behind is not searched for.
fn without_prefix(text: &[u8]) -> &[u8] {
    const LONGEST: usize = 256;
    let text = text.trim_ascii_start();
    if !text.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"data:")) {
        return text;
    }
    let head = &text[..text.len().min(LONGEST)];
    memchr::memchr(b',', head).map_or(text, |comma| &text[comma + 1..])
}

/// Decodes any bytes as base64 text: the result is no longer than the text, and encoded again it decodes to the same.
pub fn fuzz(text: &[u8]) {
    if let Ok(bytes) = decode_base64(text) {
        assert!(bytes.len() <= text.len());
        assert_eq!(decode_base64(encode_base64(&bytes).as_bytes()), Ok(bytes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_of_all_common_clients_is_decoded() {
        for text in [
            "+/8AYQ==",
            "+/8AYQ",
            "-_8AYQ",
            " +/8A\r\nYQ==\n",
            "data:image/png;base64,+/8AYQ==",
            "\nDATA:;base64,+/8AYQ=",
        ] {
            assert_eq!(decode_base64(text.as_bytes()), Ok(vec![0xFB, 0xFF, 0, b'a'].into()), "{text}");
        }
        assert_eq!(decode_base64(b""), Ok(SecretBytes::default()));
    }

    #[test]
    fn invalid_base64_is_refused() {
        for text in [&b"a"[..], b"ab!d", b"====", b"ab=cd", b"\xFF\xD8\xFF\xE0", b"data:image/png;base64"] {
            assert_eq!(decode_base64(text), Err(NotBase64), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn encoded_bytes_round_trip_in_lines_of_any_length(bytes: Vec<u8>, every in 1usize..80) {
            let lines: Vec<u8> =
                encode_base64(&bytes).into_bytes().chunks(every).flat_map(|line| [line, b"\r\n"].concat()).collect();
            prop_assert_eq!(decode_base64(&lines), Ok(bytes.into()));
        }

        /// Pieces make no difference: text of several decodes as it does in one.
        #[test]
        fn decoding_in_chunks_gives_the_same_result(length in 8_000_usize..40_000, end in "[A-Za-z0-9+/=]{0,5}", at in 0_usize..50_000) {
            let mut text = encode_base64(&vec![7; length]).into_bytes();
            text.extend_from_slice(end.as_bytes());
            let whole = TOLERANT.decode(&text).map(SecretBytes::from).map_err(|_| NotBase64);
            prop_assert_eq!(decode_base64(&text), whole);
            let at = at % text.len();
            text[at] = b'=';
            prop_assert_eq!(decode_base64(&text).is_ok(), TOLERANT.decode(&text).is_ok());
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes: Vec<u8>) {
            let _either = decode_base64(&bytes);
        }
    }
}

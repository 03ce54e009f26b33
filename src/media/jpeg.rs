//! Finds out whether a JPEG ends before its picture does.
//!
//! Decoders fill what is missing with gray and say nothing; a face made of half gray would be compared all the same. So the
//! segments are walked (ITU-T T.81, Annex B) up to the end-of-image marker: an interrupted transfer has none. No pixel is
//! decoded here, so a file that was cut and given an end again is not found out.

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

/// How far the picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Start of image to end of image; what follows is ignored.
    Whole,
    /// The bytes end between segments or inside a header.
    EndsInHeader,
    /// The bytes end inside the compressed data.
    EndsInScan,
}

/// Walks the segments of `bytes`, which begin with a start-of-image marker.
pub(super) fn extent(bytes: &[u8]) -> Extent {
    let mut at = 2;
    let mut scanning = false;
    loop {
        let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(0xFF, rest)) else {
            return if scanning { Extent::EndsInScan } else { Extent::EndsInHeader };
        };
        at += found + 1;
        match bytes.get(at) {
            None => continue,
            // A fill byte: the marker's code is still to come.
            Some(0xFF) => {}
            // A stuffed byte or a restart marker: no segment follows.
            Some(0x00 | 0x01 | 0xD0..=0xD7) => at += 1,
            Some(&EOI) if scanning => return Extent::Whole,
            Some(&(SOI | EOI)) => at += 1,
            Some(&code) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else {
                    return Extent::EndsInHeader;
                };
                scanning |= code == SOS;
                at += 1 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &[u8] = &[
        0xFF, 0xD8, // SOI
        0xFF, 0xE1, 0x00, 0x06, 0xFF, 0xD9, 0xFF, 0xD9, // APP1 that holds a thumbnail's EOI
        0xFF, 0xFF, 0xDA, 0x00, 0x03, 0x01, // fill byte, SOS
        0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD0, 0x56, // data, stuffed FF, restart
        0xFF, 0xD9, // EOI
    ];

    #[test]
    fn whole_with_or_without_trailing_bytes() {
        assert_eq!(extent(PICTURE), Extent::Whole);
        assert_eq!(extent(&[PICTURE, b"trailing garbage"].concat()), Extent::Whole);
    }

    #[test]
    fn every_shorter_prefix_is_short() {
        for end in 2..PICTURE.len() {
            let want = if end < 16 { Extent::EndsInHeader } else { Extent::EndsInScan };
            let got = extent(&PICTURE[..end]);
            assert!(got == want || (12..16).contains(&end) && got != Extent::Whole, "{end}: {got:?}");
        }
    }
}

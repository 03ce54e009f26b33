//! Reads the orientation from Exif data, the only entry of its TIFF structure that is used.

use image::metadata::Orientation;

/// Tag of the orientation in the first directory.
const ORIENTATION: u16 = 0x0112;

/// Whether data begins like a TIFF structure, of either byte order.
pub(super) fn is_tiff(data: &[u8]) -> bool {
    data.starts_with(b"II*\0") || data.starts_with(b"MM\0*")
}

/// The orientation in Exif data, with or without its identifier. The first of several entries counts, whatever its integer type;
/// `None` if there is none or its value is not valid.
pub(super) fn orientation(data: &[u8]) -> Option<Orientation> {
    let tiff = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    if !is_tiff(tiff) {
        return None;
    }
    let big = tiff[0] == b'M';
    let short = |at: usize| {
        let &two = tiff.get(at..)?.first_chunk()?;
        Some(if big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    };
    let long = |at: usize| {
        let &four = tiff.get(at..)?.first_chunk()?;
        Some(if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = short(directory)?;
    // Tag, type, count, and a value at the front of four bytes.
    let places = (0..usize::from(entries)).map(|number| directory.saturating_add(2 + number * 12));
    let entry = places.take_while(|&at| at + 12 <= tiff.len()).find(|&at| short(at) == Some(ORIENTATION))?;
    let value = match short(entry + 2)? {
        1 => u32::from(tiff[entry + 8]),
        3 => u32::from(short(entry + 8)?),
        4 => long(entry + 8)?,
        _ => return None,
    };
    Orientation::from_exif(u8::try_from(value).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF structure with these entries: tag, type and value.
    fn tiff(big: bool, entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let two = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let four = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut bytes = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        bytes.extend(four(8));
        bytes.extend(two(entries.len() as u16));
        for &(tag, kind, value) in entries {
            bytes.extend([two(tag), two(kind)].concat());
            bytes.extend(four(1));
            bytes.extend(match kind {
                1 => [value as u8, 0, 0, 0],
                3 => [two(value as u16), [0, 0]].concat().try_into().unwrap(),
                _ => four(value),
            });
        }
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn the_first_orientation_entry_counts_in_either_byte_order() {
        for big in [false, true] {
            for kind in [1, 3, 4] {
                let data = tiff(big, &[(0x010F, 3, 1), (ORIENTATION, kind, 6), (ORIENTATION, kind, 3)]);
                assert_eq!(orientation(&data), Some(Orientation::Rotate90), "{big} {kind}");
                assert_eq!(orientation(&[b"Exif\0\0", &*data].concat()), Some(Orientation::Rotate90));
            }
            assert_eq!(orientation(&tiff(big, &[(ORIENTATION, 3, 9)])), None);
            assert_eq!(orientation(&tiff(big, &[(ORIENTATION, 4, 256 + 6)])), None);
            assert_eq!(orientation(&tiff(big, &[(ORIENTATION, 2, 6)])), None);
            assert_eq!(orientation(&tiff(big, &[])), None);
        }
    }

    #[test]
    fn truncated_or_invalid_tiff_has_no_orientation() {
        let whole = tiff(true, &[(ORIENTATION, 3, 6)]);
        assert!((0..22).all(|cut| orientation(&whole[..cut]).is_none()));
        assert_eq!(orientation(&whole[..22]), Some(Orientation::Rotate90));
        for directory in [22, 1 << 16, u32::MAX] {
            let mut elsewhere = whole.clone();
            elsewhere[4..8].copy_from_slice(&directory.to_be_bytes());
            assert_eq!(orientation(&elsewhere), None);
        }
        assert_eq!(orientation(b"<x:xmpmeta/>"), None);
    }
}

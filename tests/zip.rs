//! Makes archives for tests and for the fuzzer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// A zip archive of stored files, as the format's specification (APPNOTE 6.3) defines it.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (vec![], vec![]);
    for (name, content) in files {
        let number = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let mut entry = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]; // version, flags, stored, time, date
        entry.extend(crc32(content).to_le_bytes());
        entry.extend([number(content.len()), number(content.len()), number(name.len())].concat());
        let at = number(body.len());
        body.extend([b"PK\x03\x04", &entry[..], name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02\x14\0", &entry[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let (count, at) =
        (u16::try_from(files.len()).unwrap().to_le_bytes(), u32::try_from(body.len()).unwrap().to_le_bytes());
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    [&body[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &at, &[0, 0]].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

//! Names unsupported formats that clients send by mistake, by their first bytes.

/// Brands of the HEIF family (ISO/IEC 23008-12, Annex B to G; AV1 Image File Format, 6), and the format of their pictures: still
/// pictures and sequences alike, but no brands of videos.
const IMAGE_BRANDS: [(&[u8; 4], &str); 24] = [
    (b"avif", AVIF),
    (b"avis", AVIF),
    (b"avio", AVIF),
    (b"MA1A", AVIF),
    (b"MA1B", AVIF),
    (b"heic", HEIC),
    (b"heix", HEIC),
    (b"heim", HEIC),
    (b"heis", HEIC),
    (b"hevc", HEIC),
    (b"hevx", HEIC),
    (b"hevm", HEIC),
    (b"hevs", HEIC),
    (b"avci", HEIC),
    (b"avcs", HEIC),
    (b"vvic", HEIC),
    (b"vvis", HEIC),
    (b"j2ki", HEIC),
    (b"j2is", HEIC),
    (b"jpeg", HEIC),
    (b"jpgs", HEIC),
    (b"mif1", HEIC),
    (b"msf1", HEIC),
    (b"miaf", HEIC),
];

const AVIF: &str = "an AVIF";
const HEIC: &str = "a HEIC";

/// Brands of the same family that any codec may have as the major brand: the compatible brands name the codec.
const ANY_CODEC: [&[u8; 4]; 9] = [b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"MiHB", b"MiHA", b"MiHE", b"1pic"];

/// Bytes of a file-type box that are inspected: more brands than any file has.
const MOST_BRANDS: usize = 512;

/// The name of a known format that is not supported.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], usize, &str); 42] = [
        (b"GIF8", 0, "a GIF"),
        (b"WEBP", 8, "a WebP"),
        (b"BM", 0, "a BMP"),
        (b"II*\0\x10\0\0\0CR", 0, "a camera's raw file"),
        (b"II*\0", 0, "a TIFF or a camera's raw file (DNG, NEF, ARW)"),
        (b"MM\0*", 0, "a TIFF or a camera's raw file (DNG, NEF, ARW)"),
        (b"II+\0", 0, "a TIFF"),
        (b"MM\0+", 0, "a TIFF"),
        (b"IIU\0", 0, "a camera's raw file"),
        (b"IIRO", 0, "a camera's raw file"),
        (b"IIRS", 0, "a camera's raw file"),
        (b"MMOR", 0, "a camera's raw file"),
        (b"FUJIFILMCCD-RAW", 0, "a camera's raw file"),
        (b"FOVb", 0, "a camera's raw file"),
        (b"ftypcrx ", 4, "a camera's raw file"),
        (b"II\xBC", 0, "a JPEG XR"),
        (b"\xFF\x0A", 0, "a JPEG XL"),
        (b"JXL \r\n\x87\n", 4, "a JPEG XL"),
        (b"jP  \r\n\x87\n", 4, "a JPEG 2000"),
        (b"\xFF\x4F\xFF\x51", 0, "a JPEG 2000"),
        (b"\x8BJNG", 0, "a JNG"),
        (b"\x8AMNG", 0, "an MNG"),
        (b"8BPS", 0, "a Photoshop file"),
        (b"\0\0\x01\0", 0, "an icon"),
        (b"qoif", 0, "a QOI"),
        (b"<svg", 0, "an SVG"),
        (b"P5", 0, "a PGM"),
        (b"P6", 0, "a PPM"),
        (b"ftyp", 4, "a video"),
        (b"\x1A\x45\xDF\xA3", 0, "a video"),
        (b"AVI ", 8, "a video"),
        (b"WAVE", 8, "a sound file"),
        (b"ID3", 0, "a sound file"),
        (b"PK\x03\x04", 0, "a zip archive"),
        (b"%PDF", 0, "a PDF"),
        (b"\0\0\x01\xBA", 0, "an MPEG program stream"),
        (b"\0\0\x01\xB3", 0, "an MPEG video stream"),
        (b"FLV", 0, "a Flash video"),
        (b"OggS", 0, "an Ogg stream"),
        (b"\x30\x26\xB2\x75", 0, "a Windows Media file"),
        (b"Rar!", 0, "a RAR archive"),
        (b"7z\xBC\xAF", 0, "a 7z archive"),
    ];
    if let Some(name) = heif(bytes) {
        return Some(name);
    }
    KNOWN.iter().find(|(magic, at, _)| bytes.get(*at..).is_some_and(|b| b.starts_with(magic))).map(|k| k.2)
}

/// Whether a brand is one of videos.
fn is_film(brand: &[u8; 4]) -> bool {
    const STARTS: [&[u8]; 9] = [b"iso", b"mp4", b"M4", b"qt", b"3g", b"avc1", b"hvc1", b"dash", b"cmf"];
    STARTS.iter().any(|start| brand.starts_with(start))
}

/// The format name of a file of the HEIF family; `None` if it is not one. The major brand decides between pictures and videos; where
/// it is neither, or does not name the codec, the compatible brands decide, unless a video brand is among them.
pub(super) fn heif(bytes: &[u8]) -> Option<&'static str> {
    let (&[a, b, c, d, b'f', b't', b'y', b'p'], rest) = bytes.split_first_chunk::<8>()? else { return None };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    // Major brand, its version, compatible brands.
    let brands = &rest[..rest.len().min(length.saturating_sub(8)).min(MOST_BRANDS)];
    let (major, rest) = brands.split_first_chunk::<4>()?;
    let known = |brand: &[u8; 4]| IMAGE_BRANDS.iter().find(|(known, _)| *known == brand).map(|(_, name)| *name);
    let compatible = rest.get(4..).unwrap_or_default().as_chunks::<4>().0;
    let any = ANY_CODEC.contains(&major);
    match known(major) {
        Some(name) if !any => return Some(name),
        None if !any && (is_film(major) || compatible.iter().any(is_film)) => return None,
        _ => {}
    }
    let named = |name| compatible.iter().any(|brand| known(brand) == Some(name));
    if named(AVIF) { Some(AVIF) } else { (any || named(HEIC)).then_some(HEIC) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(brands: &[&[u8; 4]]) -> Vec<u8> {
        let length = (8 + brands.len() * 4 + 4) as u32;
        let mut bytes = [&length.to_be_bytes()[..], b"ftyp", brands[0], &[0; 4]].concat();
        brands[1..].iter().for_each(|brand| bytes.extend(*brand));
        bytes.extend(b"\0\0\0\x08meta");
        bytes
    }

    #[test]
    fn every_heif_brand_is_recognized() {
        for brand in [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"miaf"]
        {
            assert_eq!(name(&file(&[brand])), Some("a HEIC"), "{brand:?}");
            assert_eq!(name(&file(&[brand, b"isom", b"mif1"])), Some("a HEIC"));
        }
        for brands in [&[b"avif"][..], &[b"avis", b"iso8"], &[b"mif1", b"miaf", b"avif"], &[b"msf1", b"avis", b"isom"]]
        {
            assert_eq!(name(&file(brands)), Some("an AVIF"), "{brands:?}");
        }
        for film in [b"isom", b"mp42", b"qt  ", b"iso6", b"M4V ", b"3gp5", b"avc1", b"dash", b"hvc1"] {
            assert_eq!(name(&file(&[film, b"isom", b"iso2"])), Some("a video"));
            assert_eq!(heif(&file(&[film, b"isom", b"iso2"])), None);
            assert_eq!(heif(&file(&[film, b"mif1", b"heic"])), None, "a film that says what it is");
        }
        assert_eq!(heif(&file(&[b"new1", b"mif1", b"avif"])), Some("an AVIF"));
        assert_eq!(heif(&file(&[b"new1", b"mif1", b"heix"])), Some("a HEIC"));
        assert_eq!(heif(&file(&[b"new1", b"mif1", b"isom"])), None);
        assert_eq!(heif(&file(&[b"new1"])), None);
    }

    #[test]
    fn formats_are_recognized_by_their_first_bytes() {
        for (start, expected) in [
            (&b"GIF89a"[..], Some("a GIF")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("a WebP")),
            (b"II*\0\x08\0\0\0", Some("a TIFF or a camera's raw file (DNG, NEF, ARW)")),
            (b"II*\0\x10\0\0\0CR\x02\0", Some("a camera's raw file")),
            (b"\xFF\x0A\xFA\x7F", Some("a JPEG XL")),
            (b"\0\0\0\x0CJXL \r\n\x87\n", Some("a JPEG XL")),
            (b"\0\0\0\x0CjP  \r\n\x87\n", Some("a JPEG 2000")),
            (b"\xFF\x4F\xFF\x51\0\x2F", Some("a JPEG 2000")),
            (b"%PDF-1.7", Some("a PDF")),
            (b"\0\0\0\x18ftypcrx ", Some("a camera's raw file")),
            (b"<svg xmlns=", Some("an SVG")),
            (b"hello", None),
            (b"", None),
        ] {
            assert_eq!(name(start), expected, "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn brands_are_searched_only_inside_their_box(length: u32, rest: Vec<u8>) {
            let bytes = [&length.to_be_bytes()[..], b"ftypmif1\0\0\0\0", &rest].concat();
            let inside = &rest[..rest.len().min((length as usize).saturating_sub(16))];
            let avif = inside.as_chunks::<4>().0.iter().any(|brand| IMAGE_BRANDS[..5].iter().any(|(known, _)| *known == brand));
            let expected = (length >= 12).then_some(if avif { AVIF } else { HEIC });
            prop_assert_eq!(heif(&bytes), expected);
        }
    }
}

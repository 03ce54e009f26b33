//! Tests which properties are read from segments, and which segments are refused.

use proptest::prelude::*;

use super::super::tests::{Writer, gray};
use super::*;

#[test]
fn tables_of_one_segment_are_counted() {
    let huffman = [&[0, 1][..], &[0; 15], &[7]].concat();
    assert_eq!(tables(0xC4, &huffman.repeat(3_000)).filter(|&table| table == (0, true)).count(), 3_000);
    let quantizers = [&[0][..], &[1; 64], &[0x11], &[1; 128], &[2], &[1; 63]].concat();
    assert_eq!(tables(0xDB, &quantizers).collect::<Vec<_>>(), [(0, true), (0x11, true), (2, false)]);
    assert_eq!((tables(0xC4, &[]).count(), tables(0xC4, &[0, 255, 255]).collect()), (1, vec![(0, false)]));
    let many = Writer::new().segment(0xC4, &huffman.repeat(1_100)).bytes();
    assert_eq!(Layout::read(&many), Err(JpegDefect::TooLarge("has more tables than its scans can use")));
}

#[test]
fn trailing_bytes_do_not_change_the_layout() {
    let picture = gray(false).bytes();
    let layout = Layout::read(&picture).unwrap();
    assert_eq!((layout.width, layout.height, layout.precision, layout.progressive), (16, 16, 8, false));
    assert_eq!(Layout::read(&[&picture, &b"trailing \xFF\xD8 garbage"[..]].concat()), Ok(layout));
}

#[test]
fn every_truncated_picture_is_reported_as_ending_early() {
    for progressive in [false, true] {
        let picture = gray(progressive).bytes();
        let scan = picture.windows(2).position(|two| two == [0xFF, SOS]).unwrap();
        for end in 2..picture.len() {
            let got = Layout::read(&picture[..end]).unwrap_err();
            let want = if end < scan + 10 { JpegDefect::EndsInHeader } else { JpegDefect::EndsInScan };
            assert_eq!(got, want, "{end} of {}", picture.len());
        }
    }
}

#[test]
fn metadata_and_comments_are_left_out() {
    let plain = gray(false).bytes();
    let junk = Writer::new().segment(0xE2, b"ICC_PROFILE\0\x01\x01profile").segment(0xFE, b"\xFF\xD9 comment");
    let junk = &junk.bytes()[2..];
    let padded = [&plain[..2], &junk[..junk.len() - 2], b"between\xFF\xFF", &plain[2..]].concat();
    let of = |bytes: &[u8]| {
        let layout = Layout::read(bytes).unwrap();
        layout.pieces.iter().map(|piece| bytes[piece.clone()].to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(of(&padded), of(&plain));
}

#[test]
fn invalid_headers_are_named_in_the_error() {
    let good = gray(false);
    let told = |writer: Writer| Layout::read(&writer.bytes()).map(|_| ()).map_err(|flaw| flaw.to_string());
    assert_eq!(told(good), Ok(()));
    let frame = |code: u8, size: [u8; 4], sampling: u8| {
        let body = [&[8][..], &size, &[1, 1, sampling, 0]].concat();
        told(Writer::new().segment(code, &body).scan(&[1], (0, 63), (0, 0), &[0; 9]))
    };
    assert_eq!(frame(0xC0, [0, 16, 0, 16], 0x11), Ok(()));
    for (result, want) in [
        (frame(0xC0, [0, 16, 0, 16], 0x15), "a sampling factor"),
        (frame(0xC0, [0, 0, 0, 16], 0x11), "tells its height only behind its data"),
        (frame(0xC0, [0, 16, 0, 0], 0x11), "a picture without pixels"),
        (frame(0xC9, [0, 16, 0, 16], 0x11), "is arithmetic-coded, which is not supported; send baseline or"),
        (frame(0xCA, [0, 16, 0, 16], 0x11), "is arithmetic-coded"),
        (frame(0xC3, [0, 16, 0, 16], 0x11), "is lossless"),
        (frame(0xCB, [0, 16, 0, 16], 0x11), "is lossless and arithmetic-coded"),
        (frame(0xC5, [0, 16, 0, 16], 0x11), "is hierarchical"),
        (frame(0xF7, [0, 16, 0, 16], 0x11), "is a JPEG-LS"),
        (told(Writer::new().scan(&[1], (0, 63), (0, 0), &[0])), "a scan before the frame"),
        (told(Writer::new().frame(0xC0, 8, 8, &[0x11]).frame(0xC0, 9, 9, &[0x11])), "two frames"),
        (told(gray(true).frame(0xC2, 9999, 9999, &[0x11])), "two frames"),
        (told(Writer::new().frame(0xC0, 16, 16, &[0x11]).scan(&[7], (0, 63), (0, 0), &[0])), "not there"),
        (told(Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (1, 63), (0, 0), &[0])), "cannot be"),
        (told(Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (0, 63), (0, 0), &[0])), "cannot be"),
        (told(Writer::new().segment(0x30, &[])), "a marker that no JPEG has"),
        (told(Writer::new().segment(0xDC, &[0, 16])), "tells its height only behind its data"),
        (told(Writer::new()), "no picture"),
    ] {
        assert!(result.as_ref().is_err_and(|text| text.contains(want)), "{want}: {result:?}");
    }
}

#[test]
fn counts_of_scans_and_tables_are_limited() {
    let scans = |count: usize| {
        let start = Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (0, 0), (0, 0), &[0; 4]);
        let all = (1..count).fold(start, |writer, _| writer.scan(&[1], (1, 63), (0, 0), &[0; 4]));
        Layout::read(&all.bytes()).map(|layout| layout.scans.len())
    };
    assert_eq!(scans(MOST_SCANS), Ok(MOST_SCANS));
    assert_eq!(scans(MOST_SCANS + 1), Err(JpegDefect::TooLarge("has more scans than encoders write")));
    let tables = |count: usize| {
        let start = (0..count).fold(Writer::new(), |writer, _| writer.segment(0xDB, &[0]));
        Layout::read(&start.frame(0xC0, 8, 8, &[0x11]).scan(&[1], (0, 63), (0, 0), &[0; 4]).bytes())
    };
    assert!(tables(MOST_TABLES).is_ok());
    assert!(matches!(tables(MOST_TABLES + 1), Err(JpegDefect::TooLarge(_))));
}

#[test]
fn the_first_exif_segment_and_the_last_color_marker_count() {
    let plain = gray(false).bytes();
    let exif = |tiff: &[u8]| [b"Exif\0\0", tiff].concat();
    let before = Writer::new()
        .segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
        .segment(0xE1, &exif(b"no TIFF"))
        .segment(0xE1, &exif(b"MM\0*first"))
        .segment(0xE1, &exif(b"MM\0*second"))
        .segment(0xE0, b"JFXX\0thumbnail")
        .segment(0xEE, b"Adobe\0d\0\0\0\0\x02")
        .segment(0xEE, b"Adobe\0d\0\0\0\0\x01")
        .segment(0xEE, b"Adobe\0d\0\0\0\0");
    let bytes = [&before.clone().bytes()[..before.bytes().len() - 2], &plain[2..]].concat();
    let layout = Layout::read(&bytes).unwrap();
    assert_eq!(&bytes[layout.exif.clone().unwrap()], b"MM\0*first");
    assert_eq!((layout.jfif, layout.adobe), (false, Some(1)));
    let jfif = before.segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0").bytes();
    let layout = Layout::read(&[&jfif[..jfif.len() - 2], &plain[2..]].concat()).unwrap();
    assert_eq!((layout.jfif, layout.adobe), (true, Some(1)));
    assert!(!layout.pieces.iter().any(|piece| matches!(jfif.get(piece.start + 1), Some(0xE0..=0xEF))));
}

#[test]
fn missing_tables_are_detected() {
    let whole = |writer: Writer| Layout::read(&writer.scan(&[1], (0, 63), (0, 0), &[0; 9]).bytes()).unwrap();
    let frame = || Writer::new().frame(0xC0, 16, 16, &[0x11]);
    let has = |writer: Writer| {
        let layout = whole(writer);
        (layout.is_quantized, layout.codes)
    };
    assert_eq!(has(frame()), (false, Codes::Typical));
    assert_eq!(has(frame().code(false, 1, 0)), (false, Codes::Typical), "one of two");
    assert_eq!(has(frame().quantized().code(false, 1, 0).code(true, 1, 0)), (true, Codes::Own));
    let progressive = Writer::new().frame(0xC2, 16, 16, &[0x11]).scan(&[1], (0, 0), (0, 0), &[0; 9]);
    assert_eq!(Layout::read(&progressive.bytes()).unwrap().codes, Codes::Missing);
    assert_eq!(Layout::read(&gray(true).bytes()).unwrap().codes, Codes::Own);
}

proptest! {
    #[test]
    fn bytes_after_the_end_are_ignored(tail: Vec<u8>, progressive: bool, flip in any::<(u16, u8)>()) {
        let mut bytes = gray(progressive).bytes();
        let at = 2 + usize::from(flip.0) % (bytes.len() - 2);
        bytes[at] ^= flip.1;
        let alone = Layout::read(&bytes);
        if let Ok(layout) = &alone {
            prop_assert!(layout.pieces.windows(2).all(|two| two[0].end <= two[1].start));
            prop_assert_eq!(&Layout::read(&[&bytes, &*tail].concat()), &alone);
        }
    }
}

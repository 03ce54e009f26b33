use proptest::prelude::*;

use super::*;
use crate::media::Shape;
use crate::media::frame::Rotation;
use crate::media::video::track::Codec;

/// An identifier as it is written.
fn identifier(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect()
}

/// An element with a size of four bytes.
fn element(id: u32, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [identifier(id), (body.len() as u32 | 1 << 28).to_be_bytes().to_vec(), body].concat()
}

/// An element of unknown size.
fn open(id: u32, body: &[u8]) -> Vec<u8> {
    [identifier(id), vec![0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], body.to_vec()].concat()
}

fn head(doc_type: &[u8]) -> Vec<u8> {
    element(id::EBML, &[&element(0x4286, &[&[1]]), &element(id::DOC_TYPE, &[doc_type])])
}

fn info() -> Vec<u8> {
    element(id::INFO, &[&element(id::TIMESTAMP_SCALE, &[&1_000_000_u32.to_be_bytes()])])
}

/// A list with a track of sound and a track of video that has more elements.
fn tracks(codec: &[u8], more: &[u8]) -> Vec<u8> {
    let sound = element(0xAE, &[&element(0xD7, &[&[1]]), &element(0x83, &[&[2]])]);
    let size = element(0xE0, &[&element(0xB0, &[&[1, 64]]), &element(0xBA, &[&[240]])]);
    let fields = [element(0xD7, &[&[2]]), element(0x83, &[&[1]]), element(0x86, &[codec]), size, more.to_vec()];
    element(id::TRACKS, &[&sound, &element(0xAE, &[&fields.concat()])])
}

fn simple_block(track: u8, time: i16, flags: u8, data: &[u8]) -> Vec<u8> {
    element(id::SIMPLE_BLOCK, &[&[0x80 | track], &time.to_be_bytes(), &[flags], data])
}

fn timestamp(ticks: u16) -> Vec<u8> {
    element(id::TIMESTAMP, &[&ticks.to_be_bytes()])
}

/// Two clusters with two frames each, and sound.
fn clusters(make: &dyn Fn(u32, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let one =
        [timestamp(500), simple_block(2, 0, 0x80, b"a"), simple_block(1, 1, 0x80, b"S"), simple_block(2, 40, 0, b"bb")];
    let two = [
        timestamp(600),
        simple_block(2, -20, 0x80, b"ccc"),
        element(0xEC, &[b"void"]),
        simple_block(2, 20, 0x08, b"d"),
    ];
    [make(id::CLUSTER, &one.concat()), make(id::CLUSTER, &two.concat())].concat()
}

fn sized(id: u32, body: &[u8]) -> Vec<u8> {
    element(id, &[body])
}

fn file() -> Vec<u8> {
    let segment = element(id::SEGMENT, &[&info(), &tracks(b"V_VP8", &[]), &clusters(&sized)]);
    [head(b"webm"), segment].concat()
}

fn live() -> Vec<u8> {
    [head(b"webm"), open(id::SEGMENT, &[info(), tracks(b"V_VP8", &[]), clusters(&open)].concat())].concat()
}

/// A file of one frame whose track has more elements.
fn with(codec: &[u8], more: &[u8]) -> Vec<u8> {
    let cluster = element(id::CLUSTER, &[&timestamp(0), &simple_block(2, 0, 0x80, b"frame")]);
    [head(b"matroska"), element(id::SEGMENT, &[&tracks(codec, more), &cluster])].concat()
}

fn read_it(bytes: &[u8]) -> Track<'_> {
    read(bytes, &Limits::default()).unwrap()
}

fn error(bytes: &[u8]) -> String {
    read(bytes, &Limits::default()).unwrap_err().to_string()
}

#[test]
fn frames_are_read_with_data_time_and_key_flag() {
    for bytes in [file(), live()] {
        let track = read_it(&bytes);
        assert_eq!(
            (track.container, &track.codec, track.width, track.height),
            (Container::WebM, &Codec::Vp8, 320, 240)
        );
        let frames: Vec<_> = track.samples.iter().map(|s| (&*s.data, s.time_us, s.key, s.shown)).collect();
        assert_eq!(
            frames,
            [
                (b"a".as_slice(), 0, true, true),
                (b"bb", 40_000, false, true),
                (b"ccc", 80_000, true, true),
                (b"d", 120_000, false, false)
            ]
        );
    }
}

#[test]
fn a_truncated_file_is_refused_and_a_truncated_live_recording_read_to_its_end() {
    let bytes = file();
    let whole = bytes.len();
    let text = error(&bytes[..whole - 1]);
    assert!(text.starts_with("the WebM ends early: ") && text.ends_with("bytes of its segment are there"), "{text}");
    let bytes = live();
    assert_eq!(read_it(&bytes[..bytes.len() - 1]).samples.len(), 3);
    for end in 0..bytes.len() {
        fuzz(&bytes[..end]);
        fuzz(&file()[..end.min(whole)]);
        assert!(read(&bytes[..end], &Limits::default()).is_ok_and(|t| t.samples.len() < 4) || end < 200, "{end}");
    }
    assert_eq!(error(&[bytes.clone(), vec![0; 12]].concat()), "the WebM has a damaged element");
    assert_eq!(error(&bytes[..20]), "the Matroska file ends inside its header or has a damaged one");
    assert_eq!(error(&bytes[..head(b"webm").len() + 2]), "the WebM ends before its segment");
    assert_eq!(error(&bytes[..head(b"webm").len() + 14]), "the WebM ends before its list of tracks");
}

#[test]
fn appended_recordings_are_read_one_after_the_other() {
    let times = |bytes: &[u8]| read_it(bytes).samples.iter().map(|s| s.time_us / 1000).collect::<Vec<_>>();
    // The last of the four is not shown; frames are 40 ms apart.
    let want = [0, 40, 80, 120, 120, 160, 200, 240];
    for (first, second) in [(live(), live()), (live(), file()), (file(), live()), (file(), file())] {
        assert_eq!(times(&[first, second].concat()), want);
    }
    // Without the head of a file, and behind padding.
    let segment = &file()[head(b"webm").len()..];
    assert_eq!(times(&[file(), element(0xEC, &[&[0; 9]]), segment.to_vec()].concat()), want);
    assert_eq!(times(&[file(), vec![0; 99]].concat()).len(), 4, "padding");
    let other = [head(b"webm"), element(id::SEGMENT, &[&tracks(b"V_VP9", &[]), &clusters(&sized)])].concat();
    assert!(error(&[live(), other].concat()).starts_with("the WebM holds recordings one after the other that differ"));
    let whole = [live(), file()].concat();
    assert!(error(&whole[..whole.len() - 1]).starts_with("the WebM ends early"));
    assert_eq!(error(&file().repeat(65)), "the WebM holds more than 64 recordings one after the other");
    for end in 0..whole.len() {
        fuzz(&whole[..end]);
    }
}

#[test]
fn the_pixel_shape_follows_from_the_display_size() {
    let number = |id: u32, value: u16| element(id, &[&value.to_be_bytes()]);
    let shape = |more: &[Vec<u8>]| read_it(&with(b"V_VP8", &element(0xE0, &[&more.concat()]))).shape;
    let (width, height, unit) = (0x54B0, 0x54BA, 0x54B2);
    // The pictures have 320x240 pixels.
    assert_eq!(shape(&[]), Some(Shape::SQUARE), "as stored");
    assert_eq!(shape(&[number(width, 640)]), Shape::new(2, 1));
    assert_eq!(shape(&[number(width, 16), number(height, 9), number(unit, 3)]), Shape::new(4, 3), "by their ratio");
    assert_eq!(shape(&[number(width, 640), number(height, 240), number(unit, 4)]), None, "unknown");
    assert_eq!(shape(&[number(width, 0), number(height, 240)]), None);
    assert_eq!(shape(&[number(unit, 3)]), None);
    let cropped = [number(0x54BB, 80), number(0x54AA, 80)];
    assert_eq!(shape(&cropped), Some(Shape::SQUARE), "as stored, less the cropped");
    assert_eq!(shape(&[&cropped[..], &[number(height, 160)]].concat()), Shape::new(1, 2));
}

#[test]
fn the_largest_of_equally_long_tracks_is_read() {
    let track = |number: u8, width: u8, more: &[u8]| {
        let size = element(0xE0, &[&element(0xB0, &[&[width]]), &element(0xBA, &[&[48]])]);
        let fields = [element(0xD7, &[&[number]]), element(0x83, &[&[1]]), element(0x86, &[b"V_VP8"]), size];
        element(0xAE, &[&fields.concat(), more])
    };
    let file = |tracks: &[Vec<u8>]| {
        let blocks = [simple_block(1, 0, 0x80, b"a"), simple_block(2, 0, 0x80, b"bb"), simple_block(2, 9, 0, b"b")];
        let cluster = element(id::CLUSTER, &[&timestamp(0), &blocks.concat()]);
        [head(b"webm"), element(id::SEGMENT, &[&element(id::TRACKS, &[&tracks.concat()]), &cluster])].concat()
    };
    let width = |tracks: &[Vec<u8>]| read_it(&file(tracks)).width;
    assert_eq!(width(&[track(1, 32, &[]), track(2, 64, &[])]), 64);
    assert_eq!(width(&[track(1, 64, &[]), track(2, 32, &[])]), 64, "half as many frames are enough");
    assert_eq!(width(&[track(1, 64, &element(0x88, &[&[0]])), track(2, 32, &[])]), 32, "not the default");
    assert_eq!(width(&[track(1, 64, &element(0xB9, &[&[0]])), track(2, 32, &[])]), 32, "disabled");
    assert_eq!(read_it(&file(&[track(1, 32, &[]), track(2, 64, &[])])).samples.len(), 2);
}

#[test]
fn the_field_order_is_read() {
    let order = |order: u8| read_it(&with(b"V_MJPEG", &element(0xE0, &[&element(0x9D, &[&[order]])]))).bottom_first;
    assert_eq!([0, 1, 6, 9, 14].map(order), [false, false, true, true, false]);
}

#[test]
fn block_groups_without_references_are_keys() {
    let block = |data: &[u8]| element(id::BLOCK, &[&[0x82, 0, 0, 0], data]);
    let key = element(id::BLOCK_GROUP, &[&block(b"a"), &element(0x9B, &[&[40]])]);
    let other = element(id::BLOCK_GROUP, &[&element(id::REFERENCE_BLOCK, &[&[0xD8]]), &block(b"b")]);
    let cluster = element(id::CLUSTER, &[&timestamp(0), &key, &other]);
    let bytes = [head(b"matroska"), element(id::SEGMENT, &[&tracks(b"V_MJPEG", &[]), &cluster])].concat();
    assert_eq!(read_it(&bytes).samples.iter().map(|s| s.key).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn codecs_are_recognized_with_their_configuration() {
    let private = |bytes: &[u8]| element(0x63A2, &[bytes]);
    let bytes = with(b"V_MPEG4/ISO/AVC", &private(b"avcC"));
    assert_eq!((&read_it(&bytes).codec, &*read_it(&bytes).setup), (&Codec::H264, b"avcC".as_slice()));
    assert_eq!(read_it(&bytes).container, Container::Matroska);
    for (id, name) in [("V_MPEGH/ISO/HEVC", "HEVC"), ("V_AV1", "AV1"), ("V_VP9\0\0", "VP9"), ("V_\"WHAT", "'V_?WHAT'")]
    {
        assert_eq!(read_it(&with(id.as_bytes(), &[])).codec.to_string(), name);
    }
    let bitmap = [[0; 16].as_slice(), b"XVID", &[0; 20]].concat();
    assert_eq!(read_it(&with(b"V_MS/VFW/FOURCC", &private(&bitmap))).codec.to_string(), "MPEG-4 Part 2");
    assert_eq!(read_it(&with(b"V_MS/VFW/FOURCC", &[])).codec.to_string(), "'V_MS/VFW/FOURCC'");
}

#[test]
fn the_pose_roll_is_counterclockwise() {
    let posed = |yaw: f32, roll: f64| {
        let pose = [element(0x7673, &[&yaw.to_be_bytes()]), element(0x7675, &[&roll.to_be_bytes()])];
        with(b"V_VP8", &element(0xE0, &[&element(0x7670, &[&pose.concat()])]))
    };
    let cases = [
        (0.0, 0.0, false, Rotation::None),
        (0.0, 90.0, false, Rotation::Left),
        (0.0, -90.0, false, Rotation::Right),
        (0.0, 180.0, false, Rotation::Half),
        (180.0, -180.0, true, Rotation::Half),
        (0.0, f64::NAN, false, Rotation::None),
    ];
    for (yaw, roll, mirrored, turn) in cases {
        let bytes = posed(yaw, roll);
        assert_eq!((read_it(&bytes).mirrored, read_it(&bytes).turn), (mirrored, turn), "{yaw} {roll}");
    }
}

#[test]
fn stripped_frame_headers_are_restored() {
    let encoded = |fields: &[u8]| with(b"V_MJPEG", &element(0x6D80, &[&element(0x6240, &[fields])]));
    let compressed = |algorithm: u8, settings: &[u8]| {
        encoded(&element(0x5034, &[&element(0x4254, &[&[algorithm]]), &element(0x4255, &[settings])]))
    };
    assert_eq!(&*read_it(&compressed(3, b"head and ")).samples[0].data, b"head and frame");
    assert_eq!(error(&compressed(3, &[0; 300])), "the MKV has a damaged element");
    assert_eq!(error(&compressed(0, b"")), "the MKV compresses its frames once more (zlib), which is not supported");
    assert_eq!(error(&encoded(&element(0x5033, &[&[1]]))), "the MKV is encrypted");
    let private_only = [element(0x5032, &[&[2]]), element(0x5034, &[&element(0x4254, &[&[3]])])].concat();
    assert_eq!(&*read_it(&encoded(&private_only)).samples[0].data, b"frame");
}

#[test]
fn unsupported_features_are_named_in_the_error() {
    let cluster = element(id::CLUSTER, &[&timestamp(0), &simple_block(2, 0, 0x82, b"\x01\x01ab")]);
    let laced = [head(b"webm"), element(id::SEGMENT, &[&tracks(b"V_VP8", &[]), &cluster])].concat();
    assert_eq!(error(&laced), "the WebM packs several frames into a block (lacing), which is not supported");
    let sound = element(id::TRACKS, &[&element(0xAE, &[&element(0x83, &[&[2]])])]);
    let sound = [head(b"webm"), element(id::SEGMENT, &[&sound])].concat();
    assert_eq!(error(&sound), "the WebM holds no video track, only sound");
    let disabled = with(b"V_VP8", &element(0xB9, &[&[0]]));
    assert_eq!(error(&disabled), "the MKV holds no video track, only sound");
    let empty = [head(b"webm"), element(id::SEGMENT, &[&tracks(b"V_VP8", &[])])].concat();
    assert_eq!(error(&empty), "the WebM holds a video track without frames");
    let limits = Limits { video_frames: 3, ..Limits::default() };
    assert_eq!(read(&file(), &limits).unwrap_err().to_string(), "the WebM has 4 frames; the limit is 3");
    let limits = Limits { video_ms: 10, ..Limits::default() };
    assert_eq!(read(&file(), &limits).unwrap_err().to_string(), "the WebM lasts 0.2 s; the limit is 0.1 s");
}

#[test]
fn nested_elements_do_not_recurse_deeply() {
    let mut nested = Vec::new();
    for _ in 0..1000 {
        nested = element(0xE0, &[&nested]);
    }
    assert_eq!(read_it(&with(b"V_VP8", &nested)).samples.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
        fuzz(&[head(b"webm"), open(id::SEGMENT, &bytes)].concat());
        fuzz(&with(b"V_VP8", &bytes));
    }

    #[test]
    fn damaged_files_are_parsed_without_panic(
        live_one in any::<bool>(),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = if live_one { live() } else { file() };
        for (at, value) in damage {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        fuzz(&bytes);
    }
}

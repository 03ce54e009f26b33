//! Tests whole streams.

use proptest::prelude::*;

use super::synthetic::stream;
use super::*;

/// Decodes all frames; errors and hidden frames are left out.
fn decode(frames: &[Vec<u8>]) -> Vec<Picture> {
    let mut decoder = Decoder::new(1 << 20);
    frames.iter().filter_map(|frame| decoder.decode(frame).ok().flatten()).collect()
}

fn checksum(pictures: &[Picture]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    pictures.iter().flat_map(|picture| &picture.planes).for_each(|plane| hash.update(&plane.samples));
    hash.finalize()
}

/// The checksums are those of what FFmpeg 9.0 decodes from the same streams.
#[test]
fn streams_decode_as_by_ffmpeg() {
    const WANT: [u32; 12] = [
        0x8721_58E2,
        0x4E2C_1D19,
        0x94F7_4C7A,
        0x10FE_3B80,
        0xF61C_2107,
        0x7D82_0671,
        0xFAFA_5807,
        0x258A_3C8D,
        0xBAE5_584C,
        0x353B_2053,
        0x0DC9_16B8,
        0x06D9_5644,
    ];
    let got: Vec<u32> = (0..12).map(|seed| checksum(&decode(&stream(seed, 12)))).collect();
    assert_eq!(got, WANT);
}

#[test]
fn pictures_have_the_size_of_their_key_frame() {
    let mut decoder = Decoder::new(1 << 20);
    let mut size = (0, 0);
    for frame in stream(3, 40) {
        if is_key(&frame) {
            size = [6, 8].map(|at| usize::from(u16::from_le_bytes([frame[at], frame[at + 1]]))).into();
        }
        let picture = decoder.decode(&frame).expect("a whole frame");
        assert_eq!(picture.is_some(), is_shown(&frame));
        assert!(picture.is_none_or(|picture| picture.is_whole() && (picture.width(), picture.height()) == size));
    }
}

#[test]
fn disposable_frames_can_be_left_out() {
    let mut left_out = 0;
    for seed in 0..300 {
        let (mut all, mut some) = (Decoder::new(1 << 20), Decoder::new(1 << 20));
        for frame in stream(seed, 30) {
            let want = all.decode(&frame).expect("a sound frame");
            if is_disposable(&frame) {
                some.skip(&frame).expect("a sound header");
                left_out += 1;
            } else {
                assert_eq!(some.decode(&frame), Ok(want), "seed {seed}");
            }
        }
    }
    assert!(left_out > 50, "{left_out}");
}

#[test]
fn a_frame_without_bytes_changes_nothing() {
    let frames = stream(5, 8);
    let with: Vec<Vec<u8>> = frames.iter().flat_map(|frame| [frame.clone(), Vec::new()]).collect();
    assert_eq!(checksum(&decode(&with)), checksum(&decode(&frames)));
    assert_eq!(Decoder::new(1).decode(&[]), Ok(None));
}

#[test]
fn a_damaged_frame_changes_nothing() {
    let frames = stream(6, 8);
    let mut decoder = Decoder::new(1 << 20);
    let mut pictures = Vec::new();
    for frame in &frames {
        // Up to here the truncation is certain to hit something that is needed.
        let needed = frame.len() - 4000;
        for end in (1..10).chain([100, needed / 2, needed - 1]) {
            let Err(Error::Damaged(why)) = decoder.decode(&frame[..end]) else { panic!("{end} of {needed} bytes") };
            assert!(why.starts_with("the VP8 "), "{why}");
        }
        pictures.extend(decoder.decode(frame).expect("a whole frame"));
    }
    assert_eq!(checksum(&pictures), checksum(&decode(&frames)));
}

#[test]
fn truncated_frames_are_decoded_without_panic() {
    for seed in [8, 9] {
        let frames = stream(seed, 3);
        for frame in &frames {
            let mut decoder = Decoder::new(1 << 20);
            decoder.decode(&frames[0]).expect("a whole frame");
            for end in (0..frame.len()).step_by(if frame.len() > 8000 { 97 } else { 13 }) {
                let _ = decoder.decode(&frame[..end]);
            }
        }
    }
}

#[test]
fn errors_name_the_defect() {
    let key = &stream(1, 1)[0];
    let (width, height) = (u32::from(key[6]), u32::from(key[8]));
    let pixels = u64::from(width * height);
    assert!(Decoder::new(pixels).decode(key).is_ok());
    assert_eq!(Decoder::new(pixels - 1).decode(key), Err(Error::TooLarge { width, height }));
    let told = Error::TooLarge { width: 3, height: 4 }.to_string();
    assert_eq!(told, "3x4 pixels of VP8 are over the limit");

    let changed = |at: usize, to: u8| {
        let mut frame = key.clone();
        frame[at] = to;
        Decoder::new(1 << 20).decode(&frame).map(|picture| picture.is_some())
    };
    assert_eq!(changed(0, key[0] | 1), Err(Error::NoKeyFrame));
    assert_eq!(changed(3, 0x9E), Err(Error::Damaged("the VP8 key frame has no start code")));
    assert_eq!(changed(6, 0), Err(Error::Damaged("the VP8 key frame has no pixels")));
    assert_eq!(changed(8, 0), Err(Error::Damaged("the VP8 key frame has no pixels")));
    assert_eq!(changed(7, 0xC0), changed(7, 0), "scaling is read over");
    let empty = Decoder::new(1 << 20).decode(&[0x10, 0, 0, 0x9D, 0x01, 0x2A, 1, 0, 1, 0]);
    assert_eq!(empty, Err(Error::Damaged("the VP8 frame has no header")));
}

#[test]
fn a_huge_key_frame_is_refused_before_memory_is_reserved() {
    let mut key = stream(1, 1)[0].clone();
    key[6..10].fill(0xFF);
    assert_eq!(Decoder::new(50_000_000).decode(&key), Err(Error::TooLarge { width: 16_383, height: 16_383 }));
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        fuzz(&bytes);
    }

    #[test]
    fn damaged_streams_are_decoded_without_panic(seed in 0_u64..50, changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..20)) {
        let mut bytes = Vec::new();
        for mut frame in stream(seed, 3) {
            for (at, to) in &changes {
                let length = frame.len();
                frame[usize::from(*at) % length] = *to;
            }
            bytes.extend((frame.len().min(usize::from(u16::MAX)) as u16).to_le_bytes());
            bytes.extend(frame);
        }
        fuzz(&bytes);
    }
}

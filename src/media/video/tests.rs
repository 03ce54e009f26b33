use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

const CLIPS: [(&str, &[u8]); 8] = [
    ("h264.mp4", include_bytes!("../../../tests/clips/h264.mp4")),
    ("h264_bframes_fragmented.mp4", include_bytes!("../../../tests/clips/h264_bframes_fragmented.mp4")),
    ("h264_turned.mov", include_bytes!("../../../tests/clips/h264_turned.mov")),
    ("h264.avi", include_bytes!("../../../tests/clips/h264.avi")),
    ("hevc.mp4", include_bytes!("../../../tests/clips/hevc.mp4")),
    ("vp8.webm", include_bytes!("../../../tests/clips/vp8.webm")),
    ("vp9.webm", include_bytes!("../../../tests/clips/vp9.webm")),
    ("mjpeg.avi", include_bytes!("../../../tests/clips/mjpeg.avi")),
];

fn clip(name: &str) -> Clip<'static> {
    let (_, bytes) = CLIPS.iter().find(|(n, _)| *n == name).unwrap();
    Clip::open(bytes, &Limits::default()).unwrap()
}

fn sampled(clip: &Clip<'_>, count: usize) -> Result<Vec<Shot>, Error> {
    let mut shots = Vec::new();
    clip.sample(count, &|| false, |shot| {
        shots.push(shot);
        ControlFlow::Continue(())
    })?;
    Ok(shots)
}

#[test]
fn shots_are_the_frames_that_decoding_everything_gives() {
    for (name, _) in CLIPS {
        let clip = clip(name);
        let mut frames = Vec::new();
        clip.decode_all(|picture, time_us| {
            frames.push(Shot { frame: picture.to_frame(clip.track.turn, clip.track.mirrored), time_us });
        })
        .unwrap();
        assert!(frames.is_sorted_by_key(|shot| shot.time_us), "{name}");
        for count in [1, 5, 100] {
            let shots = sampled(&clip, count).unwrap();
            assert_eq!(shots.len(), count.min(frames.len()), "{name}");
            let same = |shot: &Shot| frames.iter().any(|frame| frame == shot);
            assert!(shots.is_sorted_by_key(|shot| shot.time_us) && shots.iter().all(same), "{name}, {count} shots");
        }
        assert_eq!(sampled(&clip, 0), Ok(vec![]), "{name}");
    }
}

#[test]
fn what_is_known_is_upright() {
    let info = clip("h264_turned.mov").info().clone();
    assert_eq!((info.mime, &*info.codec, info.width, info.height), ("video/quicktime", "H.264", 240, 320));
    assert!((info.frames_per_second - 12.0).abs() < 0.01 && (info.duration_s - 2.0).abs() < 0.01, "{info:?}");
    let shot = &sampled(&clip("h264_turned.mov"), 1).unwrap()[0];
    assert_eq!((shot.frame.width(), shot.frame.height()), (240, 320));
}

#[test]
fn the_caller_can_stop() {
    for (name, _) in CLIPS {
        let clip = clip(name);
        assert_eq!(clip.sample(4, &|| true, |_| ControlFlow::Continue(())), Err(Error::TooSlow), "{name}");
        assert_eq!(clip.sample(4, &|| false, |_| ControlFlow::Break(())), Ok(1), "{name}");
    }
}

#[test]
fn pictures_over_the_limit_are_refused() {
    for (name, bytes) in CLIPS {
        // Coded sizes are whole macroblocks.
        let size = (clip(name).info.width.next_multiple_of(16) * clip(name).info.height.next_multiple_of(16)).into();
        let open = |video_pixels| Clip::open(bytes, &Limits { video_pixels, ..Limits::default() });
        assert!(open(size).and_then(|clip| sampled(&clip, 1)).is_ok(), "{name}");
        let error = open(size / 2).and_then(|clip| sampled(&clip, 1)).unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{name}: {error}");
        // A container that lies about the size.
        let mut lying = clip(name);
        lying.limits.video_pixels = size / 2;
        let error = sampled(&lying, 1).unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{name}: {error}");
    }
}

#[test]
fn a_codec_that_is_not_supported_is_named() {
    let error =
        Clip::open(include_bytes!("../../../tests/clips/mpeg4.avi"), &Limits::default()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(what) if what.starts_with("MPEG-4 Part 2 video")), "{error}");
}

#[test]
fn frames_after_a_lost_one_are_left_out_up_to_the_next_start() {
    // Groups of 8 frames.
    let clip = clip("h264_bframes_fragmented.mp4");
    let times = |clip: &Clip<'_>| {
        let mut times = Vec::new();
        clip.decode_all(|_, time_us| times.push(time_us)).map(|()| times)
    };
    let whole = times(&clip).unwrap();
    let lose = |numbers: &[usize]| {
        let mut track = clip.track.clone();
        for &number in numbers {
            // A NAL unit that is longer than the sample.
            track.samples[number].data = vec![0xFF; 8].into();
        }
        times(&Clip { track, limits: Limits::default(), info: clip.info.clone(), decoder: 0 })
    };
    let left = lose(&[9]).unwrap();
    assert_eq!(left[..8], whole[..8]);
    assert!(left[8..].len() < 16 && whole.ends_with(&left[left.len() - 8..]), "{left:?} of {whole:?}");
    let error = lose(&[0, 8]).unwrap_err();
    assert!(matches!(&error, Error::Damaged(what) if what.contains("most of the video")), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzz(&bytes);
    }

    #[test]
    fn clips_with_wrong_bytes_are_survived(
        which in 0..CLIPS.len(),
        wrong in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = CLIPS[which].1.to_vec();
        for (at, byte) in wrong {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fuzz(&bytes);
    }
}

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::media::still::to_jpeg;

const CLIPS: [(&str, &[u8]); 9] = [
    ("h264.mp4", include_bytes!("../../../tests/clips/h264.mp4")),
    ("h264_bframes_fragmented.mp4", include_bytes!("../../../tests/clips/h264_bframes_fragmented.mp4")),
    ("h264_turned.mov", include_bytes!("../../../tests/clips/h264_turned.mov")),
    ("h264.avi", include_bytes!("../../../tests/clips/h264.avi")),
    ("hevc.mp4", include_bytes!("../../../tests/clips/hevc.mp4")),
    ("vp8.webm", include_bytes!("../../../tests/clips/vp8.webm")),
    ("vp9.webm", include_bytes!("../../../tests/clips/vp9.webm")),
    ("h264_refresh.mkv", include_bytes!("../../../tests/clips/h264_refresh.mkv")),
    ("mjpeg.avi", include_bytes!("../../../tests/clips/mjpeg.avi")),
];

fn clip(name: &str) -> Clip<'static> {
    let (_, bytes) = CLIPS.iter().find(|(n, _)| *n == name).unwrap();
    Clip::open(bytes, &Limits::default()).unwrap()
}

fn sampled(clip: &Clip<'_>, count: usize) -> Result<Vec<ClipFrame>, Error> {
    let mut shots = Vec::new();
    clip.sample(count, &|| false, &(), |shot| {
        shots.push(ClipFrame { frame: shot.frame.upright().into_owned(), ..shot });
        ControlFlow::Continue(())
    })?;
    Ok(shots)
}

#[test]
fn sampled_frames_equal_those_of_full_decoding() {
    for (name, _) in CLIPS {
        let clip = clip(name);
        let mut frames = Vec::new();
        clip.decode_all(|picture, time_us| {
            frames.push(ClipFrame { frame: picture.to_frame(clip.track.turn, clip.track.mirrored), time_us });
        })
        .unwrap();
        assert!(frames.is_sorted_by_key(|shot| shot.time_us), "{name}");
        for count in [1, 5, 100] {
            let shots = sampled(&clip, count).unwrap();
            assert_eq!(shots.len(), count.min(frames.len()), "{name}");
            let same = |shot: &ClipFrame| frames.iter().any(|frame| frame == shot);
            assert!(shots.is_sorted_by_key(|shot| shot.time_us) && shots.iter().all(same), "{name}, {count} shots");
        }
        assert_eq!(sampled(&clip, 0), Ok(vec![]), "{name}");
    }
}

#[test]
fn info_and_frames_are_upright() {
    let info = clip("h264_turned.mov").info().clone();
    assert_eq!((info.mime, &*info.codec, info.width, info.height), ("video/quicktime", "H.264", 240, 320));
    assert!((info.frames_per_second - 12.0).abs() < 0.01 && (info.duration_s - 2.0).abs() < 0.01, "{info:?}");
    let shot = &sampled(&clip("h264_turned.mov"), 1).unwrap()[0];
    assert_eq!((shot.frame.width(), shot.frame.height()), (240, 320));
}

/// Decodes on another thread.
struct Beside;

impl Threads for Beside {
    fn fork(&self, other: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        std::thread::scope(|scope| {
            scope.spawn(other);
            mine();
        });
    }

    fn fill(&self, out: &mut [u8], _: usize, fill: &(dyn Fn(usize, &mut [u8]) + Sync)) {
        fill(0, out);
    }
}

#[test]
fn decoding_beside_the_caller_changes_nothing() {
    for (name, _) in CLIPS {
        let clip = clip(name);
        let mut shots = vec![];
        let given = clip.sample(5, &|| false, &Beside, |shot| {
            shots.push(ClipFrame { frame: shot.frame.upright().into_owned(), ..shot });
            ControlFlow::Continue(())
        });
        assert_eq!((given, &shots), (Ok(shots.len()), &sampled(&clip, 5).unwrap()), "{name}");
        assert_eq!(clip.sample(4, &|| false, &Beside, |_| ControlFlow::Break(())), Ok(1), "{name}");
    }
}

#[test]
fn the_caller_can_stop() {
    for (name, _) in CLIPS {
        let clip = clip(name);
        assert_eq!(clip.sample(4, &|| true, &(), |_| ControlFlow::Continue(())), Err(Error::TooSlow), "{name}");
        assert_eq!(clip.sample(4, &|| false, &(), |_| ControlFlow::Break(())), Ok(1), "{name}");
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
fn unsupported_codecs_are_named_in_the_error() {
    let error =
        Clip::open(include_bytes!("../../../tests/clips/mpeg4.avi"), &Limits::default()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(what) if what.starts_with("MPEG-4 Part 2 video")), "{error}");
}

#[test]
fn frames_after_a_lost_one_are_left_out_until_the_next_key_frame() {
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
        times(&Clip { track, limits: Limits::default(), info: clip.info.clone(), most_shown: 0, decoder: 0 })
    };
    let left = lose(&[9]).unwrap();
    assert_eq!(left[..8], whole[..8]);
    assert!(left[8..].len() < 16 && whole.ends_with(&left[left.len() - 8..]), "{left:?} of {whole:?}");
    let error = lose(&[0, 8]).unwrap_err();
    assert!(matches!(&error, Error::Damaged(what) if what.contains("most of the video")), "{error}");
}

/// A clip of samples that were changed by hand.
fn changed(
    clip: &Clip<'static>,
    change: impl FnOnce(&mut Vec<track::Sample<'static>>),
) -> Result<Clip<'static>, Error> {
    let mut track = clip.track.clone();
    change(&mut track.samples);
    Clip::of(track, &Limits::default())
}

fn sample(data: impl Into<Vec<u8>>, time_us: i64) -> track::Sample<'static> {
    track::Sample { data: data.into().into(), time_us, key: false, shown: true }
}

fn frames(clip: &Clip<'_>) -> Vec<Frame> {
    sampled(clip, usize::MAX).unwrap().into_iter().map(|shot| shot.frame).collect()
}

#[test]
fn samples_without_a_picture_do_not_count_as_frames() {
    // In front of each picture and behind it, of H.264: a message, a delimiter, filler; of HEVC: a message and a delimiter.
    let cases: [(&str, &[&[u8]]); 2] = [
        ("h264.mp4", &[&[0, 0, 0, 4, 6, 5, 0, 0x80], &[0, 0, 0, 2, 9, 0xF0], &[0, 0, 0, 3, 12, 0xFF, 0x80]]),
        ("hevc.mp4", &[&[0, 0, 0, 5, 0x4E, 1, 5, 0, 0x80], &[0, 0, 0, 3, 0x46, 1, 0x50]]),
    ];
    for (name, extra) in cases {
        let plain = clip(name);
        let odd = changed(&plain, |samples| {
            let extra = |time| extra.iter().map(move |&data| sample(data, time));
            *samples =
                samples.drain(..).flat_map(|s| extra(s.time_us).chain([s.clone()]).chain(extra(s.time_us))).collect();
        });
        let odd = odd.unwrap();
        assert_eq!(odd.info(), plain.info(), "{name}");
        for count in [1, 5, usize::MAX] {
            assert_eq!(sampled(&odd, count), sampled(&plain, count), "{name}");
        }
        let none = changed(&plain, |samples| samples.iter_mut().for_each(|sample| sample.data = extra[0].into()));
        assert!(none.is_err_and(|error| error.to_string().contains("has no key frame")), "{name}");
    }
}

#[test]
fn parameter_sets_are_applied_in_any_sample() {
    // A byte stream, each unit a sample of its own: sets, messages and pictures.
    let plain = clip("h264.avi");
    let apart = changed(&plain, |samples| {
        let units = |data: &[u8]| {
            let starts: Vec<usize> = memchr::memmem::find_iter(data, &[0, 0, 1]).chain([data.len()]).collect();
            starts.windows(2).map(|two| data[two[0]..two[1]].to_vec()).collect::<Vec<_>>()
        };
        let all = samples.iter().flat_map(|s| units(&s.data).into_iter().map(|unit| sample(unit, s.time_us)));
        *samples = all.collect();
    });
    let apart = apart.unwrap();
    assert!(apart.track.samples.len() > plain.track.samples.len() + 2);
    for count in [1, 4, usize::MAX] {
        assert_eq!(sampled(&apart, count), sampled(&plain, count));
    }
}

#[test]
fn frames_with_equal_times_count_separately() {
    for (name, _) in CLIPS {
        let plain = clip(name);
        let still = changed(&plain, |samples| samples.iter_mut().for_each(|sample| sample.time_us = 7)).unwrap();
        let (want, got) = (frames(&plain), sampled(&still, usize::MAX).unwrap());
        assert_eq!(got.len(), want.len(), "{name}");
        assert!(got.iter().all(|shot| shot.time_us == 0 && want.contains(&shot.frame)), "{name}");
        assert_eq!(sampled(&still, 5).unwrap().len(), 5, "{name}");
    }
}

#[test]
fn no_frame_is_lost_where_times_are_decoding_times() {
    let plain = clip("hevc.mp4");
    let other = changed(&plain, |samples| (0..).zip(samples).for_each(|(time, sample)| sample.time_us = 40_000 * time));
    let shots = sampled(&other.unwrap(), usize::MAX).unwrap();
    assert!(shots.is_sorted_by_key(|shot| shot.time_us));
    assert_eq!(shots.into_iter().map(|shot| shot.frame).collect::<Vec<_>>(), frames(&plain), "in the decoder's order");
}

#[test]
fn pixels_become_square_before_the_picture_is_turned() {
    let shaped = |name, across, down, most| {
        let mut track = clip(name).track.clone();
        track.shape = Shape::new(across, down);
        Clip::of(track, &Limits { video_pixels: most, ..Limits::default() })
    };
    let size = |clip: &Clip<'_>| {
        let frame = &sampled(clip, 1).unwrap()[0].frame;
        assert_eq!((clip.info.width as usize, clip.info.height as usize), (frame.width(), frame.height()));
        (frame.width(), frame.height())
    };
    let most = Limits::default().video_pixels;
    assert_eq!(size(&shaped("h264.mp4", 2, 1, most).unwrap()), (640, 240));
    assert_eq!(size(&shaped("h264.mp4", 1, 2, most).unwrap()), (320, 480));
    // Stored as 320x240, shown as 240x320.
    assert_eq!(size(&shaped("h264_turned.mov", 2, 1, most).unwrap()), (240, 640));
    // No larger than the limit, and the memory for it is counted.
    let (tight, wide) = (shaped("h264.mp4", 8, 1, 320 * 240).unwrap(), shaped("h264.mp4", 8, 1, most).unwrap());
    let (width, height) = size(&tight);
    assert!(width * height <= 320 * 240 && width.abs_diff(height * 32 / 3) < 32, "{width}x{height}");
    assert_eq!(size(&wide), (2560, 240));
    let square = shaped("h264.mp4", 1, 1, most).unwrap();
    assert!(wide.bytes() >= square.bytes() && tight.bytes() <= square.bytes());
    let extreme = shaped("h264.mp4", 9, 1, most).map(|_| ()).unwrap_err();
    assert_eq!(extreme.to_string(), "the video's pixels are 9 times as wide as high, which is not supported");
}

#[test]
fn a_stream_refreshed_without_key_frames_starts_at_its_first_whole_picture() {
    let whole = clip("h264_refresh.mkv");
    let shots = sampled(&whole, usize::MAX).unwrap();
    // Refreshed over several pictures: the first ones are gray in parts.
    assert!(shots.len() >= 6 && shots.len() < whole.track.samples.len(), "{} shots", shots.len());
    let later = changed(&clip("h264.mp4"), |samples| drop(samples.drain(..3))).map(|_| ()).unwrap_err();
    assert_eq!(later.to_string(), "the H.264 video has no key frame to begin with");
}

/// A JPEG of half of 64x48 pixels, with the marker that AVI has.
fn field(value: u8, polarity: u8) -> Vec<u8> {
    let jpeg = to_jpeg(&Frame::new(64, 24, vec![value; 64 * 24 * 3])).unwrap();
    let marker = [&[0xFF, 0xE0, 0, 16][..], b"AVI1", &[polarity], &[0; 9]].concat();
    [&jpeg[..2], &marker, &jpeg[2..]].concat()
}

#[test]
fn two_fields_are_woven_and_single_fields_refused() {
    let rows = |first: u8, second: u8, bottom_first: bool| {
        let mut track = clip("mjpeg.avi").track.clone();
        (track.width, track.height, track.bottom_first) = (64, 48, bottom_first);
        track.samples = vec![sample([field(40, first), field(200, second)].concat(), 0)];
        let clip = Clip::of(track, &Limits::default()).unwrap();
        let frame = &frames(&clip)[0];
        assert_eq!((frame.width(), frame.height()), (64, 48));
        [frame.row(0)[0], frame.row(1)[0], frame.row(46)[0], frame.row(47)[0]].map(|value| value > 100)
    };
    let (top, bottom) = ([false, true, false, true], [true, false, true, false]);
    assert_eq!([rows(0, 0, false), rows(0, 0, true)], [top, bottom], "as the container says");
    assert_eq!([rows(1, 2, true), rows(2, 1, false)], [top, bottom], "as the fields say");
    let of = |data: Vec<u8>, width| {
        let mut track = clip("mjpeg.avi").track.clone();
        (track.width, track.height) = (width, 48);
        track.samples = vec![sample(data, 0)];
        let clip = Clip::of(track, &Limits::default()).unwrap();
        sampled(&clip, 1).map(|shots| (shots[0].frame.width(), shots[0].frame.height()))
    };
    let error = of(field(1, 0), 64).unwrap_err().to_string();
    assert_eq!(error, "interlaced Motion JPEG with a field a sample is not supported; send whole frames");
    assert_eq!(of(field(1, 0), 128), Ok((64, 24)), "a container that is wrong about the size");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzz(&bytes);
    }

    #[test]
    fn damaged_clips_are_decoded_without_panic(
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

    #[test]
    fn damaged_fields_are_decoded_without_panic(
        wrong in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = [field(40, 1), field(200, 2)].concat();
        for (at, byte) in wrong {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut track = clip("mjpeg.avi").track.clone();
        (track.width, track.height) = (64, 48);
        track.samples = vec![sample(bytes, 0)];
        let clip = Clip::of(track, &Limits::default()).unwrap();
        if let Ok(shots) = sampled(&clip, 1) {
            prop_assert!(shots.iter().all(|shot| shot.frame.width() * shot.frame.height() <= 1280 * 720));
        }
    }
}

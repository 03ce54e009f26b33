//! Tests when a capture session begins to judge, starts over, and ends.

use super::*;
use crate::face::{Point, SUB, extractor_for_tests};

fn face(x: i32) -> Face {
    let at = |x: i32, y: i32| Point { x: x * SUB, y: y * SUB };
    Face { bounds: Rect { min: at(x, 0), max: at(x + 100, 100) }, points: [at(0, 0); 5], score: 0.9 }
}

fn quality(eye_distance: i32) -> Quality {
    Quality { eye_distance, ..Quality::GOOD }
}

#[test]
fn a_run_needs_a_face_in_its_place_and_keeps_the_best() {
    let mut steady = StabilityCheck::default();
    assert!(!steady.is_elsewhere(&face(500)));
    assert!(!steady.add(face(0), vec![1].into(), quality(40)));
    assert!(!steady.is_elsewhere(&face(24)) && steady.is_elsewhere(&face(26)));
    assert!(!steady.add(face(10), vec![2].into(), quality(60)));
    assert!(steady.add(face(20), vec![3].into(), quality(50)));
    assert_eq!(*steady.best.unwrap().0, [2]);
}

#[test]
fn a_live_camera_waits_for_more_than_what_is_refused() {
    assert_eq!(quality(60).capture_defect(), None);
    assert_eq!(quality(29).capture_defect(), Some(QualityDefect::Small { pixels: 29, least: 30 }));
    assert_eq!(Quality { sharpness: 60, ..quality(60) }.capture_defect(), Some(QualityDefect::Blurred));
    assert_eq!(Quality { yaw_percent: 110, ..quality(60) }.capture_defect(), Some(QualityDefect::Turned));
    assert_eq!(Quality { eyes_to_cheeks: 46, ..quality(60) }.capture_defect(), Some(QualityDefect::Sunglasses));
    assert_eq!(
        Quality { eyes_to_cheeks: 46, sharpness: 60, ..quality(60) }.capture_defect(),
        Some(QualityDefect::Sunglasses)
    );
    assert_eq!(Quality { eyes_to_cheeks: 46, ..quality(60) }.defect(), None);
    assert_eq!(Quality { brightness: 2, ..quality(60) }.capture_defect(), Some(QualityDefect::Dark));
}

/// The portrait on a wider gray canvas, so many pixels from the left.
fn portrait(extractor: &Extractor, bytes: &[u8], left: usize) -> Frame {
    let frame = extractor.decode(bytes, &|| false).unwrap();
    let (width, height) = (frame.width() + 300, frame.height());
    let mut pixels = vec![128; 3 * width * height];
    for (to, from) in pixels.chunks_exact_mut(3 * width).zip(frame.pixels().chunks_exact(3 * frame.width())) {
        to[3 * left..3 * left + from.len()].copy_from_slice(from);
    }
    Frame::new(width, height, pixels)
}

const COLLINS: &[u8] = include_bytes!("../../../../tests/pictures/collins.jpg");

/// Pushes frames; the number of the one that ended the session, from 1.
fn push(session: &mut CaptureSession, extractor: &mut Extractor, frames: Vec<Frame>) -> Option<usize> {
    let ends = |frame| session.push_frame(extractor, frame).unwrap().is_some();
    frames.into_iter().map(ends).position(|is_end| is_end).map(|at| at + 1)
}

#[test]
fn three_good_frames_in_one_place_end_the_waiting() {
    let mut extractor = extractor_for_tests();
    let [left, right] = [0, 300].map(|at| portrait(&extractor, COLLINS, at));
    let nobody = Frame::new(left.width(), left.height(), vec![128; left.pixels().len()]);
    let copies = |frame: &Frame, count| vec![frame.clone(); count];
    for (frames, end) in [
        (copies(&left, 3), Some(3)),
        ([copies(&left, 2), copies(&right, 3)].concat(), Some(5)),
        ([copies(&left, 2), copies(&nobody, 1), copies(&left, 2)].concat(), None),
        ([copies(&left, 2), copies(&nobody, 1), copies(&left, 3)].concat(), Some(6)),
    ] {
        let mut session = CaptureSession::new(None, false, || Duration::ZERO);
        assert_eq!(push(&mut session, &mut extractor, frames), end);
    }
    let mut session = CaptureSession::new(None, false, || Duration::ZERO);
    push(&mut session, &mut extractor, copies(&nobody, 1));
    assert!(matches!(session.finish(&mut extractor), Err(Error::NoFace)));
    push(&mut session, &mut extractor, [copies(&left, 1), copies(&right, 1), copies(&nobody, 1)].concat());
    let told = session.finish(&mut extractor);
    assert!(matches!(told, Err(Error::Unusable(QualityDefect::Moving))), "of the last face there was: {told:?}");
    let two = portrait(&extractor, include_bytes!("../../../../tests/pictures/both.jpg"), 0);
    assert_eq!(push(&mut session, &mut extractor, copies(&two, 4)), None);
    assert!(matches!(session.finish(&mut extractor), Err(Error::SeveralFaces(2))));
}

#[test]
fn liveness_is_judged_after_the_waiting_and_ends_where_the_person_goes() {
    let mut extractor = extractor_for_tests();
    let person = portrait(&extractor, COLLINS, 0);
    let nobody = Frame::new(person.width(), person.height(), vec![128; person.pixels().len()]);
    let copies = |frame: &Frame, count| vec![frame.clone(); count];
    let session = |frames| CaptureSession::new(Some(frames), false, || Duration::ZERO);
    let mut whole = session(9);
    assert_eq!(push(&mut whole, &mut extractor, copies(&person, 13)), Some(STEADY + 9));
    // Enough of them will do when the time is over, and one fewer will not.
    for (judged, is_enough) in [(LEAST_FRAMES, true), (LEAST_FRAMES - 1, false)] {
        let mut cut = session(20);
        assert_eq!(push(&mut cut, &mut extractor, copies(&person, STEADY + judged)), None);
        match cut.finish(&mut extractor) {
            Ok(capture) => assert!(is_enough && capture.live.unwrap().frames == judged),
            Err(told) => {
                assert!(!is_enough && matches!(told, Error::TooFewFrames { usable, of: 20 } if usable == judged))
            }
        }
    }
    // Not if the person is gone by then; after some frames without it, another run is waited for.
    let mut left = session(20);
    push(&mut left, &mut extractor, copies(&person, STEADY + LEAST_FRAMES));
    push(&mut left, &mut extractor, copies(&nobody, 1));
    assert!(left.judging.is_some() && left.finish(&mut extractor).is_err());
    push(&mut left, &mut extractor, copies(&nobody, GONE - 1));
    assert!(left.judging.is_none(), "whoever comes next is judged anew");
    push(&mut left, &mut extractor, copies(&person, STEADY - 1));
    assert!(left.judging.is_none());
    push(&mut left, &mut extractor, copies(&person, 1));
    assert!(left.judging.is_some());
}

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
    let ends = |frame| session.push_frame(extractor, frame, Duration::ZERO).unwrap().is_some();
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

#[test]
fn a_face_that_shares_exactly_three_fifths_with_its_last_place_holds_still() {
    let mut steady = StabilityCheck::default();
    steady.add(face(0), vec![1].into(), quality(40));
    // Boxes of 100 that are 25 apart share 75 of 125.
    assert!(!steady.is_elsewhere(&face(25)) && steady.is_elsewhere(&face(26)));
}

#[test]
fn of_equally_good_frames_the_first_is_kept_and_quality_counts_before_size() {
    let best_of = |qualities: [Quality; 2]| {
        let mut steady = StabilityCheck::default();
        for (number, quality) in qualities.into_iter().enumerate() {
            steady.add(face(0), vec![number as u8].into(), quality);
        }
        steady.best.unwrap().0[0]
    };
    assert_eq!(best_of([quality(60), quality(60)]), 0);
    let large_and_blurred = Quality { sharpness: 80, ..quality(200) };
    assert_eq!(best_of([large_and_blurred, quality(60)]), 1);
    assert_eq!(best_of([quality(60), large_and_blurred]), 0);
}

/// The models, and pictures of a person in one place and of nobody.
struct Scene {
    extractor: Extractor,
    person: Frame,
    nobody: Frame,
}

impl Scene {
    fn new() -> Self {
        let extractor = extractor_for_tests();
        let person = portrait(&extractor, COLLINS, 0);
        let nobody = Frame::new(person.width(), person.height(), vec![128; person.pixels().len()]);
        Self { extractor, person, nobody }
    }

    fn come(&mut self, session: &mut CaptureSession, frames: usize) -> Option<usize> {
        push(session, &mut self.extractor, vec![self.person.clone(); frames])
    }

    fn leave(&mut self, session: &mut CaptureSession, frames: usize) {
        assert_eq!(push(session, &mut self.extractor, vec![self.nobody.clone(); frames]), None);
    }
}

fn session(frames: Option<usize>) -> CaptureSession {
    CaptureSession::new(frames, false, || Duration::ZERO)
}

fn judged(session: &CaptureSession) -> Option<usize> {
    session.judging.as_ref().map(|judging| judging.tracker.judged())
}

#[test]
fn judging_begins_behind_three_good_frames() {
    let (mut scene, mut session) = (Scene::new(), session(Some(20)));
    for want in [None, None, Some(0), Some(1)] {
        scene.come(&mut session, 1);
        assert_eq!(judged(&session), want);
    }
}

#[test]
fn a_person_who_is_back_within_seven_frames_remains_the_subject() {
    let (mut scene, mut session) = (Scene::new(), session(Some(10)));
    scene.come(&mut session, 3 + 4);
    for _ in 0..2 {
        scene.leave(&mut session, 7);
        scene.come(&mut session, 1);
    }
    assert_eq!(judged(&session), Some(6), "frames without a face are counted in a row alone");
    assert_eq!(scene.come(&mut session, 4), Some(4));
}

#[test]
fn a_person_who_is_away_for_eight_frames_is_gone() {
    let (mut scene, mut session) = (Scene::new(), session(Some(20)));
    scene.come(&mut session, 3 + 9);
    scene.leave(&mut session, 8);
    assert_eq!(judged(&session), None);
    let told = session.finish(&mut scene.extractor);
    assert!(matches!(told, Err(Error::TooFewFrames { usable: 9, of: 20 })), "{told:?}");
}

#[test]
fn nothing_that_was_judged_before_a_person_left_counts_for_the_next() {
    let (mut scene, mut session) = (Scene::new(), session(Some(10)));
    scene.come(&mut session, 3 + 9);
    scene.leave(&mut session, 8);
    assert_eq!(scene.come(&mut session, 13), Some(13));
}

#[test]
fn eight_judged_frames_are_enough_when_the_time_is_over_if_the_person_is_still_there() {
    let mut scene = Scene::new();
    for (frames, away, want) in [(7, 0, None), (8, 0, Some(8)), (8, 1, None)] {
        let mut session = session(Some(20));
        scene.come(&mut session, 3 + frames);
        scene.leave(&mut session, away);
        let told = session.finish(&mut scene.extractor).map(|capture| capture.live.unwrap().frames);
        assert_eq!(told.ok(), want, "{frames} frames, away for {away}");
    }
}

#[test]
fn starting_over_forgets_frames_that_were_waited_through() {
    let (mut scene, mut session) = (Scene::new(), session(None));
    scene.come(&mut session, 2);
    session.reset();
    assert_eq!(scene.come(&mut session, 3), Some(3));
}

#[test]
fn only_a_session_that_judges_has_a_verdict_and_only_one_that_wants_it_a_best_shot() {
    let mut scene = Scene::new();
    for (frames, best_shot) in [(None, true), (Some(8), false), (Some(8), true)] {
        let mut session = CaptureSession::new(frames, best_shot, || Duration::ZERO);
        let ended = (0..11)
            .find_map(|_| session.push_frame(&mut scene.extractor, scene.person.clone(), Duration::ZERO).unwrap());
        let live = ended.unwrap().live;
        assert_eq!(live.as_ref().map(|live| live.frames), frames);
        assert_eq!(live.is_some_and(|live| live.best_shot.is_some()), frames.is_some() && best_shot);
    }
}

#[test]
fn the_face_of_the_last_frame_is_reported_while_waiting_and_while_judging() {
    let (mut scene, mut session) = (Scene::new(), session(Some(20)));
    for _ in 0..2 {
        scene.come(&mut session, 5);
        assert!(session.seen().is_some());
        scene.leave(&mut session, 1);
        assert!(session.seen().is_none());
        session.reset();
        assert!(judged(&session).is_none());
        scene.come(&mut session, 1);
        assert!(session.seen().is_some());
        scene.leave(&mut session, 1);
        assert!(session.seen().is_none());
    }
}

/// Another person among the judged frames: the score says so, and the sample is of the one who is there in most of them.
#[test]
fn a_person_who_is_exchanged_while_being_judged_is_an_attack_and_no_sample() {
    let mut scene = Scene::new();
    let other = portrait(&scene.extractor, include_bytes!("../../../../tests/pictures/hopper.jpg"), 0);
    let curve = scene.extractor.curve.clone();
    let [collins, hopper] = [&scene.person, &other].map(|frame| scene.extractor.extract_frame(frame).unwrap());
    let mut session = session(Some(8));
    scene.come(&mut session, 3);
    let frames = [vec![other; 2], vec![scene.person.clone(); 6]].concat();
    let ended = frames
        .into_iter()
        .find_map(|frame| session.push_frame(&mut scene.extractor, frame, Duration::ZERO).unwrap())
        .unwrap();
    assert_eq!(ended.live.unwrap().spoofing, Score::new(0.99));
    let score = |person: &Template| curve.score(person.cosine(&ended.template));
    assert!(score(&collins) > Score::new(0.99) && score(&hopper) < Score::new(0.5));
}

#[test]
fn time_spent_on_a_person_who_left_is_counted() {
    thread_local!(static TIME: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });
    let clock = || Duration::from_secs(TIME.replace(TIME.get() + 1));
    let (mut scene, mut session) = (Scene::new(), CaptureSession::new(Some(8), false, clock));
    scene.come(&mut session, 3 + 5);
    scene.leave(&mut session, 8);
    scene.come(&mut session, 3 + 7);
    let ended = session.push_frame(&mut scene.extractor, scene.person.clone(), Duration::ZERO).unwrap().unwrap();
    assert_eq!(ended.effort.live, Duration::from_secs(5 + 8), "the clock counts its readings");
}

//! Tests which face is followed, which frames count, and when the evidence is enough.

use super::*;
use crate::engine::Knot;
use crate::face::liveness::challenge::head::{Head, Sheet};
use crate::face::liveness::gestures::Gesture;
use crate::face::{Point, SUB, extractor_for_tests};

fn at(x: i32, y: i32) -> Point {
    Point { x: x * SUB, y: y * SUB }
}

fn face(x: i32, y: i32, size: i32) -> Face {
    Face { bounds: Rect { min: at(x, y), max: at(x + size, y + size) }, points: [at(0, 0); 5], score: 0.9 }
}

#[test]
fn a_face_is_known_by_its_place() {
    let faces = [face(300, 0, 120), face(100, 100, 100)];
    assert_eq!(nearest(&faces, face(110, 95, 100).bounds), Some(faces[1]));
    assert_eq!(nearest(&faces, face(180, 180, 100).bounds), None);
    assert_eq!(nearest(&[], face(0, 0, 10).bounds), None);
}

#[test]
fn the_first_confirmed_face_tells_which_way_is_up() {
    let lying = Face { points: [at(9, 0), at(9, 9), at(4, 4), at(0, 0), at(0, 9)], ..face(0, 0, 9) };
    let mut upright = Upright::default();
    assert_eq!((upright.rotation_for(&lying), upright.turn), (Rotation::Left, Rotation::Left));
    assert_eq!((upright.rotation_for(&lying), upright.turn), (Rotation::None, Rotation::Left));
}

#[test]
fn empty_frames_get_a_glance() {
    let mut upright = Upright::default();
    let closer: Vec<usize> = (1..=20).filter(|_| !upright.is_coarse_only()).collect();
    assert_eq!(closer, [1, 2, 3, 4, 8, 12, 16, 20]);
    upright.rotation_for(&face(0, 0, 9));
    assert!(!upright.is_coarse_only() && !upright.is_coarse_only());
}

#[test]
fn a_verdict_needs_a_quarter_of_the_frames() {
    for (frames, want) in [(1, 1), (2, 2), (3, 3), (12, 3), (13, 4), (16, 4), (64, 16)] {
        assert_eq!(least(frames), want, "{frames}");
    }
}

fn tracker(
    frames: usize,
    without_face: usize,
    several: (usize, usize),
    defect: Option<QualityDefect>,
    judged: usize,
) -> SubjectTracker {
    let judged =
        vec![
            FrameEvidence { live: vec![2.0], frontal: true, vector: vec![], previous: None, rank: 0, quality: 50 };
            judged
        ];
    SubjectTracker {
        frames,
        without_face,
        several,
        defect,
        judged,
        ..SubjectTracker::new(Kind::Sequence, false, 6, || Duration::ZERO)
    }
}

#[test]
fn the_reason_is_that_of_most_frames() {
    let told = |f: SubjectTracker| f.finish().err().map(|e| e.to_string());
    assert_eq!(told(tracker(16, 4, (4, 2), None, 12)), None);
    assert_eq!(told(tracker(16, 16, (0, 0), None, 0)).unwrap(), "no face was found");
    assert!(told(tracker(16, 4, (5, 3), None, 12)).unwrap().starts_with("3 people"));
    assert!(told(tracker(16, 0, (0, 0), Some(QualityDefect::Dark), 3)).unwrap().contains("too dark"));
    assert!(told(tracker(16, 13, (0, 0), None, 3)).unwrap().contains("3 of 16 frames"));
}

#[test]
fn a_face_that_shares_a_fifth_with_the_last_place_is_the_same() {
    // Boxes of 100: 66 apart they share 34 of 166, 67 apart 33 of 167.
    let last = face(0, 0, 100).bounds;
    assert_eq!(nearest(&[face(66, 0, 100)], last), Some(face(66, 0, 100)));
    assert_eq!(nearest(&[face(67, 0, 100)], last), None);
}

#[test]
fn a_defect_is_no_reason_once_a_quarter_of_the_frames_was_judged() {
    let judged =
        |count| tracker(16, 0, (0, 0), Some(QualityDefect::Dark), count).finish().map(|seen| seen.judged.len());
    assert_eq!(judged(4).ok(), Some(4));
    assert!(matches!(judged(3), Err(Error::Unusable(QualityDefect::Dark))));
}

#[test]
fn second_people_in_a_third_of_the_frames_with_a_face_are_no_reason() {
    let told = |several, without_face| tracker(13, without_face, (several, 2), None, 12).finish().err();
    assert!(told(4, 1).is_none());
    assert!(matches!(told(4, 2), Some(Error::SeveralFaces(2))));
}

fn frame() -> Frame {
    Frame::new(400, 300, vec![0; 400 * 300 * 3])
}

#[test]
fn of_several_people_the_one_at_the_last_place_is_followed() {
    let (subject, other) = (face(50, 100, 90), face(250, 100, 90));
    let mut tracker = SubjectTracker::new(Kind::Sequence, false, 6, || Duration::ZERO);
    assert_eq!(tracker.subject(&[subject, other], &frame()), None, "none of them was seen before");
    tracker.place = Some(face(60, 110, 90).bounds);
    assert_eq!(tracker.subject(&[other, subject], &frame()), Some(subject));
    assert_eq!(tracker.subject(&[other, face(150, 10, 80)], &frame()), None, "nobody is where the subject was");
    assert_eq!((tracker.several, tracker.without_face), ((3, 2), 0));
}

#[test]
fn a_frame_without_a_face_is_counted_as_such() {
    let mut tracker = SubjectTracker::new(Kind::Sequence, false, 6, || Duration::ZERO);
    assert_eq!(tracker.subject(&[], &frame()), None);
    assert_eq!(tracker.subject(&[face(100, 100, 90)], &frame()), Some(face(100, 100, 90)));
    assert_eq!((tracker.several, tracker.without_face), ((0, 0), 1));
}

/// The frames that are kept as best shots when these were judged, each of a person with this number and of this rank.
fn kept(frames: &[(usize, i32)]) -> Vec<usize> {
    let curve = Curve::new(&[Knot { fmr: 1e-2, cosine: 0.3 }, Knot { fmr: 1e-4, cosine: 0.4 }]);
    let mut tracker = SubjectTracker::new(Kind::Sequence, true, 6, || Duration::ZERO);
    for &(person, rank) in frames {
        let mut vector = vec![0.0; 8];
        vector[person] = 1.0;
        tracker.judged.push(FrameEvidence {
            live: vec![2.0],
            frontal: true,
            vector,
            previous: None,
            rank,
            quality: 50,
        });
        tracker.keep(Frame::new(1, 1, vec![0; 3]), None, &curve);
    }
    tracker.shots.iter().map(|shot| shot.judged).collect()
}

#[test]
fn the_best_shot_of_a_person_is_the_first_of_highest_rank() {
    assert_eq!(kept(&[(0, 5), (0, 4), (0, 6), (0, 6)]), [2]);
}

#[test]
fn best_shots_are_kept_of_the_first_three_people() {
    assert_eq!(kept(&[(0, 5), (1, 9), (2, 1), (3, 9), (1, 10), (0, 4)]), [0, 4, 2]);
}

#[test]
fn frames_that_are_known_to_be_upright_are_not_turned() {
    let mut tracker = SubjectTracker::of_upright(false, 6, || Duration::ZERO);
    let lying = Face { points: [at(9, 0), at(9, 9), at(4, 4), at(0, 0), at(0, 9)], ..face(0, 0, 9) };
    assert_eq!(tracker.upright.rotation_for(&lying), Rotation::None);
    assert_eq!((0..20).filter(|_| tracker.upright.is_coarse_only()).count(), 0);
}

/// With the shipped models, on a rendered head.
#[test]
fn gestures_are_seen_of_a_head_and_not_of_a_sheet() {
    const COLLINS: &[u8] = include_bytes!("../../../../tests/pictures/collins.jpg");
    let mut extractor = extractor_for_tests();
    let portrait = Frame::clone(&extractor.decode(COLLINS, &|| false).expect("a picture"));
    let face = extractor.central(&portrait).expect("a face");
    let mesh = extractor.mesh(&portrait, &face).expect("models that run").expect("landmarks");
    let head = Head::new(portrait, &mesh);
    let wanted = [Gesture::Left, Gesture::Down, Gesture::Scan];
    let mut seen = |picture: &dyn Fn(f64) -> Frame| {
        let mut tracker = SubjectTracker::new(Kind::Sequence, false, 6, || Duration::ZERO).with_gestures();
        for share in [0.0, 0.0, 0.0, 0.5, 0.9, 1.0, 1.0, 1.0, 0.5, 0.0] {
            tracker.push_frame(&mut extractor, picture(44.0 * share), &|| false).expect("models that run");
        }
        tracker.gestures().expect("gestures").seen(&wanted).iter().map(|g| g.seen).collect::<Vec<_>>()
    };
    assert_eq!(seen(&|right| head.turned(right, 0.0)), [Some(true), Some(false), None]);
    assert_eq!(
        seen(&|right| head.sheet(Sheet { radius: None, distance: 6.0 }, right, 0.0)),
        [Some(false), Some(false), None]
    );
}

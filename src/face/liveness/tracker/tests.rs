//! Tests which face is followed, which frames count, and when the evidence is enough.

use super::*;
use crate::face::{Point, SUB};

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
    assert_eq!((upright.settle(&lying), upright.turn), (Rotation::Left, Rotation::Left));
    assert_eq!((upright.settle(&lying), upright.turn), (Rotation::None, Rotation::Left));
}

#[test]
fn empty_frames_get_a_glance() {
    let mut upright = Upright::default();
    let closer: Vec<usize> = (1..=20).filter(|_| !upright.is_coarse_only()).collect();
    assert_eq!(closer, [1, 2, 3, 4, 8, 12, 16, 20]);
    upright.settle(&face(0, 0, 9));
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
    let judged = vec![FrameEvidence { live: vec![2.0], vector: vec![], rank: 0, quality: 50 }; judged];
    SubjectTracker {
        frames,
        without_face,
        several,
        defect,
        judged,
        ..SubjectTracker::new(false, false, 6, || Duration::ZERO)
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

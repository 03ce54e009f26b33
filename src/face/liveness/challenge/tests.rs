//! Tests challenges on rendered heads and sheets, with the shipped models.

use std::cell::Cell;
use std::time::Duration;

use super::head::{Head, Sheet};
use super::{Ending, Prompt, Recording};
use crate::face::liveness::turn::Direction;
use crate::face::{Capture, CaptureSession, Error, Extractor, extractor_for_tests};
use crate::media::Frame;

const COLLINS: &[u8] = include_bytes!("../../../../tests/pictures/collins.jpg");
const HOPPER: &[u8] = include_bytes!("../../../../tests/pictures/hopper.jpg");

/// Time from one frame to the next.
const FRAME: Duration = Duration::from_millis(100);

/// A flat sheet before a camera half a meter away.
const FLAT: Sheet = Sheet { radius: None, distance: 6.0 };

/// How far a head turns, in degrees.
const ASIDE: f64 = 44.0;
const UP: f64 = 40.0;
const DOWN: f64 = 33.0;

fn head(extractor: &mut Extractor, bytes: &[u8]) -> Head {
    let portrait = Frame::clone(&extractor.decode(bytes, &|| false).expect("a picture"));
    let face = extractor.central(&portrait).expect("a face");
    let mesh = extractor.mesh(&portrait, &face).expect("models that run").expect("landmarks");
    Head::new(portrait, &mesh)
}

/// Degrees to the right in the picture and up.
fn degrees(direction: Direction) -> (f64, f64) {
    match direction {
        Direction::Left => (-ASIDE, 0.0),
        Direction::Right => (ASIDE, 0.0),
        Direction::Up => (0.0, UP),
        Direction::Down => (0.0, -DOWN),
    }
}

/// What draws these two directions, in turns of this order and the other: the ones that this rendering of a head shows best. To the left its
/// nose stays within a tenth of what is needed, and lowered it is lost.
fn right_then_up() -> u16 {
    thread_local!(static CALLS: Cell<usize> = const { Cell::new(0) });
    let call = CALLS.replace((CALLS.get() + 1) % 8);
    let (right, up) = (Direction::Right as u16, Direction::Up as u16);
    [right, 20_000, up, 20_000, up, 20_000, right, 20_000][call]
}

/// Runs a session on frames that follow its prompts, as `picture` renders them for degrees to the right and up.
fn followed(extractor: &mut Extractor, mut picture: impl FnMut(Prompt, (f64, f64)) -> Frame) -> Result<Capture, Error> {
    let mut session = CaptureSession::new(Some(12), false, || Duration::ZERO);
    session = session.with_challenge(2, vec![], right_then_up);
    let (mut pose, mut at) = ((0.0, 0.0), Duration::ZERO);
    for _ in 0..400 {
        let prompt = session.challenge(at).map_or(Prompt::Center, |view| view.prompt);
        let to = match prompt {
            Prompt::Center => (0.0, 0.0),
            Prompt::Turn(direction) => degrees(direction),
        };
        // A sixth of a turn with each frame: two thirds of a second for all of it.
        let step = |from: f64, to: f64| from + (to - from).clamp(-ASIDE / 6.0, ASIDE / 6.0);
        pose = (step(pose.0, to.0), step(pose.1, to.1));
        at += FRAME;
        if let Some(capture) = session.push_frame(extractor, picture(prompt, pose), at)? {
            return Ok(capture);
        }
    }
    session.finish(extractor)
}

#[test]
fn a_head_that_follows_meets_the_challenge() {
    let mut extractor = extractor_for_tests();
    for bytes in [COLLINS, HOPPER] {
        let head = head(&mut extractor, bytes);
        let capture =
            followed(&mut extractor, |_, (right, up)| head.turned(right, up)).expect("a challenge that is met");
        assert_eq!(capture.responses.len(), 2);
        assert!(capture.responses.iter().all(|r| r.time < Duration::from_secs(2) && r.parallax > 0.35));
    }
}

#[test]
fn turns_are_seen_of_a_head() {
    let mut extractor = extractor_for_tests();
    let head = head(&mut extractor, COLLINS);
    let mut seen = |picture: &dyn Fn(f64, f64) -> Frame| {
        let mut recording = Recording::default();
        let mut number = 0;
        for direction in Direction::ALL {
            let (right, up) = degrees(direction);
            for share in [0.0, 0.5, 0.9, 1.0, 1.0, 1.0, 0.5, 0.0] {
                number += 1;
                recording.push(&mut extractor, &picture(share * right, share * up), FRAME * number).expect("models");
            }
        }
        let poses = recording.poses().expect("frontal frames");
        poses.directions()
    };
    let [_, right, up, _] = seen(&|right, up| head.turned(right, up));
    assert!(right && up);
}

/// Sheets as docs/ref/liveness.md names them, of two faces: flat ones to 50 degrees, and bent ones to a radius of two eye distances, near and far.
#[test]
fn no_sheet_shows_a_turn() {
    let mut extractor = extractor_for_tests();
    let mut recordings = 0;
    for bytes in [COLLINS, HOPPER] {
        let head = head(&mut extractor, bytes);
        for radius in [None, Some(4.0), Some(2.0)] {
            for distance in [6.0, 10.0] {
                let sheet = Sheet { radius, distance };
                let mut recording = Recording::default();
                let mut show = |right: f64, up: f64| {
                    let at = FRAME * recording.frames();
                    recording.push(&mut extractor, &head.sheet(sheet, right, up), at).expect("models");
                };
                for (right, up) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (0.7, 0.7), (-0.7, 0.7)] {
                    // Three frames each, as a turn needs them; none more at what a landmark model may still see.
                    for degrees in [0.0, 25.0, 25.5, 26.0, 38.0, 38.5, 39.0, 49.0, 49.5, 50.0] {
                        show(degrees * right, degrees * up);
                    }
                }
                let poses = recording.poses().expect("frontal frames");
                assert_eq!(poses.directions(), [false; 4], "{sheet:?}");
                recordings += 1;
            }
        }
    }
    assert_eq!(recordings, 12);
}

#[test]
fn a_sheet_that_follows_is_too_slow() {
    let mut extractor = extractor_for_tests();
    let head = head(&mut extractor, COLLINS);
    let ended = followed(&mut extractor, |_, (right, up)| head.sheet(FLAT, right, up)).expect_err("no turn");
    assert!(matches!(ended, Error::Challenge(Ending::TooSlow)), "{ended}");
}

#[test]
fn nobody_else_can_turn_the_head() {
    let mut extractor = extractor_for_tests();
    let (subject, other) = (head(&mut extractor, COLLINS), head(&mut extractor, HOPPER));
    let ended = followed(&mut extractor, |prompt, (right, up)| match prompt {
        Prompt::Center if right == 0.0 && up == 0.0 => subject.turned(0.0, 0.0),
        _ => other.turned(right, up),
    });
    let ended = ended.expect_err("another face");
    assert!(matches!(ended, Error::Challenge(Ending::Exchanged | Ending::Jump)), "{ended}");
}

//! Tests challenges on rendered heads and sheets, with the shipped models.

use std::cell::RefCell;
use std::collections::VecDeque;
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

const RIGHT_THEN_UP: [Direction; 2] = [Direction::Right, Direction::Up];

/// How far a head turns, in degrees: as far as this rendering shows Collins in all directions. Turned further, faces are lost.
const ASIDE: f64 = 40.0;
const UP: f64 = 32.0;
const DOWN: f64 = 26.0;

/// Degrees from one frame to the next, and frames in which it turns as far as it does: some 0.6 s.
const STEP: f64 = 6.7;
const STEPS: u32 = 6;

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

thread_local! {
    /// What [`drawn`] gives next.
    static DRAWN: RefCell<VecDeque<u16>> = const { RefCell::new(VecDeque::new()) };
}

/// Draws two directions, in turns of this order and the other, with pauses of the same length.
fn draw([first, second]: [Direction; 2]) {
    let (first, second) = (first as u16, second as u16);
    DRAWN.set([first, 20_000, second, 20_000, second, 20_000, first, 20_000].into());
}

fn drawn() -> u16 {
    DRAWN.with_borrow_mut(|drawn| {
        drawn.rotate_left(1);
        drawn.back().copied().unwrap_or_default()
    })
}

/// Runs a session on frames that follow its prompts, as `picture` renders them for degrees to the right and up.
fn followed(
    extractor: &mut Extractor,
    directions: [Direction; 2],
    mut picture: impl FnMut(Prompt, (f64, f64)) -> Frame,
) -> Result<Capture, Error> {
    let mut session = CaptureSession::new(Some(12), false, || Duration::ZERO);
    session = session.with_challenge(2, vec![], drawn);
    draw(directions);
    let (mut pose, mut at) = ((0.0, 0.0), Duration::ZERO);
    for _ in 0..400 {
        let prompt = session.challenge(at).map_or(Prompt::Center, |view| view.prompt);
        let to = match prompt {
            Prompt::Center => (0.0, 0.0),
            Prompt::Turn(direction) => degrees(direction),
        };
        let step = |from: f64, to: f64| from + (to - from).clamp(-STEP, STEP);
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
    use Direction::{Down, Left, Right, Up};
    let mut extractor = extractor_for_tests();
    for (bytes, directions) in [(COLLINS, [Right, Up]), (COLLINS, [Down, Left]), (HOPPER, [Up, Right])] {
        let head = head(&mut extractor, bytes);
        let capture = followed(&mut extractor, directions, |_, (right, up)| head.turned(right, up))
            .unwrap_or_else(|error| panic!("{directions:?}: {error}"));
        assert_eq!(capture.responses.len(), 2);
        assert!(capture.responses.iter().all(|r| r.time < Duration::from_secs(2) && r.parallax > 0.35));
    }
}

/// The poses in which a picture shows a head or a sheet: straight ahead, and on the way to each direction. With names, and degrees to the right
/// and up; the last of a way is true.
fn poses() -> Vec<(String, (f64, f64), bool)> {
    let way = |direction| {
        let (right, up) = degrees(direction);
        (1..=STEPS).map(move |step| {
            let share = f64::from(step) / f64::from(STEPS);
            (format!("{direction:?}-{step}").to_lowercase(), (share * right, share * up), step == STEPS)
        })
    };
    [("ahead".to_owned(), (0.0, 0.0), true)].into_iter().chain(Direction::ALL.into_iter().flat_map(way)).collect()
}

/// With `FACEPLATE_POSES`, a folder, the pictures are kept there for a feeder of a camera: `head/left-6.jpg` and so on.
#[test]
fn turns_are_seen_of_a_head_in_all_directions_and_not_of_a_sheet() {
    let mut extractor = extractor_for_tests();
    let head = head(&mut extractor, COLLINS);
    let kept = std::env::var_os("FACEPLATE_POSES").map(std::path::PathBuf::from);
    let mut seen = |what: &str, picture: &dyn Fn(f64, f64) -> Frame| {
        let mut recording = Recording::default();
        for (name, (right, up), is_end) in poses() {
            let frame = picture(right, up);
            if let Some(folder) = &kept {
                let to = folder.join(what);
                std::fs::create_dir_all(&to).expect("a folder");
                let jpeg = crate::media::to_jpeg(&frame).expect("a picture");
                std::fs::write(to.join(format!("{name}.jpg")), &*jpeg).expect("room");
            }
            // Whoever is there stays there for three frames.
            for _ in 0..if is_end { 3 } else { 1 } {
                recording.push(&mut extractor, &frame, FRAME * recording.frames()).expect("models");
            }
        }
        recording.poses().expect("frontal frames").directions()
    };
    assert_eq!(seen("head", &|right, up| head.turned(right, up)), [true; 4]);
    assert_eq!(seen("sheet", &|right, up| head.sheet(FLAT, right, up)), [false; 4]);
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
    let ended =
        followed(&mut extractor, RIGHT_THEN_UP, |_, (right, up)| head.sheet(FLAT, right, up)).expect_err("no turn");
    assert!(matches!(ended, Error::Challenge(Ending::TooSlow)), "{ended}");
}

#[test]
fn nobody_else_can_turn_the_head() {
    let mut extractor = extractor_for_tests();
    let (subject, other) = (head(&mut extractor, COLLINS), head(&mut extractor, HOPPER));
    let ended = followed(&mut extractor, RIGHT_THEN_UP, |prompt, (right, up)| match prompt {
        Prompt::Center if right == 0.0 && up == 0.0 => subject.turned(0.0, 0.0),
        _ => other.turned(right, up),
    });
    let ended = ended.expect_err("another face");
    assert!(matches!(ended, Error::Challenge(Ending::Exchanged | Ending::Jump)), "{ended}");
}

//! Gestures of a mean face. What the landmark model makes of people is in docs/ref/liveness.md.

use super::super::turn::tests::{Angles, mean_head};
use super::*;

const AHEAD: Angles = [0.0; 3];
/// Middle of the picture, in pixels, and pixels of an eye distance there.
const MIDDLE: [f64; 2] = [320.0, 240.0];
const EYES: f64 = 60.0;

/// A frontal face: width of the mouth and height of its corners above its middle, and height of the open eyes, in eye distances.
#[derive(Clone, Copy)]
struct Look {
    mouth: f64,
    lift: f64,
    eyes: f64,
}

const NEUTRAL: Look = Look { mouth: 0.6, lift: 0.0, eyes: 0.1 };

fn face(look: Look) -> (Mesh, [Point; 5]) {
    let (mut mesh, points) = mean_head(AHEAD);
    let mut place = |i: usize, x: f64, y: f64| {
        mesh.points[i] = [(MIDDLE[0] + EYES * x) as f32, (MIDDLE[1] + EYES * y) as f32, 0.0];
    };
    for (side, [outer, inner]) in [(-1.0, [61, 33]), (1.0, [291, 263])] {
        place(outer, side * look.mouth / 2.0, 0.72 - look.lift);
        place(inner, side * 0.5, 0.0);
    }
    for i in [13, 14] {
        place(i, 0.0, 0.72);
    }
    for (side, [a, b, c, d]) in [(-1.0, [160, 144, 158, 153]), (1.0, [385, 380, 387, 373])] {
        for (i, x, up) in [(a, 0.4, -0.5), (b, 0.4, 0.5), (c, 0.3, -0.5), (d, 0.3, 0.5)] {
            place(i, side * x, up * look.eyes);
        }
    }
    (mesh, points)
}

/// The face `scale` times as large.
fn scaled((mut mesh, points): (Mesh, [Point; 5]), scale: f64) -> (Mesh, [Point; 5]) {
    for point in &mut mesh.points {
        *point = point.map(|v| (f64::from(v) * scale) as f32);
    }
    let times = |v: i32| (f64::from(v) * scale).round() as i32;
    (mesh, points.map(|p| Point { x: times(p.x), y: times(p.y) }))
}

fn seen(faces: impl IntoIterator<Item = (Mesh, [Point; 5])>, wanted: &[Gesture]) -> Vec<SeenGesture> {
    let mut watch = GestureWatch::default();
    faces.into_iter().for_each(|(mesh, points)| watch.push(mesh, points));
    watch.seen(wanted)
}

/// Which gestures are seen in faces.
fn made(faces: Vec<(Mesh, [Point; 5])>) -> Vec<Gesture> {
    // Each alone: of left and right together, both sides are asked for.
    let each = |gesture| seen(faces.clone(), &[gesture])[0];
    Gesture::ALL.into_iter().filter(|gesture| each(*gesture).seen == Some(true)).collect()
}

/// Neutral faces around `middle`.
fn between(middle: Vec<(Mesh, [Point; 5])>) -> Vec<(Mesh, [Point; 5])> {
    let neutral = || std::iter::repeat_with(|| face(NEUTRAL)).take(5);
    neutral().chain(middle).chain(neutral()).collect()
}

#[test]
fn a_face_that_does_nothing_makes_no_gesture() {
    assert_eq!(made(between(vec![])), []);
    let nothing = seen([], &Gesture::ALL);
    for SeenGesture { gesture, seen, amplitude } in nothing {
        let is_told = !matches!(gesture, Gesture::Scan | Gesture::Eyes);
        assert_eq!((seen, amplitude), (is_told.then_some(false), (gesture != Gesture::Scan).then_some(0.0)));
    }
}

#[test]
fn turns_are_seen_and_both_sides_count_alike() {
    for (yaw, pitch, gestures) in [
        (-35.0, 0.0, &[Gesture::Left, Gesture::Right][..]),
        (35.0, 0.0, &[Gesture::Left, Gesture::Right]),
        (0.0, -35.0, &[Gesture::High]),
        (0.0, 35.0, &[Gesture::Down]),
        (12.0, 0.0, &[]),
    ] {
        let turned = |shares: &[f64]| {
            let head = |share: &f64| mean_head([share * yaw, share * pitch, 0.0]);
            let made = made(between(shares.iter().map(head).collect()));
            // The mean head has neither lids nor lips.
            made.into_iter().filter(|g| !matches!(g, Gesture::Eyes | Gesture::Smile)).collect::<Vec<_>>()
        };
        assert_eq!(turned(&[0.5, 1.0, 1.0, 1.0, 0.5]), gestures, "{yaw} {pitch}");
        assert_eq!(turned(&[0.5, 1.0, 1.0, 0.5]), [], "two frames are no gesture");
    }
}

#[test]
fn of_both_sides_the_one_that_is_missing_is_told() {
    let to = |yaw: f64| [yaw; 3].map(|yaw| mean_head([yaw, 0.0, 0.0]));
    let both = [Gesture::Right, Gesture::Left];
    let told = |faces| seen(faces, &both).iter().map(|g| g.seen).collect::<Vec<_>>();
    assert_eq!(told(between(to(35.0).into())), [Some(true), Some(false)]);
    let there_and_back = to(35.0).into_iter().chain([face(NEUTRAL)]).chain(to(-35.0));
    assert_eq!(told(between(there_and_back.collect())), [Some(true); 2]);
}

#[test]
fn mouth_and_eyes_are_compared_with_the_same_face() {
    let smile = Look { mouth: 0.72, lift: 0.05, ..NEUTRAL };
    assert_eq!(made(between(vec![face(smile); 3])), [Gesture::Smile]);
    assert_eq!(made(between(vec![face(smile); 2])), []);
    // A wide mouth without corners that rise, as in speech; and who smiles all the time does not begin to.
    assert_eq!(made(between(vec![face(Look { lift: 0.0, ..smile }); 3])), []);
    assert_eq!(made(vec![face(smile); 12]), []);
    assert_eq!(made(between(vec![face(Look { eyes: 0.03, ..NEUTRAL })])), [Gesture::Eyes]);
    assert_eq!(made(between(vec![face(Look { eyes: 0.08, ..NEUTRAL })])), []);
}

#[test]
fn a_face_that_comes_nearer_or_goes_is_seen() {
    let to = |scale: f64| {
        let steps = [0.0, 0.0, 0.0, 0.3, 0.6, 1.0, 1.0, 1.0];
        steps.map(|share| scaled(face(NEUTRAL), 1.0 + share * (scale - 1.0))).to_vec()
    };
    assert_eq!(made(to(1.4)), [Gesture::ZoomIn]);
    assert_eq!(made(to(1.2)), []);
    assert_eq!(made(to(0.7)), [Gesture::ZoomOut]);
    let told = seen(to(1.4), &[Gesture::ZoomOut, Gesture::ZoomIn]);
    assert_eq!(told[0].amplitude, Some(0.0));
    assert!((told[1].amplitude.unwrap() - 4.0 / 3.0).abs() < 1e-4, "{told:?}");
}

#[test]
fn points_that_are_no_face_make_no_gesture() {
    let (mut mesh, points) = face(NEUTRAL);
    mesh.points[33][0] = f32::NAN;
    mesh.points[61][1] = f32::INFINITY;
    assert_eq!(made(vec![(mesh, points); 9]), []);
    assert_eq!(made(vec![scaled(face(NEUTRAL), 0.2); 9]), []);
}

/// What is told as seen is what the challenge counts.
#[test]
fn a_turn_is_seen_where_it_is_held() {
    let yaws = [0.0, 0.0, 33.0, 20.0, 33.0, 0.0, 33.0, 33.0, -33.0, 33.0, 33.0, 25.0, 33.0, 0.0];
    for until in 1..=yaws.len() {
        let faces: Vec<_> = yaws[..until].iter().map(|yaw| mean_head([*yaw, 0.0, 0.0])).collect();
        let reference =
            Reference::least_turned(faces.iter().map(|(mesh, points)| (mesh, points))).expect("frontal faces");
        let mut held = Held::default();
        let turns = faces.iter().filter_map(|(mesh, points)| reference.compare(mesh, points));
        let is_held = turns.filter_map(|turn| held.push(Pose::of(&turn))).count() > 0;
        assert_eq!(made(faces).contains(&Gesture::Left), is_held, "{until}");
    }
}

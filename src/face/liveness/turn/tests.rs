//! Heads and sheets of known shape before a pinhole camera. They test the measure and the rule, not the landmark model, which is part of what
//! a sheet has to deceive.

use super::*;
use crate::face::SUB;
use crate::face::mesh::LANDMARKS;
use proptest::prelude::*;

/// Pixels for one eye distance in the plane of the face, and the camera's distance from it in eye distances: about half a meter.
const PIXELS: f64 = 60.0;
const DISTANCE: f64 = 6.0;

/// The five points of a mean face, as places in [`RELIEF`], in 1/1000 eye distance.
const FIVE: [[i16; 3]; 5] = [[-350, 0, -20], [350, 0, -20], [0, 390, 380], [-305, 714, -45], [305, 714, -45]];

/// What is before the camera.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A head whose relief is that of the mean face times a factor.
    Head(f64),
    /// A sheet, bent about its upright axis by a curvature, in 1 / eye distance; positive bulges to the camera.
    Sheet(f64),
}

/// Yaw to the picture's right, pitch down, roll clockwise, in degrees.
pub(in crate::face::liveness) type Angles = [f64; 3];

fn sin_cos(degrees: f64) -> (f64, f64) {
    let angle = degrees * std::f64::consts::PI / 180.0;
    (libm::sin(angle), libm::cos(angle))
}

/// Picture coordinates of a place of the shape, and its depth, in pixels.
fn seen(shape: Shape, place: &[i16; 3], [yaw, pitch, roll]: Angles) -> [f64; 3] {
    let [x, y, z] = place.map(|v| f64::from(v) / 1000.0);
    let (x, y, near) = match shape {
        Shape::Head(relief) => (x, y, z * relief),
        Shape::Sheet(bend) if bend.abs() > 1e-6 => (libm::sin(x * bend) / bend, y, (libm::cos(x * bend) - 1.0) / bend),
        Shape::Sheet(_) => (x, y, 0.0),
    };
    let (s, c) = sin_cos(yaw);
    let (x, near) = (c * x + s * near, c * near - s * x);
    let (s, c) = sin_cos(pitch);
    let (y, near) = (c * y + s * near, c * near - s * y);
    let (s, c) = sin_cos(roll);
    let (x, y) = (c * x - s * y, s * x + c * y);
    let scale = PIXELS * DISTANCE / (DISTANCE - near);
    [320.0 + scale * x, 240.0 + scale * y, -PIXELS * near]
}

/// Landmarks and points of a shape. Of a sheet, the landmark model is taken to guess the depths of a frontal head.
fn capture(shape: Shape, angles: Angles) -> (Mesh, [Point; 5]) {
    let mut mesh = Mesh { points: [[320.0, 240.0, 0.0]; LANDMARKS] };
    for (i, place) in &RELIEF {
        let [x, y, z] = seen(shape, place, angles);
        let z = if matches!(shape, Shape::Sheet(_)) { -PIXELS * height(place) } else { z };
        mesh.points[usize::from(*i)] = [x as f32, y as f32, z as f32];
    }
    let unit = f64::from(SUB);
    let point = |p: &[i16; 3]| {
        let [x, y, _] = seen(shape, p, angles);
        Point { x: (x * unit).round() as i32, y: (y * unit).round() as i32 }
    };
    (mesh, FIVE.each_ref().map(point))
}

/// The mean head, for tests of what is told by turns: only the landmarks that move with the skull are where they belong.
pub(in crate::face::liveness) fn mean_head(angles: Angles) -> (Mesh, [Point; 5]) {
    capture(Shape::Head(1.1), angles)
}

fn turn(shape: Shape, from: Angles, to: Angles) -> Turn {
    let ((mesh, points), (later, later_points)) = (capture(shape, from), capture(shape, to));
    let reference = Reference::new(&mesh, &points).expect("a frontal face");
    reference.compare(&later, &later_points).expect("a face")
}

const AHEAD: Angles = [0.0; 3];

#[test]
fn a_head_that_turns_is_seen_in_each_direction() {
    let ways = [
        ([-1.0, 0.0], Direction::Left),
        ([1.0, 0.0], Direction::Right),
        ([0.0, -1.0], Direction::Up),
        ([0.0, 1.0], Direction::Down),
    ];
    for relief in [1.0, 1.1, 1.2] {
        for degrees in [30.0, 35.0, 40.0] {
            for roll in [-15.0, 0.0, 20.0] {
                for ([yaw, pitch], direction) in ways {
                    let turn = turn(Shape::Head(relief), AHEAD, [yaw * degrees, pitch * degrees, roll]);
                    assert_eq!(Pose::of(&turn), Pose::Toward(direction), "{relief} {degrees} {roll} {turn:?}");
                }
            }
        }
    }
}

#[test]
fn parallax_is_the_sine_of_the_turn_and_squeeze_its_cosine() {
    for degrees in [-40.0, -20.0, 10.0, 30.0] {
        let turn = turn(Shape::Head(1.0), AHEAD, [degrees, 0.0, 0.0]);
        let (sin, cos) = sin_cos(degrees);
        assert!((turn.x - sin).abs() < 0.1 && turn.y.abs() < 0.05, "{degrees} {turn:?}");
        assert!((turn.squeeze - cos).abs() < 0.12, "{degrees} {turn:?}");
        assert!(turn.residual < 0.02, "{turn:?}");
    }
}

#[test]
fn a_small_turn_is_told_with_its_amplitude_and_a_still_head_is_centered() {
    assert_eq!(Pose::of(&turn(Shape::Head(1.0), AHEAD, [3.0, -3.0, 10.0])), Pose::Centered);
    let amplitudes =
        [12.0, 16.0, 20.0].map(|degrees| match Pose::of(&turn(Shape::Head(1.0), AHEAD, [-degrees, 0.0, 0.0])) {
            Pose::Partial { direction: Direction::Left, amplitude } => amplitude,
            other => panic!("{degrees} degrees: {other:?}"),
        });
    assert!(amplitudes.is_sorted() && amplitudes[0] > 0.2 && amplitudes[2] < 1.0, "{amplitudes:?}");
}

#[test]
fn a_reference_that_is_not_quite_frontal_does_as_well() {
    for [yaw, pitch] in [[8.0, 0.0], [-8.0, 5.0], [0.0, -12.0], [5.0, 10.0]] {
        let turn = turn(Shape::Head(1.0), [yaw, pitch, 0.0], [yaw + 32.0, pitch, 5.0]);
        assert_eq!(Pose::of(&turn), Pose::Toward(Direction::Right), "{yaw} {pitch} {turn:?}");
    }
    for angles in [[20.0, 0.0, 0.0], [-20.0, 0.0, 0.0], [0.0, 25.0, 0.0]] {
        let (mesh, points) = capture(Shape::Head(1.0), angles);
        assert!(Reference::new(&mesh, &points).is_none(), "{angles:?}");
    }
}

#[test]
fn sheets_have_no_parallax_however_they_are_moved() {
    for from in [0.0, 0.125, 0.25, 0.5] {
        for to in [-0.5, -0.25, 0.0, 0.125, 0.25, 0.5] {
            for yaw in [-50.0, -25.0, 0.0, 25.0, 50.0] {
                for pitch in [-50.0, -25.0, 0.0, 25.0, 50.0] {
                    let ((mesh, points), (later, five)) =
                        (capture(Shape::Sheet(from), AHEAD), capture(Shape::Sheet(to), [yaw, pitch, 20.0]));
                    let reference = Reference::new(&mesh, &points).expect("a frontal face");
                    let Some(turn) = reference.compare(&later, &five) else { continue };
                    assert!(!matches!(Pose::of(&turn), Pose::Toward(_)), "{from} {to} {yaw} {pitch} {turn:?}");
                }
            }
        }
    }
}

#[test]
fn faces_that_are_too_small_or_out_of_all_bounds_give_no_reference() {
    let (mesh, points) = capture(Shape::Head(1.0), AHEAD);
    for factor in [0.1, 1e6, f32::NAN, f32::INFINITY] {
        let mut other = mesh.clone();
        other.points.iter_mut().flatten().for_each(|v| *v *= factor);
        assert!(Reference::new(&other, &points).is_none(), "{factor}");
        let reference = Reference::new(&mesh, &points).expect("a frontal face");
        assert!(reference.compare(&other, &points).is_none(), "{factor}");
    }
    assert!(Reference::new(&mesh, &[points[0]; 5]).is_none());
}

proptest! {
    #[test]
    fn any_points_give_finite_measures_or_none(
        noise in proptest::collection::vec(any::<f32>(), 3 * LANDMARKS),
        mild in proptest::collection::vec(-400.0f32..400.0, 3 * LANDMARKS),
        share in 0.0f32..1.0,
        raw in any::<bool>(),
        five in any::<[(i32, i32); 5]>(),
    ) {
        let (mesh, points) = capture(Shape::Head(1.0), AHEAD);
        let reference = Reference::new(&mesh, &points).expect("a frontal face");
        let mut other = mesh;
        for (v, (noise, mild)) in other.points.iter_mut().flatten().zip(noise.iter().zip(&mild)) {
            *v = if raw { *noise } else { *v + share * mild };
        }
        for points in [points, five.map(|(x, y)| Point { x, y })] {
            for turn in [reference.compare(&other, &points), Reference::new(&other, &points).and_then(|r| r.compare(&other, &points))] {
                let Some(turn) = turn else { continue };
                prop_assert!([turn.x, turn.y, turn.nose, turn.residual].iter().all(|v| v.is_finite()));
                prop_assert!((0.0..=1.0).contains(&turn.squeeze));
                if let Pose::Partial { amplitude, .. } = Pose::of(&turn) {
                    prop_assert!((0.0..1.0).contains(&amplitude));
                }
            }
        }
    }
}

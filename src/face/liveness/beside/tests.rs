use proptest::prelude::*;

use super::*;

/// A value that changes from pixel to pixel, smooth enough to be followed, without a period: value noise of three
/// sizes.
pub(super) fn texture(x: f64, y: f64) -> u8 {
    let noise = |x: f64, y: f64, seed: u64| {
        let (left, top) = (x.floor(), y.floor());
        let at = |dx: f64, dy: f64| {
            let (x, y) = ((left + dx) as i64 as u64, (top + dy) as i64 as u64);
            let z = x.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ y.wrapping_mul(0xC2B2_AE3D_27D4_EB4F) ^ seed;
            let z = (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((z ^ (z >> 32)) & 0xFFFF) as f64 / 65_535.0
        };
        let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
        let (fx, fy) = (smooth(x - left), smooth(y - top));
        (at(0.0, 0.0) * (1.0 - fx) + at(1.0, 0.0) * fx) * (1.0 - fy)
            + (at(0.0, 1.0) * (1.0 - fx) + at(1.0, 1.0) * fx) * fy
    };
    (20.0
        + 90.0 * noise(x / 40.0, y / 40.0, 1)
        + 70.0 * noise(x / 12.0, y / 12.0, 2)
        + 60.0 * noise(x / 5.0, y / 5.0, 3)) as u8
}

/// Half the width and half the height of the face's box, in pixels.
const FACE: (f64, f64) = (40.0, 52.0);

/// A room of 480x360 with a textured patch around a face at a place, which reaches so many face widths and heights from
/// the face's middle.
fn scene(x: f64, y: f64, reach: (f64, f64)) -> (Frame, Face) {
    let value = |i: usize| {
        let (u, v) = ((i % 480) as f64, (i / 480) as f64);
        let patch = (u - x).abs() < reach.0 * 2.0 * FACE.0 && (v - y).abs() < reach.1 * 2.0 * FACE.1;
        [if patch { texture(u - x + 5_000.0, v - y) } else { texture(u, v) }; 3]
    };
    let point = |dx: f64, dy: f64| Point { x: ((x + dx) * 256.0) as i32, y: ((y + dy) * 256.0) as i32 };
    let face = Face {
        bounds: Rect { min: point(-FACE.0, -FACE.1), max: point(FACE.0, FACE.1) },
        points: [point(-18.0, -10.0), point(18.0, -10.0), point(0.0, 10.0), point(-15.0, 30.0), point(15.0, 30.0)],
        score: 0.9,
    };
    (Frame::new(480, 360, (0..480 * 360).flat_map(value).collect()), face)
}

/// Moves it around.
fn moved(reach: (f64, f64), step: f64) -> Beside {
    let mut beside = Beside::default();
    for i in 0..8 {
        let (frame, face) = scene(200.0 + step * f64::from(i), 180.0 + step / 2.0 * f64::from(i % 3), reach);
        beside.push(&frame, &face);
    }
    beside
}

#[test]
fn a_head_before_a_room_is_not_denied() {
    let beside = moved((0.7, 0.8), 6.0);
    assert!(beside.share().is_some_and(|share| share < 0.03), "{:?}", beside.votes());
    assert!(!beside.denies());
}

#[test]
fn a_sheet_around_the_face_is_denied() {
    for reach in [(1.7, 1.3), (1.2, 1.0)] {
        let beside = moved(reach, 6.0);
        assert!(beside.share().is_some_and(|share| share > 0.3), "{reach:?}: {:?}", beside.votes());
        assert!(beside.denies());
    }
}

#[test]
fn without_movement_there_is_no_verdict() {
    for reach in [(0.7, 0.8), (1.7, 1.3)] {
        let beside = moved(reach, 0.1);
        assert_eq!((beside.share(), beside.denies(), beside.votes()), (None, false, Votes::default()));
    }
}

#[test]
fn slow_movements_add_up() {
    let mut beside = Beside::default();
    for i in 0..40 {
        let (frame, face) = scene(200.0 + 0.5 * f64::from(i), 180.0, (1.7, 1.3));
        beside.push(&frame, &face);
    }
    assert!(beside.denies(), "{:?}", beside.votes());
}

#[test]
fn a_few_stray_corners_deny_nobody() {
    let with = |with_face, stayed, pairs| Beside { votes: Votes { with_face, stayed, pairs }, ..Beside::default() };
    assert!(!with(5, 32, 8).denies());
    assert!(with(8, 32, 8).denies());
    assert!(!with(12, 88, 8).denies() && with(20, 80, 8).denies());
    assert_eq!((with(6, 5, 9).share(), with(10, 10, 2).share()), (None, None), "too little was seen");
    assert_eq!(with(3, 9, 3).share(), Some(0.25));
}

#[test]
fn pictures_of_other_sizes_begin_anew() {
    let mut beside = Beside::default();
    let (frame, face) = scene(200.0, 180.0, (1.7, 1.3));
    let (next, moved) = scene(210.0, 180.0, (1.7, 1.3));
    beside.push(&frame, &face);
    beside.push(&next.part(0, 0, 400, 360), &moved);
    assert_eq!(beside.votes(), Votes::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_frame_and_any_box_are_safe(
        width in 1usize..90,
        height in 1usize..90,
        seed: u64,
        boxes in proptest::collection::vec(proptest::array::uniform14(prop_oneof![-30_000i32..30_000, any::<i32>()]), 1..6),
    ) {
        let mut beside = Beside::default();
        for (n, numbers) in boxes.into_iter().enumerate() {
            let value = |i: usize| (seed.wrapping_mul((i + n * 7) as u64 | 1) >> 40) as u8;
            let frame = Frame::new(width, height, (0..width * height * 3).map(value).collect());
            let point = |i: usize| Point { x: numbers[2 * i], y: numbers[2 * i + 1] };
            let face = Face {
                bounds: Rect { min: point(0), max: point(1) },
                points: std::array::from_fn(|i| point(i + 2)),
                score: 0.5,
            };
            beside.push(&frame, &face);
            let Votes { with_face, stayed, .. } = beside.votes();
            prop_assert!(with_face + stayed <= 160 * n);
        }
    }
}

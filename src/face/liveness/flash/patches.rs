//! The light that forehead, cheeks and nose reflect in one frame. It knows no schedule and no other frame.

use super::transfer::linear;
use crate::face::geometry::{Point, SUB};
use crate::media::Frame;

/// Mean linear light of red, green and blue, 0..1, in each patch of `PATCHES`.
pub type Patches = [[f32; 3]; PATCHES.len()];

/// Centers and half sizes of the patches in eye distances, seen from the middle between the eyes: to the right along
/// the eyes, and down at a right angle to that. Skin that hair, glasses, beards and lips seldom cover; a cheek's patch
/// ends below the lower lid.
const PATCHES: [Patch; 4] = [
    Patch { center: (0.0, -0.5), half: (0.35, 0.14) }, // forehead
    Patch { center: (-0.52, 0.62), half: (0.16, 0.16) },
    Patch { center: (0.52, 0.62), half: (0.16, 0.16) },
    Patch { center: (0.0, 0.42), half: (0.1, 0.14) }, // bridge of the nose
];

struct Patch {
    center: (f64, f64),
    half: (f64, f64),
}

/// Samples across and down a patch: a thousand pixels bring a sensor's noise of 4 % below a thousandth of the light.
const GRID: usize = 32;

/// Values of a pixel that tell the light: above, a camera clips (JPEG moves that by a few levels), below, its noise and
/// black level rule.
const TELLING: std::ops::RangeInclusive<u8> = 8..=249;

/// Least share of a patch's samples that must tell the light, in percent: the rest may be glints, hair and lashes.
const LEAST_PERCENT: usize = 35;

/// Least distance between the eyes in pixels: below, a patch of the nose has fewer than a dozen pixels.
const LEAST_EYE_DISTANCE: f64 = 16.0;

/// The light of the patches of a face with these five points, as [`Face`](crate::face::Face) has them; `None` if the
/// face is too small, too much of a patch is clipped or dark, or it lies outside of the picture.
pub fn patches(frame: &Frame, points: &[Point; 5]) -> Option<Patches> {
    let [left, right, ..] = points.map(|p| (f64::from(p.x) / f64::from(SUB), f64::from(p.y) / f64::from(SUB)));
    // The eyes' axis, whose length is the eye distance; turned by 90 degrees it points to the mouth of an upright face.
    let axis = (right.0 - left.0, right.1 - left.1);
    if axis.0 * axis.0 + axis.1 * axis.1 < LEAST_EYE_DISTANCE * LEAST_EYE_DISTANCE {
        return None;
    }
    let middle = ((left.0 + right.0) / 2.0, (left.1 + right.1) / 2.0);
    let place = |(along, down): (f64, f64)| {
        (middle.0 + along * axis.0 - down * axis.1, middle.1 + along * axis.1 + down * axis.0)
    };
    let mut light = [[0.0; 3]; PATCHES.len()];
    for (light, patch) in light.iter_mut().zip(&PATCHES) {
        *light = mean(frame, patch, place)?;
    }
    Some(light)
}

fn mean(frame: &Frame, patch: &Patch, place: impl Fn((f64, f64)) -> (f64, f64)) -> Option<[f32; 3]> {
    let offset = |i: usize| (2 * i + 1) as f64 / GRID as f64 - 1.0;
    let (mut sums, mut count) = ([0.0f64; 3], 0usize);
    for i in 0..GRID * GRID {
        let along = patch.center.0 + patch.half.0 * offset(i % GRID);
        let down = patch.center.1 + patch.half.1 * offset(i / GRID);
        let pixel = pixel(frame, place((along, down)))?;
        if pixel.iter().all(|value| TELLING.contains(value)) {
            count += 1;
            sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f64::from(linear(value)));
        }
    }
    (count * 100 >= LEAST_PERCENT * GRID * GRID).then(|| sums.map(|sum| (sum / count as f64) as f32))
}

/// The nearest pixel, if it is in the picture.
fn pixel(frame: &Frame, (x, y): (f64, f64)) -> Option<[u8; 3]> {
    let within = |v: f64, size: usize| (v > -0.5 && v < size as f64 - 0.5).then(|| v.round() as usize);
    let (x, y) = (within(x, frame.width())?, within(y, frame.height())?);
    frame.row(y)[3 * x..].first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(x: i32, y: i32) -> Point {
        Point { x: x * SUB, y: y * SUB }
    }

    /// Eyes 40 pixels apart in a picture of 160x160.
    const FACE: [(i32, i32); 5] = [(60, 70), (100, 70), (80, 90), (65, 112), (95, 112)];

    fn points() -> [Point; 5] {
        FACE.map(|(x, y)| at(x, y))
    }

    fn frame(color: impl Fn(usize, usize) -> [u8; 3]) -> Frame {
        Frame::new(160, 160, (0..160 * 160).flat_map(|i| color(i % 160, i / 160)).collect())
    }

    #[test]
    fn patches_are_decoded_to_linear_light() {
        let light = patches(&frame(|_, _| [188, 128, 64]), &points()).unwrap();
        for patch in light {
            for (value, want) in patch.into_iter().zip([0.503, 0.216, 0.051]) {
                assert!((value - want).abs() < 0.002, "{light:?}");
            }
        }
    }

    #[test]
    fn patches_follow_the_eyes_and_leave_them_out() {
        // Forehead, cheeks and nose have a color of their own.
        let paint = |x: usize, y: usize| match (x, y) {
            (_, 40..=57) => [200, 100, 100],
            (48..=71, 85..=105) => [100, 200, 100],
            (89..=112, 85..=105) => [100, 100, 200],
            (72..=88, 75..=95) => [150, 150, 100],
            _ => [20, 20, 20],
        };
        let [forehead, left, right, nose] = patches(&frame(paint), &points()).unwrap();
        let want = |color: [u8; 3]| color.map(linear);
        assert_eq!(
            [forehead, left, right, nose].map(|patch| patch.map(|value| (value * 1000.0).round())),
            [[200, 100, 100], [100, 200, 100], [100, 100, 200], [150, 150, 100]]
                .map(|color| want(color).map(|value| (value * 1000.0).round()))
        );
        // The head lies on its side, and so does the picture.
        let turned = frame(|x, y| paint(159 - y, x));
        let points = FACE.map(|(x, y)| at(y, 159 - x));
        assert_eq!(patches(&turned, &points).map(|p| p[1]), Some(left));
    }

    #[test]
    fn clipped_dark_small_and_cut_faces_have_no_patches() {
        assert!(patches(&frame(|_, _| [255, 100, 100]), &points()).is_none());
        assert!(patches(&frame(|_, _| [100, 3, 100]), &points()).is_none());
        // Every fourth pixel a glint: the others count.
        let glints = frame(|x, _| if x % 4 == 0 { [255; 3] } else { [100; 3] });
        assert_eq!(patches(&glints, &points()).unwrap()[0][0], linear(100));
        let low = points().map(|p| Point { y: p.y + 60 * SUB, ..p });
        assert!(patches(&frame(|_, _| [100; 3]), &low).is_none());
        let small = points().map(|p| Point { x: p.x / 3, y: p.y / 3 });
        assert!(patches(&frame(|_, _| [100; 3]), &small).is_none());
    }

    proptest! {
        #[test]
        fn any_points_in_any_frame_are_safe(
            width in 1usize..50,
            height in 1usize..50,
            points in proptest::array::uniform5((any::<i32>(), any::<i32>())),
            close in proptest::array::uniform5((-20_000i32..20_000, -20_000i32..20_000)),
        ) {
            let frame = Frame::new(width, height, vec![100; width * height * 3]);
            for points in [points, close] {
                let light = patches(&frame, &points.map(|(x, y)| Point { x, y }));
                prop_assert!(light.into_iter().flatten().flatten().all(|value| (0.0..=1.0).contains(&value)));
            }
        }
    }
}

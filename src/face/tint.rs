//! Takes the color of the light out of a picture: skin of the given face gets one color, at the face's own brightness.
//!
//! The liveness model takes cold light for a screen or a print: with its blue reduced, any picture looks more live to it, so people before a
//! screen or with a cheap camera are refused. Which half of that is the light and which is the medium no single look tells. So the model
//! is asked twice, about the picture as it is and about the picture in one warm light. This is no white balance for eyes,
//! and the detector and the embedder don't need it.

use super::align::SIDE;
use super::quality::{INNER, LUMA};
use crate::media::Frame;

/// Color that skin is brought to: red, green, blue, only their ratio counts. It is warmer than skin in daylight: there the model
/// tells people from screens best. Towards neutral (1.25, 0.90, 0.78) people in cold light are refused, towards a deeper red
/// (1.38, 0.83, 0.60) screens pass: `docs/design/liveness.md` has the table.
const SKIN: [u64; 3] = [130, 87, 70];

/// What brings a picture into the one light: a factor for each channel, as tables.
pub(super) struct Tint([[u8; 256]; 3]);

impl Tint {
    /// For the light on a face. `crop` is the aligned face, rows of RGB pixels, at most as many as [`align`](super::align::align) gives.
    pub(super) fn of(crop: &[u8]) -> Self {
        let mut sums = [0u64; 3];
        let (rows, columns) = INNER;
        for row in crop.chunks_exact(SIDE * 3).skip(rows.start).take(rows.len()) {
            for pixel in row.as_chunks::<3>().0[columns.clone()].iter() {
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
            }
        }
        // One level more each, so that no channel without light is multiplied without bound.
        let pixels = (rows.len() * columns.len()) as u64;
        let light = sums.map(|sum| sum + pixels);
        let luma =
            |color: [u64; 3]| color.iter().zip(LUMA).map(|(value, weight)| value * u64::from(weight)).sum::<u64>();
        Self(std::array::from_fn(|channel| {
            let (over, under) = (SKIN[channel] * luma(light), light[channel] * luma(SKIN));
            std::array::from_fn(|value| ((value as u64 * over + under / 2) / under).min(255) as u8)
        }))
    }

    /// The picture in the one light.
    pub(super) fn on(&self, frame: &Frame) -> Frame {
        let pixels = frame.pixels().as_chunks::<3>().0.iter();
        let tinted = |pixel: &[u8; 3]| -> [u8; 3] { std::array::from_fn(|i| self.0[i][usize::from(pixel[i])]) };
        Frame::new(frame.width(), frame.height(), pixels.flat_map(tinted).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(color: [u8; 3]) -> Vec<u8> {
        color.repeat(SIDE * SIDE)
    }

    /// What becomes of a color in the light of a face of that color.
    fn tinted(color: [u8; 3]) -> [u8; 3] {
        let tinted = Tint::of(&crop(color)).on(&Frame::new(1, 1, color.to_vec()));
        [0, 1, 2].map(|channel| tinted.pixels()[channel])
    }

    fn luma(color: [u8; 3]) -> u64 {
        color.iter().zip(LUMA).map(|(value, weight)| u64::from(*value) * u64::from(weight)).sum::<u64>() / 256
    }

    #[test]
    fn skin_gets_one_color_in_any_light_and_keeps_its_brightness() {
        let (warm, cold) = (tinted([160, 110, 80]), tinted([100, 120, 140]));
        for color in [warm, cold] {
            let ratio = |a: usize, b: usize| f64::from(color[a]) / f64::from(color[b]);
            assert!((ratio(0, 1) - 130.0 / 87.0).abs() < 0.05 && (ratio(2, 1) - 70.0 / 87.0).abs() < 0.05, "{color:?}");
        }
        assert!(luma(warm).abs_diff(luma([160, 110, 80])) <= 1 && luma(cold).abs_diff(luma([100, 120, 140])) <= 1);
    }

    #[test]
    fn only_the_inner_face_tells_the_light() {
        let mut pixels = crop([255, 0, 255]);
        let (rows, columns) = INNER;
        for row in rows {
            for column in columns.clone() {
                pixels[(row * SIDE + column) * 3..][..3].copy_from_slice(&[120, 90, 70]);
            }
        }
        let there = Frame::new(1, 1, vec![90, 90, 90]);
        assert_eq!(Tint::of(&pixels).on(&there), Tint::of(&crop([120, 90, 70])).on(&there));
    }

    #[test]
    fn brighter_pixels_stay_brighter_and_none_overflows() {
        for color in [[0, 0, 0], [1, 0, 255], [255, 255, 255], [3, 200, 90]] {
            let Tint(tables) = Tint::of(&crop(color));
            for table in tables {
                assert!(table.is_sorted() && table[0] == 0, "{color:?}");
            }
        }
    }
}

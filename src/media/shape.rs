//! Handles pixels that are not square: computes their aspect ratio and resamples pictures to square pixels.
//!
//! Broadcast and disc formats, camcorders and some phones store fewer columns or rows than are shown. Decoded as square pixels, a
//! face would be squeezed.

use std::fmt;

use super::frame::Frame;
use super::resample::resize;

/// Pixel aspect ratio: width to height as displayed, in lowest terms (sample aspect ratio).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    across: u64,
    down: u64,
}

/// Largest pixel aspect ratio in either direction. Formats go up to 2; frames that were halved for two
/// eyes, and then for two fields, to 4. A picture with a larger ratio does not show a person.
const MOST_STRETCH: u64 = 8;

impl Shape {
    /// A square pixel.
    pub const SQUARE: Self = Self { across: 1, down: 1 };

    /// A pixel that is `across` wide and `down` high; `None` if one of them is 0, which stands for "not known".
    pub fn new(across: u64, down: u64) -> Option<Self> {
        let (mut divisor, mut rest) = (across, down);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        (across > 0 && down > 0).then(|| Self { across: across / divisor, down: down / divisor })
    }

    /// By `aspect_ratio_idc` of H.264 and HEVC (ITU-T H.264, table E-1). `None` for 0, for reserved numbers, and for 255, which means
    /// that two numbers follow.
    pub(super) fn from_index(index: u8) -> Option<Self> {
        const TABLE: [(u64, u64); 16] = [
            (1, 1),
            (12, 11),
            (10, 11),
            (16, 11),
            (40, 33),
            (24, 11),
            (20, 11),
            (32, 11),
            (80, 33),
            (18, 11),
            (15, 11),
            (64, 33),
            (160, 99),
            (4, 3),
            (3, 2),
            (2, 1),
        ];
        let &(across, down) = TABLE.get(usize::from(index).checked_sub(1)?)?;
        Self::new(across, down)
    }

    /// Whether it is too far from square for any real format.
    pub(super) fn is_extreme(self) -> bool {
        self.across / MOST_STRETCH > self.down
            || self.down / MOST_STRETCH > self.across
            || self.across > self.down.saturating_mul(MOST_STRETCH)
            || self.down > self.across.saturating_mul(MOST_STRETCH)
    }

    /// Width and height in square pixels of a picture of `width` x `height` such pixels. One side grows, so that nothing of the
    /// picture is lost. If that gives more than `most` pixels, both sides are scaled down until it does not. Never 0.
    pub fn size(self, width: usize, height: usize, most: u64) -> (usize, usize) {
        let grown = |side: usize, by: u64, to: u64| {
            // Rounded to nearest; clamped so that the products with the limit below do not overflow.
            let grown = (side as u128 * u128::from(by) + u128::from(to) / 2) / u128::from(to);
            grown.clamp(1, u32::MAX.into()) as u64
        };
        let (wide, high) = match self {
            Self { across, down } if across > down => (grown(width, across, down), height as u64),
            Self { across, down } => (width as u64, grown(height, down, across)),
        };
        let pixels = u128::from(wide) * u128::from(high);
        if pixels <= u128::from(most) {
            return (wide as usize, high as usize);
        }
        // Rounded down, so that the product stays below the limit; a side of a very thin picture would be 0.
        let scaled = |side: u64| {
            let squared = u128::from(side) * u128::from(side) * u128::from(most) / pixels;
            u64::try_from(squared.isqrt()).unwrap_or(u64::MAX).max(1)
        };
        let high = scaled(high).min(most.max(1));
        (scaled(wide).min(most / high).max(1) as usize, high as usize)
    }

    /// Resamples a picture of such pixels to square pixels, at most `most`. Unchanged if they are square.
    pub(super) fn square(self, frame: Frame, most: u64) -> Frame {
        if self == Self::SQUARE {
            return frame;
        }
        let (width, height) = self.size(frame.width(), frame.height(), most);
        resize(&frame, width, height)
    }
}

impl fmt::Display for Shape {
    /// Formats the ratio in words, in whole numbers: "4 times as wide as high".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { across, down } = self;
        match (across / down, down / across) {
            (1, 1) => f.write_str("square"),
            (0, times) => write!(f, "{times} times as high as wide"),
            (times, _) => write!(f, "{times} times as wide as high"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(across: u64, down: u64) -> Shape {
        Shape::new(across, down).unwrap()
    }

    #[test]
    fn ratios_are_reduced_and_unknown_ones_are_none() {
        assert_eq!(shape(640, 480), shape(4, 3));
        assert_eq!(shape(u64::MAX, u64::MAX), Shape::SQUARE);
        assert_eq!([Shape::new(0, 1), Shape::new(1, 0), Shape::new(0, 0)], [None; 3]);
        let index = |n| Shape::from_index(n);
        assert_eq!([index(1), index(2), index(16)], [Some(Shape::SQUARE), Some(shape(12, 11)), Some(shape(2, 1))]);
        assert_eq!([index(0), index(17), index(255)], [None; 3]);
    }

    #[test]
    fn one_side_grows_unless_the_limit_is_exceeded() {
        const MOST: u64 = 1 << 20;
        assert_eq!(Shape::SQUARE.size(640, 480, MOST), (640, 480));
        assert_eq!(shape(1, 2).size(640, 240, MOST), (640, 480));
        assert_eq!(shape(2, 1).size(320, 480, MOST), (640, 480));
        assert_eq!(shape(16, 11).size(352, 288, MOST), (512, 288));
        assert_eq!(shape(3, 4).size(640, 360, MOST), (640, 480));
        assert_eq!(shape(1, 2).size(640, 240, 640 * 240), (452, 339), "as many pixels as before");
        assert_eq!(shape(1, 8).size(1, 1, 1), (1, 1));
    }

    #[test]
    fn anamorphic_pictures_are_stretched_to_square_pixels() {
        let stored = Frame::new(2, 2, vec![0, 0, 0, 200, 200, 200, 0, 0, 0, 200, 200, 200]);
        let shown = shape(2, 1).square(stored.clone(), 100);
        assert_eq!((shown.width(), shown.height()), (4, 2));
        assert_eq!(shown.row(0), [0, 0, 0, 50, 50, 50, 150, 150, 150, 200, 200, 200]);
        assert_eq!(Shape::SQUARE.square(stored.clone(), 1), stored, "nothing to do");
    }

    #[test]
    fn ratios_beyond_eight_are_extreme() {
        for (across, down, extreme) in
            [(8, 1, false), (1, 8, false), (801, 100, true), (1, 9, true), (u64::MAX, 1, true)]
        {
            assert_eq!(shape(across, down).is_extreme(), extreme, "{across}:{down}");
        }
        assert_eq!(shape(100, 9).to_string(), "11 times as wide as high");
        assert_eq!(shape(1, 9).to_string(), "9 times as high as wide");
    }

    proptest! {
        #[test]
        fn sizes_stay_within_the_limit(
            (across, down) in (1u64.., 1u64..), width in 1usize..9000, height in 1usize..9000, most in 1u64..1 << 27,
        ) {
            let (wide, high) = shape(across, down).size(width, height, most);
            prop_assert!(wide >= 1 && high >= 1 && (wide * high) as u64 <= most);
        }
    }
}

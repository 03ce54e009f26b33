//! Defines the decoded picture and its rotations.

use crate::ops::SecretBytes;

/// An upright picture: 8-bit RGB, rows from top to bottom, HWC interleaved, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: SecretBytes,
}

/// A clockwise rotation by a multiple of 90 degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// No rotation.
    #[default]
    None,
    /// 90 degrees clockwise.
    Right,
    /// 180 degrees.
    Half,
    /// 270 degrees clockwise.
    Left,
}

impl Frame {
    /// Wraps `width * height * 3` bytes of RGB.
    ///
    /// # Panics
    /// If the length does not fit the size.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), width * height * 3, "pixels of a {width}x{height} RGB picture");
        Self { width, height, pixels: pixels.into() }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// HWC RGB bytes.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// One row of RGB bytes.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width * 3..][..self.width * 3]
    }

    /// The part of `width` x `height` pixels whose top left corner is at `(x, y)`.
    ///
    /// # Panics
    /// If it extends beyond the picture.
    pub fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let mut pixels = Vec::with_capacity(width * height * 3);
        for y in y..y + height {
            pixels.extend_from_slice(&self.row(y)[x * 3..(x + width) * 3]);
        }
        Self { width, height, pixels: pixels.into() }
    }

    /// The picture mirrored left to right.
    pub fn mirrored(&self) -> Self {
        Self { width: self.width, height: self.height, pixels: mirrored(&self.pixels, self.width) }
    }

    /// The picture mirrored left to right if `mirrored`, then rotated clockwise.
    pub fn oriented(self, mirrored: bool, turn: Rotation) -> Self {
        let frame = if mirrored { self.mirrored() } else { self };
        if turn == Rotation::None { frame } else { frame.turned(turn) }
    }

    /// The picture rotated clockwise.
    pub fn turned(&self, turn: Rotation) -> Self {
        let (w, h) = (self.width, self.height);
        let (width, height) = if matches!(turn, Rotation::Left | Rotation::Right) { (h, w) } else { (w, h) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height {
            for x in 0..width {
                let (sx, sy) = turn.source(x, y, w, h);
                pixels.extend_from_slice(&self.pixels[(sy * w + sx) * 3..][..3]);
            }
        }
        Self { width, height, pixels: pixels.into() }
    }
}

/// Rows of `width` RGB pixels mirrored left to right.
pub fn mirrored(pixels: &[u8], width: usize) -> SecretBytes {
    let mut mirrored = SecretBytes::with_capacity(pixels.len());
    for row in pixels.chunks_exact((width * 3).max(1)) {
        row.rchunks_exact(3).for_each(|pixel| mirrored.push(pixel));
    }
    mirrored
}

impl Rotation {
    /// All four, the upright one first, the half turn last.
    pub const ALL: [Self; 4] = [Self::None, Self::Right, Self::Left, Self::Half];

    /// Degrees, clockwise.
    pub fn degrees(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Right => 90,
            Self::Half => 180,
            Self::Left => 270,
        }
    }

    /// The rotation that undoes this one.
    pub fn back(self) -> Self {
        match self {
            Self::Right => Self::Left,
            Self::Left => Self::Right,
            other => other,
        }
    }

    /// This rotation followed by another one.
    pub fn then(self, next: Self) -> Self {
        const CLOCKWISE: [Rotation; 4] = [Rotation::None, Rotation::Right, Rotation::Half, Rotation::Left];
        let quarters = |turn: Self| CLOCKWISE.iter().position(|t| *t == turn).unwrap_or_default();
        CLOCKWISE[(quarters(self) + quarters(next)) % 4]
    }

    /// The position of pixel `(x, y)` of the rotated picture in the original of `width` x `height`.
    fn source(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::None => (x, y),
            Self::Right => (y, height - 1 - x),
            Self::Half => (width - 1 - x, height - 1 - y),
            Self::Left => (width - 1 - y, x),
        }
    }
}

impl std::fmt::Debug for Frame {
    /// Only the size: a picture is personal data and never enters a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_move_every_pixel_clockwise() {
        // 1 2 3      4 1
        // 4 5 6  ->  5 2
        //            6 3
        let frame = |w, h, v: &[u8]| Frame::new(w, h, v.iter().flat_map(|&p| [p; 3]).collect());
        let upright = frame(3, 2, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(upright.turned(Rotation::None), upright);
        assert_eq!(upright.turned(Rotation::Right), frame(2, 3, &[4, 1, 5, 2, 6, 3]));
        assert_eq!(upright.turned(Rotation::Half), frame(3, 2, &[6, 5, 4, 3, 2, 1]));
        assert_eq!(upright.turned(Rotation::Left), frame(2, 3, &[3, 6, 2, 5, 1, 4]));
        assert_eq!(upright.turned(Rotation::Right).turned(Rotation::Left), upright);
        for (a, b) in Rotation::ALL.iter().flat_map(|a| Rotation::ALL.map(|b| (*a, b))) {
            assert_eq!(upright.turned(a).turned(b), upright.turned(a.then(b)), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_part_is_cropped_and_mirrored() {
        let frame = Frame::new(3, 2, (0..18).collect());
        assert_eq!(frame.part(1, 1, 2, 1), Frame::new(2, 1, vec![12, 13, 14, 15, 16, 17]));
        assert_eq!(frame.part(0, 0, 3, 2), frame);
        assert_eq!(frame.part(0, 0, 2, 1).mirrored(), Frame::new(2, 1, vec![3, 4, 5, 0, 1, 2]));
        assert_eq!(frame.mirrored().mirrored(), frame);
    }

    #[test]
    fn debug_shows_no_pixels() {
        assert_eq!(format!("{:?}", Frame::new(1, 2, vec![7; 6])), "Frame(1x2)");
    }
}

//! A decoded picture.

/// An upright picture: 8-bit RGB, rows from top to bottom, HWC interleaved, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// A clockwise turn by a multiple of 90 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// As it is.
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
        Self { width, height, pixels }
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

    /// The picture turned clockwise.
    pub fn turned(&self, turn: Turn) -> Self {
        let (w, h) = (self.width, self.height);
        let (width, height) = if matches!(turn, Turn::Left | Turn::Right) { (h, w) } else { (w, h) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height {
            for x in 0..width {
                let (sx, sy) = turn.source(x, y, w, h);
                pixels.extend_from_slice(&self.pixels[(sy * w + sx) * 3..][..3]);
            }
        }
        Self { width, height, pixels }
    }
}

impl Turn {
    /// All four, the upright one first.
    pub const ALL: [Self; 4] = [Self::None, Self::Right, Self::Left, Self::Half];

    /// Where the pixel `(x, y)` of the turned picture lay in one of `width` x `height`.
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
    fn turns_move_every_pixel_clockwise() {
        // 1 2 3      4 1
        // 4 5 6  ->  5 2
        //            6 3
        let frame = |w, h, v: &[u8]| Frame::new(w, h, v.iter().flat_map(|&p| [p; 3]).collect());
        let upright = frame(3, 2, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(upright.turned(Turn::None), upright);
        assert_eq!(upright.turned(Turn::Right), frame(2, 3, &[4, 1, 5, 2, 6, 3]));
        assert_eq!(upright.turned(Turn::Half), frame(3, 2, &[6, 5, 4, 3, 2, 1]));
        assert_eq!(upright.turned(Turn::Left), frame(2, 3, &[3, 6, 2, 5, 1, 4]));
        assert_eq!(upright.turned(Turn::Right).turned(Turn::Left), upright);
    }

    #[test]
    fn debug_shows_no_pixels() {
        assert_eq!(format!("{:?}", Frame::new(1, 2, vec![7; 6])), "Frame(1x2)");
    }
}

//! Defines the decoded picture and its rotations.
//!
//! Cameras store a portrait on its side and say so. Turning 12 megapixels would take more time and memory than all that is read of
//! them, so a frame may stay as it is stored ([`Frame::seen`]): what is taken from it, a part or a resized copy, is upright.

use std::borrow::Cow;

use crate::ops::SecretBytes;

/// A picture: 8-bit RGB, rows from top to bottom, HWC interleaved, no padding. It is seen upright, whatever way it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    stored: Stored,
    pixels: SecretBytes,
}

/// How pixels are stored, and seen.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stored {
    /// Pixels in a row.
    width: usize,
    /// Rows.
    height: usize,
    /// Whether they are seen mirrored left to right; that comes first.
    mirrored: bool,
    /// How they are seen turned.
    turn: Rotation,
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
        Self { stored: Stored { width, height, mirrored: false, turn: Rotation::None }, pixels: pixels.into() }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        if self.stored.turn.is_quarter() { self.stored.height } else { self.stored.width }
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        if self.stored.turn.is_quarter() { self.stored.width } else { self.stored.height }
    }

    /// Whether it is stored as it is seen.
    pub fn is_stored_upright(&self) -> bool {
        !self.stored.mirrored && self.stored.turn == Rotation::None
    }

    /// Reads its pixels one by one.
    pub fn reader(&self) -> PixelReader<'_> {
        let (width, height) = (self.width() as i64, self.height() as i64);
        PixelReader { stored: self.pixels.as_chunks().0, width, height, places: self.stored.places() }
    }

    /// Whether its rows are stored as columns.
    pub(super) fn is_on_its_side(&self) -> bool {
        self.stored.turn.is_quarter()
    }

    /// HWC RGB bytes.
    ///
    /// # Panics
    /// If it is not stored upright: such frames come from [`Self::seen`] alone, and [`Self::upright`] makes copies that are.
    pub fn pixels(&self) -> &[u8] {
        assert!(self.is_stored_upright(), "bytes of a frame that is stored otherwise than seen");
        &self.pixels
    }

    /// One row of RGB bytes.
    ///
    /// # Panics
    /// As [`Self::pixels`].
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels()[y * self.stored.width * 3..][..self.stored.width * 3]
    }

    /// The same pixels, seen mirrored left to right if `mirrored`, then turned clockwise. Nothing is copied.
    pub fn seen(self, mirrored: bool, turn: Rotation) -> Self {
        Self { stored: self.stored.seen(mirrored, turn), ..self }
    }

    /// The same, and stored so.
    pub fn oriented(self, mirrored: bool, turn: Rotation) -> Self {
        let frame = self.seen(mirrored, turn);
        if frame.is_stored_upright() { frame } else { frame.upright().into_owned() }
    }

    /// The frame, copied if it is not stored upright.
    pub fn upright(&self) -> Cow<'_, Self> {
        if self.is_stored_upright() { Cow::Borrowed(self) } else { Cow::Owned(self.turned(Rotation::None)) }
    }

    /// A copy rotated clockwise, and stored so.
    pub fn turned(&self, turn: Rotation) -> Self {
        self.stored.seen(false, turn).copy(&self.pixels, (0, 0), None)
    }

    /// A copy mirrored left to right, and stored so.
    pub fn mirrored(&self) -> Self {
        self.stored.seen(true, Rotation::None).copy(&self.pixels, (0, 0), None)
    }

    /// A copy of the part of `width` x `height` pixels whose top left corner is at `(x, y)`, stored upright.
    ///
    /// # Panics
    /// If it extends beyond the picture.
    pub fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        assert!(x + width <= self.width() && y + height <= self.height(), "a part beyond the picture");
        self.stored.copy(&self.pixels, (x, y), Some((width, height)))
    }

    /// What `make` makes of the pixels of a part as they are stored, as this frame is seen. The part is the one of [`Self::part`].
    ///
    /// # Panics
    /// If the part is empty or extends beyond the picture.
    pub(super) fn map_part(
        &self,
        (x, y): (usize, usize),
        (width, height): (usize, usize),
        make: impl FnOnce(StoredPart<'_>) -> Self,
    ) -> Self {
        assert!(width > 0 && x + width <= self.width(), "columns of the picture");
        assert!(height > 0 && y + height <= self.height(), "rows of the picture");
        let places = self.stored.places();
        let [first, last] = [(x, y), (x + width - 1, y + height - 1)].map(|(x, y)| {
            let at = places.of(x as isize, y as isize);
            (at % self.stored.width, at / self.stored.width)
        });
        let (left, top) = (first.0.min(last.0), first.1.min(last.1));
        let (width, height) = (first.0.abs_diff(last.0) + 1, first.1.abs_diff(last.1) + 1);
        let part = StoredPart { pixels: &self.pixels, stride: self.stored.width, left, top, width, height };
        make(part).oriented(self.stored.mirrored, self.stored.turn)
    }
}

/// A part of a frame's pixels as they are stored.
pub(super) struct StoredPart<'a> {
    pixels: &'a [u8],
    /// Pixels of a whole row.
    stride: usize,
    left: usize,
    top: usize,
    /// In pixels.
    pub(super) width: usize,
    /// In pixels.
    pub(super) height: usize,
}

impl StoredPart<'_> {
    /// One row of RGB bytes.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.pixels[((self.top + y) * self.stride + self.left) * 3..][..self.width * 3]
    }
}

/// Reads single pixels of a frame as they are seen, whatever way they are stored.
pub struct PixelReader<'a> {
    stored: &'a [[u8; 3]],
    /// As seen, in pixels.
    width: i64,
    height: i64,
    places: Places,
}

/// Where pixels are stored that are seen, counted in pixels.
#[derive(Clone, Copy)]
struct Places {
    /// The first seen one.
    start: isize,
    /// How far behind each the one to its right is.
    right: isize,
    /// How far behind each the one below is.
    down: isize,
}

impl Places {
    /// The pixel that is seen in this column and row of the picture.
    #[inline(always)]
    fn of(self, column: isize, row: isize) -> usize {
        (self.start + column * self.right + row * self.down) as usize
    }
}

impl<'a> PixelReader<'a> {
    /// RGB; `None` outside of the picture.
    pub fn pixel(&self, column: i64, row: i64) -> Option<&'a [u8; 3]> {
        let is_inside = (0..self.width).contains(&column) && (0..self.height).contains(&row);
        if is_inside { self.stored.get(self.places.of(column as isize, row as isize)) } else { None }
    }

    /// The pixel and the one to its right, above the two below them; `None` if not all are in the picture.
    #[inline(always)]
    pub fn square(&self, column: i64, row: i64) -> Option<[[&'a [u8; 3]; 2]; 2]> {
        if !(0..self.width - 1).contains(&column) || !(0..self.height - 1).contains(&row) {
            return None;
        }
        let at = self.places.of(column as isize, row as isize);
        let below = at.wrapping_add_signed(self.places.down);
        let pair =
            |at: usize| Some([self.stored.get(at)?, self.stored.get(at.wrapping_add_signed(self.places.right))?]);
        Some([pair(at)?, pair(below)?])
    }
}

impl Stored {
    fn seen(self, mirrored: bool, turn: Rotation) -> Self {
        // A turn that is mirrored goes the other way round.
        let before = if mirrored { self.turn.back() } else { self.turn };
        Self { mirrored: self.mirrored ^ mirrored, turn: before.then(turn), ..self }
    }

    /// A frame of the pixels that are seen from column `x` and row `y` on, `size` of them in each direction, else all.
    fn copy(self, pixels: &[u8], (x, y): (usize, usize), size: Option<(usize, usize)>) -> Frame {
        let all = if self.turn.is_quarter() { (self.height, self.width) } else { (self.width, self.height) };
        let (width, height) = size.unwrap_or(all);
        let stored = pixels.as_chunks::<3>().0;
        let mut copy = Vec::with_capacity(width * height * 3);
        let places = self.places();
        for y in (y..y + height).filter(|_| width > 0) {
            if places.right == 1 {
                copy.extend_from_slice(stored[places.of(x as isize, y as isize)..][..width].as_flattened());
            } else {
                (x..x + width).for_each(|x| copy.extend_from_slice(&stored[places.of(x as isize, y as isize)]));
            }
        }
        Frame::new(width, height, copy)
    }

    fn places(self) -> Places {
        let (w, h) = (self.width as isize, self.height as isize);
        let (row, column, right, down) = match self.turn {
            Rotation::None => (0, 0, 1, w),
            Rotation::Right => (h - 1, 0, -w, 1),
            Rotation::Half => (h - 1, w - 1, -1, -w),
            Rotation::Left => (0, w - 1, w, -1),
        };
        match (self.mirrored, self.turn.is_quarter()) {
            (false, _) => Places { start: row * w + column, right, down },
            (true, false) => Places { start: row * w + w - 1 - column, right: -right, down },
            (true, true) => Places { start: row * w + w - 1 - column, right, down: -down },
        }
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

    /// Whether it exchanges width and height.
    pub fn is_quarter(self) -> bool {
        matches!(self, Self::Left | Self::Right)
    }

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
}

impl std::fmt::Debug for Frame {
    /// Only the size: a picture is personal data and never enters a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{})", self.width(), self.height())
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
    fn frames_that_are_stored_otherwise_are_seen_upright() {
        let stored = Frame::new(3, 2, (0..18).collect());
        for (mirrored, turn) in [false, true].into_iter().flat_map(|m| Rotation::ALL.map(|turn| (m, turn))) {
            let seen = stored.clone().seen(mirrored, turn);
            let copied = stored.clone().oriented(mirrored, turn);
            assert_eq!((seen.width(), seen.height()), (copied.width(), copied.height()));
            assert_eq!(*seen.upright(), copied);
            assert_eq!(seen.is_stored_upright(), !mirrored && turn == Rotation::None);
            assert_eq!(seen.mirrored(), copied.mirrored());
            for (x, y, width, height) in
                [(0, 0, 1, 1), (1, 0, 1, 2), (0, 1, 2, 1), (0, 0, copied.width(), copied.height())]
            {
                assert_eq!(seen.part(x, y, width, height), copied.part(x, y, width, height), "{mirrored} {turn:?}");
            }
            for (again, then) in [false, true].into_iter().flat_map(|m| Rotation::ALL.map(|turn| (m, turn))) {
                let (seen, copied) = (seen.clone().seen(again, then), copied.clone().oriented(again, then));
                assert_eq!(*seen.upright(), copied, "{mirrored} {turn:?}, {again} {then:?}");
            }
        }
    }

    #[test]
    fn debug_shows_no_pixels() {
        assert_eq!(format!("{:?}", Frame::new(1, 2, vec![7; 6])), "Frame(1x2)");
    }
}

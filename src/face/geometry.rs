//! Points and boxes in a picture, in 1/256 pixel.
//!
//! Integers, so that what is computed from them does not depend on a processor's floating point. `i32` holds coordinates of
//! up to eight million pixels.

/// Units in a pixel.
pub const SUB: i32 = 256;

/// A point in a picture: `x` to the right, `y` down, in 1/256 pixel.
///
/// Uses the detector's convention, in which a pixel's position is its index: scaling moves points by up to half a pixel of the
/// network's input, as it does in the reference implementation that the recognizer was trained behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Down.
    pub y: i32,
}

/// A box between two corners, in 1/256 pixel; may extend beyond the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Top left corner.
    pub min: Point,
    /// Bottom right corner.
    pub max: Point,
}

impl Point {
    /// Distance to `other` in 1/256 pixel, rounded down.
    pub fn distance(self, other: Self) -> i32 {
        let (dx, dy) = (i64::from(self.x) - i64::from(other.x), i64::from(self.y) - i64::from(other.y));
        i32::try_from((dx * dx + dy * dy).isqrt()).unwrap_or(i32::MAX)
    }
}

impl Rect {
    /// The smallest box around points, of which there is at least one.
    pub(super) fn around(points: &[Point]) -> Self {
        let bound = |of: fn(&Point) -> i32| {
            (points.iter().map(of).min().unwrap_or(0), points.iter().map(of).max().unwrap_or(0))
        };
        let ((left, right), (top, bottom)) = (bound(|p| p.x), bound(|p| p.y));
        Self { min: Point { x: left, y: top }, max: Point { x: right, y: bottom } }
    }

    /// Width in 1/256 pixel, not negative.
    pub fn width(self) -> i64 {
        (i64::from(self.max.x) - i64::from(self.min.x)).max(0)
    }

    /// Height in 1/256 pixel, not negative.
    pub fn height(self) -> i64 {
        (i64::from(self.max.y) - i64::from(self.min.y)).max(0)
    }

    /// Area in 1/65536 square pixel.
    pub fn area(self) -> i64 {
        self.width() * self.height()
    }

    /// The part that both cover.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            min: Point { x: self.min.x.max(other.min.x), y: self.min.y.max(other.min.y) },
            max: Point { x: self.max.x.min(other.max.x), y: self.max.y.min(other.max.y) },
        }
    }

    /// Whether the intersection is at least `percent` percent of the union.
    pub fn overlaps(self, other: Self, percent: i64) -> bool {
        let shared = self.intersection(other).area();
        let union = self.area() + other.area() - shared;
        shared * 100 >= union * percent
    }

    /// Its center.
    pub fn center(self) -> Point {
        Point { x: self.min.x.midpoint(self.max.x), y: self.min.y.midpoint(self.max.y) }
    }
}

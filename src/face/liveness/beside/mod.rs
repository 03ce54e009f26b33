//! What is beside the head, before a camera that stands still: does it move with the head, as a sheet or a phone around
//! a picture of a face does, or does it stay, as a room does? It may only deny: what stays proves nothing.
//!
//! Corners to the left and right of the face are followed from one frame to another in which the face has moved. Each
//! votes for moving as the face's five points do, or for staying. Cut-out masks, screens that fill the view and
//! pictures on a stand have nothing beside them that moves, and a camera that is held by hand makes everything move:
//! not for uploads.

mod corners;
mod flow;

use self::corners::{Region, corners};
use self::flow::{Place, Pyramid};
use super::super::found::Face;
use super::super::geometry::{Point, Rect, SUB};
use super::super::resample;
use crate::media::Frame;

/// Share of corners that move with the face above which the face counts as part of a picture that is held. People reach
/// 0.03 with many votes, and 0.13 with a few dozen; three of five sheets that are moved by hand exceed it
/// (docs/ref/liveness.md).
pub const MOST_SHARE: f64 = 0.10;

/// Standard errors by which the votes must exceed [`MOST_SHARE`]: two of 22 people would be denied by five stray
/// corners without it.
const SURE: f64 = 1.96;

/// Pixels of the longer side in which corners are followed: the work does not grow with the camera's.
const WORKING_SIDE: usize = 480;

/// Where corners are sought, in face widths to either side from the middle of the face: further in is hair, further out
/// the person's own movement tells less of a sheet that is as wide as a head.
const FROM_MIDDLE: (f64, f64) = (0.85, 1.6);
/// The same up and down, in face heights from the top and from the bottom of the face's box: below are shoulders, which
/// move with the head.
const ABOVE_TOP: f64 = 0.5;
const ABOVE_BOTTOM: f64 = 0.15;

/// A corner votes if the face's movement would take it this far, in pixels: less can't be told from the trembling of
/// five points.
const LEAST_MOVE: f64 = 2.5;
/// Frames before the one that a frame is compared with is given up: a face that drifts slower than [`LEAST_MOVE`] in
/// this time is still.
const MOST_AGE: usize = 15;

/// How much nearer a corner must be to one of the two places than to the other to vote, as a ratio.
const CLEARLY: f64 = 0.5;

/// Corners that must have been followed, and that must vote, for a pair of frames to count.
const LEAST_CORNERS: usize = 4;

/// Pairs of frames and votes that a verdict needs.
const LEAST_PAIRS: usize = 3;
const LEAST_VOTES: usize = 12;

/// The votes over all frames so far.
#[derive(Default)]
pub struct Beside {
    anchor: Option<Anchor>,
    votes: Votes,
}

/// How many corners beside a face moved in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// Corners that moved as the face did.
    pub with_face: usize,
    /// Corners that stayed where they were.
    pub stayed: usize,
    /// Pairs of frames in which the face moved and corners were seen.
    pub pairs: usize,
}

/// The frame that others are compared with.
struct Anchor {
    picture: Pyramid,
    points: [(f64, f64); 5],
    /// Found when they are needed first.
    corners: Option<Vec<Place>>,
    regions: [Region; 2],
    age: usize,
}

impl Beside {
    /// Takes the face in the next frame, in the order of time. Frames are upright and come from a camera that does not
    /// move; frames without a face are left out.
    pub fn push(&mut self, frame: &Frame, face: &Face) {
        let (width, height) = (frame.width(), frame.height());
        let longer = width.max(height);
        let reduced = |side: usize| (side * WORKING_SIDE).div_ceil(longer).max(1);
        let (scale, picture) = match longer > WORKING_SIDE {
            true => {
                let small = resample::resize(frame, reduced(width), reduced(height));
                (reduced(width) as f64 / width as f64, Pyramid::of(&small))
            }
            false => (1.0, Pyramid::of(frame)),
        };
        let points = face.points.map(|p| scaled(p, scale));
        let next =
            Anchor { regions: regions(face.bounds, scale, picture.size()), picture, points, corners: None, age: 0 };
        let Some(anchor) = self.anchor.as_mut().filter(|anchor| anchor.picture.size() == next.picture.size()) else {
            self.anchor = Some(next);
            return;
        };
        anchor.age += 1;
        let movement = Movement::between(&anchor.points, &next.points);
        if movement.as_ref().is_none_or(|movement| !anchor.regions.iter().any(|region| movement.shifts(*region))) {
            if anchor.age >= MOST_AGE {
                self.anchor = Some(next);
            }
            return;
        }
        if let Some(movement) = movement {
            self.votes.add(anchor.compare(&next.picture, &movement));
        }
        self.anchor = Some(next);
    }

    /// The votes so far.
    pub fn votes(&self) -> Votes {
        self.votes
    }

    /// Share of corners that moved with the face, 0..1; `None` before the face moved enough beside enough corners.
    pub fn share(&self) -> Option<f64> {
        let Votes { with_face, stayed, pairs } = self.votes;
        let votes = with_face + stayed;
        (pairs >= LEAST_PAIRS && votes >= LEAST_VOTES).then(|| with_face as f64 / votes as f64)
    }

    /// Whether the face is part of something larger that is moved: if the share exceeds [`MOST_SHARE`] by more than
    /// chance (the lower bound of Wilson's interval does). `false` says nothing in favor of the face.
    pub fn denies(&self) -> bool {
        let Votes { with_face, stayed, .. } = self.votes;
        let votes = (with_face + stayed) as f64;
        let lower = |share: f64| {
            let square = SURE * SURE / votes;
            let error = SURE * (share * (1.0 - share) / votes + square / (4.0 * votes)).sqrt();
            (share + square / 2.0 - error) / (1.0 + square)
        };
        self.share().is_some_and(|share| lower(share) > MOST_SHARE)
    }
}

impl Votes {
    fn add(&mut self, other: Self) {
        let Self { with_face, stayed, pairs } = self;
        *with_face += other.with_face;
        *stayed += other.stayed;
        *pairs += other.pairs;
    }
}

impl Anchor {
    /// The votes of the corners beside the face of this frame, by where they are in `next`.
    fn compare(&mut self, next: &Pyramid, movement: &Movement) -> Votes {
        let picture = &self.picture;
        let all = self.corners.get_or_insert_with(|| {
            self.regions.iter().flat_map(|region| corners(picture.luma(), picture.size(), *region)).collect()
        });
        let mut votes = Votes::default();
        let mut followed = 0;
        for place in all {
            let before = (f64::from(place.0), f64::from(place.1));
            let with_face = movement.takes(before);
            if distance(before, with_face) < LEAST_MOVE {
                continue;
            }
            let Some(after) = picture.follow(next, *place) else { continue };
            followed += 1;
            let after = (f64::from(after.0), f64::from(after.1));
            let (from_face, from_before) = (distance(after, with_face), distance(after, before));
            votes.with_face += usize::from(from_face < CLEARLY * from_before);
            votes.stayed += usize::from(from_before < CLEARLY * from_face);
        }
        if followed < LEAST_CORNERS {
            return Votes::default();
        }
        Votes { pairs: 1, ..votes }
    }
}

/// A turn, a scale and a shift, as `b = (re + i im) a + shift` over complex numbers: how five points moved, in the
/// least-squares sense.
struct Movement {
    re: f64,
    im: f64,
    from: (f64, f64),
    to: (f64, f64),
}

impl Movement {
    /// `None` if the points coincide.
    fn between(a: &[(f64, f64); 5], b: &[(f64, f64); 5]) -> Option<Self> {
        let mean = |p: &[(f64, f64); 5]| {
            let sum = p.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
            (sum.0 / 5.0, sum.1 / 5.0)
        };
        let (from, to) = (mean(a), mean(b));
        let (mut re, mut im, mut square) = (0.0, 0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            let (a, b) = ((a.0 - from.0, a.1 - from.1), (b.0 - to.0, b.1 - to.1));
            re += b.0 * a.0 + b.1 * a.1;
            im += b.1 * a.0 - b.0 * a.1;
            square += a.0 * a.0 + a.1 * a.1;
        }
        (square > 0.0).then(|| Self { re: re / square, im: im / square, from, to })
    }

    fn takes(&self, p: (f64, f64)) -> (f64, f64) {
        let (x, y) = (p.0 - self.from.0, p.1 - self.from.1);
        (self.to.0 + self.re * x - self.im * y, self.to.1 + self.im * x + self.re * y)
    }

    /// Whether it moves the middle of a region enough for its corners to vote.
    fn shifts(&self, region: Region) -> bool {
        let middle = ((region.left + region.right) as f64 / 2.0, (region.top + region.bottom) as f64 / 2.0);
        region.left < region.right && region.top < region.bottom && distance(middle, self.takes(middle)) >= LEAST_MOVE
    }
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (x, y) = (a.0 - b.0, a.1 - b.1);
    (x * x + y * y).sqrt()
}

/// A point of the frame in the working picture.
fn scaled(p: Point, scale: f64) -> (f64, f64) {
    let one = |v: i32| (f64::from(v) / f64::from(SUB) + 0.5) * scale - 0.5;
    (one(p.x), one(p.y))
}

/// Where corners are sought to the left and right of a face; empty where that is outside of the picture.
fn regions(face: Rect, scale: f64, (width, height): (usize, usize)) -> [Region; 2] {
    let (min, max) = (scaled(face.min, scale), scaled(face.max, scale));
    let (face_width, face_height) = ((max.0 - min.0).max(0.0), (max.1 - min.1).max(0.0));
    let middle = (min.0 + max.0) / 2.0;
    let within = |v: f64, size: usize| v.clamp(0.0, size as f64) as usize;
    let (top, bottom) = (min.1 - ABOVE_TOP * face_height, max.1 - ABOVE_BOTTOM * face_height);
    let region = |left: f64, right: f64| Region {
        left: within(left, width),
        right: within(right, width),
        top: within(top, height),
        bottom: within(bottom, height),
    };
    let (near, far) = (FROM_MIDDLE.0 * face_width, FROM_MIDDLE.1 * face_width);
    [region(middle - far, middle - near), region(middle + near, middle + far)]
}

#[cfg(test)]
mod tests;

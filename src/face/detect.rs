//! Finds faces with YuNet (Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023).
//!
//! A picture is searched coarsely first; the costlier searches follow only while nothing was found:
//!
//! | search | finds (face width as share of the longer side) |
//! |---|---|
//! | 320 pixels | 3 % to 90 % |
//! | 640 pixels | 1.6 % to 45 %: small faces in large pictures |
//! | 320 pixels, picture in a quarter of them | a face that fills the picture or is cut by its edges |
//! | the first two again, turned by 90, 270 and 180 degrees | a picture that is on its side or upside down |

use super::cells;
use super::found::Face;
use super::geometry::{Point, Rect, SUB};
use super::resample;
use crate::engine::{Decoding, Error, ModelInfo, Plan, Session, Team};
use crate::media::{Frame, Rotation};
use crate::ops::SecretBytes;

/// A detector with the state of one thread.
pub struct Detector {
    coarse: Session,
    fine: Session,
    blue_first: bool,
    score: f32,
    overlap: f32,
}

/// A reduced copy of a picture, and whether it is for the fine search.
type Copied = (Frame, bool);

/// A search that is not upright or puts the picture in a corner has more false detections, and no earlier search supports it. Its
/// confidence has to be higher by this much.
const LATER_LOOK_SCORE: f32 = 0.7;

/// Pixels of the coarsest map's cells: an input is cut to a multiple of them where the picture ends, instead of being a square.
const GRID: usize = 32;

/// Bound on coordinates in the frame, in 1/256 pixel.
const FAR: i64 = 1 << 30;

impl Detector {
    /// A detector for one thread; `coarse` and `fine` are plans of the same model in two sizes.
    pub fn new(info: &ModelInfo, coarse: &Plan, fine: &Plan, team: &Team) -> Result<Self, Error> {
        let Decoding::Yunet { score, overlap } = info.output else {
            return Err(Error::models(format!("{} is no detector", info.name)));
        };
        let blue_first = info.input.channels == crate::engine::Channels::Bgr;
        Ok(Self { coarse: coarse.session(team)?, fine: fine.session(team)?, blue_first, score, overlap })
    }

    /// Whoever helps this thread.
    pub(super) fn team(&self) -> &Team {
        self.coarse.team()
    }

    /// The faces of a frame, the largest first; empty if no search finds one.
    pub fn find(&mut self, frame: &Frame) -> Result<Vec<Face>, Error> {
        let (faces, pictures) = self.first_looks(frame)?;
        if !faces.is_empty() {
            return Ok(faces);
        }
        let coarse = self.coarse.side();
        let tiny = shrink(frame, coarse / 2, self.team());
        let every = |turn| pictures.iter().map(move |(small, is_fine)| (small, *is_fine, turn));
        let turned = Rotation::ALL[1..].iter().flat_map(|&turn| every(turn));
        for (small, is_fine, turn) in [(&tiny, false, Rotation::None)].into_iter().chain(turned) {
            let mut faces = self.look(frame, small, is_fine, turn)?;
            faces.retain(|f| f.score >= LATER_LOOK_SCORE);
            if !faces.is_empty() {
                return Ok(faces);
            }
        }
        Ok(vec![])
    }

    /// The same with the first two searches only: for a frame whose upright direction is known from its neighbors.
    pub fn find_upright(&mut self, frame: &Frame) -> Result<Vec<Face>, Error> {
        Ok(self.first_looks(frame)?.0)
    }

    /// The same with the first search only: for one of many frames in which no face is expected.
    pub fn detect_coarse(&mut self, frame: &Frame) -> Result<Vec<Face>, Error> {
        self.look(frame, &shrink(frame, self.coarse.side(), self.team()), false, Rotation::None)
    }

    /// The faces of at least `least` confidence in a square picture of no more than the coarse search's side, in its own coordinates, in
    /// falling order of confidence.
    pub(super) fn closely(&mut self, picture: &Frame, least: f32) -> Result<Vec<Face>, Error> {
        let (rows, columns) = match self.coarse.accepts(picture.height(), picture.width()) {
            true => (picture.height(), picture.width()),
            false => (self.coarse.side(), self.coarse.side()),
        };
        let input = padded(picture, rows, columns, self.blue_first);
        cells::faces(&self.coarse.run_on(&input, rows, columns)?, least, self.overlap)
    }

    /// The faces that the first two searches find, and, if there are none, the reduced copies that they were made in.
    fn first_looks(&mut self, frame: &Frame) -> Result<(Vec<Face>, Vec<Copied>), Error> {
        let mut pictures = vec![];
        for (side, is_fine) in [(self.coarse.side(), false), (self.fine.side(), true)] {
            let small = shrink(frame, side, self.team());
            let faces = self.look(frame, &small, is_fine, Rotation::None)?;
            if !faces.is_empty() {
                return Ok((faces, vec![]));
            }
            pictures.push((small, is_fine));
        }
        Ok((vec![], pictures))
    }

    /// The faces of `frame` that are found in its reduced copy when that is turned.
    fn look(&mut self, frame: &Frame, small: &Frame, fine: bool, turn: Rotation) -> Result<Vec<Face>, Error> {
        let (w, h) = (frame.width(), frame.height());
        let session = if fine { &mut self.fine } else { &mut self.coarse };
        let turned = (turn != Rotation::None).then(|| small.turned(turn));
        let turned = turned.as_ref().unwrap_or(small);
        let side = session.side();
        let (mut rows, mut columns) = (turned.height().next_multiple_of(GRID), turned.width().next_multiple_of(GRID));
        // A copy that is deliberately smaller keeps the black around it.
        if turned.height().max(turned.width()) < side || !session.accepts(rows, columns) {
            (rows, columns) = (side, side);
        }
        let input = padded(turned, rows, columns, self.blue_first);
        let mut faces = cells::faces(&session.run_on(&input, rows, columns)?, self.score, self.overlap)?;
        let back = |p: Point| untilt(p, turn, small.width() as i32 * SUB, small.height() as i32 * SUB);
        let scale = |v: i32, to: usize, from: usize| {
            let (to, from) = (to as i64, from as i64);
            ((i64::from(v) * to * 2 + from).div_euclid(from * 2)).clamp(-FAR, FAR) as i32
        };
        let place = |p: Point| {
            let p = back(p);
            Point { x: scale(p.x, w, small.width()), y: scale(p.y, h, small.height()) }
        };
        for face in &mut faces {
            face.bounds = Rect::around(&[face.bounds.min, face.bounds.max].map(place));
            face.points = face.points.map(place);
        }
        faces.sort_by_key(|f| std::cmp::Reverse(f.bounds.area()));
        Ok(faces)
    }
}

/// The picture with its longer side resized to `side` pixels.
fn shrink(frame: &Frame, side: usize, team: &Team) -> Frame {
    let (w, h) = (frame.width() as u64, frame.height() as u64);
    let (side, longer) = (side as u64, w.max(h));
    let fit = |length: u64| ((side * length * 2 + longer) / (longer * 2)).clamp(1, side) as usize;
    let whole = (frame.width(), frame.height());
    resample::resize_part(frame, (0, 0), whole, (fit(w), fit(h)), team)
}

/// Undoes a clockwise turn: the position of a point of the turned picture in the upright one of `width` x `height` units.
pub(super) fn untilt(p: Point, turn: Rotation, width: i32, height: i32) -> Point {
    match turn {
        Rotation::None => p,
        Rotation::Right => Point { x: p.y, y: height - p.x },
        Rotation::Half => Point { x: width - p.x, y: height - p.y },
        Rotation::Left => Point { x: width - p.y, y: p.x },
    }
}

/// The picture in the top left corner of a black one, rows of pixels in the model's channel order.
pub(super) fn padded(frame: &Frame, rows: usize, columns: usize, blue_first: bool) -> SecretBytes {
    let mut pixels = SecretBytes::from(vec![0; 3 * rows * columns]);
    for (y, out) in pixels.chunks_exact_mut(columns * 3).take(frame.height()).enumerate() {
        let row = frame.row(y);
        out[..row.len()].copy_from_slice(row);
        if blue_first {
            out[..row.len()].as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_rotated_picture_map_back_to_the_upright_one() {
        // A mark at (1, 0) of a 3x2 picture, as the center of its pixel in continuous coordinates.
        let mut pixels = vec![0; 18];
        pixels[3..6].fill(255);
        let frame = Frame::new(3, 2, pixels);
        for turn in Rotation::ALL {
            let turned = frame.turned(turn);
            let i = turned.pixels().iter().position(|&p| p == 255).unwrap() / 3;
            let (x, y) = ((i % turned.width()) as i32, (i / turned.width()) as i32);
            let center = Point { x: x * SUB + SUB / 2, y: y * SUB + SUB / 2 };
            assert_eq!(untilt(center, turn, 3 * SUB, 2 * SUB), Point { x: SUB + SUB / 2, y: SUB / 2 }, "{turn:?}");
        }
    }

    #[test]
    fn pictures_are_padded_with_black_and_stored_blue_first() {
        let padded = padded(&Frame::new(1, 1, vec![1, 2, 3]), 2, 3, true);
        assert_eq!(*padded, [3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}

//! Finds faces with YuNet (Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023).
//!
//! A picture is looked at coarsely first; the costlier looks follow only while nothing was found:
//!
//! | look | finds (face width as share of the longer side) |
//! |---|---|
//! | 320 pixels | 3 % to 90 % |
//! | 640 pixels | 1.6 % to 45 %: small faces in large pictures |
//! | 320 pixels, picture in a quarter of them | a face that fills the picture or is cut by its edges |
//! | the first two again, turned by 90, 270 and 180 degrees | a picture that lies on its side or head |

use super::geometry::{Point, Rect, SUB};
use super::resample;
use crate::engine::{Decoding, Error, Map, ModelInfo, Plan, Session};
use crate::media::{Frame, Turn};
use crate::ops::Wiped;

/// One face in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Around the face from forehead to chin; may reach out of the picture.
    pub bounds: Rect,
    /// Image-left eye, image-right eye, nose tip, image-left mouth corner, image-right mouth corner, as an upright face has
    /// them.
    pub points: [Point; 5],
    /// The detector's certainty, 0..1.
    pub score: f32,
}

/// A detector with the state of one thread.
pub struct Detector {
    coarse: Session,
    fine: Session,
    blue_first: bool,
    score: f32,
    overlap: f32,
}

/// A smaller copy of a picture, and whether it is for the fine look.
type Copied = (Frame, bool);

/// A look that is not upright or puts the picture in a corner finds faces where there are none more often, and is not
/// backed by a first look that failed for a reason. It has to be this much surer.
const SECOND_LOOK_SCORE: f32 = 0.7;

/// Pixels of the coarsest map's cells: an input is cut to a multiple of them where the picture ends, instead of being a square.
const GRID: usize = 32;

/// Bound on coordinates in the network's input, in 1/256 pixel: wild outputs must not overflow.
const WILD: f32 = (1 << 28) as f32;
/// The same in the frame.
const FAR: i64 = 1 << 30;

impl Detector {
    /// A detector for one thread; `coarse` and `fine` are plans of the same model in two sizes.
    pub fn new(info: &ModelInfo, coarse: &Plan, fine: &Plan) -> Result<Self, Error> {
        let Decoding::Yunet { score, overlap } = info.output else {
            return Err(Error::Models(format!("{} is no detector", info.name)));
        };
        let blue_first = info.input.channels == crate::engine::Channels::Bgr;
        Ok(Self { coarse: coarse.session()?, fine: fine.session()?, blue_first, score, overlap })
    }

    /// The faces of a frame, the largest first; empty if no look finds one.
    pub fn find(&mut self, frame: &Frame) -> Result<Vec<Face>, Error> {
        let (faces, pictures) = self.first_looks(frame)?;
        if !faces.is_empty() {
            return Ok(faces);
        }
        let coarse = self.coarse.side();
        let tiny = shrink(frame, coarse / 2);
        let every = |turn| pictures.iter().map(move |(small, is_fine)| (small, *is_fine, turn));
        let turned = Turn::ALL[1..].iter().flat_map(|&turn| every(turn));
        for (small, is_fine, turn) in [(&tiny, false, Turn::None)].into_iter().chain(turned) {
            let mut faces = self.look(frame, small, is_fine, turn)?;
            faces.retain(|f| f.score >= SECOND_LOOK_SCORE);
            if !faces.is_empty() {
                return Ok(faces);
            }
        }
        Ok(vec![])
    }

    /// The same with the first two looks only: for a frame whose neighbors told which way is up.
    pub fn find_upright(&mut self, frame: &Frame) -> Result<Vec<Face>, Error> {
        Ok(self.first_looks(frame)?.0)
    }

    /// The same with the first look only: for one of many frames in which nobody is expected.
    pub fn glance(&mut self, frame: &Frame) -> Result<Vec<Face>, Error> {
        self.look(frame, &shrink(frame, self.coarse.side()), false, Turn::None)
    }

    /// The certainty of the surest face that the first look finds in the picture as it is and in each other turn of it, in the
    /// order of [`Turn::ALL`]; 0 where it finds none or, after a turn that reaches `enough`, does not look any more. A face
    /// that lies on its side is often found without turning the picture, but less surely, and with points as if it stood.
    pub fn certainty_by_turn(&mut self, frame: &Frame, enough: f32) -> Result<[f32; 4], Error> {
        let small = shrink(frame, self.coarse.side());
        let mut found = [0.0; 4];
        for (found, turn) in found.iter_mut().zip(Turn::ALL) {
            let faces = self.look(frame, &small, false, turn)?;
            *found = faces.iter().map(|f| f.score).fold(0.0, f32::max);
            if *found >= enough {
                break;
            }
        }
        Ok(found)
    }

    /// The faces that the first two looks find, and, if there are none, the smaller copies that they were made in.
    fn first_looks(&mut self, frame: &Frame) -> Result<(Vec<Face>, Vec<Copied>), Error> {
        let mut pictures = vec![];
        for (side, is_fine) in [(self.coarse.side(), false), (self.fine.side(), true)] {
            let small = shrink(frame, side);
            let faces = self.look(frame, &small, is_fine, Turn::None)?;
            if !faces.is_empty() {
                return Ok((faces, vec![]));
            }
            pictures.push((small, is_fine));
        }
        Ok((vec![], pictures))
    }

    /// The faces of `frame` that its smaller copy shows when it is turned.
    fn look(&mut self, frame: &Frame, small: &Frame, fine: bool, turn: Turn) -> Result<Vec<Face>, Error> {
        let (w, h) = (frame.width(), frame.height());
        let session = if fine { &mut self.fine } else { &mut self.coarse };
        let turned = (turn != Turn::None).then(|| small.turned(turn));
        let turned = turned.as_ref().unwrap_or(small);
        let side = session.side();
        let (mut rows, mut columns) = (turned.height().next_multiple_of(GRID), turned.width().next_multiple_of(GRID));
        // A copy that is smaller on purpose keeps the black around it.
        if turned.height().max(turned.width()) < side || !session.accepts(rows, columns) {
            (rows, columns) = (side, side);
        }
        let input = padded(turned, rows, columns, self.blue_first);
        let mut faces = decode(&session.run_on(&input, rows, columns)?, self.score)?;
        suppress(&mut faces, self.overlap);
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
            let (a, b) = (place(face.bounds.min), place(face.bounds.max));
            face.bounds = Rect {
                min: Point { x: a.x.min(b.x), y: a.y.min(b.y) },
                max: Point { x: a.x.max(b.x), y: a.y.max(b.y) },
            };
            face.points = face.points.map(place);
        }
        faces.sort_by_key(|f| std::cmp::Reverse(f.bounds.area()));
        Ok(faces)
    }
}

/// The picture with its longer side resized to `side` pixels.
fn shrink(frame: &Frame, side: usize) -> Frame {
    let (w, h) = (frame.width() as u64, frame.height() as u64);
    let (side, longer) = (side as u64, w.max(h));
    let fit = |length: u64| ((side * length * 2 + longer) / (longer * 2)).clamp(1, side) as usize;
    resample::resize(frame, fit(w), fit(h))
}

/// Undoes a clockwise turn: where a point of the turned picture lies in the upright one of `width` x `height` units.
fn untilt(p: Point, turn: Turn, width: i32, height: i32) -> Point {
    match turn {
        Turn::None => p,
        Turn::Right => Point { x: p.y, y: height - p.x },
        Turn::Half => Point { x: width - p.x, y: height - p.y },
        Turn::Left => Point { x: width - p.y, y: p.x },
    }
}

/// The picture in the top left corner of a black one, rows of pixels in the model's channel order.
pub(super) fn padded(frame: &Frame, rows: usize, columns: usize, blue_first: bool) -> Wiped {
    let mut pixels = Wiped::from(vec![0; 3 * rows * columns]);
    for (y, out) in pixels.chunks_exact_mut(columns * 3).take(frame.height()).enumerate() {
        let row = frame.row(y);
        out[..row.len()].copy_from_slice(row);
        if blue_first {
            out[..row.len()].as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
        }
    }
    pixels
}

/// Reads YuNet's maps: the faces of at least `least` certainty, in network pixels, surest first.
fn decode(maps: &[Map], least: f32) -> Result<Vec<Face>, Error> {
    let mut faces = vec![];
    for stride in [8, 16, 32] {
        let map = |kind: &str, channels: usize| {
            let name = format!("{kind}_{stride}");
            let found = maps.iter().find(|m| m.name == name && m.channels == channels);
            found.ok_or_else(|| Error::Models(format!("the detector has no output {name} of {channels} channels")))
        };
        let (class, object, boxes, points) = (map("cls", 1)?, map("obj", 1)?, map("bbox", 4)?, map("kps", 10)?);
        let cells = class.rows * class.columns;
        for cell in 0..cells {
            let (class, object) = (class.values[cell], object.values[cell]);
            let score = (sigmoid(class) * sigmoid(object)).sqrt();
            if score.is_nan() || score < least {
                continue;
            }
            let (column, row) = ((cell % boxes.columns) as f32, (cell / boxes.columns) as f32);
            let unit = (stride * SUB) as f32;
            let units = |pixels: f32| pixels.round().clamp(-WILD, WILD) as i32;
            let at =
                |map: &Map, channel: usize, offset: f32| units((map.values[channel * cells + cell] + offset) * unit);
            let half = |channel: usize| units(libm::expf(boxes.values[channel * cells + cell]) * unit / 2.0);
            let (x, y, w, h) = (at(boxes, 0, column), at(boxes, 1, row), half(2), half(3));
            let bounds = Rect { min: Point { x: x - w, y: y - h }, max: Point { x: x + w, y: y + h } };
            let points = std::array::from_fn(|i| Point { x: at(points, 2 * i, column), y: at(points, 2 * i + 1, row) });
            faces.push(Face { bounds, points, score });
        }
    }
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(faces)
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

/// Keeps the surest of faces that overlap (greedy non-maximum suppression); `faces` are sorted, surest first.
fn suppress(faces: &mut Vec<Face>, overlap: f32) {
    let mut kept: Vec<Face> = vec![];
    for face in faces.drain(..) {
        let same = |other: &Face| {
            let common = face.bounds.intersection(other.bounds).area() as f64;
            common / (face.bounds.area() as f64 + other.bounds.area() as f64 - common) > f64::from(overlap)
        };
        if !kept.iter().any(same) {
            kept.push(face);
        }
    }
    *faces = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_a_picture_and_its_points_agree() {
        // A mark at (1, 0) of a 3x2 picture, as the center of its pixel in continuous coordinates.
        let mut pixels = vec![0; 18];
        pixels[3..6].fill(255);
        let frame = Frame::new(3, 2, pixels);
        for turn in Turn::ALL {
            let turned = frame.turned(turn);
            let i = turned.pixels().iter().position(|&p| p == 255).unwrap() / 3;
            let (x, y) = ((i % turned.width()) as i32, (i / turned.width()) as i32);
            let center = Point { x: x * SUB + SUB / 2, y: y * SUB + SUB / 2 };
            assert_eq!(untilt(center, turn, 3 * SUB, 2 * SUB), Point { x: SUB + SUB / 2, y: SUB / 2 }, "{turn:?}");
        }
    }

    #[test]
    fn overlapping_boxes_leave_the_surest() {
        let face = |x: i32, score| Face {
            bounds: Rect { min: Point { x, y: 0 }, max: Point { x: x + 100, y: 100 } },
            points: [Point::default(); 5],
            score,
        };
        let mut faces = vec![face(0, 0.9), face(20, 0.8), face(90, 0.7)];
        suppress(&mut faces, 0.3);
        assert_eq!(faces, [face(0, 0.9), face(90, 0.7)]);
    }

    #[test]
    fn pictures_are_padded_with_black_and_put_blue_first() {
        let padded = padded(&Frame::new(1, 1, vec![1, 2, 3]), 2, 3, true);
        assert_eq!(*padded, [3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}

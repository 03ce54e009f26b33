//! Reads the faces from YuNet's output maps, and averages the points of all cells that detect the same face.
//!
//! About ten cells detect one face, each with its own points that differ by a few percent of the eye distance. Their weighted mean is
//! better than the points of the most confident cell: at a false match rate of 1 in 100,000 by a whole point of genuine pairs.

use super::found::Face;
use super::geometry::{Point, Rect, SUB};
use crate::engine::{Error, Map};

/// Confidence from which a cell counts for the points of a face that another cell detects with more confidence.
const VOTES: f32 = 0.5;
/// Least overlap of its box with the most confident cell's, in percent of their union.
const VOTES_OVERLAP: i64 = 50;

/// Bound on coordinates in the network's input, in 1/256 pixel: wild outputs must not overflow.
const WILD: f32 = (1 << 28) as f32;

/// The faces of at least `least` confidence, in network pixels, in falling order, with the mean points of their cells; of boxes that
/// overlap by more than `overlap` (0..1) only the most confident.
pub(super) fn faces(maps: &[Map], least: f32, overlap: f32) -> Result<Vec<Face>, Error> {
    let cells = cells(maps, least.min(VOTES))?;
    let mut faces = cells.iter().copied().filter(|cell| cell.score >= least).collect();
    suppress(&mut faces, overlap);
    for face in &mut faces {
        face.points = agreed(face, &cells);
    }
    Ok(faces)
}

/// The faces of single cells of at least `least` confidence, in falling order.
fn cells(maps: &[Map], least: f32) -> Result<Vec<Face>, Error> {
    let mut faces = vec![];
    for stride in [8, 16, 32] {
        let map = |kind: &str, channels: usize| {
            let name = format!("{kind}_{stride}");
            let found = maps.iter().find(|m| m.name == name && m.channels == channels);
            found.ok_or_else(|| Error::models(format!("the detector has no output {name} of {channels} channels")))
        };
        let (class, object, boxes, points) = (map("cls", 1)?, map("obj", 1)?, map("bbox", 4)?, map("kps", 10)?);
        let (rows, columns) = (class.rows, class.columns);
        let cells = rows * columns;
        for map in [class, object, boxes, points] {
            if (map.rows, map.columns) != (rows, columns) || map.values.len() != map.channels * cells {
                let (name, values) = (&map.name, map.values.len());
                return Err(Error::models(format!(
                    "the detector's output {name} has {values} values in {} rows and {} columns, and {} has {rows} and {columns}",
                    map.rows, map.columns, class.name
                )));
            }
        }
        for cell in 0..cells {
            let (class, object) = (class.values[cell], object.values[cell]);
            let score = (sigmoid(class) * sigmoid(object)).sqrt();
            if score.is_nan() || score < least {
                continue;
            }
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
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

/// Keeps the most confident of faces that overlap (greedy non-maximum suppression); `faces` are sorted in falling order.
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

/// The points of a face as the mean of the cells that detect it, each weighted with the fourth power of its confidence.
fn agreed(face: &Face, cells: &[Face]) -> [Point; 5] {
    let votes: Vec<_> = cells.iter().filter(|cell| cell.bounds.overlaps(face.bounds, VOTES_OVERLAP)).collect();
    let weight = |cell: &Face| ((cell.score * 256.0).round() as i128).pow(4);
    let sum: i128 = votes.iter().map(|cell| weight(cell)).sum();
    // A box without area overlaps nothing, not even itself.
    if sum == 0 {
        return face.points;
    }
    let mean = |coordinate: &dyn Fn(&Face) -> i32| {
        let total: i128 = votes.iter().map(|cell| weight(cell) * i128::from(coordinate(cell))).sum();
        (2 * total + sum).div_euclid(2 * sum) as i32
    };
    std::array::from_fn(|i| Point { x: mean(&|cell| cell.points[i].x), y: mean(&|cell| cell.points[i].y) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ErrorKind;

    fn face(x: i32, score: f32) -> Face {
        let bounds = Rect { min: Point { x, y: 0 }, max: Point { x: x + 100, y: 100 } };
        Face { bounds, points: [Point { x, y: 7 }; 5], score }
    }

    fn maps() -> Vec<Map> {
        let map = |(kind, channels): (&str, usize), stride: usize| {
            let (rows, columns) = (64 / stride, 96 / stride);
            let values = vec![0.0; channels * rows * columns];
            Map { name: format!("{kind}_{stride}"), channels, rows, columns, values }
        };
        let kinds = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)];
        [8, 16, 32].iter().flat_map(|&stride| kinds.map(|kind| map(kind, stride))).collect()
    }

    #[test]
    fn maps_of_inconsistent_sizes_are_refused() {
        assert!(faces(&maps(), 0.4, 0.3).is_ok_and(|faces| !faces.is_empty()));
        for at in 0..maps().len() {
            let changes: [fn(&mut Map); 6] = [
                |map| map.rows -= 1,
                |map| map.columns += 1,
                |map| (map.rows, map.columns) = (map.columns, map.rows),
                |map| map.values.truncate(map.values.len() - 1),
                |map| map.values.clear(),
                |map| map.channels += 1,
            ];
            for change in changes {
                let mut maps = maps();
                change(&mut maps[at]);
                assert!(faces(&maps, 0.4, 0.3).is_err_and(|e| e.kind() == ErrorKind::Models), "{}", maps[at].name);
            }
        }
    }

    #[test]
    fn the_most_confident_of_overlapping_boxes_is_kept() {
        let mut faces = vec![face(0, 0.9), face(20, 0.8), face(90, 0.7)];
        suppress(&mut faces, 0.3);
        assert_eq!(faces, [face(0, 0.9), face(90, 0.7)]);
    }

    #[test]
    fn points_are_the_weighted_mean_over_the_cells_of_a_face() {
        // The third shares a quarter of the union with the first and does not count.
        let cells = [face(0, 1.0), face(20, 0.5), face(60, 0.9)];
        // Weights 16 to 1.
        assert_eq!(agreed(&cells[0], &cells), [Point { x: 1, y: 7 }; 5]);
        let flat = Face { bounds: Rect::default(), ..face(3, 0.8) };
        assert_eq!(agreed(&flat, &[flat]), flat.points);
    }
}

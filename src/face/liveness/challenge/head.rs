//! Renders a portrait as a head that turns, and as a sheet of paper that is turned, for tests.
//!
//! The head is the portrait over a relief: the landmark model's own depths, inside of the mesh, and a surface that falls off behind it
//! around. Pixels are moved as a pinhole camera far away sees them when the relief turns about an axis inside the head; farther away from
//! the face they stay where they are, as shoulders and background do.

use crate::face::mesh::Mesh;
use crate::media::Frame;

/// Pixels from one vertex of the grid to the next.
const GRID: usize = 4;
/// Factors of the depths that the landmark model tells, behind the middle of the face and before it: it guesses them too flat, and what lies
/// between its points is flattened once more. With these a rendered head shows as much parallax as people do.
const RELIEF: [f64; 2] = [2.6, 2.3];
/// How far behind the middle of the face the axis lies on which a head turns, in eye distances: about where the spine meets the skull.
const AXIS: f64 = 1.0;
/// A portrait and the relief of its face.
pub(in crate::face::liveness) struct Head {
    portrait: Frame,
    /// Landmarks with their height toward the viewer, in pixels.
    points: Vec<[f64; 3]>,
    middle: [f64; 2],
    /// Between the outer corners of the eyes, in pixels.
    eyes: f64,
}

fn relief(height: f64) -> f64 {
    height * RELIEF[usize::from(height > 0.0)]
}

/// How a sheet is held before the camera. Lengths are in distances of the outer eye corners.
#[derive(Clone, Copy, Debug)]
pub(in crate::face::liveness) struct Sheet {
    /// Of the cylinder about an upright axis that it is bent to, bulging toward the camera; none if it is flat.
    pub(in crate::face::liveness) radius: Option<f64>,
    /// Of the camera.
    pub(in crate::face::liveness) distance: f64,
}

/// A vertex of the grid: where it is in the portrait and in the picture, and its height there.
#[derive(Clone, Copy)]
struct Vertex {
    from: [f64; 2],
    to: [f64; 2],
    height: f64,
}

impl Head {
    pub(in crate::face::liveness) fn new(portrait: Frame, mesh: &Mesh) -> Self {
        let points: Vec<[f64; 3]> =
            mesh.points.iter().map(|&[x, y, z]| [f64::from(x), f64::from(y), relief(-f64::from(z))]).collect();
        let mean = |axis: usize| points.iter().map(|p| p[axis]).sum::<f64>() / points.len() as f64;
        let (left, right) = (points[33], points[263]);
        Self { middle: [mean(0), mean(1)], eyes: (right[0] - left[0]).hypot(right[1] - left[1]), points, portrait }
    }

    /// The head turned so many degrees to the right in the picture, and raised.
    pub(in crate::face::liveness) fn turned(&self, right: f64, up: f64) -> Frame {
        let (yaw, pitch) = (right.to_radians(), -up.to_radians());
        let axis = self.points.iter().map(|p| p[2]).sum::<f64>() / self.points.len() as f64 - AXIS * self.eyes;
        self.drawn(|[x, y]| {
            let (height, inside) = self.height([x, y]);
            let (dx, dy, dz) = (x - self.middle[0], y - self.middle[1], height - axis);
            let (tx, tz) = (dx * yaw.cos() + dz * yaw.sin(), dz * yaw.cos() - dx * yaw.sin());
            let (ty, tz) = (dy * pitch.cos() + tz * pitch.sin(), tz * pitch.cos() - dy * pitch.sin());
            ([x + inside * (tx - dx), y + inside * (ty - dy)], tz)
        })
    }

    /// The portrait on a sheet that is turned so many degrees.
    pub(in crate::face::liveness) fn sheet(&self, sheet: Sheet, right: f64, up: f64) -> Frame {
        let (yaw, pitch) = (right.to_radians(), -up.to_radians());
        let camera = sheet.distance * self.eyes;
        self.drawn(|[x, y]| {
            let (dx, dy) = (x - self.middle[0], y - self.middle[1]);
            let (dx, dz) = match sheet.radius {
                // What lies along the sheet lies along the cylinder, up to a quarter of it.
                Some(radius) => {
                    let around = (dx / (radius * self.eyes)).clamp(-1.5, 1.5);
                    (radius * self.eyes * around.sin(), -radius * self.eyes * (1.0 - around.cos()))
                }
                None => (dx, 0.0),
            };
            let (tx, tz) = (dx * yaw.cos() + dz * yaw.sin(), dz * yaw.cos() - dx * yaw.sin());
            let (ty, tz) = (dy * pitch.cos() + tz * pitch.sin(), tz * pitch.cos() - dy * pitch.sin());
            let nearer = camera / (camera - tz);
            ([self.middle[0] + tx * nearer, self.middle[1] + ty * nearer], tz)
        })
    }

    /// Height of a place, and how much it moves with the head, 0..1.
    fn height(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let (mut sum, mut weights, mut nearest) = (0.0, 0.0, f64::MAX);
        for p in &self.points {
            let squared = (p[0] - x).powi(2) + (p[1] - y).powi(2);
            let weight = 1.0 / (squared + 4.0).powi(3);
            (sum, weights, nearest) = (sum + weight * p[2], weights + weight, nearest.min(squared));
        }
        // Outside of the mesh the head falls off like a ball, and further away nothing moves.
        let outside = (nearest.sqrt() / self.eyes - 0.15).max(0.0);
        let inside = (1.0 - outside / 0.8).clamp(0.0, 1.0);
        (sum / weights - outside * outside * self.eyes, inside * inside * (3.0 - 2.0 * inside))
    }

    /// The portrait with each place where `moved` says, at the height that it says; what is highest covers the rest.
    fn drawn(&self, moved: impl Fn([f64; 2]) -> ([f64; 2], f64)) -> Frame {
        let (width, height) = (self.portrait.width(), self.portrait.height());
        let (columns, rows) = (width.div_ceil(GRID) + 1, height.div_ceil(GRID) + 1);
        let vertex = |i: usize| {
            let from = [(i % columns * GRID) as f64, (i / columns * GRID) as f64];
            let (to, height) = moved(from);
            Vertex { from, to, height }
        };
        let vertices: Vec<Vertex> = (0..columns * rows).map(vertex).collect();
        let mut pixels = vec![90; 3 * width * height];
        let mut heights = vec![f64::MIN; width * height];
        for (row, column) in (0..rows - 1).flat_map(|row| (0..columns - 1).map(move |column| (row, column))) {
            let [a, b, c, d] = [0, 1, columns, columns + 1].map(|step| vertices[row * columns + column + step]);
            for triangle in [[a, b, c], [b, d, c]] {
                self.draw(&triangle, &mut pixels, &mut heights);
            }
        }
        Frame::new(width, height, pixels)
    }

    /// Draws one triangle where nothing higher is.
    fn draw(&self, [a, b, c]: &[Vertex; 3], pixels: &mut [u8], heights: &mut [f64]) {
        let (width, height) = (self.portrait.width(), self.portrait.height());
        let cross =
            |o: [f64; 2], p: [f64; 2], q: [f64; 2]| (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0]);
        let area = cross(a.to, b.to, c.to);
        if area.abs() < 1e-9 {
            return;
        }
        let span = |axis: usize, end: usize| {
            let all = [a.to[axis], b.to[axis], c.to[axis]];
            let (low, high) = (all.into_iter().fold(f64::MAX, f64::min), all.into_iter().fold(f64::MIN, f64::max));
            low.ceil().clamp(0.0, end as f64) as usize..(high.floor() + 1.0).clamp(0.0, end as f64) as usize
        };
        for (y, x) in span(1, height).flat_map(|y| span(0, width).map(move |x| (y, x))) {
            let at = [x as f64, y as f64];
            let shares = [cross(b.to, c.to, at), cross(c.to, a.to, at), cross(a.to, b.to, at)].map(|part| part / area);
            if shares.iter().any(|share| *share < -1e-9) {
                continue;
            }
            let mixed = |of: fn(&Vertex) -> f64| shares[0] * of(a) + shares[1] * of(b) + shares[2] * of(c);
            let above = mixed(|v| v.height);
            if above < heights[y * width + x] {
                continue;
            }
            heights[y * width + x] = above;
            let color = self.color(mixed(|v| v.from[0]), mixed(|v| v.from[1]));
            pixels[3 * (y * width + x)..][..3].copy_from_slice(&color);
        }
    }

    /// The portrait at a place, bilinear.
    fn color(&self, x: f64, y: f64) -> [u8; 3] {
        let (width, height) = (self.portrait.width(), self.portrait.height());
        let (column, row) = (x.clamp(0.0, (width - 2) as f64), y.clamp(0.0, (height - 2) as f64));
        let (left, top) = (column as usize, row as usize);
        let (u, v) = (column - left as f64, row - top as f64);
        std::array::from_fn(|channel| {
            let at = |row: usize, column: usize| f64::from(self.portrait.row(row)[3 * column + channel]);
            let across = |row: usize| at(row, left) * (1.0 - u) + at(row, left + 1) * u;
            (across(top) * (1.0 - v) + across(top + 1) * v).round() as u8
        })
    }
}

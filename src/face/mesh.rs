//! Finds a mesh of 468 points on a face (MediaPipe FaceMesh), for how its head is turned.
//!
//! It finds no faces: it gets one from the detector. The model looks twice, as its authors use it: at a square around the detector's
//! box, and at one around the points that were found there. The order of the points is that of MediaPipe's canonical face model.

use std::sync::Arc;

use super::align::{Similarity, sample_reduced};
use super::detect::padded;
use super::found::Face;
use super::geometry::SUB;
use crate::engine::{Error, Plan, Session, Team};
use crate::media::Frame;

/// Number of points.
pub(in crate::face) const LANDMARKS: usize = 468;

/// Outer corners of the eyes, image-left first.
pub(super) const EYE_CORNERS: [usize; 2] = [33, 263];

/// Side of the square in sizes of what it is drawn around: that of the model's authors.
const MARGIN: f64 = 1.5;

/// The points on a face.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::face) struct Mesh {
    /// x to the right, y down and z away from the viewer, in pixels of the picture; z from the middle of the head.
    pub(in crate::face) points: [[f32; 3]; LANDMARKS],
}

/// The model with the state of one thread, which is made when it is first needed: few requests do.
pub(super) struct Landmarks {
    plan: Option<Arc<Plan>>,
    session: Option<Session>,
    team: Team,
}

/// A square that the model looks at.
#[derive(Clone, Copy, Debug)]
struct Region {
    /// Its middle in the picture, in pixels.
    middle: (f64, f64),
    /// Unit vector from the image-left eye to the other.
    across: (f64, f64),
    /// Length of its sides in pixels.
    side: f64,
}

impl Landmarks {
    /// Without a plan it finds nothing.
    pub(super) fn new(plan: Option<Arc<Plan>>, team: &Team) -> Self {
        Self { plan, session: None, team: team.clone() }
    }

    /// The points of a face; `None` if the model does not see a face there, or if there is no model.
    pub(super) fn find(&mut self, frame: &Frame, face: &Face) -> Result<Option<Mesh>, Error> {
        let Some(plan) = &self.plan else { return Ok(None) };
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(plan.session(&self.team)?),
        };
        let Some(first) = Region::around_face(face) else { return Ok(None) };
        let Some(mesh) = look(session, frame, first, &self.team)? else { return Ok(None) };
        match Region::around_mesh(&mesh) {
            Some(closer) => look(session, frame, closer, &self.team),
            None => Ok(None),
        }
    }
}

/// What the model sees in a square.
fn look(session: &mut Session, frame: &Frame, region: Region, team: &Team) -> Result<Option<Mesh>, Error> {
    let side = session.side();
    let (scale, half) = (region.side / side as f64, side as f64 / 2.0);
    // The model reads its crop upside down. Pixels are at their centers, half a pixel from where the crop begins.
    let (x, y) = region.across;
    let transform = Similarity::new((-x, -y), scale, (half - 0.5, half - 0.5), region.middle);
    let crop = Frame::new(side, side, sample_reduced(frame, transform, side, team));
    let maps = session.run(&padded(&crop, side, side, false))?;
    let values = |name: &str| maps.iter().find(|map| map.name == name).map(|map| &map.values);
    let (Some(points), Some(&[certainty])) = (values("points"), values("face").map(Vec::as_slice)) else {
        return Err(Error::models("the landmark model lacks an output"));
    };
    if points.len() != 3 * LANDMARKS || points.iter().any(|v| !v.is_finite()) {
        return Err(Error::run("the landmark model gave no points"));
    }
    // At 0 the model finds both answers equally likely; it gives faces 5 to 20.
    if certainty.is_nan() || certainty <= 0.0 {
        return Ok(None);
    }
    let place = |&[u, v, z]: &[f32; 3]| {
        let (u, v) = ((f64::from(u) - half) * scale, (f64::from(v) - half) * scale);
        let (x, y) = (region.middle.0 + x * u - y * v, region.middle.1 + y * u + x * v);
        [x as f32, y as f32, (f64::from(z) * scale) as f32]
    };
    let (points, _) = points.as_chunks::<3>();
    Ok(Some(Mesh { points: std::array::from_fn(|i| place(&points[i])) }))
}

impl Region {
    /// Around the detector's box, in the direction of its eyes.
    fn around_face(face: &Face) -> Option<Self> {
        let unit = f64::from(SUB);
        let [left, right] = [face.points[0], face.points[1]];
        let middle = face.bounds.center();
        let longer = face.bounds.width().max(face.bounds.height()) as f64;
        Self::new(
            (f64::from(middle.x) / unit, f64::from(middle.y) / unit),
            (f64::from(right.x) - f64::from(left.x), f64::from(right.y) - f64::from(left.y)),
            longer / unit,
        )
    }

    /// Around the points of a mesh.
    fn around_mesh(mesh: &Mesh) -> Option<Self> {
        let at = |i: usize| (f64::from(mesh.points[i][0]), f64::from(mesh.points[i][1]));
        let ((lx, ly), (rx, ry)) = (at(EYE_CORNERS[0]), at(EYE_CORNERS[1]));
        let Self { across: (ax, ay), .. } = Self::new((0.0, 0.0), (rx - lx, ry - ly), 1.0)?;
        let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
        for (x, y) in (0..LANDMARKS).map(at) {
            let (u, v) = (ax * x + ay * y, ax * y - ay * x);
            (low, high) = ((low.0.min(u), low.1.min(v)), (high.0.max(u), high.1.max(v)));
        }
        let (u, v) = ((low.0 + high.0) / 2.0, (low.1 + high.1) / 2.0);
        Self::new((ax * u - ay * v, ay * u + ax * v), (ax, ay), (high.0 - low.0).max(high.1 - low.1))
    }

    /// A square [`MARGIN`] times as large as `size`; `None` if there is no direction or no size.
    fn new(middle: (f64, f64), (x, y): (f64, f64), size: f64) -> Option<Self> {
        let length = (x * x + y * y).sqrt();
        let usable = length > 0.0 && size > 0.0 && [length, size, middle.0, middle.1].iter().all(|v| v.is_finite());
        usable.then(|| Self { middle, across: (x / length, y / length), side: MARGIN * size })
    }
}

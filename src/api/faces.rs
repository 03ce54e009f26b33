//! Tells what faces a picture or the camera shows, how good the one that is judged is, and what would help: for pages that draw it.

use std::time::Instant;

use serde::Serialize;

use super::context::{Call, Service};
use super::error::{Error, Kind};
use super::pattern::content;
use super::reply::{Reply, hundredths};
use crate::capture::TakenFrame;
use crate::face::{self, Extractor, Face, Inspection, Quality, SUB};
use crate::ops::Stop;

/// Most faces that are told, the largest: a page has no use for those of a crowd, and the reply stays under 20 KiB.
const MOST_FACES: usize = 64;

/// What a picture shows. Coordinates are pixels of the upright picture.
#[derive(Serialize)]
struct Shown<'a> {
    width: usize,
    height: usize,
    faces: Vec<ShownFace>,
    /// Index of the face that is judged; null where there is none, or several people.
    chosen: Option<usize>,
    quality: Option<Measures<'a>>,
    /// Whether a template would be made of the picture, or the frame taken for a good one.
    usable: bool,
    /// Why not, as a word, and in words for people.
    reason: Option<&'static str>,
    advice: Option<String>,
}

#[derive(Serialize)]
struct ShownFace {
    #[serde(rename = "box")]
    bounds: Bounds,
    /// Eyes, nose tip and corners of the mouth.
    landmarks: [[f64; 2]; 5],
    confidence: f64,
    chosen: bool,
}

/// May extend beyond the picture.
#[derive(Serialize)]
struct Bounds {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

#[derive(Serialize)]
struct Measures<'a> {
    eye_distance: &'a i32,
    brightness: &'a i32,
    contrast: &'a i32,
    sharpness: &'a i32,
    clipped: &'a i32,
    eyes_to_cheeks: &'a i32,
    yaw_percent: &'a i32,
    score: &'a u8,
}

/// The same of a frame of the camera.
#[derive(Serialize)]
struct ShownFrame<'a> {
    frame: u64,
    age_ms: u64,
    #[serde(flatten)]
    shown: Shown<'a>,
}

impl Service {
    /// What the picture that is the whole body shows.
    pub(super) fn faces(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let bytes = self.picture_of(call, &content(call, body, Kind::Sample)?);
        call.is_awaited()?;
        let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| extractor.inspect(&bytes, unwanted);
        let limit = call.wait_limit(Instant::now() + self.limits.request_time());
        let told = self.capturer.wait_for(&call.request.owner, job, &limit);
        let found = told.map_err(|error| Error::from_capture(error, call.route.family()))?;
        let found = found.map_err(|error| Error::from_face(&error, ""))?;
        Ok(Reply::json(&shown(&found)))
    }

    /// What the camera's newest frame shows.
    pub(super) fn camera_faces(&self, call: &Call) -> Result<Reply, Error> {
        let newest = self.capturer.frame_after(0);
        let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| {
            let TakenFrame { number, taken, frame, room: _room, .. } = newest(extractor, unwanted)?;
            let told = frame.map(|frame| (taken, extractor.inspect_live(&frame)));
            Some((number, told.map_err(|damaged| damaged.to_string())))
        };
        let (frame, (taken, found)) = self.newest_frame(call, job)?;
        let found = found.map_err(|error: face::Error| Error::from_face(&error, ""))?;
        let age_ms = taken.elapsed().as_millis() as u64;
        Ok(Reply::json(&ShownFrame { frame, age_ms, shown: shown(&found) }))
    }
}

fn shown(found: &Inspection) -> Shown<'_> {
    let chosen = found.chosen.as_ref().map(|_| 0);
    Shown {
        width: found.width,
        height: found.height,
        faces: found
            .faces
            .iter()
            .take(MOST_FACES)
            .enumerate()
            .map(|(at, face)| shown_face(face, chosen == Some(at)))
            .collect(),
        chosen,
        quality: found.chosen.as_ref().map(measures),
        usable: found.obstacle.is_none(),
        reason: found.obstacle.as_ref().and_then(face::Error::word),
        advice: found.obstacle.as_ref().map(ToString::to_string),
    }
}

fn shown_face(face: &Face, chosen: bool) -> ShownFace {
    let pixels = |units: i64| hundredths(units as f64 / f64::from(SUB));
    let bounds = face.bounds;
    ShownFace {
        bounds: Bounds {
            x: pixels(bounds.min.x.into()),
            y: pixels(bounds.min.y.into()),
            width: pixels(bounds.width()),
            height: pixels(bounds.height()),
        },
        landmarks: face.points.map(|point| [pixels(point.x.into()), pixels(point.y.into())]),
        confidence: hundredths(face.score.into()),
        chosen,
    }
}

fn measures((quality, score): &(Quality, u8)) -> Measures<'_> {
    let Quality { confidence: _, eye_distance, brightness, clipped, contrast, sharpness, eyes_to_cheeks, yaw_percent } =
        quality;
    Measures { eye_distance, brightness, contrast, sharpness, clipped, eyes_to_cheeks, yaw_percent, score }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Point, QualityDefect, Rect};

    fn face(x: i32) -> Face {
        let at = |x: i32, y: i32| Point { x, y };
        Face { bounds: Rect { min: at(x, -64), max: at(x + 25600, 12800) }, points: [at(x, 384); 5], score: 0.876 }
    }

    fn found(faces: Vec<Face>, chosen: Option<(Quality, u8)>, obstacle: Option<face::Error>) -> serde_json::Value {
        serde_json::to_value(shown(&Inspection { width: 640, height: 480, faces, chosen, obstacle })).unwrap()
    }

    #[test]
    fn faces_are_told_in_pixels_with_the_measures_of_the_chosen_one() {
        let quality = Quality {
            confidence: 876,
            eye_distance: 81,
            brightness: 120,
            clipped: 1,
            contrast: 90,
            sharpness: 100,
            eyes_to_cheeks: 80,
            yaw_percent: 50,
        };
        let told = found(vec![face(256), face(-512)], Some((quality, 83)), None);
        let bounds = serde_json::json!({ "x": 1.0, "y": -0.25, "width": 100.0, "height": 50.25 });
        assert_eq!(told["faces"][0]["box"], bounds);
        assert_eq!(
            told["faces"][1]["landmarks"],
            serde_json::json!([[-2.0, 1.5], [-2.0, 1.5], [-2.0, 1.5], [-2.0, 1.5], [-2.0, 1.5]])
        );
        assert_eq!((&told["faces"][0]["chosen"], &told["faces"][1]["chosen"]), (&true.into(), &false.into()));
        assert_eq!((&told["faces"][0]["confidence"], &told["quality"]["score"]), (&0.88.into(), &83.into()));
        assert_eq!((&told["chosen"], &told["usable"], &told["reason"]), (&0.into(), &true.into(), &().into()));
    }

    #[test]
    fn reasons_are_told_as_a_word_and_as_advice() {
        let nobody = found(vec![], None, Some(face::Error::NoFace));
        assert_eq!((&nobody["reason"], &nobody["usable"]), (&"no_face".into(), &false.into()));
        assert!(nobody["chosen"].is_null() && nobody["quality"].is_null());
        let crowd = found(vec![face(0); 99], None, Some(face::Error::SeveralFaces(99)));
        assert_eq!(
            (&crowd["reason"], crowd["faces"].as_array().unwrap().len()),
            (&"several_people".into(), MOST_FACES)
        );
        let dark = found(vec![face(0)], None, Some(face::Error::Unusable(QualityDefect::Dark)));
        assert_eq!((&dark["reason"], &dark["advice"]), (&"too_dark".into(), &"the face is too dark; add light".into()));
    }
}

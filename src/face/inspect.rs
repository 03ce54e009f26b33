//! Tells what a picture or a frame shows: its faces, how good the one that is judged is, and what stands against a template of it.
//!
//! The steps are those that make a template of a picture, and those by which a live camera waits for a good frame: what is told here does
//! not differ from what happens there.

use super::align::align;
use super::error::{Error, on_time};
use super::extractor::Extractor;
use super::found::Face;
use super::quality::{Quality, QualityDefect};
use super::select::{Choice, choose};
use super::template::Template;
use crate::engine::{self, Team};
use crate::media::{Frame, Rotation};
use crate::ops::{SecretBytes, Stop};

/// What a picture or a frame shows.
#[derive(Debug)]
pub struct Inspection {
    /// Columns of the upright picture.
    pub width: usize,
    /// Rows of the upright picture.
    pub height: usize,
    /// Its faces, the largest first.
    pub faces: Vec<Face>,
    /// If the first face is the one that is judged: its measures, and its quality from 0 to 100. Before a camera and for a face that the
    /// measures alone refuse, the quality is that of the measures; otherwise it is the template's.
    pub chosen: Option<(Quality, u8)>,
    /// Why there is no template, or why a camera waits for a better frame: no face, several people or a defect.
    pub obstacle: Option<Error>,
}

/// A face with its aligned crop and its measures.
pub(super) struct MeasuredFace {
    /// As the second detection finds it, if that confirms it.
    pub(super) face: Face,
    pub(super) crop: SecretBytes,
    pub(super) quality: Quality,
    is_confirmed: bool,
}

/// A face of a picture, and what became of it.
pub(super) struct ExaminedFace {
    face: Face,
    quality: Quality,
    /// The quality from 0 to 100.
    score: u8,
    pub(super) template: Result<Template, QualityDefect>,
}

impl MeasuredFace {
    /// Measures a face, by the points of the second detection if that has `confirmed` it.
    pub(super) fn new(frame: &Frame, face: &Face, confirmed: Option<Face>, team: &Team) -> Self {
        let is_confirmed = confirmed.is_some();
        let face = confirmed.unwrap_or(*face);
        let crop = align(frame, &face.points, team);
        let quality = Quality::measure(&face, &crop);
        Self { face, crop, quality, is_confirmed }
    }

    /// The reason why no template is made of it.
    fn defect(&self) -> Option<QualityDefect> {
        if self.is_confirmed { self.quality.defect() } else { Some(self.quality.defect_of_unconfirmed()) }
    }

    /// The reason why a live camera waits for a better frame.
    pub(super) fn capture_defect(&self) -> Option<QualityDefect> {
        if !self.is_confirmed {
            // Too much light may be what hides the face.
            return Some(self.quality.defect_of_unconfirmed());
        }
        match self.face.turn_to_upright() {
            Rotation::None => self.quality.capture_defect(),
            turn => Some(QualityDefect::Lying(turn)),
        }
    }
}

impl Choice {
    /// The one person's face, or why there is none.
    pub(super) fn one(self) -> Result<Face, Error> {
        match self {
            Self::None => Err(Error::NoFace),
            Self::Several(people) => Err(Error::SeveralFaces(people)),
            Self::One(face) => Ok(face),
        }
    }
}

impl Inspection {
    fn new(frame: &Frame, faces: Vec<Face>, obstacle: Option<Error>) -> Self {
        Self { width: frame.width(), height: frame.height(), faces, chosen: None, obstacle }
    }

    /// The same where one of the faces is judged, with that face as it was found `closer`.
    fn choosing(mut self, face: &Face, closer: Face, measures: (Quality, u8)) -> Self {
        if let Some(at) = self.faces.iter().position(|other| other == face) {
            // It is the largest, but others may be as large.
            self.faces.swap(0, at);
            self.faces[0] = closer;
        }
        Self { chosen: Some(measures), ..self }
    }
}

impl Extractor {
    /// What a picture file shows, and whether [`Self::extract`] would make a template of it: it takes the same steps.
    pub fn inspect(&mut self, bytes: &[u8], stop: &Stop<'_>) -> Result<Inspection, Error> {
        let frame = self.decode(bytes, stop)?;
        on_time(stop)?;
        let faces = self.detector.find(&frame)?;
        match choose(&faces, &frame, self.second_person.submitted).one() {
            Err(obstacle) => Ok(Inspection::new(&frame, faces, Some(obstacle))),
            Ok(face) => {
                let examined = self.examine(&frame, &face, stop)?;
                let obstacle = examined.template.err().map(Error::Unusable);
                let measures = (examined.quality, examined.score);
                Ok(Inspection::new(&frame, faces, obstacle).choosing(&face, examined.face, measures))
            }
        }
    }

    /// What a frame of the camera shows, and why the camera would wait for a better one. As long as nobody is there, only upright faces are
    /// searched for, and nothing is embedded: for frames that are looked at all the time.
    pub fn inspect_live(&mut self, frame: &Frame) -> Result<Inspection, Error> {
        let faces = self.detector.find_upright(frame)?;
        match choose(&faces, frame, self.second_person.camera).one() {
            Err(obstacle) => Ok(Inspection::new(frame, faces, Some(obstacle))),
            Ok(face) => {
                let confirmed = self.detector.confirm(frame, &face)?;
                let measured = MeasuredFace::new(frame, &face, confirmed, &self.team);
                let obstacle = measured.capture_defect().map(Error::Unusable);
                let measures = (measured.quality, measured.quality.measured());
                Ok(Inspection::new(frame, faces, obstacle).choosing(&face, measured.face, measures))
            }
        }
    }

    /// A face of a picture with its template, or with the defect for which there is none.
    pub(super) fn examine(&mut self, frame: &Frame, face: &Face, stop: &Stop<'_>) -> Result<ExaminedFace, Error> {
        on_time(stop)?;
        let confirmed = self.detector.confirm(frame, face)?;
        on_time(stop)?;
        let measured = MeasuredFace::new(frame, face, confirmed, &self.team);
        let (score, template) = match measured.defect() {
            Some(defect) => (measured.quality.measured(), Err(defect)),
            None => {
                on_time(stop)?;
                self.embed_scored(&measured.crop, &measured.quality)?
            }
        };
        Ok(ExaminedFace { face: measured.face, quality: measured.quality, score, template })
    }

    /// The quality of an aligned face, from 0 to 100, and its template, unless the embedder finds too little of a face in it.
    fn embed_scored(
        &mut self,
        crop: &[u8],
        quality: &Quality,
    ) -> Result<(u8, Result<Template, QualityDefect>), engine::Error> {
        let embedding = self.embedding(crop, quality)?;
        let score = quality.score(embedding.norm);
        if let Some(defect) = quality.defect_of_embedding(embedding.norm) {
            return Ok((score, Err(defect)));
        }
        let previous = self.previous_vector(crop, quality)?;
        Ok((score, Ok(self.template_of(&embedding.vector, previous.as_deref(), score)?)))
    }

    /// The template of an aligned face, unless the embedder finds too little of a face in it.
    pub(super) fn embed(&mut self, crop: &[u8], quality: &Quality) -> Result<Template, Error> {
        self.embed_scored(crop, quality)?.1.map_err(Error::Unusable)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{CaptureSession, extractor_for_tests};
    use super::*;

    const NEVER: &Stop<'_> = &|| false;

    /// The bytes of all test pictures.
    fn pictures() -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let pictures = files.filter(|file| file.extension().is_some_and(|kind| kind == "jpg" || kind == "png"));
        let mut read: Vec<_> =
            pictures.map(|file| (file.display().to_string(), std::fs::read(&file).unwrap())).collect();
        read.sort();
        assert!(read.len() > 9);
        read
    }

    /// The picture after each of its values was changed.
    fn changed(frame: &Frame, change: fn(u8) -> u8) -> Frame {
        Frame::new(frame.width(), frame.height(), frame.pixels().iter().map(|&value| change(value)).collect())
    }

    /// Each picture as it is, and where it can be read, worse in several ways.
    fn frames(extractor: &Extractor) -> Vec<(String, Frame)> {
        let mut frames = vec![];
        for (name, bytes) in pictures() {
            let Ok(frame) = extractor.decode(&bytes, NEVER) else { continue };
            frames.push((format!("{name} dark"), changed(&frame, |value| value / 100)));
            frames
                .push((format!("{name} bright"), changed(&frame, |value| value.saturating_mul(4).saturating_add(190))));
            frames.push((format!("{name} flat"), changed(&frame, |value| 120 + value / 60)));
            frames.push((format!("{name} on its head"), frame.turned(Rotation::Half)));
            frames.push((name, frame.clone()));
        }
        frames
    }

    #[test]
    fn what_is_told_of_a_picture_does_not_contradict_extract() {
        let mut extractor = extractor_for_tests();
        for (name, bytes) in pictures() {
            let told = extractor.inspect(&bytes, NEVER);
            match (extractor.extract(&bytes, NEVER), told) {
                (Ok(template), Ok(told)) => {
                    assert!(told.obstacle.is_none(), "{name}: {:?}", told.obstacle);
                    assert_eq!(told.chosen.unwrap().1, template.quality(), "{name}");
                }
                (Err(error), Ok(told)) => assert_eq!(error.to_string(), told.obstacle.unwrap().to_string(), "{name}"),
                (Err(error), Err(told)) => assert_eq!(error.to_string(), told.to_string(), "{name}"),
                (Ok(_), Err(told)) => panic!("{name}: {told}"),
            }
        }
    }

    #[test]
    fn the_faces_come_largest_first_and_the_chosen_one_is_the_first() {
        let mut extractor = extractor_for_tests();
        let read = |name: &str| pictures().into_iter().find(|(file, _)| file.ends_with(name)).unwrap().1;
        let two = extractor.inspect(&read("both.jpg"), NEVER).unwrap();
        assert_eq!((two.faces.len(), two.chosen), (2, None));
        assert!(two.faces[0].bounds.area() >= two.faces[1].bounds.area());
        let frame = extractor.decode(&read("background.jpg"), NEVER).unwrap();
        let before_camera = extractor.inspect_live(&frame).unwrap();
        let found = extractor.detector.find(&frame).unwrap();
        assert!(before_camera.faces.len() > 1 && before_camera.chosen.is_some());
        assert_eq!(before_camera.faces[0].bounds, found[0].bounds);
        assert_ne!(before_camera.faces[0].points, found[0].points, "they are those of both detections");
        assert_eq!(before_camera.faces[1..], found[1..]);
    }

    #[test]
    fn what_is_told_of_a_frame_is_what_a_capture_session_makes_of_it() {
        let mut extractor = extractor_for_tests();
        let mut words = std::collections::BTreeSet::new();
        for (name, frame) in frames(&extractor) {
            let told = extractor.inspect_live(&frame).unwrap();
            let mut session = CaptureSession::new(None, false, || Duration::ZERO);
            assert!(session.push_frame(&mut extractor, frame, Duration::ZERO).unwrap().is_none());
            assert_eq!(session.seen(), told.chosen.as_ref().map(|(quality, _)| quality), "{name}");
            // A session that waits for more such frames has nothing else to tell than that nobody came.
            let waits_for = session.finish(&mut extractor).err().map(|error| error.to_string());
            let obstacle = told.obstacle.unwrap_or(Error::NoFace);
            assert_eq!(waits_for, Some(obstacle.to_string()), "{name}");
            words.extend(obstacle.word());
        }
        let all = ["no_face", "not_upright", "several_people", "too_small", "unclear"];
        assert!(all.iter().all(|word| words.contains(word)), "{words:?}");
    }
}

//! Watches the face of a captured person while the screen shows colors, and makes sure that it stays that person's. What the light on it
//! tells is [`flash`](super::flash)'s.

use super::capture_session::Capture;
use super::challenge::Ending;
use super::flash::{Calibration, Exposure, LENGTH, Measured, Observation, Outcome, Reason, Schedule, judge};
use super::verdict::same_person;
use crate::face::error::Error;
use crate::face::extractor::Extractor;
use crate::face::found::is_same_place;
use crate::face::geometry::Rect;
use crate::face::select::{Choice, choose};
use crate::media::Frame;

/// One frame in this many is compared with the captured person: the colors last for some 36 frames.
const COMPARED: usize = 8;

/// Time after the last color in which frames may still show it, in seconds.
const AFTER: f64 = 0.3;

/// The frames of a face while a schedule is shown.
pub struct LightSession {
    schedule: Schedule,
    /// The captured person's embedding.
    person: Vec<f64>,
    place: Option<Rect>,
    frames: usize,
    observations: Vec<Observation>,
}

impl LightSession {
    /// For the person of `capture`, before a screen that shows `schedule`.
    pub fn new(schedule: Schedule, capture: &Capture) -> Self {
        Self { schedule, person: capture.vector.clone(), place: None, frames: 0, observations: vec![] }
    }

    /// Takes the next frame, taken `at` seconds after the schedule began. The error is a face that is not the captured person's.
    pub fn push_frame(&mut self, extractor: &mut Extractor, frame: &Frame, at: f64) -> Result<(), Error> {
        let faces = extractor.detector.find_upright(frame)?;
        let Choice::One(face) = choose(&faces, frame, extractor.second_person.camera) else { return Ok(()) };
        let Some(face) = extractor.detector.confirm_upright(frame, &face)? else { return Ok(()) };
        if self.place.replace(face.bounds).is_some_and(|place| !is_same_place(face.bounds, place)) {
            return Err(Error::Challenge(Ending::Jump));
        }
        if self.frames.is_multiple_of(COMPARED) {
            let embedding = extractor.embedding_of(frame, &face)?;
            if !same_person(&self.person, &embedding.vector, &extractor.curve) {
                return Err(Error::Challenge(Ending::Exchanged));
            }
        }
        self.frames += 1;
        self.observations.extend(Observation::of(frame, &face.points, at));
        Ok(())
    }

    /// Whether nothing more is to be seen `at` seconds after the schedule began.
    pub fn is_over(at: f64) -> bool {
        at > LENGTH + AFTER
    }

    /// Whether the face was lit by the schedule, at a kiosk with this calibration.
    pub fn judge(&self, calibration: &Calibration, exposure: Exposure) -> (Outcome, Option<Measured>) {
        judge(&self.schedule, &self.observations, calibration, exposure)
    }

    /// How the light on the face changed with the schedule, for a calibration.
    pub fn measure(&self) -> Result<Measured, Reason> {
        Measured::of(&self.schedule, &self.observations)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::flash::bytes;
    use super::super::light_recording::lit;
    use super::*;
    use crate::face::{CaptureSession, extractor_for_tests};

    const COLLINS: &[u8] = include_bytes!("../../../tests/pictures/collins.jpg");
    const HOPPER: &[u8] = include_bytes!("../../../tests/pictures/hopper.jpg");

    /// Seconds from one frame to the next.
    const FRAME: f64 = 1.0 / 15.0;

    fn schedule(seed: u64) -> Schedule {
        Schedule::draw(&mut bytes(seed), &[]).expect("a schedule")
    }

    fn frame(extractor: &Extractor, bytes: &[u8]) -> Frame {
        Frame::clone(&extractor.decode(bytes, &|| false).expect("a picture"))
    }

    fn captured(extractor: &mut Extractor, frame: &Frame) -> Capture {
        let mut session = CaptureSession::new(Some(8), false, || Duration::ZERO);
        (0..20)
            .find_map(|_| session.push_frame(extractor, frame.clone(), Duration::ZERO).expect("a face"))
            .expect("all")
    }

    /// The outcome for a face on which the colors of `shown` fall, late by a tenth of a second, where those of `drawn` should.
    fn outcome(extractor: &mut Extractor, drawn: Schedule, shown: Option<Schedule>) -> Outcome {
        let portrait = frame(extractor, COLLINS);
        let capture = captured(extractor, &portrait);
        let mut session = LightSession::new(drawn, &capture);
        for at in (0..).map(|number| f64::from(number) * FRAME).take_while(|at| !LightSession::is_over(*at)) {
            let step = ((at - 0.1).max(0.0) / super::super::flash::STEP) as usize;
            let color = shown.and_then(|schedule| schedule.colors().get(step).copied());
            let picture = color.map_or_else(|| portrait.clone(), |color| lit(&portrait, color, 0.1));
            session.push_frame(extractor, &picture, at).expect("the same face");
        }
        let measured = session.measure().expect("a measurement");
        let calibration = Calibration {
            amplitude: 0.1,
            eye_distance: measured.eye_distance,
            light: measured.light,
            exposure: Exposure::default(),
        };
        session.judge(&calibration, Exposure::default()).0
    }

    #[test]
    fn a_face_that_reflects_the_colors_passes_and_no_other() {
        let mut extractor = extractor_for_tests();
        let [drawn, other] = [1, 2].map(schedule);
        assert_eq!(outcome(&mut extractor, drawn, Some(drawn)), Outcome::Pass);
        assert_eq!(outcome(&mut extractor, drawn, Some(other)), Outcome::Fail);
        assert_eq!(outcome(&mut extractor, drawn, None), Outcome::Fail);
    }

    #[test]
    fn another_face_before_the_screen_is_found_out() {
        let mut extractor = extractor_for_tests();
        let [portrait, other] = [COLLINS, HOPPER].map(|bytes| frame(&extractor, bytes));
        let capture = captured(&mut extractor, &portrait);
        let mut session = LightSession::new(schedule(1), &capture);
        let ended = session.push_frame(&mut extractor, &other, 0.0).expect_err("another face");
        assert!(matches!(ended, Error::Challenge(Ending::Exchanged)), "{ended}");
    }
}

//! Measures screen light on recordings, whose frames are brightened as a screen's colors would brighten them. For evaluation only; nothing is
//! judged by it.
//!
//! What a screen does is simulated as a gain of the channels that it lights, in linear light and without shading, so that nothing is learned
//! about screens here: only whether their light would be seen in this camera's pictures of this person, and whether anything else is taken
//! for it.

use std::time::Duration;

use super::flash::{
    Calibration, Color, Exposure, LENGTH, Observation, Outcome, STEP, Schedule, encoded, eye_distance, judge, linear,
};
use crate::engine;
use crate::face::extractor::Extractor;
use crate::face::geometry::{Point, Rect, SUB};
use crate::media::Frame;

/// Length of a stretch of a recording, in seconds: the schedule and what is seen of it late.
const WINDOW: f64 = LENGTH + 0.2;

/// From the beginning of one stretch to that of the next, in seconds: about a step of the schedule, so that stretches overlap.
const SHIFT: f64 = 0.35;

/// How far the face reaches around its five points, in the greatest extent of these: forehead and cheeks lie within it.
const MARGIN: i64 = 1;

/// The observations of a recording's faces, as they are and as each color of `N` screens would light them.
pub struct LightRecording<const N: usize> {
    /// Light of the screens relative to the rest.
    amplitudes: [f64; N],
    frames: Vec<LitFrame<N>>,
    end: f64,
}

struct LitFrame<const N: usize> {
    /// Seconds since the recording began.
    at: f64,
    unlit: Option<Observation>,
    /// By screen, in the order of [`Color::ALL`].
    lit: [[Option<Observation>; Color::ALL.len()]; N],
}

/// A recording before one of its screens, at a kiosk that was calibrated with it.
pub struct LitRecording<'a, const N: usize> {
    recording: &'a LightRecording<N>,
    screen: usize,
    calibration: Calibration,
}

impl<const N: usize> LightRecording<N> {
    /// Before screens whose light is so many times the rest.
    pub fn new(amplitudes: [f64; N]) -> Self {
        Self { amplitudes, frames: vec![], end: 0.0 }
    }

    /// Takes the next frame, shown at `at`.
    pub fn push(&mut self, extractor: &mut Extractor, frame: &Frame, at: Duration) -> Result<(), engine::Error> {
        let at = at.as_secs_f64();
        self.end = at;
        let Some(face) = extractor.central_upright(frame)? else { return Ok(()) };
        let (frame, points) = around(frame, &face.points);
        let observe = |frame: &Frame| Observation::of(frame, &points, at);
        let lit = self.amplitudes.map(|amplitude| Color::ALL.map(|color| observe(&lit(&frame, color, amplitude))));
        self.frames.push(LitFrame { at, unlit: observe(&frame), lit });
        Ok(())
    }

    /// Where stretches that are long enough for a schedule begin, in seconds. They overlap.
    pub fn windows(&self) -> Vec<f64> {
        let starts = (0..).map(|number| f64::from(number) * SHIFT);
        starts.take_while(|start| start + WINDOW <= self.end).collect()
    }

    /// Before the screen of this number.
    pub fn before(&self, screen: usize) -> LitRecording<'_, N> {
        let seen: Vec<Observation> = self.frames.iter().filter_map(|frame| frame.unlit).collect();
        let light = seen.iter().map(Observation::light).sum::<f64>() / seen.len().max(1) as f64;
        let calibration = Calibration {
            amplitude: self.amplitudes[screen],
            eye_distance: eye_distance(&seen),
            light,
            exposure: Exposure::default(),
        };
        LitRecording { recording: self, screen, calibration }
    }
}

impl<const N: usize> LitRecording<'_, N> {
    /// The outcome if `asked` is to be seen in the stretch that begins at `start`, and the screen shows `shown`, so many seconds late, or nothing.
    pub fn outcome(&self, start: f64, asked: &Schedule, shown: Option<(&Schedule, f64)>) -> Outcome {
        let during = self.recording.frames.iter().filter(|frame| (start..start + WINDOW).contains(&frame.at));
        let color = |at: f64| {
            let (schedule, late) = shown?;
            let step = ((at - start - late) / STEP).floor();
            if step < 0.0 { None } else { schedule.colors().get(step as usize) }
        };
        let observe = |frame: &LitFrame<N>| {
            let mut seen = color(frame.at).map_or(frame.unlit, |color| frame.lit[self.screen][*color as usize])?;
            seen.at -= start;
            Some(seen)
        };
        let observations: Vec<Observation> = during.filter_map(observe).collect();
        judge(asked, &observations, &self.calibration, Exposure::default()).0
    }
}

/// The part of a frame with the face in it, and the points there.
fn around(frame: &Frame, points: &[Point; 5]) -> (Frame, [Point; 5]) {
    let face = Rect::around(points);
    let margin = MARGIN * face.width().max(face.height());
    // First pixel and number of pixels, at least one.
    let span = |from: i32, to: i32, size: usize| {
        let pixel = |at: i64| (at / i64::from(SUB)).max(0) as usize;
        let (from, to) = (pixel(i64::from(from) - margin).min(size - 1), pixel(i64::from(to) + margin).min(size));
        (from, to.saturating_sub(from).max(1))
    };
    let (x, width) = span(face.min.x, face.max.x, frame.width());
    let (y, height) = span(face.min.y, face.max.y, frame.height());
    let moved = |p: &Point| Point { x: p.x - x as i32 * SUB, y: p.y - y as i32 * SUB };
    (frame.part(x, y, width, height), points.each_ref().map(moved))
}

/// The frame with so much more light of this color, relative to what is there; clipped and rounded as a camera does.
pub(in crate::face::liveness) fn lit(frame: &Frame, color: Color, amplitude: f64) -> Frame {
    let tables = color.lit().map(|is_lit| {
        let gain = if is_lit { 1.0 + amplitude } else { 1.0 };
        let table: [u8; 256] = std::array::from_fn(|value| encoded(f64::from(linear(value as u8)) * gain));
        table
    });
    let pixels = frame.pixels().iter().enumerate().map(|(i, &v)| tables[i % 3][usize::from(v)]).collect();
    Frame::new(frame.width(), frame.height(), pixels)
}

#[cfg(test)]
mod tests {
    use super::super::flash::bytes;
    use super::*;
    use crate::face::extractor_for_tests;

    const COLLINS: &[u8] = include_bytes!("../../../tests/pictures/collins.jpg");
    const AMPLITUDE: f64 = 0.1;

    /// A portrait that stands still for this many frames, fifteen a second.
    fn recorded(frames: u32) -> LightRecording<1> {
        let mut extractor = extractor_for_tests();
        let portrait = Frame::clone(&extractor.decode(COLLINS, &|| false).expect("a picture"));
        let mut recording = LightRecording::new([AMPLITUDE]);
        for number in 0..frames {
            recording.push(&mut extractor, &portrait, Duration::from_secs(1) * number / 15).expect("models that run");
        }
        recording
    }

    #[test]
    fn the_color_that_is_asked_for_is_seen_and_no_other() {
        let recording = recorded(42); // 2.73 s
        assert_eq!(recording.windows(), [0.0]);
        let mut random = bytes(1);
        let mut draw = |others: &[Schedule]| Schedule::draw(&mut random, others).expect("a schedule");
        let other = draw(&[]);
        let asked = draw(&[other]);
        let lit = recording.before(0);
        let outcome = |shown| lit.outcome(0.0, &asked, shown);
        assert_eq!(outcome(Some((&asked, 0.06))), Outcome::Pass);
        assert_eq!(outcome(Some((&asked, 0.66))), Outcome::Fail);
        assert_eq!(outcome(Some((&other, 0.06))), Outcome::Fail);
        assert_eq!(outcome(None), Outcome::Fail);
    }

    #[test]
    fn stretches_lie_within_the_recording() {
        let mut recording = LightRecording::new([AMPLITUDE]);
        assert!(recording.windows().is_empty());
        recording.end = 3.4;
        assert_eq!(recording.windows(), [0.0, 0.35, 0.7]);
    }

    #[test]
    fn light_brightens_the_channels_of_its_color_and_clips() {
        let frame = Frame::new(2, 1, vec![100, 100, 100, 250, 250, 0]);
        let lit = lit(&frame, Color::Yellow, 0.1);
        assert_eq!(lit.pixels(), [105, 105, 100, 255, 255, 0]);
    }
}

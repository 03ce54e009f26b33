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
use crate::face::geometry::{Point, SUB};
use crate::face::select::most_central;
use crate::media::Frame;

/// Length of a stretch of a recording, in seconds: the schedule and what is seen of it late.
const WINDOW: f64 = LENGTH + 0.2;

/// From the beginning of one stretch to that of the next, in seconds: about a step of the schedule, so that stretches overlap.
const SHIFT: f64 = 0.35;

/// How far the face reaches around its five points, in the greatest extent of these: forehead and cheeks lie within it.
const MARGIN: f64 = 1.0;

/// The observations of a recording's faces, as they are and as each color would light them.
pub struct LightRecording {
    amplitude: f64,
    frames: Vec<LitFrame>,
    end: f64,
}

struct LitFrame {
    /// Seconds since the recording began.
    at: f64,
    unlit: Option<Observation>,
    /// In the order of [`Color::ALL`].
    lit: [Option<Observation>; Color::ALL.len()],
}

impl LightRecording {
    /// Before a screen whose light is `amplitude` times the rest.
    pub fn new(amplitude: f64) -> Self {
        Self { amplitude, frames: vec![], end: 0.0 }
    }

    /// Takes the next frame, shown at `at`.
    pub fn push(&mut self, extractor: &mut Extractor, frame: &Frame, at: Duration) -> Result<(), engine::Error> {
        self.end = at.as_secs_f64();
        let faces = extractor.detector.find_upright(frame)?;
        let Some(face) = most_central(&faces, frame) else { return Ok(()) };
        let (frame, points) = around(frame, &face.points);
        let observe = |frame: &Frame| Observation::of(frame, &points, self.end);
        let lit = Color::ALL.map(|color| observe(&lit(&frame, color, self.amplitude)));
        self.frames.push(LitFrame { at: self.end, unlit: observe(&frame), lit });
        Ok(())
    }

    /// Where stretches that are long enough for a schedule begin, in seconds. They overlap.
    pub fn windows(&self) -> Vec<f64> {
        let starts = (0..).map(|number| f64::from(number) * SHIFT);
        starts.take_while(|start| start + WINDOW <= self.end).collect()
    }

    /// The outcome if `asked` is to be seen in the stretch that begins at `start`, and the screen shows `shown`, or nothing, `late` seconds
    /// later, at a kiosk that was calibrated with this recording.
    pub fn outcome(&self, start: f64, asked: &Schedule, shown: Option<&Schedule>, late: f64) -> Outcome {
        let during = self.frames.iter().filter(|frame| (start..start + WINDOW).contains(&frame.at));
        let color = |at: f64| {
            let step = ((at - start - late) / STEP).floor();
            if step < 0.0 { None } else { shown?.colors().get(step as usize) }
        };
        let observe = |frame: &LitFrame| {
            let mut seen = color(frame.at).map_or(frame.unlit, |color| frame.lit[*color as usize])?;
            seen.at -= start;
            Some(seen)
        };
        let observations: Vec<Observation> = during.filter_map(observe).collect();
        judge(asked, &observations, &self.calibration(), Exposure::default()).0
    }

    /// As if the person had sat there for it.
    fn calibration(&self) -> Calibration {
        let seen: Vec<Observation> = self.frames.iter().filter_map(|frame| frame.unlit).collect();
        let light = seen.iter().map(Observation::light).sum::<f64>() / seen.len().max(1) as f64;
        Calibration {
            amplitude: self.amplitude,
            eye_distance: eye_distance(&seen),
            light,
            exposure: Exposure::default(),
        }
    }
}

/// The part of a frame with the face in it, and the points there.
fn around(frame: &Frame, points: &[Point; 5]) -> (Frame, [Point; 5]) {
    let pixels = |of: fn(&Point) -> i32| points.each_ref().map(|p| f64::from(of(p)) / f64::from(SUB));
    let (xs, ys) = (pixels(|p| p.x), pixels(|p| p.y));
    let ends = |of: [f64; 5]| (of.into_iter().fold(f64::MAX, f64::min), of.into_iter().fold(f64::MIN, f64::max));
    let ((left, right), (top, bottom)) = (ends(xs), ends(ys));
    let margin = MARGIN * (right - left).max(bottom - top);
    let span = |from: f64, to: f64, size: usize| {
        let from = (from - margin).clamp(0.0, (size - 1) as f64) as usize;
        (from, ((to + margin).clamp(0.0, size as f64) as usize).saturating_sub(from).max(1))
    };
    let ((x, width), (y, height)) = (span(left, right, frame.width()), span(top, bottom, frame.height()));
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
    fn recorded(frames: u32) -> LightRecording {
        let mut extractor = extractor_for_tests();
        let portrait = Frame::clone(&extractor.decode(COLLINS, &|| false).expect("a picture"));
        let mut recording = LightRecording::new(AMPLITUDE);
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
        let outcome = |shown, late| recording.outcome(0.0, &asked, shown, late);
        assert_eq!(outcome(Some(&asked), 0.06), Outcome::Pass);
        assert_eq!(outcome(Some(&asked), 0.66), Outcome::Fail);
        assert_eq!(outcome(Some(&other), 0.06), Outcome::Fail);
        assert_eq!(outcome(None, 0.0), Outcome::Fail);
    }

    #[test]
    fn stretches_lie_within_the_recording() {
        let mut recording = LightRecording::new(AMPLITUDE);
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

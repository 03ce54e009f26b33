//! Measures recordings against challenges: which directions a head turns to in one, and how often it would meet a challenge if it were
//! shown to the camera in a loop. For evaluation only; nothing is judged by it.

use std::time::Duration;

use super::draw::draw;
use super::rules::{Observation, Rules, State};
use crate::engine;
use crate::face::extractor::Extractor;
use crate::face::found::Face;
use crate::face::liveness::turn::{Direction, Held, Pose, Reference, Turn};
use crate::face::mesh::Mesh;
use crate::media::Frame;

/// What was found in the frames of a recording.
#[derive(Default)]
pub struct Recording {
    frames: Vec<(Duration, Option<(Face, Mesh)>)>,
}

/// A recording whose poses are known.
pub struct Poses {
    frames: Vec<(Duration, Observation)>,
    turns: Vec<Turn>,
}

impl Recording {
    /// Number of frames so far.
    pub fn frames(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    /// Takes the next frame, shown at `at`.
    pub fn push(&mut self, extractor: &mut Extractor, frame: &Frame, at: Duration) -> Result<(), engine::Error> {
        let found = match extractor.central_upright(frame)? {
            Some(face) => extractor.mesh(frame, &face)?.map(|mesh| (face, mesh)),
            None => None,
        };
        self.frames.push((at, found));
        Ok(())
    }

    /// The poses against the frame from which the others are turned least; none if none looks straight ahead.
    pub fn poses(&self) -> Option<Poses> {
        let found = self.frames.iter().filter_map(|(_, found)| found.as_ref());
        let reference = Reference::least_turned(found.map(|(face, mesh)| (mesh, &face.points)))?;
        let mut poses = Poses { frames: vec![], turns: vec![] };
        for (at, found) in &self.frames {
            let turn = found.as_ref().and_then(|(face, mesh)| Some((face, reference.compare(mesh, &face.points)?)));
            let seen = turn.map_or(Observation::Nobody, |(face, turn)| Observation::Person {
                place: face.bounds,
                parallax: (turn.x, turn.y),
                pose: Pose::of(&turn),
            });
            poses.turns.extend(turn.map(|(_, turn)| turn));
            poses.frames.push((*at, seen));
        }
        Some(poses)
    }
}

impl Poses {
    /// The directions to which the head turns, in the order of [`Direction::ALL`].
    pub fn directions(&self) -> [bool; 4] {
        let (mut held, mut seen) = (Held::default(), [false; 4]);
        for (_, observation) in &self.frames {
            let Observation::Person { pose, .. } = observation else { continue };
            if let Some(direction) = held.push(*pose) {
                seen[direction as usize] = true;
            }
        }
        seen
    }

    /// Largest parallax in a direction, in eye distances, that three frames reach.
    pub fn parallax(&self, direction: Direction) -> f64 {
        let mut along: Vec<f64> = self.turns.iter().map(|turn| direction.along((turn.x, turn.y))).collect();
        along.sort_by(|a, b| b.total_cmp(a));
        along.get(2).copied().unwrap_or_default()
    }

    /// How many of `attempts` challenges of `count` directions are met by the recording, shown in a loop from a random place on.
    pub fn attempts(&self, attempts: usize, count: usize, mut random: impl FnMut() -> u16) -> usize {
        let Some((last, _)) = self.frames.last() else { return 0 };
        // From the last frame to the first again it takes as long as from one to the next.
        let length = *last + *last / (self.frames.len() as u32).max(2);
        if length.is_zero() {
            return 0;
        }
        (0..attempts).filter(|_| self.attempt(count, length, &mut random)).count()
    }

    fn attempt(&self, count: usize, length: Duration, random: &mut impl FnMut() -> u16) -> bool {
        let tasks = draw(count, &[], &mut *random);
        let first = usize::from(random()) * self.frames.len() / (usize::from(u16::MAX) + 1);
        let origin = self.frames[first].0;
        let mut rules: Option<Rules> = None;
        for round in 0.. {
            for (number, (at, seen)) in self.frames.iter().enumerate().skip(if round == 0 { first } else { 0 }) {
                let now = *at + length * round - origin;
                // The service waits for a frontal face before it asks for anything.
                let is_centered = matches!(seen, Observation::Person { pose: Pose::Centered, .. });
                match &mut rules {
                    None if is_centered => rules = Some(Rules::new(tasks.clone(), now)),
                    None if round > 1 && number == 0 => return false,
                    None => {}
                    Some(rules) => match rules.push(now, *seen) {
                        State::Open => {}
                        State::Met => return true,
                        State::Ended(_) => return false,
                    },
                }
            }
        }
        false
    }
}

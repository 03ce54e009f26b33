//! Counts the frames that show a turn: single ones err.

use super::pose::{Direction, Pose};

/// The frames that showed a turn into one direction so far. A frame that shows another one or a centered head starts over; frames between,
/// and those without a face, as a profile often is, count for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::face) struct Held {
    shown: Option<(Direction, u32)>,
}

impl Held {
    /// Frames that have to show the turn, so that one with misplaced landmarks decides nothing, and so that a turn takes a moment. Among
    /// the frames of 70 moved prints one shows a turn: the face that was found in it is that of the person behind the print.
    pub(in crate::face) const FRAMES: u32 = 3;

    /// Takes the next frame's pose; the direction once enough frames have shown it.
    pub(in crate::face) fn push(&mut self, pose: Pose) -> Option<Direction> {
        self.shown = match (pose, self.shown) {
            (Pose::Toward(now), Some((before, frames))) if now == before => Some((now, frames.saturating_add(1))),
            (Pose::Toward(now), _) => Some((now, 1)),
            (Pose::Centered, _) => None,
            (Pose::Partial { .. }, shown) => shown,
        };
        self.shown.filter(|(_, frames)| *frames >= Self::FRAMES).map(|(direction, _)| direction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_needs_three_frames_in_one_direction() {
        let partial = Pose::Partial { direction: Direction::Right, amplitude: 0.7 };
        let (right, up) = (Pose::Toward(Direction::Right), Pose::Toward(Direction::Up));
        let mut held = Held::default();
        let told = [right, partial, right, up, right, right, Pose::Centered, right, right, partial, right, right]
            .map(|pose| held.push(pose));
        let wanted = [None; 10].into_iter().chain([Some(Direction::Right); 2]);
        assert!(told.into_iter().eq(wanted), "{told:?}");
    }
}

//! What a person before the camera is asked to do, for programs; in words it is told by whoever shows it.

use crate::face::Direction;

/// What is asked, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Look at the camera and hold still.
    Look,
    /// Turn the head, as the person sees it.
    Turn(Way),
    /// Hold still while the screen changes its color.
    Light,
    /// It is over, and well.
    Passed,
    /// It is over.
    Failed,
}

/// A direction as the person sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
}

impl Way {
    /// The way of a head that turns so in the picture, which is not mirrored.
    pub fn of(direction: Direction) -> Self {
        match direction {
            Direction::Left => Self::Right,
            Direction::Right => Self::Left,
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }

    /// What is said to have it taken.
    pub fn instruction(self) -> Instruction {
        Instruction::Turn(self)
    }
}

impl Instruction {
    /// The word that programs read.
    pub fn code(self) -> &'static str {
        match self {
            Self::Look => "look_at_camera",
            Self::Turn(Way::Left) => "turn_left",
            Self::Turn(Way::Right) => "turn_right",
            Self::Turn(Way::Up) => "look_up",
            Self::Turn(Way::Down) => "look_down",
            Self::Light => "hold_still",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

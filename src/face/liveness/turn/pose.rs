//! What a [`Turn`] means: a head that looks straight ahead, that has turned far enough for a sheet to be excluded, or something between. A
//! small turn is never an attack: it is a person who should turn further.

use super::Turn;

/// Where a face has turned, as the camera's picture shows it. That picture is not mirrored: what a person calls its left is the picture's
/// right, so a prompt for `Right` says "left". A selfie may be stored mirrored; nothing in it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the left in the picture: the person's right.
    Left,
    /// To the right in the picture: the person's left.
    Right,
    /// The head raised.
    Up,
    /// The head lowered.
    Down,
}

/// The pose of a head against its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::face) enum Pose {
    /// It looks where it looked in the reference.
    Centered,
    /// It has turned, or has been turned, less than is needed.
    Partial {
        /// Where to.
        direction: Direction,
        /// Share of what is needed, 0 to less than 1.
        amplitude: f64,
    },
    /// It has turned so far that it is no sheet, in this frame.
    Toward(Direction),
}

/// What a turn needs. A sheet is told from a head by parallax, and by parallax in proportion to the foreshortening; what the landmark model
/// and the detector see in sheets that are bent, tilted about both axes and rolled decides how much. docs/design/liveness.md has the
/// figures.
struct Needs {
    /// Least parallax of the mesh, in eye distances.
    mesh: f64,
    /// Least parallax of the nose in the same direction, in eye distances.
    nose: f64,
    /// Least share of the parallax that the foreshortening calls for: a turned head has about 1, a turned sheet little.
    share: f64,
}

/// To either side: a turn by 25 degrees. People reach 0.50 to 0.87, with 0.30 to 0.52 of the nose. Sheets reach one of them, bent to a
/// radius of two eye distances and less: 0.46 with 0.25 of the nose, 0.34 with 0.32.
const SIDEWAYS: Needs = Needs { mesh: 0.42, nose: 0.27, share: 0.5 };
/// By 24 degrees. People reach 0.45 to 0.69 and shares of 0.77 to 0.92; sheets 0.25, and 0.42 with as much across.
const UP: Needs = Needs { mesh: 0.40, nose: 0.0, share: 0.6 };
/// By 22 degrees. People reach 0.39 to 0.64. The landmark model foreshortens a lowered face less than it should: their shares are 1.06 to
/// 3. Of the sheets one reaches 0.43, bent to a radius of two eye distances, tilted about both axes and rolled, and its share is 0.79 at
/// most.
const DOWN: Needs = Needs { mesh: 0.37, nose: 0.0, share: 0.85 };
/// Most parallax across the direction, as a share of that along it: people stay below 0.4, and most below 0.25. Sheets that are tilted
/// about both axes show theirs in any direction.
const ACROSS: f64 = 0.5;
/// Most parallax of mesh or nose with which a head is centered.
const CENTER: f64 = 0.15;

impl Direction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Up, Self::Down];

    /// How far a parallax to the right and down goes in this direction.
    pub(in crate::face) fn along(self, (x, y): (f64, f64)) -> f64 {
        match self {
            Self::Left => -x,
            Self::Right => x,
            Self::Up => -y,
            Self::Down => y,
        }
    }

    /// Least parallax of the mesh for a turn in this direction, in eye distances. A turn needs more besides.
    pub(in crate::face) fn needed(self) -> f64 {
        match self {
            Self::Left | Self::Right => SIDEWAYS.mesh,
            Self::Up => UP.mesh,
            Self::Down => DOWN.mesh,
        }
    }
}

impl Pose {
    /// The pose by one comparison.
    pub(in crate::face) fn of(turn: &Turn) -> Self {
        if [turn.x, turn.y, turn.nose].iter().all(|v| v.abs() <= CENTER) {
            return Self::Centered;
        }
        let right = turn.x > 0.0;
        let sideways = if right { Direction::Right } else { Direction::Left };
        let (upright, needs) = if turn.y > 0.0 { (Direction::Down, DOWN) } else { (Direction::Up, UP) };
        // The greater part of what it needs decides which direction it is.
        let (x, y) = (turn.x.abs(), turn.y.abs());
        let (direction, amplitude) = if x / SIDEWAYS.mesh >= y / needs.mesh {
            (sideways, SIDEWAYS.met(x, y, if right { turn.nose } else { -turn.nose }, turn.squeeze))
        } else {
            (upright, needs.met(y, x, 0.0, turn.squeeze))
        };
        if amplitude >= 1.0 { Self::Toward(direction) } else { Self::Partial { direction, amplitude } }
    }
}

impl Needs {
    /// The least met of them, as a share, 0..1, by the parallax along the direction and across it.
    fn met(&self, along: f64, across: f64, nose: f64, squeeze: f64) -> f64 {
        let called_for = self.share * (1.0 - squeeze * squeeze).max(0.0).sqrt();
        let parts = [(along, self.mesh), (nose, self.nose), (along, called_for), (along, across / ACROSS)];
        // What isn't asked for is met.
        let part = |(is, least): (f64, f64)| if is < least { is.max(0.0) / least } else { 1.0 };
        parts.map(part).into_iter().fold(1.0, f64::min)
    }
}

//! Decides by what the frames of a camera show whether a challenge is met: a state machine over observations with their times.
//!
//! It looks at no pixels. A challenge is a list of directions. Before each, the head is held still in the middle; then the
//! direction is asked for, and the head has to turn there next, neither at once nor late. What a recording does that was not made for
//! this challenge ends it: a head that moves unasked, turns elsewhere first, or jumps from one frame to the next.

use std::time::Duration;

use super::draw::Task;
use crate::face::found::is_same_place;
use crate::face::geometry::Rect;
use crate::face::liveness::turn::{Direction, Held, Pose};

/// What a frame shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::face::liveness) enum Observation {
    /// No face, or none of which the pose can be told.
    Nobody,
    /// More people than one.
    Several,
    /// The subject.
    Person {
        /// Its box.
        place: Rect,
        /// Parallax to the right and down, in eye distances.
        parallax: (f64, f64),
        /// The same as a pose.
        pose: Pose,
    },
}

/// What the subject is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prompt {
    /// Look at the camera and hold still.
    Center,
    /// Turn the head in this direction, as seen in the picture.
    Turn(Direction),
}

/// Why a challenge was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The head did not do in time what it was asked to.
    TooSlow,
    /// The head turned before it was asked to, or sooner than people can.
    Unasked,
    /// The head turned in another direction than it was asked to.
    OtherDirection,
    /// Place or pose changed more from one frame to the next than a head can move.
    Jump,
    /// The face was not seen for too long.
    Gone,
    /// No frames came for too long.
    Gap,
    /// A second person was there.
    SecondPerson,
    /// The face changed to another person's.
    Exchanged,
    /// The face was judged a presentation attack by its looks.
    Attack,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooSlow => "the head did not turn in time as it was asked to",
            Self::Unasked => "the head turned before it was asked to",
            Self::OtherDirection => "the head turned in another direction than it was asked to",
            Self::Jump => "the face changed its place or pose faster than a head moves",
            Self::Gone => "the face was not seen for too long",
            Self::Gap => "the camera or the service paused for too long",
            Self::SecondPerson => "a second person came into the picture",
            Self::Exchanged => "the face changed to another person's",
            Self::Attack => "the face was judged a presentation attack",
        })
    }
}

impl Ending {
    /// The word that programs read.
    pub fn word(self) -> &'static str {
        match self {
            Self::TooSlow => "too_slow",
            Self::Unasked => "unasked",
            Self::OtherDirection => "other_direction",
            Self::Jump => "jump",
            Self::Gone => "gone",
            Self::Gap => "gap",
            Self::SecondPerson => "second_person",
            Self::Exchanged => "exchanged",
            Self::Attack => "attack",
        }
    }

    /// Whether it tells of an attack. Otherwise it is a non-response (ISO/IEC 30107-3): the subject did not do what was needed.
    pub fn is_attack(self) -> bool {
        match self {
            Self::TooSlow | Self::Gone | Self::Gap => false,
            Self::Unasked | Self::OtherDirection | Self::Jump => true,
            Self::SecondPerson | Self::Exchanged | Self::Attack => true,
        }
    }

    /// Whether another challenge may follow in the same session: not where the face itself is in doubt.
    pub fn may_be_retried(self) -> bool {
        !matches!(self, Self::SecondPerson | Self::Exchanged | Self::Attack)
    }
}

/// State after a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::face::liveness) enum State {
    /// It goes on.
    Open,
    /// All directions were met, and the head is in the middle again.
    Met,
    /// It ended otherwise.
    Ended(Ending),
}

/// A direction that was met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response {
    /// As seen in the picture.
    pub direction: Direction,
    /// From when it was asked for until the head was there.
    pub time: Duration,
    /// Largest parallax meanwhile, in eye distances.
    pub parallax: f64,
}

/// From when a direction is asked for: nobody is faster (simple visual reaction time is 0.2 s, and a head takes some more to turn), and
/// whoever is slower does not follow.
const REACTION: Duration = Duration::from_millis(300);
const TIME: Duration = Duration::from_secs(3);

/// Frames in a row that show a direction that was not asked for: fewer than [`Held`] wants of one that was, and more than one, which may
/// be wrong.
const UNASKED: usize = 2;

/// Frames in a row with more than one person that end a challenge. The detector sees a second face in single frames.
const SEVERAL: usize = 3;

/// Longest time without a face whose pose can be told: blur and a detector's errors last for some frames.
const LONGEST_ABSENCE: Duration = Duration::from_secs(1);
/// Longest time between two frames. Within it, another presentation could take the place of the first; a slow board takes half of it for a
/// frontal frame.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Largest change of parallax from one frame to the next: noise, in eye distances, plus a speed in eye distances a second. A head that
/// turns by 200 degrees a second changes by 3.
const PARALLAX_NOISE: f64 = 0.3;
const PARALLAX_SPEED: f64 = 3.0;

/// The course of one challenge.
#[derive(Debug)]
pub(in crate::face::liveness) struct Rules {
    tasks: Vec<Task>,
    responses: Vec<Response>,
    phase: Phase,
    /// When the phase began.
    since: Duration,
    last: Last,
    several: usize,
    /// The direction that was asked for, as far as the frames since then show it.
    held: Held,
    /// Last frames in a row that show a direction that was not asked for.
    unasked: usize,
    /// Largest parallax in the direction that is asked for.
    most: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// The head is to come to the middle and stay there for a while, from the time it is there.
    Center { there: Option<Duration> },
    /// A direction was asked for.
    Turn(Direction),
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// When the last frame was taken, and the last one with a pose.
    frame: Duration,
    pose: Duration,
    person: Option<(Rect, (f64, f64))>,
}

impl Rules {
    /// A challenge that begins at `now`, when a frontal face was seen.
    pub(in crate::face::liveness) fn new(tasks: Vec<Task>, now: Duration) -> Self {
        Self {
            tasks,
            responses: vec![],
            phase: Phase::Center { there: None },
            since: now,
            last: Last { frame: now, pose: now, person: None },
            several: 0,
            held: Held::default(),
            unasked: 0,
            most: 0.0,
        }
    }

    /// What it asks for, in order.
    pub(in crate::face::liveness) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// What is asked for now.
    pub(in crate::face::liveness) fn prompt(&self) -> Prompt {
        match self.phase {
            Phase::Center { .. } => Prompt::Center,
            Phase::Turn(direction) => Prompt::Turn(direction),
        }
    }

    /// Time that is left for it at `now`.
    pub(in crate::face::liveness) fn remaining(&self, now: Duration) -> Duration {
        (self.since + TIME).saturating_sub(now)
    }

    /// The directions that were met so far.
    pub(in crate::face::liveness) fn responses(&self) -> &[Response] {
        &self.responses
    }

    /// Takes the next frame's observation. Times must not go back.
    pub(in crate::face::liveness) fn push(&mut self, at: Duration, seen: Observation) -> State {
        self.next(at, seen).map_or_else(State::Ended, |met| if met { State::Met } else { State::Open })
    }

    fn next(&mut self, at: Duration, seen: Observation) -> Result<bool, Ending> {
        let gap = at.saturating_sub(self.last.frame);
        self.last.frame = at;
        if gap > LONGEST_GAP {
            return Err(Ending::Gap);
        }
        self.several = if seen == Observation::Several { self.several + 1 } else { 0 };
        if self.several >= SEVERAL {
            return Err(Ending::SecondPerson);
        }
        let late = at.saturating_sub(self.since) > TIME;
        let Observation::Person { place, parallax, pose } = seen else {
            let absent = at.saturating_sub(self.last.pose) > LONGEST_ABSENCE;
            return if absent {
                Err(Ending::Gone)
            } else if late {
                Err(Ending::TooSlow)
            } else {
                Ok(false)
            };
        };
        self.moves_like_a_head(at, place, parallax)?;
        let is_unasked = matches!(pose, Pose::Toward(direction) if self.phase != Phase::Turn(direction));
        self.unasked = if is_unasked { self.unasked + 1 } else { 0 };
        let (goes_on, may_be_all) = match self.phase {
            Phase::Center { there } => (self.center(at, there, pose)?, true),
            Phase::Turn(direction) => (self.turn(at, direction, parallax, pose)?, false),
        };
        match goes_on {
            true => Ok(may_be_all && self.responses.len() == self.tasks.len()),
            false if late => Err(Ending::TooSlow),
            false => Ok(false),
        }
    }

    /// Checks that place and pose changed no more than a head can move.
    fn moves_like_a_head(&mut self, at: Duration, place: Rect, parallax: (f64, f64)) -> Result<(), Ending> {
        let before = self.last.person.replace((place, parallax));
        let seconds = at.saturating_sub(self.last.pose).as_secs_f64();
        self.last.pose = at;
        let Some((last_place, last)) = before else { return Ok(()) };
        let (x, y) = (parallax.0 - last.0, parallax.1 - last.1);
        let most = PARALLAX_NOISE + PARALLAX_SPEED * seconds;
        let jumps = x * x + y * y > most * most || !is_same_place(place, last_place);
        if jumps { Err(Ending::Jump) } else { Ok(()) }
    }

    /// The head is to be in the middle; returns whether it was for long enough, after which the next direction is asked for if there is one.
    fn center(&mut self, at: Duration, there: Option<Duration>, pose: Pose) -> Result<bool, Ending> {
        let task = self.tasks.get(self.responses.len()).copied();
        // Back from the last direction, it has not come to the middle yet.
        let Some(begun) = there else {
            if pose == Pose::Centered {
                self.phase = Phase::Center { there: Some(at) };
                return Ok(task.is_none());
            }
            return Ok(false);
        };
        if self.unasked >= UNASKED {
            return Err(Ending::Unasked);
        }
        if let Some(task) = task.filter(|task| pose == Pose::Centered && at.saturating_sub(begun) >= task.pause) {
            self.enter(Phase::Turn(task.direction), at);
            return Ok(true);
        }
        Ok(false)
    }

    /// The head is to turn in this direction; returns whether it did.
    fn turn(&mut self, at: Duration, wanted: Direction, parallax: (f64, f64), pose: Pose) -> Result<bool, Ending> {
        self.most = self.most.max(wanted.along(parallax));
        if self.unasked >= UNASKED {
            return Err(Ending::OtherDirection);
        }
        if self.held.push(pose) != Some(wanted) {
            return Ok(false);
        }
        let time = at.saturating_sub(self.since);
        if time < REACTION {
            return Err(Ending::Unasked);
        }
        self.responses.push(Response { direction: wanted, time, parallax: self.most });
        self.enter(Phase::Center { there: None }, at);
        Ok(true)
    }

    fn enter(&mut self, phase: Phase, at: Duration) {
        (self.phase, self.since, self.most) = (phase, at, 0.0);
        (self.held, self.unasked) = (Held::default(), 0);
    }
}

#[cfg(test)]
mod tests;

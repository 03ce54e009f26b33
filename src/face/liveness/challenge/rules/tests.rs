use super::*;
use crate::face::geometry::{Point, SUB};

const FRAME: Duration = Duration::from_millis(66);

fn task(direction: Direction) -> Task {
    Task { direction, pause: Duration::from_millis(300) }
}

fn at(x: i32) -> Rect {
    let corner = |x: i32, y: i32| Point { x: x * SUB, y: y * SUB };
    Rect { min: corner(x, 50), max: corner(x + 100, 170) }
}

/// A simulated head: where it is and how it is turned.
struct Head {
    rules: Rules,
    now: Duration,
    x: i32,
    parallax: (f64, f64),
}

impl Head {
    fn new(directions: &[Direction]) -> Self {
        let rules = Rules::new(directions.iter().copied().map(task).collect(), Duration::ZERO);
        Self { rules, now: Duration::ZERO, x: 100, parallax: (0.0, 0.0) }
    }

    /// One more frame.
    fn frame(&mut self) -> State {
        self.now += FRAME;
        let (x, y) = self.parallax;
        let pose = match (x, y) {
            _ if x.abs() < 0.15 && y.abs() < 0.15 => Pose::Centered,
            _ if x > 0.4 => Pose::Toward(Direction::Right),
            _ if x < -0.4 => Pose::Toward(Direction::Left),
            _ if y > 0.4 => Pose::Toward(Direction::Down),
            _ if y < -0.4 => Pose::Toward(Direction::Up),
            _ => Pose::Partial { direction: Direction::Left, amplitude: 0.5 },
        };
        self.rules.push(self.now, Observation::Person { place: at(self.x), parallax: self.parallax, pose })
    }

    /// Frames for this long, until something ends it.
    fn stay(&mut self, time: Duration) -> State {
        let end = self.now + time;
        while self.now < end {
            let state = self.frame();
            if state != State::Open {
                return state;
            }
        }
        State::Open
    }

    /// Turns to this parallax as people do, in half a second.
    fn turn(&mut self, to: (f64, f64)) -> State {
        let from = self.parallax;
        for step in 1..=8 {
            let part = f64::from(step) / 8.0;
            self.parallax = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            let state = self.frame();
            if state != State::Open {
                return state;
            }
        }
        State::Open
    }

    /// Waits until something is asked for, and does it; ends in the middle.
    fn obey(&mut self) -> State {
        while self.rules.prompt() == Prompt::Center {
            let state = self.frame();
            if state != State::Open {
                return state;
            }
        }
        let Prompt::Turn(direction) = self.rules.prompt() else { unreachable!("asked for") };
        let state = self.stay(REACTION);
        if state != State::Open {
            return state;
        }
        let to = match direction {
            Direction::Left => (-0.5, 0.0),
            Direction::Right => (0.5, 0.0),
            Direction::Up => (0.0, -0.5),
            Direction::Down => (0.0, 0.5),
        };
        for step in [to, to, (0.0, 0.0)] {
            let state = self.turn(step);
            if state != State::Open {
                return state;
            }
        }
        State::Open
    }
}

const TWO: [Direction; 2] = [Direction::Left, Direction::Up];

#[test]
fn a_person_who_follows_meets_the_challenge() {
    let mut head = Head::new(&TWO);
    assert_eq!(head.obey(), State::Open);
    assert_eq!(head.obey(), State::Met);
    let directions: Vec<_> = head.rules.responses().iter().map(|response| response.direction).collect();
    assert_eq!(directions, TWO);
    assert!(head.rules.responses().iter().all(|r| r.time >= REACTION && r.parallax >= 0.45));
    assert!(head.now < Duration::from_secs(5), "{:?}", head.now);
}

#[test]
fn who_does_not_turn_is_too_slow_and_no_attack() {
    let mut head = Head::new(&TWO);
    assert_eq!(head.stay(Duration::from_secs(10)), State::Ended(Ending::TooSlow));
    assert!(!Ending::TooSlow.is_attack());
    let mut head = Head::new(&TWO);
    assert_eq!(head.stay(Duration::from_millis(500)), State::Open);
    assert_eq!(head.turn((-0.3, 0.0)), State::Open, "not far enough is no attack");
    assert_eq!(head.stay(Duration::from_secs(10)), State::Ended(Ending::TooSlow));
}

#[test]
fn turning_elsewhere_before_or_at_once_ends_it() {
    let mut head = Head::new(&TWO);
    head.stay(Duration::from_secs(1));
    assert_eq!(head.turn((0.5, 0.0)), State::Ended(Ending::OtherDirection));
    let mut head = Head::new(&TWO);
    head.frame();
    assert_eq!(head.turn((-0.9, 0.0)), State::Ended(Ending::Unasked), "it turns while it is to hold still");
    let mut head = Head::new(&TWO);
    while head.rules.prompt() == Prompt::Center {
        head.frame();
    }
    // Two frames on the way and three there are a fifth of a second: nobody is that fast.
    for x in [-0.3, -0.5, -0.5, -0.5] {
        head.parallax = (x, 0.0);
        head.frame();
    }
    assert_eq!(head.rules.responses().len(), 0);
}

#[test]
fn jumps_of_pose_and_place_end_it() {
    let mut head = Head::new(&TWO);
    head.stay(Duration::from_millis(500));
    head.parallax = (-0.7, 0.0);
    assert_eq!(head.frame(), State::Ended(Ending::Jump));
    let mut head = Head::new(&TWO);
    head.frame();
    head.x += 90;
    assert_eq!(head.frame(), State::Ended(Ending::Jump));
}

#[test]
fn gaps_absence_and_company_end_it() {
    let mut head = Head::new(&TWO);
    head.frame();
    head.now += Duration::from_millis(1_100);
    assert_eq!(head.frame(), State::Ended(Ending::Gap));
    let pushed = |seen, frames: u32| {
        let mut head = Head::new(&TWO);
        head.frame();
        let mut push = || {
            head.now += FRAME;
            head.rules.push(head.now, seen)
        };
        (0..frames).map(|_| push()).last().expect("frames")
    };
    assert_eq!(pushed(Observation::Nobody, 14), State::Open);
    assert_eq!(pushed(Observation::Nobody, 17), State::Ended(Ending::Gone));
    assert_eq!(pushed(Observation::Several, 2), State::Open);
    assert_eq!(pushed(Observation::Several, 3), State::Ended(Ending::SecondPerson));
}

#[test]
fn one_wrong_frame_ends_nothing() {
    let mut head = Head::new(&TWO);
    while head.rules.prompt() == Prompt::Center {
        head.frame();
    }
    let pose = Pose::Toward(Direction::Right);
    head.now += FRAME;
    let odd = Observation::Person { place: at(head.x), parallax: (0.38, 0.0), pose };
    assert_eq!(head.rules.push(head.now, odd), State::Open);
    assert_eq!(head.obey(), State::Open);
    assert_eq!(head.obey(), State::Met);
}

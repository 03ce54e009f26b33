//! Thirty days of a door in seconds: people by a seed, attacks, crowds, faults, power cuts, clocks that jump and disks that are full.
//!
//! The simulation knows who stands before the camera and what the time really is; the controller is only told what a device would know. What
//! must never happen is asserted at each opening.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::events::{Details, Kind, Method};
use crate::ops::settings::{self, Day, Door, DoorMode};
use crate::people::PersonId;

/// A generator of numbers (xorshift64*, Vigna 2016), for simulations alone.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Who stands before the camera.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Visitor {
    /// Enrolled, with this number: the first third is staff, the second guards, the others are in no group.
    Known(u64),
    Stranger,
    /// Somebody between two people.
    Doubtful(u64),
    Attacker,
    /// Turns away before there is a result.
    Passer,
}

const PEOPLE: u64 = 30;
const START: i64 = 1_795_996_800; // 2026-11-30, a Monday, 00:00 UTC

struct World {
    random: Random,
    controller: Controller,
    settings: Door,
    /// Time since the start of the simulation, which the door's clock need not agree with.
    at: Duration,
    /// By how much the clock of the door is wrong, and whether it knows.
    clock_error_s: i64,
    is_synchronized: bool,
    disk_is_full: bool,
    /// Events as they are kept, by number.
    journal: Vec<(u64, Kind, Details)>,
    /// Until when the relay is on, and since when.
    relay: Option<(Duration, Duration)>,
    /// What the present step may open for.
    permitted: Option<(Kind, Option<PersonId>)>,
    openings: [usize; 3],
    attempts: Vec<Option<PersonId>>,
}

fn id(number: u64) -> PersonId {
    PersonId::new(format!("p{number}")).unwrap()
}

fn groups(number: u64) -> Vec<String> {
    match number {
        n if n < PEOPLE / 3 => vec!["staff".into()],
        n if n < 2 * PEOPLE / 3 => vec!["guards".into()],
        _ => vec![],
    }
}

fn door() -> Door {
    let schedule = |group: &str, days: &[Day], from: &str, to: &str| settings::Schedule {
        groups: vec![group.into()],
        days: days.to_vec(),
        from: from.into(),
        to: to.into(),
        zone: "UTC".into(),
        except: vec![],
    };
    let week = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];
    let schedules = vec![schedule("staff", &week, "07:00", "19:00"), schedule("guards", &[], "00:00", "24:00")];
    Door { mode: DoorMode::ClaimOrIdentify, schedules, ..Door::default() }
}

impl World {
    fn new(seed: u64) -> Self {
        let settings = door();
        Self {
            random: Random(seed | 1),
            controller: Controller::new(Config::new(&settings)),
            settings,
            at: Duration::ZERO,
            clock_error_s: 0,
            is_synchronized: true,
            disk_is_full: false,
            journal: vec![],
            relay: None,
            permitted: None,
            openings: [0; 3],
            attempts: vec![],
        }
    }

    /// The hour and the day of the week (from Monday) of the door's clock, by hand.
    fn wall(&self) -> (u64, u64) {
        let seconds = self.at.as_secs().wrapping_add_signed(self.clock_error_s);
        (seconds / 3600 % 24, seconds / 86_400 % 7)
    }

    /// Whether this person may pass, as the simulation sees it.
    fn may_pass(&self, number: u64) -> bool {
        let (hour, day) = self.wall();
        match number {
            n if n < PEOPLE / 3 => self.is_synchronized && (7..19).contains(&hour) && day < 5,
            n if n < 2 * PEOPLE / 3 => true,
            _ => false,
        }
    }

    fn step(&mut self, input: Input) {
        let now = Timestamp::from_second(START + self.at.as_secs() as i64 + self.clock_error_s).unwrap();
        let moment = Moment { at: self.at, now, is_synchronized: self.is_synchronized };
        for action in self.controller.step(moment, input) {
            self.perform(moment, action);
        }
        assert!(self.controller.due().is_none_or(|due| due > self.at), "{:?} at {:?}", self.controller, self.at);
    }

    fn perform(&mut self, moment: Moment, action: Action) {
        match action {
            Action::Attempt(claim) => self.attempts.push(claim),
            Action::Record(kind, details) if !self.disk_is_full => self.write(kind, details),
            Action::Record(..) | Action::Refuse => {}
            Action::Open(kind, details) => {
                let permitted = self.permitted.take();
                assert_eq!(permitted, Some((kind, details.person.clone())), "nobody may open now: {moment:?}");
                if self.disk_is_full && kind != Kind::DoorExit {
                    let moment = Moment { ..moment };
                    for action in self.controller.step(moment, Input::NotOpened(details.method, "not_recorded")) {
                        self.perform(moment, action);
                    }
                    assert_eq!(self.controller.is_unlocked(self.at), self.relay.is_some());
                    return;
                }
                let by = if kind == Kind::DoorExit { 2 } else { usize::from(details.method == Some(Method::Command)) };
                self.openings[by] += 1;
                if !self.disk_is_full {
                    self.write(kind, details);
                }
                self.relay = Some((self.at, self.at + Duration::from_millis(self.settings.pulse_ms)));
            }
        }
    }

    fn write(&mut self, kind: Kind, details: Details) {
        let next = self.journal.last().map_or(1, |(last, ..)| last + 1);
        self.journal.push((next, kind, details));
    }

    /// Lets time pass, with what is due in it.
    fn wait(&mut self, time: Duration) {
        let end = self.at + time;
        while let Some(due) = self.controller.due().filter(|due| *due <= end) {
            self.at = due;
            self.relay_falls();
            self.step(Input::Tick);
        }
        self.at = end;
        self.relay_falls();
    }

    fn relay_falls(&mut self) {
        let pulse = Duration::from_millis(self.settings.pulse_ms);
        if let Some((since, until)) = self.relay {
            assert!(until - since == pulse);
            assert!(self.controller.is_unlocked(self.at) || until <= self.at, "the lock is open longer than is known");
            self.relay = Some((since, until)).filter(|_| until > self.at);
        }
    }

    fn power_cut(&mut self) {
        self.controller = Controller::new(Config::new(&self.settings));
        (self.relay, self.attempts) = (None, vec![]);
        assert_eq!((self.controller.state(), self.controller.is_unlocked(self.at)), (&State::Looking, false));
        // Boards without a clock start in the past.
        if self.random.one_in(2) {
            (self.is_synchronized, self.clock_error_s) = (false, -(self.at.as_secs() as i64));
        }
    }

    fn visit(&mut self) {
        let visitor = match self.random.below(100) {
            0..=54 => Visitor::Known(self.random.below(PEOPLE)),
            55..=74 => Visitor::Stranger,
            75..=79 => Visitor::Doubtful(self.random.below(PEOPLE)),
            80..=89 => Visitor::Attacker,
            _ => Visitor::Passer,
        };
        if self.random.one_in(5) {
            let claimed = self.random.below(PEOPLE);
            self.step(Input::Claimed(id(claimed)));
        }
        // The visitor stands there for some seconds; frames come five times a second.
        for _ in 0..5 + self.random.below(60) {
            self.step(Input::Face(true));
            if let Some(claim) = self.attempts.pop() {
                self.attempt(visitor, claim);
            }
            self.wait(Duration::from_millis(200));
            if self.relay.is_some() && self.random.one_in(8) {
                self.step(Input::Contact(true));
                let stay = Duration::from_secs(1 + self.random.below(60));
                self.wait(stay);
                self.step(Input::Contact(false));
                break;
            }
        }
        for _ in 0..8 {
            self.wait(Duration::from_millis(200));
            self.step(Input::Face(false));
        }
    }

    fn attempt(&mut self, visitor: Visitor, claim: Option<PersonId>) {
        let took = Duration::from_millis(300 + self.random.below(6000));
        self.wait(took);
        if self.random.one_in(200) {
            return self.power_cut();
        }
        let finding = |person, reason, score| Outcome::Person(Finding { person, reason, score, liveness: "challenge" });
        let candidate = |n| Some(Candidate { id: id(n), groups: groups(n), has_dates: false });
        // With a claim, only the claimed person is compared.
        let is_claimed = |n| claim.as_ref().is_none_or(|claim| *claim == id(n));
        let outcome = match visitor {
            Visitor::Known(n) if is_claimed(n) => finding(candidate(n), None, 0.97),
            Visitor::Known(_) | Visitor::Stranger => finding(None, Some("unknown"), 0.1),
            Visitor::Doubtful(n) => finding(None, Some("ambiguous"), 0.8 + n as f64 / 1000.0),
            Visitor::Attacker => Outcome::Attack("attack".into(), Duration::from_secs(5)),
            Visitor::Passer => Outcome::Nobody("nobody".into()),
        };
        let outcome = if self.random.one_in(50) { Outcome::Fault("camera", "unplugged".into()) } else { outcome };
        self.permitted = match (visitor, &outcome) {
            (Visitor::Known(n), Outcome::Person(Finding { person: Some(_), .. })) if self.may_pass(n) => {
                Some((Kind::AccessGranted, Some(id(n))))
            }
            _ => None,
        };
        self.step(Input::Attempted(outcome));
        self.permitted = None;
    }

    fn something_else(&mut self) {
        match self.random.below(12) {
            0 => {
                self.permitted = Some((Kind::AccessGranted, None));
                self.step(Input::Open);
            }
            1 | 2 => {
                self.permitted = Some((Kind::DoorExit, None));
                self.step(Input::Exit);
            }
            3 => (0..6).for_each(|_| self.step(Input::WrongCredential)),
            4 => {
                let mode = [DoorMode::Off, DoorMode::Identify, DoorMode::Claim, DoorMode::ClaimOrIdentify];
                let mode = mode[self.random.below(4) as usize];
                self.step(Input::Mode(mode));
            }
            5 => self.step(Input::Fault { part: "camera", what: Some("gone".into()) }),
            6 => self.step(Input::Fault { part: "camera", what: None }),
            7 => self.disk_is_full = !self.disk_is_full,
            8 => self.clock_error_s = self.random.below(200_000) as i64 - 100_000,
            9 => (self.is_synchronized, self.clock_error_s) = (true, 0),
            10 => self.power_cut(),
            _ => {
                let is_open = self.controller.is_open();
                self.step(Input::Contact(!is_open));
            }
        }
        self.permitted = None;
    }

    /// Lives through so many days; returns how often the door was opened by faces, commands and the button.
    fn days(mut self, days: u64) -> [usize; 3] {
        while self.at < Duration::from_secs(days * 86_400) {
            match self.random.below(4) {
                0 => self.something_else(),
                _ => self.visit(),
            }
            // Crowds, and the quiet of nights.
            let pause = if self.random.one_in(3) { 1 } else { 60 + self.random.below(900) };
            self.wait(Duration::from_secs(pause));
        }
        let numbers: Vec<u64> = self.journal.iter().map(|(number, ..)| *number).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "numbers are missing");
        let granted = self.journal.iter().filter(|(_, kind, _)| *kind == Kind::AccessGranted).count();
        assert_eq!(granted, self.openings[0] + self.openings[1], "an opening without an event, or the reverse");
        self.openings
    }
}

#[test]
fn in_thirty_days_nobody_passes_who_may_not() {
    let openings = World::new(25).days(30);
    // Otherwise nothing was tested.
    assert!(openings[0] > 200 && openings[1] > 10 && openings[2] > 20, "{openings:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_day_of_any_kind_opens_for_somebody_who_may_not_pass(seed: u64) {
        World::new(seed).days(1);
    }

    #[test]
    fn any_inputs_in_any_order_leave_a_door_that_closes(inputs in proptest::collection::vec((0u8..12, 0u64..30_000), 1..200)) {
        let (mut controller, mut at) = (Controller::new(Config::new(&door())), Duration::ZERO);
        for (which, ms) in inputs {
            at += Duration::from_millis(ms);
            let moment = Moment { at, now: Timestamp::from_second(START).unwrap(), is_synchronized: which % 2 == 0 };
            let known = Candidate { id: id(1), groups: groups(u64::from(which)), has_dates: ms % 2 == 0 };
            let found = |person, reason| Outcome::Person(Finding { person, reason, score: 0.9, liveness: "required" });
            let input = match which {
                0 => Input::Tick,
                1 => Input::Face(true),
                2 => Input::Face(false),
                3 => Input::Attempted(found(Some(known), None)),
                4 => Input::Attempted(found(Some(known), Some("not_valid"))),
                5 => Input::Attempted(Outcome::Attack("paper".into(), Duration::from_millis(ms))),
                6 => Input::Attempted(Outcome::LockedOut(Duration::from_millis(ms))),
                7 => Input::Claimed(id(2)),
                8 => Input::Contact(ms % 2 == 0),
                9 => Input::Mode(DoorMode::Claim),
                10 => Input::NotOpened(Some(Method::Face), "relay"),
                _ => Input::Attempted(found(None, Some("ambiguous"))),
            };
            let may_open = which == 3;
            let actions = controller.step(moment, input);
            let opens = actions.iter().filter(|action| matches!(action, Action::Open(..))).count();
            prop_assert!(opens == 0 || may_open && opens == 1, "{actions:?}");
            prop_assert!(controller.due().is_none_or(|due| due > at));
        }
        controller.step(Moment { at: at + Duration::from_secs(60), now: Timestamp::UNIX_EPOCH, is_synchronized: false }, Input::Tick);
        prop_assert!(!controller.is_unlocked(at + Duration::from_secs(60)));
    }
}

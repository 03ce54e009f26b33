//! Decides what a door does: a state machine over inputs and times, without a clock, a camera or a lock.
//!
//! [`Controller::step`] takes what happened and returns what is to be done. The lock is opened by one action alone, [`Action::Open`], which is
//! returned for a live, known person who may pass now, for a command of somebody who may give it, and for the exit button. Whoever carries it
//! out writes the event first, and closes the lock after the pulse by itself.

use std::time::Duration;

use super::claims::Claims;
use super::schedule::Schedules;
use super::step::{Action, Candidate, Finding, Input, Moment, Outcome};
use crate::events::{Details, Kind, Method};
use crate::ops::settings::{self, DoorMode, WithoutTime};
use crate::people::PersonId;

/// How long a refusal is shown before the next attempt.
const REFUSED_FOR: Duration = Duration::from_secs(3);
/// The longest time between two attempts of somebody who is refused and stays.
const LONGEST_REFUSAL: Duration = Duration::from_secs(60);
/// Time without a face after which whoever was there has left.
const GONE: Duration = Duration::from_secs(1);
/// Time after the lock has closed in which the door may still be opened: it was pulled before.
const GRACE: Duration = Duration::from_secs(2);

/// What a door is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is let in, until that is switched.
    pub mode: DoorMode,
    /// How long the lock is open.
    pub pulse: Duration,
    /// How long the same person is not let in again.
    pub reentry: Duration,
    /// After how long a door that stands open is told.
    pub held_open: Option<Duration>,
    /// What is done while the clock is not synchronized.
    pub without_time: WithoutTime,
    /// When groups may pass.
    pub schedules: Schedules,
}

/// What a door is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Recognition is off, or waits for a claim.
    Idle,
    /// Somebody is looked for.
    Looking,
    /// Somebody is being captured.
    Challenge {
        /// Since when.
        since: Duration,
        /// Who it says it is.
        claim: Option<PersonId>,
    },
    /// Somebody was let in; the lock is open until then.
    Granted(Duration),
    /// Somebody was refused; until then no further attempt is made.
    Denied(Duration),
    /// The same after an attack.
    Attack(Duration),
    /// Whoever was let in may still be there; until then no further attempt is made.
    CoolDown(Duration),
    /// Recognition is locked until then.
    LockedOut(Duration),
}

/// The state machine of a door.
#[derive(Debug)]
pub struct Controller {
    config: Config,
    mode: DoorMode,
    state: State,
    claims: Claims,
    /// Until when the lock is open, and until when it was before it was opened last.
    open_until: Option<Duration>,
    open_until_before: Option<Duration>,
    /// Since when the door stands open, and whether it was told that this is too long.
    door_open: Option<(Duration, bool)>,
    /// Whoever was let in last, and when.
    granted: Option<(PersonId, Duration)>,
    /// When a face was last seen.
    seen: Option<Duration>,
    /// Refusals since somebody came.
    refusals: u32,
    /// Parts that do not work.
    faults: Vec<&'static str>,
}

impl Config {
    /// That of the settings.
    pub fn new(settings: &settings::Door) -> Self {
        let ms = Duration::from_millis;
        Self {
            mode: settings.mode,
            pulse: ms(settings.pulse_ms),
            reentry: ms(settings.reentry_ms),
            held_open: (settings.held_open_ms > 0).then(|| ms(settings.held_open_ms)),
            without_time: settings.without_time,
            schedules: Schedules::new(&settings.schedules),
        }
    }
}

impl State {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Looking => "looking",
            Self::Challenge { .. } => "challenge",
            Self::Granted(_) => "granted",
            Self::Denied(_) => "denied",
            Self::Attack(_) => "attack",
            Self::CoolDown(_) => "cool_down",
            Self::LockedOut(_) => "locked_out",
        }
    }

    fn until(&self) -> Option<Duration> {
        match self {
            Self::Granted(until) | Self::Denied(until) | Self::Attack(until) | Self::CoolDown(until) => Some(*until),
            Self::LockedOut(until) => Some(*until),
            Self::Idle | Self::Looking | Self::Challenge { .. } => None,
        }
    }
}

impl Controller {
    /// A door that is shut.
    pub fn new(config: Config) -> Self {
        let mut controller = Self {
            mode: config.mode,
            config,
            state: State::Idle,
            claims: Claims::default(),
            open_until: None,
            open_until_before: None,
            door_open: None,
            granted: None,
            seen: None,
            refusals: 0,
            faults: vec![],
        };
        controller.state = controller.resting(Duration::ZERO);
        controller
    }

    /// What it is doing.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Who is let in at present.
    pub fn mode(&self) -> DoorMode {
        self.mode
    }

    /// Whether the lock is open.
    pub fn is_unlocked(&self, at: Duration) -> bool {
        self.open_until.is_some_and(|until| at < until)
    }

    /// Whether the door stands open, as far as a contact tells.
    pub fn is_open(&self) -> bool {
        self.door_open.is_some()
    }

    /// Parts that do not work.
    pub fn faults(&self) -> &[&'static str] {
        &self.faults
    }

    /// How long claims are still locked.
    pub fn claims_locked(&self, at: Duration) -> Option<Duration> {
        self.claims.locked(at)
    }

    /// Whether frames have to be looked at: a face may begin an attempt, or end a wait.
    pub fn wants_frames(&self) -> bool {
        !matches!(self.state, State::Idle | State::Challenge { .. } | State::LockedOut(_))
    }

    /// When something is to be done even if nothing happens.
    pub fn due(&self) -> Option<Duration> {
        let held = self
            .door_open
            .and_then(|(since, is_told)| self.config.held_open.filter(|_| !is_told).map(|held_open| since + held_open));
        let grace = self.open_until.map(|until| until + GRACE);
        [self.state.until(), grace, held, self.claims.ends()].into_iter().flatten().min()
    }

    /// Takes what happened; returns what is to be done, in this order.
    pub fn step(&mut self, moment: Moment, input: Input) -> Vec<Action> {
        let mut actions = self.pass_time(moment);
        match input {
            Input::Tick => {}
            Input::Face(is_there) => self.face(moment, is_there, &mut actions),
            Input::Attempted(outcome) => self.attempted(moment, outcome, &mut actions),
            Input::Claimed(person) => self.claimed(moment, person),
            Input::WrongCredential => self.wrong_credential(moment, &mut actions),
            Input::Open => {
                let details = Details { method: Some(Method::Command), ..Details::default() };
                self.open(moment, Kind::AccessGranted, details, &mut actions);
            }
            Input::Exit => {
                let details = Details::default();
                self.open(moment, Kind::DoorExit, details, &mut actions);
            }
            Input::Mode(mode) => self.switched(moment, mode, &mut actions),
            Input::Contact(is_open) => self.contact(moment, is_open, &mut actions),
            Input::Fault { part, what } => self.fault(part, what, &mut actions),
            Input::NotOpened(method, reason) => {
                self.open_until = self.open_until_before.take();
                let details = Details { method, reason: Some(reason.into()), ..Details::default() };
                match method {
                    Some(Method::Face | Method::Claim) => {
                        self.granted = None;
                        self.refuse(moment, Kind::AccessDenied, details, &mut actions);
                    }
                    // A command that was not obeyed changes nothing for whoever stands there.
                    _ => actions.push(Action::Record(Kind::AccessDenied, details)),
                }
            }
        }
        actions
    }

    /// The state in which nothing happens.
    fn resting(&self, at: Duration) -> State {
        match self.mode {
            DoorMode::Off => State::Idle,
            DoorMode::Claim if self.claims.pending(at).is_none() => State::Idle,
            _ => State::Looking,
        }
    }

    fn pass_time(&mut self, moment: Moment) -> Vec<Action> {
        let at = moment.at;
        let mut actions = vec![];
        if self.claims.ends().is_some_and(|end| end <= at) {
            self.claims.clear();
        }
        if self.open_until.is_some_and(|until| until + GRACE <= at) {
            self.open_until = None;
        }
        if let (Some((since, is_told)), Some(held_open)) = (&mut self.door_open, self.config.held_open)
            && !*is_told
            && at >= *since + held_open
        {
            *is_told = true;
            let seconds = Some((at - *since).as_secs());
            actions.push(Action::Record(Kind::DoorHeldOpen, Details { seconds, ..Details::default() }));
        }
        if self.state.until().is_some_and(|until| until <= at) {
            self.state = match self.state {
                // Whoever was let in is still there.
                State::Granted(until) => State::CoolDown(until + self.config.reentry),
                _ => self.resting(at),
            };
            if self.state.until().is_some_and(|until| until <= at) {
                self.state = self.resting(at);
            }
        }
        if self.state == State::Looking && self.mode == DoorMode::Claim && self.claims.pending(at).is_none() {
            self.state = State::Idle;
        }
        actions
    }

    fn face(&mut self, moment: Moment, is_there: bool, actions: &mut Vec<Action>) {
        let at = moment.at;
        if !is_there {
            if self.seen.is_none_or(|seen| seen + GONE <= at) {
                self.refusals = 0;
                if matches!(self.state, State::CoolDown(_) | State::Denied(_)) {
                    self.state = self.resting(at);
                }
            }
            return;
        }
        self.seen = Some(at);
        if self.state == State::Looking {
            let claim = self.claims.pending(at).cloned();
            self.claims.clear();
            self.state = State::Challenge { since: at, claim: claim.clone() };
            actions.push(Action::Attempt(claim));
        }
    }

    fn attempted(&mut self, moment: Moment, outcome: Outcome, actions: &mut Vec<Action>) {
        // Recognition may have been switched off meanwhile.
        let State::Challenge { since, claim } = self.state.clone() else { return };
        let at = moment.at;
        self.seen = Some(at);
        let latency_ms = u64::try_from((at.saturating_sub(since)).as_millis()).ok();
        let details = Details { latency_ms, ..Details::default() };
        match outcome {
            Outcome::Person(finding) => self.found(moment, finding, claim, details, actions),
            Outcome::Attack(reason, lock) => {
                self.refusals += 1;
                actions.push(Action::Record(Kind::AccessAttack, Details { reason: Some(reason), ..details }));
                actions.push(Action::Refuse);
                self.state = State::Attack(at + REFUSED_FOR);
                if !lock.is_zero() {
                    self.lock_out(moment, lock, "attack", actions);
                }
            }
            Outcome::LockedOut(left) => self.lock_out(moment, left, "attack", actions),
            // Nobody has to know of whoever only passed by.
            Outcome::Nobody(reason) if reason == "nobody" => self.state = self.resting(at),
            Outcome::Nobody(reason) => {
                self.refuse(moment, Kind::AccessDenied, Details { reason: Some(reason), ..details }, actions);
            }
            Outcome::Fault(part, what) => {
                self.state = State::Denied(at + REFUSED_FOR);
                self.fault(part, Some(what), actions);
            }
        }
    }

    fn found(
        &mut self,
        moment: Moment,
        finding: Finding,
        claim: Option<PersonId>,
        details: Details,
        actions: &mut Vec<Action>,
    ) {
        let Finding { person, reason, score, liveness } = finding;
        let details = Details { score: Some(score), liveness: Some(liveness.into()), ..details };
        let Some(Candidate { id, groups, has_dates }) = person else {
            let is_unknown = matches!(reason, None | Some("unknown"));
            let (kind, reason) = match (is_unknown, &claim) {
                (true, None) => (Kind::AccessUnknown, None),
                // Somebody has the card of somebody else.
                (true, Some(_)) => (Kind::AccessDenied, Some("not_the_claimed")),
                (false, _) => (Kind::AccessDenied, reason),
            };
            let is_stolen = is_unknown && claim.is_some();
            let details = Details { reason: reason.map(str::to_owned), person: claim, ..details };
            self.refuse(moment, kind, details, actions);
            if is_stolen {
                self.count_wrong(moment, "not_the_claimed", actions);
            }
            return;
        };
        let method = Some(if claim.is_some() { Method::Claim } else { Method::Face });
        let details = Details { person: Some(id.clone()), method, ..details };
        let refused = match reason {
            Some(reason) => Some(reason),
            None if claim.as_ref().is_some_and(|claimed| *claimed != id) => Some("not_the_claimed"),
            None => self.may_not_pass(moment, &id, &groups, has_dates),
        };
        match refused {
            Some(reason) => {
                self.refuse(moment, Kind::AccessDenied, Details { reason: Some(reason.into()), ..details }, actions);
            }
            None => {
                if claim.is_some() {
                    self.claims.met();
                }
                self.granted = Some((id, moment.at));
                self.open(moment, Kind::AccessGranted, details, actions);
                self.refusals = 0;
                self.state = State::Granted(moment.at + self.config.pulse);
            }
        }
    }

    /// Why a known person may not pass now, as a word.
    fn may_not_pass(&self, moment: Moment, id: &PersonId, groups: &[String], has_dates: bool) -> Option<&'static str> {
        let schedules = &self.config.schedules;
        let needs_time = has_dates || schedules.depend_on_time(groups);
        if needs_time && !moment.is_synchronized && self.config.without_time == WithoutTime::Deny {
            return Some("clock");
        }
        if !schedules.allow(groups, moment.now) {
            return Some("schedule");
        }
        let is_back = |(who, when): &(PersonId, Duration)| who == id && moment.at < *when + self.config.reentry;
        self.granted.as_ref().is_some_and(is_back).then_some("reentry")
    }

    fn open(&mut self, moment: Moment, kind: Kind, details: Details, actions: &mut Vec<Action>) {
        self.open_until_before = self.open_until.replace(moment.at + self.config.pulse);
        actions.push(Action::Open(kind, details));
    }

    fn refuse(&mut self, moment: Moment, kind: Kind, details: Details, actions: &mut Vec<Action>) {
        actions.push(Action::Record(kind, details));
        actions.push(Action::Refuse);
        let pause = REFUSED_FOR.saturating_mul(1 << self.refusals.min(8)).min(LONGEST_REFUSAL);
        self.refusals += 1;
        self.state = State::Denied(moment.at + pause);
    }

    fn lock_out(&mut self, moment: Moment, time: Duration, reason: &str, actions: &mut Vec<Action>) {
        let details =
            Details { reason: Some(reason.into()), seconds: Some(time.as_secs().max(1)), ..Details::default() };
        actions.push(Action::Record(Kind::AccessLockedOut, details));
        self.state = State::LockedOut(moment.at + time);
    }

    fn claimed(&mut self, moment: Moment, person: PersonId) {
        self.claims.claim(person, moment.at);
        // Whoever was refused waits, whatever cards there are.
        if matches!(self.state, State::Idle | State::CoolDown(_)) {
            self.state = self.resting(moment.at);
        }
    }

    fn wrong_credential(&mut self, moment: Moment, actions: &mut Vec<Action>) {
        let reason = Some("credential".to_owned());
        actions.push(Action::Record(Kind::AccessDenied, Details { reason, ..Details::default() }));
        self.count_wrong(moment, "credential", actions);
    }

    /// Counts a credential that was nobody's, or of somebody else than the face.
    fn count_wrong(&mut self, moment: Moment, reason: &str, actions: &mut Vec<Action>) {
        if let Some(lock) = self.claims.wrong(moment.at) {
            let (reason, seconds) = (Some(reason.to_owned()), Some(lock.as_secs()));
            actions.push(Action::Record(Kind::AccessLockedOut, Details { reason, seconds, ..Details::default() }));
        }
    }

    fn switched(&mut self, moment: Moment, mode: DoorMode, actions: &mut Vec<Action>) {
        if mode == self.mode {
            return;
        }
        self.mode = mode;
        self.claims.clear();
        let reason = Some(mode.word().to_owned());
        actions.push(Action::Record(Kind::DoorMode, Details { reason, ..Details::default() }));
        // What attacks have locked stays locked.
        if !matches!(self.state, State::LockedOut(_)) {
            self.state = self.resting(moment.at);
        }
    }

    fn contact(&mut self, moment: Moment, is_open: bool, actions: &mut Vec<Action>) {
        let details = Details::default();
        match (is_open, self.door_open) {
            (true, None) => {
                self.door_open = Some((moment.at, false));
                // The time of grace is over once this is none.
                let kind = if self.open_until.is_some() { Kind::DoorOpened } else { Kind::DoorForced };
                actions.push(Action::Record(kind, details));
            }
            (false, Some((since, _))) => {
                self.door_open = None;
                let seconds = Some((moment.at - since).as_secs());
                actions.push(Action::Record(Kind::DoorClosed, Details { seconds, ..details }));
            }
            _ => {}
        }
    }

    fn fault(&mut self, part: &'static str, what: Option<String>, actions: &mut Vec<Action>) {
        let is_known = self.faults.contains(&part);
        let details = Details { part: Some(part.into()), ..Details::default() };
        match what {
            Some(what) if !is_known => {
                self.faults.push(part);
                actions.push(Action::Record(Kind::DeviceFault, Details { reason: Some(what), ..details }));
            }
            None if is_known => {
                self.faults.retain(|known| *known != part);
                actions.push(Action::Record(Kind::DeviceRecovered, details));
            }
            _ => {}
        }
    }
}

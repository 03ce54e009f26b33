//! Has the screen before the camera change its color, and judges whether the light on the captured person's face follows.
//!
//! The page that shows the challenge shows the colors as well: it gets them with the instruction to hold still, and time begins when it has
//! got them. Exposure and white balance are locked meanwhile.

use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::board::{Running, Shown};
use super::capturer::Capturer;
use super::error::Error;
use super::frames::TakenFrame;
use super::instruction::Instruction;
use crate::camera::Lease;
use crate::face::flash::{Calibration, Exposure, LEAST_RUNS, Measured, Outcome, STEPS, Schedule};
use crate::face::{self, Capture, Ending, Extractor, LightSession};
use crate::ops::{Stop, random_word, settings};
use crate::work::{Deadline, block_on};
use embassy_futures::select::{Either, select};

/// Longest time for the controls to be locked, and then for a page to get the colors.
const PATIENCE: Duration = Duration::from_secs(4);

/// Frames after which a camera shows what its controls were set to.
const SETTLED: u64 = 4;

/// Schedules that a person is shown at the most before there is a verdict: whoever moved in the first holds still in the second.
const TRIES: usize = 2;

/// Schedules that a calibration shows: two may be spoiled.
const RUNS: usize = LEAST_RUNS + 2;

/// Schedules that a new one has to be unlike: those of the last people.
const REMEMBERED: usize = 4;

/// What the light on a face told.
pub struct LitFace {
    /// The verdict.
    pub outcome: Outcome,
    /// What was measured, if anything could be.
    pub measured: Option<Measured>,
}

/// What a calibration found, and under which exposure.
pub type LightCalibration = (Calibration, Exposure);

impl LitFace {
    /// Whether it tells of an attack.
    pub fn is_attack(&self) -> bool {
        self.outcome == Outcome::Fail
    }
}

/// The calibration in the settings, if there is one.
pub(super) fn calibration(settings: &settings::Camera) -> Option<Calibration> {
    let known = |value: i64| (value > 0).then_some(value);
    (settings.light_amplitude > 0.0).then(|| Calibration {
        amplitude: settings.light_amplitude,
        eye_distance: settings.light_eye_distance,
        light: settings.light_level,
        exposure: Exposure { time: known(settings.light_exposure), gain: known(settings.light_gain) },
    })
}

impl Capturer {
    /// Judges the light on the face of the person who was captured. The error is a person of whom it can't be told, and who could help it: else
    /// whoever moves would be let through without.
    pub(super) fn screen_light(
        &self,
        attempt: &Attempt<'_>,
        capture: &Capture,
        calibration: &Calibration,
        board: &Running<'_>,
    ) -> Result<LitFace, Error> {
        let mut left = TRIES;
        loop {
            left -= 1;
            let (session, exposure) = self.show_colors(attempt, capture, board)?;
            let (outcome, measured) = session.judge(calibration, exposure);
            match outcome {
                Outcome::NoVerdict(reason) if reason.is_up_to_the_person() && left == 0 => {
                    return Err(Error::Unlit(reason.to_string()));
                }
                Outcome::NoVerdict(reason) if reason.is_up_to_the_person() => {}
                _ => return Ok(LitFace { outcome, measured }),
            }
        }
    }

    /// Measures the light of the screen on the face of a person who holds still: what `faceplate calibrate light` asks for.
    pub fn calibrate_light(&self, attempt: &Attempt<'_>) -> Result<LightCalibration, Error> {
        self.is_unlocked()?;
        let board = self.begin_challenge()?;
        let runs = self.calibration_runs(attempt, &board);
        board.end(runs.as_ref().err().map(|_| "no_result"), Instant::now());
        let (measured, exposure) = runs?;
        let calibration = Calibration::of(&measured, exposure).map_err(|error| Error::Unlit(error.to_string()))?;
        Ok((calibration, exposure))
    }

    /// What was measured in each run that could be, and what the exposure was in the last one.
    fn calibration_runs(&self, attempt: &Attempt<'_>, board: &Running<'_>) -> Result<(Vec<Measured>, Exposure), Error> {
        let person = self.calibrating_person(attempt)?;
        let (mut measured, mut last) = (vec![], Exposure::default());
        for _ in 0..RUNS {
            let (session, exposure) = self.show_colors(attempt, &person, board)?;
            // Runs under another exposure are no runs of this calibration.
            if exposure != last {
                measured.clear();
            }
            measured.extend(session.measure());
            last = exposure;
        }
        Ok((measured, last))
    }

    /// Shows one schedule and watches the person meanwhile, under an exposure that does not change.
    fn show_colors(
        &self,
        attempt: &Attempt<'_>,
        capture: &Capture,
        board: &Running<'_>,
    ) -> Result<(LightSession, Exposure), Error> {
        let lease = self.camera.lease();
        let lock = lease.lock();
        let locked = match block_on(select(lock.locked(), attempt.wait_limit(Instant::now() + PATIENCE))) {
            Either::First(Ok(locked)) => locked,
            Either::First(Err(fault)) => return Err(fault.into()),
            Either::Second(()) => return Err(Error::Unlit("the camera's exposure could not be locked in time".into())),
        };
        self.wait_for_frames(attempt, &lease, SETTLED)?;
        let mut random = || random_word() as u8;
        let drawn = Schedule::draw(&mut random, &self.board.schedules());
        let schedule = drawn.map_err(|error| Error::Internal(error.to_string()))?;
        board.remember_schedule(schedule, REMEMBERED);
        let colors: [&str; STEPS] = schedule.colors().map(|color| color.hex());
        board.show(Shown { light: Some(colors), ..Shown::new(Instruction::Light) });
        let Some(shown) = board.wait_until_delivered(PATIENCE) else {
            return Err(Error::Unlit("no page asked for the colors that the screen has to show".into()));
        };
        let session = self.watch_light(attempt, &lease, LightSession::new(schedule, capture), shown)?;
        match lock.is_whole(&locked) {
            true => Ok((session, Exposure { time: locked.exposure, gain: locked.gain })),
            false => Err(Error::Unlit("the camera did not keep its exposure".into())),
        }
    }

    /// Waits until the camera has sent so many more frames.
    fn wait_for_frames(&self, attempt: &Attempt<'_>, lease: &Lease, count: u64) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        let mut number = self.camera.newest()(0).map_or(0, |(number, _)| number);
        for _ in 0..count {
            match block_on(select(lease.newer(number), attempt.wait_limit(until))) {
                Either::First(Ok(())) => {}
                Either::First(Err(fault)) => return Err(fault.into()),
                Either::Second(()) => break,
            }
            number = self.camera.newest()(number).map_or(number, |(number, _)| number);
        }
        Ok(())
    }

    /// Passes frames to a session until the colors that are shown from `shown` on are over.
    fn watch_light(
        &self,
        attempt: &Attempt<'_>,
        lease: &Lease,
        mut session: LightSession,
        shown: Instant,
    ) -> Result<LightSession, Error> {
        let mut after = lease.before();
        let end = attempt.wait_limit(Instant::now() + self.limits.request_time());
        while !LightSession::is_over(shown.elapsed().as_secs_f64()) {
            attempt.is_awaited()?;
            match block_on(select(lease.newer(after), Deadline(Instant::now() + Duration::from_millis(500)))) {
                Either::First(Ok(())) => {}
                Either::First(Err(fault)) => return Err(fault.into()),
                Either::Second(()) => continue,
            }
            let newest = self.frame_after(after);
            let job = move |extractor: &mut Extractor, unwanted: &Stop<'_>| {
                let Some(TakenFrame { number, taken, frame, room: _room, .. }) = newest(extractor, unwanted) else {
                    return (session, after, Ok(()));
                };
                let late = taken.saturating_duration_since(shown).as_secs_f64();
                let at = late - shown.saturating_duration_since(taken).as_secs_f64();
                let result = frame.map_or(Ok(()), |frame| session.push_frame(extractor, &frame, at));
                (session, number, result)
            };
            let result: Result<(), face::Error>;
            (session, after, result) = self.wait_for(attempt.owner, job, &end)?;
            result.map_err(|error| {
                if matches!(error, face::Error::Challenge(Ending::Exchanged | Ending::Jump)) {
                    self.note_attack("the face changed while the screen showed its colors");
                }
                Error::Face(error)
            })?;
        }
        Ok(session)
    }
}

//! Decides when the camera has to expose less than its automatic exposure does: while the face is overexposed.
//!
//! Automatic exposure is set for the whole picture, so that a face before a dark wall comes out white. Pixels clipped to white
//! can't be recovered; the camera has to expose for the face. So the exposure is lowered a step at a time while too much of the
//! face is clipped, and raised again once the face is dark. When there is no face any more, automatic exposure takes over.
//!
//! This uses no camera and no clock: it gets the brightness of the face in a frame and the time at which the frame was taken.

use std::time::{Duration, Instant};

/// Brightness of the face in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Light {
    /// Mean luma of the inner face, 0..255.
    pub luma: i32,
    /// Share of the inner face that is clipped to white, in percent.
    pub clipped: i32,
}

/// Share of the inner face, in percent, from which it counts as overexposed. No press picture reaches 15; at twice the exposure,
/// where a fifth of them are refused, three of four reach 20.
const BURNT_OUT: i32 = 20;

/// Mean luma under which the exposure is raised again. It must be so low that a step can't lead from an overexposed face to a dark
/// one, or the exposure would oscillate: after a step of one EV, more than most cameras have, clipped pixels still have a luma of
/// 180, and a fifth of that is 36.
const DARK: i32 = 35;

/// How long all frames must show the same before a step, and after a step before the next: a camera shows a change after two to
/// four frames. Shorter intervals overshoot.
const SETTLE: Duration = Duration::from_millis(300);

/// Nothing is changed for this long after the device was opened: automatic exposure needs about a second to settle.
const START: Duration = Duration::from_secs(1);

/// After this long without a face, automatic exposure takes over again, so that the next person and the preview get a usual
/// picture. If it were shorter, a person who looks away would be overexposed again.
const GONE: Duration = Duration::from_secs(3);

/// Most steps. With manual exposure they leave a seventieth of the light, which is enough for any lamp.
const MOST: u32 = 12;

/// The change of exposure that a face requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Less,
    Nothing,
    More,
}

impl Light {
    fn call(self) -> Call {
        if self.clipped >= BURNT_OUT {
            Call::Less
        } else if self.luma < DARK {
            Call::More
        } else {
            Call::Nothing
        }
    }
}

/// The exposure of a device since it was opened.
pub(super) struct Exposure {
    /// Steps by which it is lowered.
    steps: u32,
    /// Most steps that the camera can do.
    most: u32,
    given_up: bool,
    /// Frames taken before this time don't count.
    settled: Instant,
    /// The change that the faces since then require, and when the first of these frames was taken.
    call: Option<(Call, Instant)>,
    /// When the last frame with a face was taken.
    seen: Instant,
}

impl Exposure {
    /// For a device that was opened just now.
    pub(super) fn new(now: Instant) -> Self {
        Self { steps: 0, most: MOST, given_up: false, settled: now + START, call: None, seen: now }
    }

    /// Steps by which it is lowered.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Takes the face of the last frame, if there is a new one, and when that frame was taken; returns the number of steps by which
    /// the exposure has to be lowered from now on, if that changes.
    pub(super) fn step(&mut self, face: Option<(Light, Instant)>, now: Instant) -> Option<u32> {
        if self.given_up {
            return None;
        }
        if let Some((light, taken)) = face {
            self.seen = self.seen.max(taken);
            if taken >= self.settled {
                let call = light.call();
                let since = self.call.filter(|(before, _)| *before == call).map_or(taken, |(_, since)| since);
                self.call = Some((call, since));
                let lasted = taken.saturating_duration_since(since) >= SETTLE;
                match call {
                    Call::Less if lasted && self.steps < self.most => return Some(self.steps + 1),
                    Call::More if lasted && self.steps > 0 => return Some(self.steps - 1),
                    _ => {}
                }
            }
        }
        let gone = now.saturating_duration_since(self.seen) >= GONE;
        (gone && self.steps > 0).then_some(0)
    }

    /// Records that the camera was told to lower by `wanted` steps and has `steps` in force.
    pub(super) fn applied(&mut self, wanted: u32, steps: u32, now: Instant) {
        // The range that is left depends on the automatic exposure's value: after a reset it is measured again.
        self.most = match wanted {
            0 => MOST,
            _ if steps < wanted => steps,
            _ => self.most,
        };
        (self.steps, self.settled, self.call) = (steps, now, None);
    }

    /// Requires no more changes: the camera does not follow its commands.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURNT: Light = Light { luma: 210, clipped: 40 };
    const FINE: Light = Light { luma: 120, clipped: 0 };
    const FAINT: Light = Light { luma: 20, clipped: 0 };

    /// Shows the same face every 100 ms for `tenths` of a second, from `from` tenths after the start on; returns the times of all
    /// commands, which the camera follows up to `able` steps.
    fn show(
        exposure: &mut Exposure,
        start: Instant,
        light: Light,
        from: u64,
        tenths: u64,
        able: u32,
    ) -> Vec<(u64, u32)> {
        let mut commands = vec![];
        for tenth in from..from + tenths {
            let now = start + Duration::from_millis(100 * tenth);
            if let Some(steps) = exposure.step(Some((light, now)), now) {
                commands.push((tenth, steps));
                exposure.applied(steps, steps.min(able), now);
            }
        }
        commands
    }

    #[test]
    fn a_burnt_out_face_lowers_the_exposure_in_steps_and_a_dark_one_raises_it() {
        let start = Instant::now();
        let mut exposure = Exposure::new(start);
        // A second for the automatic exposure, then three tenths before the first step and three after each.
        assert_eq!(show(&mut exposure, start, BURNT, 0, 20, MOST), [(13, 1), (17, 2)]);
        assert_eq!(show(&mut exposure, start, FINE, 20, 100, MOST), []);
        assert_eq!(exposure.steps(), 2);
        assert_eq!(show(&mut exposure, start, FAINT, 120, 100, MOST), [(123, 1), (127, 0)]);
        assert_eq!(exposure.steps(), 0);
    }

    #[test]
    fn brief_glare_and_frames_from_before_the_last_step_do_not_count() {
        let start = Instant::now();
        let mut exposure = Exposure::new(start);
        for tenth in (10..60).step_by(4) {
            assert_eq!(show(&mut exposure, start, BURNT, tenth, 2, MOST), []);
            assert_eq!(show(&mut exposure, start, FINE, tenth + 2, 2, MOST), []);
        }
        assert_eq!(show(&mut exposure, start, BURNT, 70, 4, MOST), [(73, 1)]);
        let old = start + Duration::from_millis(7_200);
        assert_eq!(exposure.step(Some((BURNT, old)), start + Duration::from_secs(8)), None);
        assert_eq!(show(&mut exposure, start, BURNT, 80, 3, MOST), [], "the frames since do not include the old one");
    }

    #[test]
    fn exposure_returns_to_automatic_when_no_face_is_present() {
        let start = Instant::now();
        let mut exposure = Exposure::new(start);
        show(&mut exposure, start, BURNT, 10, 10, MOST);
        let last = start + Duration::from_millis(1_900);
        assert_eq!(exposure.step(None, last + GONE - Duration::from_millis(1)), None);
        assert_eq!(exposure.step(None, last + GONE), Some(0));
        exposure.applied(0, 0, last + GONE);
        assert_eq!(exposure.step(None, last + 2 * GONE), None);
    }

    #[test]
    fn steps_end_at_what_the_camera_can_do() {
        let start = Instant::now();
        let mut exposure = Exposure::new(start);
        assert_eq!(show(&mut exposure, start, BURNT, 10, 100, 1), [(13, 1), (17, 2)]);
        assert_eq!(show(&mut Exposure::new(start), start, BURNT, 10, 100, 0), [(13, 1)]);
        exposure.give_up();
        assert_eq!(exposure.step(None, start + Duration::from_secs(60)), None);
    }

    /// See [`DARK`]: in gamma 2.2, half of the light leaves 73 percent of the luma.
    #[test]
    fn a_step_does_not_lead_from_burnt_out_to_dark() {
        let left = 250 * 73 / 100 * BURNT_OUT / 100;
        assert!(Light { luma: left, clipped: 0 }.call() == Call::Nothing, "{left}");
    }
}

use super::observation::tests::observed;
use super::schedule::tests::bytes;
use super::transfer::encoded;
use super::*;

const CALIBRATION: Calibration =
    Calibration { amplitude: 0.2, eye_distance: 40.0, light: 0.2, exposure: Exposure { time: None, gain: None } };

fn schedules(seed: u64) -> Vec<Schedule> {
    let mut random = bytes(seed);
    (0..20).map(|_| Schedule::draw(&mut random, &[]).unwrap()).collect()
}

/// A face that flickers a little, before a screen that shows a schedule `late` seconds after it should.
fn lit(shown: &Schedule, amplitude: f64, late: f64, fps: f64) -> Vec<Observation> {
    let mut random = bytes(3);
    let frames = ((LENGTH + 0.3) * fps) as usize;
    let observe = |i: usize| {
        let at = i as f64 / fps;
        let [red, blue] = if at < late { [0.0; 2] } else { shown.colors()[step(at - late)].chroma() };
        // Green is lit where the other two are lower than it is.
        let green = f64::from(u8::from(red < 0.0 || blue < 0.0));
        let flicker = 1.0 + f64::from(random()) / 2550.0;
        let screen = [red + green, green, blue + green].map(|lit| flicker * (1.0 + amplitude * lit));
        let skin = [0.4, 0.2, 0.13];
        observed(at, [0, 1, 2].map(|c| encoded(skin[c] * screen[c])), (0.0, 0.0), 0.0)
    };
    (0..frames).map(observe).collect()
}

fn step(time: f64) -> usize {
    ((time / STEP) as usize).min(STEPS - 1)
}

fn outcome(schedule: &Schedule, seen: &[Observation]) -> Outcome {
    judge(schedule, seen, &CALIBRATION, Exposure::default()).0
}

#[test]
fn a_face_that_the_schedule_lights_passes() {
    for schedule in schedules(1) {
        for (fps, late) in [(30.0, 0.0), (15.0, 0.1), (8.0, 0.05)] {
            let (outcome, measured) =
                judge(&schedule, &lit(&schedule, 0.2, late, fps), &CALIBRATION, Exposure::default());
            let fit = measured.unwrap().fit;
            assert_eq!(outcome, Outcome::Pass, "{fit:?} at {fps}");
            assert!((fit.amplitude - 0.19).abs() < 0.05, "{fit:?} at {fps}");
        }
    }
}

#[test]
fn no_light_weak_light_wrong_phases_and_most_other_codes_fail() {
    let (mine, others) = (schedules(1), schedules(2));
    let mut accepted = 0;
    for schedule in &mine {
        for (amplitude, late) in [(0.0, 0.0), (0.08, 0.05), (0.2, 0.3), (0.2, 0.45), (0.2, 0.6), (0.2, 1.2)] {
            let seen = lit(schedule, amplitude, late, 30.0);
            assert_eq!(outcome(schedule, &seen), Outcome::Fail, "{amplitude} {late}");
        }
        for other in &others {
            accepted += usize::from(outcome(schedule, &lit(other, 0.2, 0.05, 15.0)) == Outcome::Pass);
        }
    }
    assert!(accepted <= 20, "{accepted} of 400 other codes pass");
}

#[test]
fn a_schedule_unlike_the_last_ones_refuses_their_light() {
    let last = schedules(4);
    let mut random = bytes(5);
    for others in last.chunks(3) {
        let schedule = Schedule::draw(&mut random, others).unwrap();
        for other in others {
            assert_eq!(outcome(&schedule, &lit(other, 0.2, 0.05, 15.0)), Outcome::Fail);
        }
    }
}

#[test]
fn what_cannot_be_told_is_no_verdict() {
    let schedule = schedules(1)[0];
    let seen = lit(&schedule, 0.2, 0.05, 20.0);
    let told = |seen: &[Observation], calibration: Calibration| match judge(
        &schedule,
        seen,
        &calibration,
        Exposure::default(),
    ) {
        (Outcome::NoVerdict(reason), _) => Some(reason),
        _ => None,
    };
    assert_eq!(told(&seen, CALIBRATION), None);
    assert_eq!(told(&[], CALIBRATION), Some(Reason::TooFewFrames));
    let every = |n: usize| seen.iter().step_by(n).copied().collect::<Vec<_>>();
    assert_eq!(told(&every(4), CALIBRATION), Some(Reason::TooFewFrames));
    let gap: Vec<Observation> = seen.iter().filter(|o| !(0.9..1.3).contains(&o.at)).copied().collect();
    assert_eq!(told(&gap, CALIBRATION), Some(Reason::TooFewFrames));
    assert_eq!(told(&seen[10..], CALIBRATION), Some(Reason::TooFewFrames), "the first step was missed");
    let early: Vec<Observation> = seen.iter().filter(|o| o.at < 2.0).copied().collect();
    assert_eq!(told(&early, CALIBRATION), Some(Reason::TooFewFrames), "the last step was missed");
    let weak = |amplitude| Calibration { amplitude, ..CALIBRATION };
    assert_eq!(told(&seen, weak(0.015)), Some(Reason::AmbientLight));
    assert_eq!(told(&seen, weak(f64::NAN)), Some(Reason::AmbientLight));
    assert_eq!(told(&seen, Calibration { eye_distance: 60.0, ..CALIBRATION }), Some(Reason::TooFar));
    let turned = |o: &Observation| observed(o.at, [100, 90, 80], (o.at * 4.0, 0.0), 0.0);
    assert_eq!(told(&seen.iter().map(turned).collect::<Vec<_>>(), CALIBRATION), Some(Reason::HeadMoved));
}

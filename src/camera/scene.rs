//! Tests the exposure loop as a whole: a face in more or less light before a simulated camera that follows its commands, with a
//! simulated clock.
//!
//! The supervisor, the slot and the frames between them are the real ones. The face's brightness results from its light and from the
//! exposure, which the camera's automatic exposure sets for a wall behind the face that is not in the frame.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::exposure::Light;
use super::fault::Fault;
use super::simulation::{INTERVAL, World};
use super::slot::Slot;
use super::source::{FrameSource, Identity, RawFrame};
use super::supervisor::{Open, Policy, Step, Supervisor};
use crate::media::raw::{Layout, PixelFormat};

/// How a camera can lower its exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ability {
    /// Its automatic exposure aims lower, by thirds of an EV, by this many.
    ThirdsOfEv(u32),
    /// The same by whole EV.
    WholeEv(u32),
    /// By manual exposure, down to this share of the automatic value, in percent.
    ByHand(u32),
    Nothing,
    /// It refuses all commands.
    Broken,
}

/// Pixels in a row and in a column of the frame, which is all face.
const SIDE: usize = 16;

/// Frames until a manual change shows.
const LATENCY: usize = 3;

struct Camera {
    world: World,
    ability: Ability,
    identity: Identity,
    sequence: u32,
    light: Arc<AtomicU32>,
    commands: Arc<Mutex<Vec<(Instant, u32)>>>,
    steps: u32,
    /// The automatic exposure, as share of what suits the wall.
    automatic: f64,
    /// Exposures of the last frames, the newest first.
    exposures: [f64; LATENCY],
}

impl Camera {
    /// Luma of the frame's pixels: skin that reflects a fifth to all of the light, in gamma 2.2.
    fn face(&self) -> Vec<u8> {
        let light = f64::from(self.light.load(Ordering::Relaxed)) / 100.0;
        let count = SIDE * SIDE;
        let luma = |i: usize| {
            let reflected = 0.2 + 0.8 * i as f64 / count as f64;
            let linear: f64 = 0.3 * reflected * light * self.exposures[LATENCY - 1];
            (255.0 * linear.powf(1.0 / 2.2)).min(255.0) as u8
        };
        (0..count).map(luma).collect()
    }
}

impl FrameSource for Camera {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn next(&mut self, _: Instant) -> Result<RawFrame, Fault> {
        self.world.pass(INTERVAL);
        let aim = match self.ability {
            Ability::ThirdsOfEv(_) => 0.5_f64.powf(f64::from(self.steps) / 3.0),
            Ability::WholeEv(_) => 0.5_f64.powi(self.steps as i32),
            _ => 1.0,
        };
        // With manual exposure it stays fixed.
        if self.steps == 0 || !matches!(self.ability, Ability::ByHand(_)) {
            self.automatic += 0.35 * (aim - self.automatic);
        }
        let by_hand = if matches!(self.ability, Ability::ByHand(_)) { 0.7_f64.powi(self.steps as i32) } else { 1.0 };
        self.exposures.rotate_right(1);
        self.exposures[0] = self.automatic * by_hand;
        self.sequence += 1;
        let (layout, sequence, taken) = (self.identity.layout, self.sequence, self.world.now());
        Ok(RawFrame { bytes: self.face().into(), layout, sequence, taken })
    }

    fn expose(&mut self, steps: u32) -> Result<u32, Fault> {
        self.commands.lock().unwrap().push((self.world.now(), steps));
        self.steps = match self.ability {
            Ability::ThirdsOfEv(most) | Ability::WholeEv(most) => steps.min(most),
            Ability::ByHand(percent) => {
                let left = |steps: &u32| 0.7_f64.powi(*steps as i32) * 100.0;
                (0..=steps).rev().find(|steps| left(steps) >= f64::from(percent)).unwrap_or(0)
            }
            Ability::Nothing => 0,
            Ability::Broken => return Err(Fault::Driver("it refuses".into())),
        };
        Ok(self.steps)
    }
}

/// A camera, the consumer of its frames, and the commands that the camera received.
struct Scene {
    world: World,
    slot: Slot,
    supervisor: Supervisor,
    /// Light on the face, in percent of what suits it.
    light: Arc<AtomicU32>,
    commands: Arc<Mutex<Vec<(Instant, u32)>>>,
    newest: u64,
    /// What a worker found in the previous frame.
    found: Option<(Light, Instant)>,
}

impl Scene {
    fn new(ability: Ability, light: u32, policy: Policy) -> Self {
        let world = World::new(1);
        let (light, commands) = (Arc::new(AtomicU32::new(light)), Arc::new(Mutex::new(vec![])));
        let (mine, lit, told) = (world.clone(), Arc::clone(&light), Arc::clone(&commands));
        let open: Open = Box::new(move || {
            let layout = Layout::new(PixelFormat::Grey, SIDE, SIDE);
            Ok(Box::new(Camera {
                world: mine.clone(),
                ability,
                identity: Identity { place: "scene".into(), name: String::new(), layout, fps: 15.0 },
                sequence: 0,
                light: Arc::clone(&lit),
                commands: Arc::clone(&told),
                steps: 0,
                automatic: 4.0, // it begins with far too much
                exposures: [4.0; LATENCY],
            }))
        });
        let (supervisor, slot) = (Supervisor::new(open, policy, world.now()), Slot::default());
        slot.take();
        Self { world, slot, supervisor, light, commands, newest: 0, found: None }
    }

    /// Lets time pass, with a face or without; returns the steps that were commanded meanwhile, and how light the face is at the end.
    fn run(&mut self, seconds: u64, somebody: bool) -> (Vec<u32>, Light) {
        self.commands.lock().unwrap().clear();
        let world = self.world.clone();
        let end = world.now() + Duration::from_secs(seconds);
        let mut last = Light { luma: 0, clipped: 0 };
        while world.now() < end {
            let step = self.supervisor.step(&self.slot, &|| world.now());
            assert!(step == Step::Again || !somebody, "{step:?}");
            if step != Step::Again {
                world.pass_until(end);
                break;
            }
            // The result for one frame is reported while the next one is analyzed.
            if let Some(found) = self.found.take().filter(|_| somebody) {
                self.slot.lock().face = Some(found);
            }
            let newer = self.slot.lock().newer(self.newest, None);
            if let Some((number, frame)) = newer {
                last = measured(&frame.bytes);
                (self.newest, self.found) = (number, Some((last, frame.taken)));
            }
        }
        (self.told(), last)
    }

    fn told(&self) -> Vec<u32> {
        self.commands.lock().unwrap().iter().map(|(_, steps)| *steps).collect()
    }
}

fn measured(face: &[u8]) -> Light {
    let (sum, count) = (face.iter().map(|l| i32::from(*l)).sum::<i32>(), face.len() as i32);
    Light { luma: sum / count, clipped: face.iter().filter(|l| **l >= 250).count() as i32 * 100 / count }
}

/// No command.
const NOTHING: [u32; 0] = [];

const STAYS: Policy = Policy { warm: true, linger: Duration::from_secs(10) };

#[test]
fn a_burnt_out_face_is_corrected_without_oscillation() {
    for ability in [Ability::ThirdsOfEv(24), Ability::WholeEv(6), Ability::ByHand(1)] {
        for light in [10, 50, 100, 150, 200, 250, 300, 400, 500, 700, 1_000, 1_500, 2_000, 3_200] {
            let mut scene = Scene::new(ability, light, STAYS);
            let (told, face) = scene.run(10, true);
            assert!(face.clipped < 20, "{ability:?} {light}: {face:?} after {told:?}");
            assert!(light < 400 || !told.is_empty(), "{ability:?} {light}: {face:?}");
            assert!(light > 300 || told.is_empty(), "{ability:?} {light}: {told:?}");
            assert!(light < 150 || face.luma > 60, "{ability:?} {light}: {face:?} after {told:?}");
            assert!(told.is_sorted(), "{ability:?} {light}: up and down, {told:?}");
            assert_eq!(scene.run(60, true).0, NOTHING, "{ability:?} {light}: it does not rest");
            // The lamp goes out: the face is dark, whatever the exposure.
            scene.light.store(6, Ordering::Relaxed);
            let raised = scene.run(20, true).0;
            assert!(raised.is_sorted_by(|a, b| a > b), "{ability:?} {light}: down and up, {raised:?}");
            assert_eq!(raised.last(), told.last().map(|_| &0), "{ability:?} {light}: {raised:?}");
        }
    }
}

#[test]
fn exposure_is_automatic_again_without_a_face_or_when_the_camera_is_closed() {
    let mut scene = Scene::new(Ability::ByHand(1), 1_000, STAYS);
    let lowered = scene.run(10, true).0;
    assert!(lowered.len() > 1, "{lowered:?}");
    assert_eq!(scene.run(2, false).0, NOTHING);
    assert_eq!(scene.run(2, false).0, [0]);
    assert_eq!(scene.run(60, true).0, lowered, "the next person is exposed for as the first was");

    let soon = Policy { warm: false, linger: Duration::from_secs(1) };
    let mut scene = Scene::new(Ability::ThirdsOfEv(24), 1_000, soon);
    assert!(!scene.run(10, true).0.is_empty());
    scene.slot.release(scene.world.now());
    assert_eq!(scene.run(2, false).0, [0]);

    let mut scene = Scene::new(Ability::WholeEv(6), 1_000, STAYS);
    assert!(!scene.run(10, true).0.is_empty());
    let Scene { supervisor, commands, .. } = scene;
    drop(supervisor);
    assert_eq!(commands.lock().unwrap().last().map(|(_, steps)| *steps), Some(0), "the service ends");
}

#[test]
fn a_camera_that_cannot_lower_its_exposure_is_tried_once_per_opening() {
    for ability in [Ability::Nothing, Ability::Broken] {
        let soon = Policy { warm: false, linger: Duration::from_secs(1) };
        let mut scene = Scene::new(ability, 1_000, soon);
        assert_eq!(scene.run(60, true).0, [1], "{ability:?}");
        assert_eq!(scene.slot.lock().counts.exposed, 0);
        scene.slot.release(scene.world.now());
        assert_eq!(scene.run(5, false).0, NOTHING, "{ability:?}");
        scene.slot.take();
        assert_eq!(scene.run(60, true).0, [1], "{ability:?}: when it was opened anew");
    }
    let mut scene = Scene::new(Ability::ByHand(60), 3_200, STAYS);
    assert_eq!(scene.run(60, true).0, [1, 2], "its range ends after one step");
    assert_eq!(scene.slot.lock().counts.exposed, 1);
}

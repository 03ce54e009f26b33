//! Tests the locking of controls on controls that are kept in a table, and its supervision with a simulated clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use v4l::control::Type;

use super::super::controls::{EXPOSURE, Pair};
use super::super::simulation::{INTERVAL, World};
use super::super::slot::Slot;
use super::super::source::{FrameSource, Identity, RawFrame};
use super::super::supervisor::{Open, Policy, Step, Supervisor};
use super::*;
use crate::media::raw::{Layout, PixelFormat};

/// Values by number, and the number of a control that refuses, panics or makes the device disappear when it is set.
#[derive(Default)]
struct Table {
    values: BTreeMap<u32, i64>,
    refuses: Option<u32>,
    panics: Option<u32>,
    gone: bool,
    unplugged_by: Option<u32>,
}

type Shared = Arc<Mutex<Table>>;

impl Controls for Shared {
    fn get(&self, id: u32) -> io::Result<i64> {
        let table = self.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match table.values.get(&id) {
            _ if table.gone => Err(io::Error::from_raw_os_error(19)),
            Some(value) => Ok(*value),
            None => Err(io::Error::from_raw_os_error(22)),
        }
    }

    fn set(&self, id: u32, value: i64) -> io::Result<()> {
        let mut table = self.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.gone |= table.unplugged_by == Some(id);
        if table.gone {
            return Err(io::Error::from_raw_os_error(19));
        }
        let panics = table.panics == Some(id);
        if table.refuses == Some(id) {
            return Err(io::Error::from_raw_os_error(34));
        }
        drop(table);
        assert!(!panics, "what the bindings to a driver do");
        self.lock().unwrap().values.insert(id, value);
        Ok(())
    }
}

fn known(ids: &[u32]) -> Vec<Description> {
    let one = |id: &u32| Description {
        id: *id,
        typ: Type::Integer,
        name: String::new(),
        minimum: 0,
        maximum: 10_000,
        step: 1,
        default: 0,
        flags: Flags::from(0),
        items: None,
    };
    ids.iter().map(one).collect()
}

fn pair(setting: &str) -> &'static Pair {
    PAIRS.iter().find(|pair| pair.setting == setting).unwrap()
}

/// A webcam that exposes and balances by itself, with its gain.
fn webcam() -> (Shared, Vec<Description>) {
    let (balance, gain) = (pair("white_balance"), pair("gain"));
    let values = [
        (EXPOSURE.automatic, 3),
        (EXPOSURE.value, 156),
        (balance.automatic, 1),
        (balance.value, 4600),
        (gain.value, 7),
    ];
    let ids: Vec<u32> = values.iter().map(|(id, _)| *id).collect();
    (Arc::new(Mutex::new(Table { values: values.into(), ..Table::default() })), known(&ids))
}

fn values(table: &Shared) -> BTreeMap<u32, i64> {
    table.lock().unwrap_or_else(std::sync::PoisonError::into_inner).values.clone()
}

#[test]
fn what_is_automatic_is_locked_at_its_value_and_restored() {
    let (device, known) = webcam();
    let (before, mut owed) = (values(&device), Owed::default());
    let locked = lock(&device, &known, &mut owed).unwrap();
    let want = Locked { exposure: Some(156), gain: Some(7), white_balance: Some(4600), ..Locked::default() };
    assert_eq!(locked, want);
    assert_eq!((values(&device)[&EXPOSURE.automatic], values(&device)[&pair("white_balance").automatic]), (1, 0));
    restore(&device, &mut owed).unwrap();
    assert_eq!((values(&device), owed), (before, Owed::default()));
}

#[test]
fn what_is_manual_stays_and_what_is_missing_is_told() {
    let (device, all) = webcam();
    device.lock().unwrap().values.insert(EXPOSURE.automatic, 1);
    let mut owed = Owed::default();
    let without = |id: u32| all.into_iter().filter(|c| c.id != id).collect::<Vec<_>>();
    let locked = lock(&device, &without(pair("white_balance").automatic), &mut owed).unwrap();
    assert_eq!((locked.exposure, locked.white_balance, locked.lacking), (Some(156), Some(4600), vec![]));
    assert_eq!(owed, Owed::default(), "nothing was automatic");
    let locked = lock(&device, &[], &mut owed).unwrap();
    assert_eq!(locked, Locked { lacking: vec!["exposure", "white_balance"], ..Locked::default() });
}

#[test]
fn a_control_that_refuses_is_lacking_and_the_others_are_locked() {
    let (device, known) = webcam();
    let before = values(&device);
    device.lock().unwrap().refuses = Some(EXPOSURE.automatic);
    let mut owed = Owed::default();
    let locked = lock(&device, &known, &mut owed).unwrap();
    assert_eq!((locked.white_balance, locked.lacking), (Some(4600), vec!["exposure"]));
    device.lock().unwrap().refuses = None;
    restore(&device, &mut owed).unwrap();
    assert_eq!(values(&device), before);
    // One that refuses the value it had is constant at another.
    device.lock().unwrap().refuses = Some(EXPOSURE.value);
    assert_eq!(lock(&device, &known, &mut owed).unwrap().lacking, Vec::<&str>::new());
}

#[test]
fn a_device_that_disappears_owes_what_was_locked() {
    let (device, known) = webcam();
    device.lock().unwrap().unplugged_by = Some(pair("white_balance").automatic);
    let mut owed = Owed::default();
    assert_eq!(lock(&device, &known, &mut owed), Err(Fault::Unplugged));
    assert!(restore(&device, &mut owed).is_err());
    assert_eq!(owed.0, [(EXPOSURE.automatic, 3), (pair("white_balance").automatic, 1)]);
}

/// A source with the controls of a table, which outlive it as those of a real camera do.
struct Source {
    world: World,
    identity: Identity,
    controls: Shared,
    known: Vec<u32>,
    fails: Arc<Mutex<Option<Fault>>>,
    exposed: Arc<Mutex<Vec<u32>>>,
}

impl FrameSource for Source {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn next(&mut self, _: Instant) -> Result<RawFrame, Fault> {
        self.world.pass(INTERVAL);
        match self.fails.lock().unwrap().take() {
            Some(fault) => Err(fault),
            None => {
                let taken = self.world.now();
                Ok(RawFrame { bytes: vec![0; 16].into(), layout: self.identity.layout, sequence: 1, taken })
            }
        }
    }

    fn expose(&mut self, steps: u32) -> Result<u32, Fault> {
        self.exposed.lock().unwrap().push(steps);
        Ok(steps)
    }

    fn lock(&mut self, owed: &mut Owed) -> Result<Locked, Fault> {
        lock(&self.controls, &known(&self.known), owed)
    }

    fn restore(&mut self, owed: &mut Owed) -> Result<(), Fault> {
        restore(&self.controls, owed).map_err(|e| Fault::from_io(&e, "restoring the controls"))
    }
}

/// A camera with one lease, and what it may do wrong.
struct Scene {
    world: World,
    slot: Arc<Slot>,
    supervisor: Supervisor,
    controls: Shared,
    before: BTreeMap<u32, i64>,
    fails: Arc<Mutex<Option<Fault>>>,
    exposed: Arc<Mutex<Vec<u32>>>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new(1);
        let (controls, all) = webcam();
        let all: Vec<u32> = all.iter().map(|control| control.id).collect();
        let fails = Arc::<Mutex<Option<Fault>>>::default();
        let exposed = Arc::<Mutex<Vec<u32>>>::default();
        let source = {
            let (world, controls, fails, exposed) =
                (world.clone(), Arc::clone(&controls), Arc::clone(&fails), Arc::clone(&exposed));
            move || Source {
                world: world.clone(),
                identity: Identity {
                    place: "table".into(),
                    name: String::new(),
                    layout: Layout::new(PixelFormat::Grey, 4, 4),
                    fps: 15.0,
                },
                controls: Arc::clone(&controls),
                known: all.clone(),
                fails: Arc::clone(&fails),
                exposed: Arc::clone(&exposed),
            }
        };
        let device = Arc::clone(&controls);
        let open: Open = Box::new(move || match device.lock().unwrap().gone {
            true => Err(Fault::Absent("gone".into())),
            false => Ok(Box::new(source())),
        });
        let policy = Policy { warm: false, linger: Duration::from_secs(1) };
        let (supervisor, slot) = (Supervisor::new(open, policy, world.now()), Arc::new(Slot::default()));
        slot.take();
        let before = values(&controls);
        Self { world, slot, supervisor, controls, before, fails, exposed }
    }

    fn run(&mut self, seconds: u64) {
        let world = self.world.clone();
        let end = world.now() + Duration::from_secs(seconds);
        while world.now() < end {
            if let Step::Wait(until) = self.supervisor.step(&self.slot, &|| world.now()) {
                world.pass_until(until.unwrap_or(end).min(end));
            }
        }
    }

    fn is_restored(&self) -> bool {
        values(&self.controls) == self.before
    }

    fn locked(&self) -> Option<Locked> {
        self.slot.lock().locked.clone()
    }
}

#[test]
fn controls_are_locked_while_a_guard_is_held() {
    let mut scene = Scene::new();
    scene.slot.lock_controls();
    let world = scene.world.clone();
    (0..10).for_each(|_| _ = scene.supervisor.step(&scene.slot, &|| world.now()));
    assert!(scene.locked().is_none() && scene.is_restored(), "automatic exposure has to settle first");
    scene.run(2);
    assert_eq!(scene.locked().unwrap().exposure, Some(156));
    assert!(!scene.is_restored());
    scene.slot.lock_controls();
    scene.slot.unlock_controls();
    scene.run(1);
    assert!(!scene.is_restored(), "one guard is left");
    scene.slot.unlock_controls();
    scene.run(1);
    assert!(scene.is_restored() && scene.locked().is_none());
}

#[test]
fn the_exposure_is_not_changed_for_a_face_meanwhile() {
    use super::super::exposure::Light;
    let mut scene = Scene::new();
    scene.slot.lock_controls();
    scene.run(2);
    let burnt = |scene: &mut Scene| {
        for _ in 0..10 {
            scene.slot.lock().face = Some((Light { luma: 220, clipped: 60 }, scene.world.now()));
            let world = scene.world.clone();
            scene.supervisor.step(&scene.slot, &|| world.now());
        }
    };
    burnt(&mut scene);
    assert!(scene.exposed.lock().unwrap().is_empty());
    scene.slot.unlock_controls();
    burnt(&mut scene);
    assert_eq!(*scene.exposed.lock().unwrap(), [1]);
}

#[test]
fn controls_are_restored_however_the_lock_ends() {
    // The camera is not wanted any more, though a guard is still held.
    let mut scene = Scene::new();
    scene.slot.lock_controls();
    scene.run(2);
    scene.slot.release(scene.world.now());
    scene.run(3);
    assert!(scene.is_restored() && scene.locked().is_none(), "closed");

    // The service ends.
    let mut scene = Scene::new();
    scene.slot.lock_controls();
    scene.run(2);
    assert!(!scene.is_restored());
    let Scene { supervisor, controls, before, .. } = scene;
    drop(supervisor);
    assert_eq!(values(&controls), before, "the service ends");

    // A fault closes the device, which is then opened again and locked again.
    let mut scene = Scene::new();
    scene.slot.lock_controls();
    scene.run(2);
    *scene.fails.lock().unwrap() = Some(Fault::Stalled(Duration::from_secs(3)));
    let world = scene.world.clone();
    scene.supervisor.step(&scene.slot, &|| world.now());
    assert!(scene.is_restored() && scene.locked().is_none(), "a fault");
    scene.run(3);
    assert!(!scene.is_restored());
    assert_eq!(scene.locked().map(|locked| locked.number), Some(2), "it is locked again");

    // The device is lost: its controls are restored once it is back, also if nobody wants them locked any more.
    let mut scene = Scene::new();
    scene.slot.lock_controls();
    scene.run(2);
    scene.controls.lock().unwrap().gone = true;
    *scene.fails.lock().unwrap() = Some(Fault::Unplugged);
    scene.run(1);
    scene.slot.unlock_controls();
    assert!(!scene.is_restored() && scene.locked().is_none());
    scene.controls.lock().unwrap().gone = false;
    scene.run(2);
    assert!(scene.is_restored(), "a lost camera");

    // The bindings panic half way, and again.
    let mut scene = Scene::new();
    scene.controls.lock().unwrap().panics = Some(pair("white_balance").automatic);
    scene.slot.lock_controls();
    scene.run(2);
    assert!(scene.slot.lock().lock_fault.is_some());
    scene.controls.lock().unwrap().panics = None;
    scene.slot.unlock_controls();
    scene.run(1);
    assert!(scene.is_restored(), "a panic");
}

//! Sets exposure, gain, focus and white balance by the settings, and lowers the exposure for a face.

use std::io;

use v4l::control::{Control, Description, Flags, MenuItem, Value};

use super::fault::Fault;
use crate::ops::settings::{self, ControlName};

/// A control of Video4Linux and its automatic counterpart, by their numbers in linux/v4l2-controls.h.
pub(super) struct Pair {
    pub(super) setting: &'static str,
    pub(super) value: u32,
    pub(super) automatic: u32,
    /// Value of the automatic control for manual operation.
    pub(super) manual: i64,
}

const USER: u32 = 0x0098_0900;
const CAMERA: u32 = 0x009A_0900;

/// EXPOSURE_ABSOLUTE and EXPOSURE_AUTO, a menu in which 1 is manual.
pub(super) const EXPOSURE: Pair = Pair { setting: "exposure", value: CAMERA + 2, automatic: CAMERA + 1, manual: 1 };

/// AUTO_EXPOSURE_BIAS, a menu in thousandths of an EV.
const BIAS: u32 = CAMERA + 19;

pub(super) const PAIRS: [Pair; 4] = [
    EXPOSURE,
    // GAIN and AUTOGAIN.
    Pair { setting: "gain", value: USER + 19, automatic: USER + 18, manual: 0 },
    // FOCUS_ABSOLUTE and FOCUS_AUTO.
    Pair { setting: "focus", value: CAMERA + 10, automatic: CAMERA + 12, manual: 0 },
    // WHITE_BALANCE_TEMPERATURE and AUTO_WHITE_BALANCE.
    Pair { setting: "white_balance", value: USER + 26, automatic: USER + 12, manual: 0 },
];

/// Sets what the settings say; returns how the exposure can be lowered, if the settings leave it automatic. A value that the camera
/// does not support is refused with its range.
pub(super) fn apply(device: &v4l::Device, settings: &settings::Camera) -> Result<Option<Lowering>, Fault> {
    let wanted = [settings.exposure, settings.gain, settings.focus, settings.white_balance];
    if wanted.iter().all(|w| *w == settings::Control::Named(ControlName::Keep)) {
        return Ok(None);
    }
    // The crate panics on controls of unknown types; then none can be set, which only matters if one has to be.
    let known = std::panic::catch_unwind(|| device.query_controls().unwrap_or_default()).unwrap_or_default();
    let set = |id: u32, value: i64| device.set_control(Control { id, value: Value::Integer(value) });
    for (pair, wanted) in PAIRS.iter().zip(wanted) {
        for (id, value, must) in plan(pair, wanted, &known)? {
            match set(id, value) {
                Err(e) if must => return Err(Fault::Setting(format!("camera.{}: {value}: {e}", pair.setting))),
                Err(e) => log::warn!("camera.{}: {e}", pair.setting),
                Ok(()) => {}
            }
        }
    }
    let automatic = settings.exposure == settings::Control::Named(ControlName::Auto);
    let lowering = automatic.then(|| Lowering::find(&known)).flatten();
    // It may still be lowered from before: a process that is killed can't reset it.
    if let Some(Lowering::Bias(choices)) = &lowering
        && let Err(e) = set(BIAS, choices[0])
    {
        log::warn!("camera.exposure: bias: {e}");
        return Ok(None);
    }
    Ok(lowering)
}

/// What to set in which order: number, value, and whether it must succeed.
fn plan(pair: &Pair, wanted: settings::Control, known: &[Description]) -> Result<Vec<(u32, i64, bool)>, Fault> {
    let usable = |id: u32| known.iter().find(|c| c.id == id && !c.flags.contains(Flags::DISABLED));
    let automatic = usable(pair.automatic);
    match wanted {
        settings::Control::Named(ControlName::Keep) => Ok(vec![]),
        // A camera without the automatic control needs no command.
        settings::Control::Named(ControlName::Auto) => {
            Ok(automatic.map(|c| (c.id, chosen(pair, c), false)).into_iter().collect())
        }
        settings::Control::Value(value) => {
            let setting = format!("camera.{}", pair.setting);
            let control = usable(pair.value)
                .ok_or_else(|| Fault::Setting(format!("{setting}: the camera has no such control")))?;
            let (least, most) = (control.minimum, control.maximum);
            if !(least..=most).contains(&value) {
                return Err(Fault::Setting(format!("{setting}: {value} is not in {least}..={most}")));
            }
            let manual = automatic.map(|c| (c.id, pair.manual, false));
            Ok(manual.into_iter().chain([(control.id, value, true)]).collect())
        }
    }
}

/// The value of an automatic control for automatic operation: 1 for a switch; in the exposure's menu the default, unless that is the
/// manual one, else 0 (all automatic) or 3 (all but the aperture), whichever exists.
fn chosen(pair: &Pair, control: &Description) -> i64 {
    if pair.manual == 0 {
        return 1;
    }
    if control.default != pair.manual {
        return control.default;
    }
    let has = |number: u32| control.items.as_ref().is_some_and(|items| items.iter().any(|(n, _)| *n == number));
    if has(0) { 0 } else { 3 }
}

/// What a step leaves of the exposure time, in tenths: half an EV. Smaller steps would make people wait under a lamp, and a larger
/// one could make an overexposed face dark.
const STEP_TENTHS: i64 = 7;

/// How the exposure is lowered below its automatic value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lowering {
    /// Automatic exposure stays on with a lower target: entries of the bias menu, first the neutral one, then ever darker ones.
    Bias(Vec<i64>),
    /// Manual exposure, starting from the last automatic exposure time.
    Time(Time),
}

/// The range of the exposure time, in the driver's unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Time {
    least: i64,
    most: i64,
    step: i64,
    /// Value of the automatic control for automatic exposure.
    automatic: i64,
    /// The last automatic exposure time, while the exposure is lowered.
    chosen: Option<i64>,
}

/// Controls to set in this order, by their numbers, and the steps that are in force afterwards.
type Plan = (Vec<(u32, i64)>, u32);

impl Lowering {
    /// The way to lower the exposure with these controls, if the camera has automatic exposure at all.
    fn find(known: &[Description]) -> Option<Self> {
        let unusable = Flags::DISABLED | Flags::READ_ONLY;
        let usable = |id: u32| known.iter().find(|c| c.id == id && !c.flags.intersects(unusable));
        if let Some(choices) = usable(BIAS).and_then(darker) {
            return Some(Self::Bias(choices));
        }
        let (time, automatic) = (usable(EXPOSURE.value)?, usable(EXPOSURE.automatic)?);
        Some(Self::Time(Time {
            least: time.minimum.max(1),
            most: time.maximum.max(1),
            step: i64::try_from(time.step).unwrap_or(1).max(1),
            automatic: chosen(&EXPOSURE, automatic),
            chosen: None,
        }))
    }

    /// Lowers the exposure by `steps` steps, as far as its range goes; returns the steps that are in force. If it fails, automatic
    /// exposure takes over again.
    pub(super) fn set(&mut self, device: &v4l::Device, steps: u32) -> io::Result<u32> {
        let current = || match device.control(EXPOSURE.value)?.value {
            Value::Integer(time) => Ok(time),
            other => Err(io::Error::other(format!("the exposure time is {other:?}"))),
        };
        let (plan, in_force) = self.plan(steps, current)?;
        for (id, value) in plan {
            if let Err(e) = device.set_control(Control { id, value: Value::Integer(value) }) {
                if steps > 0 {
                    self.set(device, 0)?;
                }
                return Err(e);
            }
        }
        Ok(in_force)
    }

    /// `current` reads the exposure time.
    fn plan(&mut self, steps: u32, current: impl FnOnce() -> io::Result<i64>) -> io::Result<Plan> {
        match self {
            Self::Bias(choices) => {
                let steps = choices.len().saturating_sub(1).min(steps as usize);
                Ok((vec![(BIAS, choices[steps])], steps as u32))
            }
            Self::Time(time) if steps == 0 => {
                time.chosen = None;
                Ok((vec![(EXPOSURE.automatic, time.automatic)], 0))
            }
            Self::Time(time) => {
                // Some cameras report the value that was set last instead of the automatic one. Then the first steps do too much or
                // too little, and the ones that follow compensate.
                let chosen = time.chosen.map_or_else(current, Ok)?.clamp(time.least, time.most);
                let (value, in_force) = time.lowered(chosen, steps);
                if in_force == 0 {
                    return Ok((vec![], 0));
                }
                let manual = (EXPOSURE.automatic, EXPOSURE.manual);
                let first = time.chosen.replace(chosen).is_none().then_some(manual);
                Ok((first.into_iter().chain([(EXPOSURE.value, value)]).collect(), in_force))
            }
        }
    }
}

impl Time {
    /// The time after this many steps, and the steps that the range allows.
    fn lowered(&self, mut time: i64, steps: u32) -> (i64, u32) {
        for step in 0..steps {
            let lower = self.least + (time * STEP_TENTHS / 10 - self.least).div_euclid(self.step) * self.step;
            if lower < self.least || lower >= time {
                return (time, step);
            }
            time = lower;
        }
        (time, steps)
    }
}

/// The entries of a bias menu from the neutral one down; `None` if none is darker.
fn darker(bias: &Description) -> Option<Vec<i64>> {
    let value = |(index, item): &(u32, MenuItem)| match item {
        MenuItem::Value(value) if *value <= 0 => Some((*value, i64::from(*index))),
        _ => None,
    };
    let mut entries: Vec<(i64, i64)> = bias.items.iter().flatten().filter_map(value).collect();
    entries.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
    let is_usable = entries.len() > 1 && entries[0].0 == 0;
    is_usable.then(|| entries.into_iter().map(|(_, index)| index).collect())
}

#[cfg(test)]
mod tests {
    use v4l::control::Type;

    use super::*;

    fn control(id: u32, typ: Type, minimum: i64, maximum: i64, default: i64, items: &[u32]) -> Description {
        let item = |n: &u32| (*n, MenuItem::Name(String::new()));
        let items = (!items.is_empty()).then(|| items.iter().map(item).collect());
        let (name, step, flags) = (String::new(), 1, Flags::from(0));
        Description { id, typ, name, minimum, maximum, step, default, flags, items }
    }

    const AUTO: settings::Control = settings::Control::Named(ControlName::Auto);

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        let [exposure, gain, ..] = PAIRS;
        let known = [
            control(exposure.value, Type::Integer, 3, 2047, 250, &[]),
            control(exposure.automatic, Type::Menu, 0, 3, 3, &[1, 3]),
        ];
        let told = |value| plan(&exposure, settings::Control::Value(value), &known).unwrap_err().to_string();
        assert!(told(2048).contains("camera.exposure: 2048 is not in 3..=2047"));
        assert!(told(2).contains("3..=2047"));
        let steps = plan(&exposure, settings::Control::Value(100), &known).unwrap();
        assert_eq!(steps, [(exposure.automatic, 1, false), (exposure.value, 100, true)]);
        let none = plan(&gain, settings::Control::Value(1), &known).unwrap_err();
        assert!(none.to_string().contains("no such control"));
        assert_eq!(plan(&gain, AUTO, &known), Ok(vec![]));
    }

    #[test]
    fn automatic_mode_is_a_menu_item_that_the_camera_has() {
        let [exposure, gain, ..] = PAIRS;
        for (default, items, want) in [(3, &[1, 3][..], 3), (0, &[0, 1], 0), (1, &[0, 1], 0), (1, &[1, 3], 3)] {
            let known = [control(exposure.automatic, Type::Menu, 0, 3, default, items)];
            assert_eq!(plan(&exposure, AUTO, &known), Ok(vec![(exposure.automatic, want, false)]));
        }
        let known = [control(gain.automatic, Type::Boolean, 0, 1, 0, &[])];
        assert_eq!(plan(&gain, AUTO, &known), Ok(vec![(gain.automatic, 1, false)]));
    }

    /// A camera with an exposure time of 3 to 2047 in steps of 1, as most webcams have.
    fn webcam() -> Vec<Description> {
        vec![
            control(EXPOSURE.value, Type::Integer, 3, 2047, 250, &[]),
            control(EXPOSURE.automatic, Type::Menu, 0, 3, 3, &[1, 3]),
        ]
    }

    #[test]
    fn the_exposure_time_is_lowered_manually_and_returned_to_automatic() {
        let mut lowering = Lowering::find(&webcam()).unwrap();
        let manual = (EXPOSURE.automatic, 1);
        let time = |value| (EXPOSURE.value, value);
        assert_eq!(lowering.plan(1, || Ok(100)).unwrap(), (vec![manual, time(70)], 1));
        // From the automatic value, not from what was set since.
        let unread = || panic!("it is known");
        assert_eq!(lowering.plan(2, unread).unwrap(), (vec![time(49)], 2));
        assert_eq!(lowering.plan(1, unread).unwrap(), (vec![time(70)], 1));
        assert_eq!(lowering.plan(50, unread).unwrap(), (vec![time(4)], 8));
        assert_eq!(lowering.plan(0, unread).unwrap(), (vec![(EXPOSURE.automatic, 3)], 0));
        assert_eq!(lowering.plan(1, || Ok(50)).unwrap(), (vec![manual, time(35)], 1));
        lowering.plan(0, unread).unwrap();
        assert_eq!(lowering.plan(1, || Ok(3)).unwrap(), (vec![], 0), "it is as short as can be");
        assert!(lowering.plan(1, || Err(io::Error::other("no"))).is_err());
    }

    #[test]
    fn lowered_exposure_times_follow_the_controls_step() {
        let time = Time { least: 10, most: 1000, step: 20, automatic: 3, chosen: None };
        assert_eq!([1, 2, 3, 4].map(|steps| time.lowered(110, steps)), [(70, 1), (30, 2), (10, 3), (10, 3)]);
    }

    #[test]
    fn an_exposure_bias_is_preferred_if_it_has_darker_entries() {
        let bias = |values: &[i64]| {
            let mut bias = control(BIAS, Type::IntegerMenu, 0, values.len() as i64 - 1, 2, &[]);
            bias.items = Some((0..).zip(values.iter().map(|v| MenuItem::Value(*v))).collect());
            bias
        };
        let find = |values: &[i64]| Lowering::find(&webcam().into_iter().chain([bias(values)]).collect::<Vec<_>>());
        let mut lowering = find(&[-2000, -1000, 0, 1000, 2000]).unwrap();
        assert_eq!(
            [0, 1, 2, 3].map(|steps| lowering.plan(steps, || Ok(0)).unwrap()),
            [(vec![(BIAS, 2)], 0), (vec![(BIAS, 1)], 1), (vec![(BIAS, 0)], 2), (vec![(BIAS, 0)], 2),]
        );
        for useless in [&[0, 1000][..], &[-2000, -1000], &[]] {
            assert!(matches!(find(useless), Some(Lowering::Time(_))), "{useless:?}");
        }
    }

    #[test]
    fn a_camera_without_automatic_exposure_cannot_be_lowered() {
        let [time, automatic] = webcam().try_into().unwrap_or_else(|_| panic!("there are two"));
        assert_eq!(Lowering::find(&[automatic]), None);
        assert_eq!(Lowering::find(&[Description { flags: Flags::READ_ONLY, ..webcam().remove(1) }, time]), None);
    }
}

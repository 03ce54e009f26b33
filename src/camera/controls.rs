//! Exposure, gain, focus and white balance by the settings.

use v4l::control::{Control, Description, Flags, Value};

use super::fault::Fault;
use crate::ops::settings::{self, ControlWord};

/// A control of Video4Linux and the one that has the camera choose it, by their numbers in linux/v4l2-controls.h.
struct Pair {
    setting: &'static str,
    value: u32,
    automatic: u32,
    /// What the automatic one is set to for "the user chooses".
    manual: i64,
}

const USER: u32 = 0x0098_0900;
const CAMERA: u32 = 0x009A_0900;

const PAIRS: [Pair; 4] = [
    // EXPOSURE_ABSOLUTE and EXPOSURE_AUTO, a menu in which 1 is manual.
    Pair { setting: "exposure", value: CAMERA + 2, automatic: CAMERA + 1, manual: 1 },
    // GAIN and AUTOGAIN.
    Pair { setting: "gain", value: USER + 19, automatic: USER + 18, manual: 0 },
    // FOCUS_ABSOLUTE and FOCUS_AUTO.
    Pair { setting: "focus", value: CAMERA + 10, automatic: CAMERA + 12, manual: 0 },
    // WHITE_BALANCE_TEMPERATURE and AUTO_WHITE_BALANCE.
    Pair { setting: "white_balance", value: USER + 26, automatic: USER + 12, manual: 0 },
];

/// Sets what the settings say. A value that the camera does not take is refused with its range.
pub(super) fn apply(device: &v4l::Device, settings: &settings::Camera) -> Result<(), Fault> {
    let wanted = [settings.exposure, settings.gain, settings.focus, settings.white_balance];
    if wanted.iter().all(|w| *w == settings::Control::Word(ControlWord::Keep)) {
        return Ok(());
    }
    // The crate panics on controls of a type that it doesn't know; then none can be set, which only matters if one has to be.
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
    Ok(())
}

/// What to set in which order: number, value, and whether it must succeed.
fn plan(pair: &Pair, wanted: settings::Control, known: &[Description]) -> Result<Vec<(u32, i64, bool)>, Fault> {
    let usable = |id: u32| known.iter().find(|c| c.id == id && !c.flags.contains(Flags::DISABLED));
    let automatic = usable(pair.automatic);
    match wanted {
        settings::Control::Word(ControlWord::Keep) => Ok(vec![]),
        // A camera that can't choose has nothing to be told.
        settings::Control::Word(ControlWord::Auto) => {
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

/// The value of an automatic control that has the camera choose: 1 of a switch; of the exposure's menu the default, unless that
/// is the manual one, else 0 (all automatic) or 3 (all but the aperture), whichever there is.
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

#[cfg(test)]
mod tests {
    use v4l::control::{MenuItem, Type};

    use super::*;

    fn control(id: u32, typ: Type, minimum: i64, maximum: i64, default: i64, items: &[u32]) -> Description {
        let item = |n: &u32| (*n, MenuItem::Name(String::new()));
        let items = (!items.is_empty()).then(|| items.iter().map(item).collect());
        let (name, step, flags) = (String::new(), 1, Flags::from(0));
        Description { id, typ, name, minimum, maximum, step, default, flags, items }
    }

    const AUTO: settings::Control = settings::Control::Word(ControlWord::Auto);

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
    fn automatic_is_what_the_camera_calls_so() {
        let [exposure, gain, ..] = PAIRS;
        for (default, items, want) in [(3, &[1, 3][..], 3), (0, &[0, 1], 0), (1, &[0, 1], 0), (1, &[1, 3], 3)] {
            let known = [control(exposure.automatic, Type::Menu, 0, 3, default, items)];
            assert_eq!(plan(&exposure, AUTO, &known), Ok(vec![(exposure.automatic, want, false)]));
        }
        let known = [control(gain.automatic, Type::Boolean, 0, 1, 0, &[])];
        assert_eq!(plan(&gain, AUTO, &known), Ok(vec![(gain.automatic, 1, false)]));
    }
}

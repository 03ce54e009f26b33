//! Locks exposure, gain and white balance at their present values while the color of the light is measured, and
//! remembers what was automatic. Who asks for it and when it ends is the supervisor's matter.
//!
//! Cameras have different controls, and what one lacks can't be locked: that is told, and no error. A camera that
//! reports the exposure time that was set last instead of the automatic one jumps to it, as with
//! [`super::controls::Lowering`]; V4L2_CID_3A_LOCK would avoid that, but the crate `v4l` reads no bit masks, and
//! webcams don't have it.

use std::io;

use v4l::control::{Control, Description, Flags, Value};

use super::controls::{PAIRS, Pair};
use super::fault::Fault;

/// What is locked, in the driver's units. `None` for a value that is not known; it may be constant nevertheless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked {
    /// Which lock it is since the service started.
    pub number: u64,
    /// Exposure time.
    pub exposure: Option<i64>,
    /// Gain.
    pub gain: Option<i64>,
    /// White balance.
    pub white_balance: Option<i64>,
    /// Of `exposure` and `white_balance` those that could not be made constant: the camera has no control for them, or
    /// it failed. They may be constant by nature.
    pub lacking: Vec<&'static str>,
}

/// What has to be set to let the camera choose again, by number and value, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owed(pub(super) Vec<(u32, i64)>);

/// The controls of a device.
pub(super) trait Controls {
    fn get(&self, id: u32) -> io::Result<i64>;
    fn set(&self, id: u32, value: i64) -> io::Result<()>;
}

impl Controls for v4l::Device {
    fn get(&self, id: u32) -> io::Result<i64> {
        match self.control(id)?.value {
            Value::Integer(value) => Ok(value),
            Value::Boolean(value) => Ok(value.into()),
            other => Err(io::Error::other(format!("control {id:#x} is {other:?}"))),
        }
    }

    fn set(&self, id: u32, value: i64) -> io::Result<()> {
        self.set_control(Control { id, value: Value::Integer(value) })
    }
}

/// Locks what is automatic. `owed` gets each control before it is changed, so that it can be restored also if this
/// fails or panics half way. An error means that the device is gone; a control that refuses is lacking.
pub(super) fn lock(device: &dyn Controls, known: &[Description], owed: &mut Owed) -> Result<Locked, Fault> {
    let mut locked = Locked::default();
    for pair in PAIRS.iter().filter(|pair| pair.setting != "focus") {
        let held = match hold(device, pair, known, owed) {
            Ok(held) => held,
            Err(e) => match Fault::from_io(&e, &format!("locking the {}", pair.setting.replace('_', " "))) {
                gone @ Fault::Unplugged => return Err(gone),
                told => {
                    log::warn!("camera: {told}");
                    Held { constant: false, value: None }
                }
            },
        };
        match pair.setting {
            "exposure" => locked.exposure = held.value,
            "gain" => locked.gain = held.value,
            _ => locked.white_balance = held.value,
        }
        // Most cameras have no automatic gain of its own: it goes with the exposure.
        if !held.constant && pair.setting != "gain" {
            locked.lacking.push(pair.setting);
        }
    }
    Ok(locked)
}

struct Held {
    constant: bool,
    value: Option<i64>,
}

fn hold(device: &dyn Controls, pair: &Pair, known: &[Description], owed: &mut Owed) -> io::Result<Held> {
    let usable = |id: u32, not: Flags| known.iter().find(|c| c.id == id && !c.flags.intersects(Flags::DISABLED | not));
    // While it is automatic, the value is inactive or read-only with some drivers.
    let value = usable(pair.value, Flags::WRITE_ONLY);
    let value = || value.map(|c| Ok::<_, io::Error>((c, device.get(c.id)?))).transpose();
    let Some(automatic) = usable(pair.automatic, Flags::READ_ONLY | Flags::WRITE_ONLY) else {
        // What has a value that can be set and nothing automatic stays as it is.
        return Ok(Held { constant: value().is_ok_and(|v| v.is_some()), value: value()?.map(|(_, value)| value) });
    };
    let before = device.get(automatic.id)?;
    let now = value()?;
    if before == pair.manual {
        return Ok(Held { constant: true, value: now.map(|(_, value)| value) });
    }
    owed.0.push((automatic.id, before));
    device.set(automatic.id, pair.manual)?;
    if let Some((control, value)) = now {
        // A camera that refuses its own value, such as one out of its range, keeps some other one: it is constant.
        let value = value.clamp(control.minimum, control.maximum.max(control.minimum));
        if let Err(e) = device.set(control.id, value) {
            log::debug!("camera: {} is not set to {value}: {e}", pair.setting);
            return Ok(Held { constant: true, value: device.get(control.id).ok() });
        }
        return Ok(Held { constant: true, value: Some(value) });
    }
    Ok(Held { constant: true, value: None })
}

/// Lets the camera choose again. What was restored is not owed any more.
pub(super) fn restore(device: &dyn Controls, owed: &mut Owed) -> io::Result<()> {
    let mut failed = None;
    owed.0.retain(|(id, value)| match device.set(*id, *value) {
        Ok(()) => false,
        Err(e) => {
            failed = Some(e);
            true
        }
    });
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
pub(super) mod tests;

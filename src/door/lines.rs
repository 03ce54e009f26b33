//! Lines of the hardware (GPIO, by the character device of Linux).
//!
//! They are claimed for this process alone, so that nothing else can switch them. Whatever ends the process releases them; the unit then
//! switches the lock's line off once more (`faceplate door release`), since drivers differ in what a released line does.

use gpiocdev::Request;
use gpiocdev::line::Value;
use gpiocdev::request::Builder;

use crate::ops::settings::{self, Level, line};

/// Name under which lines are claimed, for `gpioinfo`.
const CONSUMER: &str = "faceplate";

/// Switches something on and off.
pub(super) trait Switch: Send {
    /// Switches it; the error is that of the driver.
    fn set(&mut self, on: bool) -> Result<(), String>;
}

/// A line of a chip.
struct Gpio {
    request: Request,
    offset: u32,
}

/// A lock that is none, for trying out: the log tells of it.
struct Simulated;

impl Switch for Gpio {
    fn set(&mut self, on: bool) -> Result<(), String> {
        let value = if on { Value::Active } else { Value::Inactive };
        self.request.set_value(self.offset, value).map(|_| ()).map_err(|e| e.to_string())
    }
}

impl Switch for Simulated {
    fn set(&mut self, on: bool) -> Result<(), String> {
        log::info!("door: the simulated lock is {}", if on { "open" } else { "shut" });
        Ok(())
    }
}

/// A claim of a line that is active at this level, and its number on its chip.
pub(super) fn claim(text: &str, active: Level) -> Result<(Builder, u32), String> {
    let (chip, offset) = line(text).ok_or_else(|| format!("{text} is no line"))?;
    let mut builder = Request::builder();
    builder.on_chip(format!("/dev/{chip}")).with_consumer(CONSUMER).with_line(offset);
    if active == Level::Low {
        builder.as_active_low();
    }
    Ok((builder, offset))
}

/// Claims a line as an output that is off; none if there is none.
pub(super) fn output(text: &str, active: Level) -> Result<Option<Box<dyn Switch>>, String> {
    match text {
        "none" => return Ok(None),
        "simulated" => return Ok(Some(Box::new(Simulated))),
        _ => {}
    }
    let (mut builder, offset) = claim(text, active)?;
    let request = builder.as_output(Value::Inactive).request().map_err(|e| format!("{text}: {e}"))?;
    Ok(Some(Box::new(Gpio { request, offset })))
}

/// Switches the lock's line off, and releases it: for the end of a service that could not do it itself.
pub fn release(settings: &settings::Door) -> Result<(), String> {
    output(&settings.relay, settings.relay_active).map(drop)
}

//! The inputs of a door: its contact and the exit button.

use std::sync::Arc;
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};

use super::lines::claim;
use super::thread::spawn;
use crate::ops::clock;
use crate::ops::settings::{self, Level};
use crate::ops::shutdown::{IDLE, Shutdown};

/// Time in which a switch bounces.
const DEBOUNCE: Duration = Duration::from_millis(30);
/// Age up to which a press counts.
const FRESH: Duration = Duration::from_secs(1);
/// After how long a line that can't be read is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// An input has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The door stands open, or does not.
    Contact(bool),
    /// The exit button was pressed.
    Exit,
}

/// Claims the inputs of the settings, and tells `told` of their changes, first of the contact as it is.
pub(super) fn watch_inputs(
    settings: &settings::Door,
    shutdown: &Shutdown,
    told: impl Fn(Change) + Send + Sync + 'static,
) -> Result<(), String> {
    let told = Arc::new(told);
    let contact = (&settings.contact, settings.contact_active);
    let exit = (&settings.exit, settings.exit_active);
    for (is_contact, (text, active)) in [(true, contact), (false, exit)] {
        if text == "none" {
            continue;
        }
        let (mut builder, offset) = claim(text, active)?;
        // A contact whose wire was cut reads as an open door; a button whose wire was cut, as not pressed.
        let is_high_without_a_wire = is_contact == (active == Level::High);
        let bias = if is_high_without_a_wire { Bias::PullUp } else { Bias::PullDown };
        builder.as_input().with_bias(bias).with_edge_detection(EdgeDetection::BothEdges).with_debounce_period(DEBOUNCE);
        let request = builder.request().map_err(|e| format!("{text}: {e}"))?;
        let (told, watched) = (Arc::clone(&told), shutdown.clone());
        let changed = move |is_active| match is_contact {
            true => told(Change::Contact(is_active)),
            false if is_active => told(Change::Exit),
            false => {}
        };
        spawn("door input", shutdown, move || watch(&request, (offset, is_contact), &watched, changed))?;
    }
    Ok(())
}

/// Tells of each change of a line, and if wanted of its state at the beginning: a button that is pressed then is a fault, and nobody's.
fn watch(request: &Request, (offset, tells_first): (u32, bool), shutdown: &Shutdown, changed: impl Fn(bool)) {
    let mut last = None;
    while !shutdown.requested() {
        // Events only wake: what counts is the level, since events may be lost.
        match request.value(offset) {
            Ok(value) => {
                let is_active = value == Value::Active;
                let is_first = last.is_none() && !tells_first;
                if last != Some(is_active) {
                    last = Some(is_active);
                    if !is_first {
                        changed(is_active);
                    }
                }
            }
            Err(error) => {
                log::error!("door: an input can't be read: {error}");
                shutdown.sleep(RETRY);
                continue;
            }
        }
        match request.wait_edge_event(IDLE) {
            Ok(true) => {
                // A press that is over before the level is read is a press nevertheless.
                // One that waited for long, while this thread did, is none: nobody stands there any more.
                let now = u64::try_from(clock::monotonic().as_nanos()).unwrap_or(u64::MAX);
                let edge = request.read_edge_event().ok();
                let is_fresh = |at: u64| Duration::from_nanos(now.saturating_sub(at)) < FRESH;
                if let Some(event) = edge.filter(|event| is_fresh(event.timestamp_ns)) {
                    let is_active = event.kind == EdgeKind::Rising;
                    if last != Some(is_active) {
                        last = Some(is_active);
                        changed(is_active);
                    }
                }
            }
            Ok(false) => {}
            Err(_) => shutdown.sleep(IDLE),
        }
    }
}

//! Sends events where the settings say: to webhooks, and to a broker (MQTT) with what Home Assistant needs to find the device.
//!
//! Each receiver has a thread and a position in the journal, so that none waits for another, and nothing is lost while one is away. It
//! decides nothing: commands that a broker passes on go to the door.

mod discovery;
mod mqtt;
mod signature;
mod topics;
mod webhook;

use std::sync::Arc;

pub use mqtt::fuzz as fuzz_broker;
pub use signature::new_secret;

use crate::door::Door;
use crate::events::{Event, Journal};
use crate::ops::Settings;
use crate::ops::shutdown::Shutdown;

/// The name of an event's person, if it is known.
pub type NameOf = Arc<dyn Fn(&Event) -> Option<String> + Send + Sync>;

/// Starts a thread for each receiver. The error tells what of the settings can't be used.
pub fn start(
    settings: &Settings,
    journal: &Arc<Journal>,
    door: Option<&Arc<Door>>,
    name_of: &NameOf,
    shutdown: &Shutdown,
) -> Result<(), String> {
    for webhook in &settings.events.webhooks {
        webhook::start(webhook, Arc::clone(journal), Arc::clone(name_of), shutdown.clone())?;
    }
    if !settings.mqtt.broker.is_empty() {
        mqtt::start(settings, Arc::clone(journal), door.cloned(), Arc::clone(name_of), shutdown.clone())?;
    }
    Ok(())
}

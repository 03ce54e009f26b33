//! `door`: asks the running service about its door, opens it, or switches recognition; and shuts the lock without a service.

use std::error::Error;

use serde_json::json;

use super::args::Door;
use super::ask::{ask, send};
use crate::door;
use crate::ops::Settings;

/// Runs the command.
pub(super) fn run(settings: &Settings, command: &Door) -> Result<(), Box<dyn Error>> {
    match command {
        Door::Show => println!("{:#}", ask(settings, "GET /v1/door")?.good()?.json()?),
        Door::Open => {
            ask(settings, "POST /v1/door/open")?.good()?;
            println!("opened");
        }
        Door::Mode { mode } => {
            let body = json!({ "mode": mode }).to_string();
            send(settings, "POST /v1/door/mode", "application/json", body.as_bytes())?.good()?;
            println!("{mode}");
        }
        Door::Release => door::release(&settings.door)?,
    }
    Ok(())
}

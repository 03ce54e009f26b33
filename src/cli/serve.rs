use crate::ops::Settings;
pub(super) fn run(_: &Settings) -> Result<(), Box<dyn std::error::Error>> { Ok(()) }

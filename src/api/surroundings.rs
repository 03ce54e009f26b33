//! Checks what the service needs of its machine: before a start for `--check` and `doctor`, and while it runs for `/v1/doctor`.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};

use crate::camera::{self, Fault};
use crate::face::Sealer;
use crate::gate::Tls;
use crate::ops::Settings;
use crate::ops::date::timestamp;
use crate::ops::settings::{DoorMode, ListenAddr, line};

/// The result of one check.
#[derive(Debug)]
pub struct Check {
    /// What was checked, as a stable word.
    pub about: &'static str,
    /// `Err` if the service can't work like this.
    pub found: Result<String, String>,
}

/// Least number of descriptors that the service starts with.
const LEAST_DESCRIPTORS: u64 = 91;
/// 2024-01-01 in seconds: a clock before that was never set.
const PLAUSIBLE: u64 = 1_704_067_200;

/// Runs all checks before a start; changes nothing.
pub fn look(settings: &Settings) -> Vec<Check> {
    let parts = vec![
        Check { about: "people", found: people(settings) },
        Check { about: "door", found: door(settings) },
        Check { about: "camera", found: camera(settings) },
    ];
    let mut findings = around(settings, parts);
    let places = settings.server.listen.0.iter();
    findings.extend(places.map(|place| Check { about: "listen", found: listen(place) }));
    findings
}

/// The checks of files and of the system, with those of the service's parts between them.
pub(super) fn around(settings: &Settings, parts: Vec<Check>) -> Vec<Check> {
    let mut findings = vec![
        Check { about: "certificate", found: certificate(settings) },
        Check { about: "template_keys", found: keys(settings) },
    ];
    findings.extend(parts);
    findings.extend([
        Check { about: "clock", found: Ok(clock(SystemTime::now())) },
        Check { about: "memory_controller", found: Ok(memory_controller()) },
        Check { about: "descriptors", found: descriptors(getrlimit(Resource::Nofile).maximum) },
    ]);
    findings
}

/// Whether nothing is wrong.
pub fn is_good(findings: &[Check]) -> bool {
    findings.iter().all(|finding| finding.found.is_ok())
}

/// For programs: `version`, `ok`, and `findings`, each with `about`, `ok` and `found`.
pub fn json(findings: &[Check]) -> Value {
    let told: Vec<Value> = findings
        .iter()
        .map(|Check { about, found }| {
            let text = found.as_ref().unwrap_or_else(|why| why);
            json!({ "about": about, "ok": found.is_ok(), "found": text })
        })
        .collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "ok": is_good(findings), "findings": told })
}

fn certificate(settings: &Settings) -> Result<String, String> {
    let Some(file) = &settings.tls.certificate else { return Ok("none, connections are not encrypted".into()) };
    Tls::load(&settings.tls).map(|_| format!("{} is good", file.display())).map_err(|e| e.to_string())
}

fn keys(settings: &Settings) -> Result<String, String> {
    let Some(file) = &settings.templates.keys else { return Ok("none, templates are not sealed".into()) };
    Sealer::load(&settings.templates).map(|_| format!("{} is good", file.display())).map_err(|e| e.to_string())
}

fn people(settings: &Settings) -> Result<String, String> {
    let Some(path) = &settings.people.store else { return Ok("none are stored".into()) };
    let shown = path.display();
    match std::fs::metadata(path) {
        // The running service has it open: it is not read.
        Ok(file) => Ok(format!("{shown} has {} bytes", file.len())),
        Err(e)
            if e.kind() == ErrorKind::NotFound
                && path.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir()) =>
        {
            Ok(format!("{shown} will be made"))
        }
        Err(e) => Err(format!("{shown}: {e}")),
    }
}

/// Whether the lines of the door are there. They are not claimed: the running service has them.
fn door(settings: &Settings) -> Result<String, String> {
    if !settings.door.is_there() {
        return Ok("none".into());
    }
    for (key, text) in settings.door.lines() {
        let chip = line(text).map(|(chip, _)| format!("/dev/{chip}")).unwrap_or_default();
        std::fs::metadata(&chip).map_err(|e| format!("{key} = {text}: {chip}: {e}"))?;
    }
    Ok(shown_door(settings, settings.door.mode))
}

/// What a door is that works.
pub(super) fn shown_door(settings: &Settings, mode: DoorMode) -> String {
    let kept = if settings.events.store.is_some() { "kept" } else { "lost at each start (events.store)" };
    format!("mode {}, relay {}; events are {kept}", mode.word(), settings.door.relay)
}

fn camera(settings: &Settings) -> Result<String, String> {
    match camera::try_open(&settings.camera, &settings.limits) {
        Ok(identity) => Ok(format!("{} ({}) opens", identity.place, identity.name)),
        // The service may be running and using it.
        Err(Fault::Busy) => Ok("in use by another program".into()),
        Err(fault) => without_camera(settings, &fault),
    }
}

/// Whether the service can work though its camera has this fault.
pub(super) fn without_camera(settings: &Settings, fault: &Fault) -> Result<String, String> {
    match fault {
        Fault::Off => Ok("off".into()),
        // One may be plugged in later.
        Fault::Absent(what) if settings.camera.device == "auto" => Ok(format!("none is there: {what}")),
        fault => Err(format!("{}: {fault}", settings.camera.device)),
    }
}

/// Whether connections can be accepted there. An address in use may well be that of the running service.
fn listen(place: &ListenAddr) -> Result<String, String> {
    match place {
        ListenAddr::Tcp(address) => match TcpListener::bind(address) {
            Ok(_) => Ok(format!("{address} is free")),
            Err(e) if e.kind() == ErrorKind::AddrInUse => Ok(format!("{address} is in use, maybe by this service")),
            Err(e) => Err(format!("{address}: {e}")),
        },
        ListenAddr::Unix(path) if UnixStream::connect(path).is_ok() => {
            Ok(format!("{place} is in use, maybe by this service"))
        }
        ListenAddr::Unix(path) => match path.parent().is_some_and(Path::is_dir) {
            true => Ok(format!("{place} is free")),
            false => Err(format!("{place}: its folder does not exist")),
        },
    }
}

fn clock(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match since < PLAUSIBLE {
        true => format!("WARNING: {} can't be right; certificates and dates in the log depend on it", timestamp(now)),
        false => timestamp(now),
    }
}

/// Raspberry Pi OS comes without it: memory limits are then ignored.
fn memory_controller() -> String {
    let enabled = |text: &str| text.split_whitespace().any(|word| word == "memory");
    match std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") {
        Ok(text) if enabled(&text) => "there".into(),
        Ok(_) => {
            "WARNING: not enabled, MemoryMax= has no effect; add cgroup_enable=memory to the kernel's command line"
                .into()
        }
        Err(_) => "unknown, there is no unified cgroup hierarchy".into(),
    }
}

fn descriptors(most: Option<u64>) -> Result<String, String> {
    match most {
        None => Ok("any number".into()),
        Some(most) if most >= LEAST_DESCRIPTORS => Ok(most.to_string()),
        Some(most) => Err(format!("{most} are too few; raise LimitNOFILE= of the unit, or ulimit -n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn wrong_clocks_and_low_limits_are_reported() {
        assert!(clock(UNIX_EPOCH).starts_with("WARNING: 1970-01-01"));
        assert!(!clock(UNIX_EPOCH + Duration::from_secs(PLAUSIBLE)).contains("WARNING"));
        assert!(descriptors(Some(90)).is_err() && descriptors(Some(91)).is_ok() && descriptors(None).is_ok());
    }

    #[test]
    fn an_address_in_use_is_reported() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = ListenAddr::Tcp(taken.local_addr().unwrap());
        assert!(listen(&place).unwrap().contains("in use"));
        drop(taken);
        assert!(listen(&place).unwrap().contains("is free"));
        assert!(listen(&ListenAddr::Unix("/nonexistent/folder/socket".into())).unwrap_err().contains("does not exist"));
    }
}

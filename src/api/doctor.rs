//! Tells how the running service is (`/v1/doctor`): as `faceplate doctor`, but of its parts what they say of themselves.

use super::context::Service;
use super::reply::Reply;
use super::surroundings::{Check, around, json, shown_door, without_camera};
use crate::camera::{Fault, Report, Status};
use crate::ops::{Settings, counted};

impl Service {
    /// Looks at everything that can be looked at without switching anything on or waiting for anybody's work.
    pub(super) fn doctor(&self) -> Reply {
        let settings = &self.in_force().settings;
        let models = self.health.verdict().map(|()| "the last self-test passed".into());
        let parts = vec![
            Check { about: "people", found: self.people_found() },
            Check { about: "events", found: self.events_found(settings) },
            Check { about: "door", found: self.door_found(settings) },
            Check { about: "camera", found: camera(settings, &self.capturer.camera().report()) },
        ];
        let mut findings = vec![Check { about: "models", found: models }];
        findings.extend(around(settings, parts));
        Reply::json(&json(&findings))
    }

    fn people_found(&self) -> Result<String, String> {
        let Some(people) = &self.people else { return Ok("none are stored".into()) };
        let all = people.snapshot().map_err(|error| error.to_string())?;
        let people = counted(all.people().count(), "person", "people");
        Ok(format!("{people} with {}", counted(all.templates(), "template", "templates")))
    }

    fn events_found(&self, settings: &Settings) -> Result<String, String> {
        match (self.journal.trouble(), &settings.events.store) {
            (Some(error), _) => Err(format!("they are not kept: {error}")),
            (None, Some(path)) => Ok(format!("{} is written", path.display())),
            (None, None) => Ok("the last thousand are known until the service ends".into()),
        }
    }

    fn door_found(&self, settings: &Settings) -> Result<String, String> {
        let Some(door) = &self.door else { return Ok("none".into()) };
        let status = door.status();
        match status.faults.is_empty() {
            true => Ok(shown_door(settings, status.mode)),
            false => Err(format!("what does not work: {}", status.faults.join(", "))),
        }
    }
}

/// What the camera's thread says of it. Whether a camera works that nobody has asked for yet is not known.
fn camera(settings: &Settings, report: &Report) -> Result<String, String> {
    let fault = match &report.status {
        _ if settings.camera.device == "off" => Some(&Fault::Off),
        Status::Failing(fault) => Some(fault),
        // The last time that it was wanted.
        Status::Off | Status::Starting => report.fault.as_ref(),
        Status::On => None,
    };
    if let Some(fault) = fault {
        return without_camera(settings, fault);
    }
    let Some(identity) = &report.identity else { return Ok("not opened yet; it is when somebody asks".into()) };
    let state = if report.status == Status::On { "on" } else { "off until somebody asks" };
    Ok(format!("{} ({}) is {state}", identity.place, identity.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Counts;
    use crate::ops::settings;

    #[test]
    fn the_camera_is_told_by_what_happened_last() {
        let with = |device: &str| Settings {
            camera: settings::Camera { device: device.into(), ..settings::Camera::default() },
            ..Settings::default()
        };
        let report = |status, fault| Report { status, fault, identity: None, counts: Counts::default(), age: None };
        let absent = Fault::Absent("no device".into());
        let failing = report(Status::Failing(absent.clone()), Some(absent));
        assert_eq!(camera(&with("off"), &failing), Ok("off".into()));
        assert!(camera(&with("auto"), &failing).unwrap().starts_with("none is there"));
        assert!(camera(&with("/dev/video7"), &failing).unwrap_err().starts_with("/dev/video7: "));
        assert!(camera(&with("auto"), &report(Status::Off, Some(Fault::Busy))).is_err());
        assert!(camera(&with("auto"), &report(Status::Off, None)).unwrap().starts_with("not opened yet"));
    }
}

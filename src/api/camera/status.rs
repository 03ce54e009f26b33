//! Reports the camera's state (`/v1/camera`).

use serde_json::{Value, json};

use super::super::context::Service;
use super::super::reply::{Reply, hundredths};
use crate::camera::Status;

impl Service {
    /// Reports the state without switching the camera on.
    pub(in crate::api) fn camera_state(&self) -> Reply {
        let report = self.capturer.camera().report();
        let state = match &report.status {
            Status::Off if self.capturer.settings().device == "off" => "disabled",
            Status::Off => "off",
            Status::Starting => "starting",
            Status::On => "on",
            Status::Failing(_) => "failing",
        };
        let counts = report.counts;
        let (attacks, locked) = self.capturer.attacks();
        let format = report.identity.as_ref().map(|identity| {
            json!({
                "format": identity.layout.format.four_characters(),
                "width": identity.layout.width,
                "height": identity.layout.height,
                "fps": hundredths(identity.fps),
            })
        });
        Reply::json(&json!({
            "state": state,
            "device": report.identity.as_ref().map(|i| &i.place),
            "name": report.identity.as_ref().map(|i| &i.name),
            "format": format,
            "fault": report.fault.as_ref().map(|f| json!({"kind": f.word(), "message": f.to_string()})),
            "age_ms": report.age.map_or(Value::Null, |age| json!(age.as_millis() as u64)),
            "frames": counts.frames,
            "missed": counts.missed,
            "damaged": counts.damaged,
            "stale": counts.stale,
            "opened": counts.opened,
            "failed": counts.failed,
            "preview": self.capturer.settings().preview,
            "attacks": attacks,
            "locked_s": locked.map(|left| left.as_secs() + 1),
        }))
    }
}

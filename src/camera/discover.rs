//! Lists the cameras and what they can do, by `nokhwa`.
//!
//! No program may be using a camera while it is queried: nokhwa opens it.

use std::panic::catch_unwind;

use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{ApiBackend, CameraIndex, RequestedFormat, RequestedFormatType};

/// A camera and what it can do.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraInfo {
    /// Its number: N in `/dev/videoN`.
    pub number: u32,
    /// The name that it reports.
    pub name: String,
    /// Its modes, or why it could not be queried.
    pub modes: Result<Vec<Mode>, String>,
    /// Its controls with their ranges, one line each.
    pub controls: Vec<String>,
}

/// A mode that a camera offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mode {
    /// Four characters of its format.
    pub format: String,
    /// Pixels in a row, and rows.
    pub size: (u32, u32),
    /// Frames a second.
    pub fps: u32,
}

/// All cameras by their numbers, with what they can do.
pub fn find() -> Vec<CameraInfo> {
    listed().into_iter().map(|(number, name)| ask(number, name)).collect()
}

/// Numbers and names of all cameras, in order, without opening one.
pub fn listed() -> Vec<(u32, String)> {
    let query = || nokhwa::query(ApiBackend::Auto).unwrap_or_default();
    // It panics on device names that it does not expect.
    let cameras = catch_unwind(query).unwrap_or_default();
    let mut listed: Vec<(u32, String)> = cameras
        .iter()
        .filter_map(|camera| match camera.index() {
            CameraIndex::Index(number) => Some((*number, camera.human_name())),
            CameraIndex::String(_) => None,
        })
        .collect();
    listed.sort();
    listed.dedup_by_key(|(number, _)| *number);
    listed
}

fn ask(number: u32, name: String) -> CameraInfo {
    let asked = catch_unwind(|| {
        let any = RequestedFormat::new::<RgbFormat>(RequestedFormatType::None);
        let mut camera = nokhwa::Camera::new(CameraIndex::Index(number), any).map_err(|e| e.to_string())?;
        let mut modes: Vec<Mode> = camera
            .compatible_camera_formats()
            .map_err(|e| e.to_string())?
            .iter()
            .map(|mode| Mode {
                format: mode.format().to_string(),
                size: (mode.resolution().x(), mode.resolution().y()),
                fps: mode.frame_rate(),
            })
            .collect();
        modes.sort();
        modes.dedup();
        let controls = camera.camera_controls().unwrap_or_default();
        Ok((modes, controls.iter().map(|c| format!("{}: {}", c.name(), c.description())).collect()))
    });
    let asked = asked.unwrap_or_else(|_| Err("it gives answers that nokhwa does not expect".to_owned()));
    let (modes, controls) = match asked {
        Ok((modes, controls)) => (Ok(modes), controls),
        Err(why) => (Err(why), vec![]),
    };
    CameraInfo { number, name, modes, controls }
}

//! Lists the cameras and what they can do (`cameras`).

use std::collections::BTreeMap;

use crate::camera;
use crate::ops::Settings;

pub(super) fn run(settings: &Settings) {
    let found = camera::find();
    if found.is_empty() {
        println!("no camera was found");
        println!("is there a /dev/video*, and is this user in the group video?");
    }
    for camera in &found {
        println!("/dev/video{}  {}", camera.number, camera.name);
        match &camera.modes {
            // The service may still be able to use it: nokhwa knows fewer formats.
            Err(why) => println!("    cannot be asked: {why}"),
            Ok(modes) => {
                for (format, sizes) in by_format(modes) {
                    println!("    {format}");
                    for ((width, height), rates) in sizes {
                        let rates: Vec<String> = rates.iter().rev().map(u32::to_string).collect();
                        println!("        {width}x{height} at {} frames a second", rates.join(", "));
                    }
                }
            }
        }
        for control in &camera.controls {
            println!("    {control}");
        }
    }
    println!("settings: camera.device = \"{}\"", settings.camera.device.escape_debug());
}

type Sizes = BTreeMap<(u32, u32), Vec<u32>>;

/// Rates by size by format.
fn by_format(modes: &[camera::Mode]) -> BTreeMap<&str, Sizes> {
    let mut formats: BTreeMap<&str, Sizes> = BTreeMap::new();
    for mode in modes {
        formats.entry(&mode.format).or_default().entry(mode.size).or_default().push(mode.fps);
    }
    formats
}

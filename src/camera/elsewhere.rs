//! A camera of a developer's machine that has no Video4Linux, by `nokhwa`: good enough to try the service, not what it is
//! built for. nokhwa waits for a frame without a limit, so that a camera that stalls is not found out here.

use std::time::Instant;

use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution};

use super::fault::Fault;
use super::source::{Captured, FrameSource, Identity};
use crate::media::raw::{Layout, PixelFormat};
use crate::ops::{Limits, settings};

struct Elsewhere {
    camera: nokhwa::Camera,
    identity: Identity,
    sequence: u32,
}

pub(super) fn open(name: &str, settings: &settings::Camera, _: &Limits) -> Result<Box<dyn FrameSource>, Fault> {
    let number = if name == "auto" { Ok(0) } else { name.trim_start_matches("/dev/video").parse() };
    let number =
        number.map_err(|_| Fault::Absent(format!("{name}: name a camera by /dev/videoN, N as `cameras` lists it")))?;
    let size = Resolution::new(settings.width, settings.height);
    let near = CameraFormat::new(size, FrameFormat::MJPEG, settings.fps);
    let wanted = RequestedFormat::new::<RgbFormat>(RequestedFormatType::Closest(near));
    let driver = |e: nokhwa::NokhwaError| Fault::Driver(e.to_string());
    let mut camera = nokhwa::Camera::new(CameraIndex::Index(number), wanted).map_err(driver)?;
    camera.open_stream().map_err(driver)?;
    let agreed = camera.camera_format();
    let format = match agreed.format() {
        FrameFormat::MJPEG => PixelFormat::Mjpg,
        FrameFormat::YUYV => PixelFormat::Yuyv,
        FrameFormat::NV12 => PixelFormat::Nv12,
        FrameFormat::GRAY => PixelFormat::Grey,
        FrameFormat::RAWRGB => PixelFormat::Rgb3,
        other => return Err(Fault::Unsupported(format!("the camera sends {other}, which is not supported"))),
    };
    let (width, height) = (agreed.resolution().x() as usize, agreed.resolution().y() as usize);
    let identity = Identity {
        place: name.to_owned(),
        name: camera.info().human_name(),
        layout: Layout::new(format, width, height),
        fps: f64::from(agreed.frame_rate()),
    };
    Ok(Box::new(Elsewhere { camera, identity, sequence: 0 }))
}

impl FrameSource for Elsewhere {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn next(&mut self, _: Instant) -> Result<Captured, Fault> {
        let frame = self.camera.frame().map_err(|e| Fault::Driver(e.to_string()))?;
        self.sequence = self.sequence.wrapping_add(1);
        let (layout, sequence, taken) = (self.identity.layout, self.sequence, Instant::now());
        Ok(Captured { bytes: frame.buffer().to_vec().into(), layout, sequence, taken })
    }
}

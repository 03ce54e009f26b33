//! Reads frames from a Video4Linux device by the crate `v4l`: mapped buffers, a timeout for each frame, the format that the driver
//! really agreed to.
//!
//! That crate does not support devices with several planes a buffer (MPLANE): cameras behind libcamera are used through its
//! Video4Linux compatibility layer. See docs/guide/boards.md.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use v4l::buffer::{Flags, Type};
use v4l::capability::Flags as Capability;
use v4l::format::{Colorspace, Quantization};
use v4l::framesize::FrameSizeEnum;
use v4l::io::traits::{CaptureStream, Stream};
use v4l::prelude::MmapStream;
use v4l::video::Capture;
use v4l::{FourCC, Fraction};

use super::controls::{self, Lowering};
use super::fault::Fault;
use super::lock::{self, Locked, Owed};
use super::source::{FrameSource, Identity, RawFrame, STALL};
use super::supervisor::guarded;
use crate::media::Matrix;
use crate::media::raw::{Layout, PixelFormat};
use crate::ops::{Limits, settings};

/// Buffers that the driver may fill while one is read.
const BUFFERS: u32 = 4;

/// Up to this many pixels, raw formats are preferred: they cost no decoding. Above, USB 2 can't carry them at a useful rate.
const MOST_RAW_PIXELS: usize = 640 * 480;

/// A driver timestamp older than this is taken to be by another clock than ours.
const OLDEST: Duration = Duration::from_secs(60);

struct Device {
    identity: Identity,
    stream: MmapStream<'static>,
    /// Lives as long as the stream.
    device: v4l::Device,
    /// None where the settings or the camera don't allow changes.
    lowering: Option<Lowering>,
}

/// Opens the device that the settings name, or with `auto` the first that captures.
pub(super) fn open(name: &str, settings: &settings::Camera, limits: &Limits) -> Result<Box<dyn FrameSource>, Fault> {
    if name != "auto" {
        return Ok(Box::new(start(name.into(), settings, limits)?));
    }
    let (mut first, mut unsupported) = (None, None);
    for (number, _) in super::discover::listed() {
        // Each by itself: a device whose answers make the bindings panic must not hide the next.
        match guarded(|| start(format!("/dev/video{number}").into(), settings, limits)) {
            Ok(device) => return Ok(Box::new(device)),
            // Webcams have a second node for metadata; its error must not hide why the first did not open.
            Err(fault @ Fault::Unsupported(_)) => unsupported = unsupported.or(Some(fault)),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.or(unsupported).unwrap_or_else(|| Fault::Absent("there is no camera".into())))
}

fn start(path: PathBuf, settings: &settings::Camera, limits: &Limits) -> Result<Device, Fault> {
    let place = path.display().to_string();
    let fault = |doing: &'static str| {
        let place = place.clone();
        move |e: io::Error| Fault::from_io(&e, &format!("{place}: {doing}"))
    };
    let device = v4l::Device::with_path(&path).map_err(|e| match Fault::from_io(&e, &place) {
        Fault::Unplugged => Fault::Absent(format!("{place}: no such device")),
        other => other,
    })?;
    let able = device.query_caps().map_err(fault("asking what it can do"))?;
    if !able.capabilities.contains(Capability::VIDEO_CAPTURE | Capability::STREAMING) {
        return Err(Fault::Unsupported(format!("{place} does not capture video in single-planar buffers")));
    }
    let (format, width, height) = choose(&device, settings)?;
    let wanted = v4l::Format::new(width, height, FourCC::new(code(format)));
    device.set_format(&wanted).map_err(fault("setting the format"))?;
    // The format that the driver reports now is what it will send, whatever was requested.
    let agreed = device.format().map_err(fault("asking for the format"))?;
    let layout = layout(&agreed).ok_or_else(|| {
        Fault::Unsupported(format!("{place} sends {}, which is not supported", printable(&agreed.fourcc.repr)))
    })?;
    let pixels = (layout.width as u64).saturating_mul(layout.height as u64);
    let fits = layout.format == PixelFormat::Mjpg || layout.least_bytes().is_some_and(|least| least <= 1 << 30);
    if pixels == 0 || pixels > limits.video_pixels || !fits {
        return Err(Fault::Unsupported(format!("{place} sends frames of {}x{} pixels", layout.width, layout.height)));
    }
    // A device that can't change its rate returns an error; its own rate will do.
    let fps = device.set_params(&v4l::video::capture::Parameters::new(Fraction::new(1, settings.fps)));
    let fps = fps.map_or(0.0, |p| f64::from(p.interval.denominator) / f64::from(p.interval.numerator.max(1)));
    let lowering = controls::apply(&device, settings)?;
    let stream = MmapStream::with_buffers(&device, Type::VideoCapture, BUFFERS).map_err(fault("reserving buffers"))?;
    let identity = Identity { place, name: printable(able.card.as_bytes()), layout, fps };
    Ok(Device { identity, stream, device, lowering })
}

/// The format and size closest to the settings among those that the device offers.
fn choose(device: &v4l::Device, settings: &settings::Camera) -> Result<(PixelFormat, u32, u32), Fault> {
    let offered = device.enum_formats().map_err(|e| Fault::from_io(&e, "asking for the formats"))?;
    let known: Vec<PixelFormat> =
        offered.iter().filter_map(|f| PixelFormat::from_four_characters(&f.fourcc.repr)).collect();
    if offered.is_empty() {
        return Err(Fault::Unsupported(
            "the camera offers no format; if it is a loopback device, no program writes to it".into(),
        ));
    }
    let Some(format) = preferred(&known, settings) else {
        let names: Vec<String> = offered.iter().map(|f| printable(&f.fourcc.repr)).collect();
        let wanted = if settings.format == "auto" { "a format that is supported" } else { &settings.format };
        return Err(Fault::Unsupported(format!("the camera has {}, but not {wanted}", names.join(", "))));
    };
    let sizes = device.enum_framesizes(FourCC::new(code(format))).unwrap_or_default();
    let sizes = sizes.into_iter().map(|size| match size.size {
        FrameSizeEnum::Discrete(size) => (size.width, size.height),
        FrameSizeEnum::Stepwise(range) => {
            let within = |wanted: u32, least: u32, most: u32, step: u32| {
                let wanted = wanted.clamp(least, most.max(least));
                least + (wanted - least) / step.max(1) * step.max(1)
            };
            (
                within(settings.width, range.min_width, range.max_width, range.step_width),
                within(settings.height, range.min_height, range.max_height, range.step_height),
            )
        }
    });
    let (width, height) = nearest(sizes, (settings.width, settings.height));
    Ok((format, width, height))
}

/// The format to request: that of the settings, or the best of those that the camera has.
fn preferred(known: &[PixelFormat], settings: &settings::Camera) -> Option<PixelFormat> {
    let mut ranked = PixelFormat::ALL.to_vec();
    if settings.width as usize * settings.height as usize > MOST_RAW_PIXELS {
        ranked.sort_by_key(|format| *format != PixelFormat::Mjpg);
    }
    let allowed = |f: &PixelFormat| settings.format == "auto" || settings.format == f.four_characters();
    ranked.into_iter().filter(allowed).find(|format| known.contains(format))
}

/// The size nearest to the wanted one: the smallest that is as large in both directions, else the largest.
fn nearest(sizes: impl Iterator<Item = (u32, u32)>, wanted: (u32, u32)) -> (u32, u32) {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let rank = |size: &(u32, u32)| match size.0 >= wanted.0 && size.1 >= wanted.1 {
        true => (0, area(*size)),
        false => (1, u64::MAX - area(*size)),
    };
    sizes.min_by_key(rank).unwrap_or(wanted)
}

/// The layout of what the driver agreed to send; `None` if it is not supported.
fn layout(agreed: &v4l::Format) -> Option<Layout> {
    let format = PixelFormat::from_four_characters(&agreed.fourcc.repr)?;
    // As the kernel maps what a driver leaves open (V4L2_MAP_QUANTIZATION_DEFAULT, V4L2_MAP_YCBCR_ENC_DEFAULT).
    let full_range = match agreed.quantization {
        Quantization::FullRange => true,
        Quantization::LimitedRange => false,
        Quantization::Default => matches!(agreed.colorspace, Colorspace::JPEG),
    };
    let matrix = match agreed.colorspace {
        Colorspace::Rec709 | Colorspace::DCIP3 => Matrix::Bt709,
        Colorspace::Rec2020 => Matrix::Bt2020,
        _ => Matrix::Bt601,
    };
    let (width, height, stride) = (agreed.width as usize, agreed.height as usize, agreed.stride as usize);
    // A stride too small for a row comes from a driver that does not fill it in.
    let stride = if stride < format.row_bytes(width) { 0 } else { stride };
    Some(Layout { stride, full_range, matrix, ..Layout::new(format, width, height) })
}

impl FrameSource for Device {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn next(&mut self, deadline: Instant) -> Result<RawFrame, Fault> {
        self.stream.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let (buffer, about) = self.stream.next().map_err(|e| match e.kind() {
            io::ErrorKind::TimedOut => Fault::Stalled(STALL),
            _ => Fault::from_io(&e, &format!("{}: waiting for a frame", self.identity.place)),
        })?;
        let layout = self.identity.layout;
        // An empty buffer still holds the frame before last.
        let bytes = &buffer[..(about.bytesused as usize).min(buffer.len())];
        if about.flags.contains(Flags::ERROR) {
            return Err(Fault::Damaged("marked by the driver".into()));
        }
        if bytes.len() < layout.least_bytes().unwrap_or(4) {
            return Err(Fault::Damaged(format!("{} bytes are too few", bytes.len())));
        }
        Ok(RawFrame { bytes: bytes.to_vec().into(), layout, sequence: about.sequence, taken: taken(about) })
    }

    fn expose(&mut self, steps: u32) -> Result<u32, Fault> {
        let Some(lowering) = &mut self.lowering else { return Ok(0) };
        let doing = || format!("{}: setting the exposure", self.identity.place);
        lowering.set(&self.device, steps).map_err(|e| Fault::from_io(&e, &doing()))
    }

    fn lock(&mut self, owed: &mut Owed) -> Result<Locked, Fault> {
        // The crate panics on controls of unknown types, which the caller would take for a fault: then none can be locked.
        let known = std::panic::catch_unwind(|| self.device.query_controls().unwrap_or_default()).unwrap_or_default();
        lock::lock(&self.device, &known, owed)
    }

    fn restore(&mut self, owed: &mut Owed) -> Result<(), Fault> {
        let doing = || format!("{}: restoring the controls", self.identity.place);
        lock::restore(&self.device, owed).map_err(|e| Fault::from_io(&e, &doing()))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // The stream stops itself again when dropped and panics if that fails; a device that was stopped once does not fail.
        let _gone_already = self.stream.stop();
    }
}

/// When the frame was taken. The driver's timestamp counts if it is by the clock that ours uses.
fn taken(about: &v4l::buffer::Metadata) -> Instant {
    let now = Instant::now();
    if !about.flags.contains(Flags::TIMESTAMP_MONOTONIC) {
        return now;
    }
    let clock = clock_gettime(ClockId::Monotonic);
    let microseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000).saturating_add(rest);
    #[allow(clippy::useless_conversion, reason = "time_t has 32 bits on armv7")]
    let stamp = microseconds(i64::from(about.timestamp.sec), i64::from(about.timestamp.usec));
    let age = microseconds(clock.tv_sec, clock.tv_nsec / 1000).saturating_sub(stamp);
    let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
    if age > OLDEST { now } else { now.checked_sub(age).unwrap_or(now) }
}

fn code(format: PixelFormat) -> &'static [u8; 4] {
    format.four_characters().as_bytes().try_into().expect("it has four")
}

/// A name reported by a driver, without characters that would disturb a terminal or a log.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_size_that_is_large_enough_is_taken() {
        let sizes = [(320, 240), (1280, 720), (640, 480), (640, 360), (1920, 1080)];
        for (wanted, want) in
            [((640, 480), (640, 480)), ((600, 400), (640, 480)), ((800, 600), (1280, 720)), ((4000, 100), (1920, 1080))]
        {
            assert_eq!(nearest(sizes.into_iter(), wanted), want, "{wanted:?}");
        }
        assert_eq!(nearest([].into_iter(), (5, 6)), (5, 6));
    }

    #[test]
    fn large_frames_are_requested_as_motion_jpeg() {
        let known = [PixelFormat::Mjpg, PixelFormat::Yuyv];
        let choose = |format: &str, width, height| {
            let settings = settings::Camera { format: format.into(), width, height, ..settings::Camera::default() };
            preferred(&known, &settings)
        };
        assert_eq!(choose("auto", 640, 480), Some(PixelFormat::Yuyv));
        assert_eq!(choose("auto", 1280, 720), Some(PixelFormat::Mjpg));
        assert_eq!(choose("YUYV", 1280, 720), Some(PixelFormat::Yuyv));
        assert_eq!(choose("NV12", 640, 480), None);
    }

    #[test]
    fn implausible_driver_timestamps_are_replaced_by_the_time_of_arrival() {
        let about = |sec, flags| v4l::buffer::Metadata {
            timestamp: v4l::Timestamp::new(sec, 0),
            flags,
            ..v4l::buffer::Metadata::default()
        };
        let clock = clock_gettime(ClockId::Monotonic).tv_sec;
        for (sec, flags, least, most) in [
            (clock - 10, Flags::TIMESTAMP_MONOTONIC, 9, 12),
            (clock - 10, Flags::TIMESTAMP_COPY, 0, 1),
            (clock - 1000, Flags::TIMESTAMP_MONOTONIC, 0, 1),
            (clock + 1000, Flags::TIMESTAMP_MONOTONIC, 0, 1),
        ] {
            let age = taken(&about(sec as _, flags)).elapsed().as_secs();
            assert!((least..=most).contains(&age), "{sec} {flags:?}: {age}");
        }
    }
}

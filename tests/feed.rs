//! Shows pictures to a v4l2loopback device, which gives them like a camera, until it is killed:
//!
//!     feed DEVICE YUYV|MJPG WIDTHxHEIGHT RATE PICTURE
//!     feed DEVICE YUYV|MJPG WIDTHxHEIGHT RATE FOLDER ADDRESS
//!
//! The second shows a head that does what the challenge of the service at ADDRESS asks for. Its poses are files in the folder: `ahead.jpg`, and
//! `left-1.jpg` and so on for directions as the picture shows them, each a step further.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use v4l::FourCC;
use v4l::video::Output;

/// Directions as the picture shows them, with the words by which the service asks for them: a person's left is the picture's right.
const DIRECTIONS: [(&str, &str); 4] =
    [("left", "turn_right"), ("right", "turn_left"), ("up", "look_up"), ("down", "look_down")];

/// Straight ahead: no place in [`DIRECTIONS`].
const AHEAD: usize = DIRECTIONS.len();

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (device, size, rate, pictures, address) = match &arguments[..] {
        [device, format, size, rate, picture] => (device, (format, size), rate, picture, None),
        [device, format, size, rate, folder, address] => (device, (format, size), rate, folder, Some(address.clone())),
        _ => return Err("usage: feed DEVICE YUYV|MJPG WIDTHxHEIGHT RATE PICTURE|FOLDER [ADDRESS]".into()),
    };
    let format = Format::parse(size.0, size.1)?;
    let head = Head::load(Path::new(pictures), &format)?;
    let handle = format.negotiate(device)?;
    println!("feeding {} {}", size.0, size.1);
    let wanted = Arc::new(AtomicUsize::new(AHEAD));
    if let Some(address) = address {
        let asked = Arc::clone(&wanted);
        std::thread::spawn(move || follow(&address, &asked));
    }
    let mut device = File::options().write(true).open(device)?;
    let interval = Duration::from_secs(1) / rate.parse()?;
    let (mut pose, mut due) = (Pose { direction: AHEAD, step: 0 }, Instant::now());
    loop {
        device.write_all(head.frame(pose))?;
        pose = head.next(pose, wanted.load(Ordering::Relaxed));
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let _open = &handle; // the format lasts as long as the device is open in any process
    }
}

/// Where the head looks: so many steps from straight ahead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pose {
    direction: usize,
    step: usize,
}

/// A frame for each pose.
struct Head {
    frames: HashMap<Pose, Vec<u8>>,
    steps: usize,
}

impl Head {
    /// All poses in a folder, or a picture that only looks ahead.
    fn load(pictures: &Path, format: &Format) -> Result<Self, Box<dyn Error>> {
        let ahead = Pose { direction: AHEAD, step: 0 };
        let mut head = Self { frames: HashMap::new(), steps: 0 };
        if !pictures.is_dir() {
            head.frames.insert(ahead, format.frame(pictures)?);
            return Ok(head);
        }
        head.frames.insert(ahead, format.frame(&pictures.join("ahead.jpg"))?);
        for (direction, (name, _)) in DIRECTIONS.iter().enumerate() {
            let file = |step: &usize| pictures.join(format!("{name}-{step}.jpg"));
            for step in (1..).take_while(|step| file(step).exists()) {
                head.frames.insert(Pose { direction, step }, format.frame(&file(&step))?);
                head.steps = head.steps.max(step);
            }
        }
        Ok(head)
    }

    fn frame(&self, pose: Pose) -> &[u8] {
        &self.frames[&pose]
    }

    /// One step on. Another direction lies beyond straight ahead.
    fn next(&self, pose: Pose, wanted: usize) -> Pose {
        let ahead = Pose { direction: AHEAD, step: 0 };
        let Pose { direction, step } = pose;
        match (direction == wanted, direction == AHEAD) {
            (true, true) => ahead,
            (true, false) => Pose { direction, step: (step + 1).min(self.steps) },
            (false, true) => Pose { direction: wanted, step: 1 },
            (false, false) if step == 1 => ahead,
            (false, false) => Pose { direction, step: step - 1 },
        }
    }
}

/// Reads what the service shows, for ever: its events, which are a stream of lines.
fn follow(address: &str, wanted: &AtomicUsize) {
    loop {
        if let Err(error) = watch(address, wanted) {
            eprintln!("{address}: {error}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn watch(address: &str, wanted: &AtomicUsize) -> Result<(), Box<dyn Error>> {
    let (mut stream, start) = (TcpStream::connect(address)?, Instant::now());
    let request = format!(
        "GET /v1/camera/challenge HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let Some(told) = line.strip_prefix("data: ") else { continue };
        let told: serde_json::Value = serde_json::from_str(told)?;
        let prompt = told["prompt"].as_str().unwrap_or_default();
        let direction = DIRECTIONS.iter().position(|(_, word)| *word == prompt);
        let reason = told["reason"].as_str().unwrap_or_default();
        println!("{:.1} s: {prompt} {} {reason}", start.elapsed().as_secs_f64(), told["progress"]);
        wanted.store(direction.unwrap_or(AHEAD), Ordering::Relaxed);
    }
    Ok(())
}

/// Pixel format and size of the device.
struct Format {
    code: [u8; 4],
    width: u32,
    height: u32,
}

impl Format {
    fn parse(code: &str, size: &str) -> Result<Self, Box<dyn Error>> {
        let (width, height) = size.split_once('x').ok_or("the size is WIDTHxHEIGHT")?;
        let code = code.as_bytes().try_into()?;
        if !matches!(&code, b"YUYV" | b"MJPG") {
            return Err("the format is YUYV or MJPG".into());
        }
        Ok(Self { code, width: width.parse()?, height: height.parse()? })
    }

    /// Waits until the device has this format. While another process reads in another one, that stays: the reader has to close first.
    fn negotiate(&self, device: &str) -> Result<v4l::Device, Box<dyn Error>> {
        loop {
            let handle = v4l::Device::with_path(device)?;
            let mut wanted = Output::format(&handle)?;
            (wanted.width, wanted.height, wanted.fourcc) = (self.width, self.height, FourCC::new(&self.code));
            let stride = if &self.code == b"YUYV" { self.width * 2 } else { 0 };
            (wanted.size, wanted.stride) = (self.width * self.height * 2, stride);
            match Output::set_format(&handle, &wanted) {
                Ok(is) if (is.fourcc, is.width, is.height) == (wanted.fourcc, self.width, self.height) => {
                    return Ok(handle);
                }
                _ => std::thread::sleep(Duration::from_millis(300)),
            }
        }
    }

    /// A picture as the device takes it.
    fn frame(&self, picture: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
        let picture = image::load_from_memory(&std::fs::read(picture)?)?.into_rgb8();
        let shown = self.fitted(&picture);
        Ok(if &self.code == b"YUYV" { yuyv(&shown) } else { jpeg(&shown)? })
    }

    /// The picture in the middle of a gray frame.
    fn fitted(&self, picture: &image::RgbImage) -> image::RgbImage {
        use image::imageops::{FilterType, overlay, resize};
        let (width, height) = (self.width, self.height);
        let scale =
            f64::min(f64::from(width) / f64::from(picture.width()), f64::from(height) / f64::from(picture.height()));
        let side = |pixels: u32| ((f64::from(pixels) * scale) as u32).max(1);
        let small = resize(picture, side(picture.width()), side(picture.height()), FilterType::Triangle);
        let mut frame = image::RgbImage::from_pixel(width, height, image::Rgb([90; 3]));
        overlay(&mut frame, &small, i64::from((width - small.width()) / 2), i64::from((height - small.height()) / 2));
        frame
    }
}

/// Limited range, Rec. ITU-R BT.601.
fn yuyv(frame: &image::RgbImage) -> Vec<u8> {
    let yuv = |pixel: &[u8]| {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        let chroma = |c: f64, range: f64| (128.0 + (c - y) / range * 224.0 / 255.0).round() as u8;
        ((16.0 + y * 219.0 / 255.0).round() as u8, chroma(b, 1.772), chroma(r, 1.402))
    };
    let (pairs, _) = frame.as_raw().as_chunks::<6>();
    pairs
        .iter()
        .flat_map(|pair| {
            let ((y0, cb, cr), (y1, ..)) = (yuv(&pair[..3]), yuv(&pair[3..]));
            [y0, cb, y1, cr]
        })
        .collect()
}

fn jpeg(frame: &image::RgbImage) -> image::ImageResult<Vec<u8>> {
    let mut bytes = vec![];
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 92);
    frame.write_with_encoder(encoder)?;
    Ok(bytes)
}

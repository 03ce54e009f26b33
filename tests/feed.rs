//! Feeds a picture to a v4l2loopback device, which shows it like a camera:
//! `feed DEVICE YUYV|MJPG WIDTHxHEIGHT RATE PICTURE`. Runs until it is killed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;
    use std::time::{Duration, Instant};

    use v4l::FourCC;
    use v4l::video::Output;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, format, size, rate, picture] = &arguments[..] else {
        return Err("usage: feed DEVICE YUYV|MJPG WIDTHxHEIGHT RATE PICTURE".into());
    };
    let (width, height) = size.split_once('x').ok_or("the size is WIDTHxHEIGHT")?;
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let code: [u8; 4] = format.as_bytes().try_into()?;
    let shown = fitted(&image::load_from_memory(&std::fs::read(picture)?)?.into_rgb8(), width, height);
    let frame = match &code {
        b"YUYV" => yuyv(&shown),
        b"MJPG" => jpeg(&shown)?,
        _ => return Err("the format is YUYV or MJPG".into()),
    };
    let handle = loop {
        let handle = v4l::Device::with_path(device)?;
        let mut wanted = Output::format(&handle)?;
        (wanted.width, wanted.height, wanted.fourcc) = (width, height, FourCC::new(&code));
        (wanted.size, wanted.stride) = (width * height * 2, if &code == b"YUYV" { width * 2 } else { 0 });
        // While another process reads in another format, that format stays: the reader has to close first.
        match Output::set_format(&handle, &wanted) {
            Ok(agreed) if (agreed.fourcc, agreed.width, agreed.height) == (FourCC::new(&code), width, height) => {
                break handle;
            }
            _ => std::thread::sleep(Duration::from_millis(300)),
        }
    };
    println!("feeding {format} {width}x{height}");
    let mut device = std::fs::OpenOptions::new().write(true).open(device)?;
    let interval = Duration::from_secs(1) / rate.parse()?;
    let mut due = Instant::now();
    loop {
        device.write_all(&frame)?;
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let _open = &handle; // the format lasts as long as the device is open in any process
    }
}

/// The picture in the middle of a gray frame.
fn fitted(picture: &image::RgbImage, width: u32, height: u32) -> image::RgbImage {
    use image::imageops::{FilterType, overlay, resize};
    let scale =
        f64::min(f64::from(width) / f64::from(picture.width()), f64::from(height) / f64::from(picture.height()));
    let side = |pixels: u32| ((f64::from(pixels) * scale) as u32).max(1);
    let small = resize(picture, side(picture.width()), side(picture.height()), FilterType::Triangle);
    let mut frame = image::RgbImage::from_pixel(width, height, image::Rgb([90; 3]));
    overlay(&mut frame, &small, i64::from((width - small.width()) / 2), i64::from((height - small.height()) / 2));
    frame
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

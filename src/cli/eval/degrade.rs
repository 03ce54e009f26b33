//! Degrades pictures in the ways in which cameras, codecs and people do.
//!
//! Everything is generated from a picture and a seed: the same command gives the same pixels.

use std::fmt;

use image::codecs::jpeg::JpegEncoder;

use crate::face::{Face, SUB};
use crate::media::{Frame, Rotation};

/// One way to degrade a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Degradation {
    /// As it is.
    None,
    /// Gaussian noise of this standard deviation, each color on its own.
    Noise(f64),
    /// The same noise in all colors: a gray sensor's.
    GrayNoise(f64),
    /// Compressed as JPEG of this quality, 1 to 100.
    Jpeg(u8),
    /// Moved by this many pixels during the exposure, in this direction.
    Smear(i64, Direction),
    /// Out of focus: Gaussian blur of this standard deviation in pixels.
    Blur(f64),
    /// Squares of this many pixels of one color.
    Mosaic(usize),
    /// Light multiplied by this.
    Exposure(f64),
    /// This share of the pixels black or white.
    Specks(f64),
    /// Haze: this share of the light is scattered.
    Haze(f64),
    /// This many levels of each color.
    Levels(usize),
    /// Sides divided by this.
    Shrunk(usize),
    /// A black bar over the eyes.
    Eyes,
    /// A gray mask over mouth and chin.
    Mouth,
    /// Turned clockwise.
    Turned(Rotation),
    /// Top and bottom exchanged.
    Flipped,
    /// Turned clockwise by this many degrees.
    Tilted(i32),
}

/// Direction of a motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    /// Sideways.
    Across,
    /// Downwards.
    Down,
    /// As far down as sideways.
    Aslant,
}

impl Degradation {
    /// All that `eval degradation` tries.
    pub(super) const ALL: &[Self] = &[
        Self::None,
        Self::Noise(15.0),
        Self::Noise(30.0),
        Self::Noise(45.0),
        Self::Noise(60.0),
        Self::Noise(80.0),
        Self::GrayNoise(45.0),
        Self::GrayNoise(60.0),
        Self::Jpeg(20),
        Self::Jpeg(10),
        Self::Jpeg(6),
        Self::Jpeg(4),
        Self::Jpeg(2),
        Self::Smear(7, Direction::Across),
        Self::Smear(15, Direction::Across),
        Self::Smear(31, Direction::Across),
        Self::Smear(7, Direction::Down),
        Self::Smear(15, Direction::Down),
        Self::Smear(31, Direction::Down),
        Self::Smear(7, Direction::Aslant),
        Self::Smear(15, Direction::Aslant),
        Self::Blur(2.0),
        Self::Blur(3.0),
        Self::Blur(4.0),
        Self::Blur(5.0),
        Self::Mosaic(4),
        Self::Mosaic(6),
        Self::Mosaic(8),
        Self::Exposure(0.1),
        Self::Exposure(0.3),
        Self::Exposure(0.6),
        Self::Exposure(1.5),
        Self::Exposure(2.0),
        Self::Exposure(2.5),
        Self::Exposure(4.0),
        Self::Specks(0.02),
        Self::Specks(0.1),
        Self::Haze(0.5),
        Self::Haze(0.8),
        Self::Levels(8),
        Self::Levels(4),
        Self::Levels(3),
        Self::Levels(2),
        Self::Shrunk(2),
        Self::Shrunk(4),
        Self::Eyes,
        Self::Mouth,
        Self::Turned(Rotation::Right),
        Self::Turned(Rotation::Half),
        Self::Turned(Rotation::Left),
        Self::Flipped,
        Self::Tilted(30),
        Self::Tilted(45),
        Self::Tilted(60),
        Self::Tilted(75),
        Self::Tilted(135),
    ];

    /// The degraded picture. `face` is the face in it, for degradations that cover it.
    pub(super) fn apply(self, frame: &Frame, face: &Face, seed: u64) -> Frame {
        let (width, height) = (frame.width(), frame.height());
        let level = |value: f64| value.round().clamp(0.0, 255.0) as u8;
        let each = |change: &mut dyn FnMut(u8) -> u8| {
            Frame::new(width, height, frame.pixels().iter().map(|&p| change(p)).collect())
        };
        // The picture as a function of coordinates, its edges repeated.
        let at = |x: i64, y: i64, channel: usize| {
            let (x, y) = (x.clamp(0, width as i64 - 1) as usize, y.clamp(0, height as i64 - 1) as usize);
            f64::from(frame.row(y)[x * 3 + channel])
        };
        let from = |width: usize, height: usize, value: &dyn Fn(i64, i64, usize) -> f64| {
            let pixels =
                (0..width * height * 3).map(|i| level(value((i / 3 % width) as i64, (i / 3 / width) as i64, i % 3)));
            Frame::new(width, height, pixels.collect())
        };
        let mut noise = Noise(seed);
        match self {
            Self::None => frame.clone(),
            Self::Noise(sigma) => each(&mut |p| level(f64::from(p) + sigma * noise.gaussian())),
            Self::GrayNoise(sigma) => {
                let mut pixels = Vec::with_capacity(frame.pixels().len());
                for pixel in frame.pixels().chunks_exact(3) {
                    let noise = sigma * noise.gaussian();
                    pixels.extend(pixel.iter().map(|&p| level(f64::from(p) + noise)));
                }
                Frame::new(width, height, pixels)
            }
            Self::Jpeg(quality) => jpeg(frame, quality),
            Self::Smear(pixels, direction) => {
                let (dx, dy) = match direction {
                    Direction::Across => (1, 0),
                    Direction::Down => (0, 1),
                    Direction::Aslant => (1, 1),
                };
                let way = -(pixels / 2)..=pixels / 2;
                let count = way.clone().count() as f64;
                from(width, height, &|x, y, c| way.clone().map(|d| at(x + d * dx, y + d * dy, c)).sum::<f64>() / count)
            }
            Self::Blur(sigma) => blur(frame, sigma),
            Self::Mosaic(side) => {
                let side = side as i64;
                from(width, height, &|x, y, c| {
                    let (left, top) = (x / side * side, y / side * side);
                    let sum: f64 = (0..side * side).map(|i| at(left + i % side, top + i / side, c)).sum();
                    sum / (side * side) as f64
                })
            }
            Self::Exposure(times) => each(&mut |p| level(f64::from(p) * times)),
            Self::Specks(share) => {
                let mut pixels = Vec::with_capacity(frame.pixels().len());
                for pixel in frame.pixels().as_chunks::<3>().0 {
                    let (hit, white) = (noise.uniform() < share, noise.uniform() < 0.5);
                    pixels.extend(if hit { [if white { 255 } else { 0 }; 3] } else { *pixel });
                }
                Frame::new(width, height, pixels)
            }
            Self::Haze(share) => each(&mut |p| level(f64::from(p) * (1.0 - share) + 220.0 * share)),
            Self::Levels(levels) => {
                let step = 255.0 / (levels - 1) as f64;
                each(&mut |p| level((f64::from(p) / step).round() * step))
            }
            Self::Shrunk(times) => {
                let (times, area) = (times as i64, (times * times) as f64);
                from(width / times as usize, height / times as usize, &|x, y, c| {
                    (0..times * times).map(|i| at(x * times + i % times, y * times + i / times, c)).sum::<f64>() / area
                })
            }
            Self::Eyes => cover(frame, face, -0.35, 0.35, [10; 3]),
            Self::Mouth => cover(frame, face, 0.55, 2.0, [150, 160, 170]),
            Self::Turned(turn) => frame.turned(turn),
            Self::Flipped => frame.turned(Rotation::Half).mirrored(),
            Self::Tilted(degrees) => {
                let (sin, cos) = f64::from(degrees).to_radians().sin_cos();
                let (cx, cy) = (width as f64 / 2.0, height as f64 / 2.0);
                from(width, height, &|x, y, c| {
                    let (dx, dy) = (x as f64 - cx, y as f64 - cy);
                    let (x, y) = (cx + cos * dx + sin * dy, cy - sin * dx + cos * dy);
                    let (left, top) = (x.floor(), y.floor());
                    let (fx, fy) = (x - left, y - top);
                    let (left, top) = (left as i64, top as i64);
                    let row = |y| at(left, y, c) * (1.0 - fx) + at(left + 1, y, c) * fx;
                    row(top) * (1.0 - fy) + row(top + 1) * fy
                })
            }
        }
    }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("as they are"),
            Self::Noise(sigma) => write!(f, "noise sigma {sigma}"),
            Self::GrayNoise(sigma) => write!(f, "gray noise sigma {sigma}"),
            Self::Jpeg(quality) => write!(f, "JPEG quality {quality}"),
            Self::Smear(pixels, Direction::Across) => write!(f, "smeared {pixels} px"),
            Self::Smear(pixels, Direction::Down) => write!(f, "smeared down {pixels} px"),
            Self::Smear(pixels, Direction::Aslant) => write!(f, "smeared aslant {pixels} px"),
            Self::Blur(sigma) => write!(f, "blur sigma {sigma}"),
            Self::Mosaic(side) => write!(f, "mosaic {side} px"),
            Self::Exposure(times) => write!(f, "exposure x {times}"),
            Self::Specks(share) => write!(f, "specks {share}"),
            Self::Haze(share) => write!(f, "haze {share}"),
            Self::Levels(levels) => write!(f, "{levels} levels"),
            Self::Shrunk(times) => write!(f, "1/{times} of the sides"),
            Self::Eyes => f.write_str("eyes covered"),
            Self::Mouth => f.write_str("mouth covered"),
            Self::Turned(turn) => write!(f, "turned {}", turn.degrees()),
            Self::Flipped => f.write_str("top to bottom"),
            Self::Tilted(degrees) => write!(f, "tilted {degrees}"),
        }
    }
}

/// Compressed and decoded again.
fn jpeg(frame: &Frame, quality: u8) -> Frame {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(frame.pixels(), width, height, image::ExtendedColorType::Rgb8)
        .expect("memory takes any picture");
    let picture = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).expect("it was just written");
    Frame::new(frame.width(), frame.height(), picture.into_rgb8().into_raw())
}

fn blur(frame: &Frame, sigma: f64) -> Frame {
    let picture = image::RgbImage::from_raw(frame.width() as u32, frame.height() as u32, frame.pixels().to_vec());
    let blurred = image::imageops::blur(&picture.expect("a frame is as long as it says"), sigma as f32);
    Frame::new(frame.width(), frame.height(), blurred.into_raw())
}

/// A bar across the face from `from` to `to` of the way from the eyes to the mouth, as wide as two eye distances.
fn cover(frame: &Frame, face: &Face, from: f64, to: f64, color: [u8; 3]) -> Frame {
    let [left, right, _, low_left, low_right] =
        face.points.map(|p| (f64::from(p.x) / f64::from(SUB), f64::from(p.y) / f64::from(SUB)));
    let between = |a: (f64, f64), b: (f64, f64)| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let (eyes, mouth) = (between(left, right), between(low_left, low_right));
    let (down, across) = ((mouth.0 - eyes.0, mouth.1 - eyes.1), (right.0 - left.0, right.1 - left.1));
    let square = |v: (f64, f64)| v.0 * v.0 + v.1 * v.1;
    let mut pixels = frame.pixels().to_vec();
    for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i % frame.width()) as f64 - eyes.0, (i / frame.width()) as f64 - eyes.1);
        let along = (x * down.0 + y * down.1) / square(down);
        let aside = (x * across.0 + y * across.1) / square(across);
        if (from..to).contains(&along) && aside.abs() < 1.0 {
            pixel.copy_from_slice(&color);
        }
    }
    Frame::new(frame.width(), frame.height(), pixels)
}

/// Reproducible random numbers (SplitMix64, Steele et al. 2014).
struct Noise(u64);

impl Noise {
    /// From 0 to 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of mean 0 and standard deviation 1: the sum of twelve uniform ones is close enough.
    fn gaussian(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

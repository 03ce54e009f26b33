//! Limits what a clip may cost: how large its pictures may become, and how many pixels are decoded for the bytes that it has.
//!
//! A frame that repeats the previous one takes a few bytes, whatever its size. Without a limit a file of ten kilobytes could keep
//! a worker busy until the deadline.

use super::Error;

/// Pixels that pictures may have, though the container states fewer: streams of calls begin small and grow to this, 1280x720.
const GROWN: u64 = 1280 * 720;

/// Pixels of a clip that may be decoded regardless of its bytes: 130 frames of 1920x1080, about a second of work.
const FREE: u64 = 1 << 28;

/// Pixels that may be decoded for each byte of samples: ten times what a recording of a scene without any motion has, at
/// 1920x1080 and 30 frames a second in 100 kbit/s.
const PER_BYTE: u64 = 50_000;

/// Pixels of a clip in all: a minute of 1920x1080 at 30 frames a second has 3.7e9, and takes some twenty seconds.
const MOST: u64 = 4_000_000_000;

/// Pixels that a picture may have where the container states `width` x `height`: that many, in whole blocks of 64x64 pixels, or
/// [`GROWN`] if that is more, or the `limit` if the container states no size.
pub(super) fn most_pixels(width: u64, height: u64, limit: u64) -> u64 {
    let blocks = |side: u64| side.next_multiple_of(64);
    match blocks(width).saturating_mul(blocks(height)) {
        0 => limit,
        pixels => pixels.max(GROWN).min(limit),
    }
}

/// The work done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    bytes: u64,
    pixels: u64,
}

impl Effort {
    /// Adds a sample; refuses the clip if the limit is exceeded.
    pub(super) fn add(&mut self, bytes: usize, pixels: u64) -> Result<(), Error> {
        self.bytes += bytes as u64;
        self.pixels += pixels;
        if self.pixels > (FREE + self.bytes * PER_BYTE).min(MOST) {
            return Err(Error::TooLarge(
                "the video has more pixels than its bytes can tell of, or than are decoded".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_may_be_a_little_larger_than_declared() {
        let most = most_pixels;
        assert_eq!(most(1920, 1080, 9_437_184), 1920 * 1088);
        assert_eq!(most(320, 240, 9_437_184), GROWN);
        assert_eq!(most(0, 0, 9_437_184), 9_437_184);
        assert_eq!(most(1920, 1080, 2_073_600), 2_073_600);
    }

    #[test]
    fn a_minute_of_usual_video_passes_and_decompression_bombs_do_not() {
        let run = |frames: usize, bytes: usize, pixels: u64| {
            let mut effort = Effort::default();
            (0..frames).try_for_each(|_| effort.add(bytes, pixels))
        };
        assert_eq!(run(1800, 415, 1920 * 1080), Ok(()), "100 kbit/s");
        assert_eq!(run(7200, 20, 640 * 480), Ok(()), "a small one at 20 bytes a frame");
        assert!(run(7200, 2, 4096 * 2304).is_err());
        assert!(run(7200, 100_000, 4096 * 2304).is_err(), "as many bytes as one likes");
        assert_eq!(run(28, 0, 4096 * 2304), Ok(()));
        assert!(run(29, 0, 4096 * 2304).is_err());
    }
}

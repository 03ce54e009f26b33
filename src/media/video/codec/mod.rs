//! Compressed samples to pictures, the same way for every codec.
//!
//! H.264, HEVC, VP9 and JPEG are decoded by other people's crates, VP8 and H.263 by rooms of our own. What these crates
//! don't promise is kept here: a picture that is too large is refused before it is allocated, and a codec or a kind of it
//! that is not supported is named. Panics are not caught here but by the caller, who then needs a new decoder.
//!
//! No order of presentation is made here, except by HEVC, and nothing is concealed: a sample gives a sound picture or none.

mod h264;
mod hevc;
pub(super) mod mjpeg;
mod nal;
mod vp9;

use super::track::{Codec, Track};
use super::{Error, h263, vp8};
use crate::media::yuv::{Picture, Plane};
use crate::ops::Limits;

/// What other samples have to do with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It and what follows it in order of presentation are decoded without what came before.
    Start,
    /// It needs others, and others may need it.
    Chained,
    /// No other sample needs it.
    Free,
}

/// A picture and the number of the sample that it comes from.
pub(super) struct Decoded {
    pub(super) sample: usize,
    pub(super) picture: Picture,
}

/// A sample on its way into a decoder.
pub(super) struct Input<'a> {
    /// Its number in the track.
    pub(super) sample: usize,
    /// Its bytes.
    pub(super) data: &'a [u8],
    /// Whether its picture is wanted. If not, it is decoded for the sake of others.
    pub(super) wanted: bool,
    /// Asked from time to time whether to end with [`Error::TooSlow`].
    pub(super) stop: &'a dyn Fn() -> bool,
}

/// A decoder in the middle of a track.
///
/// `Error::Damaged` concerns one sample: the decoder goes on with the next [`Role::Start`]. Other errors are final.
pub(super) trait Decode {
    /// What the headers of a sample tell; anything of a damaged one.
    fn role(&self, data: &[u8]) -> Role;

    /// Decodes a sample and adds the wanted pictures that are done: that of this sample, or those of earlier ones.
    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error>;

    /// Adds the wanted pictures that were held back. Then another sample may follow if it is a [`Role::Start`].
    fn drain(&mut self, _done: &mut Vec<Decoded>) {}

    /// Bytes that it keeps at most: frames to decode others from, the current one, and what belongs to them.
    fn bytes(&self) -> u64;

    /// Pixels that a sample made it decode, as far as it knows after that. Hidden pictures count.
    fn pixels(&self, data: &[u8]) -> u64;

    /// Whether pictures come in order of presentation, later than their sample; else in order of decoding, at once.
    fn is_late(&self) -> bool {
        false
    }
}

/// The decoder for a track.
pub(super) fn decoder(track: &Track<'_>, limits: &Limits) -> Result<Box<dyn Decode>, Error> {
    Ok(match &track.codec {
        Codec::H264 => Box::new(h264::Decoder::new(&track.setup, limits)?),
        Codec::Hevc => Box::new(hevc::Decoder::new(&track.setup, limits)?),
        Codec::Vp8 => Box::new(vp8::Decoder::new(limits.video_pixels)),
        Codec::Vp9 => Box::new(vp9::Decoder::new(limits)),
        Codec::H263 => Box::new(h263::Decoder::new(limits.video_pixels)),
        Codec::Mjpeg => Box::new(mjpeg::Decoder::new(limits.video_pixels)),
        Codec::Other(name) => {
            return Err(Error::Unsupported(format!(
                "{name} video is not supported; send H.264, HEVC, VP8, VP9, H.263 or Motion JPEG"
            )));
        }
    })
}

impl Decode for vp8::Decoder {
    fn role(&self, data: &[u8]) -> Role {
        if vp8::is_key(data) { Role::Start } else { Role::Chained }
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        let picture = self.decode(input.data).map_err(|error| match error {
            vp8::Error::TooLarge { .. } => Error::TooLarge(error.to_string()),
            vp8::Error::NoKeyFrame | vp8::Error::Damaged(_) => Error::Damaged(error.to_string()),
        })?;
        done.extend(picture.filter(|_| input.wanted).map(|picture| Decoded { sample: input.sample, picture }));
        Ok(())
    }

    fn bytes(&self) -> u64 {
        // Four frames, one more while the size changes, and modes.
        self.most_pixels() * 8 + BORDERS
    }

    fn pixels(&self, _data: &[u8]) -> u64 {
        Self::pixels(self)
    }
}

/// Bytes of the borders around frames, and of tables.
const BORDERS: u64 = 4 << 20;

impl Decode for h263::Decoder {
    fn role(&self, data: &[u8]) -> Role {
        if h263::is_key(data) { Role::Start } else { Role::Chained }
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        let picture = self.decode(input.data).map_err(|error| match error {
            h263::Error::TooLarge { .. } => Error::TooLarge(error.to_string()),
            h263::Error::Unsupported(_) => Error::Unsupported(error.to_string()),
            h263::Error::NoKeyFrame | h263::Error::Damaged(_) => Error::Damaged(error.to_string()),
        })?;
        done.extend(picture.filter(|_| input.wanted).map(|picture| Decoded { sample: input.sample, picture }));
        Ok(())
    }

    fn bytes(&self) -> u64 {
        // Two frames with one byte more for each sample, twice while the size changes.
        self.most_pixels() * 8 + BORDERS
    }

    fn pixels(&self, _data: &[u8]) -> u64 {
        Self::pixels(self)
    }
}

/// How often a sample goes over a picture at most: once for each picture, and for each slice beyond what encoders write, since
/// one may repeat what others hold.
fn passes(pictures: u64, slices: u64) -> u64 {
    /// Slices of a picture of 4096x2176 (HEVC, table A.8).
    const USUAL: u64 = 200;
    pictures.max(1) + slices.saturating_sub(pictures.max(1) * USUAL)
}

/// Refuses a size before memory is reserved for it.
pub(super) fn check_size(width: u64, height: u64, most_pixels: u64) -> Result<(), Error> {
    if width.saturating_mul(height) > most_pixels {
        return Err(Error::TooLarge(format!(
            "the video has {width}x{height} pixels, which is over the limit of {most_pixels}"
        )));
    }
    Ok(())
}

/// A plane with the upper 8 of `depth` bits of each sample, rounded to nearest.
fn eight_bits(samples: impl Iterator<Item = u16>, depth: u32, width: usize, height: usize) -> Plane {
    let shift = depth.saturating_sub(8);
    let half = (1 << shift) >> 1;
    let mut eight = Vec::with_capacity(width * height);
    eight.extend(samples.map(|sample| ((u32::from(sample) + half) >> shift).min(255) as u8));
    Plane { width, height, samples: eight.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_samples_are_rounded() {
        let plane = eight_bits([0, 1, 2, 5, 6, 1021, 1023].into_iter(), 10, 7, 1);
        assert_eq!(*plane.samples, [0, 0, 1, 1, 2, 255, 255]);
        assert_eq!(*eight_bits([0, 255].into_iter(), 8, 2, 1).samples, [0, 255]);
    }

    #[test]
    fn more_slices_than_usual_count_as_pictures() {
        assert_eq!([passes(0, 0), passes(1, 1), passes(1, 200), passes(1, 201), passes(3, 704)], [1, 1, 1, 2, 107]);
    }

    #[test]
    fn sizes_at_and_over_the_limit() {
        assert_eq!(check_size(640, 480, 640 * 480), Ok(()));
        assert!(check_size(641, 480, 640 * 480).is_err());
        assert!(check_size(u64::MAX, u64::MAX, 1 << 24).is_err());
    }
}

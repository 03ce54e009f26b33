//! Decodes compressed samples into pictures, through one trait for every codec.
//!
//! H.264, HEVC, VP9 and JPEG are decoded by third-party crates, VP8 by our own. This module adds what these crates
//! don't promise: a picture that is too large is refused before it is allocated, and a codec or a variant of it
//! that is not supported is named. It does not catch panics: the caller does, and then needs a new decoder.
//!
//! It does not put pictures into order of presentation, except for HEVC, and conceals no errors: a sample gives a sound picture or
//! none.

mod gray;
mod h264;
mod hevc;
pub(super) mod mjpeg;
mod nal;
mod sets;
mod vp9;

use super::track::{Codec, Track};
use super::{Error, vp8};
use crate::media::Shape;
use crate::media::yuv::{Picture, Plane};
use crate::ops::{Limits, Stop};

/// How a sample depends on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It and what follows it in order of presentation are decoded without what came before.
    Sync,
    /// It needs others, and others may need it.
    Reference,
    /// No other sample needs it.
    Disposable,
}

/// A picture and the number of its sample.
pub(super) struct Decoded {
    pub(super) sample: usize,
    pub(super) picture: Picture,
}

/// A sample for a decoder.
pub(super) struct Input<'a> {
    /// Its number in the track.
    pub(super) sample: usize,
    /// Its bytes.
    pub(super) data: &'a [u8],
    /// Whether its picture is wanted. If not, it is decoded only because others need it.
    pub(super) wanted: bool,
    /// Polled from time to time; true ends decoding with [`Error::TooSlow`].
    pub(super) stop: &'a Stop<'a>,
}

/// A decoder with the state of one track.
///
/// `Error::Damaged` concerns one sample: the decoder goes on with the next [`Role::Sync`]. Other errors are final.
pub(super) trait Decode: Send {
    /// The role of a sample by its headers; any role for a damaged one.
    fn role(&self, data: &[u8]) -> Role;

    /// Whether a sample gives a picture to be shown, by its headers. Others hold only settings or messages, or a
    /// picture that is only a reference.
    fn shows(&self, _data: &[u8]) -> bool {
        true
    }

    /// Whether a sample needs what came before the [`Role::Sync`] that it follows: if decoding began there, it gives
    /// no picture.
    fn leads(&self, _data: &[u8]) -> bool {
        false
    }

    /// How many reference pictures have to follow, including this one, until those after them are sound, if decoding
    /// begins here though it is no [`Role::Sync`]; `None` if it cannot.
    fn recovers(&self, _data: &[u8]) -> Option<usize> {
        None
    }

    /// Applies the settings in a sample whose picture is left out. `stop` as in [`Input`].
    fn learn(&mut self, _data: &[u8], _stop: &Stop<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// The sample aspect ratio in the stream, if it begins with the sample `data`.
    fn shape(&self, _data: &[u8]) -> Option<Shape> {
        None
    }

    /// Decodes a sample and appends the wanted pictures that are done: that of this sample, or those of earlier ones.
    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error>;

    /// Appends the wanted pictures that were held back. Then another sample may follow if it is a [`Role::Sync`].
    fn drain(&mut self, _done: &mut Vec<Decoded>) {}

    /// Most bytes that it keeps: reference frames, the current one, and their metadata.
    fn bytes(&self) -> u64;

    /// Pixels that it decoded for the last sample, as far as known. Hidden pictures count.
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
        Codec::Mjpeg => Box::new(mjpeg::Decoder::new(track, limits.video_pixels)),
        Codec::Other(name) => {
            return Err(Error::Unsupported(format!(
                "{name} video is not supported; send H.264, HEVC, VP8, VP9 or Motion JPEG"
            )));
        }
    })
}

impl Decode for vp8::Decoder {
    fn role(&self, data: &[u8]) -> Role {
        match vp8::is_key(data) {
            true => Role::Sync,
            false if vp8::is_disposable(data) => Role::Disposable,
            false => Role::Reference,
        }
    }

    fn learn(&mut self, data: &[u8], _: &Stop<'_>) -> Result<(), Error> {
        self.skip(data).map_err(|error| Error::Damaged(error.to_string()))
    }

    fn shows(&self, data: &[u8]) -> bool {
        vp8::is_shown(data)
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

/// Bytes of the borders around frames and of tables.
const BORDERS: u64 = 4 << 20;

/// How often a sample may go over a picture: once for each picture, and for each slice beyond what encoders write, since
/// a slice may repeat what others hold.
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
    fn samples_deeper_than_8_bits_are_rounded() {
        let plane = eight_bits([0, 1, 2, 5, 6, 1021, 1023].into_iter(), 10, 7, 1);
        assert_eq!(*plane.samples, [0, 0, 1, 1, 2, 255, 255]);
        assert_eq!(*eight_bits([0, 255].into_iter(), 8, 2, 1).samples, [0, 255]);
    }

    #[test]
    fn more_slices_than_usual_count_as_more_pictures() {
        assert_eq!([passes(0, 0), passes(1, 1), passes(1, 200), passes(1, 201), passes(3, 704)], [1, 1, 1, 2, 107]);
    }

    #[test]
    fn sizes_over_the_limit_are_refused() {
        assert_eq!(check_size(640, 480, 640 * 480), Ok(()));
        assert!(check_size(641, 480, 640 * 480).is_err());
        assert!(check_size(u64::MAX, u64::MAX, 1 << 24).is_err());
    }
}

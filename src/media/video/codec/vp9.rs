//! Decodes VP9 through the crate `rusty_vp9`, profiles 0 to 3 without RGB.
//!
//! A sample may be a superframe that holds pictures which are never shown; it gives one picture at most.

use rusty_vp9::{BitReader, FrameHeader, Vp9Decoder, parse_uncompressed_header};

use super::{Decode, Decoded, Input, Role, check_size, eight_bits};
use crate::media::video::Error;
use crate::media::yuv::{Chroma, Matrix, Picture};
use crate::ops::Limits;

/// Decodes the samples of one track.
pub(super) struct Decoder {
    inner: Vp9Decoder,
    most_pixels: u64,
    /// Pixels of the last picture whose header contains its size.
    last: u64,
    /// Pixels of all pictures of the last sample.
    pixels: u64,
    full_range: bool,
    matrix: Matrix,
}

impl Decoder {
    /// A decoder without settings: everything is in the samples.
    pub(super) fn new(limits: &Limits) -> Self {
        let (full_range, matrix) = (false, Matrix::Bt601);
        Self { inner: Vp9Decoder::new(), most_pixels: limits.video_pixels, last: 0, pixels: 0, full_range, matrix }
    }

    /// Reads the header of each frame, and refuses what would take too much memory or is not supported.
    fn admit(&mut self, data: &[u8]) -> Result<(), Error> {
        self.pixels = 0;
        for frame in frames(data) {
            let Some(header) = header(frame) else { continue };
            let pixels = u64::from(header.width).saturating_mul(header.height.into());
            self.last = if pixels > 0 { pixels } else { self.last };
            self.pixels = self.pixels.saturating_add(self.last);
            // Chroma that is not subsampled takes twice the memory.
            let most_pixels = if header.profile & 1 == 1 { self.most_pixels / 2 } else { self.most_pixels };
            check_size(header.width.into(), header.height.into(), most_pixels)?;
            if header.key_frame {
                const RGB: u32 = 7;
                self.matrix = match header.color_space {
                    RGB => return Err(Error::Unsupported("VP9 with RGB is not supported; send YUV".into())),
                    2 => Matrix::Bt709,
                    5 => Matrix::Bt2020,
                    _ => Matrix::Bt601,
                };
                self.full_range = full_range(frame, header.profile);
            }
        }
        Ok(())
    }

    fn picture(&self, frame: &rusty_vp9::DecodedFrame) -> Result<Picture, Error> {
        let chroma = match (frame.subsampling_x, frame.subsampling_y) {
            (0, 0) => Chroma::C444,
            (1, 0) => Chroma::C422,
            (1, 1) => Chroma::C420,
            _ => return Err(Error::Unsupported("VP9 with 4:4:0 color is not supported; send 4:2:0".into())),
        };
        let (width, height) = (frame.width as usize, frame.height as usize);
        let colors = chroma.size(width, height).unwrap_or_default();
        let sizes = [(width, height), colors, colors];
        let plane = |(samples, (width, height)): (&Vec<u8>, _)| {
            if frame.bit_depth == 8 {
                return eight_bits(samples.iter().map(|&sample| sample.into()), 8, width, height);
            }
            let (pairs, _) = samples.as_chunks();
            eight_bits(pairs.iter().map(|&pair| u16::from_le_bytes(pair)), frame.bit_depth, width, height)
        };
        let planes = frame.planes.iter().zip(sizes).map(plane).collect();
        let picture = Picture { chroma, planes, full_range: self.full_range, matrix: self.matrix, shape: None };
        if picture.is_whole() { Ok(picture) } else { Err(Error::Damaged("a VP9 picture is not whole".into())) }
    }
}

impl Decode for Decoder {
    fn role(&self, data: &[u8]) -> Role {
        let first = frames(data).into_iter().next().and_then(header);
        if first.is_some_and(|header| header.key_frame) { Role::Sync } else { Role::Reference }
    }

    fn shows(&self, data: &[u8]) -> bool {
        let shown = |frame| header(frame).is_none_or(|header| header.show_frame || header.show_existing_frame);
        frames(data).into_iter().any(shown)
    }

    fn decode(&mut self, input: Input<'_>, done: &mut Vec<Decoded>) -> Result<(), Error> {
        self.admit(input.data)?;
        self.inner.push(input.data, None).map_err(told)?;
        let mut result = Ok(());
        // One call for each frame of the sample, and a last one that finds none.
        for _ in 0..=MOST_FRAMES {
            if (input.stop)() {
                return Err(Error::TooSlow);
            }
            match self.inner.next_frame() {
                Ok(frame) if input.wanted => {
                    done.push(Decoded { sample: input.sample, picture: self.picture(&frame)? });
                }
                Ok(_) | Err(rusty_vp9::Error::Again) => {}
                Err(error) => result = result.and_then(|()| Err(told(error))),
            }
        }
        result
    }

    fn bytes(&self) -> u64 {
        /// Eight references, the current picture and a copy of one, at two bytes a sample with chroma; motion
        /// and modes.
        const PIXEL: u64 = 10 * 3 + 4;
        self.most_pixels * PIXEL
    }

    fn pixels(&self, _data: &[u8]) -> u64 {
        self.pixels
    }
}

/// Frames in a superframe: what three bits count.
const MOST_FRAMES: usize = 8;

/// The frames of a sample: those of the index at its end (VP9 bitstream specification, annex B), or the sample itself.
fn frames(data: &[u8]) -> Vec<&[u8]> {
    index(data).unwrap_or_else(|| vec![data])
}

fn index(data: &[u8]) -> Option<Vec<&[u8]>> {
    let &marker = data.last()?;
    let (count, size) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let start = data.len().checked_sub(2 + count * size)?;
    if marker & 0xE0 != 0xC0 || data[start] != marker {
        return None;
    }
    let mut rest = data;
    let mut frames = Vec::with_capacity(count);
    for length in data[start + 1..data.len() - 1].chunks_exact(size) {
        let length = length.iter().rev().fold(0, |sum: usize, &byte| sum << 8 | usize::from(byte));
        let Some((frame, after)) = rest.split_at_checked(length) else { break };
        frames.push(frame);
        rest = after;
    }
    (!frames.is_empty()).then_some(frames)
}

/// The uncompressed header of a frame. A size copied from a reference is 0: it was checked when the reference was decoded.
fn header(frame: &[u8]) -> Option<FrameHeader> {
    parse_uncompressed_header(&mut BitReader::new(frame), &[(0, 0); 8]).ok()
}

/// `color_range` in the header of a key frame that is not RGB: after the profile, four flags, the sync code, one bit of
/// depth from profile 2 on, and three of color space.
fn full_range(frame: &[u8], profile: u32) -> bool {
    let at = 4 + usize::from(profile == 3) + 4 + 24 + usize::from(profile >= 2) + 3;
    frame.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
}

fn told(error: rusty_vp9::Error) -> Error {
    match error {
        rusty_vp9::Error::Unsupported(what) => Error::Unsupported(format!("this kind of VP9 is not supported: {what}")),
        other => Error::Damaged(format!("the VP9 stream is damaged ({other})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superframes_are_split() {
        let marker = 0b1100_1001; // two frames, lengths of two bytes
        let sample = [7, 7, 7, 8, 8, marker, 3, 0, 2, 0, marker];
        assert_eq!(frames(&sample), [&[7, 7, 7][..], &[8, 8]]);
        let single = &sample[..10];
        assert_eq!(frames(single), [single]);
        let lies = [7, marker, 0xFF, 0xFF, 0, 0, marker];
        assert_eq!(frames(&lies), [&lies[..]]);
        assert_eq!(frames(&[]), [<&[u8]>::default()]);
    }
}

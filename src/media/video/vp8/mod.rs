//! Decodes VP8 video (RFC 6386): the whole format, as libvpx and FFmpeg write and read it.
//!
//! Two kinds of frames exist: key frames stand alone; others are predicted from up to three that were decoded before. Each
//! is a tag, a header and the modes of its macroblocks in one partition, and coefficients in others:
//!
//! | module | what it does | section |
//! |---|---|---|
//! | `header` | frame tag, frame header, state between frames | 9, 19.2 |
//! | `bool_decoder` | bits with probabilities | 7 |
//! | `modes` | how macroblocks are predicted | 10, 11, 16 |
//! | `motion` | from where in another frame | 16.3, 17 |
//! | `tokens` | coefficients | 13 |
//! | `transform` | coefficients to differences | 14 |
//! | `intra` | prediction within the frame | 12 |
//! | `inter` | prediction from another frame | 18 |
//! | `macroblock` | prediction and differences together | 14.5 |
//! | `loop_filter` | smoothing between blocks | 15 |
//! | `frame` | planes with a border | |
//! | `tables` | numbers | |
//!
//! It does not scale pictures, conceal damage, or read containers. Where decoders differ about streams that
//! encoders do not write, this one does as FFmpeg's: golden and alternate may be swapped; a segment map stays over a key
//! frame of the same size, and is dropped after a frame without segments; the values of a segment may leave their range
//! until the deltas have been added.

mod bool_decoder;
mod frame;
mod header;
mod inter;
mod intra;
mod loop_filter;
mod macroblock;
mod modes;
mod motion;
#[cfg(test)]
mod synthetic;
mod tables;
#[cfg(test)]
mod tests;
mod tokens;
mod transform;

use std::sync::Arc;

use crate::media::yuv::Picture;
use frame::Frame;
use header::{Header, Partitions, State, Tag, Update};
use inter::Interpolation;
use loop_filter::Strength;
use macroblock::References;
use modes::Modes;
use tokens::{Edge, Residue};

/// Why a frame could not be decoded. The decoder's state is as before that frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It refers to reference frames, and there are none.
    NoKeyFrame,
    /// It is no VP8, or ends early.
    Damaged(&'static str),
    /// Policy: more pixels than the decoder may reserve memory for.
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKeyFrame => f.write_str("the VP8 stream does not begin with a key frame"),
            Self::Damaged(what) => f.write_str(what),
            Self::TooLarge { width, height } => write!(f, "{width}x{height} pixels of VP8 are over the limit"),
        }
    }
}

impl std::error::Error for Error {}

/// One decoder with the state between frames.
pub struct Decoder {
    most_pixels: u64,
    state: State,
    scene: Option<Scene>,
}

/// State that depends on the size of the pictures.
struct Scene {
    /// In pixels.
    width: usize,
    height: usize,
    /// In macroblocks.
    columns: usize,
    rows: usize,
    /// The last, the golden and the alternate picture; none before the first frame is complete.
    references: Option<[Arc<Frame>; 3]>,
    /// Frames that nothing refers to anymore. There are never more than four frames in all.
    spare: Vec<Frame>,
    modes: Modes,
    /// Lower edges of the macroblocks in the row above.
    above: Vec<Edge>,
    /// Of each macroblock.
    strengths: Vec<Strength>,
    residue: Box<Residue>,
}

impl Decoder {
    /// A decoder that has no key frame yet.
    ///
    /// `most_pixels`: width times height above which a key frame is refused before memory is reserved. It reserves
    /// up to four frames of 1.5 bytes a pixel, rounded up to whole macroblocks of 16x16 with a border of 32 samples.
    pub fn new(most_pixels: u64) -> Self {
        Self { most_pixels, state: State::default(), scene: None }
    }

    /// Most pixels of a picture.
    pub fn most_pixels(&self) -> u64 {
        self.most_pixels
    }

    /// Pixels of the current pictures; 0 before the first key frame.
    pub fn pixels(&self) -> u64 {
        self.scene.as_ref().map_or(0, |scene| (scene.width * scene.height) as u64)
    }

    /// Decodes one frame: the payload of one WebM block or of one IVF frame.
    ///
    /// `Ok(None)` is for a frame that is only a reference and not shown, and for a frame without bytes, which an encoder
    /// writes where it dropped one: the previous picture stays.
    ///
    /// # Errors
    /// If it ends before its last partition, is no VP8, refers to frames that were not there, or is too large. A frame that
    /// ends inside its last partition is no error: the missing bytes are read as zeros.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture>, Error> {
        if data.is_empty() {
            return Ok(None);
        }
        let (tag, body) = Tag::read(data)?;
        if let Some((width, height)) = tag.key {
            let (width, height) = (u32::from(width), u32::from(height));
            if u64::from(width) * u64::from(height) > self.most_pixels {
                return Err(Error::TooLarge { width, height });
            }
        }
        if tag.key.is_none() && self.scene.is_none() {
            return Err(Error::NoKeyFrame);
        }
        let mut state = self.state.clone();
        let (header, partitions) = header::read(&tag, body, &mut state)?;
        if let Some((width, height)) = tag.key {
            let (width, height) = (usize::from(width), usize::from(height));
            if self.scene.as_ref().is_none_or(|scene| (scene.width, scene.height) != (width, height)) {
                self.scene = Some(Scene::new(width, height));
            }
        }
        let scene = self.scene.as_mut().ok_or(Error::NoKeyFrame)?;
        let shown = scene.decode(&tag, &header, &state, partitions);
        if let Some(probabilities) = header.restore {
            state.probabilities = probabilities;
        }
        self.state = state;
        Ok(shown)
    }

    /// Leaves out a frame that [`is_disposable`]: only what its header changes for later ones is applied. Of other frames nothing is.
    ///
    /// # Errors
    /// If its header is damaged, or there is no key frame.
    pub fn skip(&mut self, data: &[u8]) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        let (tag, body) = Tag::read(data)?;
        let scene = self.scene.as_mut().ok_or(Error::NoKeyFrame)?;
        let mut state = self.state.clone();
        let (header, _) = header::read(&tag, body, &mut state)?;
        if !header.is_disposable(&tag) {
            return Ok(());
        }
        scene.modes.begin_frame(state.segmentation.enabled);
        if let Some(probabilities) = header.restore {
            state.probabilities = probabilities;
        }
        self.state = state;
        Ok(())
    }
}

impl Scene {
    fn new(width: usize, height: usize) -> Self {
        let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
        Self {
            width,
            height,
            columns,
            rows,
            references: None,
            spare: Vec::new(),
            modes: Modes::new(columns, rows),
            above: vec![Edge::default(); columns],
            strengths: vec![Strength::default(); columns * rows],
            residue: Box::new(Residue::new()),
        }
    }

    /// Decodes a frame whose header has been read. Returns a picture if it is shown.
    fn decode(&mut self, tag: &Tag, header: &Header, state: &State, partitions: Partitions<'_>) -> Option<Picture> {
        let mut frame = self.spare.pop().unwrap_or_else(|| Frame::new(self.columns, self.rows));
        frame.begin();
        let references = match &self.references {
            Some([last, golden, alternate]) if tag.key.is_none() => {
                Some(References { last, golden, alternate, interpolation: Interpolation::of(tag.version) })
            }
            _ => None,
        };
        let Partitions { modes: mut mode_bits, mut tokens } = partitions;
        let (modes, residue) = (&mut self.modes, &mut *self.residue);
        modes.begin_frame(state.segmentation.enabled);
        self.above.fill(Edge::default());
        let turns = tokens.len();
        for y in 0..self.rows {
            let token_bits = &mut tokens[y % turns];
            let mut left = Edge::default();
            for (x, above) in self.above.iter_mut().enumerate() {
                let key = tag.key.is_some();
                let macroblock = modes.read(&mut mode_bits, header, &state.probabilities, key, x, y);
                let second = macroblock.prediction.has_second();
                let coefficients = if macroblock.skip {
                    above.clear(second);
                    left.clear(second);
                    false
                } else {
                    let quantizer = &header.quantizers[usize::from(macroblock.segment)];
                    residue.read(token_bits, &state.probabilities.tokens, quantizer, second, above, &mut left)
                };
                macroblock::rebuild(&mut frame, references.as_ref(), &macroblock.prediction, residue, (x, y));
                if let Some(levels) = &header.levels {
                    self.strengths[y * self.columns + x] =
                        Strength::of(levels, &state.deltas, &macroblock, coefficients);
                }
            }
        }
        if header.levels.is_some() {
            loop_filter::apply(&mut frame, header, tag.key.is_some(), &self.strengths, self.columns);
        }
        frame.finish();
        let picture = tag.shown.then(|| frame.picture(self.width, self.height));
        self.refer(Arc::new(frame), header);
        picture
    }

    /// Stores `frame` as the reference pictures that its header names (section 9.7).
    fn refer(&mut self, frame: Arc<Frame>, header: &Header) {
        let next = match &self.references {
            None => [(); 3].map(|()| Arc::clone(&frame)),
            Some([last, golden, alternate]) => {
                let updated = |update, own, other| match update {
                    Update::Keep => own,
                    Update::Current => &frame,
                    Update::Last => last,
                    Update::Other => other,
                };
                let next = [
                    if header.refresh_last { &frame } else { last },
                    updated(header.golden, golden, alternate),
                    updated(header.alternate, alternate, golden),
                ];
                next.map(Arc::clone)
            }
        };
        let before = self.references.replace(next);
        let unused = before.into_iter().flatten().chain([frame]).filter_map(Arc::into_inner);
        self.spare.extend(unused);
    }
}

/// Whether `data` begins like a key frame.
pub fn is_key(data: &[u8]) -> bool {
    data.first().is_some_and(|first| first & 1 == 0)
}

/// Whether no other frame needs the pixels and the segment map of the frame in `data`: encoders with temporal layers write such frames.
pub fn is_disposable(data: &[u8]) -> bool {
    let Ok((tag, body)) = Tag::read(data) else { return false };
    // What the header holds for this question depends on no earlier one.
    header::read(&tag, body, &mut State::default()).is_ok_and(|(header, _)| header.is_disposable(&tag))
}

/// Whether the frame in `data` is to be shown.
pub fn is_shown(data: &[u8]) -> bool {
    data.first().is_some_and(|first| first & 0x10 != 0)
}

/// Decodes any bytes as frames, each after its length in two bytes: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    const MOST_PIXELS: u64 = 1 << 14;
    let mut decoder = Decoder::new(MOST_PIXELS);
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (data, after) = after.split_at(length);
        rest = after;
        if let Ok(Some(picture)) = decoder.decode(data) {
            assert!(picture.is_whole());
            assert!((picture.width() * picture.height()) as u64 <= MOST_PIXELS);
            assert!(is_shown(data));
        }
        assert!(decoder.scene.as_ref().is_none_or(|scene| scene.references.is_some() && scene.spare.len() < 4));
    }
}

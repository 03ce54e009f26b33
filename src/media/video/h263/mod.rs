//! H.263 video to pictures (ITU-T Rec. H.263, 01/2005): what phones recorded into 3GP files before they had H.264.
//!
//! A picture is a header and macroblocks of 16x16 samples in rows. I pictures stand alone; P pictures are predicted from the
//! one before. There are five sizes; PLUSPTYPE (H.263 version 2) adds others and options:
//!
//! | module | what it does | clause |
//! |---|---|---|
//! | `header` | headers of pictures, groups of blocks and slices | 5.1, 5.2, Annex K |
//! | `bits` | bits and code words | |
//! | `macroblock` | the macroblock layer, quantizers | 5.3, Annexes S, T |
//! | `vectors` | motion vectors | 6.1.1, Annex D |
//! | `block` | coefficients | 5.4, 6.2 |
//! | `intra` | prediction of coefficients | Annex I |
//! | `idct` | coefficients to differences | 6.2.4, Annex A |
//! | `motion` | prediction from the picture before | 6.1.2, Annex F |
//! | `deblock` | smoothing between blocks | Annex J |
//! | `picture` | all of that for one picture | |
//! | `frame` | planes | |
//! | `tables` | numbers | |
//!
//! Not supported, and named in an error: arithmetic coding (E), PB-frames and B pictures (G, M, O), multipoint (C),
//! reference picture selection and resampling (N, P), reduced resolution (Q), independent segments (R), rectangular slices
//! and such in arbitrary order (K). It hides nothing that a damaged picture lacks, and knows no containers.

mod bits;
mod block;
mod deblock;
mod frame;
mod header;
mod idct;
mod intra;
mod macroblock;
mod motion;
mod picture;
mod tables;
mod vectors;

use crate::media::yuv::Picture;
use bits::Bits;
use header::Options;
use picture::Scene;

/// Why a picture could not be decoded. The next one may be decoded as if it had not been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is predicted from another, and there was none before it.
    NoKeyFrame,
    /// It is no H.263, or ends early.
    Damaged(&'static str),
    /// It uses an option that is not supported: its name and annex.
    Unsupported(&'static str),
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
            Self::NoKeyFrame => f.write_str("the H.263 stream does not begin with a picture that stands alone"),
            Self::Damaged(what) => f.write_str(what),
            Self::Unsupported(what) => write!(f, "H.263 with {what} is not supported"),
            Self::TooLarge { width, height } => {
                write!(f, "{width}x{height} pixels of H.263 are over the limit")
            }
        }
    }
}

impl std::error::Error for Error {}

/// One decoder with the state between pictures.
pub struct Decoder {
    most_pixels: u64,
    /// What the last PLUSPTYPE told.
    lasting: Option<Options>,
    /// None before the first picture is complete.
    scene: Option<Scene>,
}

impl Decoder {
    /// A decoder that waits for an I picture.
    ///
    /// `most_pixels`: width times height above which a picture is refused before memory is reserved. What is reserved is
    /// two frames of 1.5 bytes a pixel, rounded up to whole macroblocks of 16x16, and with Annex I one byte more; twice that
    /// while the size changes.
    pub fn new(most_pixels: u64) -> Self {
        Self { most_pixels, lasting: None, scene: None }
    }

    /// Most pixels of a picture.
    pub fn most_pixels(&self) -> u64 {
        self.most_pixels
    }

    /// Pixels of the pictures that are decoded now; 0 before the first.
    pub fn pixels(&self) -> u64 {
        self.scene.as_ref().map_or(0, Scene::pixels)
    }

    /// Decodes one picture: one sample of a 3GP file.
    ///
    /// `Ok(None)` is for a sample without bytes: the picture before it stays.
    ///
    /// # Errors
    /// If it cannot be decoded. Then a P picture that follows is predicted from the last one that could.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture>, Error> {
        if data.is_empty() {
            return Ok(None);
        }
        let mut bits = Bits::new(data);
        let header = header::read(&mut bits, self.lasting.as_ref())?;
        let options = &header.options;
        let (width, height) = (u32::from(options.width), u32::from(options.height));
        if u64::from(width) * u64::from(height) > self.most_pixels {
            return Err(Error::TooLarge { width, height });
        }
        let scene = self.scene.as_mut();
        if scene.is_none() && !header.intra {
            return Err(Error::NoKeyFrame);
        }
        let scene = scene.filter(|scene| scene.fits(options));
        if scene.is_none() && !header.intra {
            return Err(Error::Damaged("the H.263 picture has another size than the one that it is predicted from"));
        }
        if header.lasting.is_some() {
            self.lasting = header.lasting;
        }
        let mut fresh = None;
        let scene = scene.unwrap_or_else(|| fresh.insert(Scene::new(options)));
        let picture = scene.decode(&header, bits)?;
        if fresh.is_some() {
            self.scene = fresh;
        }
        Ok(Some(picture))
    }
}

/// Whether `data` begins as a picture that stands alone.
pub fn is_key(data: &[u8]) -> bool {
    header::is_intra(&mut Bits::new(data))
}

/// Decodes any bytes as pictures, each after its length in two bytes: the target of the fuzzer and of the property tests.
pub fn fuzz(bytes: &[u8]) {
    const MOST_PIXELS: u64 = 176 * 144;
    let mut decoder = Decoder::new(MOST_PIXELS);
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (data, after) = after.split_at(length);
        rest = after;
        let begun = decoder.scene.is_some();
        if let Ok(Some(picture)) = decoder.decode(data) {
            assert!(picture.is_whole());
            assert!((picture.width() * picture.height()) as u64 <= MOST_PIXELS);
            assert!(begun || is_key(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bits::tests::Writer;
    use super::*;

    /// Start code, time, the marks of H.263, no display options.
    const START: &str = "0000000000000000100000 00000000 10 000";
    /// I or P picture, no options.
    const PLAIN: &str = "0000";
    /// PQUANT 5, no multipoint, no additional data.
    const QUANTIZER: &str = "00101 0 0";
    /// Sub-QCIF: 8x6 macroblocks.
    const MACROBLOCKS: usize = 48;

    /// An I picture of sub-QCIF: gray, but for one coefficient in the first macroblock.
    fn intra() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(&format!("{START} 001 0 {PLAIN} {QUANTIZER}"));
        // The first macroblock: no chroma coded, the first luma block coded: level 1 to the right of the mean.
        writer.text("1 00010 01000000 0111 0 01000000 01000000 01000000 10000001 01000001");
        for _ in 1..MACROBLOCKS {
            writer.text("1 0011 01000000 01000000 01000000 01000000 11111111 11111111");
        }
        writer.bytes
    }

    /// A P picture of sub-QCIF: the first macroblock moves, the rest stays.
    fn inter(header: &str, vector: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(header);
        writer.text(&format!("0 1 11 {vector}"));
        (1..MACROBLOCKS).for_each(|_| writer.text("1"));
        writer.bytes
    }

    fn plain(vector: &str) -> Vec<u8> {
        inter(&format!("{START} 001 1 {PLAIN} {QUANTIZER}"), vector)
    }

    #[test]
    fn a_picture_by_hand() {
        let mut decoder = Decoder::new(128 * 96);
        let picture = decoder.decode(&intra()).expect("a picture").expect("it is shown");
        assert_eq!((picture.width(), picture.height()), (128, 96));
        assert!(picture.is_whole());
        let luma = &picture.planes[0];
        // 64 * 8 / 8, and 15 * sqrt(2) / 8 * cos((2x + 1) * pi / 16).
        assert_eq!(luma.row(0)[..9], [67, 66, 65, 65, 63, 63, 62, 61, 64]);
        assert_eq!(luma.row(7)[..9], luma.row(0)[..9]);
        assert!(luma.samples.iter().enumerate().all(|(at, sample)| *sample == 64 || at % 128 < 8 && at / 128 < 8));
        assert_eq!([picture.planes[1].row(0)[7], picture.planes[1].row(0)[8]], [129, 128]);
        assert_eq!([picture.planes[2].row(7)[0], picture.planes[2].row(8)[0]], [65, 128]);

        // Two samples to the right, and half of one.
        let moved = decoder.decode(&plain("000011 0 1")).expect("a picture").expect("it is shown");
        assert_eq!(moved.planes[0].row(0)[..8], [65, 65, 63, 63, 62, 61, 64, 64]);
        let moved = decoder.decode(&plain("01 0 1")).expect("a picture").expect("it is shown");
        assert_eq!(moved.planes[0].row(0)[..8], [65, 64, 63, 63, 62, 63, 64, 64]);
        assert_eq!(decoder.decode(&[]), Ok(None));
    }

    #[test]
    fn keys_are_known_by_their_header() {
        assert!(is_key(&intra()));
        assert!(!is_key(&plain("1 1")));
        assert!(!is_key(&intra()[..4]));
        let kind = |text: &str| {
            let mut writer = Writer::default();
            writer.text(&format!("{START} 111 {text}"));
            writer.number(24, 0);
            is_key(&writer.bytes)
        };
        let told = "001 001 00000000000 1000";
        assert!(kind(&format!("{told} 000")) && kind("000 000"));
        assert!(!kind(&format!("{told} 001")) && !kind("000 001") && !kind("010 000"));
    }

    #[test]
    fn a_picture_that_is_cut_is_damaged_and_changes_nothing() {
        let mut decoder = Decoder::new(128 * 96);
        let cut = |decoder: &mut Decoder, whole: &[u8]| {
            for length in 1..whole.len() {
                let result = decoder.decode(&whole[..length]);
                assert!(matches!(result, Err(Error::Damaged(_))), "{length}: {result:?}");
            }
        };
        cut(&mut decoder, &intra());
        assert_eq!(decoder.decode(&plain("1 1")), Err(Error::NoKeyFrame));
        let first = decoder.decode(&intra());
        cut(&mut decoder, &intra());
        cut(&mut decoder, &plain("01 0 01 0"));
        assert_eq!(decoder.decode(&plain("1 1")), first);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let error = |text: &str| {
            let mut writer = Writer::default();
            writer.text(&format!("{START} {text}"));
            writer.number(32, 0x2020_2020);
            writer.number(32, 0x2020_2020);
            Decoder::new(128 * 96).decode(&writer.bytes).expect_err("not supported").to_string()
        };
        let named = |text: &str, name: &str| {
            assert_eq!(error(text), format!("H.263 with {name} is not supported"));
        };
        named("001 0 0100", "Syntax-based Arithmetic Coding (Annex E)");
        named("001 1 0001", "PB-frames (Annex G)");
        named("001 0 0000 00101 1", "Continuous Presence Multipoint (Annex C)");
        let told = "111 001 001 00000000000 1000";
        named("111 001 001 00100000000", "Syntax-based Arithmetic Coding (Annex E)");
        named("111 001 001 00000001000", "Reference Picture Selection (Annex N)");
        named("111 001 001 00000000100", "Independent Segment Decoding (Annex R)");
        named(&format!("{told} 010"), "Improved PB-frames (Annex M)");
        named(&format!("{told} 011"), "B pictures (Annex O)");
        named(&format!("{told} 100"), "scalability (Annex O)");
        named(&format!("{told} 000 10"), "Reference Picture Resampling (Annex P)");
        named(&format!("{told} 000 01"), "Reduced-Resolution Update (Annex Q)");
        named(&format!("{told} 000 00 0 001 1"), "Continuous Presence Multipoint (Annex C)");
        named("111 001 001 00000010000 1000 000 00 0 001 0 1", "rectangular slices (Annex K)");
        named("111 001 001 00000010000 1000 000 00 0 001 0 01", "slices in arbitrary order (Annex K)");
        assert_eq!(error("100 0 0000 00101 0 0"), "704x576 pixels of H.263 are over the limit");
        assert_eq!(error("111 000"), Error::NoKeyFrame.to_string());
        assert_eq!(error("110"), "the H.263 picture has no known source format");
    }

    #[test]
    fn options_last_until_they_are_told_anew() {
        let mut decoder = Decoder::new(128 * 96);
        // A custom format of 128x96 with vectors of Annex D.
        let mut writer = Writer::default();
        writer.text(&format!("{START} 111 001 110 01000000000 1000 000 00 0 001 0"));
        writer.text("0010 000011111 1 000011000 1 00101 0");
        (0..MACROBLOCKS).for_each(|_| writer.text("1 0011 01000000 00100000 00100000 00100000 11111111 11111111"));
        let first = decoder.decode(&writer.bytes).expect("a picture").expect("it is shown");
        assert_eq!((first.width(), first.height()), (128, 96));
        // Four samples to the right, in the code of Annex D.
        let moved = decoder.decode(&inter(&format!("{START} 111 000 001 00 0 001 0 00101 0"), "001010100 1"));
        let moved = moved.expect("a picture").expect("it is shown");
        assert_eq!(first.planes[0].row(0)[..16], [[64; 8], [32; 8]].concat());
        assert_eq!(moved.planes[0].row(0)[..16], [&[64; 4][..], &[32; 8], &[64; 4]].concat());
    }

    #[test]
    fn groups_of_blocks_may_have_headers() {
        let mut writer = Writer::default();
        writer.text(&format!("{START} 001 0 {PLAIN} {QUANTIZER}"));
        for at in 0..MACROBLOCKS {
            if at == 16 {
                // After some zeros: number 2, quantizer 31.
                writer.text("000 00000000000000001 00010 00 11111");
            }
            // Stuffing, then a coefficient.
            writer.text("000000001 1 00010 01000000 0111 0 01000000 01000000 01000000 11111111 11111111");
        }
        let picture = Decoder::new(128 * 96).decode(&writer.bytes).expect("a picture").expect("it is shown");
        let luma = &picture.planes[0];
        assert_eq!(luma.row(0)[0], 67);
        // 93 * sqrt(2) / 8 * cos(pi / 16).
        assert_eq!(luma.row(32)[0], 80);
        let at = writer.bytes.len();
        assert!(matches!(Decoder::new(1 << 20).decode(&writer.bytes[..at / 3 + 8]), Err(Error::Damaged(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            fuzz(&bytes);
        }

        #[test]
        fn bytes_after_a_header_do_no_harm(
            options in 0_u32..1 << 11,
            start in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            next in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let mut bytes = Vec::new();
            for (kind, data) in [(0, start), (1, next)] {
                let mut writer = Writer::default();
                writer.text(&format!("{START} 111 001 001"));
                writer.number(11, options);
                writer.text("1000");
                writer.number(3, kind);
                writer.text("00 1 001 0");
                writer.bytes.extend(data);
                bytes.extend((writer.bytes.len() as u16).to_le_bytes());
                bytes.extend(writer.bytes);
            }
            fuzz(&bytes);
        }
    }
}

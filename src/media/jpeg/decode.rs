//! From a checked layout to pixels, by the crate `zune-jpeg`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::feed::{Feed, Halt};
use super::layout::Layout;

/// What the samples of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Color {
    /// Luma alone.
    Gray,
    /// Luma and two of color.
    YCbCr,
    /// Anything else that becomes RGB: CMYK, YCCK, RGB.
    Other,
}

/// Why no pixels came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::media) enum Stopped {
    /// The file is damaged; holds what the decoder said, which may be nothing.
    Damaged(String),
    /// A scan ends before its blocks do.
    Short,
    /// The caller said to stop.
    Late,
}

/// A JPEG whose headers were read.
pub(in crate::media) struct Opened<'a> {
    decoder: JpegDecoder<Feed<'a>>,
    color: Color,
}

/// Reads the headers. The layout must be that of `jpeg`, and checked. `tables` are segments to put before its own; `stop` is asked
/// whether to give up, also while it is decoded.
pub(in crate::media) fn open<'a>(
    jpeg: &[u8],
    layout: &Layout,
    tables: &[u8],
    stop: &'a dyn Fn() -> bool,
) -> Result<Opened<'a>, Stopped> {
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let feed = Feed::new(jpeg, layout, tables, stop);
    guarded(|| {
        let mut decoder = JpegDecoder::new_with_options(feed, options);
        decoder.decode_headers().map_err(told)?;
        if decoder.dimensions() != Some((layout.width.into(), layout.height.into())) {
            return Err(Stopped::Damaged("its size is another".into()));
        }
        let color = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => Color::Gray,
            Some(ColorSpace::YCbCr) => Color::YCbCr,
            _ => Color::Other,
        };
        Ok(Opened { decoder, color })
    })
}

impl Opened<'_> {
    /// What the samples are.
    pub(in crate::media) fn color(&self) -> Color {
        self.color
    }

    /// Decodes into `width * height` times one byte for luma if it is gray, or three for YCbCr as they are if asked for by
    /// `raw`, else for RGB.
    pub(in crate::media) fn decode(mut self, raw: bool, out: &mut [u8]) -> Result<(), Stopped> {
        let space = match self.color {
            Color::Gray => ColorSpace::Luma,
            Color::YCbCr if raw => ColorSpace::YCbCr,
            _ => ColorSpace::RGB,
        };
        guarded(|| {
            self.decoder.set_options(self.decoder.options().jpeg_set_out_colorspace(space));
            self.decoder.decode_into(out).map_err(told)
        })
    }
}

fn told(error: DecodeErrors) -> Stopped {
    let said: String = format!("{error:?}").chars().filter(|c| !c.is_control()).take(120).collect();
    Stopped::Damaged(said)
}

/// Runs the decoder, which is left by unwinding where it has to end. One that panics met damage.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Stopped>) -> Result<T, Stopped> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|reason| match reason.downcast_ref::<Halt>() {
        Some(Halt::Stopped) => Err(Stopped::Late),
        Some(Halt::Overrun) => Err(Stopped::Short),
        None => Err(Stopped::Damaged("the decoder failed".into())),
    })
}

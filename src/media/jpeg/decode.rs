//! From a checked layout to pixels, by the crate `zune-jpeg`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::feed::{Copy, Feed, Halt};
use super::layout::{Flaw, Layout};

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

/// A JPEG that can be decoded.
pub(in crate::media) struct Opened {
    copy: Copy,
    color: Color,
    width: u16,
    height: u16,
}

/// Reads the headers. The layout must be that of `jpeg`, and checked. `tables` are segments to put before its own; `stop` is asked
/// whether to give up.
pub(in crate::media) fn open(
    jpeg: &[u8],
    layout: &Layout,
    tables: &[u8],
    stop: &dyn Fn() -> bool,
) -> Result<Opened, Stopped> {
    let &Layout { width, height, .. } = layout;
    let mut opened = Opened { copy: Copy::new(jpeg, layout, tables), color: Color::Other, width, height };
    opened.color = guarded(|| opened.headers(stop).map(|(_, color)| color))?;
    Ok(opened)
}

impl Opened {
    /// What the samples are.
    pub(in crate::media) fn color(&self) -> Color {
        self.color
    }

    /// Decodes into `width * height` times one byte for luma if it is gray, or three for YCbCr as they are if asked for by
    /// `raw`, else for RGB.
    pub(in crate::media) fn decode(&self, raw: bool, out: &mut [u8], stop: &dyn Fn() -> bool) -> Result<(), Stopped> {
        let space = match self.color {
            Color::Gray => ColorSpace::Luma,
            Color::YCbCr if raw => ColorSpace::YCbCr,
            _ => ColorSpace::RGB,
        };
        guarded(|| {
            let (mut decoder, _) = self.headers(stop)?;
            decoder.set_options(decoder.options().jpeg_set_out_colorspace(space));
            decoder.decode_into(out).map_err(told)
        })
    }

    fn headers<'a>(&'a self, stop: &'a dyn Fn() -> bool) -> Result<(JpegDecoder<Feed<'a>>, Color), Stopped> {
        let options =
            DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
        let mut decoder = JpegDecoder::new_with_options(self.copy.feed(stop), options);
        decoder.decode_headers().map_err(told)?;
        if decoder.dimensions() != Some((self.width.into(), self.height.into())) {
            return Err(Stopped::Damaged("its size is another".into()));
        }
        let color = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => Color::Gray,
            Some(ColorSpace::YCbCr) => Color::YCbCr,
            _ => Color::Other,
        };
        Ok((decoder, color))
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

impl From<Flaw> for Stopped {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::EndsInScan => Self::Short,
            other => Self::Damaged(other.to_string()),
        }
    }
}

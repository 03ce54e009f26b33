//! Decodes a checked layout to pixels with the crate `zune-jpeg`, or with `plain` for kinds that it gets wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::color::Color;
use super::feed::{Feed, Halt};
use super::kinds::Way;
use super::layout::{Codes, JpegDefect, Layout};
use super::stopped::Stopped;
use super::{plain, tables};
use crate::ops::Stop;

/// A JPEG whose headers were read.
pub(in crate::media) struct Opened<'a> {
    color: Color,
    decoder: Decoder<'a>,
}

enum Decoder<'a> {
    Fast(Box<JpegDecoder<Feed<'a>>>),
    Plain { jpeg: &'a [u8], layout: &'a Layout, tables: Vec<u8>, stop: &'a Stop<'a> },
}

/// Reads the headers. The layout must be that of `jpeg`, and checked. Refuses kinds that no decoder reads. `stop` is polled, also
/// during decoding, and returns true to stop.
pub(in crate::media) fn open<'a>(
    jpeg: &'a [u8],
    layout: &'a Layout,
    stop: &'a Stop<'a>,
) -> Result<Opened<'a>, Stopped> {
    let way = layout.way()?;
    let color = layout.color().ok_or(JpegDefect::Damaged("components of no color"))?;
    let mut tables = if layout.codes == Codes::Typical { tables::typical() } else { vec![] };
    if way == Way::Plain {
        return Ok(Opened { color, decoder: Decoder::Plain { jpeg, layout, tables, stop } });
    }
    tables.extend(color.adobe());
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let feed = Feed::new(jpeg, layout, &tables, stop);
    guarded(|| {
        let mut decoder = Box::new(JpegDecoder::new_with_options(feed, options));
        decoder.decode_headers().map_err(told)?;
        if decoder.dimensions() != Some((layout.width.into(), layout.height.into())) {
            return Err(JpegDefect::Damaged("two sizes").into());
        }
        if decoder.input_colorspace() != Some(space(color, layout)) {
            return Err(JpegDefect::Damaged("two kinds of color").into());
        }
        Ok(Opened { color, decoder: Decoder::Fast(decoder) })
    })
}

impl Opened<'_> {
    /// The color space of the samples.
    pub(in crate::media) fn color(&self) -> Color {
        self.color
    }

    /// Decodes into `out`, `width * height` pixels: one byte of luma for gray, else three, which are unconverted YCbCr if `raw` is
    /// set and RGB otherwise.
    pub(in crate::media) fn decode(self, raw: bool, out: &mut [u8]) -> Result<(), Stopped> {
        let as_it_is = raw && self.color == Color::YCbCr;
        match self.decoder {
            Decoder::Plain { jpeg, layout, tables, stop } => {
                let color = if as_it_is { Color::Rgb } else { self.color };
                plain::decode(jpeg, layout, &tables, color, out, stop)
            }
            Decoder::Fast(mut decoder) => {
                let to = match self.color {
                    Color::Gray => ColorSpace::Luma,
                    Color::YCbCr if raw => ColorSpace::YCbCr,
                    _ => ColorSpace::RGB,
                };
                guarded(|| {
                    decoder.set_options(decoder.options().jpeg_set_out_colorspace(to));
                    decoder.decode_into(out).map_err(told)
                })
            }
        }
    }
}

impl Color {
    /// An Adobe header with this color, for a decoder that gets no other header.
    fn adobe(self) -> Vec<u8> {
        let transform = match self {
            Self::Gray => return vec![],
            Self::Rgb | Self::Cmyk => 0,
            Self::YCbCr => 1,
            Self::Ycck => 2,
        };
        [&b"\xFF\xEE\0\x0EAdobe\0d\0\0\0\0"[..], &[transform]].concat()
    }
}

/// The decoder's first guess of a color. It takes Adobe's 0 for CMYK until it counts components, unless they are named RGB.
fn space(color: Color, layout: &Layout) -> ColorSpace {
    match color {
        Color::Gray => ColorSpace::Luma,
        Color::YCbCr => ColorSpace::YCbCr,
        Color::Rgb if layout.components.iter().map(|c| c.id).eq(*b"RGB") => ColorSpace::RGB,
        Color::Rgb => ColorSpace::CMYK,
        Color::Cmyk => ColorSpace::CMYK,
        Color::Ycck => ColorSpace::YCCK,
    }
}

/// The message to the client for an error of the decoder, whose own text is for programmers.
fn told(error: DecodeErrors) -> Stopped {
    Stopped::Flawed(match error {
        DecodeErrors::HuffmanDecode(_) => JpegDefect::Damaged("codes that its tables do not have"),
        DecodeErrors::DqtError(_) => JpegDefect::Damaged("a quantization table"),
        DecodeErrors::SosError(_) => JpegDefect::Damaged("the header of a scan"),
        DecodeErrors::SofError(_) => JpegDefect::Damaged("the header of the frame"),
        DecodeErrors::ExhaustedData => JpegDefect::EndsInScan,
        _ => JpegDefect::Damaged("its data"),
    })
}

/// Runs the decoder, which is stopped by unwinding. A panic means that the file is damaged.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Stopped>) -> Result<T, Stopped> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|reason| match reason.downcast_ref::<Halt>() {
        Some(Halt::Stopped) => Err(Stopped::Late),
        Some(Halt::Overrun) => Err(JpegDefect::EndsInScan.into()),
        None => Err(JpegDefect::Damaged("its data").into()),
    })
}

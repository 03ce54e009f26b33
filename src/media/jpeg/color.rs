//! Determines the color space of a JPEG by the rules of libjpeg, and converts rows of the plain decoder to RGB.

use super::layout::Layout;

/// Color space of a file's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) enum Color {
    /// Luma alone.
    Gray,
    /// Luma and two chroma components.
    YCbCr,
    /// RGB, shown as it is.
    Rgb,
    /// CMYK inks as Adobe stores them: 0 is full ink.
    Cmyk,
    /// The same with CMY coded as YCbCr.
    Ycck,
}

impl Layout {
    /// The color space by the rules of libjpeg (`default_decompress_parms` in jdapimin.c): a JFIF header takes precedence over
    /// Adobe's, and without either the component names decide. `None` for two components, which no decoder shows.
    pub(in crate::media) fn color(&self) -> Option<Color> {
        let names: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match (&names[..], self.adobe) {
            ([_], _) => Some(Color::Gray),
            ([_, _, _], _) if self.jfif => Some(Color::YCbCr),
            ([_, _, _], Some(0)) => Some(Color::Rgb),
            ([_, _, _], Some(_)) => Some(Color::YCbCr),
            (b"RGB", None) => Some(Color::Rgb),
            ([_, _, _], None) => Some(Color::YCbCr),
            ([_, _, _, _], None | Some(0)) => Some(Color::Cmyk),
            ([_, _, _, _], Some(_)) => Some(Color::Ycck),
            _ => None,
        }
    }
}

impl Color {
    /// Writes one row of pixels from the rows of each component: a byte a pixel for gray, else three.
    pub(super) fn write(self, rows: &[Vec<u8>], out: &mut [u8]) {
        let pixels = out.as_chunks_mut().0.iter_mut().enumerate();
        match (self, rows) {
            (Self::Gray, [gray]) => out.copy_from_slice(&gray[..out.len()]),
            (Self::Rgb, [r, g, b]) => pixels.for_each(|(x, pixel)| *pixel = [r[x], g[x], b[x]]),
            (Self::YCbCr, [y, cb, cr]) => pixels.for_each(|(x, pixel)| *pixel = rgb(y[x], cb[x], cr[x])),
            (Self::Cmyk, [c, m, y, k]) => {
                pixels.for_each(|(x, pixel)| *pixel = [c[x], m[x], y[x]].map(|ink| printed(ink, k[x])));
            }
            (Self::Ycck, [y, cb, cr, k]) => {
                pixels.for_each(|(x, pixel)| *pixel = rgb(y[x], cb[x], cr[x]).map(|light| printed(255 - light, k[x])));
            }
            _ => {}
        }
    }
}

/// One pixel by BT.601 in full range, with the fixed-point numbers of libjpeg.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const BITS: u32 = 16;
    const HALF: i32 = 1 << (BITS - 1);
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    // The factors 1.402, 0.344136, 0.714136 and 1.772.
    let red = y + ((91_881 * cr + HALF) >> BITS);
    let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> BITS);
    let blue = y + ((116_130 * cb + HALF) >> BITS);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// The light that an ink under black leaves, both stored inverted.
fn printed(ink: u8, black: u8) -> u8 {
    ((u32::from(ink) * u32::from(black) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::super::tests::Writer;
    use super::*;

    #[test]
    fn the_color_space_is_chosen_as_by_libjpeg() {
        let told = |names: &[u8], jfif: bool, adobe: Option<u8>| {
            let body = [
                &[8, 0, 8, 0, 8, names.len() as u8][..],
                &names.iter().flat_map(|&id| [id, 0x11, 0]).collect::<Vec<_>>(),
            ];
            let mut writer = Writer::new();
            if let Some(transform) = adobe {
                writer = writer.segment(0xEE, &[&b"Adobe\0d\0\0\0\0"[..], &[transform]].concat());
            }
            if jfif {
                writer = writer.segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
            }
            let bytes = writer.segment(0xC0, &body.concat()).scan(names, (0, 63), (0, 0), &[0; 9]).bytes();
            Layout::read(&bytes).unwrap().color()
        };
        for (names, jfif, adobe, color) in [
            (&[1][..], false, Some(2), Some(Color::Gray)),
            (&[1, 2], true, None, None),
            (&[1, 2, 3], false, None, Some(Color::YCbCr)),
            (&[1, 2, 3], false, Some(0), Some(Color::Rgb)),
            (&[1, 2, 3], false, Some(1), Some(Color::YCbCr)),
            (&[1, 2, 3], false, Some(2), Some(Color::YCbCr)),
            (&[1, 2, 3], true, Some(0), Some(Color::YCbCr)),
            (b"RGB", false, None, Some(Color::Rgb)),
            (b"RGB", false, Some(1), Some(Color::YCbCr)),
            (b"RGB", true, None, Some(Color::YCbCr)),
            (b"rgb", false, None, Some(Color::YCbCr)),
            (&[0, 1, 2], false, None, Some(Color::YCbCr)),
            (&[1, 2, 3, 4], false, None, Some(Color::Cmyk)),
            (&[1, 2, 3, 4], false, Some(0), Some(Color::Cmyk)),
            (b"CMYK", true, Some(2), Some(Color::Ycck)),
            (&[1, 2, 3, 4], false, Some(1), Some(Color::Ycck)),
        ] {
            assert_eq!(told(names, jfif, adobe), color, "{names:?} {jfif} {adobe:?}");
        }
    }

    #[test]
    fn color_conversion_matches_the_formulas() {
        for [y, cb, cr] in [[0, 0, 0], [255, 255, 255], [81, 90, 240], [145, 54, 34], [41, 240, 110], [200, 128, 128]] {
            let (luma, blue, red) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
            let want = [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
            assert_eq!(rgb(y, cb, cr), want.map(|value| value.round().clamp(0.0, 255.0) as u8));
        }
        assert_eq!([printed(255, 255), printed(255, 0), printed(0, 255), printed(128, 128)], [255, 0, 0, 64]);
    }
}

//! Converts pixels of any color type to 8-bit RGB in place: there is not enough memory for two copies of a large picture.

use image::ColorType;

/// Bytes needed to convert `pixels` pixels of a color type to RGB in place.
pub(super) fn bytes(pixels: u64, color: ColorType) -> u64 {
    pixels * u64::from(color.bytes_per_pixel().max(3))
}

/// Converts the pixels at the front of `buffer` to RGB and truncates the rest. Transparency is shown on white; 16-bit values, in
/// native byte order, are rounded to 8 bits; gray is copied to all three. `None` if the color type is not supported.
pub(super) fn convert(buffer: &mut Vec<u8>, pixels: usize, color: ColorType) -> Option<()> {
    match color {
        ColorType::Rgb8 => {}
        ColorType::L8 => each(buffer, pixels, |&[l]: &[u8; 1]| [l; 3]),
        ColorType::La8 => each(buffer, pixels, |&[l, a]: &[u8; 2]| [on_white(l, a); 3]),
        ColorType::Rgba8 => each(buffer, pixels, |&[r, g, b, a]: &[u8; 4]| [r, g, b].map(|c| on_white(c, a))),
        ColorType::L16 => each(buffer, pixels, |&[l0, l1]: &[u8; 2]| [eight([l0, l1]); 3]),
        ColorType::La16 => {
            each(buffer, pixels, |&[l0, l1, a0, a1]: &[u8; 4]| [on_white(eight([l0, l1]), eight([a0, a1])); 3])
        }
        ColorType::Rgb16 => {
            each(buffer, pixels, |&[r0, r1, g0, g1, b0, b1]: &[u8; 6]| [[r0, r1], [g0, g1], [b0, b1]].map(eight))
        }
        ColorType::Rgba16 => each(buffer, pixels, |&[r0, r1, g0, g1, b0, b1, a0, a1]: &[u8; 8]| {
            [[r0, r1], [g0, g1], [b0, b1]].map(|c| on_white(eight(c), eight([a0, a1])))
        }),
        _ => return None,
    }
    // The truncated bytes show the picture as well.
    buffer[pixels * 3..].fill(0);
    buffer.truncate(pixels * 3);
    buffer.shrink_to_fit();
    Some(())
}

/// From `N` bytes a pixel to three; backward where pixels grow, so that nothing is overwritten before it is read.
fn each<const N: usize>(buffer: &mut [u8], pixels: usize, rgb: impl Fn(&[u8; N]) -> [u8; 3]) {
    let mut one = |pixel: usize| {
        let Some(from) = buffer[pixel * N..].first_chunk() else { return };
        let to = rgb(from);
        buffer[pixel * 3..][..3].copy_from_slice(&to);
    };
    if N < 3 { (0..pixels).rev().for_each(&mut one) } else { (0..pixels).for_each(&mut one) }
}

/// Blends with white by alpha, rounded to nearest.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// 16 bits to 8, rounded to nearest.
fn eight(bytes: [u8; 2]) -> u8 {
    ((u32::from(u16::from_ne_bytes(bytes)) + 128) / 257) as u8
}

#[cfg(test)]
mod tests {
    use image::DynamicImage;
    use proptest::prelude::*;

    use super::*;

    /// The same with copies, by the crate `image`.
    fn reference(picture: DynamicImage) -> Vec<u8> {
        if !picture.color().has_alpha() {
            return picture.into_rgb8().into_raw();
        }
        let rgba = picture.into_rgba8();
        rgba.pixels().flat_map(|p| [p[0], p[1], p[2]].map(|c| on_white(c, p[3]))).collect()
    }

    proptest! {
        #[test]
        fn conversion_in_place_matches_conversion_by_copy(samples in proptest::collection::vec(any::<u16>(), 4 * 35)) {
            use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
            for color in [L8, La8, Rgb8, Rgba8, L16, La16, Rgb16, Rgba16] {
                let mut picture = DynamicImage::new(7, 5, color);
                let count = 35 * usize::from(color.channel_count());
                let wide = samples[..count].iter().flat_map(|sample| sample.to_ne_bytes()).collect::<Vec<_>>();
                let narrow = samples[..count].iter().map(|&sample| sample as u8).collect::<Vec<_>>();
                let bytes = if usize::from(color.bytes_per_pixel()) * 35 == count { narrow } else { wide };
                match &mut picture {
                    DynamicImage::ImageLuma8(p) => p.copy_from_slice(&bytes),
                    DynamicImage::ImageLumaA8(p) => p.copy_from_slice(&bytes),
                    DynamicImage::ImageRgb8(p) => p.copy_from_slice(&bytes),
                    DynamicImage::ImageRgba8(p) => p.copy_from_slice(&bytes),
                    DynamicImage::ImageLuma16(p) => p.copy_from_slice(&samples[..count]),
                    DynamicImage::ImageLumaA16(p) => p.copy_from_slice(&samples[..count]),
                    DynamicImage::ImageRgb16(p) => p.copy_from_slice(&samples[..count]),
                    DynamicImage::ImageRgba16(p) => p.copy_from_slice(&samples[..count]),
                    _ => unreachable!("not in the list"),
                }
                let mut buffer = bytes;
                buffer.resize(super::bytes(35, color) as usize, 0);
                convert(&mut buffer, 35, color).unwrap();
                prop_assert_eq!(buffer, reference(picture), "{:?}", color);
            }
        }
    }
}

//! Converts luma and chroma planes, as video decoders give them, to RGB frames.
//!
//! The equations are those of ITU-T H.273, clause 8.3, for 8-bit samples, in integers, so that a clip gives the same pixels
//! on every processor; each channel is within one level of the same equations in real numbers. A chroma sample applies
//! to all the luma samples that it covers (2x2 in 4:2:0): no interpolation, as in most players and OpenCV.
//!
//! Depths over 8 bits, and RGB or transparency stored in planes, are not supported.

use super::frame::{Frame, Rotation};
use super::shape::Shape;
use crate::ops::SecretBytes;

/// Chroma subsampling: how many luma samples share a chroma sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// No chroma: one plane.
    Gray,
    /// Two in each direction share one.
    C420,
    /// Two in a row share one.
    C422,
    /// Each has its own.
    C444,
}

/// Conversion matrix: the weights of red, green and blue in luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Rec. ITU-R BT.601: JPEG, standard definition, and the default for streams that do not state it.
    Bt601,
    /// Rec. ITU-R BT.709: high definition.
    Bt709,
    /// Rec. ITU-R BT.2020 with non-constant luminance: high dynamic range recordings of phones.
    Bt2020,
}

/// The samples of one component.
#[derive(Clone, PartialEq, Eq)]
pub struct Plane {
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` samples of 8 bits, rows from top to bottom, no padding.
    pub samples: SecretBytes,
}

/// A decoded picture: luma and, unless gray, the planes Cb and Cr of the size that [`Chroma`] gives, rounded up.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Chroma subsampling.
    pub chroma: Chroma,
    /// Y, Cb, Cr; Y alone if gray.
    pub planes: Vec<Plane>,
    /// Whether samples use the full range 0 to 255 instead of 16 to 235 for luma and 16 to 240 for chroma.
    pub full_range: bool,
    /// Conversion matrix.
    pub matrix: Matrix,
    /// The pixel aspect ratio in the stream; `None` if it has none.
    pub shape: Option<Shape>,
}

impl Matrix {
    /// The matrix for a code of ITU-T H.273, table 4, which H.264 and HEVC carry.
    pub fn from_h273(number: u8) -> Self {
        match number {
            1 => Self::Bt709,
            9 | 10 => Self::Bt2020,
            _ => Self::Bt601,
        }
    }
}

impl Chroma {
    /// Width and height of a chroma plane for `width` x `height` luma samples; `None` if gray.
    pub fn size(self, width: usize, height: usize) -> Option<(usize, usize)> {
        match self {
            Self::Gray => None,
            Self::C420 => Some((width.div_ceil(2), height.div_ceil(2))),
            Self::C422 => Some((width.div_ceil(2), height)),
            Self::C444 => Some((width, height)),
        }
    }
}

impl Plane {
    /// The `width` x `height` samples from the start of `samples`, whose rows are `stride` apart; `None` if there are too few.
    pub fn from_rows(samples: &[u8], stride: usize, width: usize, height: usize) -> Option<Self> {
        if width > stride {
            return None;
        }
        let end = height.checked_sub(1)?.checked_mul(stride)?.checked_add(width)?;
        Some(Self::cut(samples.get(..end)?, stride, width, height))
    }

    /// The same for samples that are known to be enough.
    ///
    /// # Panics
    /// If there are too few samples.
    pub fn cut(samples: &[u8], stride: usize, width: usize, height: usize) -> Self {
        let mut cut = SecretBytes::with_capacity(width * height);
        samples.chunks(stride.max(1)).take(height).for_each(|row| cut.push(&row[..width]));
        Self { width, height, samples: cut }
    }

    /// One row of samples.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..][..self.width]
    }
}

impl Picture {
    /// Width of the luma plane in pixels.
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    /// Height of the luma plane in pixels.
    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// Whether the number and sizes of the planes are those that [`Chroma`] gives, with at least one sample.
    pub fn is_whole(&self) -> bool {
        let Some((luma, chroma)) = self.planes.split_first() else { return false };
        let fits = |plane: &Plane| plane.width.checked_mul(plane.height) == Some(plane.samples.len());
        let size = self.chroma.size(luma.width, luma.height);
        !luma.samples.is_empty()
            && chroma.len() == size.map_or(0, |_| 2)
            && chroma.iter().all(|plane| Some((plane.width, plane.height)) == size)
            && self.planes.iter().all(fits)
    }

    /// The picture as RGB, pixel by pixel: mirrored left to right if `mirrored`, then rotated.
    ///
    /// # Panics
    /// If the picture is not whole ([`Self::is_whole`]).
    pub fn to_frame(&self, turn: Rotation, mirrored: bool) -> Frame {
        self.to_rgb().oriented(mirrored, turn)
    }

    /// The picture as RGB, pixel by pixel, as it is stored.
    ///
    /// # Panics
    /// If the picture is not whole ([`Self::is_whole`]).
    pub fn to_rgb(&self) -> Frame {
        assert!(self.is_whole(), "planes of a {:?} picture", self.chroma);
        let (width, height) = (self.width(), self.height());
        let weights = Weights::of(self.matrix, self.full_range);
        let mut pixels = vec![0; width * height * 3];
        for (y, out) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let luma = self.planes[0].row(y);
            match self.chroma {
                Chroma::Gray => weights.gray_row(luma, out),
                Chroma::C420 => weights.row::<2, 16>(luma, self.planes[1].row(y / 2), self.planes[2].row(y / 2), out),
                Chroma::C422 => weights.row::<2, 16>(luma, self.planes[1].row(y), self.planes[2].row(y), out),
                Chroma::C444 => weights.row::<1, 32>(luma, self.planes[1].row(y), self.planes[2].row(y), out),
            }
        }
        Frame::new(width, height, pixels)
    }
}

impl std::fmt::Debug for Plane {
    /// Only the size: a picture is personal data and never enters a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plane({}x{})", self.width, self.height)
    }
}

impl std::fmt::Debug for Picture {
    /// Only the subsampling and the size.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { chroma, planes, full_range, matrix, shape } = self;
        write!(f, "Picture({chroma:?}, {planes:?}, full range: {full_range}, {matrix:?}, {shape:?})")
    }
}

/// Fraction bits of the weights: products of 8-bit samples stay under 2^26, and rounding a weight changes a channel by less
/// than 1/100 of a level.
const SHIFT: u32 = 16;

/// Pixels that are converted at once, channel by channel, so that the compiler uses vector instructions.
const BLOCK: usize = 32;

/// The contributions of a sample to red, green and blue, in 1/2^16 levels.
struct Weights {
    /// Luma of black.
    black: i32,
    luma: i32,
    cr_red: i32,
    cb_green: i32,
    cr_green: i32,
    cb_blue: i32,
}

impl Weights {
    fn of(matrix: Matrix, full_range: bool) -> Self {
        let (kr, kb) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = if full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        // Only products and quotients, which IEEE 754 rounds alike everywhere.
        let fixed = |weight: f64| (weight * f64::from(1 << SHIFT) + 0.5) as i32;
        Self {
            black,
            luma: fixed(luma),
            cr_red: fixed(2.0 * (1.0 - kr) * chroma),
            cb_green: fixed(2.0 * (1.0 - kb) * kb / kg * chroma),
            cr_green: fixed(2.0 * (1.0 - kr) * kr / kg * chroma),
            cb_blue: fixed(2.0 * (1.0 - kb) * chroma),
        }
    }

    fn luma(&self, y: u8) -> i32 {
        (i32::from(y) - self.black) * self.luma + (1 << (SHIFT - 1))
    }

    /// One row in which a chroma sample covers `COVERED` pixels; `CHROMA` of them cover a block.
    fn row<const COVERED: usize, const CHROMA: usize>(&self, luma: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        let (blocks, luma) = luma.as_chunks();
        // The last chroma samples may fill a block where luma does not.
        let (cbs, cb) = cb.split_at(blocks.len() * CHROMA);
        let (crs, cr) = cr.split_at(blocks.len() * CHROMA);
        let (cbs, crs) = (cbs.as_chunks().0, crs.as_chunks().0);
        let (outs, out) = out.as_chunks_mut();
        for (((luma, cb), cr), out) in blocks.iter().zip(cbs).zip(crs).zip(outs) {
            self.block::<COVERED, CHROMA>(luma, cb, cr, out);
        }
        if !luma.is_empty() {
            let mut last = [0; 3 * BLOCK];
            self.block::<COVERED, CHROMA>(&padded(luma), &padded(cb), &padded(cr), &mut last);
            out.copy_from_slice(&last[..out.len()]);
        }
    }

    fn block<const COVERED: usize, const CHROMA: usize>(
        &self,
        luma: &[u8; BLOCK],
        cb: &[u8; CHROMA],
        cr: &[u8; CHROMA],
        out: &mut [u8; 3 * BLOCK],
    ) {
        let (mut red, mut green, mut blue) = ([0; CHROMA], [0; CHROMA], [0; CHROMA]);
        for at in 0..CHROMA {
            let (cb, cr) = (i32::from(cb[at]) - 128, i32::from(cr[at]) - 128);
            red[at] = self.cr_red * cr;
            green[at] = -self.cb_green * cb - self.cr_green * cr;
            blue[at] = self.cb_blue * cb;
        }
        let luma = luma.map(|y| self.luma(y));
        let channel = |chroma: [i32; CHROMA]| {
            let mut channel = [0; BLOCK];
            for at in 0..BLOCK {
                channel[at] = level(luma[at] + chroma[at / COVERED]);
            }
            channel
        };
        let (red, green, blue) = (channel(red), channel(green), channel(blue));
        for (at, pixel) in out.as_chunks_mut().0.iter_mut().enumerate() {
            *pixel = [red[at], green[at], blue[at]];
        }
    }

    fn gray_row(&self, luma: &[u8], out: &mut [u8]) {
        for (&y, out) in luma.iter().zip(out.chunks_exact_mut(3)) {
            out.fill(level(self.luma(y)));
        }
    }
}

/// The samples, and zeros up to the end of the block.
fn padded<const N: usize>(samples: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    block[..samples.len()].copy_from_slice(samples);
    block
}

/// The level of a channel, clamped to 8 bits.
fn level(fixed: i32) -> u8 {
    (fixed >> SHIFT).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, height: usize, samples: Vec<u8>) -> Plane {
        Plane { width, height, samples: samples.into() }
    }

    fn reference(matrix: Matrix, full_range: bool, [y, cb, cr]: [u8; 3]) -> [f64; 3] {
        let (kr, kb) = if matrix == Matrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
        let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
        let (y, cb, cr) =
            if full_range { (y, cb, cr) } else { ((y - 16.0) * 255.0 / 219.0, cb * 255.0 / 224.0, cr * 255.0 / 224.0) };
        let (red, blue) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
        let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
        [red, green, blue].map(|c| c.clamp(0.0, 255.0))
    }

    #[test]
    fn conversion_is_within_a_level_of_exact() {
        let steps: Vec<u8> = (0..=255).step_by(5).collect();
        for (matrix, full_range) in
            [(Matrix::Bt601, false), (Matrix::Bt601, true), (Matrix::Bt709, false), (Matrix::Bt709, true)]
        {
            for &cb in &steps {
                for &cr in &steps {
                    let n = steps.len();
                    let planes = vec![plane(n, 1, steps.clone()), plane(n, 1, vec![cb; n]), plane(n, 1, vec![cr; n])];
                    let frame = Picture { chroma: Chroma::C444, planes, full_range, matrix, shape: None }
                        .to_frame(Rotation::None, false);
                    for (&y, got) in steps.iter().zip(frame.pixels().chunks(3)) {
                        let want = reference(matrix, full_range, [y, cb, cr]);
                        let far = got.iter().zip(want).any(|(&g, w)| (f64::from(g) - w).abs() > 0.52);
                        assert!(!far, "{matrix:?} {full_range} {y} {cb} {cr}: {got:?}, not {want:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_chroma_sample_colors_the_pixels_that_it_covers() {
        // 3x3: the last column and row are covered by half of a chroma sample.
        let gray = |c: u8| [c; 3];
        for (chroma, size) in [(Chroma::C420, (2, 2)), (Chroma::C422, (2, 3)), (Chroma::C444, (3, 3))] {
            let (w, h) = size;
            let cr: Vec<u8> = (0..w * h).map(|i| 128 + 8 * i as u8).collect();
            let planes = vec![plane(3, 3, vec![100; 9]), plane(w, h, vec![128; w * h]), plane(w, h, cr.clone())];
            let frame = Picture { chroma, planes, full_range: true, matrix: Matrix::Bt601, shape: None }
                .to_frame(Rotation::None, false);
            for y in 0..3 {
                for x in 0..3 {
                    let at = (y * h / if h == 2 { 4 } else { 3 }) * w + x * w / if w == 2 { 4 } else { 3 };
                    let want = 100.0 + 1.402 * (f64::from(cr[at]) - 128.0);
                    let red = f64::from(frame.row(y)[3 * x]);
                    assert!((red - want).abs() <= 1.0, "{chroma:?} ({x},{y}): {red}, not {want}");
                }
            }
        }
        let planes = vec![plane(2, 1, vec![3, 200])];
        let frame = Picture { chroma: Chroma::Gray, planes, full_range: true, matrix: Matrix::Bt601, shape: None }
            .to_frame(Rotation::None, false);
        assert_eq!(frame.pixels(), [gray(3), gray(200)].concat());
    }

    #[test]
    fn rows_of_any_width_are_converted_pixel_by_pixel() {
        for width in [1, 2, 31, 32, 33, 64, 65, 97] {
            for chroma in [Chroma::C420, Chroma::C422, Chroma::C444] {
                let (across, _) = chroma.size(width, 1).expect("color");
                let samples = |n: usize, step: usize| (0..n).map(|i| (i * step % 256) as u8).collect::<Vec<_>>();
                let planes = vec![
                    plane(width, 1, samples(width, 37)),
                    plane(across, 1, samples(across, 91)),
                    plane(across, 1, samples(across, 53)),
                ];
                let whole =
                    Picture { chroma, planes: planes.clone(), full_range: false, matrix: Matrix::Bt709, shape: None };
                for (x, pixel) in whole.to_rgb().pixels().chunks(3).enumerate() {
                    let covering = if chroma == Chroma::C444 { x } else { x / 2 };
                    let at = [x, covering, covering];
                    let planes = planes.iter().zip(at).map(|(p, at)| plane(1, 1, vec![p.samples[at]])).collect();
                    let one = Picture { chroma: Chroma::C444, planes, ..whole.clone() };
                    assert_eq!(one.to_rgb().pixels(), pixel, "{chroma:?}, column {x} of {width}");
                }
            }
        }
    }

    #[test]
    fn mirroring_is_applied_before_rotation() {
        let planes = vec![plane(2, 1, vec![1, 2])];
        let picture = Picture { chroma: Chroma::Gray, planes, full_range: true, matrix: Matrix::Bt601, shape: None };
        let row =
            |turn, mirrored| picture.to_frame(turn, mirrored).pixels().iter().step_by(3).copied().collect::<Vec<_>>();
        assert_eq!(row(Rotation::None, true), [2, 1]);
        assert_eq!(row(Rotation::Half, true), [1, 2]);
        // The right end of a row becomes the bottom of a column.
        assert_eq!(row(Rotation::Right, true), [2, 1]);
        assert_eq!(row(Rotation::Left, true), [1, 2]);
    }

    #[test]
    fn planes_of_wrong_sizes_are_detected() {
        let good = Picture {
            chroma: Chroma::C420,
            planes: vec![plane(3, 3, vec![0; 9]), plane(2, 2, vec![0; 4]), plane(2, 2, vec![0; 4])],
            full_range: false,
            matrix: Matrix::Bt709,
            shape: None,
        };
        assert!(good.is_whole());
        assert!(!Picture { chroma: Chroma::C422, ..good.clone() }.is_whole());
        assert!(!Picture { chroma: Chroma::Gray, ..good.clone() }.is_whole());
        assert!(!Picture { planes: Vec::new(), ..good.clone() }.is_whole());
        let mut short = good;
        short.planes[2].samples.take(1);
        assert!(!short.is_whole());
    }

    #[test]
    fn rows_are_cut_out_of_a_wider_buffer() {
        let wide = [1, 2, 0, 3, 4, 0, 5, 6];
        assert_eq!(Plane::from_rows(&wide, 3, 2, 3), Some(plane(2, 3, vec![1, 2, 3, 4, 5, 6])));
        assert_eq!(Plane::from_rows(&wide, 3, 3, 3), None);
        assert_eq!(Plane::from_rows(&wide, 1, 2, 1), None);
        assert_eq!(Plane::from_rows(&wide, usize::MAX, 2, 3), None);
        assert_eq!(Plane::from_rows(&wide, 3, 2, 0), None);
    }
}

//! Upsamples components that have fewer samples than the picture has pixels, as libjpeg does by default (`jdsample.c`).

use crate::ops::SecretBytes;

/// The samples of a component.
pub(super) struct Plane {
    /// Samples row by row, in whole blocks.
    pub samples: SecretBytes,
    /// Samples in a row of `samples`.
    pub stride: usize,
    /// Samples across that belong to the picture.
    pub width: usize,
    /// Samples down that belong to the picture.
    pub height: usize,
    /// Pixels of the picture per sample, across and down.
    pub times: (usize, usize),
}

impl Plane {
    fn line(&self, y: usize) -> &[u8] {
        &self.samples[y.min(self.height - 1) * self.stride..][..self.width]
    }

    /// Computes row `y` of the picture. Factors of 2 weight a sample and its neighbor 3 to 1, by their distance to the pixel;
    /// other factors repeat samples.
    pub(super) fn row(&self, y: usize, out: &mut [u8]) {
        let at = y / self.times.1;
        let near = self.line(at);
        // The second-nearest row, above or below.
        let far = || self.line(if y.is_multiple_of(2) { at.saturating_sub(1) } else { at + 1 });
        match self.times {
            (1, 1) => out.copy_from_slice(&near[..out.len()]),
            (2, 1) if self.width > 2 => double(out, self.width, |x| near[x].into(), [1, 2], 2),
            (1, 2) => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((out, &near), &far) in out.iter_mut().zip(near).zip(far()) {
                    *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
                }
            }
            (2, 2) if self.width > 2 => {
                let far = far();
                double(out, self.width, |x| 3 * u16::from(near[x]) + u16::from(far[x]), [8, 7], 4);
            }
            (times, _) => {
                out.chunks_mut(times).zip(near).for_each(|(out, &sample)| out.fill(sample));
            }
        }
    }
}

/// Two pixels for each of `width` samples: three parts of the sample and one of its neighbor, plus `bias`, divided by a power
/// of two. At the ends a sample is its own neighbor.
fn double(out: &mut [u8], width: usize, sample: impl Fn(usize) -> u16, bias: [u16; 2], bits: u32) {
    for (x, pair) in out.chunks_mut(2).enumerate().take(width) {
        let here = sample(x);
        let beside = [sample(x.saturating_sub(1)), sample((x + 1).min(width - 1))];
        for ((out, beside), bias) in pair.iter_mut().zip(beside).zip(bias) {
            *out = ((3 * here + beside + bias) >> bits) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(
        samples: &[u8],
        stride: usize,
        size: (usize, usize),
        times: (usize, usize),
        out: (usize, usize),
    ) -> Vec<Vec<u8>> {
        let plane = Plane { samples: samples.to_vec().into(), stride, width: size.0, height: size.1, times };
        let row = |y| {
            let mut row = vec![0; out.0];
            plane.row(y, &mut row);
            row
        };
        (0..out.1).map(row).collect()
    }

    #[test]
    fn doubling_interpolates_between_samples() {
        // The last samples of the rows are padding.
        let samples = [0, 40, 100, 99, 80, 80, 80, 99];
        assert_eq!(rows(&samples, 4, (3, 1), (2, 1), (6, 1)), [[0, 10, 30, 55, 85, 100]]);
        assert_eq!(rows(&samples, 4, (3, 1), (2, 1), (5, 1)), [[0, 10, 30, 55, 85]]);
        assert_eq!(rows(&samples, 4, (3, 2), (1, 2), (3, 4)), [[0, 40, 100], [20, 50, 95], [60, 70, 85], [80, 80, 80]]);
        let both = rows(&samples, 4, (3, 2), (2, 2), (6, 3));
        assert_eq!(both, [[0, 10, 30, 55, 85, 100], [20, 27, 43, 61, 84, 95], [60, 62, 68, 74, 81, 85]]);
    }

    #[test]
    fn other_ratios_and_narrow_planes_repeat_samples() {
        assert_eq!(
            rows(&[1, 9, 5, 7], 2, (2, 2), (3, 2), (5, 4)),
            [[1, 1, 1, 9, 9], [1, 1, 1, 9, 9], [5, 5, 5, 7, 7], [5, 5, 5, 7, 7]]
        );
        assert_eq!(rows(&[1, 9], 2, (2, 1), (2, 1), (4, 1)), [[1, 1, 9, 9]]);
        assert_eq!(rows(&[1, 9], 2, (2, 1), (2, 2), (3, 2)), [[1, 1, 9], [1, 1, 9]]);
        assert_eq!(rows(&[1, 9], 2, (2, 1), (1, 1), (2, 1)), [[1, 9]]);
    }
}

//! The transfer function of sRGB (IEC 61966-2-1), which 8-bit pictures are taken to have. A camera's own curve differs from it, which changes
//! amplitudes by a factor that calibration takes in.

use std::sync::LazyLock;

/// Linear light of each 8-bit value, 0..1.
static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|value| {
        let encoded = value as f64 / 255.0;
        let linear = match encoded <= 0.040_45 {
            true => encoded / 12.92,
            false => libm::pow((encoded + 0.055) / 1.055, 2.4),
        };
        linear as f32
    })
});

/// Linear light of an 8-bit value, 0..1.
pub(in crate::face::liveness) fn linear(value: u8) -> f32 {
    LINEAR[usize::from(value)]
}

/// The 8-bit value nearest to linear light; the highest for more than 1.
pub(in crate::face::liveness) fn encoded(light: f64) -> u8 {
    let encoded = match light <= 0.003_130_8 {
        true => 12.92 * light,
        false => 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055,
    };
    (255.0 * encoded.clamp(0.0, 1.0)).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_light_and_light_values_again() {
        assert_eq!((linear(0), linear(255)), (0.0, 1.0));
        assert!((linear(188) - 0.503).abs() < 0.001);
        assert!((0..=255).all(|value| encoded(linear(value).into()) == value));
        assert_eq!((encoded(1.2), encoded(-0.1)), (255, 0));
    }
}

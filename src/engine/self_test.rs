//! Compares each model's output on a synthetic picture with a known answer.
//!
//! It catches a wrong kernel, a damaged weight or a mixed-up channel; it does not measure accuracy. The expected values come
//! from the script that quantized the model.

use super::{Error, Map};

/// Least cosine between the answer and the expected one. Float and integer arithmetic agree to 0.998 here.
const LEAST_COSINE: f32 = 0.98;

/// The picture, rows of pixels: two triangle waves, `60 + 2 |(3x + 2y + 20c) mod 96 - 48| + |(2y - x) mod 64 - 32|`.
pub fn picture(side: usize) -> Vec<u8> {
    let side = side as i32;
    let value = |c: i32, y: i32, x: i32| {
        60 + 2 * ((3 * x + 2 * y + 20 * c) % 96 - 48).abs() + ((2 * y - x).rem_euclid(64) - 32).abs()
    };
    (0..side * side).flat_map(|i| (0..3).map(move |c| value(c, i / side, i % side) as u8)).collect()
}

/// Compares values spread evenly over all outputs of the model `name` with `answer`.
pub(super) fn compare(name: &str, maps: &[Map], answer: &[f32]) -> Result<(), Error> {
    let all: Vec<f32> = maps.iter().flat_map(|m| m.values.iter().copied()).collect();
    if answer.is_empty() || all.len() < answer.len() {
        let (found, known) = (all.len(), answer.len());
        return Err(Error::self_test(format!("{name}: {found} outputs for a known answer of {known} values")));
    }
    let got: Vec<f32> = (0..answer.len()).map(|i| all[i * all.len() / answer.len()]).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let norms = (dot(&got, &got) * dot(answer, answer)).sqrt();
    let cosine = dot(&got, answer) / norms;
    if cosine >= LEAST_COSINE && (0.9..1.1).contains(&(dot(&got, &got) / dot(answer, answer)).sqrt()) {
        return Ok(());
    }
    Err(Error::self_test(format!("{name}: self-test: the answer agrees with the known one to {cosine:.4} only")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(values: &[f32]) -> Vec<Map> {
        vec![Map { name: "m".into(), channels: 1, rows: 1, columns: values.len(), values: values.to_vec() }]
    }

    #[test]
    fn close_answers_pass_and_wrong_ones_fail() {
        let answer = [1.0, -2.0, 3.0, 0.5];
        assert!(compare("m", &maps(&[1.01, -2.0, 2.98, 0.5]), &answer).is_ok());
        for wrong in [[1.0, 2.0, 3.0, 0.5], [2.0, -4.0, 6.0, 1.0], [f32::NAN, -2.0, 3.0, 0.5], [0.0; 4]] {
            assert!(compare("m", &maps(&wrong), &answer).is_err(), "{wrong:?}");
        }
        assert!(compare("m", &maps(&[1.0]), &answer).is_err());
        assert!(compare("m", &[], &[]).is_err());
    }
}

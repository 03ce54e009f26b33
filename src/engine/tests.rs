//! The shipped models, whole: every kernel gives the same bytes, and the answer is that of the definition in floats.

use super::int8::Isa;
use super::{Arithmetic, Map, ModelSet, Role, self_test};

/// All plans that the service has: role and side of the input in pixels.
const PLANS: [(Role, usize); 4] =
    [(Role::Detector, 320), (Role::Detector, 640), (Role::Embedder, 112), (Role::Liveness, 128)];

/// Noise that no layer can predict.
fn noise(side: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..3 * side * side).map(|_| next()).collect()
}

fn answer(models: &ModelSet, (role, side): (Role, usize), arithmetic: Arithmetic, pixels: &[u8]) -> Vec<Map> {
    let plan = models.get(role).plan(side, arithmetic).expect("a plan");
    plan.session().expect("a session").run(pixels).expect("an answer")
}

#[test]
fn every_kernel_gives_the_same_bytes() {
    let models = ModelSet::embedded().expect("the embedded models");
    for plan in PLANS {
        for pixels in [self_test::picture(plan.1), noise(plan.1)] {
            let want = answer(&models, plan, Arithmetic::Integer(Isa::Portable), &pixels);
            for isa in Isa::available() {
                assert!(answer(&models, plan, Arithmetic::Integer(isa), &pixels) == want, "{plan:?} {isa:?}");
            }
        }
    }
}

#[test]
fn integers_answer_what_rounded_floats_do() {
    let models = ModelSet::embedded().expect("the embedded models");
    for plan in PLANS {
        let pixels = self_test::picture(plan.1);
        let integer = answer(&models, plan, Arithmetic::default(), &pixels);
        let emulated = answer(&models, plan, Arithmetic::Emulated, &pixels);
        assert_eq!(integer.len(), emulated.len());
        for (a, b) in integer.iter().zip(&emulated) {
            assert_eq!((&a.name, a.channels, a.rows, a.columns), (&b.name, b.channels, b.rows, b.columns));
            let energy: f32 = b.values.iter().map(|v| v * v).sum();
            let error: f32 = a.values.iter().zip(&b.values).map(|(a, b)| (a - b) * (a - b)).sum();
            // Sums of floats have errors of their own, which change a byte here and there, and later layers spread them.
            assert!(error < 1e-2 * energy, "{plan:?} {}: {error} of {energy}", a.name);
        }
    }
}

#[test]
fn all_blocks_of_the_shipped_models_are_computed_in_integers() {
    let models = ModelSet::embedded().expect("the embedded models");
    for (role, side) in PLANS {
        let plan = models.get(role).plan(side, Arithmetic::default()).expect("a plan");
        let told = plan.arithmetic();
        assert!(told.starts_with("in integers") && !told.contains("floats"), "{role:?}: {told}");
    }
}

//! Tests the shipped models: every kernel gives the same bytes, and the answer is that of the definition in floats.

use super::int8::Isa;
use super::team::tests::with_helpers;
use std::error::Error as _;
use std::path::Path;

use super::{Arithmetic, ErrorKind, Manifest, Map, ModelSet, Role, Team, self_test};

/// All plans that the service uses: role and side of the input in pixels.
const PLANS: [(Role, usize); 5] = [
    (Role::Detector, 320),
    (Role::Detector, 640),
    (Role::Embedder, 112),
    (Role::Liveness, 128),
    (Role::Landmarks, 192),
];

/// Random pixels without any structure.
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
    plan.session(&Team::default()).expect("a session").run(pixels).expect("an answer")
}

#[test]
fn an_error_has_its_kind_and_its_source() {
    let missing = ModelSet::from_dir(Path::new("/nonexistent")).unwrap_err();
    let source = missing.source().and_then(|source| source.downcast_ref::<std::io::Error>()).expect("its source");
    assert_eq!(missing.to_string(), format!("cannot read /nonexistent/models.toml: {source}"));
    assert_eq!((missing.kind(), source.kind()), (ErrorKind::Models, std::io::ErrorKind::NotFound));
    assert!(Manifest::parse("format = 1").unwrap_err().source().is_some_and(|source| source.is::<toml::de::Error>()));
    let models = ModelSet::embedded().expect("the embedded models");
    let mut session = models
        .get(Role::Embedder)
        .plan(112, Arithmetic::default())
        .and_then(|p| p.session(&Team::default()))
        .expect("one");
    let mut info = models.get(Role::Embedder).info().clone();
    assert_eq!(session.run(&[]).unwrap_err().kind(), ErrorKind::Run);
    info.self_test.answer.reverse();
    assert_eq!(session.self_test(&info).unwrap_err().kind(), ErrorKind::SelfTest);
}

#[test]
fn every_kernel_gives_the_same_bytes() {
    let models = ModelSet::embedded().expect("the embedded models");
    for plan in PLANS {
        for pixels in [self_test::picture(plan.1), noise(plan.1)] {
            let want = answer(&models, plan, Arithmetic::Integer(Isa::PORTABLE), &pixels);
            for isa in Isa::available() {
                assert!(answer(&models, plan, Arithmetic::Integer(isa), &pixels) == want, "{plan:?} {isa:?}");
            }
        }
    }
}

#[test]
fn answers_do_not_depend_on_the_number_of_helpers() {
    let models = ModelSet::embedded().expect("the embedded models");
    for isa in Isa::available() {
        // The largest is the first again, for more time.
        for (role, side) in PLANS.into_iter().filter(|(_, side)| *side < 640) {
            let plan = models.get(role).plan(side, Arithmetic::Integer(isa)).expect("a plan");
            let pixels = noise(side);
            let run = |team: &Team| plan.session(team).expect("a session").run(&pixels).expect("an answer");
            let alone = run(&Team::default());
            with_helpers(2, |team| {
                // The first may begin before anybody is there.
                (0..2).for_each(|_| assert!(run(team) == alone, "{role:?} {isa:?}"));
            });
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
            // Sums of floats have rounding errors and biases are rounded, which changes single bytes, and later layers spread
            // the difference.
            assert!(error < 2e-2 * energy, "{plan:?} {}: {error} of {energy}", a.name);
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

#[test]
fn a_smaller_picture_needs_no_other_plan() {
    let models = ModelSet::embedded().expect("the embedded models");
    let detector = models.get(Role::Detector);
    let small = noise(192);
    let want = answer(&models, (Role::Detector, 192), Arithmetic::default(), &small);
    let plan = detector.plan(320, Arithmetic::default()).expect("a plan");
    let mut session = plan.session(&Team::default()).expect("a session");
    let large = noise(320);
    let (wide, high) = (&large[..3 * 320 * 96], &large[..3 * 320 * 256]);
    let portable = detector.plan(320, Arithmetic::Integer(Isa::PORTABLE)).expect("a plan");
    let mut reference = portable.session(&Team::default()).expect("a session");
    // A run must not depend on the state that the run before left.
    for _ in 0..2 {
        assert!(session.run_on(&small, 192, 192).expect("an answer") == want);
        for (pixels, rows, columns) in [(&large[..], 320, 320), (wide, 96, 320), (high, 320, 256)] {
            let maps = session.run_on(pixels, rows, columns).expect("an answer");
            assert!(maps == reference.run_on(pixels, rows, columns).expect("an answer"), "{rows} x {columns}");
            let map = maps.iter().find(|map| map.name == "kps_32").expect("a map");
            assert_eq!((map.channels, map.rows, map.columns), (10, rows / 32, columns / 32));
            assert_eq!(map.values.len(), 10 * map.rows * map.columns);
        }
    }
}

#[test]
fn sizes_that_a_layer_cannot_go_over_are_not_accepted() {
    let models = ModelSet::embedded().expect("the embedded models");
    let session =
        |role, side, arithmetic| models.get(role).plan(side, arithmetic).expect("a plan").session(&Team::default());
    let mut detector = session(Role::Detector, 320, Arithmetic::default()).expect("a session");
    for (rows, columns, accepted) in
        [(320, 320, true), (32, 96, true), (320, 64, false), (352, 320, false), (320, 100, false), (0, 0, false)]
    {
        assert_eq!(detector.accepts(rows, columns), accepted, "{rows} x {columns}");
        if !accepted {
            assert!(detector.run_on(&vec![0; 3 * rows * columns], rows, columns).is_err(), "{rows} x {columns}");
        }
    }
    assert!(detector.run_on(&[0; 5], 96, 96).is_err());
    assert!(detector.run(&noise(320)).is_ok());
    let embedder = session(Role::Embedder, 112, Arithmetic::default()).expect("a session");
    assert!(embedder.accepts(112, 112) && !embedder.accepts(96, 112));
    let mut floats = session(Role::Detector, 320, Arithmetic::Float).expect("a session");
    assert!(floats.accepts(320, 320) && !floats.accepts(192, 320));
    assert!(floats.run_on(&[], 0, 0).is_err());
}

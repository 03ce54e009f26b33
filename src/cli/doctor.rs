//! Reports on this machine and these models, and whether they work (`doctor`).

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use crate::api::surroundings::{self, Check};
use crate::camera;
use crate::engine::{Isa, Role};
use crate::ops::{Settings, counted, settings};

pub(super) fn run(settings: &Settings) -> Result<ExitCode, Box<dyn Error>> {
    println!("faceplate {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let kernels: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    println!("cpu        {} cores, kernels: {}", std::thread::available_parallelism()?, kernels.join(", "));
    println!("workers    {}", settings.workers());
    let start = Instant::now();
    let faces = match super::faces(settings) {
        Ok(faces) => faces,
        Err(error) => {
            println!("models     FAILED: {error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    println!("models     loaded in {} ms", start.elapsed().as_millis());
    for model in faces.models() {
        println!(
            "           {} {} ({}, {}, sha256 {})",
            model.name,
            model.version,
            role(model.role),
            model.license,
            &model.sha256[..16]
        );
        println!("             computed {}", faces.arithmetic(model.role));
    }
    let start = Instant::now();
    let verdict = faces.self_test();
    match &verdict {
        Ok(()) => println!("self-test  passed in {} ms", start.elapsed().as_millis()),
        Err(error) => println!("self-test  FAILED: {error}"),
    }
    let l = &settings.limits;
    println!(
        "limits     body {} bytes, picture {} bytes and {} pixels",
        l.body_bytes, l.picture_bytes, l.picture_pixels
    );
    let (templates, pictures) =
        (counted(l.templates, "template", "templates"), counted(l.samples, "picture", "pictures"));
    println!("           {templates} and {pictures} a request, {} ms", l.request_ms);
    println!("listen     {}", settings.server.listen);
    let tokens: Vec<&str> = settings.access.all().map(|token| &*token.name).collect();
    let who = if tokens.is_empty() { "every client that reaches it".to_owned() } else { tokens.join(", ") };
    let tls = match (&settings.tls.certificate, &settings.tls.clients) {
        (None, _) => "not encrypted",
        (Some(_), None) => "TLS",
        (Some(_), Some(_)) => "TLS, with clients' certificates",
    };
    let sealed = if settings.templates.keys.is_some() { "templates are sealed" } else { "templates are not sealed" };
    println!("access     {who}; {tls}; {sealed}");
    println!("site       {}", site(settings.site.as_ref()));
    let cameras: Vec<String> = camera::listed().iter().map(|(n, name)| format!("/dev/video{n} {name}")).collect();
    let there = if cameras.is_empty() { "none is there".to_owned() } else { cameras.join(", ") };
    println!("camera     {}: {there}", settings.camera.device);
    let findings = surroundings::look(settings);
    for Check { about, found } in &findings {
        match found {
            Ok(found) => println!("{about}: {found}"),
            Err(why) => println!("{about}: FAILED: {why}"),
        }
    }
    let is_good = verdict.is_ok() && surroundings::is_good(&findings);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For programs.
pub(super) fn print_json(settings: &Settings) -> ExitCode {
    let models = super::faces(settings).and_then(|faces| faces.self_test()).map_err(|e| e.to_string());
    let mut findings = vec![Check { about: "models", found: models.map(|()| "the self-test passed".into()) }];
    findings.extend(surroundings::look(settings));
    println!("{}", surroundings::json(&findings));
    if surroundings::is_good(&findings) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Detector => "detector",
        Role::Embedder => "embedder",
        Role::Liveness => "liveness",
        Role::Landmarks => "landmarks",
    }
}

/// Reports how well the false match rates hold at this site.
fn site(site: Option<&settings::Site>) -> String {
    let Some(site) = site else {
        return "not measured; faceplate calibrate site does, from 50 people on".into();
    };
    let people = counted(site.people, "person", "people");
    let (before, after) = (site.share_before, site.share_after);
    let known = format!(
        "{people} on {}: {after:.1e} of non-mated pairs reach 0.85, {before:.1e} by the shipped curve",
        site.date
    );
    // With fewer pairs than one false match is expected in, one is no evidence.
    let least = 1.0 / site.held_pairs.max(1) as f64;
    match after > (FAR_OVER * PROMISED).max(least) {
        true => format!("{known}; WARNING: 1e-4 is promised. Set decision.approved higher, or measure again"),
        false => known,
    }
}

/// Share of pairs of different people that may reach 0.85.
const PROMISED: f64 = 1e-4;
/// Multiple of that share from which it is a fault.
const FAR_OVER: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_with_too_many_false_matches_gets_a_warning() {
        let measured = |share_after, held_pairs| settings::Site {
            date: "2026-11-29".into(),
            model: 1,
            people: 60,
            held_pairs,
            share_before: 2e-3,
            share_after,
            shift: 0.0,
            scale: 1.0,
            mean: vec![],
        };
        assert!(site(None).contains("not measured"));
        assert_eq!(
            site(Some(&measured(2e-4, 20_000))),
            "60 people on 2026-11-29: 2.0e-4 of non-mated pairs reach 0.85, 2.0e-3 by the shipped curve"
        );
        assert!(site(Some(&measured(4e-4, 20_000))).contains("WARNING"));
        // One pair in a thousand.
        assert!(!site(Some(&measured(1e-3, 1_000))).contains("WARNING"));
        assert!(site(Some(&measured(2e-3, 1_000))).contains("WARNING"));
    }
}

//! `doctor`: what this machine and these models are, and whether they work.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use crate::camera;
use crate::engine::Isa;
use crate::ops::Settings;

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
            "           {} {} ({:?}, {}, sha256 {})",
            model.name,
            model.version,
            model.role,
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
    println!("           {} templates and {} pictures a request, {} ms", l.templates, l.samples, l.request_ms);
    println!("listen     {}", settings.server.listen);
    let tokens: Vec<&str> = settings.access.tokens.iter().map(|token| &*token.name).collect();
    let who = if tokens.is_empty() { "everybody who reaches it".to_owned() } else { tokens.join(", ") };
    let tls = match (&settings.tls.certificate, &settings.tls.clients) {
        (None, _) => "not encrypted",
        (Some(_), None) => "TLS",
        (Some(_), Some(_)) => "TLS, with clients' certificates",
    };
    let sealed = if settings.templates.keys.is_some() { "templates are sealed" } else { "templates are not sealed" };
    println!("access     {who}; {tls}; {sealed}");
    let cameras: Vec<String> = camera::listed().iter().map(|(n, name)| format!("/dev/video{n} {name}")).collect();
    let there = if cameras.is_empty() { "none is there".to_owned() } else { cameras.join(", ") };
    println!("camera     {}: {there}", settings.camera.device);
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

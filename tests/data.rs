//! Tests sets of pictures that are not part of the repository. `FACEPLATE_DATA` names their folder; .ci/run sets it
//! if they are present and reports if they are not.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Form, Service};

fn data() -> PathBuf {
    PathBuf::from(std::env::var_os("FACEPLATE_DATA").expect("FACEPLATE_DATA names the folder of evaluation data"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Within two seconds and in bounded memory.
#[test]
#[ignore = "needs FACEPLATE_DATA"]
fn every_odd_file_gets_a_template_or_an_error_code_of_the_contract() {
    let mut service = Service::start(&["--workers", "1"]);
    let files = files(&data().join("formats"));
    assert!(files.len() > 300);
    let mut slowest = Duration::ZERO;
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let start = Instant::now();
        let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &bytes);
        let took = start.elapsed();
        let name = file.file_name().unwrap().to_str().unwrap();
        match reply.status {
            200 => assert_eq!(reply.body.len(), 148, "{name}"),
            400 => {
                assert!(["BPE-002003", "BPE-003001", "BPE-003002", "BPE-003003"].contains(&&*reply.code()), "{name}")
            }
            other => panic!("{name}: {other} {}", reply.text()),
        }
        assert!(took < Duration::from_secs(2), "{name} took {took:?}");
        assert!(service.is_running());
        slowest = slowest.max(took);
    }
    let peak = service.peak_memory_mib();
    println!("{} files, slowest {slowest:?}, peak {peak} MiB", files.len());
    assert!(peak < 300, "{peak} MiB");
}

/// Within five seconds and in bounded memory.
#[test]
#[ignore = "needs FACEPLATE_DATA"]
fn every_odd_file_of_video_gets_a_verdict_or_a_reason() {
    let mut service = Service::start(&["--workers", "1"]);
    let files = files(&data().join("formats/video"));
    assert!(files.len() > 30);
    let mut slowest = Duration::ZERO;
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let form = Form::new().named("m", name, &std::fs::read(file).unwrap());
        let start = Instant::now();
        let reply = service.form("/v1/face/liveness/detect", &form);
        let took = start.elapsed();
        let result = match reply.status {
            200 => {
                let analysis = &reply.json()["analyses"][0];
                assert_ne!(analysis["resolution"], "FAILED", "{name}");
                analysis["results_media"][0]["results_data"]["confidence_spoofing"].to_string()
            }
            _ => {
                assert_eq!((reply.status, &*reply.code()), (400, "LDE-002004"), "{name}");
                let message = reply.json()["message"].as_str().unwrap().to_owned();
                let (_, reason) = message.split_once("'m': ").unwrap_or_else(|| panic!("{name}: {message}"));
                assert!(reason.len() > 10, "{name}: {message}");
                reason.to_owned()
            }
        };
        println!("{name:36} {:4} ms  {result}", took.as_millis());
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
        assert!(service.is_running());
        slowest = slowest.max(took);
    }
    let peak = service.peak_memory_mib();
    println!("{} files, slowest {slowest:?}, peak {peak} MiB", files.len());
    assert!(peak < 400, "{peak} MiB");
}

/// They match, or get the right error code.
#[test]
#[ignore = "needs FACEPLATE_DATA"]
fn variants_of_a_portrait_are_that_person() {
    let service = Service::start(&[]);
    let folder = data().join("formats/face_variants");
    let base = service.template(&std::fs::read(folder.join("base.jpg")).unwrap());
    let refused: &[(&str, &str)] = &[
        ("alpha.webp", "BPE-002003"),
        ("bad_claims_65500x65500.jpg", "BPE-002003"),
        ("bad_crc.png", "BPE-002003"),
        ("bad_empty.jpg", "BPE-002003"),
        ("bad_leading_garbage.jpg", "BPE-002003"),
        ("bad_soi_only.jpg", "BPE-002003"),
        ("bad_text.jpg", "BPE-002003"),
        ("bad_truncated.png", "BPE-002003"),
        ("bad_truncated_50.jpg", "BPE-002003"),
        ("bad_truncated_header.jpg", "BPE-002003"),
        ("bad_zero_dims.jpg", "BPE-002003"),
        ("bomb_20000x20000_gray.png", "BPE-002003"),
        ("face.avif", "BPE-002003"),
        ("j2k.jp2", "BPE-002003"),
        ("lossless.webp", "BPE-002003"),
        ("lossy.webp", "BPE-002003"),
        ("lzw.tif", "BPE-002003"),
        ("one.gif", "BPE-002003"),
        ("rgb.bmp", "BPE-002003"),
        ("extreme_aspect_4000x40.jpg", "BPE-003002"),
        ("tiny_16x16.jpg", "BPE-003001"),
        ("tiny_1x1.png", "BPE-003002"),
        // Only black and white pixels: faces of different people match in such pictures.
        ("bilevel.png", "BPE-003001"),
    ];
    for file in files(&folder) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&file).unwrap();
        if let Some((_, code)) = refused.iter().find(|(n, _)| *n == name) {
            let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &bytes);
            assert_eq!((reply.status, &*reply.code()), (400, *code), "{name}: {}", reply.text());
            continue;
        }
        if name == "bad_bitflips.jpg" {
            continue; // decodes to a damaged picture, and the extent of the damage depends on the decoder
        }
        let form = Form::new().picture("sample", &bytes).template("bio_template", &base);
        let reply = service.form("/v1/face/pattern/verify", &form);
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let score = reply.score();
        assert!(score >= 0.85, "{name}: {score}"); // approved, even the dithered black and white one
    }
}

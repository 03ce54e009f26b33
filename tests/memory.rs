//! Measures the memory of pictures that are made to take as much as they can: the figures of docs/guide/boards.md.
//!
//! There is no control group in a test, so the service gets the limit that it would have read from one.

use std::process::Command;
use std::time::Duration;

use image::ExtendedColorType::{Rgba8, Rgba16};
use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::support::{Form, Service, binary, is_emulated, picture};

/// As in the systemd unit: freed memory goes back to the system.
const THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "262144");

/// The decoding budget of a service in a unit with `memory_mib` MiB: four fifths of what is left beside 96 MiB.
fn decode_bytes(memory_mib: u64) -> String {
    format!("limits.decode_bytes={}", ((memory_mib - 96) << 20) / 5 * 4)
}

/// A progressive JPEG of `components` components whose only scan is empty, so that all coefficients have to be held for it.
fn progressive(side: u16, components: u8, exif: &[u8]) -> Vec<u8> {
    let segment = |code: u8, body: &[u8]| [&[0xFF, code][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat();
    let side_bytes = side.to_be_bytes();
    let frame: Vec<u8> = (1..=components).flat_map(|id| [id, 0x11, 0]).collect();
    let scan: Vec<u8> = (1..=components).flat_map(|id| [id, 0]).collect();
    let one_code: Vec<u8> = [&[0, 1][..], &[0; 15], &[0]].concat();
    let blocks = usize::from(side).div_ceil(8).pow(2) * usize::from(components);
    [
        b"\xFF\xD8".to_vec(),
        if exif.is_empty() { vec![] } else { segment(0xE1, &[b"Exif\0\0", exif].concat()) },
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(0xC2, &[&[8][..], &side_bytes, &side_bytes, &[components], &frame].concat()),
        segment(0xC4, &one_code),
        segment(0xDA, &[&[components][..], &scan, &[0, 0, 0]].concat()),
        vec![0; blocks.div_ceil(8)],
        b"\xFF\xD9".to_vec(),
    ]
    .concat()
}

fn png(side: u32, color: image::ExtendedColorType, bytes_a_pixel: usize) -> Vec<u8> {
    let mut bytes = vec![];
    let pixels = vec![0; side as usize * side as usize * bytes_a_pixel];
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::NoFilter);
    encoder.write_image(&pixels, side, side, color).unwrap();
    bytes
}

/// A quarter turn.
const ROTATED: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

/// Pictures with as many pixels as the limit allows, or half as many where these have 16 bits.
fn worst(side: u16) -> Vec<(&'static str, Vec<u8>)> {
    let side32 = u32::from(side);
    vec![
        ("image/jpeg", progressive(side, 1, &[])),
        ("image/jpeg", progressive(side, 1, ROTATED)),
        ("image/jpeg", progressive(side, 3, &[])),
        ("image/jpeg", progressive(side, 4, ROTATED)),
        ("image/png", png(side32, Rgba8, 4)),
        ("image/png", png(side32 * 7 / 10, Rgba16, 8)),
    ]
}

/// The highest memory in MiB while four clients send all of them at once, twice.
fn peak(args: &[&str], pictures: &[(&'static str, Vec<u8>)]) -> u64 {
    let service = Service::spawn_command(
        binary().args(["serve", "--listen", "127.0.0.1:0"]).args(args).env(THRESHOLD.0, THRESHOLD.1),
    );
    std::thread::scope(|scope| {
        for client in 0..4 {
            let service = &service;
            scope.spawn(move || {
                for (media_type, picture) in pictures.iter().cycle().skip(client * 2).take(pictures.len() * 2) {
                    let reply = if client % 2 == 0 {
                        service.post("/v1/face/pattern/extract", media_type, picture)
                    } else {
                        service.form("/v1/face/liveness/detect", &Form::new().named("m", "m", picture))
                    };
                    assert!([400, 503].contains(&reply.status), "{}", reply.text());
                }
            });
        }
    });
    let peak = service.peak_memory_mib();
    service.template(&picture("collins.jpg")); // requests are still answered
    assert_eq!(service.stop(), Some(0));
    peak
}

#[test]
#[ignore = "decodes large pictures for half a minute"]
fn pictures_stay_below_the_memory_of_a_board() {
    let decode = decode_bytes(280);
    let mut args = vec!["--workers", "1", "--set", &decode];
    for set in ["limits.body_bytes=8388608", "limits.held_bytes=16777216", "limits.picture_bytes=8388608"] {
        args.extend(["--set", set]);
    }
    for set in ["limits.picture_pixels=12000000", "limits.video_pixels=2073600", "server.threads=8"] {
        args.extend(["--set", set]);
    }
    let peak = peak(&args, &worst(3464));
    println!("512 MB board: {peak} MiB at the most");
    assert!(peak < 280 - 32, "{peak} MiB, and 32 MiB are for bodies and copies of them");
}

#[test]
#[ignore = "decodes large pictures for half a minute"]
fn pictures_stay_below_the_memory_of_the_unit() {
    let decode = decode_bytes(512);
    for workers in ["2", "4"] {
        let peak = peak(&["--workers", workers, "--set", &decode, "--set", "server.threads=8"], &worst(7071));
        println!("{workers} workers in 512 MiB: {peak} MiB at the most");
        assert!(peak < 512 - 83, "{peak} MiB, and a fifth of the rest is for bodies");
    }
}

/// The binary with so many KiB of address space.
fn binary_within(kib: u64) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh"]).arg(env!("CARGO_BIN_EXE_faceplate"));
    command
}

#[test]
fn a_service_that_gets_too_few_threads_does_not_start() {
    if is_emulated() {
        return;
    }
    let args = ["serve", "--listen", "127.0.0.1:0", "--workers", "1"];
    let plain = Service::spawn_command(binary().args(args));
    let kib = plain.address_space_mib() * 1024;
    drop(plain);
    // Arenas of the allocator make the size vary, so that some of these start. The standard library ends the process where a thread gets
    // its stack and then not the little memory for its signals, so that not every end has code 1.
    for step in 1..=8 {
        match Service::try_spawn_command(binary_within(kib - 4_000 * step).args(args)) {
            Err((code, text)) => assert_ne!(code, Some(0), "{text}"),
            Ok(service) => {
                std::thread::sleep(Duration::from_millis(200));
                assert!(!service.log().contains("the HTTP server accepts no connections"), "{}", service.log());
            }
        }
    }
}

#[test]
fn a_picture_for_which_no_memory_can_be_allocated_gets_503() {
    if is_emulated() {
        return;
    }
    let args = ["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--set", "limits.decode_bytes=4000000000"];
    let unlimited = Service::spawn_command(binary().args(args).env(THRESHOLD.0, THRESHOLD.1));
    let kib = unlimited.address_space_mib() * 1024 + 100_000;
    drop(unlimited);
    let service = Service::spawn_command(binary_within(kib).args(args).env(THRESHOLD.0, THRESHOLD.1));
    let large = png(7000, Rgba8, 4);
    let reply = service.post("/v1/face/pattern/extract", "image/png", &large);
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("BPE-001001")), "{}", reply.text());
    assert!(reply.text().contains("not enough memory"), "{}", reply.text());
    let reply = service.form("/v1/face/liveness/detect", &Form::new().named("m", "m", &large));
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("LDE-001001")), "{}", reply.text());
    service.template(&picture("collins.jpg"));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_picture_over_the_whole_decoding_budget_is_refused_with_a_reason() {
    let service = Service::start(&["--set", "limits.decode_bytes=20000000"]);
    let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &progressive(2000, 3, &[]));
    assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("BPE-002003")), "{}", reply.text());
    assert!(reply.text().contains("MB of memory to decode"), "{}", reply.text());
    service.template(&picture("collins.jpg"));
}

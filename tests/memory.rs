//! Measures the memory of pictures that are made to take as much as they can: the figures of docs/guide/boards.md.
//!
//! There is no control group in a test, so the service gets the limit that it would have read from one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use image::ExtendedColorType::{Rgba8, Rgba16};
use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::support::{Form, Reply, Service, binary, is_emulated, picture, request};

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

/// Starts the binary with so many KiB of address space; an error is what it said before it ended. A service that is ready has to answer.
fn start_within(kib: u64, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_faceplate")]).args(args);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut text = String::new();
    let address = lines.by_ref().find_map(|line| {
        text.push_str(&line);
        line.split_once("ready on http://").map(|(_, rest)| rest.split([' ', ',']).next().unwrap().to_owned())
    });
    let Some(address) = address else {
        assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
        return Err(text);
    };
    std::thread::spawn(move || lines.for_each(drop));
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&request("GET", "/version", &[], b"")).unwrap();
        assert_eq!(Reply::read(&mut BufReader::new(stream)).status, 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    Ok(())
}

#[test]
fn a_service_that_gets_too_few_threads_does_not_start_and_says_why() {
    if is_emulated() {
        return;
    }
    let args = ["serve", "--listen", "127.0.0.1:0", "--workers", "1"];
    let plain = Service::spawn_command(binary().args(args));
    let kib = plain.address_space_mib() * 1024;
    drop(plain);
    // Arenas of the allocator make the size vary; whatever it is, a service that is ready answers.
    let errors: Vec<String> = (1..=8).filter_map(|step| start_within(kib - 4_000 * step, &args).err()).collect();
    assert!(errors.iter().any(|error| error.contains("TasksMax=")), "{errors:?}");
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
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh"]).arg(env!("CARGO_BIN_EXE_faceplate"));
    let service = Service::spawn_command(limited.args(args).env(THRESHOLD.0, THRESHOLD.1));
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

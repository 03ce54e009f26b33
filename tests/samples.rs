//! Tests what is accepted as a sample: faces that are not upright, degraded faces, and pictures without a face. Different people do not
//! match, and one person matches, or the picture is refused.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::support::{Form, Service, is_emulated, picture};

const EXTRACT: &str = "/v1/face/pattern/extract";
const PAIR: &str = "/v1/face/pattern/extract_and_compare";
const DETECT: &str = "/v1/face/liveness/detect";

type Change = (&'static str, fn(&RgbImage) -> RgbImage);

fn read(name: &str) -> RgbImage {
    image::load_from_memory(&picture(name)).unwrap().into_rgb8()
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(vec![]);
    DynamicImage::from(picture.clone()).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The decision on two pictures, or the code and the message of the error.
fn decision(service: &Service, a: &[u8], b: &[u8]) -> Result<String, (String, String)> {
    let reply = service.form(PAIR, &Form::new().picture("sample_1", a).picture("sample_2", b));
    match reply.status {
        200 => Ok(reply.json()["decision"].as_str().unwrap().to_owned()),
        _ => Err((reply.code(), reply.text())),
    }
}

/// Rotated about its center by `degrees` degrees, edges repeated.
fn tilted(picture: &RgbImage, degrees: f64) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let (dx, dy) = (f64::from(x) - w / 2.0, f64::from(y) - h / 2.0);
        let at = |v: f64, most: f64| v.clamp(0.0, most - 1.0) as u32;
        *picture.get_pixel(at(w / 2.0 + cos * dx + sin * dy, w), at(h / 2.0 - sin * dx + cos * dy, h))
    })
}

/// Motion blur: each pixel is the mean of `pixels` pixels along a direction.
fn smeared(picture: &RgbImage, pixels: i64, (dx, dy): (i64, i64)) -> RgbImage {
    let at = |v: i64, most: u32| v.clamp(0, i64::from(most) - 1) as u32;
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let mut sum = [0u32; 3];
        for i in -pixels / 2..=pixels / 2 {
            let (x, y) = (at(i64::from(x) + i * dx, picture.width()), at(i64::from(y) + i * dy, picture.height()));
            sum.iter_mut().zip(picture.get_pixel(x, y).0).for_each(|(sum, p)| *sum += u32::from(p));
        }
        Rgb(sum.map(|s| (s / (pixels as u32 / 2 * 2 + 1)) as u8))
    })
}

/// Noise with this standard deviation, the same in every run.
fn noisy(picture: &RgbImage, sigma: f64) -> RgbImage {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let mut noisy = picture.clone();
    for value in noisy.iter_mut() {
        let noise: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        *value = (f64::from(*value) + sigma * noise).clamp(0.0, 255.0) as u8;
    }
    noisy
}

fn mosaic(picture: &RgbImage, side: u32) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| *picture.get_pixel(x / side * side, y / side * side))
}

/// The portrait, small enough for the time of a test.
fn small(name: &str) -> RgbImage {
    let picture = read(name);
    let width = 300;
    let height = picture.height() * width / picture.width();
    image::imageops::resize(&picture, width, height, image::imageops::FilterType::Triangle)
}

#[test]
fn a_face_that_is_not_upright_is_recognized_or_refused() {
    let service = Service::start(&[]);
    let rotations: [Change; 8] = [
        ("on its right side", image::imageops::rotate90),
        ("on its head", image::imageops::rotate180),
        ("on its left side", image::imageops::rotate270),
        ("top to bottom", image::imageops::flip_vertical),
        ("tilted by 30", |p| tilted(p, 30.0)),
        ("tilted by -50", |p| tilted(p, -50.0)),
        ("tilted by 65", |p| tilted(p, 65.0)),
        ("tilted by 140", |p| tilted(p, 140.0)),
    ];
    let (collins, hopper) = (small("collins.jpg"), small("hopper.jpg"));
    let mut recognized = 0;
    for (how, rotate) in rotations {
        let rotated = png(&rotate(&collins));
        match decision(&service, &png(&collins), &rotated) {
            Ok(decision) => {
                assert_eq!(decision, "approved", "{how}");
                recognized += 1;
            }
            Err((code, text)) => assert!(code == "BPE-003001" || code == "BPE-003002", "{how}: {text}"),
        }
        if let Ok(decision) = decision(&service, &rotated, &png(&rotate(&hopper))) {
            assert_eq!(decision, "declined", "{how}");
        }
    }
    assert!(recognized >= 6, "{recognized} of 8");
}

#[test]
fn degraded_faces_of_different_people_do_not_match() {
    let service = Service::start(&[]);
    let changes: [Change; 8] = [
        ("noise", |p| noisy(p, 60.0)),
        ("strong noise", |p| noisy(p, 90.0)),
        ("mosaic", |p| mosaic(p, 9)),
        ("moved sideways", |p| smeared(p, 25, (1, 0))),
        ("moved downwards", |p| smeared(p, 25, (0, 1))),
        ("moved aslant", |p| smeared(p, 19, (1, 1))),
        ("out of focus", |p| image::imageops::blur(p, 6.0)),
        ("black and white", |p| {
            RgbImage::from_fn(p.width(), p.height(), |x, y| {
                Rgb(p.get_pixel(x, y).0.map(|v| if v < 128 { 0 } else { 255 }))
            })
        }),
    ];
    for (how, change) in changes {
        let [a, b] = ["collins.jpg", "hopper.jpg"].map(|name| png(&change(&small(name))));
        if let Ok(decision) = decision(&service, &a, &b) {
            assert_eq!(decision, "declined", "{how}");
        }
        let reply = service.post(EXTRACT, "image/png", &a);
        if reply.status == 200 {
            assert!(reply.body[5] < 50, "{how}: quality {}", reply.body[5]);
        } else {
            assert!(reply.code() == "BPE-003001" || reply.code() == "BPE-003002", "{how}: {}", reply.text());
        }
    }
}

#[test]
fn pictures_without_a_face_give_no_template_and_no_verdict() {
    let service = Service::start(&[]);
    for name in ["cat.jpg", "nobody.png"] {
        let reply = service.post(EXTRACT, "image/jpeg", &picture(name));
        assert!([("BPE-003001"), ("BPE-003002")].contains(&&*reply.code()), "{name}: {}", reply.text());
        let reply = service.post(DETECT, "image/jpeg", &picture(name));
        assert_eq!(reply.code(), "LDE-002004", "{name}: {}", reply.text());
    }
}

#[test]
fn detect_and_extract_agree_on_the_rotation() {
    if is_emulated() {
        return;
    }
    let service = Service::start(&[]);
    let upright = small("collins.jpg");
    let score = |bytes: &[u8]| {
        let reply = service.post(DETECT, "image/png", bytes);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["score"].as_f64().unwrap()
    };
    let want = score(&png(&upright));
    for rotate in [image::imageops::rotate90, image::imageops::rotate180, image::imageops::rotate270] {
        let rotated = png(&rotate(&upright));
        assert_eq!(decision(&service, &png(&upright), &rotated).as_deref(), Ok("approved"));
        assert!((score(&rotated) - want).abs() < 0.01);
    }
}

//! Tests what is told of the faces in a picture and before the camera: it must be what the other methods do with the same picture.

use std::path::Path;

use serde_json::Value;

use crate::support::{Reply, Service, base64, decoded, is_emulated, picture};

const EXTRACT: &str = "/v1/face/pattern/extract";
const FACES: &str = "/v1/face/pattern/faces";
const CAMERA: &str = "/v1/camera/faces";

/// What is told, if the reply is well-formed.
fn told(reply: &Reply) -> Value {
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")), "{}", reply.text());
    let told = reply.json();
    let chosen: Vec<_> = told["faces"].as_array().unwrap().iter().filter(|face| face["chosen"] == true).collect();
    assert_eq!(chosen.len(), usize::from(told["chosen"].is_u64()), "{told}");
    assert_eq!(told["quality"].is_null(), told["chosen"].is_null(), "{told}");
    assert_eq!((told["reason"].is_null(), told["advice"].is_null()), (told["usable"] == true, told["usable"] == true));
    told
}

/// A service before whose camera a picture stands.
fn service(file: &str, settings: &[&str]) -> Service {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let device = format!("camera.device=file:{}", pictures.join(file).display());
    let wait = format!("camera.deadline_ms={}", if is_emulated() { 600_000 } else { 20_000 });
    let all = [&[&*device, &wait], settings].concat();
    Service::start(&all.iter().flat_map(|setting| ["--set", setting]).collect::<Vec<_>>())
}

#[test]
fn extract_does_what_is_told_of_every_picture() {
    let service = Service::start(&[]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let mut reasons = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".jpg") && !name.ends_with(".png") {
            continue;
        }
        let bytes = picture(&name);
        let [made, shown] = [EXTRACT, FACES].map(|path| service.post(path, "image/jpeg", &bytes));
        if made.status == 400 && made.code() == "BPE-002003" {
            assert_eq!((shown.status, shown.text()), (400, made.text()), "{name}");
            continue;
        }
        let told = told(&shown);
        assert_eq!(told["usable"] == true, made.status == 200, "{name}: {told}");
        if let Some(advice) = told["advice"].as_str() {
            assert!(made.text().contains(advice), "{name}: {advice}, {}", made.text());
            reasons.push(told["reason"].as_str().unwrap().to_owned());
        }
        let size = decoded(&bytes);
        assert_eq!((&told["width"], &told["height"]), (&size.width().into(), &size.height().into()));
    }
    assert!(reasons.iter().any(|reason| reason == "no_face"), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason == "several_people"), "{reasons:?}");
}

#[test]
fn a_picture_is_taken_as_base64_and_what_is_none_is_refused() {
    let service = Service::start(&[]);
    let collins = picture("collins.jpg");
    let coded = [("Content-Type", "image/jpeg"), ("Content-Transfer-Encoding", "base64")];
    let whole = service.post(FACES, "image/jpeg", &collins);
    assert_eq!(service.send("POST", FACES, &coded, base64(&collins).as_bytes()).json(), told(&whole));
    let face = &whole.json()["faces"][0];
    assert!(face["landmarks"][0][0].as_f64() < face["landmarks"][1][0].as_f64(), "{face}");
    for (reply, code) in [
        (service.post(FACES, "image/jpeg", &collins[..1000]), "BPE-002003"),
        (service.post(FACES, "text/plain", &collins), "BPE-002001"),
        (service.send("GET", FACES, &[], b""), "BPE-002002"),
        (service.send("POST", FACES, &coded, b"%"), "BPE-002003"),
    ] {
        assert_eq!((reply.status, &*reply.code()), (400, code), "{}", reply.text());
    }
}

/// The same picture is judged by other rules before the camera than as a sample.
#[test]
fn a_frame_is_judged_as_the_camera_judges_it() {
    let service = service("background.jpg", &[]);
    let frame = told(&service.get(CAMERA));
    assert_eq!((&frame["chosen"], &frame["usable"]), (&0.into(), &true.into()), "{frame}");
    assert!(frame["frame"].as_u64() >= Some(1) && frame["age_ms"].is_u64(), "{frame}");
    assert!(frame["faces"].as_array().unwrap().len() > 1, "{frame}");
    let sample = told(&service.post(FACES, "image/jpeg", &picture("background.jpg")));
    assert_eq!((&sample["reason"], &sample["chosen"]), (&"several_people".into(), &Value::Null), "{sample}");
    assert_eq!(service.get("/v1/camera").json()["state"], "on");
}

#[test]
fn a_frame_has_the_rotation_of_the_camera_and_advice_for_what_is_wrong() {
    let nobody = told(&service("nobody.png", &[]).get(CAMERA));
    assert_eq!((&nobody["reason"], &nobody["advice"]), (&"no_face".into(), &"no face was found".into()));
    // `camera.rotate` turns the file's picture, so an upright face is upside down.
    let turned = told(&service("hopper.jpg", &["camera.rotate=180"]).get(CAMERA));
    assert_eq!(turned["reason"], "not_upright", "{turned}");
    let advice = turned["advice"].as_str().unwrap();
    assert!(advice.contains("turn it by 180 degrees more with camera.rotate"), "{advice}");
}

//! Tests liveness detect over a socket: every form of the request, every key of the payload, every error code, and the shape of the reply.

use serde_json::{Value, json};

use crate::support::{Form, Reply, Service, base64, clip, decoded, is_emulated, picture};
use crate::zip::zip;

const DETECT: &str = "/v1/face/liveness/detect";
const MIXED: &str = "multipart/form-data; boundary=b";

fn payload(form: Form, payload: &Value) -> Form {
    form.part("Content-Disposition: form-data; name=\"payload\"", payload.to_string().as_bytes())
}

fn medium(name: &str, filename: &str, content: &[u8]) -> Form {
    Form::new().named(name, filename, content)
}

fn ok(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    reply.json()
}

fn confidence(analysis: &Value, medium: usize) -> f64 {
    analysis["results_media"][medium]["results_data"]["confidence_spoofing"].as_f64().unwrap()
}

#[test]
fn health_reports_status_0() {
    let health = Service::start(&[]).get("/v1/face/liveness/health");
    assert_eq!((health.status, &*health.text()), (200, r#"{"status":0,"message":""}"#));
}

#[test]
fn a_picture_needs_no_payload_and_the_reply_has_every_key() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let plain = service.post(DETECT, "image/jpeg", &jpeg);
    let folder = ok(&plain);
    let order = ["{\"passed\":", "\"score\":", "\"folder_id\":", "\"time_created\":", "\"media\":[", "\"analyses\":["];
    let text = plain.text();
    let positions: Vec<usize> =
        order.iter().map(|key| text.find(key).unwrap_or_else(|| panic!("{key}: {text}"))).collect();
    assert!(positions.is_sorted(), "{text}");
    let keys =
        ["passed", "score", "folder_id", "time_created", "company_id", "user_id", "meta_data", "resolution_status"];
    for key in keys.iter().chain(&["system_resolution", "media", "analyses"]) {
        assert!(folder.get(key).is_some(), "{key}: {text}");
    }
    assert_eq!(folder.as_object().unwrap().len(), 11, "{text}");
    assert_eq!(
        (&folder["company_id"], &folder["user_id"], &folder["meta_data"]),
        (&Value::Null, &Value::Null, &json!({}))
    );
    assert_eq!(folder["resolution_status"], "FINISHED");
    assert!(folder["time_created"].as_f64().unwrap() > 1.7e9);
    let medium = &folder["media"][0];
    assert_eq!((&medium["media_type"], &medium["tags"]), (&json!("IMAGE_FOLDER"), &json!([])));
    assert_eq!(medium["folder_id"], folder["folder_id"]);
    assert_eq!(medium["info"]["image"], json!({"mime-type": "image/jpeg", "width": 512, "height": 512}));
    let analysis = &folder["analyses"][0];
    assert_eq!(analysis["analysis_id"], analysis["analyse_id"]);
    assert_eq!((&analysis["type"], &analysis["state"]), (&json!("QUALITY"), &json!("FINISHED")));
    assert_eq!(analysis["confs"], json!({"threshold_spoofing": 0.5, "extract_best_shot": false}));
    assert_eq!(analysis["source_media"], json!([{"media_id": medium["media_id"], "media_type": "IMAGE_FOLDER"}]));
    assert_eq!(analysis["results_media"][0]["source_image_id"], medium["media_id"]);
    assert_eq!(analysis["results_media"][0]["output_images"], json!([]));
    assert!(analysis.get("output_images").is_none(), "only with extract_best_shot");
    for key in ["results_data", "error_code", "error_message"] {
        assert_eq!(analysis[key], Value::Null, "{key}");
    }
    let spoofing = confidence(analysis, 0);
    assert!((0.0..=1.0).contains(&spoofing));
    assert_eq!(folder["score"].as_f64().unwrap(), ((1.0 - spoofing) * 1e6).round() / 1e6);
    let resolution = if spoofing > 0.5 { "DECLINED" } else { "SUCCESS" };
    for verdict in [&folder["system_resolution"], &analysis["resolution"], &analysis["resolution_status"]] {
        assert_eq!(verdict, resolution);
    }
    assert_eq!(analysis["results_media"][0]["resolution_status"], resolution);
    assert_eq!(folder["passed"], resolution == "SUCCESS");

    let headers = [("Content-Type", "image/jpeg"), ("Content-Transfer-Encoding", "base64")];
    let encoded = ok(&service.send("POST", DETECT, &headers, base64(&jpeg).as_bytes()));
    assert_eq!(confidence(&encoded["analyses"][0], 0), spoofing);
    assert_ne!(encoded["folder_id"], folder["folder_id"]);
}

#[test]
fn the_type_of_a_medium_is_found_by_its_bytes() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let archive = zip(&[("b/2.jpg", &jpeg), ("1.png", &picture("collins_dim.png")), ("3.jpg", &jpeg)]);
    for (number, (content, folder_type, id, info)) in [
        (jpeg.clone(), "IMAGE_FOLDER", "source_image_id", "image"),
        (clip("h264.mp4"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("h264_bframes_fragmented.mp4"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("h264_cropped.mkv"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("h264.avi"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("vp8.webm"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("vp9.webm"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("hevc.mp4"), "VIDEO_FOLDER", "source_video_id", "video"),
        (clip("mjpeg.avi"), "VIDEO_FOLDER", "source_video_id", "video"),
        (archive, "SHOTS_SET_FOLDER", "source_shots_set_id", "shots_set"),
    ]
    .into_iter()
    .enumerate()
    {
        // Neither the name nor the label matters, nor whether there is a file name at all.
        let nameless = Form::new().part("Content-Disposition: form-data; name=\"anything\"", &content);
        let forms = [
            medium("m", "wrong.mp4", &content),
            Form::new().file("m", "video/webm", &content),
            Form::new().file("m", "application/octet-stream", &content),
            nameless,
        ];
        // Under an emulator, one form for each content.
        let chosen = if is_emulated() { &forms[number % 4..][..1] } else { &forms[..] };
        for form in chosen {
            let folder = ok(&service.form(DETECT, form));
            assert_eq!(folder["media"][0]["media_type"], folder_type);
            assert!(folder["media"][0]["info"][info].is_object(), "{}", folder["media"][0]);
            let result = &folder["analyses"][0]["results_media"][0];
            assert_eq!(result[id], folder["media"][0]["media_id"], "{result}");
            assert!((0.0..=1.0).contains(&confidence(&folder["analyses"][0], 0)));
        }
    }
}

#[test]
fn the_reply_has_size_rate_and_duration_of_a_video() {
    let service = Service::start(&[]);
    let info =
        |name: &str| ok(&service.form(DETECT, &medium("m", name, &clip(name))))["media"][0]["info"]["video"].clone();
    assert_eq!(
        info("h264.mp4"),
        json!({"mime-type": "video/mp4", "width": 320, "height": 240, "FPS": 12.0, "duration": 2.0})
    );
    // Rotated by its matrix: the reply has the upright size.
    let turned = info("h264_turned.mov");
    assert_eq!(
        (&turned["mime-type"], &turned["width"], &turned["height"]),
        (&json!("video/quicktime"), &json!(240), &json!(320))
    );
    assert_eq!(info("vp8.webm")["mime-type"], "video/webm");
    assert_eq!(info("h264_cropped.mkv")["mime-type"], "video/x-matroska");
    assert_eq!(info("mjpeg.avi")["mime-type"], "video/x-msvideo");
}

#[test]
fn each_analysis_is_decided_by_its_own_threshold() {
    let service = Service::start(&[]);
    let form = medium("m", "a.jpg", &picture("collins.jpg"));
    let spoofing = confidence(&ok(&service.form(DETECT, &form))["analyses"][0], 0);
    assert!(spoofing > 0.0 && spoofing < 1.0, "{spoofing}");
    let below = spoofing - 0.000001;
    let analyses = json!({"analyses": [
        {"type": "quality", "threshold_spoofing": spoofing},
        {"type": "QUALITY", "threshold_spoofing": below},
        {"params": {"threshold_spoofing": 0.6}},
        {"threshold_spoofing": 0.6, "params": {"threshold_spoofing": 0}},
        {"unknown": {"kept": "out"}},
    ], "params": {"threshold_spoofing": 0}, "unknown": [1]});
    let folder = ok(&service.form(DETECT, &payload(form.clone(), &analyses)));
    let resolutions: Vec<_> = folder["analyses"].as_array().unwrap().iter().map(|a| a["resolution"].clone()).collect();
    assert_eq!(resolutions, ["SUCCESS", "DECLINED", "SUCCESS", "SUCCESS", "DECLINED"]);
    assert_eq!((&folder["passed"], &folder["system_resolution"]), (&json!(false), &json!("DECLINED")));
    assert_eq!(folder["analyses"][4]["confs"]["threshold_spoofing"], 0.0);
}

/// A client may ask for a lower threshold than the settings allow, but not for a higher one: 1.0 would pass every attack.
#[test]
fn no_payload_exceeds_the_highest_threshold() {
    let attack = medium("m", "m.mp4", &clip("exchanged.mp4"));
    let request = json!({"analyses": [{"threshold_spoofing": 1}, {"params": {"threshold_spoofing": 0.999}}, {}], "params": {"threshold_spoofing": 1.0}});
    let results = |folder: &Value| -> Vec<(Value, Value)> {
        let analyses = folder["analyses"].as_array().unwrap().iter();
        analyses.map(|a| (a["confs"]["threshold_spoofing"].clone(), a["resolution"].clone())).collect()
    };
    let default = Service::start(&[]);
    let folder = ok(&default.form(DETECT, &payload(attack.clone(), &request)));
    assert_eq!(results(&folder), vec![(json!(0.7), json!("DECLINED")); 3]);
    assert_eq!(folder["passed"], false);
    let strict = Service::start(&["--set", "liveness.most_threshold=0.25"]);
    let request = json!({"analyses": [{"threshold_spoofing": 0.2}, {"threshold_spoofing": 0.3}, {}]});
    let thresholds = results(&ok(&strict.form(DETECT, &payload(attack.clone(), &request))));
    assert_eq!(thresholds.iter().map(|t| t.0.clone()).collect::<Vec<_>>(), [0.2, 0.25, 0.25]);
    let lax = Service::start(&["--set", "liveness.most_threshold=1"]);
    let request = json!({"analyses": [{"threshold_spoofing": 1}]});
    assert_eq!(results(&ok(&lax.form(DETECT, &payload(attack, &request)))), [(json!(1.0), json!("SUCCESS"))]);
}

/// Clients that send base64 often label it as text.
#[test]
fn base64_may_be_labeled_as_text() {
    let service = Service::start(&[]);
    let text = base64(&picture("collins.jpg"));
    let form = Form::new().file("m", "text/plain; charset=us-ascii", text.as_bytes());
    let headers = [("Content-Type", &*form.content_type()), ("Content-Transfer-Encoding", "base64")];
    let folder = ok(&service.send("POST", DETECT, &headers, &form.body()));
    assert_eq!(folder["media"][0]["media_type"], "IMAGE_FOLDER");
    let head =
        "Content-Disposition: form-data; name=\"m\"\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64";
    let folder = ok(&service.form(DETECT, &Form::new().part(head, text.as_bytes())));
    assert_eq!(folder["media"][0]["media_type"], "IMAGE_FOLDER");
    let reply = service.form(DETECT, &form);
    assert_eq!((reply.status, &*reply.code()), (400, "LDE-002005"), "{}", reply.text());
}

#[test]
fn other_files_in_an_archive_are_ignored() {
    let service = Service::start(&[]);
    let jpeg = picture("collins.jpg");
    let frames = [("1.jpg", &*jpeg), ("2.jpg", &*jpeg), ("3", &*jpeg)];
    let others = [
        ("README.md", &b"# frames"[..]),
        ("notes.txt", b""),
        ("meta.json", b"{}"),
        ("clip.mp4", b"\0\0\0\x18ftypmp42"),
    ];
    let detect = |files: &[(&str, &[u8])]| ok(&service.form(DETECT, &medium("m", "m.zip", &zip(files))));
    let (plain, mixed) = (detect(&frames), detect(&[&frames[..], &others].concat()));
    assert_eq!(mixed["score"], plain["score"]);
    assert_eq!(mixed["media"][0]["info"], plain["media"][0]["info"]);
    let reply = service.form(DETECT, &medium("m", "m.zip", &zip(&others)));
    assert!(reply.status == 400 && reply.text().contains("'README.md'"), "{}", reply.text());
}

#[test]
fn passed_confidence_and_best_shot_can_be_read_alone() {
    let service = Service::start(&[]);
    let form = payload(medium("v", "v.mp4", &clip("h264.mp4")), &json!({"analyses": [{"extract_best_shot": true}]}));
    let body = ok(&service.form(DETECT, &form));
    assert!(body["passed"].is_boolean());
    assert!(body["analyses"][0]["results_media"][0]["results_data"]["confidence_spoofing"].is_f64());
    let best_shot = body["analyses"][0]["output_images"][0]["image_b64"].as_str().unwrap();
    let jpeg = faceplate::api::decode_base64(best_shot.as_bytes()).unwrap();
    // It is the whole frame, and a sample that the pattern methods accept.
    let frame = decoded(&jpeg);
    assert_eq!((frame.width(), frame.height()), (320, 240));
    let compared = Form::new().picture("sample_1", &jpeg).picture("sample_2", &picture("collins.jpg"));
    assert_eq!(service.form("/v1/face/pattern/extract_and_compare", &compared).json()["decision"], "approved");
}

#[test]
fn best_shots_are_upright_and_only_in_analyses_that_request_them() {
    let service = Service::start(&[]);
    let form = medium("a", "a.mov", &clip("h264_turned.mov")).named("b", "b.jpg", &picture("collins.jpg"));
    let request = json!({"analyses": [{"extract_best_shot": true}, {}, {"source_media": ["b"], "params": {"extract_best_shot": true}}]});
    let folder = ok(&service.form(DETECT, &payload(form, &request)));
    let best_shots = |n: usize| folder["analyses"][n]["output_images"].as_array().map(Vec::len);
    assert_eq!([best_shots(0), best_shots(1), best_shots(2)], [Some(2), None, Some(1)]);
    let result = &folder["analyses"][0]["results_media"];
    assert_eq!(result[0]["output_images"][0], json!({"image_ref": "/analyses/0/output_images/0/image_b64"}));
    // Each best shot is once in a reply, even if several keys refer to it.
    assert_eq!(folder["analyses"][2]["output_images"], json!([{"image_ref": "/analyses/0/output_images/1/image_b64"}]));
    assert_eq!(folder["analyses"][1]["results_media"][0]["output_images"], json!([]));
    // The matrix rotates the upright frames of h264.mp4 by a quarter turn; the orientation is found by the face.
    let best_shot = folder.pointer(result[0]["output_images"][0]["image_ref"].as_str().unwrap()).unwrap();
    let jpeg = faceplate::api::decode_base64(best_shot.as_str().unwrap().as_bytes());
    let frame = decoded(&jpeg.unwrap());
    assert_eq!((frame.width(), frame.height()), (320, 240));
}

#[test]
fn rotated_clips_keep_their_confidence() {
    let service = Service::start(&[]);
    let spoofing =
        |name: &str| confidence(&ok(&service.form(DETECT, &medium("m", name, &clip(name))))["analyses"][0], 0);
    let (upright, turned) = (spoofing("h264.mp4"), spoofing("h264_turned.mov"));
    assert!((upright - turned).abs() < 0.02, "{upright} {turned}");
}

#[test]
fn tags_metadata_and_names_are_returned() {
    let service = Service::start(&[]);
    let form = medium("selfie", "me ä.jpg", &picture("collins.jpg")).named("card", "id.jpg", &picture("nobody.png"));
    let request = json!({
        "folder:meta_data": {"case": 7}, "media:meta_data": {"selfie": {"k": "v"}, "nobody": {}},
        "media:tags": {"selfie": ["photo_selfie", "orientation_portrait"], "card": ["photo_id_front"]},
    });
    let folder = ok(&service.form(DETECT, &payload(form, &request)));
    assert_eq!(folder["meta_data"], json!({"case": 7}));
    let media = folder["media"].as_array().unwrap();
    assert_eq!(media.len(), 2);
    assert_eq!((&media[0]["original_name"], &media[0]["meta_data"]), (&json!("me ä.jpg"), &json!({"k": "v"})));
    assert_eq!(media[0]["tags"], json!(["photo_selfie", "orientation_portrait"]));
    // The document is not used, so a document without a face does no harm.
    assert_eq!(folder["analyses"][0]["results_media"].as_array().unwrap().len(), 1);
    assert_ne!(folder["system_resolution"], "FAILED");
}

#[test]
fn a_failed_medium_fails_only_the_analyses_that_use_it() {
    let service = Service::start(&[]);
    let form = medium("good", "a.jpg", &picture("collins.jpg")).named("nobody", "b.png", &picture("nobody.png")).named(
        "cut",
        "c.mp4",
        &clip("h264.mp4")[..9_000],
    );
    let request = json!({"analyses": [
        {"threshold_spoofing": 0.6}, {"source_media": ["good"], "threshold_spoofing": 0.6}, {"source_media": ["nobody", "good"]}
    ]});
    let folder = ok(&service.form(DETECT, &payload(form, &request)));
    let resolutions: Vec<_> = folder["analyses"].as_array().unwrap().iter().map(|a| a["resolution"].clone()).collect();
    assert_eq!(resolutions, ["FAILED", "SUCCESS", "FAILED"]);
    assert_eq!((&folder["passed"], &folder["system_resolution"]), (&json!(false), &json!("FAILED")));
    assert_eq!(folder["resolution_status"], "FAILED");
    let states: Vec<_> = folder["analyses"].as_array().unwrap().iter().map(|a| a["state"].clone()).collect();
    assert_eq!(states, ["FAILED", "FINISHED", "FAILED"]);
    assert_eq!(folder["score"].as_f64(), Some(0.0), "a client that reads only the score is not let in");
    let analysis = &folder["analyses"][0];
    assert_eq!(analysis["error_code"], "LDE-002004");
    let error_message =
        |n: usize| analysis["results_media"][n]["error_message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(analysis["results_media"][0]["resolution_status"], "SUCCESS");
    assert!(error_message(1).starts_with("Failed to extract the biometric sample: no face"), "{}", error_message(1));
    assert!(error_message(2).contains("MP4"), "{}", error_message(2));
    assert_eq!(analysis["results_media"][1]["results_data"], Value::Null);
    assert_eq!(folder["analyses"][1]["error_code"], Value::Null);
}

#[test]
fn the_highest_confidence_of_several_media_decides() {
    let service = Service::start(&[]);
    let form = medium("a", "a.jpg", &picture("collins.jpg")).named("b", "b.jpg", &picture("hopper.jpg"));
    let first = ok(&service.form(DETECT, &form));
    let (a, b) = (confidence(&first["analyses"][0], 0), confidence(&first["analyses"][0], 1));
    assert_ne!(a, b);
    let between = (a + b) / 2.0;
    let folder = ok(&service.form(DETECT, &payload(form, &json!({"analyses": [{"threshold_spoofing": between}]}))));
    assert_eq!(folder["analyses"][0]["resolution"], "DECLINED");
    assert!((folder["score"].as_f64().unwrap() - (1.0 - a.max(b))).abs() < 1e-6);
}

#[test]
fn a_face_that_changes_into_another_is_an_attack() {
    let service = Service::start(&[]);
    let folder = ok(&service.form(DETECT, &medium("m", "m.mp4", &clip("exchanged.mp4"))));
    assert_eq!((&folder["passed"], &folder["system_resolution"]), (&json!(false), &json!("DECLINED")));
    assert!(confidence(&folder["analyses"][0], 0) >= 0.99);
    let archive = zip(&[("1.jpg", &picture("collins.jpg")), ("2.jpg", &picture("hopper.jpg"))]);
    assert_eq!(ok(&service.form(DETECT, &medium("m", "m.zip", &archive)))["passed"], false);
}

#[test]
fn each_error_has_its_code_and_message() {
    let service = Service::start(&["--set", "limits.media=2", "--set", "limits.archive_entries=2"]);
    let jpeg = picture("collins.jpg");
    let one = |content: &[u8]| service.form(DETECT, &medium("m", "m", content));
    let asking = |request: Value| service.form(DETECT, &payload(medium("m", "m.jpg", &jpeg), &request));
    let text = |request: &str| {
        let form =
            medium("m", "m.jpg", &jpeg).part("Content-Disposition: form-data; name=\"payload\"", request.as_bytes());
        service.form(DETECT, &form)
    };
    let get = service.get(DETECT);
    assert_eq!((get.status, get.header("Allow")), (400, Some("POST")));
    for (what, reply, code, expected) in [
        ("verb", get, "LDE-002002", "Invalid HTTP request method: "),
        ("no type", service.send("POST", DETECT, &[], &jpeg), "LDE-002001", "Invalid Content-Type of HTTP request: "),
        ("text", service.post(DETECT, "text/plain", &jpeg), "LDE-002001", "multipart/form-data"),
        ("a video as body", service.post(DETECT, "video/mp4", &jpeg), "LDE-002001", "image/jpeg"),
        ("no boundary", service.post(DETECT, "multipart/form-data", b"x"), "LDE-002001", "boundary"),
        ("empty picture", service.post(DETECT, "image/jpeg", b""), "LDE-002004", "it is empty"),
        ("no picture", service.post(DETECT, "image/png", b"nonsense"), "LDE-002004", "neither a picture"),
        ("cut picture", service.post(DETECT, "image/jpeg", &jpeg[..9_000]), "LDE-002004", "the JPEG ends"),
        ("nobody", service.post(DETECT, "image/png", &picture("nobody.png")), "LDE-002004", "no face"),
        ("two people", service.post(DETECT, "image/jpeg", &picture("both.jpg")), "LDE-002004", "2 people"),
        ("no form", service.post(DETECT, MIXED, b"--x--"), "LDE-002004", "boundary"),
        ("no media", service.post(DETECT, MIXED, b"--b--"), "LDE-002004", "no picture, video or archive"),
        (
            "only a field",
            service.form(DETECT, &Form::new().part("Content-Disposition: form-data; name=\"a\"", b"b")),
            "LDE-002004",
            "no picture",
        ),
        (
            "part type",
            service.form(DETECT, &Form::new().file("m", "application/pdf", &jpeg)),
            "LDE-002005",
            "the part 'm' must be",
        ),
        (
            "payload type",
            service.form(DETECT, &Form::new().picture("m", &jpeg).file("payload", "image/png", b"{}")),
            "LDE-002005",
            "'payload'",
        ),
        (
            "two of a name",
            service.form(DETECT, &Form::new().picture("m", &jpeg).picture("m", &jpeg)),
            "LDE-002004",
            "'m'",
        ),
        (
            "too many",
            service.form(DETECT, &Form::new().picture("1", &jpeg).picture("2", &jpeg).picture("3", &jpeg)),
            "LDE-002004",
            "more than 2 media",
        ),
        (
            "bad base64",
            service.form(
                DETECT,
                &Form::new()
                    .part("Content-Disposition: form-data; name=\"m\"\r\nContent-Transfer-Encoding: base64", b"!"),
            ),
            "LDE-002004",
            "base64",
        ),
        (
            "payload twice",
            service.form(DETECT, &payload(payload(medium("m", "m", &jpeg), &json!({})), &json!({}))),
            "LDE-002004",
            "twice",
        ),
        ("payload no JSON", text("{"), "LDE-002004", "not JSON"),
        (
            "threshold",
            asking(json!({"analyses": [{"threshold_spoofing": 1.5}]})),
            "LDE-002004",
            "analyses[0].threshold_spoofing",
        ),
        ("flag", asking(json!({"params": {"extract_best_shot": "yes"}})), "LDE-002004", "params.extract_best_shot"),
        ("type", asking(json!({"analyses": [{"type": "documents"}]})), "LDE-002004", "analyses[0].type"),
        ("medium", asking(json!({"analyses": [{"source_media": ["x"]}]})), "LDE-002004", "'x', which was not sent"),
        ("none left", asking(json!({"media:tags": {"m": ["photo_id_back"]}})), "LDE-002004", "leaves no medium"),
        ("sound", one(&clip("sound.mp4")), "LDE-002004", "no video track"),
        ("codec", one(&clip("mpeg4.avi")), "LDE-002004", "MPEG-4 Part 2"),
        ("old phone", one(&clip("h263.3gp")), "LDE-002004", "H.263 video is not supported; send H.264"),
        ("nobody in a clip", one(&clip("nobody.mp4")), "LDE-002004", "no face"),
        ("two in a clip", one(&clip("two_people.mp4")), "LDE-002004", "2 people"),
        ("cut clip", one(&clip("h264.mp4")[..10_000]), "LDE-002004", "MP4"),
        ("empty archive", one(&zip(&[])), "LDE-002004", "archive"),
        ("no picture in it", one(&zip(&[("a.txt", b"text")])), "LDE-002004", "a.txt"),
        ("too many in it", one(&zip(&[("1", &jpeg), ("2", &jpeg), ("3", &jpeg)])), "LDE-002004", "2"),
        ("a GIF", one(b"GIF89a\x01\0"), "LDE-002004", "it is a GIF"),
    ] {
        assert_eq!((reply.status, &*reply.code()), (400, code), "{what}: {}", reply.text());
        assert!(reply.json()["message"].as_str().unwrap().contains(expected), "{what}: {}", reply.text());
    }
    // The service is unharmed.
    assert_eq!(ok(&service.post(DETECT, "image/jpeg", &jpeg))["resolution_status"], "FINISHED");
    let late = Service::start(&["--set", "limits.request_ms=1"]);
    let reply = late.form(DETECT, &medium("m", "m.mp4", &clip("h264.mp4")));
    assert_eq!((reply.status, reply.header("Retry-After"), &*reply.code()), (503, Some("1"), "LDE-001001"));
}

/// The picture so many times as large, as PNG.
fn scaled(jpeg: &[u8], side: u32) -> Vec<u8> {
    let picture = image::load_from_memory(jpeg).unwrap();
    let mut png = std::io::Cursor::new(vec![]);
    let smaller = picture.resize_exact(side, side, image::imageops::FilterType::Triangle);
    smaller.to_rgb8().write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

#[test]
fn tagged_gestures_are_told_and_required_where_that_is_set() {
    let jpeg = picture("collins.jpg");
    let (far, near) = (scaled(&jpeg, 340), scaled(&jpeg, 500));
    let names: Vec<String> = (0..8).map(|number| format!("{number}.png")).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().enumerate().map(|(at, name)| (&**name, if at < 4 { &*far } else { &near })).collect();
    let archive = zip(&files);
    let ask = |tags: &[&str]| {
        let form = medium("m", "m.zip", &archive).named("still", "s.jpg", &jpeg);
        let analyses = json!([{"source_media": ["m"], "threshold_spoofing": 0.7}]);
        payload(form, &json!({"media:tags": {"m": tags}, "analyses": analyses}))
    };
    let told = |folder: &Value| -> Vec<(String, Value)> {
        let gestures = &folder["analyses"][0]["results_media"][0]["results_data"]["gestures"];
        let told = |g: &Value| (g["tag"].as_str().unwrap().to_owned(), g["seen"].clone());
        gestures.as_array().map(|list| list.iter().map(told).collect()).unwrap_or_default()
    };
    let verdict = |folder: &Value| (folder["passed"].clone(), folder["analyses"][0]["resolution"].clone());

    let default = Service::start(&[]);
    let plain = ok(&default.form(DETECT, &ask(&["video_selfie"])));
    assert!(plain["analyses"][0]["results_media"][0]["results_data"].get("gestures").is_none());
    assert_eq!(verdict(&plain), (json!(true), json!("SUCCESS")));
    let [near, left, scan] = ["video_selfie_zoom_in", "video_selfie_left", "video_selfie_scan"];
    let reported = ok(&default.form(DETECT, &ask(&[near, left, scan])));
    let all = [(near.into(), json!(true)), (left.into(), json!(false)), (scan.into(), Value::Null)];
    assert_eq!(told(&reported), all);
    assert_eq!((verdict(&reported), &reported["score"]), (verdict(&plain), &plain["score"]));

    let strict = Service::start(&["--set", "liveness.gestures=require"]);
    let made = ok(&strict.form(DETECT, &ask(&[near, scan])));
    assert_eq!((verdict(&made), &made["score"]), (verdict(&plain), &plain["score"]));
    let missing = ok(&strict.form(DETECT, &ask(&[near, left])));
    assert_eq!(verdict(&missing), (json!(false), json!("DECLINED")));
    assert_eq!(missing["score"].as_f64(), Some(0.0), "a client that reads only the score is not let in");
    assert_eq!(
        (&missing["system_resolution"], &missing["resolution_status"]),
        (&json!("DECLINED"), &json!("FINISHED"))
    );
    let data = &missing["analyses"][0]["results_media"][0]["results_data"];
    assert_eq!(data["reason"], "the medium does not show video_selfie_left");
    assert_eq!(
        data["confidence_spoofing"],
        plain["analyses"][0]["results_media"][0]["results_data"]["confidence_spoofing"]
    );
    // A single picture holds no gesture.
    let still = payload(medium("s", "s.jpg", &jpeg), &json!({"media:tags": {"s": [near]}}));
    assert_eq!(verdict(&ok(&strict.form(DETECT, &still))), (json!(false), json!("DECLINED")));

    let off = Service::start(&["--set", "liveness.gestures=off"]);
    assert_eq!(told(&ok(&off.form(DETECT, &ask(&[left])))), []);
}

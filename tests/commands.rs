//! The command line.

use std::path::Path;

use crate::support::{Folder, Service, binary, command, picture};

/// A copy of the shipped models.
fn with_models(name: &str) -> Folder {
    let folder = Folder::new(name);
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models-quantized");
    for entry in std::fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.0.join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

#[test]
fn doctor_finds_everything_well() {
    let (code, out, _) = command(&["doctor"]);
    assert_eq!(code, Some(0), "{out}");
    for told in ["face_detection_yunet", "face_recognition_sface", "self-test  passed", "limits", "cores"] {
        assert!(out.contains(told), "{told}: {out}");
    }
}

#[test]
fn a_command_ends_quietly_when_nobody_reads_on() {
    for command in ["doctor", "--help", "--print-settings"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = binary().arg(command).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{command}");
        assert!(!ended.status.success(), "{command}");
    }
}

#[test]
fn settings_are_printed_and_checked() {
    let (code, out, _) = command(&["--print-settings", "--set", "limits.samples=5"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("samples = 5") && out.contains("listen = \"127.0.0.1:8080\""), "{out}");
    let folder = Folder::new("settings");
    let file = folder.0.join("faceplate.toml");
    std::fs::write(&file, out).unwrap();
    assert_eq!(command(&["--check", "--settings", file.to_str().unwrap()]).0, Some(0));
    let elsewhere = ["--check", "--models", folder.path()];
    let (code, _, told) = command(&elsewhere);
    assert!(code == Some(1) && told.contains("models.toml"), "{told}");
    std::fs::write(&file, "[limits]\nsample = 5\n").unwrap();
    let (code, _, told) = command(&["--check", "--settings", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(told.contains("sample"), "{told}");
    assert_eq!(command(&["--nonsense"]).0, Some(2));
}

#[test]
fn a_template_file_is_shown_without_its_values() {
    let folder = Folder::new("template");
    let file = folder.0.join("a.bin");
    std::fs::write(&file, Service::start(&[]).template(&picture("collins.jpg"))).unwrap();
    let (code, out, _) = command(&["template", "show", file.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(out.contains("dimension  128") && out.contains("148 bytes"), "{out}");
    std::fs::write(&file, b"FPLT but not really").unwrap();
    let (code, _, told) = command(&["template", "show", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(told.contains("a.bin"), "{told}");
}

#[test]
fn other_models_are_checked_before_they_are_used() {
    let folder = with_models("models");
    let manifest = folder.0.join("models.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    let doctor = || command(&["doctor", "--models", folder.path()]);
    assert_eq!(doctor().0, Some(0));

    let detector = folder.0.join("face_detection_yunet_2023mar.int8.onnx");
    let bytes = std::fs::read(&detector).unwrap();
    let mut flipped = bytes.clone();
    flipped[1000] ^= 1;
    std::fs::write(&detector, flipped).unwrap();
    let (code, out, _) = doctor();
    assert!(code == Some(1) && out.contains("SHA-256") && out.contains("yunet"), "{out}");
    std::fs::write(&detector, bytes).unwrap();

    for (from, to, told) in [
        ("format = 1", "format = 2", "format 2"),
        ("role = \"detector\"", "role = \"embedder\"", "role"),
        ("role = \"detector\"", "role = \"oracle\"", "oracle"),
        ("sides = [320, 640]", "sides = [320, 630]", "multiples of 32"),
        ("sides = [112]", "sides = [128]", "112x112"),
        ("fmr = 1e-2", "fmr = 2.0", "knots"),
        ("file = \"face_d", "file = \"../face_d", "beside"),
        ("file = \"face_d", "file = \"no_face_d", "cannot read"),
        ("dimension = 128", "dimension = 64", "128"),
        ("mean = 128", "mean = 0", "self-test"),
        ("channels = \"BGR\"", "channels = \"GBR\"", "GBR"),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&manifest, good.replacen(from, to, 1)).unwrap();
        let (code, out, _) = doctor();
        assert_eq!(code, Some(1), "{to}: {out}");
        assert!(out.contains("FAILED") && out.contains(told), "{to}: {out}");
    }
    std::fs::remove_file(&manifest).unwrap();
    let (_, out, _) = doctor();
    assert!(out.contains("models.toml"), "{out}");
}

#[test]
fn a_failed_self_test_refuses_work_and_says_why() {
    let folder = with_models("self-test");
    let manifest = folder.0.join("models.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, good.replace("mean = 128", "mean = 0")).unwrap();
    let service = Service::start(&["--models", folder.path()]);
    let health = service.get("/v1/face/pattern/health");
    assert_eq!(health.status, 200);
    assert!(
        health.text().starts_with(r#"{"status":3,"message":"face_recognition_sface: self-test"#),
        "{}",
        health.text()
    );
    let reply = service.post("/v1/face/pattern/extract", "image/jpeg", &picture("collins.jpg"));
    assert_eq!((reply.status, &*reply.code()), (400, "BPE-001002"));
    assert!(reply.text().contains("TFSS error. Call the biometry health method"));
    assert_eq!(service.get("/v1/face/liveness/health").text(), health.text());
    let reply = service.post("/v1/face/liveness/detect", "image/jpeg", &picture("collins.jpg"));
    assert_eq!((reply.status, &*reply.code()), (400, "LDE-001002"));
    assert!(reply.text().contains("TFSS error. Call the Liveness health method"));
}

#[test]
fn evaluation_runs_on_a_small_set() {
    let folder = Folder::new("eval");
    for (identity, file, source) in [
        ("collins", "1.jpg", "collins.jpg"),
        ("collins", "2.png", "collins_dim.png"),
        ("hopper", "1.jpg", "hopper.jpg"),
    ] {
        std::fs::create_dir_all(folder.0.join(identity)).unwrap();
        std::fs::write(folder.0.join(identity).join(file), picture(source)).unwrap();
    }
    let pairs = folder.0.join("pairs.csv");
    std::fs::write(
        &pairs,
        "fold,file_a,file_b,same\n1,collins/1.jpg,collins/2.png,1\n2,collins/1.jpg,hopper/1.jpg,0\n",
    )
    .unwrap();
    let args = ["eval", "verification", "--json", "--root", folder.path(), "--pairs", pairs.to_str().unwrap()];
    let (code, out, told) = command(&args);
    assert_eq!(code, Some(0), "{told}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["pictures"], &report["genuine_pairs"], &report["impostor_pairs"]),
        (&3.into(), &1.into(), &2.into())
    );
    assert_eq!(report["failures_to_enrol"], 0);
    assert_eq!(report["tmr"][0]["tmr_percent"], 100.0);
    let (code, out, _) = command(&["eval", "detection", "--root", folder.path()]);
    assert!(code == Some(0) && out.matches("one person").count() == 3, "{out}");
}

#[test]
fn liveness_is_evaluated_by_species() {
    let folder = Folder::new("liveness");
    for (species, file, content) in [
        ("real", "a.jpg", picture("collins.jpg")),
        ("real", "nobody.png", picture("nobody.png")),
        ("exchange", "b.mp4", crate::support::clip("exchanged.mp4")),
        ("exchange", "notes.txt", b"not a medium".to_vec()),
    ] {
        std::fs::create_dir_all(folder.0.join(species)).unwrap();
        std::fs::write(folder.0.join(species).join(file), content).unwrap();
    }
    let csv = folder.0.join("scores.csv");
    let args = ["eval", "liveness", "--json", "--root", folder.path(), "--csv", csv.to_str().unwrap()];
    let (code, out, told) = command(&args);
    assert_eq!(code, Some(0), "{told}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let [exchange, real] = &report["species"].as_array().unwrap()[..] else { panic!("{out}") };
    assert_eq!(
        (&exchange["species"], &exchange["files"], &exchange["declined"]),
        (&"exchange".into(), &1.into(), &1.into())
    );
    assert_eq!((&exchange["rate"], &exchange["percent"]), (&"APCER".into(), &0.0.into()));
    assert_eq!((&real["rate"], &real["files"], &real["no_verdict"]), (&"BPCER".into(), &2.into(), &1.into()));
    assert!(report["roc_area"].is_f64(), "{out}");
    let lines = std::fs::read_to_string(csv).unwrap();
    assert!(lines.starts_with("file,species,spoofing,frames,error\n\"exchange/b.mp4\",\"exchange\",0.99"), "{lines}");
    assert!(lines.contains("\"real/nobody.png\",\"real\",,,\"no face was found\""), "{lines}");
    let (code, out, _) = command(&["eval", "liveness", "--root", folder.path()]);
    assert!(code == Some(0) && out.contains("APCER 0.0 %") && out.contains("no face was found"), "{out}");
}

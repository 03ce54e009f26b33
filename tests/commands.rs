//! Tests the command line.

use std::path::Path;

use faceplate::face::Template;

use crate::support::{Folder, Form, Service, binary, command, picture};

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
fn doctor_passes_with_the_shipped_models() {
    let (code, out, _) = command(&["doctor"]);
    assert_eq!(code, Some(0), "{out}");
    for expected in ["face_detection_yunet", "face_recognition_sface", "self-test  passed", "limits", "cores"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
}

#[test]
fn doctor_and_check_report_the_surroundings_of_the_service() {
    let off = ["--set", "camera.device=off", "--listen", "127.0.0.1:0"];
    let (code, out, _) = command(&[&["doctor", "--json"], &off[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (Some(0), &true.into()), "{out}");
    let about: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|f| f["about"].as_str().unwrap()).collect();
    assert_eq!(
        about,
        [
            "models",
            "certificate",
            "template_keys",
            "people",
            "door",
            "camera",
            "clock",
            "memory_controller",
            "descriptors",
            "listen"
        ]
    );
    let missing = ["--set", "camera.device=/dev/nonexistent"];
    let (code, out, _) = command(&[&["doctor", "--json"], &missing[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"], &report["findings"][5]["ok"]), (Some(1), &false.into(), &false.into()), "{out}");
    let (code, _, stderr) = command(&[&["--check"], &missing[..]].concat());
    assert!(code == Some(1) && stderr.contains("camera: /dev/nonexistent"), "{stderr}");
}

#[test]
fn a_command_ends_quietly_when_its_output_is_closed() {
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
    let without_models = ["--check", "--models", folder.path()];
    let (code, _, stderr) = command(&without_models);
    assert!(code == Some(1) && stderr.contains("models.toml"), "{stderr}");
    std::fs::write(&file, "[limits]\nsample = 5\n").unwrap();
    let (code, _, stderr) = command(&["--check", "--settings", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("sample"), "{stderr}");
    assert_eq!(command(&["--nonsense"]).0, Some(2));
}

/// A site: templates of people, two each, whose vectors have a component in common, along the first direction, that grows with `common`.
fn site(name: &str, people: u64, common: f64) -> Folder {
    let folder = Folder::new(name);
    let mut state = 7u64;
    let mut normal = || {
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24)
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    };
    for person in 0..people {
        let own: Vec<f64> = (0..128).map(|_| normal()).collect();
        std::fs::create_dir(folder.0.join(person.to_string())).unwrap();
        for sample in 0..2 {
            let mut vector: Vec<f64> = own.iter().map(|v| v + 0.5 * normal()).collect();
            vector[0] += common * 11.3;
            let template = Template::new(1, 90, &vector).unwrap();
            std::fs::write(folder.0.join(format!("{person}/{sample}.template")), &*template.to_bytes()).unwrap();
        }
    }
    folder
}

#[test]
fn a_site_gets_its_own_curve() {
    let similar = site("similar", 60, 0.9);
    let (code, section, stderr) = command(&["calibrate", "site", "--root", similar.path()]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("as shipped") && stderr.contains("with shift and scale"), "{stderr}");
    let settings = similar.write("site.toml", &section);
    let set = ["--settings", &settings];
    assert_eq!(command(&["--check", set[0], set[1]]).0, Some(0), "{section}");
    let (_, doctor, _) = command(&["doctor", set[0], set[1]]);
    assert!(doctor.contains("site       60 people on 2"), "{doctor}");

    // Different people of this site, some of whom match by the curve as shipped.
    let read = |name: &str| std::fs::read(similar.0.join(name)).unwrap();
    let different_people: Vec<Vec<u8>> = (0..60).map(|person| read(&format!("{person}/0.template"))).collect();
    let false_matches = |service: &Service| {
        let form = |probe: &[u8]| {
            different_people
                .iter()
                .fold(Form::new().template("template_1", probe), |form, t| form.template("templates_n", t))
        };
        let scores = different_people.iter().flat_map(|probe| {
            let reply = service.form("/v1/face/pattern/compare_n", &form(probe));
            let results = reply.json()["results"].as_array().unwrap().clone();
            results.iter().map(|r| r["score"].as_f64().unwrap()).collect::<Vec<_>>()
        });
        let below_one: Vec<f64> = scores.filter(|s| *s < 1.0).collect();
        assert_eq!(below_one.len(), 60 * 59);
        below_one.iter().filter(|s| **s >= 0.85).count()
    };
    let (shipped, here) = (false_matches(&Service::start(&[])), false_matches(&Service::start(&set)));
    assert!(shipped > 100 && here < 5, "{shipped} {here}");
}

#[test]
fn a_site_with_few_people_or_another_model_is_refused() {
    let few = site("few", 12, 0.3);
    let (code, section, stderr) = command(&["calibrate", "site", "--root", few.path()]);
    assert_eq!((code, &*section), (Some(1), ""));
    assert!(stderr.contains("50 people are needed at the least; here is 12 people"), "{stderr}");
    let other = few.write(
        "other.toml",
        "[site]\ndate = \"2026-01-01\"\nmodel = 9\npeople = 60\nheld_pairs = 1\nshare_before = 0.0\nshare_after = 0.0\nshift = 0.0\nscale = 1.0\n",
    );
    let (code, _, stderr) = command(&["--check", "--settings", &other]);
    assert!(code == Some(1) && stderr.contains("for another model"), "{stderr}");
    let (code, _, stderr) = command(&["--check", "--settings", &other, "--set", "site.scale=100"]);
    assert!(code == Some(1) && stderr.contains("site.scale: 100 is not in 0.1..=10"), "{stderr}");
}

#[test]
fn a_template_file_is_shown() {
    let folder = Folder::new("template");
    let file = folder.0.join("a.bin");
    std::fs::write(&file, Service::start(&[]).template(&picture("collins.jpg"))).unwrap();
    let (code, out, _) = command(&["template", "show", file.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(out.contains("dimension  128") && out.contains("148 bytes"), "{out}");
    std::fs::write(&file, br#"{"code":"BPE-003002","message":"No face"}"#).unwrap();
    let (code, _, stderr) = command(&["template", "show", file.to_str().unwrap()]);
    assert!(code == Some(1) && stderr.contains("an error that the service answered: BPE-003002: No face"), "{stderr}");
    std::fs::write(&file, b"FPLT but not really").unwrap();
    let (code, _, stderr) = command(&["template", "show", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("a.bin"), "{stderr}");
}

#[test]
fn template_files_of_one_person_are_joined() {
    let folder = Folder::new("join");
    let service = Service::start(&[]);
    let file = |name: &str| {
        let path = folder.0.join(name);
        std::fs::write(&path, service.template(&picture(name))).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (collins, dim, hopper) = (file("collins.jpg"), file("collins_dim.png"), file("hopper.jpg"));
    let out = folder.0.join("joined").to_str().unwrap().to_owned();
    let (code, stdout, stderr) = command(&["template", "join", &collins, &dim, "--out", &out]);
    assert_eq!((code, &*stdout), (Some(0), ""), "{stderr}");
    let joined = std::fs::read(&out).unwrap();
    assert_eq!((joined.len(), joined[4], joined[10]), (148, 2, 2));
    let form = Form::new().named("templates_n", "a", &std::fs::read(&dim).unwrap());
    let form = form.named("templates_n", "b", &std::fs::read(&collins).unwrap());
    assert_eq!(service.form("/v1/face/pattern/join", &form).body, joined, "the same as over HTTP, in any order");
    let piped = binary().args(["template", "join", &dim, &collins]).output().unwrap();
    assert_eq!(piped.stdout, joined);
    assert!(command(&["template", "show", &out]).1.contains("samples    2\n"));
    assert!(command(&["template", "show", &dim]).1.contains("samples    1\n"));
    // The master side of a pseudo-terminal is a terminal as well.
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    let refused = binary().args(["template", "join", &dim, &collins]).stdout(terminal).output().unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--out FILE"));
    for (files, names) in [
        ([&collins, &dim, &hopper], "collins.jpg and ".to_owned() + &hopper + " are of different people"),
        ([&dim, &collins, &collins], "1 and 2 are the same template".into()),
        ([&dim, &collins, &folder.path().to_owned()], folder.path().to_owned()),
    ] {
        let (code, stdout, stderr) = command(&[&["template", "join"], &files.map(|file| &**file)[..]].concat());
        assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(&names), "{stderr}");
    }
    let many: Vec<&str> = ["template", "join"].into_iter().chain([&*collins; 17]).collect();
    assert!(command(&many).2.contains("17 templates can't be joined"));
    // Sealed input gives sealed output.
    let keys = format!("templates.keys={}", folder.write("keys", &command(&["key", "new"]).1));
    let both = ["--set", &*keys, "--set", "templates.unsealed=true"];
    let sealed = folder.0.join("sealed").to_str().unwrap().to_owned();
    let join = [&["template", "join", &*collins, &*dim, "--out", &sealed], &both[..]].concat();
    assert_eq!(command(&join).0, Some(0));
    assert_eq!(std::fs::read(&sealed).unwrap().len(), 192);
    let again = [&["template", "join", &*sealed, &*dim, "--out", &sealed], &both[..]].concat();
    assert_eq!(command(&again).0, Some(0), "the output may be one of the input files");
    let (_, shown, _) = command(&["template", "show", &sealed, "--set", &keys]);
    assert!(shown.contains("samples    3\n") && shown.contains("sealed     yes"), "{shown}");
    assert_eq!(
        command(&["template", "join", &sealed, &dim, "--set", &keys]).0,
        Some(1),
        "one of the two is not sealed"
    );
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

    for (from, to, expected) in [
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
        assert!(out.contains("FAILED") && out.contains(expected), "{to}: {out}");
    }
    std::fs::remove_file(&manifest).unwrap();
    let (_, out, _) = doctor();
    assert!(out.contains("models.toml"), "{out}");
}

#[test]
fn a_failed_self_test_refuses_inference_and_says_why() {
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
    let (code, out, stderr) = command(&args);
    assert_eq!(code, Some(0), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["pictures"], &report["genuine_pairs"], &report["impostor_pairs"]),
        (&3.into(), &1.into(), &2.into())
    );
    assert_eq!(report["failures_to_enrol"], 0);
    // Two non-mated pairs give no rate of one in a thousand, and two folds of one kind each no threshold.
    for rate in report["tmr"].as_array().unwrap() {
        assert_eq!((&rate["tmr_percent"], &rate["cosine"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    }
    assert_eq!(report["tmr"][2]["least_impostor_pairs"], 1e6);
    assert_eq!(
        (&report["accuracy_percent"], &report["refused_for_several_people_percent"]),
        (&serde_json::Value::Null, &0.0.into())
    );
    let args = ["eval", "verification", "--root", folder.path(), "--pairs", pairs.to_str().unwrap()];
    let (code, out, _) = command(&args);
    assert_eq!((code, out.matches("not measurable").count()), (Some(0), 4), "{out}");
    assert!(
        !out.contains("NaN") && out.contains("1000000 impostor pairs") && out.contains("0 of 2 impostor pairs"),
        "{out}"
    );
    let (code, _, stderr) = command(&["eval", "knots", "--root", folder.path()]);
    assert!(code != Some(0) && stderr.contains("this set has 2"), "{stderr}");
    // One person alone: no non-mated pairs at all.
    std::fs::remove_dir_all(folder.0.join("hopper")).unwrap();
    std::fs::write(&pairs, "file_a,file_b,same\ncollins/1.jpg,collins/2.png,1\n").unwrap();
    let (code, out, _) = command(&args);
    assert!(code == Some(0) && !out.contains("NaN") && out.contains("0 of 0 impostor pairs"), "{out}");
    let (code, out, _) = command(&["eval", "detection", "--root", folder.path()]);
    assert!(code == Some(0) && out.matches("one person").count() == 2 && out.contains("with_several_people"), "{out}");
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
    let (code, out, stderr) = command(&args);
    assert_eq!(code, Some(0), "{stderr}");
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
    // An incomplete evaluation fails: what is there is printed, and the command returns an error.
    let evaluated = || command(&["eval", "liveness", "--root", folder.path()]);
    std::fs::write(folder.0.join("stray.jpg"), picture("collins.jpg")).unwrap();
    let (code, _, stderr) = evaluated();
    assert!(code != Some(0) && stderr.contains("outside of the folders"), "{stderr}");
    std::fs::remove_file(folder.0.join("stray.jpg")).unwrap();
    std::fs::rename(folder.0.join("real"), folder.0.join("print")).unwrap();
    let (code, out, stderr) = evaluated();
    assert!(
        code != Some(0) && out.contains("APCER") && stderr.contains("no bona fide presentations"),
        "{out} {stderr}"
    );
    std::fs::remove_dir_all(folder.0.join("exchange")).unwrap();
    std::fs::rename(folder.0.join("print"), folder.0.join("real")).unwrap();
    let (code, out, stderr) = evaluated();
    assert!(code != Some(0) && out.contains("BPCER") && stderr.contains("no attacks"), "{out} {stderr}");
    assert!(!out.contains("NaN"), "{out}");
}

#[test]
fn healthcheck_tells_a_healthy_service_from_a_stopped_one() {
    let service = Service::start(&["--workers", "1"]);
    let listen = format!("server.listen={}", service.address);
    let (code, out, stderr) = command(&["healthcheck", "--set", &listen]);
    assert_eq!((code, &*out), (Some(0), "healthy\n"), "{stderr}");
    assert_eq!(service.stop(), Some(0));
    let (code, _, stderr) = command(&["healthcheck", "--set", &listen]);
    assert!(code == Some(1) && stderr.contains("refused"), "{stderr}");
}

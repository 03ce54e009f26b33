//! Tests of the merged layers, and of the ranges of all sections.

use std::error::Error as _;

use serde_json::Value;

use super::*;

fn load(env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, Error> {
    let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    let flag = |(key, value)| Flag { name: "--set".into(), key, value };
    let flags: Vec<Flag> = flags.iter().map(own).map(flag).collect();
    Settings::load(None, env.iter().map(own), &flags)
}

#[test]
fn flags_win_over_environment_over_defaults() {
    let s = load(&[("FACEPLATE__SERVER__LISTEN", "127.0.0.1:1"), ("FACEPLATE__LIMITS__SAMPLES", "3")], &[]).unwrap();
    assert_eq!((s.server.listen.0[0].to_string(), s.limits.samples), ("127.0.0.1:1".into(), 3));
    let s = load(&[("FACEPLATE__SERVER__LISTEN", "127.0.0.1:1")], &[("server.listen", "127.0.0.1:2")]).unwrap();
    assert_eq!(s.server.listen.0[0].to_string(), "127.0.0.1:2");
    assert_eq!(load(&[("PATH", "/bin")], &[]).unwrap(), Settings::default());
}

#[test]
fn what_is_wrong_is_named() {
    for (key, value, told) in [
        ("limits.bodybytes", "1", "bodybytes"),
        ("limits.body_bytes", "\"many\"", "body_bytes"),
        ("decision.approved", "1.5", "approved"),
        ("server.threads", "1025", "server.threads"),
        ("server.listen", "[]", "no address"),
        ("server.listen", "localhost", "server.listen"),
        ("server.listen", "door:8080", "\"door:8080\" must be ADDRESS:PORT, such as 127.0.0.1:8080"),
        ("server.listen", "127.0.0.1", "\"127.0.0.1\" must be ADDRESS:PORT"),
        ("server.listen", "80800", "80800 must be ADDRESS:PORT"),
        ("server.listen", "unix:", "\"unix:\" must be ADDRESS:PORT"),
        ("server.listen", "[\"127.0.0.1:80\", true]", "true must be ADDRESS:PORT"),
        ("log.level", "verbose", "--set: log.level: found \"verbose\", expected off, error, warn, info"),
        ("server.listen", "0.0.0.0:80", "faceplate token new"),
        ("server.listen", "[\"unix:/run/x\", \"[::]:80\"]", "access.open"),
        ("access.tokens", "[{ name = \"a\", sha256 = \"12\", scopes = [] }]", "64"),
        ("access.origins", "[\"*\"]", "\"*\" is no origin"),
        ("access.origins", "[\"https://a.example/\"]", "no path"),
        ("access.origins", "[\"https://a.example\", \"https://A.example\"]", "https://A.example"),
        ("access.origins", "[\"https://a.example:443\"]", "usual"),
        ("access.tokens", "[{ name = \"a\", sha256 = \"12\", scopes = [\"all\"] }]", "all"),
        ("tls.key", "/etc/key", "belong together"),
        ("tls.clients", "/etc/ca", "certificate"),
        ("limits.head_bytes", "0", "limits.head_bytes"),
        ("limits.samples", "0", "limits.samples"),
        ("face.second_person_percent", "0", "face.second_person_percent: 0 is not in 1..=100"),
        ("camera.second_person_percent", "101", "camera.second_person_percent: 101"),
        ("liveness.most_threshold", "1.01", "liveness.most_threshold: 1.01 is not in 0..=1"),
        ("liveness.most_threshold", "nan", "liveness.most_threshold"),
        ("liveness.gestures", "on", "liveness.gestures: no such value on, expected one of off, report, require"),
        ("camera.rotate", "45", "camera.rotate"),
        ("camera.format", "H264", "camera.format"),
        ("camera.device", "video0", "did you mean /dev/video0?"),
        ("camera.device", "webcam", "\"webcam\" is not auto, off, a number, a path or file:PATH"),
        ("camera.device", "-1", "\"-1\" is not auto"),
        ("camera.device", "false", "\"false\" is not auto"),
        ("camera.device", "file:", "file: needs the path of a picture, a clip or a folder of pictures"),
        ("camera.device", "rtsp://10.0.0.7/door", "rtsp is not supported: the camera must be one of this machine"),
        ("camera.deadline_ms", "0", "100..=600000"),
        ("camera.exposure", "bright", "\"bright\" must be a whole number, \"auto\" or \"keep\""),
        ("camera.gain", "1.5", "camera.gain"),
        ("limits.body_bytes", "4294967295", "limits.body_bytes"),
        ("nonsense", "1", "section.key"),
        ("color.sky", "1", "--set: color.sky: no such key"),
    ] {
        let error = load(&[], &[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("untagged"), "{key}: {error}");
    }
}

#[test]
fn an_error_has_its_kind_and_its_source() {
    let error = |text: &str| Settings::of_text(text, "f").unwrap_err();
    for (text, kind) in [
        ("server", ErrorKind::Syntax),
        ("[limit]", ErrorKind::Unknown),
        ("[limits]\nsample = 1", ErrorKind::Unknown),
        ("[limits]\nsamples = true", ErrorKind::Type),
        ("[site]\nmodel = 1", ErrorKind::Type),
        ("[limits]\nsamples = 0", ErrorKind::OutOfRange),
        ("[tls]\nkey = \"k\"", ErrorKind::Conflict),
        ("[server]\nlisten = \"0.0.0.0:80\"", ErrorKind::Conflict),
    ] {
        let error = error(text);
        assert_eq!(error.kind(), kind, "{text}");
        let is_of_toml = error.source().is_some_and(|source| source.is::<toml::de::Error>());
        assert_eq!(is_of_toml, matches!(kind, ErrorKind::Syntax | ErrorKind::Type), "{text}");
    }
    let missing = Settings::load(Some(Path::new("/nonexistent")), [], &[]).unwrap_err();
    let source = missing.source().unwrap();
    assert!(missing.kind() == ErrorKind::File && source.is::<std::io::Error>());
    assert_eq!(missing.to_string(), format!("/nonexistent: {source}"));
}

#[test]
fn variables_that_are_no_settings_are_refused() {
    for (name, told) in [
        ("FACEPLATE_LISTEN", "FACEPLATE_LISTEN: no such setting; did you mean FACEPLATE__SERVER__LISTEN?"),
        ("FACEPLATE__SERVR__LISTEN", "did you mean FACEPLATE__SERVER__LISTEN?"),
        ("FACEPLATE_SERVER_LISTEN", "did you mean FACEPLATE__SERVER__LISTEN?"),
        ("FACEPLATE__COLOR__SKY", "FACEPLATE__COLOR__SKY: no such setting; a setting has the form"),
    ] {
        let error = load(&[(name, "127.0.0.1:1")], &[]).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let error = load(&[("FACEPLATE__LIMITS__SAMPLES", "many")], &[]).unwrap_err().to_string();
    assert!(error.starts_with("FACEPLATE__LIMITS__SAMPLES: limits.samples: found \"many\", expected"), "{error}");
    for name in [
        "FACEPLATES",
        "FACEPLATE_DATA",
        "FACEPLATE_TOKEN",
        "FACEPLATE_PORT",
        "FACEPLATE_PORT_8080_TCP_ADDR",
        "FACEPLATE_SERVICE_HOST",
        "FACEPLATE_SERVICE_PORT_HTTP",
        "FACEPLATE_WEB_SERVICE_HOST",
        "FACEPLATE_WEB_PORT",
    ] {
        assert!(load(&[(name, "tcp://10.0.0.1:8080")], &[]).is_ok(), "{name}");
    }
    assert!(load(&[("FACEPLATE__PORT", "1")], &[]).is_err());
}

#[test]
fn a_port_alone_is_on_loopback() {
    for port in ["8080", ":8080", "localhost:8080", "\"8080\""] {
        assert_eq!(load(&[], &[("server.listen", port)]).unwrap().server.listen, Server::default().listen, "{port}");
    }
    let both = load(&[], &[("server.listen", "[1, \"unix:/run/x\"]")]).unwrap().server.listen;
    assert_eq!(both.to_string(), "127.0.0.1:1 and unix:/run/x");
}

#[test]
fn a_camera_may_be_named_by_its_number() {
    for (given, device) in [("0", "/dev/video0"), ("\"12\"", "/dev/video12"), ("off", "off"), ("file:a", "file:a")] {
        assert_eq!(load(&[], &[("camera.device", given)]).unwrap().camera.device, device);
    }
}

#[test]
fn rust_log_is_weaker_than_our_own() {
    let level = |env: &[(&str, &str)], flags: &[(&str, &str)]| load(env, flags).map(|s| s.log.level);
    let rust_log = ("RUST_LOG", "faceplate=debug,tiny_http=info");
    assert_eq!(level(&[rust_log], &[]).unwrap(), rust_log.1);
    assert_eq!(level(&[rust_log, ("FACEPLATE__LOG__LEVEL", "warn")], &[]).unwrap(), "warn");
    assert_eq!(level(&[rust_log], &[("log.level", "error")]).unwrap(), "error");
    assert_eq!(level(&[("RUST_LOG", "")], &[]).unwrap(), "info");
    let error = level(&[("RUST_LOG", "loud")], &[]).unwrap_err().to_string();
    assert!(error.starts_with("RUST_LOG: log.level: found \"loud\""), "{error}");
}

#[test]
fn text_may_look_like_a_number() {
    assert_eq!(load(&[], &[("inference.models", "2024")]).unwrap().inference.models, Some("2024".into()));
}

/// The settings file in the packages.
const SHIPPED: &str = include_str!("../../../systemd/faceplate.toml");

fn is_key(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}

/// The settings that are in it if what is commented out counts.
fn with_all() -> Settings {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest) if is_key(rest) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    toml::from_str(&SHIPPED.lines().map(uncommented).collect::<String>()).unwrap()
}

/// The settings file in the packages names every key, each with its default.
#[test]
fn the_shipped_file_shows_the_defaults() {
    let with_all = with_all();
    // Paths that are unset by default.
    let models = with_all.inference.models.clone();
    let inference = Inference { models, ..Inference::default() };
    let templates = Templates { keys: with_all.templates.keys.clone(), ..Templates::default() };
    let people = People {
        store: with_all.people.store.clone(),
        previous_models: with_all.people.previous_models.clone(),
        etcd_authority: with_all.people.etcd_authority.clone(),
        etcd_certificate: with_all.people.etcd_certificate.clone(),
        etcd_key: with_all.people.etcd_key.clone(),
        etcd_password: with_all.people.etcd_password.clone(),
        ..People::default()
    };
    let events = Events { store: with_all.events.store.clone(), ..Events::default() };
    let mqtt = Mqtt {
        password: with_all.mqtt.password.clone(),
        authority: with_all.mqtt.authority.clone(),
        certificate: with_all.mqtt.certificate.clone(),
        key: with_all.mqtt.key.clone(),
        ..Mqtt::default()
    };
    let access = Access { store: with_all.access.store.clone(), ..Access::default() };
    let tls = with_all.tls.clone();
    assert!(inference.models.is_some() && templates.keys.is_some() && tls.clients.is_some());
    assert_eq!(with_all, Settings { access, inference, templates, people, events, mqtt, tls, ..Settings::default() });
    assert_eq!(toml::from_str::<Settings>(SHIPPED).unwrap(), Settings::default());
    let keys = |text: &str| {
        let keys = text.lines().map(|l| l.trim_start_matches('#')).filter(|l| is_key(l));
        keys.map(|l| l.split(' ').next().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(keys(SHIPPED), keys(&with_all.to_toml()));
}

#[test]
fn entries_are_all_settings_in_the_order_in_which_they_are_printed() {
    let settings = with_all();
    let (mut section, mut printed) = ("", vec![]);
    let whole = settings.to_toml();
    for line in whole.lines() {
        match (line.strip_prefix('['), line.split_once(" = ")) {
            (Some(head), _) => section = head.trim_end_matches(']'),
            (None, Some((key, _))) => printed.push(format!("{section}.{key}")),
            _ => {}
        }
    }
    let entries = settings.entries(&Origins::new());
    let told: Vec<&str> =
        entries.iter().map(|entry| &*entry.key).filter(|key| printed.iter().any(|p| p == key)).collect();
    assert_eq!(told, printed);
    // Nothing is missing: what is told is the settings again.
    let mut tables = serde_json::Map::new();
    for Entry { key, value, .. } in Settings::default().entries(&Origins::new()) {
        let (section, name) = key.split_once('.').unwrap();
        if section != "site" {
            tables.entry(section).or_insert_with(|| Value::Object(serde_json::Map::new()))[name] = value;
        }
    }
    assert_eq!(serde_json::from_value::<Settings>(Value::Object(tables)).unwrap(), Settings::default());
}

#[test]
fn printed_settings_give_themselves_again() {
    let settings = load(&[], &[("inference.models", "/srv/models"), ("decision.approved", "0.9")]).unwrap();
    let again: Settings = toml::from_str(&settings.to_toml()).unwrap();
    assert_eq!(again, settings);
}

#[test]
fn scopes_are_called_as_they_are_read() {
    for scope in Scope::ALL {
        assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
    }
}

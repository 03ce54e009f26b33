//! Feeds damaged input to a parser of untrusted bytes for some time: `fuzz TARGET SECONDS [SEED]`, or `all` for one
//! after the other. A target is a plain function that panics if an invariant breaks. There is no coverage feedback: it needs only a
//! stable compiler. The folder fuzz/ has the same targets for libFuzzer, which has it: `fuzz seeds FOLDER` writes what they begin with.

mod zip;

use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether code of this package panicked, even if the panic was caught.
static OURS: AtomicBool = AtomicBool::new(false);

/// A target, and good input to damage.
type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

const TARGETS: [Target; 23] = [
    ("connection", faceplate::gate::fuzz, connections),
    ("multipart", faceplate::api::multipart::fuzz, forms),
    ("base64", faceplate::api::fuzz_base64, texts),
    ("template", faceplate::face::fuzz, templates),
    ("seal", faceplate::face::fuzz_seal, templates),
    ("settings", |bytes| faceplate::ops::settings::fuzz(&String::from_utf8_lossy(bytes)), settings),
    ("query", |bytes| faceplate::api::fuzz_query(&String::from_utf8_lossy(bytes)), queries),
    ("people_query", |bytes| faceplate::api::fuzz_people_query(&String::from_utf8_lossy(bytes)), queries),
    ("people_lines", faceplate::api::fuzz_people_lines, lines),
    ("person", faceplate::people::fuzz, people),
    ("etcd", faceplate::people::fuzz_etcd, etcd_answers),
    ("events_query", |bytes| faceplate::api::fuzz_events_query(&String::from_utf8_lossy(bytes)), queries),
    ("broker", faceplate::outputs::fuzz_broker, broker_packets),
    ("language", |bytes| faceplate::api::fuzz_language(&String::from_utf8_lossy(bytes)), languages),
    ("payload", faceplate::api::liveness::fuzz, payloads),
    ("picture", faceplate::media::fuzz, pictures),
    ("archive", faceplate::media::fuzz_archive, archives),
    ("camera", faceplate::media::fuzz_raw, buffers),
    ("clip", faceplate::media::video::fuzz, clips),
    ("bmff", faceplate::media::video::bmff::fuzz, clips),
    ("matroska", faceplate::media::video::matroska::fuzz, clips),
    ("avi", faceplate::media::video::avi::fuzz, clips),
    ("vp8", faceplate::media::video::vp8::fuzz, vp8_frames),
];

fn connections() -> Vec<Vec<u8>> {
    let chunked =
        "POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n";
    let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
    let old = "HEAD http://h:1/x?y HTTP/1.0\r\nAuthorization: Bearer x\r\nConnection: keep-alive, upgrade\r\n\r\n";
    [chunked, plain, old].map(|text| text.as_bytes().to_vec()).into()
}

fn forms() -> Vec<Vec<u8>> {
    let form = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"sample\"; filename*=UTF-8''a%20b\r\nContent-Type: image/jpeg\r\n\r\n\
        bytes\r\n-\r\n--b \r\ncontent-disposition: form-data; name=x; filename=\"a\\\"b\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8\r\n--b--\r\nepilogue";
    vec![form.into()]
}

fn person() -> String {
    let person = r#"{"id":"a","name":"A","groups":["g"],"valid_from":null,"valid_until":"2027-01-01T00:00:00Z","external_id":null,"version":1,
        "created":"2026-01-01T00:00:00Z","changed":"2026-01-01T00:00:00Z","templates":[{"number":1,"model":1,"samples":1,"quality":80,
        "created":"2026-01-01T00:00:00Z","source":"picture","liveness":null}]}"#;
    person.replace('\n', " ")
}

fn lines() -> Vec<Vec<u8>> {
    vec![format!("{{\"person\":{},\"record\":\"YQ==\"}}\n{{\"people\":1}}\n", person()).into_bytes()]
}

fn people() -> Vec<Vec<u8>> {
    let content = format!("\x01{{\"profile\":{},\"data\":[\"YQ==\"]}}", person());
    vec![content.into_bytes(), b"FPPR\0\0\0\0".to_vec()]
}

fn etcd_answers() -> Vec<Vec<u8>> {
    let event = r#"{"result":{"header":{"cluster_id":"1","revision":"7"},"events":[{"kv":{"key":"cC9h","mod_revision":"7","value":"eA=="}},{"type":"DELETE","kv":{"key":"cC9i"}}]}}"#;
    vec![
        event.into(),
        br#"{"header":{"revision":"3"},"kvs":[{"key":"cC9h","value":"eA=="}],"more":true,"ID":"77"}"#.to_vec(),
    ]
}

fn broker_packets() -> Vec<Vec<u8>> {
    let accepted = [0x20, 2, 0, 0];
    let subscribed = [0x90, 4, 0, 1, 0, 0x80];
    let topic = b"faceplate/a/door/command";
    let mut command = vec![0x30, 2 + topic.len() as u8 + 4, 0, topic.len() as u8];
    command.extend(topic);
    command.extend(b"OPEN");
    vec![[&accepted[..], &subscribed, &command, &[0xD0, 0], &[0x40, 2, 0, 1]].concat(), vec![0x20, 2, 0, 5]]
}

fn languages() -> Vec<Vec<u8>> {
    vec![b"de-AT, de;q=0.9, *;q=0.1".into(), b"es;q=0, ru ; q=1".into()]
}

fn texts() -> Vec<Vec<u8>> {
    vec![b"data:image/png;base64,+/8A YQ==".into(), b"-_8AYQ\r\nabcd".into()]
}

fn templates() -> Vec<Vec<u8>> {
    let vector: Vec<f64> = (0..128).map(|i| f64::from(i * 37 % 101) - 50.0).collect();
    let template = faceplate::face::Template::new(1, 80, &vector).expect("a vector makes a template");
    let mut joined = template.to_bytes().to_vec();
    (joined[4], joined[10]) = (2, 3);
    let end = joined.len() - 4;
    let crc = crc32fast::hash(&joined[..end]).to_le_bytes();
    joined[end..].copy_from_slice(&crc);
    vec![template.to_bytes().to_vec(), joined, b"FPSL\x01\0\0\0".iter().copied().chain([7; 180]).collect()]
}

fn settings() -> Vec<Vec<u8>> {
    let all = faceplate::ops::Settings::default().to_toml();
    let some = "[server]\nlisten = [\"127.0.0.1:1\", \"unix:/a\"]\n[camera]\nexposure = 3\n[[access.tokens]]\nname = \"a\"\nsha256 = \"00\"\nscopes = [\"camera\"]\n";
    vec![all.into(), some.into()]
}

fn queries() -> Vec<Vec<u8>> {
    vec![b"liveness=required&threshold_spoofing=0.5&deadline_ms=1000".into()]
}

fn payloads() -> Vec<Vec<u8>> {
    let payload = r#"{"folder:meta_data":{"a":[1]},"media:tags":{"v":["t"]},"analyses":[{"type":"quality","source_media":["v"],"params":{"threshold_spoofing":0.5,"extract_best_shot":true}}]}"#;
    vec![payload.into()]
}

fn pictures() -> Vec<Vec<u8>> {
    let picture = image::DynamicImage::from(image::RgbImage::from_fn(40, 24, |x, y| {
        image::Rgb([x as u8, y as u8, (x * y) as u8])
    }));
    // One decoder is for small JPEGs and unusual ones, the other for those of 64 pixels a side and more.
    let large = picture.resize_exact(80, 64, image::imageops::FilterType::Triangle);
    let odd: [&[u8]; 3] = [
        include_bytes!("pictures/apart.jpg"),
        include_bytes!("pictures/thirds.jpg"),
        include_bytes!("pictures/coarse.jpg"),
    ];
    [(&picture, image::ImageFormat::Jpeg), (&picture, image::ImageFormat::Png), (&large, image::ImageFormat::Jpeg)]
        .map(|(picture, format)| {
            let mut bytes = std::io::Cursor::new(vec![]);
            picture.write_to(&mut bytes, format).expect("writing to memory does not fail");
            bytes.into_inner()
        })
        .into_iter()
        .chain(odd.map(<[u8]>::to_vec))
        .collect()
}

fn archives() -> Vec<Vec<u8>> {
    vec![zip::zip(&[("a.jpg", b"first"), ("b/2.png", b"second"), ("c", b"\xFF\xD8third"), ("notes", b"none")])]
}

/// Camera buffers in each format: the format, the size and the camera's rotation, before the data.
fn buffers() -> Vec<Vec<u8>> {
    let motion = pictures().remove(0);
    let raw = |format: u8| [&[format, 8, 6, 0, 0, format, 1, 0][..], &[90; 8 * 6 * 3]].concat();
    (0..6).map(raw).chain((0..6).map(|format| [&[format, 40, 24, 0, 0, 0, 0, 0][..], &motion].concat())).collect()
}

/// One of each container and codec, one without key frames, and recordings one after the other.
fn clips() -> Vec<Vec<u8>> {
    let single = [
        &include_bytes!("clips/h264.avi")[..],
        include_bytes!("clips/h264_bframes_fragmented.mp4"),
        include_bytes!("clips/h264_cropped.mkv"),
        include_bytes!("clips/h264_refresh.mkv"),
        include_bytes!("clips/h264_turned.mov"),
        include_bytes!("clips/hevc.mp4"),
        include_bytes!("clips/mjpeg.avi"),
        include_bytes!("clips/vp8.webm"),
        include_bytes!("clips/vp9.webm"),
    ];
    let twice = [single[0], single[1], single[7]].map(|clip| clip.repeat(2));
    single.iter().map(|clip| clip.to_vec()).chain(twice).collect()
}

/// The data of a clip from its first key frame on, found by its start code, with the frame size lowered to what the target accepts.
fn vp8_frames() -> Vec<Vec<u8>> {
    let clip = include_bytes!("clips/vp8.webm");
    let begin = clip.windows(3).position(|bytes| bytes == [0x9D, 0x01, 0x2A]).expect("a key frame") - 3;
    let mut data = clip[begin..].to_vec();
    data[6..10].copy_from_slice(&[96, 0, 64, 0]); // width and height
    framed(&data)
}

/// Input of a decoder's own target: one long frame, and the same cut in two.
fn framed(data: &[u8]) -> Vec<Vec<u8>> {
    let data = &data[..data.len().min(usize::from(u16::MAX))];
    let frame = |data: &[u8]| [&(data.len() as u16).to_le_bytes()[..], data].concat();
    let (first, second) = data.split_at(data.len() / 2);
    vec![frame(data), [frame(first), frame(second)].concat()]
}

/// Random numbers (splitmix64), the same in every run with the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}

/// One to six changes: bits flipped, bytes replaced, ranges removed, duplicated, or copied from another input.
fn damaged(good: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = good[random.below(good.len())].clone();
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let at = random.below(bytes.len());
        let end = bytes.len().min(at + 1 + random.below(16));
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = &good[random.below(good.len())];
                let from = random.below(other.len());
                bytes.splice(at..at, other[from..].iter().take(64).copied());
            }
            _ => {
                const TOKENS: [&[u8]; 8] =
                    [b"\r\n", b"\n", b"\0", b"--b", b"99999999999", b"-1", b"\xff\xff", b":;=\",[]{}"];
                bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied());
            }
        }
    }
    bytes
}

/// Writes each target's good input, a file each, to a folder of the target's name.
fn write_seeds(corpus: &Path) -> std::io::Result<()> {
    for (name, _, good) in &TARGETS {
        let folder = corpus.join(name);
        std::fs::create_dir_all(&folder)?;
        for (number, bytes) in good().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), bytes)?;
        }
    }
    Ok(())
}

fn usage() -> ! {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.0).collect();
    eprintln!("usage: fuzz TARGET|all SECONDS [SEED] | fuzz seeds FOLDER; targets: {}", names.join(", "));
    std::process::exit(2)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, corpus] = &arguments[..]
        && command == "seeds"
    {
        return write_seeds(Path::new(corpus)).expect("the folder can be written");
    }
    let (name, seconds, seed) = match &arguments[..] {
        [name, seconds] => (name, seconds, "1"),
        [name, seconds, seed] => (name, seconds, &**seed),
        _ => usage(),
    };
    let (Ok(seconds), Ok(seed)) = (seconds.parse(), seed.parse::<u64>()) else { usage() };
    let chosen: Vec<&Target> = TARGETS.iter().filter(|target| target.0 == name || name == "all").collect();
    if chosen.is_empty() {
        usage();
    }
    // Third-party decoders may panic on damaged input, which ends only that clip: such a panic is expected. One in our code is a defect.
    let default_hook = take_hook();
    set_hook(Box::new(|panic| {
        let ours = panic.location().is_some_and(|location| location.file().starts_with("src/"));
        OURS.fetch_or(ours, Ordering::Relaxed);
    }));
    for (name, target, good) in chosen {
        let (good, mut random, mut count) = (good(), Random(seed), 0_u64);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let bytes = damaged(&good, &mut random);
            if catch_unwind(|| target(&bytes)).is_err() || OURS.load(Ordering::Relaxed) {
                println!("{name}: input {count} of seed {seed} breaks it: {}", bytes.escape_ascii());
                set_hook(default_hook);
                target(&bytes);
                std::process::exit(1);
            }
            count += 1;
        }
        println!("{name}: {count} inputs of seed {seed} in {seconds} s, clean");
    }
}

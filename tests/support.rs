//! The test harness: starts the real binary on a free port and sends HTTP over raw sockets, so that a test can send
//! exactly the bytes that it means.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// The binary, started through FACEPLATE_RUNNER if that is set: the binary of another processor needs an emulator.
pub(crate) fn binary() -> Command {
    let runner = std::env::var("FACEPLATE_RUNNER").unwrap_or_default();
    let mut arguments = runner.split_whitespace().chain([env!("CARGO_BIN_EXE_faceplate")]);
    let mut command = Command::new(arguments.next().expect("the binary at least"));
    command.args(arguments);
    command.env_remove("RUST_LOG"); // that of the tests is not for the service
    command
}

/// Whether the binary runs in an emulator, where a clip takes a minute.
pub(crate) fn is_emulated() -> bool {
    std::env::var_os("FACEPLATE_RUNNER").is_some()
}

/// Many connections need more than the usual 1,024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// A running service, stopped when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
    /// Its log since it became ready.
    log: Arc<Mutex<String>>,
}

impl Service {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn_command(binary().args(["serve", "--listen", "127.0.0.1:0"]).args(args))
    }

    /// Runs the command, which must start a service.
    pub(crate) fn spawn_command(command: &mut Command) -> Self {
        Self::try_spawn_command(command).unwrap_or_else(|end| panic!("no log line that the service is ready: {end:?}"))
    }

    /// Runs the command. If it ends before it is ready, its exit code and what it wrote.
    pub(crate) fn try_spawn_command(command: &mut Command) -> Result<Self, (Option<i32>, String)> {
        raise_descriptor_limit();
        command.env_remove("RUST_LOG");
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut before = String::new();
        let address = loop {
            let Some(line) = lines.next() else { return Err((child.wait().unwrap().code(), before)) };
            let line = line.unwrap();
            before.push_str(&line);
            if let Some((_, rest)) = line.split_once("ready on ") {
                let first = rest.split_whitespace().next().unwrap();
                break first.split_once("://").expect("a URL").1.to_owned();
            }
        };
        // Keep reading, so that the service never blocks on a full pipe.
        let log = Arc::<Mutex<String>>::default();
        let written = Arc::clone(&log);
        let write = move |line: String| written.lock().unwrap().push_str(&(line + "\n"));
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(write));
        Ok(Self { child, address, log })
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        let timeout_s = if is_emulated() { 1800 } else { 60 };
        stream.set_read_timeout(Some(Duration::from_secs(timeout_s))).unwrap();
        stream
    }

    /// Sends bytes on a fresh connection and reads one reply.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        let _peer_may_have_answered_early = stream.write_all(bytes);
        Reply::read(&mut BufReader::new(stream))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[("Content-Type", content_type)], body)
    }

    pub(crate) fn form(&self, path: &str, form: &Form) -> Reply {
        self.post(path, &form.content_type(), &form.body())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.raw(&request(method, path, headers, body))
    }

    /// The template of a picture.
    pub(crate) fn template(&self, picture: &[u8]) -> Vec<u8> {
        let reply = self.post("/v1/face/pattern/extract", "image/jpeg", picture);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body
    }

    /// Resident memory in MiB.
    pub(crate) fn memory_mib(&self) -> u64 {
        self.status_kib("VmRSS:") / 1024
    }

    /// Highest resident memory so far in MiB.
    pub(crate) fn peak_memory_mib(&self) -> u64 {
        self.status_kib("VmHWM:") / 1024
    }

    /// Address space in MiB, whether mapped to memory or not.
    pub(crate) fn address_space_mib(&self) -> u64 {
        self.status_kib("VmSize:") / 1024
    }

    /// Threads of the process.
    pub(crate) fn threads(&self) -> u64 {
        self.status_kib("Threads:")
    }

    /// File descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line =
            text.lines().find(|l| l.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The value of a metric with labels, for which a token is needed.
    pub(crate) fn metric_with(&self, name: &str, token: &str) -> f64 {
        let text = self.send("GET", "/metrics", &[("Authorization", token)], b"").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
        line.trim().parse().unwrap()
    }

    fn status_kib(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Ends the service by SIGTERM and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A connection from the given address of this machine.
pub(crate) fn connect_from(address: Ipv4Addr, to: &str) -> rustix::io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((address, 0)))?;
    connect(&socket, &to.parse::<SocketAddr>().unwrap())?;
    Ok(TcpStream::from(socket))
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn read(stream: &mut impl BufRead) -> Self {
        let mut line = String::new();
        loop {
            stream.read_line(&mut line).expect("a status line");
            if !line.starts_with("HTTP/1.1 100") {
                break;
            }
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            line.clear();
        }
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
        let mut headers = vec![];
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("Content-Length"));
        let mut body = vec![0; length.map_or(0, |(_, v)| v.parse().unwrap())];
        stream.read_exact(&mut body).expect("the whole body");
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The score in the multipart reply of verify.
    pub(crate) fn score(&self) -> f64 {
        let text = self.text();
        text.split("\"score\":").nth(1).unwrap().split('}').next().unwrap().parse().unwrap()
    }

    /// The error code; panics if the body is not exactly `{"code": …, "message": …}`, `code` first.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let object = json.as_object().unwrap();
        assert_eq!(object.len(), 2, "{}", self.text());
        assert!(self.text().starts_with("{\"code\":"), "{}", self.text());
        assert!(!object["message"].as_str().unwrap().is_empty());
        assert_eq!(self.header("Content-Type"), Some("application/json"));
        object["code"].as_str().unwrap().to_owned()
    }
}

/// A multipart body with literal header lines for each part.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) boundary: String,
    pub(crate) quoted: bool,
    pub(crate) parts: Vec<(String, Vec<u8>)>,
}

impl Form {
    pub(crate) fn new() -> Self {
        Self { boundary: "----test-boundary".into(), quoted: false, parts: vec![] }
    }

    pub(crate) fn part(mut self, head: &str, content: &[u8]) -> Self {
        self.parts.push((head.to_owned(), content.to_vec()));
        self
    }

    /// A part as most clients send a file.
    pub(crate) fn file(self, name: &str, content_type: &str, content: &[u8]) -> Self {
        let head =
            format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: {content_type}");
        self.part(&head, content)
    }

    pub(crate) fn picture(self, name: &str, content: &[u8]) -> Self {
        self.file(name, "image/jpeg", content)
    }

    pub(crate) fn template(self, name: &str, content: &[u8]) -> Self {
        self.file(name, "application/octet-stream", content)
    }

    pub(crate) fn named(self, name: &str, filename: &str, content: &[u8]) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"");
        self.part(&head, content)
    }

    pub(crate) fn content_type(&self) -> String {
        match self.quoted {
            true => format!("multipart/form-data; boundary=\"{}\"", self.boundary),
            false => format!("multipart/form-data; boundary={}", self.boundary),
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = vec![];
        for (head, content) in &self.parts {
            body.extend_from_slice(format!("--{}\r\n{head}\r\n\r\n", self.boundary).as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        body
    }
}

pub(crate) fn picture(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)).unwrap()
}

pub(crate) fn clip(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clips").join(name)).unwrap()
}

/// Runs a command of the binary: exit code, standard output, standard error.
pub(crate) fn command(args: &[&str]) -> (Option<i32>, String, String) {
    let output = binary().args(args).env_remove("FACEPLATE__LOG__LEVEL").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    faceplate::api::encode_base64(bytes)
}

/// A folder that is removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("faceplate-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Writes a file in it; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _already_removed = std::fs::remove_dir_all(&self.0);
    }
}

/// The frame of a picture file.
pub(crate) fn decoded(picture: &[u8]) -> faceplate::media::HeldMedia {
    use faceplate::ops::{Limits, Memory};
    let (limits, memory) = (Limits::default(), Memory::of(1 << 30));
    let means = faceplate::media::Means { limits: &limits, memory: &memory, stop: &|| false, threads: &() };
    faceplate::media::decode(picture, &means).unwrap()
}

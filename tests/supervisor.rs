//! Tests what the process reports to a service manager, and the socket that it takes from one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Reply, Service, binary, is_emulated, request};

#[test]
fn the_service_manager_is_notified_of_ready_alive_and_stopping() {
    let path = std::env::temp_dir().join(format!("faceplate-test-{}-notify", std::process::id()));
    let _left_over = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    let notification = || {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let (period, times) = if is_emulated() { ("180000000", 1) } else { ("3000000", 3) };
    let service = Service::spawn_command(
        binary()
            .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", period),
    );
    let ready = notification();
    assert!(ready.starts_with("READY=1\nSTATUS=answering on http://127.0.0.1:"), "{ready}");
    for _ in 0..times {
        assert_eq!(notification(), "WATCHDOG=1\n");
    }
    assert_eq!(service.stop(), Some(0));
    while notification() != "STOPPING=1\n" {}
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_service_listens_on_the_socket_of_its_service_manager() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // A shell moves the socket from standard input to where sd_listen_fds(3) expects it.
    let mut command = Command::new("sh");
    command.arg("-c").arg("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null").arg("sh");
    let inner = binary();
    command.arg(inner.get_program()).args(inner.get_args()).args(["serve", "--listen", "127.0.0.1:9"]);
    let service = Service::spawn_command(command.stdin(Stdio::from(OwnedFd::from(listener))));
    assert_eq!(service.address, address);
    assert_eq!(service.get("/v1/face/pattern/health").status, 200);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_watchdog_without_a_period_is_ignored_and_a_short_one_costs_little() {
    for period in ["0", "rubbish", "1"] {
        let service = Service::spawn_command(
            binary()
                .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"])
                .env("NOTIFY_SOCKET", "/nonexistent/notify")
                .env("WATCHDOG_USEC", period),
        );
        std::thread::sleep(Duration::from_secs(1));
        let lines = service.log().lines().count();
        assert!(lines < 60, "{period}: {lines} lines in a second");
        assert_eq!(service.get("/v1/face/pattern/health").status, 200);
    }
}

#[test]
fn too_few_descriptors_are_an_error_at_start() {
    for limit in [20, 64] {
        let mut shell = Command::new("sh");
        let inner = binary();
        shell
            .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
            .arg(inner.get_program())
            .args(inner.get_args());
        let output = shell.args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && stderr.contains("descriptors are too few"), "{limit}: {stderr}");
        assert!(!stderr.contains("ready on"), "{stderr}");
    }
}

#[test]
fn a_hanging_reader_of_the_log_delays_no_request() {
    // A pipe of which only the first lines are read.
    let mut child = binary()
        .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "debug"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready on ") {
        line.clear();
        assert!(pipe.read_line(&mut line).unwrap() > 0, "the service ended");
    }
    let address = line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap();
    // Each request logs a line of some 70 bytes: together more than the pipe and the queue take.
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..4_000 {
        stream.write_all(&request("GET", "/healthz", &[], b"")).unwrap();
        assert_eq!(Reply::read(&mut reader).status, 200);
    }
    // The service stops as well, though its last lines are not read.
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(pipe);
}
